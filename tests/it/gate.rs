//! What access tokens open beyond the provider: the guard of a program's own resources, and the answer for reverse proxies.

use hallpass::model::client::GrantType;
use hallpass::model::scope::Scope;
use hallpass::settings::{Settings, Sources};
use hallpass::{Guard, Introspection, Refusal};
use hyper::Request;

use crate::harness::*;

const MACHINE: &str = "machine";

/// With a machine that gets tokens for itself, and may ask about those of [`CLIENT`].
async fn start(settings: &[(&str, &str)]) -> Provider {
    let provider = Provider::start_with(settings).await;
    let mut machine = confidential(MACHINE);
    machine.grant_types.push(GrantType::ClientCredentials);
    machine.scope = Scope::parse("read write token_introspection web");
    provider.add_client(machine).await;
    provider
}

async fn machine_token(provider: &Provider, scope: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", scope)];
    provider.token(MACHINE, SECRET, &form).await.tokens().access_token
}

fn with(header: &str) -> Request<()> {
    Request::get("https://api.example/books?access_token=x").header("authorization", header).body(()).unwrap()
}

fn bearing(token: &str) -> Request<()> {
    with(&format!("Bearer {token}"))
}

/// Status and challenge, which a response has too.
#[track_caller]
fn told(refusal: Refusal) -> (u16, String) {
    let challenge = refusal.challenge().map(ToOwned::to_owned).unwrap_or_default();
    let response = refusal.into_response();
    let header = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap()).unwrap_or_default();
    assert_eq!(header, challenge);
    assert_eq!(response.headers()["cache-control"], "no-store");
    (response.status().as_u16(), challenge)
}

/// What every guard does, wherever it asks.
async fn assert_guards(provider: &Provider, guard: impl Fn(&str) -> Guard) {
    let issuer = &provider.issuer;
    let token = provider.tokens("openid email").await.access_token;
    let access = guard("openid email").check(&bearing(&token)).await.unwrap();
    assert_eq!(access.subject.as_deref(), Some("id-of-ada"));
    assert_eq!((access.username.as_deref(), access.client_id.as_str()), (Some(ADA), CLIENT));
    assert_eq!(access.scope.to_string(), "openid email");
    assert!(access.expires_at > START);

    let machine = machine_token(provider, "read").await;
    let access = guard("read").check(&bearing(&machine)).await.unwrap();
    assert_eq!((access.subject, access.username, access.client_id.as_str()), (None, None, MACHINE));

    let (status, challenge) = told(guard("openid phone").check(&bearing(&token)).await.unwrap_err());
    assert_eq!(status, 403);
    assert!(challenge.starts_with(&format!("Bearer realm=\"{issuer}\", error=\"insufficient_scope\"")), "{challenge}");
    assert!(challenge.ends_with(", scope=\"openid phone\""), "{challenge}");

    let refresh = provider.tokens("openid offline_access").await;
    for wrong in ["x", "hpa_x", &token[1..], &format!("{token}x"), refresh.refresh(), &"a".repeat(5000)] {
        let (status, challenge) = told(guard("openid").check(&bearing(wrong)).await.unwrap_err());
        assert_eq!(status, 401, "{wrong}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    for none in ["Basic eDp5", "Digest x"] {
        let (status, challenge) = told(guard("openid").check(&with(none)).await.unwrap_err());
        assert_eq!((status, challenge), (401, format!("Bearer realm=\"{issuer}\", scope=\"openid\"")), "{none}");
    }
    let mut twice = bearing(&token);
    twice.headers_mut().append("authorization", format!("Bearer {token}").parse().unwrap());
    for malformed in [twice, with("Bearer"), with("Bearer  ")] {
        let (status, challenge) = told(guard("openid").check(&malformed).await.unwrap_err());
        assert_eq!(status, 400);
        assert!(challenge.contains("error=\"invalid_request\""), "{challenge}");
    }
}

#[tokio::test]
async fn rfc6750_3_a_guard_in_process_lets_through_what_is_good_for_all_of_its_scope() {
    let provider = start(&[]).await;
    assert_guards(&provider, |scope| Guard::new(provider.app.clone(), scope)).await;
    let guard = Guard::new(provider.app.clone(), "openid");
    let tokens = provider.tokens("openid").await;
    assert!(guard.check(&bearing(&tokens.access_token)).await.is_ok());
    provider.change_user(ADA, |user| user.enabled = false).await;
    assert_eq!(told(guard.check(&bearing(&tokens.access_token)).await.unwrap_err()).0, 401, "at once");
}

#[tokio::test]
async fn rfc7662_2_a_guard_elsewhere_asks_the_provider() {
    let provider = start(&[("introspection.include_scope", "true")]).await;
    let introspection = Introspection::new(&provider.issuer, MACHINE, SECRET).unwrap();
    assert_guards(&provider, |scope| introspection.guard(scope)).await;

    let tokens = provider.tokens("openid").await;
    let guard = introspection.guard("openid");
    assert!(guard.check(&bearing(&tokens.access_token)).await.is_ok());
    let wrong = Introspection::new(&provider.issuer, MACHINE, "a wrong secret").unwrap();
    let (status, challenge) = told(wrong.guard("openid").check(&bearing(&tokens.access_token)).await.unwrap_err());
    assert_eq!((status, challenge.as_str()), (503, ""), "that is no fault of the client's");
    provider.stop().await;
    assert!(guard.check(&bearing(&tokens.access_token)).await.is_ok(), "it was known a moment ago");
    assert_eq!(told(guard.check(&bearing(&format!("{}x", tokens.access_token))).await.unwrap_err()).0, 503);
}

#[tokio::test]
async fn rfc7662_2_2_a_provider_that_does_not_tell_the_scope_opens_nothing() {
    let provider = start(&[]).await;
    let guard = Introspection::new(&provider.issuer, MACHINE, SECRET).unwrap().guard("openid");
    let token = provider.tokens("openid").await.access_token;
    assert_eq!(told(guard.check(&bearing(&token)).await.unwrap_err()).0, 403);
}

#[tokio::test]
async fn rfc6750_2_a_guard_takes_tokens_from_a_form_or_the_query_only_where_it_is_asked_to() {
    let provider = start(&[]).await;
    let token = provider.tokens("openid").await.access_token;
    let guard = Guard::new(provider.app.clone(), "openid");
    let request = |method: &str, query: &str, kind: &str| {
        let uri = format!("https://api.example/books{query}");
        Request::builder().method(method).uri(uri).header("content-type", kind).body(()).unwrap()
    };
    let (form, body) = ("application/x-www-form-urlencoded; charset=utf-8", format!("access_token={token}"));
    let query = format!("?access_token={token}");
    let body = body.as_bytes();
    assert!(guard.check_with_form(&request("POST", "", form), body).await.is_ok());
    assert!(guard.clone().with_query_token().check(&request("GET", &query, form)).await.is_ok());
    for (request, body) in [
        (request("GET", "", form), body),
        (request("POST", "", "text/plain"), body),
        (request("POST", &query, form), b"".as_slice()),
    ] {
        assert_eq!(told(guard.check_with_form(&request, body).await.unwrap_err()).0, 401, "{request:?}");
    }
    assert_eq!(told(guard.check(&request("POST", "", form)).await.unwrap_err()).0, 401);
    let both = guard.with_query_token();
    assert_eq!(told(both.check_with_form(&request("POST", &query, form), body).await.unwrap_err()).0, 400);
}

const PROXIED: [(&str, &str); 2] = [("forward_auth.enabled", "true"), ("http.trusted_proxies", "127.0.0.1")];

async fn ask(provider: &Provider, method: &str, query: &str, headers: &[(&str, &str)]) -> Response {
    exchange(method, &format!("{}/forward-auth{query}", provider.issuer), headers, None).await
}

#[tokio::test]
async fn a_proxy_is_told_whose_request_may_pass() {
    let provider = start(&PROXIED).await;
    let tokens = provider.tokens("openid email").await;
    let bearer = format!("Bearer {}", tokens.access_token);
    for (method, query) in [("GET", "?scope=openid"), ("HEAD", "?scope=email+openid"), ("GET", "?scope=email&x=y")] {
        let response = ask(&provider, method, query, &[("authorization", &bearer)]).await;
        assert_eq!((response.status, response.body.as_str()), (200, ""), "{query}");
        let header = |name: &str| response.header(name).unwrap();
        assert_eq!((header("x-auth-subject"), header("x-auth-username")), ("id-of-ada", ADA));
        assert_eq!((header("x-auth-client"), header("x-auth-scope")), (CLIENT, "openid email"));
        assert_eq!(header("cache-control"), "no-store");
    }
    let machine = format!("Bearer {}", machine_token(&provider, "read").await);
    let response = ask(&provider, "GET", "?scope=read", &[("authorization", &machine)]).await;
    assert_eq!((response.header("x-auth-subject"), response.header("x-auth-client")), (Some(""), Some(MACHINE)));

    let refused = ask(&provider, "GET", "?scope=openid+phone", &[("authorization", &bearer)]).await;
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.ends_with("scope=\"openid phone\""), "{challenge}");
    assert_eq!(refused.header("x-auth-subject"), None);
    let nobody = ask(&provider, "GET", "?scope=openid", &[]).await;
    assert_eq!(nobody.status, 401);
    let expected = format!("Bearer realm=\"{}\", scope=\"openid\"", provider.issuer);
    assert_eq!(nobody.header("www-authenticate"), Some(expected.as_str()));
    for wrong in ["Bearer x", "Bearer", "Bearer  ", "nonsense"] {
        let response = ask(&provider, "GET", "?scope=openid", &[("authorization", wrong)]).await;
        assert_eq!(response.status, 401, "{wrong}");
        assert!(response.header("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{wrong}");
    }
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(ask(&provider, "GET", "?scope=openid", &twice).await.status, 401, "which one counts?");
}

#[tokio::test]
async fn no_client_behind_a_proxy_can_lower_what_it_demands() {
    let provider = start(&PROXIED).await;
    let token = provider.tokens("openid").await.access_token;
    let bearer = format!("Bearer {token}");
    // What a client can add: a header of any name, and, where the proxy passes it on, a query.
    let headers = [
        ("x-forwarded-uri", "/?scope=openid"),
        ("x-original-uri", "/forward-auth?scope=openid"),
        ("x-original-url", "/forward-auth?scope=openid"),
        ("x-rewrite-url", "/forward-auth?scope=openid"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-http-method-override", "OPTIONS"),
        ("x-auth-scope", "phone"),
        ("x-auth-request-scope", "openid"),
        ("scope", "openid"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("cookie", "scope=openid"),
    ];
    for header in headers {
        let response = ask(&provider, "GET", "?scope=phone", &[("authorization", &bearer), header]).await;
        assert_eq!(response.status, 403, "{header:?}");
    }
    for added in [
        "&scope=openid",
        "&scope=",
        "&%73cope=openid",
        "?scope=openid",
        "&scope=openid&scope=openid",
        "%26scope=openid",
    ] {
        for query in [format!("?scope=phone{added}"), format!("?{}&scope=phone", added.trim_start_matches('&'))] {
            let response = ask(&provider, "GET", &query, &[("authorization", &bearer)]).await;
            assert_eq!(response.status, 403, "{query}");
        }
    }
    // A demand that got lost opens nothing.
    for query in [
        "",
        "?",
        "?scope=",
        "?scope=+",
        "?scope",
        "?Scope=openid",
        "?scope[]=openid",
        "?scope=%00",
        "?scope=%ff",
        "?scope=openid%22",
    ] {
        let response = ask(&provider, "GET", query, &[("authorization", &bearer)]).await;
        assert_eq!(response.status, 403, "{query}");
    }
    // Any success would be taken for a yes.
    for method in ["OPTIONS", "POST", "PUT", "DELETE", "PATCH"] {
        let preflight = [
            ("authorization", bearer.as_str()),
            ("origin", "https://app.example"),
            ("access-control-request-method", "GET"),
        ];
        let response = ask(&provider, method, "?scope=openid", &preflight).await;
        assert_eq!(response.status, 405, "{method}");
    }
}

#[tokio::test]
async fn only_trusted_proxies_are_told_anything_and_only_where_it_is_switched_on() {
    let provider = start(&[]).await;
    let bearer = format!("Bearer {}", provider.tokens("openid").await.access_token);
    assert_eq!(ask(&provider, "GET", "?scope=openid", &[("authorization", &bearer)]).await.status, 404);
    let provider = start(&[PROXIED[0], ("http.trusted_proxies", "192.0.2.0/24")]).await;
    let bearer = format!("Bearer {}", provider.tokens("openid").await.access_token);
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(ask(&provider, "GET", "?scope=openid", &headers).await.status, 403);
}

#[test]
fn forward_auth_that_could_answer_nobody_is_refused_at_the_start() {
    let sources = Sources::default().set("issuer", "https://id.example").set("forward_auth.enabled", "true");
    let error = Settings::load(&sources).unwrap_err().to_string();
    assert!(error.contains("http.trusted_proxies"), "{error}");
    assert!(Settings::load(&sources.set("http.trusted_proxies", "10.0.0.1")).is_ok());
}
