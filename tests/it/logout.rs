//! Logout, when a person asks for it.

use hallpass::model::id::{Bearer, BearerKind};

use crate::harness::*;

const FOREIGN: &str = "https://evil.example";

/// Whether the provider still has the row of this session.
async fn is_kept(provider: &Provider, session: &str) -> bool {
    let bearer = Bearer::parse(BearerKind::Session, session).unwrap();
    provider.app.store.find_session(&bearer).await.unwrap().is_some()
}

/// Whether the browser is logged in, as a relying party sees it.
async fn is_logged_in(browser: &mut Browser) -> bool {
    let answer = browser.authorize(&request(&[("prompt", "none")])).await;
    match answer.query("error") {
        Some(error) => {
            assert_eq!(error, "login_required");
            false
        }
        None => answer.query("code").is_some(),
    }
}

#[tokio::test]
async fn logout_asks_who_is_logged_in_and_tells_everybody_else_that_it_is_done() {
    let provider = Provider::start().await;
    let nobody = provider.get("/logout").await;
    assert!(nobody.status == 200 && nobody.has_id("logout-done") && !nobody.has_id("logout-confirm"), "{nobody:?}");
    let mut browser = provider.logged_in(ADA).await;
    let page = browser.get("/logout").await;
    assert!(page.status == 200 && page.has_id("logout-confirm") && page.has_id("logout-cancel"), "{page:?}");
    assert!(page.body.contains("Ada Lovelace"), "it says whose session ends");
    assert!(is_logged_in(&mut browser).await, "asking ends nothing");
}

#[tokio::test]
async fn logout_ends_the_session_and_takes_its_cookie() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let session = browser.session().unwrap().to_owned();
    assert!(is_kept(&provider, &session).await);
    let mark = browser.get("/logout").await.field("csrf");
    let done = browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
    assert!(done.status == 200 && done.has_id("logout-done"), "{done:?}");
    let cookie = done.header("set-cookie").unwrap();
    assert!(cookie.contains("session") && cookie.ends_with("; Max-Age=0"), "{cookie}");
    assert_eq!(browser.session(), None);
    assert!(!is_kept(&provider, &session).await, "the row is gone");
    assert!(!is_logged_in(&mut browser).await);
    // Whoever kept the cookie has nothing.
    let port = provider.issuer.rsplit(':').next().unwrap();
    browser.cookies.insert(format!("hallpass-session-{port}"), session);
    assert!(!is_logged_in(&mut browser).await);
}

#[tokio::test]
async fn logout_ends_this_browsers_session_only_and_leaves_its_tokens_alone() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mut elsewhere = provider.logged_in(ADA).await;
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let mark = browser.get("/logout").await.field("csrf");
    browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
    assert!(is_logged_in(&mut elsewhere).await);
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
}

#[tokio::test]
async fn logout_that_is_cancelled_keeps_the_session() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mark = browser.get("/logout").await.field("csrf");
    for decision in [&[("decision", "cancel")][..], &[("decision", "else")], &[]] {
        let kept = browser.post("/logout", &[&[("csrf", mark.as_str())], decision].concat()).await;
        assert!(kept.status == 200 && kept.has_id("logout-kept"), "{kept:?}");
        assert!(kept.header("set-cookie").is_none());
    }
    assert!(is_logged_in(&mut browser).await);
}

#[tokio::test]
async fn logout_needs_the_mark_of_a_page_of_this_browser() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mut attacker = provider.logged_in(BOB).await;
    let foreign = attacker.get("/logout").await.field("csrf");
    let mut changed = browser.get("/logout").await.field("csrf");
    changed.replace_range(..1, if changed.starts_with('A') { "B" } else { "A" });
    for mark in ["", "A", "not base64!", foreign.as_str(), changed.as_str()] {
        let refused = browser.post("/logout", &[("csrf", mark), ("decision", "logout")]).await;
        assert!(refused.status == 400 && refused.has_id("error-page"), "{mark:?}: {refused:?}");
        assert!(refused.header("set-cookie").is_none(), "{mark:?}");
    }
    let refused = browser.post("/logout", &[("decision", "logout")]).await;
    assert_eq!(refused.status, 400);
    assert!(is_logged_in(&mut browser).await);
}

#[tokio::test]
async fn logout_is_refused_to_the_pages_of_other_sites() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mark = browser.get("/logout").await.field("csrf");
    let origins = [FOREIGN.to_owned(), "null".to_owned(), format!("{}.evil.example", provider.issuer)];
    for origin in &origins {
        let refused = browser.post_from(origin, "/logout", &[("csrf", &mark), ("decision", "logout")]).await;
        assert_eq!((refused.status, refused.text_of("error-code").as_str()), (403, "access_denied"), "{origin}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    assert!(is_logged_in(&mut browser).await);
    // The same form from our own page.
    browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
    assert!(!is_logged_in(&mut browser).await);
}
