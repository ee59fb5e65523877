//! A login application in place of the login page (`login.external_url`).

use std::time::Duration;

use hallpass::base::form;
use hallpass::model::user::User;
use serde_json::{Value, json};

use crate::harness::{ADA, Answer, BOB, Browser, CLIENT, PASSWORD, Provider, Response, exchange, request};

const TOKEN: &str = "the-token-of-the-login-application-here";
const APPLICATION: &str = "https://login.example/sign-in?theme=dark";

async fn provider() -> Provider {
    Provider::start_with(&[("login.external_url", APPLICATION), ("admin.token", TOKEN)]).await
}

/// A call of the application.
async fn call(provider: &Provider, method: &str, handle: &str, body: Option<Value>) -> Response {
    let url = format!("{}/api/admin/v1/logins/{handle}", provider.issuer);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    exchange(method, &url, &headers, body.map(|body| body.to_string().into_bytes())).await
}

/// The handle that a browser arrives there with.
#[track_caller]
fn handle(away: &Response) -> String {
    assert!(away.location().starts_with(APPLICATION), "{away:?}");
    away.query("handle").unwrap()
}

/// The path to come back to, as the application is told.
async fn answered(provider: &Provider, handle: &str, body: Value) -> String {
    let answer = call(provider, "POST", handle, Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let to = answer.json()["redirect_to"].as_str().unwrap().to_owned();
    to.strip_prefix(&provider.issuer).unwrap_or_else(|| panic!("{to}")).to_owned()
}

async fn log_in(provider: &Provider, browser: &mut Browser, changes: &[(&str, &str)], body: Value) -> Response {
    let away = browser.authorize(&request(changes)).await;
    let back = answered(provider, &handle(&away), body).await;
    browser.get(&back).await
}

#[track_caller]
fn is_expired(browser: &Browser, response: &Response) {
    assert_eq!((response.status, response.has_id("error-page")), (400, true), "{response:?}");
    assert!(browser.session().is_none());
}

#[tokio::test]
async fn whoever_the_application_names_is_logged_in_as_it_says() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let then = provider.now() - 600;
    let said = json!({ "username": ADA, "auth_time": then, "amr": ["hwk", "user"] });
    let page = log_in(&provider, &mut browser, &[], said).await;
    let code = browser.decide(&page, "allow").await.query("code").unwrap();
    let (_, claims) = provider.verify(provider.redeem(&code).await.tokens().id()).await;
    assert_eq!(claims["sub"], "id-of-ada");
    assert_eq!((&claims["auth_time"], &claims["amr"]), (&json!(then), &json!(["hwk", "user"])));
    // The session is there for others, too, and the next login may name a user by id and leave the rest out.
    assert_eq!(Answer::of(&browser.authorize(&request(&[("prompt", "none")])).await).get("error"), None);
    let mut browser = provider.browser();
    assert!(log_in(&provider, &mut browser, &[], json!({ "user": "id-of-bob" })).await.has_id("consent-allow"));
}

#[tokio::test]
async fn the_application_is_told_who_asks_and_for_what() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let asked = [
        ("login_hint", "ada@ada.example"),
        ("ui_locales", "fr de"),
        ("acr_values", "2 1"),
        ("max_age", "60"),
        ("prompt", "consent"),
    ];
    let away = browser.authorize(&request(&asked)).await;
    assert_eq!(away.query("theme").as_deref(), Some("dark"));
    assert!(!away.location().contains("ada"), "nothing of it is in the address");
    let told = call(&provider, "GET", &handle(&away), None).await.json();
    assert_eq!(told["client"]["client_id"], CLIENT);
    assert_eq!(told["client"]["client_name"], "The web app");
    assert_eq!((&told["login_hint"], &told["ui_locales"]), (&json!("ada@ada.example"), &json!(["fr", "de"])));
    assert_eq!((&told["acr_values"], &told["scope"]), (&json!(["2", "1"]), &json!("openid")));
    assert_eq!((&told["prompt"], &told["max_age"]), (&json!(["consent"]), &json!(60)));
    assert_eq!(told["authenticated_since"], json!(provider.now() - 60));
    assert_eq!(told["expires_at"], json!(provider.now() + 3600));
    let plain = call(&provider, "GET", &handle(&provider.browser().authorize(&request(&[])).await), None).await.json();
    assert_eq!(
        (&plain["login_hint"], &plain["authenticated_since"], &plain["prompt"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    // Whoever wants to be somebody else is to be asked.
    let page = log_in(&provider, &mut browser, &[], json!({ "username": ADA })).await;
    let away = browser.decide(&page, "switch").await;
    assert_eq!(call(&provider, "GET", &handle(&away), None).await.json()["prompt"], json!(["select_account"]));
    // Without the token nothing is told.
    let url = format!("{}/api/admin/v1/logins/{}", provider.issuer, handle(&away));
    assert_eq!(exchange("GET", &url, &[], None).await.status, 401);
}

#[tokio::test]
async fn a_handle_that_nobody_answered_is_no_login() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let away = handle(&browser.authorize(&request(&[])).await);
    let back = format!("/authorize/resume?{}", form::render([("handle", away.as_str())]));
    is_expired(&browser, &browser.clone().get(&back).await);
    // And there is no login page behind the application's back.
    for path in ["/login", &format!("/login?{}", form::render([("pending", away.as_str())]))] {
        is_expired(&browser, &browser.clone().get(path).await);
    }
    let form = [("pending", away.as_str()), ("username", ADA), ("password", PASSWORD), ("decision", "login")];
    is_expired(&browser, &browser.clone().post("/login", &form).await);
    // It can be answered still.
    let back = answered(&provider, &away, json!({ "username": ADA })).await;
    assert!(browser.get(&back).await.has_id("consent-allow"));
}

#[tokio::test]
async fn a_login_is_for_one_browser_and_once() {
    let provider = provider().await;
    let (mut ada, mut mallory) = (provider.browser(), provider.browser());
    // Mallory has begun it, and Ada logs in: she can't finish it, and Mallory doesn't get what she was sent back with.
    let begun = handle(&mallory.authorize(&request(&[])).await);
    let back = answered(&provider, &begun, json!({ "username": ADA })).await;
    ada.authorize(&request(&[])).await;
    is_expired(&ada, &ada.clone().get(&back).await);
    let own = format!("/authorize/resume?{}", form::render([("handle", begun.as_str())]));
    is_expired(&mallory, &mallory.clone().get(&own).await);
    // Once, however often it was answered.
    let away = handle(&ada.authorize(&request(&[])).await);
    let first = answered(&provider, &away, json!({ "username": ADA })).await;
    let second = answered(&provider, &away, json!({ "username": BOB })).await;
    assert!(ada.get(&first).await.has_id("consent-allow"));
    for used in [&first, &second] {
        let again = ada.clone().get(used).await;
        assert_eq!(again.status, 400, "{again:?}");
    }
    // An answer is no handle of a login.
    let answer = first.split_once("handle=").unwrap().1;
    assert_eq!(call(&provider, "GET", answer, None).await.status, 404);
    // And all of it ends.
    let mut browser = provider.browser();
    let away = handle(&browser.authorize(&request(&[])).await);
    let back = answered(&provider, &away, json!({ "username": ADA })).await;
    provider.pass(Duration::from_secs(3600));
    is_expired(&browser, &browser.clone().get(&back).await);
    assert_eq!(call(&provider, "POST", &away, Some(json!({ "username": ADA }))).await.status, 404);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_login_has_to_be_new_where_the_client_says_so() {
    let provider = provider().await;
    let mut browser = provider.browser();
    log_in(&provider, &mut browser, &[], json!({ "username": ADA })).await;
    for (asked, age) in [(("prompt", "login"), 0), (("max_age", "60"), 60), (("max_age", "0"), 0)] {
        provider.pass(Duration::from_millis(90_500));
        let oldest = provider.now() - age;
        let away = handle(&browser.authorize(&request(&[asked])).await);
        let old = call(&provider, "POST", &away, Some(json!({ "username": ADA, "auth_time": oldest - 1 }))).await;
        assert_eq!((old.status, &old.json()["field"]), (400, &json!("auth_time")), "{asked:?}");
        let back = answered(&provider, &away, json!({ "username": ADA, "auth_time": oldest })).await;
        assert!(browser.get(&back).await.has_id("consent-allow"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_login_that_waits_ends_with_all_sessions_of_its_user() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let away = handle(&browser.authorize(&request(&[])).await);
    let back = answered(&provider, &away, json!({ "username": ADA })).await;
    provider.change_user(ADA, User::end_all).await;
    is_expired(&browser, &browser.clone().get(&back).await);
    // Nor does it wait for long.
    let back = answered(&provider, &away, json!({ "username": ADA })).await;
    provider.pass(Duration::from_secs(120));
    is_expired(&browser, &browser.clone().get(&back).await);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_somebody_else_than_was_asked_for_is_login_required_after_one_round() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let page = log_in(&provider, &mut browser, &[], json!({ "username": ADA })).await;
    let code = browser.decide(&page, "allow").await.query("code").unwrap();
    let hint = provider.redeem(&code).await.tokens().id().to_owned();
    let mut browser = provider.browser();
    let earlier = json!({ "username": BOB, "auth_time": provider.now() - 100 });
    let answer = Answer::of(&log_in(&provider, &mut browser, &[("id_token_hint", &hint)], earlier).await);
    assert_eq!(answer.error(), "login_required");
}

#[tokio::test]
async fn a_refusal_is_access_denied_and_starts_nothing() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let answer = Answer::of(&log_in(&provider, &mut browser, &[], json!({ "refuse": true })).await);
    assert_eq!((answer.error(), answer.get("state")), ("access_denied", Some("the state")));
    let page = log_in(&provider, &mut browser, &[], json!({ "refuse": true, "message": "Come back on Monday." })).await;
    assert_eq!(page.text_of("denied-message"), "Come back on Monday.");
    assert!(browser.session().is_none());
    // A user who is disabled between the answer and the way back isn't logged in.
    let away = handle(&browser.authorize(&request(&[])).await);
    let back = answered(&provider, &away, json!({ "username": BOB })).await;
    provider.change_user(BOB, |user| user.enabled = false).await;
    is_expired(&browser, &browser.clone().get(&back).await);
}

#[tokio::test]
async fn an_answer_has_to_make_sense() {
    let provider = provider().await;
    let away = handle(&provider.browser().authorize(&request(&[])).await);
    let now = provider.now();
    provider.change_user(BOB, |user| user.enabled = false).await;
    for (body, field) in [
        (json!({}), "user"),
        (json!({ "user": "id-of-ada", "username": ADA }), "user"),
        (json!({ "username": "nobody" }), "user"),
        (json!({ "username": BOB }), "user"),
        (json!({ "username": ADA, "refuse": true }), "refuse"),
        (json!({ "username": ADA, "auth_time": now + 1 }), "auth_time"),
        (json!({ "username": ADA, "auth_time": "now" }), "auth_time"),
        (json!({ "username": ADA, "amr": ["a b"] }), "amr"),
        (
            json!({ "username": ADA, "amr": vec!["x"; 2].into_iter().chain(["y".repeat(65).leak() as &str]).collect::<Vec<_>>() }),
            "amr",
        ),
        (json!({ "username": ADA, "acr": "2" }), "acr"),
    ] {
        let answer = call(&provider, "POST", &away, Some(body.clone())).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{body}: {answer:?}");
    }
    assert_eq!(call(&provider, "POST", "nonsense", Some(json!({ "username": ADA }))).await.status, 404);
}

#[tokio::test]
async fn prompt_none_never_leaves() {
    let provider = provider().await;
    let answer = Answer::of(&provider.browser().authorize(&request(&[("prompt", "none")])).await);
    assert_eq!(answer.error(), "login_required");
}
