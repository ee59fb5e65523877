//! Signatures and keys: JOSE (RFC 7515, 7517, 7518, 7519, 7638) and the sealing of what is kept.
//!
//! Two paths, each made once per key and then used by every request:
//!
//! - out: [`PrivateKey`](key::PrivateKey) → [`Signer`](sign::Signer) → [`Encoder`](jws::Encoder) → a token
//! - in: a token → [`Jws`](jws::Jws) → [`Verifier`](jws::Verifier) → [`Verified`](jws::Verified) → claims
pub mod alg;
pub mod hash;
pub mod jwk;
pub mod jws;
pub mod jwt;
pub mod key;
pub mod mac;
pub mod seal;
pub mod sign;
pub mod webhook;

/// Keys made for these tests with OpenSSL, and nothing else.
#[cfg(test)]
mod fixture {
    macro_rules! pem {
        ($($name:ident = $file:literal),* $(,)?) => {
            $(pub(super) const $name: &str = include_str!(concat!("../../tests/it/data/", $file, ".pem"));)*
        };
    }
    pem! {
        RSA_PKCS8 = "rsa2048_pkcs8",
        RSA_PKCS1 = "rsa2048_pkcs1",
        RSA_PUBLIC = "rsa2048_public",
        RSA_ENCRYPTED = "rsa2048_encrypted",
        RSA_PKCS1_ENCRYPTED = "rsa2048_pkcs1_encrypted",
        RSA_OTHER = "rsa2048_other",
        RSA_1024 = "rsa1024",
        RSA_EXPONENT_3 = "rsa2048_exponent3",
        P256_PKCS8 = "p256_pkcs8",
        P256_SEC1 = "p256_sec1",
    }
}
