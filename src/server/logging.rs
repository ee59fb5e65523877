//! Log lines: text on a terminal, JSON for machines, always on stderr. stdout belongs to results.

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;

/// The target of lines about requests.
pub(super) const ACCESS: &str = "hallpass::access";

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

/// The log could not be set up: the program has one already.
#[derive(Debug)]
pub struct AlreadyLogging(SetGlobalDefaultError);

impl fmt::Display for AlreadyLogging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log is set up already: {}", self.0)
    }
}

impl std::error::Error for AlreadyLogging {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Sets up the log of the whole program: our own lines from `level` on, those of libraries from `WARN` on. Panics
/// become log lines too.
///
/// # Errors
/// When a log is set up already.
pub fn init(level: LevelFilter, format: Format, access: Access) -> Result<(), AlreadyLogging> {
    let terminal = io::stderr().is_terminal();
    let text = match format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // Libraries log what goes over the wire at finer levels, secrets included.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("hallpass", level);
    let filter = match access {
        Access::Hidden if level < LevelFilter::DEBUG => filter.with_target(ACCESS, level.min(LevelFilter::WARN)),
        _ => filter,
    };
    let lines = if text {
        lines.with_ansi(terminal).with_filter(filter).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
    };
    tracing::subscriber::set_global_default(registry().with(lines)).map_err(AlreadyLogging)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(target: "hallpass", place, why = message.unwrap_or("unknown"), "panic");
}
