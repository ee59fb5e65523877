use std::time::Duration;

use super::for_every_engine;
use super::sample::{Family, NOW, bearer, client, given, secs, session, user};
use crate::base::clock::{Clock, FixedClock};
use crate::base::request_id::RequestId;
use crate::model::event::{Event, EventFilter, EventKind, EventKinds, Occurrence, Origin};
use crate::model::grant::{EndReason, Redeem, Rotate};
use crate::model::id::{ClientId, EventId, SessionId, UserId};
use crate::model::user::User;
use crate::store::{Ledger, Outbox, Put, Store, origin};

/// Everything is kept, nothing sent.
pub(in crate::store) fn ledger() -> Ledger {
    Ledger {
        clock: Clock::Fixed(FixedClock::new(NOW)),
        kept: EventKinds::parse("*").unwrap(),
        keep: secs(90),
        max: 1000,
        outboxes: Vec::new(),
        max_pending: 1000,
        retry_for: secs(30),
    }
}

fn outbox(name: &str, pattern: &str) -> Outbox {
    Outbox { name: name.into(), kinds: EventKinds::parse(pattern).unwrap() }
}

/// Events that are kept, the oldest first.
async fn kept(store: &Store) -> Vec<Event> {
    let mut events = store.events(&EventFilter::default(), None, 1000).await.unwrap().items;
    events.reverse();
    events
}

async fn kinds(store: &Store) -> Vec<&'static str> {
    kept(store).await.iter().map(|event| event.what.kind.name()).collect()
}

fn details(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.what.detail.get("name").cloned().unwrap_or_default()).collect()
}

/// Notes as many events, whose names are numbers, and waits until they are durable.
async fn note(store: &Store, kind: EventKind, numbers: std::ops::Range<u32>) {
    for number in numbers {
        store.note(Occurrence::new(kind).with("name", &number.to_string()), Origin::NOBODY);
    }
    store.remove_pending_events("nobody", Vec::new()).await.unwrap();
}

async fn every_move_tells_of_itself_once(store: Store) {
    store.keep_events(ledger());
    let (family, first) = Family::redeemed(store).await;
    let store = &family.store;
    let second = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &second, NOW).await, Rotate::Granted);
    let access = crate::model::id::AccessTokenId(second.access.id());
    assert_eq!(store.delete_access_token(&access).await, Ok(true));
    assert_eq!(store.delete_access_token(&access).await, Ok(false));
    assert_eq!(store.end_grant(&family.id, EndReason::Revoked, NOW).await, Ok(true));
    assert_eq!(store.end_grant(&family.id, EndReason::Revoked, NOW).await, Ok(false));
    let value = bearer(secs(60));
    let begun = store.start_session(session(&value, &family.user), None).await.unwrap();
    assert_eq!(store.end_session(&begun.id, None).await, Ok(true));
    assert_eq!(store.end_session(&begun.id, None).await, Ok(false));
    store.grant_consent(given("u", "app", "openid email"), NOW).await.unwrap();
    store.withdraw_consent(&UserId::new("u"), &ClientId::new("app"), NOW).await.unwrap();
    let Put::Done(user) = store.update_user(User { enabled: false, ..family.user.clone() }).await.unwrap() else {
        panic!("an update")
    };
    assert!(matches!(store.update_user(family.user.clone()).await, Ok(Put::Conflict { .. })));
    let rehashed = User { password_hash: Some("another".into()), ..user };
    assert!(matches!(store.update_user(rehashed).await, Ok(Put::Done(_))), "nobody did that: no event");
    assert!(matches!(store.update_client(family.client.clone()).await, Ok(Put::Done(_))));
    assert_eq!(store.delete_user(&UserId::new("u")).await, Ok(true));
    assert_eq!(store.delete_client(&ClientId::new("app")).await, Ok(true));
    assert_eq!(store.delete_client(&ClientId::new("app")).await, Ok(false));

    let events = kept(store).await;
    let told: Vec<_> = events.iter().map(|event| event.what.kind.name()).collect();
    assert_eq!(
        told,
        [
            "client.created",
            "user.created",
            "token.issued",
            "token.refreshed",
            "token.revoked",
            "token.revoked",
            "login.succeeded",
            "logout",
            "consent.accepted",
            "consent.revoked",
            "user.updated",
            "client.updated",
            "user.deleted",
            "client.deleted",
        ]
    );
    assert!(events.is_sorted_by_key(|event| event.id) && events.iter().all(|event| event.at == NOW));
    let issued = &events[2].what;
    assert_eq!((issued.user.clone(), issued.client.clone()), (Some(UserId::new("u")), Some(ClientId::new("app"))));
    assert_eq!((issued.grant, issued.scope.as_ref().unwrap().to_string()), (Some(family.id), "openid".to_owned()));
    assert_eq!((&*events[4].what.detail["token"], &*events[5].what.detail["token"]), ("access_token", "refresh_token"));
    assert_eq!(events[7].what.sid, Some(SessionId(value.id())));
    assert_eq!(events[8].what.scope.as_ref().unwrap().to_string(), "openid email");
    assert_eq!(events[10].what.detail["changed"], "enabled");
}

async fn reuse_is_told_once_however_often_it_comes(store: Store) {
    store.keep_events(ledger());
    let (family, _) = Family::redeemed(store).await;
    for _ in 0..3 {
        let again = family.issue(NOW);
        let id = family.code_id();
        let redeem = family.store.redeem_code(&id, family.redemption(), again.tokens, NOW).await;
        assert_eq!(redeem, Ok(Redeem::Reused));
    }
    let events = kept(&family.store).await;
    let reused: Vec<_> = events.iter().filter(|event| event.what.kind == EventKind::TokenReused).collect();
    assert_eq!(reused.len(), 1);
    assert_eq!(reused[0].what.detail["token"], "code");
}

async fn what_was_refused_tells_nothing(store: Store) {
    store.keep_events(ledger());
    store.create_client(client("app")).await.unwrap();
    assert!(matches!(store.create_client(client("app")).await, Ok(Put::Exists)));
    let mut stale = client("app");
    stale.version = 9;
    assert!(matches!(store.update_client(stale).await, Ok(Put::Conflict { .. })));
    assert_eq!(store.delete_user(&UserId::new("nobody")).await, Ok(false));
    assert_eq!(kinds(&store).await, ["client.created"]);
}

async fn only_the_chosen_kinds_are_kept_and_all_are_heard(store: Store) {
    let kept = EventKinds::parse("client.*").unwrap();
    store.keep_events(Ledger { kept, ..ledger() });
    let mut feed = store.feed(3);
    store.create_client(client("app")).await.unwrap();
    store.create_user(user("u", "Ada")).await.unwrap();
    store.note(Occurrence::new(EventKind::ConsentDeclined), Origin::NOBODY);
    store.create_client(client("other")).await.unwrap();
    assert_eq!(kinds(&store).await, ["client.created", "client.created"]);
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(feed.next().await.unwrap().what.kind);
    }
    assert_eq!(heard, [EventKind::ClientCreated, EventKind::UserCreated, EventKind::ConsentDeclined]);
    assert_eq!((feed.take_missed(), feed.take_missed()), (1, 0), "who is too slow holds nobody up");
}

async fn events_say_on_whose_behalf(store: Store) {
    store.keep_events(ledger());
    let behalf = Origin { address: Some("2001:db8::7".parse().unwrap()), request: Some(RequestId::new()) };
    origin::within(behalf, async { store.create_client(client("app")).await.unwrap() }).await;
    store.create_client(client("other")).await.unwrap();
    let origins: Vec<_> = kept(&store).await.iter().map(|event| event.origin).collect();
    assert_eq!(origins, [behalf, Origin::NOBODY]);
}

async fn events_come_in_pages_the_newest_first(store: Store) {
    store.keep_events(ledger());
    note(&store, EventKind::ClientCreated, 0..5).await;
    let all = EventFilter::default();
    let first = store.events(&all, None, 2).await.unwrap();
    note(&store, EventKind::ClientCreated, 5..6).await;
    let second = store.events(&all, first.next.as_ref(), 2).await.unwrap();
    let third = store.events(&all, second.next.as_ref(), 2).await.unwrap();
    let pages = [&first, &second, &third].map(|page| details(&page.items));
    assert_eq!(pages, [vec!["4", "3"], vec!["2", "1"], vec!["0"]]);
    assert_eq!(third.next, None);
}

async fn a_filter_that_few_pass_is_cut_into_pages_too(store: Store) {
    store.keep_events(Ledger { max: 1_000_000, ..ledger() });
    note(&store, EventKind::KeyCreated, 0..1).await;
    for _ in 0..21 {
        note(&store, EventKind::ClientCreated, 0..100).await;
    }
    let filter = EventFilter { kinds: EventKinds::parse("key.*").ok(), ..EventFilter::default() };
    let empty = store.events(&filter, None, 10).await.unwrap();
    assert!(empty.items.is_empty() && empty.next.is_some());
    let found = store.events(&filter, empty.next.as_ref(), 10).await.unwrap();
    assert_eq!((found.items.len(), found.next), (1, None));
}

async fn filters_choose_by_kind_user_client_and_time(store: Store) {
    let clock = FixedClock::new(NOW);
    store.keep_events(Ledger { clock: Clock::Fixed(clock.clone()), ..ledger() });
    store.create_client(client("app")).await.unwrap();
    store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    clock.advance(secs(10));
    store.grant_consent(given("v", "app", "openid"), NOW).await.unwrap();
    let count = async |filter: EventFilter| store.events(&filter, None, 10).await.unwrap().items.len();
    let all = EventFilter::default;
    assert_eq!(count(all()).await, 3);
    assert_eq!(count(EventFilter { kinds: EventKinds::parse("consent.*").ok(), ..all() }).await, 2);
    assert_eq!(count(EventFilter { user: Some(UserId::new("v")), ..all() }).await, 1);
    assert_eq!(count(EventFilter { client: Some(ClientId::new("app")), ..all() }).await, 3);
    assert_eq!(count(EventFilter { client: Some(ClientId::new("other")), ..all() }).await, 0);
    assert_eq!(count(EventFilter { since: Some(NOW + secs(10)), ..all() }).await, 1);
    assert_eq!(count(EventFilter { since: Some(NOW + secs(11)), ..all() }).await, 0);
}

async fn events_go_when_they_are_old_or_too_many(store: Store) {
    store.keep_events(Ledger { max: 3, ..ledger() });
    note(&store, EventKind::ClientCreated, 0..6).await;
    assert_eq!(store.sweep(NOW, 2).await, Ok(2), "in slices");
    assert_eq!(store.sweep(NOW, 2).await, Ok(1));
    assert_eq!(store.sweep(NOW, 2).await, Ok(0));
    assert_eq!(details(&kept(&store).await), ["3", "4", "5"]);
    assert_eq!(store.sweep(NOW + secs(90), 10).await, Ok(0));
    assert_eq!(store.sweep(NOW + secs(90) + Duration::from_millis(1), 10).await, Ok(3));
}

async fn an_outbox_holds_what_is_wanted_in_order_until_it_is_taken(store: Store) {
    let outboxes = vec![outbox("all", "*"), outbox("b", "client.*")];
    store.keep_events(Ledger { kept: EventKinds::NONE, outboxes, ..ledger() });
    note(&store, EventKind::ClientCreated, 0..2).await;
    note(&store, EventKind::UserCreated, 2..4).await;
    let pending = async |name: &str| details(&store.pending_events(name, 10).await.unwrap());
    assert_eq!(pending("all").await, ["0", "1", "2", "3"]);
    assert_eq!(pending("b").await, ["0", "1"]);
    assert!(pending("a").await.is_empty() && pending("c").await.is_empty());
    assert!(kept(&store).await.is_empty(), "it has nothing to do with what is kept");
    let ids: Vec<EventId> = store.pending_events("all", 3).await.unwrap().iter().map(|event| event.id).collect();
    store.remove_pending_events("all", ids).await.unwrap();
    assert_eq!(pending("all").await, ["3"]);
    assert_eq!(pending("b").await, ["0", "1"]);
}

async fn of_too_many_that_wait_the_oldest_go(store: Store) {
    let outboxes = vec![outbox("awake", "*"), outbox("dead", "*")];
    store.keep_events(Ledger { outboxes, max_pending: 6, ..ledger() });
    for number in 0..10 {
        note(&store, EventKind::ClientCreated, number..number + 1).await;
        let ids = store.pending_events("awake", 10).await.unwrap().iter().map(|event| event.id).collect();
        store.remove_pending_events("awake", ids).await.unwrap();
    }
    assert_eq!(details(&store.pending_events("dead", 10).await.unwrap()), ["5", "6", "7", "8", "9"]);
    assert_eq!((store.take_dropped_events(), store.take_dropped_events()), (5, 0));
    note(&store, EventKind::ClientCreated, 10..13).await;
    assert_eq!(details(&store.pending_events("awake", 10).await.unwrap()), ["10", "11", "12"], "they lost none");
    assert_eq!(details(&store.pending_events("dead", 10).await.unwrap()), ["10", "11", "12"]);
}

async fn what_nobody_takes_goes_after_a_while(store: Store) {
    store.keep_events(Ledger {
        outboxes: vec![outbox("a", "*"), outbox("b", "*")],
        kept: EventKinds::NONE,
        ..ledger()
    });
    note(&store, EventKind::ClientCreated, 0..3).await;
    assert_eq!(store.sweep(NOW + secs(30), 10).await, Ok(0));
    let late = NOW + secs(30) + Duration::from_millis(1);
    assert_eq!(store.sweep(late, 4).await, Ok(4));
    assert_eq!(store.sweep(late, 4).await, Ok(2));
    assert_eq!(store.take_dropped_events(), 6);
}

async fn ids_ascend_when_the_clock_is_adjusted(store: Store) {
    let clock = FixedClock::new(NOW);
    store.keep_events(Ledger { clock: Clock::Fixed(clock.clone()), ..ledger() });
    note(&store, EventKind::ClientCreated, 0..20).await;
    clock.set(NOW - Duration::from_millis(900));
    note(&store, EventKind::ClientCreated, 20..40).await;
    assert_eq!(details(&kept(&store).await), (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
}

for_every_engine! {
    every_move_tells_of_itself_once
    reuse_is_told_once_however_often_it_comes
    what_was_refused_tells_nothing
    only_the_chosen_kinds_are_kept_and_all_are_heard
    events_say_on_whose_behalf
    events_come_in_pages_the_newest_first
    a_filter_that_few_pass_is_cut_into_pages_too
    filters_choose_by_kind_user_client_and_time
    events_go_when_they_are_old_or_too_many
    an_outbox_holds_what_is_wanted_in_order_until_it_is_taken
    of_too_many_that_wait_the_oldest_go
    what_nobody_takes_goes_after_a_while
    ids_ascend_when_the_clock_is_adjusted
}
