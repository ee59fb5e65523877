//! Networks, and which address a request really comes from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::HeaderMap;

/// A set of addresses that share a prefix, in the notation of RFC 4632 section 3.1 and RFC 4291 section 2.3:
/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` belongs to it. An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

/// `text` is not a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address or a network (like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32)")
    }
}

impl std::error::Error for NotANetwork {}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits).ok_or(NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
            None => bits,
        };
        Ok(Self { first: masked(address, prefix), prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// The address with all bits behind the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// What one subscriber usually holds: an IPv4 address, or the /64 around an IPv6 address (RFC 6177 section 2).
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        v6 @ IpAddr::V6(_) => masked(v6, 64),
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
        Err(_) => match text.parse::<std::net::SocketAddr>() {
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
    fn networks_contain_their_addresses() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
        ];
        for (network, address, expected) in cases {
            assert_eq!(network.parse::<Network>().unwrap().contains(ip(address)), expected, "{network} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "localhost", "10.0.0.0/8/8"] {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad}");
        }
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
