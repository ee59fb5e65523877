//! Sessions: a browser in which a user has logged in.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::grant::Grant;
use super::id::{SessionId, UserId};
use super::user::User;
use crate::base::clock::Timestamp;
use crate::base::secret::Digest;

/// The scope of grants that are to outlive the session (OpenID Connect Core 1.0 section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// Requests that arrive together may see the clock a little out of order, and clocks are adjusted in small steps.
const CLOCK_LEEWAY: Duration = Duration::from_secs(1);

/// A browser's login. The browser holds the bearer value, the row its digest.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Session {
    /// Row key; its text is the `sid` claim.
    #[n(0)]
    pub id: SessionId,
    /// Of the random part of the bearer value.
    #[n(1)]
    pub digest: Digest,
    /// Who logged in.
    #[n(2)]
    pub user: UserId,
    /// The user's generation at that time.
    #[n(3)]
    pub user_generation: u32,
    /// When they last proved who they are in this browser: `auth_time` of OpenID Connect Core 1.0 section 2.
    #[n(4)]
    pub auth_time: Timestamp,
    /// How they proved it: `amr` (RFC 8176).
    #[n(5)]
    pub amr: Vec<String>,
    /// The last use, to within [`Session::SEEN_STEP`].
    #[n(6)]
    pub seen_at: Timestamp,
    /// The end, whatever happens.
    #[n(7)]
    pub ends_at: Timestamp,
    /// The browser's `User-Agent`, cut to a bounded length, for the user's list of devices.
    #[n(8)]
    pub user_agent: String,
    /// The address of the login.
    #[n(9)]
    pub address: String,
    /// The first of several sessions of this user in this browser, each of which took the place of the one before.
    #[n(10)]
    pub continues: Option<SessionId>,
}

impl Session {
    /// Uses closer together than this aren't worth a write.
    pub const SEEN_STEP: Duration = Duration::from_secs(300);

    /// What grants and ID tokens call it. Who proves again in the same browser that they are themselves goes on with the
    /// same session, as clients see it.
    pub fn sid(&self) -> SessionId {
        self.continues.unwrap_or(self.id)
    }

    /// Whether the session holds for this user at this time.
    ///
    /// One from the future does not: the clock was set back since, and until it got there again the login would count as
    /// newer than every request that asks for a new one, and live longer than it may.
    pub fn is_live(&self, user: &User, idle: Duration, now: Timestamp) -> bool {
        self.auth_time <= now + CLOCK_LEEWAY
            && now < self.ends_at
            && now < self.seen_at + idle
            && self.user == user.id
            && user.stands_by(self.user_generation)
    }

    /// Whether its last use should be written down again.
    pub fn is_worth_touching(&self, now: Timestamp) -> bool {
        now >= self.seen_at + Self::SEEN_STEP
    }
}

/// A session that ended by a logout, and what ended with it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndedSession {
    /// Which one: [`Session::sid`].
    #[n(0)]
    pub sid: SessionId,
    /// Which of its grants.
    #[n(1)]
    pub grants: EndedGrants,
    /// The time after which none of them could live anyway.
    #[n(2)]
    pub needed_until: Timestamp,
}

/// Which grants end with their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EndedGrants {
    /// Those that aren't meant for the time when the user is away (OpenID Connect Back-Channel Logout 1.0 section 2.7:
    /// refresh tokens with `offline_access` normally stay).
    #[n(0)]
    Online,
    /// All.
    #[n(1)]
    All,
}

impl EndedSession {
    /// Whether a grant ended with it.
    pub fn ends(&self, grant: &Grant) -> bool {
        let is_meant = match self.grants {
            EndedGrants::Online => !grant.scope.contains(OFFLINE_ACCESS),
            EndedGrants::All => true,
        };
        is_meant && grant.session == Some(self.sid)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::base::random::Random;
    use crate::model::id::Bearer;

    #[test]
    fn a_login_from_the_future_is_none() {
        let now = Timestamp::from_secs(1_000_000);
        let user = User {
            id: UserId::new("u"),
            username: "ada".into(),
            password_hash: None,
            admin: false,
            enabled: true,
            claims: Map::new(),
            generation: 3,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        let bearer = Bearer::mint(now + Duration::from_secs(3600), &Random::seeded("session"));
        let at = |auth_time: Timestamp| Session {
            id: SessionId(bearer.id()),
            digest: bearer.digest(),
            user: user.id.clone(),
            user_generation: 3,
            auth_time,
            amr: Vec::new(),
            seen_at: auth_time,
            ends_at: now + Duration::from_secs(3600),
            user_agent: String::new(),
            address: String::new(),
            continues: None,
        };
        let idle = Duration::from_secs(60);
        assert!(at(now).is_live(&user, idle, now));
        assert!(at(now + Duration::from_millis(1000)).is_live(&user, idle, now), "requests overtake each other");
        assert!(!at(now + Duration::from_millis(1001)).is_live(&user, idle, now));
        assert!(!at(now + Duration::from_secs(600)).is_live(&user, idle, now));
    }
}
