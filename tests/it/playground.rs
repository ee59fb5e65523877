//! The playground: a whole login that a developer can look at.

use std::time::Duration;

use hallpass::dev::PLAYGROUND;
use hallpass::model::client::GrantType;
use hallpass::protocol::response::SUPPORTED_RESPONSE_TYPES;

use crate::harness::http::unescape;
use crate::harness::{ADA, BOB, Browser, CLIENT, PASSWORD, PUBLIC, Provider, Response, SECRET, exchange};

const CALLBACK: &str = "/playground/callback";

/// Every check of a result page by name, and whether it passed.
fn checks(page: &Response) -> Vec<(String, bool)> {
    let items = page.body.split("<li data-check=\"").skip(1);
    items
        .map(|item| {
            let (name, rest) = item.split_once('"').unwrap();
            (name.to_owned(), rest.starts_with(" data-passed=\"true\""))
        })
        .collect()
}

fn failed(page: &Response) -> Vec<String> {
    checks(page).into_iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect()
}

#[track_caller]
fn outcome(page: &Response) -> String {
    assert!(page.has_id("playground-result"), "not a result: {} {}", page.status, page.body);
    page.body.split_once("data-outcome=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

/// The text of an element with all the elements in it.
#[track_caller]
fn shown(page: &Response, id: &str) -> String {
    let (before, after) =
        page.body.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {}", page.body));
    let tag = before.rsplit_once('<').unwrap().1.split(' ').next().unwrap();
    let (mut text, mut depth) = (String::new(), 1);
    for piece in after.split_once('>').unwrap().1.split('<') {
        let (inside, behind) = piece.split_once('>').unwrap_or(("", piece));
        match inside.strip_prefix('/') {
            Some(name) if name == tag => depth -= 1,
            None if inside.split(' ').next() == Some(tag) => depth += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        text.push_str(behind);
    }
    unescape(&text)
}

/// Presses the button of the form with these fields changed, and follows where that leads.
async fn run(browser: &mut Browser, changes: &[(&str, &str)]) -> Response {
    let form = browser.get("/playground").await;
    assert!(form.has_id("playground-run"), "{form:?}");
    let csrf = form.field("csrf");
    let mut fields = vec![("csrf", csrf.as_str())];
    fields.extend_from_slice(changes);
    browser.post("/playground", &fields).await
}

/// The address of the authorization request that the form leads to, not followed.
async fn begin(browser: &mut Browser, provider: &Provider, changes: &[(&str, &str)]) -> Response {
    let csrf = browser.get("/playground").await.field("csrf");
    let fields = [&[("csrf", csrf.as_str())], changes].concat();
    let body = hallpass::base::form::render(fields).into_bytes();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", provider.issuer.as_str())];
    browser.send("POST", &format!("{}/playground", provider.issuer), &headers, Some(body)).await
}

#[tokio::test]
async fn one_click_runs_the_whole_flow_and_every_check_passes() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let form = browser.get("/playground").await;
    assert!(form.body.contains("<option value=\"playground\" selected>"), "{}", form.body);
    assert!(
        form.body.contains(&format!("<option value=\"{ADA}\" selected>")),
        "nobody is signed in: one click is enough"
    );
    let page = run(&mut browser, &[("user", ADA)]).await;

    assert_eq!((page.status, outcome(&page).as_str()), (200, "verified"), "{:?}", failed(&page));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let names: Vec<String> = checks(&page).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "state",
            "response_iss",
            "response_type",
            "signature",
            "alg",
            "iss",
            "aud",
            "azp",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "at_hash",
            "sub"
        ]
    );
    assert_eq!(failed(&page), <[String; 0]>::default());

    let request = shown(&page, "playground-request");
    for part in ["GET /authorize?response_type=code", "&code_challenge_method=S256", "&scope=openid%20profile%20email"]
    {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(shown(&page, "playground-response").contains("GET /playground/callback?code="));
    let call = shown(&page, "playground-token-request");
    for part in ["POST /token HTTP/1.1", "authorization: Basic ", "grant_type=authorization_code", "&code_verifier="] {
        assert!(call.contains(part), "{part}: {call}");
    }
    assert!(shown(&page, "playground-token-response").contains("\"refresh_token\": \""));
    assert!(shown(&page, "playground-id-token").contains("\"sub\": \"id-of-ada\""));
    assert!(shown(&page, "playground-userinfo").contains("\"email\": \"ada@ada.example\""));
    let configuration = shown(&page, "playground-configuration");
    assert!(configuration.contains(SECRET) && configuration.contains(&provider.issuer), "{configuration}");
    assert!(page.body.contains("Ada Lovelace is signed in"));
}

#[tokio::test]
async fn the_login_page_stands_between_for_whoever_wants_to_see_it() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let page = run(&mut browser, &[("user", ""), ("prompt", "login"), ("max_age", "0"), ("login_hint", BOB)]).await;
    assert_eq!(page.field("username"), BOB);
    provider.pass(Duration::from_secs(20));
    let page = browser.log_in(&page, BOB, PASSWORD).await;
    assert_eq!(outcome(&page), "verified", "{:?}", failed(&page));
    assert!(page.body.contains("bob is signed in"), "he has no other name");

    // With that session no page comes between, and the form says whose it is.
    assert!(browser.get("/playground").await.body.contains("bob, who is signed in"));
    assert_eq!(outcome(&run(&mut browser, &[("prompt", "none")]).await), "verified");
}

#[tokio::test]
async fn form_post_2_the_answer_may_come_in_a_form() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let page = run(&mut browser, &[("user", ADA), ("response_mode", "form_post")]).await;
    assert!(page.has_id("form-post"), "{page:?}");
    let (code, state, iss) = (page.field("code"), page.field("state"), page.field("iss"));
    let page = browser.post(CALLBACK, &[("code", &code), ("state", &state), ("iss", &iss)]).await;
    assert_eq!(outcome(&page), "verified");
    assert!(shown(&page, "playground-response").contains("POST /playground/callback HTTP/1.1"));
}

#[tokio::test]
async fn a_fragment_is_posted_by_the_page_or_by_hand() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let reply = begin(&mut browser, &provider, &[("user", ADA), ("response_mode", "fragment")]).await;
    let reply = browser.send("GET", reply.location(), &[], None).await;
    let address = reply.location().to_owned();
    assert!(address.starts_with(&format!("{}{CALLBACK}#code=", provider.issuer)), "{address}");
    let page = browser.get(CALLBACK).await;
    assert!(page.has_id("playground-fragment") && page.has_id("fragment"));
    let csrf = page.field("csrf");

    let page = browser.post(CALLBACK, &[("fragment", &address)]).await;
    assert!(page.has_id("error-page"), "without the mark");
    // By hand the whole address is copied, the script sends what follows the #.
    let page = browser.post(CALLBACK, &[("csrf", &csrf), ("fragment", &address)]).await;
    assert_eq!(outcome(&page), "verified");
    assert!(shown(&page, "playground-response").contains("/playground/callback#code="));
}

#[tokio::test]
async fn oidc_core_3_3_2_8_every_response_type_is_checked_to_the_end() {
    let provider = Provider::start_for_development().await;
    provider
        .change_client(PLAYGROUND, |client| {
            client.response_types = SUPPORTED_RESPONSE_TYPES.to_vec();
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let mut browser = provider.browser();
    for (response_type, also) in [
        ("id_token", &[][..]),
        ("id_token token", &["at_hash", "sub"]),
        ("token", &[]),
        ("code id_token", &["c_hash", "at_hash", "sub", "both_sub"]),
        ("code token", &["at_hash", "sub"]),
        ("code id_token token", &["at_hash", "c_hash", "sub", "both_sub"]),
        ("none", &[]),
    ] {
        let reply = begin(&mut browser, &provider, &[("user", ADA), ("response_type", response_type)]).await;
        let reply = browser.send("GET", reply.location(), &[], None).await;
        let address = reply.location().to_owned();
        let page = if address.contains('#') {
            let csrf = browser.get(CALLBACK).await.field("csrf");
            browser.post(CALLBACK, &[("csrf", &csrf), ("fragment", &address)]).await
        } else {
            browser.get(address.strip_prefix(&provider.issuer).unwrap()).await
        };
        assert_eq!(outcome(&page), "verified", "{response_type}: {:?}", failed(&page));
        let names: Vec<String> = checks(&page).into_iter().map(|(name, _)| name).collect();
        for name in ["response_type"].iter().chain(also) {
            assert!(names.iter().any(|other| other == name), "{response_type}: no check {name} in {names:?}");
        }
        assert_eq!(
            names.iter().any(|name| name == "signature"),
            response_type.contains("id_token") || response_type.contains("code")
        );
    }
}

#[tokio::test]
async fn an_error_is_a_result_with_what_to_do() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    for mode in ["", "query"] {
        let page = run(&mut browser, &[("user", ""), ("prompt", "none"), ("response_mode", mode)]).await;
        assert_eq!((page.status, outcome(&page).as_str()), (200, "error"));
        assert!(shown(&page, "playground-error").contains("login_required from the authorization endpoint"));
        assert_eq!(failed(&page), <[String; 0]>::default(), "the answer itself is the right one");
        assert!(!page.has_id("playground-token-request") && page.has_id("playground-configuration"));
    }
    let page = run(&mut browser, &[("user", ADA), ("response_type", "id_token")]).await;
    assert!(page.has_id("playground-fragment") || outcome(&page) == "error", "{page:?}");
    let page = run(&mut browser, &[("user", ADA), ("scope", "openid unheard-of")]).await;
    assert_eq!(outcome(&page), "verified", "unknown scopes are ignored");
    let page = run(&mut browser, &[("user", ADA), ("max_age", "soon")]).await;
    assert!(shown(&page, "playground-error").contains("invalid_request"));
}

#[tokio::test]
async fn without_openid_there_is_nobody_to_know() {
    let provider = Provider::start_for_development().await;
    let page = run(&mut provider.browser(), &[("user", ADA), ("scope", "profile")]).await;
    assert_eq!((outcome(&page).as_str(), failed(&page)), ("failed", vec!["id_token".to_owned()]));
    assert!(shown(&page, "playground-userinfo").contains("403"));
}

#[tokio::test]
async fn without_nonce_and_pkce_a_confidential_client_still_gets_in() {
    let provider = Provider::start_for_development().await;
    let page = run(&mut provider.browser(), &[("user", ADA), ("nonce", "none"), ("pkce", "none")]).await;
    assert_eq!(outcome(&page), "verified", "{:?}", failed(&page));
    let sent = shown(&page, "playground-request") + &shown(&page, "playground-token-request");
    assert!(!sent.contains("nonce") && !sent.contains("code_verifier"), "{sent}");
}

#[tokio::test]
async fn rfc6749_10_12_an_answer_with_another_state_is_not_taken() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let reply = begin(&mut browser, &provider, &[("user", ADA)]).await;
    let reply = browser.send("GET", reply.location(), &[], None).await;
    let address = reply.location().to_owned();
    let state = reply.query("state").unwrap();

    for forged in
        [address.replace(&state, "other"), address.replace("iss=http", "iss=ftp"), address.replace("&state=", "&x=")]
    {
        let page = browser.send("GET", &forged, &[], None).await;
        assert_eq!((outcome(&page).as_str(), failed(&page).len()), ("failed", 1), "{forged}");
        assert!(!page.has_id("playground-token-request"), "the code must not be redeemed");
    }
    let page = browser.send("GET", &address, &[], None).await;
    assert_eq!(outcome(&page), "verified", "the run still waits for its own answer");
}

#[tokio::test]
async fn rfc6749_3_1_an_answer_that_says_a_thing_twice_is_not_taken() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let begun = begin(&mut browser, &provider, &[("user", ADA)]).await;
    let url = begun.location().to_owned();
    let answered = browser.send("GET", &url, &[], None).await;
    let right = answered.location().to_owned();
    let twice = browser.send("GET", &format!("{right}&state=other&error=e"), &[], None).await;
    assert_eq!(twice.status, 400);
    assert!(twice.has_id("error-page"));
    assert_eq!(outcome(&browser.send("GET", &right, &[], None).await), "verified", "the run still waits for its own");
}

#[tokio::test]
async fn rfc6749_4_1_2_a_reload_never_redeems_a_code_twice() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let reply = begin(&mut browser, &provider, &[("user", ADA)]).await;
    let reply = browser.send("GET", reply.location(), &[], None).await;
    let address = reply.location().to_owned();
    let page = browser.send("GET", &address, &[], None).await;
    assert_eq!(outcome(&page), "verified");
    let tokens = shown(&page, "playground-token-response");
    let access_token = tokens.split("\"access_token\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let page = browser.send("GET", &address, &[], None).await;
    assert_eq!((page.status, outcome(&page).as_str()), (400, "error"));
    assert!(shown(&page, "playground-error").contains("An answer counts once"));
    assert!(page.has_id("playground-again"), "it can be run again from there");
    assert_eq!(provider.userinfo(&access_token).await.status, 200, "a second redemption would have ended the grant");

    // Nor does anybody else's browser have a run that waits.
    let page = provider.browser().send("GET", &address, &[], None).await;
    assert_eq!((page.status, outcome(&page).as_str()), (400, "error"));
}

#[tokio::test]
async fn a_run_waits_as_long_as_a_login_may_take() {
    let provider = Provider::start_for_development().await;
    for (early, status) in [(1, 200), (0, 400)] {
        let mut browser = provider.browser();
        // An error has no code that could expire before.
        let reply = begin(&mut browser, &provider, &[("user", ""), ("prompt", "none")]).await;
        let reply = browser.send("GET", reply.location(), &[], None).await;
        let address = reply.location().to_owned();
        provider.pass(provider.app.settings.lifetimes.pending - Duration::from_secs(early));
        let page = browser.send("GET", &address, &[], None).await;
        assert_eq!((page.status, outcome(&page).as_str()), (status, "error"), "{early} s before the end");
        assert_eq!(shown(&page, "playground-error").contains("login_required"), status == 200);
    }
}

#[tokio::test]
async fn a_client_of_ones_own_can_be_looked_at() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let form = browser.get(&format!("/playground?client_id={PUBLIC}&scope=openid&prompt=login")).await;
    assert!(form.body.contains(&format!("<option value=\"{PUBLIC}\" selected>")), "{}", form.body);
    assert!(
        form.body.contains("<option value=\"login\" selected>") && form.body.contains("id=\"playground-more\" open")
    );
    assert_eq!(form.field("playground-scope"), "openid");

    let page = run(&mut browser, &[("client_id", PUBLIC), ("user", ADA)]).await;
    let page = browser.decide(&page, "allow").await;
    assert_eq!(outcome(&page), "verified", "{:?}", failed(&page));
    let call = shown(&page, "playground-token-request");
    assert!(call.contains(&format!("&client_id={PUBLIC}")) && !call.contains("authorization:"), "{call}");
    let configuration = shown(&page, "playground-configuration");
    assert!(configuration.contains("oidc-client-ts") && !configuration.contains(SECRET));

    // A public client without PKCE hears what is wrong with that.
    let page = run(&mut browser, &[("client_id", PUBLIC), ("user", ADA), ("pkce", "none")]).await;
    assert!(shown(&page, "playground-error").contains("invalid_request"), "{page:?}");
    // And a refusal of the user is a result, too.
    let page = run(&mut browser, &[("client_id", CLIENT), ("user", ADA)]).await;
    let page = browser.decide(&page, "deny").await;
    assert!(shown(&page, "playground-error").contains("access_denied"));
    assert!(page.body.contains(&format!("href=\"/playground?client_id={CLIENT}")), "the choices are kept");
}

#[tokio::test]
async fn rfc6749_6_the_refresh_token_can_be_used() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let mut page = run(&mut browser, &[("user", ADA)]).await;
    for _ in 0..2 {
        provider.pass(Duration::from_secs(90));
        let (csrf, ticket) = (page.field("csrf"), page.field("ticket"));
        page = browser.post("/playground/refresh", &[("csrf", &csrf), ("ticket", &ticket)]).await;
        assert_eq!(outcome(&page), "verified", "{:?}", failed(&page));
        assert!(shown(&page, "playground-token-request").contains("grant_type=refresh_token"));
        assert!(checks(&page).iter().any(|(name, _)| name == "same_sub"));
        assert!(!page.has_id("playground-request") && page.has_id("playground-userinfo"));
    }
    provider.change_user(ADA, |user| user.end_all()).await;
    let (csrf, ticket) = (page.field("csrf"), page.field("ticket"));
    let page = browser.post("/playground/refresh", &[("csrf", &csrf), ("ticket", &ticket)]).await;
    assert!(shown(&page, "playground-error").contains("invalid_grant from the token endpoint"));

    // The ticket opens in the browser that it was sealed for, and only as a ticket.
    let mut other = provider.browser();
    let csrf = other.get("/playground").await.field("csrf");
    for ticket in [ticket.as_str(), "", "AAAA", "ü"] {
        let page = other.post("/playground/refresh", &[("csrf", &csrf), ("ticket", ticket)]).await;
        assert_eq!((page.status, outcome(&page).as_str()), (400, "error"), "{ticket}");
    }
}

#[tokio::test]
async fn no_other_site_can_use_the_playground() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let csrf = browser.get("/playground").await.field("csrf");
    for path in ["/playground", "/playground/refresh"] {
        let page = browser.post_from("https://evil.example", path, &[("csrf", &csrf), ("user", ADA)]).await;
        assert_eq!(page.status, 403, "{path}");
        for fields in [&[("user", ADA)][..], &[("user", ADA), ("csrf", "AAAA")]] {
            let page = browser.post(path, fields).await;
            assert_eq!(page.status, 400, "{path}");
            assert!(page.has_id("error-page"), "{path}");
        }
    }
    assert!(browser.session().is_none(), "nobody was logged in");
    // The mark is for one browser.
    let page = provider.browser().post("/playground", &[("csrf", &csrf), ("user", ADA)]).await;
    assert_eq!(page.status, 400);
    let page = browser.get("/playground").await;
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(page.header("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn nothing_that_is_typed_leaves_its_place() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let hostile = "\"><script>alert(1)</script>";
    provider.change_client(CLIENT, |client| client.name = hostile.to_owned()).await;
    provider.change_user(ADA, |user| drop(user.claims.insert("name".into(), hostile.into()))).await;
    for name in
        ["client_id", "user", "scope", "prompt", "max_age", "response_type", "response_mode", "login_hint", "claims"]
    {
        let mut fields = vec![("user", ADA), (name, hostile)];
        fields.dedup_by_key(|(name, _)| *name);
        if name == "user" {
            fields.remove(0);
        }
        let page = run(&mut browser, &fields).await;
        assert!(!page.body.contains("<script>"), "{name}: {}", page.body);
        let query = hallpass::base::form::render([(name, hostile)]);
        let page = browser.get(&format!("/playground?{query}")).await;
        assert!(page.status == 200 && !page.body.contains("<script>"), "{name}: {}", page.body);
    }
    let page = run(&mut browser, &[("client_id", CLIENT), ("user", ADA)]).await;
    let page = browser.decide(&page, "allow").await;
    assert_eq!(outcome(&page), "verified");
    assert!(!page.body.contains("<script>") && page.body.contains("&lt;script&gt;alert(1)"));
}

#[tokio::test]
async fn whatever_is_sent_there_is_an_answer() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let long = "x".repeat(4000);
    let page = run(&mut browser, &[("user", ADA), ("login_hint", &long)]).await;
    assert_eq!(page.status, 400);
    assert!(page.text_of("playground-problem").contains("too long"));
    for (name, value) in [("client_id", "nobody"), ("client_id", ""), ("user", "nobody")] {
        let page = run(&mut browser, &[(name, value)]).await;
        assert_eq!(page.status, 400, "{name}={value}");
        assert!(page.has_id("playground-problem"), "{name}={value}");
    }
    provider.change_user(BOB, |user| user.enabled = false).await;
    assert!(run(&mut browser, &[("user", BOB)]).await.has_id("playground-problem"), "disabled");
    for target in [
        "?code=1",
        "?code=1&code=2",
        "?error=x",
        "?state=%00",
        "?fragment=a",
        "?%ff",
        "?a&b=&=c",
        "",
        "?response=x&state=",
    ] {
        let page = browser.send("GET", &format!("{}{CALLBACK}{target}", provider.issuer), &[], None).await;
        assert!((200..500).contains(&page.status), "{target}: {page:?}");
    }
    let cookie = "hallpass-playground";
    let name = format!("{cookie}-{}", provider.app.issuer.port());
    for value in ["", "AAAA", "%", &long] {
        browser.cookies.insert(name.clone(), value.to_owned());
        let page = browser.send("GET", &format!("{}{CALLBACK}?code=1", provider.issuer), &[], None).await;
        assert_eq!((page.status, outcome(&page).as_str()), (400, "error"), "{value:.9}");
    }
}

#[tokio::test]
async fn rfc6265_the_runs_cookie_is_http_only_lax_and_small() {
    let provider = Provider::start_for_development().await;
    let mut browser = provider.browser();
    let hint = "h".repeat(1500);
    let reply = begin(&mut browser, &provider, &[("user", ADA), ("login_hint", &hint)]).await;
    let lines: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let line = lines.iter().find(|line| line.starts_with("hallpass-playground-")).unwrap();
    assert!(line.len() < 4096, "{}", line.len());
    assert!(line.contains("; HttpOnly; SameSite=Lax; Max-Age="), "{line}");
    assert!(!line.contains(&hint[..40]), "it is sealed");
}

#[tokio::test]
async fn another_name_of_this_machine_leads_to_the_issuers_own() {
    let provider = Provider::start_for_development().await;
    let port = provider.app.issuer.port();
    for (host, leads) in
        [(format!("localhost:{port}"), true), (format!("[::1]:{port}"), true), (format!("127.0.0.1:{port}"), false)]
    {
        let url = format!("http://127.0.0.1:{port}/playground?client_id={CLIENT}");
        let headers = [("host", host.as_str())];
        let reply = exchange("GET", &url, &headers, None).await;
        assert_eq!(reply.status, if leads { 303 } else { 200 }, "{host}");
        if leads {
            assert_eq!(reply.location(), format!("{}/playground?client_id={CLIENT}", provider.issuer));
        }
    }
}

#[tokio::test]
async fn there_is_no_playground_but_in_development() {
    let provider = Provider::start().await;
    for (method, path) in [
        ("GET", "/playground"),
        ("POST", "/playground"),
        ("GET", CALLBACK),
        ("POST", CALLBACK),
        ("POST", "/playground/refresh"),
    ] {
        let reply = exchange(method, &format!("{}{path}", provider.issuer), &[], None).await;
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(reply.has_id("error-page"));
    }
    assert!(!provider.get("/").await.body.contains("playground"));
    let provider = Provider::start_for_development().await;
    assert!(provider.get("/").await.body.contains("href=\"/playground\""));
    for (method, path) in [("HEAD", CALLBACK), ("PUT", "/playground"), ("GET", "/playground/refresh")] {
        let reply = exchange(method, &format!("{}{path}", provider.issuer), &[], None).await;
        assert_eq!(reply.status, 405, "{method} {path}");
    }
}
