//! Logout, when a person asks for it.

use std::time::Duration;

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

/// Presses the button of the page.
async fn log_out(browser: &mut Browser) {
    let mark = browser.get("/logout").await.field("csrf");
    let done = browser.post("/logout", &[("csrf", &mark), ("decision", "logout")]).await;
    assert!(done.has_id("logout-done"), "{done:?}");
}

#[tokio::test]
async fn logout_ends_this_browsers_session_only() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mut elsewhere = provider.logged_in(ADA).await;
    let code = elsewhere.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    log_out(&mut browser).await;
    assert!(is_logged_in(&mut elsewhere).await);
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
}

#[tokio::test]
async fn backchannel_2_7_tokens_end_with_their_session_but_for_offline_access() {
    for (setting, online, offline) in [("none", true, true), ("online", false, true), ("all", false, false)] {
        let provider = Provider::start_with(&[("logout.end_tokens", setting)]).await;
        let mut browser = provider.browser();
        let with = browser.code(ADA, &request(&[("scope", "openid offline_access")])).await;
        let (without, late) = (browser.code(ADA, &request(&[])).await, browser.code(ADA, &request(&[])).await);
        let (with, without) = (provider.redeem(&with).await.tokens(), provider.redeem(&without).await.tokens());
        assert_eq!(provider.userinfo(&without.access_token).await.status, 200, "and is cached now");
        log_out(&mut browser).await;
        for (tokens, lives) in [(&with, offline), (&without, online)] {
            let userinfo = provider.userinfo(&tokens.access_token).await;
            assert_eq!(userinfo.status == 200, lives, "{setting}: {userinfo:?}");
            let refreshed = provider.refresh(tokens.refresh()).await;
            assert_eq!(refreshed.status == 200, lives, "{setting}: {refreshed:?}");
            if !lives {
                assert_eq!(refreshed.error(), "invalid_grant");
            }
        }
        assert_eq!(provider.redeem(&late).await.status == 200, online, "{setting}: a code from before the logout");
        // The next login begins anew.
        let code = browser.code(ADA, &request(&[])).await;
        let tokens = provider.redeem(&code).await.tokens();
        assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    }
}

#[tokio::test]
async fn logout_ends_what_came_before_the_user_had_to_prove_again_who_they_are() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let before = provider.redeem(&code).await.tokens();
    provider.pass(Duration::from_secs(60));
    let first = browser.session().unwrap().to_owned();
    let code = browser.code(ADA, &request(&[("prompt", "login")])).await;
    assert_ne!(browser.session().unwrap(), first, "another value in the browser");
    let after = provider.redeem(&code).await.tokens();
    let sid = async |tokens: &Tokens| provider.verify(tokens.id()).await.1["sid"].clone();
    assert_eq!(sid(&before).await, sid(&after).await, "the same session to clients");
    // So the first token is still a hint of the session at hand.
    let target = format!("/end-session?id_token_hint={}", before.id());
    assert!(browser.get(&target).await.has_id("logout-done"));
    for tokens in [&before, &after] {
        assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    }
    // Somebody else, or the same one later, begins anew.
    let code = browser.code(ADA, &request(&[])).await;
    let ada = provider.redeem(&code).await.tokens();
    assert_ne!(sid(&ada).await, sid(&before).await);
    provider.pass(Duration::from_secs(60));
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    let page = browser.log_in(&page, BOB, PASSWORD).await;
    let code = browser.decide(&page, "allow").await.query("code").unwrap();
    let bob = provider.redeem(&code).await.tokens();
    assert_ne!(sid(&bob).await, sid(&ada).await);
}

#[tokio::test]
async fn logout_of_a_session_that_nobody_used_for_days_ends_its_tokens_too() {
    let provider = Provider::start_with(&[("lifetimes.session_idle", "1h")]).await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    provider.pass(Duration::from_secs(2 * 60 * 60));
    assert!(!is_logged_in(&mut browser).await);
    let tokens = provider.refresh(tokens.refresh()).await.tokens();
    assert!(browser.get(&format!("/end-session?id_token_hint={}", tokens.id())).await.has_id("logout-done"));
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn another_user_who_logs_in_logs_the_one_before_out() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let ada = provider.redeem(&code).await.tokens();
    provider.pass(Duration::from_secs(60));
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    assert_eq!(provider.userinfo(&ada.access_token).await.status, 200, "asking ends nothing");
    browser.log_in(&page, BOB, PASSWORD).await;
    assert_eq!(provider.userinfo(&ada.access_token).await.status, 401);
    assert_eq!(provider.refresh(ada.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn logout_during_a_code_exchange_leaves_no_live_token() {
    let provider = Provider::start().await;
    let (mut redeemed, mut refused) = (0, 0);
    for _ in 0..12 {
        let mut browser = provider.browser();
        let code = browser.code(ADA, &request(&[])).await;
        let mark = browser.get("/logout").await.field("csrf");
        let fields = [("csrf", mark.as_str()), ("decision", "logout")];
        let (response, done) = tokio::join!(provider.redeem(&code), browser.post("/logout", &fields));
        assert!(done.has_id("logout-done"), "{done:?}");
        if response.status == 200 {
            redeemed += 1;
            let tokens = response.tokens();
            assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
            assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
        } else {
            refused += 1;
            assert_eq!((response.status, response.error().as_str()), (400, "invalid_grant"));
        }
    }
    assert_eq!(redeemed + refused, 12);
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
