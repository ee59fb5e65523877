//! A value as somebody wrote it, before its key says what it must be.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeValue};

use super::source::Origin;

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// Nothing: the key is not given and has no default.
    Absent,
    /// Text from the environment or the command line, where nothing tells text, numbers and switches apart.
    Bare(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Written>),
    /// A TOML table.
    Table(BTreeMap<String, Member>),
    /// A TOML value that no key takes (a float, a date), as it was written.
    Other(String),
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// Where it was given; [`Origin::Default`] where the whole table was.
    pub(super) origin: Origin,
    /// What stands behind its name.
    pub(super) value: Written,
}

impl Written {
    /// Reads one TOML value, as in the table of keys; `None` when it is not TOML.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self::of(DeValue::parse(text).ok()?.get_ref(), &|_| Origin::Default))
    }

    /// A value of a document; `at` says what stands so many bytes behind its beginning.
    pub(super) fn of(value: &DeValue<'_>, at: &dyn Fn(usize) -> Origin) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                parse_integer(number).map_or_else(|| Self::Other(number.to_string()), Self::Integer)
            }
            DeValue::Float(number) => Self::Other(number.to_string()),
            DeValue::Boolean(on) => Self::Boolean(*on),
            DeValue::Datetime(time) => Self::Other(time.to_string()),
            DeValue::Array(elements) => {
                Self::List(elements.iter().map(|element| Self::of(element.get_ref(), at)).collect())
            }
            DeValue::Table(entries) => {
                let member = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                    let member = Member { origin: at(name.span().start), value: Self::of(value.get_ref(), at) };
                    (name.get_ref().to_string(), member)
                };
                Self::Table(entries.iter().map(member).collect())
            }
        }
    }

    /// Puts a value at a place inside of a table, and makes the tables on the way that are missing.
    pub(super) fn insert(&mut self, path: &[String], origin: &Origin, value: Self) {
        let Some((name, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        let mut table = self.table().unwrap_or_default();
        let member =
            table.entry(name.clone()).or_insert_with(|| Member { origin: origin.clone(), value: Self::Absent });
        if rest.is_empty() {
            member.origin = origin.clone();
        }
        member.value.insert(rest, origin, value);
        *self = Self::Table(table);
    }

    /// The entries of a table, in a bare text too; none where nothing is written.
    pub(super) fn table(&self) -> Option<BTreeMap<String, Member>> {
        match self {
            Self::Absent => Some(BTreeMap::new()),
            Self::Table(entries) => Some(entries.clone()),
            Self::Bare(text) if text.starts_with('{') => Self::parse(text)?.table(),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The switch, if it is one.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(on) => Some(*on),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The elements: of an array, of a bare text with commas, or the one value itself.
    pub(super) fn elements(&self) -> Vec<Self> {
        match self {
            Self::List(elements) => elements.clone(),
            Self::Bare(text) => match Self::parse(text) {
                Some(Self::List(elements)) => elements,
                _ => text.split(',').map(|element| Self::Bare(element.trim().to_owned())).collect(),
            },
            single => vec![single.clone()],
        }
    }

    /// The single entry of a table such as `{ env = "NAME" }`, in a bare text too.
    pub(super) fn entry(&self) -> Option<(String, String)> {
        match self {
            Self::Table(entries) if entries.len() == 1 => {
                let (name, member) = entries.first_key_value()?;
                Some((name.clone(), member.value.text()?.to_owned()))
            }
            Self::Bare(text) if text.starts_with('{') => Self::parse(text)?.entry(),
            _ => None,
        }
    }
}

/// `None` for numbers beyond 64 bits.
fn parse_integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// In TOML's spelling, for error messages.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not set"),
            Self::Bare(text) | Self::Text(text) => f.write_str(&quote(text)),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(on) => on.fmt(f),
            Self::List(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Table(_) => f.write_str("a table"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A name as a key of TOML: bare where it may be, else quoted.
pub(super) fn quote_name(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quote(name) }
}

/// A text as a TOML basic string (TOML 1.0, "String").
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_are_read_back_as_they_were() {
        for text in ["", "plain", "a \"b\" \\ c", "tab\tline\nbell\u{7}\u{85}é"] {
            assert_eq!(Written::parse(&quote(text)), Some(Written::Text(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn bare_texts_become_what_is_asked_of_them() {
        let bare = |text: &str| Written::Bare(text.to_owned());
        assert_eq!(bare("12").integer(), Some(12));
        assert_eq!(bare("12").text(), Some("12"));
        assert_eq!(bare("true").boolean(), Some(true));
        assert_eq!(bare("yes").boolean(), None);
        assert_eq!(bare("a, b").elements(), [bare("a"), bare("b")]);
        assert_eq!(bare("[\"a\", \"b\"]").elements().len(), 2);
        assert_eq!(bare("[::1]:8000,127.0.0.1:8000").elements(), [bare("[::1]:8000"), bare("127.0.0.1:8000")]);
        assert_eq!(bare("{ env = \"X\" }").entry(), Some(("env".into(), "X".into())));
        // A file has types of its own: there a text is not a number.
        assert_eq!(Written::Text("12".into()).integer(), None);
        assert_eq!(Written::Text("true".into()).boolean(), None);
    }
}
