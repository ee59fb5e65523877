//! Login: a username and a password become a session.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;

use super::{Visit, account_view, client_view};
use crate::app::App;
use crate::app::browser::{self, Proof};
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::known_browser;
use crate::app::login::{self, Refusal, can_be_a_name};
use crate::app::pending::Stop;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::app::throttle::{Caller, RetryAfter};
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::user::{User, fold_username};
use crate::oidc::authorize::resume;
use crate::page::{LoginPage, LoginProblem, Persona};
use crate::protocol::claims;

/// How many users the page offers in development.
const MAX_PERSONAS: usize = 8;

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
            let (login, cookies) = browser::start_session(app, request, user, Proof::password(request.now())).await?;
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

/// Development: whoever clicks on somebody is them.
async fn pick(app: &App, username: &str) -> Result<Result<Arc<User>, LoginProblem>, Fault> {
    let user = app.store.user_by_username(username).await?.filter(|user| user.enabled);
    Ok(user.ok_or(LoginProblem::Wrong))
}

/// What the form says, verified.
async fn log_in(app: &App, request: &Request, form: &Form) -> Result<Result<Arc<User>, LoginProblem>, Fault> {
    let (Some(username), Some(password)) = (form.get("username"), form.get("password")) else {
        return Ok(Err(LoginProblem::Missing));
    };
    let known_browser = known_browser::recognise(app, request, username).await?;
    let caller = Caller { address: request.client_address(), known_browser };
    let outcome = login::log_in(app, caller, username, Secret::new(password)).await?;
    Ok(outcome.map_err(|refusal| match refusal {
        Refusal::Wrong => LoginProblem::Wrong,
        Refusal::Throttled(RetryAfter(wait)) => LoginProblem::Throttled { seconds: wait.as_secs() + 1 },
    }))
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
