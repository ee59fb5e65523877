//! Signed tokens in the compact serialisation (RFC 7515 section 7.1).

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::alg::Algorithm;
use super::jwk::PublicKey;
use super::jwt::{Claims, parse_object};
use super::key::KeyError;
use super::mac::MacKey;
use super::sign::{Signer, SigningFailed, hs256_key};
use crate::base::encode::{parse_base64url, push_base64url};
use crate::base::secret::Secret;

/// Longer tokens are refused unread. In bytes.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Makes tokens of one type with one key: the protected header is the same for all of them, so it is written once.
#[derive(Clone, Debug)]
pub struct Encoder {
    signer: Arc<Signer>,
    /// Base64url of the protected header, and the dot behind it.
    prefix: String,
}

impl Encoder {
    /// `typ` is the media type of the tokens without `application/`: `JWT`, `at+jwt`, `logout+jwt`.
    pub fn new(signer: Arc<Signer>, typ: &str) -> Self {
        let mut header = Map::new();
        header.insert("alg".into(), signer.algorithm().name().into());
        header.insert("typ".into(), typ.into());
        if let Some(kid) = signer.kid() {
            header.insert("kid".into(), kid.into());
        }
        let mut prefix = String::new();
        push_base64url(Value::Object(header).to_string(), &mut prefix);
        prefix.push('.');
        Self { signer, prefix }
    }

    /// The key that signs.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The signed token that carries `payload`, as it travels.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn encode(&self, payload: &[u8]) -> Result<String, SigningFailed> {
        // Four characters for three bytes, begun groups included.
        let encoded = (payload.len() + self.signer.signature_length()) * 4 / 3 + 4;
        let mut token = String::with_capacity(self.prefix.len() + encoded);
        token.push_str(&self.prefix);
        push_base64url(payload, &mut token);
        let signature = self.signer.sign(token.as_bytes())?;
        token.push('.');
        push_base64url(signature, &mut token);
        Ok(token)
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Longer than [`MAX_LENGTH`].
    TooLong,
    /// Not three parts of base64url with JSON objects where they belong.
    Malformed,
    /// The header makes an extension critical (RFC 7515 section 4.1.11), and there is none we know.
    Critical,
    /// Signed with an algorithm that is not accepted, or with none.
    Algorithm,
    /// No key for it is known.
    UnknownKey,
    /// The key belongs to another algorithm than the header names.
    OtherAlgorithm,
    /// The signature is wrong.
    Signature,
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is not a signed JWT in compact form",
            Self::Critical => "the token's header has a critical extension (crit), which is not supported",
            Self::Algorithm => "the token is not signed with a supported algorithm (alg)",
            Self::UnknownKey => "the token is signed with an unknown key (kid)",
            Self::OtherAlgorithm => "the token's algorithm (alg) is not that of its key",
            Self::Signature => "the token's signature is wrong",
        })
    }
}

impl std::error::Error for JwsError {}

/// What a token's header says. Members that could bring a key along (`jku`, `jwk`, `x5c`, …) are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm it says it is signed with.
    pub algorithm: Algorithm,
    /// The id of the key it says it is signed with.
    pub kid: Option<String>,
    /// Its media type, as written.
    pub typ: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, JwsError> {
        let mut members = parse_object(json).ok_or(JwsError::Malformed)?;
        if members.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let mut text = |name| match members.swap_remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JwsError::Malformed),
        };
        let name = text("alg")?.ok_or(JwsError::Malformed)?;
        let algorithm = Algorithm::parse(&name).ok_or(JwsError::Algorithm)?;
        Ok(Self { algorithm, kid: text("kid")?, typ: text("typ")? })
    }
}

/// What verifies a token. It knows its own algorithm, so that a token cannot choose one for it (RFC 8725 section 3.1).
#[derive(Clone, Debug)]
pub enum Verifier {
    /// RS256 with a public key.
    Rs256(PublicKey),
    /// HS256 with a shared secret.
    Hs256(MacKey),
}

impl Verifier {
    /// HS256 with a client's secret.
    ///
    /// # Errors
    /// [`KeyError::ShortSecret`] below 32 bytes.
    pub fn hs256(secret: &Secret) -> Result<Self, KeyError> {
        hs256_key(secret).map(Self::Hs256)
    }

    /// The only algorithm it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rs256(_) => Algorithm::Rs256,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256(key) => key.verify(message, signature),
            Self::Hs256(key) => key.verify(message, signature),
        }
    }
}

/// A token taken apart. Nothing in it is to be believed before [`Jws::verify`].
pub struct Jws<'a> {
    header: Header,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a compact token apart.
    ///
    /// # Errors
    /// [`JwsError`] for what cannot be verified by any key.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_LENGTH {
            return Err(JwsError::TooLong);
        }
        // A fourth part would leave a dot in the payload, which base64url has not.
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
        let decode = |part| parse_base64url(part).ok_or(JwsError::Malformed);
        Ok(Self {
            payload: decode(payload)?,
            signature: decode(signature)?,
            header: Header::parse(&decode(header)?)?,
            signing_input,
        })
    }

    /// What the header says, to find the key by.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What the token claims, to find out whose key to ask for. Anyone may have written it.
    pub fn unverified_claims(&self) -> Option<Claims> {
        parse_object(&self.payload)
    }

    /// Verifies the signature with the key that `find` knows for the header (RFC 7515 section 5.2).
    ///
    /// # Errors
    /// [`JwsError::UnknownKey`], [`JwsError::OtherAlgorithm`], [`JwsError::Signature`].
    pub fn verify<'k>(self, find: impl FnOnce(&Header) -> Option<&'k Verifier>) -> Result<Verified, JwsError> {
        let verifier = find(&self.header).ok_or(JwsError::UnknownKey)?;
        if verifier.algorithm() != self.header.algorithm {
            return Err(JwsError::OtherAlgorithm);
        }
        if !verifier.verify(self.signing_input.as_bytes(), &self.signature) {
            return Err(JwsError::Signature);
        }
        Ok(Verified { header: self.header, payload: self.payload })
    }
}

impl fmt::Debug for Jws<'_> {
    /// The header only: the whole is as good as the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A token whose signature is right. Whether it is meant for us, and still, is for its claims to say.
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
}

impl Verified {
    /// Its header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Its claims (RFC 7519 section 7.2).
    ///
    /// # Errors
    /// [`JwsError::Malformed`] when the payload is not one JSON object without repeated members.
    pub fn claims(&self) -> Result<Claims, JwsError> {
        parse_object(&self.payload).ok_or(JwsError::Malformed)
    }
}

impl fmt::Debug for Verified {
    /// The header only: claims are about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::encode::base64url;
    use crate::jose::fixture;
    use crate::jose::key::PrivateKey;

    fn key() -> PrivateKey {
        PrivateKey::from_pem(fixture::RSA_PKCS8).unwrap()
    }

    fn encoder() -> Encoder {
        Encoder::new(Arc::new(Signer::rs256(&key(), "k1").unwrap()), "JWT")
    }

    fn verifier() -> Verifier {
        Verifier::Rs256(key().public().clone())
    }

    fn verify(token: &str, verifier: &Verifier) -> Result<Verified, JwsError> {
        Jws::parse(token)?.verify(|_| Some(verifier))
    }

    /// A token with any header at all, well signed with RS256.
    fn with_header(header: &str) -> String {
        let mut token = format!("{}.{}", base64url(header), base64url("{}"));
        let signature = Signer::rs256(&key(), "k1").unwrap().sign(token.as_bytes()).unwrap();
        token.push('.');
        push_base64url(signature, &mut token);
        token
    }

    const RFC7515_PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    #[test]
    fn rfc7515_a_1_hs256_vector() {
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let verifier = Verifier::Hs256(MacKey::new(&parse_base64url(secret).unwrap()));
        let token = format!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{RFC7515_PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        let verified = verify(&token, &verifier).unwrap();
        let claims = verified.claims().unwrap();
        assert_eq!((&claims["iss"], &claims["exp"]), (&json!("joe"), &json!(1_300_819_380)));
        assert_eq!(verified.header().typ.as_deref(), Some("JWT"));
    }

    #[test]
    fn rfc7515_a_2_rs256_vector() {
        let modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF\
            d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2\
            CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h\
            4FRWyuXpoQ";
        let verifier = Verifier::Rs256(PublicKey::rsa(&parse_base64url(modulus).unwrap(), &[1, 0, 1]).unwrap());
        let token = format!(
            "eyJhbGciOiJSUzI1NiJ9.{RFC7515_PAYLOAD}.\
            cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d\
            nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu\
            sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        assert_eq!(verify(&token, &verifier).unwrap().claims().unwrap()["iss"], "joe");
    }

    #[test]
    fn rfc7515_7_1_what_is_encoded_verifies() {
        let token = encoder().encode(br#"{"sub":"ada"}"#).unwrap();
        let header = token.split_once('.').unwrap().0;
        assert_eq!(parse_base64url(header).unwrap(), br#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
        assert!(token.capacity() <= token.len() + 4, "allocated once");
        let verified = verify(&token, &verifier()).unwrap();
        assert_eq!(verified.header().kid.as_deref(), Some("k1"));
        assert_eq!(verified.payload(), br#"{"sub":"ada"}"#);

        let secret = Secret::new("a client secret of at least 32 bytes");
        let token = Encoder::new(Arc::new(Signer::hs256(&secret).unwrap()), "JWT").encode(b"{}").unwrap();
        assert!(token.starts_with(&format!("{}.", base64url(r#"{"alg":"HS256","typ":"JWT"}"#))));
        assert!(verify(&token, &Verifier::hs256(&secret).unwrap()).unwrap().claims().unwrap().is_empty());
    }

    #[test]
    fn rfc7515_5_2_a_change_anywhere_is_noticed() {
        let token = encoder().encode(br#"{"sub":"ada"}"#).unwrap();
        let verifier = verifier();
        for at in 0..token.len() {
            for other in ["A", "B", "-", "."] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, other);
                assert_eq!(verify(&changed, &verifier).is_ok(), changed == token, "{other} at {at}");
            }
        }
        let parts: Vec<&str> = token.split('.').collect();
        let mallory = base64url(r#"{"sub":"mallory"}"#);
        assert_eq!(verify(&[parts[0], &mallory, parts[2]].join("."), &verifier).err(), Some(JwsError::Signature));
        let other_kid = base64url(r#"{"alg":"RS256","typ":"JWT","kid":"k2"}"#);
        assert_eq!(verify(&[&other_kid, parts[1], parts[2]].join("."), &verifier).err(), Some(JwsError::Signature));
        assert_eq!(verify(&[parts[0], parts[1], ""].join("."), &verifier).err(), Some(JwsError::Signature));
    }

    #[test]
    fn rfc7515_7_1_there_is_one_spelling() {
        let token = encoder().encode(b"{}").unwrap();
        let (shorter, _) = token.split_at(token.len() - 1);
        for other in [
            String::new(),
            ".".into(),
            "..".into(),
            "a.b".into(),
            format!("{token}."),
            format!("{token}.e30"),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{token}="),
            token.replacen('.', "=.", 1),
            shorter.to_owned(),
        ] {
            assert_eq!(Jws::parse(&other).err(), Some(JwsError::Malformed), "{other:?}");
        }
        assert!(verify(&format!("{token}A"), &verifier()).is_err(), "a signature with another byte behind it");
        // The last of the 342 characters of 256 bytes carries two bits: a lax decoder would take 16 spellings of each.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let accepted = alphabet.chars().filter(|last| verify(&format!("{shorter}{last}"), &verifier()).is_ok());
        assert_eq!(accepted.count(), 1);
    }

    #[test]
    fn rfc8725_2_1_none_is_never_accepted() {
        for alg in ["none", "None", "nOnE", "NONE", ""] {
            let token = format!("{}.{}.", base64url(format!(r#"{{"alg":"{alg}"}}"#)), base64url("{}"));
            assert_eq!(Jws::parse(&token).err(), Some(JwsError::Algorithm), "{alg}");
        }
    }

    #[test]
    fn rfc8725_2_1_a_public_key_is_never_taken_for_a_secret() {
        for secret in [fixture::RSA_PUBLIC, fixture::RSA_PUBLIC.trim_end()] {
            let secret = Secret::new(secret);
            let token = Encoder::new(Arc::new(Signer::hs256(&secret).unwrap()), "JWT").encode(b"{}").unwrap();
            assert_eq!(verify(&token, &verifier()).err(), Some(JwsError::OtherAlgorithm));
        }
        let token = encoder().encode(b"{}").unwrap();
        let secret = Verifier::hs256(&Secret::new("x".repeat(32))).unwrap();
        assert_eq!(verify(&token, &secret).err(), Some(JwsError::OtherAlgorithm));
    }

    #[test]
    fn rfc7515_4_1_4_the_kid_finds_the_key() {
        let token = encoder().encode(b"{}").unwrap();
        let keys = [
            ("k0", Verifier::Rs256(PrivateKey::from_pem(fixture::RSA_OTHER).unwrap().public().clone())),
            ("k1", verifier()),
        ];
        let find = |kid: &str| keys.iter().find(|(id, _)| *id == kid).map(|(_, key)| key);
        assert!(Jws::parse(&token).unwrap().verify(|header| find(header.kid.as_deref()?)).is_ok());
        assert_eq!(Jws::parse(&token).unwrap().verify(|_| find("k0")).err(), Some(JwsError::Signature));
        assert_eq!(Jws::parse(&token).unwrap().verify(|_| find("k2")).err(), Some(JwsError::UnknownKey));
    }

    #[test]
    fn rfc7515_4_headers_are_strict() {
        assert!(verify(&with_header(r#"{"alg":"RS256"}"#), &verifier()).is_ok());
        assert!(verify(&with_header(r#"{"alg":"RS256","jku":"https://evil.example/","x":1}"#), &verifier()).is_ok());
        for (header, error) in [
            (r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, JwsError::Critical),
            (r#"{"alg":"RS256","crit":[]}"#, JwsError::Critical),
            (r#"{"alg":"RS256","alg":"RS256"}"#, JwsError::Malformed),
            (r#"{"alg":"RS256","x":1,"x":1}"#, JwsError::Malformed),
            (r#"{"alg":"RS512"}"#, JwsError::Algorithm),
            (r#"{"alg":["RS256"]}"#, JwsError::Malformed),
            (r#"{"alg":"RS256","kid":1}"#, JwsError::Malformed),
            (r#"{"alg":"RS256","typ":null}"#, JwsError::Malformed),
            (r#"{"typ":"JWT"}"#, JwsError::Malformed),
            (r#"["RS256"]"#, JwsError::Malformed),
            ("", JwsError::Malformed),
        ] {
            assert_eq!(Jws::parse(&with_header(header)).err(), Some(error), "{header}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(Jws::parse(&"a".repeat(MAX_LENGTH)).err(), Some(JwsError::Malformed));
        assert_eq!(Jws::parse(&"a".repeat(MAX_LENGTH + 1)).err(), Some(JwsError::TooLong));
    }
}
