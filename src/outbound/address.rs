//! Which addresses are the public internet's, and not this machine's or its network's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is reached over the public internet, by the registries of special-purpose addresses (RFC 6890, and
/// what IANA has added since).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]          // this network, private, loopback
            | [100, 64..=127, ..]   // carrier-grade NAT (RFC 6598)
            | [169, 254, ..]        // link-local, where clouds keep their credentials
            | [172, 16..=31, ..]    // private
            | [192, 0, 0 | 2, _]    // protocol assignments, documentation
            | [192, 88, 99, _]      // relays of 6to4
            | [192, 168, ..]        // private
            | [198, 18 | 19, ..]    // benchmarks
            | [198, 51, 100, _]     // documentation
            | [203, 0, 113, _]      // documentation
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

/// Everything public lies in 2000::/3 (RFC 4291 section 2.4). Loopback, unique-local, link-local and multicast addresses,
/// and IPv4 ones that are mapped, don't.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 (RFC 6052): as public as the IPv4 address in it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits((high as u32) << 16 | low as u32))
        }
        [0x2001, 0..=0x1ff, ..] // protocol assignments, Teredo among them, which has IPv4 addresses in it
        | [0x2001, 0xdb8, ..] // documentation
        | [0x2002, ..] // 6to4, which has IPv4 addresses in it
        | [0x3fff, 0..=0xfff, ..] => false, // documentation (RFC 9637)
        [first, ..] => first >> 13 == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6890_2_2_special_purpose_addresses_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn rfc4291_2_4_global_unicast_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "64:ff9b::5db8:d822",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
