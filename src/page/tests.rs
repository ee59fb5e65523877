//! The pages as people and their programs meet them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::part::INJECTION;
use super::*;

fn frame() -> Frame {
    Frame { base: "/idp".to_owned(), product: "Meadow Login".to_owned(), banner: None }
}

fn pages() -> Pages {
    Pages::new(&frame(), None).unwrap()
}

fn english(pages: &Pages) -> Locale {
    pages.locale(None, None)
}

fn sample<P: Page>(wanted: &str) -> P {
    P::samples().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

fn html<P: Page>(wanted: &str) -> String {
    let pages = pages();
    pages.render(&sample::<P>(wanted), &english(&pages)).unwrap()
}

/// A directory with these files.
fn overrides(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn refusal(files: &[(&str, &str)]) -> String {
    let directory = overrides(files);
    Pages::new(&frame(), Some(directory.path())).unwrap_err().to_string()
}

/// The start tags of a page, each as its name and attributes. Strict on purpose: it knows only what our pages use, and
/// whatever else stands there fails.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if inside.starts_with(['/', '!']) {
            continue;
        }
        let (name, mut text) = inside.split_once([' ', '\n']).unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        loop {
            text = text.trim_start();
            if text.is_empty() {
                break;
            }
            let end = text.find(['=', ' ']).unwrap_or(text.len());
            let (attribute, after) = text.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(after) => after.split_once('"').expect("a value ends"),
                None => ("", after),
            };
            assert!(
                attribute.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{attribute} in <{inside}>"
            );
            attributes.push((attribute.to_owned(), value.to_owned()));
            text = after;
        }
        tags.push((name.to_owned(), attributes));
    }
    tags
}

fn attribute<'a>(tag: &'a (String, Vec<(String, String)>), name: &str) -> Option<&'a str> {
    tag.1.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn ids(html: &str) -> BTreeSet<String> {
    let tags = tags(html);
    let all: Vec<String> = tags.iter().filter_map(|tag| attribute(tag, "id")).map(str::to_owned).collect();
    let set: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), set.len(), "an id stands twice: {all:?}");
    set
}

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
fn every_page_shows_every_sample_in_every_language() {
    let pages = pages();
    assert!(pages.languages().count() >= 5);
    for locale in pages.languages.spoken() {
        let samples = pages.samples(locale).unwrap();
        let names: BTreeSet<&String> = samples.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), samples.len(), "two samples share a name");
        for (name, html) in samples {
            assert!(html.starts_with("<!doctype html>\n<html lang="), "{name}: {html:.80}");
            assert!(html.contains(&format!("<html lang=\"{}\" dir=\"ltr\">", locale.tag())), "{name}");
            assert_eq!(html.matches("<h1").count(), 1, "{name}: one heading");
            ids(&html);
        }
    }
}

/// For looking at: `HALLPASS_PAGE_DUMP=/tmp/pages cargo test page::` writes every sample, with its assets beside it.
#[test]
fn samples_can_be_looked_at() {
    let Some(directory) = std::env::var_os("HALLPASS_PAGE_DUMP").map(PathBuf::from) else { return };
    let banner = std::env::var("HALLPASS_PAGE_BANNER").ok();
    let pages = Pages::new(&Frame { base: ".".to_owned(), banner, ..frame() }, None).unwrap();
    fs::create_dir_all(directory.join("asset")).unwrap();
    for asset in pages.assets.values() {
        fs::write(directory.join("asset").join(&asset.name), &asset.bytes).unwrap();
    }
    for locale in pages.languages.spoken() {
        for (name, html) in pages.samples(locale).unwrap() {
            fs::write(directory.join(format!("{name}.{}.html", locale.tag())), html).unwrap();
        }
    }
}

#[test]
fn the_program_holds_every_file_of_templates() {
    fn walk(directory: &Path, prefix: &str, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), into);
            } else {
                into.insert(name);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), "", &mut found);
    assert_eq!(found, BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn every_catalogue_has_exactly_the_sentences_of_english() {
    let parse = |tag: &str, text: &str| Catalogue::parse(tag, text, None).unwrap();
    let files: Vec<(&str, &str)> =
        BUILT_IN.iter().filter_map(|&(name, text)| Some((name.strip_prefix("locale/")?, text))).collect();
    let english = files.iter().find(|(name, _)| *name == "en.toml").map(|(name, text)| parse(name, text)).unwrap();
    for (name, text) in files {
        assert_eq!(parse(name, text).shape(), english.shape(), "{name}");
    }
}

#[test]
fn every_sentence_is_said_somewhere() {
    let text: String = BUILT_IN.iter().filter(|(name, _)| name.ends_with(".html")).map(|(_, text)| *text).collect();
    let english = BUILT_IN.iter().find(|(name, _)| *name == "locale/en.toml").unwrap().1;
    let english = Catalogue::parse("en", english, None).unwrap();
    for (key, _) in english.shape() {
        // Some keys are put together: `"login." ~ problem.kind`.
        let dynamic = ["login.", "error.", "scope."].iter().any(|prefix| {
            key.starts_with(prefix)
                && text.contains(&format!("(\"{prefix}\" ~ "))
                && !text.contains(&format!("\"{key}\""))
        });
        assert!(
            dynamic
                || key == "direction"
                || text.contains(&format!("(\"{key}\""))
                || text.contains(&format!("('{key}'")),
            "{key}"
        );
    }
}

#[test]
fn nothing_that_others_wrote_leaves_its_place() {
    let pages = pages();
    for (name, html) in pages.samples(&english(&pages)).unwrap() {
        assert!(!html.contains(INJECTION) && !html.contains("<script>"), "{name}: {html}");
        assert!(!html.contains("49"), "{name}: an expression was evaluated");
        if name.ends_with("-hostile") {
            let shown = html.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;{{ 7 * 7 }}");
            let silent = ["end_session_completed-hostile", "end_session_failed-hostile"].contains(&name.as_str());
            assert!(shown || silent, "{name}: {html}");
        }
        let known = [
            "html", "head", "meta", "title", "link", "body", "main", "header", "div", "footer", "h1", "h2", "p", "bdi",
            "span", "ul", "li", "dl", "dt", "dd", "code", "a", "img", "form", "label", "input", "button", "noscript",
            "script",
        ];
        for tag in tags(&html) {
            assert!(known.contains(&tag.0.as_str()), "{name}: <{}>", tag.0);
        }
    }
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
                    "form" => assert!(!policy.contains("form-action"), "{name}: {policy}"),
                    "img" => {
                        let src = attribute(&tag, "src").unwrap();
                        let own = src.starts_with("/idp/asset/");
                        let allowed = own || policy.contains(&format!("img-src 'self' {}", uri_origin(src)));
                        assert!(allowed, "{name}: {src} under {policy}");
                    }
                    "link" => assert!(attribute(&tag, "href").unwrap().starts_with("/idp/asset/"), "{name}: {tag:?}"),
                    "style" | "base" | "iframe" | "object" => panic!("{name}: {tag:?}"),
                    _ => {}
                }
            }
        }
    }
    fn uri_origin(text: &str) -> String {
        crate::base::uri::origin(text).unwrap()
    }
    check::<LoginPage>();
    check::<AuthorizePage>();
    check::<SelectAccountPage>();
    check::<EndSessionPromptPage>();
    check::<EndSessionCompletedPage>();
    check::<EndSessionFailedPage>();
    check::<FormPostPage>();
    check::<ErrorPage>();
    check::<HomePage>();
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
    for problem in ["wrong", "missing", "throttled", "expired"] {
        let page = html::<LoginPage>(problem);
        assert!(page.contains("id=\"login-problem\" role=\"alert\">"), "{problem}");
        assert!(page.contains("aria-describedby=\"login-problem\""), "{problem}");
    }
    assert!(html::<LoginPage>("throttled").contains("in 30 s."));
    assert!(!html::<LoginPage>("logo").contains("login-problem"));
}

#[test]
fn contract_consent() {
    has_ids::<AuthorizePage>("logo", &["consent-allow", "consent-deny", "client-logo", "client-policy", "client-tos"]);
    let page = html::<AuthorizePage>("logo");
    assert_eq!(actions(&page), ["/idp/consent", "/idp/consent"]);
    assert_eq!(
        controls(&page),
        ["pending=sealed-request", "decision=switch", "pending=sealed-request", "decision=allow", "decision=deny"]
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
    let html = pages.render(&page, &pages.locale(Some("de"), None)).unwrap();
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
fn wcag_every_field_has_a_label_and_every_image_an_alternative() {
    let pages = pages();
    for (name, html) in pages.samples(&english(&pages)).unwrap() {
        let tags = tags(&html);
        for tag in &tags {
            let visible = tag.0 == "input" && attribute(tag, "type") != Some("hidden");
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
            let hex = u32::from_str_radix(&value[..6], 16).unwrap();
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
            ("focus", "sheet", 3.0),
            ("focus", "stub", 3.0),
        ] {
            let ratio = contrast(colour(front), colour(back));
            assert!(ratio >= least, "{scheme}: {front} on {back} has {ratio:.2}, needs {least}");
        }
    }
}

#[test]
fn a_page_comes_in_the_persons_language() {
    let pages = pages();
    let page = sample::<LoginPage>("logo");
    for (ui_locales, accept_language, submit) in [
        (Some("fr-CA fr en"), Some("de"), "Se connecter"),
        (None, Some("pl;q=0.8, tlh"), "Zaloguj się"),
        (Some("tlh"), None, "Sign in"),
    ] {
        let html = pages.render(&page, &pages.locale(ui_locales, accept_language)).unwrap();
        assert!(html.contains(&format!("value=\"login\">{submit}</button>")), "{submit}");
    }
}

#[test]
fn the_banner_stands_on_every_page_when_there_is_one() {
    let banner = Some("For development only".to_owned());
    let pages = Pages::new(&Frame { banner, base: String::new(), ..frame() }, None).unwrap();
    for (name, html) in pages.samples(&english(&pages)).unwrap() {
        assert!(html.contains("For development only"), "{name}");
        assert!(!html.contains("/idp/"), "{name}: the base is empty here");
    }
}

#[test]
fn assets_are_addressed_by_their_version() {
    let pages = pages();
    let asset = pages.asset("hallpass.css").unwrap();
    assert_eq!(asset.content_type, "text/css; charset=utf-8");
    assert!(html::<HomePage>("plain").contains(&format!("/idp/asset/hallpass.css?v={}\"", asset.version)));
    assert!(pages.asset("../layout.html").is_none());
    for asset in pages.assets.values() {
        assert!(!asset.bytes.is_empty(), "{}", asset.name);
    }
}

#[test]
fn overrides_replace_one_file_and_may_build_on_it() {
    let directory = overrides(&[
        (
            "login.html",
            "{% extends \"default/login.html\" %}{% block stub %}Ring 112.{% include \"part/help.html\" %}{% endblock %}",
        ),
        ("part/help.html", "<img alt=\"\" src=\"{{ asset('house.png') }}\">"),
        ("asset/house.png", "png"),
        ("asset/mark.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("locale/en.toml", "[login]\ntitle = \"Come in\""),
        ("locale/he.toml", "direction = \"rtl\"\n[login]\ntitle = \"כניסה\""),
        ("README.md", "notes"),
    ]);
    let pages = Pages::new(&frame(), Some(directory.path())).unwrap();
    let page = sample::<LoginPage>("logo");
    let html = pages.render(&page, &english(&pages)).unwrap();
    assert!(html.contains("Ring 112.<img alt=\"\" src=\"/idp/asset/house.png?v="), "{html}");
    assert!(html.contains("<h1 id=\"login-title\">Come in</h1>") && html.contains(">Username<"));
    assert_eq!(pages.asset("mark.svg").unwrap().bytes.len(), 41);
    let html = pages.render(&page, &pages.locale(Some("he"), None)).unwrap();
    assert!(html.contains("<html lang=\"he\" dir=\"rtl\">") && html.contains("כניסה") && html.contains(">Username<"));
}

#[test]
fn overrides_that_do_not_work_are_refused_with_file_and_line() {
    let case = |name: &str, text: &str, wanted: &[&str]| {
        let message = refusal(&[(name, text)]);
        for part in wanted {
            assert!(message.contains(part), "{name}: {message}");
        }
    };
    case("login.html", "<p>\n{% if %}", &["/login.html:2: syntax error"]);
    case("login.html", "\n\n{{ usrname }}", &["/login.html:3: undefined value"]);
    case("error.html", "{{ t(\"no.such\") }}", &["/error.html:1: ", "no message `no.such`"]);
    case("part/client.html", "\n{{ asset(\"gone.png\") }}", &["/part/client.html:2: ", "no asset `gone.png`"]);
    case("home.html", "{% include \"part/gone.html\" %}", &["/home.html:1: ", "part/gone.html"]);
    case("home.html", "{% autoescape false %}{{ issuer }}{% endautoescape %}", &["/home.html:1: ", "escaping"]);
    case("logn.html", "", &["/logn.html: no page is called so", "login.html"]);
    case("locale/de.toml", "[login]\ntitle = 1", &["/locale/de.toml: `login.title`: must be text"]);
    case("locale/de.toml", "[login\n", &["/locale/de.toml:1: "]);
    case("locale/d_e.toml", "", &["/locale/d_e.toml: `d_e` is not a language tag"]);
    case("asset/run.exe", "", &["/asset/run.exe: not a kind of file"]);
    let absent = Pages::new(&frame(), Some(Path::new("/nonexistent/hallpass"))).unwrap_err();
    assert!(absent.to_string().starts_with("/nonexistent/hallpass"));
}
