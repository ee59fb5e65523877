//! The files: the store, and the server key beside it. Both are made for their owner alone, from the first moment on.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::base::encode::hex;
use crate::base::random::Random;
use crate::jose::seal::ServerKey;
use crate::store::StoreError;

/// How often a key is looked for that others make and take back meanwhile.
const ATTEMPTS: usize = 16;

/// Where the server key of a store is: beside it, with `.key` added to its name.
pub(super) fn key_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// A file on its way to its name: what others find there is whole, or not there at all. Until then its name can't be
/// guessed, so that nobody has put a link in its place.
pub(crate) struct Draft {
    path: PathBuf,
    name: PathBuf,
}

impl Draft {
    /// Begins an empty file that will be at `name`, where nothing is yet.
    pub(crate) fn create(name: &Path) -> io::Result<(Self, File)> {
        let path = name.with_file_name(format!(".hallpass-{}", hex(&Random::System.bytes::<8>())));
        let file = create(&path)?;
        Ok((Self { path, name: name.to_owned() }, file))
    }

    /// Where it is until then.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place, unless something has come there meanwhile ([`ErrorKind::AlreadyExists`]).
    pub(crate) fn publish(self) -> io::Result<()> {
        match std::fs::hard_link(&self.path, &self.name) {
            // Some file systems have no links.
            Err(error) if error.kind() != ErrorKind::AlreadyExists && !self.name.exists() => {
                std::fs::rename(&self.path, &self.name)
            }
            placed => placed,
        }?;
        sync_directory(&self.name)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It holds nothing that isn't in its place; after a rename it isn't there.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads the server key of a store.
pub(super) fn read_key(store: &Path) -> Result<ServerKey, StoreError> {
    let path = key_path(store);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            warn_if_open_to_others(&path, "the server key");
            let text = Zeroizing::new(text);
            ServerKey::parse(&text).map_err(|_| StoreError::WrongKey(format!("{} holds no key", path.display())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(StoreError::WrongKey(format!("none was given and there is no {}", path.display())))
        }
        Err(error) => Err(unavailable(&path, &error)),
    }
}

/// Makes the server key of a new store, or takes the one that is in its place already.
pub(super) fn make_key(store: &Path) -> Result<ServerKey, StoreError> {
    for _ in 0..ATTEMPTS {
        if key_path(store).exists() {
            match read_key(store) {
                // Whoever made it has taken it back at this moment.
                Err(StoreError::WrongKey(_)) if !key_path(store).exists() => {}
                read => return read,
            }
        }
        let key = ServerKey::generate(&Random::System);
        match write_key(store, &key) {
            Ok(()) => return Ok(key),
            // Somebody else was quicker.
            Err(StoreError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Locked)
}

/// Sees to it that the key of a store that has just come to its place is there too: whoever made the key may have taken it
/// back, with a store of theirs. Says `false` when there is another one by now.
pub(super) fn keep_key(store: &Path, key: &ServerKey) -> Result<bool, StoreError> {
    match write_key(store, key) {
        Ok(()) => Ok(true),
        Err(StoreError::Exists(_)) => match read_key(store) {
            Ok(there) => Ok(there.to_text().matches(key.to_text().expose())),
            // Taken back at this moment.
            Err(StoreError::WrongKey(_)) => Ok(false),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn write_key(store: &Path, key: &ServerKey) -> Result<(), StoreError> {
    let path = key_path(store);
    let (draft, mut file) = Draft::create(&path).map_err(|error| unavailable(&path, &error))?;
    let write = |file: &mut File| {
        file.write_all(key.to_text().expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write(&mut file).map_err(|error| unavailable(&path, &error))?;
    draft.publish().map_err(|error| unavailable(&path, &error))
}

/// A new file that only its owner may read and write.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a new name in a directory durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Says so when others than a file's owner may read or change it, on systems that know such rights.
pub(crate) fn warn_if_open_to_others(path: &Path, what: &str) {
    #[cfg(unix)]
    if std::fs::metadata(path)
        .is_ok_and(|metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0)
    {
        tracing::warn!(path = %path.display(), "{what} is open to others: chmod 600");
    }
}

/// What it means that a file can't be made or read.
pub(super) fn unavailable(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}
