//! One connection: rustls speaks TLS where there is a certificate, hyper speaks HTTP, this file watches the time.
//!
//! hyper has no deadline while it guesses the version and none for clients that stop reading; its deadline for heads
//! costs a timer per request. So the connection keeps a [`Pulse`] instead, and one timer that looks at it.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::service::service_fn;
use hyper::{Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::answer::Answerer;
use super::outgoing::Outgoing;
use super::pulse::{Pulse, Wait};
use super::tls::Tls;
use super::{Handler, Options};

/// How often a connection is looked at whose client leaves answers waiting.
const LOOK: Duration = Duration::from_secs(1);

/// Whether the server goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It does.
    Running,
    /// Requests under way are answered, then connections close.
    Stopping,
    /// Connections close now.
    Stopped,
}

/// The HTTP settings of all connections.
pub(super) fn protocol(options: &Options) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let head_size = options.head_size.clamp(8192, 1 << 20);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(head_size);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.streams)
        .max_header_list_size(u32::try_from(head_size).unwrap_or(u32::MAX))
        // Streams that are reset before they are looked at (rapid reset) end the connection.
        .max_pending_accept_reset_streams(32)
        .max_local_error_reset_streams(128)
        // What a client may send before anybody reads it.
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024);
    builder
}

/// Serves a connection until either side ends it, a deadline passes or the server stops.
pub(super) async fn serve_connection<I, H>(
    io: I,
    peer: IpAddr,
    pulse: Arc<Pulse>,
    protocol: &auto::Builder<TokioExecutor>,
    answerer: &Arc<Answerer<H>>,
    mut phase: watch::Receiver<Phase>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let io = Watched { io, pulse: Arc::clone(&pulse) };
    let in_force = answerer.in_force();
    let Some(tls) = in_force.options.tls.clone() else {
        return speak_http(io, peer, pulse, protocol, answerer, phase).await;
    };
    // What TLS keeps is large, and plain connections need no room for it.
    Box::pin(async move {
        if let Some(io) = shake_hands(io, &tls, peer, &pulse, &in_force.options, &mut phase).await {
            speak_http(io, peer, pulse, protocol, answerer, phase).await;
        }
    })
    .await;
}

/// Waits until a client has shaken hands; `None` when it doesn't, or not in time, or the server stops.
async fn shake_hands<I: AsyncRead + AsyncWrite + Unpin>(
    io: I,
    tls: &Tls,
    peer: IpAddr,
    pulse: &Pulse,
    options: &Options,
    phase: &mut watch::Receiver<Phase>,
) -> Option<TlsStream<I>> {
    let mut accepting = pin!(tls.accept(io));
    let timer = pin!(sleep_until(pulse.began + options.first_byte_deadline));
    let mut deadline = Deadline { pulse, options, timer, wait: None };
    let accepted = std::future::poll_fn(|cx| match accepting.as_mut().poll(cx) {
        Poll::Pending => deadline.poll_passed(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        ready @ Poll::Ready(_) => ready,
    });
    let accepted: io::Result<_> = tokio::select! {
        accepted = accepted => accepted,
        // Nobody has asked for anything yet.
        _ = phase.changed() => return None,
    };
    pulse.handshake_ended(pulse.now());
    // Plain http comes here, port scanners, and whoever doesn't like the certificate.
    accepted.inspect_err(|error| tracing::debug!(%peer, %error, "a TLS handshake came to nothing")).ok()
}

/// Serves a connection whose bytes are HTTP.
async fn speak_http<I, H>(
    io: I,
    peer: IpAddr,
    pulse: Arc<Pulse>,
    protocol: &auto::Builder<TokioExecutor>,
    answerer: &Arc<Answerer<H>>,
    mut phase: watch::Receiver<Phase>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let under_way = UnderWay::new(Arc::clone(&pulse), request.version());
        let answerer = Arc::clone(answerer);
        async move {
            let response = answerer.answer(peer, request).await;
            Ok::<_, Infallible>(response.map(|body| under_way.answered(body)))
        }
    });
    let mut connection = pin!(protocol.serve_connection(TokioIo::new(io), service));
    let in_force = answerer.in_force();
    let options = &in_force.options;
    let timer = pin!(sleep_until(pulse.began + options.first_byte_deadline));
    let mut deadline = Deadline { pulse: &pulse, options, timer, wait: None };
    loop {
        let served = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            ready!(deadline.poll_passed(cx));
            // Tells HTTP/2 clients which requests were not seen; for HTTP/1 the close says it.
            connection.as_mut().graceful_shutdown();
            let _ = connection.as_mut().poll(cx);
            Poll::Ready(Err("a deadline has passed".into()))
        });
        tokio::select! {
            biased; // what has arrived before the stop is still taken in
            result = served => {
                if let Err(error) = result {
                    tracing::debug!(%peer, error, "a connection ended");
                }
                return;
            }
            changed = phase.changed() => match *phase.borrow_and_update() {
                // Whoever served has dropped the server.
                _ if changed.is_err() => return,
                Phase::Running => {}
                Phase::Stopping => connection.as_mut().graceful_shutdown(),
                Phase::Stopped => return,
            },
        }
    }
}

/// The deadline of a connection, with the one timer that looks at its pulse.
struct Deadline<'a> {
    pulse: &'a Pulse,
    options: &'a Options,
    timer: Pin<&'a mut Sleep>,
    wait: Option<Wait>,
}

impl Deadline<'_> {
    /// Ready when it has passed.
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The timer is only ever moved forward here; that a deadline has moved back shows when the timer fires.
        while let Some(deadline) = self.pulse.deadline(&mut self.wait, self.options) {
            // How long answers may wait can change meanwhile.
            let look = if self.pulse.has_answers_waiting() { deadline.min(Instant::now() + LOOK) } else { deadline };
            if look < self.timer.deadline() {
                self.timer.as_mut().reset(look);
            }
            ready!(self.timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(look);
        }
        Poll::Pending
    }
}

/// Marks a request as being answered, until dropped.
struct UnderWay(Arc<Pulse>);

impl UnderWay {
    fn new(pulse: Arc<Pulse>, version: Version) -> Self {
        pulse.request_began(version);
        Self(pulse)
    }

    /// There is an answer, with this body.
    fn answered(self, body: Bytes) -> Outgoing {
        Outgoing::new(body, &self.0)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.request_ended(self.0.now());
    }
}

/// A stream that tells the pulse when bytes come.
struct Watched<I> {
    io: I,
    pulse: Arc<Pulse>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.pulse.read(self.pulse.now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        // A socket that is closed with unread bytes resets the connection, and the client may lose the answer that
        // says why (413, 431). So what is there already is read and forgotten, up to a bound.
        let mut scratch = [0; 4096];
        for _ in 0..64 {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
