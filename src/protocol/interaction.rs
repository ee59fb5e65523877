//! What has to happen between a valid authorization request and its answer: one ordered list of checks.

use std::time::Duration;

use super::error::ErrorCode;
use super::prompt::Prompt;
use crate::base::clock::Timestamp;

/// What is known when the next step is to be named.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `prompt` of the request.
    pub prompt: Prompt,
    /// `max_age` of the request, in seconds.
    pub max_age: Option<u64>,
    /// When the request came: what the user did since then was done for it.
    pub requested_at: Timestamp,
    /// The browser's login, if it has one that is live.
    pub login: Option<Login<'a>>,
    /// `sub` of the verified `id_token_hint`.
    pub hinted_subject: Option<&'a str>,
    /// The subjects that the `claims` parameter names, if it does.
    pub claimed_subjects: Option<&'a [&'a str]>,
    /// What is known about the user's consent.
    pub consent: ConsentState,
    /// The present.
    pub now: Timestamp,
}

/// A browser's login.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// `sub` for the client.
    pub subject: &'a str,
    /// When they last proved it.
    pub auth_time: Timestamp,
    /// Whether they were chosen in the account chooser for this very request.
    pub chosen: bool,
}

/// What is known about a user's consent to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentState {
    /// They haven't agreed to all of it.
    Missing,
    /// They needn't be asked: the client doesn't require it, or an earlier consent covers it.
    NotNeeded,
    /// They have agreed to this very request.
    Given,
}

/// What has to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The user has to log in.
    Login {
        /// Why.
        reason: LoginReason,
        /// Who is expected to, if that is known.
        subject: Option<&'a str>,
    },
    /// The user has to choose an account.
    SelectAccount,
    /// The user has to be asked whether they agree.
    Consent,
    /// All is done: answer.
    Respond,
    /// It can't be done: answer with this error.
    Refuse(ErrorCode),
}

/// Why a user has to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason {
    /// Nobody is logged in.
    Nobody,
    /// Somebody else is than was asked for.
    SomebodyElse,
    /// `prompt=login`.
    Prompt,
    /// `max_age`: the login is too old.
    TooOld,
}

/// OpenID Connect Core 1.0 sections 3.1.2.3, 3.1.2.4 and 3.1.2.6: the next step of a request. Whoever has done a step asks
/// again, until the answer is [`Step::Respond`] or [`Step::Refuse`].
pub fn next_step<'a>(facts: &Facts<'a>) -> Step<'a> {
    let step = needed_step(facts);
    if !facts.prompt.has(Prompt::NONE) {
        return step;
    }
    // Section 3.1.2.1: with `prompt=none` no page may be shown; the error says which one would have been.
    match step {
        Step::Login { .. } => Step::Refuse(ErrorCode::LoginRequired),
        Step::SelectAccount => Step::Refuse(ErrorCode::AccountSelectionRequired),
        Step::Consent => Step::Refuse(ErrorCode::ConsentRequired),
        Step::Respond | Step::Refuse(_) => step,
    }
}

/// The list of checks, in order. Logging in also answers the question for an account, so that question comes after.
fn needed_step<'a>(facts: &Facts<'a>) -> Step<'a> {
    let log_in = |reason| Step::Login { reason, subject: facts.expected_subject() };
    let Some(login) = &facts.login else { return log_in(LoginReason::Nobody) };
    // Whoever logged in after the request came did so for it.
    let fresh = login.auth_time >= facts.requested_at;
    if !facts.accepts_subject(login.subject) {
        // Section 3.1.2.1, `id_token_hint`: the other one had the opportunity, so asking again would have no end.
        return if fresh || login.chosen {
            Step::Refuse(ErrorCode::LoginRequired)
        } else {
            log_in(LoginReason::SomebodyElse)
        };
    }
    if facts.prompt.has(Prompt::LOGIN) && !fresh {
        return log_in(LoginReason::Prompt);
    }
    if facts.max_age.is_some_and(|max_age| !fresh && is_too_old(login.auth_time, max_age, facts.now)) {
        return log_in(LoginReason::TooOld);
    }
    if facts.prompt.has(Prompt::SELECT_ACCOUNT) && !fresh && !login.chosen {
        return Step::SelectAccount;
    }
    match facts.consent {
        ConsentState::Missing => Step::Consent,
        ConsentState::NotNeeded if facts.prompt.has(Prompt::CONSENT) => Step::Consent,
        ConsentState::NotNeeded | ConsentState::Given => Step::Respond,
    }
}

impl<'a> Facts<'a> {
    /// Sections 3.1.2.1 and 5.5.1: whether an answer about this user is one that the client accepts.
    fn accepts_subject(&self, subject: &str) -> bool {
        self.hinted_subject.is_none_or(|hinted| hinted == subject)
            && self.claimed_subjects.is_none_or(|claimed| claimed.contains(&subject))
    }

    fn expected_subject(&self) -> Option<&'a str> {
        self.hinted_subject.or_else(|| self.claimed_subjects?.first().copied())
    }
}

/// Section 3.1.2.1: `max_age` counts whole seconds, as the client does that looks at `auth_time`. Zero asks for a new login
/// like `prompt=login` does.
fn is_too_old(auth_time: Timestamp, max_age: u64, now: Timestamp) -> bool {
    let seconds = |time: Timestamp| Timestamp::from_secs(time.as_secs());
    max_age == 0 || seconds(now).since(seconds(auth_time)) > Duration::from_secs(max_age)
}

#[cfg(test)]
#[path = "interaction_tests.rs"]
mod tests;
