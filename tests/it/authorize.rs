//! The authorization endpoint: what it takes, what it refuses, and where its answers go.

use std::time::Duration;

use hallpass::base::form;
use hallpass::model::client::{GrantType, ResponseType};
use hallpass::model::scope::Scope;

use crate::harness::*;

/// The longest state that the conformance suite sends, with every unreserved special at its end.
fn long_state() -> String {
    format!("{}-._~", &"aZ3kQ9xP".repeat(16)[..124])
}

/// An ordinary request with this parameter in it once more.
fn twice<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    [request(&[]), vec![(name, value)]].concat()
}

/// A request of [`PUBLIC`].
fn public_request<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let public = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    request(&[&public, changes].concat())
}

/// What a browser that nobody has used yet gets for a request.
async fn answer(provider: &Provider, parameters: &[(&str, &str)]) -> Answer {
    Answer::of(&provider.browser().authorize(parameters).await)
}

/// What it gets when Ada logs in and agrees.
async fn success(provider: &Provider, parameters: &[(&str, &str)]) -> Answer {
    let answer = Answer::of(&provider.browser().complete(ADA, parameters).await);
    assert_eq!(answer.get("error"), None, "{answer:?}");
    assert_eq!(answer.code().len(), 68);
    answer
}

/// RFC 6749 section 4.1.2.1: a page for the user, and no way to the client.
#[track_caller]
fn is_page(response: &Response, code: &str) {
    assert_eq!((response.status, response.header("location")), (400, None), "{response:?}");
    assert!(response.header("content-type").unwrap().starts_with("text/html"));
    assert!(response.has_id("error-page") && !response.has_id("form-post"));
    assert_eq!(response.text_of("error-code"), code, "{}", response.body);
    assert!(!response.text_of("error-description").is_empty());
}

#[tokio::test]
async fn rfc6749_4_1_2_1_without_a_proven_client_and_redirect_uri_there_is_a_page_and_no_redirect() {
    let provider = Provider::start().await;
    let long = "x".repeat(300);
    let unknown = "There is no application with this client_id.";
    for (parameters, code, phrase) in [
        (vec![], "invalid_request", "The parameter client_id is missing."),
        (request(&[("client_id", "")]), "invalid_request", "The parameter client_id is missing."),
        (twice("client_id", CLIENT), "invalid_request", "The parameter client_id came more than once."),
        (request(&[("client_id", "nobody")]), "invalid_client", unknown),
        (request(&[("client_id", "WEB")]), "invalid_client", unknown),
        (request(&[("client_id", &long)]), "invalid_client", unknown),
        (request(&[("redirect_uri", "")]), "invalid_request", "The parameter redirect_uri is missing."),
        (twice("redirect_uri", REDIRECT), "invalid_request", "The parameter redirect_uri came more than once."),
        (
            request(&[("redirect_uri", "https://evil.example/cb"), ("response_mode", "form_post")]),
            "invalid_request",
            "This redirect_uri is not registered for the application.",
        ),
    ] {
        let by_get = provider.browser().authorize(&parameters).await;
        let by_post = provider.browser().post("/authorize", &parameters).await;
        for page in [by_get, by_post] {
            is_page(&page, code);
            assert_eq!(page.text_of("error-description"), phrase);
            assert!(!page.body.contains("evil.example"), "an unproven address isn't even a link");
        }
    }
}

#[tokio::test]
async fn rfc9700_2_1_redirect_uris_are_compared_as_text() {
    let provider = Provider::start().await;
    for other in [
        "https://app.example/callback/",
        "https://app.example/callback/x7Jq2",
        "https://app.example/callback?foo=bar",
        "https://app.example/callback?",
        "https://app.example/callback#",
        "https://app.example/CALLBACK",
        "https://APP.example/callback",
        "https://app.example:443/callback",
        "http://app.example/callback",
        "https://app.example/x/../callback",
        "https://app.example/callback%00",
        "https://app.example@evil.example/callback",
        "https://user@app.example/callback",
        "https://app.example/callbac",
        " https://app.example/callback",
        "//app.example/callback",
        "/callback",
        "javascript:alert(1)",
    ] {
        is_page(&provider.browser().authorize(&request(&[("redirect_uri", other)])).await, "invalid_request");
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_a_missing_or_unsupported_response_type_is_told_to_the_client() {
    let provider = Provider::start().await;
    let state = long_state();
    for (response_type, error, mode) in [
        ("", "invalid_request", Mode::Query),
        ("nonsense", "unsupported_response_type", Mode::Query),
        ("code code", "unsupported_response_type", Mode::Query),
        ("code none", "unsupported_response_type", Mode::Query),
        ("none", "unauthorized_client", Mode::Query),
        ("id_token", "unauthorized_client", Mode::Fragment),
        ("token", "unauthorized_client", Mode::Fragment),
        ("code id_token", "unauthorized_client", Mode::Fragment),
        ("token id_token code", "unauthorized_client", Mode::Fragment),
    ] {
        let answer = answer(&provider, &request(&[("response_type", response_type), ("state", &state)])).await;
        assert_eq!((answer.error(), answer.mode), (error, mode), "{response_type}");
        assert_eq!(answer.get("state"), Some(state.as_str()));
        assert_eq!(answer.names(), ["error", "error_description", "state", "iss"]);
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_a_client_uses_only_what_it_is_registered_for() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.response_types = vec![ResponseType::ID_TOKEN]).await;
    for scope in ["openid", "email", ""] {
        let refused = answer(&provider, &request(&[("scope", scope)])).await;
        assert_eq!(refused.error(), "unauthorized_client", "with openid or without: {scope:?}");
    }
    provider.change_client(CLIENT, |client| client.response_types = vec![ResponseType::CODE]).await;
    provider.change_client(CLIENT, |client| client.grant_types = vec![GrantType::RefreshToken]).await;
    assert_eq!(answer(&provider, &request(&[])).await.error(), "unauthorized_client");
}

#[tokio::test]
async fn rfc6749_4_1_2_state_comes_back_byte_for_byte_in_every_mode() {
    let provider = Provider::start().await;
    for state in [
        long_state().as_str(),
        "a b+c%20d&code=stolen#fragment?x=1;y",
        "\r\nLocation: https://evil.example/\r\n\r\n<script>alert(1)</script>",
        "\"'<>&amp;\\\u{7f}\t",
        "état ✓ 🎫",
        "%2526+%2B",
    ] {
        for mode in ["query", "fragment", "form_post"] {
            let parameters = request(&[("state", state), ("response_mode", mode)]);
            assert_eq!(success(&provider, &parameters).await.get("state"), Some(state), "{mode}");
            let silent = request(&[("state", state), ("response_mode", mode), ("prompt", "none")]);
            let response = provider.browser().authorize(&silent).await;
            let refused = Answer::of(&response);
            assert_eq!((refused.error(), refused.get("state")), ("login_required", Some(state)), "{mode}");
            let lines = response.headers.get_all("location").iter().count();
            assert_eq!(lines, usize::from(mode != "form_post"), "no header line of the client's");
            assert!(!response.body.contains("<script>alert"), "no element of the client's");
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_state_comes_back_only_when_it_was_sent_and_is_one() {
    let provider = Provider::start().await;
    assert_eq!(success(&provider, &request(&[("state", "")])).await.names(), ["code", "iss"]);
    let empty = [request(&[("state", "")]), vec![("state", "")]].concat();
    assert_eq!(success(&provider, &empty).await.names(), ["code", "iss"]);
    let two = answer(&provider, &twice("state", "other")).await;
    assert_eq!((two.error(), two.get("state")), ("invalid_request", None), "which of them is meant?");
    let (longest, too_long) = ("x".repeat(8192), "x".repeat(8193));
    let refused = answer(&provider, &request(&[("state", &too_long)])).await;
    assert_eq!((refused.error(), refused.get("state")), ("invalid_request", None));
    assert_eq!(success(&provider, &request(&[("state", &longest)])).await.get("state"), Some(longest.as_str()));
}

#[tokio::test]
async fn rfc9207_2_every_response_names_its_issuer() {
    let provider = Provider::start_with(&[("issuer", "http://127.0.0.1:{port}/idp")]).await;
    assert!(provider.issuer.ends_with("/idp"));
    for mode in ["query", "fragment", "form_post"] {
        let mut browser = provider.browser();
        let granted = Answer::of(&browser.complete(ADA, &request(&[("response_mode", mode)])).await);
        assert_eq!((granted.get("iss"), granted.get("error")), (Some(provider.issuer.as_str()), None));
        let page = browser.authorize(&request(&[("response_mode", mode), ("prompt", "consent")])).await;
        let denied = Answer::of(&browser.decide(&page, "deny").await);
        assert_eq!((denied.error(), denied.get("iss")), ("access_denied", Some(provider.issuer.as_str())));
    }
}

#[tokio::test]
async fn rfc6749_3_1_2_the_query_of_a_redirect_uri_is_kept() {
    let provider = Provider::start().await;
    let registered = "https://app.example/callback?dummy1=lorem%20x&dummy2=&dummy3";
    provider.change_client(CLIENT, |client| client.redirect_uris.push(registered.to_owned())).await;
    for (mode, then) in [("query", "&"), ("fragment", "#"), ("form_post", "")] {
        let changes = [("redirect_uri", registered), ("response_mode", mode)];
        let silent = request(&[&changes[..], &[("prompt", "none")]].concat());
        for answer in [success(&provider, &request(&changes)).await, answer(&provider, &silent).await] {
            assert!(answer.location.starts_with(&format!("{registered}{then}")), "{}", answer.location);
            assert_eq!(answer.location.len() > registered.len(), answer.mode != Mode::FormPost);
        }
    }
}

#[tokio::test]
async fn rfc6749_3_1_unknown_parameters_are_ignored_and_repeated_ones_refused() {
    let provider = Provider::start().await;
    for name in ["extra", "pending"] {
        assert_eq!(success(&provider, &request(&[(name, "foobar")])).await.names(), ["code", "state", "iss"], "{name}");
    }
    for name in ["scope", "nonce", "response_type", "prompt", "max_age", "extra", "code_challenge", "response_mode"] {
        let parameters = [request(&[(name, "1")]), vec![(name, "1")]].concat();
        let refused = answer(&provider, &parameters).await;
        assert_eq!((refused.error(), refused.get("state")), ("invalid_request", Some("the state")), "{name}");
    }
}

#[tokio::test]
async fn rfc8707_2_resource_may_be_repeated() {
    let provider = Provider::start().await;
    let two = [request(&[("resource", "https://a.example")]), vec![("resource", "https://b.example")]].concat();
    success(&provider, &two).await;
}

#[tokio::test]
async fn rfc6749_3_1_an_empty_parameter_counts_as_omitted() {
    let provider = Provider::start().await;
    let empty = ["nonce", "prompt", "max_age", "claims", "request", "request_uri", "code_challenge", "response_mode"];
    let parameters = [request(&[]), empty.map(|name| (name, "")).to_vec()].concat();
    let code = success(&provider, &parameters).await.code().to_owned();
    let (_, claims) = provider.verify(provider.redeem(&code).await.tokens().id()).await;
    assert!(!claims.contains_key("nonce"), "{claims:?}");
}

#[tokio::test]
async fn oidc_core_3_1_2_6_request_objects_and_registration_are_refused_by_their_names() {
    let provider = Provider::start().await;
    let (state, object) = (long_state(), "eyJhbGciOiJub25lIn0.e30.");
    for (name, value, error) in [
        ("request", object, "request_not_supported"),
        ("request_uri", "https://app.example/request.jwt", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let refused = answer(&provider, &request(&[(name, value), ("state", &state)])).await;
        assert_eq!((refused.error(), refused.get("state")), (error, Some(state.as_str())));
    }
    // What is inside of an object counts for nothing, so there is nowhere to go.
    let hidden = request(&[("redirect_uri", ""), ("request", object)]);
    is_page(&provider.browser().authorize(&hidden).await, "invalid_request");
}

#[tokio::test]
async fn oidc_core_3_1_2_2_malformed_parameters_are_refused() {
    let provider = Provider::start().await;
    let mut logged_in = provider.logged_in(ADA).await;
    for (name, value, error) in [
        ("max_age", "soon", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "+1", "invalid_request"),
        ("max_age", "1.5", "invalid_request"),
        ("max_age", "99999999999999999999999", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "login none", "invalid_request"),
        ("prompt", "consent none", "invalid_request"),
        ("prompt", "none whatever", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("claims", "[]", "invalid_request"),
        ("claims", "{\"userinfo\":{\"name\":7}}", "invalid_request"),
        ("response_mode", "web_message", "invalid_request"),
        ("scope", "openid \"quoted\"", "invalid_scope"),
        ("scope", "openid \u{e9}", "invalid_scope"),
    ] {
        assert_eq!(answer(&provider, &request(&[(name, value)])).await.error(), error, "{name}={value}");
        let known = Answer::of(&logged_in.authorize(&request(&[(name, value)])).await);
        assert_eq!(known.error(), error, "{name}={value}, whoever is logged in");
    }
    for (name, length) in [("nonce", 2049), ("scope", 4097), ("claims", 8193), ("login_hint", 1025)] {
        let long = "x".repeat(length);
        assert_eq!(answer(&provider, &request(&[(name, &long)])).await.error(), "invalid_request", "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_as_parameters_gets_a_page() {
    let provider = Provider::start().await;
    let query = form::render(request(&[]));
    let many: String = (0..201).map(|number| format!("&p{number}=1")).collect();
    for query in [format!("{query}&bad=%ff"), format!("{query}{many}")] {
        is_page(&provider.get(&format!("/authorize?{query}")).await, "invalid_request");
    }
    let url = format!("{}/authorize", provider.issuer);
    let headers = [("content-type", "application/json")];
    assert_eq!(exchange("POST", &url, &headers, Some(b"{}".to_vec())).await.status, 415);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_request_may_be_posted_and_goes_on_as_a_get() {
    let provider = Provider::start().await;
    let state = long_state();
    let parameters = request(&[("login_hint", "ada@ada.example"), ("state", &state)]);
    // As another site's page sends it: from elsewhere, and without the cookies of the browser.
    let response = provider.post("/authorize", &[("origin", "https://app.example")], &parameters).await;
    assert_eq!(response.status, 303);
    let location = response.location().to_owned();
    assert!(location.starts_with("/authorize?pending="), "{location}");
    assert!(
        !location.contains("aZ3kQ9xP") && !location.contains("ada.example"),
        "what was in a body stays out of addresses"
    );
    let mut browser = provider.browser();
    let page = browser.get(&location).await;
    assert_eq!(page.field("username"), "ada@ada.example");
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    let granted = Answer::of(&browser.decide(&page, "allow").await);
    assert_eq!(granted.get("state"), Some(state.as_str()));
    provider.redeem(granted.code()).await.tokens();
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_posted_request_of_a_logged_in_user_needs_no_page() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    Answer::of(&browser.post("/authorize", &request(&[("prompt", "none")])).await).code();
}

#[tokio::test]
async fn a_posted_request_is_sealed_and_does_not_last() {
    let provider = Provider::start().await;
    let location = provider.post("/authorize", &[], &request(&[])).await.location().to_owned();
    let start = "/authorize?pending=".len();
    for at in [start, start + 1, location.len() / 2, location.len() - 2] {
        let other = if location.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &location[..at], &location[at + 1..]);
        is_page(&provider.get(&changed).await, "invalid_request");
    }
    provider.pass(Duration::from_secs(60 * 60 - 1));
    assert!(provider.browser().get(&location).await.has_id("login-submit"));
    provider.pass(Duration::from_secs(1));
    is_page(&provider.get(&location).await, "invalid_request");
}

#[tokio::test]
async fn multiple_response_types_2_1_answers_stand_where_the_client_wants_them() {
    let provider = Provider::start().await;
    for (name, mode) in [("query", Mode::Query), ("fragment", Mode::Fragment), ("form_post", Mode::FormPost)] {
        assert_eq!(success(&provider, &request(&[("response_mode", name)])).await.mode, mode);
        for (change, error) in [
            (("prompt", "none"), "login_required"),
            (("response_type", ""), "invalid_request"),
            (("request", "x"), "request_not_supported"),
        ] {
            let refused = answer(&provider, &request(&[("response_mode", name), change])).await;
            assert_eq!((refused.error(), refused.mode), (error, mode));
            assert_eq!(refused.get("state"), Some("the state"));
        }
    }
}

#[tokio::test]
async fn form_post_2_the_page_posts_to_the_client_and_is_kept_by_nobody() {
    let provider = Provider::start().await;
    let page = provider.browser().complete(ADA, &request(&[("response_mode", "form_post")])).await;
    let answer = Answer::of(&page);
    assert_eq!((answer.location.as_str(), answer.names()), (REDIRECT, vec!["code", "state", "iss"]));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("form-action"), "browsers would hold it against the client's address: {policy}");
    assert!(page.body.contains("<noscript>") && !page.body.contains("onload="));
}

#[tokio::test]
async fn rfc8252_7_3_a_loopback_redirect_uri_may_have_any_port() {
    let provider = Provider::start().await;
    let registered = ["http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost:3000/cb", "https://localhost/cb"];
    provider.change_client(CLIENT, |client| client.redirect_uris = registered.map(str::to_owned).to_vec()).await;
    let redeem = async |code: &str, redirect_uri: &str| {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        provider.token(CLIENT, SECRET, &form).await
    };
    for allowed in ["http://127.0.0.1:51004/cb", "http://[::1]:51004/cb", "http://localhost/cb", "http://127.0.0.1/cb"]
    {
        let answer = success(&provider, &request(&[("redirect_uri", allowed)])).await;
        assert!(answer.location.starts_with(&format!("{allowed}?code=")), "{}", answer.location);
        let other = redeem(answer.code(), "http://127.0.0.1:2/cb").await;
        assert_eq!(other.error(), "invalid_grant", "the code is bound to the very port");
        redeem(answer.code(), allowed).await.tokens();
    }
    for refused in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2/cb",
        "https://localhost:8443/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:99999/cb",
        "http://localhost@evil.example/cb",
    ] {
        is_page(&provider.browser().authorize(&request(&[("redirect_uri", refused)])).await, "invalid_request");
    }
}

#[tokio::test]
async fn rfc7636_4_4_1_public_clients_use_pkce_and_confidential_ones_may() {
    let provider = Provider::start().await;
    success(&provider, &public_request(&[])).await;
    let without = public_request(&[("code_challenge", ""), ("code_challenge_method", "")]);
    assert_eq!(answer(&provider, &without).await.error(), "invalid_request");
    let with = request(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    success(&provider, &request(&[])).await;
    success(&provider, &with).await;
    provider.change_client(CLIENT, |client| client.require_pkce = true).await;
    assert_eq!(answer(&provider, &request(&[])).await.error(), "invalid_request");
    success(&provider, &with).await;
}

#[tokio::test]
async fn rfc7636_4_3_challenges_are_s256_unless_the_settings_allow_plain() {
    let strict = Provider::start().await;
    let odd = "not base64url, but of 43 characters: +/=+/=";
    for (challenge, method) in [
        (CHALLENGE, "plain"),
        (CHALLENGE, ""),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S512"),
        (&CHALLENGE[..42], "S256"),
        (odd, "S256"),
        ("", "S256"),
    ] {
        let parameters = request(&[("code_challenge", challenge), ("code_challenge_method", method)]);
        assert_eq!(answer(&strict, &parameters).await.error(), "invalid_request", "{challenge} {method}");
    }
    let lenient = Provider::start_with(&[("pkce.plain", "true")]).await;
    for method in ["plain", ""] {
        let parameters = request(&[("code_challenge", VERIFIER), ("code_challenge_method", method)]);
        let code = success(&lenient, &parameters).await.code().to_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        lenient.token(CLIENT, SECRET, &form).await.tokens();
    }
}

#[tokio::test]
async fn rfc6749_3_3_unknown_scopes_are_ignored_and_the_granted_ones_told() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.scope = Scope::parse("read:books")).await;
    let tokens = provider.tokens("email unknown openid read:books write:books profile").await;
    assert_eq!(tokens.scope.as_deref(), Some("email openid read:books profile"));
    provider.change_client(CLIENT, |client| client.scope = Scope::empty()).await;
    assert_eq!(provider.tokens("openid read:books").await.scope.as_deref(), Some("openid"), "not on its list any more");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_without_openid_it_is_plain_oauth() {
    let provider = Provider::start().await;
    for scope in ["email", ""] {
        let code = success(&provider, &request(&[("scope", scope)])).await.code().to_owned();
        let tokens = provider.redeem(&code).await.tokens();
        assert_eq!(tokens.id_token, None);
        assert_eq!(provider.userinfo(&tokens.access_token).await.status, 403);
    }
}

#[tokio::test]
async fn rfc6749_10_10_codes_are_long_and_random() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let mut random_parts = std::collections::HashSet::new();
    for _ in 0..8 {
        let code = browser.code(ADA, &request(&[])).await;
        assert!(code.len() == 68 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        random_parts.insert(code[26..].to_owned());
    }
    assert_eq!(random_parts.len(), 8);
}

#[tokio::test]
async fn rfc9110_9_3_2_a_head_request_issues_nothing() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let url = format!("{}/authorize?{}", provider.issuer, form::render(request(&[])));
    let response = browser.send("HEAD", &url, &[], None).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, POST, OPTIONS")));
    assert_eq!(response.header("location"), None);
}

#[tokio::test]
async fn rfc6749_4_1_2_1_answers_go_where_the_client_is_registered_by_then() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    provider.change_client(CLIENT, |client| client.redirect_uris = vec!["https://app.example/new".to_owned()]).await;
    is_page(&browser.log_in(&login, ADA, PASSWORD).await, "invalid_request");
}
