//! Which filters there are: those whose result is about as large as what goes in.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

/// The longest text that a filter of ours makes, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// Of minijinja's own: what writes pages, what makes more of less, and what takes others to look inside.
const MISSING: [&str; 16] = [
    "safe",
    "escape",
    "e",
    "batch",
    "slice",
    "indent",
    "groupby",
    "pprint",
    "format",
    "zip",
    "chain",
    "dictsort",
    "tojson",
    "urlencode",
    "lines",
    "attr",
];

/// Takes away what isn't ours to give, and puts our own in its place.
pub(super) fn choose(environment: &mut Environment<'static>) {
    for name in MISSING {
        environment.remove_filter(name);
    }
    // What can be called; there is nothing else in there.
    for name in ["range", "dict", "debug", "namespace", "joiner", "cycler", "lipsum"] {
        environment.remove_global(name);
    }
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
}

fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a text gets longer than {MAX_TEXT} bytes"))
}

/// `text|replace(from, to)`.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    if from.is_empty() {
        return Ok(text.to_owned());
    }
    let longest = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if longest > MAX_TEXT { Err(too_long()) } else { Ok(text.replace(from, to)) }
}

/// `list|join(between)`, without what is missing: `[user.claims.given_name, user.claims.family_name]|join(" ")`.
fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for item in list.try_iter()? {
        if item.is_undefined() || item.is_none() || item.as_str().is_some_and(str::is_empty) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(between.unwrap_or_default());
        }
        match item.as_str() {
            Some(part) => text.push_str(part),
            None => text.push_str(&item.to_string()),
        }
        if text.len() > MAX_TEXT {
            return Err(too_long());
        }
    }
    Ok(text)
}
