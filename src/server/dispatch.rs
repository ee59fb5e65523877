//! Events go out: to the log, to hooks, and to receivers elsewhere. Whoever is slow, panics or is away holds nobody up: not
//! the request that the event tells of, and not each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::without_panic;
use super::logging::EVENT;
use crate::app::App;
use crate::app::event::Receiver;
use crate::app::hook::Hook;
use crate::base::clock::Clock;
use crate::model::event::Event;
use crate::store::origin::within;
use crate::store::{Feed, Outbox, Store, StoreError};

/// How many events may wait for the log.
const WAITING: usize = 4096;

/// How many may wait for one hook.
const WAITING_FOR_HOOK: usize = 1024;

/// For how long hooks may still be busy with what they were told when all else has stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many events are taken out of an outbox at once.
const BATCH: usize = 32;

/// How long to wait after the first failed attempt to send; then twice as long each time, up to the last.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// How often an outbox is looked at that nobody said anything of.
const IDLE: Duration = Duration::from_secs(60);

/// Listens from now on. Tells of events until all requests are `answered`, and then of those that there are. Whom it tells says
/// the provider in force.
pub(super) fn dispatch(
    mut follow: watch::Receiver<Arc<App>>,
    answered: oneshot::Receiver<()>,
) -> impl Future<Output = ()> + Send + 'static {
    let app = Arc::clone(&follow.borrow_and_update());
    let feed = app.store.feed(WAITING);
    go_on(app, follow, feed, answered)
}

async fn go_on(
    app: Arc<App>,
    mut follow: watch::Receiver<Arc<App>>,
    mut feed: Feed,
    mut answered: oneshot::Receiver<()>,
) {
    let mut hooks = Hooks::default();
    hooks.follow(app.hooks.all());
    let mut deliveries = Deliveries::start(&app);
    drop(app);
    loop {
        let event = tokio::select! {
            biased;
            event = feed.next() => event,
            Ok(()) = follow.changed() => {
                let app = Arc::clone(&follow.borrow_and_update());
                hooks.follow(app.hooks.all());
                deliveries = Deliveries::start(&app);
                continue;
            }
            _ = &mut answered => None,
        };
        let Some(event) = event else { break };
        within(event.origin, async { log(&event) }).await;
        hooks.tell(&event);
        deliveries.wake(&event);
        match feed.take_missed() {
            0 => {}
            missed => tracing::warn!(missed, "too many events at once: the log and hooks have not heard of some"),
        }
    }
    drop(deliveries);
    hooks.end().await;
}

/// One line, at `info`. While it is written, the request that caused it is the current one.
fn log(event: &Event) {
    let what = &event.what;
    let detail = (!what.detail.is_empty()).then(|| {
        let words: Vec<String> = what.detail.iter().map(|(name, text)| format!("{name}={text}")).collect();
        words.join(" ")
    });
    tracing::info!(
        target: EVENT,
        event = what.kind.name(),
        user = what.user.as_ref().map(tracing::field::display),
        client = what.client.as_ref().map(tracing::field::display),
        sid = what.sid.map(tracing::field::display),
        grant = what.grant.map(tracing::field::display),
        scope = what.scope.as_ref().map(tracing::field::display),
        address = event.origin.address.map(tracing::field::display),
        detail,
    );
}

/// What waits for a hook.
struct Queue {
    hook: Arc<dyn Hook>,
    events: mpsc::Sender<Arc<Event>>,
}

/// A queue and a task for each hook.
#[derive(Default)]
struct Hooks {
    queues: Vec<Queue>,
    tasks: JoinSet<()>,
    /// Whether somebody was told that a hook is too slow.
    warned: bool,
}

impl Hooks {
    /// Tells these from now on. Those that it has told before go on with their queues; others end theirs.
    fn follow(&mut self, hooks: &[Arc<dyn Hook>]) {
        let mut before = std::mem::take(&mut self.queues);
        for hook in hooks {
            let is_it = |other: &Arc<dyn Hook>| std::ptr::addr_eq(Arc::as_ptr(hook), Arc::as_ptr(other));
            self.queues.push(match before.iter().position(|queue| is_it(&queue.hook)) {
                Some(known) => before.swap_remove(known),
                None => {
                    let (events, waiting) = mpsc::channel(WAITING_FOR_HOOK);
                    self.tasks.spawn(tell(Arc::clone(hook), waiting));
                    Queue { hook: Arc::clone(hook), events }
                }
            });
        }
    }

    fn tell(&mut self, event: &Arc<Event>) {
        let mut full = false;
        for queue in &self.queues {
            full |= queue.events.try_send(Arc::clone(event)).is_err();
        }
        if full && !self.warned {
            tracing::warn!("a hook is too slow: it does not hear of all events");
        }
        self.warned = full;
    }

    /// Lets them end what they are at, for a while.
    async fn end(mut self) {
        self.queues.clear();
        let _ = timeout(PATIENCE, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

async fn tell(hook: Arc<dyn Hook>, mut events: mpsc::Receiver<Arc<Event>>) {
    while let Some(event) = events.recv().await {
        match without_panic(async { hook.event(&event).await }).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, event = event.what.kind.name(), "a hook was told of an event"),
            None => tracing::error!(event = event.what.kind.name(), "a hook panicked over an event"),
        }
    }
}

/// A task for each outbox, until this is dropped.
struct Deliveries {
    outboxes: Vec<(Outbox, Arc<Notify>)>,
    _tasks: JoinSet<()>,
}

impl Deliveries {
    fn start(app: &App) -> Self {
        let mut tasks = JoinSet::new();
        let outbox = |receiver: &Arc<dyn Receiver>| {
            let outbox = receiver.outbox().clone();
            let news = Arc::new(Notify::new());
            let delivery = Delivery {
                name: Arc::clone(&outbox.name),
                receiver: Arc::clone(receiver),
                store: app.store.clone(),
                clock: app.clock.clone(),
            };
            tasks.spawn(delivery.run(Arc::clone(&news)));
            (outbox, news)
        };
        Self { outboxes: app.receivers.iter().map(outbox).collect(), _tasks: tasks }
    }

    fn wake(&self, event: &Event) {
        for (outbox, news) in &self.outboxes {
            if outbox.kinds.contains(event.what.kind) {
                news.notify_one();
            }
        }
    }
}

/// Sends what is in one outbox, in order, until it has been taken.
struct Delivery {
    name: Arc<str>,
    receiver: Arc<dyn Receiver>,
    store: Store,
    clock: Clock,
}

/// Why an outbox couldn't be emptied.
#[derive(Debug)]
enum Undelivered {
    /// The receiver didn't take an event.
    Receiver(String),
    Store(StoreError),
}

impl From<StoreError> for Undelivered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Delivery {
    async fn run(self, news: Arc<Notify>) {
        let mut failures = 0;
        loop {
            match self.deliver().await {
                Ok(count) => {
                    if failures > 0 {
                        tracing::info!(hook = %self.name, "events are delivered again");
                    }
                    failures = 0;
                    if count == 0 {
                        // Commands write to the store while no server runs, and news can get lost.
                        let _ = timeout(IDLE, news.notified()).await;
                    }
                }
                Err(why) => {
                    failures += 1;
                    let wait = wait_after(failures);
                    match why {
                        Undelivered::Receiver(error) => {
                            tracing::warn!(hook = %self.name, error, ?wait, "events are not delivered; they wait");
                        }
                        Undelivered::Store(error) => {
                            tracing::warn!(hook = %self.name, %error, "events are not delivered");
                        }
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    /// Sends some events and takes them out of the outbox; says how many. One that was sent and not taken out will be sent
    /// again, under the same id.
    async fn deliver(&self) -> Result<usize, Undelivered> {
        let events = self.store.pending_events(&self.name, BATCH).await?;
        let mut taken = Vec::new();
        let mut sent = Ok(());
        for event in &events {
            let id = event.id.to_string();
            let sending = without_panic(self.receiver.send(&id, self.clock.now(), message(event)));
            sent = sending.await.unwrap_or_else(|| Err("it panicked".to_owned()));
            if sent.is_err() {
                break;
            }
            taken.push(event.id);
        }
        let count = taken.len();
        if count > 0 {
            self.store.remove_pending_events(&self.name, taken).await?;
        }
        sent.map_err(Undelivered::Receiver).map(|()| count)
    }
}

fn wait_after(failures: u32) -> Duration {
    (RETRY * 2_u32.pow(failures.saturating_sub(1).min(16))).min(LONGEST_RETRY)
}

/// The version of messages. It changes when what there is changes its meaning; what is new doesn't change it.
const VERSION: u32 = 1;

/// What a receiver gets, as the Standard Webhooks convention has it: `type`, `timestamp`, and the event itself as `data`; with the
/// `version` and the `id` that stand in every message of ours.
fn message(event: &Event) -> Bytes {
    let timestamp = format!("{}Z", event.at.calendar('T'));
    let (kind, id) = (event.what.kind.name(), event.id.to_string());
    let message =
        json!({ "version": VERSION, "type": kind, "id": id, "timestamp": timestamp, "data": event.to_json() });
    message.to_string().into()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;
    use crate::app::event::Sent;
    use crate::base::clock::{FixedClock, Timestamp};
    use crate::base::random::Random;
    use crate::jose::seal::ServerKey;
    use crate::model::event::{EventKind, EventKinds, Occurrence, Origin};
    use crate::store::{Ledger, Options};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// Takes what it is sent, while it is there.
    struct Office {
        outbox: Outbox,
        /// How many more it takes before it goes.
        room: Mutex<usize>,
        taken: Mutex<Vec<(String, Value)>>,
    }

    impl Receiver for Office {
        fn outbox(&self) -> &Outbox {
            &self.outbox
        }

        fn send<'a>(&'a self, id: &'a str, now: Timestamp, body: Bytes) -> Sent<'a> {
            assert_eq!(now, NOW);
            let mut room = self.room.lock().unwrap();
            if *room == 0 {
                return Box::pin(ready(Err("nobody is there".to_owned())));
            }
            *room -= 1;
            self.taken.lock().unwrap().push((id.to_owned(), serde_json::from_slice(&body).unwrap()));
            Box::pin(ready(Ok(())))
        }
    }

    fn office(room: usize) -> (Arc<Office>, Delivery) {
        let clock = Clock::Fixed(FixedClock::new(NOW));
        let store = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap();
        let outbox = Outbox { name: "office".into(), kinds: EventKinds::parse("client.*").unwrap() };
        store.keep_events(Ledger {
            clock: clock.clone(),
            kept: EventKinds::NONE,
            keep: Duration::from_secs(60),
            max: 10,
            outboxes: vec![outbox.clone()],
            max_pending: 1000,
            retry_for: Duration::from_secs(60),
        });
        for number in 0..BATCH + 3 {
            let what = Occurrence::new(EventKind::ClientUpdated).with("name", &number.to_string());
            store.note(what, Origin::NOBODY);
        }
        let office = Arc::new(Office { outbox, room: Mutex::new(room), taken: Mutex::default() });
        let receiver = Arc::clone(&office) as Arc<dyn Receiver>;
        (office, Delivery { name: "office".into(), receiver, store, clock })
    }

    /// The names of what has come.
    fn names(office: &Office) -> Vec<String> {
        let taken = office.taken.lock().unwrap();
        taken.iter().map(|(_, body)| body["data"]["detail"]["name"].as_str().unwrap().to_owned()).collect()
    }

    fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    #[tokio::test]
    async fn what_was_not_taken_stays_and_comes_again_in_its_order() {
        let (office, delivery) = office(5);
        delivery.store.remove_pending_events("nobody", Vec::new()).await.unwrap();
        assert!(matches!(delivery.deliver().await, Err(Undelivered::Receiver(_))));
        assert_eq!(names(&office), numbers(0..5));
        assert_eq!(delivery.store.pending_events("office", 100).await.unwrap().len(), BATCH + 3 - 5);
        assert!(matches!(delivery.deliver().await, Err(Undelivered::Receiver(_))), "still away");
        *office.room.lock().unwrap() = usize::MAX;
        assert_eq!(delivery.deliver().await.unwrap(), BATCH - 2, "the rest");
        assert_eq!(delivery.deliver().await.unwrap(), 0);
        assert_eq!(names(&office), numbers(0..BATCH + 3));
        let taken = office.taken.lock().unwrap();
        let (id, body) = &taken[0];
        assert_eq!((&body["type"], &body["timestamp"]), (&"client.updated".into(), &"2027-01-15T08:00:00Z".into()));
        assert_eq!(body["data"]["id"], id.as_str());
    }

    #[tokio::test]
    async fn what_was_sent_and_not_noted_is_sent_again_under_the_same_id() {
        let (office, delivery) = office(usize::MAX);
        delivery.store.remove_pending_events("nobody", Vec::new()).await.unwrap();
        let events = delivery.store.pending_events("office", 2).await.unwrap();
        for event in &events {
            // The process was killed behind this.
            delivery.receiver.send(&event.id.to_string(), NOW, message(event)).await.unwrap();
        }
        delivery.deliver().await.unwrap();
        let taken = office.taken.lock().unwrap();
        assert_eq!((&taken[0], &taken[1]), (&taken[2], &taken[3]));
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        assert_eq!([1, 2, 3].map(|failures| wait_after(failures).as_millis()), [500, 1000, 2000]);
        assert_eq!([20, u32::MAX].map(wait_after), [LONGEST_RETRY; 2]);
    }
}
