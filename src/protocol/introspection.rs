//! Token introspection (RFC 7662): who may know what of a token.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Map, Value};

use super::issuer::Issuer;
use super::scope::TOKEN_INTROSPECTION;
use super::token::TokenType;
use crate::base::clock::Timestamp;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::model::scope::Scope;
use crate::model::user::User;

/// Section 2.2: what is told of every token that doesn't hold, or that isn't the caller's business: nothing else.
pub const INACTIVE: &str = r#"{"active":false}"#;

/// A token, whichever kind it is.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// What it may be used for.
    pub scope: &'a Scope,
    /// How it is used; a refresh token isn't used at any resource.
    pub token_type: Option<TokenType>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first moment at which it is invalid.
    pub expires_at: Timestamp,
}

/// Section 2.2: what is told of it, in the order of the members.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    active: bool,
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<TokenType>,
    exp: u64,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: &'a str,
    iss: &'a str,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// What is said of a token by us alone.
pub const OWN: [&str; 10] =
    ["active", "scope", "client_id", "username", "token_type", "exp", "iat", "sub", "aud", "iss"];

impl<'a> Answer<'a> {
    /// What is told of a token that `client` got from a user, known to it by this subject, or for itself. Its audience is the
    /// client, for every grant.
    pub fn new(issuer: &'a Issuer, client: &'a Client, user: Option<(&'a User, &'a str)>, token: &Token<'a>) -> Self {
        Self {
            active: true,
            scope: None,
            client_id: client.id.as_str(),
            username: user.map(|(user, _)| user.username.as_str()),
            token_type: token.token_type,
            exp: token.expires_at.as_secs(),
            iat: token.issued_at.as_secs(),
            sub: user.map(|(_, subject)| subject),
            aud: client.id.as_str(),
            iss: issuer.as_str(),
            more: Map::new(),
        }
    }

    /// The same with members of the deployment's own.
    #[must_use]
    pub fn with(mut self, mut more: Map<String, Value>) -> Self {
        more.retain(|name, _| !OWN.contains(&name.as_str()));
        self.more = more;
        self
    }

    /// The same with what the token may be used for.
    #[must_use]
    pub fn with_scope(self, token: &Token<'a>) -> Self {
        Self { scope: Some(token.scope), ..self }
    }
}

/// Whether a client may ask about tokens at all: its own list says so.
pub fn may_ask(caller: &Client) -> bool {
    caller.scope.contains(TOKEN_INTROSPECTION)
}

/// Whether a client may know about tokens of another one: its own list has that one's id.
pub fn may_know_of(caller: &Client, issued_to: &ClientId) -> bool {
    caller.id == *issued_to || caller.scope.contains(issued_to.as_str())
}

fn as_text<S: Serializer>(scope: &Option<&Scope>, serializer: S) -> Result<S::Ok, S::Error> {
    match scope {
        Some(scope) => serializer.collect_str(scope),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7662_2_2_the_members_of_an_answer_in_order() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let client = Client::new(ClientId::new("app"), "App".into(), 1, Timestamp::EPOCH);
        let scope = Scope::parse("read write");
        let token = Token {
            scope: &scope,
            token_type: Some(TokenType::Bearer),
            issued_at: Timestamp::from_secs(1000),
            expires_at: Timestamp::from_secs(4600),
        };
        assert_eq!(
            serde_json::to_string(&Answer::new(&issuer, &client, None, &token).with_scope(&token)).unwrap(),
            r#"{"active":true,"scope":"read write","client_id":"app","token_type":"Bearer","exp":4600,"iat":1000,"aud":"app","iss":"https://id.example"}"#
        );
        let token = Token { token_type: None, ..token };
        let more = [("active", false.into()), ("sub", "root".into()), ("tier", "gold".into())];
        let more = more.map(|(name, value): (&str, Value)| (name.to_owned(), value)).into_iter().collect();
        assert_eq!(
            serde_json::to_string(&Answer::new(&issuer, &client, None, &token).with(more)).unwrap(),
            r#"{"active":true,"client_id":"app","exp":4600,"iat":1000,"aud":"app","iss":"https://id.example","tier":"gold"}"#
        );
    }

    #[test]
    fn rfc7662_4_a_client_s_list_says_whose_tokens_it_may_ask_about() {
        let client = |scope: &str| {
            let client = Client::new(ClientId::new("api"), "API".into(), 1, Timestamp::EPOCH);
            Client { scope: Scope::parse(scope), ..client }
        };
        let caller = client("token_introspection web");
        assert!(may_ask(&caller) && !may_ask(&client("web")));
        assert!(may_know_of(&caller, &ClientId::new("web")) && may_know_of(&caller, &caller.id));
        assert!(!may_know_of(&caller, &ClientId::new("we")) && !may_know_of(&client(""), &ClientId::new("web")));
    }
}
