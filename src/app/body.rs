//! A body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};

use super::request::RequestError;

/// A body that has not arrived wholly.
pub(super) struct Arriving {
    incoming: Incoming,
    so_far: Vec<u8>,
}

impl Arriving {
    /// `None` where there is no body.
    pub(super) fn new(incoming: Incoming) -> Option<Self> {
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
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue }; // trailers say nothing here
                    // Mostly all comes at once, and need not be copied.
                    if self.so_far.is_empty() && self.incoming.is_end_stream() && data.len() <= limit {
                        return Poll::Ready(Ok(data));
                    }
                    self.so_far.extend_from_slice(&data);
                }
                Some(Err(_)) => return Poll::Ready(Err(RequestError::Disconnected)),
                None => return Poll::Ready(Ok(std::mem::take(&mut self.so_far).into())),
            }
        }
    }
}
