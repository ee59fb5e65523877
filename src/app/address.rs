//! Which address a request really comes from, and whom an address stands for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::HeaderMap;

use crate::base::network::Network;

/// What one subscriber usually holds: an IPv4 address, or the /64 around an IPv6 address (RFC 6177 section 2).
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// The proxies in front of us.
#[derive(Debug)]
pub struct Proxies {
    trusted: Vec<Network>,
    /// Whether one that isn't trusted has been spoken of.
    noticed: AtomicBool,
}

impl Proxies {
    /// These are believed about whom they speak for.
    pub fn new(trusted: Vec<Network>) -> Self {
        Self { trusted, noticed: AtomicBool::new(false) }
    }

    /// See [`client_address`].
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_address(peer, headers, &self.trusted)
    }

    /// Says once, in the log, that a proxy seems to be in front which isn't trusted: a neighbour that forwards requests. All
    /// its callers count as one until it is, and any of them can hold up the others.
    pub fn notice(&self, peer: IpAddr, headers: &HeaderMap) {
        let is_forwarded = || ["x-forwarded-for", "forwarded"].into_iter().any(|name| headers.contains_key(name));
        let is_trusted = || self.trusted.iter().any(|network| network.contains(peer));
        if !self.noticed.load(Ordering::Relaxed)
            && is_neighbour(peer)
            && is_forwarded()
            && !is_trusted()
            && !self.noticed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "requests come through a proxy that is not named in http.trusted_proxies: all its callers count as one, \
                 and failed logins of any of them slow the others down"
            );
        }
    }
}

/// Whether an address is of this machine or of a private network (RFC 1918, RFC 3927, RFC 4193, RFC 4291 section 2.5.6).
fn is_neighbour(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The address a request comes from: the peer's own, or, when the peer is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not a trusted proxy too.
///
/// What stands left of that address was written by the client and is not looked at. An entry that is not an address
/// ends the search at the proxy that passed it on.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    // The usual case costs one comparison: no proxy is trusted.
    if trusted.is_empty() || !is_trusted(address) {
        return address;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    for entry in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        let Some(hop) = parse_hop(entry) else { break };
        address = hop;
        if !is_trusted(address) {
            break;
        }
    }
    address
}

/// One entry of `X-Forwarded-For`: an address, which some proxies write with its port.
fn parse_hop(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => match text.parse::<SocketAddr>() {
            Ok(with_port) => with_port.ip(),
            Err(_) => text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        },
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_is_an_ipv4_address_or_a_64() {
        assert_eq!(subscriber(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(subscriber(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let resolve = |peer: &str, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", hyper::header::HeaderValue::from_static(line));
            }
            client_address(ip(peer), &headers, &trusted).to_string()
        };
        assert_eq!(resolve("192.0.2.9", &["1.1.1.1"]), "192.0.2.9", "an untrusted peer is not believed");
        assert_eq!(resolve("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(resolve("10.0.0.1", &["6.6.6.6, 192.0.2.1"]), "192.0.2.1", "what the client wrote is not believed");
        assert_eq!(resolve("10.0.0.1", &["6.6.6.6", "192.0.2.1, 10.0.0.2"]), "192.0.2.1", "two lines, two proxies");
        assert_eq!(resolve("::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(resolve("::1", &["192.0.2.1, unknown"]), "::1");
        assert_eq!(resolve("10.0.0.1", &["10.0.0.3,10.0.0.2"]), "10.0.0.3");
    }
}
