//! Administration as HTTP requests: the same calls, over the socket beside the store or over the network.

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method as HttpMethod, StatusCode};
use serde_json::Value;

use super::{Answer, Call, Context, MAX_BODY, Method, Problem, ROOT, call};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::app::{App, rotation};

/// As `Allow` lists them.
pub const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// The media type of problems (RFC 9457 section 3).
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody whom the system has shown to be this process's own user, or root: they may do everything.
    Local,
    /// Somebody on the network, who has to show `admin.token` (RFC 6750 section 2.1) and never gets private keys.
    Bearer,
}

/// Whether a path (below the issuer's) belongs to administration.
pub fn is_address(path: &str) -> bool {
    path.strip_prefix(ROOT.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a call. Nothing is done before its whole body is there: who sent `Expect: 100-continue` and lost the
/// connection before the 100 knows that nothing has happened (RFC 9110 section 10.1.1).
pub async fn answer(app: &App, request: &mut Request, caller: Caller) -> Reply {
    if caller == Caller::Bearer
        && let Err(refusal) = authenticate(app, request)
    {
        return *refusal;
    }
    let answer = match read(request).await {
        Ok(read) => call(&context(app, caller), read).await,
        Err(problem) => problem.into_answer(),
    };
    render(&answer)
}

/// RFC 6750 section 3: who may not call is told what is missing. Scripts of other sites may not call at all; they have
/// no token, unless somebody typed it into the wrong page.
fn authenticate(app: &App, request: &Request) -> Result<(), Box<Reply>> {
    if request.origin().is_some_and(|origin| origin != app.issuer.origin()) {
        let why = "administration is not for pages of other origins";
        return Err(Box::new(render(&Problem::forbidden(why.into()).into_answer())));
    }
    let refuse = |detail: &str, challenge: &str| {
        tracing::info!(detail, "administration refused");
        Box::new(render(&Problem::unauthorized(detail.into()).into_answer()).text_header(WWW_AUTHENTICATE, challenge))
    };
    let presented = request.bearer().map_err(|error| Box::new(render(&Problem::from(error).into_answer())))?;
    let token = app.settings.admin.token.as_ref();
    match presented {
        None => Err(refuse("administration needs the token of admin.token", "Bearer realm=\"administration\"")),
        Some(presented) if token.is_some_and(|token| token.matches(presented)) => Ok(()),
        Some(_) => Err(refuse(
            "this is not the token of admin.token",
            "Bearer realm=\"administration\", error=\"invalid_token\"",
        )),
    }
}

/// The call that a request makes. Its body comes first, whatever else is wrong.
async fn read(request: &mut Request) -> Result<Call, Problem> {
    request.allow_body_size(MAX_BODY);
    let body: Value = if request.body().await?.is_empty() { Value::Null } else { request.json().await? };
    let method = method(request.method()).ok_or_else(|| Problem::no_method(request.method().as_str()))?;
    Ok(Call { method, path: request.path().to_owned(), query: request.query()?, body })
}

fn method(method: &HttpMethod) -> Option<Method> {
    Some(match *method {
        HttpMethod::GET => Method::Get,
        HttpMethod::POST => Method::Post,
        HttpMethod::PATCH => Method::Patch,
        HttpMethod::PUT => Method::Put,
        HttpMethod::DELETE => Method::Delete,
        _ => return None,
    })
}

/// What calls at a running provider work on.
pub fn context(app: &App, caller: Caller) -> Context<'_> {
    Context {
        store: &app.store,
        clock: &app.clock,
        random: &app.random,
        passwords: &app.passwords,
        hooks: &app.hooks,
        settings: &app.settings,
        schedule: rotation::schedule(&app.settings),
        local: caller == Caller::Local,
    }
}

fn render(answer: &Answer) -> Reply {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = match status {
        StatusCode::NO_CONTENT => Reply::empty(status),
        _ if status.is_success() => Reply::json(&answer.body).status(status),
        _ => Reply::json(&answer.body).header(CONTENT_TYPE, PROBLEM).status(status),
    };
    let reply = if status == StatusCode::METHOD_NOT_ALLOWED {
        reply.header(ALLOW, HeaderValue::from_static(METHODS))
    } else {
        reply
    };
    // Answers hold secrets that were just made.
    reply.no_store()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_administration_are_known_by_their_root() {
        for path in ["/api/admin/v1", "/api/admin/v1/", "/api/admin/v1/clients/a"] {
            assert!(is_address(path), "{path}");
        }
        for path in ["/", "/api/admin", "/api/admin/v2/clients", "/api/admin/v11"] {
            assert!(!is_address(path), "{path}");
        }
    }
}
