//! The templates as files, for whoever wants to change them, with a description of what they can use.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::value::Value;

use super::shape::Member;
use super::{BUILT_IN, Described, FrameContext, LanguageContext, Page, PageError, Pages, Visitor, visit_every_page};

/// The file that describes what templates can use.
const CONTEXT: &str = "CONTEXT.md";

/// Writes every file of the pages into a directory, made if need be, and gives how many there are. Where one of them is there
/// already, nothing is written, unless `force` says to overwrite.
///
/// # Errors
/// A file that is there, or that cannot be written.
pub fn export(directory: &Path, force: bool) -> Result<usize, PageError> {
    let contexts = contexts()?;
    let files: Vec<(PathBuf, &str)> = BUILT_IN
        .iter()
        .map(|&(name, text)| (directory.join(name), text))
        .chain([(directory.join(CONTEXT), contexts.as_str())])
        .collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| !force && path.symlink_metadata().is_ok()) {
        let reason = "is there already, so nothing was written; --force overwrites";
        return Err(PageError::file(path.display().to_string(), reason));
    }
    for (path, text) in &files {
        let write = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, text)
        };
        write().map_err(|error| PageError::Write { path: path.clone(), error })?;
    }
    Ok(files.len())
}

/// What every template can use, in Markdown: names, types and sample values, from the types that hold them.
///
/// # Errors
/// None with the samples as tested.
pub fn contexts() -> Result<String, PageError> {
    let pages = Pages::new(&super::Frame { product: "hallpass".to_owned(), ..super::Frame::default() }, None)?;
    let mut text = String::from(
        "# What templates can use\n\n\
         The templates are [MiniJinja](https://docs.rs/minijinja/latest/minijinja/syntax/). Every value is escaped; a name that \
         is not listed here is an error. `{% extends \"default/login.html\" %}` builds on the template that a file replaces.\n\n\
         ## Everywhere\n\n\
         | name | type | what |\n| --- | --- | --- |\n\
         | `t(\"KEY\", name=value)` | function | a sentence of the catalogue `locale/TAG.toml` in the page's language |\n\
         | `asset(\"NAME\")` | function | the address of a file in `asset/`, with its version |\n\
         | `locale.tag`, `locale.name`, `locale.direction` | text | the page's language: its tag (BCP 47), what it calls itself, `ltr` or `rtl` |\n\
         | `hidden_inputs` | HTML | the hidden fields that the page's form has to send back, ready to be written into it |\n\
         | `accent` | text, or none | the address of the style sheet with the colour of the application or of the deployment |\n\
         | `here` | text, or none | what `part/language.html` calls the page, where it can be shown in another language |\n",
    );
    rows(&mut text, "frame", FrameContext::kind().members(), None);
    text.push_str("| `languages` | list of object | the languages that pages come in |\n");
    rows(&mut text, "languages[]", LanguageContext::kind().members(), None);

    struct Pen<'a> {
        pages: &'a Pages,
        text: String,
    }
    impl Visitor for Pen<'_> {
        fn visit<P: Page>(&mut self) {
            let _ = write!(self.text, "\n## {}\n\n", P::TEMPLATE);
            if let Some(action) = P::ACTION {
                let controls: Vec<String> = P::CONTROLS
                    .iter()
                    .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
                    .collect();
                let beside = if controls.is_empty() { String::new() } else { format!(" and {}", controls.join(", ")) };
                let _ =
                    write!(self.text, "Its form posts `hidden_inputs`{beside} to `{{{{ frame.base }}}}{action}`.\n\n");
            }
            self.text.push_str("| name | type | what | sample |\n| --- | --- | --- | --- |\n");
            let locale = self.pages.languages.fallback();
            let samples: Vec<Value> = P::samples()
                .iter()
                .filter(|(name, _)| *name != "hostile")
                .map(|(_, sample)| sample.context(locale))
                .collect();
            rows(&mut self.text, "", P::kind().members(), Some(&samples));
        }
    }
    let mut pen = Pen { pages: &pages, text };
    visit_every_page(&mut pen);
    Ok(pen.text)
}

/// A row for each member, and for its own members below.
fn rows(text: &mut String, prefix: &str, members: &[Member], samples: Option<&[Value]>) {
    for member in members {
        let name = if prefix.is_empty() { member.name.to_owned() } else { format!("{prefix}.{}", member.name) };
        let values: Vec<Value> = samples
            .unwrap_or_default()
            .iter()
            .filter_map(|sample| sample.get_attr(member.name).ok())
            .filter(|value| !value.is_undefined() && !value.is_none())
            .collect();
        let below = member.kind.members();
        let _ = write!(text, "| `{name}` | {} | {} |", member.kind.words(), member.doc.replace('\n', " "));
        if samples.is_some() {
            let sample = values.iter().find(|value| below.is_empty() && value.is_true()).or(values.first());
            let shown =
                sample.filter(|_| below.is_empty()).map(|value| format!(" `{}`", plain(value))).unwrap_or_default();
            let _ = write!(text, "{shown} |");
        }
        text.push('\n');
        if !below.is_empty() {
            let inner: Vec<Value> = if member.kind.is_list() {
                values.iter().filter_map(|value| value.try_iter().ok()).flatten().collect()
            } else {
                values
            };
            let name = if member.kind.is_list() { format!("{name}[]") } else { name };
            rows(text, &name, below, samples.map(|_| inner.as_slice()));
        }
    }
}

/// A value in one cell of a table.
fn plain(value: &Value) -> String {
    let text = value.to_string().replace(['\r', '\n'], " ").replace('|', "\\|").replace('`', "'");
    if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text }
}
