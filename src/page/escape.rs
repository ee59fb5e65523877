//! How values get into HTML.

use minijinja::value::Value;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State};

/// Appends text so that it can stand in HTML content and in a quoted attribute. A slash needs no escape there, and a
/// URI stays readable.
pub(super) fn escape(text: &str, into: &mut String) {
    for char in text.chars() {
        match entity(char) {
            Some(entity) => into.push_str(entity),
            None => into.push(char),
        }
    }
}

fn entity(char: char) -> Option<&'static str> {
    Some(match char {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Writes a value into a page. Only what a template itself made goes out as it is; `none` is nothing.
///
/// # Errors
/// A template that turned escaping off, a value without text.
pub(super) fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::Html) {
        return Err(Error::new(ErrorKind::InvalidOperation, "escaping cannot be turned off"));
    }
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_none() {
        return Ok(());
    }
    match value.as_str() {
        Some(html) if value.is_safe() => out.write_str(html)?,
        Some(text) => out.write_str(&escaped(text))?,
        None => out.write_str(&escaped(&value.to_string()))?,
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    escape(text, &mut html);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_text_and_quoted_attributes_cannot_be_left() {
        let mut out = String::new();
        escape(r#"<a href="/x?a=1&b='2'">"#, &mut out);
        assert_eq!(out, "&lt;a href=&quot;/x?a=1&amp;b=&#39;2&#39;&quot;&gt;");
    }
}
