//! The login page, the session that it makes, and the pending request that it carries.

use std::time::Duration;

use hallpass::base::secret::Secret;

use crate::harness::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A browser in front of the login page.
async fn at_login(provider: &Provider) -> (Browser, Response) {
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    assert!(page.has_id("login-submit"), "{page:?}");
    (browser, page)
}

#[tokio::test]
async fn conformance_5_the_login_page_has_its_contract() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[("login_hint", "ada@\"><b>")])).await;
    assert_eq!(page.status, 200);
    assert!(page.url.starts_with(&format!("{}/login?pending=", provider.issuer)), "{}", page.url);
    for id in ["username", "password", "login-submit", "login-cancel", "login-title"] {
        assert!(page.has_id(id), "{id}");
    }
    assert_eq!(page.field("username"), "ada@\"><b>", "the hint is there, as text");
    assert!(page.body.contains("The web app"));
}

#[tokio::test]
async fn a_login_goes_on_to_the_client_and_is_remembered() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let page = browser.log_in(&page, " ADA ", PASSWORD).await;
    assert!(page.has_id("consent-allow"), "names are compared without case and white space: {page:?}");
    let answer = browser.decide(&page, "allow").await;
    assert!(answer.location().starts_with(REDIRECT));
    let again = browser.authorize(&request(&[("prompt", "none")])).await;
    assert!(again.query("code").is_some(), "{again:?}");
}

#[tokio::test]
async fn unknown_users_wrong_passwords_and_disabled_users_get_one_answer() {
    let provider = Provider::start().await;
    provider.change_user(BOB, |user| user.enabled = false).await;
    provider.add_user("carol", serde_json::json!({})).await;
    provider.change_user("carol", |user| user.password_hash = None).await;
    let mut answers = Vec::new();
    for (username, password) in [(ADA, "wrong"), ("nobody", PASSWORD), (BOB, PASSWORD), ("carol", PASSWORD)] {
        let (mut browser, page) = at_login(&provider).await;
        let answer = browser.log_in(&page, username, password).await;
        assert_eq!((answer.status, browser.session()), (200, None), "{username}");
        assert_eq!(answer.field("username"), username, "what was typed is kept");
        assert!(!answer.text_of("login-problem").is_empty());
        // The whole page, but for what differs with every page and every name.
        let page = answer.body.replace(&answer.field("pending"), "");
        answers.push(page.replace(&format!("value=\"{username}\""), ""));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_username_longer_than_any_is_refused_and_not_shown() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let longest = "\"".repeat(150);
    let answer = browser.log_in(&page, &longest, PASSWORD).await;
    assert_eq!(answer.field("username"), longest, "somebody may have this name");
    for (username, password) in [("\"".repeat(151), PASSWORD), ("\"".repeat(60_000), ""), (" ".repeat(1000), PASSWORD)]
    {
        let answer = browser.log_in(&answer, &username, password).await;
        assert_eq!((answer.status, answer.field("username").as_str()), (200, ""));
        assert!(answer.has_id("login-problem") && browser.session().is_none());
        assert!(answer.body.len() < page.body.len() + 1000, "{} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn an_empty_field_is_no_attempt() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let answer = browser.log_in(&page, ADA, "").await;
    assert!(answer.has_id("login-problem") && browser.session().is_none());
}

#[tokio::test]
async fn rfc6749_4_1_2_1_cancelling_the_login_is_access_denied() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let pending = page.field("pending");
    let answer = browser.post("/login", &[("pending", &pending), ("decision", "cancel")]).await;
    assert!(answer.location().starts_with(REDIRECT));
    assert_eq!(answer.query("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.query("state").as_deref(), Some("the state"));
    assert_eq!(answer.query("iss"), Some(provider.issuer.clone()));
}

#[tokio::test]
async fn many_failures_are_slowed_down_with_429_and_the_owner_gets_in_later() {
    let provider = Provider::start_with(&[("throttle.enabled", "true")]).await;
    let (mut browser, page) = at_login(&provider).await;
    let mut tries = 0;
    let throttled = loop {
        let answer = browser.log_in(&page, ADA, "wrong").await;
        tries += 1;
        if answer.status == 429 {
            break answer;
        }
        assert!(tries < 50, "nothing slows the guessing down");
    };
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert!(throttled.has_id("login-problem"));
    assert_eq!(browser.log_in(&page, ADA, PASSWORD).await.status, 429, "not even with the right password");
    provider.pass(Duration::from_secs(wait));
    assert!(browser.log_in(&page, ADA, PASSWORD).await.has_id("consent-allow"));
}

#[tokio::test]
async fn unknown_accounts_are_slowed_down_like_known_ones_and_others_not_at_all() {
    let provider = Provider::start_with(&[("throttle.enabled", "true")]).await;
    let mut tries = Vec::new();
    for username in [ADA, "nobody"] {
        let (mut browser, page) = at_login(&provider).await;
        let mut count = 0;
        while browser.log_in(&page, username, "wrong").await.status != 429 {
            count += 1;
            assert!(count < 50, "nothing slows the guessing down");
        }
        tries.push(count);
    }
    assert_eq!(tries[0], tries[1], "who waits, and when, doesn't tell who has an account");
    let (mut browser, page) = at_login(&provider).await;
    assert!(browser.log_in(&page, BOB, PASSWORD).await.has_id("consent-allow"));
}

#[tokio::test]
async fn exempt_addresses_are_not_slowed_down() {
    let provider =
        Provider::start_with(&[("throttle.enabled", "true"), ("throttle.exempt", "[\"127.0.0.0/8\"]")]).await;
    let (mut browser, page) = at_login(&provider).await;
    for _ in 0..30 {
        assert_eq!(browser.log_in(&page, ADA, "wrong").await.status, 200);
    }
}

#[tokio::test]
async fn rfc6819_5_1_4_1_1_each_login_makes_a_new_session_and_ends_the_old_one() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let planted = browser.session().unwrap().to_owned();
    let old = browser.clone();
    provider.pass(Duration::from_secs(1));
    let page = browser.authorize(&request(&[("prompt", "login")])).await;
    browser.log_in(&page, ADA, PASSWORD).await;
    assert_ne!(browser.session().unwrap(), planted);
    let answer = old.clone().authorize(&request(&[("prompt", "none")])).await;
    assert_eq!(answer.query("error").as_deref(), Some("login_required"), "the old value opens nothing any more");
}

#[tokio::test]
async fn a_session_value_that_was_planted_is_not_taken_over() {
    let provider = Provider::start().await;
    let attacker = provider.logged_in(BOB).await;
    let name = attacker.cookies.keys().find(|name| name.contains("session")).unwrap().clone();
    let made_up = format!("hps_{}", "A".repeat(64));
    for planted in [attacker.session().unwrap(), &made_up] {
        let (mut victim, page) = at_login(&provider).await;
        victim.cookies.insert(name.clone(), planted.to_owned());
        victim.log_in(&page, ADA, PASSWORD).await;
        assert_ne!(victim.session(), Some(planted), "a value that somebody else knows");
        assert_eq!(victim.session().map(str::len), Some(68));
    }
    let answer = attacker.clone().authorize(&request(&[("prompt", "none")])).await;
    assert_eq!(answer.query("error").as_deref(), Some("login_required"), "and it opens nothing afterwards");
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed_while_the_password_is_known() {
    let provider = Provider::start_with(&[("password.memory_kib", "16")]).await;
    let cheap = hallpass::settings::Password { memory_kib: 8, ..provider.app.settings.password.clone() };
    let old = provider.app.passwords.with(&cheap).hash(Secret::new(PASSWORD)).await.unwrap();
    assert!(old.contains("m=8,"), "{old}");
    provider.change_user(ADA, |user| user.password_hash = Some(old)).await;
    let mut browser = provider.logged_in(ADA).await;
    let renewed = provider.app.store.user_by_username(ADA).await.unwrap().unwrap().password_hash.clone().unwrap();
    assert!(renewed.contains("m=16,"), "{renewed}");
    let answer = browser.authorize(&request(&[("prompt", "none")])).await;
    assert!(answer.query("code").is_some(), "it is the same password, so the session goes on");
    provider.logged_in(ADA).await;
}

#[tokio::test]
async fn a_pending_request_goes_on_only_in_its_own_browser() {
    let provider = Provider::start().await;
    let (_, page) = at_login(&provider).await;
    let (mut victim, _) = at_login(&provider).await;
    let answer = victim.log_in(&page, ADA, PASSWORD).await;
    assert_eq!(answer.status, 400);
    assert!(answer.has_id("error-page") && victim.session().is_none());
    let mut fresh = provider.browser();
    assert_eq!(fresh.log_in(&page, ADA, PASSWORD).await.status, 400, "a browser without its cookie");
}

#[tokio::test]
async fn a_pending_request_that_was_changed_is_none() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let pending = page.field("pending");
    for at in [0, 10, 60, pending.len() / 2, pending.len() - 1] {
        let mut changed = pending.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let fields = [("pending", changed.as_str()), ("username", ADA), ("password", PASSWORD)];
        assert_eq!(browser.post("/login", &fields).await.status, 400, "byte {at}");
    }
    for garbage in ["", "x", "AAAA", &"A".repeat(30_000)] {
        let fields = [("pending", garbage), ("username", ADA), ("password", PASSWORD)];
        assert_eq!(browser.post("/login", &fields).await.status, 400);
    }
    assert!(browser.session().is_none());
}

#[tokio::test]
async fn a_pending_request_expires_at_the_exact_second() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    provider.pass(Duration::from_secs(3599));
    let consent = browser.log_in(&page, ADA, PASSWORD).await;
    assert!(consent.has_id("consent-allow"));
    provider.pass(Duration::from_secs(1));
    assert_eq!(browser.log_in(&page, ADA, PASSWORD).await.status, 400);
    assert_eq!(browser.decide(&consent, "allow").await.status, 400, "a page later is no hour more");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_send_the_form() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let pending = page.field("pending");
    let fields = [("pending", pending.as_str()), ("username", ADA), ("password", PASSWORD)];
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let answer = browser.post_from(origin, "/login", &fields).await;
        assert!(answer.has_id("error-page") && browser.session().is_none(), "{origin}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_for_a_day_and_after_two_weeks_in_all() {
    let provider = Provider::start().await;
    let none = request(&[("prompt", "none")]);
    let mut idle = provider.logged_in(ADA).await;
    provider.pass(DAY - Duration::from_secs(1));
    assert!(idle.authorize(&none).await.query("code").is_some());
    provider.pass(DAY);
    assert_eq!(idle.authorize(&none).await.query("error").as_deref(), Some("login_required"));

    let mut busy = provider.logged_in(ADA).await;
    for _ in 0..27 {
        provider.pass(DAY / 2);
        assert!(busy.authorize(&none).await.query("code").is_some());
    }
    provider.pass(DAY / 2);
    assert_eq!(busy.authorize(&none).await.query("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_new_password_a_disabled_or_a_deleted_user_end_all_sessions() {
    let provider = Provider::start().await;
    let none = request(&[("prompt", "none")]);
    let mut browser = provider.logged_in(ADA).await;
    provider.change_user(ADA, hallpass::model::user::User::end_all).await;
    assert_eq!(browser.authorize(&none).await.query("error").as_deref(), Some("login_required"));

    let mut browser = provider.logged_in(ADA).await;
    provider.change_user(ADA, |user| user.enabled = false).await;
    assert_eq!(browser.authorize(&none).await.query("error").as_deref(), Some("login_required"));

    let mut browser = provider.logged_in(BOB).await;
    let bob = provider.app.store.user_by_username(BOB).await.unwrap().unwrap();
    assert!(provider.app.store.delete_user(&bob.id).await.unwrap());
    assert_eq!(browser.authorize(&none).await.query("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn rfc6265_the_session_cookie_is_http_only_and_lax_and_carries_the_port() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_login(&provider).await;
    let pending = page.field("pending");
    let body = hallpass::base::form::render([("pending", pending.as_str()), ("username", ADA), ("password", PASSWORD)]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = browser.send("POST", &format!("{}/login", provider.issuer), &headers, Some(body.into_bytes())).await;
    let cookie = answer.headers.get_all("set-cookie").iter().find(|line| line.to_str().unwrap().contains("session"));
    let cookie = cookie.unwrap().to_str().unwrap();
    let port = provider.issuer.rsplit(':').next().unwrap();
    assert!(cookie.starts_with(&format!("hallpass-session-{port}=hps_")), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

/// Behind a proxy one guesser's failures must not hold up everybody else's logins.
#[tokio::test]
async fn callers_behind_a_trusted_proxy_are_told_apart() {
    let throttled = async |trusted: &str| {
        let settings = [("throttle.enabled", "true"), ("http.trusted_proxies", trusted)];
        let provider = Provider::start_with(&settings).await;
        let log_in = async |caller: &str, username: &str, password: &str| {
            let (mut browser, page) = at_login(&provider).await;
            let pending = page.field("pending");
            let fields = [("pending", pending.as_str()), ("username", username), ("password", password)];
            let body = hallpass::base::form::render(fields).into_bytes();
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", caller)];
            browser.send("POST", &format!("{}/login", provider.issuer), &headers, Some(body)).await.status
        };
        for number in 0..20 {
            assert_eq!(log_in("192.0.2.66", &format!("nobody{number}"), "guess").await, 200);
        }
        (log_in("192.0.2.66", BOB, PASSWORD).await, log_in("192.0.2.7", ADA, PASSWORD).await)
    };
    assert_eq!(throttled("[\"127.0.0.1\"]").await, (429, 303));
    assert_eq!(throttled("[]").await, (429, 429), "whoever isn't trusted is the one caller there is");
}
