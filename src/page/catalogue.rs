//! What the pages say, in one language.
//!
//! A catalogue is a TOML file `locale/TAG.toml`: tables of sentences, with `{name}` where the page fills something in.
//! Templates ask for a sentence by its dotted key, `t("login.title")`, or `t("client.return", client=client.name)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State, context};

use super::escape::escape;

/// One language, ready to be handed to a template.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// BCP 47, as the file is named: `de`, `pt-BR`.
    pub(super) tag: String,
    /// `t` and `locale`, the two names that a template sees.
    pub(super) context: Value,
    messages: Arc<Messages>,
}

impl Catalogue {
    /// Reads a language. Sentences that `text` lacks are taken from `base`, which also says which keys and which
    /// `{names}` there are; without one, the file stands for itself.
    ///
    /// # Errors
    /// What is wrong with the file, with its line where one is known.
    pub(super) fn parse(tag: &str, text: &str, base: Option<&Self>) -> Result<Self, CatalogueError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| CatalogueError {
            line: error.span().map(|span| text.bytes().take(span.start).filter(|&byte| byte == b'\n').count() + 1),
            reason: error.message().to_owned(),
        })?;
        let mut messages = BTreeMap::new();
        collect("", &table, &mut messages)?;
        if let Some(base) = base {
            for (key, message) in &messages {
                let Some(known) = base.messages.0.get(key) else {
                    return Err(CatalogueError::at(key, "no page says this"));
                };
                if message.slots() != known.slots() {
                    return Err(CatalogueError::at(key, &format!("must fill in exactly {:?}", known.slots())));
                }
            }
            for (key, message) in &base.messages.0 {
                messages.entry(key.clone()).or_insert_with(|| message.clone());
            }
        }
        let direction = messages.get("direction").map(Message::plain).unwrap_or_default();
        if direction != "ltr" && direction != "rtl" {
            return Err(CatalogueError::at("direction", "must be \"ltr\" or \"rtl\""));
        }
        let messages = Arc::new(Messages(messages));
        let context = context! {
            t => Value::from_dyn_object(messages.clone()),
            locale => context! { tag => tag, direction => direction },
        };
        Ok(Self { tag: tag.to_owned(), context, messages })
    }

    /// The keys, each with the names that its sentence fills in.
    #[cfg(test)]
    pub(super) fn shape(&self) -> Vec<(&str, BTreeSet<&str>)> {
        self.messages.0.iter().map(|(key, message)| (key.as_str(), message.slots())).collect()
    }
}

/// Why a language file was refused.
#[derive(Debug)]
pub(super) struct CatalogueError {
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

impl CatalogueError {
    fn at(key: &str, reason: &str) -> Self {
        Self { line: None, reason: format!("`{key}`: {reason}") }
    }
}

/// Flattens the tables to dotted keys.
fn collect(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, Message>) -> Result<(), CatalogueError> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => collect(&key, inner, into)?,
            toml::Value::String(text) => {
                let message = Message::parse(text).ok_or_else(|| CatalogueError::at(&key, "a `{` or `}` is alone"))?;
                into.insert(key, message);
            }
            _ => return Err(CatalogueError::at(&key, "must be text")),
        }
    }
    Ok(())
}

/// A sentence, its own text escaped for HTML once and for all.
#[derive(Clone, Debug)]
struct Message(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Slot(String),
}

impl Message {
    fn parse(mut rest: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
            if !sound || text.contains('}') {
                return None;
            }
            pieces.extend([Piece::text(text), Piece::Slot(name.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return None;
        }
        pieces.push(Piece::text(rest));
        Some(Self(pieces))
    }

    fn slots(&self) -> BTreeSet<&str> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Slot(name) => Some(name.as_str()),
                Piece::Text(_) => None,
            })
            .collect()
    }

    fn plain(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) | Piece::Slot(text) => text.as_str(),
            })
            .collect()
    }

    /// The sentence as HTML. What is filled in is escaped, unless a template made it (a macro's result).
    fn fill(&self, arguments: &Kwargs) -> Result<String, Error> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(html) => out.push_str(html),
                Piece::Slot(name) => {
                    let value: Value = arguments.get(name)?;
                    match value.as_str() {
                        Some(html) if value.is_safe() => out.push_str(html),
                        Some(text) => escape(text, &mut out),
                        None => escape(&value.to_string(), &mut out),
                    }
                }
            }
        }
        Ok(out)
    }
}

impl Piece {
    fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        escape(text, &mut html);
        Self::Text(html)
    }
}

/// The function `t` of the templates. `default` answers where there is no such key; without it that is an error.
struct Messages(BTreeMap<String, Message>);

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages", self.0.len())
    }
}

impl Object for Messages {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (key, arguments): (&str, Kwargs) = from_args(args)?;
        match self.0.get(key) {
            Some(message) => message.fill(&arguments).map(Value::from_safe_string),
            None if arguments.has("default") => arguments.get("default"),
            None => Err(Error::new(ErrorKind::InvalidOperation, format!("no message `{key}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(text: &str, base: Option<&Catalogue>) -> CatalogueError {
        Catalogue::parse("xx", text, base).unwrap_err()
    }

    #[test]
    fn a_catalogue_that_cannot_work_says_where() {
        let base = Catalogue::parse("en", "direction = \"ltr\"\n[a]\nb = \"to {client}\"", None).unwrap();
        assert_eq!(refuse("direction = \"ltr\"\n[a\n", None).line, Some(2));
        assert!(refuse("direction = \"up\"", None).reason.contains("direction"));
        assert!(refuse("[a]\nb = 1", None).reason.contains("`a.b`: must be text"));
        assert!(refuse("[a]\nb = \"{client\"", None).reason.contains("alone"));
        assert!(refuse("[a]\nb = \"client}\"", None).reason.contains("alone"));
        assert!(refuse("[a]\nc = \"\"", Some(&base)).reason.contains("no page says this"));
        assert!(refuse("[a]\nb = \"{user}\"", Some(&base)).reason.contains("client"));
    }

    #[test]
    fn what_a_catalogue_lacks_comes_from_its_base() {
        let base = Catalogue::parse("en", "direction = \"ltr\"\n[a]\nb = \"B\"\nc = \"C\"", None).unwrap();
        let other = Catalogue::parse("he", "direction = \"rtl\"\n[a]\nb = \"ב\"", Some(&base)).unwrap();
        assert_eq!(other.messages.0["a.b"].plain(), "ב");
        assert_eq!(other.messages.0["a.c"].plain(), "C");
        assert_eq!(other.messages.0["direction"].plain(), "rtl");
    }
}
