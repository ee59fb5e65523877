//! The token endpoint: authorization codes.

use std::sync::Arc;
use std::time::Duration;

use hallpass::admin::Method;
use hallpass::base::encode::base64url;
use hallpass::model::client::GrantType;
use hallpass::model::id::{ClientId, UserId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::harness::*;

/// A challenge for [`VERIFIER`].
const PKCE: [(&str, &str); 2] = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];

/// How long a code lives.
const CODE_LIFETIME: Duration = Duration::from_secs(600);

fn redemption<'a>(code: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
    for (name, value) in changes {
        form.retain(|(other, _)| other != name);
        if !value.is_empty() {
            form.push((name, value));
        }
    }
    form
}

impl Provider {
    /// [`CLIENT`] redeems a code with other parameters than usual.
    async fn redeem_with(&self, code: &str, changes: &[(&str, &str)]) -> Response {
        self.token(CLIENT, SECRET, &redemption(code, changes)).await
    }
}

#[track_caller]
fn assert_refused(response: &Response, error: &str) {
    assert_eq!((response.status, response.error().as_str()), (400, error), "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
}

#[tokio::test]
async fn oidc_core_3_1_3_3_a_code_gives_tokens() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[("nonce", "n-1"), ("scope", "openid email")])).await;
    let response = provider.redeem(&code).await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let tokens = response.tokens();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", 3600));
    assert_eq!(tokens.scope.as_deref(), Some("openid email"));
    let (header, claims) = provider.verify(tokens.id()).await;
    assert_eq!(header["alg"], "RS256");
    assert_eq!(claims["iss"], provider.issuer);
    assert_eq!(claims["aud"], CLIENT);
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["exp"], provider.now() + 600);
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["email"], "ada@ada.example");
}

#[tokio::test]
async fn rfc6749_5_1_expires_in_is_what_the_settings_say() {
    let provider = Provider::start_with(&[("lifetimes.access_token", "720"), ("lifetimes.id_token", "10h")]).await;
    let tokens = provider.tokens("openid").await;
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((tokens.expires_in, claims["exp"].as_u64()), (720, Some(provider.now() + 36000)));
    provider.pass(Duration::from_secs(720) - Duration::from_millis(1));
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    provider.pass(Duration::from_millis(1));
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_used_twice_ends_its_family() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    provider.pass(Duration::from_secs(30));
    assert_refused(&provider.redeem(&code).await, "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_used_twice_ends_what_was_refreshed_in_between_too() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let first = provider.redeem(&code).await.tokens();
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(CODE_LIFETIME * 2);
    assert_refused(&provider.redeem(&code).await, "invalid_grant");
    assert_eq!(provider.userinfo(&second.access_token).await.status, 401);
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_1_2_another_client_cannot_end_a_family_with_a_used_code() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert_refused(&provider.token(OTHER, SECRET, &redemption(&code, &[])).await, "invalid_grant");
    assert_refused(&provider.token(PUBLIC, "", &redemption(&code, &[])).await, "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200);
    assert!(provider.refresh(tokens.refresh()).await.tokens().refresh_token.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc6749_10_5_of_64_racing_redemptions_one_wins_and_the_family_ends() {
    let provider = Arc::new(Provider::start().await);
    let code = provider.browser().code(ADA, &request(&[])).await;
    let mut racing = JoinSet::new();
    for _ in 0..64 {
        let (provider, code) = (Arc::clone(&provider), code.clone());
        racing.spawn(async move { provider.redeem(&code).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    lost.iter().for_each(|answer| assert_refused(answer, "invalid_grant"));
    // Nobody can tell which of them was the thief.
    let tokens = won[0].tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_refused(&provider.refresh(tokens.refresh()).await, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_1_3_a_code_is_bound_to_its_client_and_stays_usable_for_it() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    assert_refused(&provider.token(OTHER, SECRET, &redemption(&code, &[])).await, "invalid_grant");
    assert_refused(&provider.token(PUBLIC, "", &redemption(&code, &[])).await, "invalid_grant");
    assert_eq!(provider.redeem(&code).await.tokens().expires_in, 3600);
}

#[tokio::test]
async fn rfc6749_4_1_3_a_code_is_bound_to_its_redirect_uri_and_survives_a_wrong_one() {
    let provider = Provider::start().await;
    let second = "https://app.example/second";
    provider.change_client(CLIENT, |client| client.redirect_uris.push(second.into())).await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    assert_refused(&provider.redeem_with(&code, &[("redirect_uri", "")]).await, "invalid_request");
    for other in [second, "https://app.example/callback/", "https://APP.example/callback", "https://evil.example/"] {
        assert_refused(&provider.redeem_with(&code, &[("redirect_uri", other)]).await, "invalid_grant");
    }
    assert_eq!(provider.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn rfc8252_7_3_a_loopback_redirect_uri_is_shown_with_the_port_of_the_request() {
    let provider = Provider::start().await;
    let asked = "http://127.0.0.1:51004/callback";
    let mut changes = vec![("client_id", PUBLIC), ("redirect_uri", asked)];
    changes.extend(PKCE);
    let code = provider.browser().code(ADA, &request(&changes)).await;
    for (redirect_uri, status) in [(LOOPBACK, 400), ("http://127.0.0.1:51005/callback", 400), (asked, 200)] {
        let form = redemption(&code, &[("redirect_uri", redirect_uri), ("code_verifier", VERIFIER)]);
        assert_eq!(provider.token(PUBLIC, "", &form).await.status, status, "{redirect_uri}");
    }
}

#[tokio::test]
async fn rfc7636_4_6_a_code_is_bound_to_its_challenge_and_survives_a_wrong_verifier() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&PKCE)).await;
    let wrong = "A".repeat(43);
    for verifier in ["", wrong.as_str(), CHALLENGE, "short", &VERIFIER.to_lowercase(), &"a".repeat(129)] {
        assert_refused(&provider.redeem_with(&code, &[("code_verifier", verifier)]).await, "invalid_grant");
    }
    assert_eq!(provider.redeem_with(&code, &[("code_verifier", VERIFIER)]).await.status, 200);
}

#[tokio::test]
async fn rfc9700_4_8_2_a_verifier_without_a_challenge_is_a_downgrade() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    assert_refused(&provider.redeem_with(&code, &[("code_verifier", VERIFIER)]).await, "invalid_grant");
    assert_eq!(provider.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn rfc7636_4_1_a_verifier_may_have_128_characters_and_all_unreserved_ones() {
    let provider = Provider::start().await;
    let verifier = format!("{}-._~", "aZ09".repeat(31));
    assert_eq!(verifier.len(), 128);
    let challenge = base64url(Sha256::digest(verifier.as_bytes()));
    let changes = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let code = provider.browser().code(ADA, &request(&changes)).await;
    assert_eq!(provider.redeem_with(&code, &[("code_verifier", &verifier)]).await.status, 200);
}

#[tokio::test]
async fn rfc7636_4_2_plain_challenges_work_where_the_settings_allow_them() {
    let plain = [("code_challenge", VERIFIER), ("code_challenge_method", "plain")];
    let provider = Provider::start_with(&[("pkce.plain", "true")]).await;
    let code = provider.browser().code(ADA, &request(&plain)).await;
    assert_refused(&provider.redeem_with(&code, &[("code_verifier", CHALLENGE)]).await, "invalid_grant");
    assert_eq!(provider.redeem_with(&code, &[("code_verifier", VERIFIER)]).await.status, 200);
    let provider = Provider::start().await;
    let refused = provider.browser().authorize(&request(&plain)).await;
    assert_eq!(refused.query("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_expires_at_the_exact_second() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let (early, late) = (browser.code(ADA, &request(&[])).await, browser.code(ADA, &request(&[])).await);
    provider.pass(CODE_LIFETIME - Duration::from_millis(1));
    assert_eq!(provider.redeem(&early).await.status, 200);
    provider.pass(Duration::from_millis(1));
    assert_refused(&provider.redeem(&late).await, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_5_2_what_is_no_code_of_ours_is_an_invalid_grant() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&provider.browser().code(ADA, &request(&[])).await).await.tokens();
    let flipped = format!("{}{}", &code[..code.len() - 6], "AAAAAA");
    let long = "x".repeat(5000);
    for other in
        ["x", "hpc_", &code[4..], &flipped, tokens.refresh(), &tokens.access_token, tokens.id(), &long, "é\u{7f}"]
    {
        assert_refused(&provider.redeem(other).await, "invalid_grant");
    }
    assert_refused(&provider.redeem_with("", &[("code", "")]).await, "invalid_request");
    assert_eq!(provider.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn rfc6749_5_2_the_grant_type_must_be_there_known_and_allowed() {
    let provider = Provider::start().await;
    assert_refused(&provider.token(CLIENT, SECRET, &[]).await, "invalid_request");
    assert_refused(&provider.token(CLIENT, SECRET, &[("grant_type", "")]).await, "invalid_request");
    for unknown in ["implicit", "nonsense", "AUTHORIZATION_CODE", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
        assert_refused(&provider.token(CLIENT, SECRET, &[("grant_type", unknown)]).await, "unsupported_grant_type");
    }
    let code = provider.browser().code(ADA, &request(&[])).await;
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::RefreshToken]).await;
    assert_refused(&provider.redeem(&code).await, "unauthorized_client");
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::AuthorizationCode]).await;
    assert_refused(&provider.refresh("hpr_x").await, "unauthorized_client");
}

#[tokio::test]
async fn rfc6749_3_2_no_parameter_may_come_twice() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let other = provider.browser().code(BOB, &request(&[])).await;
    for twice in [("code", other.as_str()), ("grant_type", "refresh_token"), ("redirect_uri", REDIRECT), ("extra", "")]
    {
        let mut form = redemption(&code, &[]);
        form.extend([twice, ("extra", "1")]);
        assert_refused(&provider.token(CLIENT, SECRET, &form).await, "invalid_request");
    }
    let mut form = redemption(&code, &[]);
    form.extend([("extra", "1"), ("resource", "https://a.example"), ("resource", "https://b.example")]);
    assert_eq!(provider.token(CLIENT, SECRET, &form).await.status, 200, "an unknown one does no harm");
}

#[tokio::test]
async fn rfc6749_2_3_1_parameters_in_the_query_do_not_count() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let mut form = redemption(&code, &[("client_id", CLIENT), ("client_secret", SECRET)]);
    let query = format!("/token?{}", hallpass::base::form::render(form.iter().copied()));
    assert_refused(&provider.post(&query, &[], &[]).await, "invalid_client");
    let credentials = [("client_id", CLIENT), ("client_secret", SECRET)];
    assert_refused(&provider.post(&query, &[], &credentials).await, "invalid_request");
    form.push(("state", "s"));
    assert_eq!(provider.post("/token/?grant_type=nonsense&code=x&code=y", &[], &form).await.status, 200);
}

#[tokio::test]
async fn rfc6749_3_2_the_token_endpoint_is_for_post_only() {
    let provider = Provider::start().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let response = exchange(method, &format!("{}/token", provider.issuer), &[], None).await;
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    }
}

#[tokio::test]
async fn rfc6749_4_1_3_a_token_request_is_a_form_of_bounded_size() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let form = redemption(&code, &[("client_id", CLIENT), ("client_secret", SECRET)]);
    let form = hallpass::base::form::render(form);
    let padded = format!("{form}&pad={}", "x".repeat(300 << 10));
    let json = json!({ "grant_type": "authorization_code", "code": code }).to_string();
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nx\r\n--b--\r\n";
    let bad_text = format!("{form}&x=%ff");
    let url_encoded = "application/x-www-form-urlencoded";
    for (media_type, body, status) in [
        ("application/json", json.as_str(), 415),
        ("multipart/form-data; boundary=b", multipart, 415),
        ("text/plain", &form, 415),
        ("application/x-www-form-urlencoded; charset=ISO-8859-1", &form, 415),
        (url_encoded, &padded, 413),
        (url_encoded, &bad_text, 400),
        ("APPLICATION/x-www-form-urlencoded; charset=\"UTF-8\"", &form, 200),
    ] {
        let url = format!("{}/token", provider.issuer);
        let response = exchange("POST", &url, &[("content-type", media_type)], Some(body.into())).await;
        assert_eq!(response.status, status, "{media_type}: {response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        if status != 200 {
            assert_eq!(response.error(), "invalid_request");
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_3_a_scope_at_redemption_changes_nothing() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[("scope", "openid email unknown")])).await;
    let tokens = provider.redeem_with(&code, &[("scope", "openid profile phone")]).await.tokens();
    assert_eq!(tokens.scope.as_deref(), Some("openid email"));
    let claims = provider.userinfo(&tokens.access_token).await.json();
    assert!(claims.get("email").is_some() && claims.get("name").is_none(), "{claims}");
}

#[tokio::test]
async fn rfc6749_1_5_a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::AuthorizationCode]).await;
    let tokens = provider.tokens("openid offline_access").await;
    assert_eq!((tokens.refresh_token, tokens.scope.as_deref()), (None, Some("openid")));
}

#[tokio::test]
async fn rfc6749_5_1_without_openid_there_is_no_id_token() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("email").await;
    assert_eq!((tokens.id_token, tokens.scope.as_deref()), (None, Some("email")));
    let body = provider.redeem(&provider.browser().code(ADA, &request(&[("scope", "")])).await).await.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "refresh_token"]);
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_its_user_is_disabled_deleted_or_has_a_new_password() {
    for what in ["disabled", "deleted", "new password"] {
        let provider = Provider::start().await;
        let code = provider.browser().code(ADA, &request(&[])).await;
        let _ = match what {
            "disabled" => provider.administer(Method::Patch, "users/ada", json!({ "enabled": false })).await,
            "new password" => {
                let password = json!({ "password": "difference engine" });
                provider.administer(Method::Put, "users/ada/password", password).await
            }
            _ => provider.administer(Method::Delete, "users/ada", Value::Null).await,
        };
        assert_refused(&provider.redeem(&code).await, "invalid_grant");
        let bobs = provider.browser().code(BOB, &request(&[])).await;
        assert_eq!(provider.redeem(&bobs).await.status, 200, "{what}: Bob has nothing to do with it");
    }
}

#[tokio::test]
async fn a_code_dies_with_its_client_even_if_another_one_takes_the_id() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.tokens("openid").await;
    provider.administer(Method::Delete, "clients/web", Value::Null).await;
    assert_refused(&provider.redeem(&code).await, "invalid_client");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    let again =
        json!({ "client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [REDIRECT], "client_name": "Again" });
    provider.administer(Method::Post, "clients", again).await;
    assert_refused(&provider.redeem(&code).await, "invalid_grant");
    assert_refused(&provider.refresh(tokens.refresh()).await, "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn a_code_dies_when_its_consent_is_taken_back() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    assert!(provider.app.store.withdraw_consent(&user, &client, provider.clock.now()).await.unwrap());
    assert_refused(&provider.redeem(&code).await, "invalid_grant");
}

#[tokio::test]
async fn rfc7636_4_6_a_spent_code_without_its_verifier_ends_nothing() {
    let provider = Provider::start().await;
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = provider.browser().code(ADA, &request(&pkce)).await;
    let form = |verifier| {
        let all = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ];
        all.to_vec()
    };
    let tokens = provider.token(CLIENT, SECRET, &form(VERIFIER)).await.tokens();
    let other = "another-verifier-of-forty-three-characters--";
    assert_eq!(provider.token(CLIENT, SECRET, &form(other)).await.error(), "invalid_grant");
    assert_eq!(
        provider.userinfo(&tokens.access_token).await.status,
        200,
        "whoever only saw the code can't end the family"
    );
    assert_eq!(provider.token(CLIENT, SECRET, &form(VERIFIER)).await.error(), "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401, "whoever has both can");
}
