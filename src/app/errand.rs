//! Users who are elsewhere: at the login application, or where a hook has sent them. They take a handle along with which they come
//! back.
//!
//! A handle is the pending request, sealed with whom it is for: it costs no row however many set out, says nothing to whoever sees it,
//! and can't be made by anybody else. It holds in the browser where it began and only once; what is kept is which ones were used.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use minicbor::{Decode, Encode};

use super::App;
use super::browser::Browser;
use super::fault::Fault;
use super::pending::{self, Pending};
use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::base::secret::equal;
use crate::jose::seal::Sealer;
use crate::model::id::UserId;
use crate::store::Store;

/// So many used handles are remembered. Where there are more, the oldest may be used again, by the browser that did before.
const REMEMBERED: usize = 100_000;

/// A pending request whose user is elsewhere.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Errand {
    /// The request.
    #[n(0)]
    pub pending: Pending,
    /// What the user is there for.
    #[n(1)]
    pub purpose: Purpose,
    /// The browser that may come back.
    #[cbor(n(2), with = "minicbor::bytes")]
    browser: [u8; 16],
    /// By which it is known that it was used.
    #[cbor(n(3), with = "minicbor::bytes")]
    id: [u8; 16],
    /// When it ends.
    #[n(4)]
    pub until: Timestamp,
    /// The address to come back to, without the handle.
    #[n(5)]
    pub back: String,
}

/// What a user is elsewhere for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Purpose {
    /// To log in, at the login application.
    #[n(0)]
    Login,
    /// To come back from there: it has said who it is.
    #[n(1)]
    LoggedIn(#[n(0)] LoggedIn),
    /// To come back from there: it has refused, and the user is told this.
    #[n(2)]
    Refused(#[n(0)] Option<String>),
    /// Something that a hook wants them to do.
    #[n(3)]
    Detour(#[n(0)] Detour),
}

/// Who has logged in at the login application, and how.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LoggedIn {
    /// Who.
    #[n(0)]
    pub user: UserId,
    /// When.
    #[n(1)]
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    #[n(2)]
    pub amr: Vec<String>,
    /// The user's generation then: what ends all their sessions ends this, too.
    #[n(3)]
    pub generation: u32,
}

/// That a hook has sent a user elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Detour {
    /// The hook, by its place in the list.
    #[n(0)]
    pub hook: u32,
    /// Whom it has sent.
    #[n(1)]
    pub user: UserId,
}

impl Errand {
    /// One that begins now. It ends with the pending request.
    pub fn new(app: &App, browser: &Browser, pending: Pending, purpose: Purpose) -> Self {
        let until = pending.request.created_at + app.settings.lifetimes.pending;
        let back = format!("{}{}{PATH}", app.issuer.origin(), app.issuer.path());
        Self { pending, purpose, browser: *browser.as_bytes(), id: app.random.bytes(), until, back }
    }

    /// The handle.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn seal(&self, sealer: &Sealer, random: &Random) -> Result<String, Fault> {
        pending::seal(sealer, self, b"", random)
    }

    /// Opens a handle.
    ///
    /// # Errors
    /// An expired page when it is too old, or not ours at all.
    pub fn open(sealer: &Sealer, handle: Option<&str>, now: Timestamp) -> Result<Self, Fault> {
        let errand: Self = pending::open(sealer, handle, b"")?;
        if now < errand.until { Ok(errand) } else { Err(Fault::expired("the handle is too old")) }
    }

    /// Takes a handle that its browser has brought back. It holds no longer.
    ///
    /// # Errors
    /// An expired page when it was used, is too old, from another browser, or not ours at all.
    pub fn take(app: &App, browser: &Browser, handle: Option<&str>, now: Timestamp) -> Result<Self, Fault> {
        let errand = Self::open(&app.errands, handle, now)?;
        if !equal(&errand.browser, browser.as_bytes()) {
            return Err(Fault::expired("the handle is another browser's"));
        }
        if errand.purpose == Purpose::Login {
            return Err(Fault::expired("the login application has not answered"));
        }
        if !app.used_handles.add(errand.id) {
            return Err(Fault::expired("the handle was used before"));
        }
        Ok(errand)
    }
}

/// Where users come back, below the issuer.
pub const PATH: &str = "/authorize/resume";

/// What seals handles, wherever they are opened.
pub fn sealer(store: &Store) -> Sealer {
    store.server_key().sealer("errand")
}

/// The handles that were used, in memory: after a restart one that hasn't ended may be used again, by the browser that did before.
#[derive(Debug, Default)]
pub struct UsedHandles(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    all: HashSet<[u8; 16]>,
    /// The oldest first.
    order: VecDeque<[u8; 16]>,
}

impl UsedHandles {
    /// Whether this one is used for the first time.
    fn add(&self, id: [u8; 16]) -> bool {
        // Nothing can panic while it is held.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.all.insert(id) {
            return false;
        }
        used.order.push_back(id);
        if used.order.len() > REMEMBERED
            && let Some(oldest) = used.order.pop_front()
        {
            used.all.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_used_once_and_so_many_are_remembered() {
        let used = UsedHandles::default();
        let id = |number: usize| u128::try_from(number).unwrap().to_be_bytes();
        assert!((0..=REMEMBERED).all(|number| used.add(id(number))));
        assert!(!used.add(id(REMEMBERED)) && !used.add(id(1)));
        assert!(used.add(id(0)), "the oldest was forgotten");
        assert_eq!(used.0.lock().unwrap().all.len(), REMEMBERED);
    }
}
