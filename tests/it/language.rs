//! The language of pages: what a client asks for, what a person chooses, what their browser prefers.

use std::time::Duration;

use crate::harness::*;

/// The language of a page.
fn language(page: &Response) -> &str {
    page.body.split_once("<html lang=\"").unwrap().1.split_once('"').unwrap().0
}

/// Presses the button of the chooser, and follows it.
async fn choose(browser: &mut Browser, shown: &Response, tag: &str) -> Response {
    let here = shown.field("page");
    let mut fields = vec![("page", here.as_str()), ("language", tag)];
    let chooser = shown.body.split_once("<form class=\"languages\"").unwrap().1.split_once("</form>").unwrap().0;
    let pending = chooser.contains("name=\"pending\"").then(|| shown.field("pending"));
    fields.extend(pending.iter().map(|pending| ("pending", pending.as_str())));
    let response = browser.post("/language", &fields).await;
    assert_eq!(language(&response), tag, "{response:?}");
    response
}

#[tokio::test]
async fn a_chosen_language_is_kept_with_the_request_and_in_a_cookie() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    // The person's choice wins over what the client asks for.
    let login = browser.authorize(&request(&[("ui_locales", "fr")])).await;
    assert_eq!(language(&login), "fr");
    let login = choose(&mut browser, &login, "pl").await;
    assert!(login.has_id("login-submit") && login.body.contains("Zaloguj się"));
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    assert_eq!(language(&consent), "pl", "all the way");
    let consent = choose(&mut browser, &consent, "de").await;
    let answer = Answer::of(&browser.decide(&consent, "allow").await);
    assert_eq!(answer.get("state"), Some("the state"), "it is the same request");

    // Another request of the same browser is in the language that was chosen last, unless the client knows better.
    provider.pass(Duration::from_secs(1));
    let again = browser.authorize(&request(&[("prompt", "login")])).await;
    assert_eq!(language(&again), "de");
    let again = browser.authorize(&request(&[("prompt", "login"), ("ui_locales", "es")])).await;
    assert_eq!(language(&again), "es");
    assert_eq!(language(&browser.get("/nothing").await), "de");
}

#[tokio::test]
async fn every_page_with_a_request_can_be_had_in_another_language() {
    let provider = Provider::start().await;
    let mut browser = provider.logged_in(ADA).await;
    let home = browser.get("/").await;
    choose(&mut browser, &home, "pt").await;
    provider.pass(Duration::from_secs(1));
    let accounts = browser.authorize(&request(&[("prompt", "select_account")])).await;
    let accounts = choose(&mut browser, &accounts, "it").await;
    assert!(accounts.has_id("select-continue"));
    let logout = browser.get("/logout").await;
    let logout = choose(&mut browser, &logout, "nl").await;
    assert!(logout.has_id("logout-confirm"));
}

#[tokio::test]
async fn the_chooser_leads_nowhere_else() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    let pending = login.field("pending");
    for fields in [
        [("page", "//evil.example/"), ("language", "de"), ("pending", pending.as_str())],
        [("page", "login"), ("language", "xx"), ("pending", pending.as_str())],
        [("page", "login"), ("language", "de; Path=/x"), ("pending", pending.as_str())],
        [("page", "consent"), ("language", "de"), ("pending", pending.as_str())],
        [("page", "login"), ("language", "de"), ("pending", "changed")],
        [("page", "logout"), ("language", "de"), ("pending", pending.as_str())],
    ] {
        let refused = browser.post("/language", &fields).await;
        assert_eq!(refused.status, 400, "{fields:?}: {refused:?}");
        assert!(!browser.cookies.keys().any(|name| name.contains("language")), "{fields:?}");
    }
    let fields = [("page", "login"), ("language", "de"), ("pending", pending.as_str())];
    assert!(browser.post_from("https://evil.example", "/language", &fields).await.has_id("error-page"));
    let mut other = provider.browser();
    assert_eq!(other.post("/language", &fields).await.status, 400, "a request of another browser");
}

#[tokio::test]
async fn a_language_of_ones_own_is_offered_and_announced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("locale")).unwrap();
    let catalogue = "name = \"Esperanto\"\n[login]\ntitle = \"Ensaluti\"";
    std::fs::write(directory.path().join("locale/eo.toml"), catalogue).unwrap();
    let provider = Provider::start_with(&[("templates.dir", directory.path().to_str().unwrap())]).await;
    let discovery = provider.browser().get("/.well-known/openid-configuration").await.json();
    assert!(discovery["ui_locales_supported"].as_array().unwrap().contains(&"eo".into()), "{discovery}");
    let mut browser = provider.browser();
    let login = browser.authorize(&request(&[])).await;
    assert!(login.body.contains("<option value=\"eo\" lang=\"eo\">Esperanto</option>"));
    assert!(choose(&mut browser, &login, "eo").await.body.contains("<h1 id=\"login-title\">Ensaluti</h1>"));
}
