//! The provider as a service, for a program that has an HTTP server of its own.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::service::Service;
use hyper::{Request, Response};

use super::answer::Answerer;
use super::route::Routes;
use super::run::{Upkeep, options};
use crate::app::App;
use crate::app::body::Source;

/// Who sent a request, as an extension of it. Behind proxies that is the last one of them; which of those are believed about
/// whom they speak for is `http.trusted_proxies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A provider that answers requests which somebody else has taken in. Clones share everything; one is for one connection or
/// for all.
///
/// It gets requests with their whole path, which begins with the path of the issuer, and answers all of them, with 404 where
/// there is nothing. It bounds the size of bodies, the time that they take, and how many requests it works on; connections
/// and heads are in the hands of the server around it.
///
/// Who sent a request is [`Mount::of_peer`], or else the request's extension [`Peer`] or [`SocketAddr`]. Where nobody says,
/// all callers count as one, and anybody who guesses passwords slows the others down.
#[derive(Clone)]
pub struct Mount {
    answerer: Arc<Answerer<Routes>>,
    peer: Option<IpAddr>,
    /// Goes on for as long as somebody can be answered.
    _upkeep: Arc<Upkeep>,
}

impl Mount {
    /// To be called in a runtime of tokio, in which it then does what is due now and then.
    pub fn new(app: Arc<App>) -> Self {
        let upkeep = Arc::new(Upkeep::of(Arc::clone(&app)));
        let options = options(&app).into();
        Self { answerer: Arc::new(Answerer::new(Routes(app), options)), peer: None, _upkeep: upkeep }
    }

    /// The same for requests of one connection, which come from there.
    #[must_use]
    pub fn of_peer(&self, peer: IpAddr) -> Self {
        Self { peer: Some(peer), ..self.clone() }
    }

    /// Answers a request.
    pub async fn answer<B: Body + Send + 'static>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        let extensions = request.extensions();
        let peer = self
            .peer
            .or_else(|| extensions.get().map(|Peer(address)| *address))
            .or_else(|| extensions.get().map(SocketAddr::ip))
            .unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        self.answerer.answer(peer, request.map(Source::foreign)).await.map(Full::new)
    }
}

impl<B: Body + Send + 'static> Service<Request<B>> for Mount {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let mount = self.clone();
        Box::pin(async move { Ok(mount.answer(request).await) })
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("peer", &self.peer).finish_non_exhaustive()
    }
}
