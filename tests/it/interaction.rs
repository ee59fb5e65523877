//! What happens between a request and its answer: prompt, max_age, hints, and how the pages are asked to look.

use std::time::Duration;

use hallpass::base::encode::base64url;
use hallpass::jose::alg::Algorithm;
use serde_json::{Map, Value, json};

use crate::harness::*;

/// What a page asks for.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Login,
    Consent,
    Choice,
}

#[track_caller]
fn shown(response: &Response) -> Shown {
    assert_eq!(response.status, 200, "{response:?}");
    match response {
        _ if response.has_id("login-submit") => Shown::Login,
        _ if response.has_id("consent-allow") => Shown::Consent,
        _ if response.has_id("select-continue") => Shown::Choice,
        _ => panic!("none of the pages: {response:?}"),
    }
}

/// Presses a button of the account chooser.
async fn choose(browser: &mut Browser, page: &Response, decision: &str) -> Response {
    assert_eq!(shown(page), Shown::Choice);
    let pending = page.field("pending");
    browser.post("/select-account", &[("pending", &pending), ("decision", decision)]).await
}

/// The claims of the ID token that an answer's code gives.
async fn id_token(provider: &Provider, response: &Response) -> Map<String, Value> {
    let tokens = provider.redeem(Answer::of(response).code()).await.tokens();
    provider.verify(tokens.id()).await.1
}

/// A provider, and a browser in which Ada logged in and agreed to everything, ten seconds ago.
async fn logged_in() -> (Provider, Browser) {
    let provider = Provider::start().await;
    let browser = provider.logged_in(ADA).await;
    provider.pass(Duration::from_secs(10));
    (provider, browser)
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_none_never_shows_a_page() {
    let provider = Provider::start().await;
    let none = request(&[("prompt", "none"), ("scope", "openid email")]);
    let mut browser = provider.browser();
    assert_eq!(Answer::of(&browser.authorize(&none).await).error(), "login_required");
    let page = browser.authorize(&request(&[])).await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    assert_eq!(Answer::of(&browser.authorize(&none).await).error(), "consent_required");
    browser.decide(&page, "allow").await;
    assert_eq!(Answer::of(&browser.authorize(&none).await).error(), "consent_required", "email wasn't agreed to");
    browser.code(ADA, &request(&[("scope", "openid email")])).await;
    let first = id_token(&provider, &browser.authorize(&none).await).await;
    provider.pass(Duration::from_secs(100));
    let second = id_token(&provider, &browser.authorize(&none).await).await;
    assert_eq!((&second["sub"], &second["auth_time"]), (&first["sub"], &first["auth_time"]));
    assert_eq!(second["auth_time"], START.as_secs(), "silence is no login");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_login_asks_again_whoever_is_logged_in() {
    let (provider, mut browser) = logged_in().await;
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    assert_eq!(shown(&page), Shown::Login);
    provider.pass(Duration::from_secs(5));
    let response = browser.log_in(&page, ADA, PASSWORD).await;
    let claims = id_token(&provider, &response).await;
    assert_eq!(claims["auth_time"], START.as_secs() + 15, "the login of now, not of then");
    provider.pass(Duration::from_secs(5));
    assert_eq!(shown(&browser.authorize(&request(&[("prompt", "login")])).await), Shown::Login, "each time");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_login_is_not_answered_by_going_round_the_page() {
    let (_provider, mut browser) = logged_in().await;
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    let pending = page.field("pending");
    for (page, decision) in [("/consent", "allow"), ("/select-account", "continue")] {
        let elsewhere = browser.post(page, &[("pending", &pending), ("decision", decision)]).await;
        assert_eq!(elsewhere.status, 400, "a request is good for its page: {elsewhere:?}");
    }
    let again = browser.get(&format!("/authorize?pending={pending}")).await;
    assert_eq!(again.status, 400, "a page's request isn't one that is posted: {again:?}");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_consent_asks_again_whatever_was_agreed_to() {
    let (provider, mut browser) = logged_in().await;
    let page = browser.authorize(&request(&[("prompt", "consent")])).await;
    assert_eq!(shown(&page), Shown::Consent);
    Answer::of(&browser.decide(&page, "allow").await).code();
    provider.change_client(CLIENT, |client| client.require_consent = false).await;
    assert_eq!(shown(&browser.authorize(&request(&[("prompt", "consent")])).await), Shown::Consent);
}

#[tokio::test]
async fn oidc_core_3_1_2_3_every_request_of_nobody_begins_with_a_login() {
    let (provider, _) = logged_in().await;
    for (prompt, consent) in
        [("", false), ("login", false), ("select_account", false), ("consent", true), ("login consent", true)]
    {
        let mut browser = provider.browser();
        let page = browser.authorize(&request(&[("prompt", prompt)])).await;
        assert_eq!(shown(&page), Shown::Login, "{prompt}");
        // She has agreed before, so what comes next is the answer, unless the question was asked for.
        let next = browser.log_in(&page, ADA, PASSWORD).await;
        assert_eq!((next.has_id("consent-allow"), next.header("location").is_some()), (consent, !consent), "{prompt}");
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_select_account_lets_the_user_choose() {
    let (provider, mut browser) = logged_in().await;
    let select = request(&[("prompt", "select_account")]);
    let page = browser.authorize(&select).await;
    assert!(page.body.contains("Ada Lovelace"), "{}", page.body);
    let claims = id_token(&provider, &choose(&mut browser, &page, "continue").await).await;
    assert_eq!((&claims["sub"], &claims["auth_time"]), (&json!("id-of-ada"), &json!(START.as_secs())));

    let page = browser.authorize(&select).await;
    let cancelled = Answer::of(&choose(&mut browser, &page, "cancel").await);
    assert_eq!((cancelled.error(), cancelled.get("state")), ("access_denied", Some("the state")));

    let page = browser.authorize(&select).await;
    let page = choose(&mut browser, &page, "another").await;
    assert_eq!(shown(&page), Shown::Login);
    let page = browser.log_in(&page, BOB, PASSWORD).await;
    let claims = id_token(&provider, &browser.decide(&page, "allow").await).await;
    assert_eq!(claims["sub"], "id-of-bob");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_login_is_a_choice_of_account() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[("prompt", "select_account")])).await;
    assert_eq!(shown(&page), Shown::Login, "there is nobody to choose");
    assert_eq!(shown(&browser.log_in(&page, ADA, PASSWORD).await), Shown::Consent, "and nobody to choose from");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_choice_counts_only_for_whom_the_page_showed() {
    let (provider, mut browser) = logged_in().await;
    let page = browser.authorize(&request(&[("prompt", "select_account")])).await;
    browser.code(ADA, &request(&[])).await; // another tab, nothing changes
    let other_tab = browser.authorize(&request(&[("prompt", "login")])).await;
    browser.log_in(&other_tab, BOB, PASSWORD).await;
    provider.pass(Duration::from_secs(1));
    let response = choose(&mut browser, &page, "continue").await;
    assert!(shown(&response) == Shown::Choice && response.body.contains(BOB), "who is logged in now is shown first");
    assert_eq!(shown(&choose(&mut browser, &response, "continue").await), Shown::Consent, "and has agreed to nothing");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompts_add_up() {
    let (provider, mut browser) = logged_in().await;
    let page = browser.authorize(&request(&[("prompt", "login consent")])).await;
    assert_eq!(shown(&page), Shown::Login);
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    assert_eq!(shown(&page), Shown::Consent);
    Answer::of(&browser.decide(&page, "allow").await).code();
    provider.pass(Duration::from_secs(1));
    let page = browser.authorize(&request(&[("prompt", "consent select_account")])).await;
    let page = choose(&mut browser, &page, "continue").await;
    assert_eq!(shown(&page), Shown::Consent);
    Answer::of(&browser.decide(&page, "allow").await).code();
    Answer::of(&browser.authorize(&request(&[("prompt", "unheard-of")])).await).code();
}

#[tokio::test]
async fn oidc_core_3_1_2_1_max_age_is_the_age_of_the_login() {
    let (provider, mut browser) = logged_in().await;
    for (max_age, expected) in [("15000", None), ("11", None), ("10", None), ("9", Some(Shown::Login))] {
        let response = browser.authorize(&request(&[("max_age", max_age)])).await;
        match expected {
            None => assert_eq!(id_token(&provider, &response).await["auth_time"], START.as_secs(), "{max_age}"),
            Some(page) => assert_eq!(shown(&response), page, "{max_age}"),
        }
    }
    provider.pass(Duration::from_millis(999));
    Answer::of(&browser.authorize(&request(&[("max_age", "10")])).await).code();
    provider.pass(Duration::from_millis(1));
    assert_eq!(shown(&browser.authorize(&request(&[("max_age", "10")])).await), Shown::Login, "at the exact second");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_login_that_is_too_old_is_made_anew_and_auth_time_tells() {
    let (provider, mut browser) = logged_in().await;
    for max_age in ["1", "0"] {
        let page = browser.authorize(&request(&[("max_age", max_age)])).await;
        assert_eq!(shown(&page), Shown::Login, "{max_age}");
        // However long they take at the page: the login that follows is as fresh as it can be.
        provider.pass(Duration::from_secs(30));
        let at = provider.now();
        let claims = id_token(&provider, &browser.log_in(&page, ADA, PASSWORD).await).await;
        assert_eq!(claims["auth_time"], at);
        provider.pass(Duration::from_secs(2));
    }
    let silent = request(&[("max_age", "1"), ("prompt", "none")]);
    assert_eq!(Answer::of(&browser.authorize(&silent).await).error(), "login_required");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_id_token_hint_of_the_user_succeeds_silently_even_when_it_has_expired() {
    let (provider, mut browser) = logged_in().await;
    let tokens = provider.redeem(&browser.code(ADA, &request(&[])).await).await.tokens();
    provider.pass(Duration::from_secs(3600));
    let silent = request(&[("prompt", "none"), ("id_token_hint", tokens.id())]);
    let claims = id_token(&provider, &browser.authorize(&silent).await).await;
    assert_eq!((&claims["sub"], &claims["auth_time"]), (&json!("id-of-ada"), &json!(START.as_secs())));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_id_token_hint_of_somebody_else_asks_them_to_log_in() {
    let (provider, mut browser) = logged_in().await;
    let of_bob = provider.redeem(&provider.browser().code(BOB, &request(&[])).await).await.tokens();
    provider.pass(Duration::from_secs(1));
    let silent = request(&[("prompt", "none"), ("id_token_hint", of_bob.id())]);
    assert_eq!(Answer::of(&browser.authorize(&silent).await).error(), "login_required");
    let hinted = request(&[("id_token_hint", of_bob.id())]);
    let page = browser.authorize(&hinted).await;
    assert_eq!(shown(&page), Shown::Login);
    let wrong = Answer::of(&browser.clone().log_in(&page, ADA, PASSWORD).await);
    assert_eq!(wrong.error(), "login_required", "not whom the client asked for");
    let claims = id_token(&provider, &browser.log_in(&page, BOB, PASSWORD).await).await;
    assert_eq!(claims["sub"], "id-of-bob");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_id_token_hints_that_are_not_ours_are_refused() {
    let (provider, mut browser) = logged_in().await;
    let tokens = provider.redeem(&browser.code(ADA, &request(&[])).await).await.tokens();
    let id_token = tokens.id();
    let (rest, signature) = id_token.rsplit_once('.').unwrap();
    let payload = rest.split_once('.').unwrap().1;
    let unsigned = format!("{}.{payload}.", base64url(r#"{"alg":"none"}"#));
    let swapped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{rest}.{swapped}{}", &signature[1..]);
    for hint in ["garbage", "a.b.c", &unsigned, &forged, &tokens.access_token] {
        let answer = Answer::of(&browser.authorize(&request(&[("id_token_hint", hint)])).await);
        assert_eq!((answer.error(), answer.get("state")), ("invalid_request", Some("the state")), "{hint}");
    }
    let of_other_client = request(&[("client_id", OTHER), ("id_token_hint", id_token)]);
    assert_eq!(Answer::of(&browser.authorize(&of_other_client).await).error(), "invalid_request");
    provider.change_client(CLIENT, |client| client.id_token_algorithm = Algorithm::Hs256).await;
    let tokens = provider.redeem(&browser.code(ADA, &request(&[])).await).await.tokens();
    Answer::of(&browser.authorize(&request(&[("prompt", "none"), ("id_token_hint", tokens.id())])).await).code();
}

#[tokio::test]
async fn oidc_core_5_5_1_a_subject_that_is_asked_for_by_claims_is_like_a_hint() {
    let (_provider, mut browser) = logged_in().await;
    let of = |sub: &str| json!({"id_token": {"sub": {"value": sub}}}).to_string();
    let (ada, bob) = (of("id-of-ada"), of("id-of-bob"));
    Answer::of(&browser.authorize(&request(&[("claims", &ada), ("prompt", "none")])).await).code();
    let answer = Answer::of(&browser.authorize(&request(&[("claims", &bob), ("prompt", "none")])).await);
    assert_eq!(answer.error(), "login_required");
    assert_eq!(shown(&browser.authorize(&request(&[("claims", &bob)])).await), Shown::Login);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_login_hint_fills_the_page_and_binds_nobody() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let hostile = "\"><script>alert(1)</script>";
    let page = browser.authorize(&request(&[("login_hint", hostile)])).await;
    assert!(page.field("username").starts_with('"') && !page.body.contains("<script>alert"), "{}", page.body);
    let page = browser.authorize(&request(&[("login_hint", BOB)])).await;
    assert_eq!(page.field("username"), BOB);
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    let claims = id_token(&provider, &browser.decide(&page, "allow").await).await;
    assert_eq!(claims["sub"], "id-of-ada");
    let hinted = request(&[("login_hint", BOB), ("prompt", "none")]);
    Answer::of(&browser.authorize(&hinted).await).code();
}

#[tokio::test]
async fn oidc_core_3_1_2_1_ui_locales_choose_the_language_before_the_browser_does() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    browser.accept_language = "de".to_owned();
    for (ui_locales, language) in
        [("", "de"), ("fr", "fr"), ("fr-CA fr en", "fr"), ("se", "de"), ("se pt", "pt"), ("x y z \u{1f60a} -", "de")]
    {
        let page = browser.authorize(&request(&[("ui_locales", ui_locales)])).await;
        assert_eq!(shown(&page), Shown::Login);
        assert!(page.body.contains(&format!("<html lang=\"{language}\"")), "{ui_locales}: {:.200}", page.body);
    }
    let page = browser.authorize(&request(&[("ui_locales", "fr")])).await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    assert_eq!(shown(&page), Shown::Consent);
    assert!(page.body.contains("<html lang=\"fr\""), "on every page of the request");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_display_and_claims_locales_are_accepted() {
    let (_provider, mut browser) = logged_in().await;
    for display in ["page", "popup", "touch", "wap", "unheard-of"] {
        let parameters = request(&[("display", display), ("claims_locales", "se"), ("prompt", "none")]);
        Answer::of(&browser.authorize(&parameters).await).code();
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_acr_values_are_voluntary_and_answered_by_acr() {
    let (provider, mut browser) = logged_in().await;
    for acr_values in ["1", "1 2", "urn:example:gold"] {
        let claims = id_token(&provider, &browser.authorize(&request(&[("acr_values", acr_values)])).await).await;
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("1"), &json!(["pwd"])));
    }
}

#[tokio::test]
async fn oidc_core_5_5_1_1_an_essential_acr_that_cannot_be_had_is_an_error() {
    let (_provider, mut browser) = logged_in().await;
    let of = |acr: Value| json!({"id_token": {"acr": acr}}).to_string();
    let (can, cannot) = (
        of(json!({"essential": true, "values": ["2", "1"]})),
        of(json!({"essential": true, "value": "urn:example:gold"})),
    );
    Answer::of(&browser.authorize(&request(&[("claims", &can)])).await).code();
    let answer = Answer::of(&browser.authorize(&request(&[("claims", &cannot)])).await);
    assert_eq!(answer.error(), "unmet_authentication_requirements");
}
