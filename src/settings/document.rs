//! Settings as text: the documented file, and the values in force.

use super::Settings;
use super::kind::{Kind, Period, Size};
use super::schema::Key;
use super::source::{DEFAULT_FILE, Origin};
use super::table::{KEYS, SECTIONS};
use super::written::{Written, quote_name};

/// One key with its value in force, for `config show`.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: &'static Key,
    /// Its value as TOML, a secret as `"(hidden)"`; `None` when it is not set.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: Origin,
}

/// The whole documented file, for `config default`: every key with its meaning, what it takes and its default.
///
/// Keys are commented out without a space behind the `#`, so that the file sets nothing until somebody removes one.
pub fn default_document() -> String {
    let mut text = format!(
        "# {DEFAULT_FILE}: the settings of hallpass. A key behind # without a space has its default.\n\
         # The environment (HALLPASS_HTTP__LISTEN for listen in [http]) wins over this file, the command line over \
         both.\n\
         # Durations are {}.\n\
         # Sizes are {}.\n\
         # Paths begin where this file is.\n",
        Period::FORM.unwrap_or_default(),
        Size::FORM.unwrap_or_default(),
    );
    for key in KEYS.iter().filter(|key| key.parts().0.is_empty() && !key.named) {
        describe(key, &mut text);
    }
    for section in SECTIONS {
        text.push('\n');
        comment(section.doc, &mut text);
        text.push_str(&format!("[{}]\n", section.name));
        for key in KEYS.iter().filter(|key| key.parts().0 == section.name) {
            describe(key, &mut text);
        }
    }
    for key in KEYS.iter().filter(|key| key.named) {
        describe_table(key, &mut text);
    }
    text
}

/// A table with names of people's own, which is empty by default.
fn describe_table(key: &Key, text: &mut String) {
    text.push('\n');
    comment(key.doc, text);
    let restart = if key.restart { " A change needs a restart." } else { "" };
    text.push_str(&format!("# {}.{restart}\n# For example:\n", capitalize(&(key.right)())));
    let entries = key.example.and_then(Written::parse).and_then(|example| example.table()).unwrap_or_default();
    let members = (key.members)();
    if members.is_empty() {
        text.push_str(&format!("#[{}]\n", key.name));
        for (name, entry) in entries {
            text.push_str(&format!("#{} = {}\n", quote_name(&name), entry.value));
        }
        return;
    }
    for name in entries.keys() {
        text.push_str(&format!("#[{}.{}]\n", key.name, quote_name(name)));
        members.iter().for_each(|member| describe(member, text));
    }
}

fn describe(key: &Key, text: &mut String) {
    text.push('\n');
    comment(key.doc, text);
    let restart = if key.restart { " A change needs a restart." } else { "" };
    text.push_str(&format!("# {}.{restart}\n", capitalize(&(key.right)())));
    if key.default.is_none() {
        text.push_str("# Not set by default; for example:\n");
    }
    let value = one_line(key.default.or(key.example).unwrap_or_default());
    text.push_str(&format!("#{} = {value}\n", key.parts().1));
}

/// A value as it stands in the table of keys. The compiler breaks the text of a long list into lines.
pub(super) fn one_line(value: &str) -> String {
    value.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Doc comments begin with the space that follows the slashes.
fn comment(lines: &[&str], text: &mut String) {
    for line in lines {
        text.push_str(&format!("#{line}\n"));
    }
}

pub(super) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

impl Settings {
    /// Every key with its value in force and where that was given, in the order of [`KEYS`]. Secrets are hidden.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(key, value): (&'static Key, Option<String>)| {
            let origin = self.origins.get(key.name()).cloned().unwrap_or_default();
            Entry { key, value, origin }
        };
        KEYS.iter().zip(self.values()).map(entry).collect()
    }

    /// The values in force as TOML, each with where it was given, for `config show`. Secrets are hidden.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut current = "";
        for Entry { key, value, origin } in self.entries() {
            let (section, name) = key.parts();
            if section != current {
                text.push_str(&format!("\n[{section}]\n"));
                current = section;
            }
            let line = value.map_or_else(|| format!("#{name} is not set"), |value| format!("{name} = {value}"));
            text.push_str(&format!("{line:<48} # {origin}\n"));
        }
        text
    }
}
