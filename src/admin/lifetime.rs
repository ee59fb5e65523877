//! How long what a client gets lives, where that is not as the settings say.

use serde_json::{Map, Value};

use super::Problem;
use super::member::Members;
use crate::model::client::Lifetimes;
use crate::protocol::lifetime;

const CODE: &str = "code_lifetime";
const ACCESS_TOKEN: &str = "access_token_lifetime";
const ID_TOKEN: &str = "id_token_lifetime";
const REFRESH_IDLE: &str = "refresh_token_idle_lifetime";
const REFRESH_TOKEN: &str = "refresh_token_lifetime";

/// Takes the members of a call over, within the bounds of the settings; `null` is as these say.
pub(super) fn change(lifetimes: &mut Lifetimes, members: &mut Members) -> Result<(), Problem> {
    for (name, bounds, own) in [
        (CODE, lifetime::CODE, &mut lifetimes.code),
        (ACCESS_TOKEN, lifetime::ACCESS_TOKEN, &mut lifetimes.access_token),
        (ID_TOKEN, lifetime::ID_TOKEN, &mut lifetimes.id_token),
        (REFRESH_IDLE, lifetime::REFRESH_TOKEN, &mut lifetimes.refresh_idle),
        (REFRESH_TOKEN, lifetime::REFRESH_TOKEN, &mut lifetimes.refresh_token),
    ] {
        if let Some(time) = members.period(name, &bounds)? {
            *own = time;
        }
    }
    Ok(())
}

/// The rule between them.
pub(super) fn check(lifetimes: &Lifetimes) -> Result<(), Problem> {
    match (lifetimes.refresh_idle, lifetimes.refresh_token) {
        (Some(idle), Some(whole)) if idle > whole => {
            let why = format!("{REFRESH_IDLE} must not be longer than {REFRESH_TOKEN}");
            Err(Problem::invalid(REFRESH_IDLE, why))
        }
        _ => Ok(()),
    }
}

/// Those that there are, in seconds.
pub(super) fn render(lifetimes: &Lifetimes, body: &mut Map<String, Value>) {
    for (name, time) in [
        (CODE, lifetimes.code),
        (ACCESS_TOKEN, lifetimes.access_token),
        (ID_TOKEN, lifetimes.id_token),
        (REFRESH_IDLE, lifetimes.refresh_idle),
        (REFRESH_TOKEN, lifetimes.refresh_token),
    ] {
        if let Some(time) = time {
            body.insert(name.into(), time.as_secs().into());
        }
    }
}
