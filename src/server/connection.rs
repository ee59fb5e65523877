//! One connection: hyper speaks HTTP, this file watches the time.
//!
//! hyper has no deadline while it guesses the version and none for clients that stop reading; its deadline for heads
//! costs a timer per request. So the connection keeps a [`Pulse`] instead, and one timer that looks at it.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::service::service_fn;
use hyper::{Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::Answerer;
use super::{Handler, Options};

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
    protocol: &auto::Builder<TokioExecutor>,
    answerer: &Arc<Answerer<H>>,
    mut phase: watch::Receiver<Phase>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let pulse = Arc::new(Pulse::new());
    let io = TokioIo::new(Watched { io, pulse: Arc::clone(&pulse) });
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let under_way = UnderWay::new(Arc::clone(&pulse), request.version());
        let answerer = Arc::clone(answerer);
        async move {
            let response = answerer.answer(peer, request).await;
            drop(under_way);
            response
        }
    });
    let options = answerer.options();
    let mut connection = pin!(protocol.serve_connection(io, service));
    let mut timer = pin!(sleep_until(pulse.began + options.first_byte_deadline));
    loop {
        let served = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            // A timer is only ever moved forward here; that a deadline has moved back shows when the timer fires.
            while let Some(deadline) = pulse.deadline(options) {
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                if deadline <= Instant::now() {
                    // Tells HTTP/2 clients which requests were not seen; for HTTP/1 the close says it.
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.as_mut().poll(cx);
                    return Poll::Ready(Err("a deadline has passed".into()));
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        });
        tokio::select! {
            biased; // what has arrived before the stop is still taken in
            result = served => {
                if let Err(error) = result {
                    tracing::debug!(%peer, error, "a connection ended");
                }
                return;
            }
            _ = phase.changed() => match *phase.borrow_and_update() {
                Phase::Running => {}
                Phase::Stopping => connection.as_mut().graceful_shutdown(),
                Phase::Stopped => return,
            },
        }
    }
}

/// The signs of life of one connection, from which its deadline follows.
struct Pulse {
    began: Instant,
    /// Requests being answered.
    under_way: AtomicUsize,
    /// When an answer was last given or bytes were written, in milliseconds after `began`.
    last_use: AtomicU64,
    /// When the first bytes of a new head came, in milliseconds after `began`; [`NEVER`] between heads.
    head_began: AtomicU64,
    /// Whether there was a request.
    used: AtomicBool,
    /// Whether requests share the connection (HTTP/2): bytes then need not belong to a head.
    shared: AtomicBool,
}

const NEVER: u64 = u64::MAX;

impl Pulse {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            under_way: AtomicUsize::new(0),
            last_use: AtomicU64::new(0),
            head_began: AtomicU64::new(NEVER),
            used: AtomicBool::new(false),
            shared: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes have come.
    fn read(&self, now: u64) {
        if self.under_way.load(Ordering::Acquire) == 0 && self.head_began.load(Ordering::Relaxed) == NEVER {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    /// Bytes have gone.
    fn written(&self, now: u64) {
        self.last_use.store(now, Ordering::Relaxed);
    }

    /// A head is complete: a request is being answered from now on.
    fn request_began(&self, version: Version) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.head_began.store(NEVER, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.shared.store(true, Ordering::Relaxed);
        }
    }

    /// There is an answer, which now goes out.
    fn request_ended(&self, now: u64) {
        self.last_use.store(now, Ordering::Relaxed);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// When the connection has to be closed if nothing happens. While a request is being answered there is no such
    /// time: the deadlines of its body and of what the handler waits for apply.
    fn deadline(&self, options: &Options) -> Option<Instant> {
        if self.under_way.load(Ordering::Acquire) > 0 {
            return None;
        }
        let head_began = self.head_began.load(Ordering::Relaxed);
        let (since, allowed) = if head_began != NEVER && !self.shared.load(Ordering::Relaxed) {
            (head_began, options.head_deadline)
        } else if self.used.load(Ordering::Relaxed) {
            (self.last_use.load(Ordering::Relaxed), options.idle_deadline)
        } else {
            (0, options.first_byte_deadline)
        };
        Some(self.began + Duration::from_millis(since) + allowed)
    }
}

/// Marks a request as being answered, until dropped.
struct UnderWay(Arc<Pulse>);

impl UnderWay {
    fn new(pulse: Arc<Pulse>, version: Version) -> Self {
        pulse.request_began(version);
        Self(pulse)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.request_ended(self.0.now());
    }
}

/// A stream that tells the pulse about its bytes.
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

impl<I: AsyncWrite + Unpin> Watched<I> {
    fn note(&self, written: io::Result<usize>) -> Poll<io::Result<usize>> {
        self.pulse.written(self.pulse.now());
        Poll::Ready(written)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        self.note(written)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds from the beginning to the deadline.
    fn deadline(pulse: &Pulse, options: &Options) -> Option<u128> {
        pulse.deadline(options).map(|at| (at - pulse.began).as_millis())
    }

    #[test]
    fn the_deadline_follows_the_signs_of_life() {
        let options = Options { idle_deadline: Duration::from_secs(60), ..Options::default() };
        let pulse = Pulse::new();
        assert_eq!(deadline(&pulse, &options), Some(10_000), "silent so far");
        pulse.read(4_000);
        pulse.read(8_000);
        assert_eq!(deadline(&pulse, &options), Some(14_000), "more bytes give a head no more time");
        pulse.request_began(Version::HTTP_11);
        pulse.read(9_000);
        assert_eq!(deadline(&pulse, &options), None, "an answer is being made");
        pulse.request_ended(108_000);
        assert_eq!(deadline(&pulse, &options), Some(168_000), "unused since the answer");
        pulse.written(118_000);
        assert_eq!(deadline(&pulse, &options), Some(178_000), "the answer goes out slowly");
        pulse.read(118_500);
        assert_eq!(deadline(&pulse, &options), Some(128_500), "the next head");
    }

    #[test]
    fn bytes_of_a_shared_connection_need_not_be_a_head() {
        let options = Options { idle_deadline: Duration::from_secs(60), ..Options::default() };
        let pulse = Pulse::new();
        pulse.request_began(Version::HTTP_2);
        pulse.request_ended(0);
        pulse.read(1_000);
        assert_eq!(deadline(&pulse, &options), Some(60_000));
    }
}
