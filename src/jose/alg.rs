//! Signature algorithms (RFC 7518 section 3.1).

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Hs256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}
