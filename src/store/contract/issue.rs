//! Tokens that don't come from a redeemed code.

use super::for_every_engine;
use super::sample::{Family, NOW, bearer, secs};
use crate::model::grant::{EndReason, Grant, Redeem};
use crate::model::id::{AccessTokenId, GrantId};
use crate::store::{Displaced, Store};

async fn oidc_core_3_3_3_a_token_beside_a_code_is_of_its_family(store: Store) {
    let family = Family::start(store).await;
    let mut front = family.issue(NOW);
    front.tokens.access.granted = Some(Box::new(family.granted.clone()));
    let code = Family::code_for(&family.code, family.granted.clone());
    family.store.put_code(code, Some(front.tokens.access.clone()), Displaced::default()).await.unwrap();
    assert!(family.opens(&front.access, NOW).await);
    assert!(
        family.store.grant(&family.id).await.unwrap().is_none(),
        "nothing more is kept for a code that nobody redeems"
    );

    let issue = family.issue(NOW);
    let redeem = family.store.redeem_code(&family.code_id(), family.redemption(), issue.tokens, NOW).await;
    assert_eq!(redeem, Ok(Redeem::Granted));
    assert!(family.opens(&front.access, NOW).await);

    let again = family.issue(NOW);
    let redeem = family.store.redeem_code(&family.code_id(), family.redemption(), again.tokens, NOW).await;
    assert_eq!(redeem, Ok(Redeem::Reused));
    assert!(!family.opens(&front.access, NOW).await, "what ends the family ends the token that came with the code");
    let (_, grant) = family.store.access_token(&AccessTokenId(front.access.id())).await.unwrap().unwrap();
    assert_eq!(grant.ended.map(|ended| ended.reason), Some(EndReason::CodeReuse));
}

async fn rfc6749_4_4_a_client_s_own_token_has_no_user_and_is_all_there_is_of_its_grant(store: Store) {
    let family = Family::start(store).await;
    let own = GrantId(bearer(secs(3600)).id());
    let grant = Grant { id: own, user: None, user_generation: 0, ..family.granted.clone() };
    let mut issue = family.issue(NOW);
    issue.tokens.access.grant = own;
    issue.tokens.access.granted = Some(Box::new(grant));
    family.store.put_access_token(issue.tokens.access.clone(), None).await.unwrap();

    let found = family.store.find_access_token(&issue.access).await.unwrap().unwrap();
    assert_eq!((found.grant.id, found.user.is_none(), found.consent.is_none()), (own, true, true));
    assert!(family.opens(&issue.access, NOW).await);
    family.store.delete_user(&family.user.id).await.unwrap();
    assert!(family.opens(&issue.access, NOW).await, "it is nobody's");
    assert_eq!(family.store.delete_access_token(&AccessTokenId(issue.access.id())).await, Ok(true));
    assert!(!family.opens(&issue.access, NOW).await);
}

async fn a_client_s_own_token_goes_with_its_client(store: Store) {
    let family = Family::start(store).await;
    let mut issue = family.issue(NOW);
    issue.tokens.access.granted = Some(Box::new(Grant { user: None, user_generation: 0, ..family.granted.clone() }));
    family.store.put_access_token(issue.tokens.access.clone(), None).await.unwrap();
    let mut client = family.client.clone();
    client.end_all();
    family.store.update_client(client).await.unwrap();
    assert!(!family.opens(&issue.access, NOW).await);
}

async fn rfc6749_4_3_a_grant_is_stored_with_its_first_tokens(store: Store) {
    let family = Family::start(store).await;
    let issue = family.issue(NOW);
    family.store.put_grant(family.granted.clone(), issue.tokens.clone()).await.unwrap();
    assert!(family.opens(&issue.access, NOW).await);
    let refresh = family.store.find_refresh_token(&issue.refresh).await.unwrap().unwrap();
    assert_eq!(refresh.grant.id, family.id);
    assert_eq!(family.store.end_grant(&family.id, EndReason::Revoked, NOW).await, Ok(true));
    assert!(!family.opens(&issue.access, NOW).await);
}

for_every_engine! {
    oidc_core_3_3_3_a_token_beside_a_code_is_of_its_family
    rfc6749_4_4_a_client_s_own_token_has_no_user_and_is_all_there_is_of_its_grant
    a_client_s_own_token_goes_with_its_client
    rfc6749_4_3_a_grant_is_stored_with_its_first_tokens
}
