//! Access tokens that clients get for themselves (RFC 6749 section 4.4).

use std::time::Duration;

use hallpass::admin::Method;
use hallpass::base::clock::FixedClock;
use hallpass::model::client::{Client, ClientType, GrantType};
use hallpass::model::scope::Scope;
use serde_json::{Value, json};

use crate::harness::*;

const MACHINE: &str = "machine";

/// A client that acts for itself alone, and may ask about its own tokens.
fn machine(scope: &str) -> Client {
    let mut client = confidential(MACHINE);
    client.redirect_uris.clear();
    client.response_types.clear();
    client.grant_types = vec![GrantType::ClientCredentials];
    client.scope = Scope::parse(scope);
    client
}

impl Provider {
    async fn start_with_machine(scope: &str) -> Self {
        let provider = Self::start().await;
        provider.add_client(machine(scope)).await;
        provider
    }

    /// The machine asks for this; for nothing in particular where it is empty.
    async fn own_token(&self, scope: &str) -> Response {
        self.token(MACHINE, SECRET, &[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    /// Whether the machine's token holds.
    async fn holds(&self, token: &str) -> bool {
        let form = [("token", token), ("client_id", MACHINE), ("client_secret", SECRET)];
        self.post("/introspect", &[], &form).await.json()["active"] == true
    }
}

#[track_caller]
fn assert_refused(response: &Response, error: &str) {
    assert_eq!((response.status, response.error().as_str()), (400, error), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn rfc6749_4_4_3_a_client_gets_an_access_token_and_nothing_beside_it() {
    let provider = Provider::start_with_machine("token_introspection openid read").await;
    let response = provider.own_token("").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    let body = response.json();
    let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "scope"], "no refresh token, and no ID token");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(body["scope"], "token_introspection openid read");
    let token = body["access_token"].as_str().unwrap();
    assert!(provider.holds(token).await);
    let userinfo = provider.userinfo(token).await;
    assert_eq!((userinfo.status, userinfo.error().as_str()), (403, "insufficient_scope"), "it is nobody's");
}

#[tokio::test]
async fn rfc6749_4_4_2_the_scope_is_a_part_of_the_clients_own_list_in_the_order_asked() {
    let provider = Provider::start_with_machine("read write admin").await;
    for (asked, granted) in [
        ("", "read write admin"),
        ("write", "write"),
        ("admin read", "admin read"),
        ("read read", "read"),
        (" read  write ", "read write"),
    ] {
        assert_eq!(provider.own_token(asked).await.tokens().scope.as_deref(), Some(granted), "{asked:?}");
    }
    for beyond in ["unknown", "read unknown", "openid", "READ", "\"read\""] {
        assert_refused(&provider.own_token(beyond).await, "invalid_scope");
    }
    provider.change_client(MACHINE, |client| client.scope = Scope::empty()).await;
    assert_refused(&provider.own_token("").await, "invalid_scope");
    assert_refused(&provider.own_token("read").await, "invalid_scope");
}

#[tokio::test]
async fn rfc6749_4_4_only_confidential_clients_with_the_grant_type_get_one() {
    let provider = Provider::start_with_machine("read").await;
    let ask = [("grant_type", "client_credentials")];
    assert_refused(&provider.token(CLIENT, SECRET, &ask).await, "unauthorized_client");
    assert_refused(&provider.token(PUBLIC, "", &ask).await, "unauthorized_client");
    // Administration refuses this; a store may hold it all the same.
    provider
        .change_client(PUBLIC, |client| {
            client.grant_types.push(GrantType::ClientCredentials);
            client.scope = Scope::parse("read");
        })
        .await;
    assert_refused(&provider.token(PUBLIC, "", &ask).await, "unauthorized_client");
    provider
        .change_client(MACHINE, |client| {
            client.kind = ClientType::Public;
            client.secret = None;
        })
        .await;
    assert_refused(&provider.token(MACHINE, "", &ask).await, "unauthorized_client");
}

#[tokio::test]
async fn rfc6749_5_2_wrong_credentials_are_invalid_client() {
    let provider = Provider::start_with_machine("read").await;
    let ask = [("grant_type", "client_credentials")];
    assert_refused(&provider.token(MACHINE, "wrong", &ask).await, "invalid_client");
    assert_refused(&provider.token(MACHINE, "", &ask).await, "invalid_client");
    assert_refused(&provider.token("nobody", SECRET, &ask).await, "invalid_client");
    assert_refused(
        &provider.token(MACHINE, SECRET, &[("grant_type", "Client_Credentials")]).await,
        "unsupported_grant_type",
    );
    let twice = [("grant_type", "client_credentials"), ("scope", "read"), ("scope", "read")];
    assert_refused(&provider.token(MACHINE, SECRET, &twice).await, "invalid_request");
}

#[tokio::test]
async fn rfc6749_4_4_the_token_ends_with_its_time_and_with_its_client_and_with_nothing_else() {
    let provider = Provider::start_with_machine("token_introspection").await;
    let token = provider.own_token("").await.tokens().access_token;
    provider.administer(Method::Delete, "users/ada", Value::Null).await;
    provider.pass(Duration::from_millis(3_599_999));
    assert!(provider.holds(&token).await);
    provider.pass(Duration::from_millis(1));
    assert!(!provider.holds(&token).await);

    let token = provider.own_token("").await.tokens().access_token;
    let rotate = json!({ "client_secret": SECRET, "end_tokens": true });
    provider.administer(Method::Post, "clients/machine/secret", rotate).await;
    assert!(!provider.holds(&token).await, "its secret had leaked");

    let token = provider.own_token("").await.tokens().access_token;
    provider.administer(Method::Delete, "clients/machine", Value::Null).await;
    let mut again = machine("token_introspection");
    again.generation = 99;
    provider.add_client(again).await;
    assert!(!provider.holds(&token).await, "another client of the same name");
}

#[tokio::test]
async fn the_token_is_on_the_disk_when_it_is_given_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let provider = Provider::start_on(&path, FixedClock::new(START)).await;
    provider.add_client(machine("token_introspection")).await;
    let token = provider.own_token("").await.tokens().access_token;
    provider.stop().await;
    let provider = Provider::start_on(&path, FixedClock::new(START)).await;
    assert!(provider.holds(&token).await);
}
