//! The consent page, and what is remembered of its answers.

use std::time::Duration;

use hallpass::model::client::ClientType;
use hallpass::model::id::{ClientId, UserId};

use crate::harness::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A browser in front of the consent page for these parameters.
async fn at_consent(provider: &Provider, parameters: &[(&str, &str)]) -> (Browser, Response) {
    let mut browser = provider.browser();
    let page = browser.authorize(parameters).await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    assert!(page.has_id("consent-allow"), "{page:?}");
    (browser, page)
}

#[tokio::test]
async fn conformance_5_the_consent_page_says_who_asks_whom_for_what() {
    let provider = Provider::start().await;
    provider
        .change_client(CLIENT, |client| {
            client.name = "Meadow <Notes>".into();
            client.logo_uri = Some("https://static.example/logo.png".into());
            client.policy_uri = Some("https://app.example/policy".into());
            client.tos_uri = Some("https://app.example/terms".into());
            client.scope = hallpass::model::scope::Scope::parse("read:books");
        })
        .await;
    let (_, page) = at_consent(&provider, &request(&[("scope", "openid profile email read:books")])).await;
    assert!(page.url.starts_with(&format!("{}/consent?pending=", provider.issuer)), "{}", page.url);
    for id in ["consent-allow", "consent-deny", "client-logo", "client-policy", "client-tos"] {
        assert!(page.has_id(id), "{id}");
    }
    assert!(page.body.contains("Meadow &lt;Notes&gt;"), "names are text");
    assert!(page.body.contains("Ada Lovelace"));
    assert!(page.body.contains("read:books"), "a scope without a description is shown by its name");
    assert!(page.body.contains("app.example"), "where the browser goes");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("img-src 'self' https://static.example"), "{policy}");
    assert!(!policy.contains("form-action"), "browsers hold it against the redirect to the client: {policy}");
}

#[tokio::test]
async fn oidc_core_5_2_what_is_asked_for_is_said_in_the_language_of_the_user() {
    let provider = Provider::start().await;
    for (language, title) in [
        ("en", "See your profile"),
        ("fr", "Voir votre profil"),
        ("pl", "Zobaczyć Twój profil"),
        ("es", "Ver tu perfil"),
    ] {
        let mut browser = provider.browser();
        browser.accept_language = language.to_owned();
        let login = browser.authorize(&request(&[("scope", "openid profile")])).await;
        let page = browser.log_in(&login, ADA, PASSWORD).await;
        assert!(page.body.contains(&format!("<bdi class=\"name\">{title}</bdi>")), "{language}: {}", page.body);
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_declining_is_access_denied_and_nothing_is_remembered() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    let answer = browser.decide(&page, "deny").await;
    assert_eq!(answer.query("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.query("state").as_deref(), Some("the state"));
    assert_eq!(answer.query("code"), None);
    assert!(browser.authorize(&request(&[])).await.has_id("consent-allow"), "asked again");
}

#[tokio::test]
async fn a_decision_that_is_none_is_no_consent() {
    let provider = Provider::start().await;
    for decision in ["", "yes", "Allow"] {
        let (mut browser, page) = at_consent(&provider, &request(&[])).await;
        assert_eq!(
            browser.decide(&page, decision).await.query("error").as_deref(),
            Some("access_denied"),
            "{decision}"
        );
    }
}

#[tokio::test]
async fn a_consent_is_remembered_for_ninety_days_and_asked_again_for_more() {
    let provider = Provider::start().await;
    let narrow = request(&[("scope", "openid email"), ("prompt", "none")]);
    let wide = request(&[("scope", "openid email phone"), ("prompt", "none")]);
    let mut browser = provider.browser();
    browser.code(ADA, &request(&[("scope", "openid email")])).await;
    assert!(browser.authorize(&narrow).await.query("code").is_some());
    assert_eq!(browser.authorize(&wide).await.query("error").as_deref(), Some("consent_required"));
    // Agreeing to something else adds to what was agreed, and takes nothing away.
    browser.code(ADA, &request(&[("scope", "openid phone")])).await;
    assert!(browser.authorize(&wide).await.query("code").is_some());

    provider.pass(90 * DAY - Duration::from_secs(1));
    let mut later = provider.browser();
    let page = later.authorize(&request(&[("scope", "openid email")])).await;
    assert!(later.log_in(&page, ADA, PASSWORD).await.query("code").is_some(), "remembered to the last second");
    provider.pass(Duration::from_secs(1));
    assert_eq!(later.authorize(&narrow).await.query("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn a_client_may_have_consent_asked_every_time_or_never() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.reuse_consent = false).await;
    let mut browser = provider.browser();
    browser.code(ADA, &request(&[])).await;
    assert!(browser.authorize(&request(&[])).await.has_id("consent-allow"));

    provider.change_client(OTHER, |client| client.require_consent = false).await;
    let other = request(&[("client_id", OTHER)]);
    assert!(browser.authorize(&other).await.query("code").is_some());
    let asked = browser.authorize(&request(&[("client_id", OTHER), ("prompt", "consent")])).await;
    assert!(asked.has_id("consent-allow"), "prompt=consent asks all the same");
}

#[tokio::test]
async fn rfc6749_10_2_a_public_client_is_asked_about_unless_pkce_protects_what_was_agreed() {
    let provider = Provider::start().await;
    provider.change_client(PUBLIC, |client| client.require_consent = false).await;
    let pkce = [("client_id", PUBLIC), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&pkce)).await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    assert!(page.has_id("consent-allow"), "whatever the client's setting");
    browser.decide(&page, "allow").await;
    assert!(browser.authorize(&request(&pkce)).await.query("code").is_some(), "remembered, with S256 at https");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_agree() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    let pending = page.field("pending");
    let fields = [("pending", pending.as_str()), ("decision", "allow")];
    assert!(browser.post_from("https://evil.example", "/consent", &fields).await.has_id("error-page"));
    let mut other = provider.logged_in(ADA).await;
    assert_eq!(other.post("/consent", &fields).await.status, 400, "nor another browser");
    // A request that never came to the consent page can't be agreed to, whichever page it came to.
    for (prompt, page) in [("login", "login-submit"), ("select_account", "select-continue")] {
        let mut fresh = provider.logged_in(ADA).await;
        provider.pass(Duration::from_secs(1));
        let shown = fresh.authorize(&request(&[("client_id", OTHER), ("prompt", prompt)])).await;
        assert!(shown.has_id(page), "{shown:?}");
        let pending = shown.field("pending");
        let answer = fresh.post("/consent", &[("pending", &pending), ("decision", "allow")]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let stored = provider.app.store.consent(&UserId::new("id-of-ada"), &ClientId::new(OTHER)).await.unwrap();
        assert!(stored.is_none(), "{stored:?}");
    }
}

#[tokio::test]
async fn only_whom_the_page_asked_can_agree() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    // In another tab Bob logs in.
    provider.pass(Duration::from_secs(1));
    let login = browser.authorize(&request(&[("client_id", OTHER), ("prompt", "login")])).await;
    assert!(login.has_id("login-submit"));
    browser.log_in(&login, BOB, PASSWORD).await;
    let answer = browser.decide(&page, "allow").await;
    assert!(answer.has_id("consent-allow"), "Bob is asked himself: {answer:?}");
    let (ada, bob) = (UserId::new("id-of-ada"), UserId::new("id-of-bob"));
    for user in [ada, bob] {
        assert!(provider.app.store.consent(&user, &ClientId::new(CLIENT)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_consent_page_offers_another_account() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    let login = browser.decide(&page, "switch").await;
    assert!(login.has_id("login-submit"));
    let page = browser.log_in(&login, BOB, PASSWORD).await;
    let code = browser.decide(&page, "allow").await.query("code").unwrap();
    let (_, claims) = provider.verify(provider.redeem(&code).await.tokens().id()).await;
    assert_eq!(claims["sub"], "id-of-bob");
}

#[tokio::test]
async fn a_withdrawn_consent_ends_its_tokens_and_is_asked_for_again() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let (ada, client) = (UserId::new("id-of-ada"), ClientId::new(CLIENT));
    assert!(provider.app.store.withdraw_consent(&ada, &client, provider.clock.now()).await.unwrap());
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
    assert!(browser.authorize(&request(&[])).await.has_id("consent-allow"));
    let code = browser.code(ADA, &request(&[])).await;
    assert_eq!(provider.redeem(&code).await.status, 200, "a new consent is a new start");
}

#[tokio::test]
async fn a_client_made_again_under_its_old_id_inherits_no_consent() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert!(provider.app.store.delete_client(&ClientId::new(CLIENT)).await.unwrap());
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    let mut again = confidential(CLIENT);
    again.generation = 12;
    provider.add_client(again).await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
    assert!(browser.authorize(&request(&[])).await.has_id("consent-allow"));
}

#[tokio::test]
async fn oidc_core_5_5_claims_by_name_need_consent_like_their_scope() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    browser.code(ADA, &request(&[])).await;
    let claims = r#"{"userinfo":{"email":null}}"#;
    let answer = browser.authorize(&request(&[("claims", claims), ("prompt", "none")])).await;
    assert_eq!(answer.query("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn a_confidential_client_turned_public_is_asked_about() {
    let provider = Provider::start().await;
    provider.change_client(CLIENT, |client| client.require_consent = false).await;
    let mut browser = provider.logged_in(ADA).await;
    provider
        .change_client(CLIENT, |client| {
            client.kind = ClientType::Public;
            client.secret = None;
        })
        .await;
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("prompt", "consent")];
    assert!(browser.authorize(&request(&pkce)).await.has_id("consent-allow"));
}

#[tokio::test]
async fn oidc_core_5_5_claims_by_name_are_given_once_they_are_agreed_to_and_are_no_scope() {
    let provider = Provider::start().await;
    let claims = r#"{"userinfo":{"email":{"essential":true}},"id_token":{"address":null}}"#;
    let (mut browser, page) = at_consent(&provider, &request(&[("claims", claims)])).await;
    for scope in ["email", "address"] {
        assert!(page.body.contains(&format!("data-scope=\"{scope}\"")), "{}", page.body);
    }
    let tokens = provider.redeem(Answer::of(&browser.decide(&page, "allow").await).code()).await.tokens();
    assert_eq!(tokens.scope.as_deref(), Some("openid"));
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((&userinfo["email"], userinfo.get("address")), (&"ada@ada.example".into(), None));
    let (_, id_token) = provider.verify(tokens.id()).await;
    assert!(id_token.contains_key("address") && !id_token.contains_key("email"), "{id_token:?}");
    browser.authorize(&request(&[("claims", claims), ("prompt", "none")])).await.query("code").unwrap();
}

#[tokio::test]
async fn a_consent_page_cannot_be_made_to_say_more() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    let pending = page.field("pending");
    let fields = [
        ("pending", pending.as_str()),
        ("decision", "allow"),
        ("scope", "openid profile email"),
        ("client_id", OTHER),
        ("redirect_uri", "https://evil.example/"),
        ("state", "another state"),
    ];
    let answer = Answer::of(&browser.post("/consent", &fields).await);
    assert!(answer.location.starts_with(&format!("{REDIRECT}?code=")), "{}", answer.location);
    assert_eq!(answer.get("state"), Some("the state"));
    assert_eq!(provider.redeem(answer.code()).await.tokens().scope.as_deref(), Some("openid"));
    let ada = UserId::new("id-of-ada");
    let agreed = provider.app.store.consent(&ada, &ClientId::new(CLIENT)).await.unwrap().unwrap();
    assert_eq!(agreed.scope.to_string(), "openid");
    assert!(provider.app.store.consent(&ada, &ClientId::new(OTHER)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_alone_agrees_to_nothing_and_neither_does_a_browser_that_logged_out() {
    let provider = Provider::start().await;
    let (mut browser, page) = at_consent(&provider, &request(&[])).await;
    let pending = page.field("pending");
    let fields = [("pending", pending.as_str()), ("decision", "allow")];
    let by_get = browser.get(&format!("/consent?{}", hallpass::base::form::render(fields))).await;
    assert!(by_get.has_id("consent-allow"), "{by_get:?}");
    let mut logged_out = browser.clone();
    logged_out.cookies.retain(|name, _| !name.contains("session"));
    assert!(logged_out.post("/consent", &fields).await.has_id("login-submit"));
    let stored = provider.app.store.consent(&UserId::new("id-of-ada"), &ClientId::new(CLIENT)).await.unwrap();
    assert!(stored.is_none(), "{stored:?}");
    Answer::of(&browser.post("/consent", &fields).await).code();
}

#[tokio::test]
async fn a_consent_grows_and_never_shrinks() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    for (scope, all) in
        [("openid email", "openid email"), ("openid phone", "openid email phone"), ("openid", "openid email phone")]
    {
        let again = request(&[("scope", scope), ("prompt", "consent")]);
        assert!(browser.complete(ADA, &again).await.query("code").is_some());
        let stored = provider.app.store.consent(&UserId::new("id-of-ada"), &ClientId::new(CLIENT)).await.unwrap();
        assert_eq!(stored.unwrap().scope.to_string(), all);
    }
}

#[tokio::test]
async fn a_deployment_may_remember_no_consent_at_all() {
    let provider = Provider::start_with(&[("consent.remember_days", "0")]).await;
    let mut browser = provider.browser();
    let tokens = provider.redeem(&browser.code(ADA, &request(&[])).await).await.tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 200, "what was agreed to holds");
    assert!(browser.authorize(&request(&[])).await.has_id("consent-allow"));
    provider.refresh(tokens.refresh()).await.tokens();
}

#[tokio::test]
async fn rfc8252_8_6_a_public_client_behind_a_scheme_of_its_own_is_asked_about_each_time() {
    let provider = Provider::start().await;
    let scheme = "com.example.app:/callback";
    provider.change_client(PUBLIC, |client| client.redirect_uris.push(scheme.to_owned())).await;
    let custom = request(&[
        ("client_id", PUBLIC),
        ("redirect_uri", scheme),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let mut browser = provider.browser();
    let (_, page) = (browser.code(ADA, &custom).await, browser.authorize(&custom).await);
    assert!(page.has_id("consent-allow"), "any application on the device can claim the scheme");
}
