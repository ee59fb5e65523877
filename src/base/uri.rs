//! URIs: what may be registered, origins as browsers write them, parameters added without touching the rest.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Longer URIs are refused where they are registered.
pub const MAX_LENGTH: usize = 2048;

/// Why a URI cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// Longer than [`MAX_LENGTH`].
    TooLong,
    /// Not an absolute URI in the syntax of RFC 3986 (spaces and control characters included).
    NotAbsolute,
    /// It has a fragment (RFC 6749 section 3.1.2 forbids it).
    Fragment,
    /// It carries a user name or a password.
    UserInfo,
    /// A scheme that makes a browser run or show its content, such as `javascript:`, or that another program may have, such as
    /// `mailto:`.
    Scheme,
    /// A pattern where an address has to stand: redirect URIs are compared as they are.
    Wildcard,
    /// Not http or https where only these make sense.
    NotHttp,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than 2048 characters",
            Self::NotAbsolute => "not an absolute URI (like https://app.example/callback)",
            Self::Fragment => "has a fragment (#…), which a redirect URI must not have",
            Self::UserInfo => "carries a user name or password",
            Self::Scheme => {
                "its scheme is not safe to redirect to: it must be https, http, or one of the app's own, which is a domain name \
                 in reverse (like com.example.app:/callback)"
            }
            Self::Wildcard => "has a wildcard, but is compared as it is: register each address",
            Self::NotHttp => "must begin with https:// or http://",
        })
    }
}

impl std::error::Error for UriError {}

/// Checks a URI that a browser may be redirected to (RFC 6749 section 3.1.2).
///
/// RFC 8252 section 7.1: a scheme that an app has for itself is a domain name in reverse, so it has a dot (RFC 7595 section 3.8).
/// All others are somebody else's, or a browser would show or run what they lead to.
///
/// # Errors
/// The first reason against it.
pub fn check_redirect(text: &str) -> Result<(), UriError> {
    let url = parse(text)?;
    if text.contains('#') {
        return Err(UriError::Fragment);
    }
    // `urn:` is what apps without any address of their own are registered with (urn:ietf:wg:oauth:2.0:oob).
    if !matches!(url.scheme(), "https" | "http" | "urn") && !url.scheme().contains('.') {
        return Err(UriError::Scheme);
    }
    // As written: the parser forgets a user name and a password that are empty, and other readers may not.
    if authority(text).is_some_and(|authority| authority.contains('@')) {
        return Err(UriError::UserInfo);
    }
    if url.host_str().is_some_and(|host| host.contains('*')) {
        return Err(UriError::Wildcard);
    }
    Ok(())
}

/// Checks a link that a page may show: http or https only.
///
/// # Errors
/// The first reason against it.
pub fn check_link(text: &str) -> Result<(), UriError> {
    let url = parse(text)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(()) } else { Err(UriError::NotHttp) }
}

/// Parses an absolute URI; refuses what a URI may not contain instead of repairing it as a browser would.
fn parse(text: &str) -> Result<Url, UriError> {
    if text.len() > MAX_LENGTH {
        return Err(UriError::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return Err(UriError::NotAbsolute);
    }
    let url = Url::parse(text).map_err(|_| UriError::NotAbsolute)?;
    // `https:example` and `https:///example` would be repaired by the parser; compare what was written. A host in
    // percent-encoding would be decoded, also to characters that none may have: `%22` is a quotation mark.
    if url.is_special() && authority(text).is_none_or(|authority| authority.is_empty() || authority.contains('%')) {
        return Err(UriError::NotAbsolute);
    }
    Ok(url)
}

/// What stands between `//` and the path, the query or the fragment (RFC 3986 section 3.2), as written.
fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(':')?;
    rest.strip_prefix("//")?.split(['/', '?', '#']).next()
}

/// The origin of an http or https URI as a browser sends it in `Origin` (RFC 6454 section 6.2); `None` for others.
pub fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

/// An http URI whose host is this machine, taken apart at its port (RFC 8252 section 7.3: any port must do).
#[derive(Debug, PartialEq, Eq)]
pub struct LoopbackUri<'a> {
    /// The host as written: `127.0.0.1`, `[::1]` or `localhost`.
    pub host: &'a str,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// Path and query, as written; may be empty.
    pub rest: &'a str,
}

impl<'a> LoopbackUri<'a> {
    /// `None` for anything but `http://` and one of the three loopback names.
    pub fn parse(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix("http://")?;
        let host = ["127.0.0.1", "[::1]", "localhost"]
            .into_iter()
            .find_map(|host| after.get(..host.len()).filter(|name| *name == host))?;
        let after = after.get(host.len()..)?;
        let (port, rest) = match after.strip_prefix(':') {
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                (Some(after.get(..digits)?.parse().ok()?), after.get(digits..)?)
            }
            None => (None, after),
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(Self { host, port, rest })
    }
}

/// Whether a host name or address means this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0],
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// Whether a text is an http or https URI of this machine that a browser may be redirected to.
pub fn is_loopback_redirect(text: &str) -> bool {
    check_redirect(text).is_ok()
        && parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && is_loopback(&url))
}

/// A URL that people can be sent to: https, or http on their own machine, and no credentials in it.
pub fn parse_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_safe = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Adds encoded parameters to a URI's query, leaving every byte that is there as it is.
pub fn add_query(uri: &str, parameters: &str) -> String {
    if parameters.is_empty() {
        return uri.to_owned();
    }
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{parameters}")
}

/// Puts encoded parameters into a URI's fragment. Registered URIs have none of their own.
pub fn add_fragment(uri: &str, parameters: &str) -> String {
    format!("{uri}#{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_2_redirect_uris_are_absolute_without_fragment() {
        for good in [
            "https://app.example/cb",
            "http://localhost:3000/cb?x=1",
            "com.example.app:/oauth",
            "http://[::1]/",
            "com.example.app://cb",
            "urn:ietf:wg:oauth:2.0:oob",
            "https://app.example",
            "https://app.example/@user?to=me@app.example",
            "https://app.example/%22",
            "com.example.app:/cb//user@host",
        ] {
            assert_eq!(check_redirect(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("/cb", UriError::NotAbsolute),
            ("", UriError::NotAbsolute),
            ("https:app.example", UriError::NotAbsolute),
            ("https:///app.example", UriError::NotAbsolute),
            ("https:app.example/go?to=https://app.example", UriError::NotAbsolute),
            ("https://%61pp.example/", UriError::NotAbsolute),
            ("https://app%22.example/", UriError::NotAbsolute),
            ("https://a b/", UriError::NotAbsolute),
            ("https://a\r\n/", UriError::NotAbsolute),
            ("https://app.example\\@evil.example/", UriError::NotAbsolute),
            ("https://app.example/cb#x", UriError::Fragment),
            ("https://app.example/cb#", UriError::Fragment),
            ("javascript:alert(1)", UriError::Scheme),
            ("JavaScript:alert(1)", UriError::Scheme),
            ("data:text/html,x", UriError::Scheme),
            ("https://user@app.example/", UriError::UserInfo),
            ("https://@app.example/", UriError::UserInfo),
            ("https://:@app.example/", UriError::UserInfo),
            ("com.example.app://:@", UriError::UserInfo),
            ("ftp://app.example/", UriError::Scheme),
            ("https://*.app.example/cb", UriError::Wildcard),
        ] {
            assert_eq!(check_redirect(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn rfc8252_7_1_a_scheme_of_an_app_is_a_domain_name_in_reverse() {
        for good in
            ["com.example.app:/cb", "COM.Example.App:/cb", "com.example.app:cb", "urn:ietf:wg:oauth:2.0:oob:auto"]
        {
            assert_eq!(check_redirect(good), Ok(()), "{good}");
        }
        for bad in [
            "intent:x",
            "intent://app.example/",
            "mailto:a@b.example",
            "jar:x",
            "tel:1",
            "view-source:https://app.example/",
            "blob:https://app.example/x",
            "filesystem:https://app.example/x",
            "myapp:/cb",
            "myapp://app.example/cb",
            "ws://app.example/",
        ] {
            assert_eq!(check_redirect(bad), Err(UriError::Scheme), "{bad}");
        }
    }

    #[test]
    fn rfc6454_6_2_origins_are_written_as_browsers_write_them() {
        assert_eq!(origin("HTTPS://App.Example:443/cb?x").as_deref(), Some("https://app.example"));
        assert_eq!(origin("http://localhost:3000/cb").as_deref(), Some("http://localhost:3000"));
        assert_eq!(origin("com.example:/cb"), None);
    }

    #[test]
    fn rfc8252_7_3_loopback_uris_come_apart_at_the_port() {
        let uri = LoopbackUri::parse("http://127.0.0.1:51004/cb?x").unwrap();
        assert_eq!(uri, LoopbackUri { host: "127.0.0.1", port: Some(51004), rest: "/cb?x" });
        assert_eq!(LoopbackUri::parse("http://[::1]/cb").unwrap().port, None);
        for other in [
            "https://127.0.0.1/cb",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "http://localhost:99999/",
        ] {
            assert_eq!(LoopbackUri::parse(other), None, "{other}");
        }
    }

    #[test]
    fn parameters_join_what_is_there() {
        assert_eq!(add_query("https://a/cb", "code=1"), "https://a/cb?code=1");
        assert_eq!(add_query("https://a/cb?x=", "code=1"), "https://a/cb?x=&code=1");
        assert_eq!(add_query("https://a/cb?", "code=1"), "https://a/cb?code=1");
        assert_eq!(add_fragment("https://a/cb?x", "code=1"), "https://a/cb?x#code=1");
    }
}
