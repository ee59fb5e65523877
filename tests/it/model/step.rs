//! Random steps. A step is a handful of numbers that become an act where it is taken, so that any part of a sequence is a
//! sequence too: that makes a failing one easy to shorten.

use std::collections::BTreeMap;

use super::act::{Act, DAY, Name, REGISTRATIONS, SCOPES, SECOND, Scope, USERS};
use super::reference::Reference;
use super::world::World;
use crate::harness::dice::Dice;

#[derive(Clone, Copy, Debug)]
pub struct Step([usize; 5]);

impl Step {
    pub fn random(dice: &mut Dice) -> Self {
        Self([(); 5].map(|()| dice.below(1 << 16)))
    }
}

/// What can be done where the provider is, beside what can be done everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its clock moves when the test says so, and its store can be used directly.
    Here,
    /// From outside only.
    There,
}

/// The act that a step is at this moment; `fresh` is a number that no password and no secret has had.
pub fn choose(step: Step, world: &World, reference: &Reference, reach: Reach, fresh: usize) -> Act {
    let Step([kind, which, how, more, last]) = step;
    let (user, client) = (which % USERS, how % REGISTRATIONS.len());
    // All of them and each of them, but not nothing.
    let scope = scope_of(more);
    let held = world.held(user);
    let rarely = |right: usize, wrong: usize| if last.is_multiple_of(10) { wrong } else { right };
    match kind % 100 {
        0..8 => {
            let password = rarely(reference.password(user), how % (fresh + 1));
            Act::LogIn { user, password, client, held }
        }
        8..9 => Act::LogOut { user, held },
        9..19 => Act::Agree { user, client, scope, held },
        19..29 => Act::Silent { user, client, scope, held },
        29..46 => match pick(&world.codes, which) {
            Some(code) => {
                let owner = reference.owner_of_code(code).unwrap_or(client);
                let client = rarely(owner, client);
                let secret = if more.is_multiple_of(20) { more % (fresh + 1) } else { reference.secret(client) };
                let (verifier, redirect) = (!more.is_multiple_of(11), !more.is_multiple_of(13));
                Act::Redeem { code, client, secret, verifier, redirect }
            }
            None => Act::Agree { user, client, scope, held },
        },
        46..74 => match retry(world, reference, which, how).or_else(|| pick(&world.refresh, which)) {
            Some(token) => {
                let owner = reference.owner_of_refresh(token).unwrap_or(client);
                let client = rarely(owner, client);
                let secret = if how.is_multiple_of(20) { how % (fresh + 1) } else { reference.secret(client) };
                let scope = (more % 4 == 0).then(|| scope_of(more / 4));
                Act::Refresh { token, client, secret, scope }
            }
            None => Act::Silent { user, client, scope, held },
        },
        74..78 => match pick(&world.access, which) {
            Some(token) => Act::Userinfo { token },
            None => Act::LogIn { user, password: reference.password(user), client, held },
        },
        78..91 if reach == Reach::Here => match how % 8 {
            0 => Act::Sweep,
            1 => Act::Restart,
            _ => Act::Pass { time: time(reference, which, more, last) },
        },
        78..91 => match pick(&world.refresh, which % 3) {
            Some(token) => {
                let client = reference.owner_of_refresh(token).unwrap_or(client);
                Act::Refresh { token, client, secret: reference.secret(client), scope: None }
            }
            None => Act::LogIn { user, password: reference.password(user), client, held },
        },
        91 => Act::SetPassword { user, password: fresh },
        92..94 => Act::Enable { user, on: last % 3 != 0 },
        94 if more.is_multiple_of(2) => Act::DeleteUser { user },
        94..96 => Act::CreateUser { user, password: fresh },
        96 => Act::RotateSecret { client, secret: fresh },
        97 if more.is_multiple_of(2) => Act::DeleteClient { client },
        97..99 => Act::CreateClient { client, secret: fresh },
        _ if reach == Reach::Here => Act::Withdraw { user, client },
        _ => Act::SetPassword { user, password: fresh },
    }
}

pub fn scope_of(number: usize) -> Scope {
    let all = (1 << SCOPES.len()) - 1;
    let scope = u8::try_from(number % (all + 1)).unwrap();
    // Mostly with `openid`, as relying parties ask.
    if number.is_multiple_of(5) && scope != 0 { scope } else { scope | 1 }
}

/// One of them, and mostly a late one: much happens to what is new.
fn pick<T>(all: &BTreeMap<Name, T>, number: usize) -> Option<Name> {
    let reach = if number.is_multiple_of(4) { all.len() } else { all.len().min(3) };
    if reach == 0 {
        return None;
    }
    all.keys().rev().nth(number / 4 % reach).copied()
}

/// Every third time one that was used and may be forgiven, if there is one.
fn retry(world: &World, reference: &Reference, which: usize, how: usize) -> Option<Name> {
    let mut forgiven = reference.forgiven();
    forgiven.retain(|(token, _)| world.refresh.contains_key(token));
    let (token, _) = forgiven.get(which % forgiven.len().max(1)).filter(|_| how.is_multiple_of(3))?;
    Some(*token)
}

/// Some time: a little, or until just before, at or just after something ends.
fn time(reference: &Reference, which: usize, more: usize, last: usize) -> u64 {
    let deadlines = reference.deadlines();
    let forgiven = reference.forgiven();
    // Just at it, just after it, just before it.
    let edge = |end: u64| end - reference.now + [1, 2, 0][more % 3] - 1;
    match last % 8 {
        0 => more as u64,
        1 => (more as u64 % 120) * SECOND,
        2 if more.is_multiple_of(4) => (which as u64 % 100) * DAY,
        3 | 4 if forgiven.last().is_some_and(|(_, end)| *end > reference.now) => edge(forgiven[forgiven.len() - 1].1),
        _ if deadlines.is_empty() => 1,
        // What ends soon more often than what ends late.
        _ => {
            let reach = if more.is_multiple_of(8) { deadlines.len() } else { deadlines.len().min(6) };
            edge(deadlines[which % reach])
        }
    }
}
