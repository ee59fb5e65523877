//! Authorization responses, and the way back after a logout: the only place that can send a browser to a client, and only to
//! a proven address.

use std::fmt;

use super::error::OAuthError;
use super::issuer::Issuer;
use super::response::{AuthorizationResponse, ResponseMode};
use crate::base::{form, uri};
use crate::model::client::Client;

/// A redirect URI that is proven to be registered for its client, with what every response to it carries.
///
/// [`Target::prove`] is the only way to get one, so that an unverified URI can't be answered at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    redirect_uri: String,
    mode: ResponseMode,
    state: Option<String>,
    issuer: String,
}

/// Which redirect URIs are good beside those that a client has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<'a> {
    /// None (RFC 9700 section 2.1).
    Nothing,
    /// For development: every http or https URI of this machine, and the one that a page of ours listens at.
    Development {
        /// That of our page.
        own: &'a str,
    },
}

impl Beside<'_> {
    fn accepts(self, redirect_uri: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Development { own } => redirect_uri == own || uri::is_loopback_redirect(redirect_uri),
        }
    }
}

impl Target {
    /// RFC 6749 section 3.1.2.3: `None` unless the client has registered the URI, or it is good `beside`. Answers stand in
    /// the query, without `state`, until told otherwise.
    pub fn prove(client: &Client, redirect_uri: &str, issuer: &Issuer, beside: Beside<'_>) -> Option<Self> {
        (client.accepts_redirect(redirect_uri) || beside.accepts(redirect_uri)).then(|| Self {
            redirect_uri: redirect_uri.to_owned(),
            mode: ResponseMode::Query,
            state: None,
            issuer: issuer.as_str().to_owned(),
        })
    }

    /// The same with answers in another part.
    #[must_use]
    pub fn with_mode(self, mode: ResponseMode) -> Self {
        Self { mode, ..self }
    }

    /// The same with the `state` that came with the request (RFC 6749 section 4.1.2: returned exactly as it came).
    #[must_use]
    pub fn with_state(self, state: Option<String>) -> Self {
        Self { state, ..self }
    }

    /// The URI as the request gave it.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Where answers stand.
    pub const fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// `state`, if one was sent.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// RFC 6749 section 4.1.2: what was asked for, then `state`, then `iss` (RFC 9207 section 2).
    pub fn success(&self, response: &AuthorizationResponse) -> Redirection {
        let parameters = response.parameters();
        self.respond(parameters.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// RFC 6749 section 4.1.2.1: the error, then `state`, then `iss` (RFC 9207 section 2).
    pub fn error(&self, error: &OAuthError) -> Redirection {
        self.respond([("error", error.code().name()), ("error_description", error.description())].into_iter())
    }

    fn respond<'a>(&'a self, parameters: impl Iterator<Item = (&'static str, &'a str)>) -> Redirection {
        let state = self.state.as_deref().map(|state| ("state", state));
        let all = parameters.chain(state).chain([("iss", self.issuer.as_str())]);
        match self.mode {
            ResponseMode::Query => Redirection::Location(uri::add_query(&self.redirect_uri, &form::render(all))),
            ResponseMode::Fragment => Redirection::Location(uri::add_fragment(&self.redirect_uri, &form::render(all))),
            ResponseMode::FormPost => Redirection::FormPost {
                action: self.redirect_uri.clone(),
                fields: all.map(|(name, value)| (name, value.to_owned())).collect(),
            },
        }
    }
}

/// A post-logout redirect URI that is proven to be registered for its client, with what it carries.
///
/// There is one only by [`PostLogoutTarget::prove`] or [`PostLogoutTarget::first`], so that nobody is sent anywhere else
/// after a logout (OpenID Connect RP-Initiated Logout 1.0 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostLogoutTarget {
    uri: String,
    state: Option<String>,
}

impl PostLogoutTarget {
    /// RP-Initiated Logout section 3: `None` unless the client has registered the URI, or it is good `beside`.
    pub fn prove(client: &Client, uri: &str, beside: Beside<'_>) -> Option<Self> {
        (client.accepts_post_logout_redirect(uri) || beside.accepts(uri))
            .then(|| Self { uri: uri.to_owned(), state: None })
    }

    /// The first one that the client has registered.
    pub fn first(client: &Client) -> Option<Self> {
        let uri = client.post_logout_redirect_uris.first()?;
        Some(Self { uri: uri.clone(), state: None })
    }

    /// The same with the `state` that came with the request.
    #[must_use]
    pub fn with_state(self, state: Option<String>) -> Self {
        Self { state, ..self }
    }

    /// The URI itself.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// RP-Initiated Logout section 3: where the browser goes, `state` with it.
    pub fn location(&self) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        uri::add_query(&self.uri, &form::render(state))
    }
}

/// How a browser takes an answer to a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Redirection {
    /// To this address: visible ASCII, fit for a `Location` header.
    Location(String),
    /// By posting a form (OAuth 2.0 Form Post Response Mode section 2).
    FormPost {
        /// The redirect URI, with its own query.
        action: String,
        /// Names and values, as plain text.
        fields: Vec<(&'static str, String)>,
    },
}

impl fmt::Debug for Redirection {
    /// The address only: what goes along may be a code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, address) = match self {
            Self::Location(location) => ("Location", location.split(['?', '#']).next().unwrap_or_default()),
            Self::FormPost { action, .. } => ("FormPost", action.split('?').next().unwrap_or_default()),
        };
        write!(f, "{kind}({address}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::secret::Secret;
    use crate::model::id::ClientId;
    use crate::protocol::error::ErrorCode;

    fn target(uri: &str) -> Target {
        let mut client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        client.redirect_uris = vec![uri.to_owned()];
        Target::prove(&client, uri, &Issuer::parse("https://id.example").unwrap(), Beside::Nothing).unwrap()
    }

    #[test]
    fn rfc9700_2_1_only_development_takes_what_nobody_registered() {
        let client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        let issuer = Issuer::parse("http://idp:8000").unwrap();
        let prove = |uri, beside| Target::prove(&client, uri, &issuer, beside).is_some();
        let development = Beside::Development { own: "http://idp:8000/playground/callback" };
        for uri in [
            "http://localhost:3000/cb",
            "https://localhost:5173/",
            "http://127.0.0.1/auth/callback?tenant=1",
            "http://[::1]:9/x",
            "http://app.localhost:8080/cb",
            "http://idp:8000/playground/callback",
        ] {
            assert!(prove(uri, development), "{uri}");
            assert!(!prove(uri, Beside::Nothing), "{uri}");
        }
        for uri in [
            "http://idp:8000/playground/callback/",
            "http://idp:8000/",
            "https://app.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://localhost:3000/cb#x",
            "http:/localhost/cb",
            "com.example.app:/cb",
            "ftp://localhost/cb",
            "",
        ] {
            assert!(!prove(uri, development), "{uri}");
        }
    }

    fn code(code: &str) -> AuthorizationResponse {
        AuthorizationResponse { code: Some(Secret::new(code)), ..Default::default() }
    }

    fn location(redirection: Redirection) -> String {
        match redirection {
            Redirection::Location(location) => location,
            Redirection::FormPost { .. } => panic!("a form"),
        }
    }

    #[test]
    fn rfc6749_3_1_2_3_there_is_no_target_without_a_registered_uri() {
        let client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        assert_eq!(
            Target::prove(
                &client,
                "https://app.example/cb",
                &Issuer::parse("https://id.example").unwrap(),
                Beside::Nothing
            ),
            None
        );
    }

    #[test]
    fn rfc6749_4_1_2_the_answer_joins_the_query_that_is_there() {
        for (uri, expected) in [
            ("https://app.example/cb", "https://app.example/cb?code=x%2By&iss=https%3A%2F%2Fid.example"),
            (
                "https://app.example/cb?a=&b=%20+",
                "https://app.example/cb?a=&b=%20+&code=x%2By&iss=https%3A%2F%2Fid.example",
            ),
            ("com.example.app:/cb", "com.example.app:/cb?code=x%2By&iss=https%3A%2F%2Fid.example"),
        ] {
            assert_eq!(location(target(uri).success(&code("x+y"))), expected);
        }
    }

    #[test]
    fn rfc6749_4_1_2_state_comes_back_as_it_came() {
        for state in ["abc-._~", "a b&c=d#e", "\r\nLocation: https://evil.example", "état ✓", "%41+", "\"<>'\\"] {
            let target = target("https://app.example/cb").with_state(Some(state.to_owned()));
            let location = location(target.success(&code("x")));
            assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
            let form = form::Form::parse(location.split_once('?').unwrap().1.as_bytes()).unwrap();
            let names: Vec<_> = form.iter().collect();
            assert_eq!(names, [("code", "x"), ("state", state), ("iss", "https://id.example")]);
        }
    }

    #[test]
    fn rfc6749_4_1_2_1_errors_carry_code_description_state_and_iss() {
        let error = OAuthError::new(ErrorCode::AccessDenied, "the user \"declined\"").detail("private");
        let target = target("https://app.example/cb?x=1").with_state(Some("s".into()));
        assert_eq!(
            location(target.error(&error)),
            "https://app.example/cb?x=1&error=access_denied&error_description=the%20user%20%27declined%27&state=s\
             &iss=https%3A%2F%2Fid.example"
        );
        assert_eq!(
            location(target.with_mode(ResponseMode::Fragment).with_state(None).error(&error)),
            "https://app.example/cb?x=1#error=access_denied&error_description=the%20user%20%27declined%27\
             &iss=https%3A%2F%2Fid.example"
        );
    }

    #[test]
    fn form_post_2_nothing_stands_in_the_address() {
        let target =
            target("https://app.example/cb?x=1").with_mode(ResponseMode::FormPost).with_state(Some("a&b".into()));
        let answer = target.success(&code("secret"));
        assert!(!format!("{answer:?}").contains("secret"));
        assert_eq!(
            answer,
            Redirection::FormPost {
                action: "https://app.example/cb?x=1".into(),
                fields: vec![("code", "secret".into()), ("state", "a&b".into()), ("iss", "https://id.example".into())],
            }
        );
    }
}
