//! ID tokens, as a relying party reads them.

use std::time::Duration;

use hallpass::base::encode::{base64url, parse_base64url};
use hallpass::base::secret::Secret;
use hallpass::jose::alg::Algorithm;
use hallpass::jose::jws::{Jws, Verifier};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::harness::*;

/// What an ID token says that nobody asked anything more of, in its order.
const MEMBERS: [&str; 10] = ["iss", "sub", "aud", "exp", "iat", "auth_time", "at_hash", "acr", "amr", "sid"];

impl Provider {
    /// Tokens for a request of Ada's with these changes.
    async fn tokens_for(&self, changes: &[(&str, &str)]) -> Tokens {
        let code = self.browser().code(ADA, &request(changes)).await;
        self.redeem(&code).await.tokens()
    }
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&parse_base64url(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn names(claims: &Map<String, Value>) -> Vec<&str> {
    claims.keys().map(String::as_str).collect()
}

/// OpenID Connect Core 1.0 section 3.1.3.6, worked out here.
fn at_hash(access_token: &str) -> String {
    base64url(&Sha256::digest(access_token.as_bytes())[..16])
}

#[tokio::test]
async fn rfc7515_4_1_the_header_names_algorithm_type_and_key() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let keys = provider.get("/jwks").await.json();
    let expected = json!({ "alg": "RS256", "typ": "JWT", "kid": keys["keys"][0]["kid"] });
    assert_eq!(header(tokens.id()), expected);
    assert_eq!(tokens.id().matches('.').count(), 2);
    assert!(!tokens.id().contains('='));
}

#[tokio::test]
async fn oidc_core_2_the_claims_of_an_id_token() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    provider.pass(Duration::from_millis(90_500));
    let tokens = provider.redeem(&code).await.tokens();
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!(names(&claims), MEMBERS);
    let (start, sid) = (START.as_secs(), claims["sid"].clone());
    let expected = json!({
        "iss": provider.issuer, "sub": "id-of-ada", "aud": CLIENT, "exp": start + 690, "iat": start + 90,
        "auth_time": start, "at_hash": at_hash(&tokens.access_token), "acr": "1", "amr": ["pwd"], "sid": sid,
    });
    assert_eq!(Value::Object(claims), expected);
    assert_eq!(parse_base64url(sid.as_str().unwrap()).unwrap().len(), 16);
    assert!(!browser.session().unwrap().ends_with(sid.as_str().unwrap()), "the sid opens nothing");
}

#[tokio::test]
async fn oidc_back_channel_logout_2_1_sid_names_the_session() {
    let provider = Provider::start().await;
    let mut sids = Vec::new();
    let mut first = provider.browser();
    let mut second = provider.browser();
    for browser in [&mut first, &mut second] {
        for _ in 0..2 {
            let code = browser.code(ADA, &request(&[])).await;
            let tokens = provider.redeem(&code).await.tokens();
            sids.push(provider.verify(tokens.id()).await.1["sid"].clone());
        }
    }
    assert_eq!((&sids[0], &sids[2]), (&sids[1], &sids[3]), "the same in one browser");
    assert_ne!(sids[0], sids[2], "another in another one");
}

#[tokio::test]
async fn oidc_core_2_a_nonce_comes_back_as_it_was_and_only_if_there_was_one() {
    let provider = Provider::start().await;
    for nonce in ["n", "a nonce \"with\" é ü & = + %20 \\ and 7", &"x".repeat(512)] {
        let tokens = provider.tokens_for(&[("nonce", nonce)]).await;
        assert_eq!(provider.verify(tokens.id()).await.1["nonce"], nonce);
    }
    let tokens = provider.tokens("openid").await;
    assert_eq!(provider.verify(tokens.id()).await.1.get("nonce"), None);
}

#[tokio::test]
async fn oidc_core_5_4_claims_of_scopes_are_for_userinfo() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid profile email address phone offline_access").await;
    assert_eq!(names(&provider.verify(tokens.id()).await.1), MEMBERS);
}

#[tokio::test]
async fn oidc_core_5_5_claims_may_be_asked_for_in_the_id_token_by_name() {
    let provider = Provider::start().await;
    let wish = json!({ "id_token": {
        "email": { "essential": true }, "email_verified": null, "name": null, "address": null, "department": null,
        "auth_time": { "essential": true }, "sub": null, "acr": { "values": ["1"] },
        "website#fr": null, "exp": { "value": 1 },
    } });
    let tokens = provider.tokens_for(&[("claims", &wish.to_string())]).await;
    let (_, claims) = provider.verify(tokens.id()).await;
    let mut expected = MEMBERS.to_vec();
    expected.extend(["email", "email_verified", "name", "address"]);
    assert_eq!(names(&claims), expected);
    assert_eq!(claims["email"], "ada@ada.example");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["address"]["country"], "GB");
    assert_eq!((&claims["sub"], &claims["exp"]), (&json!("id-of-ada"), &json!(START.as_secs() + 600)));
    assert_eq!(provider.userinfo(&tokens.access_token).await.json(), json!({ "sub": "id-of-ada" }));
}

#[tokio::test]
async fn oidc_core_3_1_3_6_at_hash_is_that_of_the_token_beside_it() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    for tokens in [&first, &second] {
        assert_eq!(provider.verify(tokens.id()).await.1["at_hash"], at_hash(&tokens.access_token));
    }
}

#[tokio::test]
async fn oidc_core_2_auth_time_is_when_the_password_was_typed() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let mut seen = Vec::new();
    for changes in [&[][..], &[("max_age", "10000")], &[("prompt", "login")]] {
        let code = browser.code(ADA, &request(changes)).await;
        let tokens = provider.redeem(&code).await.tokens();
        let claims = provider.verify(tokens.id()).await.1;
        seen.push((claims["auth_time"].as_u64().unwrap(), claims["iat"].as_u64().unwrap()));
        provider.pass(Duration::from_secs(1000));
    }
    let start = START.as_secs();
    assert_eq!(seen, [(start, start), (start, start + 1000), (start + 2000, start + 2000)]);
}

#[tokio::test]
async fn rfc7518_3_2_a_client_may_have_its_id_tokens_signed_with_its_secret() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.id_token_algorithm = Algorithm::Hs256).await;
    let tokens = provider.tokens_for(&[("nonce", "n-1")]).await;
    assert_eq!(header(tokens.id()), json!({ "alg": "HS256", "typ": "JWT" }));
    let verify = |secret: &str| {
        let verifier = Verifier::hs256(&Secret::new(secret)).unwrap();
        Jws::parse(tokens.id()).unwrap().verify(|_| Some(&verifier)).map(|verified| verified.claims().unwrap())
    };
    let claims = verify(SECRET).unwrap();
    assert_eq!((&claims["aud"], &claims["nonce"]), (&json!(CLIENT), &json!("n-1")));
    assert_eq!(claims["at_hash"], at_hash(&tokens.access_token));
    assert!(verify("another secret of more than thirty-two bytes").is_err());

    // Its own token is a hint, too.
    let mut browser = provider.logged_in(ADA).await;
    let hinted = request(&[("prompt", "none"), ("id_token_hint", tokens.id())]);
    assert!(browser.authorize(&hinted).await.query("code").is_some());
}
