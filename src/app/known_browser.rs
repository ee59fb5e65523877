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
use crate::model::user::{User, fold_username};

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

/// The browser, if whoever is called `username` has logged in with it before. Looks only for the user whom a cookie of ours
/// names, never for the name that was typed: how long this takes tells nothing about a name to whoever has no such cookie.
///
/// # Errors
/// When the store can't be read.
pub async fn recognise(app: &App, request: &Request, username: &str) -> Result<Option<[u8; 16]>, Fault> {
    let Some(known) = open(app, request) else { return Ok(None) };
    let user = app.store.user(&known.user).await?;
    let holds = user.is_some_and(|user| {
        fold_username(&user.username) == fold_username(username) && user.stands_by(known.generation)
    });
    Ok(holds.then_some(known.browser))
}

/// What the cookie says, if it is one of ours and its time isn't over.
fn open(app: &App, request: &Request) -> Option<Known> {
    let sealed = request.cookie(app.cookies.known().name()).filter(|text| text.len() <= MAX_SEALED);
    let plain = app.known_browsers.open(&sealed.and_then(parse_base64url)?, &[])?;
    minicbor::decode(&plain).ok().filter(|known: &Known| request.now() < known.until)
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
