//! The queue and its thread.

use std::sync::mpsc;

use super::super::tables::{ACCESS_TOKENS, CLIENTS, USERS};
use super::fault::Faulty;
use super::*;
use crate::model::id::{ClientId, UserId};
use crate::store::Put;
use crate::store::contract::sample::{Family, NOW, client, user};

fn memory(options: &Options) -> Store {
    Store::in_memory(key(), options).unwrap()
}

/// Occupies the writer until the sender is used or dropped; the writer has begun when this returns.
fn occupy(engine: &Embedded) -> mpsc::Sender<()> {
    let (gate, opened) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    let job = engine.0.writer.submit(move |_| {
        begun.send(()).unwrap();
        let _ = opened.recv();
        Ok(())
    });
    drop(job.unwrap());
    begins.recv().unwrap();
    gate
}

/// Polls a future once and drops it, as a client that goes away does.
async fn abandon(future: impl Future) {
    tokio::select! {
        biased;
        _ = future => panic!("the writer is occupied"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_busy_at_once() {
    let store = memory(&Options { queue: 2, ..Options::default() });
    let gate = occupy(engine(&store));
    abandon(store.create_client(client("a"))).await;
    abandon(store.create_client(client("b"))).await;
    assert!(matches!(store.create_client(client("c")).await, Err(StoreError::Busy)));
    assert!(store.clients(None, 10).await.unwrap().items.is_empty(), "reads go on");
    assert!(store.is_healthy());
    gate.send(()).unwrap();
    while let Err(error) = store.create_client(client("d")).await {
        assert_eq!(error, StoreError::Busy);
        tokio::task::yield_now().await;
    }
    let ids = store.clients(None, 10).await.unwrap().items.into_iter().map(|client| client.id.to_string());
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "b", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_happens_though_nobody_waits_for_it() {
    let store = memory(&Options::default());
    let gate = occupy(engine(&store));
    for number in 0..50 {
        abandon(store.create_client(client(&format!("{number:02}")))).await;
    }
    drop(store.create_client(client("never polled")));
    gate.send(()).unwrap();
    assert!(matches!(store.create_client(client("last")).await, Ok(Put::Done(_))));
    assert_eq!(store.clients(None, 100).await.unwrap().items.len(), 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_written_before_the_store_closes() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let gate = occupy(engine(&store));
    for number in 0..50 {
        abandon(store.create_client(client(&number.to_string()))).await;
    }
    gate.send(()).unwrap();
    drop(store);
    assert_eq!(faulty.store_again().clients(None, 100).await.unwrap().items.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_share_a_commit() {
    let store = memory(&Options::default());
    let gate = occupy(engine(&store));
    for number in 0..600 {
        abandon(store.create_client(client(&number.to_string()))).await;
    }
    let before = store.revision().clients;
    gate.send(()).unwrap();
    store.create_client(client("last")).await.unwrap();
    assert_eq!(store.revision().clients - before, 3, "601 writes at 256 a commit");
    assert_eq!(store.clients(None, 1000).await.unwrap().items.len(), 601);
}

#[tokio::test]
async fn refusals_alone_wait_for_no_disk() {
    let faulty = Faulty::default();
    let store = faulty.store();
    store.create_client(client("a")).await.unwrap();
    let before = (faulty.syncs(), store.revision());
    assert!(matches!(store.create_client(client("a")).await, Ok(Put::Exists)));
    assert!(matches!(store.update_client(client("b")).await, Ok(Put::Missing)));
    assert_eq!(store.delete_client(&ClientId::new("b")).await, Ok(false));
    assert_eq!(store.delete_user(&UserId::new("b")).await, Ok(false));
    assert_eq!(store.sweep(NOW, 10).await, Ok(0));
    assert_eq!((faulty.syncs(), store.revision()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_takes_its_batch_along_and_nothing_else() {
    let store = memory(&Options::default());
    let engine = engine(&store);
    let gate = occupy(engine);
    let before = engine.0.writer.submit(|change| CLIENTS.put(change, "before", &client("before"))).unwrap();
    let panics = engine.0.writer.submit(|change| -> Result<(), Fault> {
        CLIENTS.put(change, "half", &client("half"))?;
        panic!("this is part of the test")
    });
    let after = engine.0.writer.submit(|change| CLIENTS.put(change, "after", &client("after"))).unwrap();
    gate.send(()).unwrap();
    for answer in [before, panics.unwrap(), after] {
        assert!(matches!(answer.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
    assert!(store.is_healthy());
    assert!(store.clients(None, 10).await.unwrap().items.is_empty());
    assert!(matches!(store.create_client(client("a")).await, Ok(Put::Done(_))));
    assert_eq!(store.clients(None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_the_trouble_of_those_who_need_it() {
    let store = memory(&Options::default());
    let (family, issue) = Family::redeemed(store).await;
    let store = &family.store;
    let engine = engine(store);
    engine.write(|change| USERS.put_raw(change, "u", &[1, 0xff])).await.unwrap();
    assert!(matches!(store.user(&family.user.id).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.find_access_token(&issue.access).await, Err(StoreError::Corrupt(_))));

    let gate = occupy(engine);
    let (first, second) = (store.clone(), store.clone());
    let needs_it = tokio::spawn(async move { first.update_user(user("u", "Ada")).await });
    let needs_it_not = tokio::spawn(async move { second.create_user(user("v", "Bob")).await });
    tokio::task::yield_now().await;
    gate.send(()).unwrap();
    assert!(matches!(needs_it.await.unwrap(), Err(StoreError::Corrupt(_))));
    assert!(matches!(needs_it_not.await.unwrap(), Ok(Put::Done(_))));
    assert!(store.is_healthy());

    engine.write(|change| USERS.put_raw(change, "u", &[2, 0x80])).await.unwrap();
    assert_eq!(store.user(&family.user.id).await, Err(StoreError::NewerFormat));

    let id = issue.access.id();
    engine.write(move |change| ACCESS_TOKENS.put_raw(change, id.as_bytes(), b"")).await.unwrap();
    let later = id.gone_after() + std::time::Duration::from_secs(1);
    assert_eq!(store.sweep(later, 10).await, Ok(4), "a row that can't be read leaves all the same");
}
