//! Why a command did not do what it was told.

use std::io::{self, Write};
use std::process::ExitCode;

use super::output;
use crate::settings::SettingsError;
use crate::store::StoreError;

/// Why a command ends early.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// It was refused or failed: exit status 1.
    Failed(String),
    /// The command itself is wrong: exit status 2. The first part names the command.
    Usage(String, String),
    /// Nobody reads the results any more, as with `| head`: nothing to complain about.
    Closed,
}

impl Failure {
    /// One line that says what is wrong, and what would be right.
    pub(super) fn failed(line: impl Into<String>) -> Self {
        Self::Failed(line.into())
    }

    /// What is wrong with the command that stands at `path`.
    pub(super) fn usage(path: &[String], line: impl Into<String>) -> Self {
        let command: Vec<&str> = ["hallpass"].into_iter().chain(path.iter().map(String::as_str)).collect();
        Self::Usage(command.join(" "), line.into())
    }

    /// Says why on standard error.
    pub(super) fn report(self) -> ExitCode {
        let (line, status) = match self {
            Self::Failed(line) => (format!("hallpass: {line}"), 1),
            Self::Usage(command, line) => (format!("{command}: {line} (see {command} --help)"), 2),
            Self::Closed => return ExitCode::SUCCESS,
        };
        // There is nobody left to tell when this fails.
        let _ = writeln!(io::stderr(), "{}", output::visible(&shortened(line)));
        ExitCode::from(status)
    }
}

/// A line that repeats what somebody gave may be as long as that was: its beginning and its end say enough.
fn shortened(line: String) -> String {
    const LONGEST: usize = 800;
    let count = line.chars().count();
    if count <= LONGEST {
        return line;
    }
    let part = LONGEST / 2;
    line.chars().take(part).chain(['…']).chain(line.chars().skip(count - part)).collect()
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}
