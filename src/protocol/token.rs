//! The token endpoint's requests and responses (RFC 6749 sections 4.1.3, 5.1 and 6).

use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use super::error::{ErrorCode, OAuthError};
use super::parameter::{bounded, invalid, refuse_repeated};
use super::{pkce, scope};
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::base::uri;
use crate::model::client::{Client, GrantType};
use crate::model::scope::Scope;

/// Longer codes and tokens are none of ours.
const MAX_BEARER: usize = 512;
const MAX_SCOPE: usize = 4096;

/// A well-formed token request.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// RFC 6749 section 4.1.3.
    AuthorizationCode {
        /// `code`.
        code: Secret,
        /// `redirect_uri`: always there, as every authorization request has one.
        redirect_uri: String,
        /// `code_verifier` (RFC 7636 section 4.5).
        verifier: Option<String>,
    },
    /// RFC 6749 section 6.
    RefreshToken {
        /// `refresh_token`.
        refresh_token: Secret,
        /// `scope`, if the new access token is to be for less.
        scope: Option<Scope>,
    },
}

impl TokenRequest {
    /// RFC 6749 sections 3.2, 4.1.3 and 6.
    ///
    /// # Errors
    /// `invalid_request`, `unsupported_grant_type`, `invalid_scope`, or `invalid_grant` for what can't be a code, a token
    /// or a verifier.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        let name = form.get("grant_type").ok_or_else(|| missing("grant_type"))?;
        let grant_type = GrantType::parse(name).ok_or_else(|| {
            OAuthError::new(ErrorCode::UnsupportedGrantType, "this grant_type is not supported").detail(name)
        })?;
        match grant_type {
            GrantType::AuthorizationCode => Ok(Self::AuthorizationCode {
                code: parse_bearer(form, "code")?,
                redirect_uri: bounded(form, "redirect_uri", uri::MAX_LENGTH)?
                    .ok_or_else(|| missing("redirect_uri"))?
                    .to_owned(),
                verifier: pkce::parse_verifier(form)?,
            }),
            GrantType::RefreshToken => Ok(Self::RefreshToken {
                refresh_token: parse_bearer(form, "refresh_token")?,
                scope: bounded(form, "scope", MAX_SCOPE)?.map(scope::parse).transpose()?,
            }),
            GrantType::Implicit | GrantType::ClientCredentials | GrantType::Password => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "this grant_type is not one of the token endpoint",
            )),
        }
    }

    /// `grant_type`.
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
        }
    }

    /// RFC 6749 section 5.2: whether the client may use this grant type.
    ///
    /// # Errors
    /// `unauthorized_client`.
    pub fn check(&self, client: &Client) -> Result<(), OAuthError> {
        if client.may_use(self.grant_type()) {
            return Ok(());
        }
        let name = self.grant_type().name();
        let description = format!("the client is not registered for the grant_type {name}");
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, description))
    }
}

fn missing(name: &str) -> OAuthError {
    invalid(format!("{name} is missing"))
}

fn parse_bearer(form: &Form, name: &str) -> Result<Secret, OAuthError> {
    let value = form.get(name).ok_or_else(|| missing(name))?;
    if value.len() > MAX_BEARER {
        return Err(OAuthError::new(ErrorCode::InvalidGrant, format!("{name} is too long to be one of ours")));
    }
    Ok(Secret::new(value))
}

/// RFC 6749 section 5.1 and OpenID Connect Core 1.0 section 3.1.3.3: a successful answer, in the order of its members.
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    /// The access token.
    #[serde(serialize_with = "expose")]
    pub access_token: Secret,
    /// Always `Bearer` (RFC 6750).
    pub token_type: TokenType,
    /// The access token's lifetime in seconds.
    pub expires_in: u64,
    /// A refresh token, where one is due.
    #[serde(serialize_with = "expose_some", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// What was granted. Left out when that is nothing: the wire has no way to write it.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// An ID token, where `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// How an access token is used (RFC 6749 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TokenType {
    /// Whoever bears it may use it (RFC 6750).
    Bearer,
}

impl TokenType {
    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
        }
    }
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn expose_some<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

fn as_text<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::model::id::ClientId;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn parse(pairs: &[(&str, &str)]) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(&pairs.iter().copied().collect())
    }

    #[test]
    fn rfc6749_4_1_3_a_code_request() {
        let parsed = parse(&[
            ("grant_type", "authorization_code"),
            ("code", "hpc_x"),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", VERIFIER),
            ("scope", "ignored"),
            ("extra", "1"),
        ])
        .unwrap();
        let TokenRequest::AuthorizationCode { code, redirect_uri, verifier } = &parsed else { panic!("{parsed:?}") };
        assert_eq!((code.expose(), redirect_uri.as_str()), ("hpc_x", "https://app.example/cb"));
        assert_eq!(verifier.as_deref(), Some(VERIFIER));
        assert_eq!(parsed.grant_type(), GrantType::AuthorizationCode);
        assert!(!format!("{parsed:?}").contains("hpc_x"));
    }

    #[test]
    fn rfc6749_6_a_refresh_request() {
        let parsed =
            parse(&[("grant_type", "refresh_token"), ("refresh_token", "hpr_x"), ("scope", "openid")]).unwrap();
        let TokenRequest::RefreshToken { refresh_token, scope } = &parsed else { panic!("{parsed:?}") };
        assert_eq!((refresh_token.expose(), scope), ("hpr_x", &Some(Scope::parse("openid"))));
        let parsed = parse(&[("grant_type", "refresh_token"), ("refresh_token", "hpr_x"), ("scope", "")]).unwrap();
        assert!(matches!(parsed, TokenRequest::RefreshToken { scope: None, .. }));
    }

    #[test]
    fn rfc6749_5_2_what_is_wrong_with_a_request_is_said() {
        let long = "x".repeat(513);
        let code = ("grant_type", "authorization_code");
        let refresh = ("grant_type", "refresh_token");
        for (pairs, expected) in [
            (&[][..], ErrorCode::InvalidRequest),
            (&[("grant_type", "")], ErrorCode::InvalidRequest),
            (&[("grant_type", "nonsense")], ErrorCode::UnsupportedGrantType),
            (&[("grant_type", "Refresh_token")], ErrorCode::UnsupportedGrantType),
            (&[refresh, refresh, ("refresh_token", "x")], ErrorCode::InvalidRequest),
            (&[code, ("redirect_uri", "https://a.example/")], ErrorCode::InvalidRequest),
            (&[code, ("code", "x")], ErrorCode::InvalidRequest),
            (&[code, ("code", &long), ("redirect_uri", "https://a.example/")], ErrorCode::InvalidGrant),
            (&[code, ("code", "x"), ("redirect_uri", "u"), ("code_verifier", "short")], ErrorCode::InvalidGrant),
            (&[refresh], ErrorCode::InvalidRequest),
            (&[refresh, ("refresh_token", &long)], ErrorCode::InvalidGrant),
            (&[refresh, ("refresh_token", "x"), ("scope", "\"")], ErrorCode::InvalidScope),
        ] {
            assert_eq!(parse(pairs).unwrap_err().code(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn rfc6749_5_2_a_client_uses_only_its_own_grant_types() {
        let mut client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        let request = parse(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).unwrap();
        assert_eq!(request.check(&client), Ok(()));
        client.grant_types = vec![GrantType::AuthorizationCode];
        assert_eq!(request.check(&client).unwrap_err().code(), ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn rfc6749_5_1_the_members_of_a_response_in_order() {
        let full = TokenResponse {
            access_token: Secret::new("hpa_x"),
            token_type: TokenType::Bearer,
            expires_in: 3600,
            refresh_token: Some(Secret::new("hpr_x")),
            scope: Scope::parse("openid email"),
            id_token: Some("e.y.J".into()),
        };
        assert_eq!(
            serde_json::to_string(&full).unwrap(),
            r#"{"access_token":"hpa_x","token_type":"Bearer","expires_in":3600,"refresh_token":"hpr_x","scope":"openid email","id_token":"e.y.J"}"#
        );
        assert!(!format!("{full:?}").contains("_x"));
        let bare = TokenResponse { refresh_token: None, scope: Scope::empty(), id_token: None, ..full };
        assert_eq!(
            serde_json::to_string(&bare).unwrap(),
            r#"{"access_token":"hpa_x","token_type":"Bearer","expires_in":3600}"#
        );
    }
}
