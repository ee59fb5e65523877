//! HMAC-SHA-256 (RFC 2104) with a key that is prepared once.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::secret::equal;

/// A key for message authentication codes.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// From key bytes; 32 or more of them for full strength.
    #[allow(clippy::expect_used)] // HMAC takes keys of any length (RFC 2104 section 2)
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The code of `data`: 32 bytes.
    pub fn tag(&self, data: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(data).finalize().into_bytes().into()
    }

    /// Whether `tag` is the code of `data`, whole; takes the same time wherever they differ.
    pub fn verify(&self, data: &[u8], tag: &[u8]) -> bool {
        equal(&self.tag(data), tag)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::encode::hex;

    #[test]
    fn rfc4231_4_3_hmac_sha256_vector() {
        let key = MacKey::new(b"Jefe");
        let tag = key.tag(b"what do ya want for nothing?");
        assert_eq!(hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(key.verify(b"what do ya want for nothing?", &tag));
        assert!(!key.verify(b"what do ya want for nothing!", &tag));
        assert!(!key.verify(b"what do ya want for nothing?", &tag[..31]), "a shortened code is none");
        assert!(!key.verify(b"what do ya want for nothing?", b""));
    }
}
