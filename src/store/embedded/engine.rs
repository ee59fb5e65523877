//! The open database: snapshots and changes of it, and how it is opened again after an I/O error.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Database, DatabaseError, Durability, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageError, Table, TableDefinition, TableError, TableHandle, Value, WriteTransaction,
};

use super::cache::Cache;
use super::event::Journal;
use super::fault::Fault;
use super::tables::{self, META, META_FORMAT, META_KEY_CHECK};
use crate::base::random::Random;
use crate::jose::seal::ServerKey;
use crate::model::client::Client;
use crate::model::event::{Event, Origin};
use crate::model::id::{AccessTokenId, ClientId};
use crate::store::{AccessContext, Ledger, Options, Revision, StoreError};

/// The version of all layouts that this release writes.
pub(super) const FORMAT: u32 = 4;

const KEY_CHECK: &str = "key check";

/// Opens the database, the first time and after an I/O error.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// Tables as a snapshot or a change shows them.
pub(super) trait Tables {
    /// A table that is open.
    type Table<'t, K: Key + 'static, V: Value + 'static>: ReadableTable<K, V>
    where
        Self: 't;

    /// Opens a table to read from it.
    fn table<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Self::Table<'_, K, V>, TableError>;

    /// What secrets are sealed with.
    fn server_key(&self) -> &ServerKey;
}

/// How the store comes back after a crash that follows upon a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// At once: which pages are free is written along with the commit. That takes a fifth of its time, more in large stores.
    Instant,
    /// After a walk through the whole file.
    Walk,
}

/// The store as it is at one moment.
pub(super) struct Snapshot<'e> {
    transaction: ReadTransaction,
    engine: &'e Engine,
}

impl Tables for Snapshot<'_> {
    type Table<'t, K: Key + 'static, V: Value + 'static>
        = ReadOnlyTable<K, V>
    where
        Self: 't;

    fn table<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, TableError> {
        self.transaction.open_table(definition)
    }

    fn server_key(&self) -> &ServerKey {
        &self.engine.server_key
    }
}

/// The store as the jobs of a batch see and change it. redb can't take back a part of it: a job decides before its first
/// write.
pub(super) struct Change<'c> {
    transaction: &'c WriteTransaction,
    engine: &'c Engine,
    writes: Cell<u64>,
    touched: Cell<Touched>,
    /// What events are for, while this batch is made.
    ledger: Option<Arc<Ledger>>,
    /// On whose behalf the job at hand is done.
    origin: Cell<Origin>,
    /// What has happened so far.
    told: RefCell<Vec<Event>>,
}

/// What caches have to know of a change.
#[derive(Clone, Copy, Default)]
pub(super) struct Touched {
    clients: bool,
    keys: bool,
    /// What a live access token stands on.
    access: bool,
}

impl<'c> Change<'c> {
    pub(super) fn new(transaction: &'c WriteTransaction, engine: &'c Engine) -> Self {
        Self {
            transaction,
            engine,
            writes: Cell::default(),
            touched: Cell::default(),
            ledger: engine.journal.ledger(),
            origin: Cell::new(Origin::NOBODY),
            told: RefCell::default(),
        }
    }

    /// Opens a table to write to it. Whatever was read through it before has to be read again, as far as it is cached.
    pub(super) fn write<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Table<'c, K, V>, TableError> {
        if tables::ACCESS_STANDS_ON.contains(&definition.name()) {
            self.touched.set(Touched { access: true, ..self.touched.get() });
        }
        self.add(definition)
    }

    /// The same for a row that wasn't there before: it changes nothing that could be cached.
    pub(super) fn add<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Table<'c, K, V>, TableError> {
        self.writes.set(self.writes.get() + 1);
        self.transaction.open_table(definition)
    }

    /// How often something was written.
    pub(super) fn writes(&self) -> u64 {
        self.writes.get()
    }

    /// Notes that a client was changed.
    pub(super) fn touch_clients(&self) {
        self.touched.set(Touched { clients: true, ..self.touched.get() });
    }

    /// Notes that a signing key was changed.
    pub(super) fn touch_keys(&self) {
        self.touched.set(Touched { keys: true, ..self.touched.get() });
    }

    /// Says on whose behalf the next job is done.
    pub(super) fn set_origin(&self, origin: Origin) {
        self.origin.set(origin);
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin.get()
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.engine.journal
    }

    /// Holds an event for whoever listens, until it is durable.
    pub(super) fn tell(&self, event: Event) {
        self.told.borrow_mut().push(event);
    }

    /// How many events there are so far.
    pub(super) fn events(&self) -> usize {
        self.told.borrow().len()
    }

    /// Forgets events of a job that came to nothing.
    pub(super) fn forget_events_after(&self, count: usize) {
        self.told.borrow_mut().truncate(count);
    }

    /// The events of all jobs.
    pub(super) fn into_events(self) -> Vec<Event> {
        self.told.into_inner()
    }

    /// What was noted.
    pub(super) fn touched(&self) -> Touched {
        self.touched.get()
    }
}

impl Tables for Change<'_> {
    type Table<'t, K: Key + 'static, V: Value + 'static>
        = Table<'t, K, V>
    where
        Self: 't;

    fn table<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Table<'_, K, V>, TableError> {
        self.transaction.open_table(definition)
    }

    fn server_key(&self) -> &ServerKey {
        &self.engine.server_key
    }
}

/// The database and what is remembered of it.
pub(super) struct Engine {
    opener: Opener,
    /// `None` while it is being opened again. The lock is held for no longer than it takes to begin a transaction.
    database: RwLock<Option<Database>>,
    failed: AtomicBool,
    server_key: ServerKey,
    pub(super) clients: Cache<ClientId, Client>,
    pub(super) access: Cache<AccessTokenId, AccessContext>,
    keys_revision: AtomicU64,
    pub(super) journal: Journal,
}

impl Engine {
    /// Opens a store that is there, and gets its key after that.
    pub(super) fn open(
        opener: Opener,
        server_key: impl FnOnce() -> Result<ServerKey, StoreError>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let database = open_database(&opener)?;
        Self::new(opener, database, server_key()?, options)
    }

    /// Of a database that `opener` has opened, or would open.
    pub(super) fn new(
        opener: Opener,
        database: Database,
        server_key: ServerKey,
        options: &Options,
    ) -> Result<Self, StoreError> {
        check(&database, &server_key)?;
        Ok(Self {
            opener,
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            server_key,
            clients: Cache::new(options.cached_clients),
            access: Cache::new(options.cached_access_tokens),
            keys_revision: AtomicU64::new(0),
            journal: Journal::default(),
        })
    }

    pub(super) fn server_key(&self) -> &ServerKey {
        &self.server_key
    }

    pub(super) fn revision(&self) -> Revision {
        Revision { clients: self.clients.revision(), keys: self.keys_revision.load(Ordering::Acquire) }
    }

    /// Whether redb has refused something and the database has to be opened again.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Notes that it has; says whether that is news.
    pub(super) fn note_failure(&self) -> bool {
        !self.failed.swap(true, Ordering::AcqRel)
    }

    /// The store as it is now.
    pub(super) fn snapshot(&self) -> Result<Snapshot<'_>, Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.as_ref().ok_or(Fault::Reopening)?.begin_read()?;
        Ok(Snapshot { transaction, engine: self })
    }

    /// Begins a durable transaction.
    pub(super) fn begin(&self, recovery: Recovery) -> Result<WriteTransaction, Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        begin(database.as_ref().ok_or(Fault::Reopening)?, recovery)
    }

    /// Tells the caches what was committed, before anybody is told that it was.
    pub(super) fn publish(&self, touched: Touched) {
        if touched.clients {
            self.clients.invalidate();
        }
        if touched.keys {
            self.keys_revision.fetch_add(1, Ordering::AcqRel);
        }
        if touched.access {
            self.access.invalidate();
        }
    }

    /// Closes the database and opens it again. Which of the failed commits happened is known only then.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let broken = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(broken);
        let database = open_database(&self.opener)?;
        check(&database, &self.server_key)?;
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        self.publish(Touched { clients: true, keys: true, access: true });
        self.failed.store(false, Ordering::Release);
        Ok(())
    }
}

/// Makes the tables of a new store in an empty database, in one transaction. It stays open.
pub(super) fn initialize(
    open: impl FnOnce() -> Result<Database, DatabaseError>,
    server_key: &ServerKey,
) -> Result<Database, StoreError> {
    let database = open_database(open)?;
    let write = || -> Result<(), Fault> {
        let transaction = begin(&database, Recovery::Instant)?;
        tables::create_all(&transaction)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_FORMAT, FORMAT.to_be_bytes().as_slice())?;
            let sealed = server_key.sealer(KEY_CHECK).seal(b"hallpass", META_KEY_CHECK.as_bytes(), &Random::System);
            meta.insert(META_KEY_CHECK, sealed.as_slice())?;
        }
        Ok(transaction.commit()?)
    };
    write()?;
    Ok(database)
}

/// Two phases in any case: what counts after a crash is then never a question of checksums, which aren't made against people.
fn begin(database: &Database, recovery: Recovery) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(recovery == Recovery::Instant);
    Ok(transaction)
}

fn open_database(open: impl FnOnce() -> Result<Database, DatabaseError>) -> Result<Database, StoreError> {
    // redb trusts a file that was closed in order, and may panic over one that was changed since.
    let opened = catch_unwind(AssertUnwindSafe(open));
    opened.map_err(|_| StoreError::Corrupt("it can't be opened".into()))?.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::Locked,
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            StoreError::Corrupt("the file is no store".into())
        }
        DatabaseError::Storage(StorageError::Corrupted(reason)) => StoreError::Corrupt(reason),
        DatabaseError::UpgradeRequired(_) => StoreError::Corrupt("the file is of another version of redb".into()),
        other => StoreError::Unavailable(other.to_string()),
    })
}

/// Whether this is a store that this release and this key can work with.
fn check(database: &Database, server_key: &ServerKey) -> Result<(), StoreError> {
    let read = |name| -> Result<Option<Vec<u8>>, Fault> {
        let table = database.begin_read()?.open_table(META)?;
        let row = table.get(name)?;
        Ok(row.map(|row| row.value().to_vec()))
    };
    let unfinished = || StoreError::Corrupt("the file holds no store, or one that was never finished".into());
    let format = match read(META_FORMAT) {
        Ok(format) => format.and_then(|row| row.try_into().ok()).map(u32::from_be_bytes).ok_or_else(unfinished)?,
        Err(Fault::Engine(redb::Error::TableDoesNotExist(_))) => return Err(unfinished()),
        Err(fault) => return Err(fault.into()),
    };
    if format > FORMAT {
        return Err(StoreError::NewerFormat);
    }
    if format < FORMAT {
        return Err(StoreError::OlderFormat);
    }
    let sealed = read(META_KEY_CHECK)?.ok_or_else(unfinished)?;
    match server_key.sealer(KEY_CHECK).open(&sealed, META_KEY_CHECK.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(StoreError::WrongKey("this isn't the key that it was made with".into())),
    }
}
