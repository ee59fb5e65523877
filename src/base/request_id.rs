//! The id of a request: what ties its answer, its lines in the log and the events that it caused to each other.

use std::cell::RefCell;
use std::fmt;

use super::random::Random;

/// Ties an answer to its log lines: 96 random bits as 16 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new one. Ids are no secrets, so the system is asked for the bytes of many at once.
    #[allow(clippy::new_without_default)] // no two are the same
    pub fn new() -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        thread_local! {
            /// Random bytes for this thread's next ids.
            static NEXT: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
        }
        let bytes = NEXT.with_borrow_mut(|next| {
            next.pop().unwrap_or_else(|| {
                let fresh: [u8; 1024] = Random::System.bytes();
                next.extend(fresh.as_chunks().0);
                next.pop().unwrap_or_default()
            })
        });
        Self(bytes.map(|byte| ALPHABET.get(usize::from(byte & 63)).copied().unwrap_or(b'-')))
    }

    /// One that was kept; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).then_some(Self(bytes))
    }

    /// Its 16 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
