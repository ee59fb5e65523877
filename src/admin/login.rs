//! Logins at an application of the operator's own (`login.external_url`): what it has to know, and what it says.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::member::Members;
use super::{Answer, Context, Problem};
use crate::app::errand::{Errand, LoggedIn, Purpose, sealer};
use crate::app::hook::readable;
use crate::base::clock::Timestamp;
use crate::base::form;
use crate::model::id::UserId;
use crate::protocol::prompt::Prompt;

/// For how long the browser may take to come back with what the application has said.
const WAY_BACK: Duration = Duration::from_secs(120);

/// How many methods a login may have, and how long their names may be.
const MOST_METHODS: usize = 16;
const MAX_METHOD: usize = 64;

/// `GET logins/{handle}`: who asks for the login, and for what.
pub(super) async fn show(context: &Context<'_>, handle: &str) -> Result<Answer, Problem> {
    let errand = open(context, handle)?;
    let asked = &errand.pending.request;
    let gone = || Problem::missing("the client that asks for this login has gone".into());
    let client = context.store.client(&asked.client_id).await?.ok_or_else(gone)?;
    let words = |text: &Option<String>| -> Value {
        text.as_deref().unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().into()
    };
    let mut prompt: Vec<&str> = asked.prompt.names().collect();
    // Somebody was asked, and wants to be somebody else.
    if errand.pending.asked.is_some() && !asked.prompt.has(Prompt::SELECT_ACCOUNT) {
        prompt.push("select_account");
    }
    let mut body = Map::new();
    body.insert(
        "client".into(),
        json!({
            "client_id": client.id.as_str(), "client_name": client.shown_name(), "client_uri": client.client_uri,
            "logo_uri": client.logo_uri, "policy_uri": client.policy_uri, "tos_uri": client.tos_uri,
        }),
    );
    body.insert("scope".into(), asked.scope.to_string().into());
    body.insert("login_hint".into(), asked.login_hint.clone().into());
    body.insert("ui_locales".into(), words(&asked.ui_locales));
    body.insert("acr_values".into(), words(&asked.acr_values));
    body.insert("prompt".into(), prompt.into());
    body.insert("max_age".into(), asked.max_age.into());
    let since = oldest_login(&errand, context.clock.now());
    body.insert("authenticated_since".into(), since.map(Timestamp::as_secs).into());
    body.insert("expires_at".into(), errand.until.as_secs().into());
    Ok(Answer::ok(body))
}

/// `POST logins/{handle}`: who it is, or that it is nobody. The answer's `redirect_to` is where the browser has to be sent, and
/// nobody else's: with it, and with the cookie of the browser where the login began, the user is logged in.
pub(super) async fn answer(context: &Context<'_>, handle: &str, body: Value) -> Result<Answer, Problem> {
    let mut errand = open(context, handle)?;
    let mut members = Members::of(body)?;
    let (id, username) = (members.text("user")?, members.text("username")?);
    let refused = members.flag("refuse")?.unwrap_or_default();
    let message = members.text("message")?;
    let auth_time = members.number("auth_time")?;
    let amr = members.texts("amr")?.unwrap_or_default();
    members.done()?;
    errand.purpose = if refused {
        if id.is_some() || username.is_some() {
            return Err(Problem::invalid("refuse", "a login that is refused is nobody's".into()));
        }
        Purpose::Refused(message.as_deref().and_then(readable))
    } else {
        let user = match (id, username) {
            (Some(id), None) => context.store.user(&UserId::new(id)).await?,
            (None, Some(name)) => context.store.user_by_username(&name).await?,
            _ => return Err(Problem::invalid("user", "name one of user (an id), username, and refuse".into())),
        };
        let user = user.filter(|user| user.enabled);
        let user = user.ok_or_else(|| Problem::invalid("user", "there is no such user who may log in".into()))?;
        let auth_time = check_auth_time(&errand, auth_time, context.clock.now())?;
        let (id, generation) = (user.id.clone(), user.generation);
        Purpose::LoggedIn(LoggedIn { user: id, auth_time, amr: check_amr(amr)?, generation })
    };
    errand.until = errand.until.min(context.clock.now() + WAY_BACK);
    let fault = |_| Problem::malformed("this login is too large".into());
    let handle = errand.seal(&sealer(context.store), context.random).map_err(fault)?;
    let mut body = Map::new();
    body.insert(
        "redirect_to".into(),
        format!("{}?{}", errand.back, form::render([("handle", handle.as_str())])).into(),
    );
    Ok(Answer::ok(body))
}

/// The login that a handle is for.
fn open(context: &Context<'_>, handle: &str) -> Result<Errand, Problem> {
    let errand = Errand::open(&sealer(context.store), Some(handle), context.clock.now()).ok();
    let errand = errand.filter(|errand| errand.purpose == Purpose::Login);
    errand.ok_or_else(|| Problem::missing("there is no such login, or it has taken too long".into()))
}

/// OpenID Connect Core 1.0 section 3.1.2.1, `prompt=login` and `max_age`: since when the user has to have logged in.
fn oldest_login(errand: &Errand, now: Timestamp) -> Option<Timestamp> {
    let asked = &errand.pending.request;
    if asked.prompt.has(Prompt::LOGIN) {
        return Some(asked.created_at);
    }
    let age = Duration::from_secs(asked.max_age?);
    Some(asked.created_at.min(now - age))
}

/// The time of a login: whole seconds, as `auth_time` has them, and now where it isn't said.
fn check_auth_time(errand: &Errand, said: Option<u64>, now: Timestamp) -> Result<Timestamp, Problem> {
    let wrong = |why: &str| Problem::invalid("auth_time", why.to_owned());
    let Some(said) = said else { return Ok(now) };
    if said > now.as_secs() {
        return Err(wrong("auth_time is in the future"));
    }
    if oldest_login(errand, now).is_some_and(|oldest| said < oldest.as_secs()) {
        return Err(wrong("auth_time is before authenticated_since: the user has to log in again"));
    }
    // In the second in which the request came, it was for the request.
    let came = errand.pending.request.created_at;
    Ok(if said == came.as_secs() { came } else { Timestamp::from_secs(said) })
}

/// RFC 8176 section 1: names of methods.
fn check_amr(amr: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_name =
        |name: &String| (1..=MAX_METHOD).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if amr.len() <= MOST_METHODS && amr.iter().all(is_name) {
        return Ok(amr);
    }
    let right =
        format!("amr must be at most {MOST_METHODS} names of visible ASCII characters, each {MAX_METHOD} at most");
    Err(Problem::invalid("amr", right))
}
