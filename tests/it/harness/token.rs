//! Tokens, and ID tokens as a relying party looks at them.

use hallpass::base::encode::parse_base64url;
use hallpass::jose::jwk::PublicKey;
use hallpass::jose::jws::{Jws, Verifier};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: String,
    pub expires_in: u64,
    pub refresh_token: Option<String>,
    pub scope: Option<String>,
    pub id_token: Option<String>,
}

impl Tokens {
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().unwrap()
    }

    pub fn id(&self) -> &str {
        self.id_token.as_deref().unwrap()
    }
}

/// Verifies an RS256 token with the key of a JWK Set that its `kid` names; gives its header and its claims.
#[track_caller]
pub fn verify(jwks: &Value, token: &str) -> (Value, Map<String, Value>) {
    let header: Value = serde_json::from_slice(&parse_base64url(token.split('.').next().unwrap()).unwrap()).unwrap();
    let keys: Vec<_> = jwks["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == header["kid"]).collect();
    assert_eq!(keys.len(), 1, "one key of that kid: {header}");
    let part = |name: &str| parse_base64url(keys[0][name].as_str().unwrap()).unwrap();
    let verifier = Verifier::Rs256(PublicKey::rsa(&part("n"), &part("e")).unwrap());
    let verified = Jws::parse(token).unwrap().verify(|_| Some(&verifier)).unwrap();
    (header, verified.claims().unwrap())
}
