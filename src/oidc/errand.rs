//! Users who go elsewhere in the middle of an authorization request, and come back: to the login application, and to where a hook
//! sends them.

use url::Url;

use super::authorize;
use crate::app::App;
use crate::app::browser::{self, Browser, Proof};
use crate::app::errand::{Detour, Errand, LoggedIn, Purpose};
use crate::app::fault::{self, Fault};
use crate::app::pending::Pending;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::model::client::Client;
use crate::page::{DeniedPage, Field};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::parameter::refuse_repeated;
use crate::protocol::prompt::Prompt;
use crate::protocol::redirect::{Redirection, Target};

/// How often hooks may send a user elsewhere for one request. Who is sent once more would be so for ever.
const MOST_DETOURS: usize = 8;

/// Sends the user to where a hook wants them.
///
/// # Errors
/// `interaction_required` where nothing may be shown (OpenID Connect Core 1.0 section 3.1.2.6), `access_denied` after too many
/// detours.
pub(super) fn detour(app: &App, request: &Request, pending: Pending, detour: Detour, to: Url) -> Result<Reply, Fault> {
    if pending.request.prompt.has(Prompt::NONE) {
        let error = OAuthError::new(ErrorCode::InteractionRequired, "the user would have to take part first");
        return Err(error.detail("a hook sends the user elsewhere").into());
    }
    if pending.detours.len() >= MOST_DETOURS {
        let error = OAuthError::new(ErrorCode::AccessDenied, "the user may not use this application");
        return Err(error.detail("hooks send the user elsewhere again and again").into());
    }
    send(app, request, pending, Purpose::Detour(detour), to, "resume")
}

/// Sends a user to the login application.
///
/// # Errors
/// When the handle can't be written.
pub(super) fn log_in(app: &App, request: &Request, pending: Pending, to: &Url) -> Result<Reply, Fault> {
    send(app, request, pending, Purpose::Login, to.clone(), "handle")
}

/// Sends the browser to this place, with a handle in this parameter.
fn send(
    app: &App,
    request: &Request,
    pending: Pending,
    purpose: Purpose,
    mut to: Url,
    parameter: &str,
) -> Result<Reply, Fault> {
    let browser = Browser::of(app, request);
    let handle = Errand::new(app, &browser, pending, purpose).seal(&app.errands, &app.random)?;
    to.query_pairs_mut().append_pair(parameter, &handle);
    Ok(Reply::redirect_see_other(to.as_str()).no_store().cookies(browser.introduction()))
}

/// Takes the handle that a browser brings back, and goes on with its request.
///
/// # Errors
/// An expired page for a handle that is another browser's, too old, used, not ours, or was not answered.
pub async fn come_back(app: &App, request: &Request) -> Result<Reply, Fault> {
    let query = request.query()?;
    refuse_repeated(&query)?;
    let browser = Browser::of(app, request);
    let Errand { mut pending, purpose, .. } = Errand::take(app, &browser, query.get("handle"), request.now())?;
    match purpose {
        Purpose::Login => Err(Fault::expired("the login application has not answered")),
        Purpose::LoggedIn(login) => start(app, request, pending, login).await,
        Purpose::Refused(message) => {
            let (client, target) = authorize::prove(app, &pending).await?;
            let error = OAuthError::new(ErrorCode::AccessDenied, "the user was not logged in");
            let error = error.detail("the login application refused");
            deny(app, request, &client, &target, &pending, message, &error)
        }
        Purpose::Detour(detour) => {
            let session = browser::session(app, request).await?;
            // Somebody else may have logged in meanwhile: they haven't been there.
            if session.as_ref().is_some_and(|login| login.user.id == detour.user) {
                pending.detours.push(detour);
            }
            authorize::resume(app, request, pending, session).await
        }
    }
}

/// Whoever the login application has named is logged in.
async fn start(app: &App, request: &Request, mut pending: Pending, login: LoggedIn) -> Result<Reply, Fault> {
    let user = app.store.user(&login.user).await?.filter(|user| user.stands_by(login.generation));
    let user = user.ok_or_else(|| Fault::expired("the user has gone, or may not log in any more"))?;
    tracing::info!(address = %request.client_address(), user = %user.id, "login succeeded at the login application");
    let proof = Proof { auth_time: login.auth_time, amr: login.amr };
    let (session, cookies) = browser::start_session(app, request, user, proof).await?;
    // However old the login is that the application speaks of: it was asked for this request.
    pending.chosen = Some(session.session.id);
    Ok(authorize::resume(app, request, pending, Some(session)).await?.cookies(cookies))
}

/// Keeps a user out: they are told why, if there is something to tell and it may be shown, and then the client is told
/// that they are.
///
/// # Errors
/// When the page can't be shown.
pub(super) fn deny(
    app: &App,
    request: &Request,
    client: &Client,
    target: &Target,
    pending: &Pending,
    message: Option<String>,
    error: &OAuthError,
) -> Result<Reply, Fault> {
    let asked = &pending.request;
    let Some(message) = message.filter(|_| !asked.prompt.has(Prompt::NONE)) else {
        return authorize::refuse(app, request, client, target, error);
    };
    fault::log(error, Some(&client.id));
    let (address, fields) = match target.error(error) {
        Redirection::Location(location) => (location, Vec::new()),
        Redirection::FormPost { action, fields } => {
            (action, fields.into_iter().map(|(name, value)| Field::new(name, value)).collect())
        }
    };
    let page = DeniedPage { message, client: client.shown_name().to_owned(), address, fields };
    app.page(&page, &app.locale(asked.ui_locales.as_deref(), request))
}
