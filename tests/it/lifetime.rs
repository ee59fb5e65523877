//! How long what a client gets lives: as its record says, else as the settings do.

use std::time::Duration;

use hallpass::app::rotation;
use hallpass::model::client::{GrantType, Lifetimes};
use hallpass::model::key::KeyState;
use serde_json::json;

use crate::harness::place::Place;
use crate::harness::*;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A provider where the client `web` has lifetimes of its own.
async fn start(lifetimes: Lifetimes) -> Provider {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.lifetimes = lifetimes).await;
    provider
}

#[tokio::test]
async fn the_settings_say_how_long_everything_lives() {
    let provider = Provider::start_with(&[
        ("lifetimes.code", "1m"),
        ("lifetimes.refresh_idle", "2h"),
        ("lifetimes.refresh_token", "3h"),
        ("lifetimes.session_idle", "20m"),
        ("lifetimes.session", "30m"),
        ("lifetimes.pending", "5m"),
    ])
    .await;
    let asked = request(&[]);
    let code = provider.browser().code(ADA, &asked).await;
    provider.pass(MINUTE);
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");

    let mut late = provider.browser();
    let page = late.authorize(&asked).await;
    provider.pass(5 * MINUTE);
    assert_eq!(late.log_in(&page, ADA, PASSWORD).await.status, 400, "the page was open for too long");

    let none = request(&[("prompt", "none")]);
    let logged_out = Some("login_required");
    let mut idle = provider.logged_in(ADA).await;
    let mut busy = provider.logged_in(ADA).await;
    provider.pass(15 * MINUTE);
    assert!(busy.authorize(&none).await.query("code").is_some());
    provider.pass(5 * MINUTE);
    assert_eq!(idle.authorize(&none).await.query("error").as_deref(), logged_out);
    assert!(busy.authorize(&none).await.query("code").is_some());
    provider.pass(10 * MINUTE);
    assert_eq!(busy.authorize(&none).await.query("error").as_deref(), logged_out, "half an hour in all");

    let unused = provider.tokens("openid").await;
    let first = provider.tokens("openid").await;
    provider.pass(119 * MINUTE);
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(MINUTE);
    assert_eq!(provider.refresh(unused.refresh()).await.error(), "invalid_grant");
    provider.pass(60 * MINUTE);
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn rfc6749_5_1_a_client_has_lifetimes_of_its_own_and_others_those_of_the_settings() {
    let own = Lifetimes { access_token: Some(5 * MINUTE), id_token: Some(90 * MINUTE), ..Lifetimes::default() };
    let provider = start(own).await;
    let tokens = provider.tokens("openid email").await;
    assert_eq!(tokens.expires_in, 300);
    let claims = provider.verify(tokens.id()).await.1;
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 90 * 60);
    let refreshed = provider.refresh(tokens.refresh()).await.tokens();
    assert_eq!(refreshed.expires_in, 300);
    provider.pass(5 * MINUTE);
    assert_eq!(provider.userinfo(&refreshed.access_token).await.status, 401);

    let code = provider.browser().code(ADA, &request(&[("client_id", OTHER)])).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
    let tokens = provider.token(OTHER, SECRET, &form).await.tokens();
    assert_eq!(tokens.expires_in, 3600);
    let claims = provider.verify(tokens.id()).await.1;
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_lives_as_long_as_its_client_says() {
    for (own, fits) in [(Some(30), false), (Some(120), true), (None, true)] {
        let code = own.map(Duration::from_secs);
        let provider = start(Lifetimes { code, ..Lifetimes::default() }).await;
        let code = provider.browser().code(ADA, &request(&[])).await;
        provider.pass(MINUTE);
        let answer = provider.redeem(&code).await;
        assert_eq!(answer.status == 200, fits, "{own:?}: {answer:?}");
    }
}

#[tokio::test]
async fn rfc6749_6_refresh_tokens_live_as_long_as_their_client_says() {
    let own = Lifetimes { refresh_idle: Some(DAY), refresh_token: Some(2 * DAY), ..Lifetimes::default() };
    let provider = start(own).await;
    let unused = provider.tokens("openid").await;
    let first = provider.tokens("openid").await;
    provider.pass(DAY - MINUTE);
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(MINUTE);
    assert_eq!(provider.refresh(unused.refresh()).await.error(), "invalid_grant", "a day without use");
    provider.pass(DAY - 2 * MINUTE);
    let third = provider.refresh(second.refresh()).await.tokens();
    assert_eq!(third.expires_in, 120, "nothing outlives its family");
    provider.pass(2 * MINUTE);
    assert_eq!(provider.refresh(third.refresh()).await.error(), "invalid_grant", "two days in all");
}

#[tokio::test]
async fn rfc6749_4_4_a_client_that_asks_for_itself_has_its_own_lifetime_too() {
    let provider = start(Lifetimes { access_token: Some(7 * MINUTE), ..Lifetimes::default() }).await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.push(GrantType::ClientCredentials);
            client.scope = hallpass::model::scope::Scope::parse("books");
        })
        .await;
    let answer = provider.token(CLIENT, SECRET, &[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.json()["expires_in"], 420);
}

#[tokio::test]
async fn oidc_core_5_4_a_client_says_whether_its_id_tokens_carry_the_claims_of_the_scope() {
    for (general, own, carried) in
        [("false", None, false), ("false", Some(true), true), ("true", None, true), ("true", Some(false), false)]
    {
        let provider = Provider::start_with(&[("id_token.include_claims", general)]).await;
        provider.change_client(CLIENT, |client| client.include_claims = own).await;
        let tokens = provider.tokens("openid email").await;
        let claims = provider.verify(tokens.id()).await.1;
        assert_eq!(claims.contains_key("email"), carried, "{general} {own:?}");
    }
}

#[tokio::test]
async fn oidc_core_10_1_1_a_key_is_published_for_as_long_as_any_client_may_have_what_it_signed() {
    let provider =
        start(Lifetimes { id_token: Some(DAY), refresh_token: Some(200 * DAY), ..Lifetimes::default() }).await;
    let first = provider.verify(provider.tokens("openid").await.id()).await.0["kid"].as_str().unwrap().to_owned();
    let next = provider.add_key(OTHER_RSA).await;
    provider.administer(hallpass::admin::Method::Post, &format!("keys/{next}/promote"), json!({})).await;
    let listed = provider.administer(hallpass::admin::Method::Get, &format!("keys/{first}"), json!(null)).await;
    let times = |name: &str| listed[name].as_u64().unwrap() - provider.now();
    assert_eq!(times("leaves_at"), 24 * 60 * 60 + 65 * 60);
    assert_eq!(times("expires_at"), 200 * 24 * 60 * 60);
    let state = async || {
        let keys = provider.app.store.keys().await.unwrap();
        keys.into_iter().find(|key| key.id.as_str() == first).map(|key| key.state)
    };
    provider.pass(DAY);
    rotation::rotate(&provider.app).await.unwrap();
    assert_eq!(state().await, Some(KeyState::Retired), "75 minutes are over, a day and 65 aren't");
    provider.pass(65 * MINUTE);
    rotation::rotate(&provider.app).await.unwrap();
    assert_eq!(state().await, Some(KeyState::Withdrawn));
}

#[tokio::test]
async fn a_logout_is_remembered_for_as_long_as_any_client_may_have_what_was_granted_before() {
    let provider = start(Lifetimes { refresh_token: Some(3650 * DAY), ..Lifetimes::default() }).await;
    provider
        .change_client(CLIENT, |client| {
            client.lifetimes.refresh_idle = Some(3650 * DAY);
        })
        .await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[("scope", "openid")])).await;
    let refresh = provider.redeem(&code).await.tokens();
    let mark = browser.get("/logout").await.field("csrf");
    let done = browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
    assert!(done.has_id("logout-done"), "{done:?}");
    // Longer than what the settings allow, and all that is swept is gone.
    provider.pass(1000 * DAY);
    while provider.app.store.sweep(provider.clock.now(), 256).await.unwrap() > 0 {}
    assert_eq!(provider.refresh(refresh.refresh()).await.error(), "invalid_grant");
}

#[test]
fn commands_set_show_and_take_away_what_a_client_has_of_its_own() {
    let place = Place::new();
    place.done(&["init"]);
    let own = ["--access-token-lifetime", "5m", "--id-token-lifetime", "90", "--include-claims", "true"];
    let create = ["createclient", "--name", "Wiki", "--id", "wiki", "--redirect-uri", "https://wiki.example/cb"];
    let made = place.json(&[&create[..], &own].concat());
    assert_eq!(
        (&made["access_token_lifetime"], &made["id_token_lifetime"], &made["include_claims"]),
        (&json!(300), &json!(90), &json!(true))
    );
    let shown = place.json(&["client", "show", "wiki"]);
    assert_eq!(shown["access_token_lifetime"], 300);
    assert!(shown.get("code_lifetime").is_none(), "{shown}");
    let change =
        ["--access-token-lifetime", "", "--refresh-token-lifetime", "1h30m", "--include-claims", "", "--name", "W"];
    let changed = place.json(&[&["client", "update", "wiki"][..], &change].concat());
    assert_eq!((&changed["refresh_token_lifetime"], &changed["client_name"]), (&json!(5400), &json!("W")));
    assert!(changed.get("access_token_lifetime").is_none() && changed.get("include_claims").is_none(), "{changed}");
    assert_eq!(changed["id_token_lifetime"], 90, "what is not named stays");
    assert_eq!(changed["redirect_uris"], json!(["https://wiki.example/cb"]));

    for (name, value, line) in [
        (
            "--code-lifetime",
            "2h",
            "hallpass: code_lifetime must be a duration from 1s to 1h (seconds, or text like \"10m\", \"1h30m\", \"90d\")",
        ),
        (
            "--access-token-lifetime",
            "soon",
            "hallpass: access_token_lifetime must be a duration from 1s to 30d (seconds, or text like \"10m\", \"1h30m\", \"90d\")",
        ),
        (
            "--refresh-token-idle-lifetime",
            "2h",
            "hallpass: refresh_token_idle_lifetime must not be longer than refresh_token_lifetime",
        ),
        ("--include-claims", "maybe", "hallpass: include_claims must be true or false, or null"),
    ] {
        place.refused(&["client", "update", "wiki", name, value], 1, line);
    }
    let nothing = "hallpass client update: nothing is named that is to change (see hallpass client update --help)";
    place.refused(&["client", "update", "wiki"], 2, nothing);
}

#[tokio::test]
async fn rfc7591_2_declared_clients_have_lifetimes_too() {
    let provider = Provider::start().await;
    let body = json!({ "redirect_uris": [REDIRECT], "access_token_lifetime": "5m", "refresh_token_lifetime": 60 });
    let made = provider.administer(hallpass::admin::Method::Put, "clients/shop", body.clone()).await;
    assert_eq!((&made["access_token_lifetime"], &made["refresh_token_lifetime"]), (&json!(300), &json!(60)));
    let again = provider.administer(hallpass::admin::Method::Put, "clients/shop", body).await;
    assert_eq!(again["access_token_lifetime"], 300);
}

#[tokio::test]
async fn rfc7591_2_a_client_carries_members_of_ones_own() {
    let provider = Provider::start().await;
    let body = json!({ "redirect_uris": [REDIRECT], "metadata": { "team": "engines", "floor": 2 } });
    provider.administer(hallpass::admin::Method::Put, "clients/shop", body).await;
    let shown = provider.administer(hallpass::admin::Method::Get, "clients/shop", json!(null)).await;
    assert_eq!(shown["metadata"], json!({ "team": "engines", "floor": 2 }));
}
