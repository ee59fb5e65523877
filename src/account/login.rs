//! Login: a username and a password become a session.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;

use super::{Visit, account_view, client_view};
use crate::app::App;
use crate::app::browser;
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::known_browser;
use crate::app::password::Verdict;
use crate::app::pending::Stop;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::app::throttle::{Caller, RetryAfter};
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::user::{MAX_USERNAME, User, fold_username};
use crate::oidc::authorize::resume;
use crate::page::{LoginPage, LoginProblem, Persona};
use crate::protocol::claims;

/// How many users the page offers in development.
const MAX_PERSONAS: usize = 8;

/// The longest name in bytes, with some white space around it.
const MAX_TYPED: usize = 5 * MAX_USERNAME;

/// Shows the page.
///
/// # Errors
/// An expired page, for whoever comes without a pending request.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    let visit = Visit::open(app, request, Stop::Login, &request.query()?).await?;
    let username = visit.pending.request.login_hint.clone().unwrap_or_default();
    let again = browser::session(app, request).await?.is_some();
    page(app, &visit, username, None, again).await
}

/// Takes what the page sent.
///
/// # Errors
/// An expired page, a foreign origin, more work than fits.
pub async fn submit(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    csrf::check_origin(app, request)?;
    let form = request.form().await?;
    let visit = Visit::open(app, request, Stop::Login, &form).await?;
    if form.get("decision") == Some("cancel") {
        return visit.cancel(app, request, "cancelled the login");
    }
    let outcome = match form.get("persona").filter(|_| app.development.is_some()) {
        Some(username) => pick(app, username).await?,
        None => log_in(app, request, &form).await?,
    };
    match outcome {
        Ok(user) => {
            let known = known_browser::remember(app, request, &user)?;
            let (login, cookies) = browser::start_session(app, request, user).await?;
            Ok(resume(app, request, visit.pending, Some(login)).await?.cookies(cookies).cookie(known))
        }
        Err(problem) => {
            // What is nobody's name for its length isn't shown again either: it could be as large as the request.
            let username = form.get("username").filter(|typed| can_be_a_name(typed)).unwrap_or_default().to_owned();
            let reply = page(app, &visit, username, Some(problem), false).await?;
            Ok(match problem {
                LoginProblem::Throttled { seconds } => {
                    reply.status(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(seconds))
                }
                LoginProblem::Missing | LoginProblem::Wrong => reply,
            })
        }
    }
}

/// Whether what was typed is no longer than a user name may be, white space around it left out.
fn can_be_a_name(typed: &str) -> bool {
    typed.trim().chars().count() <= MAX_USERNAME && typed.len() <= MAX_TYPED
}

/// Development: whoever clicks on somebody is them.
async fn pick(app: &App, username: &str) -> Result<Result<Arc<User>, LoginProblem>, Fault> {
    let user = app.store.user_by_username(username).await?.filter(|user| user.enabled);
    Ok(user.ok_or(LoginProblem::Wrong))
}

/// Verifies a username and a password. Whether the user is unknown or disabled, or the password wrong, makes no difference in
/// the answer or the time it takes; the log knows.
async fn log_in(app: &App, request: &Request, form: &Form) -> Result<Result<Arc<User>, LoginProblem>, Fault> {
    let (Some(username), Some(password)) = (form.get("username"), form.get("password")) else {
        return Ok(Err(LoginProblem::Missing));
    };
    if !can_be_a_name(username) {
        return Ok(Err(LoginProblem::Wrong));
    }
    let address = request.client_address();
    let known_browser = known_browser::recognise(app, request, username).await?;
    let caller = Caller { address, known_browser };
    let attempt = match app.throttle.attempt(&fold_username(username), caller, app.clock.now()) {
        Ok(attempt) => attempt,
        Err(RetryAfter(wait)) => {
            tracing::warn!(%address, "login throttled");
            return Ok(Err(LoginProblem::Throttled { seconds: wait.as_secs() + 1 }));
        }
    };
    // Only now: a refusal would tell by the time it takes whether there is such a user.
    let user = match app.store.user_by_username(username).await {
        Ok(user) => user,
        Err(error) => {
            attempt.withdraw();
            return Err(error.into());
        }
    };
    let stored = user.as_ref().filter(|user| user.enabled).and_then(|user| user.password_hash.as_deref());
    let password = Secret::new(password);
    let verdict = match app.passwords.verify(username, password.clone(), stored).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.withdraw();
            return Err(error.into());
        }
    };
    match (user, verdict) {
        (Some(user), Verdict::Right { outdated }) => {
            attempt.succeeded();
            tracing::info!(%address, user = %user.id, "login succeeded");
            if outdated {
                renew_hash(app, &user, password).await;
            }
            Ok(Ok(user))
        }
        (user, _) => {
            attempt.failed();
            let reason = match &user {
                None => "no such user",
                Some(user) if !user.enabled => "disabled",
                Some(_) => "wrong password",
            };
            let user = user.as_ref().map(|user| user.id.as_str());
            tracing::info!(%address, user, reason, "login failed");
            Ok(Err(LoginProblem::Wrong))
        }
    }
}

/// Hashes the password again with today's parameters. That it doesn't work is no reason to refuse the login.
async fn renew_hash(app: &App, user: &User, password: Secret) {
    match app.passwords.hash(password).await {
        Ok(hash) => {
            let renewed = User { password_hash: Some(hash), ..user.clone() };
            if let Err(error) = app.store.update_user(renewed).await {
                tracing::warn!(user = %user.id, %error, "a password hash could not be renewed");
            }
        }
        Err(error) => tracing::warn!(user = %user.id, %error, "a password hash could not be renewed"),
    }
}

async fn page(
    app: &App,
    visit: &Visit,
    username: String,
    problem: Option<LoginProblem>,
    again: bool,
) -> Result<Reply, Fault> {
    let page = LoginPage {
        pending: visit.sealed.clone(),
        personas: personas(app, &username).await?,
        client: Some(client_view(app, &visit.client)),
        username,
        problem,
        again,
    };
    app.page(&page, &visit.locale)
}

/// Development: the first users there are, and which of them the hint means by name, e-mail address or subject.
async fn personas(app: &App, hint: &str) -> Result<Vec<Persona>, Fault> {
    if app.development.is_none() {
        return Ok(Vec::new());
    }
    let mut users = app.store.users(None, MAX_PERSONAS).await?.items;
    if let Some(hinted) = app.store.user_by_username(hint).await?
        && !users.iter().any(|user| user.id == hinted.id)
    {
        users.push(hinted);
    }
    let persona = |user: &Arc<User>| {
        let account = account_view(user);
        let email = claims::claim(user, "email");
        let is_hinted = |name: &str| !hint.is_empty() && fold_username(name) == fold_username(hint);
        Persona {
            preselected: is_hinted(&user.username)
                || user.id.as_str() == hint
                || email.as_ref().and_then(|email| email.as_str()).is_some_and(is_hinted),
            username: user.username.clone(),
            name: account.name,
        }
    };
    Ok(users.iter().filter(|user| user.enabled).map(persona).collect())
}
