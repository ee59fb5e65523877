//! The reference of all settings, for people who read: the README has it.

use super::document::{capitalize, one_line};
use super::schema::Key;
use super::table::{KEYS, SECTIONS};

/// All settings as tables in Markdown, one for each section: name, default, and what it does.
pub fn reference() -> String {
    let of = |section: &'static str| {
        KEYS.iter().filter(move |key| !key.named && key.parts().0 == section).collect::<Vec<_>>()
    };
    let mut text = String::new();
    table(&of(""), &mut text);
    for section in SECTIONS {
        text.push_str(&format!("\n**`[{}]`** {}\n\n", section.name, sentence(section.doc)));
        table(&of(section.name), &mut text);
    }
    for key in KEYS.iter().filter(|key| key.named) {
        let members = (key.members)();
        let name = if members.is_empty() { "" } else { ".NAME" };
        text.push_str(&format!("\n**`[{}{name}]`** {}\n", key.name(), explanation(key)));
        if !members.is_empty() {
            text.push('\n');
            table(&members.iter().collect::<Vec<_>>(), &mut text);
        }
    }
    text
}

fn table(keys: &[&Key], text: &mut String) {
    text.push_str("| key | default | |\n| --- | --- | --- |\n");
    for key in keys {
        let default = key.default.map_or_else(|| "not set".to_owned(), |default| format!("`{}`", one_line(default)));
        text.push_str(&format!("| `{}` | {default} | {} |\n", key.parts().1, explanation(key)));
    }
}

fn explanation(key: &Key) -> String {
    let restart = if key.needs_restart() { " A change needs a restart." } else { "" };
    format!("{} {}.{restart}", sentence(key.doc), capitalize(&(key.right)())).replace('|', "\\|")
}

/// The lines of a doc comment as one.
fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
