//! Public keys and their JSON form (RFC 7517, RFC 7518 section 6.3.1).

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::alg::Algorithm;
use super::key::{ACCEPTED_SIZES, KeyError};
use crate::base::encode::base64url;

/// A public RSA key, parsed once and ready to verify RS256. Two are the same when their numbers are.
#[derive(Clone)]
pub struct PublicKey {
    /// Big-endian without leading zeros, like the exponent.
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// From modulus and exponent, big-endian; leading zeros do not matter.
    ///
    /// # Errors
    /// [`KeyError::Size`], [`KeyError::Exponent`], or [`KeyError::Inconsistent`] for what is no RSA key.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let modulus = without_leading_zeros(modulus);
        let exponent = without_leading_zeros(exponent);
        let bits = bit_length(modulus);
        if !ACCEPTED_SIZES.contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        // 65537 is the least number of 17 bits that is odd and not 65536.
        let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
        if !odd || !(17..=33).contains(&bit_length(exponent)) {
            return Err(KeyError::Exponent);
        }
        let parsed = RsaPublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map_err(|_| KeyError::Inconsistent)?;
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec(), parsed })
    }

    /// Whether `signature` is the RS256 signature of `message` by this key (RFC 8017 section 8.2.2).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> usize {
        bit_length(&self.modulus)
    }

    /// The modulus, big-endian without leading zeros.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian without leading zeros.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// The key's thumbprint (RFC 7638): base64url of the SHA-256 of its required members in alphabetical order.
    pub fn thumbprint(&self) -> String {
        let required =
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64url(&self.exponent), base64url(&self.modulus));
        base64url(Sha256::digest(required))
    }

    /// The key as it is published under `kid`.
    pub fn to_jwk(&self, kid: &str) -> Jwk {
        Jwk {
            kty: "RSA",
            alg: Algorithm::Rs256.name(),
            usage: "sig",
            kid: kid.to_owned(),
            n: base64url(&self.modulus),
            e: base64url(&self.exponent),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.modulus, &self.exponent) == (&other.modulus, &other.exponent)
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} bits, {})", self.bits(), self.thumbprint())
    }
}

/// A public key for signatures as JSON (RFC 7517 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    n: String,
    e: String,
}

impl Jwk {
    /// The id under which the key is published.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// A JWK Set (RFC 7517 section 5) as the bytes of its JSON.
pub fn render_set(keys: &[Jwk]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.split_at(zeros).1
}

/// The length in bits of a number without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::encode::parse_base64url;
    use crate::jose::fixture;
    use crate::jose::key::PrivateKey;

    const RFC7638_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKR\
        XjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd\
        AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap\
        JzKnqDKgw";

    fn rfc7638_key() -> PublicKey {
        PublicKey::rsa(&parse_base64url(RFC7638_N).unwrap(), &[1, 0, 1]).unwrap()
    }

    #[test]
    fn rfc7638_3_1_thumbprint() {
        assert_eq!(rfc7638_key().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn rfc7518_6_3_1_numbers_have_no_leading_zeros() {
        let mut modulus = vec![0, 0];
        modulus.extend(parse_base64url(RFC7638_N).unwrap());
        let key = PublicKey::rsa(&modulus, &[0, 1, 0, 1]).unwrap();
        assert_eq!(key.to_jwk("a"), rfc7638_key().to_jwk("a"));
        assert_eq!(key.bits(), 2048);
    }

    #[test]
    fn rfc7517_5_a_set_holds_public_members_only() {
        let key = PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap();
        let (one, two) = (key.public().to_jwk(&key.kid()), rfc7638_key().to_jwk("old \"key\""));
        let set: serde_json::Value = serde_json::from_slice(&render_set(&[one, two])).unwrap();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0]["kid"], key.kid());
        assert_eq!(keys[1]["kid"], "old \"key\"");
        assert_eq!(keys[1]["n"], RFC7638_N);
        for key in keys {
            let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["kty", "alg", "use", "kid", "n", "e"]);
            assert_eq!(
                (&key["kty"], &key["alg"], &key["use"], &key["e"]),
                (&json!("RSA"), &json!("RS256"), &json!("sig"), &json!("AQAB"))
            );
        }
        assert_eq!(render_set(&[]), br#"{"keys":[]}"#);
    }

    #[test]
    fn weak_public_keys_are_refused() {
        let modulus = parse_base64url(RFC7638_N).unwrap();
        assert_eq!(PublicKey::rsa(&modulus[..128], &[1, 0, 1]).err(), Some(KeyError::Size(1024)));
        assert_eq!(PublicKey::rsa(&modulus.repeat(3), &[1, 0, 1]).err(), Some(KeyError::Size(6144)));
        assert_eq!(PublicKey::rsa(&[], &[1, 0, 1]).err(), Some(KeyError::Size(0)));
        for exponent in [&[][..], &[1], &[3], &[255, 255], &[1, 0, 0], &[4, 0, 0, 0, 1]] {
            assert_eq!(PublicKey::rsa(&modulus, exponent).err(), Some(KeyError::Exponent), "{exponent:?}");
        }
    }
}
