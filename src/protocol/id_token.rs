//! The ID token's claims (OpenID Connect Core 1.0 section 2). Signing is for `jose`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::standard_claim::RESERVED;
use crate::base::clock::Timestamp;
use crate::model::id::{ClientId, SessionId};

/// The authentication context class of a login with a password, the only kind there is: `acr` of OpenID Connect Core 1.0
/// section 2. Nothing is promised by it beyond that the user proved who they are; 0 would deny even that.
pub const ACR: &str = "1";

/// The authentication context classes that can be had, as discovery lists them.
pub const ACR_VALUES: [&str; 1] = [ACR];

/// What an ID token says.
#[derive(Clone, Debug)]
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`: the client, and nobody else, so that there is no need for `azp`.
    pub audience: &'a ClientId,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `auth_time`: when the user last proved who they are.
    pub auth_time: Timestamp,
    /// `nonce` of the request, if it had one. Tokens that come from a refresh have none (section 12.2).
    pub nonce: Option<&'a str>,
    /// `at_hash` (section 3.1.3.6).
    pub at_hash: Option<&'a str>,
    /// `c_hash` (section 3.3.2.11).
    pub c_hash: Option<&'a str>,
    /// `amr` (RFC 8176): how they proved it.
    pub amr: &'a [String],
    /// `sid` (OpenID Connect Back-Channel Logout 1.0 section 2.1).
    pub session: Option<SessionId>,
    /// Claims about the user, after all others. They can't take the place of any.
    pub claims: Map<String, Value>,
}

/// The members that the protocol sets, in the order in which they are sent.
#[derive(Serialize)]
struct Members<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c_hash: Option<&'a str>,
    acr: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(flatten)]
    claims: &'a Map<String, Value>,
}

impl IdToken<'_> {
    /// Section 2: the payload as JSON. Times are whole seconds.
    pub fn to_json(&self) -> Vec<u8> {
        let mut claims = self.claims.clone();
        claims.retain(|name, _| !RESERVED.contains(&name.as_str()));
        let members = Members {
            iss: self.issuer,
            sub: self.subject,
            aud: self.audience.as_str(),
            exp: self.expires_at.as_secs(),
            iat: self.issued_at.as_secs(),
            auth_time: self.auth_time.as_secs(),
            nonce: self.nonce,
            at_hash: self.at_hash,
            c_hash: self.c_hash,
            acr: ACR,
            amr: self.amr,
            sid: self.session.map(|session| session.to_string()),
            claims: &claims,
        };
        // Only maps with other keys than texts, and types that refuse, can't be written as JSON.
        #[allow(clippy::expect_used)]
        serde_json::to_vec(&members).expect("texts, numbers and JSON can be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::id::Id;

    #[test]
    fn oidc_core_2_the_members_and_their_order() {
        let audience = ClientId::new("app");
        let amr = ["pwd".to_owned()];
        let mut claims = Map::new();
        for (name, value) in [("email", json!("a@x.example")), ("sub", json!("other")), ("exp", json!(1))] {
            claims.insert(name.to_owned(), value);
        }
        let mut token = IdToken {
            issuer: "https://id.example",
            subject: "u1",
            audience: &audience,
            expires_at: Timestamp::from_millis(1_700_000_600_999),
            issued_at: Timestamp::from_millis(1_700_000_000_999),
            auth_time: Timestamp::from_millis(1_699_999_000_999),
            nonce: Some("n\"1"),
            at_hash: Some("ah"),
            c_hash: Some("ch"),
            amr: &amr,
            session: Some(SessionId(Id::from_bytes([0; 16]))),
            claims,
        };
        assert_eq!(
            String::from_utf8(token.to_json()).unwrap(),
            r#"{"iss":"https://id.example","sub":"u1","aud":"app","exp":1700000600,"iat":1700000000,"auth_time":1699999000,"nonce":"n\"1","at_hash":"ah","c_hash":"ch","acr":"1","amr":["pwd"],"sid":"AAAAAAAAAAAAAAAAAAAAAA","email":"a@x.example"}"#
        );
        token =
            IdToken { nonce: None, at_hash: None, c_hash: None, amr: &[], session: None, claims: Map::new(), ..token };
        assert_eq!(
            String::from_utf8(token.to_json()).unwrap(),
            r#"{"iss":"https://id.example","sub":"u1","aud":"app","exp":1700000600,"iat":1700000000,"auth_time":1699999000,"acr":"1"}"#
        );
    }
}
