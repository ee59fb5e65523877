//! Signing: the only place where a private key is used. Runs in aws-lc, in constant time, with the result of RSA
//! checked before it leaves, so that a fault in the computation gives no signature away.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::alg::Algorithm;
use super::key::{KeyError, MIN_SECRET, PrivateKey};
use super::mac::MacKey;
use crate::base::secret::Secret;

/// A key that is parsed and checked once and then signs for any number of threads.
pub struct Signer {
    kid: Option<String>,
    key: Key,
}

enum Key {
    Rs256(RsaKeyPair),
    Hs256(MacKey),
}

/// The library refused to sign: out of memory, or a fault in the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningFailed;

impl fmt::Display for SigningFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature could not be made")
    }
}

impl std::error::Error for SigningFailed {}

impl Signer {
    /// Signs with RS256 as the key that is published under `kid`.
    ///
    /// # Errors
    /// [`KeyError::Inconsistent`] when the parts of the key do not belong together.
    pub fn rs256(key: &PrivateKey, kid: impl Into<String>) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_pkcs8(key.to_pkcs8()).map_err(|_| KeyError::Inconsistent)?;
        Ok(Self { kid: Some(kid.into()), key: Key::Rs256(pair) })
    }

    /// Signs with HS256 under a client's secret. The client knows which, so there is no `kid`.
    ///
    /// # Errors
    /// [`KeyError::ShortSecret`] below 32 bytes: an attacker could guess it from one token.
    pub fn hs256(secret: &Secret) -> Result<Self, KeyError> {
        Ok(Self { kid: None, key: Key::Hs256(hs256_key(secret)?) })
    }

    /// The algorithm it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Rs256(_) => Algorithm::Rs256,
            Key::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// The id under which its public key is found, if there is a public key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The length of its signatures in bytes.
    pub fn signature_length(&self) -> usize {
        match &self.key {
            Key::Rs256(pair) => pair.public_modulus_len(),
            Key::Hs256(_) => 32,
        }
    }

    /// The signature of `message`. RSA takes a third of a millisecond of CPU and more: call it on a lane.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        match &self.key {
            Key::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // PKCS#1 v1.5 signatures are deterministic: the generator is asked for and never used.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
            Key::Hs256(key) => Ok(key.tag(message).to_vec()),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, {})", self.algorithm(), self.kid().unwrap_or("no kid"))
    }
}

/// The key of HS256: the bytes of the secret's UTF-8 (OpenID Connect Core section 10.1), 32 at least (RFC 7518 section 3.2).
pub(super) fn hs256_key(secret: &Secret) -> Result<MacKey, KeyError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < MIN_SECRET { Err(KeyError::ShortSecret) } else { Ok(MacKey::new(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::fixture;

    #[test]
    fn rfc7518_3_3_rs256_verifies_with_the_public_half_alone() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        let other = PrivateKey::from_pem(fixture::RSA_OTHER).unwrap();
        let signer = Signer::rs256(&key, key.kid()).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(signature.len(), signer.signature_length());
        assert!(key.public().verify(b"message", &signature));
        assert!(!key.public().verify(b"massage", &signature));
        assert!(!other.public().verify(b"message", &signature));
        assert!(!key.public().verify(b"message", &[]));
    }

    #[test]
    fn rfc7518_3_2_hs256_needs_a_secret_of_32_bytes() {
        assert_eq!(Signer::hs256(&Secret::new("")).err(), Some(KeyError::ShortSecret));
        assert_eq!(Signer::hs256(&Secret::new("x".repeat(31))).err(), Some(KeyError::ShortSecret));
        let signer = Signer::hs256(&Secret::new("x".repeat(32))).unwrap();
        assert_eq!((signer.algorithm(), signer.kid(), signer.signature_length()), (Algorithm::Hs256, None, 32));
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(format!("{:?}", Signer::hs256(&Secret::new("x".repeat(32))).unwrap()), "Signer(HS256, no kid)");
    }
}
