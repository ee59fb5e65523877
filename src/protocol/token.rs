//! The token endpoint's requests and responses (RFC 6749 sections 4.1.3, 4.3.2, 4.4.2, 5.1 and 6), and
//! tokens that other endpoints are shown.

use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use super::error::{ErrorCode, OAuthError};
use super::parameter::{bounded, invalid, refuse_repeated};
use super::{pkce, scope};
use crate::base::form::Form;
use crate::base::secret::{self, Secret};
use crate::base::uri;
use crate::model::client::{Client, GrantType};
use crate::model::id::{Bearer, BearerKind};
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
    /// RFC 6749 section 4.4.2.
    ClientCredentials {
        /// `scope`, if it is to be for less than all that the client may have.
        scope: Option<Scope>,
    },
    /// RFC 6749 section 4.3.2.
    Password {
        /// `username`.
        username: String,
        /// `password`.
        password: Secret,
        /// `scope`, likewise.
        scope: Option<Scope>,
    },
}

impl TokenRequest {
    /// RFC 6749 sections 3.2, 4.1.3, 4.3.2, 4.4.2 and 6; `offered` are the grant types that anybody may use here.
    ///
    /// # Errors
    /// `invalid_request`, `unsupported_grant_type`, `invalid_scope`, or `invalid_grant` for what can't be a code, a token
    /// or a verifier.
    pub fn parse(form: &Form, offered: &[GrantType]) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        let name = form.get("grant_type").ok_or_else(|| missing("grant_type"))?;
        let grant_type = GrantType::parse(name).filter(|grant_type| offered.contains(grant_type)).ok_or_else(|| {
            OAuthError::new(ErrorCode::UnsupportedGrantType, "this grant_type is not supported")
                .detail(secret::glimpse(name))
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
                scope: parse_scope(form)?,
            }),
            GrantType::ClientCredentials => Ok(Self::ClientCredentials { scope: parse_scope(form)? }),
            GrantType::Password => Ok(Self::Password {
                username: form.get("username").ok_or_else(|| missing("username"))?.to_owned(),
                password: form.get("password").map(Secret::new).ok_or_else(|| missing("password"))?,
                scope: parse_scope(form)?,
            }),
            GrantType::Implicit => Err(OAuthError::new(
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
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
            Self::Password { .. } => GrantType::Password,
        }
    }

    /// RFC 6749 section 5.2: whether the client may use this grant type. What is for clients that prove who they are is for
    /// no others (section 4.4), whatever they are registered for.
    ///
    /// # Errors
    /// `unauthorized_client`.
    pub fn check(&self, client: &Client) -> Result<(), OAuthError> {
        let unproven = self.grant_type() == GrantType::ClientCredentials && client.is_public();
        if client.may_use(self.grant_type()) && !unproven {
            return Ok(());
        }
        let name = self.grant_type().name();
        let description = format!("the client is not registered for the grant_type {name}");
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, description))
    }
}

/// A token that a client asks about (RFC 7662 section 2.1) or gives back (RFC 7009 section 2.1). It shows by itself what kind it
/// is, so `token_type_hint` is never needed.
#[derive(Clone, Debug)]
pub enum Presented {
    /// An access token.
    Access(Bearer),
    /// A refresh token.
    Refresh(Bearer),
    /// Nothing that was ever given out as either.
    Unknown,
}

impl Presented {
    /// `token` of a request.
    ///
    /// # Errors
    /// `invalid_request` when it is missing, or a parameter came more than once.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        let token = form.get("token").ok_or_else(|| missing("token"))?;
        if token.len() > MAX_BEARER {
            return Ok(Self::Unknown);
        }
        let access = Bearer::parse(BearerKind::AccessToken, token).map(Self::Access);
        let refresh = || Bearer::parse(BearerKind::RefreshToken, token).map(Self::Refresh);
        Ok(access.or_else(refresh).unwrap_or(Self::Unknown))
    }
}

fn parse_scope(form: &Form) -> Result<Option<Scope>, OAuthError> {
    bounded(form, "scope", MAX_SCOPE)?.map(scope::parse).transpose()
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
    use crate::base::random::Random;
    use crate::model::client::ClientType;
    use crate::model::id::ClientId;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn parse(pairs: &[(&str, &str)]) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(&pairs.iter().copied().collect(), &GrantType::ALL)
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
    fn rfc6749_4_3_2_and_4_4_2_requests_without_a_code() {
        let parsed = parse(&[("grant_type", "client_credentials"), ("scope", "read write")]).unwrap();
        let TokenRequest::ClientCredentials { scope } = &parsed else { panic!("{parsed:?}") };
        assert_eq!(scope, &Some(Scope::parse("read write")));
        let parsed = parse(&[("grant_type", "password"), ("username", "ada"), ("password", "p w")]).unwrap();
        let TokenRequest::Password { username, password, scope: None } = &parsed else { panic!("{parsed:?}") };
        assert_eq!((username.as_str(), password.expose()), ("ada", "p w"));
        assert!(!format!("{parsed:?}").contains("p w"));
    }

    #[test]
    fn rfc6749_5_2_what_is_not_offered_is_unsupported_whatever_else_is_wrong() {
        let form = [("grant_type", "password")].into_iter().collect();
        let error = TokenRequest::parse(&form, &[GrantType::AuthorizationCode]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnsupportedGrantType);
    }

    #[test]
    fn rfc7662_2_1_a_token_shows_its_kind_whatever_the_hint_says() {
        let present =
            |token: &str| Presented::parse(&[("token", token), ("token_type_hint", "x")].into_iter().collect());
        let of = |kind| Bearer::mint(Timestamp::from_secs(1), &Random::System).render(kind);
        assert!(matches!(present(of(BearerKind::AccessToken).expose()), Ok(Presented::Access(_))));
        assert!(matches!(present(of(BearerKind::RefreshToken).expose()), Ok(Presented::Refresh(_))));
        for other in [of(BearerKind::Code).expose(), of(BearerKind::Session).expose(), "hpa_x", &"hpa_".repeat(9000)] {
            assert!(matches!(present(other), Ok(Presented::Unknown)), "{other}");
        }
        assert_eq!(present("").unwrap_err().code(), ErrorCode::InvalidRequest);
        let twice = [("token", "a"), ("token", "b")].into_iter().collect();
        assert_eq!(Presented::parse(&twice).unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn rfc6749_5_2_what_is_wrong_with_a_request_is_said() {
        let long = "x".repeat(513);
        let code = ("grant_type", "authorization_code");
        let refresh = ("grant_type", "refresh_token");
        let password = ("grant_type", "password");
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
            (&[("grant_type", "client_credentials"), ("scope", "\"")], ErrorCode::InvalidScope),
            (&[password, ("password", "x")], ErrorCode::InvalidRequest),
            (&[password, ("username", "ada"), ("password", "")], ErrorCode::InvalidRequest),
            (&[("grant_type", "implicit")], ErrorCode::UnsupportedGrantType),
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
    fn rfc6749_4_4_a_client_that_proves_nothing_gets_nothing_for_itself() {
        let client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        let mut client = Client { grant_types: GrantType::ALL.to_vec(), ..client };
        let own = parse(&[("grant_type", "client_credentials")]).unwrap();
        assert_eq!(own.check(&client), Ok(()));
        client.kind = ClientType::Public;
        assert_eq!(own.check(&client).unwrap_err().code(), ErrorCode::UnauthorizedClient);
        let password = parse(&[("grant_type", "password"), ("username", "u"), ("password", "p")]).unwrap();
        assert_eq!(password.check(&client), Ok(()));
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
