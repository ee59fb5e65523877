//! What the calls promise, over a store in memory.

use super::*;
use crate::base::clock::{FixedClock, Timestamp};
use crate::base::secret::Secret;
use crate::jose::seal::ServerKey;
use crate::model::id::ClientId;
use crate::settings::{self, Sources};
use crate::store::Options;
use serde_json::json;
use std::time::Duration;

const PEM: &str = include_str!("../../tests/it/data/rsa2048_pkcs8.pem");
const OTHER_PEM: &str = include_str!("../../tests/it/data/rsa2048_other.pem");

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SCHEDULE: Schedule = Schedule {
    rotate_every: DAY.saturating_mul(90),
    publish_ahead: DAY,
    publish_after: DAY,
    id_token: DAY,
    accept_after: DAY,
};

struct Office {
    store: Store,
    clock: Clock,
    hands: FixedClock,
    random: Random,
    passwords: Passwords,
    settings: Settings,
}

impl Office {
    fn new() -> Self {
        let random = Random::seeded("admin");
        let hands = FixedClock::new(Timestamp::from_secs(1_700_000_000));
        let cost = settings::Password { memory_kib: 8, iterations: 1, lanes: 1, max_concurrent: 1 };
        Self {
            store: Store::in_memory(ServerKey::generate(&random), &Options::default()).unwrap(),
            clock: Clock::Fixed(hands.clone()),
            hands,
            passwords: Passwords::new(&cost, &random),
            settings: Settings::load(&Sources::default()).unwrap(),
            random,
        }
    }

    async fn ask(&self, local: bool, method: Method, target: &str, body: Value) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let call_of =
            Call { method, path: format!("{ROOT}{path}"), query: Form::parse(query.as_bytes()).unwrap(), body };
        let context = Context {
            store: &self.store,
            clock: &self.clock,
            random: &self.random,
            passwords: &self.passwords,
            hooks: &Hooks::of(&self.settings),
            settings: &self.settings,
            schedule: SCHEDULE,
            local,
        };
        let answer = call(&context, call_of).await;
        (answer.status, answer.body)
    }

    async fn get(&self, target: &str) -> (u16, Value) {
        self.ask(false, Method::Get, target, Value::Null).await
    }

    async fn post(&self, target: &str, body: Value) -> (u16, Value) {
        self.ask(false, Method::Post, target, body).await
    }

    async fn patch(&self, target: &str, body: Value) -> (u16, Value) {
        self.ask(false, Method::Patch, target, body).await
    }

    /// What a refused call says: status, field, detail.
    async fn refusal(&self, target: &str, body: Value) -> (u16, String, String) {
        let (status, body) = self.post(target, body).await;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(body["status"], status);
        (status, text("field"), text("detail"))
    }
}

fn with(mut body: Value, more: Value) -> Value {
    if let (Value::Object(body), Value::Object(mut more)) = (&mut body, more) {
        body.append(&mut more);
    }
    body
}

fn wiki() -> Value {
    json!({ "client_id": "wiki", "client_name": "Wiki", "redirect_uris": ["https://wiki.example/cb"] })
}

#[tokio::test]
async fn rfc7591_3_2_1_a_new_client_is_shown_under_the_registered_names_with_its_secret_once() {
    let office = Office::new();
    let (status, made) = office.post("clients", wiki()).await;
    assert_eq!(status, 201);
    let secret = made["client_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43, "256 bits");
    let shown = json!({
        "client_id": "wiki",
        "client_id_issued_at": 1_700_000_000,
        "client_name": "Wiki",
        "client_type": "confidential",
        "redirect_uris": ["https://wiki.example/cb"],
        "post_logout_redirect_uris": [],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "",
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "RS256",
        "require_consent": true,
        "reuse_consent": true,
        "require_pkce": false,
        "rotate_refresh_tokens": true,
        "contacts": [],
        "updated_at": 1_700_000_000,
    });
    assert_eq!(made, with(json!({ "client_secret": secret, "client_secret_expires_at": 0 }), shown.clone()));
    assert_eq!(office.get("clients/wiki").await, (200, shown.clone()));
    assert_eq!(office.get("clients").await, (200, json!({ "items": [shown.clone()], "next": null })));
    let stored = office.store.client(&ClientId::new("wiki")).await.unwrap().unwrap();
    assert!(stored.secret.as_ref().unwrap().matches(secret));
    // What was shown can be sent again, but for the id.
    let again = with(shown, json!({ "client_id": "copy" }));
    assert_eq!(office.post("clients", again).await.0, 201);
}

#[tokio::test]
async fn ids_and_secrets_are_drawn_where_they_are_not_given() {
    let office = Office::new();
    let body = json!({ "client_name": "A", "redirect_uris": ["https://a.example/"] });
    let mut seen = Vec::new();
    for _ in 0..64 {
        let (_, made) = office.post("clients", body.clone()).await;
        let id = made["client_id"].as_str().unwrap().to_owned();
        assert!(id.len() == 22 && id.starts_with(|first: char| first.is_ascii_alphanumeric()), "{id}");
        assert!(!seen.contains(&id));
        seen.push(id);
    }
    let public = with(body, json!({ "client_type": "public" }));
    let (_, made) = office.post("clients", public).await;
    assert_eq!((made.get("client_secret"), &made["token_endpoint_auth_method"]), (None, &json!("none")));
    assert_eq!(made["require_pkce"], true, "RFC 9700 section 2.1.1");
}

#[tokio::test]
async fn bad_clients_are_refused_with_the_member_and_the_reason() {
    let office = Office::new();
    office.post("clients", wiki()).await;
    let long = "x".repeat(101);
    for (change, status, field, reason) in [
        (json!({}), 409, "", "there is a client of that id already"),
        (json!({ "client_id": "a b" }), 400, "client_id", "visible ASCII"),
        (json!({ "client_id": "" }), 400, "client_id", "1 to 255"),
        (json!({ "client_id": 7 }), 400, "client_id", "must be text"),
        (json!({ "client_id": "openid" }), 400, "client_id", "client_id can't be openid: that is a scope"),
        (json!({ "client_id": "offline_access" }), 400, "client_id", "that is a scope"),
        (json!({ "client_id": "token_introspection" }), 400, "client_id", "that is a scope"),
        (json!({ "client_name": null }), 400, "client_name", "missing"),
        (json!({ "client_name": "  " }), 400, "client_name", "empty"),
        (json!({ "client_name": long }), 400, "client_name", "longer than 100"),
        (json!({ "client_name": "a\u{7}" }), 400, "client_name", "control"),
        (json!({ "redirect_uris": [] }), 400, "redirect_uris", "needs a redirect URI"),
        (json!({ "redirect_uris": "https://a/" }), 400, "redirect_uris", "list of texts"),
        (
            json!({ "redirect_uris": ["https://a/", "/cb"] }),
            400,
            "redirect_uris",
            "redirect URI \"/cb\": not an absolute",
        ),
        (json!({ "redirect_uris": ["https://a/#x"] }), 400, "redirect_uris", "fragment"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), 400, "redirect_uris", "not safe"),
        (
            json!({ "post_logout_redirect_uris": ["x"] }),
            400,
            "post_logout_redirect_uris",
            "post-logout redirect URI \"x\"",
        ),
        (json!({ "client_uri": "javascript:alert(1)" }), 400, "client_uri", "https://"),
        (json!({ "logo_uri": "data:image/png,x" }), 400, "logo_uri", "https://"),
        (json!({ "client_type": "secret" }), 400, "client_type", "confidential or public"),
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt" }),
            400,
            "token_endpoint_auth_method",
            "client_secret_basic",
        ),
        (
            json!({ "client_type": "public", "token_endpoint_auth_method": "client_secret_post" }),
            400,
            "token_endpoint_auth_method",
            "does not fit a public client",
        ),
        (json!({ "client_type": "public", "client_secret": "x" }), 400, "client_secret", "public client has no secret"),
        (json!({ "client_secret": "" }), 400, "client_secret", "empty"),
        (json!({ "client_secret": "a\n" }), 400, "client_secret", "control characters"),
        (json!({ "response_types": ["tokens"] }), 400, "response_types", "\"tokens\" is not supported"),
        (json!({ "response_types": [] }), 400, "response_types", "needs a response type"),
        (json!({ "grant_types": ["implied"] }), 400, "grant_types", "\"implied\" is not supported"),
        (json!({ "grant_types": ["implicit"] }), 400, "grant_types", "goes with a response type"),
        (json!({ "grant_types": ["refresh_token"] }), 400, "grant_types", "goes with"),
        (
            json!({ "client_type": "public", "grant_types": ["client_credentials"] }),
            400,
            "grant_types",
            "can't prove who it is",
        ),
        (json!({ "scope": "openid a\"b" }), 400, "scope", "is not legal"),
        (json!({ "id_token_signed_response_alg": "none" }), 400, "id_token_signed_response_alg", "RS256 or HS256"),
        (json!({ "contacts": ["a\nb"] }), 400, "contacts", "one line"),
        (json!({ "owner": "nobody" }), 400, "owner", "there is no user nobody"),
        (json!({ "require_consent": "yes" }), 400, "require_consent", "true or false"),
        (json!({ "redirect_uri": "https://a/" }), 400, "redirect_uri", "nearest known one is redirect_uris"),
    ] {
        let refusal = office.refusal("clients", with(wiki(), change.clone())).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, field), "{change} {refusal:?}");
        assert!(refusal.2.contains(reason) && !refusal.2.contains('\n'), "{change} {refusal:?}");
    }
    assert_eq!(office.refusal("clients", json!(["x"])).await.2, "the body must be a JSON object");
    assert_eq!(office.get("clients").await.1["items"].as_array().unwrap().len(), 1, "nothing was made");
}

#[tokio::test]
async fn rfc7518_3_2_hs256_needs_a_confidential_client_with_a_long_secret() {
    let office = Office::new();
    let hs256 = |more: Value| with(with(wiki(), json!({ "id_token_signed_response_alg": "HS256" })), more);
    for (more, reason) in [
        (json!({ "client_type": "public" }), "a public client has none"),
        (json!({ "client_secret": "x".repeat(31) }), "32 bytes or more"),
    ] {
        let (status, field, detail) = office.refusal("clients", hs256(more)).await;
        assert_eq!((status, field.as_str()), (400, "id_token_signed_response_alg"));
        assert!(detail.contains(reason), "{detail}");
    }
    let (status, made) = office.post("clients", hs256(json!({ "client_secret": "x".repeat(32) }))).await;
    assert_eq!((status, made.get("warnings")), (201, None));
    let (status, _, detail) = office.refusal("clients/wiki/secret", json!({ "client_secret": "short" })).await;
    assert_eq!((status, detail.contains("32 bytes")), (400, true));
    assert_eq!(office.patch("clients/wiki", json!({ "client_type": "public" })).await.0, 400);
    assert_eq!(office.post("clients/wiki/secret", Value::Null).await.0, 200, "a drawn one is long enough");
}

#[tokio::test]
async fn what_is_allowed_but_weak_comes_with_warnings() {
    let office = Office::new();
    let weak = json!({ "client_secret": "short", "redirect_uris": ["http://app.example/cb", "http://localhost/cb"] });
    let (status, made) = office.post("clients", with(wiki(), weak)).await;
    let warnings: Vec<&str> = made["warnings"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!((status, warnings.len()), (201, 2), "{warnings:?}");
    assert!(
        warnings[0].contains("shorter than 32 bytes") && warnings[1].starts_with("http://app.example/cb is plain http")
    );
    let public = json!({ "client_id": "p", "client_type": "public", "require_consent": false });
    let (_, made) = office.post("clients", with(wiki(), public)).await;
    assert!(made["warnings"][0].as_str().unwrap().contains("always asks for consent"));
}

#[tokio::test]
async fn a_secret_is_rotated_and_shown_once() {
    let office = Office::new();
    let (_, made) = office.post("clients", wiki()).await;
    office.hands.advance(Duration::from_secs(60));
    let (status, rotated) = office.post("clients/wiki/secret", Value::Null).await;
    assert_eq!((status, &rotated["updated_at"]), (200, &json!(1_700_000_060)));
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    let stored = office.store.client(&ClientId::new("wiki")).await.unwrap().unwrap();
    assert!(stored.secret.as_ref().unwrap().matches(rotated["client_secret"].as_str().unwrap()));
    assert_eq!(office.get("clients/wiki").await.1.get("client_secret"), None);
    assert_eq!(office.post("clients/none/secret", Value::Null).await.0, 404);
    office.post("clients", with(wiki(), json!({ "client_id": "p", "client_type": "public" }))).await;
    assert_eq!(office.refusal("clients/p/secret", Value::Null).await.0, 409);
}

#[tokio::test]
async fn a_client_that_changes_its_type_loses_or_gets_its_secret() {
    let office = Office::new();
    office.post("clients", wiki()).await;
    let (status, public) =
        office.patch("clients/wiki", json!({ "client_type": "public", "scope": "books:read" })).await;
    assert_eq!((status, public.get("client_secret"), &public["scope"]), (200, None, &json!("books:read")));
    let (_, again) =
        office.patch("clients/wiki", json!({ "client_type": "confidential", "tos_uri": "https://a/tos" })).await;
    assert_eq!(again["client_secret"].as_str().unwrap().len(), 43);
    assert_eq!(again["tos_uri"], "https://a/tos");
    let (_, cleared) = office.patch("clients/wiki", json!({ "tos_uri": null })).await;
    assert_eq!((cleared.get("tos_uri"), cleared.get("client_secret")), (None, None));
    assert_eq!(office.patch("clients/wiki", json!({ "client_id": "other" })).await.0, 400, "an id stays");
    assert_eq!(office.patch("clients/none", json!({})).await.0, 404);
}

#[tokio::test]
async fn an_owner_is_a_user_and_a_deleted_one_is_none() {
    let office = Office::new();
    office.post("users", json!({ "username": "Alice" })).await;
    let (_, made) = office.post("clients", with(wiki(), json!({ "owner": "alice" }))).await;
    assert_eq!(made["owner"], "Alice");
    assert_eq!(office.ask(false, Method::Delete, "users/ALICE", Value::Null).await, (204, Value::Null));
    assert_eq!(office.get("clients/wiki").await.1.get("owner"), None);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let office = Office::new();
    for id in ["a", "b/c", "d"] {
        office.post("clients", with(wiki(), json!({ "client_id": id }))).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = office.get("clients?limit=2").await;
    assert_eq!((ids(&first), &first["next"]), (vec!["a".into(), "b/c".into()], &json!("b/c")));
    let (_, second) = office.get("clients?limit=2&after=b%2Fc").await;
    assert_eq!((ids(&second), &second["next"]), (vec!["d".to_owned()], &Value::Null));
    assert_eq!(office.get("clients/b%2Fc").await.0, 200);
    for bad in ["clients?limit=0", "clients?limit=1001", "users?limit=x"] {
        let (status, body) = office.get(bad).await;
        assert_eq!((status, &body["field"]), (400, &json!("limit")), "{bad}");
    }
    assert_eq!(office.ask(false, Method::Delete, "clients/a", Value::Null).await.0, 204);
    assert_eq!(office.ask(false, Method::Delete, "clients/a", Value::Null).await.0, 404);
    assert_eq!(office.get("clients/a").await.0, 404);
}

#[tokio::test]
async fn users_are_made_and_shown_without_their_password() {
    let office = Office::new();
    let body = json!({
        "username": "alice", "password": "correct horse", "admin": true,
        "claims": { "email": "alice@example.com", "email_verified": true, "address": { "country": "CH" }, "staff": [1] },
    });
    let (status, made) = office.post("users", body).await;
    assert_eq!((status, made.get("warnings")), (201, None));
    let id = made["id"].clone();
    assert_eq!(
        made,
        json!({
            "id": id, "username": "alice", "admin": true, "enabled": true, "has_password": true,
            "claims": { "email": "alice@example.com", "email_verified": true, "address": { "country": "CH" }, "staff": [1] },
            "created_at": 1_700_000_000, "updated_at": 1_700_000_000,
        })
    );
    assert_eq!(office.get("users/Alice").await, (200, made));
    let stored = office.store.user_by_username("alice").await.unwrap().unwrap();
    let verdict =
        office.passwords.verify("ada", Secret::new("correct horse"), stored.password_hash.as_deref()).await.unwrap();
    assert_eq!(verdict, crate::app::password::Verdict::Right { outdated: false });
    let (_, short) = office.post("users", json!({ "username": "bob", "password": "short" })).await;
    assert!(short["warnings"][0].as_str().unwrap().contains("less than 8 characters"));
    let (_, none) = office.post("users", json!({ "username": "carol" })).await;
    assert_eq!(none["has_password"], false);
}

#[tokio::test]
async fn bad_users_are_refused_with_the_member_and_the_reason() {
    let office = Office::new();
    office.post("users", json!({ "username": "alice" })).await;
    let argon2i = "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (body, status, field, reason) in [
        (json!({}), 400, "username", "missing"),
        (json!({ "username": "ALICE" }), 409, "", "already"),
        (json!({ "username": " bob" }), 400, "username", "spaces at its ends"),
        (json!({ "username": "b\u{0}b" }), 400, "username", "control"),
        (json!({ "username": "x".repeat(151) }), 400, "username", "1 to 150"),
        (json!({ "username": "b", "password": "" }), 400, "password", "empty"),
        (json!({ "username": "b", "password": "x".repeat(1025) }), 400, "password", "longer than 1024"),
        (json!({ "username": "b", "password_hash": "md5" }), 400, "password_hash", "Argon2id"),
        (json!({ "username": "b", "password_hash": argon2i }), 400, "password_hash", "Argon2id"),
        (json!({ "username": "b", "password": "x", "password_hash": "y" }), 400, "password_hash", "either"),
        (
            json!({ "username": "b", "claims": { "email_verified": "yes" } }),
            400,
            "claims",
            "claim email_verified: must be true",
        ),
        (json!({ "username": "b", "claims": { "sub": "x" } }), 400, "claims", "claim sub"),
        (json!({ "username": "b", "claims": { "bio": "x".repeat(20_000) } }), 400, "claims", "larger than"),
        (json!({ "username": "b", "amdin": true }), 400, "amdin", "nearest known one is admin"),
    ] {
        let refusal = office.refusal("users", body.clone()).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, field), "{body} {refusal:?}");
        assert!(refusal.2.contains(reason), "{body} {refusal:?}");
    }
}

#[tokio::test]
async fn a_new_password_and_disabling_end_what_was_issued() {
    let office = Office::new();
    office.post("users", json!({ "username": "alice", "password": "correct horse" })).await;
    let generation = async || office.store.user_by_username("alice").await.unwrap().unwrap().generation;
    let first = generation().await;
    let put = async |body| office.ask(false, Method::Put, "users/alice/password", body).await;
    assert_eq!(put(json!({ "password": "battery staple" })).await.0, 200);
    let second = generation().await;
    assert_ne!(second, first);
    assert_eq!(put(json!({ "password": "" })).await.0, 400);
    assert_eq!(put(json!({})).await.1["detail"], "password is missing");
    assert_eq!(generation().await, second, "a refused one ends nothing");
    let (_, disabled) = office.patch("users/alice", json!({ "enabled": false })).await;
    assert_eq!(disabled["enabled"], false);
    let third = generation().await;
    assert_ne!(third, second);
    office.patch("users/alice", json!({ "enabled": true, "admin": true })).await;
    assert_eq!(generation().await, third, "what ended stays ended; enabling ends nothing more");
    assert_eq!(office.ask(false, Method::Put, "users/bob/password", json!({ "password": "x" })).await.0, 404);
}

#[tokio::test]
async fn rfc7396_null_takes_a_claim_away() {
    let office = Office::new();
    office.post("users", json!({ "username": "alice", "claims": { "name": "A", "email": "a@b" } })).await;
    let (_, user) =
        office.patch("users/alice", json!({ "username": "bob", "claims": { "email": null, "locale": "de" } })).await;
    assert_eq!((&user["username"], &user["claims"]), (&json!("bob"), &json!({ "name": "A", "locale": "de" })));
    assert_eq!(office.get("users/alice").await.0, 404);
    office.post("users", json!({ "username": "carol" })).await;
    assert_eq!(office.patch("users/bob", json!({ "username": "Carol" })).await.0, 409);
}

#[tokio::test]
async fn the_first_key_signs_and_a_later_one_waits() {
    let office = Office::new();
    let (status, first) = office.post("keys", json!({ "pem": PEM })).await;
    assert_eq!(
        (status, &first["state"], &first["alg"], &first["bits"]),
        (201, &json!("active"), &json!("RS256"), &json!(2048))
    );
    let (_, second) = office.post("keys", json!({ "pem": OTHER_PEM })).await;
    assert_eq!(second["state"], "next");
    let (old, new) = (first["kid"].as_str().unwrap(), second["kid"].as_str().unwrap());
    assert_eq!(office.refusal("keys", json!({ "pem": PEM })).await.0, 409);
    assert_eq!(office.post(&format!("keys/{new}/promote"), Value::Null).await.1["state"], "active");
    assert_eq!(office.get(&format!("keys/{old}")).await.1["state"], "retired");
    for (target, reason) in [
        (format!("keys/{new}/promote"), "active already"),
        (format!("keys/{new}/retire"), "promote another one first"),
        (format!("keys/{old}/retire"), "retired already"),
    ] {
        let (status, _, detail) = office.refusal(&target, Value::Null).await;
        assert_eq!(status, 409);
        assert!(detail.contains(reason), "{detail}");
    }
    let (_, retired) = office.get(&format!("keys/{old}")).await;
    let now = office.clock.now();
    assert_eq!((&retired["retired_at"], &retired["leaves_at"]), (&json!(now.as_secs()), &json!((now + DAY).as_secs())));
    let (_, active) = office.get(&format!("keys/{new}")).await;
    assert_eq!(active["retires_at"], (now + SCHEDULE.rotate_every).as_secs());
    let delete = async |kid: &str| office.ask(false, Method::Delete, &format!("keys/{kid}"), Value::Null).await.0;
    assert_eq!((delete(new).await, delete(old).await, delete(old).await), (409, 204, 404));
    let (_, list) = office.get("keys").await;
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_withdrawn_key_can_only_be_deleted() {
    let office = Office::new();
    let (_, first) = office.post("keys", json!({ "pem": PEM })).await;
    let (_, second) = office.post("keys", json!({ "pem": OTHER_PEM })).await;
    let (old, new) = (first["kid"].as_str().unwrap(), second["kid"].as_str().unwrap());
    assert_eq!(second["activates_at"], first["retires_at"]);
    office.post(&format!("keys/{new}/promote"), Value::Null).await;
    let schedule = Schedule { accept_after: 2 * DAY, ..SCHEDULE };
    assert_eq!(office.store.rotate_keys(schedule, office.clock.now() + DAY).await.unwrap().len(), 1);

    let (_, withdrawn) = office.get(&format!("keys/{old}")).await;
    assert_eq!((&withdrawn["state"], &withdrawn["leaves_at"]), (&json!("withdrawn"), &Value::Null));
    assert_eq!(withdrawn["expires_at"], (office.clock.now() + DAY).as_secs());
    for (step, reason) in [("promote", "its private part is gone"), ("retire", "withdrawn already")] {
        let (status, _, detail) = office.refusal(&format!("keys/{old}/{step}"), Value::Null).await;
        assert!(status == 409 && detail.contains(reason), "{detail}");
    }
    let (status, problem) = office.ask(true, Method::Get, &format!("keys/{old}/private"), Value::Null).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("private part is gone"), "{problem}");
    assert_eq!(office.ask(false, Method::Delete, &format!("keys/{old}"), Value::Null).await.0, 204);
}

#[tokio::test]
async fn in_development_nothing_is_said_to_come_by_itself() {
    let office = Office::new();
    office.store.mark_development().await.unwrap();
    let (_, key) = office.post("keys", json!({ "pem": PEM })).await;
    assert_eq!((&key["state"], &key["retires_at"]), (&json!("active"), &Value::Null));
}

#[tokio::test]
async fn private_keys_are_for_local_callers_alone() {
    let office = Office::new();
    let (_, key) = office.post("keys", json!({ "pem": PEM })).await;
    let target = format!("keys/{}/private", key["kid"].as_str().unwrap());
    assert_eq!(office.get(&target).await.0, 403);
    let (status, private) = office.ask(true, Method::Get, &target, Value::Null).await;
    assert_eq!((status, &private["kid"], &private["pem"]), (200, &key["kid"], &json!(PEM)));
    assert_eq!(office.ask(true, Method::Get, "keys/none/private", Value::Null).await.0, 404);
}

#[tokio::test]
async fn bad_keys_are_refused_with_the_reason() {
    let office = Office::new();
    for (body, field, reason) in [
        (json!({ "bits": 1024 }), "bits", "2048, 3072 or 4096"),
        (json!({ "bits": "2048" }), "bits", "whole number"),
        (json!({ "pem": "x" }), "pem", "not a key in PEM form"),
        (json!({ "pem": PEM, "bits": 2048 }), "bits", "an imported one has its own"),
    ] {
        let refusal = office.refusal("keys", body.clone()).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (400, field), "{body}");
        assert!(refusal.2.contains(reason), "{refusal:?}");
    }
    let (status, made) = office.post("keys", Value::Null).await;
    assert_eq!((status, &made["bits"]), (201, &json!(2048)));
}

#[tokio::test]
async fn rfc7591_2_1_response_types_and_grant_types_follow_from_each_other() {
    let office = Office::new();
    for (given, response_types, grant_types) in [
        (json!({}), json!(["code"]), json!(["authorization_code", "refresh_token"])),
        (json!({ "response_types": ["id_token"] }), json!(["id_token"]), json!(["implicit"])),
        (
            json!({ "response_types": ["token id_token code"] }),
            json!(["code id_token token"]),
            json!(["implicit", "authorization_code", "refresh_token"]),
        ),
        (json!({ "response_types": ["none"] }), json!(["none"]), json!([])),
        (json!({ "grant_types": ["client_credentials"] }), json!([]), json!(["client_credentials"])),
        (json!({ "grant_types": ["password", "refresh_token"] }), json!([]), json!(["password", "refresh_token"])),
        (
            json!({ "grant_types": ["authorization_code", "client_credentials"] }),
            json!(["code"]),
            json!(["authorization_code", "client_credentials"]),
        ),
        (
            json!({ "response_types": ["code id_token"], "grant_types": ["authorization_code"] }),
            json!(["code id_token"]),
            json!(["implicit", "authorization_code"]),
        ),
        (json!({ "response_types": [], "grant_types": [], "scope": "token_introspection" }), json!([]), json!([])),
    ] {
        let mut client = wiki();
        client["client_id"] = json!(format!("c{}", office.get("clients").await.1["items"].as_array().unwrap().len()));
        let made = office.post("clients", with(client, given.clone())).await;
        assert_eq!(
            (&made.1["response_types"], &made.1["grant_types"]),
            (&response_types, &grant_types),
            "{given} {made:?}"
        );
    }
}

#[tokio::test]
async fn put_makes_a_client_or_changes_it_with_its_secret_in_one_step() {
    let office = Office::new();
    let put = async |body| office.ask(false, Method::Put, "clients/shop", body).await;
    let uri = json!(["https://shop.example/cb"]);
    let (status, made) = put(json!({ "redirect_uris": uri, "client_secret": "one" })).await;
    assert_eq!((status, &made["client_name"], &made["client_secret"]), (201, &json!("shop"), &json!("one")));
    let secret = async || {
        let client = office.store.client(&ClientId::new("shop")).await.unwrap().unwrap();
        (client.name.clone(), client.secret.as_ref().map(|secret| secret.expose().to_owned()))
    };
    let (status, changed) = put(json!({ "client_name": "Shop", "client_secret": "two" })).await;
    assert_eq!((status, changed.get("client_secret")), (200, None), "who sent it knows it");
    assert_eq!(secret().await, ("Shop".into(), Some("two".into())));
    // What is refused changes nothing at all.
    for body in [
        json!({ "client_name": "Other", "client_secret": "" }),
        json!({ "client_name": "Other", "client_secret": 7 }),
        json!({ "client_type": "public", "client_secret": "three" }),
        json!({ "client_name": "Other", "client_id": "else" }),
    ] {
        assert_eq!(put(body.clone()).await.0, 400, "{body}");
        assert_eq!(secret().await, ("Shop".into(), Some("two".into())), "{body}");
    }
}

#[tokio::test]
async fn other_addresses_are_not_found() {
    let office = Office::new();
    for target in ["", "client", "clients/a/b", "users/", "keys/x/export"] {
        assert_eq!(office.get(target).await.0, 404, "{target}");
    }
    assert_eq!(office.ask(false, Method::Put, "clients", Value::Null).await.0, 404);
}

#[test]
fn rfc3986_2_4_segments_are_decoded_after_they_were_taken_apart() {
    let of = |path: &str| segments(&format!("{ROOT}{path}"));
    assert_eq!(of("users/a%2Fb+c%20d"), Some(vec!["users".into(), "a/b+c d".into()]));
    for bad in ["", "users/", "users//password", "users/%FF"] {
        assert_eq!(of(bad), None, "{bad}");
    }
    assert_eq!(segments("/clients"), None);
}
