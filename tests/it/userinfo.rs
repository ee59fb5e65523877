//! The UserInfo endpoint, and what protects it.

use std::time::Duration;

use hallpass::admin::Method;
use hallpass::model::id::{AccessTokenId, Bearer, BearerKind, ClientId};
use serde_json::{Value, json};

use crate::harness::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const EVERY_SCOPE: &str = "openid profile email address phone";

impl Provider {
    async fn ask_userinfo(&self, method: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Response {
        exchange(method, &format!("{}/userinfo{query}", self.issuer), headers, Some(body.into())).await
    }

    async fn claims(&self, user: &str, scope: &str) -> Value {
        let code = self.browser().code(user, &request(&[("scope", scope)])).await;
        let tokens = self.redeem(&code).await.tokens();
        self.userinfo(&tokens.access_token).await.json()
    }

    /// RFC 6750 section 3: the challenge names this error.
    #[track_caller]
    fn assert_challenged(&self, response: &Response, status: u16, error: &str) {
        assert_eq!(response.status, status, "{response:?}");
        let challenges: Vec<_> = response.headers.get_all("www-authenticate").into_iter().collect();
        assert_eq!(challenges.len(), 1, "{response:?}");
        let start = format!("Bearer realm=\"{}\", error=\"{error}\", error_description=\"", self.issuer);
        let challenge = challenges[0].to_str().unwrap();
        let rest = challenge.strip_prefix(&start).unwrap_or_else(|| panic!("{challenge}"));
        assert_eq!(rest.matches('"').count() % 2, 1, "{challenge}");
        assert_eq!(response.error(), error);
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn oidc_core_5_3_1_the_token_comes_in_the_header_or_in_a_form() {
    let provider = Provider::start().await;
    let token = provider.tokens("openid").await.access_token;
    let bearer = format!("Bearer {token}");
    let form = format!("access_token={token}");
    for (method, headers, body) in [
        ("GET", &[("authorization", bearer.as_str())][..], ""),
        ("POST", &[("authorization", bearer.as_str())], ""),
        ("POST", &[("authorization", bearer.as_str()), FORM], ""),
        ("POST", &[("authorization", bearer.as_str()), FORM], "extra=1"),
        ("POST", &[("authorization", bearer.as_str()), ("content-type", "application/json")], "{}"),
        ("POST", &[FORM], &form),
        ("GET", &[("authorization", &bearer.replace("Bearer", "bearer"))], ""),
        ("GET", &[("authorization", &bearer.replace("Bearer", "BEARER"))], ""),
    ] {
        let response = provider.ask_userinfo(method, "", headers, body).await;
        assert_eq!((response.status, response.json()), (200, json!({ "sub": "id-of-ada" })), "{method} {headers:?}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("www-authenticate"), None);
    }
    let head = provider.ask_userinfo("HEAD", "", &[("authorization", &bearer)], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn rfc6750_2_3_a_token_in_the_query_counts_only_where_the_settings_say_so() {
    let provider = Provider::start().await;
    let query = format!("?access_token={}", provider.tokens("openid").await.access_token);
    let refused = provider.ask_userinfo("GET", &query, &[], "").await;
    assert_eq!((refused.status, refused.header("www-authenticate").unwrap().contains("error")), (401, false));

    let provider = Provider::start_with(&[("userinfo.query_token", "true")]).await;
    let token = provider.tokens("openid").await.access_token;
    let query = format!("?access_token={token}");
    let response = provider.ask_userinfo("GET", &query, &[], "").await;
    assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")));
    let bearer = format!("Bearer {token}");
    let twice = provider.ask_userinfo("GET", &query, &[("authorization", &bearer)], "").await;
    provider.assert_challenged(&twice, 400, "invalid_request");
}

#[tokio::test]
async fn rfc6750_3_1_a_token_comes_in_one_way_and_once() {
    let provider = Provider::start().await;
    let token = provider.tokens("openid").await.access_token;
    let bearer = format!("Bearer {token}");
    let (once, twice) = (format!("access_token={token}"), format!("access_token={token}&access_token={token}"));
    let header = ("authorization", bearer.as_str());
    for (headers, body) in [
        (&[header, FORM][..], once.as_str()),
        (&[FORM], &twice),
        (&[header, header], ""),
        (&[("authorization", "Bearer")], ""),
        (&[("authorization", "Bearer ")], ""),
    ] {
        let response = provider.ask_userinfo("POST", "", headers, body).await;
        provider.assert_challenged(&response, 400, "invalid_request");
    }
}

#[tokio::test]
async fn rfc6750_3_1_without_a_token_the_challenge_names_no_error() {
    let provider = Provider::start().await;
    let bare = format!("Bearer realm=\"{}\"", provider.issuer);
    for (method, headers) in
        [("GET", &[][..]), ("POST", &[]), ("POST", &[FORM]), ("GET", &[("authorization", "Basic d2ViOng=")])]
    {
        let response = provider.ask_userinfo(method, "", headers, "").await;
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some(bare.as_str())), "{headers:?}");
        assert_eq!(response.body, "", "nor does the body");
    }
    assert_eq!(provider.ask_userinfo("PUT", "", &[], "").await.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
}

#[tokio::test]
async fn rfc6750_3_1_what_is_no_access_token_of_ours_is_an_invalid_token() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.tokens("openid").await;
    let flipped = format!("{}AAAAAA", &tokens.access_token[..tokens.access_token.len() - 6]);
    let long = "x".repeat(5000);
    for other in ["x", "hpa_", &flipped, &tokens.access_token[4..], tokens.refresh(), tokens.id(), &code, &long, "a b"]
    {
        provider.assert_challenged(&provider.userinfo(other).await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn rfc6750_3_1_an_access_token_expires_at_the_exact_second() {
    let provider = Provider::start().await;
    let token = provider.tokens("openid").await.access_token;
    provider.pass(Duration::from_millis(3_599_999));
    assert_eq!(provider.userinfo(&token).await.status, 200);
    provider.pass(Duration::from_millis(1));
    provider.assert_challenged(&provider.userinfo(&token).await, 401, "invalid_token");
}

#[tokio::test]
async fn rfc6750_3_1_a_revoked_token_is_invalid_and_leaves_the_others_alone() {
    let provider = Provider::start().await;
    let (revoked, other) = (provider.tokens("openid").await.access_token, provider.tokens("openid").await.access_token);
    let id = AccessTokenId(Bearer::parse(BearerKind::AccessToken, &revoked).unwrap().id());
    assert!(provider.app.store.delete_access_token(&id).await.unwrap());
    provider.assert_challenged(&provider.userinfo(&revoked).await, 401, "invalid_token");
    assert_eq!(provider.userinfo(&other).await.status, 200);
}

#[tokio::test]
async fn rfc6750_3_1_a_token_without_openid_has_insufficient_scope() {
    let provider = Provider::start().await;
    let token = provider.tokens("email profile").await.access_token;
    let response = provider.userinfo(&token).await;
    provider.assert_challenged(&response, 403, "insufficient_scope");
    assert!(response.header("www-authenticate").unwrap().ends_with(", scope=\"openid\""));
}

#[tokio::test]
async fn oidc_core_5_4_each_scope_gives_its_claims_and_no_others() {
    let provider = Provider::start().await;
    let profile = json!({
        "sub": "id-of-ada", "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace",
        "middle_name": "King",
        "nickname": "A. A. L.", "preferred_username": "ada", "profile": "https://ada.example/",
        "picture": "https://ada.example/me.png", "website": "https://ada.example/blog", "gender": "female",
        "birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en-GB", "updated_at": 1_700_000_000,
    });
    let email = json!({ "sub": "id-of-ada", "email": "ada@ada.example", "email_verified": true });
    let address = json!({
        "sub": "id-of-ada",
        "address": { "street_address": "12 St James's Square", "locality": "London", "country": "GB" },
    });
    let phone = json!({ "sub": "id-of-ada", "phone_number": "+44 20 7946 0000", "phone_number_verified": false });
    let mut all = serde_json::Map::new();
    for (scope, claims) in [("profile", &profile), ("email", &email), ("address", &address), ("phone", &phone)] {
        assert_eq!(provider.claims(ADA, &format!("openid {scope}")).await, *claims, "{scope}");
        all.extend(claims.as_object().unwrap().clone());
    }
    assert_eq!(provider.claims(ADA, EVERY_SCOPE).await, Value::Object(all));
}

#[tokio::test]
async fn oidc_core_5_3_2_claims_without_a_value_are_left_out() {
    let provider = Provider::start().await;
    assert_eq!(
        provider.claims(BOB, EVERY_SCOPE).await,
        json!({
            "sub": "id-of-bob", "nickname": "bob", "preferred_username": "bob", "updated_at": START.as_secs()
        })
    );
    let empty = json!({
        "name": "", "given_name": " ", "email": null, "email_verified": "true", "phone_number": 5,
        "sub": "somebody else",
        "address": { "country": "", "locality": null }, "birthdate": "yesterday", "picture": {},
        "department": "engines", "website": "null",
        "nickname": "c", "preferred_username": "carol", "updated_at": 1_600_000_000, "phone_number_verified": true,
    });
    provider.add_user("carol", empty).await;
    assert_eq!(
        provider.claims("carol", EVERY_SCOPE).await,
        json!({
            "sub": "id-of-carol", "nickname": "c", "preferred_username": "carol", "updated_at": 1_600_000_000,
            "phone_number_verified": true
        })
    );
}

#[tokio::test]
async fn oidc_core_5_3_2_sub_is_that_of_the_id_token_for_every_client() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let (_, claims) = provider.verify(tokens.id()).await;
    let code = provider.browser().code(ADA, &request(&[("client_id", OTHER)])).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
    let others = provider.token(OTHER, SECRET, &form).await.tokens();
    for token in [&tokens.access_token, &others.access_token] {
        assert_eq!(provider.userinfo(token).await.json()["sub"], claims["sub"]);
    }
}

#[tokio::test]
async fn oidc_core_5_5_a_claim_may_be_asked_for_by_name() {
    let provider = Provider::start().await;
    let wish = r#"{"userinfo":{"name":{"essential":true},"department":null,"picture":{"essential":true}}}"#;
    let code = provider.browser().code(ADA, &request(&[("claims", wish)])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let expected = json!({ "sub": "id-of-ada", "name": "Ada Lovelace", "picture": "https://ada.example/me.png" });
    assert_eq!(provider.userinfo(&tokens.access_token).await.json(), expected);
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((claims.get("name"), claims.get("picture")), (None, None));
    let refreshed = provider.refresh(tokens.refresh()).await.tokens();
    assert_eq!(provider.userinfo(&refreshed.access_token).await.json(), expected);

    let code = provider.browser().code(BOB, &request(&[("claims", wish)])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.json(), json!({ "sub": "id-of-bob" }), "essential or not");
}

#[tokio::test]
async fn the_claims_are_those_of_now() {
    let provider = Provider::start().await;
    let token = provider.tokens("openid email").await.access_token;
    let changed = json!({ "claims": { "email": "countess@ada.example", "email_verified": null } });
    provider.administer(Method::Patch, "users/ada", changed).await;
    assert_eq!(provider.userinfo(&token).await.json(), json!({ "sub": "id-of-ada", "email": "countess@ada.example" }));
}

#[tokio::test]
async fn a_token_is_invalid_once_its_user_is_disabled_or_deleted_or_its_client_is_gone() {
    for what in ["disabled", "deleted", "client gone"] {
        let provider = Provider::start().await;
        let token = provider.tokens("openid").await.access_token;
        match what {
            "disabled" => provider.administer(Method::Patch, "users/ada", json!({ "enabled": false })).await,
            "deleted" => provider.administer(Method::Delete, "users/ada", Value::Null).await,
            _ => provider.app.store.delete_client(&ClientId::new(CLIENT)).await.unwrap().into(),
        };
        provider.assert_challenged(&provider.userinfo(&token).await, 401, "invalid_token");
    }
}
