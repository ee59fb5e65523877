//! Token revocation (RFC 7009).

use std::sync::Arc;
use std::time::Duration;

use hallpass::model::client::{GrantType, ResponseType};
use tokio::task::JoinSet;

use crate::harness::*;

impl Provider {
    async fn revoke_as(&self, client: &str, secret: &str, token: &str) -> Response {
        let mut form = vec![("token", token), ("client_id", client)];
        if !secret.is_empty() {
            form.push(("client_secret", secret));
        }
        self.post("/revoke", &[], &form).await
    }

    /// [`CLIENT`] takes a token back.
    async fn revoke(&self, token: &str) {
        assert_done(&self.revoke_as(CLIENT, SECRET, token).await);
    }

    async fn opens(&self, tokens: &Tokens) -> bool {
        self.userinfo(&tokens.access_token).await.status == 200
    }
}

/// RFC 7009 section 2.2.
#[track_caller]
fn assert_done(response: &Response) {
    assert_eq!((response.status, response.body.as_str()), (200, ""), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn rfc7009_2_1_an_access_token_ends_alone() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    assert!(provider.opens(&first).await);
    provider.revoke(&first.access_token).await;
    assert!(!provider.opens(&first).await && provider.opens(&second).await);
    provider.revoke(&first.access_token).await;
    assert_eq!(provider.refresh(second.refresh()).await.status, 200);
}

#[tokio::test]
async fn rfc7009_2_1_a_refresh_token_ends_with_its_family_and_with_nothing_else() {
    let provider = Provider::start().await;
    let (first, other) = (provider.tokens("openid").await, provider.tokens("openid").await);
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.revoke(second.refresh()).await;
    assert!(!provider.opens(&first).await && !provider.opens(&second).await);
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
    assert!(provider.opens(&other).await, "another grant of the same user and client");
    provider.revoke(second.refresh()).await;
    assert_eq!(provider.refresh(other.refresh()).await.status, 200);
}

#[tokio::test]
async fn rfc7009_2_1_a_refresh_token_that_was_used_ends_its_family_too() {
    let provider = Provider::start().await;
    let first = provider.tokens("openid").await;
    let second = provider.refresh(first.refresh()).await.tokens();
    provider.pass(Duration::from_secs(3000));
    provider.revoke(first.refresh()).await;
    assert!(!provider.opens(&second).await);
    assert_eq!(provider.refresh(second.refresh()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn rfc7009_2_1_a_token_in_front_of_its_code_ends_alone() {
    let provider = Provider::start().await;
    provider
        .change_client(CLIENT, |client| {
            client.response_types.push(ResponseType::CODE.with(ResponseType::TOKEN));
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let asked = request(&[("response_type", "code token"), ("nonce", "n")]);
    let answer = Answer::of(&provider.browser().complete(ADA, &asked).await);
    let front = answer.get("access_token").unwrap();
    assert_eq!(provider.userinfo(front).await.status, 200);
    provider.revoke(front).await;
    assert_eq!(provider.userinfo(front).await.status, 401);
    let tokens = provider.redeem(answer.code()).await.tokens();
    assert!(provider.opens(&tokens).await);
    assert_eq!(provider.userinfo(front).await.status, 401, "and stays ended");
}

#[tokio::test]
async fn rfc7009_2_1_a_clients_own_token_can_be_given_back() {
    let provider = Provider::start().await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.push(GrantType::ClientCredentials);
            client.scope = hallpass::model::scope::Scope::parse("token_introspection");
        })
        .await;
    let token = provider.token(CLIENT, SECRET, &[("grant_type", "client_credentials")]).await.tokens().access_token;
    let ask = [("token", token.as_str()), ("client_id", CLIENT), ("client_secret", SECRET)];
    assert_eq!(provider.post("/introspect", &[], &ask).await.json()["active"], true);
    provider.revoke(&token).await;
    assert_eq!(provider.post("/introspect", &[], &ask).await.body, r#"{"active":false}"#);
}

#[tokio::test]
async fn rfc7009_2_2_what_is_not_there_or_not_the_clients_is_answered_alike_and_stays() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    for token in [tokens.access_token.as_str(), tokens.refresh()] {
        assert_done(&provider.revoke_as(OTHER, SECRET, token).await);
        assert_done(&provider.revoke_as(PUBLIC, "", token).await);
    }
    for token in ["nonsense", "hpa_", &tokens.access_token.replace("hpa_", "hpr_"), &code, &"x".repeat(200_000)] {
        provider.revoke(token).await;
    }
    assert!(provider.opens(&tokens).await);
    assert_eq!(provider.refresh(tokens.refresh()).await.status, 200);
    assert_eq!(provider.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn rfc7009_2_1_a_public_client_names_itself() {
    let provider = Provider::start().await;
    let changes = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = provider.browser().code(ADA, &request(&changes)).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let tokens = provider.token(PUBLIC, "", &form).await.tokens();
    let origin = [("origin", "https://app.example")];
    let form = [("token", tokens.refresh()), ("token_type_hint", "refresh_token"), ("client_id", PUBLIC)];
    let response = provider.post("/revoke", &origin, &form).await;
    assert_done(&response);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"), "from the browser, too");
    assert!(!provider.opens(&tokens).await);
}

#[tokio::test]
async fn rfc7009_2_1_whoever_does_not_prove_who_it_is_is_refused() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let form = [("token", tokens.refresh())];
    let basic = basic(format!("{CLIENT}:wrong"));
    for (response, status) in [
        (provider.post("/revoke", &[], &form).await, 400),
        (provider.revoke_as(CLIENT, "", tokens.refresh()).await, 400),
        (provider.revoke_as(CLIENT, "wrong", tokens.refresh()).await, 400),
        (provider.revoke_as("nobody", SECRET, tokens.refresh()).await, 400),
        (provider.post("/revoke", &[("authorization", &basic)], &form).await, 401),
    ] {
        assert_eq!((response.status, response.error().as_str()), (status, "invalid_client"), "{response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let client = [("client_id", CLIENT), ("client_secret", SECRET)];
    for more in [&[][..], &[("token", "")], &[("token", "a"), ("token", "b")]] {
        let form: Vec<_> = client.iter().chain(more).copied().collect();
        assert_eq!(provider.post("/revoke", &[], &form).await.error(), "invalid_request", "{more:?}");
    }
    let get = exchange("GET", &format!("{}/revoke", provider.issuer), &[], None).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST, OPTIONS")));
    assert!(provider.opens(&tokens).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc7009_2_1_of_what_refreshes_while_it_is_revoked_nothing_lives_on() {
    let provider = Arc::new(Provider::start().await);
    for revocations in [1, 4, 8] {
        let first = provider.tokens("openid").await;
        let mut racing = JoinSet::new();
        for number in 0..16 {
            let (provider, token) = (Arc::clone(&provider), first.refresh().to_owned());
            racing.spawn(async move {
                if number % 16 < revocations {
                    provider.revoke(&token).await;
                    return None;
                }
                let answer = provider.refresh(&token).await;
                match answer.status {
                    200 => Some(answer.tokens()),
                    _ => {
                        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"));
                        None
                    }
                }
            });
        }
        let won: Vec<Tokens> = racing.join_all().await.into_iter().flatten().collect();
        assert!(won.len() <= 1, "{won:?}");
        for tokens in won.iter().chain([&first]) {
            assert!(!provider.opens(tokens).await);
            assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc7009_2_1_of_a_code_used_again_while_its_tokens_are_revoked_nothing_lives_on() {
    let provider = Arc::new(Provider::start().await);
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let mut racing = JoinSet::new();
    for number in 0..16 {
        let (provider, code, token) = (Arc::clone(&provider), code.clone(), tokens.refresh().to_owned());
        racing.spawn(async move {
            if number % 2 == 0 {
                provider.revoke(&token).await;
            } else {
                assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
            }
        });
    }
    racing.join_all().await;
    assert!(!provider.opens(&tokens).await);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
}
