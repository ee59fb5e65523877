//! Usernames and passwords, wherever they come in: one rule for all, and one count of failures.

use std::net::IpAddr;
use std::sync::Arc;

use super::App;
use super::fault::Fault;
use super::hook::{self, Attempt};
use super::password::Verdict;
use super::throttle::{Caller, RetryAfter};
use crate::base::secret::Secret;
use crate::model::id::UserId;
use crate::model::user::{MAX_USERNAME, User, fold_username};

/// Authentication method reference of a password (RFC 8176 section 2).
pub const AMR: &str = "pwd";

/// The longest name in bytes, with some white space around it.
const MAX_TYPED: usize = 5 * MAX_USERNAME;

/// Why somebody isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such user, or they are disabled, or the password is another one. Which of these is for the log only.
    Wrong,
    /// Too many attempts have failed; nobody has looked at this one.
    Throttled(RetryAfter),
}

/// Whether what was typed is no longer than a user name may be, white space around it left out.
pub fn can_be_a_name(typed: &str) -> bool {
    typed.trim().chars().count() <= MAX_USERNAME && typed.len() <= MAX_TYPED
}

/// Verifies a username and a password. Whether the user is unknown or disabled, or the password wrong, makes no difference in
/// the answer or the time it takes; the log knows.
///
/// # Errors
/// More work than fits, and faults of the store. Neither counts as a failed attempt.
pub async fn log_in(
    app: &App,
    caller: Caller,
    username: &str,
    password: Secret,
) -> Result<Result<Arc<User>, Refusal>, Fault> {
    if !can_be_a_name(username) {
        return Ok(Err(Refusal::Wrong));
    }
    let address = caller.address;
    let attempt = match app.throttle.attempt(&fold_username(username), caller, app.clock.now()) {
        Ok(attempt) => attempt,
        Err(wait) => {
            tracing::warn!(%address, "login throttled");
            return Ok(Err(Refusal::Throttled(wait)));
        }
    };
    let verified = match verify(app, address, username, &password).await {
        Ok(verified) => verified,
        Err(fault) => {
            attempt.withdraw();
            return Err(fault);
        }
    };
    match verified {
        Ok((user, outdated)) => {
            attempt.succeeded();
            if outdated {
                renew_hash(app, &user, password).await;
            }
            Ok(Ok(user))
        }
        Err((user, reason)) => {
            attempt.failed();
            let user = user.as_ref().map(|user| &user.id);
            tracing::info!(%address, user = user.map(UserId::as_str), reason, "login failed");
            app.failed_logins.note(&app.store, user, address, reason, app.clock.now());
            Ok(Err(Refusal::Wrong))
        }
    }
}

/// Who it is, and whether their hash should be made anew; or why it is nobody, for the log.
type Verified = Result<(Arc<User>, bool), (Option<Arc<User>>, &'static str)>;

/// Only after the throttle has let it through: a refusal would tell by the time it takes whether there is such a user.
async fn verify(app: &App, address: IpAddr, username: &str, password: &Secret) -> Result<Verified, Fault> {
    match app.hooks.authenticate(Attempt { username, password, address }).await? {
        hook::Verdict::Pass => {}
        hook::Verdict::Refuse => return Ok(Err((None, "refused by a hook"))),
        hook::Verdict::User(id) => {
            return Ok(match app.store.user(&id).await? {
                Some(user) if user.enabled => Ok((user, false)),
                user => Err((user, "a hook names nobody who may log in")),
            });
        }
    }
    let user = app.store.user_by_username(username).await?;
    let stored = user.as_ref().filter(|user| user.enabled).and_then(|user| user.password_hash.as_deref());
    let verdict = app.passwords.verify(username, password.clone(), stored).await?;
    Ok(match (user, verdict) {
        (Some(user), Verdict::Right { outdated }) => Ok((user, outdated)),
        (None, _) => Err((None, "no such user")),
        (Some(user), Verdict::Wrong) if !user.enabled => Err((Some(user), "disabled")),
        (Some(user), Verdict::Wrong) => Err((Some(user), "wrong password")),
    })
}

/// Hashes the password again with today's parameters. That it doesn't work is no reason to refuse the login.
async fn renew_hash(app: &App, user: &User, password: Secret) {
    match app.passwords.hash(password).await {
        Ok(hash) => {
            let renewed = User { password_hash: Some(hash), ..user.clone() };
            if let Err(error) = app.store.update_user(renewed).await {
                tracing::warn!(user = %user.id, %error, "a password hash could not be renewed");
            }
        }
        Err(error) => tracing::warn!(user = %user.id, %error, "a password hash could not be renewed"),
    }
}
