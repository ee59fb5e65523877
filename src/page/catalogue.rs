//! What the pages say, in one language.
//!
//! A catalogue is a TOML file `locale/TAG.toml`: tables of sentences, with `{name}` where the page fills something in.
//! Templates ask for a sentence by its dotted key, `t("login.title")`, or `t("client.return", client=client.name)`.
//!
//! Where a sentence has a number in it, its key may hold a table with the forms that the language has for numbers, by the
//! names of Unicode's CLDR: `wait = { one = "{count} second", other = "{count} seconds" }`. The number is `count`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State, context};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::escape::escape;
use super::plural::{Category, Rule};

/// What a plural is chosen by.
const COUNT: &str = "count";

/// One language, ready to be handed to a template.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// BCP 47, as the file is named: `de`, `pt-BR`.
    pub(super) tag: String,
    /// What the language calls itself.
    pub(super) name: String,
    /// `t` and `locale`, the two names that a template sees.
    pub(super) context: Value,
    /// The keys that it does not say in its own language.
    pub(super) missing: BTreeSet<String>,
    messages: Arc<Messages>,
}

impl Catalogue {
    /// Reads a language. Sentences that `text` lacks are taken from `base`, which also says which keys and which
    /// `{names}` there are; without one, the file stands for itself.
    ///
    /// # Errors
    /// All that is wrong with the file, each with its line where one is known.
    pub(super) fn parse(tag: &str, text: &str, base: Option<&Self>) -> Result<Self, Vec<CatalogueError>> {
        let table = DeTable::parse(text).map_err(|error| {
            vec![CatalogueError {
                line: error.span().map(|span| line(text, span.start)),
                reason: error.message().to_owned(),
            }]
        })?;
        let mut reader = Reader { text, rule: Rule::of(tag), messages: BTreeMap::new(), errors: Vec::new() };
        reader.collect("", table.get_ref());
        if let Some(base) = base {
            reader.compare(&base.messages.said);
        }
        let direction = reader.plain("direction");
        let direction = direction.or_else(|| base?.messages.plain("direction")).unwrap_or_default();
        if direction != "ltr" && direction != "rtl" {
            reader.errors.push(CatalogueError::at(None, "direction", "must be \"ltr\" or \"rtl\""));
        }
        let Reader { rule, messages: own, errors, .. } = reader;
        if !errors.is_empty() {
            return Err(errors);
        }
        let own: BTreeMap<String, Message> = own.into_iter().map(|(key, (message, _))| (key, message)).collect();
        let same = base.filter(|base| base.tag == tag);
        let name = own.get("name").map(Message::plain).or_else(|| Some(same?.name.clone()));
        let name = name.unwrap_or_else(|| tag.to_owned());
        let left = match (same, base) {
            (Some(same), _) => same.missing.clone(),
            (None, Some(base)) => base.messages.said.keys().filter(|key| *key != "direction").cloned().collect(),
            (None, None) => BTreeSet::new(),
        };
        let missing = left.into_iter().filter(|key| !own.contains_key(key)).collect();
        let mut said = base.map(|base| base.messages.said.clone()).unwrap_or_default();
        said.extend(own);
        let messages = Arc::new(Messages { rule, said });
        let context = context! {
            t => Value::from_dyn_object(messages.clone()),
            locale => context! { tag => tag, name => name.as_str(), direction => direction },
        };
        Ok(Self { tag: tag.to_owned(), name, context, missing, messages })
    }

    /// A sentence as plain text.
    pub(super) fn say(&self, key: &str) -> Option<String> {
        self.messages.plain(key)
    }

    /// The keys, each with the names that its sentence fills in.
    #[cfg(test)]
    pub(super) fn shape(&self) -> Vec<(&str, BTreeSet<&str>)> {
        self.messages.said.iter().map(|(key, message)| (key.as_str(), message.slots())).collect()
    }
}

/// Why a language file was refused.
#[derive(Debug)]
pub(super) struct CatalogueError {
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

impl CatalogueError {
    fn at(line: Option<usize>, key: &str, reason: &str) -> Self {
        Self { line, reason: format!("`{key}`: {reason}") }
    }
}

/// The number of the line that a byte stands in, from 1.
fn line(text: &str, start: usize) -> usize {
    text.bytes().take(start).filter(|&byte| byte == b'\n').count() + 1
}

/// Reads all there is, whatever is wrong in between.
struct Reader<'a> {
    text: &'a str,
    rule: Rule,
    /// Each with its line.
    messages: BTreeMap<String, (Message, usize)>,
    errors: Vec<CatalogueError>,
}

impl Reader<'_> {
    /// Flattens the tables to dotted keys.
    fn collect(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let line = line(self.text, name.span().start);
            let message = match value.get_ref() {
                DeValue::Table(inner) if !is_plural(inner) => {
                    self.collect(&key, inner);
                    continue;
                }
                DeValue::Table(forms) => self.plural(forms),
                value => text_of(value).map(Message::One),
            };
            match message {
                Ok(message) => {
                    self.messages.insert(key, (message, line));
                }
                Err(reason) => self.errors.push(CatalogueError::at(Some(line), &key, &reason)),
            }
        }
    }

    /// A sentence in the forms that the language has for numbers.
    fn plural(&self, table: &DeTable<'_>) -> Result<Message, String> {
        let mut forms = BTreeMap::new();
        for (name, value) in table {
            let category = Category::parse(name.get_ref()).unwrap_or(Category::Other);
            forms.insert(category, text_of(value.get_ref()).map_err(|reason| format!("{}: {reason}", name.get_ref()))?);
        }
        let wanted = self.rule.categories();
        if !wanted.iter().eq(forms.keys()) {
            let names: Vec<&str> = wanted.iter().map(|category| category.name()).collect();
            return Err(format!("the language needs exactly the forms {}", names.join(", ")));
        }
        Ok(Message::Plural(forms))
    }

    /// Holds what was read against the sentences that there are.
    fn compare(&mut self, known: &BTreeMap<String, Message>) {
        for (key, (message, line)) in &self.messages {
            let reason = match known.get(key) {
                None => "no page says this".to_owned(),
                Some(known) if !message.fills(&known.slots()) => format!("must fill in exactly {:?}", known.slots()),
                Some(_) => continue,
            };
            self.errors.push(CatalogueError::at(Some(*line), key, &reason));
        }
    }

    fn plain(&self, key: &str) -> Option<String> {
        self.messages.get(key).map(|(message, _)| message.plain())
    }
}

/// Whether a table holds the forms of one sentence.
fn is_plural(table: &DeTable<'_>) -> bool {
    !table.is_empty() && table.keys().map(Spanned::get_ref).all(|name| Category::parse(name).is_some())
}

fn text_of(value: &DeValue<'_>) -> Result<Text, String> {
    let DeValue::String(text) = value else { return Err("must be text".to_owned()) };
    Text::parse(text).ok_or_else(|| "a `{` or `}` is alone".to_owned())
}

/// What stands under a key.
#[derive(Clone, Debug)]
enum Message {
    One(Text),
    /// By what there is `count` of.
    Plural(BTreeMap<Category, Text>),
}

impl Message {
    fn forms(&self) -> impl Iterator<Item = &Text> {
        let (one, plural) = match self {
            Self::One(text) => (Some(text), None),
            Self::Plural(forms) => (None, Some(forms)),
        };
        one.into_iter().chain(plural.into_iter().flat_map(BTreeMap::values))
    }

    /// The names that it fills in.
    fn slots(&self) -> BTreeSet<&str> {
        self.forms().flat_map(Text::slots).collect()
    }

    /// Whether it fills in these, each of its forms: only the number may be left to the words, as in "in a second".
    fn fills(&self, wanted: &BTreeSet<&str>) -> bool {
        let plural = matches!(self, Self::Plural(_));
        self.slots() == *wanted
            && self.forms().all(|text| {
                let slots: BTreeSet<&str> = text.slots().collect();
                wanted.difference(&slots).all(|left| plural && *left == COUNT)
            })
    }

    fn plain(&self) -> String {
        self.forms().last().map(|text| text.plain.clone()).unwrap_or_default()
    }

    /// The form that goes with the arguments.
    fn form(&self, rule: Rule, arguments: &Kwargs) -> Result<Option<&Text>, Error> {
        match self {
            Self::One(text) => Ok(Some(text)),
            Self::Plural(forms) => {
                let category = rule.category(arguments.get(COUNT)?);
                Ok(forms.get(&category).or_else(|| forms.get(&Category::Other)))
            }
        }
    }
}

/// A sentence, its own text escaped for HTML once and for all.
#[derive(Clone, Debug)]
struct Text {
    /// As it stands in the file.
    plain: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Slot(String),
}

impl Text {
    fn parse(plain: &str) -> Option<Self> {
        let mut rest = plain;
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
        Some(Self { plain: plain.to_owned(), pieces })
    }

    fn slots(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The sentence as HTML. What is filled in is escaped, unless a template made it (a macro's result).
    fn fill(&self, arguments: &Kwargs) -> Result<String, Error> {
        let mut out = String::new();
        for piece in &self.pieces {
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
struct Messages {
    rule: Rule,
    said: BTreeMap<String, Message>,
}

impl Messages {
    fn plain(&self, key: &str) -> Option<String> {
        self.said.get(key).map(Message::plain)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages", self.said.len())
    }
}

impl Object for Messages {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (key, arguments): (&str, Kwargs) = from_args(args)?;
        let message = self.said.get(key).map(|message| message.form(self.rule, &arguments)).transpose()?.flatten();
        match message {
            Some(text) => text.fill(&arguments).map(Value::from_safe_string),
            None if arguments.has("default") => arguments.get("default"),
            None => Err(Error::new(ErrorKind::InvalidOperation, format!("no message `{key}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(text: &str, base: Option<&Catalogue>) -> CatalogueError {
        Catalogue::parse("xx", text, base).unwrap_err().remove(0)
    }

    fn say(catalogue: &Catalogue, key: &str, count: u64) -> String {
        let arguments = Kwargs::from_iter([("count", Value::from(count))]);
        let message = catalogue.messages.said[key].form(catalogue.messages.rule, &arguments).unwrap().unwrap();
        message.fill(&arguments).unwrap()
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
        let wrong = refuse("[a]\nb = \"{user}\"", Some(&base));
        assert!(wrong.reason.contains("client") && wrong.line == Some(2));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let base = Catalogue::parse("en", "direction = \"ltr\"\n[a]\nb = \"to {client}\"", None).unwrap();
        let errors = Catalogue::parse("xx", "[a]\nc = \"\"\nd = 1\nb = \"to\"", Some(&base)).unwrap_err();
        let mut lines: Vec<Option<usize>> = errors.iter().map(|error| error.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn what_a_catalogue_lacks_comes_from_its_base() {
        let base = Catalogue::parse("en", "direction = \"ltr\"\nname = \"English\"\n[a]\nb = \"B\"\nc = \"C\"", None);
        let base = base.unwrap();
        let other = Catalogue::parse("he", "direction = \"rtl\"\n[a]\nb = \"ב\"", Some(&base)).unwrap();
        assert_eq!(other.messages.plain("a.b").unwrap(), "ב");
        assert_eq!(other.messages.plain("a.c").unwrap(), "C");
        assert_eq!(other.messages.plain("direction").unwrap(), "rtl");
        assert_eq!(other.name, "he", "its name is not that of another language");
        assert!(other.missing.iter().eq(["a.c", "name"]));
        let whole = Catalogue::parse("he", "name = \"עברית\"\n[a]\nc = \"ג\"", Some(&other)).unwrap();
        assert!(whole.missing.is_empty() && whole.name == "עברית");
    }

    #[test]
    fn a_number_has_the_form_of_its_language() {
        let english = "direction = \"ltr\"\nwait = { one = \"a second\", other = \"{count} seconds\" }";
        let english = Catalogue::parse("en", english, None).unwrap();
        assert_eq!([1, 2].map(|count| say(&english, "wait", count)), ["a second", "2 seconds"]);
        let polish = "[wait]\none = \"{count} sekundę\"\nfew = \"{count} sekundy\"\nmany = \"{count} sekund\"\nother = \"{count} sekundy\"";
        let polish = Catalogue::parse("pl", polish, Some(&english)).unwrap();
        assert_eq!([1, 22, 12].map(|count| say(&polish, "wait", count)), ["1 sekundę", "22 sekundy", "12 sekund"]);
        let japanese = Catalogue::parse("ja", "wait = \"{count}秒\"", Some(&english)).unwrap();
        assert_eq!(say(&japanese, "wait", 1), "1秒");
        for wrong in [
            "one = \"\", other = \"{count}\"",
            "few = \"{count}\"",
            "one = \"{count}\", few = \"{count}\", many = \"\", other = \"\", two = \"\"",
        ] {
            let errors = Catalogue::parse("pl", &format!("wait = {{ {wrong} }}"), Some(&english)).unwrap_err();
            assert!(errors[0].reason.contains("exactly the forms one, few, many, other"), "{errors:?}");
        }
        let errors =
            Catalogue::parse("de", "wait = { one = \"eins\", other = \"viele\" }", Some(&english)).unwrap_err();
        assert!(errors[0].reason.contains("must fill in exactly {\"count\"}"), "{errors:?}");
    }
}
