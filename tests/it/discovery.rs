//! Discovery and the JWK Set: every advertised member is true, wherever the issuer lies.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass::base::encode::parse_base64url;
use hallpass::base::form;
use hallpass::jose::alg::Algorithm;
use hallpass::model::client::{GrantType, ResponseType};
use serde_json::Value;

use crate::golden;
use crate::harness::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// The words of a member that is a list.
fn words<'a>(document: &'a Value, member: &str) -> Vec<&'a str> {
    let list = document[member].as_array().unwrap_or_else(|| panic!("no {member}"));
    list.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The attributes of this name in a page.
fn attributes<'a>(page: &'a Response, name: &str) -> Vec<&'a str> {
    let marker = format!(" {name}=\"");
    page.body.split(marker.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn oidc_discovery_4_2_the_document_is_as_it_was() {
    let provider = Provider::start().await;
    let response = provider.get(DISCOVERY).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let document = response.json();
    assert_eq!(document["issuer"], provider.issuer);
    let text = format!("{document:#}\n").replace(&provider.issuer, "https://id.example");
    golden::check("", "json", &[("discovery".to_owned(), text)]);
    // OpenID Connect Discovery 1.0 section 3: what must be there; Config OP of the conformance suite: what warns.
    for member in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "claims_supported"] {
        assert!(!document[member].is_null(), "{member}");
    }
    assert!(words(&document, "id_token_signing_alg_values_supported").contains(&"RS256"));
}

/// The registered members (RFC 8414 section 7.1.2) that are lists, switches and addresses; others would be warned about.
const LISTS: [&str; 16] = [
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "scopes_supported",
    "claim_types_supported",
    "claims_supported",
    "token_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "acr_values_supported",
    "display_values_supported",
    "ui_locales_supported",
    "claims_locales_supported",
];
const SWITCHES: [&str; 4] = [
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "authorization_response_iss_parameter_supported",
];
const ADDRESSES: [&str; 8] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "end_session_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "check_session_iframe",
];

/// The module `oidcc-discovery-endpoint-verification` of the conformance suite.
#[tokio::test]
async fn oidc_discovery_3_the_document_passes_every_check_of_the_suite() {
    let provider = Provider::start_with(&[("issuer", "https://id.example:{port}/idp")]).await;
    // As a proxy that speaks https would pass it on.
    let url = provider.issuer.replace("https://id.example", "http://127.0.0.1") + DISCOVERY;
    let response = exchange("GET", &url, &[], None).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let document = response.json();
    assert_eq!(document["issuer"], provider.issuer);
    for (member, value) in document.as_object().unwrap() {
        let member = member.as_str();
        if ADDRESSES.contains(&member) {
            let address = url::Url::parse(value.as_str().unwrap()).unwrap();
            assert_eq!((address.scheme(), address.query(), address.fragment()), ("https", None, None), "{member}");
            assert!(value.as_str().unwrap().starts_with(&format!("{}/", provider.issuer)), "{member}: {value}");
        } else if LISTS.contains(&member) {
            let words: BTreeSet<_> = words(&document, member).into_iter().collect();
            assert!(!words.is_empty() && words.len() == value.as_array().unwrap().len(), "{member}: {value}");
        } else if SWITCHES.contains(&member) {
            assert!(value.is_boolean(), "{member}: {value}");
        } else {
            assert_eq!(member, "issuer", "not a member that the suite knows");
        }
    }
    for (member, word) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("scopes_supported", "openid"),
        ("grant_types_supported", "authorization_code"),
        ("code_challenge_methods_supported", "S256"),
        ("claims_supported", "sub"),
    ] {
        assert!(words(&document, member).contains(&word), "{member} without {word}");
    }
    for member in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"]
    {
        assert!(document[member].is_string(), "{member}");
    }
    for scope in words(&document, "scopes_supported") {
        let legal = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(!scope.is_empty() && scope.bytes().all(legal), "RFC 6749 section 3.3: {scope}");
    }
    for tag in words(&document, "ui_locales_supported") {
        let (language, region) = tag.split_once('-').unwrap_or((tag, "GB"));
        let canonical = language.bytes().all(|byte| byte.is_ascii_lowercase())
            && region.bytes().all(|byte| byte.is_ascii_uppercase());
        assert!(canonical && (2..=3).contains(&language.len()), "RFC 5646 section 2.1.1: {tag}");
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_address_answers() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    let mut found = 0;
    for (member, address) in document.as_object().unwrap() {
        let Some(address) = address.as_str().filter(|_| member.ends_with("_endpoint") || member.ends_with("_uri"))
        else {
            continue;
        };
        let path = address.strip_prefix(&provider.issuer).unwrap_or_else(|| panic!("{member} is not below the issuer"));
        let response = provider.get(path).await;
        assert!([200, 400, 401, 405].contains(&response.status), "{member}: {response:?}");
        found += 1;
    }
    assert_eq!(found, 7);
    for address in ["/introspect", "/revoke", "/end-session", "/check-session-iframe", "/register", "/par", "/device"] {
        let is_advertised = document
            .as_object()
            .unwrap()
            .values()
            .any(|value| value.as_str().is_some_and(|value| value == format!("{}{address}", provider.issuer)));
        assert_eq!(is_advertised, provider.get(address).await.status != 404, "{address}");
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_response_type_and_mode_works() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    let mut browser = provider.logged_in(ADA).await;
    let types = words(&document, "response_types_supported");
    let parsed = types.iter().map(|name| ResponseType::parse(name).unwrap()).collect();
    provider
        .change_client(CLIENT, |client| {
            client.response_types = parsed;
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    for response_type in types {
        let answer =
            Answer::of(&browser.authorize(&request(&[("response_type", response_type), ("nonce", "n")])).await);
        for (part, name) in [("code", "code"), ("id_token", "id_token"), ("token", "access_token")] {
            assert_eq!(
                answer.get(name).is_some(),
                response_type.split(' ').any(|word| word == part),
                "{response_type}"
            );
        }
    }
    for mode in words(&document, "response_modes_supported") {
        let response = browser.authorize(&request(&[("response_mode", mode)])).await;
        let (code, issuer) = match mode {
            "query" => (response.query("code"), response.query("iss")),
            "fragment" => {
                let (_, fragment) = response.location().split_once("#").unwrap();
                let value = |name: &str| {
                    let mut pairs = url::form_urlencoded::parse(fragment.as_bytes());
                    pairs.find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
                };
                (value("code"), value("iss"))
            }
            "form_post" => {
                assert!(response.has_id("form-post") && attributes(&response, "action") == [REDIRECT], "{response:?}");
                (Some(response.field("code")), Some(response.field("iss")))
            }
            other => panic!("{other} is advertised, and untested"),
        };
        // authorization_response_iss_parameter_supported (RFC 9207 section 2).
        assert_eq!(issuer.as_deref(), Some(provider.issuer.as_str()), "{mode}");
        provider.redeem(&code.unwrap()).await.tokens();
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_client_authentication_works() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    assert_eq!(words(&document, "code_challenge_methods_supported"), ["S256"]);
    for method in words(&document, "token_endpoint_auth_methods_supported") {
        let client = if method == "none" { PUBLIC } else { CLIENT };
        let asked = request(&[("client_id", client), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        let code = provider.browser().code(ADA, &asked).await;
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{}", SECRET.replace(' ', "+"))));
        let authenticate = |form: Vec<(&'static str, String)>| {
            let mut form = form;
            let mut headers = Vec::new();
            match method {
                "client_secret_basic" => headers.push(("authorization", basic.as_str())),
                "client_secret_post" => {
                    form.extend([("client_id", client.to_owned()), ("client_secret", SECRET.to_owned())]);
                }
                "none" => form.push(("client_id", client.to_owned())),
                other => panic!("{other} is advertised, and untested"),
            }
            let provider = &provider;
            async move {
                let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
                provider.post("/token", &headers, &form).await.tokens()
            }
        };
        let tokens = authenticate(vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ])
        .await;
        let refresh = tokens.refresh().to_owned();
        authenticate(vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh)]).await;
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_signature_verifies() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    for algorithm in words(&document, "id_token_signing_alg_values_supported") {
        let known = Algorithm::parse(algorithm).unwrap();
        provider.change_client(CLIENT, |client| client.id_token_algorithm = known).await;
        let tokens = provider.tokens("openid").await;
        let header = parse_base64url(tokens.id().split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["alg"], algorithm);
        if algorithm == "RS256" {
            provider.verify(tokens.id()).await;
        }
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_scope_and_claim_is_given() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    let scopes = words(&document, "scopes_supported").join(" ");
    let code =
        provider.browser().code(ADA, &request(&[("scope", &scopes), ("nonce", "n"), ("prompt", "consent")])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let granted = tokens.scope.clone().unwrap();
    assert_eq!(granted.split(' ').collect::<BTreeSet<_>>(), scopes.split(' ').collect());
    let (_, id_token) = provider.verify(tokens.id()).await;
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    provider
        .change_client(CLIENT, |client| {
            client.response_types = vec![ResponseType::CODE.with(ResponseType::ID_TOKEN)];
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let hybrid =
        provider.browser().complete(ADA, &request(&[("response_type", "code id_token"), ("nonce", "n")])).await;
    let (_, in_front) = provider.verify(Answer::of(&hybrid).get("id_token").unwrap()).await;
    for claim in words(&document, "claims_supported") {
        assert!(
            id_token.contains_key(claim) || in_front.contains_key(claim) || !userinfo[claim].is_null(),
            "{claim} is advertised, but never given"
        );
    }
    assert_eq!(words(&document, "acr_values_supported"), [id_token["acr"].as_str().unwrap()]);
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_display_and_language_is_taken() {
    let provider = Provider::start().await;
    let document = provider.get(DISCOVERY).await.json();
    for display in words(&document, "display_values_supported") {
        let page = provider.browser().authorize(&request(&[("display", display)])).await;
        assert!(page.has_id("login-submit"), "{display}: {page:?}");
    }
    let mut titles = BTreeSet::new();
    for tag in words(&document, "ui_locales_supported") {
        let page = provider.browser().authorize(&request(&[("ui_locales", tag)])).await;
        assert_eq!(page.header("content-language"), Some(tag));
        assert!(page.body.contains(&format!("<html lang=\"{tag}\"")), "{page:?}");
        titles.insert(page.text_of("login-title"));
    }
    assert!(titles.len() > 1, "{titles:?}");
    // The parameters that it says are not supported are refused by name (OpenID Connect Core 1.0 sections 6.1 and 6.2).
    for (flag, name, error) in [
        ("request_parameter_supported", "request", "request_not_supported"),
        ("request_uri_parameter_supported", "request_uri", "request_uri_not_supported"),
    ] {
        assert_eq!(document[flag], false);
        let refused = provider.browser().authorize(&request(&[(name, "https://app.example/request.jwt")])).await;
        assert_eq!(refused.query("error").as_deref(), Some(error));
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_every_prompt_is_taken() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    // Who logs in at the very moment of the request has done what it asks for.
    provider.pass(Duration::from_secs(1));
    for (prompt, id) in [("login", "login-submit"), ("consent", "consent-allow"), ("select_account", "select-continue")]
    {
        let page = browser.authorize(&request(&[("prompt", prompt)])).await;
        assert!(page.status == 200 && page.has_id(id), "{prompt}: {page:?}");
    }
    assert!(browser.authorize(&request(&[("prompt", "none")])).await.query("code").is_some());
}

#[tokio::test]
async fn rfc8414_2_the_issuer_is_that_of_the_settings_whatever_host_was_called() {
    let provider = Provider::start().await;
    let expected = provider.get(DISCOVERY).await.body;
    for host in ["evil.example", "evil.example:8000", "127.0.0.1"] {
        let headers =
            [("host", host), ("x-forwarded-host", host), ("x-forwarded-proto", "https"), ("forwarded", "host=e")];
        let document = exchange("GET", &format!("{}{DISCOVERY}", provider.issuer), &headers, None).await;
        assert_eq!((document.status, &document.body), (200, &expected), "{host}");
        let asked = |changes: &[(&str, &str)]| {
            let headers = headers.to_vec();
            let url = format!("{}/authorize?{}", provider.issuer, form::render(request(changes)));
            async move { exchange("GET", &url, &headers, None).await }
        };
        assert_eq!(asked(&[("prompt", "none")]).await.query("iss").as_ref(), Some(&provider.issuer), "{host}");
        let login = asked(&[]).await;
        assert!(login.location().starts_with("/login?"), "{host}: {}", login.location());
    }
}

#[tokio::test]
async fn addresses_are_the_same_with_a_final_slash() {
    let provider = Provider::start().await;
    for path in [DISCOVERY, "/jwks", "/healthz", "/readyz", "/logout", "/end-session"] {
        let (without, with) = (provider.get(path).await, provider.get(&format!("{path}/")).await);
        assert_eq!((without.status, with.status, &with.body), (200, 200, &without.body), "{path}");
    }
    for path in ["/token", "/introspect", "/revoke"] {
        let (without, with) = (provider.post(path, &[], &[]).await, provider.post(&format!("{path}/"), &[], &[]).await);
        assert_eq!((with.status, &with.body), (without.status, &without.body), "{path}");
        assert!([400, 401].contains(&with.status), "{path}: {with:?}");
    }
    assert_eq!(provider.get("/userinfo/").await.status, 401);
    let asked = form::render(request(&[]));
    assert!(provider.get(&format!("/authorize/?{asked}")).await.location().starts_with("/login?"));
    assert_eq!(provider.get("//jwks").await.status, 404);
}

#[tokio::test]
async fn an_issuer_with_a_path_keeps_everything_below_it() {
    let provider = Provider::start_with(&[("issuer", "http://127.0.0.1:{port}/idp")]).await;
    let origin = provider.issuer.strip_suffix("/idp").unwrap();
    let document = provider.get(DISCOVERY).await.json();
    assert_eq!(document["issuer"], provider.issuer);
    for (member, value) in document.as_object().unwrap() {
        if member.ends_with("_endpoint") || member.ends_with("_uri") {
            assert!(value.as_str().unwrap().starts_with(&format!("{}/", provider.issuer)), "{member}: {value}");
        }
    }
    for path in ["/", "/jwks", "/authorize", "/login", DISCOVERY, "/idpx/jwks", "/healthz"] {
        assert_eq!(exchange("GET", &format!("{origin}{path}"), &[], None).await.status, 404, "{path}");
    }
    for path in ["", "/", "/healthz", "/readyz", "/jwks", "/logout"] {
        assert_eq!(provider.get(path).await.status, 200, "{path}");
    }
    // All pages of a login, with their forms, assets and cookies.
    let mut browser = provider.browser();
    let asked = request(&[("scope", "openid email")]);
    let login = browser.authorize(&asked).await;
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    let done = browser.decide(&consent, "allow").await;
    provider.pass(Duration::from_secs(1));
    let choice = browser.authorize(&request(&[("prompt", "select_account")])).await;
    let logout = browser.get("/logout").await;
    for page in [&login, &consent, &choice, &logout] {
        let actions = attributes(page, "action");
        assert!(!actions.is_empty(), "{page:?}");
        for address in actions.into_iter().chain(attributes(page, "href")).chain(attributes(page, "src")) {
            assert!(address.starts_with("/idp/"), "{address} on {}", page.url);
            if address.contains("/asset/") {
                assert_eq!(exchange("GET", &format!("{origin}{address}"), &[], None).await.status, 200, "{address}");
            }
        }
    }
    for line in login.headers.get_all("set-cookie").iter().chain(consent.headers.get_all("set-cookie")) {
        assert!(line.to_str().unwrap().contains("; Path=/"), "{line:?}");
    }
    assert_eq!(done.query("iss").as_ref(), Some(&provider.issuer));
    let tokens = provider.redeem(&done.query("code").unwrap()).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["iss"], provider.issuer);
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["email"], "ada@ada.example");
}

#[tokio::test]
async fn rfc7517_4_the_key_set_is_public_and_well_formed() {
    let provider = Provider::start().await;
    let second = provider.add_key(OTHER_RSA).await;
    let response = provider.get("/jwks").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/jwk-set+json")));
    let set = response.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let mut ids = BTreeSet::new();
    for key in keys {
        let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, BTreeSet::from(["kty", "alg", "use", "kid", "n", "e"]), "public members, and no others");
        assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&"RSA".into(), &"RS256".into(), &"sig".into()));
        for member in ["n", "e"] {
            let text = key[member].as_str().unwrap();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{member}: {text}");
            assert_ne!(parse_base64url(text).unwrap()[0], 0, "RFC 7518 section 2: no leading zeros");
        }
        assert!(ids.insert(key["kid"].as_str().unwrap()), "a kid used twice");
    }
    assert!(ids.contains(second.as_str()));
}

#[tokio::test]
async fn rfc9111_5_2_2_public_documents_may_be_kept_for_a_while_and_read_by_all() {
    let provider = Provider::start_with(&[("discovery.cache_control", "5m")]).await;
    for path in [DISCOVERY, "/jwks"] {
        let response = provider.get(path).await;
        assert_eq!(response.header("cache-control"), Some("public, max-age=300"), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(response.header("set-cookie"), None, "{path}");
    }
    let provider = Provider::start_with(&[("discovery.cache_control", "0")]).await;
    assert_eq!(provider.get("/jwks").await.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn rfc8414_3_the_document_is_at_the_address_of_oauth_too() {
    for path in ["", "/tenant", "/a/b"] {
        let provider = Provider::start_with(&[("issuer", &format!("http://127.0.0.1:{{port}}{path}"))]).await;
        let origin = provider.issuer.strip_suffix(path).unwrap();
        let openid = provider.get(DISCOVERY).await;
        let (below, root) = (format!("{}{METADATA}", provider.issuer), format!("{origin}{METADATA}{path}"));
        for url in [&below, &format!("{below}/"), &root, &format!("{root}/")] {
            let same = exchange("GET", url, &[("origin", "https://spa.example")], None).await;
            assert_eq!((same.status, &same.body), (200, &openid.body), "{url}");
            for name in ["content-type", "cache-control", "etag"] {
                assert_eq!(same.header(name), openid.header(name), "{url}: {name}");
            }
            assert_eq!(same.header("access-control-allow-origin"), Some("*"), "{url}");
            let asks = [("origin", "https://spa.example"), ("access-control-request-method", "GET")];
            let preflight = exchange("OPTIONS", url, &asks, None).await;
            assert_eq!(preflight.header("access-control-allow-origin"), Some("*"), "{url}");
            assert_eq!(exchange("POST", url, &[], None).await.status, 405, "{url}");
        }
        for other in [format!("{origin}{METADATA}/other"), format!("{root}x"), format!("{below}{path}/x")] {
            assert_eq!(exchange("GET", &other, &[], None).await.status, 404, "{other}");
        }
        // OpenID Connect Discovery 1.0 section 4 knows one place.
        let elsewhere = [METADATA.to_owned(), DISCOVERY.to_owned(), format!("{DISCOVERY}{path}")];
        for elsewhere in elsewhere.iter().filter(|_| !path.is_empty()) {
            assert_eq!(exchange("GET", &format!("{origin}{elsewhere}"), &[], None).await.status, 404, "{elsewhere}");
        }
    }
}

#[tokio::test]
async fn rfc9110_13_1_2_who_has_a_public_document_is_told_so() {
    let provider = Provider::start().await;
    for path in [DISCOVERY, METADATA, "/jwks"] {
        let url = format!("{}{path}", provider.issuer);
        let first = provider.get(path).await;
        let etag = first.header("etag").unwrap();
        assert!(etag.len() > 10 && etag.starts_with('"') && etag.ends_with('"'), "strong: {etag}");
        let (weak, among) = (format!("W/{etag}"), format!("\"another\",{etag} , \"a third\""));
        for known in [etag, "*", &weak, &among] {
            for method in ["GET", "HEAD"] {
                let same = exchange(method, &url, &[("if-none-match", known)], None).await;
                assert_eq!((same.status, same.body.as_str()), (304, ""), "{method} {path}: {known}");
                for name in ["etag", "cache-control", "access-control-allow-origin"] {
                    assert_eq!(same.header(name), first.header(name), "{method} {path}: {name}");
                }
                assert_eq!(
                    (same.header("content-length"), same.header("content-type")),
                    (None, None),
                    "{method} {path}"
                );
            }
        }
        let lines = [("if-none-match", "\"another\""), ("if-none-match", etag)];
        assert_eq!(exchange("GET", &url, &lines, None).await.status, 304, "{path}");
        for other in ["\"another\"", "", etag.trim_matches('"'), "W/\"\""] {
            let whole = exchange("GET", &url, &[("if-none-match", other)], None).await;
            assert_eq!((whole.status, &whole.body, whole.header("etag")), (200, &first.body, Some(etag)), "{other}");
        }
    }
    let before = provider.get("/jwks").await;
    provider.add_key(OTHER_RSA).await;
    let known = [("if-none-match", before.header("etag").unwrap())];
    let after = exchange("GET", &format!("{}/jwks", provider.issuer), &known, None).await;
    assert_eq!(after.status, 200, "another set of keys");
    assert_ne!(after.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn rfc9110_9_3_2_head_has_the_headers_of_get() {
    let provider = Provider::start().await;
    for path in ["/", DISCOVERY, "/jwks", "/healthz", "/readyz", "/logout", "/asset/hallpass.css", "/nothing"] {
        let url = format!("{}{path}", provider.issuer);
        let (get, head) = (exchange("GET", &url, &[], None).await, exchange("HEAD", &url, &[], None).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        for name in ["content-type", "content-length", "cache-control", "etag", "content-security-policy"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        assert_eq!(get.header("content-length").map(|length| length.parse().unwrap()), Some(get.body.len()), "{path}");
    }
}
