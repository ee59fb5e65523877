//! What programs that drive the pages rely on, what browsers enforce, what people with other abilities need.

use super::*;

#[track_caller]
fn has_ids<P: Page>(sample: &str, wanted: &[&str]) {
    let ids = ids(&html::<P>(sample));
    for id in wanted {
        assert!(ids.contains(*id), "{}: no element has the id {id}: {ids:?}", P::TEMPLATE);
    }
}

/// `name=value` of every field and button that a page sends.
fn controls(html: &str) -> Vec<String> {
    tags(html)
        .iter()
        .filter(|tag| tag.0 == "input" || tag.0 == "button")
        .filter_map(|tag| Some(format!("{}={}", attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect()
}

fn actions(html: &str) -> Vec<String> {
    tags(html).iter().filter(|tag| tag.0 == "form").map(|tag| attribute(tag, "action").unwrap().to_owned()).collect()
}

#[test]
fn csp3_no_page_needs_more_than_its_policy() {
    fn check<P: Page>() {
        let pages = pages();
        for (name, sample) in P::samples() {
            let name = format!("{} {name}", P::TEMPLATE);
            let policy = sample.policy();
            for tag in tags(&pages.render(&sample, &english(&pages)).unwrap()) {
                for (attribute, _) in &tag.1 {
                    assert!(attribute != "style" && !attribute.starts_with("on"), "{name}: {tag:?}");
                }
                match tag.0.as_str() {
                    "script" => {
                        assert!(attribute(&tag, "src").unwrap().starts_with("/idp/asset/"), "{name}: {tag:?}");
                        assert!(policy.contains("; script-src 'self';"), "{name}: {policy}");
                    }
                    "form" => {
                        let here = attribute(&tag, "action").unwrap().starts_with("/idp/");
                        let allowed = !policy.contains("form-action") || here && policy.contains("form-action 'self';");
                        assert!(allowed, "{name}: {tag:?} under {policy}");
                    }
                    "img" => {
                        let src = attribute(&tag, "src").unwrap();
                        let own = src.starts_with("/idp/asset/");
                        let allowed = own || policy.contains(&format!("img-src 'self' {}", uri_origin(src)));
                        assert!(allowed, "{name}: {src} under {policy}");
                    }
                    "link" => {
                        let href = attribute(&tag, "href").unwrap();
                        assert!(href.starts_with("/idp/asset/") || href.starts_with("/idp/accent/"), "{name}: {tag:?}");
                    }
                    "style" | "base" | "iframe" | "object" => panic!("{name}: {tag:?}"),
                    _ => {}
                }
            }
        }
    }
    fn uri_origin(text: &str) -> String {
        crate::base::uri::origin(text).unwrap()
    }
    struct EveryPage;
    impl Visitor for EveryPage {
        fn visit<P: Page>(&mut self) {
            check::<P>();
        }
    }
    visit_every_page(&mut EveryPage);
}

#[test]
fn contract_login() {
    has_ids::<LoginPage>(
        "logo",
        &[
            "login-title",
            "username",
            "password",
            "login-submit",
            "login-cancel",
            "client-logo",
            "client-policy",
            "client-tos",
        ],
    );
    let page = html::<LoginPage>("hint");
    assert_eq!(actions(&page), ["/idp/login"]);
    assert_eq!(
        controls(&page),
        ["pending=sealed-request", "username=ada@meadow.example", "password=", "decision=login", "decision=cancel"]
    );
    let tags = tags(&page);
    let field = |id: &str| tags.iter().find(|tag| attribute(tag, "id") == Some(id)).unwrap();
    assert_eq!(attribute(field("username"), "autocomplete"), Some("username"));
    assert_eq!(attribute(field("password"), "autocomplete"), Some("current-password"));
    assert_eq!(attribute(field("password"), "type"), Some("password"));
    assert!(attribute(field("password"), "autofocus").is_some(), "the hint is there already");
    assert!(attribute(field("username"), "readonly").is_none(), "the hint can be changed");
    assert!(attribute(field("login-cancel"), "formnovalidate").is_some(), "nothing to fill in for a refusal");
    assert_eq!(attribute(field("client-logo"), "referrerpolicy"), Some("no-referrer"));
    for link in ["client-policy", "client-tos"] {
        assert_eq!(attribute(field(link), "rel"), Some("noopener noreferrer"));
    }
}

#[test]
fn contract_login_problems_are_announced() {
    for problem in ["wrong", "missing", "throttled"] {
        let page = html::<LoginPage>(problem);
        assert!(page.contains("id=\"login-problem\" role=\"alert\">"), "{problem}");
        assert!(page.contains("aria-describedby=\"login-problem\""), "{problem}");
    }
    assert!(html::<LoginPage>("throttled").contains("in 30 seconds."));
    assert!(!html::<LoginPage>("logo").contains("login-problem"));
}

#[test]
fn contract_consent() {
    has_ids::<AuthorizePage>("logo", &["consent-allow", "consent-deny", "client-logo", "client-policy", "client-tos"]);
    let page = html::<AuthorizePage>("logo");
    assert_eq!(actions(&page), ["/idp/consent", "/idp/consent"]);
    assert_eq!(
        controls(&page),
        [
            "decision=switch",
            "pending=sealed-request",
            "csrf=csrf-token",
            "decision=allow",
            "decision=deny",
            "pending=sealed-request",
            "csrf=csrf-token"
        ]
    );
    assert!(page.contains("<title>Request for Permission"));
    assert!(page.contains("Ada Okonkwo") && page.contains("ada@meadow.example"), "who is signed in");
}

#[test]
fn contract_consent_shows_every_scope() {
    let page = html::<AuthorizePage>("every_scope");
    for shown in [
        "See your postal address",
        "See your email address",
        "Keep access while you are away",
        "Create, change and delete notes in your notebooks",
        "See your calendar",
        "https://api.meadow.example/scopes/reports.read-only.across-all-departments",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(html::<AuthorizePage>("identity_only").contains("and nothing else"));
}

#[test]
fn contract_consent_scope_titles_of_the_settings_win() {
    let pages = pages();
    let mut page = sample::<AuthorizePage>("logo");
    page.scopes = vec![Scope { title: Some("Profil bei uns".to_owned()), ..Scope::named("profile") }];
    let html = pages.render(&page, &pages.locale(Some("de"), None, None)).unwrap();
    assert!(html.contains("Profil bei uns") && !html.contains("Ihr Profil sehen"));
}

#[test]
fn contract_select_account() {
    let page = html::<SelectAccountPage>("logo");
    assert_eq!(actions(&page), ["/idp/select-account"]);
    assert_eq!(controls(&page), ["pending=sealed-request", "decision=continue", "decision=another", "decision=cancel"]);
}

#[test]
fn contract_logout() {
    has_ids::<EndSessionPromptPage>("client", &["logout-confirm", "logout-cancel"]);
    has_ids::<EndSessionCompletedPage>("no_client", &["logout-done"]);
    let page = html::<EndSessionPromptPage>("client");
    assert_eq!(actions(&page), ["/idp/logout"]);
    assert_eq!(controls(&page), ["csrf=csrf-token", "pending=sealed-request", "decision=logout", "decision=cancel"]);
    let page = html::<EndSessionPromptPage>("no_client");
    assert_eq!(controls(&page), ["csrf=csrf-token", "decision=logout", "decision=cancel"]);
    assert!(!ids(&html::<EndSessionFailedPage>("client")).contains("logout-done"), "nobody was signed out");
    assert!(html::<EndSessionCompletedPage>("client").contains("href=\"https://meadow.example/\""));
}

#[test]
fn contract_error() {
    has_ids::<ErrorPage>("hint", &["error-page", "error-code", "error-description"]);
    let page = html::<ErrorPage>("hint");
    assert!(page.contains("<code id=\"error-code\">invalid_request</code>"));
    assert!(page.contains("nearest registered URI is https://meadow.example/auth/callback"));
    assert!(page.contains("01k9zv3m7q"));
    assert!(!html::<ErrorPage>("request").contains("error-hint"));
}

#[test]
fn form_post_2_hidden_fields_then_a_script_and_a_button_without_one() {
    let page = html::<FormPostPage>("code");
    assert_eq!(actions(&page), ["https://meadow.example/callback?tenant=1&amp;mode=post"]);
    let (form, after) = page.split_once("<form id=\"form-post\"").unwrap().1.split_once("</form>").unwrap();
    assert_eq!(form.matches("<input type=\"hidden\"").count(), 2);
    assert_eq!(form.matches('<').count(), 2, "hidden fields only");
    assert!(form.contains("value=\"a b&amp;c=&quot;d&quot;\r\n&lt;é&gt;\""), "{form}");
    let (noscript, script) = after.split_once("</noscript>").unwrap();
    assert!(noscript.contains("type=\"submit\" form=\"form-post\""));
    assert!(script.contains("<script src=\"/idp/asset/form_post.js?v="));
}

#[test]
fn session_management_3_2_the_frame_may_be_on_every_page() {
    let page = html::<CheckSessionIframePage>("https");
    assert!(page.contains("<script src=\"/idp/asset/check_session.js?v="));
    assert!(page.contains("data-cookie=\"__Host-op_browser_state\""));
    assert!(!sample::<CheckSessionIframePage>("https").policy().contains("frame-ancestors"));
}

#[test]
fn contract_playground() {
    has_ids::<PlaygroundPage>(
        "plain",
        &["playground-run", "playground-client_id", "playground-user", "playground-scope"],
    );
    let page = html::<PlaygroundPage>("plain");
    assert_eq!(actions(&page), ["/idp/playground"]);
    assert!(html::<PlaygroundPage>("problem").contains("id=\"playground-problem\" role=\"alert\">"));
    let page = html::<PlaygroundFragmentPage>("plain");
    assert_eq!(actions(&page), ["/idp/playground/callback"]);
    assert_eq!(controls(&page), ["csrf=csrf-token", "fragment="]);
}

#[test]
fn contract_playground_result() {
    has_ids::<PlaygroundResultPage>(
        "verified",
        &[
            "playground-result",
            "playground-request",
            "playground-response",
            "playground-token-request",
            "playground-token-response",
            "playground-id-token",
            "playground-checks",
            "playground-userinfo",
            "playground-configuration",
            "playground-refresh",
        ],
    );
    let page = html::<PlaygroundResultPage>("verified");
    assert_eq!(actions(&page), ["/idp/playground", "/idp/playground/refresh"]);
    assert!(page.contains("data-outcome=\"verified\"") && !page.contains("playground-error"));
    assert!(page.contains("<li data-check=\"aud\" data-passed=\"true\">"));
    let page = html::<PlaygroundResultPage>("failed");
    assert!(page.contains("data-outcome=\"failed\"") && page.contains("<li data-check=\"aud\" data-passed=\"false\">"));
    let page = html::<PlaygroundResultPage>("error");
    assert!(page.contains("data-outcome=\"error\"") && page.contains("<code>login_required</code>"));
}

#[test]
fn wcag_every_field_has_a_label_and_every_image_an_alternative() {
    let pages = pages();
    for Rendered { name, html, .. } in pages.samples(&english(&pages)).unwrap() {
        let tags = tags(&html);
        for tag in &tags {
            let field = tag.0 == "input" && attribute(tag, "type") != Some("hidden");
            let visible = field || tag.0 == "select";
            if visible {
                let id = attribute(tag, "id").unwrap();
                assert!(tags.iter().any(|tag| attribute(tag, "for") == Some(id)), "{name}: {tag:?}");
            }
            assert!(tag.0 != "img" || attribute(tag, "alt").is_some(), "{name}: {tag:?}");
        }
    }
}

#[test]
fn wcag_contrast_is_enough_in_both_schemes() {
    fn colours(block: &str) -> impl Fn(&str) -> [f64; 3] {
        move |name: &str| {
            let value = block.split(&format!("--{name}: #")).nth(1).expect(name);
            let hex = u32::from_str_radix(value.get(..6).unwrap(), 16).unwrap();
            [hex >> 16, hex >> 8 & 255, hex & 255].map(|channel| {
                let channel = f64::from(channel) / 255.0;
                if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
            })
        }
    }
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let [a, b] = [a, b].map(|[r, g, b]| 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
        a.max(b) / a.min(b)
    }
    let css = BUILT_IN.iter().find(|(name, _)| *name == "asset/hallpass.css").unwrap().1;
    let light = css.split(":root {").nth(1).unwrap().split('}').next().unwrap();
    let dark = css.split(":root {").nth(2).unwrap().split('}').next().unwrap();
    for (scheme, block) in [("light", light.to_owned()), ("dark", format!("{dark}{light}"))] {
        let colour = colours(&block);
        for (front, back, least) in [
            ("text", "sheet", 7.0),
            ("text", "tint", 7.0),
            ("text", "field", 7.0),
            ("quiet", "sheet", 4.5),
            ("quiet", "tint", 4.5),
            ("quiet", "stub", 4.5),
            ("accent", "sheet", 4.5),
            ("accent", "tint", 4.5),
            ("accent", "field", 4.5),
            ("on-accent", "accent", 4.5),
            ("on-accent", "accent-strong", 4.5),
            ("strip-text", "strip", 7.0),
            ("problem", "problem-tint", 4.5),
            ("on-notice", "notice", 4.5),
            ("edge", "sheet", 3.0),
            ("edge", "field", 3.0),
            ("edge", "page", 3.0),
            ("edge", "tint", 3.0),
            ("focus", "sheet", 3.0),
            ("focus", "field", 3.0),
            ("focus", "tint", 3.0),
            ("focus", "stub", 3.0),
        ] {
            let ratio = contrast(colour(front), colour(back));
            assert!(ratio >= least, "{scheme}: {front} on {back} has {ratio:.2}, needs {least}");
        }
    }
}

#[test]
fn contract_language_chooser() {
    let page = whole::<LoginPage>("logo");
    let chooser = page.split_once("<form class=\"languages\"").unwrap().1.split_once("</form>").unwrap().0;
    assert!(chooser.starts_with(" aria-label=\"Language\" method=\"post\" action=\"/idp/language\">"));
    let hidden =
        ["name=\"page\" value=\"login\"", "name=\"pending\" value=\"sealed-request\"", "<label for=\"language\">"];
    for part in hidden {
        assert!(chooser.contains(part), "{part}: {chooser}");
    }
    assert!(chooser.contains("<option value=\"en\" lang=\"en\" selected>English</option>"));
    assert!(chooser.contains("<option value=\"pl\" lang=\"pl\">Polski</option>"));
    assert!(whole::<HomePage>("plain").contains("name=\"page\" value=\"home\""));
    assert!(!whole::<ErrorPage>("request").contains("/language"), "it can't be shown again");
    assert!(!whole::<PlaygroundPage>("plain").contains("/language"), "it is in English");
}

#[test]
fn an_accent_is_a_style_sheet_of_its_own() {
    let page = html::<LoginPage>("accent");
    let (ours, accent) =
        (page.find("/idp/asset/hallpass.css").unwrap(), page.find("/idp/accent/ffb300.css?v=").unwrap());
    assert!(ours < accent, "it comes later");
    assert!(!html::<LoginPage>("logo").contains("/accent/"));
    let frame = Frame { accent: Color::parse("#123456"), ..frame() };
    let pages = Pages::new(&frame, None).unwrap();
    let page = pages.render(&sample::<ErrorPage>("request"), &english(&pages)).unwrap();
    assert!(page.contains("/idp/accent/123456.css"), "the deployment's own");
    let page = pages.render(&sample::<LoginPage>("accent"), &english(&pages)).unwrap();
    assert!(page.contains("/idp/accent/ffb300.css") && !page.contains("123456"), "the client's wins");
}

#[test]
fn a_logo_of_the_deployment_stands_on_every_page() {
    let directory = tempfile::tempdir().unwrap();
    let logo = |name: &str| Frame { logo: Some(directory.path().join(name)), ..frame() };
    fs::write(directory.path().join("our.PNG"), "png").unwrap();
    fs::write(directory.path().join("our.exe"), "exe").unwrap();
    let pages = Pages::new(&logo("our.PNG"), None).unwrap();
    let page = pages.render(&sample::<HomePage>("plain"), &english(&pages)).unwrap();
    assert_eq!(page.matches("/idp/asset/logo.png?v=").count(), 2, "{page}");
    assert!(!page.contains("mark.svg"));
    assert!(
        Pages::new(&logo("our.exe"), None)
            .unwrap_err()
            .to_string()
            .ends_with("/our.exe: not an image: svg, png, jpg, webp, avif, gif or ico")
    );
    assert!(Pages::new(&logo("none.png"), None).is_err());
}
