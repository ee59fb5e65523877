//! Administration in process: the command itself has the store.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::admin::{self, Answer, Call, Context};
use crate::app::hook::Hooks;
use crate::app::password::Passwords;
use crate::app::{event, rotation};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::jose::seal::ServerKey;
use crate::model::key::Schedule;
use crate::provider::opening::{options, server_key};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// An open store, and what administration needs beside it.
pub(super) struct InProcess {
    store: Store,
    clock: Clock,
    random: Random,
    passwords: Passwords,
    schedule: Schedule,
    hooks: Hooks,
    settings: Settings,
    /// The files that were made for it a moment ago.
    made: Vec<PathBuf>,
}

impl InProcess {
    /// Opens the store, and makes it where it `may_create` one and there is none; `None` while another process has it.
    pub(super) fn open(settings: &Settings, may_create: bool) -> Result<Option<Self>, Failure> {
        let path = &settings.store.path;
        let opened = match Store::open(path, key(settings)?, &options(settings)) {
            // Not even a link that leads nowhere.
            Err(StoreError::Missing(_)) if may_create && path.symlink_metadata().is_err() => {
                Self::make(settings, key(settings)?)
            }
            opened => opened.map(|store| Self::new(settings, store, Vec::new())),
        };
        match opened {
            Ok(opened) => Ok(Some(opened)),
            // Somebody else was quicker.
            Err(StoreError::Locked) => Ok(None),
            Err(StoreError::Exists(_)) if may_create => Ok(None),
            Err(error) => Err(explain(error, path)),
        }
    }

    /// Makes the store; there must be none.
    pub(super) fn create(settings: &Settings) -> Result<Self, Failure> {
        Self::make(settings, key(settings)?).map_err(|error| explain(error, &settings.store.path))
    }

    fn make(settings: &Settings, key: Option<ServerKey>) -> Result<Self, StoreError> {
        let path = &settings.store.path;
        let files = [path.clone(), Store::key_path(path)];
        let made = files.into_iter().filter(|file| !file.exists()).collect();
        let store = Store::create(path, key, &options(settings))?;
        Ok(Self::new(settings, store, made))
    }

    fn new(settings: &Settings, store: Store, made: Vec<PathBuf>) -> Self {
        let random = Random::System;
        let passwords = Passwords::new(&settings.password, &random);
        let clock = Clock::System;
        store.keep_events(event::ledger(settings, &clock, event::outboxes(settings)));
        Self {
            store,
            clock,
            random,
            passwords,
            schedule: rotation::schedule(settings),
            hooks: Hooks::of(settings),
            settings: settings.clone(),
            made,
        }
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: Call) -> Answer {
        let context = Context {
            store: &self.store,
            clock: &self.clock,
            random: &self.random,
            passwords: &self.passwords,
            hooks: &self.hooks,
            settings: &self.settings,
            schedule: self.schedule,
            local: true,
        };
        admin::call(&context, call).await
    }

    /// Whether the store was made for development.
    pub(super) async fn is_development(&self) -> Result<bool, Failure> {
        Ok(self.store.is_development().await?)
    }

    /// The store alone.
    pub(super) fn into_store(self) -> Store {
        self.store
    }

    /// The store's file, if it was made to get here.
    pub(super) fn made(&self) -> Option<&Path> {
        self.made.first().map(PathBuf::as_path)
    }

    /// Takes back what was made to get here, since it came to nothing.
    pub(super) fn undo(&self) {
        // The store last: whoever makes another one in its place then brings the key.
        for file in self.made.iter().rev() {
            // Nothing of value is in there, so it does no harm where it can't be removed.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The server key, where the settings give it.
fn key(settings: &Settings) -> Result<Option<ServerKey>, Failure> {
    server_key(settings).map_err(|error| Failure::failed(format!("store.key: {error}")))
}

/// Says what to do about a store that can't be opened.
fn explain(error: StoreError, path: &Path) -> Failure {
    let path = path.display();
    Failure::failed(match error {
        StoreError::Missing(_) => format!("there is no store at {path}: hallpass init makes one"),
        other => format!("{path}: {other}"),
    })
}
