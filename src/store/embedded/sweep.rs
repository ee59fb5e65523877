//! Upkeep: rows that nothing needs any more leave. Their ids say when, so they are one range at the beginning of each table.

use std::ops::Bound;

use super::engine::Change;
use super::fault::Fault;
use super::tables::{
    ACCESS_TOKENS, CODES, ENDED_SESSIONS, ENDED_SESSIONS_BY_END, GRANTS, REFRESH_TOKENS, Rows, SESSIONS,
    SESSIONS_OF_USERS,
};
use super::{Embedded, codec};
use crate::base::clock::Timestamp;
use crate::model::id::Id;
use crate::model::session::Session;
use crate::store::StoreError;

impl Embedded {
    pub(in crate::store) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.write(move |change| {
            let mut left = limit;
            left -= sweep_table(&ACCESS_TOKENS, change, now, left)?;
            left -= sweep_table(&REFRESH_TOKENS, change, now, left)?;
            left -= sweep_table(&CODES, change, now, left)?;
            left -= sweep_table(&GRANTS, change, now, left)?;
            left -= sweep_sessions(change, now, left)?;
            left -= sweep_ended_sessions(change, now, left)?;
            left -= change.sweep_events(now, left)?;
            Ok(limit - left)
        })
        .await
    }
}

fn sweep_table<R>(
    table: &Rows<&'static [u8; 16], R>,
    change: &Change<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<usize, Fault> {
    let floor = Id::floor(now);
    let gone = table.list(change, Bound::Unbounded, limit, |id, _| {
        let id = Id::from_bytes(*id);
        Ok((id < floor).then_some(id))
    })?;
    for id in &gone {
        table.remove(change, id.as_bytes())?;
    }
    Ok(gone.len())
}

fn sweep_sessions(change: &Change<'_>, now: Timestamp, limit: usize) -> Result<usize, Fault> {
    let floor = Id::floor(now);
    let gone = SESSIONS.list(change, Bound::Unbounded, limit, |id, row| {
        let id = Id::from_bytes(*id);
        // A row that can't be read must go all the same.
        Ok((id < floor).then(|| (id, codec::decode::<Session>(row).ok().map(|session| session.user))))
    })?;
    for (id, user) in &gone {
        SESSIONS.remove(change, id.as_bytes())?;
        if let Some(user) = user {
            SESSIONS_OF_USERS.remove(change, (user.as_str(), id.as_bytes()))?;
        }
    }
    Ok(gone.len())
}

fn sweep_ended_sessions(change: &Change<'_>, now: Timestamp, limit: usize) -> Result<usize, Fault> {
    let gone = ENDED_SESSIONS_BY_END.list(change, Bound::Unbounded, limit, |(until, sid), _| {
        Ok((until < now.as_millis()).then_some((until, *sid)))
    })?;
    for (until, sid) in &gone {
        ENDED_SESSIONS.remove(change, sid)?;
        ENDED_SESSIONS_BY_END.remove(change, (*until, sid))?;
    }
    Ok(gone.len())
}
