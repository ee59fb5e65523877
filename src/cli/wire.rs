//! A call over a connection: HTTP/1.1, one call each.
//!
//! A connection may break at any moment, and then it matters whether the call can have been carried out. So a call that
//! changes something can ask first (`Expect: 100-continue`, RFC 9110 section 10.1.1): the server does nothing without the
//! body, and the body goes only after the server's 100.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT, HOST, HeaderValue, USER_AGENT};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::admin::Call;
use crate::base::form;
use crate::outbound::exchange;

/// How long a call may take. Making a large key is the slowest.
const DEADLINE: Duration = Duration::from_secs(60);

/// More than the longest list has.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Who is called.
pub(super) struct Callee<'a> {
    /// Host and port, for `Host`.
    pub(super) host: &'a str,
    /// What stands before the call's own path.
    pub(super) prefix: &'a str,
    /// `Authorization`.
    pub(super) authorization: Option<&'a HeaderValue>,
    /// Whether a body is always sent, and waits for the server's 100.
    pub(super) ask_first: bool,
}

/// What came back.
pub(super) struct Received {
    pub(super) status: StatusCode,
    /// `Content-Type`; empty when there is none.
    pub(super) media_type: String,
    pub(super) body: Bytes,
}

/// There is no answer; each with the reason.
#[derive(Debug)]
pub(super) enum Lost {
    /// Nothing was done.
    Undone(String),
    /// Nobody knows what was done.
    Unknown(String),
}

/// Makes a call over a connection.
pub(super) async fn send<I>(io: I, call: &Call, callee: &Callee<'_>) -> Result<Received, Lost>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gone = Arc::new(AtomicBool::new(!callee.ask_first));
    let (go, wait) = oneshot::channel();
    // Held until the end: without a sender the body would stop waiting.
    let go = Arc::new(Mutex::new(Some(go)));
    let parcel = Parcel {
        // Where nothing waits, there need not be a body; not every proxy takes one with GET.
        content: (callee.ask_first || !call.body.is_null()).then(|| call.body.to_string().into()),
        wait: callee.ask_first.then_some(wait),
        gone: Arc::clone(&gone),
    };
    let exchanged = async {
        let mut request = request(call, callee, parcel)?;
        let signal = Arc::clone(&go);
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE
                && let Some(go) = signal.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                // Nobody waits where nothing was asked.
                let _ = go.send(());
            }
        });
        let (head, body) = exchange(io, request, MAX_ANSWER).await?.into_parts();
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Received {
            status: head.status,
            media_type: media_type.to_owned(),
            body,
        })
    };
    let why = match timeout(DEADLINE, exchanged).await {
        // Ours reads the whole call before it does anything.
        Ok(Ok(received)) if received.status.is_success() && !gone.load(Ordering::Acquire) => {
            "what answers is no hallpass".to_owned()
        }
        Ok(Ok(received)) => return Ok(received),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer came within {} s", DEADLINE.as_secs()),
    };
    Err(if gone.load(Ordering::Acquire) { Lost::Unknown(why) } else { Lost::Undone(why) })
}

fn request(call: &Call, callee: &Callee<'_>, parcel: Parcel) -> Result<hyper::Request<Parcel>, hyper::http::Error> {
    let query = form::render(call.query.iter());
    let mark = if query.is_empty() { "" } else { "?" };
    let mut request = hyper::Request::builder()
        .method(call.method.name())
        .uri(format!("{}{}{mark}{query}", callee.prefix, call.path))
        .header(HOST, callee.host)
        .header(USER_AGENT, concat!("hallpass/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json");
    if callee.ask_first {
        request = request.header(EXPECT, "100-continue");
    }
    if let Some(authorization) = callee.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(parcel)
}

/// The body of a call, in one piece, which waits until it may go.
struct Parcel {
    content: Option<Bytes>,
    wait: Option<oneshot::Receiver<()>>,
    /// Set when it goes.
    gone: Arc<AtomicBool>,
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(wait) = &mut self.wait {
            let _ = ready!(Pin::new(wait).poll(cx));
            self.wait = None;
        }
        self.gone.store(true, Ordering::Release);
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.content.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
