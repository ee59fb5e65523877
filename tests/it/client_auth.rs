//! The token endpoint: who may ask. Client authentication in all its forms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass::admin::Method;
use hallpass::base::form;
use hallpass::base::secret::Secret;
use serde_json::json;

use crate::harness::*;

/// What a client sends that has nothing but its credentials right: it gets past authentication and no further.
const ASK: [(&str, &str); 3] = [("grant_type", "authorization_code"), ("code", "hpc_none"), ("redirect_uri", REDIRECT)];

/// `Basic` credentials as RFC 6749 section 2.3.1 wants them: form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form::render([("", text)]).trim_start_matches('=').to_owned();
    raw_basic(&format!("{}:{}", encoded(id), encoded(secret)))
}

fn raw_basic(plain: &str) -> String {
    format!("Basic {}", STANDARD.encode(plain))
}

impl Provider {
    async fn ask(&self, authorization: Option<&str>, credentials: &[(&str, &str)]) -> Response {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let form: Vec<_> = ASK.iter().chain(credentials).copied().collect();
        self.post("/token", &headers, &form).await
    }
}

/// The client was recognised: what is refused is its code.
#[track_caller]
fn assert_recognised(response: &Response) {
    assert_eq!((response.status, response.error().as_str()), (400, "invalid_grant"), "{response:?}");
    assert_eq!(response.header("www-authenticate"), None);
}

#[tokio::test]
async fn rfc6749_2_3_1_a_client_authenticates_in_the_header_or_in_the_body() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
    let response = provider.post("/token", &[("authorization", &basic(CLIENT, SECRET))], &form).await;
    assert!(response.tokens().id_token.is_some());

    for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
        let header = basic(CLIENT, SECRET).replace("Basic", scheme);
        assert_recognised(&provider.ask(Some(&header), &[]).await);
    }
    assert_recognised(&provider.ask(Some(&basic(CLIENT, SECRET)), &[("client_id", CLIENT)]).await);
    assert_recognised(&provider.ask(None, &[("client_id", CLIENT), ("client_secret", SECRET)]).await);
}

#[tokio::test]
async fn rfc6749_2_3_1_header_credentials_are_form_decoded() {
    let provider = Provider::start().await;
    let (id, secret) = ("team:app/a%b", "p%40ss+word: sixty-four & é ünd more");
    let mut client = confidential(id);
    client.secret = Some(Secret::new(secret));
    provider.add_client(client).await;
    assert_recognised(&provider.ask(Some(&basic(id, secret)), &[]).await);
    // `+` for a space is the other way to write it.
    assert_recognised(&provider.ask(Some(&basic(id, secret).replace("%20", "+")), &[]).await);
    let wrong = provider.ask(Some(&basic(id, "p%40ss word: sixty-four & é ünd more")), &[]).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (401, "invalid_client"));

    // Clients that forget the encoding are understood as long as it can be told apart.
    let mut client = confidential("forgetful");
    client.secret = Some(Secret::new("100%+sure: thirty-two bytes at least"));
    provider.add_client(client).await;
    assert_recognised(&provider.ask(Some(&raw_basic("forgetful:100%+sure: thirty-two bytes at least")), &[]).await);
}

#[tokio::test]
async fn rfc6749_5_2_failures_by_header_get_401_and_a_challenge() {
    let provider = Provider::start().await;
    for header in [
        basic(CLIENT, "wrong"),
        basic(CLIENT, ""),
        basic("nobody", SECRET),
        basic(PUBLIC, SECRET),
        raw_basic("no colon"),
        "Basic %%%".to_owned(),
        format!("Bearer {SECRET}"),
        "Digest username=x".to_owned(),
    ] {
        let response = provider.ask(Some(&header), &[]).await;
        assert_eq!((response.status, response.error().as_str()), (401, "invalid_client"), "{header}");
        let challenge = response.header("www-authenticate").unwrap();
        assert_eq!(challenge, "Basic realm=\"hallpass\", charset=\"UTF-8\"", "{header}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn rfc6749_5_2_failures_in_the_body_get_400_without_a_challenge() {
    let provider = Provider::start().await;
    for credentials in [
        &[][..],
        &[("client_secret", SECRET)],
        &[("client_id", CLIENT)],
        &[("client_id", CLIENT), ("client_secret", "")],
        &[("client_id", CLIENT), ("client_secret", "wrong")],
        &[("client_id", "WEB"), ("client_secret", SECRET)],
        &[("client_id", "nobody"), ("client_secret", SECRET)],
        &[("client_id", "no body"), ("client_secret", SECRET)],
        &[("client_id", CLIENT), ("client_assertion", "x"), ("client_assertion_type", "y")],
        &[("client_id", PUBLIC), ("client_secret", SECRET)],
    ] {
        let response = provider.ask(None, credentials).await;
        assert_eq!((response.status, response.error().as_str()), (400, "invalid_client"), "{credentials:?}");
        assert_eq!(response.header("www-authenticate"), None, "{credentials:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn rfc6749_5_2_an_unknown_client_is_answered_like_a_wrong_secret() {
    let provider = Provider::start().await;
    let in_body = [
        provider.ask(None, &[("client_id", CLIENT), ("client_secret", "wrong")]).await,
        provider.ask(None, &[("client_id", "nobody"), ("client_secret", "wrong")]).await,
        provider.ask(None, &[("client_id", CLIENT)]).await,
        provider.ask(None, &[("client_id", "nobody")]).await,
    ];
    let by_header = [
        provider.ask(Some(&basic(CLIENT, "wrong")), &[]).await,
        provider.ask(Some(&basic("nobody", "wrong")), &[]).await,
    ];
    for answers in [&in_body[..], &by_header] {
        for answer in answers {
            assert_eq!((answer.status, &answer.body), (answers[0].status, &answers[0].body));
            let names = |response: &Response| response.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(names(answer), names(&answers[0]));
        }
    }
}

#[tokio::test]
async fn rfc6749_2_3_one_way_to_authenticate_at_a_time() {
    let provider = Provider::start().await;
    let header = basic(CLIENT, SECRET);
    let two_headers = [("authorization", header.as_str()), ("authorization", header.as_str())];
    for response in [
        provider.ask(Some(&header), &[("client_id", CLIENT), ("client_secret", SECRET)]).await,
        provider.ask(Some(&header), &[("client_secret", SECRET)]).await,
        provider.ask(Some(&header), &[("client_id", OTHER)]).await,
        provider.ask(None, &[("client_id", CLIENT), ("client_id", CLIENT), ("client_secret", SECRET)]).await,
        provider.ask(None, &[("client_id", CLIENT), ("client_secret", SECRET), ("client_secret", SECRET)]).await,
        provider.post("/token", &two_headers, &ASK).await,
        provider.ask(Some("Basic"), &[]).await,
    ] {
        assert_eq!((response.status, response.error().as_str()), (400, "invalid_request"), "{response:?}");
    }
}

#[tokio::test]
async fn rfc6749_2_1_a_public_client_names_itself_and_has_nothing_to_prove() {
    let provider = Provider::start().await;
    assert_recognised(&provider.ask(None, &[("client_id", PUBLIC)]).await);
    assert_recognised(&provider.ask(None, &[("client_id", PUBLIC), ("client_secret", "")]).await);
    assert_recognised(&provider.ask(Some(&basic(PUBLIC, "")), &[]).await);
    let changes = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = provider.browser().code(ADA, &request(&changes)).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let refused = provider.token(PUBLIC, SECRET, &form).await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_client"), "it has no secret to send");
    assert_eq!(provider.token(PUBLIC, "", &form).await.tokens().token_type, "Bearer");
}

#[tokio::test]
async fn a_changed_secret_is_the_one_that_counts_from_the_next_request_on() {
    let provider = Provider::start().await;
    let fresh = "another secret of more than thirty-two bytes";
    provider.change_client(CLIENT, |client| client.secret = Some(Secret::new(fresh))).await;
    assert_recognised(&provider.ask(None, &[("client_id", CLIENT), ("client_secret", fresh)]).await);
    assert_eq!(provider.ask(None, &[("client_id", CLIENT), ("client_secret", SECRET)]).await.error(), "invalid_client");
}

/// RFC 6819 section 5.1.5.8: what was bound to a client that proves who it is must not open for whoever names it.
#[tokio::test]
async fn a_client_that_changes_its_type_starts_anew() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    provider
        .administer(
            Method::Patch,
            "clients/web",
            json!({ "client_name": "The web app", "client_type": "confidential" }),
        )
        .await;
    let tokens = provider.refresh(tokens.refresh()).await.tokens();
    provider.administer(Method::Patch, "clients/web", json!({ "client_type": "public" })).await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    assert_eq!(provider.token(CLIENT, "", &refresh).await.error(), "invalid_grant");
    let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    assert_eq!(provider.token(CLIENT, "", &redeem).await.error(), "invalid_grant");
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);

    let again = provider.administer(Method::Patch, "clients/web", json!({ "client_type": "confidential" })).await;
    let secret = again["client_secret"].as_str().unwrap();
    assert_eq!(provider.token(CLIENT, secret, &refresh).await.error(), "invalid_grant");
    let code = provider.browser().code(ADA, &request(&[])).await;
    let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    provider.token(CLIENT, secret, &redeem).await.tokens();
}

/// RFC 6819 section 5.2.3.6.
#[tokio::test]
async fn a_leaked_secret_can_be_rotated_with_its_tokens() {
    let provider = Provider::start().await;
    let tokens = provider.tokens("openid").await;
    let kept = json!({ "client_secret": SECRET });
    provider.administer(Method::Post, "clients/web/secret", kept).await;
    let tokens = provider.refresh(tokens.refresh()).await.tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200, "unless it is said they stay");
    let code = provider.browser().code(ADA, &request(&[])).await;
    provider
        .administer(Method::Post, "clients/web/secret", json!({ "client_secret": SECRET, "end_tokens": true }))
        .await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
    assert_eq!(provider.redeem(&code).await.error(), "invalid_grant");
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    assert!(browser.log_in(&login, ADA, PASSWORD).await.has_id("consent-allow"), "and so do its consents");
}
