//! Listening: connections in, requests to a [`Handler`], replies out; all of it bounded in number, size and time.
//!
//! What clients can make us hold at most: [`Options::connections`] sockets with buffers of [`Options::head_size`]
//! each, [`Options::requests`] requests with bodies of [`Limits::body_size`] each, [`Options::bodies_size`] bytes of bodies
//! that are still on their way, [`Options::waiting_answers`] bytes of answers that wait to be taken. What they can make us
//! wait for at most is given by the deadlines.

mod admission;
mod answer;
mod connection;
mod current;
mod dispatch;
mod health;
mod intake;
mod listen;
mod live;
pub mod logging;
mod mount;
mod outgoing;
mod places;
mod pulse;
mod reload;
mod route;
mod run;
pub mod socket;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod threats;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;

pub use current::Current;
pub use listen::serve;
pub use live::LiveOptions;
pub use mount::{Mount, Peer};
pub use route::Routes;
pub use run::{RunError, Upkeep, bind, options, run, serve_app, serve_beside, until_stopped};
pub use tls::{Tls, TlsError};

use crate::app::development::Hosts;
use crate::app::reply::Reply;
use crate::app::request::{Limits, Request};
use crate::base::clock::Clock;
use crate::base::network::Network;

/// Who answers the requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. A panic becomes a 500 and ends nothing else. The future is dropped when the client goes
    /// away before it is done.
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// Whether a request is answered also while [`Options::requests`] others are, and without waiting for its body: for
    /// those that cost next to nothing and have to be answered for others to know that we are there.
    fn always_answers(&self, request: &Request) -> bool {
        let _ = request;
        false
    }

    /// The answer when there is no place for a request; must be cheap. The server adds nothing to it, so it should say when
    /// to come back.
    fn overloaded(&self, request: &Request, shortage: Shortage) -> Reply {
        let _ = (request, shortage);
        Reply::text("Too many requests are being answered. Please try again.\n")
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .retry_after(Duration::from_secs(1))
    }
}

impl<F, A> Handler for F
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Reply> + Send,
{
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send {
        self(request)
    }
}

/// What there is too much of to take in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// [`Options::requests`] others are being answered.
    Requests,
    /// Bodies are on their way: as many, or as many bytes of them, as may be in all or for this subscriber.
    Bodies,
}

/// How the server listens. [`Options::default`] suits a small deployment.
#[derive(Clone, Debug)]
pub struct Options {
    /// The path below which everything lives: empty, or `/` and names without a final slash. Default: empty.
    pub mount: String,
    /// Limits of request bodies.
    pub limits: Limits,
    /// Bytes of a request line and its headers, at least 8192; more gets 431. Default: 32 KiB. There may be 100
    /// header lines in HTTP/1.
    pub head_size: usize,
    /// Connections at a time. For one more the one that was idle for the longest time is closed; where none is idle,
    /// further ones wait in the system's backlog. Default: 4096.
    pub connections: usize,
    /// How many of them for one subscriber (an IPv4 address, or the /64 around an IPv6 address); further ones are closed.
    /// Not for trusted proxies and the loopback. Default: 512.
    pub connections_of_one: usize,
    /// Requests being answered at a time; further ones get 503. Those whose body is still on its way don't count.
    /// Default: 1024.
    pub requests: usize,
    /// Bodies on their way at a time; further ones get 503. When more than half of these places are taken, or more than
    /// half of the connections and a quarter of them by such requests, bodies that are slow to come get 408 sooner.
    /// Default: 16384.
    pub bodies: usize,
    /// How many of them for one subscriber (an IPv4 address, or the /64 around an IPv6 address), so that whoever stalls
    /// bodies doesn't keep everybody else out. Default: 8192.
    pub bodies_of_one: usize,
    /// Bytes of bodies on their way, with the same consequences; half of them for one subscriber. Default: 64 MiB.
    pub bodies_size: usize,
    /// Requests at a time on one HTTP/2 connection. Default: 64.
    pub streams: u32,
    /// Bytes of answers that wait to be taken, on all connections; further answers are broken off. From half of it on
    /// clients that are slow to take theirs are let go. Default: 64 MiB.
    pub waiting_answers: usize,
    /// The same on one connection. Default: 4 MiB.
    pub waiting_answers_on_one: usize,
    /// How long a new connection may be silent, also between the end of a TLS handshake and its first request. Default: 10 s.
    pub first_byte_deadline: Duration,
    /// How long the head of a request, and a TLS handshake, may take from its first byte. Default: 10 s.
    pub head_deadline: Duration,
    /// How long a connection may be unused between requests, or its client take hardly anything of its answers (less
    /// than 1 KiB/s), whatever else it sends. Default: 75 s.
    pub idle_deadline: Duration,
    /// How long requests under way may still take after the stop. Default: 10 s.
    pub stop_deadline: Duration,
    /// The certificate that connections are encrypted with. Default: none, and plain http.
    pub tls: Option<Arc<Tls>>,
    /// Proxies that are believed about whom they speak for, by `X-Forwarded-For`. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// The `max-age` of `Strict-Transport-Security` (RFC 6797), for issuers on https. Default: none.
    pub strict_transport: Option<Duration>,
    /// Set for development: only requests for these hosts are answered, and every answer says what it is for.
    pub development: Option<Hosts>,
    /// Where [`Request::now`] comes from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mount: String::new(),
            limits: Limits::default(),
            head_size: 32 * 1024,
            connections: 4096,
            connections_of_one: 512,
            requests: 1024,
            bodies: 16 * 1024,
            bodies_of_one: 8 * 1024,
            bodies_size: 64 << 20,
            streams: 64,
            waiting_answers: 64 << 20,
            waiting_answers_on_one: 4 << 20,
            first_byte_deadline: Duration::from_secs(10),
            head_deadline: Duration::from_secs(10),
            idle_deadline: Duration::from_secs(75),
            stop_deadline: Duration::from_secs(10),
            tls: None,
            trusted_proxies: Vec::new(),
            strict_transport: None,
            development: None,
            clock: Clock::System,
        }
    }
}
