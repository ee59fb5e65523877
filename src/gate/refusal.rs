//! Why a request isn't let through, as its client is told.

use std::fmt;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::WWW_AUTHENTICATE;
use hyper::{Response, StatusCode};

use crate::app::fault;
use crate::app::reply::Reply;
use crate::model::scope::{Scope, is_token};
use crate::protocol::bearer;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::issuer::Issuer;

/// Why a request isn't let through (RFC 6750 section 3): without a token 401, with one that doesn't hold 401, without the scope
/// 403, malformed 400. And 500 or 503 where nobody can say at present.
pub struct Refusal(Box<Parts>);

struct Parts {
    /// `None` for a request without a token: its challenge names no error.
    error: Option<OAuthError>,
    challenge: String,
}

impl Refusal {
    /// The request has no token.
    pub(super) fn token_missing(issuer: &Issuer, needed: &Scope) -> Self {
        Self(Box::new(Parts { error: None, challenge: bearer::challenge(issuer, None, legal(needed).as_ref()) }))
    }

    /// For this reason, which is logged.
    pub(super) fn because(error: OAuthError, issuer: &Issuer, needed: &Scope) -> Self {
        fault::log(&error, None);
        let challenge = bearer::challenge(issuer, Some(&error), legal(needed).as_ref());
        Self(Box::new(Parts { error: Some(error), challenge }))
    }

    /// 400, 401 or 403; 500 or 503 where something is wrong with us.
    pub fn status(&self) -> StatusCode {
        let status = self.0.error.as_ref().map_or(401, OAuthError::status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The value of `WWW-Authenticate`; `None` where it isn't the client's fault.
    pub fn challenge(&self) -> Option<&str> {
        let is_ours = |code| matches!(code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable);
        let ours = self.0.error.as_ref().is_some_and(|error| is_ours(error.code()));
        (!ours).then_some(self.0.challenge.as_str())
    }

    /// The answer: a challenge, and what it says again as JSON.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        self.into_reply().into_response().map(Full::new)
    }

    pub(super) fn into_reply(self) -> Reply {
        let status = self.status();
        let reply = match &self.0.error {
            None => Reply::empty(status),
            Some(error) => Reply::json(error).status(status),
        };
        let reply = match self.challenge() {
            Some(challenge) => reply.text_header(WWW_AUTHENTICATE, challenge),
            None => reply.retry_after(std::time::Duration::from_secs(1)),
        };
        reply.no_store()
    }
}

/// As a challenge can name it: no value breaks out of its quotes. What isn't legal no token has either.
fn legal(needed: &Scope) -> Option<Scope> {
    Some(needed.retain(is_token)).filter(|scope| !scope.is_empty())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.error {
            None => f.write_str("the request has no access token"),
            Some(error) => f.write_str(error.description()),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status()).field("challenge", &self.0.challenge).finish()
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_3_a_challenge_is_well_formed_whatever_the_guard_asks_for() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let refusal = Refusal::token_missing(&issuer, &Scope::parse("read\" x=\"y write"));
        assert_eq!(refusal.challenge(), Some("Bearer realm=\"https://id.example\", scope=\"write\""));
        assert_eq!(refusal.status(), 401);
        let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again shortly");
        let response = Refusal::because(error, &issuer, &Scope::empty()).into_response();
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE) && response.headers().contains_key("retry-after"));
    }
}
