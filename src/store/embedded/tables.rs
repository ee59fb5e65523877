//! Every table with the layout of its keys, and how rows are reached.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use minicbor::{Decode, Encode};
use redb::{Key, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use zeroize::Zeroizing;

use super::codec;
use super::engine::{Change, Tables};
use super::fault::Fault;
use crate::base::random::Random;
use crate::model::client::Client;
use crate::model::consent::Consent;
use crate::model::event::Event;
use crate::model::grant::{AccessToken, Code, Grant, RefreshToken};
use crate::model::id::UserId;
use crate::model::key::SigningKey;
use crate::model::session::{EndedSession, Session};
use crate::model::user::User;

/// The key of a row that goes away by itself: an [`Id`](crate::model::id::Id).
type RowKey = &'static [u8; 16];

/// What is known of the store as a whole; see `META_*`.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// In [`META`]: the version of all layouts here, four bytes, big-endian.
pub(super) const META_FORMAT: &str = "format";
/// In [`META`]: something sealed that only the right server key opens.
pub(super) const META_KEY_CHECK: &str = "key-check";
/// In [`META`]: there if the store was made for development.
pub(super) const META_DEVELOPMENT: &str = "development";

/// Client id.
pub(super) const CLIENTS: Rows<&str, Client> = Rows::new("clients");
/// Client id.
pub(super) const CLIENT_SECRETS: SealedRows = SealedRows::new("client-secrets", "client secret");
/// User id.
pub(super) const USERS: Rows<&str, User> = Rows::new("users");
/// Folded user name.
pub(super) const USERNAMES: Rows<&str, UserId> = Rows::new("usernames");
/// Session id.
pub(super) const SESSIONS: Rows<RowKey, Session> = Rows::new("sessions");
/// User id, session id.
pub(super) const SESSIONS_OF_USERS: Rows<(&str, RowKey), ()> = Rows::new("sessions-of-users");
/// What grants call a session that ended by a logout.
pub(super) const ENDED_SESSIONS: Rows<RowKey, EndedSession> = Rows::new("ended-sessions");
/// The time after which nothing needs such a row, in milliseconds, and its key.
pub(super) const ENDED_SESSIONS_BY_END: Rows<(u64, RowKey), ()> = Rows::new("ended-sessions-by-end");
/// User id, client id.
pub(super) const CONSENTS: Rows<(&str, &str), Consent> = Rows::new("consents");
/// Client id, user id.
pub(super) const CONSENTS_TO_CLIENTS: Rows<(&str, &str), ()> = Rows::new("consents-to-clients");
/// Code id.
pub(super) const CODES: Rows<RowKey, Code> = Rows::new("codes");
/// Grant id.
pub(super) const GRANTS: Rows<RowKey, Grant> = Rows::new("grants");
/// Access token id.
pub(super) const ACCESS_TOKENS: Rows<RowKey, AccessToken> = Rows::new("access-tokens");
/// Refresh token id.
pub(super) const REFRESH_TOKENS: Rows<RowKey, RefreshToken> = Rows::new("refresh-tokens");
/// Key id.
pub(super) const KEYS: Rows<&str, SigningKey> = Rows::new("keys");
/// Key id.
pub(super) const PRIVATE_KEYS: SealedRows = SealedRows::new("private-keys", "private key");
/// Event id.
pub(super) const EVENTS: Rows<RowKey, Event> = Rows::new("events");
/// The name of whoever is to be sent it, event id.
pub(super) const OUTBOX: Rows<(&str, RowKey), Event> = Rows::new("outbox");

/// The tables that decide whether an access token is live, beside those of its client.
pub(super) const ACCESS_STANDS_ON: [&str; 5] = ["access-tokens", "grants", "users", "consents", "ended-sessions"];

/// Makes all tables, so that no reader finds one missing.
pub(super) fn create_all(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(META)?;
    transaction.open_table(CLIENTS.definition)?;
    transaction.open_table(CLIENT_SECRETS.definition)?;
    transaction.open_table(USERS.definition)?;
    transaction.open_table(USERNAMES.definition)?;
    transaction.open_table(SESSIONS.definition)?;
    transaction.open_table(SESSIONS_OF_USERS.definition)?;
    transaction.open_table(ENDED_SESSIONS.definition)?;
    transaction.open_table(ENDED_SESSIONS_BY_END.definition)?;
    transaction.open_table(CONSENTS.definition)?;
    transaction.open_table(CONSENTS_TO_CLIENTS.definition)?;
    transaction.open_table(CODES.definition)?;
    transaction.open_table(GRANTS.definition)?;
    transaction.open_table(ACCESS_TOKENS.definition)?;
    transaction.open_table(REFRESH_TOKENS.definition)?;
    transaction.open_table(KEYS.definition)?;
    transaction.open_table(PRIVATE_KEYS.definition)?;
    transaction.open_table(EVENTS.definition)?;
    transaction.open_table(OUTBOX.definition)?;
    Ok(())
}

/// A table of records.
pub(super) struct Rows<K: Key + 'static, R> {
    definition: TableDefinition<'static, K, &'static [u8]>,
    record: PhantomData<fn() -> R>,
}

impl<K: Key + 'static, R> Rows<K, R> {
    const fn new(name: &'static str) -> Self {
        Self { definition: TableDefinition::new(name), record: PhantomData }
    }

    /// Removes a row; says whether there was one.
    pub(super) fn remove(&self, change: &Change<'_>, key: K::SelfType<'_>) -> Result<bool, Fault> {
        let mut table = change.write(self.definition)?;
        let removed = table.remove(key)?.is_some();
        Ok(removed)
    }

    /// Walks up from `start` and gathers what `pick` makes of each key and row, until it gives `None` or there are `limit`.
    pub(super) fn list<T>(
        &self,
        tables: &impl Tables,
        start: Bound<K::SelfType<'_>>,
        limit: usize,
        mut pick: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<Option<T>, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let table = tables.table(self.definition)?;
        let mut list = Vec::new();
        for entry in table.range((start, Bound::Unbounded))?.take(limit) {
            let (key, row) = entry?;
            match pick(key.value(), row.value())? {
                Some(item) => list.push(item),
                None => break,
            }
        }
        Ok(list)
    }

    /// Walks down from `end` until `visit` breaks off.
    pub(super) fn walk_down(
        &self,
        tables: &impl Tables,
        end: Bound<K::SelfType<'_>>,
        mut visit: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        let table = tables.table(self.definition)?;
        for entry in table.range((Bound::Unbounded, end))?.rev() {
            let (key, row) = entry?;
            if visit(key.value(), row.value())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn count(&self, tables: &impl Tables) -> Result<u64, Fault> {
        Ok(ReadableTableMetadata::len(&tables.table(self.definition)?)?)
    }
}

impl<K: Key + 'static, R: Encode<()> + for<'b> Decode<'b, ()>> Rows<K, R> {
    /// Reads a record.
    pub(super) fn get(&self, tables: &impl Tables, key: K::SelfType<'_>) -> Result<Option<R>, Fault> {
        let table = tables.table(self.definition)?;
        let row = table.get(key)?;
        row.map(|row| codec::decode(row.value())).transpose()
    }

    /// Writes a record under a key that nobody had before: a random one.
    pub(super) fn add(&self, change: &Change<'_>, key: K::SelfType<'_>, record: &R) -> Result<(), Fault> {
        let row = codec::encode(record)?;
        change.add(self.definition)?.insert(key, row.as_slice())?;
        Ok(())
    }

    /// Writes a record, over the one that was there.
    pub(super) fn put(&self, change: &Change<'_>, key: K::SelfType<'_>, record: &R) -> Result<(), Fault> {
        let row = codec::encode(record)?;
        change.write(self.definition)?.insert(key, row.as_slice())?;
        Ok(())
    }
}

/// A table of secrets, each sealed under the server key with the key of its row as associated data.
pub(super) struct SealedRows {
    definition: TableDefinition<'static, &'static str, &'static [u8]>,
    label: &'static str,
}

impl SealedRows {
    const fn new(name: &'static str, label: &'static str) -> Self {
        Self { definition: TableDefinition::new(name), label }
    }

    /// Opens a secret.
    pub(super) fn get(&self, tables: &impl Tables, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let table = tables.table(self.definition)?;
        let Some(sealed) = table.get(key)? else { return Ok(None) };
        let plain = tables.server_key().sealer(self.label).open(sealed.value(), key.as_bytes());
        let plain = plain.ok_or_else(|| Fault::Corrupt(format!("the {} of {key} can't be opened", self.label)))?;
        Ok(Some(Zeroizing::new(plain)))
    }

    /// Seals a secret, over the one that was there.
    pub(super) fn put(&self, change: &Change<'_>, key: &str, plain: &[u8]) -> Result<(), Fault> {
        // Never a seeded source: the same seed would give the same nonces after each start.
        let sealed = change.server_key().sealer(self.label).seal(plain, key.as_bytes(), &Random::System);
        change.write(self.definition)?.insert(key, sealed.as_slice())?;
        Ok(())
    }

    /// Removes a secret.
    pub(super) fn remove(&self, change: &Change<'_>, key: &str) -> Result<(), Fault> {
        change.write(self.definition)?.remove(key)?;
        Ok(())
    }
}

#[cfg(test)]
impl<K: Key + 'static, R> Rows<K, R> {
    /// Writes a row as it stands.
    pub(super) fn put_raw(&self, change: &Change<'_>, key: K::SelfType<'_>, row: &[u8]) -> Result<(), Fault> {
        change.write(self.definition)?.insert(key, row)?;
        Ok(())
    }
}
