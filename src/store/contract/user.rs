use super::for_every_engine;
use super::sample::{NOW, bearer, given, secs, session, user};
use crate::model::id::{SessionId, UserId};
use crate::model::user::User;
use crate::store::{Put, Store};

async fn found(store: &Store, username: &str) -> Option<String> {
    store.user_by_username(username).await.unwrap().map(|user| user.id.to_string())
}

async fn user_names_are_unique_without_regard_to_case(store: Store) {
    let mut ada = user("1", "Ada");
    ada.claims.insert("email".into(), "ada@example.com".into());
    assert_eq!(store.create_user(ada.clone()).await, Ok(Put::Done(User { version: 1, ..ada.clone() })));
    assert_eq!(store.create_user(user("2", "ADA")).await, Ok(Put::Exists));
    assert_eq!(store.create_user(user("1", "Grace")).await, Ok(Put::Exists), "an id is taken");
    assert_eq!(found(&store, " aDa ").await.as_deref(), Some("1"));
    assert_eq!(found(&store, "Grace").await, None);
    let read = store.user(&ada.id).await.unwrap().unwrap();
    assert_eq!((read.username.as_str(), &read.claims), ("Ada", &ada.claims));
}

async fn of_racing_creations_under_one_name_one_wins(store: Store) {
    let mut race = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = store.clone();
        race.spawn(async move { store.create_user(user(&number.to_string(), "Ada")).await.unwrap() });
    }
    let puts = race.join_all().await;
    assert_eq!(puts.iter().filter(|put| matches!(put, Put::Done(_))).count(), 1);
    assert_eq!(store.users(None, 10).await.unwrap().items.len(), 1);
}

async fn a_renamed_user_leaves_the_old_name_free(store: Store) {
    let Put::Done(ada) = store.create_user(user("1", "Ada")).await.unwrap() else { panic!() };
    let Put::Done(grace) = store.create_user(user("2", "Grace")).await.unwrap() else { panic!() };
    let taken = User { username: "GRACE".into(), ..ada.clone() };
    assert_eq!(store.update_user(taken).await, Ok(Put::Exists));
    assert_eq!(store.user(&ada.id).await.unwrap().unwrap().version, 1, "nothing was stored");

    let Put::Done(ada) = store.update_user(User { username: "Lovelace".into(), ..ada }).await.unwrap() else {
        panic!()
    };
    assert_eq!(ada.version, 2);
    assert_eq!(found(&store, "ada").await, None);
    assert_eq!(found(&store, "lovelace").await.as_deref(), Some("1"));

    let Put::Done(ada) = store.update_user(User { username: "LoveLace".into(), ..ada }).await.unwrap() else {
        panic!()
    };
    assert_eq!(store.user_by_username("lovelace").await.unwrap().unwrap().username, "LoveLace", "only its case");

    assert!(matches!(store.update_user(User { username: "Ada".into(), ..grace }).await, Ok(Put::Done(_))));
    assert_eq!(found(&store, "ada").await.as_deref(), Some("2"));
    assert_eq!(found(&store, "grace").await, None);
    assert_eq!(store.update_user(User { version: 1, ..ada }).await, Ok(Put::Conflict { version: 3 }));
    assert_eq!(store.update_user(user("3", "Nobody")).await, Ok(Put::Missing));
}

async fn users_are_listed_by_name(store: Store) {
    for (id, name) in [("1", "Cleo"), ("2", "ada"), ("3", "Bob"), ("4", "élan")] {
        store.create_user(user(id, name)).await.unwrap();
    }
    let first = store.users(None, 2).await.unwrap();
    assert_eq!(first.items.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["ada", "Bob"]);
    let rest = store.users(first.next.as_deref(), 2).await.unwrap();
    assert_eq!(rest.items.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["Cleo", "élan"]);
    assert_eq!(rest.next, None);
}

async fn a_deleted_user_takes_name_sessions_and_consents_along(store: Store) {
    let (ada, bob) = (user("1", "Ada"), user("11", "Bob"));
    store.create_user(ada.clone()).await.unwrap();
    store.create_user(bob.clone()).await.unwrap();
    let (hers, his) = (bearer(secs(60)), bearer(secs(60)));
    store.start_session(session(&hers, &ada), None).await.unwrap();
    store.start_session(session(&his, &bob), None).await.unwrap();
    store.grant_consent(given("1", "app", "openid"), NOW).await.unwrap();
    store.grant_consent(given("11", "app", "openid"), NOW).await.unwrap();

    assert_eq!(store.delete_user(&ada.id).await, Ok(true));
    assert_eq!(store.delete_user(&ada.id).await, Ok(false));
    assert!(store.user(&ada.id).await.unwrap().is_none());
    assert!(store.session(&SessionId(hers.id())).await.unwrap().is_none());
    assert!(store.sessions_of(&ada.id, None, 10).await.unwrap().items.is_empty());
    assert!(store.consents_of(&ada.id, None, 10).await.unwrap().items.is_empty());
    assert_eq!(store.sessions_of(&bob.id, None, 10).await.unwrap().items.len(), 1);
    assert_eq!(store.consents_of(&bob.id, None, 10).await.unwrap().items.len(), 1);
    assert!(matches!(store.create_user(user("2", "ada")).await, Ok(Put::Done(_))), "the name is free");
    assert!(store.user(&UserId::new("2")).await.unwrap().is_some());
}

for_every_engine! {
    user_names_are_unique_without_regard_to_case
    of_racing_creations_under_one_name_one_wins
    a_renamed_user_leaves_the_old_name_free
    users_are_listed_by_name
    a_deleted_user_takes_name_sessions_and_consents_along
}
