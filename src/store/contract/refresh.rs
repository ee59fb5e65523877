use std::time::Duration;

use super::for_every_engine;
use super::sample::{Family, Issue, NOW, bearer, secs};
use crate::model::grant::{EndReason, Ended, Rotate, RotateRefusal};
use crate::model::id::{AccessTokenId, Bearer, ClientId, RefreshTokenId};
use crate::store::{Rotation, Store};

/// Whether the store has a refresh token that was neither replaced nor superseded.
async fn in_use(family: &Family, refresh: &Bearer) -> bool {
    let found = family.store.find_refresh_token(refresh).await.unwrap();
    found.is_some_and(|context| context.token.replaced.is_none() && !context.token.superseded)
}

fn retried(successor: &Issue) -> Rotate {
    Rotate::Retried { refresh: RefreshTokenId(successor.refresh.id()), access: AccessTokenId(successor.access.id()) }
}

async fn rfc6749_6_a_refresh_token_is_replaced_at_each_use(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let mut current = first.refresh.clone();
    for round in 1..5 {
        let now = NOW + secs(100 * round);
        let next = family.issue(now);
        assert_eq!(family.rotate(&current, &next, now).await, Rotate::Granted);
        assert!(!in_use(&family, &current).await);
        assert!(in_use(&family, &next.refresh).await);
        assert!(family.opens(&next.access, now).await);
        current = next.refresh;
    }
    assert!(family.opens(&first.access, NOW + secs(500)).await, "earlier access tokens live on");
}

async fn of_64_racing_rotations_one_is_granted(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let now = NOW + secs(100);
    let id = RefreshTokenId(first.refresh.id());
    let mut race = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let next = family.issue(now);
        let (store, rotation) = (family.store.clone(), family.rotation(&first.refresh, &next));
        race.spawn(async move {
            let rotate = store.rotate_refresh(&id, rotation, now).await.unwrap();
            (rotate, store.find_refresh_token(&next.refresh).await.unwrap().is_some())
        });
    }
    let outcomes = race.join_all().await;
    let lost = (Rotate::Refused(RotateRefusal::Race), false);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Rotate::Granted, true)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == lost).count(), 63);
    assert_eq!(family.grant().await.ended, None);
}

async fn rfc9700_4_14_2_a_replayed_refresh_token_ends_its_family(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let second = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &second, NOW).await, Rotate::Granted);

    let late = NOW + Family::GRACE;
    let stolen = family.issue(late);
    assert_eq!(family.rotate(&first.refresh, &stolen, late).await, Rotate::Reused);
    assert_eq!(family.grant().await.ended, Some(Ended { at: late, reason: EndReason::RefreshReuse }));
    assert!(family.store.find_access_token(&stolen.access).await.unwrap().is_none());
    assert!(!family.opens(&first.access, late).await);
    assert!(!family.opens(&second.access, late).await);
    let third = family.issue(late);
    assert_eq!(
        family.rotate(&second.refresh, &third, late).await,
        Rotate::Refused(RotateRefusal::Ended),
        "the latest one is void too"
    );
}

async fn a_retry_within_the_time_of_grace_supersedes_the_unused_successor(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let lost = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &lost, NOW).await, Rotate::Granted);

    let now = NOW + secs(1);
    let second = family.issue(now);
    assert_eq!(family.rotate(&first.refresh, &second, now).await, retried(&lost));
    assert!(!in_use(&family, &lost.refresh).await);
    assert!(family.store.find_access_token(&lost.access).await.unwrap().is_none(), "its access token is deleted");
    assert!(family.opens(&first.access, now).await && family.opens(&second.access, now).await);
    assert_eq!(family.grant().await.ended, None);

    let third = family.issue(now);
    assert_eq!(family.rotate(&second.refresh, &third, now).await, Rotate::Granted);
    assert_eq!(
        family.rotate(&lost.refresh, &family.issue(now), now).await,
        Rotate::Reused,
        "whoever has the lost one isn't the client"
    );
}

async fn of_racing_retries_one_is_granted(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let lost = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &lost, NOW).await, Rotate::Granted);
    let now = NOW + secs(1);
    let (second, third) = (family.issue(now), family.issue(now));
    assert_eq!(family.rotate(&first.refresh, &second, now).await, retried(&lost));
    assert_eq!(family.rotate(&first.refresh, &third, now).await, Rotate::Refused(RotateRefusal::Race));
    assert!(in_use(&family, &second.refresh).await);
}

async fn a_retry_after_the_successor_was_used_ends_the_family(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let second = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &second, NOW).await, Rotate::Granted);
    let third = family.issue(NOW + secs(1));
    assert_eq!(family.rotate(&second.refresh, &third, NOW + secs(1)).await, Rotate::Granted);
    assert_eq!(family.rotate(&first.refresh, &family.issue(NOW), NOW + secs(2)).await, Rotate::Reused);
    assert!(!family.opens(&third.access, NOW + secs(2)).await);
}

async fn a_refused_rotation_changes_nothing(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let next = family.issue(NOW);
    let right = family.rotation(&first.refresh, &next);
    let id = RefreshTokenId(first.refresh.id());
    for (wrong, refusal) in [
        (Rotation { client: ClientId::new("other"), ..right.clone() }, RotateRefusal::ForeignClient),
        (Rotation { digest: next.refresh.digest(), ..right.clone() }, RotateRefusal::Unknown),
    ] {
        assert_eq!(family.store.rotate_refresh(&id, wrong, NOW).await, Ok(Rotate::Refused(refusal)));
    }
    let unknown = RefreshTokenId(bearer(secs(1)).id());
    let refused = family.store.rotate_refresh(&unknown, right, NOW).await;
    assert_eq!(refused, Ok(Rotate::Refused(RotateRefusal::Unknown)));
    assert!(in_use(&family, &first.refresh).await);
    assert!(family.store.find_access_token(&next.access).await.unwrap().is_none());
}

async fn a_refresh_token_expires_at_the_exact_second(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let end = NOW + Family::REFRESH_LIFETIME;
    let next = family.issue(end);
    assert_eq!(family.rotate(&first.refresh, &next, end).await, Rotate::Refused(RotateRefusal::Expired));
    let before = end - Duration::from_millis(1);
    assert_eq!(family.rotate(&first.refresh, &next, before).await, Rotate::Granted);
}

async fn a_used_refresh_token_that_has_expired_ends_nothing(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let end = NOW + Family::REFRESH_LIFETIME;
    let before = end - secs(100);
    let lost = family.issue(NOW);
    assert_eq!(family.rotate(&first.refresh, &lost, before).await, Rotate::Granted);
    let second = family.issue(before);
    assert_eq!(family.rotate(&first.refresh, &second, before + secs(1)).await, retried(&lost));
    // Its row may be gone by then, and so may that of the superseded one: who asks can't tell.
    for used in [&first.refresh, &lost.refresh] {
        let late = family.rotate(used, &family.issue(end), end).await;
        assert_eq!(late, Rotate::Refused(RotateRefusal::Expired));
    }
    assert_eq!(family.grant().await.ended, None);
    assert!(in_use(&family, &second.refresh).await);
}

async fn without_rotation_the_token_stays_in_use(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let id = RefreshTokenId(first.refresh.id());
    let so_far = NOW + Family::REFRESH_LIFETIME;
    for (keep_until, expires_at) in [
        (None, so_far),
        (Some(NOW), so_far),
        (Some(so_far + secs(60)), so_far + secs(60)),
        (Some(so_far + secs(900_000)), first.refresh.id().gone_after()),
    ] {
        let next = family.issue(NOW);
        let mut rotation = Rotation { keep_until, ..family.rotation(&first.refresh, &next) };
        rotation.tokens.refresh = None;
        assert_eq!(family.store.rotate_refresh(&id, rotation, NOW).await, Ok(Rotate::Granted));
        assert!(in_use(&family, &first.refresh).await);
        assert!(family.opens(&next.access, NOW).await);
        let (token, _) = family.store.refresh_token(&id).await.unwrap().unwrap();
        assert_eq!(token.expires_at, expires_at, "{keep_until:?}");
    }
}

async fn a_rotation_may_end_the_access_token_before(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let ending = |shown: &Bearer, next: &Issue| Rotation { ends_access: true, ..family.rotation(shown, next) };
    let id = RefreshTokenId(first.refresh.id());
    let lost = family.issue(NOW);
    assert_eq!(family.store.rotate_refresh(&id, ending(&first.refresh, &lost), NOW).await, Ok(Rotate::Granted));
    assert!(!family.opens(&first.access, NOW).await && family.opens(&lost.access, NOW).await);

    let (now, second) = (NOW + secs(1), family.issue(NOW));
    assert_eq!(family.store.rotate_refresh(&id, ending(&first.refresh, &second), now).await, Ok(retried(&lost)));
    assert!(!family.opens(&lost.access, now).await && family.opens(&second.access, now).await);

    // A token that stays in use knows the one that it was used for last.
    let mut before = second.access.clone();
    for _ in 0..2 {
        let next = family.issue(now);
        let mut rotation = ending(&second.refresh, &next);
        rotation.tokens.refresh = None;
        let id = RefreshTokenId(second.refresh.id());
        assert_eq!(family.store.rotate_refresh(&id, rotation, now).await, Ok(Rotate::Granted));
        assert!(!family.opens(&before, now).await && family.opens(&next.access, now).await);
        before = next.access;
    }
}

for_every_engine! {
    rfc6749_6_a_refresh_token_is_replaced_at_each_use
    of_64_racing_rotations_one_is_granted
    rfc9700_4_14_2_a_replayed_refresh_token_ends_its_family
    a_retry_within_the_time_of_grace_supersedes_the_unused_successor
    of_racing_retries_one_is_granted
    a_retry_after_the_successor_was_used_ends_the_family
    a_refused_rotation_changes_nothing
    a_refresh_token_expires_at_the_exact_second
    a_used_refresh_token_that_has_expired_ends_nothing
    without_rotation_the_token_stays_in_use
    a_rotation_may_end_the_access_token_before
}
