use std::collections::BTreeMap;
use std::sync::Arc;

use super::for_every_engine;
use super::sample::{NOW, client, given, user};
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::{ClientId, UserId};
use crate::store::{Page, Put, Store};

fn done(put: Put<Client>) -> Client {
    match put {
        Put::Done(client) => client,
        other => panic!("{other:?}"),
    }
}

async fn clients_are_kept_with_their_secret(store: Store) {
    let made = done(store.create_client(client("a")).await.unwrap());
    assert_eq!(made.version, 1);
    let read = store.client(&made.id).await.unwrap().unwrap();
    assert_eq!((read.name.as_str(), read.version, read.created_at), ("A", 1, NOW));
    assert!(read.secret.as_ref().unwrap().matches("the secret of a"));
    assert!(!format!("{read:?}").contains("the secret"));
    assert!(store.client(&ClientId::new("b")).await.unwrap().is_none());
}

async fn an_id_belongs_to_one_client(store: Store) {
    done(store.create_client(client("a")).await.unwrap());
    let other = Client { name: "Other".into(), ..client("a") };
    assert!(matches!(store.create_client(other).await, Ok(Put::Exists)));
    assert_eq!(store.client(&ClientId::new("a")).await.unwrap().unwrap().name, "A");
}

async fn an_update_of_an_old_version_is_a_conflict(store: Store) {
    let first = done(store.create_client(client("a")).await.unwrap());
    let second = done(store.update_client(Client { name: "Second".into(), ..first.clone() }).await.unwrap());
    assert_eq!(second.version, 2);
    let late = store.update_client(Client { name: "Late".into(), ..first }).await.unwrap();
    assert!(matches!(late, Put::Conflict { version: 2 }));
    assert_eq!(store.client(&second.id).await.unwrap().unwrap().name, "Second");
    assert!(matches!(store.update_client(client("b")).await, Ok(Put::Missing)));
}

async fn of_racing_updates_one_wins(store: Store) {
    let first = done(store.create_client(client("a")).await.unwrap());
    let mut race = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (store, client) = (store.clone(), Client { name: number.to_string(), ..first.clone() });
        race.spawn(async move { store.update_client(client).await.unwrap() });
    }
    let puts = race.join_all().await;
    assert_eq!(puts.iter().filter(|put| matches!(put, Put::Done(_))).count(), 1);
    assert_eq!(puts.iter().filter(|put| matches!(put, Put::Conflict { version: 2 })).count(), 15);
}

async fn a_change_is_in_force_for_the_next_call(store: Store) {
    let mut client = done(store.create_client(client("a")).await.unwrap());
    for round in 0..20 {
        let before = store.revision();
        store.client(&client.id).await.unwrap();
        client.name = round.to_string();
        client.secret = (round % 2 == 0).then(|| Secret::new(round.to_string()));
        client = done(store.update_client(client).await.unwrap());
        let read = store.client(&client.id).await.unwrap().unwrap();
        assert_eq!(read.name, round.to_string());
        assert_eq!(read.secret.is_some(), round % 2 == 0);
        assert_eq!(store.revision().clients, before.clients + 1);
        assert_eq!(store.revision().keys, before.keys);
    }
}

async fn readers_never_go_back_in_time(store: Store) {
    let mut client = done(store.create_client(client("a")).await.unwrap());
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, id) = (store.clone(), client.id.clone());
        readers.spawn(async move {
            let mut last = 0;
            while last < 50 {
                let version = store.client(&id).await.unwrap().unwrap().version;
                assert!(version >= last, "{version} after {last}");
                last = version;
                tokio::task::yield_now().await;
            }
        });
    }
    while client.version < 50 {
        client = done(store.update_client(client).await.unwrap());
        assert_eq!(store.client(&client.id).await.unwrap().unwrap().version, client.version);
    }
    readers.join_all().await;
}

async fn a_deleted_client_takes_its_consents_along(store: Store) {
    done(store.create_client(client("a")).await.unwrap());
    done(store.create_client(client("ab")).await.unwrap());
    store.create_user(user("u", "Ada")).await.unwrap();
    store.grant_consent(given("u", "a", "openid"), NOW).await.unwrap();
    store.grant_consent(given("u", "ab", "openid"), NOW).await.unwrap();
    assert_eq!(store.delete_client(&ClientId::new("a")).await, Ok(true));
    assert_eq!(store.delete_client(&ClientId::new("a")).await, Ok(false));
    assert!(store.client(&ClientId::new("a")).await.unwrap().is_none());
    let left = store.consents_of(&UserId::new("u"), None, 10).await.unwrap();
    assert_eq!(left.items.iter().map(|consent| consent.client.as_str()).collect::<Vec<_>>(), ["ab"]);
    done(store.create_client(client("a")).await.unwrap());
}

async fn pages_hold_everything_once_whatever_else_is_written(store: Store) {
    for number in 0..40 {
        done(store.create_client(client(&format!("keep-{number:02}"))).await.unwrap());
    }
    let noise = {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..40 {
                done(store.create_client(client(&format!("keep-{number:02}-noise"))).await.unwrap());
                store.delete_client(&ClientId::new(format!("keep-{:02}-noise", number / 2))).await.unwrap();
            }
        })
    };
    let mut seen = BTreeMap::new();
    let mut after = None;
    loop {
        let page: Page<Arc<Client>, ClientId> = store.clients(after.as_ref(), 3).await.unwrap();
        assert!(page.items.len() <= 3);
        for client in page.items {
            *seen.entry(client.id.as_str().to_owned()).or_insert(0) += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    noise.await.unwrap();
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(seen.keys().filter(|id| !id.ends_with("noise")).count(), 40);
}

async fn the_last_page_says_so(store: Store) {
    assert_eq!(store.clients(None, 2).await.unwrap().next, None);
    for id in ["c", "a", "b", "d"] {
        done(store.create_client(client(id)).await.unwrap());
    }
    let ids = |page: &Page<Arc<Client>, ClientId>| page.items.iter().map(|c| c.id.to_string()).collect::<Vec<_>>();
    let first = store.clients(None, 2).await.unwrap();
    assert_eq!((ids(&first), first.next.clone()), (vec!["a".into(), "b".into()], Some(ClientId::new("b"))));
    let last = store.clients(first.next.as_ref(), 2).await.unwrap();
    assert_eq!((ids(&last), last.next.clone()), (vec!["c".into(), "d".into()], None));
    assert_eq!(store.clients(None, 0).await.unwrap().items.len(), 1, "a page is never empty while there is more");
    assert_eq!(store.clients(None, usize::MAX).await.unwrap().items.len(), 4);
}

for_every_engine! {
    clients_are_kept_with_their_secret
    an_id_belongs_to_one_client
    an_update_of_an_old_version_is_a_conflict
    of_racing_updates_one_wins
    a_change_is_in_force_for_the_next_call
    readers_never_go_back_in_time
    a_deleted_client_takes_its_consents_along
    pages_hold_everything_once_whatever_else_is_written
    the_last_page_says_so
}
