//! Logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0). What the OpenID Foundation's plan for it looks at is
//! named by its modules.

use std::sync::Arc;
use std::time::Duration;

use hallpass::base::encode::{base64url, parse_base64url};
use hallpass::base::form;
use hallpass::base::secret::Secret;
use hallpass::jose::alg::Algorithm;
use hallpass::jose::jws::Encoder;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::sign::Signer;
use hallpass::model::id::ClientId;
use serde_json::Value;

use crate::harness::*;

/// As long as states get, with every kind of character that needs no encoding (the plan's own).
const STATE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab-._~";

/// A provider, a browser in which Ada is logged in, and an ID token of that session.
async fn logged_in_with(settings: &[(&str, &str)]) -> (Provider, Browser, String) {
    let provider = Provider::start_with(settings).await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let id_token = provider.redeem(&code).await.tokens().id().to_owned();
    (provider, browser, id_token)
}

async fn logged_in() -> (Provider, Browser, String) {
    logged_in_with(&[]).await
}

impl Browser {
    /// A logout request, as far as it goes by itself.
    async fn log_out(&mut self, parameters: &[(&str, &str)]) -> Response {
        self.get(&format!("/end-session?{}", form::render(parameters.iter().copied()))).await
    }

    /// The same as a form that a page of another site sends: without the cookies that are `SameSite=Lax`, which are all.
    async fn log_out_by_post(&mut self, parameters: &[(&str, &str)]) -> Response {
        let cookies = std::mem::take(&mut self.cookies);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://app.example")];
        let body = form::render(parameters.iter().copied()).into_bytes();
        let url = format!("{}/end-session", self.issuer());
        let response = self.send("POST", &url, &headers, Some(body)).await;
        assert_eq!(response.status, 303, "{response:?}");
        self.cookies = cookies;
        self.follow(response).await
    }

    /// Presses a button of the page that asks.
    async fn answer(&mut self, page: &Response, decision: &str) -> Response {
        assert!(page.has_id("logout-confirm") && page.has_id("logout-cancel"), "not the page that asks: {page:?}");
        let (csrf, pending) = (page.field("csrf"), page.field("pending"));
        self.post("/logout", &[("csrf", &csrf), ("pending", &pending), ("decision", decision)]).await
    }

    /// Whether somebody is logged in, as a relying party sees it.
    async fn is_logged_in(&mut self) -> bool {
        let answer = Answer::of(&self.authorize(&request(&[("prompt", "none")])).await);
        match answer.get("error") {
            Some(error) => {
                assert_eq!(error, "login_required");
                false
            }
            None => answer.get("code").is_some(),
        }
    }
}

#[track_caller]
fn goes_to(response: &Response, location: &str) {
    assert_eq!((response.status, response.header("location")), (303, Some(location)), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[track_caller]
fn is_asked(response: &Response) {
    assert!(response.status == 200 && response.has_id("logout-confirm"), "{response:?}");
}

#[track_caller]
fn is_done(response: &Response) {
    assert!(response.status == 200 && response.has_id("logout-done"), "{response:?}");
    assert_eq!(response.header("location"), None);
}

/// An ID token with some claims changed, signed as `sign` says.
fn resigned(id_token: &str, changes: &[(&str, Value)], sign: impl FnOnce(&Value) -> Signer) -> String {
    let part = |index| -> Value {
        serde_json::from_slice(&parse_base64url(id_token.split('.').nth(index).unwrap()).unwrap()).unwrap()
    };
    let mut claims = part(1);
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    Encoder::new(Arc::new(sign(&part(0))), "JWT").encode(claims.to_string().as_bytes()).unwrap()
}

fn with_key(pem: &'static str) -> impl FnOnce(&Value) -> Signer {
    move |header| Signer::rs256(&PrivateKey::from_pem(pem).unwrap(), header["kid"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn rp_initiated_2_a_hint_of_the_session_logs_out_and_leads_back_with_the_state() {
    // rp-initiated-logout
    let (_provider, mut browser, id_token) = logged_in().await;
    assert_eq!(STATE.len(), 128);
    let asked = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", STATE)];
    let response = browser.log_out(&asked).await;
    goes_to(&response, &format!("{GOODBYE}?state={STATE}"));
    let ends = |line: &str| line.starts_with("hallpass-session") && line.ends_with("; Max-Age=0");
    assert!(response.headers.get_all("set-cookie").iter().any(|line| ends(line.to_str().unwrap())), "{response:?}");
    assert!(!browser.is_logged_in().await);
    // The request is idempotent (section 4).
    goes_to(&browser.log_out(&asked).await, &format!("{GOODBYE}?state={STATE}"));
}

#[tokio::test]
async fn rp_initiated_2_a_post_from_another_site_does_the_same() {
    let (_provider, mut browser, id_token) = logged_in().await;
    let asked = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", "a b&c=d")];
    goes_to(&browser.log_out_by_post(&asked).await, &format!("{GOODBYE}?state=a%20b%26c%3Dd"));
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_a_posted_hint_stands_in_no_address() {
    let (provider, _browser, id_token) = logged_in().await;
    let response = provider.post("/end-session", &[], &[("id_token_hint", &id_token)]).await;
    assert_eq!(response.status, 303);
    assert!(response.location().starts_with("/end-session?pending="), "{response:?}");
    assert!(!response.location().contains(&id_token[..40]) && response.location().len() < 600, "{response:?}");
    provider.pass(Duration::from_secs(3600));
    let late = provider.get(response.location()).await;
    assert!(late.status == 400 && late.has_id("error-page"), "{late:?}");
}

#[tokio::test]
async fn rp_initiated_3_without_state_none_comes_back() {
    // rp-initiated-logout-no-state
    let (_provider, mut browser, id_token) = logged_in().await;
    let asked = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", "")];
    goes_to(&browser.log_out(&asked).await, GOODBYE);
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_3_an_address_that_is_not_registered_is_never_gone_to() {
    // rp-initiated-logout-bad-post-logout-redirect-uri, -query-added-to-post-logout-redirect-uri
    let (_provider, mut browser, id_token) = logged_in().await;
    let with_query = format!("{GOODBYE}?foo=bar");
    let with_path = format!("{GOODBYE}/");
    for uri in ["https://evil.example/", &with_query, &with_path, REDIRECT, "javascript:alert(1)", "//evil.example"] {
        for hint in [id_token.as_str(), ""] {
            let asked = [
                ("id_token_hint", hint),
                ("client_id", CLIENT),
                ("post_logout_redirect_uri", uri),
                ("state", "the state"),
            ];
            let page = browser.log_out(&asked).await;
            is_asked(&page);
            assert!(page.body.contains("The web app"), "it says who asks");
            assert!(browser.is_logged_in().await);
            is_done(&browser.clone().answer(&page, "logout").await);
            let code = browser.code(ADA, &request(&[])).await;
            assert!(!code.is_empty());
            // Nobody is logged in elsewhere: that is all there is to say.
            let mut stranger = Browser::new(browser.issuer());
            is_done(&stranger.log_out(&asked).await);
        }
    }
}

#[tokio::test]
async fn rp_initiated_3_an_address_without_hint_and_client_is_never_gone_to() {
    // rp-initiated-logout-no-id-token-hint
    let (_provider, mut browser, _) = logged_in().await;
    let page = browser.log_out(&[("post_logout_redirect_uri", GOODBYE), ("state", "s")]).await;
    is_asked(&page);
    assert!(browser.is_logged_in().await);
    is_done(&browser.answer(&page, "logout").await);
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_4_a_hint_that_is_not_ours_is_not_used() {
    // rp-initiated-logout-modified-id-token-hint, -bad-id-token-hint
    let (provider, mut browser, id_token) = logged_in().await;
    let payload = id_token.split('.').nth(1).unwrap();
    let elsewhere = resigned(&id_token, &[("iss", "https://evil.example".into())], with_key(RSA));
    let hints = [
        format!("{}.{payload}.", base64url(r#"{"alg":"none"}"#)),
        resigned(&id_token, &[], with_key(OTHER_RSA)),
        resigned(&id_token, &[], |_| Signer::hs256(&Secret::new(SECRET)).unwrap()),
        elsewhere,
        resigned(&id_token, &[("aud", "nobody".into())], with_key(RSA)),
        "garbage".to_owned(),
    ];
    for hint in &hints {
        for client in ["", CLIENT] {
            let asked = [
                ("id_token_hint", hint.as_str()),
                ("client_id", client),
                ("post_logout_redirect_uri", GOODBYE),
                ("state", "s"),
            ];
            is_done(&provider.browser().log_out(&asked).await);
            let page = browser.log_out(&asked).await;
            is_asked(&page);
            assert!(!page.body.contains("The web app"), "nobody knows who asks");
            is_done(&browser.clone().answer(&page, "logout").await);
            browser.code(ADA, &request(&[])).await;
            is_asked(&browser.log_out_by_post(&asked).await);
        }
    }
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_without_parameters_the_user_is_asked_and_told_that_it_is_done() {
    // rp-initiated-logout-no-params, -only-state
    for asked in [&[][..], &[("state", "the state")], &[("logout_hint", ADA)], &[("unheard_of", "x")]] {
        let (_provider, mut browser, _) = logged_in().await;
        let page = browser.log_out(asked).await;
        is_asked(&page);
        assert!(page.body.contains("Ada Lovelace"));
        assert!(browser.is_logged_in().await);
        is_done(&browser.answer(&page, "logout").await);
        assert!(!browser.is_logged_in().await);
        is_done(&browser.log_out(asked).await);
    }
}

#[tokio::test]
async fn rp_initiated_2_without_an_address_a_page_says_that_it_is_done() {
    // rp-initiated-logout-no-post-logout-redirect-uri
    let (provider, mut browser, id_token) = logged_in().await;
    provider.change_client(CLIENT, |client| client.client_uri = Some("https://app.example/".into())).await;
    let done = browser.log_out(&[("id_token_hint", &id_token), ("state", "s")]).await;
    is_done(&done);
    assert!(done.body.contains("href=\"https://app.example/\""), "the way back: {done:?}");
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_with_client_and_address_the_user_is_asked_first() {
    let (_provider, mut browser, _) = logged_in().await;
    let asked = [("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE), ("state", "s")];
    let page = browser.log_out(&asked).await;
    is_asked(&page);
    assert!(page.body.contains("The web app") && page.body.contains("Ada Lovelace"), "who asks, and whom");
    assert!(browser.is_logged_in().await);
    goes_to(&browser.answer(&page, "logout").await, &format!("{GOODBYE}?state=s"));
    assert!(!browser.is_logged_in().await);
    // The page is still open in another tab.
    goes_to(&browser.answer(&page, "logout").await, &format!("{GOODBYE}?state=s"));
}

#[tokio::test]
async fn rp_initiated_2_who_wants_to_stay_stays() {
    let (provider, mut browser, _) = logged_in().await;
    provider.change_client(CLIENT, |client| client.client_uri = Some("https://app.example/".into())).await;
    let page = browser.log_out(&[("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE)]).await;
    let kept = browser.answer(&page, "cancel").await;
    assert!(kept.status == 200 && kept.has_id("logout-kept") && !kept.has_id("logout-done"), "{kept:?}");
    assert!(kept.body.contains("href=\"https://app.example/\""), "the way back: {kept:?}");
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_a_hint_of_another_user_or_session_asks_first() {
    let (provider, mut browser, id_token) = logged_in().await;
    let mut bob = provider.browser();
    let code = bob.code(BOB, &request(&[])).await;
    let of_bob = provider.redeem(&code).await.tokens();
    let mut elsewhere = provider.browser();
    let code = elsewhere.code(ADA, &request(&[])).await;
    let of_elsewhere = provider.redeem(&code).await.tokens();
    for hint in [of_bob.id(), of_elsewhere.id()] {
        let page = browser.log_out(&[("id_token_hint", hint), ("post_logout_redirect_uri", GOODBYE)]).await;
        is_asked(&page);
        assert!(browser.is_logged_in().await);
        goes_to(&browser.clone().answer(&page, "logout").await, GOODBYE);
        browser.code(ADA, &request(&[])).await;
    }
    // A token that names no session was issued in none, or made by a client that signs with its secret.
    let (_provider, mut browser, _) = logged_in().await;
    let nameless = resigned(&id_token, &[("iss", browser.issuer().into()), ("sid", Value::Null)], with_key(RSA));
    is_asked(&browser.log_out(&[("id_token_hint", &nameless)]).await);
    let nameless = without_sid(&nameless);
    is_asked(&browser.log_out(&[("id_token_hint", &nameless)]).await);
    assert!(browser.is_logged_in().await);
}

fn without_sid(id_token: &str) -> String {
    let mut claims: serde_json::Map<String, Value> =
        serde_json::from_slice(&parse_base64url(id_token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    claims.remove("sid");
    let key = PrivateKey::from_pem(RSA).unwrap();
    let signer = Signer::rs256(&key, key.kid()).unwrap();
    Encoder::new(Arc::new(signer), "JWT").encode(Value::Object(claims).to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn rp_initiated_2_client_id_must_be_that_of_the_hint() {
    let (_provider, mut browser, id_token) = logged_in().await;
    let asked =
        |client| [("id_token_hint", id_token.as_str()), ("client_id", client), ("post_logout_redirect_uri", GOODBYE)];
    let (long, too_long) = ("x".repeat(255), "x".repeat(256));
    for client in [OTHER, "nobody", &long] {
        let page = browser.log_out(&asked(client)).await;
        is_asked(&page);
        is_done(&browser.clone().answer(&page, "logout").await);
        browser.code(ADA, &request(&[])).await;
    }
    let refused = browser.log_out(&asked(&too_long)).await;
    assert!(refused.status == 400 && refused.has_id("error-page"), "{refused:?}");
    let (_provider, mut browser, id_token) = logged_in().await;
    let asked = [("id_token_hint", id_token.as_str()), ("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE)];
    goes_to(&browser.log_out(&asked).await, GOODBYE);
}

#[tokio::test]
async fn rp_initiated_4_a_hint_may_have_expired_and_its_key_be_retired() {
    let (provider, mut browser, id_token) = logged_in().await;
    let second = provider.add_key(OTHER_RSA).await;
    provider.administer(hallpass::admin::Method::Post, &format!("keys/{second}/promote"), Value::Null).await;
    provider.pass(Duration::from_secs(12 * 60 * 60));
    goes_to(&browser.log_out(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", GOODBYE)]).await, GOODBYE);
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_4_a_hint_may_be_signed_with_the_clients_secret() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.id_token_algorithm = Algorithm::Hs256).await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    goes_to(&browser.log_out(&[("id_token_hint", tokens.id()), ("post_logout_redirect_uri", GOODBYE)]).await, GOODBYE);
    assert!(!browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_addresses_may_be_of_a_scheme_of_their_own_or_at_any_loopback_port() {
    let (provider, mut browser, _) = logged_in().await;
    let registered = ["com.example.app:/bye", "http://127.0.0.1/bye", "https://app.example/bye?tenant=1"];
    provider
        .change_client(CLIENT, |client| client.post_logout_redirect_uris = registered.map(Into::into).to_vec())
        .await;
    for (uri, location) in [
        ("com.example.app:/bye", "com.example.app:/bye?state=s"),
        ("http://127.0.0.1:51004/bye", "http://127.0.0.1:51004/bye?state=s"),
        ("https://app.example/bye?tenant=1", "https://app.example/bye?tenant=1&state=s"),
    ] {
        let code = browser.code(ADA, &request(&[])).await;
        let tokens = provider.redeem(&code).await.tokens();
        let asked = [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", uri), ("state", "s")];
        goes_to(&browser.log_out(&asked).await, location);
    }
}

#[tokio::test]
async fn rp_initiated_3_what_is_taken_back_while_the_user_is_asked_is_not_gone_to() {
    let (provider, mut browser, _) = logged_in().await;
    let page = browser.log_out(&[("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE)]).await;
    provider.change_client(CLIENT, |client| client.post_logout_redirect_uris.clear()).await;
    is_done(&browser.clone().answer(&page, "logout").await);
    assert!(provider.app.store.delete_client(&ClientId::new(CLIENT)).await.unwrap());
    is_done(&browser.answer(&page, "logout").await);
}

#[tokio::test]
async fn rp_initiated_2_the_page_that_asks_belongs_to_its_browser_and_expires() {
    let (provider, mut browser, _) = logged_in().await;
    let page = browser.log_out(&[("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE)]).await;
    let address = page.url.strip_prefix(browser.issuer()).unwrap().to_owned();
    let (csrf, pending) = (page.field("csrf"), page.field("pending"));
    is_asked(&browser.get(&address).await);

    let mut other = provider.logged_in(BOB).await;
    assert_eq!(other.get(&address).await.status, 400, "what one browser began isn't shown in another");
    let mark = other.get("/logout").await.field("csrf");
    let planted = other.post("/logout", &[("csrf", &mark), ("pending", &pending), ("decision", "logout")]).await;
    assert!(planted.status == 400 && planted.has_id("error-page"), "{planted:?}");
    assert!(other.is_logged_in().await);

    let mut changed = pending.clone();
    changed.replace_range(60..61, if changed[60..].starts_with('A') { "B" } else { "A" });
    let refused = browser.post("/logout", &[("csrf", &csrf), ("pending", &changed), ("decision", "logout")]).await;
    assert_eq!(refused.status, 400);
    provider.pass(Duration::from_secs(3600));
    let late = browser.post("/logout", &[("csrf", &csrf), ("pending", &pending), ("decision", "logout")]).await;
    assert_eq!(late.status, 400);
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_2_ui_locales_choose_the_language() {
    let (_provider, mut browser, id_token) = logged_in().await;
    let page = browser.log_out(&[("ui_locales", "tlh fr-CA")]).await;
    assert_eq!(page.header("content-language"), Some("fr"));
    assert_eq!(browser.clone().answer(&page, "cancel").await.header("content-language"), Some("fr"));
    let done = browser.log_out(&[("id_token_hint", &id_token), ("ui_locales", "de")]).await;
    assert_eq!(done.header("content-language"), Some("de"));
}

#[tokio::test]
async fn rp_initiated_2_head_logs_nobody_out() {
    let (provider, mut browser, id_token) = logged_in().await;
    let url = format!("{}/end-session?id_token_hint={id_token}", provider.issuer);
    let response = browser.send("HEAD", &url, &[], None).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, POST, OPTIONS")));
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn rp_initiated_3_development_takes_every_address_of_this_machine() {
    let provider = Provider::start_for_development().await;
    let asked = |uri| [("client_id", CLIENT), ("post_logout_redirect_uri", uri)];
    let here = "http://localhost:3000/logged-out";
    goes_to(&provider.browser().log_out(&asked(here)).await, here);
    is_done(&provider.browser().log_out(&asked("https://evil.example/")).await);
}

#[tokio::test]
async fn django_the_first_registered_address_serves_where_none_is_named() {
    let django = [("logout.default_redirect", "first")];
    let (provider, mut browser, id_token) = logged_in_with(&django).await;
    goes_to(&browser.log_out(&[("id_token_hint", &id_token), ("state", "s")]).await, &format!("{GOODBYE}?state=s"));
    assert!(!browser.is_logged_in().await);
    // Nobody is logged in.
    goes_to(&browser.log_out(&[("client_id", CLIENT)]).await, GOODBYE);
    is_done(&browser.log_out(&[]).await);
    // Asked first, where no hint came.
    browser.code(ADA, &request(&[])).await;
    let page = browser.log_out(&[("client_id", CLIENT)]).await;
    goes_to(&browser.answer(&page, "logout").await, GOODBYE);
    // An address that isn't registered stays a mistake.
    is_done(&browser.log_out(&[("client_id", CLIENT), ("post_logout_redirect_uri", "https://evil.example/")]).await);
    provider.change_client(CLIENT, |client| client.post_logout_redirect_uris.clear()).await;
    is_done(&browser.log_out(&[("client_id", CLIENT)]).await);
}
