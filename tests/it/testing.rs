//! The provider for other people's tests.

use std::time::{Duration, Instant};

use hallpass::base::encode::base64;
use hallpass::protocol::issuer::Endpoint;
use hallpass::testing::{Fault, Idp, Tokens};
use serde_json::{Map, Value, json};

use crate::harness::{Response, exchange, token};

async fn post(idp: &Idp, path: &str, form: &[(&str, &str)]) -> Response {
    let credentials = base64(format!("{}:{}", idp.client_id(), idp.client_secret()));
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("authorization", &format!("Basic {credentials}"))];
    let body = hallpass::base::form::render(form.iter().copied()).into_bytes();
    exchange("POST", &format!("{}{path}", idp.issuer()), &headers, Some(body)).await
}

async fn alice(idp: &Idp, scope: &str) -> Tokens {
    idp.tokens_for("alice", idp.client_id(), scope).await.unwrap()
}

async fn refresh(idp: &Idp, tokens: &Tokens) -> Response {
    let refresh_token = tokens.refresh_token.as_deref().unwrap();
    post(idp, "/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

async fn userinfo(idp: &Idp, access_token: &str) -> Response {
    let headers = [("authorization", format!("Bearer {access_token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    exchange("GET", &format!("{}/userinfo", idp.issuer()), &headers, None).await
}

/// The published keys.
async fn jwks(idp: &Idp) -> Value {
    exchange("GET", &format!("{}/jwks", idp.issuer()), &[], None).await.json()
}

async fn verified(idp: &Idp, id_token: &str) -> Map<String, Value> {
    token::verify(&jwks(idp).await, id_token).1
}

/// The claims of the ID token that a refresh brings, whatever its signature.
async fn refreshed(idp: &Idp) -> (String, Map<String, Value>) {
    let response = refresh(idp, &alice(idp, "openid").await).await;
    assert_eq!(response.status, 200, "{response:?}");
    let token = response.json()["id_token"].as_str().unwrap().to_owned();
    let claims = hallpass::jose::jws::Jws::parse(&token).unwrap().unverified_claims().unwrap();
    (token, claims)
}

#[tokio::test]
async fn tokens_are_minted_without_any_login_and_are_as_good_as_others() {
    let idp = Idp::start().await.unwrap();
    let tokens = alice(&idp, "openid email").await;
    let claims = userinfo(&idp, &tokens.access_token).await.json();
    assert_eq!(claims["email"], "alice@example.com");
    let id_token = verified(&idp, tokens.id_token.as_deref().unwrap()).await;
    assert_eq!((&id_token["sub"], &id_token["aud"]), (&claims["sub"], &json!(idp.client_id())));
    assert_eq!(id_token["iat"], idp.clock().now().as_secs());
    assert_eq!(refresh(&idp, &tokens).await.status, 200);
    assert!(idp.tokens_for("nobody", idp.client_id(), "openid").await.is_err());
    assert!(idp.tokens_for("alice", "nobody", "openid").await.is_err());
    assert!(idp.users().any(|user| user == ("alice", "alice")));
}

#[tokio::test]
async fn the_clock_goes_when_the_test_says_so() {
    let idp = Idp::start_with(&[("lifetimes.access_token", "1m")]).await.unwrap();
    let tokens = alice(&idp, "openid").await;
    idp.clock().advance(Duration::from_secs(59));
    assert_eq!(userinfo(&idp, &tokens.access_token).await.status, 200);
    idp.clock().advance(Duration::from_secs(1));
    assert_eq!(userinfo(&idp, &tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn an_id_token_says_what_the_test_wants() {
    let idp = Idp::start().await.unwrap();
    let token = idp.id_token(idp.client_id(), json!({ "sub": "1", "exp": null, "roles": ["a"] })).await.unwrap();
    let claims = verified(&idp, &token).await;
    assert_eq!((&claims["iss"], &claims["sub"], &claims["roles"]), (&json!(idp.issuer()), &json!("1"), &json!(["a"])));
    assert!(!claims.contains_key("exp"));
}

#[tokio::test]
async fn an_answer_goes_wrong_once_and_then_no_more() {
    let idp = Idp::start().await.unwrap();
    let tokens = alice(&idp, "openid").await;
    idp.fail_next(Endpoint::Userinfo, Fault::Error { status: 503, code: "temporarily_unavailable".into() });
    idp.fail_next(Endpoint::Userinfo, Fault::Delay(Duration::from_millis(30)));
    let broken = userinfo(&idp, &tokens.access_token).await;
    assert_eq!((broken.status, broken.error().as_str()), (503, "temporarily_unavailable"));
    let began = Instant::now();
    assert_eq!(userinfo(&idp, &tokens.access_token).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert_eq!(userinfo(&idp, &tokens.access_token).await.status, 200);

    idp.fail_next(Endpoint::Token, Fault::Error { status: 502, code: "server_error".into() });
    assert_eq!(refresh(&idp, &tokens).await.status, 502);
    assert_eq!(refresh(&idp, &tokens).await.status, 200, "nothing has happened to the token");
}

#[tokio::test]
async fn oidc_core_3_1_3_7_every_rule_for_id_tokens_can_be_broken() {
    let idp = Idp::start().await.unwrap();
    let now = idp.clock().now().as_secs();
    for (fault, name, value) in [
        (Fault::WrongIssuer, "iss", json!("https://somebody.else.example")),
        (Fault::WrongAudience, "aud", json!("somebody-else")),
        (Fault::WrongNonce, "nonce", json!("another nonce")),
        (Fault::Expired, "exp", json!(now - 3600)),
    ] {
        idp.fail_next(Endpoint::Token, fault.clone());
        let (token, claims) = refreshed(&idp).await;
        assert_eq!(claims[name], value, "{fault:?}");
        assert_eq!(verified(&idp, &token).await, claims, "{fault:?}: all else is right, the signature too");
    }
    let (_, right) = refreshed(&idp).await;
    assert_eq!(right["iss"], idp.issuer());
    let kid_of = |token: &str| hallpass::jose::jws::Jws::parse(token).unwrap().header().kid.clone().unwrap();
    let published = jwks(&idp).await["keys"][0]["kid"].as_str().unwrap().to_owned();
    for (fault, is_published) in [(Fault::WrongSignature, true), (Fault::ExpiredKey, false)] {
        idp.fail_next(Endpoint::Token, fault.clone());
        let (token, claims) = refreshed(&idp).await;
        assert_eq!(claims["iss"], idp.issuer(), "{fault:?}");
        assert_eq!(kid_of(&token) == published, is_published, "{fault:?}");
        let verifies = tokio::spawn({
            let jwks = jwks(&idp).await;
            async move { token::verify(&jwks, &token) }
        });
        assert!(verifies.await.is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let idp = Idp::start().await.unwrap();
    let (issuer, app) = (idp.issuer().to_owned(), std::sync::Arc::downgrade(idp.provider().app()));
    assert_eq!(exchange("GET", &format!("{issuer}/healthz"), &[], None).await.status, 200);
    drop(idp);
    while app.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(crate::harness::http::try_exchange("GET", &format!("{issuer}/healthz"), &[], None).await.is_err());
}
