//! Events: the audit log, newest last, and the outbox of what is still to be sent, by receiver.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::engine::{Change, Tables};
use super::fault::Fault;
use super::tables::{EVENTS, OUTBOX};
use super::{Embedded, codec};
use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::model::event::{Event, EventFilter, Occurrence, Origin};
use crate::model::id::{EventId, Id};
use crate::store::{Feed, Ledger, Page, StoreError};

/// How many rows one page looks at, so that a filter that few events pass holds nobody up.
const REACH: usize = 2000;

/// A clock that is set back by less than this leaves the order of events as it is.
const STEP: Duration = Duration::from_secs(1);

impl Embedded {
    pub(in crate::store) fn keep_events(&self, ledger: Ledger) {
        self.0.engine.journal.open(ledger);
    }

    pub(in crate::store) fn feed(&self, capacity: usize) -> Feed {
        self.0.engine.journal.feed(capacity)
    }

    pub(in crate::store) fn take_dropped_events(&self) -> u64 {
        self.0.engine.journal.dropped.swap(0, Ordering::Relaxed)
    }

    pub(in crate::store) fn note(&self, what: Occurrence, origin: Origin) {
        let queued = self.0.writer.submit(move |change| {
            change.set_origin(origin);
            change.note(what)
        });
        if let Err(error) = queued {
            tracing::warn!(%error, "an event could not be written down");
        }
    }

    pub(in crate::store) fn events(
        &self,
        filter: &EventFilter,
        before: Option<&EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        let end = before.map_or(Bound::Unbounded, |id| Bound::Excluded(id.0.as_bytes()));
        let floor = filter.since.map(Id::floor);
        let limit = limit.clamp(1, Page::<Event, EventId>::MAX);
        self.read(|snapshot| {
            let (mut items, mut seen, mut last, mut next) = (Vec::new(), 0, None, None);
            EVENTS.walk_down(snapshot, end, |id, row| {
                let id = Id::from_bytes(*id);
                if floor.is_some_and(|floor| id < floor) {
                    return Ok(ControlFlow::Break(()));
                }
                if items.len() == limit || seen == REACH {
                    next = last;
                    return Ok(ControlFlow::Break(()));
                }
                let event: Event = codec::decode(row)?;
                if filter.matches(&event.what) {
                    items.push(event);
                }
                (seen, last) = (seen + 1, Some(EventId(id)));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(Page { items, next })
        })
    }

    pub(in crate::store) fn pending_events(&self, outbox: &str, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.read(|snapshot| {
            OUTBOX.list(snapshot, Bound::Included((outbox, &[0; 16])), limit, |(owner, _), row| {
                if owner == outbox { codec::decode(row).map(Some) } else { Ok(None) }
            })
        })
    }

    pub(in crate::store) async fn remove_pending_events(
        &self,
        outbox: &str,
        ids: Vec<EventId>,
    ) -> Result<(), StoreError> {
        let outbox = outbox.to_owned();
        self.write(move |change| {
            for id in &ids {
                OUTBOX.remove(change, (&outbox, id.0.as_bytes()))?;
            }
            Ok(())
        })
        .await
    }
}

impl Change<'_> {
    /// Notes what has just happened: for the audit log, for whoever is sent it, and for whoever listens, once it is durable.
    pub(super) fn note(&self, what: Occurrence) -> Result<(), Fault> {
        let Some(ledger) = self.ledger() else { return Ok(()) };
        let journal = self.journal();
        let now = ledger.clock.now();
        let event = Event { id: journal.mint(now), at: now, what, origin: self.origin() };
        let key = event.id.0.as_bytes();
        if ledger.kept.contains(event.what.kind) {
            EVENTS.add(self, key, &event)?;
        }
        let mut is_pending = false;
        for outbox in ledger.wanted_by(event.what.kind) {
            OUTBOX.add(self, (&outbox.name, key), &event)?;
            is_pending = true;
        }
        while is_pending && OUTBOX.count(self)? > ledger.max_pending {
            let Some((outbox, oldest)) = oldest(self)? else { break };
            OUTBOX.remove(self, (&outbox, oldest.as_bytes()))?;
            journal.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(event);
        Ok(())
    }

    /// Takes away events that are too old or too many, and what nobody has taken for too long.
    pub(super) fn sweep_events(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let Some(ledger) = self.ledger() else { return Ok(0) };
        let floor = Id::floor(now - ledger.keep);
        let mut excess = EVENTS.count(self)?.saturating_sub(ledger.max);
        let gone = EVENTS.list(self, Bound::Unbounded, limit, |id, _| {
            let id = Id::from_bytes(*id);
            let goes = id < floor || excess > 0;
            excess = excess.saturating_sub(1);
            Ok(goes.then_some(id))
        })?;
        for id in &gone {
            EVENTS.remove(self, id.as_bytes())?;
        }
        let mut swept = gone.len();
        let floor = Id::floor(now - ledger.retry_for);
        for outbox in outboxes(self)? {
            let start = Bound::Included((outbox.as_str(), &[0; 16]));
            let gone = OUTBOX.list(self, start, limit - swept, |(owner, id), _| {
                let id = Id::from_bytes(*id);
                Ok((owner == outbox && id < floor).then_some(id))
            })?;
            for id in &gone {
                OUTBOX.remove(self, (&outbox, id.as_bytes()))?;
            }
            swept += gone.len();
            self.journal().dropped.fetch_add(gone.len() as u64, Ordering::Relaxed);
        }
        Ok(swept)
    }
}

/// Whoever has something waiting. There are a few of them at most.
fn outboxes(tables: &impl Tables) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let start = names.last().map_or(Bound::Unbounded, |last| Bound::Excluded((last.as_str(), &[u8::MAX; 16])));
        match OUTBOX.list(tables, start, 1, |(owner, _), _| Ok(Some(owner.to_owned())))?.pop() {
            Some(name) => names.push(name),
            None => return Ok(names),
        }
    }
}

/// The event that has waited longest, whoever it is for: whoever takes what they are sent loses nothing to those who don't.
fn oldest(tables: &impl Tables) -> Result<Option<(String, Id)>, Fault> {
    let mut firsts = Vec::new();
    for outbox in outboxes(tables)? {
        let start = Bound::Included((outbox.as_str(), &[0; 16]));
        let first = OUTBOX.list(tables, start, 1, |(_, id), _| Ok(Some(Id::from_bytes(*id))))?.pop();
        firsts.extend(first.map(|id| (outbox, id)));
    }
    Ok(firsts.into_iter().min_by_key(|(_, id)| *id))
}

/// What the engine knows of events beside their rows.
#[derive(Default)]
pub(super) struct Journal {
    ledger: RwLock<Option<Arc<Ledger>>>,
    listener: RwLock<Option<mpsc::Sender<Arc<Event>>>>,
    missed: Arc<AtomicU64>,
    /// Rows that nobody took in time.
    dropped: AtomicU64,
    /// The last id that was given.
    last: Mutex<Option<Id>>,
}

impl Journal {
    fn open(&self, ledger: Ledger) {
        *self.ledger.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ledger));
    }

    fn feed(&self, capacity: usize) -> Feed {
        let (sender, events) = mpsc::channel(capacity.max(1));
        *self.listener.write().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Feed { events, missed: Arc::clone(&self.missed) }
    }

    /// What is in force at this moment.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An id that comes after those before it.
    fn mint(&self, now: Timestamp) -> EventId {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Id::mint(now, &Random::System);
        let id = last.filter(|last| fresh <= *last && last.gone_after().since(now) < STEP);
        let id = id.map_or(fresh, |last| last.successor());
        *last = Some(id);
        EventId(id)
    }

    /// Tells whoever listens what has become durable.
    pub(super) fn publish(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let listener = self.listener.read().unwrap_or_else(PoisonError::into_inner);
        let Some(listener) = listener.as_ref() else { return };
        for event in events {
            if listener.try_send(Arc::new(event)).is_err() {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
