//! The pages as people and their programs meet them.

mod check;
mod context;
mod contract;
mod live;
mod overrides;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::catalogue::Catalogue;
use super::part::INJECTION;
use super::*;

fn frame() -> Frame {
    Frame { base: "/idp".to_owned(), product: "Meadow Login".to_owned(), ..Frame::default() }
}

fn pages() -> Pages {
    Pages::new(&frame(), None).unwrap()
}

fn english(pages: &Pages) -> Locale {
    pages.locale(None, None, None)
}

fn sample<P: Page>(wanted: &str) -> P {
    P::samples().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

fn html<P: Page>(wanted: &str) -> String {
    without_chooser(&whole::<P>(wanted))
}

fn whole<P: Page>(wanted: &str) -> String {
    let pages = pages();
    pages.render(&sample::<P>(wanted), &english(&pages)).unwrap()
}

/// A page but for the form in which another language can be chosen.
fn without_chooser(html: &str) -> String {
    match html.split_once("<form class=\"languages\"") {
        Some((before, rest)) => before.to_owned() + rest.split_once("</form>").unwrap().1,
        None => html.to_owned(),
    }
}

/// Whether anybody sees a page of this name.
fn is_for_people(name: &str) -> bool {
    !name.starts_with("check_session_iframe-")
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

#[test]
fn every_page_shows_every_sample_in_every_language() {
    let pages = pages();
    assert!(pages.languages().count() >= 5);
    for locale in pages.languages.spoken() {
        let samples = pages.samples(locale).unwrap();
        let names: BTreeSet<&String> = samples.iter().map(|page| &page.name).collect();
        assert_eq!(names.len(), samples.len(), "two samples share a name");
        for Rendered { name, html, .. } in samples {
            assert!(html.starts_with("<!doctype html>\n<html lang="), "{name}: {html:.80}");
            assert!(html.contains(&format!("<html lang=\"{}\" dir=\"ltr\">", locale.tag())), "{name}");
            assert_eq!(html.matches("<h1").count(), usize::from(is_for_people(&name)), "{name}: one heading");
            ids(&html);
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
    let files: Vec<(&str, &str)> = BUILT_IN
        .iter()
        .filter_map(|&(name, text)| Some((name.strip_prefix("locale/")?.strip_suffix(".toml")?, text)))
        .collect();
    let english = files.iter().find(|(name, _)| *name == "en").map(|(name, text)| parse(name, text)).unwrap();
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
        let dynamic = ["login.", "error."].iter().any(|prefix| {
            key.starts_with(prefix)
                && text.contains(&format!("(\"{prefix}\" ~ "))
                && !text.contains(&format!("\"{key}\""))
        });
        assert!(
            dynamic
                || ["direction", "name"].contains(&key)
                || key.starts_with("scope.")
                || text.contains(&format!("(\"{key}\""))
                || text.contains(&format!("('{key}'")),
            "{key}"
        );
    }
}

#[test]
fn nothing_that_others_wrote_leaves_its_place() {
    let pages = pages();
    for Rendered { name, html, .. } in pages.samples(&english(&pages)).unwrap() {
        assert!(!html.contains(INJECTION) && !html.contains("<script>"), "{name}: {html}");
        assert!(!html.contains("49"), "{name}: an expression was evaluated");
        if name.ends_with("-hostile") {
            let shown = html.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;{{ 7 * 7 }}");
            let silent = ["end_session_completed-hostile", "end_session_failed-hostile"].contains(&name.as_str());
            assert!(shown || silent, "{name}: {html}");
        }
        let known = [
            "html", "head", "meta", "title", "link", "body", "main", "header", "div", "footer", "h1", "h2", "p", "bdi",
            "span", "ul", "ol", "li", "dl", "dt", "dd", "code", "pre", "a", "img", "form", "label", "input", "select",
            "option", "button", "details", "summary", "section", "h3", "noscript", "script",
        ];
        for tag in tags(&html) {
            assert!(known.contains(&tag.0.as_str()), "{name}: <{}>", tag.0);
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
        let html = pages.render(&page, &pages.locale(ui_locales, None, accept_language)).unwrap();
        assert!(html.contains(&format!("value=\"login\">{submit}</button>")), "{submit}");
    }
}

#[test]
fn the_banner_stands_on_every_page_when_there_is_one() {
    let banner = Some("For development only".to_owned());
    let pages = Pages::new(&Frame { banner, base: String::new(), ..frame() }, None).unwrap();
    for Rendered { name, html, .. } in pages.samples(&english(&pages)).unwrap() {
        assert_eq!(html.contains("For development only"), is_for_people(&name), "{name}");
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
fn the_default_language_is_for_whoever_reads_none_of_ours() {
    let german = Pages::new(&frame(), None).unwrap().with_default_language("de").unwrap();
    assert_eq!(german.locale(None, None, Some("xx")).tag(), "de");
    assert_eq!(german.locale(None, None, Some("fr")).tag(), "fr");
    let error = Pages::new(&frame(), None).unwrap().with_default_language("xx").unwrap_err().to_string();
    assert!(error.starts_with("i18n.default_locale: the pages don't come in \"xx\"; they come in "), "{error}");
}
