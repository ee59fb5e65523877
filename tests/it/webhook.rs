//! Webhooks at the points where the provider asks (`[hooks.NAME]`): what they are told, what their answers do, and what a
//! receiver can do to a login that is slow, dead or lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hallpass::base::form;
use hallpass::model::scope::Scope;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::harness::receiver::{Heard, Receiver, Say, WEBHOOK_SECRET};
use crate::harness::tls::file;
use crate::harness::{ADA, Answer, CLIENT, PASSWORD, Provider, Response, SECRET, exchange, request};

/// The settings of hooks: name, receiver, the rest.
fn hooks(all: &[(&str, &Url, &str)]) -> String {
    let hook = |(name, url, more): &(&str, &Url, &str)| {
        format!("{name} = {{ url = \"{url}\", secret = \"{WEBHOOK_SECRET}\", allow_private = true, {more} }}")
    };
    format!("{{ {} }}", all.iter().map(hook).collect::<Vec<_>>().join(", "))
}

async fn provider(all: &[(&str, &Url, &str)]) -> Provider {
    Provider::start_with(&[("hooks", &hooks(all))]).await
}

/// A provider with one hook that is asked after the login.
async fn gated(receiver: &Receiver) -> Provider {
    provider(&[("gate", &receiver.url(), "points = [\"after_login\"]")]).await
}

async fn logged_in(provider: &Provider, changes: &[(&str, &str)]) -> Response {
    let mut browser = provider.browser();
    let page = browser.authorize(&request(changes)).await;
    browser.log_in(&page, ADA, PASSWORD).await
}

#[tokio::test]
async fn a_message_is_signed_and_says_who_wants_to_go_where() {
    let receiver = Receiver::saying(Say::Empty(200)).await;
    let provider = gated(&receiver).await;
    let mut browser = provider.browser();
    let answer = Answer::of(&browser.complete(ADA, &request(&[("scope", "openid email")])).await);
    assert_eq!(answer.get("error"), None);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 2, "before the consent and after it");
    assert_eq!(receiver.connections(), 1);
    for one in &heard {
        assert!(one.is_signed());
        let message = one.json();
        assert_eq!((&message["version"], &message["type"]), (&json!(1), &json!("after_login")));
        assert_eq!(
            (&message["id"], &message["timestamp"]),
            (&json!(one.header("webhook-id")), &json!("2027-01-15T08:00:00Z"))
        );
        let data = &message["data"];
        assert_eq!(data["client"], json!({ "client_id": CLIENT, "client_name": "The web app" }));
        assert_eq!((&data["user"]["id"], &data["user"]["username"]), (&json!("id-of-ada"), &json!(ADA)));
        assert_eq!(data["user"]["claims"]["email"], "ada@ada.example");
        assert_eq!((&data["scope"], &data["returned"]), (&json!("openid email"), &json!(false)));
        let text = String::from_utf8(one.body.to_vec()).unwrap();
        for secret in [PASSWORD, SECRET, "argon2", WEBHOOK_SECRET, browser.session().unwrap()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_ne!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
}

#[tokio::test]
async fn after_login_a_receiver_lets_users_on_turns_them_away_or_sends_them_elsewhere() {
    let receiver = Receiver::start(|heard: &Heard| {
        let data = &heard.json()["data"];
        Say::Json(match data["scope"].as_str().unwrap() {
            "openid email" => json!({ "action": "deny", "message": "Members only" }),
            "openid phone" => json!({ "action": "deny" }),
            "openid address" if data["returned"] == false => {
                json!({ "action": "redirect", "url": "https://terms.example/?v=1" })
            }
            _ => json!({ "action": "continue" }),
        })
    })
    .await;
    let provider = gated(&receiver).await;
    assert!(logged_in(&provider, &[]).await.has_id("consent-allow"));
    let denied = logged_in(&provider, &[("scope", "openid email")]).await;
    assert_eq!(denied.text_of("denied-message"), "Members only");
    let denied = Answer::of(&logged_in(&provider, &[("scope", "openid phone")]).await);
    assert_eq!(denied.error(), "access_denied");
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[("scope", "openid address")])).await;
    let away = browser.log_in(&page, ADA, PASSWORD).await;
    assert!(away.location().starts_with("https://terms.example/?v=1&resume="), "{away:?}");
    let handle = away.query("resume").unwrap();
    let back = browser.get(&format!("/authorize/resume?{}", form::render([("handle", handle.as_str())]))).await;
    assert!(back.has_id("consent-allow"));
    assert_eq!(receiver.heard().last().unwrap().json()["data"]["returned"], true);
}

#[tokio::test]
async fn claims_pass_through_the_receivers_one_after_the_other() {
    let add = |number: u64| {
        move |heard: &Heard| {
            let message = heard.json();
            let mut claims = message["data"]["claims"].clone();
            let list = claims.as_object_mut().unwrap().entry("order").or_insert(json!([]));
            list.as_array_mut().unwrap().push(json!([number, message["type"]]));
            claims["nickname"] = json!("Countess");
            claims["nothing"] = json!({ "empty": null });
            claims["sub"] = json!("mallory");
            claims["active"] = json!(false);
            Say::Json(json!({ "claims": claims }))
        }
    };
    let (first, second) = (Receiver::start(add(1)).await, Receiver::start(add(2)).await);
    let points = "points = [\"claims\", \"id_token\", \"introspection\"]";
    let provider = provider(&[("b", &second.url(), points), ("a", &first.url(), points)]).await;
    provider.change_client(CLIENT, |client| client.scope = Scope::parse("token_introspection")).await;
    let tokens = provider.tokens("openid profile").await;
    let (_, id_token) = provider.verify(tokens.id()).await;
    assert_eq!(
        (&id_token["order"], &id_token["sub"]),
        (&json!([[1, "id_token"], [2, "id_token"]]), &json!("id-of-ada"))
    );
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!(userinfo["order"], json!([[1, "claims"], [2, "claims"]]));
    assert_eq!((&userinfo["nickname"], &userinfo["name"]), (&json!("Countess"), &json!("Ada Lovelace")));
    assert_eq!((&userinfo["sub"], userinfo.get("nothing")), (&json!("id-of-ada"), None));
    let form = [("token", tokens.access_token.as_str()), ("client_id", CLIENT), ("client_secret", SECRET)];
    let told = provider.post("/introspect", &[], &form).await.json();
    assert_eq!((&told["order"], &told["active"]), (&json!([[1, "introspection"], [2, "introspection"]]), &json!(true)));
    // A refresh asks again.
    first.take();
    provider.refresh(tokens.refresh()).await.tokens();
    assert_eq!(first.take()[0].json()["type"], "id_token");
}

#[tokio::test]
async fn before_a_logout_a_receiver_is_told_and_keeps_nobody() {
    let receiver = Receiver::saying(Say::Empty(500)).await;
    let provider = provider(&[("exit", &receiver.url(), "points = [\"logout\"]")]).await;
    let mut browser = provider.logged_in(ADA).await;
    assert!(receiver.heard().is_empty());
    let page = browser.get("/logout").await;
    let done = browser.post("/logout", &[("csrf", &page.field("csrf")), ("decision", "logout")]).await;
    assert!(done.has_id("logout-done") && browser.session().is_none(), "{done:?}");
    let message = receiver.heard()[0].json();
    assert_eq!((&message["type"], &message["data"]["user"]["username"]), (&json!("logout"), &json!(ADA)));
    assert!(message["data"]["sid"].is_string());
}

/// Every kind of receiver that fails, each with what becomes of its answer.
async fn failing() -> Vec<(&'static str, Receiver, Url)> {
    let target = Receiver::saying(Say::Json(json!({ "action": "continue" }))).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut all = Vec::new();
    for (name, say) in [
        ("slow", Say::Nothing),
        ("no JSON", Say::Text(200, "application/json", "{\"action\":")),
        ("another type", Say::Text(200, "text/html", "{\"action\":\"continue\"}")),
        ("no object", Say::Json(json!([]))),
        ("no action", Say::Json(json!({ "actoin": "continue" }))),
        ("unknown action", Say::Json(json!({ "action": "explode" }))),
        ("unsafe URL", Say::Json(json!({ "action": "redirect", "url": "javascript:alert(1)" }))),
        ("a gigabyte", Say::Gigabyte(false)),
        ("a redirect", Say::Redirect(target.url().into())),
        ("an error", Say::Empty(503)),
    ] {
        let receiver = Receiver::saying(say).await;
        let url = receiver.url();
        all.push((name, receiver, url));
    }
    let other = Receiver::encrypted("other", Say::Empty(200)).await;
    let url = other.url_at("https://localhost");
    all.push(("another certificate", other, url));
    all.push(("dead", target, Url::parse(&format!("http://{closed}/")).unwrap()));
    all
}

#[tokio::test]
async fn on_error_says_what_a_failure_means() {
    for (name, receiver, url) in failing().await {
        for (on_error, goes_on) in [("deny", false), ("continue", true)] {
            let more = format!("points = [\"after_login\"], timeout = 1, on_error = \"{on_error}\"");
            let roots = format!("[\"{}\"]", file("ca.pem").display());
            let hooks = hooks(&[("gate", &url, &more)]);
            let provider = Provider::start_with(&[("hooks", &hooks), ("outbound.trusted_roots", &roots)]).await;
            let response = logged_in(&provider, &[]).await;
            if goes_on {
                assert!(response.has_id("consent-allow"), "{name}: {response:?}");
            } else {
                let answer = Answer::of(&response);
                assert_eq!((answer.error(), answer.get("state")), ("server_error", Some("the state")), "{name}");
                assert!(!answer.location.contains("gate"), "{name}: {answer:?}");
            }
        }
        assert!(receiver.poured.load(Ordering::SeqCst) < 100_000_000, "{name}");
    }
}

#[tokio::test]
async fn a_receiver_in_our_network_is_not_called_unless_that_is_allowed() {
    let receiver = Receiver::encrypted("localhost", Say::Empty(200)).await;
    // A name that leads to this machine.
    let url = receiver.url_at("https://localhost");
    let hooks =
        format!("{{ gate = {{ url = \"{url}\", secret = \"{WEBHOOK_SECRET}\", points = [\"after_login\"] }} }}");
    let roots = format!("[\"{}\"]", file("ca.pem").display());
    let provider = Provider::start_with(&[("hooks", &hooks), ("outbound.trusted_roots", &roots)]).await;
    assert_eq!(Answer::of(&logged_in(&provider, &[]).await).error(), "server_error");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn tokens_and_claims_fail_or_go_without_what_a_dead_receiver_would_say() {
    let answers = Arc::new(AtomicUsize::new(0));
    let dead = Arc::clone(&answers);
    let receiver = Receiver::start(move |_| Say::Empty(if dead.load(Ordering::SeqCst) == 0 { 204 } else { 500 })).await;
    let points = "points = [\"claims\", \"id_token\"]";
    let strict = provider(&[("more", &receiver.url(), points)]).await;
    let lenient = provider(&[("more", &receiver.url(), &format!("{points}, on_error = \"continue\""))]).await;
    let (of_strict, of_lenient) = (strict.tokens("openid").await, lenient.tokens("openid").await);
    answers.store(1, Ordering::SeqCst);
    let form = |token: &str| -> Vec<u8> {
        form::render([
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ])
        .into_bytes()
    };
    let send = async |provider: &Provider, token: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        crate::harness::attempt("POST", &format!("{}/token", provider.issuer), &headers, Some(form(token))).await
    };
    let refused = send(&strict, of_strict.refresh()).await;
    assert_eq!((refused.status, refused.error().as_str()), (500, "server_error"));
    assert!(!refused.body.contains("more"), "{refused:?}");
    assert_eq!(send(&lenient, of_lenient.refresh()).await.status, 200);
    assert_eq!(lenient.userinfo(&of_lenient.access_token).await.status, 200);
    // The refused refresh has cost nothing.
    answers.store(0, Ordering::SeqCst);
    assert_eq!(send(&strict, of_strict.refresh()).await.status, 200);
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let receiver = Receiver::saying(Say::Nothing).await;
    let more = "points = [\"after_login\"], timeout = 5, on_error = \"continue\"";
    let provider = Arc::new(provider(&[("gate", &receiver.url(), more)]).await);
    let began = Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { logged_in(&provider, &[]).await.has_id("consent-allow") })
        })
        .collect();
    while receiver.heard().len() < waiting.len() {
        tokio::task::yield_now().await;
    }
    let asked = Instant::now();
    for _ in 0..50 {
        assert_eq!(provider.get("/jwks").await.status, 200);
        let form = [("grant_type", "refresh_token"), ("refresh_token", "none")];
        assert_eq!(provider.token(CLIENT, SECRET, &form).await.status, 400);
        assert_eq!(exchange("GET", &format!("{}/login", provider.issuer), &[], None).await.status, 400);
    }
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    for login in waiting {
        assert!(login.await.unwrap());
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "they have waited, at the same time");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn settings_of_hooks_are_checked() {
    let load = |hooks: &str| {
        let sources = hallpass::settings::Sources::default().set("issuer", "https://id.example").set("hooks", hooks);
        hallpass::settings::Settings::load(&sources).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let secret = format!("secret = \"{WEBHOOK_SECRET}\"");
    assert_eq!(load(&format!("{{ a = {{ url = \"https://x.example/\", {secret} }} }}")), "");
    for (hooks, why) in [
        (format!("{{ a = {{ {secret} }} }}"), "url"),
        ("{ a = { url = \"https://x.example/\" } }".to_owned(), "secret"),
        ("{ a = { url = \"https://x.example/\", secret = \"whsec_c2hvcnQ=\" } }".to_owned(), "24 to 64"),
        (format!("{{ a = {{ url = \"http://x.example/\", {secret} }} }}"), "allow_private"),
        (format!("{{ a = {{ url = \"https://u:p@x.example/\", {secret} }} }}"), "credentials"),
        (format!("{{ a = {{ url = \"https://x.example/\", {secret}, points = [\"before_login\"] }} }}"), "after_login"),
        (format!("{{ \"a b\" = {{ url = \"https://x.example/\", {secret} }} }}"), "name"),
    ] {
        let error = load(&hooks);
        assert!(
            error.contains(why) && !error.contains(WEBHOOK_SECRET) && !error.contains("c2hvcnQ"),
            "{hooks}: {error}"
        );
    }
}

/// What is in a message stays what it is: receivers rely on it.
#[tokio::test]
async fn messages_have_these_members_and_no_others() {
    let receiver = Receiver::saying(Say::Empty(204)).await;
    let provider = provider(&[(
        "all",
        &receiver.url(),
        "points = [\"after_login\", \"claims\", \"id_token\", \"introspection\"]",
    )])
    .await;
    let tokens = provider.tokens("openid").await;
    provider.userinfo(&tokens.access_token).await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for heard in receiver.heard() {
        let message = heard.json();
        assert_eq!(names(&message), ["version", "type", "id", "timestamp", "data"]);
        let expected: &[&str] = match message["type"].as_str().unwrap() {
            "after_login" => &["client", "user", "scope", "returned"],
            _ => &["client", "user", "scope", "claims"],
        };
        assert_eq!(names(&message["data"]), expected);
        assert_eq!(names(&message["data"]["user"]), ["id", "username", "claims"]);
    }
}
