//! How a command reaches the administration: it opens the store and makes the call in process.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::{Invocation, output};
use crate::admin::{self, Call, Context, Method};
use crate::app::password::Passwords;
use crate::base::clock::Clock;
use crate::base::encode;
use crate::base::form::Form;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::jose::seal::ServerKey;
use crate::settings::Settings;
use crate::store::{Options, Store, StoreError};

/// How long a command waits for another process that has the store, such as another command.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it sleeps between two attempts.
const STEP: Duration = Duration::from_millis(50);

/// An open store, and what administration needs beside it.
pub(super) struct Administration {
    runtime: Runtime,
    store: Store,
    clock: Clock,
    random: Random,
    passwords: Passwords,
    /// The files that were made for it a moment ago.
    made: Vec<PathBuf>,
}

impl Administration {
    /// Opens the store that is there.
    pub(super) fn open(invocation: &Invocation) -> Result<Self, Failure> {
        let settings = invocation.settings()?;
        Self::new(&settings, open_store(&settings)?, Vec::new())
    }

    /// Opens the store, and makes it first when there is none: the first command of a new installation need not be `init`.
    pub(super) fn open_or_create(settings: &Settings) -> Result<Self, Failure> {
        if settings.store.path.exists() {
            return Self::new(settings, open_store(settings)?, Vec::new());
        }
        Self::create(settings)
    }

    /// Makes the store; there must be none.
    pub(super) fn create(settings: &Settings) -> Result<Self, Failure> {
        let path = &settings.store.path;
        let files = [path.clone(), Store::key_path(path)];
        let made = files.into_iter().filter(|file| !file.exists()).collect();
        let store = Store::create(path, key(settings)?, &options(settings)).map_err(|error| explain(error, path))?;
        Self::new(settings, store, made)
    }

    fn new(settings: &Settings, store: Store, made: Vec<PathBuf>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("the system gives no event queue: {error}")))?;
        let random = Random::System;
        let passwords = Passwords::new(&settings.password, &random);
        Ok(Self { runtime, store, clock: Clock::System, random, passwords, made })
    }

    /// The store alone.
    pub(super) fn into_store(self) -> Store {
        self.store
    }

    /// Whether the store was made for development.
    pub(super) fn is_development(&self) -> Result<bool, Failure> {
        Ok(self.runtime.block_on(self.store.is_development())?)
    }

    /// Takes back what was made to get here, since it came to nothing.
    pub(super) fn undo(&self) {
        for file in &self.made {
            // Nothing of value is in there, so it does no harm where it can't be removed.
            let _ = std::fs::remove_file(file);
        }
    }

    /// Adds something to a list. A store that was made for it goes again when that fails, and is announced when it does
    /// not.
    pub(super) fn add(&self, list: &str, body: Value) -> Result<Map<String, Value>, Failure> {
        let added = self.call(Method::Post, &[list], body).inspect_err(|_| self.undo())?;
        if let Some(store) = self.made.first() {
            output::note(&format!("made a new store: {}", store.display()));
        }
        Ok(added)
    }

    /// Makes a call at an address below [`admin::ROOT`], given as its parts; gives the answer's body, after its warnings
    /// were said.
    ///
    /// # Errors
    /// [`Failure::Failed`] with the problem's one line.
    pub(super) fn call(&self, method: Method, address: &[&str], body: Value) -> Result<Map<String, Value>, Failure> {
        self.ask(method, address, Form::default(), body)
    }

    /// Shows what is at an address.
    pub(super) fn get(&self, address: &[&str]) -> Result<Map<String, Value>, Failure> {
        self.call(Method::Get, address, Value::Null)
    }

    /// A whole list, however many pages it has.
    pub(super) fn list(&self, address: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let query = [("limit", "1000".to_owned())].into_iter().chain(after.map(|after| ("after", after))).collect();
            let mut page = self.ask(Method::Get, &[address], query, Value::Null)?;
            if let Some(Value::Array(more)) = page.get_mut("items") {
                items.append(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    fn ask(&self, method: Method, address: &[&str], query: Form, body: Value) -> Result<Map<String, Value>, Failure> {
        let mut path = String::from(admin::ROOT);
        for (index, part) in address.iter().enumerate() {
            if index > 0 {
                path.push('/');
            }
            encode::percent(part, &mut path);
        }
        let context = Context {
            store: &self.store,
            clock: &self.clock,
            random: &self.random,
            passwords: &self.passwords,
            local: true,
        };
        let answer = self.runtime.block_on(admin::call(&context, Call { method, path, query, body }));
        let mut body = match answer.body {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        if answer.status >= 400 {
            let detail = body.get("detail").and_then(Value::as_str).unwrap_or("the call failed");
            return Err(Failure::failed(detail));
        }
        if let Some(Value::Array(warnings)) = body.shift_remove("warnings") {
            for warning in warnings.iter().filter_map(Value::as_str) {
                output::note(&format!("warning: {warning}"));
            }
        }
        Ok(body)
    }
}

/// Opens the store that is there, or makes it.
pub(super) fn open_or_create_store(settings: &Settings) -> Result<Store, Failure> {
    let path = &settings.store.path;
    if path.exists() {
        return open_store(settings);
    }
    Store::create(path, key(settings)?, &options(settings)).map_err(|error| explain(error, path))
}

/// Opens the store that is there. While another process has it, tries again for a moment.
fn open_store(settings: &Settings) -> Result<Store, Failure> {
    let path = &settings.store.path;
    let begun = Instant::now();
    loop {
        match Store::open(path, key(settings)?, &options(settings)) {
            Err(StoreError::Locked) if begun.elapsed() < PATIENCE => std::thread::sleep(STEP),
            opened => return opened.map_err(|error| explain(error, path)),
        }
    }
}

pub(super) fn options(settings: &Settings) -> Options {
    Options { cache_bytes: settings.store.cache_size, queue: settings.store.queue, ..Options::default() }
}

/// The server key, where the settings give it.
fn key(settings: &Settings) -> Result<Option<ServerKey>, Failure> {
    let again = |text: &Secret| ServerKey::parse(text.expose());
    let key = settings.store.key.as_ref().map(|key| again(&key.server_key().to_text()));
    key.transpose().map_err(|error| Failure::failed(format!("store.key: {error}")))
}

/// Says what to do about a store that can't be opened.
fn explain(error: StoreError, path: &Path) -> Failure {
    let path = path.display();
    Failure::failed(match error {
        StoreError::Missing(_) => format!("there is no store at {path}: hallpass init makes one"),
        StoreError::Locked => {
            format!("the store {path} is in use by another process, most likely hallpass serve: stop it first")
        }
        other => format!("{path}: {other}"),
    })
}
