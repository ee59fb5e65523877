//! Why pages could not be loaded or shown.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::BUILT_IN;
use super::catalogue::CatalogueError;

/// Why pages could not be loaded or shown.
#[derive(Debug)]
pub enum PageError {
    /// A file or directory could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file could not be written.
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file has the name of no page.
    Unknown {
        /// Which.
        path: PathBuf,
    },
    /// The pages do not come in a language that is to be the default.
    Language {
        /// Which.
        tag: String,
        /// Those that they come in.
        spoken: String,
    },
    /// A template, catalogue or asset does not work.
    File {
        /// Its path, or its name in the program.
        file: String,
        /// From 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
}

impl PageError {
    pub(super) fn file(file: String, reason: &str) -> Self {
        Self::File { file, line: None, reason: reason.to_owned() }
    }

    pub(super) fn catalogues(file: &str, errors: Vec<CatalogueError>) -> Vec<Self> {
        let one = |error: CatalogueError| Self::File { file: file.to_owned(), line: error.line, reason: error.reason };
        errors.into_iter().map(one).collect()
    }
}

impl PageError {
    /// The file, the line where one is known, and what is wrong with it.
    pub fn parts(&self) -> (String, Option<usize>, String) {
        match self {
            Self::Read { path, error } | Self::Write { path, error } => {
                (path.display().to_string(), None, error.to_string())
            }
            Self::Unknown { path } => (path.display().to_string(), None, "no page is called so".to_owned()),
            Self::Language { .. } => (String::new(), None, self.to_string()),
            Self::File { file, line, reason } => (file.clone(), *line, reason.clone()),
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } | Self::Write { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Unknown { path } => {
                let pages: Vec<&str> =
                    BUILT_IN.iter().map(|&(name, _)| name).filter(|name| !name.contains('/')).collect();
                write!(f, "{}: no page is called so; there are {}", path.display(), pages.join(", "))
            }
            Self::Language { tag, spoken } => {
                write!(f, "i18n.default_locale: the pages don't come in \"{tag}\"; they come in {spoken}")
            }
            Self::File { file, line: Some(line), reason } => write!(f, "{file}:{line}: {reason}"),
            Self::File { file, line: None, reason } => write!(f, "{file}: {reason}"),
        }
    }
}

impl std::error::Error for PageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { error, .. } | Self::Write { error, .. } => Some(error),
            Self::Unknown { .. } | Self::Language { .. } | Self::File { .. } => None,
        }
    }
}
