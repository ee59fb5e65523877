//! Logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0).
//!
//! What a request says is read first, then proven; what can't be proven isn't used (section 4). Whatever is left decides
//! whether the user is asked, and where their browser goes afterwards.

use std::fmt;

use minicbor::{Decode, Encode};
use serde_json::Value;

use super::error::OAuthError;
use super::hint::{self, HintRefusal};
use super::parameter::{bounded, invalid, refuse_repeated};
use super::redirect::{Beside, PostLogoutTarget};
use crate::base::form::Form;
use crate::jose::jws::Jws;
use crate::jose::jwt::Claims;
use crate::model::client::Client;
use crate::model::id::{ClientId, MAX_TEXT_ID, SessionId};

/// The greatest lengths in bytes of what is passed on, or sealed into an address.
const MAX_STATE: usize = 8192;
const MAX_HINT: usize = 8192;
const MAX_TEXT: usize = 1024;

/// A logout request, as it came. `logout_hint` is taken, and of no use: a browser has one session, so there is nobody to
/// choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest<'a> {
    /// An ID token of ours, which says who is to be logged out.
    pub id_token_hint: Option<&'a str>,
    /// Who asks.
    pub client_id: Option<ClientId>,
    /// Where the browser goes afterwards.
    pub post_logout_redirect_uri: Option<&'a str>,
    /// What goes along.
    pub state: Option<&'a str>,
    /// The languages of the user, the best one first.
    pub ui_locales: Option<&'a str>,
}

impl<'a> LogoutRequest<'a> {
    /// Section 2.
    ///
    /// # Errors
    /// `invalid_request` for what comes twice or is too long.
    pub fn parse(form: &'a Form) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        bounded(form, "logout_hint", MAX_TEXT)?;
        Ok(Self {
            id_token_hint: bounded(form, "id_token_hint", MAX_HINT)?,
            client_id: bounded(form, "client_id", MAX_TEXT_ID)?.map(ClientId::new),
            post_logout_redirect_uri: form.get("post_logout_redirect_uri"),
            state: bounded(form, "state", MAX_STATE)?,
            ui_locales: bounded(form, "ui_locales", MAX_TEXT)?,
        })
    }

    /// Section 2: the client that says it sends the user: its `client_id`, or else the only audience of the hint, which isn't
    /// verified yet.
    pub fn sender(&self) -> Option<ClientId> {
        self.client_id.clone().or_else(|| {
            let claims = Jws::parse(self.id_token_hint?).ok()?.unverified_claims()?;
            let audience = match claims.get("aud")? {
                Value::Array(several) => several.first().filter(|_| several.len() == 1)?,
                one => one,
            };
            audience.as_str().filter(|id| id.len() <= MAX_TEXT_ID).map(ClientId::new)
        })
    }
}

/// Whom a verified hint means.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hinted {
    #[n(0)]
    subject: String,
    #[n(1)]
    session: Option<String>,
}

impl Hinted {
    /// Section 4: of an ID token whose signature is verified. That it has expired doesn't matter.
    ///
    /// # Errors
    /// [`HintRefusal`], also where the client isn't the one that it was issued to (section 2).
    pub fn of(claims: &Claims, issuer: &str, client: &ClientId) -> Result<Self, HintRefusal> {
        let subject = hint::decide_subject(claims, issuer, client)?;
        // What is no text names no session of ours.
        let session = claims.get("sid").map(|sid| sid.as_str().unwrap_or_default().to_owned());
        Ok(Self { subject, session })
    }

    /// Section 2: whether that is this user in this session. A token that names no session was issued in none: that of a password
    /// grant, or one that a client made itself, which can sign with its secret.
    fn means(&self, subject: &str, session: SessionId) -> bool {
        self.subject == subject && self.session.as_ref().is_some_and(|sid| *sid == session.to_string())
    }
}

/// What a request asks for that can't be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no such client.
    ClientUnknown,
    /// Where to go afterwards is said, but not for which client.
    ClientMissing,
    /// The client hasn't registered `post_logout_redirect_uri`.
    RedirectUri,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientUnknown => "there is no client of this id",
            Self::ClientMissing => "post_logout_redirect_uri came without id_token_hint and client_id",
            Self::RedirectUri => "post_logout_redirect_uri is not registered for the client",
        })
    }
}

impl From<Flaw> for OAuthError {
    fn from(flaw: Flaw) -> Self {
        invalid(flaw.to_string())
    }
}

/// What a deployment lets clients do.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Which addresses are good beside those that are registered.
    pub beside: Beside<'a>,
    /// Whether the browser goes to the first address that the client has registered when it names none.
    pub first: bool,
}

/// What is proven of a logout request: all that is carried along until the user has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Logout {
    /// Who asks.
    #[n(0)]
    pub client_id: Option<ClientId>,
    /// Whom it means.
    #[n(1)]
    hinted: Option<Hinted>,
    /// Where the browser goes afterwards.
    #[n(2)]
    redirect_uri: Option<String>,
    /// What goes along.
    #[n(3)]
    state: Option<String>,
    /// The languages of the user.
    #[n(4)]
    pub ui_locales: Option<String>,
}

impl Logout {
    /// Of a request of which nothing is proven but that the user has come with it.
    pub fn unproven(asked: &LogoutRequest<'_>) -> Self {
        Self { ui_locales: asked.ui_locales.map(ToOwned::to_owned), ..Self::default() }
    }

    /// Sections 2 to 4: what a request comes to, once its hint is verified and its client found. With a flaw in it the hint
    /// isn't used either: the user is asked, and nobody is redirected.
    pub fn decide(
        asked: &LogoutRequest<'_>,
        client: Option<&Client>,
        hinted: Option<Hinted>,
        policy: Policy<'_>,
    ) -> (Self, Option<Flaw>) {
        let unproven = Self::unproven(asked);
        let Some(client) = client else {
            let flaw = if asked.client_id.is_some() {
                Some(Flaw::ClientUnknown)
            } else {
                asked.post_logout_redirect_uri.map(|_| Flaw::ClientMissing)
            };
            return (unproven, flaw);
        };
        let named = Self { client_id: Some(client.id.clone()), ..unproven };
        let target = match asked.post_logout_redirect_uri {
            Some(uri) => match PostLogoutTarget::prove(client, uri, policy.beside) {
                Some(target) => Some(target),
                None => return (named, Some(Flaw::RedirectUri)),
            },
            None if policy.first => PostLogoutTarget::first(client),
            None => None,
        };
        let state = asked.state.filter(|_| target.is_some()).map(ToOwned::to_owned);
        let redirect_uri = target.map(|target| target.uri().to_owned());
        (Self { hinted, redirect_uri, state, ..named }, None)
    }

    /// Section 2: whether the user must be asked. They needn't where the hint is about the session at hand, and there is
    /// nothing to ask where nobody is logged in.
    pub fn must_ask(&self, login: Option<(&str, SessionId)>) -> bool {
        let is_meant = |subject, session| self.hinted.as_ref().is_some_and(|hinted| hinted.means(subject, session));
        login.is_some_and(|(subject, session)| !is_meant(subject, session))
    }

    /// Section 3: where the browser goes afterwards, as things are now. The client is that of [`Logout::client_id`].
    pub fn target(&self, client: &Client, beside: Beside<'_>) -> Option<PostLogoutTarget> {
        let uri = self.redirect_uri.as_deref().filter(|_| self.client_id.as_ref() == Some(&client.id))?;
        Some(PostLogoutTarget::prove(client, uri, beside)?.with_state(self.state.clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::encode::base64url;
    use crate::base::random::Random;
    use crate::model::id::Id;
    use crate::protocol::error::ErrorCode;

    const GOODBYE: &str = "https://app.example/goodbye?x=1";
    const STRICT: Policy<'_> = Policy { beside: Beside::Nothing, first: false };

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    fn claims(value: Value) -> Claims {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    fn client() -> Client {
        let mut client = Client::new(ClientId::new("web"), "Web".into(), 1, Timestamp::EPOCH);
        client.post_logout_redirect_uris =
            vec![GOODBYE.into(), "com.example.app:/bye".into(), "http://127.0.0.1/bye".into()];
        client
    }

    fn session(seed: &str) -> SessionId {
        SessionId(Id::mint(Timestamp::from_secs(1), &Random::seeded(seed)))
    }

    fn hinted(sub: &str, sid: Option<SessionId>) -> Hinted {
        Hinted { subject: sub.into(), session: sid.map(|sid| sid.to_string()) }
    }

    #[test]
    fn rp_initiated_2_the_parameters() {
        let text = "id_token_hint=a.b.c&client_id=web&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=s+t&\
                    ui_locales=fr&logout_hint=ada&other=1";
        let form = form(text);
        let asked = LogoutRequest::parse(&form).unwrap();
        let expected = LogoutRequest {
            id_token_hint: Some("a.b.c"),
            client_id: Some(ClientId::new("web")),
            post_logout_redirect_uri: Some("https://app.example/"),
            state: Some("s t"),
            ui_locales: Some("fr"),
        };
        assert_eq!(asked, expected);
        assert_eq!(LogoutRequest::parse(&Form::default()).unwrap().id_token_hint, None);
    }

    #[test]
    fn rp_initiated_2_what_is_repeated_or_too_long_is_refused() {
        for text in ["state=a&state=b".to_owned(), format!("state={}", "a".repeat(8193)), "x=1&x=1".to_owned()] {
            assert_eq!(LogoutRequest::parse(&form(&text)).unwrap_err().code(), ErrorCode::InvalidRequest);
        }
        for (name, max) in [("id_token_hint", MAX_HINT), ("client_id", MAX_TEXT_ID), ("logout_hint", MAX_TEXT)] {
            let of = |length| form(&format!("{name}={}", "a".repeat(length)));
            assert!(LogoutRequest::parse(&of(max)).is_ok() && LogoutRequest::parse(&of(max + 1)).is_err(), "{name}");
        }
    }

    #[test]
    fn rp_initiated_2_the_sender_is_the_client_id_or_the_only_audience_of_the_hint() {
        let hint = |aud: Value| {
            let part = |value: Value| base64url(value.to_string());
            format!(
                "{}.{}.{}",
                part(json!({ "alg": "RS256", "kid": "k" })),
                part(json!({ "aud": aud })),
                base64url("s")
            )
        };
        let sender = |text: &str| LogoutRequest::parse(&form(text)).unwrap().sender().map(|id| id.to_string());
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(sender(&format!("client_id=web&id_token_hint={}", hint(json!("other")))), id("web"));
        assert_eq!(sender(&format!("id_token_hint={}", hint(json!("other")))), id("other"));
        assert_eq!(sender(&format!("id_token_hint={}", hint(json!(["other"])))), id("other"));
        for aud in [json!(["a", "b"]), json!([]), json!(1), json!(null), json!([1]), json!("x".repeat(256))] {
            assert_eq!(sender(&format!("id_token_hint={}", hint(aud))), None);
        }
        assert_eq!(sender("id_token_hint=a.b.c"), None);
        assert_eq!(sender(""), None);
    }

    #[test]
    fn rp_initiated_2_the_user_is_asked_unless_the_hint_is_of_the_session_at_hand() {
        let (ada, here, elsewhere) = ("ada", session("here"), session("elsewhere"));
        for (hint, asks) in [
            (Some(hinted("ada", Some(here))), false),
            (Some(hinted("ada", None)), true),
            (Some(hinted("ada", Some(elsewhere))), true),
            (Some(hinted("bob", Some(here))), true),
            (Some(hinted("bob", None)), true),
            (None, true),
        ] {
            let logout = Logout { hinted: hint.clone(), ..Logout::default() };
            assert_eq!(logout.must_ask(Some((ada, here))), asks, "{hint:?}");
            assert!(!logout.must_ask(None), "nobody is there to be asked");
        }
        let odd =
            Hinted::of(&claims(json!({"iss": "i", "aud": "web", "sub": "ada", "sid": 1})), "i", &ClientId::new("web"));
        let logout = Logout { hinted: odd.ok(), ..Logout::default() };
        assert!(logout.hinted.is_some() && logout.must_ask(Some((ada, here))), "it names a session that is none");
    }

    #[test]
    fn rp_initiated_3_only_a_registered_address_of_the_client_is_a_target() {
        let client = client();
        let location = |text: &str| {
            let form = form(text);
            let asked = LogoutRequest::parse(&form).unwrap();
            let (logout, flaw) = Logout::decide(&asked, Some(&client), Some(hinted("ada", None)), STRICT);
            assert_eq!(flaw.is_none(), logout.hinted.is_some(), "a hint beside a flaw isn't used");
            (logout.target(&client, Beside::Nothing).map(|target| target.location()), flaw)
        };
        let uri = "post_logout_redirect_uri";
        for (text, expected) in [
            (format!("{uri}={GOODBYE}"), GOODBYE.to_owned()),
            (format!("{uri}={GOODBYE}&state=a%26b%3Dc+-._~"), format!("{GOODBYE}&state=a%26b%3Dc%20-._~")),
            (format!("{uri}=com.example.app:/bye&state=s"), "com.example.app:/bye?state=s".to_owned()),
            (format!("{uri}=http://127.0.0.1:51004/bye"), "http://127.0.0.1:51004/bye".to_owned()),
        ] {
            assert_eq!(location(&text), (Some(expected), None), "{text}");
        }
        for other in [
            "https://app.example/goodbye",
            "https://app.example/goodbye?x=1%26foo=bar",
            "https://app.example/goodbye?x=1%23",
            "https://APP.example/goodbye?x=1",
            "https://evil.example/",
            "http://localhost/bye",
        ] {
            assert_eq!(location(&format!("{uri}={other}&state=s")), (None, Some(Flaw::RedirectUri)), "{other}");
        }
        assert_eq!(location("state=s"), (None, None), "state goes nowhere by itself");
    }

    #[test]
    fn rp_initiated_3_without_a_client_nothing_is_a_target() {
        for (text, expected) in [
            (format!("post_logout_redirect_uri={GOODBYE}"), Some(Flaw::ClientMissing)),
            (format!("post_logout_redirect_uri={GOODBYE}&client_id=none"), Some(Flaw::ClientUnknown)),
            ("state=s".to_owned(), None),
            (String::new(), None),
        ] {
            let form = form(&text);
            let (logout, flaw) = Logout::decide(&LogoutRequest::parse(&form).unwrap(), None, None, STRICT);
            assert_eq!((logout, flaw), (Logout::default(), expected), "{text}");
        }
    }

    #[test]
    fn rp_initiated_3_the_target_is_proven_again_when_the_user_has_answered() {
        let mut client = client();
        let form = form(&format!("post_logout_redirect_uri={GOODBYE}"));
        let (logout, _) = Logout::decide(&LogoutRequest::parse(&form).unwrap(), Some(&client), None, STRICT);
        assert!(logout.target(&client, Beside::Nothing).is_some());
        let mut other = client.clone();
        other.id = ClientId::new("other");
        assert_eq!(logout.target(&other, Beside::Nothing), None, "it is another client's");
        client.post_logout_redirect_uris.remove(0);
        assert_eq!(logout.target(&client, Beside::Nothing), None, "it isn't registered any more");
    }

    #[test]
    fn django_the_first_registered_address_serves_where_none_is_named() {
        let django = Policy { first: true, ..STRICT };
        let mut client = client();
        let form = form("client_id=web&state=s");
        let asked = LogoutRequest::parse(&form).unwrap();
        let target = |client: &Client, policy| {
            let (logout, _) = Logout::decide(&asked, Some(client), None, policy);
            logout.target(client, Beside::Nothing).map(|target| target.location())
        };
        assert_eq!(target(&client, django), Some(format!("{GOODBYE}&state=s")));
        assert_eq!(target(&client, STRICT), None);
        client.post_logout_redirect_uris.clear();
        assert_eq!(target(&client, django), None);
    }
}
