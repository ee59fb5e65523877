//! Connections that take one request after another.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::Connection;
use super::exchange::MAX_HEAD;

/// A connection that nobody has used for this long is not used again: many servers close theirs after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// So many connections are kept for later.
const MOST: usize = 8;

/// A connection in HTTP/1.1. It is closed when it is dropped, whatever still comes over it.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    used_at: Instant,
}

/// Why a line has brought no answer.
pub(super) enum Failure {
    /// There was no answer at all. On a line that was kept the other side may have hung up meanwhile.
    Silent(hyper::Error),
    /// The body is broken off, or longer than it may be.
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl Line {
    /// Begins to speak over a connection.
    pub(super) async fn begin(connection: Box<dyn Connection>) -> Result<Self, hyper::Error> {
        let mut builder = http1::Builder::new();
        let (sender, driver) = builder.max_buf_size(MAX_HEAD).handshake(TokioIo::new(connection)).await?;
        let driver = tokio::spawn(async move {
            // What goes wrong is told to whoever waits for the answer.
            let _ = driver.await;
        });
        Ok(Self { sender, driver, used_at: Instant::now() })
    }

    /// Sends a request and takes in the whole answer, with a body of `most` bytes or less.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let (head, body) = self.sender.send_request(request).await.map_err(Failure::Silent)?.into_parts();
        let body = Limited::new(body, most).collect().await.map_err(Failure::Body)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Lines to one place that wait for their next request.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<Line>>);

impl Lines {
    /// The line that was used last and is still open.
    pub(super) async fn take(&self) -> Option<Line> {
        loop {
            let mut line = self.kept().pop()?;
            if line.used_at.elapsed() < IDLE && line.sender.ready().await.is_ok() {
                return Some(line);
            }
        }
    }

    /// Keeps a line whose last answer has come whole.
    pub(super) fn keep(&self, mut line: Line) {
        line.used_at = Instant::now();
        let mut kept = self.kept();
        kept.retain(|line| !line.sender.is_closed() && line.used_at.elapsed() < IDLE);
        if kept.len() < MOST && !line.sender.is_closed() {
            kept.push(line);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Line>> {
        // Nothing can panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
