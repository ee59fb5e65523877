//! The modules of the OpenID Foundation's conformance plans for the Basic, Implicit, Hybrid and Form Post OP, each one in every
//! flow: what the suite sends, and what it looks at. `golden/coverage/conformance.txt` says which module is checked where.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass::base::encode::base64url;
use hallpass::base::form;
use hallpass::model::client::{Client, GrantType, ResponseType};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::harness::*;

const RESPONSE_TYPES: [&str; 6] =
    ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];

/// What the suite sends: 128 characters, and every unreserved special at their end.
const NONCE: &str = "n-0S6_WzA2Mj.~";
const STATE: &str = "aZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9xPmaZ3kQ9x-._~";

/// The claims that an ID token may have though nobody asked for them.
const TOLERATED: [&str; 13] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "s_hash", "sid"];

/// One run of the modules: a response type, a response mode, and a browser of its own.
struct Run {
    provider: Arc<Provider>,
    browser: Browser,
    response_type: &'static str,
    form_post: bool,
}

/// What came of a login.
struct Outcome {
    answer: Answer,
    /// The claims of the ID tokens in front and from the token endpoint.
    in_front: Option<Map<String, Value>>,
    behind: Option<Map<String, Value>>,
    tokens: Option<Tokens>,
}

impl Outcome {
    /// The claims of an ID token, the first that there is.
    fn claims(&self) -> &Map<String, Value> {
        self.in_front.as_ref().or(self.behind.as_ref()).unwrap()
    }

    /// An access token, the last that there is.
    fn access_token(&self) -> Option<&str> {
        self.tokens.as_ref().map(|tokens| tokens.access_token.as_str()).or(self.answer.get("access_token"))
    }
}

/// All runs of the plans, at one provider.
async fn runs() -> Vec<Run> {
    let provider = Provider::start().await;
    let registered = |client: &mut Client| {
        client.response_types = RESPONSE_TYPES.map(|name| ResponseType::parse(name).unwrap()).to_vec();
        client.grant_types = vec![GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken];
    };
    provider.change_client(CLIENT, registered).await;
    provider.change_client(OTHER, registered).await;
    let provider = Arc::new(provider);
    let run = |response_type, form_post| {
        let (provider, browser) = (Arc::clone(&provider), provider.browser());
        Run { provider, browser, response_type, form_post }
    };
    RESPONSE_TYPES.into_iter().flat_map(|name| [run(name, false), run(name, true)]).collect()
}

impl Run {
    fn gives(&self, part: &str) -> bool {
        self.response_type.split(' ').any(|word| word == part)
    }

    /// An authorization request as the modules make it.
    fn ask<'a>(&self, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mode = if self.form_post { "form_post" } else { "" };
        let own = [("response_type", self.response_type), ("response_mode", mode), ("nonce", NONCE), ("state", STATE)];
        request(&[&own[..], changes].concat())
    }

    /// A login with consent, and every check of its answer.
    async fn log_in(&mut self, changes: &[(&str, &str)]) -> Outcome {
        let response = self.browser.complete(ADA, &self.ask(changes)).await;
        self.success(&response).await
    }

    /// The same without a page.
    async fn silent(&mut self, changes: &[(&str, &str)]) -> Outcome {
        let response = self.browser.authorize(&self.ask(changes)).await;
        self.success(&response).await
    }

    /// What must be true of every answer that carries what was asked for, and of all that comes of it.
    async fn success(&self, response: &Response) -> Outcome {
        let (what, answer) = (self.response_type, self.answer(response));
        assert_eq!(answer.get("error"), None, "{what}: {answer:?}");
        for (part, name) in [("code", "code"), ("token", "access_token"), ("id_token", "id_token")] {
            assert_eq!(answer.get(name).is_some(), self.gives(part), "{what}: {answer:?}");
        }
        if let Some(code) = answer.get("code") {
            assert!(code.len() >= 43, "16 bytes and 96 bits of entropy are the least: {code}");
        }
        if self.gives("token") {
            assert_eq!((answer.get("token_type"), answer.get("expires_in")), (Some("Bearer"), Some("3600")));
        }
        let in_front = match answer.get("id_token") {
            Some(token) => {
                let claims = self.id_token(token).await;
                assert_eq!(claims.get("c_hash"), answer.get("code").map(half_hash).as_ref(), "{what}");
                assert_eq!(claims.get("at_hash"), answer.get("access_token").map(half_hash).as_ref(), "{what}");
                Some(claims)
            }
            None => None,
        };
        let (mut behind, mut tokens) = (None, None);
        if let Some(code) = answer.get("code") {
            let redeemed = self.redeem(code, &[]).await.tokens();
            let claims = self.id_token(redeemed.id()).await;
            assert_eq!(claims["at_hash"], half_hash(&redeemed.access_token));
            assert!(in_front.as_ref().is_none_or(|front| front["sub"] == claims["sub"]));
            (behind, tokens) = (Some(claims), Some(redeemed));
        }
        let outcome = Outcome { answer, in_front, behind, tokens };
        if let Some(token) = outcome.access_token() {
            let userinfo = self.provider.userinfo(token).await;
            assert_eq!((userinfo.status, userinfo.header("content-type")), (200, Some("application/json")));
            assert_eq!(userinfo.json()["sub"], outcome.claims()["sub"]);
        }
        outcome
    }

    /// An answer in the part of the redirect URI where it belongs, with the state of the request.
    fn answer(&self, response: &Response) -> Answer {
        let answer = Answer::of(response);
        let expected = match (self.form_post, self.response_type) {
            (true, _) => Mode::FormPost,
            (false, "code") => Mode::Query,
            (false, _) => Mode::Fragment,
        };
        assert_eq!(answer.mode, expected, "{}: {answer:?}", self.response_type);
        assert!(answer.location.starts_with(REDIRECT), "{answer:?}");
        assert_eq!(answer.get("iss"), Some(self.provider.issuer.as_str()));
        assert_eq!(answer.get("state"), Some(STATE));
        answer
    }

    /// An answer that refuses, with nothing in it that doesn't belong there.
    fn refusal(&self, response: &Response) -> String {
        let answer = self.answer(response);
        assert_eq!(answer.names(), ["error", "error_description", "state", "iss"], "{}", self.response_type);
        answer.error().to_owned()
    }

    /// What must be true of every ID token.
    async fn id_token(&self, token: &str) -> Map<String, Value> {
        let (header, claims) = self.provider.verify(token).await;
        assert_eq!((&header["alg"], header["kid"].is_string()), (&json!("RS256"), true));
        let now = self.provider.now();
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(self.provider.issuer), &json!(CLIENT)));
        assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(now), Some(now + 600)));
        assert!(claims["auth_time"].as_u64().is_some_and(|time| time <= now), "{claims:?}");
        assert_eq!((&claims["sub"], &claims["acr"]), (&json!("id-of-ada"), &json!("1")));
        claims
    }

    /// With `client_secret_basic`, encoded as RFC 6749 section 2.3.1 says.
    async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Response {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token(&[&fields[..], more].concat()).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Response {
        let encode = |text: &str| form::render([("", text)]).trim_start_matches('=').to_owned();
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET))));
        let response = self.provider.post("/token", &[("authorization", &basic)], fields).await;
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        response
    }

    /// What a scope or the parameter `claims` gave: at userinfo, or in the ID token where there is no access token.
    async fn given(&self, outcome: &Outcome) -> Map<String, Value> {
        for claims in [&outcome.in_front, &outcome.behind].into_iter().flatten() {
            let more = claims.keys().filter(|name| !TOLERATED.contains(&name.as_str())).count();
            assert!(more == 0 || outcome.access_token().is_none(), "{}: {claims:?}", self.response_type);
        }
        match outcome.access_token() {
            Some(token) => self.provider.userinfo(token).await.json().as_object().unwrap().clone(),
            None => outcome.claims().clone(),
        }
    }

    fn pass(&self, seconds: u64) {
        self.provider.pass(Duration::from_secs(seconds));
    }
}

/// `at_hash` and `c_hash` (OpenID Connect Core 1.0 section 3.3.2.11), worked out here.
fn half_hash(value: &str) -> Value {
    base64url(&Sha256::digest(value.as_bytes())[..16]).into()
}

#[tokio::test]
async fn oidcc_server_every_flow_goes_through_and_all_of_its_tokens_are_right() {
    for mut run in runs().await {
        let outcome = run.log_in(&[]).await;
        for claims in [&outcome.in_front, &outcome.behind].into_iter().flatten() {
            assert_eq!(claims["nonce"], NONCE);
            let more: Vec<_> = claims.keys().filter(|name| !TOLERATED.contains(&name.as_str())).collect();
            assert!(more.is_empty(), "{}: nobody asked for {more:?}", run.response_type);
        }
    }
}

#[tokio::test]
async fn oidcc_server_client_secret_post_is_as_good_as_basic() {
    for mut run in runs().await.into_iter().filter(|run| run.gives("code")) {
        let answer = Answer::of(&run.browser.complete(ADA, &run.ask(&[])).await);
        let tokens = run.provider.redeem(answer.code()).await.tokens();
        run.id_token(tokens.id()).await;
    }
}

#[tokio::test]
async fn oidcc_response_type_missing_is_told_to_the_client() {
    for mut run in runs().await {
        let response = run.browser.authorize(&run.ask(&[("response_type", "")])).await;
        let answer = Answer::of(&response);
        assert_eq!((answer.error(), answer.get("state")), ("invalid_request", Some(STATE)));
        assert_eq!(answer.mode, if run.form_post { Mode::FormPost } else { Mode::Query });
    }
}

#[tokio::test]
async fn oidcc_userinfo_takes_the_token_of_every_flow_in_three_ways() {
    for mut run in runs().await.into_iter().filter(|run| run.response_type != "id_token") {
        let outcome = run.log_in(&[]).await;
        let token = outcome.access_token().unwrap();
        let (url, bearer) = (format!("{}/userinfo", run.provider.issuer), format!("Bearer {token}"));
        let get = exchange("GET", &url, &[("authorization", &bearer)], None).await;
        let post_header = exchange("POST", &url, &[("authorization", &bearer)], None).await;
        let post_body = run.provider.post("/userinfo", &[], &[("access_token", token)]).await;
        for response in [get, post_header, post_body] {
            assert_eq!((response.status, &response.json()["sub"]), (200, &json!("id-of-ada")));
        }
    }
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_fails_where_an_id_token_comes_in_front() {
    for mut run in runs().await {
        let response = run.browser.complete(ADA, &run.ask(&[("nonce", "")])).await;
        if run.gives("id_token") {
            assert_eq!(run.refusal(&response), "invalid_request", "{}", run.response_type);
        } else {
            let outcome = run.success(&response).await;
            assert_eq!(outcome.claims().get("nonce"), None);
        }
    }
}

#[tokio::test]
async fn oidcc_scope_gives_every_claim_in_every_flow() {
    let every = every_claim();
    for mut run in runs().await {
        for (scope, claims) in hallpass::protocol::scope::STANDARD.iter().filter(|(_, claims)| !claims.is_empty()) {
            let outcome = run.log_in(&[("scope", &format!("openid {scope}"))]).await;
            let given = run.given(&outcome).await;
            for claim in *claims {
                assert!(given.contains_key(*claim), "{}: {scope} without {claim}: {given:?}", run.response_type);
                assert!(every.get(*claim).is_none_or(|value| *value == given[*claim]));
            }
            assert!(*scope == "profile" || !given.contains_key("name"), "{scope} doesn't ask for the name");
        }
        let outcome = run.log_in(&[("scope", "openid profile email address phone")]).await;
        let given = run.given(&outcome).await;
        assert!(every.as_object().unwrap().iter().all(|(claim, value)| given.get(claim) == Some(value)), "{given:?}");
    }
}

#[tokio::test]
async fn oidcc_alternate_happy_flow_parameters_and_scopes_may_come_in_any_order() {
    for mut run in runs().await {
        let mut parameters = run.ask(&[("scope", "email openid")]);
        parameters.reverse();
        let response = run.browser.complete(ADA, &parameters).await;
        let outcome = run.success(&response).await;
        let given = run.given(&outcome).await;
        assert_eq!((&given["email"], &given["email_verified"]), (&json!("ada@ada.example"), &json!(true)));
        assert!(!given.contains_key("name"), "{given:?}");
    }
}

#[tokio::test]
async fn oidcc_hints_for_the_pages_and_unknown_parameters_do_no_harm() {
    for run in runs().await {
        for hint in [
            ("display", "page"),
            ("display", "popup"),
            ("ui_locales", "se"),
            ("claims_locales", "se"),
            ("login_hint", "buffy@example.com"),
            ("extra", "foobar"),
        ] {
            let mut browser = run.provider.browser();
            let page = browser.authorize(&run.ask(&[hint])).await;
            assert!(page.has_id("login-submit"), "{hint:?}: {page:?}");
            run.success(&browser.complete(ADA, &run.ask(&[hint])).await).await;
        }
    }
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds_and_says_which_was_met() {
    for mut run in runs().await {
        for acr_values in ["1", "1 2"] {
            let outcome = run.log_in(&[("acr_values", acr_values)]).await;
            assert_eq!(outcome.claims()["acr"], "1");
        }
    }
}

#[tokio::test]
async fn oidcc_prompt_login_asks_again_in_every_flow() {
    for mut run in runs().await {
        let first = run.log_in(&[]).await;
        run.pass(1);
        let page = run.browser.authorize(&run.ask(&[("prompt", "login")])).await;
        assert!(page.has_id("login-submit"), "{page:?}");
        let response = run.browser.log_in(&page, ADA, PASSWORD).await;
        let second = run.success(&response).await;
        assert!(second.claims()["auth_time"].as_u64() > first.claims()["auth_time"].as_u64());
    }
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in_is_told_to_the_client() {
    for mut run in runs().await {
        let response = run.browser.authorize(&run.ask(&[("prompt", "none")])).await;
        assert_eq!(run.refusal(&response), "login_required", "{}", run.response_type);
    }
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in_and_id_token_hint_renew_silently() {
    for mut run in runs().await {
        let first = run.log_in(&[]).await;
        run.pass(5);
        let hint = first.answer.get("id_token").or(first.tokens.as_ref().map(Tokens::id)).unwrap().to_owned();
        for changes in [&[("prompt", "none")][..], &[("prompt", "none"), ("id_token_hint", &hint)]] {
            let second = run.silent(changes).await;
            for name in ["sub", "auth_time", "sid"] {
                assert_eq!(second.claims()[name], first.claims()[name], "{}: {name}", run.response_type);
            }
        }
    }
}

#[tokio::test]
async fn oidcc_max_age_1_logs_in_again_two_seconds_later() {
    for mut run in runs().await {
        let first = run.log_in(&[]).await;
        run.pass(2);
        let page = run.browser.authorize(&run.ask(&[("max_age", "1")])).await;
        assert!(page.has_id("login-submit"), "{page:?}");
        let response = run.browser.log_in(&page, ADA, PASSWORD).await;
        let second = run.success(&response).await;
        assert!(second.claims()["auth_time"].as_u64() > first.claims()["auth_time"].as_u64());
        assert_eq!(second.claims()["auth_time"], run.provider.now());
    }
}

#[tokio::test]
async fn oidcc_max_age_10000_is_met_by_the_login_that_is_there() {
    for mut run in runs().await {
        let first = run.log_in(&[("max_age", "15000")]).await;
        run.pass(2);
        let second = run.silent(&[("max_age", "10000")]).await;
        for name in ["sub", "auth_time"] {
            assert_eq!(second.claims()[name], first.claims()[name]);
        }
    }
}

#[tokio::test]
async fn oidcc_codereuse_is_refused_and_ends_what_the_code_gave() {
    for mut run in runs().await.into_iter().filter(|run| run.gives("code")) {
        for wait in [0, 30] {
            let outcome = run.log_in(&[]).await;
            run.pass(wait);
            let again = run.redeem(outcome.answer.code(), &[]).await;
            assert_eq!((again.status, again.error().as_str()), (400, "invalid_grant"));
            let in_front = outcome.answer.get("access_token");
            let behind = outcome.tokens.as_ref().map(|tokens| tokens.access_token.as_str());
            for token in in_front.into_iter().chain(behind) {
                assert_eq!(run.provider.userinfo(token).await.status, 401, "{}", run.response_type);
            }
        }
    }
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri_is_a_page_in_every_flow() {
    for mut run in runs().await {
        let other = format!("{REDIRECT}/YwSkxmtRAk");
        let page = run.browser.authorize(&run.ask(&[("redirect_uri", &other)])).await;
        assert_eq!((page.status, page.header("location")), (400, None));
        assert!(page.has_id("error-page") && !page.has_id("form-post"), "{page:?}");
    }
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds_in_every_flow() {
    for mut run in runs().await {
        let page = run.browser.post_from("https://app.example", "/authorize", &run.ask(&[("prompt", "consent")])).await;
        let consent = run.browser.log_in(&page, ADA, PASSWORD).await;
        let response = run.browser.decide(&consent, "allow").await;
        run.success(&response).await;
    }
}

#[tokio::test]
async fn oidcc_request_objects_are_rejected_as_unsupported_in_every_flow() {
    // {"alg":"none"}, with a redirect URI and a state of its own.
    let inside = base64url(json!({ "redirect_uri": REDIRECT, "state": "inside", "nonce": "inside" }).to_string());
    let object = format!("eyJhbGciOiJub25lIn0.{inside}.");
    for mut run in runs().await {
        for (name, value, error) in [
            ("request", object.as_str(), "request_not_supported"),
            ("request_uri", "https://app.example/request.jwt", "request_uri_not_supported"),
        ] {
            let response = run.browser.authorize(&run.ask(&[(name, value)])).await;
            assert_eq!(run.refusal(&response), error);
        }
        let outside = run.ask(&[("redirect_uri", "https://app.example/unregistered"), ("request", &object)]);
        assert!(run.browser.authorize(&outside).await.has_id("error-page"));
    }
}

#[tokio::test]
async fn oidcc_claims_essential_come_where_they_were_asked_for() {
    for mut run in runs().await {
        let part = if run.response_type == "id_token" { "id_token" } else { "userinfo" };
        let claims = json!({ part: { "name": { "essential": true } } }).to_string();
        let outcome = run.log_in(&[("claims", &claims)]).await;
        assert_eq!(run.given(&outcome).await["name"], "Ada Lovelace", "{}", run.response_type);
    }
}

#[tokio::test]
async fn oidcc_refresh_token_works_with_and_without_scope_and_for_its_client_only() {
    for mut run in runs().await.into_iter().filter(|run| run.gives("code")) {
        let wish = [("scope", "openid email offline_access"), ("prompt", "consent")];
        let first = run.log_in(&wish).await;
        let mut refresh_token = first.tokens.as_ref().unwrap().refresh().to_owned();
        for scope in [&[][..], &[("scope", "openid email offline_access")]] {
            run.pass(1);
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            let of_other = run.provider.token(OTHER, SECRET, &fields).await;
            assert_eq!((of_other.status, of_other.error().as_str()), (400, "invalid_grant"));
            let tokens = run.token(&[&fields[..], scope].concat()).await.tokens();
            assert_eq!(tokens.token_type, "Bearer");
            let claims = run.id_token(tokens.id()).await;
            let before = first.behind.as_ref().unwrap();
            for name in ["iss", "sub", "aud", "auth_time"] {
                assert_eq!(claims[name], before[name], "{name}");
            }
            assert!(claims["iat"].as_u64() > before["iat"].as_u64());
            refresh_token = tokens.refresh().to_owned();
        }
    }
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds_with_the_longest_verifier() {
    let verifier = format!("{}-._~", "aZ09".repeat(31));
    let challenge = base64url(Sha256::digest(verifier.as_bytes()));
    for mut run in runs().await.into_iter().filter(|run| run.gives("code")) {
        let wish = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
        let answer = Answer::of(&run.browser.complete(ADA, &run.ask(&wish)).await);
        let redeemed = run.redeem(answer.code(), &[("code_verifier", &verifier)]).await;
        run.id_token(redeemed.tokens().id()).await;
    }
}
