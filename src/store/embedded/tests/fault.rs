//! Input and output errors.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use redb::StorageBackend;

use super::*;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::store::Put;
use crate::store::contract::sample::{Family, NOW, client, secs};

/// A disk that can be made to fail, and outlives the store on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Faulty {
    memory: Memory,
    /// Everything fails.
    down: Arc<AtomicBool>,
    /// So many syncs succeed, then one fails; 0 is none.
    fails_at: Arc<AtomicUsize>,
    syncs: Arc<AtomicUsize>,
}

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

impl Faulty {
    fn options() -> Options {
        // Nothing from the cache, so that reads reach the disk; no waiting.
        Options { cache_bytes: 0, retry: Duration::ZERO, ..Options::default() }
    }

    fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move || builder(0).create_with_backend(disk.clone()))
    }

    /// A new store on the disk.
    pub(super) fn store(&self) -> Store {
        let key = ServerKey::parse(KEY).unwrap();
        Store::Embedded(Embedded::new(self.opener(), key, &Self::options()).unwrap())
    }

    /// The store that is on the disk.
    pub(super) fn store_again(&self) -> Store {
        let key = ServerKey::parse(KEY).unwrap();
        let engine = Engine::open(self.opener(), || Ok(key), &Self::options()).unwrap();
        Store::Embedded(Embedded::start(engine, &Self::options()).unwrap())
    }

    pub(super) fn syncs(&self) -> usize {
        self.syncs.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Lets the sync after `count` others fail, once.
    pub(super) fn fail_sync_after(&self, count: usize) {
        self.fails_at.store(count + 1, Ordering::SeqCst);
    }

    fn up(&self) -> io::Result<()> {
        if self.down.load(Ordering::SeqCst) { Err(io::Error::other("the disk is down")) } else { Ok(()) }
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.up()?;
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.up()?;
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.up()?;
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.up()?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let count = |left: usize| left.checked_sub(1);
        if self.fails_at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1) {
            return Err(io::Error::other("the sync failed"));
        }
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.up()?;
        self.memory.write(offset, data)
    }
}

fn unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn after_a_failed_commit_the_store_opens_itself_again() {
    for succeeds in 0..2 {
        let disk = Faulty::default();
        let store = disk.store();
        let Put::Done(before) = store.create_client(client("a")).await.unwrap() else { panic!("a new client") };
        let cached = store.client(&before.id).await.unwrap().unwrap();
        assert_eq!(cached.name, "A");
        let revision = store.revision();

        disk.fail_sync_after(succeeds);
        let changed = Client { name: "B".into(), secret: Some(Secret::new("b")), ..before };
        assert!(unavailable(&store.update_client(changed.clone()).await), "sync {succeeds}");

        // Nobody knows whether it happened: a retry finds out.
        let version = match store.update_client(changed).await.unwrap() {
            Put::Done(client) => client.version,
            Put::Conflict { version } => version,
            other => panic!("{other:?}"),
        };
        assert_eq!(version, 2);
        assert!(store.is_healthy());
        let read = store.client(&ClientId::new("a")).await.unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.version), ("B", 2), "the cache doesn't keep the old one");
        assert!(read.secret.as_ref().unwrap().matches("b"), "all of it or nothing");
        assert!(store.revision().clients > revision.clients && store.revision().keys > revision.keys);

        drop(store);
        let again = disk.store_again().client(&ClientId::new("a")).await.unwrap().unwrap();
        assert_eq!(again.name, "B");
    }
}

#[tokio::test]
async fn all_writes_of_a_failed_commit_are_told() {
    let disk = Faulty::default();
    let store = disk.store();
    store.create_client(client("a")).await.unwrap();
    disk.fail_sync_after(0);
    let (refused, made) = tokio::join!(store.create_client(client("a")), store.create_client(client("b")));
    // They may have shared a batch or not; the one that writes fails in any case.
    assert!(unavailable(&made));
    assert!(unavailable(&refused) || matches!(refused, Ok(Put::Exists)));
    assert!(matches!(store.create_client(client("c")).await, Ok(Put::Done(_))));
}

#[tokio::test]
async fn while_the_disk_is_down_only_cached_clients_answer() {
    let disk = Faulty::default();
    let (family, issue) = Family::redeemed(disk.store()).await;
    let store = &family.store;
    store.client(&family.client.id).await.unwrap();

    disk.set_down(true);
    for _ in 0..3 {
        let next = family.issue(NOW);
        let rotation = family.rotation(&issue.refresh, &next);
        let id = crate::model::id::RefreshTokenId(issue.refresh.id());
        assert!(unavailable(&store.rotate_refresh(&id, rotation, NOW + secs(1)).await));
        assert!(!store.is_healthy());
        assert!(unavailable(&store.find_access_token(&issue.access).await));
        assert!(store.client(&family.client.id).await.unwrap().is_some());
    }

    disk.set_down(false);
    let next = family.issue(NOW);
    assert_eq!(family.rotate(&issue.refresh, &next, NOW + secs(1)).await, crate::model::grant::Rotate::Granted);
    assert!(store.is_healthy());
    assert!(family.opens(&next.access, NOW + secs(1)).await);
}

#[tokio::test]
async fn a_failed_read_has_the_store_opened_again() {
    let disk = Faulty::default();
    let (family, issue) = Family::redeemed(disk.store()).await;
    disk.set_down(true);
    assert!(unavailable(&family.store.find_access_token(&issue.access).await));
    assert!(!family.store.is_healthy());
    disk.set_down(false);
    // No write comes: the writer sees to it by itself.
    while !family.store.is_healthy() {
        tokio::task::yield_now().await;
    }
    assert!(family.opens(&issue.access, NOW).await);
}

#[test]
fn a_store_that_cannot_be_made_or_opened_says_so() {
    let disk = Faulty::default();
    drop(disk.store());
    disk.set_down(true);
    let key = || ServerKey::parse(KEY).unwrap();
    assert!(unavailable(&Embedded::new(disk.opener(), key(), &Faulty::options())));
    assert!(
        Engine::open(disk.opener(), || Ok(key()), &Faulty::options())
            .is_err_and(|error| matches!(error, StoreError::Unavailable(_)))
    );
    disk.set_down(false);
    assert!(disk.store_again().is_healthy());
}
