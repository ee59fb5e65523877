//! Events and the changes that they tell of: one transaction.

use super::super::tables::{EVENTS, OUTBOX};
use super::fault::Faulty;
use super::*;
use crate::model::event::{EventFilter, EventKinds};
use crate::store::contract::event::ledger;
use crate::store::contract::sample::{Family, NOW, client};
use crate::store::{Ledger, Outbox, Put};

/// Rows of the audit log, and rows that wait.
fn rows(store: &Store) -> (u64, u64) {
    engine(store).read(|snapshot| Ok((EVENTS.count(snapshot)?, OUTBOX.count(snapshot)?))).unwrap()
}

#[tokio::test]
async fn an_event_costs_one_row_in_the_commit_of_its_change() {
    let kinds = |pattern| EventKinds::parse(pattern).unwrap();
    let nobody = Vec::new();
    let somebody = vec![Outbox { name: "hook".into(), kinds: kinds("token.*") }];
    for (kept, outboxes, expected) in
        [("login.*", nobody.clone(), (0, 0)), ("*", nobody, (1, 0)), ("login.*", somebody, (0, 1))]
    {
        let disk = Faulty::default();
        let store = disk.store();
        let family = Family::start(store.clone()).await;
        store.keep_events(Ledger { kept: kinds(kept), outboxes, ..ledger() });
        let before = disk.syncs();
        let issue = family.issue(NOW);
        store.redeem_code(&family.code_id(), family.redemption(), issue.tokens, NOW).await.unwrap();
        let commit = disk.syncs() - before;
        assert_eq!(rows(&store), expected);
        let before = disk.syncs();
        store.grant_consent(crate::store::contract::sample::given("u", "app", "a"), NOW).await.unwrap();
        assert_eq!(disk.syncs() - before, commit, "as many as any other change");
    }
}

#[tokio::test]
async fn an_event_whose_change_failed_is_not_there_and_nobody_hears_of_it() {
    let disk = Faulty::default();
    let store = disk.store();
    store.keep_events(Ledger {
        outboxes: vec![Outbox { name: "hook".into(), kinds: EventKinds::parse("*").unwrap() }],
        ..ledger()
    });
    let mut feed = store.feed(10);
    disk.fail_sync_after(0);
    assert!(matches!(store.create_client(client("lost")).await, Err(StoreError::Unavailable(_))));
    loop {
        match store.create_client(client("kept")).await {
            Ok(put) => break assert!(matches!(put, Put::Done(_))),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    assert_eq!(feed.next().await.unwrap().what.client.as_ref().unwrap().as_str(), "kept");
    let clients: Vec<_> = store.clients(None, 10).await.unwrap().items.iter().map(|client| client.id.clone()).collect();
    let events = store.events(&EventFilter::default(), None, 10).await.unwrap().items;
    let told: Vec<_> = events.iter().rev().filter_map(|event| event.what.client.clone()).collect();
    let mut pending: Vec<_> =
        store.pending_events("hook", 10).await.unwrap().into_iter().filter_map(|event| event.what.client).collect();
    pending.sort();
    assert_eq!((clients.len(), &pending), (told.len(), &clients), "each change with its event, or neither");
}

#[tokio::test]
async fn what_waits_to_be_sent_outlives_the_process() {
    let disk = Faulty::default();
    let store = disk.store();
    let outboxes = vec![Outbox { name: "hook".into(), kinds: EventKinds::parse("client.*").unwrap() }];
    store.keep_events(Ledger { outboxes, ..ledger() });
    store.create_client(client("a")).await.unwrap();
    let before = store.pending_events("hook", 10).await.unwrap();
    drop(store);
    let store = disk.store_again();
    assert_eq!(store.pending_events("hook", 10).await.unwrap(), before);
    assert_eq!((before.len(), rows(&store)), (1, (1, 1)));
}
