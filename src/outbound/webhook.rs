//! Webhooks: calls to a place that the operator has named, signed so that it knows who calls.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::client::{CallError, Client, Options, request};
use super::line::{Failure, Line, Lines};
use super::trust::Trust;
use crate::base::clock::Timestamp;
use crate::jose::webhook::WebhookSecret;

/// Bytes of an answer's body: a decision or some claims, no more.
const MAX_ANSWER: usize = 64 * 1024;

/// How many calls of one webhook are under way at the same time. More wait, within their time.
const MOST_CALLS: usize = 64;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where a webhook is, and what calls of it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfig {
    /// The receiver, https; with `allow_private` also http.
    pub url: Url,
    /// What calls are signed with.
    pub secret: WebhookSecret,
    /// How long a call may take, from its place in the queue to the last byte of its answer.
    pub timeout: Duration,
    /// Whether it may be on this machine or in its network, and speak http.
    pub allow_private: bool,
}

/// A receiver of JSON that the operator has named. Calls follow the Standard Webhooks convention: `POST` with
/// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
///
/// It is called as carefully as [`Client`] calls: certificates are verified, its name is looked up once for each connection and
/// what was judged is what is called, a redirect is a refusal, and an answer is bounded in size and time. Connections are used
/// again.
pub struct Webhook {
    client: Client,
    url: Url,
    secret: WebhookSecret,
    timeout: Duration,
    lines: Lines,
    places: Semaphore,
}

/// What a receiver has answered, with a status that says it has taken the message (2xx).
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    is_json: bool,
    body: Bytes,
}

/// Why a message wasn't taken, or the answer to it is none. None of it shows a path, a query or a body.
#[derive(Debug)]
pub enum SendError {
    /// The id can't stand in a header.
    Id,
    /// Too many calls of this webhook were under way, for the whole time.
    Busy,
    /// There is no proper answer.
    Call(CallError),
    /// The answer has this status, which is not 2xx.
    Status(u16),
    /// The answer should have been JSON, and why it is none.
    NotJson(String),
}

impl SendError {
    /// Whether the receiver has said that it has taken the message, though what it said beside that is of no use. Who only
    /// wants to be heard needn't send again.
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::NotJson(_) | Self::Call(CallError::TooLarge(_)))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("the id can't stand in a header"),
            Self::Busy => write!(f, "{MOST_CALLS} calls are under way already, and none has ended in time"),
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "the answer has the status {status}"),
            Self::NotJson(why) => write!(f, "the answer is not JSON: {why}"),
        }
    }
}

impl std::error::Error for SendError {}

impl Received {
    /// The answer as JSON; `None` where there is nothing in it.
    ///
    /// # Errors
    /// [`SendError::NotJson`] for anything else.
    pub fn json(&self) -> Result<Option<Value>, SendError> {
        if self.body.is_empty() {
            return Ok(None);
        }
        if !self.is_json {
            return Err(SendError::NotJson("its Content-Type is another one".to_owned()));
        }
        // The error names a line and a column, and nothing of the text.
        serde_json::from_slice(&self.body).map(Some).map_err(|error| SendError::NotJson(error.to_string()))
    }
}

impl Webhook {
    /// Calls nobody yet.
    pub fn new(config: WebhookConfig, trust: Trust) -> Self {
        let WebhookConfig { url, secret, timeout, allow_private } = config;
        let options = Options { allow_private, deadline: timeout, body_size: MAX_ANSWER, ..Options::default() };
        Self {
            client: Client::with_trust(options, trust),
            url,
            secret,
            timeout,
            lines: Lines::default(),
            places: Semaphore::new(MOST_CALLS),
        }
    }

    /// Sends a JSON document under an id: who sends one again sends it under the same id, by which the receiver knows it.
    /// Where the other side has hung up on a connection that was kept, it is sent again on a new one.
    ///
    /// # Errors
    /// Why it wasn't taken.
    pub async fn send(&self, id: &str, now: Timestamp, body: Bytes) -> Result<Received, SendError> {
        let headers = self.headers(id, now, &body)?;
        let until = Instant::now() + self.timeout;
        let Ok(Ok(_place)) = timeout_at(until, self.places.acquire()).await else { return Err(SendError::Busy) };
        let call = Box::pin(self.call(headers, body));
        let answer = timeout_at(until, call).await.unwrap_or(Err(CallError::Late(self.timeout)));
        let answer = answer.map_err(SendError::Call)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(SendError::Status(status.as_u16()));
        }
        Ok(Received { is_json: is_json(answer.headers()), body: answer.into_body() })
    }

    fn headers(&self, id: &str, now: Timestamp, body: &[u8]) -> Result<HeaderMap, SendError> {
        let text = |text: &str| HeaderValue::from_str(text).map_err(|_| SendError::Id);
        let mut signature = text(&self.secret.sign(id, now, body))?;
        signature.set_sensitive(true);
        Ok(HeaderMap::from_iter([
            (CONTENT_TYPE, JSON),
            (ACCEPT, JSON),
            (ID, text(id)?),
            (TIMESTAMP, HeaderValue::from(now.as_secs())),
            (SIGNATURE, signature),
        ]))
    }

    async fn call(&self, headers: HeaderMap, body: Bytes) -> Result<Response<Bytes>, CallError> {
        let message = || request(Method::POST, &self.url, headers.clone(), body.clone());
        if let Some(mut line) = self.lines.take().await {
            match line.exchange(message()?, MAX_ANSWER).await {
                // It may have hung up just now, without having read anything.
                Err(Failure::Silent(_)) => {}
                outcome => return self.finish(line, outcome),
            }
        }
        let connection = self.client.connect(&self.url).await?;
        let mut line = Line::begin(connection).await.map_err(|error| CallError::Broken(error.to_string()))?;
        let outcome = line.exchange(message()?, MAX_ANSWER).await;
        self.finish(line, outcome)
    }

    fn finish(&self, line: Line, outcome: Result<Response<Bytes>, Failure>) -> Result<Response<Bytes>, CallError> {
        let answer = outcome.map_err(|failure| match failure {
            Failure::Silent(error) => CallError::Broken(error.to_string()),
            Failure::Body(error) => CallError::of_body(&*error, MAX_ANSWER),
        })?;
        self.lines.keep(line);
        Ok(answer)
    }
}

/// `application/json`, or a kind of it (RFC 6839 section 3.1), whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let name = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    name == "application/json" || name.starts_with("application/") && name.ends_with("+json")
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.url.host_str().unwrap_or_default())
    }
}
