//! The store: what hallpass keeps, and the promises it makes about it.
//!
//! - **One call, one transaction.** Look-ups see one moment. A *move* ([`Store::redeem_code`], [`Store::rotate_refresh`],
//!   [`Store::grant_consent`], …) is one step of a protocol: the rule is a pure `decide_*` of the [model](crate::model), the store
//!   makes it atomic and adds nothing. Of any number of moves on the same row at once, each sees what those before it did.
//! - **Acknowledged means durable.** A write answers after it is on the disk. [`StoreError::Unavailable`] means that nobody
//!   knows; [`StoreError::Busy`] that it didn't happen. Once its future has been polled a write happens, whether or not anybody waits.
//! - **What a write changed is in force for every call that begins after its answer**, what is cached included.
//! - **Not found is `None`, a conflict is an outcome.** An error is about the store, never about what was asked.
//! - **Bearer values aren't stored**, only digests of them, and those are compared in constant time. Client secrets and
//!   private keys are sealed under the server key, without which the store doesn't open.
//! - **Nothing is deleted to make it void.** Grants and sessions name the generation of the user, client and consent that they were made
//!   under; callers see by [`Grant::is_live`], [`Session::is_live`] and `expires_at` whether something still holds.
//!   Rows leave by [`Store::sweep`], after the time that their id carries.
//! - **Lists are pages** in the order of their keys. What is there throughout is in exactly one page, whatever else is
//!   written in the meantime.
//!
//! `contract.rs` says the same as tests, for every engine.

#[cfg(test)]
mod contract;
mod embedded;
mod journal;
pub mod origin;
mod outcome;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use self::embedded::Embedded;
pub(crate) use self::embedded::file::{Draft, warn_if_open_to_others};
pub use self::journal::{Feed, Ledger, Outbox};
pub use self::outcome::{
    AccessContext, CodeContext, Displaced, NewKey, Options, OwnedRedemption, Page, Put, RefreshContext, Revision,
    Rotation, SessionContext, StoreError, TokenContext,
};
use crate::base::clock::Timestamp;
use crate::jose::seal::ServerKey;
use crate::model::client::Client;
use crate::model::consent::{Consent, Given};
use crate::model::event::{Event, EventFilter, Occurrence, Origin};
use crate::model::grant::{AccessToken, Code, EndReason, Grant, NewTokens, Redeem, RefreshToken, Rotate};
use crate::model::id::{
    AccessTokenId, Bearer, ClientId, CodeId, EventId, GrantId, KeyId, RefreshTokenId, SessionId, UserId,
};
use crate::model::key::{Due, KeyRefusal, Schedule, SigningKey};
use crate::model::session::{EndedSession, Session};
use crate::model::user::User;

/// A store that is open. Clones are handles to the same one; the last one closes it, after what is queued has been written.
#[derive(Clone, Debug)]
pub enum Store {
    /// In one file, or in memory.
    Embedded(Embedded),
}

/// Opening.
impl Store {
    /// Makes a store in a file that isn't there yet, and opens it. Without `key` the server key is made too, as
    /// [`Store::key_path`]; a key that is there already is taken as it is. Only the owner may read either file.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::Unavailable`] where files can't be made.
    pub fn create(path: &Path, key: Option<ServerKey>, options: &Options) -> Result<Self, StoreError> {
        Embedded::create(path, key, options).map(Self::Embedded)
    }

    /// Opens the store in a file. Without `key` the server key is read from [`Store::key_path`].
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Locked`], [`StoreError::WrongKey`], [`StoreError::NewerFormat`],
    /// [`StoreError::OlderFormat`], [`StoreError::Corrupt`]; [`StoreError::Unavailable`] where the files can't be read and written.
    pub fn open(path: &Path, key: Option<ServerKey>, options: &Options) -> Result<Self, StoreError> {
        Embedded::open(path, key, options).map(Self::Embedded)
    }

    /// Opens the store in a file, and makes it if it isn't there.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`Store::create`].
    pub fn open_or_create(path: &Path, key: Option<ServerKey>, options: &Options) -> Result<Self, StoreError> {
        if path.exists() { Self::open(path, key, options) } else { Self::create(path, key, options) }
    }

    /// Makes a store in memory. It ends with its last handle.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where no thread can be started.
    pub fn in_memory(key: ServerKey, options: &Options) -> Result<Self, StoreError> {
        Embedded::in_memory(key, options).map(Self::Embedded)
    }

    /// Where the server key of the store at `path` is, unless it is given: beside it, with `.key` added to its name.
    pub fn key_path(path: &Path) -> PathBuf {
        Embedded::key_path(path)
    }

    /// The server key, for other things that are sealed.
    pub fn server_key(&self) -> &ServerKey {
        let Self::Embedded(engine) = self;
        engine.server_key()
    }

    /// Whether it can be used at present. While it can't, clients that are cached still answer.
    pub fn is_healthy(&self) -> bool {
        let Self::Embedded(engine) = self;
        engine.is_healthy()
    }

    /// What a cache of clients or keys compares.
    pub fn revision(&self) -> Revision {
        let Self::Embedded(engine) = self;
        engine.revision()
    }

    /// Marks the store as made for development; for good.
    ///
    /// # Errors
    /// [`StoreError`], as for every method from here on.
    pub async fn mark_development(&self) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.mark_development().await
    }

    /// Whether the store was made for development.
    pub async fn is_development(&self) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.is_development()
    }
}

/// Clients.
impl Store {
    /// A client with its secret. From the cache where it is there.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.client(id)
    }

    /// Clients in the order of their ids.
    pub async fn clients(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Page<Arc<Client>, ClientId>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.clients(after, limit)
    }

    /// Adds a client as version 1; [`Put::Exists`] if the id is taken.
    pub async fn create_client(&self, client: Client) -> Result<Put<Client>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.create_client(client).await
    }

    /// Changes the client whose version is `client.version`, and moves the version on. Without a secret the stored one goes.
    pub async fn update_client(&self, client: Client) -> Result<Put<Client>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.update_client(client).await
    }

    /// Deletes a client, and what users have agreed to for it; its grants are void. Says whether it was there.
    pub async fn delete_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.delete_client(id).await
    }
}

/// Users.
impl Store {
    /// A user.
    pub async fn user(&self, id: &UserId) -> Result<Option<Arc<User>>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.user(id)
    }

    /// The user who logs in with `username`, without regard to case.
    pub async fn user_by_username(&self, username: &str) -> Result<Option<Arc<User>>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.user_by_username(username)
    }

    /// Users in the order of their [folded](crate::model::user::fold_username) names; the cursor is such a name.
    pub async fn users(&self, after: Option<&str>, limit: usize) -> Result<Page<Arc<User>, String>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.users(after, limit)
    }

    /// Adds a user as version 1; [`Put::Exists`] if the id or the name is taken.
    pub async fn create_user(&self, user: User) -> Result<Put<User>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.create_user(user).await
    }

    /// Changes the user whose version is `user.version`, and moves the version on; [`Put::Exists`] if the new name is taken.
    pub async fn update_user(&self, user: User) -> Result<Put<User>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.update_user(user).await
    }

    /// Deletes a user with their sessions and consents; their grants are void. Says whether they were there.
    pub async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.delete_user(id).await
    }
}

/// Sessions.
impl Store {
    /// Starts a session, and ends the one that it takes the place of. It continues nothing where that one has ended by itself
    /// meanwhile. Gives it as it is stored.
    pub async fn start_session(&self, session: Session, replaces: Option<SessionId>) -> Result<Session, StoreError> {
        let Self::Embedded(engine) = self;
        engine.start_session(session, replaces).await
    }

    /// A session.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.session(id)
    }

    /// The session that a bearer value opens, and its user; whether it still holds is for the caller to see. `None` too when the user
    /// is no more.
    pub async fn find_session(&self, bearer: &Bearer) -> Result<Option<SessionContext>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.find_session(bearer)
    }

    /// Notes that a session was used, if that is [worth it](Session::is_worth_touching).
    pub async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.touch_session(id, now).await
    }

    /// Ends a session, and the grants that `with_it` says, those that are being made at this moment too. Says whether the session
    /// was there; if not, nothing else ends.
    pub async fn end_session(&self, id: &SessionId, with_it: Option<EndedSession>) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.end_session(id, with_it).await
    }

    /// The sessions of a user, those that end first first.
    pub async fn sessions_of(
        &self,
        user: &UserId,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.sessions_of(user, after, limit)
    }
}

/// Consents.
impl Store {
    /// What a user has agreed to for a client, in force or not.
    pub async fn consent(&self, user: &UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.consent(user, client)
    }

    /// Stores an agreement: [`Consent::decide_grant`].
    pub async fn grant_consent(&self, given: Given, now: Timestamp) -> Result<Consent, StoreError> {
        let Self::Embedded(engine) = self;
        engine.grant_consent(given, now).await
    }

    /// Takes a consent back: [`Consent::decide_withdraw`]. The grants made under it are void. Says whether it was there.
    pub async fn withdraw_consent(&self, user: &UserId, client: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.withdraw_consent(user, client, now).await
    }

    /// The consents of a user in the order of client ids.
    pub async fn consents_of(
        &self,
        user: &UserId,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Page<Consent, ClientId>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.consents_of(user, after, limit)
    }
}

/// Grants, codes and tokens.
impl Store {
    /// Stores a code with the grant that it is for, and an access token of that grant where one is given out along with the code.
    /// Another code that wasn't redeemed goes, and another access token, where they are named.
    pub async fn put_code(
        &self,
        code: Code,
        access: Option<AccessToken>,
        in_place_of: Displaced,
    ) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.put_code(code, access, in_place_of).await
    }

    /// Stores an access token that carries its grant: nothing else ever comes from that. Another one goes, where one is named.
    pub async fn put_access_token(
        &self,
        token: AccessToken,
        in_place_of: Option<AccessTokenId>,
    ) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.put_access_token(token, in_place_of).await
    }

    /// Stores a grant with its first tokens.
    pub async fn put_grant(&self, grant: Grant, tokens: NewTokens) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.put_grant(grant, tokens).await
    }

    /// A grant that is a record of its own.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.grant(id)
    }

    /// The code that a bearer value is, spent or not; its grant is taken out of it. `None` too when its user is no more, or the
    /// grant of a spent one.
    pub async fn find_code(&self, bearer: &Bearer) -> Result<Option<CodeContext>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.find_code(bearer)
    }

    /// The access token that a bearer value is, expired or not. `None` too when its grant or user is no more. From the cache
    /// where it is there.
    pub async fn find_access_token(&self, bearer: &Bearer) -> Result<Option<Arc<AccessContext>>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.find_access_token(bearer)
    }

    /// The refresh token that a bearer value is, expired, replaced or not. `None` too when its grant or user is no more.
    pub async fn find_refresh_token(&self, bearer: &Bearer) -> Result<Option<RefreshContext>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.find_refresh_token(bearer)
    }

    /// An access token and its grant, by id: for administration.
    pub async fn access_token(&self, id: &AccessTokenId) -> Result<Option<(AccessToken, Grant)>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.access_token(id)
    }

    /// A refresh token and its grant, by id: for administration.
    pub async fn refresh_token(&self, id: &RefreshTokenId) -> Result<Option<(RefreshToken, Grant)>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.refresh_token(id)
    }

    /// Redeems a code: [`decide_redeem`](crate::model::grant::decide_redeem). [`Redeem::Granted`] has spent the code and stored its grant and `tokens`;
    /// [`Redeem::Reused`] has ended the family.
    pub async fn redeem_code(
        &self,
        id: &CodeId,
        redemption: OwnedRedemption,
        tokens: NewTokens,
        now: Timestamp,
    ) -> Result<Redeem, StoreError> {
        let Self::Embedded(engine) = self;
        engine.redeem_code(id, redemption, tokens, now).await
    }

    /// Uses a refresh token: [`decide_rotate`](crate::model::grant::decide_rotate). [`Rotate::Granted`] and [`Rotate::Retried`] have stored
    /// the tokens; [`Rotate::Reused`] has ended the family. A retry starts the time of grace anew.
    pub async fn rotate_refresh(
        &self,
        id: &RefreshTokenId,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Rotate, StoreError> {
        let Self::Embedded(engine) = self;
        engine.rotate_refresh(id, rotation, now).await
    }

    /// Ends a family. Says whether it was there and hadn't ended before.
    pub async fn end_grant(&self, id: &GrantId, reason: EndReason, now: Timestamp) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.end_grant(id, reason, now).await
    }

    /// Deletes an access token. Says whether it was there.
    pub async fn delete_access_token(&self, id: &AccessTokenId) -> Result<bool, StoreError> {
        let Self::Embedded(engine) = self;
        engine.delete_access_token(id).await
    }
}

/// Signing keys.
impl Store {
    /// All signing keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.keys()
    }

    /// The private part of a signing key: PKCS#8, DER. `None` too for one that is withdrawn.
    pub async fn private_key(&self, id: &KeyId) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.private_key(id)
    }

    /// Adds a signing key: [`decide_first_state`](crate::model::key::decide_first_state). [`Put::Exists`] if it is there.
    pub async fn add_key(&self, key: NewKey) -> Result<Put<SigningKey>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.add_key(key).await
    }

    /// Lets a key sign: [`decide_promote`](crate::model::key::decide_promote). Gives the records that changed.
    pub async fn promote_key(
        &self,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<Result<Vec<SigningKey>, KeyRefusal>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.promote_key(id, now).await
    }

    /// Lets a key sign no more: [`decide_retire`](crate::model::key::decide_retire).
    pub async fn retire_key(&self, id: &KeyId, now: Timestamp) -> Result<Result<SigningKey, KeyRefusal>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.retire_key(id, now).await
    }

    /// Deletes a key: [`decide_delete`](crate::model::key::decide_delete).
    pub async fn delete_key(&self, id: &KeyId) -> Result<Result<(), KeyRefusal>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.delete_key(id).await
    }

    /// Takes the steps that are due: [`decide_due`](crate::model::key::decide_due). Gives all of them; [`Due::Make`] is for the
    /// caller to do.
    pub async fn rotate_keys(&self, schedule: Schedule, now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.rotate_keys(schedule, now).await
    }
}

/// Events. Every move notes its own; see [`Ledger`] for what becomes of them.
impl Store {
    /// Says what becomes of events from now on.
    pub fn keep_events(&self, ledger: Ledger) {
        let Self::Embedded(engine) = self;
        engine.keep_events(ledger);
    }

    /// Listens to what happens from now on, in place of whoever listened before. What isn't taken yet may be `capacity` events;
    /// more are missed.
    pub fn feed(&self, capacity: usize) -> Feed {
        let Self::Embedded(engine) = self;
        engine.feed(capacity)
    }

    /// Notes something that changes nothing here, on somebody's behalf. Nobody waits for it: it is durable before any change that
    /// is asked for later.
    pub fn note(&self, what: Occurrence, origin: Origin) {
        let Self::Embedded(engine) = self;
        engine.note(what, origin);
    }

    /// Events that are kept, the newest first, from right before the one that is named. A page looks at no more than a few
    /// thousand of them: it may have fewer items than it could, and still not be the last.
    pub async fn events(
        &self,
        filter: &EventFilter,
        before: Option<&EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.events(filter, before, limit)
    }

    /// What waits to be sent to somebody, the oldest first.
    pub async fn pending_events(&self, outbox: &str, limit: usize) -> Result<Vec<Event>, StoreError> {
        let Self::Embedded(engine) = self;
        engine.pending_events(outbox, limit)
    }

    /// Takes away what they have taken.
    pub async fn remove_pending_events(&self, outbox: &str, ids: Vec<EventId>) -> Result<(), StoreError> {
        let Self::Embedded(engine) = self;
        engine.remove_pending_events(outbox, ids).await
    }

    /// How many events waited for too long, or were too many, since this was last asked: nobody will get them.
    pub fn take_dropped_events(&self) -> u64 {
        let Self::Embedded(engine) = self;
        engine.take_dropped_events()
    }
}

/// Upkeep.
impl Store {
    /// Removes up to `limit` rows whose time was before `now`, in one transaction, and says how many. Call it again while it reaches
    /// the limit.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let Self::Embedded(engine) = self;
        engine.sweep(now, limit).await
    }
}
