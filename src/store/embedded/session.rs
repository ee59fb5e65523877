//! Sessions, and which of them are a user's.

use std::ops::Bound;
use std::sync::Arc;

use super::Embedded;
use super::engine::Change;
use super::fault::Fault;
use super::tables::{ENDED_SESSIONS, ENDED_SESSIONS_BY_END, SESSIONS, SESSIONS_OF_USERS, USERS};
use crate::base::clock::Timestamp;
use crate::model::event::{EventKind, Occurrence};
use crate::model::id::{Bearer, Id, SessionId, UserId};
use crate::model::session::{EndedSession, Session};
use crate::store::{Page, SessionContext, StoreError};

impl Embedded {
    pub(in crate::store) async fn start_session(
        &self,
        mut session: Session,
        replaces: Option<SessionId>,
    ) -> Result<Session, StoreError> {
        self.write(move |change| {
            let replaced = replaces.map_or(Ok(None), |old| end(change, old))?;
            session.continues = session.continues.filter(|_| replaced.is_some());
            let key = session.id.0.as_bytes();
            SESSIONS.put(change, key, &session)?;
            SESSIONS_OF_USERS.put(change, (session.user.as_str(), key), &())?;
            change.note(of_session(EventKind::LoginSucceeded, &session))?;
            Ok(session)
        })
        .await
    }

    pub(in crate::store) fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.read(|snapshot| SESSIONS.get(snapshot, id.0.as_bytes()))
    }

    pub(in crate::store) fn find_session(&self, bearer: &Bearer) -> Result<Option<SessionContext>, StoreError> {
        let digest = bearer.digest();
        self.read(|snapshot| {
            let session = SESSIONS.get(snapshot, bearer.id().as_bytes())?;
            let Some(session) = session.filter(|session| session.digest.matches(&digest)) else { return Ok(None) };
            let user = USERS.get(snapshot, session.user.as_str())?;
            Ok(user.map(|user| SessionContext { session, user: Arc::new(user) }))
        })
    }

    pub(in crate::store) async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        let id = *id;
        // Most uses are too close together to be written: don't bother the writer with them.
        if !self.session(&id)?.is_some_and(|session| session.is_worth_touching(now)) {
            return Ok(());
        }
        self.write(move |change| {
            let key = id.0.as_bytes();
            match SESSIONS.get(change, key)? {
                Some(session) if session.is_worth_touching(now) => {
                    SESSIONS.put(change, key, &Session { seen_at: now, ..session })
                }
                Some(_) | None => Ok(()),
            }
        })
        .await
    }

    pub(in crate::store) async fn end_session(
        &self,
        id: &SessionId,
        with_it: Option<EndedSession>,
    ) -> Result<bool, StoreError> {
        let id = *id;
        self.write(move |change| {
            let Some(session) = end(change, id)? else { return Ok(false) };
            if let Some(ended) = with_it {
                let (sid, until) = (ended.sid.0.as_bytes(), ended.needed_until.as_millis());
                ENDED_SESSIONS.put(change, sid, &ended)?;
                ENDED_SESSIONS_BY_END.put(change, (until, sid), &())?;
            }
            change.note(of_session(EventKind::Logout, &session))?;
            Ok(true)
        })
        .await
    }

    pub(in crate::store) fn sessions_of(
        &self,
        user: &UserId,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let user = user.as_str();
        let start = match after {
            Some(session) => Bound::Excluded((user, session.0.as_bytes())),
            None => Bound::Included((user, &[0; 16])),
        };
        let reach = Page::<Session, SessionId>::reach(limit);
        let sessions = self.read(|snapshot| {
            let ids = SESSIONS_OF_USERS.list(snapshot, start, reach, |(owner, session), _| {
                Ok((owner == user).then(|| Id::from_bytes(*session)))
            })?;
            let sessions = ids.iter().map(|id| {
                let session = SESSIONS.get(snapshot, id.as_bytes())?;
                session.ok_or_else(|| Fault::Corrupt(format!("the session {id} isn't there")))
            });
            sessions.collect()
        })?;
        Ok(Page::cut(sessions, limit, |session| session.id))
    }
}

fn of_session(kind: EventKind, session: &Session) -> Occurrence {
    Occurrence { user: Some(session.user.clone()), sid: Some(session.sid()), ..Occurrence::new(kind) }
}

/// Removes a session and gives it, if it is there.
fn end(change: &Change<'_>, id: SessionId) -> Result<Option<Session>, Fault> {
    let key = id.0.as_bytes();
    let Some(session) = SESSIONS.get(change, key)? else { return Ok(None) };
    SESSIONS.remove(change, key)?;
    SESSIONS_OF_USERS.remove(change, (session.user.as_str(), key))?;
    Ok(Some(session))
}
