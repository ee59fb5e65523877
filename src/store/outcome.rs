//! What goes in and comes out of the store beside the nouns themselves.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::base::clock::Timestamp;
use crate::base::secret::Digest;
use crate::jose::alg::Algorithm;
use crate::jose::jwk::PublicKey;
use crate::jose::key::PrivateKey;
use crate::model::client::Client;
use crate::model::consent::Consent;
use crate::model::grant::{AccessToken, Code, Grant, NewTokens, Redemption, RefreshToken, Void};
use crate::model::id::{AccessTokenId, ClientId, CodeId, KeyId};
use crate::model::session::Session;
use crate::model::user::User;

/// How a store is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much of the file is kept in memory, in bytes. 64 MiB.
    pub cache_bytes: usize,
    /// How many clients are kept parsed. 1024.
    pub cached_clients: usize,
    /// How many access tokens are kept parsed, with their grants and users. 4096.
    pub cached_access_tokens: usize,
    /// How many writes may wait; one more is refused with [`StoreError::Busy`]. 1024.
    pub queue: usize,
    /// How many writes go into one commit at most. 256.
    pub batch: usize,
    /// How long to wait after the first failed attempt to open the store again after an I/O error; the wait doubles up to 64
    /// times this. 100 ms.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            cached_clients: 1024,
            cached_access_tokens: 4096,
            queue: 1024,
            batch: 256,
            retry: Duration::from_millis(100),
        }
    }
}

/// The store can't do what it should. None of them is about what was asked: that would be an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// An input or output error, or the store is being opened again after one. Of a write it isn't known whether it
    /// happened.
    Unavailable(String),
    /// Too many writes are waiting. Nothing was done.
    Busy,
    /// There is no store at this place.
    Missing(PathBuf),
    /// There is a store at this place already.
    Exists(PathBuf),
    /// The server key is missing, or isn't the one that the store was made with.
    WrongKey(String),
    /// Another process has the store open.
    Locked,
    /// Something in the store can't be read.
    Corrupt(String),
    /// A newer release has written to the store.
    NewerFormat,
    /// The store is older than the first release.
    OlderFormat,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the store is unavailable: {reason}"),
            Self::Busy => f.write_str("the store has too much to write"),
            Self::Missing(path) => write!(f, "there is no store at {}", path.display()),
            Self::Exists(path) => write!(f, "there is a store at {} already", path.display()),
            Self::WrongKey(reason) => write!(f, "the store needs its server key: {reason}"),
            Self::Locked => f.write_str("another process has the store open"),
            Self::Corrupt(reason) => write!(f, "the store is damaged: {reason}"),
            Self::NewerFormat => f.write_str("a newer release of hallpass has written to the store"),
            Self::OlderFormat => f.write_str("the store is older than the first release of hallpass: make it anew"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Some items of a list, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The items in order.
    pub items: Vec<T>,
    /// To be given as `after` for the next page; `None` when this is the last one.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The most items that a page has, however many were asked for.
    pub const MAX: usize = 1000;

    /// How many rows to read for a page of `limit` items: one more, to see whether the list goes on.
    pub(super) fn reach(limit: usize) -> usize {
        limit.clamp(1, Self::MAX) + 1
    }

    /// Makes a page from as many items as there are within [`Self::reach`].
    pub(super) fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> C) -> Self {
        let more = items.len() == Self::reach(limit);
        items.truncate(Self::reach(limit) - 1);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// What became of a record that was to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put<T> {
    /// It is stored, with its new version.
    Done(T),
    /// Its id or name belongs to another one. Nothing was stored.
    Exists,
    /// Somebody else changed it in the meantime. Nothing was stored.
    Conflict {
        /// The version that is stored.
        version: u64,
    },
    /// There is nothing to update.
    Missing,
}

/// Counts the commits that changed something that is worth caching. Who caches it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Of clients.
    pub clients: u64,
    /// Of signing keys.
    pub keys: u64,
}

/// A token with its grant and everything that decides whether the grant is live, from one snapshot. Whether the token itself
/// has expired is for the caller to see.
#[derive(Clone, Debug)]
pub struct TokenContext<T> {
    /// The token.
    pub token: T,
    /// Its family.
    pub grant: Grant,
    /// Who granted it; nobody where a client asked for itself.
    pub user: Option<Arc<User>>,
    /// What they let its client do.
    pub consent: Option<Consent>,
    /// Whether it ended when its user logged out: [`EndedSession::ends`](crate::model::session::EndedSession::ends).
    pub session_ended: bool,
}

impl<T> TokenContext<T> {
    /// [`Grant::is_live`].
    pub fn is_live(&self, client: &Client, now: Timestamp) -> bool {
        self.voided_by(client, now).is_none()
    }

    /// [`Grant::voided_by`].
    pub fn voided_by(&self, client: &Client, now: Timestamp) -> Option<Void> {
        if self.session_ended {
            return Some(Void::SessionEnded);
        }
        self.grant.voided_by(self.user.as_deref(), client, self.consent.as_ref(), now)
    }
}

/// A code in the context of its grant, which isn't stored yet where the code wasn't redeemed.
pub type CodeContext = TokenContext<Code>;

/// An access token in its context.
pub type AccessContext = TokenContext<AccessToken>;

/// A refresh token in its context.
pub type RefreshContext = TokenContext<RefreshToken>;

/// A session and its user, from one snapshot.
#[derive(Clone, Debug)]
pub struct SessionContext {
    /// The session.
    pub session: Session,
    /// Who logged in.
    pub user: Arc<User>,
}

/// Rows that make room for others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Displaced {
    /// A code, unless it was redeemed.
    pub code: Option<CodeId>,
    /// An access token.
    pub access: Option<AccessTokenId>,
}

/// A [`Redemption`] that owns its parts.
#[derive(Clone)]
pub struct OwnedRedemption {
    /// Of the random part of the code.
    pub digest: Digest,
    /// Who asks.
    pub client: ClientId,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub verifier: Option<String>,
}

impl OwnedRedemption {
    /// Borrows the parts.
    pub fn as_redemption(&self) -> Redemption<'_> {
        Redemption {
            digest: self.digest,
            client: &self.client,
            redirect_uri: self.redirect_uri.as_deref(),
            verifier: self.verifier.as_deref(),
        }
    }
}

/// An attempt to use a refresh token.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Of the random part of the token.
    pub digest: Digest,
    /// Who asks.
    pub client: ClientId,
    /// What to store if tokens are due. Without a refresh token the one that was used stays in use.
    pub tokens: NewTokens,
    /// Where the used token stays in use: until when, if that is later than so far.
    pub keep_until: Option<Timestamp>,
    /// For how long a used token is forgiven while its successor is unused.
    pub grace: Duration,
    /// Whether the access token that came with the used one ends, too.
    pub ends_access: bool,
}

/// A signing key to be added.
#[derive(Clone)]
pub struct NewKey {
    /// RFC 7638 thumbprint.
    pub id: KeyId,
    /// What it signs.
    pub algorithm: Algorithm,
    /// What verifies its signatures.
    pub public: PublicKey,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// The private key: PKCS#8, DER.
    pub pkcs8_der: Zeroizing<Vec<u8>>,
}

impl NewKey {
    /// A key under its own id, that was made or imported at `created_at`.
    pub fn of(key: &PrivateKey, created_at: Timestamp) -> Self {
        Self {
            id: KeyId::new(key.kid()),
            algorithm: Algorithm::Rs256,
            public: key.public().clone(),
            created_at,
            pkcs8_der: key.to_pkcs8().to_vec().into(),
        }
    }
}
