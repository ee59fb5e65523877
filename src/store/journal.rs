//! What the store does with events: which ones it keeps, for how long, and who hears of them.
//!
//! Every move tells of itself: the store notes an event in the transaction of the change that it tells of, so neither is there
//! without the other, and both cost one commit. Who listens hears of it after that commit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::clock::Clock;
use crate::model::event::{Event, EventKind, EventKinds};

/// What is to become of events. Until a store has one it takes no notice of them.
#[derive(Clone)]
pub struct Ledger {
    /// Says when things happen.
    pub clock: Clock,
    /// What stays to be looked at: the audit log.
    pub kept: EventKinds,
    /// For how long.
    pub keep: Duration,
    /// How many rows of it; the oldest go first, with the next sweep.
    pub max: u64,
    /// Who is sent which ones.
    pub outboxes: Vec<Outbox>,
    /// How many rows may wait to be sent, for all of them together; for one more the oldest goes.
    pub max_pending: u64,
    /// For how long one waits at most.
    pub retry_for: Duration,
}

/// Somebody who gets events sent, and every one that they want at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Their name in the settings.
    pub name: Arc<str>,
    /// What they want.
    pub kinds: EventKinds,
}

impl Ledger {
    /// Who gets events of this kind.
    pub(super) fn wanted_by(&self, kind: EventKind) -> impl Iterator<Item = &Outbox> {
        self.outboxes.iter().filter(move |outbox| outbox.kinds.contains(kind))
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("kept", &self.kept).field("outboxes", &self.outboxes).finish_non_exhaustive()
    }
}

/// Events as they happen, kept or not, in their order. Whoever is too slow misses some: they hold nobody up.
#[derive(Debug)]
pub struct Feed {
    pub(super) events: mpsc::Receiver<Arc<Event>>,
    pub(super) missed: Arc<AtomicU64>,
}

impl Feed {
    /// The next one; `None` when there will be none, since the store was closed or somebody else listens now.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.events.recv().await
    }

    /// How many were missed since this was last asked.
    pub fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}
