//! Clients. Their secrets stand sealed in a table of their own.

use std::ops::Bound;
use std::sync::Arc;

use super::engine::{Change, Tables};
use super::fault::Fault;
use super::tables::{CLIENT_SECRETS, CLIENTS, CONSENTS, CONSENTS_TO_CLIENTS};
use super::{Embedded, codec};
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::event::{EventKind, Occurrence};
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
            let newer = |kept: &Client, read: &Client| kept.version > read.version;
            cache.insert_unless(id.clone(), Arc::clone(client), revision, newer);
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
            change.note(Occurrence::of_client(EventKind::ClientCreated, &client))?;
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
            let secret = CLIENT_SECRETS.get(change, client.id.as_str())?;
            client.version += 1;
            put(change, &client)?;
            let mut what = Occurrence::of_client(EventKind::ClientUpdated, &client);
            if secret.as_deref().map(Vec::as_slice) != client.secret.as_ref().map(|secret| secret.expose().as_bytes()) {
                what = what.with("changed", "client_secret");
            }
            change.note(what)?;
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
            let Some(client) = CLIENTS.get(change, id)? else { return Ok(false) };
            CLIENTS.remove(change, id)?;
            CLIENT_SECRETS.remove(change, id)?;
            for user in users {
                CONSENTS.remove(change, (&user, id))?;
                CONSENTS_TO_CLIENTS.remove(change, (id, &user))?;
            }
            change.touch_clients();
            change.note(Occurrence::of_client(EventKind::ClientDeleted, &client))?;
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
