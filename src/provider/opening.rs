//! How a store is opened, by the settings.

use crate::jose::key::KeyError;
use crate::jose::seal::ServerKey;
use crate::settings::Settings;
use crate::store::Options;

/// How much memory it takes, and how many writes may wait.
pub fn options(settings: &Settings) -> Options {
    Options { cache_bytes: settings.store.cache_size, queue: settings.store.queue, ..Options::default() }
}

/// The server key, where the settings give it.
///
/// # Errors
/// Never: the settings were checked.
pub fn server_key(settings: &Settings) -> Result<Option<ServerKey>, KeyError> {
    let given = settings.store.key.as_ref();
    given.map(|key| ServerKey::parse(key.server_key().to_text().expose())).transpose()
}
