//! Users: people who log in.

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::codec;
use super::id::UserId;
use crate::base::clock::Timestamp;

/// The greatest length of a user name in characters.
pub const MAX_USERNAME: usize = 150;

/// A person who can log in.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct User {
    /// Never changes and is never given to another user.
    #[n(0)]
    pub id: UserId,
    /// What they type to log in; unique without regard to case.
    #[n(1)]
    pub username: String,
    /// Argon2id in the PHC string format; `None` means that no password opens the account.
    #[n(2)]
    pub password_hash: Option<String>,
    /// May administer hallpass.
    #[n(3)]
    pub admin: bool,
    /// A disabled user can't log in, and nothing issued for them works.
    #[n(4)]
    pub enabled: bool,
    /// Claims by their standard names (OpenID Connect Core 1.0 section 5.1) and any of the deployment's own.
    #[cbor(n(5), with = "codec::json")]
    pub claims: Map<String, Value>,
    /// Sessions and grants remember the generation they were made in; another one voids them.
    #[n(6)]
    pub generation: u32,
    /// When the user was created.
    #[n(7)]
    pub created_at: Timestamp,
    /// When the record was last changed.
    #[n(8)]
    pub updated_at: Timestamp,
    /// Counts the changes, for optimistic updates. The store sets it.
    #[n(9)]
    pub version: u64,
}

impl User {
    /// Ends all sessions and grants of this user.
    pub fn end_all(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Whether something made in `generation` is still theirs to use.
    pub fn stands_by(&self, generation: u32) -> bool {
        self.enabled && self.generation == generation
    }
}

/// The form of a user name that is compared: without surrounding white space, in lower case.
pub fn fold_username(username: &str) -> String {
    username.trim().to_lowercase()
}

/// Whether a text can be a user name: 1 to 150 characters, no control characters, no white space at the ends.
pub fn is_username(text: &str) -> bool {
    let length = text.chars().count();
    (1..=MAX_USERNAME).contains(&length) && text.trim() == text && !text.chars().any(char::is_control)
}
