use std::time::Duration;

use super::for_every_engine;
use super::sample::{Family, NOW, given, secs};
use crate::model::grant::{EndReason, Ended, Redeem, RedeemRefusal};
use crate::model::id::{AccessTokenId, Bearer, ClientId, CodeId, GrantId, RefreshTokenId};
use crate::model::user::User;
use crate::store::{Displaced, OwnedRedemption, Put, Store};

/// A value with the same id as `bearer` and another secret, as somebody would make it who knows the id.
fn forged(bearer: &Bearer) -> Bearer {
    use crate::base::encode::base64url;
    use crate::base::random::Random;
    use crate::model::id::BearerKind;
    let bytes = [bearer.id().as_bytes().as_slice(), &Random::System.bytes::<32>()].concat();
    Bearer::parse(BearerKind::Code, &format!("hpc_{}", base64url(bytes))).unwrap()
}

async fn rfc6749_4_1_2_a_code_is_redeemed_once(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    let spent = family.store.find_code(&family.code).await.unwrap().unwrap();
    assert_eq!((spent.token.spent_at, spent.grant.id), (Some(NOW), family.id));
    assert!(family.opens(&issue.access, NOW).await);

    let again = family.issue(NOW);
    let at = NOW + secs(5);
    let redeem = family.store.redeem_code(&family.code_id(), family.redemption(), again.tokens.clone(), at).await;
    assert_eq!(redeem, Ok(Redeem::Reused));
    assert_eq!(family.grant().await.ended, Some(Ended { at, reason: EndReason::CodeReuse }));
    assert!(!family.opens(&issue.access, at).await, "the first tokens are void");
    assert!(family.store.find_access_token(&again.access).await.unwrap().is_none(), "no others were made");
    assert!(family.store.find_refresh_token(&again.refresh).await.unwrap().is_none());
}

async fn rfc6749_4_1_2_of_64_racing_redemptions_one_is_granted(store: Store) {
    let family = Family::start(store).await;
    let mut race = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (store, id, redemption, issue) =
            (family.store.clone(), family.code_id(), family.redemption(), family.issue(NOW));
        race.spawn(async move {
            let redeem = store.redeem_code(&id, redemption, issue.tokens.clone(), NOW).await.unwrap();
            (redeem, store.find_access_token(&issue.access).await.unwrap().is_some())
        });
    }
    let outcomes = race.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Redeem::Granted, true)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Redeem::Reused, false)).count(), 63);
    // Whoever came second may have stolen it, or the one who came first has.
    assert_eq!(family.grant().await.ended, Some(Ended { at: NOW, reason: EndReason::CodeReuse }));
}

async fn rfc6749_4_1_3_a_refused_code_stays_usable_for_its_owner(store: Store) {
    let family = Family::start(store).await;
    let right = family.redemption();
    for (wrong, refusal) in [
        (OwnedRedemption { client: ClientId::new("other"), ..right.clone() }, RedeemRefusal::ForeignClient),
        (OwnedRedemption { digest: forged(&family.code).digest(), ..right.clone() }, RedeemRefusal::Unknown),
        (OwnedRedemption { redirect_uri: None, ..right.clone() }, RedeemRefusal::RedirectUri),
        (OwnedRedemption { verifier: Some("v".into()), ..right.clone() }, RedeemRefusal::VerifierUnexpected),
    ] {
        let redeem = family.store.redeem_code(&family.code_id(), wrong, family.issue(NOW).tokens, NOW).await;
        assert_eq!(redeem, Ok(Redeem::Refused(refusal)));
    }
    let redeem = family.store.redeem_code(&family.code_id(), right, family.issue(NOW).tokens, NOW).await;
    assert_eq!(redeem, Ok(Redeem::Granted));
}

async fn a_code_that_nobody_redeems_leaves_no_grant(store: Store) {
    let family = Family::start(store).await;
    assert!(family.store.grant(&family.id).await.unwrap().is_none(), "there is none before the code is redeemed");
    let next = super::sample::bearer(secs(700));
    let code = Family::code_for(&next, family.granted.clone());
    family.store.put_code(code.clone(), None, Displaced { code: Some(family.code_id()), access: None }).await.unwrap();
    assert!(family.store.find_code(&family.code).await.unwrap().is_none(), "the new one took its place");
    let redemption = OwnedRedemption { digest: next.digest(), ..family.redemption() };
    let redeem = family.store.redeem_code(&code.id, redemption, family.issue(NOW).tokens, NOW).await;
    assert_eq!(redeem, Ok(Redeem::Granted));
    let third = Family::code_for(&super::sample::bearer(secs(700)), family.granted.clone());
    family.store.put_code(third, None, Displaced { code: Some(code.id), access: None }).await.unwrap();
    assert!(family.store.find_code(&next).await.unwrap().is_some(), "one that was redeemed stays, to notice a reuse");
    family.store.sweep(NOW + secs(701), 10).await.unwrap();
    assert!(family.store.find_code(&next).await.unwrap().is_none());
    assert_eq!(family.grant().await.ended, None, "and its family lives on");
}

async fn a_code_expires_at_the_exact_second(store: Store) {
    let family = Family::start(store).await;
    let end = NOW + Family::CODE_LIFETIME;
    let at_the_end =
        family.store.redeem_code(&family.code_id(), family.redemption(), family.issue(end).tokens, end).await;
    assert_eq!(at_the_end, Ok(Redeem::Refused(RedeemRefusal::Expired)));
    let before = end - Duration::from_millis(1);
    let just_before =
        family.store.redeem_code(&family.code_id(), family.redemption(), family.issue(before).tokens, before).await;
    assert_eq!(just_before, Ok(Redeem::Granted));
}

async fn an_unknown_code_is_refused(store: Store) {
    let family = Family::start(store).await;
    let other = CodeId(super::sample::bearer(secs(1)).id());
    let redeem = family.store.redeem_code(&other, family.redemption(), family.issue(NOW).tokens, NOW).await;
    assert_eq!(redeem, Ok(Redeem::Refused(RedeemRefusal::Unknown)));
}

async fn tokens_and_codes_are_found_by_their_whole_value_only(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    let store = &family.store;
    let code = store.find_code(&family.code).await.unwrap().unwrap();
    assert!(code.token.spent_at.is_some(), "a spent one too");
    assert!(code.is_live(&family.client, NOW));
    let access = store.find_access_token(&issue.access).await.unwrap().unwrap();
    assert_eq!(
        (access.token.id.0, access.grant.id, access.user.as_deref()),
        (issue.access.id(), family.id, Some(&family.user))
    );
    assert_eq!(access.consent, None);
    let refresh = store.find_refresh_token(&issue.refresh).await.unwrap().unwrap();
    assert_eq!((refresh.token.id.0, refresh.grant.id), (issue.refresh.id(), family.id));

    assert!(store.find_code(&forged(&family.code)).await.unwrap().is_none());
    assert!(store.find_access_token(&forged(&issue.access)).await.unwrap().is_none());
    assert!(store.find_refresh_token(&forged(&issue.refresh)).await.unwrap().is_none());
    assert!(store.find_access_token(&issue.refresh).await.unwrap().is_none(), "one kind isn't the other");

    let (token, grant) = store.access_token(&AccessTokenId(issue.access.id())).await.unwrap().unwrap();
    assert_eq!((token.grant, grant.id), (family.id, family.id));
    let (token, _) = store.refresh_token(&RefreshTokenId(issue.refresh.id())).await.unwrap().unwrap();
    assert_eq!(token.grant, family.id);
}

async fn a_deleted_access_token_is_gone_and_the_family_lives_on(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    let id = AccessTokenId(issue.access.id());
    assert_eq!(family.store.delete_access_token(&id).await, Ok(true));
    assert_eq!(family.store.delete_access_token(&id).await, Ok(false));
    assert!(!family.opens(&issue.access, NOW).await);
    assert!(family.store.find_refresh_token(&issue.refresh).await.unwrap().is_some());
    assert_eq!(family.grant().await.ended, None);
}

async fn rfc7009_2_1_ending_a_family_ends_all_of_it_once(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    assert_eq!(family.store.end_grant(&family.id, EndReason::Revoked, NOW).await, Ok(true));
    assert_eq!(family.store.end_grant(&family.id, EndReason::CodeReuse, NOW + secs(1)).await, Ok(false));
    assert_eq!(family.grant().await.ended, Some(Ended { at: NOW, reason: EndReason::Revoked }));
    assert!(!family.opens(&issue.access, NOW).await);
    let other = GrantId(super::sample::bearer(secs(1)).id());
    assert_eq!(family.store.end_grant(&other, EndReason::Revoked, NOW).await, Ok(false));
}

async fn a_deleted_client_voids_its_grants_even_when_it_comes_back(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    assert!(family.opens(&issue.access, NOW).await);
    family.store.delete_client(&family.client.id).await.unwrap();
    assert!(!family.opens(&issue.access, NOW).await);
    let again = crate::model::client::Client { generation: 8, ..super::sample::client("app") };
    assert!(matches!(family.store.create_client(again).await, Ok(Put::Done(_))));
    assert!(!family.opens(&issue.access, NOW).await);
}

async fn a_deleted_disabled_or_moved_on_user_voids_their_grants(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    let mut user = family.user.clone();
    for (change, opens) in [
        ((|user: &mut User| user.enabled = false) as fn(&mut User), false),
        (|user| user.enabled = true, true),
        (User::end_all, false),
        (|user| user.generation = 3, true),
    ] {
        change(&mut user);
        let Put::Done(stored) = family.store.update_user(user).await.unwrap() else { panic!("no conflict") };
        user = stored;
        assert_eq!(family.opens(&issue.access, NOW).await, opens);
    }
    family.store.delete_user(&user.id).await.unwrap();
    assert!(!family.opens(&issue.access, NOW).await);
    assert!(family.store.find_code(&family.code).await.unwrap().is_none());
    assert!(family.store.find_refresh_token(&issue.refresh).await.unwrap().is_none());
}

async fn a_withdrawn_consent_voids_the_grants_made_under_it(store: Store) {
    let (family, issue) = Family::redeemed(store).await;
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    assert!(family.opens(&issue.access, NOW).await, "its generation is that of no consent at all");
    family.store.withdraw_consent(&family.user.id, &family.client.id, NOW).await.unwrap();
    assert!(!family.opens(&issue.access, NOW).await);
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    assert!(!family.opens(&issue.access, NOW).await, "agreeing again doesn't revive it");
}

for_every_engine! {
    rfc6749_4_1_2_a_code_is_redeemed_once
    rfc6749_4_1_2_of_64_racing_redemptions_one_is_granted
    rfc6749_4_1_3_a_refused_code_stays_usable_for_its_owner
    a_code_that_nobody_redeems_leaves_no_grant
    a_code_expires_at_the_exact_second
    an_unknown_code_is_refused
    tokens_and_codes_are_found_by_their_whole_value_only
    a_deleted_access_token_is_gone_and_the_family_lives_on
    rfc7009_2_1_ending_a_family_ends_all_of_it_once
    a_deleted_client_voids_its_grants_even_when_it_comes_back
    a_deleted_disabled_or_moved_on_user_voids_their_grants
    a_withdrawn_consent_voids_the_grants_made_under_it
}
