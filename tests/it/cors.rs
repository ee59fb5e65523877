//! What scripts of other origins may read (Fetch section 3.3, "CORS protocol").

use hallpass::admin::Method;
use serde_json::{Value, json};

use crate::harness::*;

const APP: &str = "https://app.example";
const PUBLIC_DOCUMENTS: [&str; 2] = ["/.well-known/openid-configuration", "/jwks"];
const GUARDED: [(&str, &str); 3] = [("POST", "/token"), ("GET", "/userinfo"), ("POST", "/revoke")];

impl Provider {
    /// A request of a script of this origin.
    async fn script(&self, origin: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut all = vec![("origin", origin)];
        all.extend_from_slice(headers);
        let response = exchange(method, &format!("{}{path}", self.issuer), &all, None).await;
        assert_eq!(response.header("access-control-allow-credentials"), None, "{method} {path}");
        response
    }

    async fn preflight(&self, origin: &str, method: &str, path: &str) -> Response {
        let headers = [
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization, content-type"),
        ];
        let response = self.script(origin, "OPTIONS", path, &headers).await;
        assert_eq!((response.status, response.body.as_str()), (204, ""), "{path}");
        response
    }

    /// Whether scripts of this origin may read what the token, userinfo and revocation endpoints say.
    async fn lets(&self, origin: &str) -> bool {
        let mut allowed = Vec::new();
        for (method, path) in GUARDED {
            for response in [self.script(origin, method, path, &[]).await, self.preflight(origin, method, path).await] {
                let echoed = response.header("access-control-allow-origin");
                assert!(echoed.is_none_or(|echoed| echoed == origin), "{origin}: {response:?}");
                assert_eq!(response.header("vary"), Some("Origin"), "{response:?}");
                allowed.push(echoed.is_some());
            }
        }
        assert!(allowed.iter().all(|one| *one == allowed[0]), "{origin}: {allowed:?}");
        allowed[0]
    }
}

fn allow_origin(response: &Response) -> Option<&str> {
    response.header("access-control-allow-origin")
}

#[tokio::test]
async fn fetch_3_3_public_documents_are_for_every_script() {
    let provider = Provider::start().await;
    for path in PUBLIC_DOCUMENTS {
        for origin in [APP, "https://evil.example", "null"] {
            let response = provider.script(origin, "GET", path, &[]).await;
            assert_eq!((response.status, allow_origin(&response)), (200, Some("*")), "{path} {origin}");
            assert_eq!(allow_origin(&provider.preflight(origin, "GET", path).await), Some("*"));
        }
        assert_eq!(allow_origin(&provider.get(path).await), Some("*"), "caches keep one answer for all");
    }
}

#[tokio::test]
async fn fetch_3_3_registered_origins_are_echoed_and_others_get_nothing() {
    let provider = Provider::start().await;
    for origin in [APP, "http://127.0.0.1", "http://127.0.0.1:5173", "http://127.0.0.1:65535"] {
        assert!(provider.lets(origin).await, "{origin}");
    }
    for origin in [
        "null",
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://sub.app.example",
        "https://app.example.evil.example",
        "https://app.example/",
        "https://APP.example",
        "http://localhost:5173",
        "https://127.0.0.1:5173",
        "http://127.0.0.1:5173/",
        "http://127.0.0.1:99999",
        "http://127.0.0.1.evil.example",
        "*",
        "",
    ] {
        assert!(!provider.lets(origin).await, "{origin}");
    }
}

#[tokio::test]
async fn fetch_3_3_two_origins_are_none() {
    let provider = Provider::start().await;
    let response = provider.script(APP, "POST", "/token", &[("origin", APP)]).await;
    assert_eq!(allow_origin(&response), None);
}

#[tokio::test]
async fn fetch_3_3_a_preflight_needs_no_token_and_names_what_may_be_sent() {
    let provider = Provider::start().await;
    for (path, methods) in
        [("/token", "POST, OPTIONS"), ("/revoke", "POST, OPTIONS"), ("/userinfo", "GET, HEAD, POST, OPTIONS")]
    {
        let response = provider.preflight(APP, "POST", path).await;
        assert_eq!(response.header("access-control-allow-methods"), Some(methods));
        let allowed = response.header("access-control-allow-headers").unwrap().to_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
        assert!(response.header("access-control-max-age").is_some());
        let response = provider.preflight("https://evil.example", "POST", path).await;
        assert_eq!(response.header("access-control-allow-methods"), None);
        assert_eq!(response.header("access-control-allow-headers"), None);
    }
}

#[tokio::test]
async fn fetch_3_3_a_script_may_read_why_it_was_refused() {
    let provider = Provider::start().await;
    let url_encoded = ("content-type", "application/x-www-form-urlencoded");
    for (method, path, headers, status) in [
        ("POST", "/token", &[url_encoded][..], 400),
        ("POST", "/token", &[url_encoded, ("authorization", "Basic eDp5")], 401),
        ("POST", "/token", &[("content-type", "application/json")], 415),
        ("GET", "/token", &[], 405),
        ("POST", "/revoke", &[url_encoded], 400),
        ("GET", "/userinfo", &[], 401),
        ("GET", "/userinfo", &[("authorization", "Bearer x")], 401),
        ("GET", "/userinfo", &[("authorization", "Bearer")], 400),
        ("DELETE", "/userinfo", &[], 405),
    ] {
        let response = provider.script(APP, method, path, headers).await;
        assert_eq!((response.status, allow_origin(&response)), (status, Some(APP)), "{method} {path}");
        assert!(response.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
    }
}

#[tokio::test]
async fn fetch_3_3_an_application_in_the_browser_gets_its_tokens_and_claims() {
    let provider = Provider::start().await;
    let changes = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = provider.browser().code(ADA, &request(&changes)).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", PUBLIC),
    ];
    let response = provider.post("/token", &[("origin", APP)], &form).await;
    assert_eq!(allow_origin(&response), Some(APP));
    let bearer = format!("Bearer {}", response.tokens().access_token);
    let response = provider.script(APP, "GET", "/userinfo", &[("authorization", &bearer)]).await;
    assert_eq!((response.status, allow_origin(&response)), (200, Some(APP)));
}

#[tokio::test]
async fn pages_are_for_no_script_of_another_origin() {
    let provider = Provider::start().await;
    for path in
        ["/", "/authorize?client_id=web", "/introspect", "/login", "/consent", "/logout", "/nowhere", "/healthz"]
    {
        for method in ["GET", "OPTIONS"] {
            let headers = [("access-control-request-method", "GET")];
            let response = provider.script(APP, method, path, &headers).await;
            assert_eq!(allow_origin(&response), None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_next_request_knows_what_has_become_of_a_client() {
    let provider = Provider::start().await;
    let origin = "https://spa.example:8443";
    assert!(!provider.lets(origin).await);
    let client = json!({
        "client_id": "spa", "client_name": "SPA", "client_type": "public",
        "redirect_uris": ["https://spa.example:8443/cb", "http://[::1]/cb", "com.example.app:/cb"],
    });
    provider.administer(Method::Post, "clients", client).await;
    assert!(provider.lets(origin).await);
    assert!(provider.lets("http://[::1]:4000").await);
    provider.administer(Method::Patch, "clients/spa", json!({ "redirect_uris": ["https://spa.example/cb"] })).await;
    assert!(!provider.lets(origin).await);
    assert!(provider.lets("https://spa.example").await);
    provider.administer(Method::Delete, "clients/spa", Value::Null).await;
    assert!(!provider.lets("https://spa.example").await);
}
