//! Signing keys change by themselves: one is published, signs, retires, leaves the JWK Set, and is forgotten.

use std::fmt;
use std::time::Duration;

use super::{App, lifetime};
use crate::jose::key::{KeyError, PrivateKey, SIZES};
use crate::model::client::Lifetimes;
use crate::model::key::{Due, Schedule, decide_due};
use crate::settings::Settings;
use crate::store::{NewKey, Put, Store, StoreError};

/// How far the clock of a relying party may be from ours.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Why keys didn't change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationError {
    /// The store can't be used.
    Store(StoreError),
    /// A key can't be made.
    Key(KeyError),
    /// The program is ending.
    Ending,
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Ending => f.write_str("the program is ending"),
        }
    }
}

impl std::error::Error for RotationError {}

impl From<StoreError> for RotationError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How keys change by themselves under these settings.
pub fn schedule(settings: &Settings) -> Schedule {
    let lifetimes = &settings.lifetimes;
    // By then the last ID token has expired, also for a relying party whose clock is behind. The time of caches is margin:
    // who has fetched the key set once in that time has seen the key that signs now.
    let publish_after = lifetimes.id_token + settings.discovery.cache_control + SKEW;
    Schedule {
        rotate_every: settings.signing.rotate_every,
        publish_ahead: settings.signing.publish_ahead,
        publish_after,
        id_token: lifetimes.id_token,
        // A hint tells of a login (OpenID Connect Core 1.0 section 3.1.2.1), and is sent for as long as the relying party
        // keeps that: while there is a session, or tokens to refresh.
        accept_after: publish_after.max(lifetimes.session).max(lifetimes.refresh_token),
    }
}

/// The same with what clients have of their own: what a key signed for one of them may live longer. What comes sooner than with
/// the settings alone is nothing.
///
/// # Errors
/// When the clients can't be read.
pub async fn for_clients(schedule: Schedule, store: &Store) -> Result<Schedule, StoreError> {
    let own = lifetime::collect(store).await?;
    let longest = |of: fn(&Lifetimes) -> Option<Duration>| own.iter().filter_map(of).max().unwrap_or_default();
    Ok(schedule.covering(longest(|own| own.id_token), longest(|own| own.refresh_token)))
}

/// Takes the steps that are due by now, and gives them. Of several calls at once each sees what those before it did. Keys of a
/// store for development stay as they are.
///
/// # Errors
/// [`RotationError`]; what is still due then is so at the next call.
pub async fn rotate(app: &App) -> Result<Vec<Due>, RotationError> {
    let _one_by_one = app.keys.rotation().await;
    let (schedule, now) = (schedule(&app.settings), app.clock.now());
    // It is seldom that anything is, and no reason to write.
    if app.store.is_development().await? || decide_due(&app.store.keys().await?, &schedule, now).is_empty() {
        return Ok(Vec::new());
    }
    let schedule = for_clients(schedule, &app.store).await?;
    let due = app.store.rotate_keys(schedule, now).await?;
    for step in &due {
        match step {
            Due::Make { bits, .. } => make(app, *bits, schedule.publish_ahead).await?,
            Due::Promote(kid) => tracing::info!(%kid, "this key signs from now on; the one before it has retired"),
            Due::Withdraw(kid) => tracing::info!(%kid, "this key has left the key set: what it signed has expired"),
            Due::Delete(kid) => tracing::info!(%kid, "this key is gone: what it signed is no hint any more"),
            Due::Restamp(kid) => {
                tracing::warn!(%kid, "this key has times of a clock that was wrong: what it waits for begins now");
            }
        }
    }
    Ok(due)
}

/// Makes a key that signs next, at least as large as the one that signs now.
async fn make(app: &App, bits: u32, publish_ahead: Duration) -> Result<(), RotationError> {
    let bits = usize::try_from(bits).unwrap_or(usize::MAX);
    // An imported key may have a size that none is made with.
    let size = SIZES.into_iter().find(|size| *size >= bits).unwrap_or(bits);
    // It takes long enough to be felt by everybody else on this thread.
    let made = tokio::task::spawn_blocking(move || PrivateKey::generate(size)).await;
    let key = made.map_err(|_| RotationError::Ending)?.map_err(RotationError::Key)?;
    // The time after the work: that is how long it has been published.
    let now = app.clock.now();
    if let Put::Done(key) = app.store.add_key(NewKey::of(&key, now)).await? {
        let at = format!("{}Z", (now + publish_ahead).calendar(' '));
        tracing::info!(kid = %key.id, "a new key is published; it signs from {at} at the earliest");
    }
    Ok(())
}
