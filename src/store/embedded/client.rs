//! Clients. Their secrets stand sealed in a table of their own.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::engine::{Change, Tables};
use super::fault::Fault;
use super::tables::{CLIENT_SECRETS, CLIENTS, CONSENTS, CONSENTS_TO_CLIENTS};
use super::{Embedded, codec};
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::store::{Page, Put, StoreError};

impl Embedded {
    pub(in crate::store) fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        let cache = &self.0.engine.clients;
        if let Some(client) = cache.get(id) {
            return Ok(Some(client));
        }
        let revision = cache.revision();
        let client = self.read(|snapshot| match CLIENTS.get(snapshot, id.as_str())? {
            Some(client) => with_secret(snapshot, client).map(Some),
            None => Ok(None),
        })?;
        if let Some(client) = &client {
            cache.insert(Arc::clone(client), revision);
        }
        Ok(client)
    }

    pub(in crate::store) fn clients(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Page<Arc<Client>, ClientId>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
        let reach = Page::<Arc<Client>, ClientId>::reach(limit);
        let clients = self.read(|snapshot| {
            CLIENTS.list(snapshot, start, reach, |_, row| with_secret(snapshot, codec::decode(row)?).map(Some))
        })?;
        Ok(Page::cut(clients, limit, |client| client.id.clone()))
    }

    pub(in crate::store) async fn create_client(&self, mut client: Client) -> Result<Put<Client>, StoreError> {
        self.write(move |change| {
            if CLIENTS.get(change, client.id.as_str())?.is_some() {
                return Ok(Put::Exists);
            }
            client.version = 1;
            put(change, &client)?;
            Ok(Put::Done(client))
        })
        .await
    }

    pub(in crate::store) async fn update_client(&self, mut client: Client) -> Result<Put<Client>, StoreError> {
        self.write(move |change| {
            let Some(stored) = CLIENTS.get(change, client.id.as_str())? else { return Ok(Put::Missing) };
            if stored.version != client.version {
                return Ok(Put::Conflict { version: stored.version });
            }
            client.version += 1;
            put(change, &client)?;
            Ok(Put::Done(client))
        })
        .await
    }

    pub(in crate::store) async fn delete_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |change| {
            let id = id.as_str();
            let users =
                CONSENTS_TO_CLIENTS.list(change, Bound::Included((id, "")), usize::MAX, |(client, user), _| {
                    Ok((client == id).then(|| user.to_owned()))
                })?;
            if CLIENTS.get(change, id)?.is_none() {
                return Ok(false);
            }
            CLIENTS.remove(change, id)?;
            CLIENT_SECRETS.remove(change, id)?;
            for user in users {
                CONSENTS.remove(change, (&user, id))?;
                CONSENTS_TO_CLIENTS.remove(change, (id, &user))?;
            }
            change.touch_clients();
            Ok(true)
        })
        .await
    }
}

fn put(change: &Change<'_>, client: &Client) -> Result<(), Fault> {
    CLIENTS.put(change, client.id.as_str(), client)?;
    match &client.secret {
        Some(secret) => CLIENT_SECRETS.put(change, client.id.as_str(), secret.expose().as_bytes())?,
        None => CLIENT_SECRETS.remove(change, client.id.as_str())?,
    }
    change.touch_clients();
    Ok(())
}

fn with_secret(tables: &impl Tables, mut client: Client) -> Result<Arc<Client>, Fault> {
    if let Some(secret) = CLIENT_SECRETS.get(tables, client.id.as_str())? {
        let text = str::from_utf8(&secret).map_err(|_| Fault::Corrupt("a client secret is no text".into()))?;
        client.secret = Some(Secret::new(text));
    }
    Ok(Arc::new(client))
}

/// Clients as they were last read, up to a number of them.
///
/// A reader may be slow: what it read may have been changed since, and the change been published. So it notes the revision
/// before it reads, and what it read is kept only if that is still the revision.
pub(super) struct ClientCache {
    clients: RwLock<HashMap<ClientId, Arc<Client>>>,
    capacity: usize,
    revision: AtomicU64,
}

impl ClientCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { clients: RwLock::default(), capacity, revision: AtomicU64::new(0) }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    fn get(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn insert(&self, client: Arc<Client>, revision: u64) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        // The revision moves under the lock.
        if self.capacity == 0 || self.revision() != revision {
            return;
        }
        // Between a commit and its publication both versions can be read: nobody who saw the new one gets the old one again.
        if clients.get(&client.id).is_some_and(|kept| kept.version > client.version) {
            return;
        }
        if clients.len() >= self.capacity
            && let Some(any) = clients.keys().next().cloned()
        {
            clients.remove(&any);
        }
        clients.insert(client.id.clone(), client);
    }

    /// Forgets all clients: they change rarely.
    pub(super) fn invalidate(&self) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        self.revision.fetch_add(1, Ordering::AcqRel);
        clients.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    fn client(id: &str) -> Arc<Client> {
        Arc::new(Client::new(ClientId::new(id), id.into(), 0, Timestamp::EPOCH))
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = ClientCache::new(8);
        let before = cache.revision();
        cache.invalidate();
        cache.insert(client("a"), before);
        assert!(cache.get(&ClientId::new("a")).is_none());
        cache.insert(client("a"), cache.revision());
        assert!(cache.get(&ClientId::new("a")).is_some());
        cache.invalidate();
        assert!(cache.get(&ClientId::new("a")).is_none());
    }

    #[test]
    fn a_slow_reader_does_not_bring_an_old_version_back() {
        let cache = ClientCache::new(8);
        let newer = Arc::new(Client { version: 2, ..Client::clone(&client("a")) });
        cache.insert(newer, cache.revision());
        cache.insert(client("a"), cache.revision());
        assert_eq!(cache.get(&ClientId::new("a")).unwrap().version, 2);
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = ClientCache::new(3);
        for id in ["a", "b", "c", "d", "e"] {
            cache.insert(client(id), cache.revision());
            assert!(cache.get(&ClientId::new(id)).is_some());
        }
        assert_eq!(cache.clients.read().unwrap().len(), 3);
    }
}
