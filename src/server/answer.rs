//! From a request to its answer: admission, the handler, the headers every answer has, the access line.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use tokio::sync::Semaphore;

use super::intake::Intake;
use super::live::{InForce, LiveOptions};
use super::logging::ACCESS;
use super::places::Places;
use super::pulse::Outstanding;
use super::{Handler, Shortage};
use crate::app::body::Source;
use crate::app::development::Hosts;
use crate::app::reply::Reply;
use crate::app::request::{Arrival, Request, RequestId};
use crate::model::event::Origin;
use crate::store::origin::within;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer of a provider for development, so that whatever stands in front of it can notice.
const X_HALLPASS_MODE: HeaderName = HeaderName::from_static("x-hallpass-mode");
const DEVELOPMENT: HeaderValue = HeaderValue::from_static("development");

/// RFC 9110 section 15.5.20.
const MISDIRECTED: &str = "hallpass dev answers to localhost, to addresses of this machine, and to the host of its issuer \
                           only. Use one of these, or name the host with --issuer.\n";

/// Answers requests of all connections.
pub(super) struct Answerer<H> {
    handler: H,
    options: LiveOptions,
    /// A permit for each request that is being answered.
    under_way: Semaphore,
    intake: Intake,
    places: Arc<Places>,
    /// What answers of all connections take up until they are taken.
    outstanding: Arc<Outstanding>,
}

impl<H: Handler> Answerer<H> {
    pub(super) fn new(handler: H, live: LiveOptions) -> Self {
        let in_force = live.load();
        let options = &in_force.options;
        let places = Arc::new(Places::new(live.clone()));
        Self {
            handler,
            under_way: Semaphore::new(options.requests.min(Semaphore::MAX_PERMITS)),
            intake: Intake::new(options, Arc::clone(&places)),
            places,
            outstanding: Arc::new(Outstanding::new(options)),
            options: live,
        }
    }

    /// The options of this moment.
    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.options.load()
    }

    pub(super) fn outstanding(&self) -> Arc<Outstanding> {
        Arc::clone(&self.outstanding)
    }

    /// The places of the connections whose requests are answered here.
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }

    /// Answers one request from this peer.
    pub(super) async fn answer(&self, peer: IpAddr, request: hyper::Request<impl Into<Source>>) -> Response<Bytes> {
        let began = Instant::now();
        let in_force = self.in_force();
        let InForce { options, proxies, .. } = &*in_force;
        // In development nobody's failures slow anybody down.
        if options.development.is_none() {
            proxies.notice(peer, request.headers());
        }
        let arrival = Arrival {
            // Never the client's own: what it chose could stand in for somebody else's lines in the log.
            id: RequestId::new(),
            now: options.clock.now(),
            peer,
            client_address: proxies.client_address(peer, request.headers()),
            mount: &options.mount,
            limits: options.limits,
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let reply = if !names_its_host(request.version(), request.headers()) {
            Reply::text("A request must have one Host header.\n").status(StatusCode::BAD_REQUEST)
        } else if options.development.as_ref().is_some_and(|hosts| !is_for(hosts, &uri, request.headers())) {
            let host = request.headers().get(HOST);
            tracing::warn!(
                ?host,
                "refused: this name is not ours; --issuer names the host of a provider for development"
            );
            Reply::text(MISDIRECTED).status(StatusCode::MISDIRECTED_REQUEST).no_store()
        } else {
            self.admit(Request::arrived(request, &arrival), options.limits.body_deadline).await
        };
        log_access(&method, &uri, &reply, &arrival, began);
        finish(&in_force, reply, &method, arrival.id)
    }

    async fn admit(&self, mut request: Request, body_deadline: Duration) -> Reply {
        let id = request.id();
        let origin = Origin { address: Some(request.client_address()), request: Some(id) };
        // Waiting for what a stranger may never send is no work, and takes no place of it.
        let waits = request.is_arriving() && !self.handler.always_answers(&request);
        if waits && self.intake.receive(&mut request, body_deadline).await.is_err() {
            return within(origin, async { self.handler.overloaded(&request, Shortage::Bodies) }).await;
        }
        let place = self.under_way.try_acquire();
        if place.is_err() && !self.handler.always_answers(&request) {
            return within(origin, async { self.handler.overloaded(&request, Shortage::Requests) }).await;
        }
        // Whatever is logged on the way carries the request's id.
        match within(origin, without_panic(self.handler.handle(request))).await {
            Some(reply) => reply,
            None => {
                tracing::error!(request = %id, "the handler panicked");
                Reply::text(format!("Something went wrong here. The log knows more under {id}.\n"))
                    .status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The headers that every answer has.
fn finish(in_force: &InForce, reply: Reply, method: &Method, id: RequestId) -> Response<Bytes> {
    let length = reply.body().len();
    let mut response = reply.into_response();
    if method == Method::HEAD {
        // RFC 9110 section 9.3.2: the headers that GET would get, without the content. A 304 says nothing of its
        // length (section 8.6).
        if response.status() != StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Bytes::new();
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    if in_force.options.development.is_some() {
        response.headers_mut().insert(X_HALLPASS_MODE, DEVELOPMENT);
    }
    if let Some(value) = &in_force.strict_transport {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value.clone());
    }
    response
}

/// RFC 9112 section 3.2: an HTTP/1.1 request without a `Host` header, or with several, gets 400.
fn names_its_host(version: Version, headers: &HeaderMap) -> bool {
    version != Version::HTTP_11 || headers.get_all(HOST).into_iter().take(2).count() == 1
}

/// Whether a request is for one of these hosts, wherever it names one (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1).
fn is_for(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> bool {
    let headers = headers.get_all(HOST).into_iter().map(|host| host.to_str().unwrap_or_default());
    let mut named = headers.chain(uri.authority().map(Authority::as_str)).peekable();
    named.peek().is_some() && named.all(|host| hosts.admit(host))
}

/// Runs a future; `None` when it panics.
pub(super) async fn without_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        // The future is not polled again after a panic, so nothing sees what it left half-done.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// One line for each answer. Queries, bodies and header values may hold secrets and never get here.
fn log_access(method: &Method, uri: &Uri, reply: &Reply, arrival: &Arrival<'_>, began: Instant) {
    tracing::info!(
        target: ACCESS,
        request = %arrival.id,
        method = method.as_str(),
        path = %loggable(uri.path()),
        status = reply.status_code().as_u16(),
        bytes = reply.body().len(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        peer = %arrival.client_address,
    );
}

/// A path as it may stand in a log line: no longer than 256 bytes, nothing that a terminal would act on.
fn loggable(path: &str) -> Cow<'_, str> {
    const LONGEST: usize = 256;
    if path.len() <= LONGEST && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return path.into();
    }
    path.chars().take(LONGEST).map(|c| if c.is_ascii_graphic() { c } else { '?' }).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_log_is_short_and_harmless() {
        assert_eq!(loggable("/token"), "/token");
        assert_eq!(loggable("/é\u{9b}31m"), "/??31m…");
        assert_eq!(loggable(&"/".repeat(300)).chars().count(), 257);
    }

    #[tokio::test]
    async fn a_panic_is_none() {
        assert_eq!(without_panic(async { 1 }).await, Some(1));
        assert_eq!(without_panic(async { panic!("on purpose") }).await, None::<()>);
    }
}
