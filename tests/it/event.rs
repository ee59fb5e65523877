//! Events: what has happened is written down once, with the change that it tells of, and told to whoever wants to know.

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use hallpass::admin::Method;
use hallpass::app::event::{EventHook, Receiver as Subscriber};
use hallpass::app::hook::{Answer, Hook, HookError};
use hallpass::base::secret::Secret;
use hallpass::jose::webhook::WebhookSecret;
use hallpass::model::client::{GrantType, ResponseType};
use hallpass::model::event::{Event, EventFilter, EventKind, EventKinds};
use hallpass::model::key::KeyState;
use hallpass::model::scope::Scope;
use hallpass::outbound::{Trust, Webhook, WebhookConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::harness::receiver::{Heard, Receiver, Say, WEBHOOK_SECRET};
use crate::harness::tls::file;
use crate::harness::*;

const ALL: &[(&str, &str)] = &[("events.kinds", "[\"*\"]")];

/// What the audit log has, the oldest first.
async fn kept(provider: &Provider) -> Vec<Event> {
    // What nobody waits for is written before this is.
    provider.app.store.remove_pending_events("nobody", Vec::new()).await.unwrap();
    let mut events = provider.app.store.events(&EventFilter::default(), None, 1000).await.unwrap().items;
    events.reverse();
    events
}

/// The kinds of what has happened since there were `before` events.
async fn since(provider: &Provider, before: usize) -> Vec<&'static str> {
    kept(provider).await[before..].iter().map(|event| event.what.kind.name()).collect()
}

#[tokio::test]
async fn a_whole_flow_is_told_once_in_its_order() {
    let provider = Provider::start_with(ALL).await;
    let before = kept(&provider).await.len();
    let mut browser = provider.browser();
    let asked = request(&[("scope", "openid email offline_access")]);
    let login = browser.authorize(&asked).await;
    let page = browser.log_in(&login, ADA, "wrong").await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    browser.decide(&page, "deny").await;
    let code = browser.code(ADA, &asked).await;
    let first = provider.redeem(&code).await.tokens();
    let second = provider.refresh(first.refresh()).await.tokens();
    let form = [("token", second.access_token.as_str()), ("client_id", CLIENT), ("client_secret", SECRET)];
    assert_eq!(provider.post("/revoke", &[], &form).await.status, 200);
    // Used again after its successor was: somebody else has it.
    provider.refresh(second.refresh()).await.tokens();
    provider.pass(Duration::from_secs(61));
    assert_eq!(provider.refresh(first.refresh()).await.error(), "invalid_grant");
    let logout = browser.get("/logout").await;
    browser.post("/logout", &[("csrf", &logout.field("csrf")), ("decision", "logout")]).await;

    let events = kept(&provider).await.split_off(before);
    let told: Vec<_> = events.iter().map(|event| event.what.kind.name()).collect();
    assert_eq!(
        told,
        [
            "login.failed",
            "login.succeeded",
            "consent.declined",
            "consent.accepted",
            "token.issued",
            "token.refreshed",
            "token.revoked",
            "token.refreshed",
            "token.reused",
            "logout",
        ]
    );
    for event in &events {
        assert_eq!(event.what.user.as_ref().unwrap().as_str(), "id-of-ada", "{event:?}");
        let is_of_client = !matches!(event.what.kind.name(), "login.failed" | "login.succeeded" | "logout");
        assert_eq!(event.what.client.as_ref().map(|client| client.as_str()), is_of_client.then_some(CLIENT));
        assert!(event.origin.address.is_some_and(|address| address.is_loopback()), "{event:?}");
        assert!(event.origin.request.is_some(), "{event:?}");
    }
    let sids = [1, 4, 5, 8, 9].map(|index: usize| events[index].what.sid.unwrap());
    assert!(sids.iter().all(|sid| *sid == sids[0]), "one session");
    let grants = [4, 5, 6, 7, 8].map(|index: usize| events[index].what.grant.unwrap());
    assert!(grants.iter().all(|grant| *grant == grants[0]), "one family");
    let scopes = [2, 3, 4].map(|index: usize| events[index].what.scope.as_ref().unwrap().to_string());
    assert!(scopes.iter().all(|scope| scope == "openid email offline_access"), "{scopes:?}");

    // Who is known and has agreed is asked for nothing, so there is nothing to tell but the tokens.
    let count = kept(&provider).await.len();
    let mut browser = provider.logged_in(ADA).await;
    assert_eq!(since(&provider, count).await, ["login.succeeded", "consent.accepted"]);
    provider.redeem(&browser.code(ADA, &asked).await).await.tokens();
    assert_eq!(since(&provider, count + 2).await, ["token.issued"]);
}

#[tokio::test]
async fn tokens_of_every_flow_are_told() {
    let settings = [ALL, &[("grants.password", "true")]].concat();
    let provider = Provider::start_with(&settings).await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.extend([GrantType::Implicit, GrantType::ClientCredentials, GrantType::Password]);
            let types = ["code", "id_token token", "code id_token", "code token"];
            client.scope = Scope::parse("openid read");
            client.response_types = types.iter().map(|name| ResponseType::parse(name).unwrap()).collect();
        })
        .await;
    let mut count = kept(&provider).await.len();
    let mut told = async |provider: &Provider| {
        let kinds = since(provider, count).await;
        count += kinds.len();
        kinds
    };
    let own = [("grant_type", "client_credentials"), ("scope", "read")];
    provider.token(CLIENT, SECRET, &own).await.tokens();
    assert_eq!(told(&provider).await, ["token.issued"]);
    let password = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD), ("scope", "openid")];
    provider.token(CLIENT, SECRET, &password).await.tokens();
    assert_eq!(told(&provider).await, ["login.succeeded", "token.issued"]);
    let wrong = [("grant_type", "password"), ("username", "nobody"), ("password", "x"), ("scope", "openid")];
    assert_eq!(provider.token(CLIENT, SECRET, &wrong).await.error(), "invalid_grant");
    assert_eq!(told(&provider).await, ["login.failed"]);
    let mut browser = provider.logged_in(ADA).await;
    told(&provider).await;
    browser.authorize(&request(&[("response_type", "id_token token"), ("nonce", "n")])).await;
    assert_eq!(told(&provider).await, ["token.issued"]);
    browser.authorize(&request(&[("response_type", "code id_token"), ("nonce", "n")])).await;
    assert!(told(&provider).await.is_empty(), "a code is no token yet");
    browser.authorize(&request(&[("response_type", "code token"), ("nonce", "n")])).await;
    assert_eq!(told(&provider).await, ["token.issued"]);
}

#[tokio::test]
async fn what_administration_changes_is_told() {
    let provider = Provider::start_with(ALL).await;
    let before = kept(&provider).await.len();
    let client = json!({ "client_id": "new", "client_name": "New", "redirect_uris": [REDIRECT] });
    provider.administer(Method::Post, "clients", client).await;
    provider.administer(Method::Patch, "clients/new", json!({ "client_name": "Newer" })).await;
    provider.administer(Method::Post, "clients/new/secret", json!({})).await;
    provider.administer(Method::Delete, "clients/new", Value::Null).await;
    provider.administer(Method::Post, "users", json!({ "username": "eve", "password": PASSWORD })).await;
    provider.administer(Method::Patch, "users/eve", json!({ "enabled": false, "claims": { "name": "Eve" } })).await;
    provider.administer(Method::Put, "users/eve/password", json!({ "password": "another engine" })).await;
    provider.administer(Method::Delete, "users/eve", Value::Null).await;
    let key = provider.add_key(OTHER_RSA).await;
    let keys = provider.app.store.keys().await.unwrap();
    let first = keys.iter().find(|key| key.state == KeyState::Active).unwrap().id.to_string();
    provider.administer(Method::Post, &format!("keys/{key}/promote"), json!({})).await;
    provider.administer(Method::Delete, &format!("keys/{first}"), Value::Null).await;
    let events = kept(&provider).await.split_off(before);
    let told: Vec<_> = events.iter().map(|event| event.what.kind.name()).collect();
    assert_eq!(
        told,
        [
            "client.created",
            "client.updated",
            "client.updated",
            "client.deleted",
            "user.created",
            "user.updated",
            "user.updated",
            "user.deleted",
            "key.created",
            "key.retired",
            "key.promoted",
            "key.deleted",
        ]
    );
    let detail = |index: usize, name: &str| events[index].what.detail.get(name).map(String::as_str);
    assert_eq!(
        (detail(1, "name"), detail(1, "changed"), detail(2, "changed")),
        (Some("Newer"), None, Some("client_secret"))
    );
    assert_eq!((detail(5, "changed"), detail(6, "changed")), (Some("enabled claims"), Some("password")));
    assert_eq!((detail(7, "username"), detail(10, "kid")), (Some("eve"), Some(key.as_str())));
}

/// Somebody tries many passwords: the disk doesn't fill, and other events stay.
#[tokio::test]
async fn failed_logins_are_counted_and_told_once_a_minute() {
    let provider = Provider::start_with(ALL).await;
    let before = kept(&provider).await.len();
    let mut browser = provider.browser();
    let mut page = browser.authorize(&request(&[])).await;
    for _ in 0..10 {
        page = browser.log_in(&page, ADA, "wrong").await;
    }
    for name in ["my-password-by-mistake", "another"] {
        page = browser.log_in(&page, name, "wrong").await;
    }
    assert_eq!(since(&provider, before).await, ["login.failed", "login.failed"]);
    provider.pass(Duration::from_secs(60));
    browser.log_in(&page, ADA, "wrong").await;
    let events = kept(&provider).await.split_off(before);
    let mut counts: Vec<_> =
        events.iter().filter_map(|event| event.what.detail.get("count").map(String::as_str)).collect();
    counts.sort();
    assert_eq!((events.len(), counts), (5, vec!["1", "9"]));
    let text = format!("{events:?}");
    assert!(!text.contains("by-mistake"), "a name that nobody has may be a password: {text}");
}

/// RFC 6819 section 5.1.6: what opens something is in no event.
#[tokio::test]
async fn rfc6819_5_1_6_no_secret_is_in_any_event() {
    const NEW: &str = "a new secret of more than thirty-two bytes";
    let provider = Provider::start_with(&[ALL, &[("grants.password", "true")]].concat()).await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.push(GrantType::Password);
            client.scope = Scope::parse("openid");
            client.secret = Some(Secret::new(SECRET));
        })
        .await;
    let mut secrets = [PASSWORD, SECRET, NEW, "the wrong one"].map(ToOwned::to_owned).to_vec();
    let mut browser = provider.browser();
    let asked = request(&[("scope", "openid email offline_access"), ("nonce", "the-nonce"), ("state", "the-state")]);
    let page = browser.authorize(&asked).await;
    secrets.push(page.field("pending"));
    let page = browser.log_in(&page, ADA, "the wrong one").await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    secrets.push(page.field("pending"));
    secrets.extend(browser.cookies.values().cloned());
    browser.decide(&page, "deny").await;
    let code = browser.code(ADA, &asked).await;
    let first = provider.redeem(&code).await.tokens();
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.redeem(&code).await;
    let password = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD), ("scope", "openid")];
    let third = provider.token(CLIENT, SECRET, &password).await.tokens();
    let form = [("token", third.refresh()), ("client_id", CLIENT), ("client_secret", SECRET)];
    provider.post("/revoke", &[], &form).await;
    secrets.push(code);
    for tokens in [&first, &second, &third] {
        secrets.extend([tokens.access_token.clone(), tokens.refresh().to_owned(), tokens.id().to_owned()]);
    }
    provider.administer(Method::Post, &format!("clients/{CLIENT}/secret"), json!({ "client_secret": NEW })).await;
    let logout = browser.get("/logout").await;
    secrets.push(logout.field("csrf"));
    browser.post("/logout", &[("csrf", &logout.field("csrf")), ("decision", "logout")]).await;
    provider.administer(Method::Put, "users/ada/password", json!({ "password": "a newer engine" })).await;
    secrets.push("a newer engine".to_owned());
    let pem = provider.add_key(OTHER_RSA).await;
    provider.administer(Method::Delete, &format!("keys/{pem}"), Value::Null).await;
    secrets.extend(OTHER_RSA.lines().filter(|line| !line.starts_with('-')).map(ToOwned::to_owned));
    let hashes = provider.app.store.users(None, 10).await.unwrap().items;
    secrets.extend(hashes.iter().filter_map(|user| user.password_hash.clone()));

    let events = kept(&provider).await;
    let told: std::collections::BTreeSet<_> = events.iter().map(|event| event.what.kind).collect();
    assert!(told.len() > 12, "{told:?}");
    let texts: Vec<String> = events.iter().map(|event| format!("{event:?} {}", Value::from(event.to_json()))).collect();
    for secret in &secrets {
        // Of a token the end alone is what opens something.
        let is_token = secret.len() > 40 && !secret.contains(' ');
        let end = secret.get(secret.len().saturating_sub(20)..).filter(|_| is_token).unwrap_or(secret);
        let found = texts.iter().find(|text| text.contains(end));
        assert_eq!(found, None, "{secret:?} is in an event");
    }
}

/// Tells what it hears.
struct Listener(mpsc::UnboundedSender<EventKind>);

impl Hook for Listener {
    fn event<'a>(&'a self, event: &'a Event) -> Answer<'a, ()> {
        let _ = self.0.send(event.what.kind);
        Box::pin(ready(Ok(())))
    }
}

/// Ends in one way or another, or not at all.
#[derive(Clone, Copy)]
enum Bad {
    PanicsAtOnce,
    PanicsLater,
    Fails,
    NeverEnds,
}

impl Hook for Bad {
    fn event<'a>(&'a self, _event: &'a Event) -> Answer<'a, ()> {
        let this = *self;
        assert!(!matches!(this, Self::PanicsAtOnce), "on purpose");
        Box::pin(async move {
            match this {
                Self::NeverEnds => pending().await,
                Self::Fails => Err(HookError::new("no room")),
                Self::PanicsAtOnce | Self::PanicsLater => panic!("on purpose"),
            }
        })
    }
}

#[tokio::test]
async fn hooks_hear_of_events_and_a_bad_one_breaks_and_delays_nothing() {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let mut hooks: Vec<Arc<dyn Hook>> = Vec::new();
    for bad in [Bad::PanicsAtOnce, Bad::PanicsLater, Bad::Fails, Bad::NeverEnds] {
        hooks.push(Arc::new(bad));
    }
    hooks.push(Arc::new(Listener(heard)));
    let provider = Provider::start_with_hooks(&[("events.kinds", "[]")], hooks).await;
    for _ in 0..3 {
        provider.tokens("openid").await;
    }
    assert!(kept(&provider).await.is_empty(), "what is heard need not be kept");
    let mut logins = 0;
    let mut issued = 0;
    while issued < 3 {
        match hears.recv().await.unwrap() {
            EventKind::LoginSucceeded => logins += 1,
            EventKind::TokenIssued => issued += 1,
            _ => {}
        }
    }
    assert_eq!(logins, 3);
}

#[tokio::test]
async fn the_list_of_administration_can_be_narrowed_and_comes_in_pages() {
    let provider = Provider::start().await;
    provider.logged_in(ADA).await;
    provider.logged_in(BOB).await;
    let list = async |query: &str| provider.list("events", query).await;
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("").await;
    assert_eq!(names(&all)[..2], ["consent.accepted", "login.succeeded"], "the newest first");
    assert!(names(&all).iter().all(|name| !name.starts_with("token.issued")), "not unless it was asked for");
    let mine = list("kind=login.*,consent.accepted&user=Ada&since=1h").await;
    assert_eq!(names(&mine), ["consent.accepted", "login.succeeded"]);
    assert_eq!(mine["items"][0]["username"], "ada");
    assert_eq!(mine["items"][0]["user_id"], "id-of-ada");
    assert_eq!(mine["items"][0]["client_id"], CLIENT);
    assert_eq!(mine["items"][0]["occurred_at"], START.as_secs());
    assert_eq!(names(&list("user=id-of-bob&client=web").await), ["consent.accepted"]);
    assert!(names(&list(&format!("since={}", START.as_secs() + 1)).await).is_empty());
    let mut walked = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = list(&query).await;
        walked.extend(names(&page));
        match page["next"].as_str() {
            Some(next) => query = format!("limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(walked, names(&all));
    // Who is no more is found by the id that stays.
    provider.administer(Method::Delete, "users/bob", Value::Null).await;
    let gone = list("user=id-of-bob&limit=1").await;
    assert_eq!(
        (&gone["items"][0]["kind"], &gone["items"][0]["detail"]["username"]),
        (&"user.deleted".into(), &"bob".into())
    );
    assert!(gone["items"][0].get("username").is_none());
}

/// A webhook that wants logins and changes of users.
fn subscriber(url: Url) -> Vec<Arc<dyn Subscriber>> {
    let config = WebhookConfig {
        url,
        secret: WebhookSecret::parse(&Secret::new(WEBHOOK_SECRET)).unwrap(),
        timeout: Duration::from_secs(2),
        allow_private: true,
    };
    let kinds = EventKinds::parse("login.succeeded").unwrap().union(EventKinds::parse("user.*").unwrap());
    vec![Arc::new(EventHook::new("audit", kinds, Webhook::new(config, Trust::load(&[file("ca.pem")]).unwrap())))]
}

/// Waits until a receiver has heard so much.
async fn heard(receiver: &Receiver, count: usize) -> Vec<Heard> {
    while receiver.heard().len() < count {
        tokio::task::yield_now().await;
    }
    receiver.heard()
}

/// What happened to the users of a new store, and then as many logins.
fn expected(logins: usize) -> Vec<&'static str> {
    [vec!["user.created"; 2], vec!["login.succeeded"; logins]].concat()
}

fn types(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_receiver_that_fails_gets_everything_in_its_order_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let refused = std::sync::atomic::AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| {
        let is_down = refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        Say::Empty(if is_down { 503 } else { 204 })
    })
    .await;
    let path = directory.path().join("hallpass.redb");
    let provider = Provider::start_on_with_receivers(&path, subscriber(receiver.url())).await;
    for _ in 0..3 {
        provider.logged_in(ADA).await;
    }
    // The first one, twice in vain.
    let messages = heard(&receiver, 2 + 5).await;
    assert!(messages.iter().all(Heard::is_signed));
    assert_eq!(types(&messages[2..]), expected(3));
    let ids: Vec<_> = messages.iter().map(|message| message.header("webhook-id").to_owned()).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "the same id each time");
    let bodies = messages[2..].iter().map(Heard::json);
    for (body, id) in bodies.zip(&ids[2..]) {
        assert_eq!(
            (&body["version"], body["id"].as_str(), body["data"]["id"].as_str()),
            (&1.into(), Some(&**id), Some(&**id))
        );
    }
    provider.stop().await;
}

/// Directory and receiver of [`the_provider_that_is_killed`].
const KILLED: &str = "HALLPASS_TEST_KILLED";
const LOGINS: usize = 4;

/// The other process of the test below; by itself it does nothing.
#[tokio::test]
async fn the_provider_that_is_killed() {
    let Ok(place) = std::env::var(KILLED) else { return };
    let (directory, url) = place.split_once('|').unwrap();
    let directory = std::path::Path::new(directory);
    let receivers = subscriber(url.parse().unwrap());
    let provider = Provider::start_on_with_receivers(&directory.join("hallpass.redb"), receivers).await;
    for _ in 0..LOGINS {
        provider.logged_in(ADA).await;
    }
    std::fs::write(directory.join("done"), "").unwrap();
    pending::<()>().await;
}

#[tokio::test]
async fn events_arrive_after_the_receiver_is_back_also_when_the_process_was_killed_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let dead = Receiver::saying(Say::Nothing).await;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["event::the_provider_that_is_killed", "--exact"])
        .env(KILLED, format!("{}|{}", directory.path().display(), dead.url()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !directory.path().join("done").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(dead.heard().len() < 2, "it has taken nothing");

    let receiver = Receiver::saying(Say::Empty(204)).await;
    let path = directory.path().join("hallpass.redb");
    let provider = Provider::start_on_with_receivers(&path, subscriber(receiver.url())).await;
    let messages = heard(&receiver, expected(LOGINS).len()).await;
    assert_eq!(types(&messages), expected(LOGINS));
    let pending = async || provider.app.store.pending_events("audit", 10).await.unwrap().len();
    while pending().await > 0 {
        tokio::task::yield_now().await;
    }
    provider.logged_in(ADA).await;
    let messages = heard(&receiver, expected(LOGINS + 1).len()).await;
    assert_eq!(types(&messages), expected(LOGINS + 1));
    provider.stop().await;
}
