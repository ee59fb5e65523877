//! A body on its way in.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::request::RequestError;

/// Where a body comes from.
pub enum Source {
    /// A connection of ours.
    Incoming(Incoming),
    /// A program's own server. The mutex is never locked: it lets a body be shared that nobody shares, since a request is.
    Foreign(Mutex<Pin<Box<dyn Body<Data = Bytes, Error = RequestError> + Send>>>),
}

impl From<Incoming> for Source {
    fn from(incoming: Incoming) -> Self {
        Self::Incoming(incoming)
    }
}

impl Source {
    /// A body of any kind. Why it breaks off is for whoever gave it to say.
    pub fn foreign<B: Body + Send + 'static>(body: B) -> Self {
        let body = body
            .map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            .map_err(|_| RequestError::Disconnected);
        Self::Foreign(Mutex::new(Box::pin(body)))
    }

    fn is_end_stream(&mut self) -> bool {
        match self {
            Self::Incoming(incoming) => incoming.is_end_stream(),
            Self::Foreign(body) => body.get_mut().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&mut self) -> SizeHint {
        match self {
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Foreign(body) => body.get_mut().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestError>>> {
        match self {
            Self::Incoming(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|_| RequestError::Disconnected))),
            Self::Foreign(body) => body.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx),
        }
    }
}

/// A body that has not arrived wholly.
pub(super) struct Arriving {
    incoming: Source,
    so_far: Vec<u8>,
}

impl Arriving {
    /// `None` where there is no body.
    pub(super) fn new(mut incoming: Source) -> Option<Self> {
        (!incoming.is_end_stream()).then_some(Self { incoming, so_far: Vec::new() })
    }

    /// How many bytes have come.
    pub(super) fn len(&self) -> usize {
        self.so_far.len()
    }

    /// Takes in what has come; ready with the whole. What is too large by its own account is not read at all, and the
    /// rest of what turns out to be too large stays where it is: asked again with another limit, it goes on.
    pub(super) fn poll(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<Result<Bytes, RequestError>> {
        loop {
            let announced = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
            if self.so_far.len().saturating_add(announced) > limit {
                return Poll::Ready(Err(RequestError::TooLarge));
            }
            match ready!(self.incoming.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue }; // trailers say nothing here
                    // Mostly all comes at once, and need not be copied.
                    if self.so_far.is_empty() && self.incoming.is_end_stream() && data.len() <= limit {
                        return Poll::Ready(Ok(data));
                    }
                    self.so_far.extend_from_slice(&data);
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(std::mem::take(&mut self.so_far).into())),
            }
        }
    }
}
