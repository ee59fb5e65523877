//! What the running binary writes down, and what it must not.

use serde_json::Value;

use crate::harness::process::Process;
use crate::harness::*;

const WRONG_PASSWORD: &str = "difference engine";
const WRONG_SECRET: &str = "a secret that opens nothing at all";

/// A secret as it is drawn, which could be an id.
const DRAWN: &str = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg";

#[tokio::test]
async fn rfc6819_5_1_6_no_secret_reaches_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_new_with(directory.path(), "log.level = \"trace\"\nlog.format = \"json\"").await;
    let mut secrets =
        [PASSWORD, WRONG_PASSWORD, SECRET, WRONG_SECRET, VERIFIER, "$argon2"].map(ToOwned::to_owned).to_vec();

    // A login, with a mistake first.
    let mut browser = process.browser();
    let asked =
        request(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("nonce", "the-nonce-of-it")]);
    let login = browser.authorize(&asked).await;
    secrets.push(login.field("pending"));
    let wrong = browser.log_in(&login, ADA, WRONG_PASSWORD).await;
    assert!(wrong.has_id("login-problem"), "{wrong:?}");
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    secrets.push(consent.field("pending"));
    let answer = browser.decide(&consent, "allow").await;
    let code = answer.query("code").unwrap();
    secrets.push(code.clone());

    // Everything that a client does with it, and everything that it gets wrong.
    let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    let proven = [&redeem[..], &[("code_verifier", VERIFIER)]].concat();
    assert_eq!(process.token(&redeem).await.error(), "invalid_grant", "without a verifier");
    let tokens = process.token(&proven).await.tokens();
    let fresh = process.token(&[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())]).await.tokens();
    for tokens in [&tokens, &fresh] {
        secrets.extend([tokens.access_token.clone(), tokens.refresh().to_owned(), tokens.id().to_owned()]);
    }
    assert_eq!(process.userinfo(&fresh.access_token).await.status, 200);
    let url = |path: &str| format!("{}{path}", process.issuer);
    let query = url(&format!("/userinfo?access_token={}", fresh.access_token));
    assert_eq!(exchange("GET", &query, &[], None).await.status, 401);
    let hinted = url(&format!("/authorize?client_id=nobody&id_token_hint={}&code={code}", fresh.id()));
    assert_eq!(exchange("GET", &hinted, &[], None).await.status, 400);
    let form = hallpass::base::form::render([
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", WRONG_SECRET),
        ("code", &code),
    ]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(exchange("POST", &url("/token"), &headers, Some(form.into_bytes())).await.error(), "invalid_client");
    assert_eq!(process.token(&proven).await.error(), "invalid_grant", "a second time");
    assert_eq!(process.userinfo(&fresh.access_token).await.status, 401, "the family has ended");

    // The end of the session, after a form that is refused.
    let logout = browser.get("/logout").await;
    secrets.push(logout.field("csrf"));
    secrets.extend(browser.cookies.values().cloned());
    browser.post("/logout", &[("csrf", "wrong"), ("decision", "logout")]).await;
    let done = browser.post("/logout", &[("csrf", &logout.field("csrf")), ("decision", "logout")]).await;
    assert!(done.has_id("logout-done"), "{done:?}");

    let (status, log) = process.stop();
    assert_eq!(status, Some(0));
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let says = |message: &str| lines.iter().any(|line| line["message"] == message);
    for message in ["listening", "login failed", "refused", "stopped"] {
        assert!(says(message), "{message}: {log}");
    }
    let tells = |event: &str| lines.iter().any(|line| line["event"] == event && line["request"].is_string());
    for event in ["login.failed", "login.succeeded", "consent.accepted", "token.issued", "token.reused", "logout"] {
        assert!(tells(event), "{event}: {log}");
    }
    assert!(lines.iter().filter(|line| line["target"] == "hallpass::access").count() > 15, "{log}");
    for secret in &secrets {
        // As it is, and as forms write it; of a token also the end alone, which is what opens something.
        let encoded = hallpass::base::form::render([("", secret.as_str())]);
        let end = if secret.len() > 40 && !secret.contains(' ') { &secret[secret.len() - 20..] } else { secret };
        for text in [secret, encoded.trim_start_matches('='), end] {
            let line = log.lines().find(|line| line.contains(text));
            assert_eq!(line, None, "{text:?} is in the log");
        }
    }
}

/// RFC 6819 section 5.1.6: whoever sets a client up may put each thing into the other's place.
#[tokio::test]
async fn rfc6819_5_1_6_no_secret_in_the_wrong_place_reaches_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_new_with(directory.path(), "log.level = \"trace\"\nlog.format = \"json\"").await;
    let url = |path: &str| format!("{}{path}", process.issuer);
    let post = async |path: &str, authorization: Option<&str>, form: &[(&str, &str)]| {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let body = hallpass::base::form::render(form.iter().copied());
        exchange("POST", &url(path), &headers, Some(body.into_bytes())).await
    };
    let swapped = basic(format!("{DRAWN}:{CLIENT}"));
    let refresh = ("grant_type", "refresh_token");
    for path in ["/token", "/introspect", "/revoke"] {
        assert_eq!(post(path, Some(&swapped), &[refresh, ("token", "x")]).await.error(), "invalid_client");
        let form = [refresh, ("token", "x"), ("client_id", DRAWN), ("client_secret", CLIENT)];
        assert_eq!(post(path, None, &form).await.error(), "invalid_client");
    }
    let right = basic(format!("{CLIENT}:{SECRET}"));
    assert_eq!(post("/token", Some(&right), &[("grant_type", DRAWN)]).await.error(), "unsupported_grant_type");
    let form = [("grant_type", DRAWN), ("client_id", DRAWN), ("client_secret", CLIENT)];
    post("/token", None, &form).await;
    let query = hallpass::base::form::render([
        ("client_id", CLIENT),
        ("post_logout_redirect_uri", &format!("https://app.example/other?token={DRAWN}")),
    ]);
    exchange("GET", &url(&format!("/end-session?{query}")), &[], None).await;
    let fragment = hallpass::base::form::render([
        ("client_id", CLIENT),
        ("post_logout_redirect_uri", &format!("https://app.example/other#{DRAWN}")),
    ]);
    exchange("GET", &url(&format!("/end-session?{fragment}")), &[], None).await;
    for path in [format!("/authorize?client_id={DRAWN}"), format!("/end-session?client_id={DRAWN}&id_token_hint=e.y.J")]
    {
        exchange("GET", &url(&path), &[], None).await;
    }

    let (_, log) = process.stop();
    assert!(log.contains(&format!("there is no client \\\"{}\\\"… of {} bytes", &DRAWN[..4], DRAWN.len())), "{log}");
    assert!(log.contains("https://app.example/other"), "{log}");
    assert_eq!(log.lines().find(|line| line.contains(DRAWN)), None, "{DRAWN:?} is in the log");
}

#[tokio::test]
async fn consents_that_are_given_or_declined_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_new_with(directory.path(), "log.format = \"json\"").await;
    let mut browser = process.browser();
    let asked = request(&[("scope", "openid email")]);
    let login = browser.authorize(&asked).await;
    let page = browser.log_in(&login, ADA, PASSWORD).await;
    browser.decide(&page, "deny").await;
    let page = browser.authorize(&asked).await;
    browser.decide(&page, "allow").await;
    // From now on nobody is asked, so there is nothing to say.
    browser.code(ADA, &asked).await;
    let log = process.stop().1;
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said: Vec<Value> =
        lines.filter(|line| line["event"].as_str().is_some_and(|event| event.starts_with("consent."))).collect();
    assert_eq!(said.len(), 2, "{log}");
    for (line, event) in said.iter().zip(["consent.declined", "consent.accepted"]) {
        let expected: [Value; 3] = [event.into(), CLIENT.into(), "openid email".into()];
        assert_eq!([&line["event"], &line["client"], &line["scope"]], expected.each_ref());
        assert!(line["user"].is_string() && line["user"] == said[0]["user"], "{line}");
    }
}

/// RFC 6819 section 5.1.4.1.1: whoever reads these files has password hashes, or may administer.
#[cfg(unix)]
#[tokio::test]
async fn files_open_to_others_are_said() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let files = ["hallpass.redb", "hallpass.redb.key", "hallpass.toml"];
    let allow = |mode| {
        for file in files {
            set_permissions(directory.path().join(file), Permissions::from_mode(mode)).unwrap();
        }
    };
    let log = || std::fs::read_to_string(directory.path().join("log")).unwrap();
    let token = "admin.token = \"a-token-of-thirty-two-characters-or-more\"";
    Process::start_new(directory.path()).await.stop();
    allow(0o600);
    let before = log().len();
    Process::start_on(directory.path(), token).await.stop();
    assert!(!log()[before..].contains("open to others"), "{}", log());

    allow(0o640);
    let before = log().len();
    Process::start_on(directory.path(), token).await.stop();
    let said: Vec<String> =
        log()[before..].lines().filter(|line| line.contains("open to others")).map(Into::into).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(files.iter().all(|file| said.iter().any(|line| line.contains(&format!("{file}\"")))), "{said:?}");

    let before = log().len();
    std::fs::write(directory.path().join("token"), "a-token-of-thirty-two-characters-or-more").unwrap();
    Process::start_on(directory.path(), "admin.token = { file = \"token\" }").await.stop();
    assert!(!log()[before..].contains("hallpass.toml"), "there is no secret in it: {}", log());
}
