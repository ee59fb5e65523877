//! Browsers in which a user has logged in before.
//!
//! Strangers who try passwords at an account from many addresses slow everybody down who logs in there, its owner too
//! (RFC 6819 section 5.1.4.2.3 warns of that). So a browser is given a cookie at each login, which [the
//! throttle](super::throttle) tells from strangers. It opens nothing: whoever has stolen it may guess, slowly, at the one
//! account that it is for. It costs no row, survives a restart, and ends with the user's generation, as sessions do.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::App;
use super::cookie::{Lifetime, SetCookie};
use super::fault::Fault;
use super::request::Request;
use crate::base::clock::Timestamp;
use crate::base::encode::{base64url, parse_base64url};
use crate::model::id::UserId;
use crate::model::user::User;

/// How long a browser is known after a login.
const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Longer values are not ours, in characters.
const MAX_SEALED: usize = 1024;

/// What the cookie holds, sealed.
#[derive(Encode, Decode)]
struct Known {
    /// Who logged in.
    #[n(0)]
    user: UserId,
    /// Their generation at that time.
    #[n(1)]
    generation: u32,
    /// Drawn at each login.
    #[cbor(n(2), with = "minicbor::bytes")]
    browser: [u8; 16],
    /// When it is forgotten.
    #[n(3)]
    until: Timestamp,
}

/// The browser, if this user has logged in with it before.
pub fn recognise(app: &App, request: &Request, user: &User) -> Option<[u8; 16]> {
    let sealed = request.cookie(app.cookies.known().name()).filter(|text| text.len() <= MAX_SEALED);
    let plain = app.known_browsers.open(&sealed.and_then(parse_base64url)?, &[])?;
    let known: Known = minicbor::decode(&plain).ok()?;
    let holds = known.user == user.id && user.stands_by(known.generation) && request.now() < known.until;
    holds.then_some(known.browser)
}

/// The cookie by which it will be known from now on. A new value each time: what was tried with the old one doesn't count
/// against it.
///
/// # Errors
/// When it can't be written.
pub fn remember(app: &App, request: &Request, user: &User) -> Result<SetCookie, Fault> {
    let known = Known {
        user: user.id.clone(),
        generation: user.generation,
        browser: app.random.bytes(),
        until: request.now() + KNOWN_FOR,
    };
    let plain = minicbor::to_vec(&known).map_err(|error| Fault::internal(error.to_string()))?;
    let sealed = app.known_browsers.seal(&plain, &[], &app.random);
    Ok(app.cookies.known().set(&base64url(sealed), Lifetime::For(KNOWN_FOR)))
}
