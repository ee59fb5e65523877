//! Taking connections in, and stopping without breaking off what has begun.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Handler;
use super::answer::Answerer;
use super::connection::{Phase, protocol, serve_connection};
use super::live::LiveOptions;

/// How long no connection is accepted after the system could not give one (no file descriptors left, for one).
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(super) trait Listen {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and the address that its requests come from.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, IpAddr)>> + Send;
}

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) on all listeners until `stop` is ready. Then no more connections
/// are accepted, requests under way are answered, idle connections are closed, and what is left after
/// [`Options::stop_deadline`](super::Options::stop_deadline) is broken off.
///
/// # Errors
/// When there is nothing to listen on. What goes wrong later is logged; the server goes on.
pub async fn serve<H: Handler>(
    listeners: Vec<TcpListener>,
    handler: H,
    options: impl Into<LiveOptions>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on"));
    }
    serve_on(Addresses { listeners, turn: 0 }, handler, options.into(), stop).await;
    Ok(())
}

/// The same for connections of any kind.
pub(super) async fn serve_on<L: Listen, H: Handler>(
    mut listen: L,
    handler: H,
    options: LiveOptions,
    stop: impl Future<Output = ()>,
) {
    let phase = watch::Sender::new(Phase::Running);
    {
        let mut stop = pin!(stop);
        tokio::select! {
            () = accept_all(&mut listen, Arc::new(Answerer::new(handler, options.clone())), &phase) => {}
            () = &mut stop => {}
        }
    }
    drop(listen);
    phase.send_replace(Phase::Stopping);
    if timeout(options.load().options.stop_deadline, phase.closed()).await.is_err() {
        tracing::warn!(connections = phase.receiver_count(), "requests were broken off at the stop");
        phase.send_replace(Phase::Stopped);
        phase.closed().await;
    }
}

/// Accepts connections and serves each in a task of its own. Never ends by itself.
async fn accept_all<L: Listen, H: Handler>(listen: &mut L, answerer: Arc<Answerer<H>>, phase: &watch::Sender<Phase>) {
    let protocol = Arc::new(protocol(&answerer.in_force().options));
    let places = answerer.places();
    loop {
        let (stream, peer) = match listen.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Some connections are gone before they are accepted; that is their own affair.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep_until(Instant::now() + PAUSE).await;
                }
                continue;
            }
        };
        let Some(place) = places.take(peer, answerer.outstanding()).await else { continue };
        let (number, pulse) = (place.number(), place.pulse());
        let (protocol, answerer, phase) = (Arc::clone(&protocol), Arc::clone(&answerer), phase.subscribe());
        let task = tokio::spawn(async move {
            serve_connection(stream, peer, pulse, &protocol, &answerer, phase).await;
            drop(place);
        });
        places.served_by(number, task.abort_handle());
    }
}

/// The listeners of all addresses.
struct Addresses {
    listeners: Vec<TcpListener>,
    /// Makes them take turns.
    turn: usize,
}

impl Listen for Addresses {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, IpAddr)> {
        self.turn = (self.turn + 1) % self.listeners.len().max(1);
        let (last, first) = self.listeners.split_at_checked(self.turn).unwrap_or((&self.listeners, &[]));
        let accepted = |cx: &mut Context<'_>| {
            let listeners = first.iter().chain(last);
            listeners.map(|listener| listener.poll_accept(cx)).find(Poll::is_ready).unwrap_or(Poll::Pending)
        };
        let (stream, peer) = std::future::poll_fn(accepted).await?;
        // Answers are written whole; waiting for more to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        Ok((stream, peer.ip()))
    }
}
