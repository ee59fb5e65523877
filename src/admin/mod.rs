//! Administration: clients, users and keys, behind one call that looks like HTTP.
//!
//! Commands make such calls in process while no server runs; a server takes the same ones over its socket and over HTTP
//! ([`http`]), so that a rule stands in one place and every way in obeys it. The addresses are below [`ROOT`]:
//!
//! | address | methods |
//! | --- | --- |
//! | `clients` | `GET` (a list), `POST` |
//! | `clients/{client_id}` | `GET`, `PATCH`, `DELETE`, `PUT`: make it, or change what is named |
//! | `clients/{client_id}/secret` | `POST`: a new secret, and with `end_tokens` the end of what the client holds |
//! | `users` | `GET` (a list), `POST` |
//! | `users/{username}` | `GET`, `PATCH`, `DELETE`, `PUT`: make them, or change what is named but the password |
//! | `users/{username}/password` | `PUT` |
//! | `claims` | `GET`: what `client` would be told of `user` for `scope` |
//! | `keys` | `GET` (a list), `POST`: make or import one |
//! | `keys/{kid}` | `GET`, `DELETE` |
//! | `keys/{kid}/promote`, `keys/{kid}/retire` | `POST` |
//! | `keys/{kid}/private` | `GET`, for local callers only |
//! | `events` | `GET` (a list, the newest first), with `kind`, `user`, `client`, `since` |
//! | `logins/{handle}` | `GET`: who asks for a login of `login.external_url`, `POST`: who has logged in there |
//!
//! Lists are `{"items": […], "next": cursor or null}` and take `limit` and `after`. A success may carry `warnings`, a list
//! of lines for people. A failure is a [`Problem`].

mod client;
mod event;
pub mod http;
mod key;
mod lifetime;
mod login;
mod member;
mod preview;
mod problem;
#[cfg(test)]
mod tests;
mod user;

use serde_json::{Map, Value};

use crate::app::hook::Hooks;
use crate::app::password::Passwords;
use crate::base::clock::Clock;
use crate::base::form::{self, Form};
use crate::base::random::Random;
use crate::model::key::Schedule;
use crate::settings::Settings;
use crate::store::Store;

pub use problem::Problem;

/// What every address begins with.
pub const ROOT: &str = "/api/admin/v1/";

/// The largest body of a call, in bytes of JSON, whichever way it takes; there is room for a logo, which is the largest.
pub const MAX_BODY: usize = 256 * 1024;

/// The longest list that one call gives, and the usual one.
const MAX_LIMIT: usize = 1000;
const LIMIT: usize = 100;

/// What administration works on.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where everything is kept.
    pub store: &'a Store,
    /// What time it is.
    pub clock: &'a Clock,
    /// Where ids and secrets come from.
    pub random: &'a Random,
    /// Hashes passwords.
    pub passwords: &'a Passwords,
    /// What makes claims.
    pub hooks: &'a Hooks,
    /// The settings in force.
    pub settings: &'a Settings,
    /// How signing keys change by themselves.
    pub schedule: Schedule,
    /// Whether the caller is this machine's operator at a terminal, who may have private keys.
    pub local: bool,
}

/// What a call wants to do; RFC 9110 section 9.3 and RFC 5789.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Show.
    Get,
    /// Make, or do what the address says.
    Post,
    /// Change what is named in the body.
    Patch,
    /// Put in place.
    Put,
    /// Take away.
    Delete,
}

/// A call of administration.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to do.
    pub method: Method,
    /// To what: an address below [`ROOT`], percent-encoded.
    pub path: String,
    /// `limit` and `after` of lists.
    pub query: Form,
    /// A JSON object, or `null` where none is needed.
    pub body: Value,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// An HTTP status: 200, 201, 204, or that of a [`Problem`].
    pub status: u16,
    /// JSON; `null` with 204.
    pub body: Value,
}

impl Method {
    /// As HTTP names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Answer {
    fn ok(body: Map<String, Value>) -> Self {
        Self { status: 200, body: body.into() }
    }

    fn created(body: Map<String, Value>) -> Self {
        Self { status: 201, body: body.into() }
    }

    const fn done() -> Self {
        Self { status: 204, body: Value::Null }
    }

    fn list(items: Vec<Value>, next: Option<String>) -> Self {
        let mut body = Map::new();
        body.insert("items".into(), items.into());
        body.insert("next".into(), next.into());
        Self::ok(body)
    }

    /// With lines for people, if there are any.
    fn warn(mut self, warnings: Vec<String>) -> Self {
        if let (Value::Object(body), false) = (&mut self.body, warnings.is_empty()) {
            body.insert("warnings".into(), warnings.into());
        }
        self
    }
}

/// Makes a call.
pub async fn call(context: &Context<'_>, call: Call) -> Answer {
    route(context, call).await.unwrap_or_else(Problem::into_answer)
}

/// The same for programs: the body of what came of it.
///
/// # Errors
/// What is wrong with the call, or with us.
pub async fn attempt(context: &Context<'_>, call: Call) -> Result<Value, Problem> {
    route(context, call).await.map(|answer| answer.body)
}

async fn route(context: &Context<'_>, call: Call) -> Result<Answer, Problem> {
    let Call { method, path, query, body } = call;
    let segments = segments(&path).ok_or_else(|| Problem::no_address(&path))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method, segments.as_slice()) {
        (Method::Get, ["clients"]) => client::list(context, &query).await,
        (Method::Post, ["clients"]) => client::create(context, body).await,
        (Method::Get, ["clients", id]) => client::show(context, id).await,
        (Method::Put, ["clients", id]) => client::put(context, id, body).await,
        (Method::Patch, ["clients", id]) => client::update(context, id, body).await,
        (Method::Delete, ["clients", id]) => client::delete(context, id).await,
        (Method::Post, ["clients", id, "secret"]) => client::rotate_secret(context, id, body).await,
        (Method::Get, ["users"]) => user::list(context, &query).await,
        (Method::Post, ["users"]) => user::create(context, body).await,
        (Method::Get, ["users", name]) => user::show(context, name).await,
        (Method::Put, ["users", name]) => user::put(context, name, body).await,
        (Method::Patch, ["users", name]) => user::update(context, name, body).await,
        (Method::Delete, ["users", name]) => user::delete(context, name).await,
        (Method::Put, ["users", name, "password"]) => user::set_password(context, name, body).await,
        (Method::Get, ["claims"]) => preview::claims(context, &query).await,
        (Method::Get, ["keys"]) => key::list(context).await,
        (Method::Post, ["keys"]) => key::create(context, body).await,
        (Method::Get, ["keys", kid]) => key::show(context, kid).await,
        (Method::Delete, ["keys", kid]) => key::delete(context, kid).await,
        (Method::Post, ["keys", kid, "promote"]) => key::promote(context, kid).await,
        (Method::Post, ["keys", kid, "retire"]) => key::retire(context, kid).await,
        (Method::Get, ["keys", kid, "private"]) => key::export(context, kid).await,
        (Method::Get, ["events"]) => event::list(context, &query).await,
        (Method::Get, ["logins", handle]) => login::show(context, handle).await,
        (Method::Post, ["logins", handle]) => login::answer(context, handle, body).await,
        _ => Err(Problem::no_address(&path)),
    }
}

/// The parts of an address below [`ROOT`], each decoded after they were taken apart, since ids may have slashes.
fn segments(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix(ROOT)?;
    let decode = |segment: &str| match segment {
        "" => None,
        // In a path, unlike in a form, a plus sign is one.
        segment => form::decode(segment.replace('+', "%2B").as_bytes()).ok().map(String::from),
    };
    rest.split('/').map(decode).collect()
}

/// The page that a list's query asks for: what it begins after, and how much at most.
fn page_of(query: &Form) -> Result<(Option<&str>, usize), Problem> {
    if let Some(name) = query.repeated() {
        return Err(Problem::invalid(name, format!("the parameter {name} came more than once")));
    }
    let limit = match query.get("limit") {
        None => LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| Problem::invalid("limit", format!("limit must be a number from 1 to {MAX_LIMIT}")))?,
    };
    Ok((query.get("after"), limit))
}
