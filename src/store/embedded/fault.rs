//! What can go wrong inside the engine.

use std::fmt;

use crate::store::StoreError;

/// Why a snapshot or a job came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// redb failed: the file may have to be opened again.
    Engine(redb::Error),
    /// A row can't be read.
    Corrupt(String),
    /// A row was written by a newer release.
    Newer,
    /// A job panicked.
    Panic,
    /// The database is being opened again.
    Reopening,
}

impl Fault {
    /// Whether it is about one row, and no sign that the rest can't be trusted.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Newer)
    }

    /// Whether redb may refuse all further use until the file is opened again. Not so for a snapshot that was still held when
    /// that happened.
    pub(super) fn needs_mending(&self) -> bool {
        matches!(self, Self::Engine(error) if !matches!(error, redb::Error::DatabaseClosed))
    }
}

// All of redb's errors turn into its one large error.
impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Corrupt(reason) => f.write_str(reason),
            Self::Newer => f.write_str("a newer release wrote a row"),
            Self::Panic => f.write_str("a write panicked"),
            Self::Reopening => f.write_str("it is being opened again after an error"),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt(reason) => Self::Corrupt(reason),
            Fault::Newer => Self::NewerFormat,
            Fault::Engine(_) | Fault::Panic | Fault::Reopening => Self::Unavailable(fault.to_string()),
        }
    }
}
