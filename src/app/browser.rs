//! The browser at the other end: the cookie that its pending requests are bound to, and the session it is logged in with.

use super::App;
use super::cookie::{Cookie, Lifetime, SetCookie, Site};
use super::fault::Fault;
use super::request::Request;
use crate::base::encode::{base64url, parse_base64url_array};
use crate::model::id::{Bearer, BearerKind};
use crate::protocol::issuer::Issuer;
use crate::store::SessionContext;

/// The cookies that we set.
pub struct Cookies {
    /// Says which browser it is, whoever uses it.
    browser: Cookie,
    /// Says who uses it.
    session: Cookie,
}

impl Cookies {
    /// Named for an issuer.
    pub fn new(issuer: &Issuer) -> Self {
        let site = if issuer.is_https() { Site::Https } else { Site::Http { port: issuer.port() } };
        Self { browser: Cookie::new(site, "hallpass-browser"), session: Cookie::new(site, "hallpass-session") }
    }

    /// Gives a browser its session.
    pub fn start_session(&self, session: &Bearer) -> SetCookie {
        // Until the browser is closed: how long the session lives is for the store to say.
        self.session.set(session.render(BearerKind::Session).expose(), Lifetime::BrowserSession)
    }

    /// Takes a browser's session away.
    pub fn end_session(&self) -> SetCookie {
        self.session.delete()
    }
}

/// A browser, known again by a random value of its own. What is sealed for one browser can't be opened with another: a
/// page that somebody else began can't be planted.
pub struct Browser {
    id: [u8; 16],
    /// Set when the browser doesn't know its value yet.
    introduction: Option<SetCookie>,
}

impl Browser {
    /// The browser that sends its value, or a new one.
    pub fn of(app: &App, request: &Request) -> Self {
        let known = request.cookie(app.cookies.browser.name()).and_then(parse_base64url_array);
        match known {
            Some(id) => Self { id, introduction: None },
            None => {
                let id: [u8; 16] = app.random.bytes();
                let cookie = app.cookies.browser.set(&base64url(id), Lifetime::BrowserSession);
                Self { id, introduction: Some(cookie) }
            }
        }
    }

    /// What is sealed for this browser is sealed with this.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.id
    }

    /// The cookie that an answer has to carry, if the browser is new.
    pub fn introduction(self) -> Option<SetCookie> {
        self.introduction
    }
}

/// The session that the browser's cookie opens, alive or not. The id in the cookie doesn't open it: it is `sid` in every
/// ID token, and no secret.
///
/// # Errors
/// When the store can't be read.
pub async fn held_session(app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
    let value = request.cookie(app.cookies.session.name());
    match value.and_then(|value| Bearer::parse(BearerKind::Session, value)) {
        Some(bearer) => Ok(app.store.find_session(&bearer).await?),
        None => Ok(None),
    }
}

/// The live session of the browser, and who is logged in.
///
/// # Errors
/// When the store can't be read.
pub async fn session(app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
    let Some(found) = held_session(app, request).await? else { return Ok(None) };
    let now = request.now();
    if !found.session.is_live(&found.user, app.settings.lifetimes.session_idle, now) {
        return Ok(None);
    }
    if found.session.is_worth_touching(now) {
        app.store.touch_session(&found.session.id, now).await?;
    }
    Ok(Some(found))
}
