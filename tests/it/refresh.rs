//! The token endpoint: refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use hallpass::admin::Method;
use hallpass::model::id::{ClientId, UserId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long a used token is forgiven.
const GRACE: Duration = Duration::from_secs(60);

impl Provider {
    async fn refresh_scope(&self, refresh_token: &str, scope: &str) -> Response {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)];
        self.token(CLIENT, SECRET, &form).await
    }

    /// Tokens of a fresh login of Ada at [`PUBLIC`].
    async fn public_tokens(&self) -> Tokens {
        let changes = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let code = self.browser().code(ADA, &request(&changes)).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.token(PUBLIC, "", &form).await.tokens()
    }

    async fn assert_dead(&self, tokens: &Tokens) {
        assert_eq!(self.userinfo(&tokens.access_token).await.status, 401);
        assert_refused(&self.refresh(tokens.refresh()).await);
    }
}

#[track_caller]
fn assert_refused(response: &Response) {
    assert_eq!((response.status, response.error().as_str()), (400, "invalid_grant"), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn rfc6749_6_a_refresh_gives_new_tokens_of_both_kinds() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid email").await;
    provider.pass(SECOND);
    let response = provider.refresh(first.refresh()).await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    let second = response.tokens();
    assert_eq!((second.token_type.as_str(), second.expires_in), ("Bearer", 3600));
    assert_eq!(second.scope.as_deref(), Some("openid email"));
    assert_ne!(second.access_token, first.access_token);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(provider.userinfo(&second.access_token).await.json()["email"], "ada@ada.example");
    let third = provider.refresh(second.refresh()).await.tokens();
    assert_ne!(third.refresh_token, second.refresh_token);
}

#[tokio::test]
async fn oidc_core_12_2_an_id_token_after_a_refresh_speaks_of_the_same_login() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[("nonce", "n-1"), ("scope", "openid offline_access")])).await;
    let first = provider.redeem(&code).await.tokens();
    provider.pass(SECOND * 100);
    let second = provider.refresh(first.refresh()).await.tokens();
    let (_, before) = provider.verify(first.id()).await;
    let (_, after) = provider.verify(second.id()).await;
    for name in ["iss", "sub", "aud", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(before[name], after[name], "{name}");
        assert!(!after[name].is_null(), "{name}");
    }
    assert_eq!(after["iat"], START.as_secs() + 100);
    assert_eq!(after["exp"], START.as_secs() + 700);
    assert_ne!(before["at_hash"], after["at_hash"]);
    assert_eq!((before.get("nonce").is_some(), after.get("nonce")), (true, None));
}

#[tokio::test]
async fn django_a_refresh_ends_the_access_token_before() {
    let provider = Provider::start_with(&[("compat.django", "true")]).await;
    for rotates in [true, false] {
        provider.change_client(CLIENT, |client| client.rotate_refresh_tokens = rotates).await;
        let first = provider.tokens("openid").await;
        assert_eq!(provider.userinfo(&first.access_token).await.status, 200);
        let second = provider.refresh(first.refresh()).await.tokens();
        assert_eq!(provider.userinfo(&first.access_token).await.status, 401);
        assert_eq!(provider.userinfo(&second.access_token).await.status, 200);
        let third = provider.refresh(second.refresh()).await.tokens();
        assert_eq!(provider.userinfo(&second.access_token).await.status, 401);
        assert_eq!(provider.userinfo(&third.access_token).await.status, 200);
    }
}

#[tokio::test]
async fn rfc6749_6_a_narrower_scope_is_for_that_access_token_only() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid profile email").await;
    let narrow = provider.refresh_scope(first.refresh(), "email openid").await.tokens();
    assert_eq!(narrow.scope.as_deref(), Some("email openid"));
    let claims = provider.userinfo(&narrow.access_token).await.json();
    assert!(claims.get("email").is_some() && claims.get("name").is_none(), "{claims}");
    assert_eq!(provider.userinfo(&first.access_token).await.json()["name"], "Ada Lovelace");

    let without = provider.refresh_scope(narrow.refresh(), "email").await.tokens();
    assert_eq!((without.scope.as_deref(), &without.id_token), (Some("email"), &None));
    assert_eq!(provider.userinfo(&without.access_token).await.status, 403);

    let whole = provider.refresh(without.refresh()).await.tokens();
    assert_eq!(whole.scope.as_deref(), Some("openid profile email"));
    assert!(whole.id_token.is_some());
}

#[tokio::test]
async fn rfc6749_6_a_wider_scope_is_refused_and_costs_nothing() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid email").await;
    for scope in ["openid email profile", "profile", "openid unknown", "OPENID", "\"openid\""] {
        let refused = provider.refresh_scope(first.refresh(), scope).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_scope"), "{scope}");
    }
    assert_eq!(provider.refresh_scope(first.refresh(), "").await.tokens().scope.as_deref(), Some("openid email"));
}

#[tokio::test]
async fn rfc9700_4_14_2_a_retry_within_the_grace_is_forgiven() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let lost = provider.refresh(first.refresh()).await.tokens();
    provider.pass(SECOND);
    let second = provider.refresh(first.refresh()).await.tokens();
    assert_ne!(second.refresh_token, lost.refresh_token);
    assert_eq!(provider.userinfo(&second.access_token).await.status, 200);
    assert_eq!(provider.userinfo(&lost.access_token).await.status, 401, "what the client never got");
    assert_eq!(provider.userinfo(&first.access_token).await.status, 200, "the one before lives on");
    assert_eq!(provider.refresh(second.refresh()).await.tokens().expires_in, 3600);
}

#[tokio::test]
async fn rfc9700_4_14_2_a_successor_that_a_retry_replaced_ends_the_family() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let lost = provider.refresh(first.refresh()).await.tokens();
    provider.pass(SECOND);
    let second = provider.refresh(first.refresh()).await.tokens();
    assert_refused(&provider.refresh(lost.refresh()).await);
    provider.assert_dead(&second).await;
    provider.assert_dead(&first).await;
}

#[tokio::test]
async fn rfc9700_4_14_2_each_retry_starts_the_grace_anew() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    provider.refresh(first.refresh()).await.tokens();
    for _ in 0..3 {
        provider.pass(GRACE - MILLISECOND);
        provider.refresh(first.refresh()).await.tokens();
    }
    provider.pass(GRACE);
    assert_refused(&provider.refresh(first.refresh()).await);
}

#[tokio::test]
async fn rfc9700_4_14_2_a_retry_after_the_successor_was_used_ends_the_family() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    let third = provider.refresh(second.refresh()).await.tokens();
    provider.pass(SECOND);
    assert_refused(&provider.refresh(first.refresh()).await);
    provider.assert_dead(&third).await;
    assert_eq!(provider.userinfo(&first.access_token).await.status, 401);
}

#[tokio::test]
async fn rfc9700_4_14_2_the_grace_ends_at_the_exact_second() {
    for (wait, forgiven) in [(GRACE - MILLISECOND, true), (GRACE, false)] {
        let provider = Provider::start().await;
        let first = provider.tokens("openid").await;
        let second = provider.refresh(first.refresh()).await.tokens();
        provider.pass(wait);
        let retry = provider.refresh(first.refresh()).await;
        if forgiven {
            assert_eq!(retry.tokens().expires_in, 3600);
        } else {
            assert_refused(&retry);
            provider.assert_dead(&second).await;
        }
    }
}

#[tokio::test]
async fn without_a_grace_nothing_is_forgiven() {
    let provider = Provider::start_with(&[("refresh.grace", "0")]).await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(MILLISECOND);
    assert_refused(&provider.refresh(first.refresh()).await);
    provider.assert_dead(&second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc9700_4_14_2_of_64_racing_refreshes_one_wins_and_the_family_lives_on() {
    let provider = Arc::new(Provider::start().await);
    let first = provider.tokens("openid").await;
    let mut racing = JoinSet::new();
    for _ in 0..64 {
        let (provider, token) = (Arc::clone(&provider), first.refresh().to_owned());
        racing.spawn(async move { provider.refresh(&token).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    lost.iter().for_each(assert_refused);
    let tokens = won[0].tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    assert_eq!(provider.refresh(tokens.refresh()).await.status, 200);
}

#[tokio::test]
async fn rfc6749_6_a_refresh_token_is_bound_to_its_client() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", first.refresh())];
    assert_refused(&provider.token(OTHER, SECRET, &form).await);
    assert_refused(&provider.token(PUBLIC, "", &form).await);
    let second = provider.refresh(first.refresh()).await.tokens();
    // A used one in foreign hands doesn't end the family either.
    provider.pass(GRACE);
    assert_refused(&provider.token(OTHER, SECRET, &form).await);
    assert_eq!(provider.refresh(second.refresh()).await.status, 200);
}

#[tokio::test]
async fn rfc6749_5_2_what_is_no_refresh_token_of_ours_is_refused() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let flipped = format!("{}AAAAAA", &tokens.refresh()[..tokens.refresh().len() - 6]);
    for other in ["x", "hpr_", &flipped, &tokens.access_token, tokens.id(), &"x".repeat(5000)] {
        assert_refused(&provider.refresh(other).await);
    }
    assert_eq!(provider.refresh("").await.error(), "invalid_request");
    assert_eq!(provider.refresh(tokens.refresh()).await.status, 200);
}

#[tokio::test]
async fn rfc6749_6_an_unused_refresh_token_expires_after_30_days_at_the_exact_second() {
    let provider = Provider::start().await;
    let (early, late) = (provider.tokens("openid").await, provider.tokens("openid").await);
    provider.pass(30 * DAY - MILLISECOND);
    assert_eq!(provider.refresh(early.refresh()).await.status, 200);
    provider.pass(MILLISECOND);
    assert_refused(&provider.refresh(late.refresh()).await);
}

#[tokio::test]
async fn what_is_answered_for_an_expired_refresh_token_is_the_same_before_and_after_a_sweep() {
    let provider = Provider::start().await;
    let used = provider.tokens("openid").await;
    provider.pass(29 * DAY);
    let current = provider.refresh(used.refresh()).await.tokens();
    provider.pass(DAY);
    for _ in 0..2 {
        assert_refused(&provider.refresh_scope(used.refresh(), "openid email").await);
        assert_refused(&provider.refresh(used.refresh()).await);
        provider.app.store.sweep(provider.clock.now() + MILLISECOND, 100).await.unwrap();
    }
    assert_eq!(provider.refresh(current.refresh()).await.status, 200, "nothing has ended");
}

#[tokio::test]
async fn rfc9700_4_14_2_a_family_ends_after_90_days_however_often_it_is_refreshed() {
    let provider = Provider::start().await;
    let mut tokens = provider.tokens("openid").await;
    for _ in 0..3 {
        provider.pass(29 * DAY);
        tokens = provider.refresh(tokens.refresh()).await.tokens();
        assert_eq!(tokens.expires_in, 3600);
    }
    provider.pass(3 * DAY - 30 * SECOND);
    tokens = provider.refresh(tokens.refresh()).await.tokens();
    assert_eq!(tokens.expires_in, 30, "no longer than its family");
    provider.pass(30 * SECOND - MILLISECOND);
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    provider.pass(MILLISECOND);
    provider.assert_dead(&tokens).await;
}

#[tokio::test]
async fn rfc6749_6_the_earlier_access_token_lives_on_until_it_expires() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    provider.pass(1800 * SECOND);
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(1800 * SECOND - MILLISECOND);
    assert_eq!(provider.userinfo(&first.access_token).await.status, 200);
    provider.pass(MILLISECOND);
    assert_eq!(provider.userinfo(&first.access_token).await.status, 401);
    assert_eq!(provider.userinfo(&second.access_token).await.status, 200);
}

#[tokio::test]
async fn a_client_without_rotation_keeps_its_refresh_token_for_as_long_as_it_uses_it() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.rotate_refresh_tokens = false).await;
    let first = provider.tokens("openid").await;
    for _ in 0..3 {
        provider.pass(29 * DAY);
        let next = provider.refresh(first.refresh()).await.tokens();
        assert_eq!(next.refresh_token, first.refresh_token);
        assert_ne!(next.access_token, first.access_token);
        assert_eq!(provider.userinfo(&next.access_token).await.status, 200);
    }
    provider.pass(3 * DAY);
    assert_refused(&provider.refresh(first.refresh()).await);

    let unused = provider.tokens("openid").await;
    provider.pass(30 * DAY);
    assert_refused(&provider.refresh(unused.refresh()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_rotation_may_use_its_refresh_token_several_times_at_once() {
    let provider = Arc::new(Provider::start().await);
    provider.change_client(CLIENT, |client| client.rotate_refresh_tokens = false).await;
    let first = provider.tokens("openid").await;
    let mut racers = JoinSet::new();
    for _ in 0..32 {
        let (provider, token) = (Arc::clone(&provider), first.refresh().to_owned());
        racers.spawn(async move { provider.refresh(&token).await });
    }
    for answer in racers.join_all().await {
        let tokens = answer.tokens();
        assert_eq!(tokens.refresh_token, first.refresh_token);
        assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_stops_rotating_keeps_the_token_that_it_has() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.change_client(CLIENT, |client| client.rotate_refresh_tokens = false).await;
    assert_eq!(provider.refresh(second.refresh()).await.tokens().refresh_token, second.refresh_token);
    provider.change_client(CLIENT, |client| client.rotate_refresh_tokens = true).await;
    assert_ne!(provider.refresh(second.refresh()).await.tokens().refresh_token, second.refresh_token);
}

#[tokio::test]
async fn rfc9700_4_14_2_public_clients_rotate_whatever_the_switch_says() {
    let provider = Provider::start().await;
    provider.change_client(PUBLIC, |client| client.rotate_refresh_tokens = false).await;
    let first = provider.public_tokens().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", first.refresh())];
    let second = provider.token(PUBLIC, "", &form).await.tokens();
    assert_ne!(second.refresh_token, first.refresh_token);
    provider.pass(GRACE);
    assert_refused(&provider.token(PUBLIC, "", &form).await);
    assert_eq!(provider.userinfo(&second.access_token).await.status, 401);
}

#[tokio::test]
async fn tokens_die_with_the_consent_the_user_and_the_client_that_they_stand_on() {
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    for what in ["consent withdrawn", "disabled", "new password", "user deleted", "client made again"] {
        let provider = Provider::start().await;
        let tokens = provider.tokens("openid").await;
        let bobs = provider.redeem(&provider.browser().code(BOB, &request(&[])).await).await.tokens();
        let _ = match what {
            "consent withdrawn" => {
                let withdrawn = provider.app.store.withdraw_consent(&user, &client, provider.clock.now()).await;
                withdrawn.unwrap().into()
            }
            "disabled" => provider.administer(Method::Patch, "users/ada", json!({ "enabled": false })).await,
            "new password" => {
                let password = json!({ "password": "difference engine" });
                provider.administer(Method::Put, "users/ada/password", password).await
            }
            "user deleted" => provider.administer(Method::Delete, "users/ada", Value::Null).await,
            _ => {
                provider.administer(Method::Delete, "clients/web", Value::Null).await;
                let again = json!({ "client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [REDIRECT],
                    "client_name": "Again" });
                provider.administer(Method::Post, "clients", again).await
            }
        };
        provider.assert_dead(&tokens).await;
        let still = provider.refresh(bobs.refresh()).await.status == 200;
        assert_eq!(still, what != "client made again", "{what}: Bob's");
    }
}

#[tokio::test]
async fn what_a_withdrawn_consent_ended_stays_ended_when_the_user_agrees_again() {
    let provider = Provider::start().await;
    let before = provider.tokens("openid").await;
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    assert!(provider.app.store.withdraw_consent(&user, &client, provider.clock.now()).await.unwrap());
    let after = provider.tokens("openid").await;
    assert_eq!(provider.userinfo(&after.access_token).await.status, 200);
    provider.assert_dead(&before).await;
}

#[tokio::test]
async fn a_disabled_user_who_is_enabled_again_has_to_log_in_anew() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    for enabled in [false, true] {
        provider.administer(Method::Patch, "users/ada", json!({ "enabled": enabled })).await;
        provider.assert_dead(&tokens).await;
    }
    assert_eq!(provider.userinfo(&provider.tokens("openid").await.access_token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9700_4_14_2_of_64_refreshes_that_overlap_in_real_time_one_wins_too() {
    let directory = tempfile::tempdir().unwrap();
    let process = Arc::new(process::Process::start_new(directory.path()).await);
    let code = process.browser().code(ADA, &request(&[])).await;
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    let tokens = process.token(&form).await.tokens();
    let racers: Vec<_> = (0..64)
        .map(|_| {
            let (process, token) = (Arc::clone(&process), tokens.refresh().to_owned());
            tokio::spawn(
                async move { process.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await },
            )
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        let answer = racer.await.unwrap();
        match answer.status {
            200 => winners.push(answer.tokens()),
            _ => assert_eq!(answer.error(), "invalid_grant"),
        }
    }
    assert_eq!(winners.len(), 1, "one wins");
    assert_eq!(process.userinfo(&winners[0].access_token).await.status, 200);
    let next = [("grant_type", "refresh_token"), ("refresh_token", winners[0].refresh())];
    assert_eq!(process.token(&next).await.status, 200, "and its family lives on");
    // What comes after an answer is a retry, however soon.
    let again = process.token(&next).await;
    assert_eq!(again.status, 200, "{again:?}");
}
