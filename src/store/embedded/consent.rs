//! Consents, by user and by client.

use std::ops::Bound;

use super::tables::{CONSENTS, CONSENTS_TO_CLIENTS};
use super::{Embedded, codec};
use crate::base::clock::Timestamp;
use crate::model::consent::{Consent, Given};
use crate::model::event::{EventKind, Occurrence};
use crate::model::id::{ClientId, UserId};
use crate::store::{Page, StoreError};

impl Embedded {
    pub(in crate::store) fn consent(&self, user: &UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        self.read(|snapshot| CONSENTS.get(snapshot, (user.as_str(), client.as_str())))
    }

    pub(in crate::store) async fn grant_consent(&self, given: Given, now: Timestamp) -> Result<Consent, StoreError> {
        self.write(move |change| {
            let before = CONSENTS.get(change, (given.user.as_str(), given.client.as_str()))?;
            let scope = given.scope.clone();
            let consent = Consent::decide_grant(before.as_ref(), given, now);
            let (user, client) = (consent.user.as_str(), consent.client.as_str());
            CONSENTS.put(change, (user, client), &consent)?;
            CONSENTS_TO_CLIENTS.put(change, (client, user), &())?;
            change.note(Occurrence { scope: Some(scope), ..of_consent(EventKind::ConsentAccepted, &consent) })?;
            Ok(consent)
        })
        .await
    }

    pub(in crate::store) async fn withdraw_consent(
        &self,
        user: &UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (user, client) = (user.clone(), client.clone());
        self.write(move |change| {
            let key = (user.as_str(), client.as_str());
            let Some(consent) = CONSENTS.get(change, key)? else { return Ok(false) };
            CONSENTS.put(change, key, &consent.decide_withdraw(now))?;
            change.note(of_consent(EventKind::ConsentRevoked, &consent))?;
            Ok(true)
        })
        .await
    }

    pub(in crate::store) fn consents_of(
        &self,
        user: &UserId,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Page<Consent, ClientId>, StoreError> {
        let user = user.as_str();
        let start = match after {
            Some(client) => Bound::Excluded((user, client.as_str())),
            None => Bound::Included((user, "")),
        };
        let reach = Page::<Consent, ClientId>::reach(limit);
        let consents =
            self.read(|snapshot| {
                CONSENTS.list(snapshot, start, reach, |(owner, _), row| {
                    if owner == user { codec::decode(row).map(Some) } else { Ok(None) }
                })
            })?;
        Ok(Page::cut(consents, limit, |consent: &Consent| consent.client.clone()))
    }
}

fn of_consent(kind: EventKind, consent: &Consent) -> Occurrence {
    Occurrence { user: Some(consent.user.clone()), client: Some(consent.client.clone()), ..Occurrence::new(kind) }
}
