//! A key that several servers share.

use std::fmt;

use crate::base::secret::Secret;

/// A secret text of somebody's own: never shown.
#[derive(Clone)]
pub struct SharedKey(pub(super) Secret);

impl SharedKey {
    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.matches(other.expose())
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}
