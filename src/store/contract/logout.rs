//! What ends when a user logs out of the session it was granted in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::for_every_engine;
use super::sample::{Family, NOW, bearer, secs, session, user};
use crate::base::clock::Timestamp;
use crate::model::grant::{Grant, Redeem, RedeemRefusal, Rotate, RotateRefusal, Void};
use crate::model::id::{Bearer, CodeId, GrantId, SessionId};
use crate::model::scope::Scope;
use crate::model::session::{EndedGrants, EndedSession};
use crate::store::{Displaced, OwnedRedemption, Store};

/// Until when it matters that a session has ended.
const NEEDED_UNTIL: Timestamp = Timestamp::from_secs(NOW.as_secs() + 200_000);

/// A live session of the user of a [`Family`].
async fn live_session(store: &Store) -> SessionId {
    let value = bearer(secs(100_000));
    store.start_session(session(&value, &user("u", "Ada")), None).await.unwrap().sid()
}

async fn log_out(store: &Store, sid: SessionId, grants: EndedGrants) -> bool {
    store.end_session(&sid, Some(EndedSession { sid, grants, needed_until: NEEDED_UNTIL })).await.unwrap()
}

/// Redeems a code of a further grant of a family's.
async fn redeem(family: &Family, code: &Bearer) -> (Redeem, Bearer) {
    let issue = family.issue(NOW);
    let mut tokens = issue.tokens.clone();
    tokens.access.grant = GrantId(code.id());
    tokens.refresh = None;
    let redemption = OwnedRedemption { digest: code.digest(), ..family.redemption() };
    (family.store.redeem_code(&CodeId(code.id()), redemption, tokens, NOW).await.unwrap(), issue.access)
}

/// A code for a further grant, in a session and with a scope.
async fn code(family: &Family, sid: SessionId, scope: &str) -> Bearer {
    let bearer = bearer(secs(100_000));
    let scope = Scope::parse(scope);
    let grant = Grant { id: GrantId(bearer.id()), session: Some(sid), scope, ..family.granted.clone() };
    family.store.put_code(Family::code_for(&bearer, grant), None, Displaced::default()).await.unwrap();
    bearer
}

async fn backchannel_2_7_what_was_granted_in_a_session_ends_with_it(store: Store) {
    let sid = live_session(&store).await;
    let (family, issue) = Family::redeemed_in(store, Some(sid)).await;
    let waiting = code(&family, sid, "openid").await;
    assert!(family.opens(&issue.access, NOW).await, "and is cached now");
    assert!(log_out(&family.store, sid, EndedGrants::Online).await);
    assert!(!family.opens(&issue.access, NOW).await);
    let refresh = family.store.find_refresh_token(&issue.refresh).await.unwrap().unwrap();
    assert_eq!(refresh.voided_by(&family.client, NOW), Some(Void::SessionEnded));
    let rotated = family.rotate(&issue.refresh, &family.issue(NOW), NOW).await;
    assert_eq!(rotated, Rotate::Refused(RotateRefusal::Ended));
    let found = family.store.find_code(&waiting).await.unwrap().unwrap();
    assert_eq!(found.voided_by(&family.client, NOW), Some(Void::SessionEnded));
    let (redeemed, access) = redeem(&family, &waiting).await;
    assert_eq!(redeemed, Redeem::Refused(RedeemRefusal::SessionEnded));
    assert!(!family.opens(&access, NOW).await);
}

async fn backchannel_2_7_what_is_granted_for_the_users_absence_stays_unless_all_ends(store: Store) {
    let (sid, other) = (live_session(&store).await, live_session(&store).await);
    let family = Family::start(store).await;
    let mut kept = Vec::new();
    for (session, scope) in [(sid, "openid offline_access"), (other, "openid"), (sid, "openid")] {
        let code = code(&family, session, scope).await;
        kept.push(redeem(&family, &code).await.1);
    }
    log_out(&family.store, sid, EndedGrants::Online).await;
    let opens = async || {
        [family.opens(&kept[0], NOW).await, family.opens(&kept[1], NOW).await, family.opens(&kept[2], NOW).await]
    };
    assert_eq!(opens().await, [true, true, false]);
    assert!(!log_out(&family.store, sid, EndedGrants::All).await, "it has ended");
    assert_eq!(opens().await, [true, true, false], "and nothing more ends with it");
    log_out(&family.store, other, EndedGrants::All).await;
    assert_eq!(opens().await, [true, false, false]);
    let third = live_session(&family.store).await;
    let code = code(&family, third, "openid offline_access").await;
    let access = redeem(&family, &code).await.1;
    log_out(&family.store, third, EndedGrants::All).await;
    assert!(!family.opens(&access, NOW).await);
}

async fn a_session_that_ends_alone_takes_nothing_along(store: Store) {
    let sid = live_session(&store).await;
    let (family, issue) = Family::redeemed_in(store, Some(sid)).await;
    assert_eq!(family.store.end_session(&sid, None).await, Ok(true));
    assert!(family.opens(&issue.access, NOW).await);
}

async fn what_ended_with_its_session_stays_ended_for_as_long_as_it_could_live(store: Store) {
    let sid = live_session(&store).await;
    let (family, issue) = Family::redeemed_in(store, Some(sid)).await;
    log_out(&family.store, sid, EndedGrants::Online).await;
    let swept = family.store.sweep(NOW + secs(99_999), 100).await.unwrap();
    assert_eq!(swept, 0, "what ends then isn't gone yet");
    assert!(!family.opens(&issue.access, NOW).await);
    while family.store.sweep(NEEDED_UNTIL, 100).await.unwrap() > 0 {}
    assert_eq!(family.store.sweep(NEEDED_UNTIL, 100).await, Ok(0), "needed at that very moment");
    assert_eq!(family.store.sweep(NEEDED_UNTIL + secs(1), 100).await, Ok(1));
    assert_eq!(family.store.sweep(NEEDED_UNTIL + secs(1), 100).await, Ok(0));
}

async fn codes_that_are_redeemed_while_their_user_logs_out_give_nothing_that_lives(store: Store) {
    let sid = live_session(&store).await;
    let family = Arc::new(Family::start(store).await);
    let mut codes = Vec::new();
    for _ in 0..60 {
        codes.push(code(&family, sid, "openid").await);
    }
    let done = Arc::new(AtomicUsize::new(0));
    let working = tokio::spawn({
        let (family, done) = (Arc::clone(&family), Arc::clone(&done));
        async move {
            let mut outcomes = Vec::new();
            for code in &codes {
                outcomes.push(redeem(&family, code).await);
                done.fetch_add(1, Ordering::SeqCst);
            }
            outcomes
        }
    });
    while done.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    assert!(log_out(&family.store, sid, EndedGrants::Online).await);
    let outcomes = working.await.unwrap();
    let refused = outcomes.iter().position(|(outcome, _)| *outcome != Redeem::Granted).unwrap_or(outcomes.len());
    assert!(refused >= 5, "it began before");
    for (outcome, access) in &outcomes[refused..] {
        assert_eq!(*outcome, Redeem::Refused(RedeemRefusal::SessionEnded), "and none after it");
        assert!(family.store.find_access_token(access).await.unwrap().is_none());
    }
    for (_, access) in &outcomes {
        assert!(!family.opens(access, NOW).await);
    }
}

async fn what_refreshes_while_its_user_logs_out_is_void(store: Store) {
    let sid = live_session(&store).await;
    let (family, first) = Family::redeemed_in(store, Some(sid)).await;
    let family = Arc::new(family);
    let done = Arc::new(AtomicUsize::new(0));
    let working = tokio::spawn({
        let (family, done) = (Arc::clone(&family), Arc::clone(&done));
        async move {
            let (mut current, mut came) = (first.refresh, vec![first.access]);
            loop {
                let next = family.issue(NOW);
                match family.rotate(&current, &next, NOW).await {
                    Rotate::Granted => {
                        current = next.refresh;
                        came.push(next.access);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    other => return (other, came),
                }
            }
        }
    });
    while done.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    assert!(log_out(&family.store, sid, EndedGrants::Online).await);
    let (end, came) = working.await.unwrap();
    assert_eq!(end, Rotate::Refused(RotateRefusal::Ended));
    for access in &came {
        assert!(!family.opens(access, NOW).await);
    }
}

for_every_engine! {
    backchannel_2_7_what_was_granted_in_a_session_ends_with_it
    backchannel_2_7_what_is_granted_for_the_users_absence_stays_unless_all_ends
    a_session_that_ends_alone_takes_nothing_along
    what_ended_with_its_session_stays_ended_for_as_long_as_it_could_live
    codes_that_are_redeemed_while_their_user_logs_out_give_nothing_that_lives
    what_refreshes_while_its_user_logs_out_is_void
}
