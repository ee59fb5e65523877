//! Tokens for a user's password (RFC 6749 section 4.3): where it is switched on, for the clients that have it.

use std::time::Duration;

use hallpass::admin::Method;
use hallpass::model::client::GrantType;
use hallpass::model::id::{ClientId, UserId};
use hallpass::model::rules::Rules;
use hallpass::model::scope::Scope;
use serde_json::{Value, json};

use crate::harness::*;

const ON: (&str, &str) = ("grants.password", "true");

impl Provider {
    /// One where [`CLIENT`] may send passwords, for what its list says.
    async fn start_with_passwords(settings: &[(&str, &str)], scope: &str) -> Self {
        let provider = Self::start_with(settings).await;
        provider
            .change_client(CLIENT, |client| {
                client.grant_types.push(GrantType::Password);
                client.scope = Scope::parse(scope);
            })
            .await;
        provider
    }

    async fn log_in_with(&self, username: &str, password: &str, more: &[(&str, &str)]) -> Response {
        let mut form = vec![("grant_type", "password"), ("username", username), ("password", password)];
        form.extend_from_slice(more);
        self.token(CLIENT, SECRET, &form).await
    }
}

#[track_caller]
fn assert_refused(response: &Response, error: &str) {
    assert_eq!((response.status, response.error().as_str()), (400, error), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn rfc9700_2_4_the_grant_is_off_until_somebody_switches_it_on() {
    let provider = Provider::start_with_passwords(&[], "openid").await;
    assert_refused(&provider.log_in_with(ADA, PASSWORD, &[]).await, "unsupported_grant_type");
    let advertised = async |provider: &Provider| {
        let document = provider.get("/.well-known/openid-configuration").await.json();
        document["grant_types_supported"].as_array().unwrap().contains(&json!("password"))
    };
    assert!(!advertised(&provider).await);
    let provider = Provider::start_with_passwords(&[ON], "openid").await;
    assert!(advertised(&provider).await);
    assert_eq!(provider.log_in_with(ADA, PASSWORD, &[]).await.status, 200);
    let form = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD)];
    assert_refused(&provider.token(OTHER, SECRET, &form).await, "unauthorized_client");
    assert_refused(&provider.token(CLIENT, "wrong", &form).await, "invalid_client");
}

#[tokio::test]
async fn rfc6749_4_3_3_a_password_gives_tokens_for_its_user() {
    let settings = [ON, ("lifetimes.access_token", "120s")];
    let provider = Provider::start_with_passwords(&settings, "openid profile email").await;
    let response = provider.log_in_with(ADA, PASSWORD, &[("scope", "openid email")]).await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    let tokens = response.tokens();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", 120));
    assert_eq!(tokens.scope.as_deref(), Some("openid email"));
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("id-of-ada"), &json!(CLIENT)));
    assert_eq!((&claims["auth_time"], &claims["amr"]), (&json!(provider.now()), &json!(["pwd"])));
    assert!(claims.contains_key("at_hash"));
    assert!(!claims.contains_key("nonce") && !claims.contains_key("sid"), "{claims:?}");
    let info = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!(info["email"], "ada@ada.example");
    assert_eq!(info.get("name"), None);

    let tokens = provider.log_in_with(" ADA ", PASSWORD, &[("scope", "openid profile")]).await.tokens();
    let info = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!(info["name"], "Ada Lovelace");
    assert_eq!(info.get("email"), None);
}

#[tokio::test]
async fn who_may_not_use_an_application_gets_nothing_for_their_password() {
    let policy = ("policy.allow_if", "user.username == 'ada'");
    let provider = Provider::start_with_passwords(&[ON, policy], "openid").await;
    assert_eq!(provider.log_in_with(ADA, PASSWORD, &[]).await.status, 200);
    assert_refused(&provider.log_in_with(BOB, PASSWORD, &[]).await, "invalid_grant");
    let rules = Rules { claims: [].into(), allow_if: Some("'staff' in user.claims.groups".into()) };
    provider.change_client(CLIENT, |client| client.rules = Some(rules)).await;
    assert_refused(&provider.log_in_with(ADA, PASSWORD, &[]).await, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_3_2_the_scope_is_a_part_of_the_clients_own_list() {
    let provider = Provider::start_with_passwords(&[ON], "read openid write").await;
    for (asked, granted) in
        [("", "read openid write"), ("write", "write"), ("write read", "write read"), ("openid", "openid")]
    {
        let tokens = provider.log_in_with(ADA, PASSWORD, &[("scope", asked)]).await.tokens();
        assert_eq!(tokens.scope.as_deref(), Some(granted), "{asked:?}");
        assert_eq!(tokens.id_token.is_some(), granted.contains("openid"), "an ID token comes with openid alone");
    }
    for beyond in ["unknown", "read unknown", "profile"] {
        assert_refused(&provider.log_in_with(ADA, PASSWORD, &[("scope", beyond)]).await, "invalid_scope");
    }
    provider.change_client(CLIENT, |client| client.scope = Scope::empty()).await;
    let bare = provider.log_in_with(ADA, PASSWORD, &[]).await.tokens();
    assert_eq!((bare.scope, bare.id_token), (None, None));
}

#[tokio::test]
async fn rfc6749_4_3_3_a_refresh_token_comes_where_the_client_may_use_it() {
    let provider = Provider::start_with_passwords(&[ON], "openid email").await;
    let first = provider.log_in_with(ADA, PASSWORD, &[]).await.tokens();
    provider.pass(Duration::from_secs(100));
    let second = provider.refresh(first.refresh()).await.tokens();
    let (before, after) = (provider.verify(first.id()).await.1, provider.verify(second.id()).await.1);
    for name in ["iss", "sub", "aud", "auth_time", "amr"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", second.refresh()), ("scope", "openid")];
    let third = provider.token(CLIENT, SECRET, &narrow).await.tokens();
    assert_eq!(third.scope.as_deref(), Some("openid"));
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::Password]).await;
    assert_eq!(provider.log_in_with(ADA, PASSWORD, &[]).await.tokens().refresh_token, None);
}

#[tokio::test]
async fn rfc6749_4_3_2_what_opens_nothing_is_invalid_grant_and_all_of_it_looks_the_same() {
    let provider = Provider::start_with_passwords(&[ON], "openid").await;
    provider.change_user(BOB, |user| user.enabled = false).await;
    provider.add_user("carol", json!({})).await;
    provider.change_user("carol", |user| user.password_hash = None).await;
    let long = "x".repeat(2000);
    let mut bodies = Vec::new();
    for (username, password) in
        [(ADA, "wrong"), ("nobody", PASSWORD), (BOB, PASSWORD), ("carol", PASSWORD), (&long, PASSWORD), (ADA, &long)]
    {
        let refused = provider.log_in_with(username, password, &[]).await;
        assert_refused(&refused, "invalid_grant");
        bodies.push(refused.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    for (username, password) in [("", PASSWORD), (ADA, "")] {
        assert_refused(&provider.log_in_with(username, password, &[]).await, "invalid_request");
    }
}

#[tokio::test]
async fn django_a_wrong_password_is_403_access_denied() {
    let provider = Provider::start_with_passwords(&[ON, ("compat.django", "true")], "openid").await;
    let refused = provider.log_in_with(ADA, "wrong", &[]).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "access_denied"));
    assert_eq!(provider.log_in_with(ADA, PASSWORD, &[]).await.status, 200);
}

#[tokio::test]
async fn rp_initiated_2_its_id_token_is_of_no_session_so_the_user_is_asked() {
    let provider = Provider::start_with_passwords(&[ON], "openid").await;
    let form = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD)];
    let tokens = provider.token(CLIENT, SECRET, &form).await.tokens();
    let mut browser = provider.logged_in(ADA).await;
    let page = browser.get(&format!("/end-session?id_token_hint={}", tokens.id())).await;
    assert!(page.has_id("logout-confirm"), "{page:?}");
}

#[tokio::test]
async fn rfc6749_4_3_2_a_client_that_tries_many_accounts_from_many_addresses_is_slowed_down() {
    let settings = [ON, ("throttle.enabled", "true"), ("http.trusted_proxies", "127.0.0.1")];
    let provider = Provider::start_with_passwords(&settings, "openid").await;
    let guess = async |client: &str, number: u32| {
        let (address, username) = (format!("203.0.{}.{}", number / 256, number % 256), format!("user{number}"));
        let form = [
            ("grant_type", "password"),
            ("username", username.as_str()),
            ("password", "wrong"),
            ("client_id", client),
            ("client_secret", SECRET),
        ];
        provider.post("/token", &[("x-forwarded-for", &address)], &form).await
    };
    for number in 0..200 {
        assert_refused(&guess(CLIENT, number).await, "invalid_grant");
    }
    assert_eq!(guess(CLIENT, 1000).await.status, 429);
    let form = [("grant_type", "refresh_token"), ("refresh_token", "hpr_x")];
    assert_eq!(provider.token(CLIENT, SECRET, &form).await.status, 400, "its other grants aren't");
    provider.pass(Duration::from_secs(15));
    assert_refused(&guess(CLIENT, 1001).await, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_3_2_guessing_is_slowed_down_here_and_at_the_login_page_together() {
    let settings = [ON, ("throttle.enabled", "true"), ("http.trusted_proxies", "127.0.0.1")];
    let provider = Provider::start_with_passwords(&settings, "openid").await;
    let from = async |address: &str, password: &str| {
        let form = [
            ("grant_type", "password"),
            ("username", ADA),
            ("password", password),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        provider.post("/token", &[("x-forwarded-for", address)], &form).await
    };
    let mut tries = 0;
    let throttled = loop {
        let answer = from("203.0.113.1", "wrong").await;
        tries += 1;
        if answer.status == 429 {
            break answer;
        }
        assert_refused(&answer, "invalid_grant");
        assert!(tries < 50, "nothing slows the guessing down");
    };
    assert_eq!(throttled.error(), "temporarily_unavailable");
    assert_eq!(throttled.header("cache-control"), Some("no-store"));
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(from("203.0.113.1", PASSWORD).await.status, 429, "not even with the right password");
    assert_eq!(from("203.0.113.2", PASSWORD).await.status, 200, "and nobody at another address");

    // The page counts on.
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    let fields = [("pending", page.field("pending")), ("username", ADA.into()), ("password", PASSWORD.into())];
    let body = hallpass::base::form::render(fields.iter().map(|(name, value)| (*name, value.as_str()))).into_bytes();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", provider.issuer.as_str()),
        ("x-forwarded-for", "203.0.113.1"),
    ];
    let login = browser.send("POST", &format!("{}/login", provider.issuer), &headers, Some(body)).await;
    assert_eq!(login.status, 429, "{login:?}");
    provider.pass(Duration::from_secs(wait));
    assert_eq!(from("203.0.113.1", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn rfc9106_4_a_hash_of_other_costs_is_renewed_with_the_password() {
    let settings = [ON, ("password.iterations", "2")];
    let provider = Provider::start_with_passwords(&settings, "openid").await;
    let hash = async || provider.app.store.user_by_username(ADA).await.unwrap().unwrap().password_hash.clone().unwrap();
    let cheap = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$";
    provider.log_in_with(ADA, PASSWORD, &[]).await.tokens();
    assert!(hash().await.starts_with("$argon2id$v=19$m=8,t=2,p=1$") && !hash().await.starts_with(cheap));
    let before = hash().await;
    provider.log_in_with(ADA, PASSWORD, &[]).await.tokens();
    assert_eq!(hash().await, before, "what is right stays");
}

#[tokio::test]
async fn rfc6749_4_3_what_ends_a_users_tokens_ends_these_too() {
    let provider = Provider::start_with_passwords(&[ON], "openid").await;
    let live = async |tokens: &Tokens| provider.userinfo(&tokens.access_token).await.status == 200;
    let log_in = async |password: &str| provider.log_in_with(ADA, password, &[]).await.tokens();

    let tokens = log_in(PASSWORD).await;
    provider.administer(Method::Put, "users/ada/password", json!({ "password": "difference engine" })).await;
    assert!(!live(&tokens).await);
    assert_refused(&provider.refresh(tokens.refresh()).await, "invalid_grant");

    // Nobody asks for consent here, but one that was given elsewhere can be taken back.
    let tokens = log_in("difference engine").await;
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    let consent = browser.log_in(&login, ADA, "difference engine").await;
    browser.decide(&consent, "allow").await;
    assert!(live(&tokens).await, "a consent ends nothing");
    let under_consent = log_in("difference engine").await;
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    assert!(provider.app.store.withdraw_consent(&user, &client, provider.clock.now()).await.unwrap());
    assert!(!live(&tokens).await && !live(&under_consent).await);

    let tokens = log_in("difference engine").await;
    assert!(live(&tokens).await);
    provider.change_user(ADA, |user| user.enabled = false).await;
    assert!(!live(&tokens).await);
}

#[tokio::test]
async fn rfc6749_4_3_a_public_client_may_have_it_and_its_maker_is_warned() {
    let provider = Provider::start_with(&[ON]).await;
    let client = json!({
        "client_id": "pocket", "client_name": "Pocket", "client_type": "public",
        "grant_types": ["password", "refresh_token"], "scope": "openid",
    });
    let made = provider.administer(Method::Post, "clients", client).await;
    let warnings = made["warnings"].as_array().unwrap().iter().map(Value::as_str).collect::<Vec<_>>();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].unwrap().contains("grants.password") && warnings[1].unwrap().contains("public"));
    let form = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD)];
    let tokens = provider.token("pocket", "", &form).await.tokens();
    assert!(tokens.refresh_token.is_some() && tokens.id_token.is_some());
}
