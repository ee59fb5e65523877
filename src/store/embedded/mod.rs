//! The store in one redb file, or in memory.
//!
//! - Reads happen at once, on the caller's thread, in a snapshot of their own (half a microsecond). Their methods aren't async,
//!   so that no snapshot can outlive an await: a snapshot that is held makes the file grow.
//! - Writes are jobs for the [writer](writer::Writer)'s thread. Their methods are async.
//! - One file for each noun; all key layouts are in [`tables`].

mod cache;
mod client;
mod codec;
mod consent;
mod engine;
mod event;
mod fault;
pub(super) mod file;
mod grant;
mod key;
mod session;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod user;
mod writer;

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, DatabaseError};

use self::engine::{Change, Engine, Opener, Snapshot, Tables};
use self::fault::Fault;
use self::tables::{META, META_DEVELOPMENT};
use self::writer::Writer;
use super::{Options, Revision, StoreError, origin};
use crate::jose::seal::ServerKey;

/// A store in a redb file or in memory. Clones are handles to the same one; the last of them closes it.
#[derive(Clone)]
pub struct Embedded(Arc<Inner>);

struct Inner {
    // Before the engine: what is queued is written before the database closes.
    writer: Writer,
    engine: Arc<Engine>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("healthy", &self.is_healthy()).finish()
    }
}

impl Embedded {
    pub(super) fn key_path(store: &Path) -> PathBuf {
        file::key_path(store)
    }

    pub(super) fn create(path: &Path, key: Option<ServerKey>, options: &Options) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        // The key comes first: a crash in between leaves a key that the next attempt takes.
        let (key, given) = match key {
            Some(key) => (key, true),
            None => (file::make_key(path)?, false),
        };
        let refused = |error: std::io::Error| file::unavailable(path, &error);
        let (draft, file) = file::Draft::create(path).map_err(refused)?;
        let create = || builder(options.cache_bytes).create_with_backend(FileBackend::new(file)?);
        let database = engine::initialize(create, &key)?;
        draft.publish().map_err(refused)?;
        if !given && !file::keep_key(path, &key)? {
            // It is locked, and nobody could have read what is in it.
            std::fs::remove_file(path)
                .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
            return Self::create(path, None, options);
        }
        // It was locked before it had its name and stays so: nobody else has been in it.
        Self::start(Engine::new(file_opener(path, options), database, key, options)?, options)
    }

    pub(super) fn open(path: &Path, key: Option<ServerKey>, options: &Options) -> Result<Self, StoreError> {
        if !path.try_exists().map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))? {
            return Err(StoreError::Missing(path.to_owned()));
        }
        // The key is read when nobody else has the store: whoever makes it, or takes it back, does so with both files.
        let key = || key.map_or_else(|| file::read_key(path), Ok);
        let engine = Engine::open(file_opener(path, options), key, options).map_err(|error| match error {
            StoreError::Unavailable(_) if !path.exists() => StoreError::Missing(path.to_owned()),
            error => error,
        })?;
        file::warn_if_open_to_others(path, "the store");
        Self::start(engine, options)
    }

    pub(super) fn in_memory(key: ServerKey, options: &Options) -> Result<Self, StoreError> {
        let memory = Memory::default();
        let cache_bytes = options.cache_bytes;
        let opener: Opener = Box::new(move || builder(cache_bytes).create_with_backend(memory.clone()));
        Self::new(opener, key, options)
    }

    /// A new store in whatever `opener` opens.
    fn new(opener: Opener, key: ServerKey, options: &Options) -> Result<Self, StoreError> {
        let database = engine::initialize(&opener, &key)?;
        Self::start(Engine::new(opener, database, key, options)?, options)
    }

    fn start(engine: Engine, options: &Options) -> Result<Self, StoreError> {
        let engine = Arc::new(engine);
        let writer = Writer::start(Arc::clone(&engine), options)?;
        Ok(Self(Arc::new(Inner { writer, engine })))
    }

    pub(super) fn server_key(&self) -> &ServerKey {
        self.0.engine.server_key()
    }

    pub(super) fn revision(&self) -> Revision {
        self.0.engine.revision()
    }

    pub(super) fn is_healthy(&self) -> bool {
        !self.0.engine.has_failed()
    }

    pub(super) fn is_development(&self) -> Result<bool, StoreError> {
        self.read(|snapshot| Ok(snapshot.table(META)?.get(META_DEVELOPMENT)?.is_some()))
    }

    pub(super) async fn mark_development(&self) -> Result<(), StoreError> {
        self.write(|change| {
            change.write(META)?.insert(META_DEVELOPMENT, [1].as_slice())?;
            Ok(())
        })
        .await
    }

    /// Reads from a snapshot of its own.
    fn read<T>(&self, look: impl FnOnce(&Snapshot<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let engine = &self.0.engine;
        engine.snapshot().and_then(|snapshot| look(&snapshot)).map_err(|fault| {
            if fault.needs_mending() && engine.note_failure() {
                tracing::error!(error = %fault, "a read failed");
                // Wakes the writer. If its queue is full, it is awake.
                let _ = self.0.writer.submit(|_| Ok(()));
            }
            fault.into()
        })
    }

    /// Has the writer do a job, and waits until it is durable. `work` decides before its first write.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let origin = origin::current();
        let work = move |change: &Change<'_>| {
            change.set_origin(origin);
            work(change)
        };
        self.0.writer.submit(work)?.await.unwrap_or_else(|_| Err(writer::gone()))
    }
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    builder
}

fn file_opener(path: &Path, options: &Options) -> Opener {
    let (path, cache_bytes) = (path.to_owned(), options.cache_bytes);
    Box::new(move || {
        let inode = || path.metadata().map(|metadata| metadata.ino());
        let there = inode()?;
        let database = builder(cache_bytes).open(&path)?;
        // A file that lost its name before it was locked is nobody's; what is written there is lost.
        if inode().is_ok_and(|now| now == there) { Ok(database) } else { Err(DatabaseError::DatabaseAlreadyOpen) }
    })
}

/// Memory that outlives the database in it, so that a store in memory can be opened again like one in a file.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<InMemoryBackend>);

impl redb::StorageBackend for Memory {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}
