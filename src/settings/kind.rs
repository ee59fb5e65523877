//! The kinds of values: each one knows what is right, reads it, and writes it back as TOML.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::admin_token::AdminToken;
use super::named::Inside;
use super::schema::Key;
use super::shared_key::SharedKey;
use super::source::Origin;
use super::store_key::StoreKey;
use super::written::{Written, quote};
use crate::base::color::Color;
use crate::base::network::Network;
use crate::base::period;
use crate::base::secret::Secret;
use crate::protocol::issuer::Issuer;

/// A minute, an hour and a day in seconds, for the ranges of [`Period`].
pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// Binary multiples of a byte, for the ranges of [`Size`].
pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;
pub(super) const GIB: usize = 1024 * MIB;

/// What a value may refer to.
pub(super) struct Surroundings<'a> {
    /// Where relative paths begin.
    pub(super) directory: &'a Path,
    /// Where the value was given.
    pub(super) origin: Origin,
    /// For secrets given as `{ env = "NAME" }`.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// For secrets given as `{ file = "PATH" }`; an error says what happened.
    pub(super) read_file: fn(&Path) -> Result<String, String>,
}

impl Surroundings<'_> {
    /// For an entry of a table: what a shell or a container says is relative to where it says it.
    pub(super) fn at(&self, origin: &Origin) -> Self {
        let directory = match origin {
            Origin::Default | Origin::File(..) => self.directory,
            Origin::Environment(_) | Origin::Flag => Path::new(""),
        };
        // What isn't said of an entry was said of its table.
        let origin = if *origin == Origin::Default { &self.origin } else { origin };
        Self { directory, origin: origin.clone(), ..*self }
    }
}

/// Why a value is not taken.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// It is not of this kind: [`Kind::right`] says all.
    Wrong,
    /// This, in a few words, besides what would be right.
    Because(String),
    /// This, in a table whose names are people's own.
    Inside(Inside),
}

/// A kind of value.
pub(super) trait Kind {
    /// What the program gets.
    type Value;

    /// Whether a value must never be shown.
    const SECRET: bool = false;

    /// How values of this kind are written, where that is not plain.
    const FORM: Option<&'static str> = None;

    /// What would be right; follows "must be".
    fn right(&self) -> String;

    /// Reads a value.
    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Self::Value, Refusal>;

    /// The value as TOML, a secret without its content; `None` when it is not set.
    fn render(&self, value: &Self::Value) -> Option<String>;

    /// The keys of each entry, of a table with names of people's own.
    fn members(&self) -> &'static [Key] {
        &[]
    }

    /// Whether a secret stands in the file as it is, and not as the name of another place.
    fn shows_secret(&self, written: &Written) -> bool {
        Self::SECRET && matches!(written, Written::Text(_))
    }
}

/// What is wrong with a value and what would be right, to go behind its name.
pub(super) fn complaint<K: Kind>(kind: &K, written: &Written, refusal: Refusal) -> String {
    let what = match (K::SECRET, refusal, written) {
        (_, Refusal::Wrong, Written::Absent) => " is not set".to_owned(),
        (true, Refusal::Because(why), _) => format!(" {why}"),
        (true, ..) => " is not usable".to_owned(),
        (false, Refusal::Because(why), _) => format!(" is {} ({why})", shorten(written)),
        (false, ..) => format!(" is {}", shorten(written)),
    };
    let form = K::FORM.map(|form| format!(" ({form})")).unwrap_or_default();
    format!("{what}: must be {}{form}", kind.right())
}

/// As much of a value as fits into one line.
fn shorten(written: &Written) -> String {
    let text = written.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A key that may stay unset.
pub(super) struct Optional<K>(pub(super) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;
    const FORM: Option<&'static str> = K::FORM;

    fn right(&self) -> String {
        self.0.right()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Self::Value, Refusal> {
        if *written == Written::Absent { Ok(None) } else { self.0.parse(written, around).map(Some) }
    }

    fn render(&self, value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(|value| self.0.render(value))
    }

    fn shows_secret(&self, written: &Written) -> bool {
        self.0.shows_secret(written)
    }
}

/// On or off.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn right(&self) -> String {
        "true or false".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<bool, Refusal> {
        written.boolean().ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A whole number within a range.
pub(super) struct Whole<T>(pub(super) RangeInclusive<T>);

impl<T: TryFrom<i64> + PartialOrd + fmt::Display> Kind for Whole<T> {
    type Value = T;

    fn right(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<T, Refusal> {
        let number = written.integer().and_then(|number| T::try_from(number).ok());
        number.filter(|number| self.0.contains(number)).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &T) -> Option<String> {
        Some(value.to_string())
    }
}

/// A number of bytes within a range.
pub(super) struct Size(pub(super) RangeInclusive<usize>);

impl Size {
    const UNITS: [(&'static str, usize); 3] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];

    fn write(bytes: usize) -> String {
        match Self::UNITS.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => format!("\"{}{name}\"", bytes / unit),
            None => bytes.to_string(),
        }
    }

    fn read(written: &Written) -> Option<usize> {
        if let Some(bytes) = written.integer() {
            return bytes.try_into().ok();
        }
        let text = written.text()?;
        let (number, unit) =
            Self::UNITS.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), unit)))?;
        parse_digits::<usize>(number)?.checked_mul(unit)
    }
}

impl Kind for Size {
    type Value = usize;
    const FORM: Option<&'static str> = Some("bytes, or text like \"64KiB\", \"1MiB\", \"2GiB\"");

    fn right(&self) -> String {
        format!("a size from {} to {}", Self::write(*self.0.start()), Self::write(*self.0.end()))
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<usize, Refusal> {
        Self::read(written).filter(|bytes| self.0.contains(bytes)).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &usize) -> Option<String> {
        Some(Self::write(*value))
    }
}

/// A length of time within a range of seconds.
pub(super) struct Period(pub(super) RangeInclusive<u64>);

impl Period {
    fn read(written: &Written) -> Option<u64> {
        written.integer().map_or_else(|| period::parse(written.text()?), |seconds| seconds.try_into().ok())
    }
}

impl Kind for Period {
    type Value = Duration;
    const FORM: Option<&'static str> = Some(period::FORM);

    fn right(&self) -> String {
        let [from, to] = [self.0.start(), self.0.end()].map(|seconds| period::write(Duration::from_secs(*seconds)));
        format!("a duration from {from} to {to}")
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Duration, Refusal> {
        let seconds = Self::read(written).filter(|seconds| self.0.contains(seconds));
        seconds.map(Duration::from_secs).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &Duration) -> Option<String> {
        Some(quote(&period::write(*value)))
    }
}

/// One of a few names.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn right(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|(name, _)| quote(name)).collect();
        format!("one of {}", names.join(", "))
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<T, Refusal> {
        let text = written.text().ok_or(Refusal::Wrong)?;
        self.0.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &T) -> Option<String> {
        self.0.iter().find(|(_, other)| other == value).map(|(name, _)| quote(name))
    }
}

/// A sentence or two that people read.
pub(super) struct Prose;

impl Kind for Prose {
    type Value = String;

    fn right(&self) -> String {
        "a text of 1 to 500 characters in one line".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<String, Refusal> {
        line(written, 500)
    }

    fn render(&self, value: &String) -> Option<String> {
        Some(quote(value))
    }
}

/// A text in one line, of so many characters at most.
fn line(written: &Written, longest: usize) -> Result<String, Refusal> {
    let text = written.text().map(str::trim).ok_or(Refusal::Wrong)?;
    let right = (1..=longest).contains(&text.chars().count()) && !text.contains(char::is_control);
    right.then(|| text.to_owned()).ok_or(Refusal::Wrong)
}

/// A short text that people read.
pub(super) struct Label;

impl Kind for Label {
    type Value = String;

    fn right(&self) -> String {
        "a text of 1 to 100 characters in one line".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<String, Refusal> {
        line(written, 100)
    }

    fn render(&self, value: &String) -> Option<String> {
        Some(quote(value))
    }
}

/// A colour.
pub(super) struct Rgb;

impl Kind for Rgb {
    type Value = Color;

    fn right(&self) -> String {
        "a colour, such as \"#0b5c45\"".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Color, Refusal> {
        written.text().and_then(Color::parse).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &Color) -> Option<String> {
        Some(quote(&value.to_string()))
    }
}

/// A language tag (RFC 5646 section 2.1, the shape only).
pub(super) struct LanguageTag;

impl Kind for LanguageTag {
    type Value = String;

    fn right(&self) -> String {
        "a language tag, such as \"en\" or \"pt-BR\"".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<String, Refusal> {
        let text = written.text().ok_or(Refusal::Wrong)?;
        is_language_tag(text).then(|| text.to_owned()).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &String) -> Option<String> {
        Some(quote(value))
    }
}

/// Whether a text has the shape of a language tag.
pub(super) fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    language && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A path, made absolute or relative to the working directory.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn right(&self) -> String {
        "a path".into()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<PathBuf, Refusal> {
        let text = written.text().filter(|text| !text.is_empty() && !text.contains('\0')).ok_or(Refusal::Wrong)?;
        Ok(around.directory.join(text))
    }

    fn render(&self, value: &PathBuf) -> Option<String> {
        Some(quote(&value.to_string_lossy()))
    }
}

/// Several of them.
pub(super) struct FilePaths;

impl Kind for FilePaths {
    type Value = Vec<PathBuf>;

    fn right(&self) -> String {
        "a list of paths".into()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Vec<PathBuf>, Refusal> {
        written.elements().iter().map(|element| FilePath.parse(element, around)).collect()
    }

    fn render(&self, value: &Vec<PathBuf>) -> Option<String> {
        let paths: Vec<String> = value.iter().filter_map(|path| FilePath.render(path)).collect();
        Some(format!("[{}]", paths.join(", ")))
    }
}

/// Addresses to listen on.
pub(super) struct Listeners;

impl Kind for Listeners {
    type Value = Vec<SocketAddr>;

    fn right(&self) -> String {
        "an IP address with a port, such as \"127.0.0.1:8000\" or \"[::]:8000\", or a list of them".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Vec<SocketAddr>, Refusal> {
        let addresses: Vec<SocketAddr> = each(written)?;
        if addresses.is_empty() { Err(Refusal::Wrong) } else { Ok(addresses) }
    }

    fn render(&self, value: &Vec<SocketAddr>) -> Option<String> {
        Some(render_list(value))
    }
}

/// Ranges of addresses.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<Network>;

    fn right(&self) -> String {
        "a list of IP addresses or ranges, such as [\"192.0.2.7\", \"10.0.0.0/8\"]".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Vec<Network>, Refusal> {
        each(written)
    }

    fn render(&self, value: &Vec<Network>) -> Option<String> {
        Some(render_list(value))
    }
}

/// The issuer identifier.
pub(super) struct IssuerUrl;

impl Kind for IssuerUrl {
    type Value = Issuer;

    fn right(&self) -> String {
        "an https URL without query and fragment, such as \"https://id.example.com\"".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Issuer, Refusal> {
        Issuer::parse(written.text().ok_or(Refusal::Wrong)?).map_err(|error| Refusal::Because(error.to_string()))
    }

    fn render(&self, value: &Issuer) -> Option<String> {
        Some(quote(value.as_str()))
    }
}

/// The key that seals what the store keeps secret.
pub(super) struct SealingKey;

impl Kind for SealingKey {
    type Value = StoreKey;
    const SECRET: bool = true;

    fn right(&self) -> String {
        "32 bytes in hexadecimal or base64, { env = \"NAME\" } or { file = \"PATH\" }".into()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<StoreKey, Refusal> {
        let secret = resolve_secret(written, around)?;
        StoreKey::parse(&secret).map_err(|_| Refusal::Because("does not hold 32 bytes".into()))
    }

    fn render(&self, _: &StoreKey) -> Option<String> {
        Some(quote("(hidden)"))
    }
}

/// The token of administration over HTTP.
pub(super) struct BearerToken;

impl Kind for BearerToken {
    type Value = AdminToken;
    const SECRET: bool = true;

    fn right(&self) -> String {
        "32 or more letters, digits and - . _ ~ + / =, { env = \"NAME\" } or { file = \"PATH\" }".into()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<AdminToken, Refusal> {
        let secret = resolve_secret(written, around)?;
        AdminToken::parse(secret).ok_or_else(|| Refusal::Because("is too short, or holds other characters".into()))
    }

    fn render(&self, _: &AdminToken) -> Option<String> {
        Some(quote("(hidden)"))
    }
}

/// A secret of somebody's own that several servers share.
pub(super) struct SharedText;

impl Kind for SharedText {
    type Value = SharedKey;
    const SECRET: bool = true;

    fn right(&self) -> String {
        "a text, { env = \"NAME\" } or { file = \"PATH\" }".into()
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<SharedKey, Refusal> {
        let secret = resolve_secret(written, around)?;
        if secret.is_empty() { Err(Refusal::Because("is empty".into())) } else { Ok(SharedKey(secret)) }
    }

    fn render(&self, _: &SharedKey) -> Option<String> {
        Some(quote("(hidden)"))
    }
}

/// A secret from where it is kept: inline, `{ env = "NAME" }` or `{ file = "PATH" }`. Space around it is dropped.
pub(super) fn resolve_secret(written: &Written, around: &Surroundings<'_>) -> Result<Secret, Refusal> {
    let text = match written.entry() {
        Some((place, name)) if place == "env" => match around.environment.get(&name) {
            Some(text) => text.clone(),
            None => return Err(Refusal::Because(format!("names the environment variable {name}, which is not set"))),
        },
        Some((place, path)) if place == "file" => {
            let path = around.directory.join(path);
            let text = (around.read_file)(&path);
            text.map_err(|error| Refusal::Because(format!("names the file {}: {error}", path.display())))?
        }
        Some(_) => return Err(Refusal::Wrong),
        None => written.text().ok_or(Refusal::Wrong)?.to_owned(),
    };
    let whole = Secret::from(text);
    Ok(Secret::new(whole.expose().trim()))
}

/// Reads each element of a list. An error names the element where there are others.
fn each<T: FromStr<Err: fmt::Display>>(written: &Written) -> Result<Vec<T>, Refusal> {
    let elements = written.elements();
    let parse = |element: &Written| {
        let text = element.text().ok_or(Refusal::Wrong)?;
        text.parse().map_err(|error| {
            let which = if elements.len() > 1 { format!("{}: ", quote(text)) } else { String::new() };
            Refusal::Because(format!("{which}{error}"))
        })
    };
    elements.iter().map(parse).collect()
}

/// Writes one element as itself, several as a list.
fn render_list<T: fmt::Display>(elements: &[T]) -> String {
    let texts: Vec<String> = elements.iter().map(|element| quote(&element.to_string())).collect();
    match texts.as_slice() {
        [single] => single.clone(),
        texts => format!("[{}]", texts.join(", ")),
    }
}

/// Digits alone; the standard parser would take a sign.
fn parse_digits<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
