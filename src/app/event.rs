//! Events: what the settings make of them, and failed logins, of which only some are worth one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::{Clock, Timestamp};
use crate::model::event::{EventKind, EventKinds, Occurrence, Origin};
use crate::model::id::UserId;
use crate::outbound::Webhook;
use crate::settings::Settings;
use crate::store::{Ledger, Outbox, Store, origin};

use bytes::Bytes;

/// What `[hooks.NAME]` want, for a command that runs no provider.
pub fn outboxes(settings: &Settings) -> Vec<Outbox> {
    let wanting = settings.hooks.iter().filter(|(_, hook)| hook.events != EventKinds::NONE);
    wanting.map(|(name, hook)| Outbox { name: name.as_str().into(), kinds: hook.events }).collect()
}

/// What the settings say about events, and who is sent some of them.
pub fn ledger(settings: &Settings, clock: &Clock, outboxes: Vec<Outbox>) -> Ledger {
    let events = &settings.events;
    Ledger {
        clock: clock.clone(),
        kept: events.kinds,
        keep: events.keep,
        max: events.max,
        outboxes,
        max_pending: events.max_pending,
        retry_for: events.retry_for,
    }
}

/// Somebody elsewhere who is sent events.
pub trait Receiver: Send + Sync {
    /// Their name, and what they want.
    fn outbox(&self) -> &Outbox;

    /// Sends one under its id. An error says, for the log, why they didn't take it.
    fn send<'a>(&'a self, id: &'a str, now: Timestamp, body: Bytes) -> Sent<'a>;
}

/// What has become of it.
pub type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A receiver of webhooks who wants events.
#[derive(Debug)]
pub struct EventHook {
    outbox: Outbox,
    webhook: Webhook,
}

impl EventHook {
    /// Under this name what waits for them is kept: it has to stay the same. They get events of these kinds.
    pub fn new(name: &str, kinds: EventKinds, webhook: Webhook) -> Self {
        Self { outbox: Outbox { name: name.into(), kinds }, webhook }
    }
}

impl Receiver for EventHook {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn send<'a>(&'a self, id: &'a str, now: Timestamp, body: Bytes) -> Sent<'a> {
        Box::pin(async move {
            match self.webhook.send(id, now, body).await {
                Ok(_) => Ok(()),
                // What they say beside that they have it is of no interest.
                Err(error) if error.is_taken() => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

/// For how long further failures of the same kind are only counted.
const WINDOW: Duration = Duration::from_secs(60);

/// How many users and addresses are told apart in that time; what goes beyond is one count.
const MOST: usize = 16;

/// Failed logins, which anybody can cause at will: `login.failed` is told once a minute for a user and an address, with how many more
/// there were in the minute behind it, so that nobody fills the disk or pushes everything else out of the audit log.
#[derive(Debug, Default)]
pub struct FailedLogins(Mutex<HashMap<Option<Attempted>, Count>>);

/// Who was to be logged in from where. A name that nobody has is none: it may be a password in the wrong field.
type Attempted = (Option<UserId>, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Count {
    began: Timestamp,
    /// How many there were beside the first.
    more: u64,
}

impl FailedLogins {
    /// Notes one, at `now`.
    pub fn note(&self, store: &Store, user: Option<&UserId>, address: IpAddr, reason: &str, now: Timestamp) {
        self.settle(store, now);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempted = Some((user.cloned(), address));
        let attempted = if counts.len() < MOST || counts.contains_key(&attempted) { attempted } else { None };
        match counts.get_mut(&attempted) {
            Some(count) => count.more = count.more.saturating_add(1),
            None => {
                let origin = Origin { address: Some(address), ..origin::current() };
                store.note(failed(user.cloned()).with("reason", reason), origin);
                counts.insert(attempted, Count { began: now, more: 0 });
            }
        }
    }

    /// Tells how many more there were in the minutes that are over at `now`.
    pub fn settle(&self, store: &Store, now: Timestamp) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|attempted, count| {
            // A clock that was set back begins a new minute, too.
            let lasts = now.since(count.began) < WINDOW && count.began <= now + WINDOW;
            if !lasts && count.more > 0 {
                let (user, address) = attempted.clone().map_or((None, None), |(user, address)| (user, Some(address)));
                let what = failed(user).with("count", &count.more.to_string());
                store.note(what, Origin { address, request: None });
            }
            lasts
        });
    }
}

fn failed(user: Option<UserId>) -> Occurrence {
    Occurrence { user, ..Occurrence::new(EventKind::LoginFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FixedClock;
    use crate::base::random::Random;
    use crate::jose::seal::ServerKey;
    use crate::model::event::{Event, EventFilter};
    use crate::settings::Sources;
    use crate::store::Options;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn store() -> Store {
        let settings = Settings::load(&Sources::default()).unwrap();
        let store = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap();
        store.keep_events(ledger(&settings, &Clock::Fixed(FixedClock::new(NOW)), Vec::new()));
        store
    }

    /// What the audit log has, the oldest first.
    async fn told(store: &Store) -> Vec<Event> {
        store.remove_pending_events("nobody", Vec::new()).await.unwrap();
        let mut events = store.events(&EventFilter::default(), None, 100).await.unwrap().items;
        events.reverse();
        events
    }

    #[tokio::test]
    async fn of_many_failures_of_one_minute_two_events_tell() {
        let (store, failures) = (store(), FailedLogins::default());
        let (ada, address) = (UserId::new("ada"), "192.0.2.1".parse().unwrap());
        for second in 0..50 {
            failures.note(&store, Some(&ada), address, "wrong password", NOW + Duration::from_secs(second));
        }
        assert_eq!(told(&store).await.len(), 1);
        failures.settle(&store, NOW + Duration::from_secs(59));
        assert_eq!(told(&store).await.len(), 1);
        failures.settle(&store, NOW + WINDOW);
        let events = told(&store).await;
        assert_eq!(
            events.iter().map(|event| event.what.user.clone()).collect::<Vec<_>>(),
            [Some(ada.clone()), Some(ada)]
        );
        assert!(events.iter().all(|event| event.origin.address == Some(address)));
        assert_eq!((&*events[0].what.detail["reason"], &*events[1].what.detail["count"]), ("wrong password", "49"));
        failures.settle(&store, NOW + 10 * WINDOW);
        assert_eq!(told(&store).await.len(), 2, "nothing more to tell");
    }

    #[tokio::test]
    async fn however_many_fail_from_wherever_a_minute_has_few_events() {
        let (store, failures) = (store(), FailedLogins::default());
        for number in 0..1000_u32 {
            failures.note(&store, None, IpAddr::from(number.to_be_bytes()), "no such user", NOW);
        }
        assert_eq!(failures.0.lock().unwrap().len(), MOST + 1);
        failures.settle(&store, NOW + WINDOW);
        let events = told(&store).await;
        assert_eq!(events.len(), MOST + 2);
        let rest = events.last().unwrap();
        assert_eq!((&*rest.what.detail["count"], rest.origin), ("983", Origin::NOBODY));
        assert!(failures.0.lock().unwrap().is_empty());
    }
}
