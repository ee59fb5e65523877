//! Grants, their codes and their tokens: a family. Every token names its grant, and that is read along with it.

use std::sync::Arc;

use super::Embedded;
use super::engine::{Change, Tables};
use super::fault::Fault;
use super::tables::{ACCESS_TOKENS, CODES, CONSENTS, ENDED_SESSIONS, GRANTS, REFRESH_TOKENS, USERS};
use crate::base::clock::Timestamp;
use crate::model::event::{EventKind, Occurrence};
use crate::model::grant::{
    AccessToken, Code, EndReason, Ended, Grant, NewTokens, Redeem, RedeemRefusal, RefreshToken, Replaced, Rotate,
    RotateRefusal, decide_redeem, decide_rotate,
};
use crate::model::id::{AccessTokenId, Bearer, CodeId, GrantId, RefreshTokenId};
use crate::store::{CodeContext, Displaced, OwnedRedemption, Rotation, StoreError, TokenContext};

impl Embedded {
    pub(in crate::store) async fn put_code(
        &self,
        code: Code,
        access: Option<AccessToken>,
        in_place_of: Displaced,
    ) -> Result<(), StoreError> {
        self.write(move |change| {
            if let Some(other) = in_place_of.code
                && get_code(change, other)?.is_some_and(|other| other.spent_at.is_none())
            {
                CODES.remove(change, other.0.as_bytes())?;
            }
            if let Some(access) = &access {
                add_access(change, access, in_place_of.access)?;
                note_first(change, code.granted.as_ref(), access)?;
            }
            put_code(change, &code)
        })
        .await
    }

    pub(in crate::store) async fn put_access_token(
        &self,
        token: AccessToken,
        in_place_of: Option<AccessTokenId>,
    ) -> Result<(), StoreError> {
        self.write(move |change| {
            add_access(change, &token, in_place_of)?;
            note_first(change, token.granted.as_deref(), &token)
        })
        .await
    }

    pub(in crate::store) async fn put_grant(&self, grant: Grant, tokens: NewTokens) -> Result<(), StoreError> {
        self.write(move |change| {
            GRANTS.add(change, grant.id.0.as_bytes(), &grant)?;
            put_tokens(change, &tokens)?;
            if grant.user.is_some() && grant.session.is_none() {
                // They told the client their password: there is no session that would tell of it.
                change.note(Occurrence::of_grant(EventKind::LoginSucceeded, &grant, &grant.scope))?;
            }
            note_first(change, Some(&grant), &tokens.access)
        })
        .await
    }

    pub(in crate::store) fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.read(|snapshot| get_grant(snapshot, *id))
    }

    pub(in crate::store) fn access_token(
        &self,
        id: &AccessTokenId,
    ) -> Result<Option<(AccessToken, Grant)>, StoreError> {
        self.read(|snapshot| {
            let Some(mut token) = ACCESS_TOKENS.get(snapshot, id.0.as_bytes())? else { return Ok(None) };
            Ok(grant_of(snapshot, &mut token)?.map(|grant| (token, grant)))
        })
    }

    pub(in crate::store) fn refresh_token(
        &self,
        id: &RefreshTokenId,
    ) -> Result<Option<(RefreshToken, Grant)>, StoreError> {
        self.read(|snapshot| {
            let Some(token) = REFRESH_TOKENS.get(snapshot, id.0.as_bytes())? else { return Ok(None) };
            Ok(get_grant(snapshot, token.grant)?.map(|grant| (token, grant)))
        })
    }

    pub(in crate::store) fn find_code(&self, bearer: &Bearer) -> Result<Option<CodeContext>, StoreError> {
        let digest = bearer.digest();
        self.read(|snapshot| {
            let found = get_code(snapshot, CodeId(bearer.id()))?.filter(|code| code.digest.matches(&digest));
            let Some(mut code) = found else { return Ok(None) };
            match code.granted.take() {
                Some(grant) => context(snapshot, code, grant),
                None => token_context(snapshot, code.grant, code),
            }
        })
    }

    pub(in crate::store) fn find_access_token(
        &self,
        bearer: &Bearer,
    ) -> Result<Option<Arc<TokenContext<AccessToken>>>, StoreError> {
        let cache = &self.0.engine.access;
        let (id, digest) = (AccessTokenId(bearer.id()), bearer.digest());
        let its_own = |access: &Arc<TokenContext<AccessToken>>| access.token.digest.matches(&digest);
        if let Some(access) = cache.get(&id) {
            return Ok(Some(access).filter(its_own));
        }
        let revision = cache.revision();
        let access = self.read(|snapshot| {
            let Some(mut token) = ACCESS_TOKENS.get(snapshot, id.0.as_bytes())? else { return Ok(None) };
            match grant_of(snapshot, &mut token)? {
                Some(grant) => context(snapshot, token, grant),
                None => Ok(None),
            }
        })?;
        let Some(access) = access.map(Arc::new).filter(its_own) else { return Ok(None) };
        cache.insert(id, Arc::clone(&access), revision);
        Ok(Some(access))
    }

    pub(in crate::store) fn find_refresh_token(
        &self,
        bearer: &Bearer,
    ) -> Result<Option<TokenContext<RefreshToken>>, StoreError> {
        let digest = bearer.digest();
        self.read(|snapshot| match REFRESH_TOKENS.get(snapshot, bearer.id().as_bytes())? {
            Some(token) if token.digest.matches(&digest) => token_context(snapshot, token.grant, token),
            Some(_) | None => Ok(None),
        })
    }

    pub(in crate::store) async fn redeem_code(
        &self,
        id: &CodeId,
        redemption: OwnedRedemption,
        tokens: NewTokens,
        now: Timestamp,
    ) -> Result<Redeem, StoreError> {
        let id = *id;
        self.write(move |change| {
            let Some(mut code) = get_code(change, id)? else {
                return Ok(Redeem::Refused(RedeemRefusal::Unknown));
            };
            let mut decision = decide_redeem(&code, &redemption.as_redemption(), now);
            if decision == Redeem::Granted && ended_with_session(change, code.granted.as_ref())? {
                decision = Redeem::Refused(RedeemRefusal::SessionEnded);
            }
            match decision {
                Redeem::Granted => {
                    let grant = code.granted.take();
                    let grant =
                        grant.ok_or_else(|| Fault::Corrupt(format!("the code {id} isn't spent and has no grant")))?;
                    put_code(change, &Code { spent_at: Some(now), ..code })?;
                    GRANTS.add(change, grant.id.0.as_bytes(), &grant)?;
                    put_tokens(change, &tokens)?;
                    note_first(change, Some(&grant), &tokens.access)?;
                }
                Redeem::Reused => {
                    if let Some(grant) = get_grant(change, code.grant)? {
                        end(change, &grant, EndReason::CodeReuse, now)?;
                    }
                }
                Redeem::Refused(_) => {}
            }
            Ok(decision)
        })
        .await
    }

    pub(in crate::store) async fn rotate_refresh(
        &self,
        id: &RefreshTokenId,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Rotate, StoreError> {
        let id = *id;
        self.write(move |change| {
            let unknown = Ok(Rotate::Refused(RotateRefusal::Unknown));
            let Some(token) = get_refresh(change, id)? else { return unknown };
            let Some(grant) = get_grant(change, token.grant)? else { return unknown };
            let successor = match token.replaced {
                Some(replaced) => get_refresh(change, replaced.refresh)?,
                None => None,
            };
            let shown = (&rotation.digest, &rotation.client);
            let mut decision = decide_rotate(&grant, &token, successor.as_ref(), shown, rotation.grace, now);
            if !matches!(decision, Rotate::Refused(_)) && ended_with_session(change, Some(&grant))? {
                decision = Rotate::Refused(RotateRefusal::Ended);
            }
            match decision {
                Rotate::Granted => {
                    replace(change, &token, &rotation, now)?;
                    note_refreshed(change, &grant, &rotation)?;
                }
                Rotate::Retried { access, .. } => {
                    if let Some(successor) = successor {
                        put_refresh(change, &RefreshToken { superseded: true, ..successor })?;
                    }
                    ACCESS_TOKENS.remove(change, access.0.as_bytes())?;
                    replace(change, &token, &rotation, now)?;
                    note_refreshed(change, &grant, &rotation)?;
                }
                Rotate::Reused => {
                    end(change, &grant, EndReason::RefreshReuse, now)?;
                }
                Rotate::Refused(_) => {}
            }
            Ok(decision)
        })
        .await
    }

    pub(in crate::store) async fn end_grant(
        &self,
        id: &GrantId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = *id;
        self.write(move |change| match get_grant(change, id)? {
            Some(grant) => end(change, &grant, reason, now),
            None => Ok(false),
        })
        .await
    }

    pub(in crate::store) async fn delete_access_token(&self, id: &AccessTokenId) -> Result<bool, StoreError> {
        let id = *id;
        self.write(move |change| {
            let Some(mut token) = ACCESS_TOKENS.get(change, id.0.as_bytes())? else { return Ok(false) };
            let grant = grant_of(change, &mut token)?;
            ACCESS_TOKENS.remove(change, id.0.as_bytes())?;
            if let Some(grant) = grant {
                let what = Occurrence::of_grant(EventKind::TokenRevoked, &grant, &token.scope);
                change.note(what.with("token", "access_token"))?;
            }
            Ok(true)
        })
        .await
    }
}

fn get_code(tables: &impl Tables, id: CodeId) -> Result<Option<Code>, Fault> {
    CODES.get(tables, id.0.as_bytes())
}

fn put_code(change: &Change<'_>, code: &Code) -> Result<(), Fault> {
    CODES.put(change, code.id.0.as_bytes(), code)
}

fn add_access(change: &Change<'_>, token: &AccessToken, in_place_of: Option<AccessTokenId>) -> Result<(), Fault> {
    if let Some(other) = in_place_of {
        ACCESS_TOKENS.remove(change, other.0.as_bytes())?;
    }
    ACCESS_TOKENS.add(change, token.id.0.as_bytes(), token)
}

/// The grant of an access token: the one in its own row counts only until there is a record of it, which says what became of it.
fn grant_of(tables: &impl Tables, token: &mut AccessToken) -> Result<Option<Grant>, Fault> {
    let own = token.granted.take();
    Ok(get_grant(tables, token.grant)?.or(own.map(|grant| *grant)))
}

fn get_grant(tables: &impl Tables, id: GrantId) -> Result<Option<Grant>, Fault> {
    GRANTS.get(tables, id.0.as_bytes())
}

fn put_grant(change: &Change<'_>, grant: &Grant) -> Result<(), Fault> {
    GRANTS.put(change, grant.id.0.as_bytes(), grant)
}

fn get_refresh(tables: &impl Tables, id: RefreshTokenId) -> Result<Option<RefreshToken>, Fault> {
    REFRESH_TOKENS.get(tables, id.0.as_bytes())
}

fn put_refresh(change: &Change<'_>, token: &RefreshToken) -> Result<(), Fault> {
    REFRESH_TOKENS.put(change, token.id.0.as_bytes(), token)
}

fn put_tokens(change: &Change<'_>, tokens: &NewTokens) -> Result<(), Fault> {
    add_access(change, &tokens.access, None)?;
    tokens.refresh.as_ref().map_or(Ok(()), |refresh| put_refresh(change, refresh))
}

/// Writes the new tokens, and in the used one what became of it.
fn replace(change: &Change<'_>, used: &RefreshToken, rotation: &Rotation, now: Timestamp) -> Result<(), Fault> {
    let NewTokens { access, refresh } = &rotation.tokens;
    let replaced = refresh.as_ref().map(|refresh| Replaced { at: now, refresh: refresh.id, access: access.id });
    if let Some(earlier) = used.access.filter(|_| rotation.ends_access) {
        ACCESS_TOKENS.remove(change, earlier.0.as_bytes())?;
    }
    let mut used = RefreshToken { replaced, ..used.clone() };
    if replaced.is_none() {
        // It can't stay for longer than its row does.
        let until = rotation.keep_until.map(|until| until.min(used.id.0.gone_after()));
        used.expires_at = until.map_or(used.expires_at, |until| until.max(used.expires_at));
        used.access = Some(access.id);
    }
    put_refresh(change, &used)?;
    put_tokens(change, &rotation.tokens)
}

/// Ends a family; says whether it hadn't ended before.
fn end(change: &Change<'_>, grant: &Grant, reason: EndReason, now: Timestamp) -> Result<bool, Fault> {
    if grant.ended.is_some() {
        return Ok(false);
    }
    put_grant(change, &Grant { ended: Some(Ended { at: now, reason }), ..grant.clone() })?;
    let (kind, token) = match reason {
        EndReason::CodeReuse => (EventKind::TokenReused, "code"),
        EndReason::RefreshReuse => (EventKind::TokenReused, "refresh_token"),
        EndReason::Revoked => (EventKind::TokenRevoked, "refresh_token"),
    };
    change.note(Occurrence::of_grant(kind, grant, &grant.scope).with("token", token))?;
    Ok(true)
}

/// Notes that a client got its first tokens.
fn note_first(change: &Change<'_>, grant: Option<&Grant>, access: &AccessToken) -> Result<(), Fault> {
    let what = grant.map(|grant| Occurrence::of_grant(EventKind::TokenIssued, grant, &access.scope));
    what.map_or(Ok(()), |what| change.note(what))
}

fn note_refreshed(change: &Change<'_>, grant: &Grant, rotation: &Rotation) -> Result<(), Fault> {
    change.note(Occurrence::of_grant(EventKind::TokenRefreshed, grant, &rotation.tokens.access.scope))
}

/// A token with its grant and what decides whether that is live; `None` when its user is no more.
fn context<T>(tables: &impl Tables, token: T, grant: Grant) -> Result<Option<TokenContext<T>>, Fault> {
    let session_ended = ended_with_session(tables, Some(&grant))?;
    let Some(id) = &grant.user else {
        return Ok(Some(TokenContext { token, grant, user: None, consent: None, session_ended }));
    };
    let Some(user) = USERS.get(tables, id.as_str())? else { return Ok(None) };
    let consent = CONSENTS.get(tables, (id.as_str(), grant.client.as_str()))?;
    Ok(Some(TokenContext { token, grant, user: Some(Arc::new(user)), consent, session_ended }))
}

/// Whether a grant ended when its user logged out.
fn ended_with_session(tables: &impl Tables, grant: Option<&Grant>) -> Result<bool, Fault> {
    let Some((grant, sid)) = grant.and_then(|grant| Some((grant, grant.session?))) else { return Ok(false) };
    let ended = ENDED_SESSIONS.get(tables, sid.0.as_bytes())?;
    Ok(ended.is_some_and(|ended| ended.ends(grant)))
}

fn token_context<T>(tables: &impl Tables, id: GrantId, token: T) -> Result<Option<TokenContext<T>>, Fault> {
    let Some(grant) = get_grant(tables, id)? else { return Ok(None) };
    context(tables, token, grant)
}
