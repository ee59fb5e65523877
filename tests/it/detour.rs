//! Users whom a hook turns away with a word, or sends elsewhere before they go on.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::app::hook::{self, Admission, Arrival, Hook};
use hallpass::base::form;

use crate::harness::{ADA, Answer, BOB, Browser, CLIENT, OTHER, PASSWORD, Provider, Response, request};

/// Says what the test wants, and notes who was asked about and whether they came back.
struct Porter {
    say: Mutex<Admission>,
    /// Whether it says so also to who has come back.
    stubborn: bool,
    asked: Mutex<Vec<(String, bool)>>,
}

impl Hook for Porter {
    fn admit<'a>(&'a self, arrival: Arrival<'a>) -> hook::Answer<'a, Admission> {
        self.asked.lock().unwrap().push((arrival.user.username.clone(), arrival.returned));
        let passes = arrival.returned && !self.stubborn;
        let said = if passes { Admission::Continue } else { self.say.lock().unwrap().clone() };
        Box::pin(ready(Ok(said)))
    }
}

const TERMS: &str = "https://terms.example/accept?v=3";

fn porter(say: Admission, stubborn: bool) -> Arc<Porter> {
    Arc::new(Porter { say: Mutex::new(say), stubborn, asked: Mutex::default() })
}

fn detour() -> Admission {
    Admission::Detour(TERMS.into())
}

async fn provider(porter: &Arc<Porter>) -> Provider {
    Provider::start_with_hooks(&[], vec![Arc::clone(porter) as Arc<dyn Hook>]).await
}

/// Logs in, and gives what comes after.
async fn logged_in(browser: &mut Browser, username: &str, changes: &[(&str, &str)]) -> Response {
    let page = browser.authorize(&request(changes)).await;
    browser.log_in(&page, username, PASSWORD).await
}

/// The handle that the browser was sent away with.
#[track_caller]
fn handle(away: &Response) -> String {
    assert!(away.location().starts_with(TERMS), "{away:?}");
    away.query("resume").unwrap()
}

async fn come_back(browser: &mut Browser, handle: &str) -> Response {
    browser.get(&format!("/authorize/resume?{}", form::render([("handle", handle)]))).await
}

#[track_caller]
fn is_expired(response: &Response) {
    assert_eq!((response.status, response.has_id("error-page")), (400, true), "{response:?}");
}

#[tokio::test]
async fn who_is_sent_elsewhere_comes_back_and_goes_on() {
    let porter = porter(detour(), false);
    let provider = provider(&porter).await;
    let mut browser = provider.browser();
    let away = logged_in(&mut browser, ADA, &[]).await;
    assert_eq!(away.query("v").as_deref(), Some("3"), "what was in the address stays");
    let page = come_back(&mut browser, &handle(&away)).await;
    let done = browser.decide(&page, "allow").await;
    let answer = Answer::of(&done);
    assert_eq!((answer.get("error"), answer.get("state")), (None, Some("the state")));
    assert_eq!(provider.redeem(answer.get("code").unwrap()).await.status, 200);
    let asked = porter.asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [(ADA.to_owned(), false), (ADA.to_owned(), true), (ADA.to_owned(), true)],
        "also after the consent"
    );
    // It was for that one request.
    let away = browser.authorize(&request(&[])).await;
    let answer = Answer::of(&come_back(&mut browser, &handle(&away)).await);
    assert_eq!(answer.get("error"), None, "the consent is remembered, and the hook was asked all the same");
}

#[tokio::test]
async fn a_handle_holds_once_in_its_browser_and_not_for_ever() {
    let porter = porter(detour(), false);
    let provider = provider(&porter).await;
    let mut browser = provider.browser();
    let handle = handle(&logged_in(&mut browser, ADA, &[]).await);
    // Another browser, with a session or without.
    is_expired(&come_back(&mut provider.browser(), &handle).await);
    let mut other = provider.browser();
    logged_in(&mut other, ADA, &[]).await;
    is_expired(&come_back(&mut other, &handle).await);
    for forged in ["", "x", &handle[1..], &handle[..handle.len() - 1], &format!("{handle}A")] {
        is_expired(&come_back(&mut browser, forged).await);
    }
    let twice = [("handle", handle.as_str()), ("handle", handle.as_str())];
    assert_eq!(browser.get(&format!("/authorize/resume?{}", form::render(twice))).await.status, 400);
    // None of that has used it up.
    assert!(come_back(&mut browser, &handle).await.has_id("consent-allow"));
    is_expired(&come_back(&mut browser, &handle).await);
    let late = self::handle(&browser.authorize(&request(&[])).await);
    provider.pass(Duration::from_secs(3600));
    is_expired(&come_back(&mut browser, &late).await);
    // What is sealed for a page is no handle, and no handle opens a page.
    let mut reader = provider.browser();
    let page = reader.authorize(&request(&[])).await;
    is_expired(&come_back(&mut reader, &page.field("pending")).await);
    let away = self::handle(&browser.authorize(&request(&[("prompt", "consent")])).await);
    is_expired(&browser.get(&format!("/consent?{}", form::render([("pending", away.as_str())]))).await);
}

#[tokio::test]
async fn who_comes_back_as_somebody_else_has_not_been_there() {
    let porter = porter(detour(), false);
    let provider = provider(&porter).await;
    let mut browser = provider.browser();
    let ada = handle(&logged_in(&mut browser, ADA, &[]).await);
    // Bob logs in meanwhile.
    provider.pass(Duration::from_secs(1));
    logged_in(&mut browser, BOB, &[("prompt", "login")]).await;
    let away = come_back(&mut browser, &ada).await;
    handle(&away);
    assert_eq!(porter.asked.lock().unwrap().last(), Some(&(BOB.to_owned(), false)));
    // And nobody at all logs in first.
    let ada = handle(&away);
    let page = browser.get("/logout").await;
    browser.post("/logout", &[("csrf", &page.field("csrf")), ("decision", "logout")]).await;
    assert!(come_back(&mut browser, &ada).await.has_id("login-submit"));
}

#[tokio::test]
async fn oidc_core_3_1_2_6_a_detour_needs_the_user() {
    let porter = porter(Admission::Continue, false);
    let provider = provider(&porter).await;
    let mut browser = provider.logged_in(ADA).await;
    *porter.say.lock().unwrap() = detour();
    let answer = Answer::of(&browser.authorize(&request(&[("prompt", "none")])).await);
    assert_eq!((answer.error(), answer.get("state")), ("interaction_required", Some("the state")));
}

#[tokio::test]
async fn who_is_sent_away_again_and_again_is_refused_in_the_end() {
    let provider = provider(&porter(detour(), true)).await;
    let mut browser = provider.browser();
    let mut response = logged_in(&mut browser, ADA, &[]).await;
    for _ in 0..8 {
        response = come_back(&mut browser, &handle(&response)).await;
    }
    assert_eq!(Answer::of(&response).error(), "access_denied");
}

#[tokio::test]
async fn several_hooks_send_users_elsewhere_one_after_the_other() {
    let first = porter(detour(), false);
    let second = porter(Admission::Detour("https://terms.example/accept?v=4".into()), false);
    let provider = Provider::start_with_hooks(&[], vec![first, Arc::clone(&second) as Arc<dyn Hook>]).await;
    let mut browser = provider.browser();
    let away = logged_in(&mut browser, ADA, &[]).await;
    let away = come_back(&mut browser, &handle(&away)).await;
    assert_eq!(away.query("v").as_deref(), Some("4"));
    let back = away.query("resume").unwrap();
    assert!(come_back(&mut browser, &back).await.has_id("consent-allow"));
    assert_eq!(*second.asked.lock().unwrap(), [(ADA.to_owned(), false), (ADA.to_owned(), true)]);
}

#[tokio::test]
async fn nobody_is_sent_where_it_is_not_safe() {
    for url in [
        "http://terms.example/",
        "javascript:alert(1)",
        "data:,x",
        "/terms",
        "",
        "https://a:b@terms.example/",
        "https:",
    ] {
        let provider = provider(&porter(Admission::Detour(url.into()), false)).await;
        let answer = Answer::of(&logged_in(&mut provider.browser(), ADA, &[]).await);
        assert_eq!(answer.error(), "server_error", "{url}");
    }
    let provider = provider(&porter(Admission::Detour("http://localhost:3000/terms#top".into()), false)).await;
    let away = logged_in(&mut provider.browser(), ADA, &[]).await;
    assert!(away.location().starts_with("http://localhost:3000/terms?resume="), "{away:?}");
    assert!(away.location().ends_with("#top"));
}

#[tokio::test]
async fn who_is_turned_away_reads_why_and_the_client_is_told_that_they_are() {
    let message = format!("<b>Members only</b>\u{7}{}", "x".repeat(1000));
    let porter = porter(Admission::Deny(Some(message)), false);
    let provider = provider(&porter).await;
    let mut browser = provider.browser();
    let page = logged_in(&mut browser, ADA, &[]).await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<b>Members"), "escaped");
    let shown = page.text_of("denied-message");
    assert!(shown.starts_with("<b>Members only</b> xxx") && shown.chars().count() == 500, "{shown}");
    // The way on is to the client.
    let href = page.body.split("id=\"denied-return\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let href = crate::harness::http::unescape(href);
    assert!(href.starts_with("https://app.example/callback?error=access_denied&"), "{href}");
    assert!(href.contains("state=the%20state") && !href.contains("Members"), "{href}");
    let page = browser.authorize(&request(&[("response_mode", "form_post")])).await;
    assert_eq!((page.field("error").as_str(), page.field("state").as_str()), ("access_denied", "the state"));
    assert!(page.has_id("denied-message"));
    // Where nothing may be shown nothing is, and neither where there is nothing to say.
    let silent = Answer::of(&browser.authorize(&request(&[("prompt", "none"), ("client_id", OTHER)])).await);
    assert_eq!(silent.error(), "consent_required");
    provider.change_client(CLIENT, |client| client.require_consent = false).await;
    let silent = Answer::of(&browser.authorize(&request(&[("prompt", "none")])).await);
    assert_eq!(silent.error(), "access_denied");
    *porter.say.lock().unwrap() = Admission::Deny(Some(" \n".into()));
    assert_eq!(Answer::of(&browser.authorize(&request(&[])).await).error(), "access_denied");
}
