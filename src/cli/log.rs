//! The log of a server, as the settings want it.

use super::failure::Failure;
use crate::server::logging;
use crate::settings::{Log, LogFormat};

/// Sets up the log; `access` says whether it has a line for each request.
pub(super) fn init(settings: &Log, access: logging::Access) -> Result<(), Failure> {
    logging::init(settings.level.into(), format(settings.format), access)
        .map_err(|error| Failure::failed(error.to_string()))
}

const fn format(format: LogFormat) -> logging::Format {
    match format {
        LogFormat::Auto => logging::Format::Auto,
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    }
}
