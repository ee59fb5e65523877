//! `application/x-www-form-urlencoded` (WHATWG URL section 5): query strings and form bodies.

use std::borrow::Cow;
use std::fmt;

/// More parameters than any request of ours has use for.
pub const MAX_PARAMETERS: usize = 200;

/// Decoded parameters in the order they came in.
///
/// RFC 6749 section 3.1: a parameter without a value counts as omitted, and none may be sent more than once. Which
/// answer a repetition gets depends on the endpoint, so it is remembered here and judged there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    pairs: Vec<(String, String)>,
    repeated: Option<String>,
}

/// Why text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A name or value is not UTF-8, or holds a NUL.
    Encoding,
    /// There are more than [`MAX_PARAMETERS`].
    TooMany,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("a parameter is not valid UTF-8 text"),
            Self::TooMany => write!(f, "there are more than {MAX_PARAMETERS} parameters"),
        }
    }
}

impl std::error::Error for FormError {}

impl Form {
    /// Parses a query string (without its `?`) or a form body.
    ///
    /// # Errors
    /// [`FormError`] when it is not UTF-8 or has too many parameters.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for piece in text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
            if form.pairs.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let at = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
            let (name, value) = piece.split_at(at);
            form.push(decode(name)?.into_owned(), decode(value.get(1..).unwrap_or_default())?.into_owned());
        }
        Ok(form)
    }

    fn push(&mut self, name: String, value: String) {
        if self.repeated.is_none() && self.pairs.iter().any(|(other, _)| *other == name) {
            self.repeated = Some(name.clone());
        }
        self.pairs.push((name, value));
    }

    /// The value of a parameter; `None` when it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value of a parameter, also when it is empty; `None` when it was not sent.
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The names of all parameters, as often as they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// The first parameter that came more than once.
    pub fn repeated(&self) -> Option<&str> {
        self.repeated.as_deref()
    }

    /// Whether this parameter came more than once.
    pub fn repeats(&self, name: &str) -> bool {
        self.pairs.iter().filter(|(other, _)| other == name).nth(1).is_some()
    }

    /// All parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Form {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            form.push(name.into(), value.into());
        }
        form
    }
}

/// Decodes one name or value: `+` is a space, `%XX` a byte.
///
/// # Errors
/// [`FormError::Encoding`] when the result is not UTF-8 or holds a NUL.
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>().into()
    } else {
        text.into()
    };
    let decoded = match spaced {
        Cow::Borrowed(bytes) => {
            percent_encoding::percent_decode(bytes).decode_utf8().map_err(|_| FormError::Encoding)?
        }
        Cow::Owned(bytes) => {
            let decoded = percent_encoding::percent_decode(&bytes).decode_utf8().map_err(|_| FormError::Encoding)?;
            decoded.into_owned().into()
        }
    };
    if decoded.contains('\0') { Err(FormError::Encoding) } else { Ok(decoded) }
}

/// Renders parameters as a query string or form body.
pub fn render(pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        super::encode::percent(name.as_ref(), &mut out);
        out.push('=');
        super::encode::percent(value.as_ref(), &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_an_empty_parameter_counts_as_omitted_and_a_repetition_is_noticed() {
        let form = Form::parse(b"a=1&b=&c&a=2&d=x+y%20z%2B").unwrap();
        assert_eq!(form.get("a"), Some("1"));
        assert_eq!(form.get("b"), None);
        assert_eq!(form.sent("b"), Some(""));
        assert_eq!(form.get("c"), None);
        assert_eq!(form.get("d"), Some("x y z+"));
        assert_eq!(form.repeated(), Some("a"));
        assert!(form.repeats("a") && !form.repeats("d"));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert_eq!(Form::parse(b"a=%ff"), Err(FormError::Encoding));
        assert_eq!(Form::parse(b"a=+%ff"), Err(FormError::Encoding));
        assert_eq!(Form::parse(b"%00=a"), Err(FormError::Encoding));
        assert_eq!(
            Form::parse("a=&".repeat(200).as_bytes()).map(|form| form.repeated().map(String::from)),
            Ok(Some("a".into()))
        );
        assert_eq!(Form::parse("a=&".repeat(201).as_bytes()), Err(FormError::TooMany));
    }

    #[test]
    fn rendering_and_parsing_agree() {
        let pairs = [("state", "a b&c=d\r\n#%"), ("é", "")];
        let form = Form::parse(render(pairs).as_bytes()).unwrap();
        assert!(form.iter().eq(pairs));
    }
}
