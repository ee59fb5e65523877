//! Moves that meet: what was ended stays ended whichever came first, and what wasn't stays whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::for_every_engine;
use super::sample::{Family, Issue, NOW, bearer, client, given, secs, session, user};
use crate::model::client::Client;
use crate::model::grant::{EndReason, Grant, Redeem, Rotate, RotateRefusal};
use crate::model::id::{Bearer, ClientId, CodeId, GrantId, RefreshTokenId, UserId};
use crate::model::user::User;
use crate::store::{Displaced, OwnedRedemption, Put, Store};

/// Where somebody who works and somebody who ends it meet.
#[derive(Default)]
struct Meeting {
    done: AtomicUsize,
    over: AtomicBool,
}

impl Meeting {
    fn note(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Comes in when the work is under way.
    async fn interrupt<T>(&self, end: impl Future<Output = T>) -> T {
        while self.done.load(Ordering::SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
        let ended = end.await;
        self.over.store(true, Ordering::SeqCst);
        ended
    }
}

/// Refreshes until it is over or refused; gives the last token, and all access tokens that came.
async fn keep_refreshing(family: &Family, first: Issue, meeting: &Meeting) -> (Bearer, Vec<Bearer>) {
    let (mut current, mut came) = (first.refresh, vec![first.access]);
    while !meeting.is_over() {
        let next = family.issue(NOW);
        match family.rotate(&current, &next, NOW).await {
            Rotate::Granted => {
                current = next.refresh;
                came.push(next.access);
                meeting.note();
            }
            Rotate::Refused(RotateRefusal::Ended) => break,
            other => panic!("{other:?}"),
        }
    }
    (current, came)
}

async fn assert_all_dead(family: &Family, tokens: &[Bearer]) {
    for token in tokens {
        assert!(!family.opens(token, NOW).await);
    }
}

/// Further codes of a family's user and client, each with a grant of its own.
async fn more_codes(family: &Family, number: usize) -> Vec<Bearer> {
    let mut codes = Vec::new();
    for _ in 0..number {
        let bearer = bearer(secs(100_000));
        let grant = Grant { id: GrantId(bearer.id()), ..family.granted.clone() };
        family.store.put_code(Family::code_for(&bearer, grant), None, Displaced::default()).await.unwrap();
        codes.push(bearer);
    }
    codes
}

async fn rfc7009_2_1_what_refreshes_meanwhile_is_revoked_too(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let meeting = Meeting::default();
    let end = family.store.end_grant(&family.id, EndReason::Revoked, NOW);
    let ((last, came), ended) = tokio::join!(keep_refreshing(&family, first, &meeting), meeting.interrupt(end));
    assert_eq!(ended, Ok(true));
    assert_all_dead(&family, &came).await;
    let late = family.rotate(&last, &family.issue(NOW), NOW).await;
    assert_eq!(late, Rotate::Refused(RotateRefusal::Ended));
}

async fn rfc7009_2_1_a_family_ends_once_whoever_ends_it_and_takes_what_refreshes_along(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let id = RefreshTokenId(first.refresh.id());
    let mut race = JoinSet::new();
    for number in 0..48 {
        let (store, grant, code) = (family.store.clone(), family.id, family.code_id());
        let (next, redemption) = (family.issue(NOW), family.redemption());
        let rotation = family.rotation(&first.refresh, &next);
        race.spawn(async move {
            let mut outcome = (false, None);
            match number % 3 {
                0 => outcome.0 = store.end_grant(&grant, EndReason::Revoked, NOW).await.unwrap(),
                1 => {
                    let redeem = store.redeem_code(&code, redemption, next.tokens, NOW).await;
                    assert_eq!(redeem, Ok(Redeem::Reused));
                }
                _ => match store.rotate_refresh(&id, rotation, NOW).await.unwrap() {
                    Rotate::Granted => outcome.1 = Some(next.access),
                    Rotate::Refused(RotateRefusal::Ended | RotateRefusal::Race) => {}
                    other => panic!("{other:?}"),
                },
            }
            outcome
        });
    }
    let outcomes = race.join_all().await;
    let revoked = outcomes.iter().filter(|(ended, _)| *ended).count();
    let reason = family.grant().await.ended.unwrap().reason;
    assert_eq!(revoked, usize::from(reason == EndReason::Revoked), "{reason:?}: who ended it has been told so");
    let mut came: Vec<Bearer> = outcomes.into_iter().filter_map(|(_, access)| access).collect();
    assert!(came.len() <= 1);
    came.push(first.access);
    assert_all_dead(&family, &came).await;
}

async fn rfc7009_2_1_a_token_taken_back_while_its_code_is_redeemed_stays_dead(store: Store) {
    let family = Family::start(store).await;
    for code in more_codes(&family, 20).await {
        let grant = Grant { id: GrantId(code.id()), ..family.granted.clone() };
        let (mut front, mut issue) = (family.issue(NOW), family.issue(NOW));
        front.tokens.access.grant = grant.id;
        front.tokens.access.granted = Some(Box::new(grant));
        issue.tokens.access.grant = GrantId(code.id());
        family.store.put_access_token(front.tokens.access.clone(), None).await.unwrap();
        assert!(family.opens(&front.access, NOW).await);
        let (id, token) = (CodeId(code.id()), front.tokens.access.id);
        let redemption = OwnedRedemption { digest: code.digest(), ..family.redemption() };
        let (redeemed, deleted) = tokio::join!(
            family.store.redeem_code(&id, redemption, issue.tokens, NOW),
            family.store.delete_access_token(&token)
        );
        assert_eq!((redeemed, deleted), (Ok(Redeem::Granted), Ok(true)));
        assert!(!family.opens(&front.access, NOW).await && family.opens(&issue.access, NOW).await);
    }
}

async fn what_refreshes_while_the_password_changes_is_void(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    let meeting = Meeting::default();
    let mut user = family.user.clone();
    user.end_all();
    let ((_, came), put) =
        tokio::join!(keep_refreshing(&family, first, &meeting), meeting.interrupt(family.store.update_user(user)));
    assert!(matches!(put, Ok(Put::Done(_))));
    assert_all_dead(&family, &came).await;
}

async fn what_refreshes_while_its_consent_is_withdrawn_is_void(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    let meeting = Meeting::default();
    let withdraw = family.store.withdraw_consent(&family.user.id, &family.client.id, NOW);
    let ((_, came), withdrawn) = tokio::join!(keep_refreshing(&family, first, &meeting), meeting.interrupt(withdraw));
    assert_eq!(withdrawn, Ok(true));
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    assert_all_dead(&family, &came).await;
}

async fn codes_that_are_redeemed_while_their_client_is_deleted_give_nothing_that_lives(store: Store) {
    let family = Family::start(store).await;
    let meeting = Meeting::default();
    let codes = more_codes(&family, 40).await;
    let redeem = async {
        let mut came = Vec::new();
        for code in &codes {
            let issue = family.issue(NOW);
            let mut tokens = issue.tokens.clone();
            tokens.access.grant = GrantId(code.id());
            let redemption = OwnedRedemption { digest: code.digest(), ..family.redemption() };
            let redeemed = family.store.redeem_code(&CodeId(code.id()), redemption, tokens, NOW).await;
            assert_eq!(redeemed, Ok(Redeem::Granted), "the grant is there, whatever has become of its client");
            came.push(issue.access);
            meeting.note();
        }
        came
    };
    let delete = family.store.delete_client(&family.client.id);
    let (came, deleted) = tokio::join!(redeem, meeting.interrupt(delete));
    assert_eq!((came.len(), deleted), (40, Ok(true)));
    assert_all_dead(&family, &came).await;
    let again = Client { generation: 8, ..client("app") };
    assert!(matches!(family.store.create_client(again).await, Ok(Put::Done(_))));
    assert_all_dead(&family, &came).await;
}

async fn what_is_issued_while_a_consent_is_withdrawn_lives_only_under_the_next_one(store: Store) {
    let family = Family::start(store).await;
    let (user, client) = (&family.user.id, &family.client.id);
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    let meeting = Meeting::default();
    let issue = async {
        let mut issued = Vec::new();
        let mut left = 10;
        while left > 0 {
            left -= usize::from(meeting.is_over());
            let consent_generation = family.store.consent(user, client).await.unwrap().unwrap().generation;
            let bearer = bearer(secs(100_000));
            let grant = Grant { id: GrantId(bearer.id()), consent_generation, ..family.granted.clone() };
            family.store.put_code(Family::code_for(&bearer, grant), None, Displaced::default()).await.unwrap();
            issued.push((bearer, consent_generation));
            meeting.note();
        }
        issued
    };
    let withdraw = async {
        family.store.withdraw_consent(user, client, NOW).await.unwrap();
        family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap().generation
    };
    let (issued, current) = tokio::join!(issue, meeting.interrupt(withdraw));
    for (bearer, generation) in &issued {
        let found = family.store.find_code(bearer).await.unwrap().unwrap();
        assert_eq!(found.is_live(&family.client, NOW), *generation == current);
    }
    assert!(issued.iter().any(|(_, generation)| *generation != current));
    assert!(issued.iter().any(|(_, generation)| *generation == current));
}

async fn a_sweep_takes_nothing_from_those_who_refresh(store: Store) {
    let (family, first) = Family::redeemed(store).await;
    for _ in 0..200 {
        family.store.start_session(session(&bearer(secs(10)), &family.user), None).await.unwrap();
    }
    let meeting = Meeting::default();
    let later = NOW + secs(3000);
    let sweep = async {
        let mut swept = 0;
        while swept < 200 {
            swept += family.store.sweep(later, 7).await.unwrap();
        }
        swept
    };
    let ((last, came), swept) = tokio::join!(keep_refreshing(&family, first, &meeting), meeting.interrupt(sweep));
    assert_eq!(swept, 200, "the sessions, and nothing else");
    for token in &came {
        assert!(family.opens(token, later).await);
    }
    assert_eq!(family.rotate(&last, &family.issue(later), later).await, Rotate::Granted);
}

async fn no_change_of_many_writers_is_lost(store: Store) {
    let Put::Done(_) = store.create_user(user("u", "Ada")).await.unwrap() else { panic!("a new user") };
    let count = |user: &User| user.claims.get("count").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..5 {
                loop {
                    let mut user = User::clone(&*store.user(&UserId::new("u")).await.unwrap().unwrap());
                    user.claims.insert("count".into(), (count(&user) + 1).into());
                    match store.update_user(user).await.unwrap() {
                        Put::Done(_) => break,
                        Put::Conflict { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let user = store.user(&UserId::new("u")).await.unwrap().unwrap();
    assert_eq!((count(&user), user.version), (80, 81));
}

async fn pages_of_users_and_consents_hold_everything_once_whatever_else_is_written(store: Store) {
    for number in 0..40 {
        let name = format!("keep-{number:02}");
        store.create_user(user(&name, &name)).await.unwrap();
        store.grant_consent(given("u", &name, "openid"), NOW).await.unwrap();
    }
    let meeting = Meeting::default();
    let noise = async {
        let mut number = 0;
        while !meeting.is_over() {
            let (new, old) = (format!("keep-{:02}-noise", number % 40), format!("keep-{:02}-noise", number / 2 % 40));
            store.create_user(user(&new, &new)).await.unwrap();
            store.delete_user(&UserId::new(old)).await.unwrap();
            store.grant_consent(given("u", &format!("{new}-app"), "openid"), NOW).await.unwrap();
            store.withdraw_consent(&UserId::new("u"), &ClientId::new("keep-00"), NOW).await.unwrap();
            number += 1;
            meeting.note();
        }
    };
    let read = async {
        let mut seen = BTreeMap::<String, usize>::new();
        let (mut user, mut consent) = (None, None);
        loop {
            let page = store.users(user.as_deref(), 3).await.unwrap();
            page.items.iter().for_each(|user| *seen.entry(user.username.clone()).or_default() += 1);
            user = page.next;
            let Some(_) = user else { break };
            tokio::task::yield_now().await;
        }
        loop {
            let page = store.consents_of(&UserId::new("u"), consent.as_ref(), 3).await.unwrap();
            page.items.iter().for_each(|consent| *seen.entry(format!("to {}", consent.client)).or_default() += 1);
            consent = page.next;
            let Some(_) = consent else { break };
            tokio::task::yield_now().await;
        }
        seen
    };
    let ((), seen) = tokio::join!(noise, meeting.interrupt(read));
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(seen.keys().filter(|name| !name.contains("noise")).count(), 80);
}

for_every_engine! {
    rfc7009_2_1_what_refreshes_meanwhile_is_revoked_too
    rfc7009_2_1_a_family_ends_once_whoever_ends_it_and_takes_what_refreshes_along
    rfc7009_2_1_a_token_taken_back_while_its_code_is_redeemed_stays_dead
    what_refreshes_while_the_password_changes_is_void
    what_refreshes_while_its_consent_is_withdrawn_is_void
    codes_that_are_redeemed_while_their_client_is_deleted_give_nothing_that_lives
    what_is_issued_while_a_consent_is_withdrawn_lives_only_under_the_next_one
    a_sweep_takes_nothing_from_those_who_refresh
    no_change_of_many_writers_is_lost
    pages_of_users_and_consents_hold_everything_once_whatever_else_is_written
}
