use super::*;

const REQUESTED: Timestamp = Timestamp::from_millis(1_700_000_000_500);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_030_500);
/// A login of the hour before.
const BEFORE: Timestamp = Timestamp::from_millis(1_699_996_400_500);

fn user() -> &'static str {
    "ann"
}

fn facts(login: Option<Login<'_>>) -> Facts<'_> {
    Facts {
        prompt: Prompt::default(),
        max_age: None,
        requested_at: REQUESTED,
        login,
        hinted_subject: None,
        claimed_subjects: None,
        consent: ConsentState::NotNeeded,
        now: NOW,
    }
}

fn login(subject: &str, auth_time: Timestamp) -> Option<Login<'_>> {
    Some(Login { subject, auth_time, chosen: false })
}

fn log_in(reason: LoginReason) -> Step<'static> {
    Step::Login { reason, subject: None }
}

/// Every combination of facts against the sentences of the specification, stated one by one.
#[test]
fn oidc_core_3_1_2_all_combinations_keep_the_promises() {
    let user = user();
    let prompts = (0..16).map(|bits| {
        [Prompt::NONE, Prompt::LOGIN, Prompt::CONSENT, Prompt::SELECT_ACCOUNT]
            .into_iter()
            .enumerate()
            .filter(|(index, _)| bits >> index & 1 == 1)
            .fold(Prompt::default(), |set, (_, prompt)| set.with(prompt))
    });
    let logins = [None, Some((BEFORE, false)), Some((BEFORE, true)), Some((REQUESTED, false)), Some((NOW, true))];
    let max_ages = [None, Some(0), Some(60), Some(3629), Some(3630), Some(u64::MAX)];
    let subjects: [(Option<&str>, Option<&[&str]>); 6] = [
        (None, None),
        (Some("ann"), None),
        (Some("bob"), None),
        (None, Some(&["ann", "bob"])),
        (None, Some(&["bob"])),
        (Some("ann"), Some(&[])),
    ];
    let consents = [ConsentState::Missing, ConsentState::NotNeeded, ConsentState::Given];
    let mut seen = 0;
    for prompt in prompts {
        for at in logins {
            for max_age in max_ages {
                for (hinted_subject, claimed_subjects) in subjects {
                    for consent in consents {
                        let login = at.map(|(auth_time, chosen)| Login { subject: user, auth_time, chosen });
                        let facts =
                            Facts { prompt, max_age, hinted_subject, claimed_subjects, consent, ..facts(login) };
                        check(&facts);
                        seen += 1;
                    }
                }
            }
        }
    }
    assert_eq!(seen, 16 * 5 * 6 * 6 * 3);
}

fn check(facts: &Facts<'_>) {
    let step = next_step(facts);
    let silent = facts.prompt.has(Prompt::NONE);
    let shows_page = matches!(step, Step::Login { .. } | Step::SelectAccount | Step::Consent);
    assert!(!(silent && shows_page), "prompt=none never shows a page: {facts:?}");

    let fresh = facts.login.is_some_and(|login| login.auth_time >= facts.requested_at);
    let age = facts.login.map(|login| NOW.as_secs() - login.auth_time.as_secs());
    let right_user = facts.hinted_subject.is_none_or(|subject| subject == "ann")
        && facts.claimed_subjects.is_none_or(|subjects| subjects.contains(&"ann"));
    let young = facts.max_age.is_none_or(|max| max > 0 && age.is_some_and(|age| age <= max));
    let chosen = facts.login.is_some_and(|login| login.chosen);

    // What each promise asks for.
    let logged_in = facts.login.is_some();
    let authenticated = fresh || (!facts.prompt.has(Prompt::LOGIN) && young);
    let selected = fresh || chosen || !facts.prompt.has(Prompt::SELECT_ACCOUNT);
    let agreed = match facts.consent {
        ConsentState::Given => true,
        ConsentState::NotNeeded => !facts.prompt.has(Prompt::CONSENT),
        ConsentState::Missing => false,
    };
    let expected = if logged_in && !right_user && fresh {
        Step::Refuse(ErrorCode::LoginRequired)
    } else if !logged_in || !right_user || !authenticated {
        match step {
            Step::Login { .. } if !silent => step,
            _ => Step::Refuse(ErrorCode::LoginRequired),
        }
    } else if !selected {
        if silent { Step::Refuse(ErrorCode::AccountSelectionRequired) } else { Step::SelectAccount }
    } else if !agreed {
        if silent { Step::Refuse(ErrorCode::ConsentRequired) } else { Step::Consent }
    } else {
        Step::Respond
    };
    assert_eq!(step, expected, "{facts:?}");
}

#[test]
fn oidc_core_3_1_2_3_nobody_logged_in_means_logging_in() {
    assert_eq!(next_step(&facts(None)), log_in(LoginReason::Nobody));
    let select = Facts { prompt: Prompt::SELECT_ACCOUNT, ..facts(None) };
    assert_eq!(next_step(&select), log_in(LoginReason::Nobody), "logging in is choosing");
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_is_met_by_a_login_since_the_request_only() {
    let user = user();
    let just_before = REQUESTED - Duration::from_millis(1);
    for (auth_time, expected) in [
        (BEFORE, log_in(LoginReason::Prompt)),
        (just_before, log_in(LoginReason::Prompt)),
        (REQUESTED, Step::Respond),
        (NOW, Step::Respond),
    ] {
        let facts = Facts { prompt: Prompt::LOGIN, ..facts(login(user, auth_time)) };
        assert_eq!(next_step(&facts), expected, "{auth_time}");
    }
}

#[test]
fn oidc_core_3_1_2_1_max_age_counts_whole_seconds() {
    let user = user();
    // 3630.0 seconds lie between `BEFORE` and `NOW`.
    for (max_age, later, expected) in [
        (3630, 0, Step::Respond),
        (3630, 499, Step::Respond),
        (3630, 500, log_in(LoginReason::TooOld)),
        (3629, 0, log_in(LoginReason::TooOld)),
        (0, 0, log_in(LoginReason::TooOld)),
    ] {
        let now = NOW + Duration::from_millis(later);
        let facts = Facts { max_age: Some(max_age), now, ..facts(login(user, BEFORE)) };
        assert_eq!(next_step(&facts), expected, "{max_age} {later}");
    }
}

#[test]
fn oidc_core_3_1_2_1_max_age_is_met_by_a_login_for_the_request_however_long_the_user_takes_to_agree() {
    let user = user();
    for max_age in [0, 1] {
        let now = NOW + Duration::from_secs(500);
        let facts = Facts { max_age: Some(max_age), now, ..facts(login(user, REQUESTED)) };
        assert_eq!(next_step(&facts), Step::Respond, "no loop");
    }
}

#[test]
fn oidc_core_3_1_2_1_select_account_asks_once() {
    let user = user();
    let ask = Facts { prompt: Prompt::SELECT_ACCOUNT, ..facts(login(user, BEFORE)) };
    assert_eq!(next_step(&ask), Step::SelectAccount);
    let chosen = Facts { login: ask.login.map(|login| Login { chosen: true, ..login }), ..ask.clone() };
    assert_eq!(next_step(&chosen), Step::Respond);
    let both = Facts { prompt: Prompt::SELECT_ACCOUNT.with(Prompt::LOGIN), ..chosen };
    assert_eq!(next_step(&both), log_in(LoginReason::Prompt), "a choice is no proof");
}

#[test]
fn oidc_core_3_1_2_4_prompt_consent_wants_an_answer_to_this_request() {
    let user = user();
    for (consent, expected) in [
        (ConsentState::Missing, Step::Consent),
        (ConsentState::NotNeeded, Step::Consent),
        (ConsentState::Given, Step::Respond),
    ] {
        let facts = Facts { prompt: Prompt::CONSENT, consent, ..facts(login(user, BEFORE)) };
        assert_eq!(next_step(&facts), expected);
    }
}

#[test]
fn oidc_core_3_1_2_1_somebody_else_than_the_hint_names_logs_in_once_and_is_then_refused() {
    let user = user();
    let hinted = Facts { hinted_subject: Some("bob"), ..facts(login(user, BEFORE)) };
    assert_eq!(next_step(&hinted), Step::Login { reason: LoginReason::SomebodyElse, subject: Some("bob") });
    let again = Facts { hinted_subject: Some("bob"), ..facts(login(user, NOW)) };
    assert_eq!(next_step(&again), Step::Refuse(ErrorCode::LoginRequired));
}
