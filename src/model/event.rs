//! Events: what has happened here, for those who look after the provider, and for other programs that want to know.
//!
//! An event says who, what and when, in ids and names. It never holds a secret, a code, a token or a password: nothing that
//! could be used by whoever reads a log.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::client::Client;
use super::codec;
use super::grant::Grant;
use super::id::{ClientId, EventId, GrantId, SessionId, UserId};
use super::key::SigningKey;
use super::scope::Scope;
use super::user::User;
use crate::base::clock::Timestamp;
use crate::base::nearest::nearest;
use crate::base::request_id::RequestId;

/// The greatest length of a text in [`Occurrence::detail`], in characters.
const MAX_DETAIL: usize = 200;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)+) => {
        /// What can happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $($(#[doc = $doc])+ $variant),+ }

        impl EventKind {
            /// All of them, in the order of their documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name, in rows, in settings and for others; it never changes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

kinds! {
    /// A user has agreed on the consent page. Not told where nobody was asked.
    ConsentAccepted "consent.accepted";
    /// A user has said no on the consent page.
    ConsentDeclined "consent.declined";
    /// A consent was taken back; what was granted under it is void.
    ConsentRevoked "consent.revoked";
    /// A user has proved who they are: a session has begun, or a client has used the grant type `password`.
    LoginSucceeded "login.succeeded";
    /// Somebody didn't, once or, by `detail.count`, several times within a minute.
    LoginFailed "login.failed";
    /// A session has ended because its user left.
    Logout "logout";
    /// A client got its first tokens of a grant.
    TokenIssued "token.issued";
    /// A client used a refresh token.
    TokenRefreshed "token.refreshed";
    /// A token was given back (RFC 7009); by `detail.token` an access token alone, or a refresh token with its family.
    TokenRevoked "token.revoked";
    /// A spent code or a replaced refresh token came again, and its family has ended: somebody may have stolen it.
    TokenReused "token.reused";
    /// A client was registered.
    ClientCreated "client.created";
    /// A client was changed.
    ClientUpdated "client.updated";
    /// A client was deleted.
    ClientDeleted "client.deleted";
    /// A user was added.
    UserCreated "user.created";
    /// A user was changed: their password, their claims, whether they may log in.
    UserUpdated "user.updated";
    /// A user was deleted.
    UserDeleted "user.deleted";
    /// A signing key was made or imported.
    KeyCreated "key.created";
    /// A signing key signs from now on.
    KeyPromoted "key.promoted";
    /// A signing key signs no more.
    KeyRetired "key.retired";
    /// A signing key has left the key set, and its private part is no more.
    KeyWithdrawn "key.withdrawn";
    /// A signing key was deleted.
    KeyDeleted "key.deleted";
}

impl EventKind {
    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// What comes before the dot.
    fn family(self) -> &'static str {
        self.name().split_once('.').map_or(self.name(), |(family, _)| family)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some of the kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventKinds(u32);

impl EventKinds {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// What a pattern names: a kind, a family with a star (`client.*`), or a star for all.
    ///
    /// # Errors
    /// [`UnknownKind`] for what names none.
    pub fn parse(pattern: &str) -> Result<Self, UnknownKind> {
        let family = pattern.strip_suffix(".*");
        let is_meant = |kind: &EventKind| pattern == "*" || pattern == kind.name() || family == Some(kind.family());
        let kinds: Self = EventKind::ALL.iter().copied().filter(is_meant).collect();
        if kinds == Self::NONE { Err(UnknownKind { name: pattern.to_owned() }) } else { Ok(kinds) }
    }

    /// The shortest patterns that name these.
    pub fn patterns(self) -> Vec<String> {
        let all = |family| EventKind::ALL.iter().filter(move |kind| kind.family() == family);
        if EventKind::ALL.iter().all(|kind| self.contains(*kind)) {
            return vec!["*".to_owned()];
        }
        let mut patterns = Vec::new();
        for kind in EventKind::ALL.iter().filter(|kind| self.contains(**kind)) {
            let family = kind.family();
            let pattern = match all(family).count() {
                2.. if all(family).all(|kind| self.contains(*kind)) => format!("{family}.*"),
                _ => kind.name().to_owned(),
            };
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        patterns
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this one is among them.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & kind.bit() != 0
    }
}

impl FromIterator<EventKind> for EventKinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

/// A text that names no kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    name: String,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no event {:?}", self.name)?;
        match nearest(&self.name, EventKind::ALL.iter().map(|kind| kind.name())) {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownKind {}

/// On whose behalf something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where the request came from; `None` for a command on this machine, and for what happens by itself.
    pub address: Option<IpAddr>,
    /// The request, as the log names it.
    pub request: Option<RequestId>,
}

impl Origin {
    /// Nobody's request.
    pub const NOBODY: Self = Self { address: None, request: None };
}

/// What happened, before anybody wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Occurrence {
    /// What.
    #[cbor(n(0), with = "codec::event_kind")]
    pub kind: EventKind,
    /// To whom, or by whom.
    #[n(1)]
    pub user: Option<UserId>,
    /// The client that it is about.
    #[n(2)]
    pub client: Option<ClientId>,
    /// The session that it belongs to, under the name that ID tokens have for it (`sid`).
    #[n(3)]
    pub sid: Option<SessionId>,
    /// The family of tokens that it belongs to.
    #[n(4)]
    pub grant: Option<GrantId>,
    /// What was agreed to, or what a token is good for.
    #[n(5)]
    pub scope: Option<Scope>,
    /// A few more words: names and short texts.
    #[n(6)]
    pub detail: BTreeMap<String, String>,
}

impl Occurrence {
    /// Of this kind, and nothing else yet.
    pub const fn new(kind: EventKind) -> Self {
        Self { kind, user: None, client: None, sid: None, grant: None, scope: None, detail: BTreeMap::new() }
    }

    /// Of a grant: its user, its client, its session, itself; with the scope that this is about.
    pub fn of_grant(kind: EventKind, grant: &Grant, scope: &Scope) -> Self {
        Self {
            user: grant.user.clone(),
            client: Some(grant.client.clone()),
            sid: grant.session,
            grant: Some(grant.id),
            scope: Some(scope.clone()),
            ..Self::new(kind)
        }
    }

    /// Of a client, with its name.
    pub fn of_client(kind: EventKind, client: &Client) -> Self {
        Self { client: Some(client.id.clone()), ..Self::new(kind) }.with("name", &client.name)
    }

    /// Of a user, with their name.
    pub fn of_user(kind: EventKind, user: &User) -> Self {
        Self { user: Some(user.id.clone()), ..Self::new(kind) }.with("username", &user.username)
    }

    /// A user's record after a change. `None` where nothing has changed but how their password is hashed: nobody did that.
    pub fn of_update(before: &User, after: &User) -> Option<Self> {
        let changes = [
            ("username", before.username != after.username),
            ("password", before.password_hash != after.password_hash),
            ("admin", before.admin != after.admin),
            ("enabled", before.enabled != after.enabled),
            ("claims", before.claims != after.claims),
        ];
        let changed: Vec<&str> = changes.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if changed == ["password"] && before.generation == after.generation {
            return None;
        }
        Some(Self::of_user(EventKind::UserUpdated, after).with("changed", &changed.join(" ")))
    }

    /// Of a signing key.
    pub fn of_key(kind: EventKind, key: &SigningKey) -> Self {
        Self::new(kind).with("kid", key.id.as_str()).with("alg", key.algorithm.name())
    }

    /// With a name and a short text. What is longer than 200 characters is cut off.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.detail.insert(name.to_owned(), text.chars().take(MAX_DETAIL).collect());
        self
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// Names it, for whoever must notice that they have seen it before. Ids ascend with time.
    #[n(0)]
    pub id: EventId,
    /// When.
    #[n(1)]
    pub at: Timestamp,
    /// What.
    #[n(2)]
    pub what: Occurrence,
    /// On whose behalf.
    #[cbor(n(3), with = "codec::origin")]
    pub origin: Origin,
}

impl Event {
    /// As administration and webhooks show it: `id`, `kind`, `occurred_at` in seconds, and what is known of `user_id`,
    /// `client_id`, `sid`, `grant_id`, `scope`, `address`, `request_id` and `detail`.
    pub fn to_json(&self) -> Map<String, Value> {
        let Self { id, at, what, origin } = self;
        let mut json = Map::new();
        json.insert("id".into(), id.to_string().into());
        json.insert("kind".into(), what.kind.name().into());
        json.insert("occurred_at".into(), at.as_secs().into());
        let known = [
            ("user_id", what.user.as_ref().map(ToString::to_string)),
            ("client_id", what.client.as_ref().map(ToString::to_string)),
            ("sid", what.sid.map(|sid| sid.to_string())),
            ("grant_id", what.grant.map(|grant| grant.to_string())),
            ("scope", what.scope.as_ref().map(ToString::to_string)),
            ("address", origin.address.map(|address| address.to_string())),
            ("request_id", origin.request.map(|request| request.to_string())),
        ];
        for (name, text) in known {
            if let Some(text) = text {
                json.insert(name.into(), text.into());
            }
        }
        if !what.detail.is_empty() {
            let detail: Map<_, _> =
                what.detail.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
            json.insert("detail".into(), detail.into());
        }
        json
    }
}

/// Which events somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of these kinds; all where none are named.
    pub kinds: Option<EventKinds>,
    /// Of this user.
    pub user: Option<UserId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// From this time on.
    pub since: Option<Timestamp>,
}

impl EventFilter {
    /// Whether an event is among them, but for its time.
    pub fn matches(&self, what: &Occurrence) -> bool {
        self.kinds.is_none_or(|kinds| kinds.contains(what.kind))
            && (self.user.is_none() || self.user == what.user)
            && (self.client.is_none() || self.client == what.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_bit() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(*kind));
            let only = EventKinds::from_iter([*kind]);
            assert_eq!(EventKind::ALL.iter().filter(|other| only.contains(**other)).collect::<Vec<_>>(), [kind]);
        }
    }

    #[test]
    fn patterns_name_kinds_and_families() {
        let parse = |pattern| EventKinds::parse(pattern).unwrap();
        assert!(parse("login.*").contains(EventKind::LoginFailed));
        assert!(!parse("login.*").contains(EventKind::Logout));
        assert_eq!(parse("logout").patterns(), ["logout"]);
        assert_eq!(parse("*").patterns(), ["*"]);
        let some = parse("key.*").union(parse("consent.accepted")).union(parse("consent.revoked"));
        assert_eq!(some.patterns(), ["consent.accepted", "consent.revoked", "key.*"]);
        let unknown = EventKinds::parse("login.fail").unwrap_err().to_string();
        assert_eq!(unknown, "there is no event \"login.fail\"; did you mean \"login.failed\"?");
        for none in ["", ".*", "log*", "logout.", "token.*.*"] {
            assert!(EventKinds::parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn details_are_bounded() {
        let what = Occurrence::new(EventKind::ClientCreated).with("name", &"é".repeat(1000));
        assert_eq!(what.detail["name"].chars().count(), MAX_DETAIL);
    }
}
