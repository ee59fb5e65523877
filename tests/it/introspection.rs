//! Token introspection (RFC 7662).

use std::time::Duration;

use hallpass::model::client::{Client, GrantType};
use hallpass::model::id::{ClientId, UserId};
use hallpass::model::scope::Scope;
use serde_json::{Map, Value, json};

use crate::harness::*;

/// A resource server.
const API: &str = "api";

const INACTIVE: &str = r#"{"active":false}"#;

fn resource_server(scope: &str) -> Client {
    let mut client = confidential(API);
    client.redirect_uris.clear();
    client.response_types.clear();
    client.grant_types.clear();
    client.scope = Scope::parse(scope);
    client
}

impl Provider {
    async fn start_with_api(settings: &[(&str, &str)], scope: &str) -> Self {
        let provider = Self::start_with(settings).await;
        provider.add_client(resource_server(scope)).await;
        provider
    }

    async fn introspect_as(&self, client: &str, secret: &str, token: &str) -> Response {
        self.post("/introspect", &[], &[("token", token), ("client_id", client), ("client_secret", secret)]).await
    }

    /// The resource server asks.
    async fn introspect(&self, token: &str) -> Response {
        let response = self.introspect_as(API, SECRET, token).await;
        assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("pragma"), Some("no-cache"));
        response
    }

    async fn facts(&self, token: &str) -> Map<String, Value> {
        let response = self.introspect(token).await;
        let Value::Object(facts) = response.json() else { panic!("{response:?}") };
        assert_eq!(facts["active"], true, "{facts:?}");
        facts
    }

    async fn assert_inactive(&self, token: &str) {
        assert_eq!(self.introspect(token).await.body, INACTIVE);
    }
}

#[tokio::test]
async fn rfc7662_2_2_a_token_that_holds_is_told_by_its_own_times() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let tokens = provider.tokens("openid email").await;
    let issued = provider.now();
    provider.pass(Duration::from_secs(1000));
    assert_eq!(
        Value::Object(provider.facts(&tokens.access_token).await),
        json!({
            "active": true, "client_id": CLIENT, "username": ADA, "token_type": "Bearer",
            "exp": issued + 3600, "iat": issued, "sub": "id-of-ada", "aud": CLIENT, "iss": provider.issuer,
        })
    );
    assert_eq!(
        Value::Object(provider.facts(tokens.refresh()).await),
        json!({
            "active": true, "client_id": CLIENT, "username": ADA,
            "exp": issued + 30 * 86_400, "iat": issued, "sub": "id-of-ada", "aud": CLIENT, "iss": provider.issuer,
        }),
        "a refresh token is for no resource, so it has no type"
    );
}

#[tokio::test]
async fn rfc7662_2_2_the_scope_is_told_where_the_settings_say_so() {
    let settings = [("introspection.include_scope", "true")];
    let provider = Provider::start_with_api(&settings, "token_introspection web").await;
    let tokens = provider.tokens("openid profile email").await;
    assert_eq!(provider.facts(&tokens.access_token).await["scope"], "openid profile email");
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "email")];
    let narrow = provider.token(CLIENT, SECRET, &narrow).await.tokens();
    assert_eq!(provider.facts(&narrow.access_token).await["scope"], "email", "the token's own");
    assert_eq!(provider.facts(narrow.refresh()).await["scope"], "openid profile email", "the grant's");
}

#[tokio::test]
async fn rfc7662_2_2_a_clients_own_token_has_no_subject() {
    let provider = Provider::start_with_api(&[], "token_introspection read").await;
    provider.change_client(API, |client| client.grant_types.push(GrantType::ClientCredentials)).await;
    let own = provider.token(API, SECRET, &[("grant_type", "client_credentials"), ("scope", "read")]).await.tokens();
    assert_eq!(
        Value::Object(provider.facts(&own.access_token).await),
        json!({
            "active": true, "client_id": API, "token_type": "Bearer", "exp": provider.now() + 3600,
            "iat": provider.now(), "aud": API, "iss": provider.issuer,
        })
    );
    assert_eq!(own.refresh_token, None);
}

#[tokio::test]
async fn rfc7662_2_1_the_caller_has_to_prove_who_it_is() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    provider.change_client(PUBLIC, |client| client.scope = Scope::parse("token_introspection web")).await;
    let token = provider.tokens("openid").await.access_token;
    let header = basic(format!("{API}:wrong"));
    let form = [("token", token.as_str())];
    for response in [
        provider.post("/introspect", &[], &form).await,
        provider.post("/introspect", &[("authorization", &header)], &form).await,
        provider.post("/introspect", &[("authorization", &format!("Bearer {token}"))], &form).await,
        provider.introspect_as(API, "", &token).await,
        provider.introspect_as(API, "wrong", &token).await,
        provider.introspect_as("nobody", SECRET, &token).await,
        provider.post("/introspect", &[], &[("token", &token), ("client_secret", SECRET)]).await,
        // Whoever names a public client proves nothing.
        provider.post("/introspect", &[], &[("token", &token), ("client_id", PUBLIC)]).await,
    ] {
        assert_eq!((response.status, response.error().as_str()), (401, "invalid_client"), "{response:?}");
        assert_eq!(response.header("www-authenticate"), Some("Basic realm=\"hallpass\", charset=\"UTF-8\""));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let header = basic(format!("{API}:{SECRET}"));
    assert_eq!(provider.post("/introspect", &[("authorization", &header)], &form).await.json()["active"], true);
}

#[tokio::test]
async fn rfc7662_4_a_client_without_the_right_learns_nothing() {
    let provider = Provider::start_with_api(&[], "web").await;
    let tokens = provider.tokens("openid").await;
    provider.assert_inactive(&tokens.access_token).await;
    assert_eq!(provider.introspect_as(CLIENT, SECRET, &tokens.access_token).await.body, INACTIVE, "not even its own");
    provider.change_client(API, |client| client.scope = Scope::parse("token_introspection web")).await;
    assert_eq!(provider.facts(&tokens.access_token).await["aud"], CLIENT, "from the next request on");
}

#[tokio::test]
async fn rfc7662_4_the_audience_has_to_be_in_the_callers_list_unless_switched_off() {
    let provider = Provider::start_with_api(&[], "token_introspection other").await;
    let tokens = provider.tokens("openid").await;
    provider.assert_inactive(&tokens.access_token).await;
    provider.assert_inactive(tokens.refresh()).await;
    provider.change_client(CLIENT, |client| client.scope = Scope::parse("token_introspection")).await;
    let own = provider.introspect_as(CLIENT, SECRET, &tokens.access_token).await.json();
    assert_eq!(own["active"], true, "a client needs no leave to ask about its own");

    let settings = [("introspection.validate_audience", "false")];
    let provider = Provider::start_with_api(&settings, "token_introspection").await;
    let tokens = provider.tokens("openid").await;
    assert_eq!(provider.facts(&tokens.access_token).await["client_id"], CLIENT);
    let plain = provider.tokens("email").await;
    assert_eq!(plain.id_token, None);
    assert_eq!(provider.facts(&plain.access_token).await["aud"], CLIENT, "with or without openid");
}

#[tokio::test]
async fn rfc7662_2_2_what_is_no_token_of_ours_is_inactive() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let token = provider.tokens("openid").await.access_token;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let session = provider.logged_in(ADA).await.session().unwrap().to_owned();
    let mut tampered = token.clone();
    let last = if tampered.ends_with('A') { "B" } else { "A" };
    tampered.replace_range(40..41, if &tampered[40..41] == "x" { "y" } else { "x" });
    for unknown in [
        code.as_str(),
        &session,
        &tampered,
        &token[..token.len() - 1],
        &format!("{token}{last}"),
        &token.replace("hpa_", "hpr_"),
        &token.replace("hpa_", ""),
        "hpa_",
        "nonsense",
        "\u{1f511} \r\n",
        "eyJhbGciOiJub25lIn0.e30.",
        &"hpa_x".repeat(40_000),
    ] {
        provider.assert_inactive(unknown).await;
    }
    assert_eq!(provider.redeem(&code).await.status, 200, "a code that somebody asked about is still good");
}

#[tokio::test]
async fn rfc7662_2_1_the_hint_is_a_hint() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let tokens = provider.tokens("openid").await;
    for token in [tokens.access_token.as_str(), tokens.refresh()] {
        for hint in ["access_token", "refresh_token", "nonsense", ""] {
            let form = [("token", token), ("token_type_hint", hint), ("client_id", API), ("client_secret", SECRET)];
            assert_eq!(provider.post("/introspect", &[], &form).await.json()["active"], true, "{hint}");
        }
    }
}

#[tokio::test]
async fn rfc7662_2_1_a_request_that_cannot_be_read_is_refused() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let caller = [("client_id", API), ("client_secret", SECRET)];
    for more in
        [&[][..], &[("token", "")], &[("token", "a"), ("token", "a")], &[("token", "a"), ("x", "1"), ("x", "1")]]
    {
        let form: Vec<_> = caller.iter().chain(more).copied().collect();
        let response = provider.post("/introspect", &[], &form).await;
        assert_eq!((response.status, response.error().as_str()), (400, "invalid_request"), "{more:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    for method in ["GET", "PUT", "DELETE"] {
        let response = exchange(method, &format!("{}/introspect?token=x", provider.issuer), &[], None).await;
        assert_eq!((response.status, response.header("allow")), (405, Some("POST, OPTIONS")), "{method}");
    }
    let (url, headers) = (format!("{}/introspect", provider.issuer), [("content-type", "application/json")]);
    let json = exchange("POST", &url, &headers, Some(b"{\"token\":\"x\"}".to_vec())).await;
    assert_eq!(json.status, 415);
}

#[tokio::test]
async fn rfc7662_2_2_a_token_is_inactive_from_the_exact_moment_it_expires() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let tokens = provider.tokens("openid").await;
    provider.pass(Duration::from_millis(3_599_999));
    provider.facts(&tokens.access_token).await;
    provider.pass(Duration::from_millis(1));
    provider.assert_inactive(&tokens.access_token).await;
    provider.pass(Duration::from_secs(30 * 86_400 - 3600) - Duration::from_millis(1));
    provider.facts(tokens.refresh()).await;
    provider.pass(Duration::from_millis(1));
    provider.assert_inactive(tokens.refresh()).await;
}

#[tokio::test]
async fn rfc7662_2_2_a_refresh_token_is_inactive_once_it_was_used() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.assert_inactive(first.refresh()).await;
    provider.facts(second.refresh()).await;
    provider.pass(Duration::from_secs(1));
    let retried = provider.refresh(first.refresh()).await.tokens();
    provider.assert_inactive(second.refresh()).await;
    provider.facts(retried.refresh()).await;
    provider.facts(&retried.access_token).await;
}

#[tokio::test]
async fn rfc7662_2_2_whatever_ends_a_token_shows_at_once() {
    let provider = Provider::start_with_api(&[], "token_introspection web").await;
    let fresh = async || {
        let tokens = provider.tokens("openid").await;
        provider.facts(&tokens.access_token).await;
        provider.facts(tokens.refresh()).await;
        tokens
    };
    let assert_dead = async |tokens: &Tokens| {
        provider.assert_inactive(&tokens.access_token).await;
        provider.assert_inactive(tokens.refresh()).await;
    };
    let tokens = fresh().await;
    provider.change_user(ADA, |user| user.enabled = false).await;
    assert_dead(&tokens).await;
    provider.change_user(ADA, |user| user.enabled = true).await;

    let tokens = fresh().await;
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    assert!(provider.app.store.withdraw_consent(&user, &client, provider.clock.now()).await.unwrap());
    assert_dead(&tokens).await;

    let tokens = fresh().await;
    provider.change_user(ADA, hallpass::model::user::User::end_all).await;
    assert_dead(&tokens).await;

    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    provider.facts(&tokens.access_token).await;
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
    assert_dead(&tokens).await;

    let tokens = fresh().await;
    provider.app.store.delete_client(&client).await.unwrap();
    assert_dead(&tokens).await;
}
