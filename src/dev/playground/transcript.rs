//! The calls of the relying party. They go to the very handlers that a client's calls reach, and leave a transcript.

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use serde_json::Value;

use crate::app::App;
use crate::app::development::PLAYGROUND_CALLBACK;
use crate::app::fault::{Channel, Fault};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::encode::{base64, percent};
use crate::base::form::{self, Form};
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::oidc::{token, userinfo};
use crate::page::{Exchange, Field, Message};
use crate::protocol::issuer::Endpoint;

/// A call and what came of it.
pub(super) struct Call {
    pub(super) exchange: Exchange,
    /// Whether the status says that it succeeded.
    pub(super) succeeded: bool,
    /// The answer's body; null where it isn't JSON.
    pub(super) answer: Value,
}

impl Call {
    /// A member of the answer that is a text.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.answer.get(member).and_then(Value::as_str)
    }
}

/// The authorization request as the browser sent it, and the answer as the browser brought it.
pub(super) fn authorization(app: &App, query: &str, posted: bool, fragment: bool, answer: &Form) -> Exchange {
    let target = format!("{}{}", app.issuer.path(), Endpoint::Authorize.path());
    let callback = format!("{}{}", app.issuer.path(), PLAYGROUND_CALLBACK);
    let parameters = lines(&form::render(answer.iter()));
    let get = |path: &str, parameters: &str| Message {
        line: format!("GET {path}"),
        query: format!("?{parameters} HTTP/1.1"),
        headers: vec![host(app)],
        body: String::new(),
    };
    let request = get(&target, &lines(query));
    let response = match (fragment, posted) {
        (true, _) => Message { line: callback, query: format!("#{parameters}"), ..Message::default() },
        (false, true) => Message {
            line: format!("POST {callback} HTTP/1.1"),
            query: String::new(),
            headers: vec![host(app), Field::new("content-type", FORM)],
            body: parameters,
        },
        (false, false) => get(&callback, &parameters),
    };
    Exchange { request, response }
}

/// RFC 6749 section 3.2: a call of the token endpoint. A confidential client authenticates by `client_secret_basic` (section
/// 2.3.1), a public one names itself.
pub(super) async fn call_token(
    app: &App,
    request: &Request,
    client: &Client,
    parameters: &[(&str, &str)],
) -> Result<Call, Fault> {
    let named = [("client_id", client.id.as_str())];
    let secret = client.secret.as_ref().filter(|_| !client.is_public());
    let own = if secret.is_some() { &[][..] } else { &named[..] };
    let body = form::render(parameters.iter().chain(own).copied());
    let mut call = start(app, request, Method::POST, Endpoint::Token)?;
    if let Some(secret) = secret {
        call = call.with_header(AUTHORIZATION, basic(client, secret)?);
    }
    let mut call = call.with_body(FORM, body.clone());
    let shown = sent(app, &call, lines(&body));
    let reply = match token::token(app, &mut call).await {
        Ok(reply) => reply,
        Err(fault) => fault.answer(app, &call, Channel::Json),
    };
    Ok(finish(shown, &reply))
}

/// OpenID Connect Core 1.0 section 5.3.1: a call of the `UserInfo` endpoint.
pub(super) async fn call_userinfo(app: &App, request: &Request, access_token: &str) -> Result<Call, Fault> {
    let call = start(app, request, Method::GET, Endpoint::Userinfo)?;
    let mut call = call.with_header(AUTHORIZATION, credentials("Bearer", access_token)?);
    let shown = sent(app, &call, String::new());
    let reply = match userinfo::userinfo(app, &mut call).await {
        Ok(reply) => reply,
        Err(fault) => fault.answer(app, &call, Channel::Bearer),
    };
    Ok(finish(shown, &reply))
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A request of our own at the moment of another one, and from its address.
fn start(app: &App, request: &Request, method: Method, endpoint: Endpoint) -> Result<Request, Fault> {
    let target = format!("{}{}", app.issuer.path(), endpoint.path());
    let call = Request::in_process(method, &target, request.now());
    let call = call.map_err(|error| Fault::internal(error.to_string()))?;
    Ok(call.with_client_address(request.client_address()))
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they become `Basic` credentials.
fn basic(client: &Client, secret: &Secret) -> Result<HeaderValue, Fault> {
    let mut plain = String::new();
    percent(client.id.as_str(), &mut plain);
    plain.push(':');
    percent(secret.expose(), &mut plain);
    credentials("Basic", &base64(plain))
}

fn credentials(scheme: &str, value: &str) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::try_from(format!("{scheme} {value}"));
    let mut value = value.map_err(|error| Fault::internal(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn sent(app: &App, call: &Request, body: String) -> Message {
    Message {
        line: format!("{} {} HTTP/1.1", call.method(), call.full_path()),
        query: String::new(),
        headers: [host(app)].into_iter().chain(headers(call.headers())).collect(),
        body,
    }
}

fn finish(request: Message, reply: &Reply) -> Call {
    let answer: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
    let body = match &answer {
        Value::Null => String::from_utf8_lossy(reply.body()).into_owned(),
        json => indented(json),
    };
    let status = reply.status_code();
    let headers = headers(reply.headers()).collect();
    let response = Message { line: format!("HTTP/1.1 {status}"), query: String::new(), headers, body };
    Call { exchange: Exchange { request, response }, succeeded: status.is_success(), answer }
}

fn headers(headers: &HeaderMap) -> impl Iterator<Item = Field> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        Field::new(name.as_str(), String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(shown)
}

fn host(app: &App) -> Field {
    let origin = app.issuer.origin();
    Field::new("host", origin.split_once("://").map_or(origin, |(_, host)| host))
}

/// Parameters, one in a line.
fn lines(parameters: &str) -> String {
    parameters.replace('&', "\n&")
}

/// JSON as a person reads it.
pub(super) fn indented(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}
