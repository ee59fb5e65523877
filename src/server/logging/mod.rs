//! Log lines: text on a terminal, JSON for machines, always on stderr. stdout belongs to results.
//!
//! A line that is written while a request is answered carries its id. There is a line for each request, so lines are made
//! with as little work as they can be, and those about requests are written some at a time.

mod line;
mod output;

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, registry, reload};

use crate::settings::LogLevel;
use line::{JsonLine, TextLine};
use output::Output;

/// The target of lines about events.
pub(super) const EVENT: &str = "hallpass::event";

/// The target of lines about requests.
pub(super) const ACCESS: &str = "hallpass::access";

/// What is shown, once there is a log.
static FILTER: OnceLock<(reload::Handle<Targets, Registry>, Access)> = OnceLock::new();

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text when stderr is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether each request gets a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// One for each, at `INFO`.
    #[default]
    Shown,
    /// None below `DEBUG`: for a terminal where somebody looks for what goes wrong.
    Hidden,
}

/// The log could not be set up.
#[derive(Debug)]
pub enum LogError {
    /// The program has one already.
    Taken(SetGlobalDefaultError),
    /// The system has no thread for it.
    System(io::Error),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(error) => write!(f, "the log is set up already: {error}"),
            Self::System(error) => write!(f, "the log can't be written: {error}"),
        }
    }
}

impl std::error::Error for LogError {}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Sets up the log of the whole program: our own lines from `level` on, those of libraries from `WARN` on. Panics
/// become log lines too.
///
/// # Errors
/// When a log is set up already, or the system has no thread for it.
pub fn init(level: LevelFilter, format: Format, access: Access) -> Result<(), LogError> {
    let terminal = io::stderr().is_terminal();
    let text = match format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    let (filter, handle) = reload::Layer::new(filter(level, access));
    let output = Output::start(io::stderr())?;
    // The filter is one for all, so that what it refuses costs next to nothing.
    let registry = registry().with(filter);
    if text {
        let lines = layer().with_ansi(terminal).event_format(TextLine::new(terminal)).with_writer(output);
        tracing::subscriber::set_global_default(registry.with(lines))
    } else {
        let lines = layer().with_ansi(false).event_format(JsonLine).with_writer(output);
        tracing::subscriber::set_global_default(registry.with(lines))
    }
    .map_err(LogError::Taken)?;
    // Nobody else can have set it: the log is set up once.
    let _ = FILTER.set((handle, access));
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Shows our own lines from another level on. Where the program around has set up a log of its own, that goes by itself.
pub(super) fn set_level(level: LevelFilter) {
    if let Some((handle, access)) = FILTER.get() {
        // It fails only where the log is gone.
        let _ = handle.reload(filter(level, *access));
    }
}

fn filter(level: LevelFilter, access: Access) -> Targets {
    // Libraries log what goes over the wire at finer levels, secrets included.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("hallpass", level);
    match access {
        Access::Hidden if level < LevelFilter::DEBUG => filter.with_target(ACCESS, level.min(LevelFilter::WARN)),
        _ => filter,
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(target: "hallpass", place, why = message.unwrap_or("unknown"), "panic");
}
