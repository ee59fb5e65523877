use zeroize::Zeroizing;

use super::for_every_engine;
use super::sample::{NOW, secs};
use crate::jose::alg::Algorithm;
use crate::jose::jwk::PublicKey;
use crate::model::id::KeyId;
use crate::model::key::{Due, KeyRefusal, KeyState, Schedule, SigningKey};
use crate::store::{NewKey, Put, Store};

fn key(id: &str, age: u64) -> NewKey {
    NewKey {
        id: KeyId::new(id),
        algorithm: Algorithm::Rs256,
        public: PublicKey::rsa(&[255; 256], &[1, 0, 1]).unwrap(),
        created_at: NOW - secs(age),
        pkcs8_der: Zeroizing::new(format!("the private part of {id}").into_bytes()),
    }
}

async fn add(store: &Store, id: &str, age: u64) -> SigningKey {
    match store.add_key(key(id, age)).await.unwrap() {
        Put::Done(key) => key,
        other => panic!("{other:?}"),
    }
}

async fn states(store: &Store) -> Vec<(String, KeyState)> {
    store.keys().await.unwrap().into_iter().map(|key| (key.id.to_string(), key.state)).collect()
}

async fn the_first_key_signs_and_later_ones_wait(store: Store) {
    let before = store.revision();
    let first = add(&store, "b", 1).await;
    assert_eq!((first.state, first.activated_at), (KeyState::Active, Some(NOW - secs(1))));
    let second = add(&store, "a", 0).await;
    assert_eq!((second.state, second.activated_at), (KeyState::Next, None));
    assert_eq!(store.keys().await.unwrap(), [first, second], "oldest first");
    assert!(matches!(store.add_key(key("a", 0)).await, Ok(Put::Exists)));
    assert_eq!((store.revision().keys, store.revision().clients), (before.keys + 2, before.clients));
}

async fn of_racing_first_keys_one_signs(store: Store) {
    let mut race = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = store.clone();
        race.spawn(async move { store.add_key(key(&number.to_string(), 0)).await.unwrap() });
    }
    race.join_all().await;
    let active = states(&store).await.into_iter().filter(|(_, state)| *state == KeyState::Active);
    assert_eq!(active.count(), 1);
}

async fn private_parts_are_apart(store: Store) {
    add(&store, "b", 0).await;
    add(&store, "a", 0).await;
    let private = store.private_key(&KeyId::new("a")).await.unwrap().unwrap();
    assert_eq!(private.as_slice(), b"the private part of a");
    assert!(store.private_key(&KeyId::new("c")).await.unwrap().is_none());
}

async fn a_promoted_key_signs_and_the_one_before_it_retires(store: Store) {
    add(&store, "a", 2).await;
    add(&store, "b", 1).await;
    add(&store, "c", 0).await;
    let (a, b, c) = (KeyId::new("a"), KeyId::new("b"), KeyId::new("c"));
    let changed = store.promote_key(&b, NOW).await.unwrap().unwrap();
    assert_eq!(changed.len(), 2);
    assert_eq!(
        states(&store).await,
        [("a".into(), KeyState::Retired), ("b".into(), KeyState::Active), ("c".into(), KeyState::Next)]
    );
    assert_eq!(store.promote_key(&b, NOW).await, Ok(Err(KeyRefusal::Already(KeyState::Active))));
    assert_eq!(store.promote_key(&KeyId::new("d"), NOW).await, Ok(Err(KeyRefusal::Unknown)));

    assert_eq!(store.retire_key(&b, NOW).await, Ok(Err(KeyRefusal::Active)));
    assert_eq!(store.retire_key(&a, NOW).await, Ok(Err(KeyRefusal::Already(KeyState::Retired))));
    assert_eq!(store.retire_key(&c, NOW).await.unwrap().unwrap().state, KeyState::Retired);

    assert_eq!(store.delete_key(&b).await, Ok(Err(KeyRefusal::Active)));
    assert_eq!(store.delete_key(&a).await, Ok(Ok(())));
    assert_eq!(store.delete_key(&a).await, Ok(Err(KeyRefusal::Unknown)));
    assert!(store.private_key(&a).await.unwrap().is_none());
    assert_eq!(states(&store).await, [("b".into(), KeyState::Active), ("c".into(), KeyState::Retired)]);
}

const SCHEDULE: Schedule = Schedule {
    rotate_every: secs(100),
    publish_ahead: secs(10),
    publish_after: secs(20),
    id_token: secs(20),
    accept_after: secs(50),
};

async fn keys_change_when_it_is_time(store: Store) {
    add(&store, "a", 0).await;
    let rotate = async |after: u64| store.rotate_keys(SCHEDULE, NOW + secs(after)).await.unwrap();
    let has_private = async |id: &str| store.private_key(&KeyId::new(id)).await.unwrap().is_some();
    let before = store.revision().keys;
    assert_eq!(rotate(89).await, []);
    assert_eq!(rotate(90).await, [Due::Make { algorithm: Algorithm::Rs256, bits: 2048 }]);
    assert_eq!(store.revision().keys, before, "making is for the caller");
    let next = NewKey { created_at: NOW + secs(90), ..key("b", 0) };
    assert!(matches!(store.add_key(next).await, Ok(Put::Done(_))));

    assert_eq!(rotate(99).await, []);
    let before = store.revision().keys;
    assert_eq!(rotate(100).await, [Due::Promote(KeyId::new("b"))]);
    assert_eq!(rotate(100).await, []);
    assert_eq!(states(&store).await, [("a".into(), KeyState::Retired), ("b".into(), KeyState::Active)]);
    assert!(store.revision().keys > before && has_private("a").await, "it can still be promoted");

    let before = store.revision().keys;
    assert_eq!(rotate(120).await, [Due::Withdraw(KeyId::new("a"))]);
    assert_eq!(states(&store).await, [("a".into(), KeyState::Withdrawn), ("b".into(), KeyState::Active)]);
    assert!(store.revision().keys > before && !has_private("a").await && has_private("b").await);
    assert_eq!(store.promote_key(&KeyId::new("a"), NOW).await, Ok(Err(KeyRefusal::Withdrawn)));
    assert!(matches!(store.add_key(key("a", 0)).await, Ok(Put::Exists)));

    let before = store.revision().keys;
    assert_eq!(rotate(150).await, [Due::Delete(KeyId::new("a"))]);
    assert_eq!(states(&store).await, [("b".into(), KeyState::Active)]);
    assert!(store.revision().keys > before);
}

async fn times_of_a_wrong_clock_are_set_right(store: Store) {
    add(&store, "a", 0).await;
    let ahead = NewKey { created_at: NOW + secs(1_000_000_000), ..key("b", 0) };
    assert!(matches!(store.add_key(ahead).await, Ok(Put::Done(_))));
    let rotate = async |after: u64| store.rotate_keys(SCHEDULE, NOW + secs(after)).await.unwrap();
    assert_eq!(rotate(90).await, [Due::Restamp(KeyId::new("b"))]);
    assert_eq!(store.keys().await.unwrap().last().map(|key| key.created_at), Some(NOW + secs(90)));
    assert_eq!(rotate(99).await, []);
    assert_eq!(rotate(100).await, [Due::Promote(KeyId::new("b"))]);
}

async fn a_step_is_taken_once_however_many_ask(store: Store) {
    for (id, age) in [("a", 100), ("b", 90), ("c", 80)] {
        add(&store, id, age).await;
    }
    let mut race = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        race.spawn(async move { store.rotate_keys(SCHEDULE, NOW).await.unwrap() });
    }
    let taken: Vec<Due> = race.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [Due::Promote(KeyId::new("b"))]);
    assert_eq!(
        states(&store).await,
        [("a".into(), KeyState::Retired), ("b".into(), KeyState::Active), ("c".into(), KeyState::Next)]
    );
}

async fn a_store_can_be_marked_as_made_for_development(store: Store) {
    assert_eq!(store.is_development().await, Ok(false));
    store.mark_development().await.unwrap();
    assert_eq!(store.is_development().await, Ok(true));
}

for_every_engine! {
    the_first_key_signs_and_later_ones_wait
    of_racing_first_keys_one_signs
    private_parts_are_apart
    a_promoted_key_signs_and_the_one_before_it_retires
    keys_change_when_it_is_time
    times_of_a_wrong_clock_are_set_right
    a_step_is_taken_once_however_many_ask
    a_store_can_be_marked_as_made_for_development
}
