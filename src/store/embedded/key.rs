//! Signing keys. Their private parts stand sealed in a table of their own.

use std::ops::Bound;

use zeroize::Zeroizing;

use super::engine::{Change, Tables};
use super::fault::Fault;
use super::tables::{KEYS, PRIVATE_KEYS};
use super::{Embedded, codec};
use crate::base::clock::Timestamp;
use crate::model::event::{EventKind, Occurrence};
use crate::model::id::KeyId;
use crate::model::key::{
    Due, KeyRefusal, KeyState, Schedule, SigningKey, decide_delete, decide_due, decide_first_state, decide_promote,
    decide_restamp, decide_retire, decide_withdraw,
};
use crate::store::{NewKey, Put, StoreError};

impl Embedded {
    pub(in crate::store) fn keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        self.read(|snapshot| all(snapshot))
    }

    pub(in crate::store) fn private_key(&self, id: &KeyId) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.read(|snapshot| PRIVATE_KEYS.get(snapshot, id.as_str()))
    }

    pub(in crate::store) async fn add_key(&self, new: NewKey) -> Result<Put<SigningKey>, StoreError> {
        self.write(move |change| {
            let keys = all(change)?;
            if keys.iter().any(|key| key.id == new.id) {
                return Ok(Put::Exists);
            }
            let state = decide_first_state(&keys, new.algorithm);
            let key = SigningKey {
                id: new.id,
                algorithm: new.algorithm,
                bits: u32::try_from(new.public.bits()).unwrap_or(u32::MAX),
                state,
                created_at: new.created_at,
                activated_at: (state == KeyState::Active).then_some(new.created_at),
                retired_at: None,
                public: new.public,
            };
            put(change, &key)?;
            PRIVATE_KEYS.put(change, key.id.as_str(), &new.pkcs8_der)?;
            change.note(Occurrence::of_key(EventKind::KeyCreated, &key).with("state", key.state.name()))?;
            Ok(Put::Done(key))
        })
        .await
    }

    pub(in crate::store) async fn promote_key(
        &self,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<Result<Vec<SigningKey>, KeyRefusal>, StoreError> {
        let id = id.clone();
        self.write(move |change| {
            let changed = decide_promote(&all(change)?, &id, now);
            for key in changed.iter().flatten() {
                put_moved(change, key)?;
            }
            Ok(changed)
        })
        .await
    }

    pub(in crate::store) async fn retire_key(
        &self,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<Result<SigningKey, KeyRefusal>, StoreError> {
        let id = id.clone();
        self.write(move |change| {
            let retired = decide_retire(&all(change)?, &id, now);
            if let Ok(key) = &retired {
                put_moved(change, key)?;
            }
            Ok(retired)
        })
        .await
    }

    pub(in crate::store) async fn delete_key(&self, id: &KeyId) -> Result<Result<(), KeyRefusal>, StoreError> {
        let id = id.clone();
        self.write(move |change| {
            let keys = all(change)?;
            let decision = decide_delete(&keys, &id);
            if decision.is_ok() {
                delete(change, &keys, &id)?;
            }
            Ok(decision)
        })
        .await
    }

    pub(in crate::store) async fn rotate_keys(
        &self,
        schedule: Schedule,
        now: Timestamp,
    ) -> Result<Vec<Due>, StoreError> {
        self.write(move |change| {
            let keys = all(change)?;
            let due = decide_due(&keys, &schedule, now);
            for step in &due {
                match step {
                    Due::Make { .. } => {}
                    Due::Promote(id) => {
                        for key in decide_promote(&keys, id, now).iter().flatten() {
                            put_moved(change, key)?;
                        }
                    }
                    Due::Withdraw(id) => {
                        if let Some(key) = decide_withdraw(&keys, id) {
                            put_moved(change, &key)?;
                            PRIVATE_KEYS.remove(change, id.as_str())?;
                        }
                    }
                    Due::Delete(id) => delete(change, &keys, id)?,
                    Due::Restamp(id) => {
                        if let Some(key) = decide_restamp(&keys, id, now) {
                            put(change, &key)?;
                        }
                    }
                }
            }
            Ok(due)
        })
        .await
    }
}

/// All keys, oldest first. There are never more than a few.
fn all(tables: &impl Tables) -> Result<Vec<SigningKey>, Fault> {
    let mut keys =
        KEYS.list(tables, Bound::Unbounded, usize::MAX, |_, row| codec::decode::<SigningKey>(row).map(Some))?;
    keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(keys)
}

fn delete(change: &Change<'_>, keys: &[SigningKey], id: &KeyId) -> Result<(), Fault> {
    KEYS.remove(change, id.as_str())?;
    PRIVATE_KEYS.remove(change, id.as_str())?;
    change.touch_keys();
    match keys.iter().find(|key| key.id == *id) {
        Some(key) => change.note(Occurrence::of_key(EventKind::KeyDeleted, key)),
        None => Ok(()),
    }
}

/// Stores a key that has come to another state.
fn put_moved(change: &Change<'_>, key: &SigningKey) -> Result<(), Fault> {
    put(change, key)?;
    let kind = match key.state {
        KeyState::Next => return Ok(()),
        KeyState::Active => EventKind::KeyPromoted,
        KeyState::Retired => EventKind::KeyRetired,
        KeyState::Withdrawn => EventKind::KeyWithdrawn,
    };
    change.note(Occurrence::of_key(kind, key))
}

fn put(change: &Change<'_>, key: &SigningKey) -> Result<(), Fault> {
    KEYS.put(change, key.id.as_str(), key)?;
    change.touch_keys();
    Ok(())
}
