//! Ranges of IP addresses, as `10.0.0.0/8` writes them (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address, or all addresses that share a prefix. IPv4 addresses mapped into IPv6 count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// What stands before the slash is no IP address.
    Address,
    /// What stands behind the slash is no prefix length for this kind of address.
    Prefix,
    /// The address has bits behind its prefix, so that it names a host and a network at once.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an IP address",
            Self::Prefix => "the prefix length goes up to 32 for IPv4 and to 128 for IPv6",
            Self::HostBits => "the address has bits behind its prefix",
        })
    }
}

impl std::error::Error for NetworkError {}

impl Network {
    /// Whether `address` lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }

    /// How many bits the addresses of this kind have.
    const fn width(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: Self::width(address) }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let Some(prefix) = prefix else {
            return Ok(Self::from(address));
        };
        // The standard parser would take a leading `+`.
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or(NetworkError::Prefix)?;
        if prefix > Self::width(address) {
            return Err(NetworkError::Prefix);
        }
        let behind = match address {
            IpAddr::V4(address) => address.to_bits().checked_shl(prefix.into()).unwrap_or(0) != 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(prefix.into()).unwrap_or(0) != 0,
        };
        if behind {
            return Err(NetworkError::HostBits);
        }
        Ok(match (address, address.to_canonical(), prefix.checked_sub(96)) {
            (IpAddr::V6(_), mapped @ IpAddr::V4(_), Some(prefix)) => Self { address: mapped, prefix },
            _ => Self { address, prefix },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == Self::width(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn rfc4632_3_1_a_prefix_covers_its_addresses_and_no_others() {
        for (range, address, inside) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("192.0.2.128/25", "192.0.2.128", true),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("::1", "::1", true),
        ] {
            assert_eq!(network(range).contains(address.parse().unwrap()), inside, "{range} {address}");
        }
    }

    #[test]
    fn rfc4291_2_5_5_2_mapped_addresses_count_as_ipv4() {
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(network("::ffff:10.0.0.0/104").contains("10.1.2.3".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
    }

    #[test]
    fn what_names_no_network_is_refused() {
        for (text, error) in [
            ("", NetworkError::Address),
            ("localhost", NetworkError::Address),
            ("10.0.0/8", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::Prefix),
            ("10.0.0.0/", NetworkError::Prefix),
            ("10.0.0.0/+8", NetworkError::Prefix),
            ("::/129", NetworkError::Prefix),
            ("10.0.0.1/8", NetworkError::HostBits),
            ("2001:db8::1/64", NetworkError::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        for text in ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert_eq!(network(text).to_string(), text);
        }
    }
}
