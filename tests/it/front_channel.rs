//! Tokens that come through the browser: the implicit and the hybrid flow, `token` and `none` (RFC 6749 section 4.2, OpenID Connect
//! Core 1.0 sections 3.2 and 3.3, OAuth 2.0 Multiple Response Types).

use hallpass::jose::alg::Algorithm;
use hallpass::jose::hash::left_half_hash;
use hallpass::model::client::{Client, GrantType, ResponseType};
use serde_json::{Map, Value};

use crate::harness::*;

/// Every response type with something in front, and the names that its answer has before `state` and `iss`.
const TYPES: [(&str, &[&str]); 7] = [
    ("id_token", &["id_token"]),
    ("id_token token", &["access_token", "token_type", "expires_in", "scope", "id_token"]),
    ("token", &["access_token", "token_type", "expires_in", "scope"]),
    ("code id_token", &["code", "id_token"]),
    ("code token", &["code", "access_token", "token_type", "expires_in", "scope"]),
    ("code id_token token", &["code", "access_token", "token_type", "expires_in", "scope", "id_token"]),
    ("none", &[]),
];

/// Lets a client use these response types, with what they need.
fn uses(client: &mut Client, types: &[&str]) {
    client.response_types = types.iter().map(|name| ResponseType::parse(name).unwrap()).collect();
    client.grant_types = vec![GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken];
}

/// A provider whose confidential clients may use every response type.
async fn provider() -> Provider {
    let provider = Provider::start().await;
    let all: Vec<&str> = TYPES.iter().map(|(name, _)| *name).chain(["code"]).collect();
    provider.change_client(CLIENT, |client| uses(client, &all)).await;
    provider.change_client(OTHER, |client| uses(client, &all)).await;
    provider
}

/// An ordinary request for a response type, with a nonce.
fn ask<'a>(response_type: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("response_type", response_type), ("nonce", "n-0S6_WzA2Mj")];
    all.extend(changes);
    request(&all)
}

/// What the client gets when Ada logs in and agrees.
async fn success(provider: &Provider, parameters: &[(&str, &str)]) -> Answer {
    let answer = Answer::of(&provider.browser().complete(ADA, parameters).await);
    assert_eq!(answer.get("error"), None, "{answer:?}");
    answer
}

async fn claims(provider: &Provider, id_token: &str) -> Map<String, Value> {
    provider.verify(id_token).await.1
}

fn hash(value: &str) -> Value {
    Value::from(left_half_hash(Algorithm::Rs256, value))
}

#[tokio::test]
async fn oidc_core_3_3_2_5_an_answer_has_what_its_response_type_names_and_no_more() {
    let provider = provider().await;
    for (response_type, names) in TYPES {
        for (mode, expected) in
            [("", if names.is_empty() { Mode::Query } else { Mode::Fragment }), ("form_post", Mode::FormPost)]
        {
            let answer = success(&provider, &ask(response_type, &[("response_mode", mode)])).await;
            assert_eq!(answer.mode, expected, "{response_type}");
            assert_eq!(answer.names(), [names, &["state", "iss"]].concat(), "{response_type}");
            assert_eq!((answer.get("state"), answer.get("iss")), (Some("the state"), Some(provider.issuer.as_str())));
            if let Some(token_type) = answer.get("token_type") {
                assert_eq!((token_type, answer.get("expires_in")), ("Bearer", Some("3600")));
                assert_eq!(answer.get("scope"), Some("openid"));
            }
        }
    }
}

#[tokio::test]
async fn rfc6749_3_1_1_the_words_of_a_response_type_come_in_any_order() {
    let provider = provider().await;
    for text in ["token id_token", "token code id_token", "id_token code"] {
        let answer = success(&provider, &ask(text, &[])).await;
        assert!(answer.get("id_token").is_some(), "{text}: {answer:?}");
    }
}

#[tokio::test]
async fn oidc_core_3_2_2_10_hashes_tie_an_id_token_to_what_comes_along() {
    let provider = provider().await;
    for (response_type, _) in TYPES.iter().filter(|(name, _)| name.contains("id_token")) {
        let answer = success(&provider, &ask(response_type, &[])).await;
        let claims = claims(&provider, answer.get("id_token").unwrap()).await;
        assert_eq!(claims.get("at_hash"), answer.get("access_token").map(hash).as_ref(), "{response_type}");
        assert_eq!(claims.get("c_hash"), answer.get("code").map(hash).as_ref(), "{response_type}");
        assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
        assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("id-of-ada"), Some(CLIENT)));
        assert_eq!(
            (claims["iat"].as_u64(), claims["exp"].as_u64()),
            (Some(provider.now()), Some(provider.now() + 600))
        );
        assert!(claims.contains_key("sid") && claims.contains_key("auth_time"), "{claims:?}");
    }
}

#[tokio::test]
async fn oidc_core_5_4_claims_of_scopes_are_in_an_id_token_that_comes_alone() {
    let provider = provider().await;
    let scope = ("scope", "openid profile email address phone");
    let answer = success(&provider, &ask("id_token", &[scope])).await;
    let alone = claims(&provider, answer.get("id_token").unwrap()).await;
    let userinfo = provider.userinfo(&provider.tokens(scope.1).await.access_token).await.json();
    for (name, value) in userinfo.as_object().unwrap() {
        assert_eq!(alone.get(name), Some(value), "{name}");
    }
    for other in ["id_token token", "code id_token", "code id_token token"] {
        let answer = success(&provider, &ask(other, &[scope])).await;
        let claims = claims(&provider, answer.get("id_token").unwrap()).await;
        assert!(!claims.contains_key("email") && !claims.contains_key("name"), "{other}: userinfo has them");
    }
}

#[tokio::test]
async fn oidc_core_5_5_claims_that_are_asked_for_by_name_are_where_they_were_asked_for() {
    let provider = provider().await;
    let wish = ("claims", r#"{"id_token":{"name":{"essential":true}}}"#);
    for response_type in ["id_token", "id_token token", "code id_token"] {
        let answer = success(&provider, &ask(response_type, &[wish])).await;
        let claims = claims(&provider, answer.get("id_token").unwrap()).await;
        assert_eq!(claims["name"], "Ada Lovelace", "{response_type}");
    }
}

#[tokio::test]
async fn oidc_core_3_2_2_1_an_id_token_in_front_needs_a_nonce() {
    let provider = provider().await;
    for (response_type, _) in TYPES {
        for mode in ["", "form_post"] {
            let asked = ask(response_type, &[("nonce", ""), ("response_mode", mode)]);
            let answer = Answer::of(&provider.browser().complete(ADA, &asked).await);
            if response_type.contains("id_token") {
                assert_eq!(answer.error(), "invalid_request", "{response_type}");
                assert_eq!(answer.names(), ["error", "error_description", "state", "iss"]);
                assert_eq!(answer.mode, if mode.is_empty() { Mode::Fragment } else { Mode::FormPost });
            } else {
                assert_eq!(answer.get("error"), None, "{response_type}");
            }
        }
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_without_openid_there_are_no_id_tokens() {
    let provider = provider().await;
    for (response_type, names) in TYPES {
        let asked = ask(response_type, &[("scope", "profile")]);
        let answer = Answer::of(&provider.browser().complete(ADA, &asked).await);
        if response_type.contains("id_token") {
            assert_eq!((answer.error(), answer.mode), ("invalid_scope", Mode::Fragment), "{response_type}");
        } else {
            assert_eq!(answer.names(), [names, &["state", "iss"]].concat(), "{response_type}");
        }
    }
}

#[tokio::test]
async fn multiple_response_types_5_tokens_never_stand_in_a_query() {
    let provider = provider().await;
    for (response_type, _) in &TYPES[..6] {
        let asked = ask(response_type, &[("response_mode", "query")]);
        let answer = Answer::of(&provider.browser().complete(ADA, &asked).await);
        assert_eq!((answer.error(), answer.mode), ("invalid_request", Mode::Fragment), "{response_type}");
    }
}

#[tokio::test]
async fn oidc_core_3_2_2_6_errors_come_in_the_fragment() {
    let provider = provider().await;
    let state = "s".repeat(124) + "-._~";
    for (response_type, _) in &TYPES[..6] {
        for (mode, expected) in [("", Mode::Fragment), ("form_post", Mode::FormPost)] {
            let asked = ask(response_type, &[("prompt", "none"), ("response_mode", mode), ("state", &state)]);
            let answer = Answer::of(&provider.browser().authorize(&asked).await);
            assert_eq!((answer.error(), answer.mode), ("login_required", expected), "{response_type}");
            assert_eq!(answer.get("state"), Some(state.as_str()));
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_a_client_uses_its_own_response_types_only() {
    let provider = Provider::start().await;
    for (response_type, _) in TYPES {
        let answer = Answer::of(&provider.browser().authorize(&ask(response_type, &[])).await);
        assert_eq!(answer.error(), "unauthorized_client", "{response_type}");
    }
    provider.change_client(CLIENT, |client| uses(client, &["id_token", "code id_token"])).await;
    for (response_type, allowed) in
        [("id_token", true), ("id_token code", true), ("id_token token", false), ("code", false)]
    {
        let answer = Answer::of(&provider.browser().complete(ADA, &ask(response_type, &[])).await);
        assert_eq!(answer.get("error").is_none(), allowed, "{response_type}");
    }
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::AuthorizationCode]).await;
    let answer = Answer::of(&provider.browser().authorize(&ask("id_token", &[])).await);
    assert_eq!(answer.error(), "unauthorized_client", "the grant type implicit is missing");
}

#[tokio::test]
async fn rfc6749_4_2_2_a_token_in_front_opens_userinfo_until_it_expires() {
    let provider = provider().await;
    for response_type in ["id_token token", "token", "code token", "code id_token token"] {
        let answer = success(&provider, &ask(response_type, &[("scope", "openid email")])).await;
        let token = answer.get("access_token").unwrap();
        let userinfo = provider.userinfo(token).await;
        assert_eq!(
            (userinfo.status, &userinfo.json()["email"]),
            (200, &Value::from("ada@ada.example")),
            "{response_type}"
        );
        provider.pass(std::time::Duration::from_secs(3599));
        assert_eq!(provider.userinfo(token).await.status, 200);
        provider.pass(std::time::Duration::from_secs(1));
        assert_eq!(provider.userinfo(token).await.status, 401);
    }
}

#[tokio::test]
async fn rfc6749_4_2_2_expires_in_is_what_the_settings_say() {
    let provider = Provider::start_with(&[("lifetimes.access_token", "36000")]).await;
    let types = ["id_token token", "code token", "code id_token token"];
    provider.change_client(CLIENT, |client| uses(client, &types)).await;
    for response_type in types {
        let answer = success(&provider, &ask(response_type, &[])).await;
        assert_eq!(answer.get("expires_in"), Some("36000"), "{response_type}");
    }
}

#[tokio::test]
async fn oidc_core_3_2_public_clients_get_in_front_what_confidential_ones_get() {
    let provider = provider().await;
    provider.change_client(PUBLIC, |client| uses(client, &["id_token", "id_token token"])).await;
    for (response_type, names) in &TYPES[..2] {
        let answer = success(&provider, &ask(response_type, &[("client_id", PUBLIC)])).await;
        assert_eq!(answer.names(), [*names, &["state", "iss"]].concat(), "{response_type}");
        let claims = claims(&provider, answer.get("id_token").unwrap()).await;
        assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some(PUBLIC), Some("id-of-ada")));
        assert_eq!(claims.get("at_hash"), answer.get("access_token").map(hash).as_ref(), "{response_type}");
    }
}

#[tokio::test]
async fn rfc6749_4_2_2_1_what_cannot_be_signed_is_told_to_the_client_without_saying_why() {
    let provider = Provider::start_without_key(&[]).await;
    provider.change_client(CLIENT, |client| uses(client, &["id_token", "code id_token token"])).await;
    for response_type in ["id_token", "code id_token token"] {
        let answer = Answer::of(&provider.browser().complete(ADA, &ask(response_type, &[])).await);
        assert_eq!((answer.error(), answer.mode), ("temporarily_unavailable", Mode::Fragment), "{response_type}");
        assert_eq!(answer.names(), ["error", "error_description", "state", "iss"]);
        assert!(!answer.location.contains("key"), "that is for the log: {}", answer.location);
    }
}

#[tokio::test]
async fn rfc6749_4_2_2_implicit_answers_leave_nothing_to_refresh_with() {
    let provider = provider().await;
    let answer = success(&provider, &ask("id_token token", &[("scope", "openid offline_access")])).await;
    assert_eq!(answer.get("refresh_token"), None);
    assert_eq!(answer.get("scope"), Some("openid"), "offline_access needs a code (OpenID Connect Core 1.0 section 11)");
    // The token itself is none to refresh with.
    let refused = provider.refresh(answer.get("access_token").unwrap()).await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_grant"));
}

#[tokio::test]
async fn oidc_core_3_3_3_6_both_id_tokens_of_the_hybrid_flow_agree() {
    let provider = provider().await;
    for response_type in ["code id_token", "code id_token token", "code token"] {
        let answer = success(&provider, &ask(response_type, &[])).await;
        provider.pass(std::time::Duration::from_secs(20));
        let tokens = provider.redeem(answer.code()).await.tokens();
        let behind = claims(&provider, tokens.id()).await;
        assert_eq!(behind["at_hash"], hash(&tokens.access_token), "{response_type}");
        let Some(in_front) = answer.get("id_token") else { continue };
        let in_front = claims(&provider, in_front).await;
        for name in ["iss", "sub", "aud", "nonce", "auth_time", "acr", "amr", "sid"] {
            assert_eq!(in_front.get(name), behind.get(name), "{response_type}: {name}");
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_that_is_used_twice_ends_the_token_that_came_with_it() {
    let provider = provider().await;
    let answer = success(&provider, &ask("code id_token token", &[])).await;
    let in_front = answer.get("access_token").unwrap();
    let behind = provider.redeem(answer.code()).await.tokens();
    assert_ne!(in_front, behind.access_token);
    assert_eq!(
        (provider.userinfo(in_front).await.status, provider.userinfo(&behind.access_token).await.status),
        (200, 200)
    );
    let again = provider.redeem(answer.code()).await;
    assert_eq!((again.status, again.error().as_str()), (400, "invalid_grant"));
    assert_eq!(
        (provider.userinfo(in_front).await.status, provider.userinfo(&behind.access_token).await.status),
        (401, 401)
    );
}

#[tokio::test]
async fn rfc6749_10_2_public_clients_without_codes_may_skip_consent() {
    let provider = Provider::start().await;
    provider
        .change_client(PUBLIC, |client| {
            uses(client, &["id_token token", "code id_token"]);
            client.require_consent = false;
        })
        .await;
    let mut browser = provider.logged_in(ADA).await;
    let asked = ask("id_token token", &[("client_id", PUBLIC)]);
    let answer = Answer::of(&browser.authorize(&asked).await);
    assert_eq!(answer.names(), ["access_token", "token_type", "expires_in", "scope", "id_token", "state", "iss"]);

    let pkce = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let page = browser.authorize(&ask("code id_token", &pkce)).await;
    assert!(page.has_id("consent-allow"), "who gets a code is asked");
    let bare = Answer::of(&browser.authorize(&ask("code id_token", &[("client_id", PUBLIC)])).await);
    assert_eq!((bare.error(), bare.mode), ("invalid_request", Mode::Fragment), "and needs PKCE");
}

#[tokio::test]
async fn rfc8252_8_6_tokens_go_unasked_to_https_addresses_only() {
    let provider = provider().await;
    let uris = ["https://app.example/callback", "http://localhost/cb", "com.example.app:/cb"];
    for (client, require_consent) in [(CLIENT, false), (CLIENT, true), (PUBLIC, false), (PUBLIC, true)] {
        provider
            .change_client(client, |client| {
                uses(client, &["id_token token", "code"]);
                client.redirect_uris = uris.map(ToOwned::to_owned).to_vec();
                client.require_consent = require_consent;
            })
            .await;
        let mut browser = provider.browser();
        let asked = ask("id_token token", &[("client_id", client)]);
        assert_eq!(Answer::of(&browser.complete(ADA, &asked).await).get("error"), None, "agreed, where that is asked");
        for uri in ["https://app.example/callback", "http://localhost:4444/cb", "com.example.app:/cb"] {
            let silent = [("client_id", client), ("redirect_uri", uri), ("prompt", "none")];
            let answer = Answer::of(&browser.authorize(&ask("id_token token", &silent)).await);
            let expected = if uri.starts_with("https") { None } else { Some("consent_required") };
            assert_eq!(answer.get("error"), expected, "{client} {require_consent} {uri}");
        }
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_none_renews_in_the_fragment() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let first = Answer::of(&browser.complete(ADA, &ask("id_token token", &[])).await);
    let first = claims(&provider, first.get("id_token").unwrap()).await;
    provider.pass(std::time::Duration::from_secs(60));
    let hint = (
        "id_token_hint",
        Answer::of(&browser.authorize(&ask("id_token", &[])).await).get("id_token").unwrap().to_owned(),
    );
    let asked = ask("id_token token", &[("prompt", "none"), (hint.0, &hint.1), ("nonce", "another")]);
    let second = Answer::of(&browser.authorize(&asked).await);
    let second = claims(&provider, second.get("id_token").unwrap()).await;
    assert_eq!((&second["sub"], &second["auth_time"]), (&first["sub"], &first["auth_time"]));
    assert_eq!(second["nonce"], "another");
}

#[tokio::test]
async fn multiple_response_types_4_none_says_only_that_the_user_agreed() {
    let provider = provider().await;
    let mut browser = provider.browser();
    let page = browser.authorize(&ask("none", &[])).await;
    assert!(page.has_id("login-submit"), "the user takes part as ever");
    let answer = Answer::of(&browser.complete(ADA, &ask("none", &[])).await);
    assert_eq!((answer.names(), answer.mode), (vec!["state", "iss"], Mode::Query));
}

#[tokio::test]
async fn form_post_2_a_public_client_gets_its_tokens_in_a_form() {
    let provider = Provider::start().await;
    provider.change_client(PUBLIC, |client| uses(client, &["id_token token"])).await;
    let asked = ask("id_token token", &[("client_id", PUBLIC), ("response_mode", "form_post")]);
    let answer = success(&provider, &asked).await;
    assert_eq!((answer.mode, answer.location.as_str()), (Mode::FormPost, REDIRECT));
    assert!(answer.get("access_token").is_some() && answer.get("id_token").is_some());
}
