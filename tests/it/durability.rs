//! What was acknowledged outlives the process; what has expired leaves, and takes nothing along.

use std::path::Path;
use std::time::Duration;

use hallpass::base::clock::FixedClock;
use hallpass::model::client::{GrantType, ResponseType};
use tempfile::TempDir;

use crate::harness::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A place for a store, and a provider on it.
async fn begin() -> (TempDir, Provider) {
    let directory = tempfile::tempdir().unwrap();
    let provider = Provider::start_on(&file(&directory), FixedClock::new(START)).await;
    (directory, provider)
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    Path::new(directory.path()).join("hallpass.redb")
}

/// Stops a provider and starts another one on its store.
async fn restart(directory: &TempDir, provider: Provider) -> Provider {
    let clock = provider.clock.clone();
    provider.stop().await;
    Provider::start_on(&file(directory), clock).await
}

/// The browser at a provider that has another port than before, with the cookies that it had.
fn moved(browser: &Browser, from: &str, to: &Provider) -> Browser {
    let port = |issuer: &str| issuer.rsplit(':').next().unwrap().to_owned();
    let (old, new) = (port(from), port(&to.issuer));
    let mut moved = to.browser();
    moved.cookies = browser.cookies.iter().map(|(name, value)| (name.replace(&old, &new), value.clone())).collect();
    moved
}

/// The sweep, until there is nothing more to take.
async fn sweep(provider: &Provider) -> usize {
    let mut swept = 0;
    loop {
        match provider.app.store.sweep(provider.clock.now(), 2).await.unwrap() {
            0 => return swept,
            some => swept += some,
        }
    }
}

#[tokio::test]
async fn sessions_consents_and_keys_survive_a_restart() {
    let (directory, provider) = begin().await;
    let browser = provider.logged_in(ADA).await;
    let keys = provider.get("/jwks").await.json();
    let issuer = provider.issuer.clone();
    let provider = restart(&directory, provider).await;
    assert_eq!(provider.get("/jwks").await.json(), keys);
    let mut browser = moved(&browser, &issuer, &provider);
    let silent = request(&[("prompt", "none"), ("scope", "openid email")]);
    let code = browser.authorize(&silent).await.query("code").unwrap();
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["auth_time"], START.as_secs());
}

#[tokio::test]
async fn what_was_not_used_can_be_used_after_a_restart() {
    let (directory, provider) = begin().await;
    let code = provider
        .browser()
        .code(ADA, &request(&[("nonce", "n-1"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]))
        .await;
    let tokens = provider.tokens("openid email").await;
    let provider = restart(&directory, provider).await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["email"], "ada@ada.example");
    assert_eq!(provider.refresh(tokens.refresh()).await.tokens().scope.as_deref(), Some("openid email"));
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant", "the challenge is kept too");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let redeemed = provider.token(CLIENT, SECRET, &form).await.tokens();
    assert_eq!(provider.verify(redeemed.id()).await.1["nonce"], "n-1");
}

#[tokio::test]
async fn rfc6749_4_1_2_a_spent_code_stays_spent_over_a_restart() {
    let (directory, provider) = begin().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let provider = restart(&directory, provider).await;
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    let provider = restart(&directory, provider).await;
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant", "its end is kept too");
}

#[tokio::test]
async fn rfc9700_4_14_2_a_rotated_token_stays_rotated_over_a_restart() {
    let (directory, provider) = begin().await;
    let first = provider.tokens("openid").await;
    let lost = provider.refresh(first.refresh()).await.tokens();
    let provider = restart(&directory, provider).await;
    provider.pass(Duration::from_secs(1));
    let second = provider.refresh(first.refresh()).await.tokens();
    assert_eq!(provider.userinfo(&lost.access_token).await.status, 401);
    let provider = restart(&directory, provider).await;
    provider.pass(Duration::from_secs(60));
    assert_eq!(provider.refresh(first.refresh()).await.error(), "invalid_grant");
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_sweep_takes_expired_rows_and_leaves_what_is_live() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let code = browser.code(ADA, &request(&[])).await;
    let first = provider.redeem(&code).await.tokens();
    assert_eq!(sweep(&provider).await, 0, "nothing has expired yet");
    provider.pass(HOUR - Duration::from_millis(1));
    assert_eq!(sweep(&provider).await, 0);
    assert_eq!(provider.userinfo(&first.access_token).await.status, 200);

    provider.pass(DAY - 2 * HOUR);
    let second = provider.refresh(first.refresh()).await.tokens();
    assert_eq!(sweep(&provider).await, 1, "the first access token");
    assert_eq!(provider.userinfo(&second.access_token).await.status, 200);
    assert!(browser.authorize(&request(&[("prompt", "none")])).await.query("code").is_some(), "the session");

    provider.pass(29 * DAY);
    sweep(&provider).await;
    let third = provider.refresh(second.refresh()).await.tokens();
    assert_eq!(provider.userinfo(&third.access_token).await.status, 200);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_sweep_does_not_forget_that_a_code_was_used() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let first = provider.redeem(&code).await.tokens();
    provider.pass(2 * HOUR);
    let second = provider.refresh(first.refresh()).await.tokens();
    assert_eq!(sweep(&provider).await, 1);
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
    assert_eq!(provider.userinfo(&second.access_token).await.status, 401);
}

#[tokio::test]
async fn a_code_that_nobody_redeems_is_gone_soon() {
    let provider = Provider::start_with(&[("events.kinds", "[]")]).await;
    let mut browser = provider.logged_in(ADA).await;
    let long = "n".repeat(2000);
    for _ in 0..10 {
        browser.code(ADA, &request(&[("nonce", &long), ("prompt", "none")])).await;
    }
    provider.pass(Duration::from_secs(600) + DAY);
    assert_eq!(sweep(&provider).await, 0, "to the last millisecond");
    provider.pass(Duration::from_millis(1));
    assert_eq!(sweep(&provider).await, 11, "the codes, that of the first login too");
    provider.pass(91 * DAY);
    assert_eq!(sweep(&provider).await, 1, "the session: there never was a grant");
}

#[tokio::test]
async fn a_user_has_no_more_than_so_many_codes_that_wait() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mut codes = Vec::new();
    for _ in 0..1006 {
        codes.push(browser.code(ADA, &request(&[("prompt", "none")])).await);
    }
    for code in &codes[..6] {
        assert_eq!(provider.redeem(code).await.error(), "invalid_grant", "it has made room");
    }
    for code in [&codes[6], &codes[1005]] {
        provider.redeem(code).await.tokens();
    }
    provider.pass(Duration::from_secs(601) + DAY);
    assert_eq!(sweep(&provider).await, 1000 + 2, "the codes, and two access tokens");
}

#[tokio::test]
async fn a_user_has_no_more_than_so_many_tokens_in_front() {
    let provider = Provider::start().await;
    provider
        .change_client(CLIENT, |client| {
            client.response_types.push(ResponseType::TOKEN);
            client.response_types.push(ResponseType::CODE.with(ResponseType::TOKEN));
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let mut browser = provider.logged_in(ADA).await;
    let mut tokens = Vec::new();
    for number in 0..1006 {
        let response_type = if number % 2 == 0 { "token" } else { "code token" };
        let answer = browser.authorize(&request(&[("response_type", response_type), ("prompt", "none")])).await;
        tokens.push(Answer::of(&answer).get("access_token").unwrap().to_owned());
    }
    for token in &tokens[..6] {
        assert_eq!(provider.userinfo(token).await.status, 401, "it has made room");
    }
    for token in [&tokens[6], &tokens[1005]] {
        assert_eq!(provider.userinfo(token).await.status, 200);
    }
    provider.pass(Duration::from_secs(601) + DAY);
    assert_eq!(sweep(&provider).await, 1000 + 503 + 1, "the tokens, the codes beside them, and the code of the login");
}

#[tokio::test]
async fn a_sweep_leaves_nothing_of_a_family_that_is_over() {
    let provider = Provider::start_with(&[("events.kinds", "[]")]).await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    let code = provider.browser().code(ADA, &request(&[])).await;
    provider.pass(91 * DAY);
    // Two codes and the grant that one of them became, two access and two refresh tokens, two sessions.
    assert_eq!(sweep(&provider).await, 9);
    assert_eq!(sweep(&provider).await, 0);
    assert_eq!(provider.userinfo(&second.access_token).await.status, 401);
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
}

#[tokio::test]
async fn what_is_swept_stays_away_and_what_is_live_stays_over_a_restart() {
    let (directory, provider) = begin().await;
    let first = provider.tokens("openid").await;
    provider.pass(2 * HOUR);
    assert_eq!(sweep(&provider).await, 1);
    let provider = restart(&directory, provider).await;
    assert_eq!(provider.userinfo(&first.access_token).await.status, 401);
    assert_eq!(provider.refresh(first.refresh()).await.status, 200);
}
