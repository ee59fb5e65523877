//! What a provider is made of.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Provider;
use super::opening::{options, server_key};
use crate::admin::http::{Caller, context};
use crate::admin::{self, Call, Method, Problem};
use crate::app::development::KEY_ID;
use crate::app::hook::Hook;
use crate::app::{App, StartError};
use crate::base::clock::Clock;
use crate::base::form::Form;
use crate::base::random::Random;
use crate::jose::seal::ServerKey;
use crate::settings::{ConfigFile, Settings, SettingsError, Sources};
use crate::store::{Store, StoreError};

/// Builds a [`Provider`]. Settings come from a file, a text, the environment and single keys, each winning over those
/// before it; or they are given as they are. Without any there are the defaults, and only the issuer is missing.
#[derive(Default)]
pub struct Builder {
    sources: Sources,
    settings: Option<Settings>,
    keeping: Keeping,
    hooks: Vec<Arc<dyn Hook>>,
    clock: Clock,
    random: Random,
}

/// Where everything is kept.
#[derive(Default)]
enum Keeping {
    /// In the file `store.path`.
    #[default]
    File,
    Memory,
    Given(Store),
}

/// Why there is no provider.
#[derive(Debug)]
pub enum BuildError {
    /// A setting is wrong, or the issuer is missing.
    Settings(SettingsError),
    /// The store can't be opened or made.
    Store(PathBuf, StoreError),
    /// The store was made for development: everybody knows its key and its passwords.
    Development,
    /// A template doesn't work, or something like that.
    Start(StartError),
    /// No signing key can be made.
    Key(Problem),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Store(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Development => {
                f.write_str("the store was made by hallpass dev, with keys and passwords that everybody knows")
            }
            Self::Start(error) => error.fmt(f),
            Self::Key(error) => write!(f, "no signing key can be made: {error}"),
        }
    }
}

impl std::error::Error for BuildError {}

impl Builder {
    /// The URL that names the provider; the same as [`Builder::set`] for `issuer`. Its path is where the service is mounted.
    #[must_use]
    pub fn issuer(self, url: impl Into<String>) -> Self {
        self.set("issuer", url)
    }

    /// Reads settings from a file as `hallpass.toml` is.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.file = ConfigFile::Required(path.into());
        self
    }

    /// Reads settings from a text as `hallpass.toml` is.
    #[must_use]
    pub fn toml(mut self, text: impl Into<String>) -> Self {
        self.sources.text = Some(text.into());
        self
    }

    /// Reads the variables `HALLPASS_…` of this process.
    #[must_use]
    pub fn environment(mut self) -> Self {
        self.sources.environment = Sources::of_process(None, Vec::new()).environment;
        self
    }

    /// Sets one key, such as `lifetimes.access_token`, to a value written as in the environment.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.sources = self.sources.set(key, value);
        self
    }

    /// Takes settings that were loaded already, in place of all others.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// Keeps everything in memory; otherwise it is in the file that `store.path` names.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { keeping: Keeping::Memory, ..self }
    }

    /// Keeps everything in this store.
    #[must_use]
    pub fn store(self, store: Store) -> Self {
        Self { keeping: Keeping::Given(store), ..self }
    }

    /// Adds a hook behind those that are there.
    #[must_use]
    pub fn hook(mut self, hook: impl Hook + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Takes the time from there: for tests.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Takes random bytes from there: for tests.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Opens the store, makes it where there is none, and makes a signing key where there is none.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn build(self) -> Result<Provider, BuildError> {
        let sources = self.settings.is_none().then(|| self.sources.clone());
        let settings = self.settings.map_or_else(|| Settings::load(&self.sources), Ok).map_err(BuildError::Settings)?;
        settings.require_issuer().map_err(BuildError::Settings)?;
        let (store, file) = match self.keeping {
            Keeping::Given(store) => (store, None),
            Keeping::Memory => {
                let opened = Store::in_memory(ServerKey::generate(&self.random), &options(&settings));
                (opened.map_err(|error| BuildError::Store("(in memory)".into(), error))?, None)
            }
            Keeping::File => {
                let path = settings.store.path.clone();
                let store = open(&settings).map_err(|error| BuildError::Store(path.clone(), error))?;
                (store, Some(path))
            }
        };
        let app = App::new(settings, store, self.clock, self.random).map_err(BuildError::Start)?.with_hooks(self.hooks);
        refuse_development(&app).await?;
        make_key(&app).await.map_err(BuildError::Key)?;
        Ok(Provider::of(app, file, sources))
    }
}

fn open(settings: &Settings) -> Result<Store, StoreError> {
    // The settings were checked: a key that they give can be read.
    let key = server_key(settings).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Store::open_or_create(&settings.store.path, key, &options(settings))
}

/// As `hallpass serve` does.
async fn refuse_development(app: &App) -> Result<(), BuildError> {
    let failed = |error| BuildError::Store(app.settings.store.path.clone(), error);
    let is_marked = app.store.is_development().await.map_err(failed)?;
    let has_its_key = app.store.keys().await.map_err(failed)?.iter().any(|key| key.id.as_str() == KEY_ID);
    if is_marked || has_its_key { Err(BuildError::Development) } else { Ok(()) }
}

async fn make_key(app: &App) -> Result<(), Problem> {
    if app.store.keys().await?.is_empty() {
        let path = format!("{}keys", admin::ROOT);
        let call = Call { method: Method::Post, path, query: Form::default(), body: serde_json::Value::Null };
        admin::attempt(&context(app, Caller::Local), call).await?;
    }
    Ok(())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}
