//! Results on standard output, everything else on standard error.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::{Map, Number, Value};

use super::Invocation;
use super::failure::Failure;
use crate::base::clock::Timestamp;

/// Prints a result.
///
/// # Errors
/// [`Failure::Closed`] when nobody reads it; [`Failure::Failed`] when it can't be written, to a full disk for one.
pub(super) fn result(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(stdout, "{text}{end}").and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::failed(format!("the result can't be written to standard output: {error}")),
    })
}

/// Prints a result for programs: one line of JSON, or several on a terminal.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    let pretty = io::stdout().is_terminal();
    result(&if pretty { format!("{value:#}") } else { value.to_string() })
}

/// Says something on standard error.
pub(super) fn note(line: &str) {
    // A command does its work whether or not somebody listens.
    let _ = writeln!(io::stderr(), "{}", visible(line));
}

/// A text in one line, in which nothing moves the cursor, changes the terminal, or turns the direction of what follows
/// around (UAX #9).
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    text.chars().map(|c| if acts(c) { c.escape_default().to_string() } else { c.into() }).collect()
}

/// An object as lines of name and value. Members that have nothing to say are left out.
pub(super) fn record(object: &Map<String, Value>) -> String {
    let rows: Vec<(String, Vec<String>)> = flatten("", object).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, values) in rows {
        for (index, value) in values.iter().enumerate() {
            let name = if index == 0 { name.as_str() } else { "" };
            text.push_str(&format!("{name:width$}  {value}\n"));
        }
    }
    text
}

/// Members of members get names with a dot.
fn flatten<'a>(
    prefix: &'a str,
    object: &'a Map<String, Value>,
) -> Box<dyn Iterator<Item = (String, Vec<String>)> + 'a> {
    Box::new(object.iter().flat_map(move |(name, value)| {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Object(inner) => flatten(&name, inner).collect::<Vec<_>>(),
            Value::Array(items) => vec![(name, items.iter().map(plain).collect())],
            Value::String(text) if text.is_empty() => Vec::new(),
            Value::Number(number) if name.ends_with("_at") => {
                vec![(name, vec![time(number)])]
            }
            other => vec![(name, vec![plain(other)])],
        }
    }))
}

/// Rows below their titles, in columns.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    let mut push = |cells: &mut dyn Iterator<Item = &str>| {
        let line: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    };
    push(&mut titles.iter().copied());
    for row in rows {
        push(&mut row.iter().map(String::as_str));
    }
    text
}

/// A value of a list as one cell of a table.
pub(super) fn cell(item: &Value, name: &str) -> String {
    match item.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Number(number)) if name.ends_with("_at") => time(number),
        Some(Value::Array(items)) => match items.as_slice() {
            [] => String::new(),
            [only] => plain(only),
            [first, rest @ ..] => format!("{} (+{})", plain(first), rest.len()),
        },
        Some(value) => plain(value),
    }
}

/// Text for a terminal: what would move its cursor or change its colours is spelled out.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text).into_owned(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => other.to_string(),
    }
}

/// A time; 0 stands for one that never comes (RFC 7591 section 3.2.1).
fn time(seconds: &Number) -> String {
    match seconds.as_u64() {
        None | Some(0) => "never".into(),
        Some(seconds) => format!("{}Z", Timestamp::from_secs(seconds).calendar(' ')),
    }
}

impl Invocation {
    /// Prints one thing: a line for each of its members, or JSON.
    pub(super) fn show(&self, thing: Map<String, Value>) -> Result<(), Failure> {
        if self.json { json(&thing.into()) } else { result(&record(&thing)) }
    }

    /// Prints a whole list: a table of these columns (a title and the name of a member), or JSON.
    pub(super) fn show_list(&self, items: &[Value], columns: &[(&str, &str)]) -> Result<(), Failure> {
        if self.json {
            return json(&serde_json::json!({ "items": items, "next": null }));
        }
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        let row = |item: &Value| columns.iter().map(|(_, name)| cell(item, name)).collect();
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        result(&table(&titles, &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_show_what_there_is_and_nothing_that_moves_the_cursor() {
        let value = json!({
            "client_id": "a", "scope": "", "uris": ["x", "y"], "contacts": [], "on": true,
            "claims": { "name": "A\u{1b}[2J", "address": { "country": "CH" } }
        });
        assert_eq!(
            record(value.as_object().unwrap()),
            "client_id               a\n\
             uris                    x\n                        y\n\
             on                      yes\n\
             claims.name             A\\u{1b}[2J\n\
             claims.address.country  CH\n"
        );
    }

    #[test]
    fn tables_have_columns() {
        let rows = [vec!["é".to_owned(), "b".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["ONE", "TWO"], &rows), "ONE     TWO\né       b\nlonger\n");
    }
}
