//! The token of administration over HTTP.

use std::fmt;

use crate::base::secret::Secret;

/// A token shorter than this, in bytes, might be guessed.
const SHORTEST: usize = 32;

/// The value of `admin.token`: never shown, compared in constant time.
#[derive(Clone)]
pub struct AdminToken(Secret);

impl AdminToken {
    /// Takes what can stand behind `Bearer` (RFC 6750 section 2.1) and is too long to be guessed.
    pub(super) fn parse(text: Secret) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let right = text.expose().len() >= SHORTEST && text.expose().bytes().all(legal);
        right.then_some(Self(text))
    }

    /// Whether this is the token, in a time that says nothing about it.
    pub fn matches(&self, presented: &str) -> bool {
        self.0.matches(presented)
    }
}

impl PartialEq for AdminToken {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.expose())
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}
