//! The server key, where the settings give it.

use std::fmt;
use std::sync::Arc;

use crate::base::secret::Secret;
use crate::jose::key::KeyError;
use crate::jose::seal::ServerKey;

/// The value of `store.key`: never shown, compared in constant time.
#[derive(Clone)]
pub struct StoreKey(Arc<ServerKey>);

impl StoreKey {
    /// Reads the key in any of the spellings that [`ServerKey::parse`] takes.
    pub(super) fn parse(text: &Secret) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(ServerKey::parse(text.expose())?)))
    }

    /// The key that everything kept is sealed with.
    pub fn server_key(&self) -> Arc<ServerKey> {
        Arc::clone(&self.0)
    }
}

impl PartialEq for StoreKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_text().matches(other.0.to_text().expose())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(…)")
    }
}
