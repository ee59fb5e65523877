//! Settings: one table of keys (`table.rs`) that is the parser, the defaults and the documentation at once.
//!
//! A value comes from, each one winning over those before it: the key's default, `hallpass.toml`, the environment
//! (`HALLPASS_SECTION__KEY`), the command line. [`Settings::load`] reads and checks everything once; afterwards a
//! setting is a field. To add one, add its line to the table.

mod admin_token;
mod document;
mod event_kinds;
mod formula;
mod kind;
mod named;
mod receiver;
mod reference;
mod schema;
mod shared_key;
mod source;
mod store_key;
mod table;
#[cfg(test)]
mod tests;
mod written;

use std::fmt;
use std::path::Path;

pub use admin_token::AdminToken;
pub use document::{Entry, default_document};
pub use reference::reference;

pub use formula::{Formula, OF_CLAIMS, OF_USER};
pub use schema::Key;
pub use shared_key::SharedKey;
pub use source::{ADMIN_TOKEN, ConfigFile, DEFAULT_FILE, Origin, Sources};
pub use store_key::StoreKey;
pub use table::{
    Admin, Compat, Consent, DefaultRedirect, Discovery, EndTokens, Events, ForwardAuth, Grants, HookPoint,
    HookSettings, Http, I18n, IdToken, Introspection, KEYS, Lifetimes, Log, LogFormat, LogLevel, Login, Logout,
    OnError, Outbound, Pages, Password, Pkce, Policy, Refresh, ScopeSettings, ScopeWords, SessionManagement, Settings,
    Signing, Store, Sub, SubjectMode, Templates, Throttle, Tls, Userinfo,
};

use crate::protocol::issuer::Issuer;
use source::Given;

/// What is wrong with a setting, where, and what would be right: one line, without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// Settings that were read again while the program runs.
#[derive(Debug)]
pub struct Reloaded {
    /// What may come into force now: a key that needs a restart has the value that it had.
    pub settings: Settings,
    /// The keys whose values differ from before.
    pub applied: Vec<&'static Key>,
    /// Those that differ and wait for a restart.
    pub waiting: Vec<&'static Key>,
}

impl Settings {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// The first thing that is wrong: a file that cannot be read or is not TOML, an unknown key, a value that its key
    /// does not take, or values that contradict each other.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let settings = Self::read(Given::collect(sources)?)?;
        settings.check()?;
        Ok(settings)
    }

    /// The issuer, for commands that cannot do without one.
    ///
    /// # Errors
    /// When it is not set.
    pub fn require_issuer(&self) -> Result<&Issuer, SettingsError> {
        self.issuer.as_ref().ok_or_else(|| {
            SettingsError::new(format!(
                "issuer is not set: put issuer = \"https://id.example.com\" at the top of {DEFAULT_FILE}, or set \
                 HALLPASS_ISSUER"
            ))
        })
    }

    /// The settings file, where a secret stands in it as it is: then it is for its owner's eyes alone.
    pub fn file_with_secrets(&self) -> Option<&Path> {
        self.holds_secrets.as_deref()
    }

    /// The keys whose values differ between two sets of settings, in the order of [`KEYS`].
    pub fn changed(old: &Self, new: &Self) -> Vec<&'static Key> {
        KEYS.iter().zip(old.same(new)).filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }

    /// Reads the sources again for a program that runs with these settings.
    ///
    /// # Errors
    /// Those of [`Settings::load`]. Also where what is new contradicts what has to stay until a restart.
    pub fn reload(&self, sources: &Sources) -> Result<Reloaded, SettingsError> {
        let mut settings = Self::load(sources)?;
        let (waiting, applied): (Vec<_>, Vec<_>) =
            Self::changed(self, &settings).into_iter().partition(|key| key.needs_restart());
        if !waiting.is_empty() {
            settings.keep(self);
            settings.check().map_err(|error| {
                let waiting: Vec<&str> = waiting.iter().map(|key| key.name()).collect();
                SettingsError::new(format!("{error}; {} change with a restart only", waiting.join(", ")))
            })?;
        }
        Ok(Reloaded { settings, applied, waiting })
    }

    /// The rules between keys.
    fn check(&self) -> Result<(), SettingsError> {
        if let Some(issuer) = &self.issuer
            && !issuer.is_https()
            && !issuer.is_loopback()
            && !self.http.insecure
        {
            return Err(self.conflict(
                &["issuer"],
                "must be https, or http on this machine (localhost, 127.0.0.1, [::1]); http.insecure = true \
                 takes it anyway",
            ));
        }
        if (self.sub.mode == SubjectMode::Expression) != self.sub.expression.is_some() {
            return Err(self.conflict(
                &["sub.mode", "sub.expression"],
                "sub.expression goes with sub.mode = \"expression\", and that with it",
            ));
        }
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Err(self.conflict(&["tls.cert", "tls.key"], "they belong together: set both of them, or none"));
        }
        if let Some(issuer) = &self.issuer
            && !issuer.is_https()
            && self.tls.cert.is_some()
        {
            return Err(
                self.conflict(&["issuer", "tls.cert"], "with a certificate everything is https, the issuer too")
            );
        }
        if self.forward_auth.enabled && self.http.trusted_proxies.is_empty() {
            return Err(self.conflict(
                &["forward_auth.enabled", "http.trusted_proxies"],
                "forward_auth answers trusted proxies alone: name yours in http.trusted_proxies",
            ));
        }
        if self.lifetimes.refresh_idle > self.lifetimes.refresh_token {
            return Err(self.conflict(
                &["lifetimes.refresh_idle", "lifetimes.refresh_token"],
                "lifetimes.refresh_idle must not be longer than lifetimes.refresh_token",
            ));
        }
        if self.lifetimes.session_idle > self.lifetimes.session {
            return Err(self.conflict(
                &["lifetimes.session_idle", "lifetimes.session"],
                "lifetimes.session_idle must not be longer than lifetimes.session",
            ));
        }
        let signing = &self.signing;
        if !signing.rotate_every.is_zero() && signing.publish_ahead >= signing.rotate_every {
            return Err(self.conflict(
                &["signing.rotate_every", "signing.publish_ahead"],
                "signing.publish_ahead must be shorter than signing.rotate_every",
            ));
        }
        if !signing.rotate_every.is_zero() && signing.publish_ahead < self.discovery.cache_control {
            return Err(self.conflict(
                &["signing.publish_ahead", "discovery.cache_control"],
                "signing.publish_ahead must not be shorter than discovery.cache_control: whoever keeps the keys for \
                 that long has to see the next one before it signs",
            ));
        }
        if let Some((name, _)) = self.hooks.iter().find(|(_, hook)| hook.url.scheme() == "http" && !hook.allow_private)
        {
            return Err(SettingsError::new(format!(
                "hooks.{name}.url is http, which is called only where hooks.{name}.allow_private = true"
            )));
        }
        if self.password.memory_kib < self.password.lanes.saturating_mul(8) {
            return Err(self.conflict(
                &["password.memory_kib", "password.lanes"],
                "password.memory_kib must be at least 8 for each of password.lanes (RFC 9106 section 3.1)",
            ));
        }
        Ok(())
    }

    /// Says that values contradict each other: at the first key that somebody set, naming all of them.
    fn conflict(&self, names: &[&str], rule: &str) -> SettingsError {
        let entries: Vec<Entry> =
            self.entries().into_iter().filter(|entry| names.contains(&entry.key.name())).collect();
        let place = entries.iter().map(|entry| &entry.origin).find(|origin| **origin != Origin::Default);
        let values: Vec<String> = entries
            .iter()
            .map(|entry| format!("{} is {}", entry.key.name(), entry.value.as_deref().unwrap_or("not set")))
            .collect();
        SettingsError::new(format!("{}: {}: {rule}", place.unwrap_or(&Origin::Default), values.join(" and ")))
    }
}
