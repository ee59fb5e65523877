//! Users. A table from folded user names to ids keeps the names unique and in order.

use std::ops::Bound;
use std::sync::Arc;

use super::Embedded;
use super::engine::Tables;
use super::fault::Fault;
use super::tables::{CONSENTS, CONSENTS_TO_CLIENTS, SESSIONS, SESSIONS_OF_USERS, USERNAMES, USERS};
use crate::model::event::{EventKind, Occurrence};
use crate::model::id::{Id, UserId};
use crate::model::user::{User, fold_username};
use crate::store::{Page, Put, StoreError};

impl Embedded {
    pub(in crate::store) fn user(&self, id: &UserId) -> Result<Option<Arc<User>>, StoreError> {
        self.read(|snapshot| Ok(USERS.get(snapshot, id.as_str())?.map(Arc::new)))
    }

    pub(in crate::store) fn user_by_username(&self, username: &str) -> Result<Option<Arc<User>>, StoreError> {
        self.read(|snapshot| match USERNAMES.get(snapshot, &fold_username(username))? {
            Some(id) => named(snapshot, &id).map(Some),
            None => Ok(None),
        })
    }

    pub(in crate::store) fn users(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Arc<User>, String>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let reach = Page::<Arc<User>, String>::reach(limit);
        let users = self.read(|snapshot| {
            USERNAMES.list(snapshot, start, reach, |_, row| named(snapshot, &super::codec::decode(row)?).map(Some))
        })?;
        Ok(Page::cut(users, limit, |user| fold_username(&user.username)))
    }

    pub(in crate::store) async fn create_user(&self, mut user: User) -> Result<Put<User>, StoreError> {
        self.write(move |change| {
            let name = fold_username(&user.username);
            if USERS.get(change, user.id.as_str())?.is_some() || USERNAMES.get(change, &name)?.is_some() {
                return Ok(Put::Exists);
            }
            user.version = 1;
            USERS.put(change, user.id.as_str(), &user)?;
            USERNAMES.put(change, &name, &user.id)?;
            change.note(Occurrence::of_user(EventKind::UserCreated, &user))?;
            Ok(Put::Done(user))
        })
        .await
    }

    pub(in crate::store) async fn update_user(&self, mut user: User) -> Result<Put<User>, StoreError> {
        self.write(move |change| {
            let Some(stored) = USERS.get(change, user.id.as_str())? else { return Ok(Put::Missing) };
            if stored.version != user.version {
                return Ok(Put::Conflict { version: stored.version });
            }
            let (old, new) = (fold_username(&stored.username), fold_username(&user.username));
            if old != new && USERNAMES.get(change, &new)?.is_some() {
                return Ok(Put::Exists);
            }
            user.version += 1;
            USERS.put(change, user.id.as_str(), &user)?;
            if old != new {
                USERNAMES.remove(change, &old)?;
                USERNAMES.put(change, &new, &user.id)?;
            }
            if let Some(what) = Occurrence::of_update(&stored, &user) {
                change.note(what)?;
            }
            Ok(Put::Done(user))
        })
        .await
    }

    pub(in crate::store) async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |change| {
            let id = id.as_str();
            let Some(user) = USERS.get(change, id)? else { return Ok(false) };
            let clients = CONSENTS.list(change, Bound::Included((id, "")), usize::MAX, |(user, client), _| {
                Ok((user == id).then(|| client.to_owned()))
            })?;
            let first = Bound::Included((id, &[0; 16]));
            let sessions = SESSIONS_OF_USERS.list(change, first, usize::MAX, |(user, session), _| {
                Ok((user == id).then(|| Id::from_bytes(*session)))
            })?;
            USERS.remove(change, id)?;
            USERNAMES.remove(change, &fold_username(&user.username))?;
            for client in clients {
                CONSENTS.remove(change, (id, &client))?;
                CONSENTS_TO_CLIENTS.remove(change, (&client, id))?;
            }
            for session in sessions {
                SESSIONS.remove(change, session.as_bytes())?;
                SESSIONS_OF_USERS.remove(change, (id, session.as_bytes()))?;
            }
            change.note(Occurrence::of_user(EventKind::UserDeleted, &user))?;
            Ok(true)
        })
        .await
    }
}

/// The user that a row of [`USERNAMES`] names.
fn named(tables: &impl Tables, id: &UserId) -> Result<Arc<User>, Fault> {
    let user = USERS.get(tables, id.as_str())?;
    user.map(Arc::new).ok_or_else(|| Fault::Corrupt(format!("a user name belongs to {id}, who isn't there")))
}
