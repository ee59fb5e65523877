//! Where settings come from, and which source wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::SettingsError;
use super::kind::{Kind, Refusal, Surroundings, complaint};
use super::schema::Key;
use super::table::{KEYS, SECTIONS};
use super::written::Written;
use crate::base::nearest::edit_distance;
use crate::base::secret::Secret;

/// The file that is read when nobody names another one.
pub const DEFAULT_FILE: &str = "hallpass.toml";

/// The environment variable that names the file.
const FILE_VARIABLE: &str = "HALLPASS_CONFIG";

/// The environment variable with what opens the administration of a server elsewhere.
pub const ADMIN_TOKEN: &str = "HALLPASS_ADMIN_TOKEN";

/// Everything that settings are read from. The later field wins over the earlier one.
#[derive(Clone, Default)]
pub struct Sources {
    /// Keys and values that take the place of defaults.
    pub assumed: Vec<(&'static str, String)>,
    /// The configuration file.
    pub file: ConfigFile,
    /// What a program has in itself, written as in the file. What it says of paths is relative to the working directory.
    pub text: Option<String>,
    /// Environment variables, by name.
    pub environment: BTreeMap<String, String>,
    /// Keys and values from the command line; of several for one key the last one counts.
    pub overrides: Vec<(String, String)>,
}

/// The configuration file, `hallpass.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// No file at all.
    #[default]
    None,
    /// This file, if there is one.
    IfPresent(PathBuf),
    /// This file, which somebody named.
    Required(PathBuf),
}

impl Sources {
    /// Those of this process. The file is `config`, else what `HALLPASS_CONFIG` names, else [`DEFAULT_FILE`] if it
    /// exists. The only place that looks at the process's environment.
    pub fn of_process(config: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment: BTreeMap<String, String> =
            std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
        let named =
            config.or_else(|| environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let file = named.map_or_else(|| ConfigFile::IfPresent(DEFAULT_FILE.into()), ConfigFile::Required);
        Self { assumed: Vec::new(), file, text: None, environment, overrides }
    }

    /// Gives a key another default.
    #[must_use]
    pub fn assume(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.assumed.push((key, value.into()));
        self
    }

    /// `HALLPASS_ADMIN_TOKEN`: what commands show to the administration of a server elsewhere.
    pub fn admin_token(&self) -> Option<Secret> {
        self.environment.get(ADMIN_TOKEN).filter(|token| !token.is_empty()).map(Secret::new)
    }

    /// Adds a key and its value, as the command line does.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.push((key.into(), value.into()));
        self
    }
}

/// Where a value was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the key's default.
    #[default]
    Default,
    /// In the file, at this line.
    File(PathBuf, usize),
    /// In the environment, under this name.
    Environment(String),
    /// On the command line.
    Flag,
}

/// As an error message and `config show` name it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Where each key was given; those that were not are absent.
pub(super) type Origins = BTreeMap<&'static str, Origin>;

/// Every value that was given, the strongest source of each key, on its way into [`super::Settings`].
pub(super) struct Given<'a> {
    values: BTreeMap<&'static str, (Origin, Written)>,
    origins: Origins,
    /// Whether a secret was found in the file as it is.
    holds_secrets: bool,
    file: Option<PathBuf>,
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Given<'a> {
    /// Reads the file and collects what the sources give.
    pub(super) fn collect(sources: &'a Sources) -> Result<Self, SettingsError> {
        let mut given = Self {
            values: BTreeMap::new(),
            origins: Origins::new(),
            holds_secrets: false,
            file: None,
            environment: &sources.environment,
        };
        for (name, value) in &sources.assumed {
            let key = find(name).ok_or_else(|| unknown(&Origin::Default, name))?;
            given.values.insert(key.name, (Origin::Default, Written::Bare(value.clone())));
        }
        if let ConfigFile::IfPresent(path) | ConfigFile::Required(path) = &sources.file {
            let needed = matches!(sources.file, ConfigFile::Required(_));
            if needed || path.exists() {
                let text =
                    read_file(path).map_err(|error| SettingsError::new(format!("{}: {error}", path.display())))?;
                given.add_file(path, &text)?;
                given.file = Some(path.clone());
            }
        }
        if let Some(text) = &sources.text {
            given.add_file(Path::new("the program's settings"), text)?;
        }
        given.add_environment()?;
        for (name, value) in &sources.overrides {
            match (find(name), find_named(name)) {
                (Some(key), _) => {
                    given.values.insert(key.name, (Origin::Flag, Written::Bare(value.clone())));
                }
                (None, Some((key, path))) => given.add_entry(key, &path, &Origin::Flag, value),
                (None, None) => return Err(unknown(&Origin::Flag, name)),
            }
        }
        Ok(given)
    }

    /// Adds an entry to a table with names of people's own.
    fn add_entry(&mut self, key: &'static Key, path: &[String], origin: &Origin, value: &str) {
        let (_, table) = self.values.entry(key.name).or_insert_with(|| (origin.clone(), Written::Absent));
        table.insert(path, origin, Written::Bare(value.to_owned()));
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let at = |offset: usize| {
            let before = text.bytes().take(offset);
            Origin::File(path.to_owned(), 1 + before.filter(|byte| *byte == b'\n').count())
        };
        let document = DeTable::parse(text).map_err(|error| {
            let origin = at(error.span().map_or(0, |span| span.start));
            SettingsError::new(format!("{origin}: not valid TOML: {}", error.message().replace('\n', " ")))
        })?;
        for (name, value) in document.get_ref() {
            let origin = at(name.span().start);
            let name = name.get_ref();
            let is_section = SECTIONS.iter().any(|section| section.name == name);
            match value.get_ref() {
                DeValue::Table(keys) if is_section => {
                    for (key, value) in keys {
                        let full = format!("{name}.{}", key.get_ref());
                        self.add_from_file(&full, at(key.span().start), Written::of(value.get_ref(), &at))?;
                    }
                }
                _ if is_section => {
                    let message = format!("{origin}: {name} is a section: write [{name}] and its keys below");
                    return Err(SettingsError::new(message));
                }
                DeValue::Table(keys) if find(name).is_none() => {
                    // Its first key says more than the name of the section.
                    let first = keys.keys().min_by_key(|key| key.span().start);
                    return Err(match first {
                        Some(key) => unknown(&origin, &format!("{name}.{}", key.get_ref())),
                        None => unknown_section(&origin, name),
                    });
                }
                // A quoted "http.listen" at the top is not the key of that section.
                _ if name.contains('.') => return Err(unknown(&origin, name)),
                value => self.add_from_file(name, origin, Written::of(value, &at))?,
            }
        }
        Ok(())
    }

    fn add_from_file(&mut self, name: &str, origin: Origin, value: Written) -> Result<(), SettingsError> {
        let key = find(name).ok_or_else(|| unknown(&origin, name))?;
        self.values.insert(key.name, (origin, value));
        Ok(())
    }

    /// Takes `HALLPASS_SECTION__KEY` and `HALLPASS_ISSUER`. Other names may come from a container platform and mean
    /// something else; an empty value means that nobody filled it in. `HALLPASS_CLAIMS__NAME` is the entry `name` of that table:
    /// names that aren't in lower case, or have other characters, can't be given this way.
    fn add_environment(&mut self) -> Result<(), SettingsError> {
        for (variable, value) in self.environment {
            let Some(rest) = variable.strip_prefix("HALLPASS_") else { continue };
            let key = KEYS.iter().find(|key| !key.named && key.environment_name() == *variable);
            let mut path = rest.split("__").map(str::to_lowercase);
            let table = path.next().and_then(|name| find(&name)).filter(|key| key.named);
            let origin = Origin::Environment(variable.clone());
            match (key, table) {
                (Some(key), _) if !value.is_empty() => {
                    self.values.insert(key.name, (origin, Written::Bare(value.clone())));
                }
                (None, Some(key)) if rest.contains("__") && !value.is_empty() => {
                    self.add_entry(key, &path.collect::<Vec<_>>(), &origin, value);
                }
                (None, None) if rest.contains("__") => {
                    let name = rest.to_lowercase().replace("__", ".");
                    return Err(unknown(&origin, &name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads one key as its kind.
    pub(super) fn take<K: Kind>(&mut self, name: &'static str, kind: &K) -> Result<K::Value, SettingsError> {
        let (origin, written) = self.values.remove(name).unwrap_or_else(|| {
            let default = find(name).and_then(|key| key.default).and_then(Written::parse);
            (Origin::Default, default.unwrap_or(Written::Absent))
        });
        // What a shell or a container says is relative to where it says it; what the file says, to the file. A table may be
        // of both, so it is for each of its entries to look.
        let directory = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let around = Surroundings { directory, origin: origin.clone(), environment: self.environment, read_file };
        let is_table = find(name).is_some_and(|key| key.named);
        let around = if is_table { around } else { around.at(&origin) };
        let value = kind.parse(&written, &around).map_err(|refusal| match refusal {
            Refusal::Inside(inside) => inside.message(name, &origin),
            refusal => SettingsError::new(format!("{origin}: {name}{}", complaint(kind, &written, refusal))),
        })?;
        self.holds_secrets |= kind.shows_secret(&written);
        if origin != Origin::Default {
            self.origins.insert(name, origin);
        }
        Ok(value)
    }

    /// The file, where a secret stands in it as it is and not as the name of another place.
    pub(super) fn holds_secrets(&self) -> Option<PathBuf> {
        self.file.clone().filter(|_| self.holds_secrets)
    }

    /// Where each key that was taken came from.
    pub(super) fn into_origins(self) -> Origins {
        self.origins
    }
}

/// Reads a file as text; the only place of this room that opens one.
fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The table with names of people's own that `name` has an entry of, and where it is in there.
fn find_named(name: &str) -> Option<(&'static Key, Vec<String>)> {
    let text = format!("{name} = 0");
    let document = DeTable::parse(&text).ok()?;
    let mut path = Vec::new();
    let mut table = document.get_ref();
    loop {
        let (name, value) = table.iter().next()?;
        path.push(name.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    let key = find(&path.remove(0)).filter(|key| key.named)?;
    (!path.is_empty()).then_some((key, path))
}

/// A name that is no key, with the nearest one that is, in the source's spelling.
fn unknown(origin: &Origin, name: &str) -> SettingsError {
    let nearest = KEYS.iter().min_by_key(|key| distance_to(key, name));
    let (shown, nearest) = match origin {
        Origin::Environment(_) => (String::new(), nearest.map(Key::environment_name)),
        _ => (format!(" {name}"), nearest.map(|key| key.name.to_owned())),
    };
    SettingsError::new(format!(
        "{origin}: unknown setting{shown}; the nearest known one is {}",
        nearest.unwrap_or_default()
    ))
}

/// An empty section that has no key we know.
fn unknown_section(origin: &Origin, name: &str) -> SettingsError {
    let nearest = SECTIONS.iter().map(|section| section.name).min_by_key(|section| edit_distance(section, name));
    let nearest = nearest.unwrap_or_default();
    SettingsError::new(format!("{origin}: unknown section {name}; the nearest known one is {nearest}"))
}

/// How far `name` is from a key: misspelt as a whole, or the right key in the wrong section.
fn distance_to(key: &Key, name: &str) -> usize {
    if key.named {
        return edit_distance(key.name, name.split('.').next().unwrap_or(name));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    edit_distance(key.name, name).min(edit_distance(key.parts().1, last) + 3)
}
