//! The log of a server, as the settings want it.

use tracing::level_filters::LevelFilter;

use super::failure::Failure;
use crate::server::logging;
use crate::settings::{Log, LogFormat, LogLevel};

/// Sets up the log; `access` says whether it has a line for each request.
pub(super) fn init(settings: &Log, access: logging::Access) -> Result<(), Failure> {
    logging::init(level(settings.level), format(settings.format), access)
        .map_err(|error| Failure::failed(error.to_string()))
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
