//! What every answer has in common, and what bad input gets.

use std::collections::BTreeSet;

use hallpass::model::logo::Logo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::http::try_exchange;
use crate::harness::inspect::{assert_no_internals, inspect};
use crate::harness::*;

/// Every address.
const PATHS: [&str; 16] = [
    "/",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks",
    "/authorize",
    "/token",
    "/userinfo",
    "/login",
    "/consent",
    "/select-account",
    "/logout",
    "/asset/hallpass.css",
    "/client-logo/web",
    "/healthz",
    "/readyz",
    "/nothing/here",
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"];

const FORM: &str = "application/x-www-form-urlencoded";

/// Parameters that any endpoint reads.
const PARAMETERS: [&str; 28] = [
    "pending",
    "csrf",
    "decision",
    "username",
    "password",
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "display",
    "ui_locales",
    "acr_values",
    "claims",
    "id_token_hint",
    "login_hint",
    "code_challenge",
    "code_challenge_method",
    "code",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "access_token",
];

/// Values that nobody means well with.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "%00",
        "%FF%FE",
        "%",
        "%zz",
        "%0D%0Aset-cookie:%20a=b",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "'%20OR%201=1--",
        "..%2F..%2Fetc%2Fpasswd",
        "%F0%9F%92%A9",
        "-1",
        "99999999999999999999999999",
        "1e999",
        "{{7*7}}",
        "[]",
        "{",
        "%7B%22userinfo%22:%7B%22a%22:[[[[[[1]]]]]]%7D%7D",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
        "javascript:alert(1)",
        "hpc_",
        "hpc_AAAA",
        "hpr_%E2%82%AC",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    // As long as a sealed request, and of its letters.
    values.push("Ab-_".repeat(200));
    values.push("[".repeat(5000));
    values
}

#[tokio::test]
async fn csp3_every_kind_of_page_carries_its_security_headers() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    let wrong = browser.log_in(&login, ADA, "wrong").await;
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    let posted = browser.authorize(&request(&[("response_mode", "form_post"), ("prompt", "none")])).await;
    browser.decide(&consent, "allow").await;
    provider.pass(std::time::Duration::from_secs(1));
    let select = browser.authorize(&request(&[("prompt", "select_account")])).await;
    let pages = [
        ("home", "", browser.get("/").await),
        ("login", "login-submit", login),
        ("login again", "login-problem", wrong),
        ("consent", "consent-allow", consent),
        ("form post", "form-post", posted),
        ("select", "select-continue", select),
        ("logout", "logout-confirm", browser.get("/logout").await),
        ("logged out", "logout-done", provider.get("/logout").await),
        ("bad request", "error-page", provider.get("/authorize").await),
        ("expired", "error-page", provider.get("/login").await),
        ("missing", "error-page", provider.get("/nothing").await),
    ];
    for (name, id, page) in &pages {
        assert!(page.header("content-type") == Some("text/html; charset=utf-8"), "{name}: {page:?}");
        assert!(id.is_empty() || page.has_id(id), "{name}: {page:?}");
        inspect(page, name);
    }
    // Whose submit may end at a relying party can't have it; browsers apply it to the whole chain of redirects.
    for (name, _, page) in &pages {
        let policy = page.header("content-security-policy").unwrap();
        assert_eq!(policy.contains("form-action 'none'"), !page.body.contains("<form"), "{name}: {policy}");
    }
}

#[tokio::test]
async fn templates_of_the_deployment_take_the_place_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let login = "{% extends \"default/login.html\" %}{% block stub %}Ring 112.{% endblock %}";
    std::fs::write(directory.path().join("login.html"), login).unwrap();
    std::fs::write(directory.path().join("error.html"), "<p id=\"error-page\">{{ error }}, so sorry.</p>").unwrap();
    let provider = Provider::start_with(&[("templates.dir", directory.path().to_str().unwrap())]).await;
    let page = provider.browser().authorize(&request(&[])).await;
    assert!(page.body.contains("Ring 112.") && page.has_id("login-submit"), "{page:?}");
    let page = provider.browser().authorize(&[]).await;
    assert_eq!((page.status, page.body.as_str()), (400, "<p id=\"error-page\">invalid_request, so sorry.</p>"));
    assert!(page.header("content-security-policy").is_some(), "what protects a page isn't the template's to leave out");
}

#[tokio::test]
async fn a_deployment_names_its_product_and_its_language() {
    let provider = Provider::start_with(&[("i18n.default_locale", "de"), ("pages.title", "Pforte")]).await;
    let mut browser = provider.browser();
    browser.accept_language = "xx".into();
    let page = browser.authorize(&request(&[])).await;
    assert_eq!(page.header("content-language"), Some("de"), "{page:?}");
    assert!(page.body.contains("Pforte"), "{page:?}");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let provider = Provider::start().await;
    let mut ids = BTreeSet::new();
    for path in PATHS {
        for method in METHODS {
            let url = format!("{}{path}", provider.issuer);
            let response = exchange(method, &url, &[("x-request-id", "chosen-by-somebody-else")], None).await;
            inspect(&response, path);
            let id = response.header("x-request-id").unwrap().to_owned();
            assert_ne!(id, "chosen-by-somebody-else");
            assert!(ids.insert(id), "{method} {path}");
        }
    }
    let error = provider.get("/nothing").await;
    assert_eq!(Some(error.text_of("error-reference").as_str()), error.header("x-request-id"), "the page names it");
}

#[tokio::test]
async fn rfc9110_15_5_5_unknown_addresses_get_a_page() {
    let provider = Provider::start().await;
    for path in [
        "/nothing",
        "/login/x",
        "/Login",
        "/jwks.json",
        "/asset/",
        "/asset/none.css",
        "/asset/../login.html",
        "/asset/%2e%2e/login.html",
        "/client-logo/",
        "/client-logo/%FF",
        "/.well-known/",
        "/api/admin/v1/clients",
        "/%00",
    ] {
        let response = provider.get(path).await;
        assert!(response.status == 404 && response.has_id("error-page"), "{path}: {response:?}");
        inspect(&response, path);
    }
}

#[tokio::test]
async fn rfc9110_15_5_6_other_methods_are_told_which_ones_there_are() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.logo = Some(png())).await;
    for path in &PATHS[..14] {
        let url = format!("{}{path}", provider.issuer);
        let options = exchange("OPTIONS", &url, &[], None).await;
        assert_eq!((options.status, options.body.as_str()), (204, ""), "{path}");
        let allowed: Vec<&str> = options.header("allow").unwrap().split(", ").collect();
        for method in METHODS {
            let response = exchange(method, &url, &[], None).await;
            assert_eq!(response.status == 405, !allowed.contains(&method), "{method} {path}: {response:?}");
            if response.status == 405 {
                assert_eq!(response.header("allow"), options.header("allow"), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_is_sent_ends_in_a_500_parameters() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let origin = provider.issuer.clone();
    for value in hostile() {
        for path in PATHS {
            // All parameters at once, then as a body.
            let all = PARAMETERS.map(|name| format!("{name}={value}")).join("&");
            for url in [format!("{origin}{path}?{value}"), format!("{origin}{path}?{all}")] {
                // What is too long for a request line is tried in bodies.
                if url.len() < 6000 {
                    inspect(&browser.clone().send("GET", &url, &[], None).await, &url);
                }
            }
            let headers = [("content-type", FORM), ("origin", origin.as_str())];
            let body = Some(all.into_bytes());
            let url = format!("{origin}{path}");
            inspect(&browser.clone().send("POST", &url, &headers, body).await, &format!("{path} {value}"));
        }
        // One wrong parameter in a request that is right otherwise.
        for name in PARAMETERS {
            let asked = request(&[(name, "PLACE")]);
            let query = hallpass::base::form::render(asked).replace("PLACE", &value);
            if query.len() < 6000 {
                let url = format!("{origin}/authorize?{query}");
                inspect(&browser.send("GET", &url, &[], None).await, &url);
            }
            let grant = [("grant_type", "authorization_code"), ("code", "hpc_A"), ("redirect_uri", REDIRECT)];
            let mut grant = [&grant[..], &[("client_id", CLIENT), ("client_secret", SECRET)]].concat();
            grant.retain(|(other, _)| *other != name);
            let body = hallpass::base::form::render(grant) + &format!("&{name}={value}");
            let url = format!("{origin}/token");
            let response = exchange("POST", &url, &[("content-type", FORM)], Some(body.into_bytes())).await;
            inspect(&response, &format!("/token {name}={value}"));
            assert!([400, 401].contains(&response.status), "{name}={value}: {response:?}");
            assert_eq!(response.header("cache-control"), Some("no-store"));
            assert!(response.json()["error"].is_string());
        }
    }
}

#[tokio::test]
async fn nothing_that_is_sent_ends_in_a_500_bodies() {
    let provider = Provider::start().await;
    let many: String = (0..10_000).map(|index| format!("p{index}=&")).collect();
    let large = format!("client_id={}", "x".repeat(200 * 1024));
    let bodies: [(&str, &[u8], &[u16]); 11] = [
        (FORM, b"", &[]),
        (FORM, b"=", &[]),
        (FORM, b"&&&=&=", &[]),
        (FORM, b"client_id", &[]),
        (FORM, b"client_id=%", &[]),
        (FORM, b"client_id=a%00b", &[]),
        (FORM, b"client_id=\xff\xfe", &[]),
        (FORM, many.as_bytes(), &[400, 413]),
        (FORM, large.as_bytes(), &[400, 401, 413]),
        // At userinfo the token may be in the header, whatever the body is.
        ("application/json", b"{\"client_id\":", &[415, 401]),
        ("multipart/form-data; boundary=x", b"--x\r\n", &[415, 401]),
    ];
    for path in ["/authorize", "/token", "/login", "/consent", "/select-account", "/logout", "/userinfo", "/nothing"] {
        let url = format!("{}{path}", provider.issuer);
        for (kind, body, statuses) in bodies {
            let response = exchange("POST", &url, &[("content-type", kind)], Some(body.to_vec())).await;
            let what = format!("{path} {kind} {}", String::from_utf8_lossy(body));
            inspect(&response, &what);
            assert!(response.status >= 400, "{what}");
            if !statuses.is_empty() && path != "/nothing" {
                assert!(statuses.contains(&response.status), "{}: {response:?}", &what[..what.len().min(60)]);
            }
        }
        // A body without its type, and types that are none.
        for kind in ["", ";", "a", "application/x-www-form-urlencodedx"] {
            let headers = if kind.is_empty() { vec![] } else { vec![("content-type", kind)] };
            inspect(&exchange("POST", &url, &headers, Some(b"a=b".to_vec())).await, &format!("{path} {kind}"));
        }
    }
    for query in [many, large] {
        let query = &query[..60_000];
        // A head that is too large may end in a closed connection.
        if let Ok(response) = try_exchange("GET", &format!("{}/authorize?{query}", provider.issuer), &[], None).await {
            assert!((400..500).contains(&response.status), "{}", response.status);
            assert_no_internals(&response.body, "a long query");
        }
    }
    assert_eq!(provider.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn nothing_that_is_sent_ends_in_a_500_headers() {
    let provider = Provider::start().await;
    let port = provider.issuer.rsplit(':').next().unwrap();
    let long = "x".repeat(4000);
    let mut lines: Vec<(&str, String)> = Vec::new();
    for value in ["", "=", ";;;", "a", "hps_", "hps_AAAA", "\"", "%00", &long] {
        lines.push(("cookie", format!("hallpass-session-{port}={value}; hallpass-browser-{port}={value}")));
        lines.push(("cookie", value.to_owned()));
    }
    for value in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic Og==",
        "Basic gIA6gIA=",
        "Basic AA==",
        "Bearer",
        "Bearer ",
        "Bearer a b",
    ] {
        lines.push(("authorization", value.to_owned()));
    }
    for value in ["Negotiate abc", "Bearer hpa_", "Bearer hpa_AAAA", "x", &long] {
        lines.push(("authorization", value.to_owned()));
    }
    for value in ["null", "x", "https://", "http://[::1", &long] {
        lines.push(("origin", value.to_owned()));
    }
    for (name, value) in [
        ("accept-language", "*;q=2,de;q=x,,;;;"),
        ("accept-language", &long),
        ("user-agent", &long),
        ("x-forwarded-for", "not an address, 1.2.3.4.5"),
        ("forwarded", "for=\"_x\";;"),
        ("if-none-match", ",,\"W/"),
        ("access-control-request-method", "POST"),
        ("content-type", "application/x-www-form-urlencoded; charset=\""),
    ] {
        lines.push((name, value.to_owned()));
    }
    for path in PATHS {
        for (name, value) in &lines {
            for method in ["GET", "POST", "OPTIONS"] {
                let response = exchange(method, &format!("{}{path}", provider.issuer), &[(name, value)], None).await;
                inspect(&response, &format!("{method} {path} {name}: {value}"));
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_is_sent_ends_in_a_500_bytes_that_are_no_text() {
    let provider = Provider::start().await;
    let address = provider.issuer.strip_prefix("http://").unwrap();
    let requests: [&[u8]; 8] = [
        b"GET /login HTTP/1.1\r\nhost: x\r\ncookie: hallpass-session=\xff\xfe\x80\r\nconnection: close\r\n\r\n",
        b"GET /login HTTP/1.1\r\nhost: x\r\naccept-language: \xff\r\norigin: \xc3\r\nconnection: close\r\n\r\n",
        b"GET /userinfo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\r\nconnection: close\r\n\r\n",
        b"POST /token HTTP/1.1\r\nhost: x\r\nauthorization: Basic \xff\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: \xff\r\ncontent-length: 3\r\nconnection: close\r\n\r\na=b",
        b"GET /authorize?state=\xff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /jwks HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ];
    for request in requests {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let (answer, request) = (String::from_utf8_lossy(&answer), String::from_utf8_lossy(request));
        assert!(answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
        assert_no_internals(&answer, &request);
    }
}

#[tokio::test]
async fn healthz_says_that_it_runs_and_readyz_that_it_works() {
    let provider = Provider::start().await;
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let response = provider.get(path).await;
        assert_eq!((response.status, response.body.as_str()), (200, body));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        inspect(&response, path);
    }
    let provider = Provider::start_without_key(&[]).await;
    let response = provider.get("/readyz").await;
    assert_eq!((response.status, response.body.as_str()), (503, "there is no signing key\n"));
    assert_eq!(provider.get("/healthz").await.status, 200, "a restart would not help");
    provider.add_key(RSA).await;
    assert_eq!(provider.get("/readyz").await.status, 200);
}

/// The smallest one: a transparent pixel.
fn png() -> Logo {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89".to_vec();
    bytes.extend(b"\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n\x2d\xb4\0\0\0\0IEND\xaeB`\x82");
    Logo::new(bytes).unwrap()
}

#[tokio::test]
async fn a_client_logo_is_an_image_and_nothing_else() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.logo = Some(png())).await;
    let mut odd = confidential("a/b +é");
    odd.logo = Some(png());
    provider.add_client(odd).await;
    for client in [CLIENT, "a/b +é"] {
        let page = provider.browser().authorize(&request(&[("client_id", client)])).await;
        let tag = page.body.split('<').find(|tag| tag.contains("id=\"client-logo\"")).unwrap();
        let source = http::unescape(tag.split_once("src=\"").unwrap().1.split('"').next().unwrap());
        let logo = provider.get(&source).await;
        assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/png")), "{source}");
        assert_eq!(logo.bytes, png().bytes);
        assert_eq!(logo.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(logo.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(logo.header("content-security-policy"), Some("default-src 'none'; sandbox"));
        assert_eq!(logo.header("set-cookie"), None);
        let unversioned = provider.get(source.split('?').next().unwrap()).await;
        assert_eq!((unversioned.status, unversioned.header("cache-control")), (200, Some("no-cache")));
        let other = provider.get(&format!("{}?v=other", source.split('?').next().unwrap())).await;
        assert_eq!(other.header("cache-control"), Some("no-cache"));
    }
    for path in ["/client-logo/nobody", "/client-logo/other", "/client-logo/web/x", "/client-logo/web?v=%FF"] {
        let response = provider.get(path).await;
        assert!((400..=404).contains(&response.status) && response.has_id("error-page"), "{path}: {response:?}");
    }
}

#[tokio::test]
async fn rfc9110_13_1_2_assets_are_kept_and_not_sent_twice() {
    let provider = Provider::start().await;
    let page = provider.get("/").await;
    let source = page.body.split('"').find(|text| text.starts_with("/asset/hallpass.css?v=")).unwrap();
    let asset = provider.get(source).await;
    assert_eq!((asset.status, asset.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(asset.header("set-cookie"), None);
    inspect(&asset, source);
    let tag = asset.header("etag").unwrap();
    let (weak, several) = (format!("W/{tag}"), format!("\"other\", {tag}"));
    for known in [tag, weak.as_str(), several.as_str(), "*"] {
        let url = format!("{}/asset/hallpass.css", provider.issuer);
        let again = exchange("GET", &url, &[("if-none-match", known)], None).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
        assert_eq!((again.header("etag"), again.header("cache-control")), (Some(tag), Some("no-cache")));
    }
    let url = format!("{}/asset/hallpass.css", provider.issuer);
    let other = exchange("GET", &url, &[("if-none-match", "\"other\"")], None).await;
    assert_eq!((other.status, &other.body), (200, &asset.body));
}
