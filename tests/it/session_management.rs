//! OpenID Connect Session Management 1.0: what a frame of a relying party can see of the login state.

use std::time::Duration;

use hallpass::base::encode::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::*;

const ON: (&str, &str) = ("session_management.enabled", "true");

/// The value of the cookie that the frame reads.
fn state(browser: &Browser) -> Option<&str> {
    let mut found = browser.cookies.iter().filter(|(name, _)| name.starts_with("op_browser_state"));
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none());
    value
}

/// What the frame answers to a page of this origin.
fn answer(browser: &Browser, client: &str, session_state: &str, origin: &str) -> &'static str {
    let (hash, salt) = session_state.split_once('.').unwrap();
    let Some(state) = state(browser) else { return "error" };
    if hex(&Sha256::digest(format!("{client} {origin} {state} {salt}"))) == hash { "unchanged" } else { "changed" }
}

/// The `Set-Cookie` line of the browser state, if there is one.
fn line(response: &Response) -> Option<&str> {
    let lines = response.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    lines.into_iter().find(|line| line.starts_with("op_browser_state") || line.starts_with("__Host-op_browser_state"))
}

async fn log_out(browser: &mut Browser) {
    let mark = browser.get("/logout").await.field("csrf");
    browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
}

#[tokio::test]
async fn session_management_3_3_discovery_names_the_frame_while_there_is_one() {
    let (on, off) = (Provider::start_with(&[ON]).await, Provider::start().await);
    let named = async |provider: &Provider| {
        provider.get("/.well-known/openid-configuration").await.json()["check_session_iframe"].clone()
    };
    assert_eq!(named(&on).await, format!("{}/check-session-iframe", on.issuer));
    assert_eq!(named(&off).await, Value::Null);
    assert_eq!(off.get("/check-session-iframe").await.status, 404);
}

#[tokio::test]
async fn session_management_3_2_the_frame_may_be_on_every_page() {
    let provider = Provider::start_with(&[ON]).await;
    let frame = provider.get("/check-session-iframe").await;
    assert_eq!(frame.status, 200);
    assert_eq!(frame.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(frame.header("x-frame-options"), None);
    let policy = frame.header("content-security-policy").unwrap();
    assert_eq!(policy, "default-src 'none'; script-src 'self'; form-action 'none'; base-uri 'none'");
    // It says nothing of anybody, and the cookie isn't touched: it could be wrong in a frame.
    assert_eq!(line(&frame), None);
    let port = provider.issuer.rsplit(':').next().unwrap();
    assert!(frame.body.contains(&format!("data-cookie=\"op_browser_state-{port}\"")), "{frame:?}");
    let (_, script) = frame.body.split_once("<script src=\"").unwrap();
    let script = provider.get(script.split('"').next().unwrap()).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(!script.body.contains("crypto.subtle(") && !script.body.contains("import "), "a classic script");
    let head = exchange("HEAD", &format!("{}/check-session-iframe", provider.issuer), &[], None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn session_management_3_2_every_page_and_redirect_brings_the_cookie_once() {
    let provider = Provider::start_with(&[ON]).await;
    for path in ["/", "/logout", "/login", "/nowhere", "/authorize", &format!("/authorize?client_id={CLIENT}")] {
        let response = provider.get(path).await;
        assert_eq!(line(&response).is_some(), path != "/nowhere", "{path}: {response:?}");
    }
    for path in ["/jwks", "/.well-known/openid-configuration", "/healthz", "/userinfo", "/asset/hallpass.css"] {
        assert_eq!(line(&provider.get(path).await), None, "{path}");
    }
    let mut browser = provider.browser();
    let first = browser.get("/").await;
    let text = line(&first).unwrap();
    assert!(text.ends_with("; Path=/; SameSite=Lax") && !text.contains("HttpOnly"), "scripts read it: {text}");
    assert_eq!(line(&browser.get("/").await), None, "it is there");
    *browser.cookies.iter_mut().find(|(name, _)| name.starts_with("op_browser_state")).unwrap().1 = "stale".to_owned();
    assert!(line(&browser.get("/").await).is_some(), "it was another one");
}

#[tokio::test]
async fn session_management_off_sets_no_cookie_and_no_state() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let response = browser.complete(ADA, &request(&[])).await;
    assert_eq!(Answer::of(&response).get("session_state"), None);
    assert_eq!(state(&browser), None);
    log_out(&mut browser).await;
    assert_eq!(state(&browser), None);
}

#[tokio::test]
async fn session_management_2_the_state_is_unchanged_until_the_user_logs_out() {
    // The module of the OpenID Foundation's plan.
    let provider = Provider::start_with(&[ON]).await;
    let mut browser = provider.browser();
    browser.get("/").await;
    let anonymous = state(&browser).unwrap().to_owned();
    let response = browser.complete(ADA, &request(&[])).await;
    let session_state = Answer::of(&response).get("session_state").unwrap().to_owned();
    assert_ne!(state(&browser), Some(anonymous.as_str()));
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "unchanged");
    assert_eq!(answer(&browser, OTHER, &session_state, "https://app.example"), "changed");
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://evil.example"), "changed");

    // Another answer has another salt, and says the same.
    let silent = browser.authorize(&request(&[("prompt", "none")])).await;
    let again = Answer::of(&silent).get("session_state").unwrap().to_owned();
    assert_ne!(again, session_state);
    assert_eq!(answer(&browser, CLIENT, &again, "https://app.example"), "unchanged");
    // Who has to prove again who they are is still logged in.
    provider.pass(Duration::from_secs(60));
    let before = browser.session().map(ToOwned::to_owned);
    browser.complete(ADA, &request(&[("prompt", "login")])).await;
    assert_ne!(browser.session(), before.as_deref());
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "unchanged");

    let logged_in = state(&browser).unwrap().to_owned();
    log_out(&mut browser).await;
    assert!(![anonymous.as_str(), &logged_in].contains(&state(&browser).unwrap()), "a fresh one");
    assert_eq!(line(&browser.get("/").await), None, "which stays");
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "changed");
    // The next login is another session.
    let response = browser.complete(ADA, &request(&[])).await;
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "changed");
    let session_state = Answer::of(&response).get("session_state").unwrap().to_owned();
    provider.pass(Duration::from_secs(60));
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    browser.log_in(&page, BOB, PASSWORD).await;
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "changed", "somebody else");
}

#[tokio::test]
async fn session_management_2_a_logout_that_a_client_asks_for_changes_it_too() {
    let provider = Provider::start_with(&[ON]).await;
    let mut browser = provider.browser();
    let response = browser.complete(ADA, &request(&[])).await;
    let session_state = Answer::of(&response).get("session_state").unwrap().to_owned();
    let tokens = provider.redeem(&response.query("code").unwrap()).await.tokens();
    let target = format!("/end-session?id_token_hint={}&post_logout_redirect_uri={GOODBYE}", tokens.id());
    assert_eq!(browser.get(&target).await.location(), GOODBYE);
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "changed");
}

#[tokio::test]
async fn session_management_2_the_origin_is_that_of_the_redirect_uri_as_browsers_write_it() {
    let provider = Provider::start_with(&[ON]).await;
    let uris = [
        ("https://APP.example:443/callback", Some("https://app.example")),
        ("https://app.example:8443/callback", Some("https://app.example:8443")),
        ("com.example.app:/callback", None),
    ];
    provider.change_client(CLIENT, |client| client.redirect_uris = uris.map(|(uri, _)| uri.to_owned()).to_vec()).await;
    for (uri, origin) in uris {
        let mut browser = provider.browser();
        let response = browser.complete(ADA, &request(&[("redirect_uri", uri)])).await;
        let session_state = Answer::of(&response).get("session_state").map(ToOwned::to_owned);
        let said =
            session_state.map(|session_state| answer(&browser, CLIENT, &session_state, origin.unwrap_or("null")));
        assert_eq!(said, origin.map(|_| "unchanged"), "{uri}");
    }
}

#[tokio::test]
async fn session_management_2_only_answers_to_authentication_requests_carry_it() {
    let provider = Provider::start_with(&[ON]).await;
    let mut browser = provider.logged_in(ADA).await;
    let none = |answer: &Answer| assert_eq!(answer.get("session_state"), None, "{answer:?}");
    none(&Answer::of(&browser.clone().complete(ADA, &request(&[("scope", "email")])).await));
    none(&Answer::of(&browser.authorize(&request(&[("prompt", "none"), ("id_token_hint", "garbage")])).await));
    let posted = browser.authorize(&request(&[("response_mode", "form_post")])).await;
    assert!(Answer::of(&posted).get("session_state").is_some());
}

#[tokio::test]
async fn session_management_3_2_requests_that_bring_no_cookies_along_change_nothing() {
    let provider = Provider::start_with(&[ON]).await;
    let url = format!("{}/authorize?client_id={CLIENT}", provider.issuer);
    let sent = async |site: &str, dest: &str| {
        let headers = [("sec-fetch-site", site), ("sec-fetch-dest", dest)];
        line(&exchange("GET", &url, &headers, None).await).is_some()
    };
    assert!(!sent("cross-site", "iframe").await && !sent("cross-site", "empty").await);
    assert!(sent("cross-site", "document").await, "a link on another site's page");
    assert!(sent("same-site", "iframe").await && sent("none", "document").await);
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")];
    let posted = provider.post("/end-session", &headers, &[("state", "s")]).await;
    assert_eq!((posted.status, line(&posted)), (303, None));
}

#[tokio::test]
async fn session_management_3_2_a_request_without_the_sessions_cookie_does_not_log_out() {
    // Whatever another site embeds of ours, on https, from a browser that doesn't say so (Fetch Metadata).
    let provider = Provider::start_with(&[ON]).await;
    let browser = provider.logged_in(ADA).await;
    let mut embedded = browser.clone();
    embedded.cookies.retain(|name, _| name.starts_with("op_browser_state"));
    for path in ["/", "/login", "/logout", "/authorize", "/end-session"] {
        assert_eq!(line(&embedded.get(path).await), None, "{path}");
    }
    assert_eq!(state(&embedded), state(&browser));
    // What was never ours is replaced all the same.
    for wrong in ["", "stale", "a.b", &"A".repeat(8000)] {
        *embedded.cookies.values_mut().next().unwrap() = wrong.to_owned();
        assert!(line(&embedded.get("/").await).is_some(), "{wrong:.20}");
    }
}

#[tokio::test]
async fn session_management_2_the_state_changes_when_the_session_is_over() {
    let provider = Provider::start_with(&[ON]).await;
    let mut browser = provider.browser();
    let response = browser.complete(ADA, &request(&[])).await;
    let session_state = Answer::of(&response).get("session_state").unwrap().to_owned();
    provider.pass(Duration::from_secs(366 * 24 * 60 * 60));
    browser.get("/").await;
    assert_eq!(answer(&browser, CLIENT, &session_state, "https://app.example"), "changed");
    assert!(browser.session().is_some(), "its cookie is still there");
    assert_eq!(line(&browser.get("/").await), None, "an anonymous one, which stays");
}

#[tokio::test]
async fn session_management_3_2_on_https_frames_of_other_sites_may_read_the_cookie() {
    let provider = Provider::start_with(&[ON, ("issuer", "https://127.0.0.1:{port}")]).await;
    // A proxy in front speaks TLS.
    let behind = provider.issuer.replace("https:", "http:");
    let response = exchange("GET", &format!("{behind}/"), &[], None).await;
    let text = line(&response).unwrap();
    assert!(
        text.starts_with("__Host-op_browser_state-") && text.ends_with("; Path=/; Secure; SameSite=None"),
        "{text}"
    );
}

#[tokio::test]
async fn session_management_3_2_no_other_browser_knows_the_anonymous_state() {
    let provider = Provider::start_with(&[ON]).await;
    let (mut browser, mut stranger) = (provider.browser(), provider.browser());
    browser.get("/").await;
    stranger.get("/").await;
    assert_ne!(state(&browser), state(&stranger));
    // A page that makes a session_state of the value that its own server got learns nothing from the frame: it says the
    // same whether somebody is logged in or not.
    let origin = "https://stranger.example";
    let digest = Sha256::digest(format!("{CLIENT} {origin} {} salt", state(&stranger).unwrap()));
    let made = format!("{}.salt", hex(&digest));
    assert_eq!(answer(&stranger, CLIENT, &made, origin), "unchanged");
    assert_eq!(answer(&browser, CLIENT, &made, origin), "changed");
    browser.complete(ADA, &request(&[])).await;
    assert_eq!(answer(&browser, CLIENT, &made, origin), "changed");
    log_out(&mut browser).await;
    assert_eq!(answer(&browser, CLIENT, &made, origin), "changed");
}

#[tokio::test]
async fn django_an_anonymous_state_stays_the_same_with_all_servers_that_share_its_key() {
    let shared = ("session_management.anonymous_key", "the same on all servers");
    let (one, other, own) = (
        Provider::start_with(&[ON, shared]).await,
        Provider::start_with(&[ON, shared]).await,
        Provider::start_with(&[ON]).await,
    );
    let mut browser = one.browser();
    browser.get("/").await;
    assert_eq!(line(&browser.get("/").await), None, "it stays");
    let value = state(&browser).unwrap();
    let accepts = async |provider: &Provider| {
        let port = provider.issuer.rsplit(':').next().unwrap();
        let cookie = format!("op_browser_state-{port}={value}");
        line(&exchange("GET", &format!("{}/", provider.issuer), &[("cookie", &cookie)], None).await).is_none()
    };
    assert!(accepts(&one).await && accepts(&other).await);
    assert!(!accepts(&own).await, "it has another key");
}
