//! `hallpass serve`

use argh::{ArgsInfo, FromArgs};
use serde_json::Value;
use tracing::level_filters::LevelFilter;

use super::Invocation;
use super::administration::Administration;
use super::failure::Failure;
use crate::server::{self, logging};
use crate::settings::{LogFormat, LogLevel};

/// Run the provider
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "serve",
    example = "hallpass serve",
    example = "HALLPASS_ISSUER=https://id.example.com HALLPASS_STORE__PATH=/data/hallpass.redb hallpass serve",
    note = "It runs with hallpass.toml, or from the environment alone. SIGTERM and SIGINT end it gracefully."
)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let settings = invocation.settings()?;
        settings.require_issuer()?;
        logging::init(level(settings.log.level), format(settings.log.format))
            .map_err(|error| Failure::failed(error.to_string()))?;
        let administration = Administration::open_or_create(&settings)?;
        if administration.list("keys")?.is_empty() {
            administration.add("keys", Value::Null)?;
        }
        server::run(settings, administration.into_store()).map_err(|error| Failure::failed(error.to_string()))
    }
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

const fn format(format: LogFormat) -> logging::Format {
    match format {
        LogFormat::Auto => logging::Format::Auto,
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    }
}
