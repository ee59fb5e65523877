use super::for_every_engine;
use super::sample::{NOW, bearer, secs, session, user};
use crate::model::id::{Bearer, SessionId};
use crate::model::session::Session;
use crate::store::Store;

async fn a_session_is_found_by_its_bearer_value_only(store: Store) {
    let ada = user("1", "Ada");
    store.create_user(ada.clone()).await.unwrap();
    let value = bearer(secs(60));
    store.start_session(session(&value, &ada), None).await.unwrap();
    let found = store.find_session(&value).await.unwrap().unwrap();
    assert_eq!((found.session.id, found.user.username.as_str()), (SessionId(value.id()), "Ada"));
    assert!(found.session.is_live(&found.user, secs(60), NOW));

    let forged = Session { id: SessionId(value.id()), ..session(&bearer(secs(60)), &ada) };
    store.start_session(forged, None).await.unwrap();
    assert!(store.find_session(&value).await.unwrap().is_none(), "the same id, another secret");
    assert!(store.find_session(&bearer(secs(60))).await.unwrap().is_none());
}

async fn a_new_session_takes_the_place_of_the_old_one(store: Store) {
    let ada = user("1", "Ada");
    let (old, new): (Bearer, Bearer) = (bearer(secs(60)), bearer(secs(60)));
    store.start_session(session(&old, &ada), None).await.unwrap();
    store.start_session(session(&new, &ada), Some(SessionId(old.id()))).await.unwrap();
    assert!(store.session(&SessionId(old.id())).await.unwrap().is_none());
    let left = store.sessions_of(&ada.id, None, 10).await.unwrap();
    assert_eq!(left.items.iter().map(|session| session.id).collect::<Vec<_>>(), [SessionId(new.id())]);
    // One that has gone in the meantime is no obstacle.
    store.start_session(session(&old, &ada), Some(SessionId(bearer(secs(1)).id()))).await.unwrap();
}

async fn a_session_continues_one_that_is_still_there(store: Store) {
    let ada = user("1", "Ada");
    let first = bearer(secs(60));
    let sid = store.start_session(session(&first, &ada), None).await.unwrap().sid();
    assert_eq!(sid, SessionId(first.id()));
    let continuing = || Session { continues: Some(sid), ..session(&bearer(secs(60)), &ada) };
    let second = store.start_session(continuing(), Some(sid)).await.unwrap();
    assert_eq!((second.sid(), second.id == sid), (sid, false));
    assert_eq!(store.session(&second.id).await.unwrap().unwrap().sid(), sid);
    // The one before has ended, perhaps by a logout: whatever ended with it, the new one is another.
    let third = store.start_session(continuing(), Some(sid)).await.unwrap();
    assert_eq!(third.sid(), third.id);
}

async fn ending_a_session_works_once(store: Store) {
    let ada = user("1", "Ada");
    let value = bearer(secs(60));
    store.start_session(session(&value, &ada), None).await.unwrap();
    assert_eq!(store.end_session(&SessionId(value.id()), None).await, Ok(true));
    assert_eq!(store.end_session(&SessionId(value.id()), None).await, Ok(false));
    assert!(store.sessions_of(&ada.id, None, 10).await.unwrap().items.is_empty());
}

async fn only_a_use_that_is_worth_it_is_noted(store: Store) {
    let value = bearer(secs(60));
    let id = SessionId(value.id());
    store.start_session(session(&value, &user("1", "Ada")), None).await.unwrap();
    for (after, seen) in [(1, 0), (299, 0), (300, 300), (599, 300), (600, 600)] {
        store.touch_session(&id, NOW + secs(after)).await.unwrap();
        let session = store.session(&id).await.unwrap().unwrap();
        assert_eq!(session.seen_at, NOW + secs(seen), "after {after} s");
    }
    store.touch_session(&SessionId(bearer(secs(1)).id()), NOW).await.unwrap();
}

async fn the_sessions_of_a_user_come_in_pages(store: Store) {
    let (ada, bob) = (user("1", "Ada"), user("11", "Bob"));
    for minutes in [3, 1, 2] {
        store.start_session(session(&bearer(secs(60 * minutes)), &ada), None).await.unwrap();
        store.start_session(session(&bearer(secs(60 * minutes)), &bob), None).await.unwrap();
    }
    let first = store.sessions_of(&ada.id, None, 2).await.unwrap();
    let rest = store.sessions_of(&ada.id, first.next.as_ref(), 2).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (2, 1, None));
    let sessions = first.items.iter().chain(&rest.items);
    assert!(sessions.clone().all(|session| session.user == ada.id));
    assert!(sessions.map(|session| session.ends_at).is_sorted());
}

for_every_engine! {
    a_session_is_found_by_its_bearer_value_only
    a_new_session_takes_the_place_of_the_old_one
    a_session_continues_one_that_is_still_there
    ending_a_session_works_once
    only_a_use_that_is_worth_it_is_noted
    the_sessions_of_a_user_come_in_pages
}
