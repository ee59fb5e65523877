//! The body of an answer on its way out, which tells its connection's [`Pulse`] how it gets on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::pulse::Pulse;

/// A body in one piece.
pub(super) enum Outgoing {
    /// It goes out.
    Piece(Piece),
    /// There is none, or it has gone to the connection.
    Nothing,
    /// Too many others wait to be taken: the answer is broken off before its body.
    TooMuch,
}

impl Outgoing {
    pub(super) fn new(bytes: Bytes, pulse: &Arc<Pulse>) -> Self {
        if bytes.is_empty() {
            Self::Nothing
        } else if pulse.answer_waits(bytes.len()) {
            Self::Piece(Piece { length: bytes.len(), bytes, pulse: Arc::clone(pulse) })
        } else {
            Self::TooMuch
        }
    }
}

/// The client leaves too much of its answers waiting, or all clients together do.
#[derive(Debug)]
pub(super) struct TooMuchWaits;

impl fmt::Display for TooMuchWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many answers wait to be taken")
    }
}

impl std::error::Error for TooMuchWaits {}

impl Body for Outgoing {
    type Data = Piece;
    type Error = TooMuchWaits;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, TooMuchWaits>>> {
        Poll::Ready(match std::mem::replace(self.get_mut(), Self::Nothing) {
            Self::Piece(piece) => Some(Ok(Frame::data(piece))),
            Self::Nothing => None,
            Self::TooMuch => Some(Err(TooMuchWaits)),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Piece(piece) => SizeHint::with_exact(u64::try_from(piece.remaining()).unwrap_or(u64::MAX)),
            Self::Nothing => SizeHint::with_exact(0),
            Self::TooMuch => SizeHint::default(),
        }
    }
}

/// What goes out. It is dropped when all of it is on its way, so as long as it is there it takes up memory.
pub(super) struct Piece {
    bytes: Bytes,
    /// When it was whole.
    length: usize,
    pulse: Arc<Pulse>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.pulse.answer_taken(count, self.pulse.now());
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.pulse.answer_ended(self.length);
    }
}
