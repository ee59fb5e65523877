//! Signature algorithms (RFC 7518 section 3.1).

use std::fmt;

/// An algorithm that tokens are signed with. There is no variant for `none`, so that no path can take it for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// HMAC with SHA-256, keyed with the client's secret (RFC 7518 section 3.2).
    Hs256,
}

impl Algorithm {
    /// Every algorithm, in the order in which discovery lists them.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Hs256];

    /// The name on the wire: the value of the header's `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of this name. Names are compared exactly (RFC 7515 section 4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether signer and verifier share one secret, so that either of them can sign.
    pub const fn is_symmetric(self) -> bool {
        match self {
            Self::Rs256 => false,
            Self::Hs256 => true,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_4_1_1_names_are_exact_and_none_is_no_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "None", "NONE", "", "rs256", "RS256 ", "RS512"] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
