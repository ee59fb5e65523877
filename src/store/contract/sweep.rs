use std::time::Duration;

use super::for_every_engine;
use super::sample::{Family, NOW, bearer, secs, session, user};
use crate::model::id::SessionId;
use crate::store::Store;

async fn sweeping_leaves_what_is_still_needed(store: Store) {
    let ada = user("1", "Ada");
    let (short, long) = (bearer(secs(10)), bearer(secs(20)));
    for value in [&short, &long] {
        store.start_session(session(value, &ada), None).await.unwrap();
    }
    let (family, issue) = Family::redeemed(store).await;
    let store = &family.store;

    assert_eq!(store.sweep(NOW + secs(10), 100).await, Ok(0), "not before its time is over");
    assert_eq!(store.sweep(NOW + secs(10) + Duration::from_millis(1), 100).await, Ok(1));
    assert!(store.session(&SessionId(short.id())).await.unwrap().is_none());
    let left = store.sessions_of(&ada.id, None, 10).await.unwrap();
    assert_eq!(left.items.iter().map(|session| session.id).collect::<Vec<_>>(), [SessionId(long.id())]);
    assert!(family.opens(&issue.access, NOW).await);

    // The other session, the code, the grant, the access token, the refresh token.
    assert_eq!(store.sweep(NOW + secs(200_000), 100).await, Ok(5));
    assert!(store.grant(&family.id).await.unwrap().is_none());
    assert!(store.find_access_token(&issue.access).await.unwrap().is_none());
    assert!(store.find_refresh_token(&issue.refresh).await.unwrap().is_none());
    assert!(store.user(&family.user.id).await.unwrap().is_some(), "users stay");
    assert!(store.client(&family.client.id).await.unwrap().is_some(), "clients stay");
    assert_eq!(store.sweep(NOW + secs(200_000), 100).await, Ok(0));
}

async fn sweeping_comes_in_slices(store: Store) {
    let ada = user("1", "Ada");
    for _ in 0..10 {
        store.start_session(session(&bearer(secs(10)), &ada), None).await.unwrap();
    }
    let later = NOW + secs(11);
    for swept in [4, 4, 2, 0] {
        assert_eq!(store.sweep(later, 4).await, Ok(swept));
    }
    assert!(store.sessions_of(&ada.id, None, 10).await.unwrap().items.is_empty());
}

for_every_engine! {
    sweeping_leaves_what_is_still_needed
    sweeping_comes_in_slices
}
