//! Signing keys through their life: next, active, retired, gone; and before there is one.

use std::collections::HashSet;

use hallpass::admin::Method;
use serde_json::Value;

use crate::harness::*;

impl Provider {
    pub async fn published(&self) -> HashSet<String> {
        let keys = self.get("/jwks").await.json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn promote(&self, kid: &str) {
        self.administer(Method::Post, &format!("keys/{kid}/promote"), Value::Null).await;
    }

    /// The key that signs ID tokens now.
    pub async fn signs(&self) -> String {
        let tokens = self.tokens("openid").await;
        self.verify(tokens.id()).await.0["kid"].as_str().unwrap().to_owned()
    }

    pub async fn code_for_hint(&self, hint: &str) -> Response {
        let mut browser = self.logged_in(ADA).await;
        browser.authorize(&request(&[("prompt", "none"), ("id_token_hint", hint)])).await
    }
}

#[tokio::test]
async fn rfc7517_5_every_key_is_published_without_its_private_part() {
    let provider = Provider::start().await;
    let first = provider.published().await;
    let second = provider.add_key(OTHER_RSA).await;
    assert_eq!(first.len(), 1);
    let response = provider.get("/jwks").await;
    assert_eq!(response.header("content-type"), Some("application/jwk-set+json"));
    let keys = response.json();
    for key in keys["keys"].as_array().unwrap() {
        let names: HashSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["kty", "use", "alg", "kid", "n", "e"]));
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"RSA".into(), &"sig".into(), &"RS256".into()));
        assert!(!key["n"].as_str().unwrap().contains('='));
    }
    let both = provider.published().await;
    assert_eq!((both.len(), both.contains(&second), both.is_superset(&first)), (2, true, true));
}

#[tokio::test]
async fn oidc_core_10_1_1_a_promoted_key_signs_the_next_token_and_the_old_ones_still_verify() {
    let provider = Provider::start().await;
    let first = provider.signs().await;
    let old = provider.tokens("openid").await;
    let second = provider.add_key(OTHER_RSA).await;
    assert_eq!(provider.signs().await, first, "a new key waits");
    provider.promote(&second).await;
    assert_eq!(provider.signs().await, second);
    assert_eq!(provider.verify(old.id()).await.0["kid"], first.as_str());
    let refreshed = provider.refresh(old.refresh()).await.tokens();
    assert_eq!(provider.verify(refreshed.id()).await.0["kid"], second.as_str());
    assert_eq!(provider.published().await, HashSet::from([first.clone(), second]));
    provider.promote(&first).await;
    assert_eq!(provider.signs().await, first, "and back");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_hint_holds_for_as_long_as_its_key_exists() {
    let provider = Provider::start().await;
    let hint = provider.tokens("openid").await.id_token.unwrap();
    let first = provider.signs().await;
    let second = provider.add_key(OTHER_RSA).await;
    assert!(provider.code_for_hint(&hint).await.query("code").is_some());
    provider.promote(&second).await;
    assert!(provider.code_for_hint(&hint).await.query("code").is_some(), "its key has retired");
    provider.administer(Method::Delete, &format!("keys/{first}"), Value::Null).await;
    assert_eq!(provider.published().await, HashSet::from([second]));
    let refused = provider.code_for_hint(&hint).await;
    assert_eq!(refused.query("error").as_deref(), Some("invalid_request"));
    assert_eq!(refused.query("state").as_deref(), Some("the state"));
    assert_eq!(refused.query("code"), None);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_hint_that_was_tampered_with_is_refused() {
    let provider = Provider::start().await;
    let hint = provider.tokens("openid").await.id_token.unwrap();
    let parts: Vec<_> = hint.split('.').collect();
    let bobs = provider.redeem(&provider.browser().code(BOB, &request(&[])).await).await.tokens();
    let other_claims = bobs.id().split('.').nth(1).unwrap();
    for bad in [
        format!("{}.{other_claims}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        "x".to_owned(),
    ] {
        let refused = provider.code_for_hint(&bad).await;
        assert_eq!(refused.query("error").as_deref(), Some("invalid_request"), "{bad}");
    }
    let other = provider.code_for_hint(bobs.id()).await;
    assert_eq!(other.query("error").as_deref(), Some("login_required"), "Bob's, but Ada is logged in");
}

#[tokio::test]
async fn without_a_key_nothing_is_signed_and_no_code_is_lost() {
    let provider = Provider::start_without_key(&[]).await;
    assert_eq!((provider.get("/healthz").await.status, provider.get("/readyz").await.status), (200, 503));
    assert!(provider.published().await.is_empty());

    let code = provider.browser().code(ADA, &request(&[])).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let body = hallpass::base::form::render(form).into_bytes();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let failed = attempt("POST", &format!("{}/token", provider.issuer), &headers, Some(body)).await;
    assert_eq!((failed.status, failed.error().as_str()), (503, "temporarily_unavailable"));
    assert_eq!(failed.header("cache-control"), Some("no-store"));
    assert!(!failed.body.contains("key"), "why is for the log: {}", failed.body);

    // What needs no signature works.
    let plain = provider.tokens("email").await;
    assert_eq!(plain.id_token, None);

    provider.add_key(RSA).await;
    assert_eq!(provider.get("/readyz").await.status, 200);
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["sub"], "id-of-ada");
}
