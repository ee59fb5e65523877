//! What an authorization response carries, and in what part of it.

use std::fmt;

use minicbor::{Decode, Encode};

use super::token::TokenType;
use crate::base::secret::Secret;
use crate::model::client::ResponseType;
use crate::model::scope::Scope;

/// The response types of this release, as discovery lists them.
pub const SUPPORTED_RESPONSE_TYPES: [ResponseType; 8] = [
    ResponseType::CODE,
    ResponseType::ID_TOKEN,
    ResponseType::ID_TOKEN.with(ResponseType::TOKEN),
    ResponseType::CODE.with(ResponseType::ID_TOKEN),
    ResponseType::CODE.with(ResponseType::TOKEN),
    ResponseType::CODE.with(ResponseType::ID_TOKEN).with(ResponseType::TOKEN),
    ResponseType::TOKEN,
    ResponseType::NONE,
];

/// Where the parameters of an authorization response stand (OAuth 2.0 Multiple Response Type Encoding Practices section
/// 2.1, OAuth 2.0 Form Post Response Mode section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[n(0)]
    Query,
    /// In its fragment.
    #[n(1)]
    Fragment,
    /// In the body of a form that the browser posts to it.
    #[n(2)]
    FormPost,
}

impl ResponseMode {
    /// All of them, as discovery lists them.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Multiple Response Types section 5: the mode of a response type that comes without one.
    pub const fn default_for(response_type: ResponseType) -> Self {
        if response_type.has_tokens() { Self::Fragment } else { Self::Query }
    }

    /// Multiple Response Types sections 3 and 5: what carries a token never stands in a query, where servers and histories
    /// would keep it.
    pub fn is_allowed_for(self, response_type: ResponseType) -> bool {
        self != Self::Query || !response_type.has_tokens()
    }

    /// The mode that a request's errors are sent in, whatever else is wrong with it: the one it asks for, where that can
    /// be, or else the default of its response type.
    pub fn of_errors(response_mode: Option<&str>, response_type: Option<&str>) -> Self {
        let response_type = response_type.and_then(ResponseType::parse).unwrap_or(ResponseType::CODE);
        response_mode
            .and_then(Self::parse)
            .filter(|mode| mode.is_allowed_for(response_type))
            .unwrap_or_else(|| Self::default_for(response_type))
    }
}

impl fmt::Display for ResponseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A successful authorization response, but for what every one carries ([`Target`](super::redirect::Target)).
#[derive(Default)]
pub struct AuthorizationResponse {
    /// `code`.
    pub code: Option<Secret>,
    /// `access_token`, with what is said about it.
    pub access: Option<IssuedAccess>,
    /// `id_token`.
    pub id_token: Option<String>,
    /// `session_state` (OpenID Connect Session Management 1.0 section 2).
    pub session_state: Option<String>,
}

/// An access token in an authorization response (RFC 6749 section 4.2.2).
pub struct IssuedAccess {
    /// `access_token`.
    pub token: Secret,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
    /// `scope`: what was granted. Left out when that is nothing: the wire has no way to write it.
    pub scope: Scope,
}

impl AuthorizationResponse {
    /// RFC 6749 sections 4.1.2 and 4.2.2, OpenID Connect Core 1.0 sections 3.2.2.5 and 3.3.2.5: names and values. What is
    /// said about an access token comes with one only.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if let Some(code) = &self.code {
            all.push(("code", code.expose().to_owned()));
        }
        if let Some(access) = &self.access {
            all.push(("access_token", access.token.expose().to_owned()));
            all.push(("token_type", TokenType::Bearer.name().to_owned()));
            all.push(("expires_in", access.expires_in.to_string()));
            if !access.scope.is_empty() {
                all.push(("scope", access.scope.to_string()));
            }
        }
        if let Some(id_token) = &self.id_token {
            all.push(("id_token", id_token.clone()));
        }
        if let Some(session_state) = &self.session_state {
            all.push(("session_state", session_state.clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiple_response_types_5_tokens_never_stand_in_a_query() {
        for (response_type, default, query) in [
            ("code", ResponseMode::Query, true),
            ("none", ResponseMode::Query, true),
            ("id_token", ResponseMode::Fragment, false),
            ("token", ResponseMode::Fragment, false),
            ("id_token token", ResponseMode::Fragment, false),
            ("code id_token", ResponseMode::Fragment, false),
            ("code token", ResponseMode::Fragment, false),
            ("code id_token token", ResponseMode::Fragment, false),
        ] {
            let parsed = ResponseType::parse(response_type).unwrap();
            assert_eq!(ResponseMode::default_for(parsed), default, "{response_type}");
            assert_eq!(ResponseMode::Query.is_allowed_for(parsed), query, "{response_type}");
            assert!(ResponseMode::Fragment.is_allowed_for(parsed) && ResponseMode::FormPost.is_allowed_for(parsed));
        }
    }

    #[test]
    fn rfc6749_4_2_2_what_is_said_about_an_access_token_comes_with_one_only() {
        assert!(AuthorizationResponse::default().parameters().is_empty(), "response_type=none");
        let access =
            IssuedAccess { token: Secret::new("hpa_x"), expires_in: 3600, scope: Scope::parse("openid email") };
        let mut response =
            AuthorizationResponse { access: Some(access), id_token: Some("e.y.J".into()), ..Default::default() };
        let names = |response: &AuthorizationResponse| -> Vec<_> {
            response.parameters().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert_eq!(
            names(&response),
            ["access_token=hpa_x", "token_type=Bearer", "expires_in=3600", "scope=openid email", "id_token=e.y.J"]
        );
        response.access = None;
        assert_eq!(names(&response), ["id_token=e.y.J"]);
    }

    #[test]
    fn multiple_response_types_2_1_errors_go_where_the_response_would() {
        for (mode, response_type, expected) in [
            (None, None, ResponseMode::Query),
            (None, Some("code"), ResponseMode::Query),
            (None, Some("nonsense"), ResponseMode::Query),
            (None, Some("id_token token"), ResponseMode::Fragment),
            (Some("query"), Some("id_token"), ResponseMode::Fragment),
            (Some("fragment"), Some("code"), ResponseMode::Fragment),
            (Some("form_post"), None, ResponseMode::FormPost),
            (Some("query.jwt"), Some("code"), ResponseMode::Query),
            (Some("FORM_POST"), Some("code"), ResponseMode::Query),
        ] {
            assert_eq!(ResponseMode::of_errors(mode, response_type), expected, "{mode:?} {response_type:?}");
        }
    }
}
