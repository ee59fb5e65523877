//! Logout requests that wait for their user, as [authorization requests](super::pending) do: sealed into the pages between.

use minicbor::{Decode, Encode};

use super::App;
use super::browser::Browser;
use super::fault::Fault;
use super::pending;
use crate::base::clock::Timestamp;
use crate::protocol::logout::Logout;

/// A logout request that a client sent.
#[derive(Clone, Debug, Encode, Decode)]
pub struct PendingLogout {
    /// What is proven of it.
    #[n(0)]
    pub logout: Logout,
    /// When it came.
    #[n(1)]
    created_at: Timestamp,
}

impl PendingLogout {
    /// A request that has just come in.
    pub const fn new(logout: Logout, now: Timestamp) -> Self {
        Self { logout, created_at: now }
    }

    /// As it stands in the parameter `pending`: for one browser, or for whoever follows a redirect, since a cross-site POST
    /// brings no cookies along.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn seal(&self, app: &App, browser: Option<&Browser>) -> Result<String, Fault> {
        pending::seal(&app.pending_logouts, self, bound(browser), &app.random)
    }

    /// Opens the parameter `pending`.
    ///
    /// # Errors
    /// An expired page when it is missing, too old, from another browser, or not ours at all.
    pub fn open(app: &App, sealed: Option<&str>, browser: Option<&Browser>, now: Timestamp) -> Result<Self, Fault> {
        let pending: Self = pending::open(&app.pending_logouts, sealed, bound(browser))?;
        if now >= pending.created_at + app.settings.lifetimes.pending {
            return Err(Fault::expired("the pending request is too old"));
        }
        Ok(pending)
    }
}

fn bound(browser: Option<&Browser>) -> &[u8] {
    browser.map_or(b"transit", |browser| browser.as_bytes())
}
