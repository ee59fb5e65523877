//! How long what a client gets lives: as its own record says, else as the settings do.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::App;
use crate::model::client::{Client, Lifetimes};
use crate::settings;
use crate::store::{Page, Store, StoreError};

/// The lifetimes that are in force for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Of a code.
    pub code: Duration,
    /// Of an access token.
    pub access_token: Duration,
    /// Of an ID token.
    pub id_token: Duration,
    /// Of a refresh token that is not used.
    pub refresh_idle: Duration,
    /// Of a refresh token and all its successors.
    pub refresh_token: Duration,
}

impl InForce {
    /// Where a client has these of its own.
    pub fn new(own: &Lifetimes, settings: &settings::Lifetimes) -> Self {
        Self {
            code: own.code.unwrap_or(settings.code),
            access_token: own.access_token.unwrap_or(settings.access_token),
            id_token: own.id_token.unwrap_or(settings.id_token),
            refresh_idle: own.refresh_idle.unwrap_or(settings.refresh_idle),
            refresh_token: own.refresh_token.unwrap_or(settings.refresh_token),
        }
    }

    /// The longest that anything goes on that begins with one grant.
    pub fn of_family(&self) -> Duration {
        self.refresh_token.max(self.code + self.access_token)
    }
}

impl App {
    /// How long what this client gets lives.
    pub fn lifetimes(&self, client: &Client) -> InForce {
        InForce::new(&client.lifetimes, &self.settings.lifetimes)
    }
}

/// All lifetimes that clients have of their own, collected once for as long as no client changes. Most have none.
#[derive(Default)]
pub struct Own(ArcSwapOption<(u64, Vec<Lifetimes>)>);

impl Own {
    /// As the store has them now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn all(&self, store: &Store) -> Result<Arc<(u64, Vec<Lifetimes>)>, StoreError> {
        // Read before the clients: a change in between makes them look older than they are, never newer.
        let revision = store.revision().clients;
        if let Some(known) = self.0.load_full().filter(|known| known.0 == revision) {
            return Ok(known);
        }
        let collected = Arc::new((revision, collect(store).await?));
        self.0.store(Some(Arc::clone(&collected)));
        Ok(collected)
    }
}

/// Each of the lifetimes that a client has of its own.
///
/// # Errors
/// When the store can't be read.
pub async fn collect(store: &Store) -> Result<Vec<Lifetimes>, StoreError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.clients(after.as_ref(), Page::<(), ()>::MAX).await?;
        for client in page.items {
            if client.lifetimes != Lifetimes::default() && !all.contains(&client.lifetimes) {
                all.push(client.lifetimes);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}
