//! `hallpass serve`

use argh::{ArgsInfo, FromArgs};
use serde_json::Value;

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, log};
use crate::app::development::KEY_ID;
use crate::server::logging::Access;
use crate::server::{self, Tls};
use crate::settings::Settings;
use crate::store::warn_if_open_to_others;

/// Run the provider
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "serve",
    example = "hallpass serve",
    example = "HALLPASS_ISSUER=https://id.example.com HALLPASS_STORE__PATH=/data/hallpass.redb hallpass serve",
    note = "It runs with hallpass.toml, or from the environment alone. SIGTERM and SIGINT end it gracefully.",
    note = "SIGHUP reads the settings, the templates and the certificate again; what is wrong changes nothing."
)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let settings = invocation.settings()?;
        settings.require_issuer()?;
        log::init(&settings.log, Access::Shown)?;
        // Before a store is made, or opened.
        Tls::load(&settings.tls).map_err(|error| Failure::failed(error.to_string()))?;
        if let Some(key) = &settings.tls.key {
            warn_if_open_to_others(key, "the private key of the certificate");
        }
        if let Some(file) = settings.file_with_secrets() {
            warn_if_open_to_others(file, "the settings file, with a secret in it,");
        }
        let administration = Administration::open_or_create(&settings)?;
        refuse_development(&administration, &settings)?;
        if administration.list("keys")?.is_empty() {
            administration.add("keys", Value::Null)?;
        }
        let store = administration.into_store()?;
        server::run(settings, invocation.sources(), store).map_err(|error| Failure::failed(error.to_string()))
    }
}

/// What was made for development must not meet anybody's real users: its passwords and its key are everybody's.
fn refuse_development(administration: &Administration, settings: &Settings) -> Result<(), Failure> {
    let is_everybodys = |key: &Value| key.get("kid").and_then(Value::as_str) == Some(KEY_ID);
    if administration.is_development()? || administration.list("keys")?.iter().any(is_everybodys) {
        let path = settings.store.path.display();
        return Err(Failure::failed(format!(
            "{path} was made by hallpass dev, with keys and passwords that everybody knows: hallpass serve does not use it"
        )));
    }
    Ok(())
}
