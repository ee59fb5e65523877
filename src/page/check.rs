//! What can be said of templates and catalogues before anybody sees them: each is rendered with every sample in every
//! language, and what comes out is looked at as a browser would.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Frame, Locale, Page, PageError, Pages, Submits, Visitor, visit_every_page};
use crate::base::uri;

/// All that is wrong with the files in `overrides`, or with ours without it.
///
/// # Errors
/// A directory that cannot be read.
pub fn check(frame: &Frame, overrides: Option<&Path>) -> Result<Vec<PageError>, PageError> {
    let (pages, faults) = Pages::load(frame, overrides)?;
    let mut check = Check { pages: &pages, said: BTreeSet::new(), faults };
    check.said.extend(check.faults.iter().map(ToString::to_string));
    for locale in pages.languages.spoken() {
        let name = format!("locale/{}.toml", locale.tag());
        let file = overrides.map_or_else(|| name.clone(), |directory| directory.join(&name).display().to_string());
        for key in &locale.0.missing {
            let reason = format!("`{key}`: missing; pages say it in English");
            check.note(PageError::File { file: file.clone(), line: None, reason });
        }
    }
    visit_every_page(&mut check);
    Ok(check.faults)
}

struct Check<'a> {
    pages: &'a Pages,
    /// What was said: most faults come with every sample.
    said: BTreeSet<String>,
    faults: Vec<PageError>,
}

impl Check<'_> {
    fn note(&mut self, fault: PageError) {
        if self.said.insert(fault.to_string()) {
            self.faults.push(fault);
        }
    }

    fn look<P: Page>(&mut self, sample: &P, locale: &Locale) {
        match self.pages.render_anew(sample, locale) {
            Ok(html) => {
                for Finding { what, reason } in find(&html, sample, &self.pages.base) {
                    let fault = self.place::<P>(&what, reason);
                    self.note(fault);
                }
            }
            Err(fault) => self.note(fault),
        }
    }

    /// A fault with the file and line where this text stands: in the page's own template, or in a part of it.
    fn place<P: Page>(&self, what: &str, reason: String) -> PageError {
        let own = self.pages.origins.get(P::TEMPLATE);
        let others = self.pages.origins.values();
        for (file, text) in own.into_iter().chain(others) {
            let mut lines = text.lines().enumerate();
            if let Some((before, _)) = lines.find(|(_, line)| line.to_ascii_lowercase().contains(what)) {
                return PageError::File { file: file.clone(), line: Some(before + 1), reason };
            }
        }
        let file = own.map_or_else(|| format!("{} (built in)", P::TEMPLATE), |(file, _)| file.clone());
        PageError::File { file, line: None, reason }
    }
}

impl Visitor for Check<'_> {
    fn visit<P: Page>(&mut self) {
        for locale in self.pages.languages.spoken() {
            for (_, sample) in P::samples() {
                self.look(&sample, locale);
            }
        }
    }
}

/// Something that is wrong in a page.
struct Finding {
    /// How it is written, in lower case: by that it is found in the template.
    what: String,
    reason: String,
}

/// What a browser would not do, or should not, with a page.
fn find<P: Page>(html: &str, page: &P, base: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |what: &str, reason: String| findings.push(Finding { what: what.to_ascii_lowercase(), reason });
    let tags = tags(html);
    let policy = page.policy();
    for tag in &tags {
        let what = format!("<{}", tag.name);
        let blocked = |why: &str| format!("<{}>: {why}, which the page's Content-Security-Policy blocks", tag.name);
        for (name, value) in &tag.attributes {
            if name == "style" {
                note("style=", blocked("an inline style"));
            } else if name.starts_with("on") {
                note(&format!("{name}="), blocked(&format!("an inline script in {name}")));
            } else if ["href", "src", "action", "formaction"].contains(&name.as_str()) && runs_script(value) {
                note("javascript:", format!("<{}>: {name} runs a script (javascript:)", tag.name));
            }
        }
        match tag.name.as_str() {
            "style" => note(&what, blocked("an inline style")),
            "base" | "embed" | "iframe" | "object" => note(&what, blocked("something that is embedded")),
            "script" => match tag.get("src") {
                None => note(&what, blocked("an inline script")),
                Some(_) if !P::SCRIPTS => note(&what, blocked("a script on a page that has none")),
                Some(src) if !is_ours(src) => note(src, blocked("a script from elsewhere")),
                Some(_) => {}
            },
            "link" if tag.get("rel").is_some_and(|rel| rel.contains("stylesheet")) => {
                if let Some(href) = tag.get("href").filter(|href| !is_ours(href)) {
                    note(href, blocked("a style sheet from elsewhere"));
                }
            }
            "img" => {
                let allowed = |src: &str| uri::origin(src).is_some_and(|origin| policy.contains(&origin));
                if let Some(src) = tag.get("src").filter(|src| !is_ours(src) && !allowed(src)) {
                    note(src, blocked("an image from elsewhere"));
                }
            }
            "form" if P::SUBMITS == Submits::Nowhere => note(&what, blocked("a form on a page that has none")),
            _ => {}
        }
    }
    if let Some(action) = page.action(base) {
        form(&tags, page, &action, &mut note);
    }
    findings
}

/// Whether the page's form has what its answer needs.
fn form<P: Page>(tags: &[Tag], page: &P, action: &str, note: &mut impl FnMut(&str, String)) {
    let mut forms = forms(tags).filter(|(form, _)| form.get("action") == Some(action)).peekable();
    if forms.peek().is_none() {
        return note("<form", format!("there is no form with action=\"{action}\""));
    }
    let mut answered = false;
    for (form, controls) in forms {
        if !form.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
            note(
                "<form",
                format!("the form to {action} has no method=\"post\": what it sends would stand in the address"),
            );
        }
        for (name, value) in page.hidden() {
            if !controls.iter().any(|tag| tag.get("name") == Some(name) && tag.get("value") == Some(value)) {
                let reason =
                    format!("the form to {action} does not send back `{name}`: write {{{{ hidden_inputs }}}} into it");
                note("<form", reason);
            }
        }
        let has =
            |names: &&[&str]| controls.iter().any(|tag| tag.get("name").is_some_and(|name| names.contains(&name)));
        answered |= P::CONTROLS.iter().all(has);
    }
    if !answered {
        let names: Vec<String> = P::CONTROLS.iter().map(|names| names.join(" or ")).collect();
        note("<form", format!("no form to {action} has a field or button for {}", names.join(", ")));
    }
}

/// Each form with the fields and buttons that belong to it, by their place or by their attribute `form`.
fn forms(tags: &[Tag]) -> impl Iterator<Item = (&Tag, Vec<&Tag>)> {
    tags.iter().enumerate().filter(|(_, tag)| tag.name == "form").map(|(start, form)| {
        let end =
            tags.iter().skip(start).position(|tag| tag.name == "/form").map_or(tags.len(), |length| start + length);
        let is_of = |index: usize, tag: &Tag| match tag.get("form") {
            Some(id) => form.get("id") == Some(id),
            None => (start..end).contains(&index),
        };
        let is_control = |tag: &Tag| matches!(tag.name.as_str(), "input" | "button" | "select" | "textarea");
        let controls = tags.iter().enumerate().filter(|(index, tag)| is_control(tag) && is_of(*index, tag));
        (form, controls.map(|(_, tag)| tag).collect())
    })
}

/// An address on this server.
fn is_ours(address: &str) -> bool {
    uri::origin(address).is_none() && !address.starts_with("//") && !address.starts_with("data:")
}

/// As browsers read addresses (URL Standard): spaces in front and line ends in between don't count.
pub(super) fn runs_script(address: &str) -> bool {
    let plain: String = address.chars().filter(|c| !c.is_ascii_control() && *c != ' ').collect();
    plain.to_ascii_lowercase().starts_with("javascript:")
}

/// A start tag, or an end tag with its slash.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The tags of a page, as far as it takes to find what is wrong with it: comments and text are passed over.
fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        rest = match after.strip_prefix("!--") {
            Some(comment) => comment.split_once("-->").map_or("", |(_, after)| after),
            None => tag(after, &mut tags),
        };
    }
    tags
}

/// Reads a tag behind its `<`, and gives what follows it.
fn tag<'a>(text: &'a str, into: &mut Vec<Tag>) -> &'a str {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut tag = Tag { name: name.trim_end_matches('/').to_ascii_lowercase(), attributes: Vec::new() };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            break;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '=').unwrap_or(rest.len()).max(1);
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.chars().next().filter(|quote| ['"', '\''].contains(quote)) {
                Some(quote) => {
                    let inside = value.strip_prefix(quote).unwrap_or_default();
                    inside.split_once(quote).unwrap_or((inside, ""))
                }
                None => {
                    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
                    value.split_at(end)
                }
            },
        };
        tag.attributes.push((name.to_ascii_lowercase(), unescape(value)));
        rest = after;
    }
    into.push(tag);
    rest
}

/// What our own escaping and people's usual entities stand for.
fn unescape(value: &str) -> String {
    let named = [
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&colon;", ":"),
        ("&Tab;", ""),
        ("&NewLine;", ""),
    ];
    let text = named.iter().fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain));
    text.replace("&amp;", "&")
}
