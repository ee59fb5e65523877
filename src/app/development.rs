//! What a provider for development does otherwise. None of it is ever in force under `serve`.

use std::net::IpAddr;

use hyper::http::uri::Authority;

use crate::protocol::issuer::Issuer;

/// Where the playground takes the answers of its authorization requests, below the issuer.
pub const PLAYGROUND_CALLBACK: &str = "/playground/callback";

/// The id (RFC 7638) of the signing key that is in the program: everybody has it.
pub const KEY_ID: &str = "cNxEBnOx0rnS2ZIOMj_I8ew9tOUo54bjcUwH7GE67fQ";

/// What stands above every page.
pub const BANNER: &str = "For development only: here anyone can sign in as anyone.";

/// The differences that endpoints and pages have to know.
#[derive(Clone, Debug)]
pub struct Development {
    /// The redirect URI of the playground, which every client may use beside its own.
    pub playground: String,
    /// Under which names requests may come in.
    pub hosts: Hosts,
}

impl Development {
    /// For an issuer; `exposed` when others than this machine may come.
    pub fn new(issuer: &Issuer, exposed: bool) -> Self {
        Self { playground: format!("{issuer}{PLAYGROUND_CALLBACK}"), hosts: Hosts::new(issuer, exposed) }
    }
}

/// The names and addresses that a provider for development answers to.
///
/// A page of another site can't read what we answer, unless it gets the browser to take us for that site: by a name of its
/// own that it lets mean this machine (DNS rebinding). The name is then in `Host`, and isn't one of these.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// The issuer's, in lower case, IPv6 in brackets.
    issuer: String,
    /// Whether any IP address will do: nobody can make an address mean something else.
    any_address: bool,
}

impl Hosts {
    fn new(issuer: &Issuer, exposed: bool) -> Self {
        let authority = issuer.origin().split_once("://").map_or("", |(_, authority)| authority);
        Self { issuer: host(authority).unwrap_or_default(), any_address: exposed }
    }

    /// Whether a request for this authority (RFC 9110 section 7.2: a host, and perhaps a port) may come in. The port doesn't
    /// matter: containers and tunnels change it.
    pub fn admit(&self, authority: &str) -> bool {
        let Some(host) = host(authority) else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) => self.any_address || address.to_canonical().is_loopback() || host == self.issuer,
            Err(_) => host == "localhost" || host == self.issuer,
        }
    }
}

/// The host of an authority, in lower case.
fn host(authority: &str) -> Option<String> {
    let parsed: Authority = authority.parse().ok()?;
    // A user name before an `@` would belong to neither.
    (!authority.contains('@')).then(|| parsed.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_7_4_names_that_others_can_make_mean_this_machine_are_refused() {
        let issuer = Issuer::parse("http://idp.test:8000").unwrap();
        let hosts = Hosts::new(&issuer, false);
        for host in ["localhost:8000", "LOCALHOST", "127.0.0.1:9", "127.1.2.3", "[::1]:8000", "idp.test", "Idp.Test:1"]
        {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "evil.example:8000",
            "localhost.evil.example",
            "a.localhost",
            "localhost.",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1:8000",
            "[2001:db8::1]",
            "0.0.0.0:8000",
            "2130706433",
            "",
            ":8000",
            "a b",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn an_exposed_provider_answers_to_every_address_and_still_to_no_other_name() {
        let hosts = Hosts::new(&Issuer::parse("http://[::1]:8000").unwrap(), true);
        for host in ["192.0.2.1:8000", "[2001:db8::1]", "0.0.0.0", "localhost"] {
            assert!(hosts.admit(host), "{host}");
        }
        assert!(!hosts.admit("evil.example"));
    }
}
