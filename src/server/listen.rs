//! Taking connections in, and stopping without breaking off what has begun.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::Answerer;
use super::connection::{Phase, protocol, serve_connection};
use super::{Handler, Options};

/// How long no connection is accepted after the system could not give one (no file descriptors left, for one).
const PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) on all listeners until `stop` is ready. Then no more connections
/// are accepted, requests under way are answered, idle connections are closed, and what is left after
/// [`Options::stop_deadline`] is broken off.
///
/// # Errors
/// When there is nothing to listen on. What goes wrong later is logged; the server goes on.
pub async fn serve<H: Handler>(
    listeners: Vec<TcpListener>,
    handler: H,
    options: Options,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on"));
    }
    let stop_deadline = options.stop_deadline;
    let phase = watch::Sender::new(Phase::Running);
    {
        let mut stop = pin!(stop);
        tokio::select! {
            () = accept_all(&listeners, Arc::new(Answerer::new(handler, options)), &phase) => {}
            () = &mut stop => {}
        }
    }
    drop(listeners);
    phase.send_replace(Phase::Stopping);
    if timeout(stop_deadline, phase.closed()).await.is_err() {
        tracing::warn!(connections = phase.receiver_count(), "requests were broken off at the stop");
        phase.send_replace(Phase::Stopped);
        phase.closed().await;
    }
    Ok(())
}

/// Accepts connections and serves each in a task of its own. Never ends by itself.
async fn accept_all<H: Handler>(listeners: &[TcpListener], answerer: Arc<Answerer<H>>, phase: &watch::Sender<Phase>) {
    let protocol = Arc::new(protocol(answerer.options()));
    let places = Arc::new(Semaphore::new(answerer.options().connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut turn = 0;
    // The semaphore is never closed, so there is always a place after a while.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, peer) = match accept(listeners, &mut turn).await {
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
        // Answers are written whole; waiting for more to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let (protocol, answerer, phase) = (Arc::clone(&protocol), Arc::clone(&answerer), phase.subscribe());
        tokio::spawn(async move {
            serve_connection(stream, peer.ip(), &protocol, &answerer, phase).await;
            drop(place);
        });
    }
}

/// The next connection of any listener; `turn` makes them take turns.
async fn accept(listeners: &[TcpListener], turn: &mut usize) -> io::Result<(TcpStream, SocketAddr)> {
    *turn = (*turn + 1) % listeners.len().max(1);
    let (last, first) = listeners.split_at_checked(*turn).unwrap_or((listeners, &[]));
    std::future::poll_fn(|cx| {
        first.iter().chain(last).map(|listener| listener.poll_accept(cx)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}
