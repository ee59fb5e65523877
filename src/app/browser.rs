//! The browser at the other end: the cookie that its pending requests are bound to, and the session it is logged in with.

use std::sync::Arc;
use std::time::Duration;

use super::App;
use super::cookie::{Cookie, Lifetime, SetCookie, Site};
use super::fault::Fault;
use super::hook::Ending;
use super::lifetime::InForce;
use super::login;
use super::request::Request;
use crate::base::clock::Timestamp;
use crate::base::encode::{base64url, parse_base64url_array};
use crate::model::client::{Client, Lifetimes};
use crate::model::id::{Bearer, BearerKind, SessionId};
use crate::model::session::{EndedGrants, EndedSession, Session};
use crate::model::user::User;
use crate::protocol::issuer::Issuer;
use crate::settings::EndTokens;
use crate::store::SessionContext;

/// For how much longer than grants live today it is remembered that they ended with their session: the settings may have
/// been others when they were made.
const EARLIER_SETTINGS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// More of a `User-Agent` header isn't kept.
const MAX_USER_AGENT: usize = 200;

/// The cookies that we set.
pub struct Cookies {
    /// Says which browser it is, whoever uses it.
    browser: Cookie,
    /// Says who uses it.
    session: Cookie,
    /// Says who has used it before.
    known: Cookie,
    /// Says which language was chosen on a page.
    language: Cookie,
}

impl Cookies {
    /// Named for an issuer.
    pub fn new(issuer: &Issuer) -> Self {
        let site = Site::of(issuer);
        let named = |short| Cookie::new(site, short);
        Self {
            browser: named("hallpass-browser"),
            session: named("hallpass-session"),
            known: named("hallpass-known"),
            language: named("hallpass-language"),
        }
    }

    /// The cookie of browsers that are [known](super::known_browser).
    pub(super) const fn known(&self) -> &Cookie {
        &self.known
    }

    /// The cookie with the language that was chosen on a page.
    pub const fn language(&self) -> &Cookie {
        &self.language
    }

    /// Gives a browser its session.
    fn start_session(&self, session: &Bearer) -> SetCookie {
        // Until the browser is closed: how long the session lives is for the store to say.
        self.session.set(session.render(BearerKind::Session).expose(), Lifetime::BrowserSession)
    }

    /// Takes a browser's session away.
    fn end_session(&self) -> SetCookie {
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

/// The session that the browser's cookie opens, alive or not, until its [end](Session::ends_at): whether its row has been
/// swept by then makes no difference. The id in the cookie doesn't open it: it is `sid` in every ID token, and no secret.
///
/// # Errors
/// When the store can't be read.
pub async fn held_session(app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
    let value = request.cookie(app.cookies.session.name());
    match value.and_then(|value| Bearer::parse(BearerKind::Session, value)) {
        Some(bearer) => {
            let held = app.store.find_session(&bearer).await?;
            Ok(held.filter(|held| request.now() < held.session.ends_at))
        }
        None => Ok(None),
    }
}

/// Whether the browser sends a session's cookie, whatever is in it.
pub(super) fn brings_session(app: &App, request: &Request) -> bool {
    request.cookie(app.cookies.session.name()).is_some()
}

/// The live session of the browser, and who is logged in. This is a use of it.
///
/// # Errors
/// When the store can't be read or written.
pub async fn session(app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
    let Some(login) = live_session(app, request).await? else { return Ok(None) };
    if login.session.is_worth_touching(request.now()) {
        app.store.touch_session(&login.session.id, request.now()).await?;
    }
    Ok(Some(login))
}

/// The same, but no use of it.
pub(super) async fn live_session(app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
    Ok(held_session(app, request).await?.filter(|held| is_live(app, request, held)))
}

fn is_live(app: &App, request: &Request, held: &SessionContext) -> bool {
    held.session.is_live(&held.user, app.settings.lifetimes.session_idle, request.now())
}

/// How somebody has proved who they are.
#[derive(Clone, Debug)]
pub struct Proof {
    /// When.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
}

impl Proof {
    /// With their password, at this moment.
    pub fn password(now: Timestamp) -> Self {
        Self { auth_time: now, amr: vec![login::AMR.to_owned()] }
    }
}

/// Logs a user in who has proved who they are, in place of whoever was logged in before, and gives the cookies for the
/// answer.
///
/// # Errors
/// When the store can't be written.
pub async fn start_session(
    app: &App,
    request: &Request,
    user: Arc<User>,
    proof: Proof,
) -> Result<(SessionContext, Vec<SetCookie>), Fault> {
    let (mut session, bearer) = new_session(app, request, &user, proof);
    let held = held_session(app, request).await?;
    match &held {
        // However long they did nothing: what was granted before is still theirs, and ends with the next logout.
        Some(held) if held.user.id == user.id => session.continues = Some(held.session.sid()),
        Some(other) => leave(app, request, other, None, None).await?,
        None => {}
    }
    let session = app.store.start_session(session, held.map(|held| held.session.id)).await?;
    let cookies = with_state(app, app.cookies.start_session(&bearer), Some(session.sid()));
    Ok((SessionContext { session, user }, cookies))
}

/// Logs out whoever is logged in, with the grants that the settings say, and gives the cookies for the answer. A client may have
/// asked for it, and the browser may go back there.
///
/// # Errors
/// When the store can't be written.
pub async fn end_session(
    app: &App,
    request: &Request,
    client: Option<&Client>,
    next: Option<&str>,
) -> Result<Vec<SetCookie>, Fault> {
    if !brings_session(app, request) {
        return Ok(Vec::new());
    }
    // Alive or not: whoever comes back after days to log out means what was granted then.
    if let Some(held) = held_session(app, request).await? {
        leave(app, request, &held, client, next).await?;
    }
    Ok(with_state(app, app.cookies.end_session(), None))
}

/// Ends a session, and what ends with it. Every logout goes through here, also that of a user in whose browser another one logs in.
async fn leave(
    app: &App,
    request: &Request,
    held: &SessionContext,
    client: Option<&Client>,
    next: Option<&str>,
) -> Result<(), Fault> {
    let SessionContext { session, user } = held;
    let sid = session.sid();
    app.hooks.logout(Ending { user, sid, client, next }).await;
    let ends = ends_with(app, sid, request.now()).await?;
    app.store.end_session(&session.id, ends).await?;
    Ok(())
}

/// A cookie that changes who is logged in, and the one by which scripts see that it has.
fn with_state(app: &App, cookie: SetCookie, sid: Option<SessionId>) -> Vec<SetCookie> {
    let state = app.browser_state.as_ref().map(|state| state.announce(sid));
    [cookie].into_iter().chain(state).collect()
}

/// What ends with a session, by the settings.
async fn ends_with(app: &App, sid: SessionId, now: Timestamp) -> Result<Option<EndedSession>, Fault> {
    let grants = match app.settings.logout.end_tokens {
        EndTokens::None => return Ok(None),
        EndTokens::Online => EndedGrants::Online,
        EndTokens::All => EndedGrants::All,
    };
    let own = app.own_lifetimes.all(&app.store).await?;
    let families = own.1.iter().copied().chain([Lifetimes::default()]);
    let longest = families.map(|own| InForce::new(&own, &app.settings.lifetimes).of_family()).max().unwrap_or_default();
    Ok(Some(EndedSession { sid, grants, needed_until: now + longest + EARLIER_SETTINGS }))
}

/// A session for a user who has proved who they are, and its bearer value. Always a new one: a value that was in the
/// browser before the login must not open what comes after it.
fn new_session(app: &App, request: &Request, user: &User, proof: Proof) -> (Session, Bearer) {
    let now = request.now();
    let ends_at = now + app.settings.lifetimes.session;
    let bearer = Bearer::mint(ends_at, &app.random);
    let user_agent = request.header(hyper::header::USER_AGENT).unwrap_or_default();
    let session = Session {
        id: SessionId(bearer.id()),
        digest: bearer.digest(),
        user: user.id.clone(),
        user_generation: user.generation,
        auth_time: proof.auth_time,
        amr: proof.amr,
        seen_at: now,
        ends_at,
        user_agent: user_agent.chars().take(MAX_USER_AGENT).collect(),
        address: request.client_address().to_string(),
        continues: None,
    };
    (session, bearer)
}
