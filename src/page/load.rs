//! The files that pages are made of: those in the program, and those that a deployment puts in their place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use super::{Asset, PageError};

macro_rules! built_in {
    ($($path:literal),* $(,)?) => {
        /// Every file of `templates/`, under its path there.
        pub const BUILT_IN: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../templates/", $path)))),*];
    };
}

built_in![
    "asset/check_session.js",
    "asset/form_post.js",
    "asset/hallpass.css",
    "asset/mark.svg",
    "asset/once.js",
    "asset/playground.css",
    "asset/playground.js",
    "asset/reveal.js",
    "authorize.html",
    "check_session_iframe.html",
    "denied.html",
    "end_session_completed.html",
    "end_session_failed.html",
    "end_session_prompt.html",
    "error.html",
    "form_post.html",
    "home.html",
    "layout.html",
    "locale/de.toml",
    "locale/en.toml",
    "locale/es.toml",
    "locale/fr.toml",
    "locale/it.toml",
    "locale/nl.toml",
    "locale/pl.toml",
    "locale/pt.toml",
    "login.html",
    "part/account.html",
    "part/client.html",
    "part/language.html",
    "part/legal.html",
    "part/once.html",
    "part/text.html",
    "playground.html",
    "playground_fragment.html",
    "playground_result.html",
    "select_account.html",
];

/// A file and where it came from.
#[derive(Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    /// The file that a deployment supplied; `None` for one in the program.
    pub(super) path: Option<PathBuf>,
    /// What it replaced.
    pub(super) replaced: Option<&'static str>,
}

impl File {
    /// How to name the file `name` in a message.
    pub(super) fn describe(&self, name: &str) -> String {
        self.path.as_ref().map_or_else(|| format!("{name} (built in)"), |path| path.display().to_string())
    }
}

/// Every file under its path in `templates/`; those in `overrides` win. Beside them what is there in vain: a page that does
/// not exist, a file that cannot be read.
///
/// # Errors
/// A directory that cannot be read.
pub(super) fn files(overrides: Option<&Path>) -> Result<(BTreeMap<String, File>, Vec<PageError>), PageError> {
    let mut files: BTreeMap<String, File> = BUILT_IN
        .iter()
        .map(|&(name, text)| {
            (name.to_owned(), File { bytes: Bytes::from_static(text.as_bytes()), path: None, replaced: None })
        })
        .collect();
    let mut faults = Vec::new();
    let Some(directory) = overrides else { return Ok((files, faults)) };
    for (folder, endings) in FOLDERS {
        for (file_name, path) in list(&directory.join(folder), folder.is_empty())? {
            let ending = file_name.rsplit_once('.').map(|(_, ending)| ending);
            if !endings.is_empty() && !ending.is_some_and(|ending| endings.contains(&ending)) {
                continue; // A README, an editor's backup.
            }
            let name = if folder.is_empty() { file_name } else { format!("{folder}/{file_name}") };
            if folder.is_empty() && !files.contains_key(&name) {
                faults.push(PageError::Unknown { path });
                continue;
            }
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes.into(),
                Err(error) => {
                    faults.push(PageError::Read { path, error });
                    continue;
                }
            };
            let replaced = BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|&(_, text)| text);
            files.insert(name, File { bytes, path: Some(path), replaced });
        }
    }
    Ok((files, faults))
}

/// Where the files lie that replace ours, below the directory of a deployment, and the ending that they must have.
const FOLDERS: [(&str, &[&str]); 4] = [("", &["html"]), ("part", &["html"]), ("locale", &["toml"]), ("asset", &[])];

/// What tells whether a file in the directory has changed: which there are, when they were written, how long they are.
pub(super) type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// The stamp of a directory. What can't be looked at is as if it weren't there.
pub(super) fn stamp(directory: &Path) -> Stamp {
    let mut stamp = Stamp::new();
    for (folder, _) in FOLDERS {
        for (_, path) in list(&directory.join(folder), false).unwrap_or_default() {
            if let Ok(metadata) = std::fs::metadata(&path) {
                stamp.push((path, metadata.modified().ok(), metadata.len()));
            }
        }
    }
    stamp.sort();
    stamp
}

/// Larger ones are no logos.
const MAX_LOGO: u64 = 1024 * 1024;

/// The image that a deployment has in place of our mark.
///
/// # Errors
/// A file that cannot be read, or is no image.
pub(super) fn logo(path: &Path) -> Result<Asset, PageError> {
    let unread = |error| PageError::Read { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(unread)?.len() > MAX_LOGO {
        return Err(PageError::file(path.display().to_string(), "larger than 1 MiB: the logo is on every page"));
    }
    let bytes = std::fs::read(path).map_err(unread)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    Asset::new(&format!("logo.{ending}"), bytes.into())
        .filter(|asset| asset.content_type.starts_with("image/"))
        .ok_or_else(|| {
            PageError::file(path.display().to_string(), "not an image: svg, png, jpg, webp, avif, gif or ico")
        })
}

/// The visible files of a directory; an absent one is empty unless it is `required`.
fn list(directory: &Path, required: bool) -> Result<Vec<(String, PathBuf)>, PageError> {
    let unread = |error| PageError::Read { path: directory.to_owned(), error };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return Ok(Vec::new()),
        entries => entries.map_err(unread)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
        if let (Some(name), true) = (name, path.is_file()) {
            files.push((name.to_owned(), path));
        }
    }
    Ok(files)
}
