use super::for_every_engine;
use super::sample::{NOW, given, secs};
use crate::model::id::{ClientId, UserId};
use crate::model::scope::Scope;
use crate::store::Store;

async fn consents_are_merged(store: Store) {
    let (user, client) = (UserId::new("u"), ClientId::new("app"));
    assert!(store.consent(&user, &client).await.unwrap().is_none());
    store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    let wider = store.grant_consent(given("u", "app", "email"), NOW + secs(1)).await.unwrap();
    assert_eq!(wider.scope.to_string(), "openid email");
    assert_eq!(store.consent(&user, &client).await.unwrap(), Some(wider));
}

async fn racing_consents_are_all_in_the_sum(store: Store) {
    let mut race = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = store.clone();
        race.spawn(async move { store.grant_consent(given("u", "app", &format!("s{number}")), NOW).await.unwrap() });
    }
    race.join_all().await;
    let consent = store.consent(&UserId::new("u"), &ClientId::new("app")).await.unwrap().unwrap();
    assert!((0..16).all(|number| consent.covers(7, &Scope::parse(&format!("s{number}")), NOW)));
}

async fn a_withdrawn_consent_covers_nothing(store: Store) {
    let (user, client) = (UserId::new("u"), ClientId::new("app"));
    assert_eq!(store.withdraw_consent(&user, &client, NOW).await, Ok(false));
    let before = store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    assert!(before.covers(7, &Scope::parse("openid"), NOW));
    assert_eq!(store.withdraw_consent(&user, &client, NOW).await, Ok(true));
    let after = store.consent(&user, &client).await.unwrap().unwrap();
    assert!(!after.covers(7, &Scope::parse("openid"), NOW));
    assert_ne!(after.generation, before.generation);
}

async fn the_consents_of_a_user_come_in_pages(store: Store) {
    for (user, client) in [("u", "b"), ("u", "a"), ("u", "c"), ("u1", "a"), ("t", "z")] {
        store.grant_consent(given(user, client, "openid"), NOW).await.unwrap();
    }
    let user = UserId::new("u");
    let first = store.consents_of(&user, None, 2).await.unwrap();
    let rest = store.consents_of(&user, first.next.as_ref(), 2).await.unwrap();
    let clients = first.items.iter().chain(&rest.items).map(|consent| consent.client.as_str());
    assert_eq!(clients.collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(rest.next, None);
}

for_every_engine! {
    consents_are_merged
    racing_consents_are_all_in_the_sum
    a_withdrawn_consent_covers_nothing
    the_consents_of_a_user_come_in_pages
}
