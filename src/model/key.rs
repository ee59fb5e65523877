//! Signing keys and the states they go through, by command and by themselves.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::codec;
use super::id::KeyId;
use crate::base::clock::Timestamp;
use crate::jose::alg::Algorithm;
use crate::jose::jwk::PublicKey;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyState {
    /// Published, so that relying parties know it before it signs.
    #[n(0)]
    Next,
    /// Published, and signs. There is one active key of an algorithm at most.
    #[n(1)]
    Active,
    /// Signs no more, but is published for as long as what it signed may be in use.
    #[n(2)]
    Retired,
    /// Not published any more, and its private part is gone. What it signed is still known as ours when it comes back as a hint.
    #[n(3)]
    Withdrawn,
}

impl KeyState {
    /// The name in lists and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether it is in the JWK Set.
    pub const fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Retired => true,
            Self::Withdrawn => false,
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A signing key. Its private part is sealed apart from this record and never in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    #[n(0)]
    pub id: KeyId,
    /// What it signs.
    #[cbor(n(1), with = "codec::algorithm")]
    pub algorithm: Algorithm,
    /// Size of the modulus in bits.
    #[n(2)]
    pub bits: u32,
    /// Where it is in its life.
    #[n(3)]
    pub state: KeyState,
    /// When it was made or imported.
    #[n(4)]
    pub created_at: Timestamp,
    /// When it first signed.
    #[n(5)]
    pub activated_at: Option<Timestamp>,
    /// When it signed last.
    #[n(6)]
    pub retired_at: Option<Timestamp>,
    /// What verifies its signatures.
    #[n(7)]
    pub public: PublicKey,
}

impl SigningKey {
    /// Whether a clock that was wrong gave it one of its times.
    fn is_ahead_of(&self, now: Timestamp) -> bool {
        [Some(self.created_at), self.activated_at, self.retired_at].into_iter().flatten().any(|at| at > now + AHEAD)
    }
}

/// Why a key can't be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is no key of that id.
    Unknown,
    /// It is the key that signs: another one has to be promoted first.
    Active,
    /// It is in that state already.
    Already(KeyState),
    /// Its private part is gone.
    Withdrawn,
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such key"),
            Self::Active => f.write_str("it is the active key: promote another one first"),
            Self::Already(state) => write!(f, "it is {state} already"),
            Self::Withdrawn => f.write_str("it is withdrawn: its private part is gone"),
        }
    }
}

/// What becomes of a list of keys when `key` is asked to sign: it becomes active, the one that signed so far retires.
/// Gives the changed records.
///
/// # Errors
/// [`KeyRefusal`] when there is nothing to do.
pub fn decide_promote(keys: &[SigningKey], key: &KeyId, now: Timestamp) -> Result<Vec<SigningKey>, KeyRefusal> {
    let chosen = find(keys, key)?;
    match chosen.state {
        KeyState::Active => return Err(KeyRefusal::Already(KeyState::Active)),
        KeyState::Withdrawn => return Err(KeyRefusal::Withdrawn),
        KeyState::Next | KeyState::Retired => {}
    }
    let so_far = keys.iter().filter(|other| other.state == KeyState::Active && other.algorithm == chosen.algorithm);
    let retired = so_far.map(|other| SigningKey { state: KeyState::Retired, retired_at: Some(now), ..other.clone() });
    let active = SigningKey { state: KeyState::Active, activated_at: Some(now), retired_at: None, ..chosen.clone() };
    Ok(retired.chain([active]).collect())
}

/// The record of a key that will sign no more.
///
/// # Errors
/// [`KeyRefusal`] when it is the one that signs, or has retired.
pub fn decide_retire(keys: &[SigningKey], key: &KeyId, now: Timestamp) -> Result<SigningKey, KeyRefusal> {
    let chosen = find(keys, key)?;
    match chosen.state {
        KeyState::Active => Err(KeyRefusal::Active),
        state @ (KeyState::Retired | KeyState::Withdrawn) => Err(KeyRefusal::Already(state)),
        KeyState::Next => Ok(SigningKey { state: KeyState::Retired, retired_at: Some(now), ..chosen.clone() }),
    }
}

/// Whether a key may be deleted. From then on nothing that it signed can be verified.
///
/// # Errors
/// [`KeyRefusal`] when it is the one that signs.
pub fn decide_delete(keys: &[SigningKey], key: &KeyId) -> Result<(), KeyRefusal> {
    if find(keys, key)?.state == KeyState::Active { Err(KeyRefusal::Active) } else { Ok(()) }
}

/// The state of a key that is added to `keys`: the first of its algorithm signs at once.
pub fn decide_first_state(keys: &[SigningKey], algorithm: Algorithm) -> KeyState {
    let signs = |key: &SigningKey| key.state == KeyState::Active && key.algorithm == algorithm;
    if keys.iter().any(signs) { KeyState::Next } else { KeyState::Active }
}

/// How keys change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// For how long a key signs; zero: until somebody promotes another one.
    pub rotate_every: Duration,
    /// For how long a key is published, at least, before it signs.
    pub publish_ahead: Duration,
    /// For how long a key stays published after it has signed last.
    pub publish_after: Duration,
    /// What of that is the life of an ID token.
    pub id_token: Duration,
    /// For how long, after a key has signed last, what it signed is taken as a hint. Not shorter than `publish_after`.
    pub accept_after: Duration,
}

impl Schedule {
    /// The same where some ID tokens live for `id_token`, and some logins go on for `login`.
    #[must_use]
    pub fn covering(mut self, id_token: Duration, login: Duration) -> Self {
        self.publish_after += id_token.saturating_sub(self.id_token);
        self.id_token = self.id_token.max(id_token);
        self.accept_after = self.accept_after.max(self.publish_after).max(login);
        self
    }
}

/// What comes of a key by itself, as far as it is known. What isn't due to happen is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// When it will sign.
    pub activates_at: Option<Timestamp>,
    /// When it will sign no more.
    pub retires_at: Option<Timestamp>,
    /// When it will leave the JWK Set.
    pub leaves_at: Option<Timestamp>,
    /// When it will be deleted.
    pub expires_at: Option<Timestamp>,
}

/// What a key's times may be ahead of the clock without anybody minding: so much is waited for.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// A step that keys take by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A key has to be made, to sign after the active one.
    Make {
        /// What it is to sign.
        algorithm: Algorithm,
        /// The size of the active key.
        bits: u32,
    },
    /// A key signs from now on: [`decide_promote`].
    Promote(KeyId),
    /// A key leaves the JWK Set: [`decide_withdraw`].
    Withdraw(KeyId),
    /// A key is deleted: [`decide_delete`].
    Delete(KeyId),
    /// A key has times that a wrong clock gave it, and would wait for them for years: [`decide_restamp`].
    Restamp(KeyId),
}

/// What comes of one of `keys` by itself.
pub fn outlook(keys: &[SigningKey], key: &SigningKey, schedule: &Schedule, now: Timestamp) -> Outlook {
    let mut outlook = Outlook::default();
    let of_state = |state| keys.iter().find(|other| other.state == state && other.algorithm == key.algorithm);
    match (key.state, of_state(KeyState::Active), of_state(KeyState::Next)) {
        (KeyState::Active, _, next) => {
            let published = next.map_or(now, |next| next.created_at);
            outlook.retires_at = changes_at(key, published, schedule);
        }
        // The oldest that waits is the next to sign. When the others will is open.
        (KeyState::Next, Some(active), Some(next)) if next.id == key.id => {
            outlook.activates_at = changes_at(active, key.created_at, schedule);
        }
        (KeyState::Next, ..) => {}
        (KeyState::Retired, ..) => {
            outlook.leaves_at = key.retired_at.map(|at| at + schedule.publish_after);
            outlook.expires_at = expires_at(key, schedule);
        }
        (KeyState::Withdrawn, ..) => outlook.expires_at = expires_at(key, schedule),
    }
    outlook
}

/// When the active key gives way to one that has been published since `published`.
fn changes_at(active: &SigningKey, published: Timestamp, schedule: &Schedule) -> Option<Timestamp> {
    let is_over = active.activated_at.unwrap_or(active.created_at) + schedule.rotate_every;
    (!schedule.rotate_every.is_zero()).then(|| is_over.max(published + schedule.publish_ahead))
}

/// When nothing that a retired key signed is of use any more. One that never signed goes as soon as it may be withdrawn.
fn expires_at(key: &SigningKey, schedule: &Schedule) -> Option<Timestamp> {
    let time = if key.activated_at.is_some() { schedule.accept_after } else { schedule.publish_after };
    key.retired_at.map(|at| at + time)
}

/// The steps that `keys` have to take by now, one for each of them at most. They don't touch each other's keys, so all of them
/// can be taken at once. While times come from a clock that was wrong, nothing is decided by them.
pub fn decide_due(keys: &[SigningKey], schedule: &Schedule, now: Timestamp) -> Vec<Due> {
    let ahead: Vec<_> =
        keys.iter().filter(|key| key.is_ahead_of(now)).map(|key| Due::Restamp(key.id.clone())).collect();
    if !ahead.is_empty() {
        return ahead;
    }
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let step = |key: &SigningKey| {
        let outlook = outlook(keys, key, schedule, now);
        let waits = |other: &SigningKey| other.state == KeyState::Next && other.algorithm == key.algorithm;
        if is_due(outlook.expires_at) {
            Some(Due::Delete(key.id.clone()))
        } else if is_due(outlook.leaves_at) {
            Some(Due::Withdraw(key.id.clone()))
        } else if is_due(outlook.activates_at) {
            Some(Due::Promote(key.id.clone()))
        } else if is_due(outlook.retires_at.map(|at| at - schedule.publish_ahead)) && !keys.iter().any(waits) {
            Some(Due::Make { algorithm: key.algorithm, bits: key.bits })
        } else {
            None
        }
    };
    keys.iter().filter_map(step).collect()
}

/// The record of a key whose times are ahead of the clock, with none that is. What it waits for begins now: it has been published
/// for no longer, and signed last no earlier, as far as anybody can tell.
pub fn decide_restamp(keys: &[SigningKey], key: &KeyId, now: Timestamp) -> Option<SigningKey> {
    let chosen = find(keys, key).ok().filter(|key| key.is_ahead_of(now))?;
    let past = |at: Timestamp| at.min(now);
    let (created_at, activated_at) = (past(chosen.created_at), chosen.activated_at.map(past));
    Some(SigningKey { created_at, activated_at, retired_at: chosen.retired_at.map(past), ..chosen.clone() })
}

/// The record of a retired key that leaves the JWK Set. Its private part goes too: it never signs again.
pub fn decide_withdraw(keys: &[SigningKey], key: &KeyId) -> Option<SigningKey> {
    let chosen = find(keys, key).ok().filter(|key| key.state == KeyState::Retired)?;
    Some(SigningKey { state: KeyState::Withdrawn, ..chosen.clone() })
}

fn find<'a>(keys: &'a [SigningKey], key: &KeyId) -> Result<&'a SigningKey, KeyRefusal> {
    keys.iter().find(|other| other.id == *key).ok_or(KeyRefusal::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
    const MILLISECOND: Duration = Duration::from_millis(1);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SCHEDULE: Schedule = Schedule {
        rotate_every: days(90),
        publish_ahead: days(2),
        publish_after: Duration::from_secs(75 * 60),
        id_token: Duration::from_secs(10 * 60),
        accept_after: days(60),
    };

    #[test]
    fn what_clients_have_of_their_own_keeps_keys_for_longer_and_never_for_less() {
        let minute = Duration::from_secs(60);
        assert_eq!(SCHEDULE.covering(minute, days(1)), SCHEDULE);
        let longer = SCHEDULE.covering(30 * minute, days(61));
        assert_eq!((longer.publish_after, longer.accept_after), (95 * minute, days(61)));
        let longest = longer.covering(days(70), days(1));
        assert_eq!(longest.publish_after, 65 * minute + days(70));
        assert_eq!(longest.accept_after, longest.publish_after, "what is published is taken as a hint");
    }

    const fn days(number: u32) -> Duration {
        DAY.saturating_mul(number)
    }

    fn key(id: &str, state: KeyState, created_at: Timestamp) -> SigningKey {
        SigningKey {
            id: KeyId::new(id),
            algorithm: Algorithm::Rs256,
            bits: 3072,
            state,
            created_at,
            activated_at: (state != KeyState::Next).then_some(created_at),
            retired_at: None,
            public: PublicKey::rsa(&[255; 256], &[1, 0, 1]).unwrap(),
        }
    }

    fn active(since: Timestamp) -> SigningKey {
        key("active", KeyState::Active, since)
    }

    fn retired(state: KeyState, at: Timestamp) -> SigningKey {
        SigningKey { retired_at: Some(at), ..key("old", state, T0) }
    }

    /// The steps that are due a moment before, and at this time.
    fn around(keys: &[SigningKey], at: Timestamp) -> (Vec<Due>, Vec<Due>) {
        (decide_due(keys, &SCHEDULE, at - MILLISECOND), decide_due(keys, &SCHEDULE, at))
    }

    fn promote(id: &str) -> Vec<Due> {
        vec![Due::Promote(KeyId::new(id))]
    }

    #[test]
    fn oidc_core_10_1_1_a_key_is_made_in_time_to_be_published_before_it_signs() {
        let make = vec![Due::Make { algorithm: Algorithm::Rs256, bits: 3072 }];
        assert_eq!(around(&[active(T0)], T0 + days(88)), (vec![], make.clone()));
        assert_eq!(decide_due(&[active(T0)], &SCHEDULE, T0 + days(1000)), make, "however late");
        let waiting = [active(T0), key("next", KeyState::Next, T0 + days(88))];
        assert_eq!(decide_due(&waiting, &SCHEDULE, T0 + days(88)), [], "there is one");
        let other = SigningKey { algorithm: Algorithm::Hs256, ..key("other", KeyState::Next, T0) };
        assert_eq!(decide_due(&[active(T0), other], &SCHEDULE, T0 + days(88)), make, "for another algorithm");
    }

    #[test]
    fn oidc_core_10_1_1_a_key_signs_when_its_turn_comes_and_not_before_everybody_knows_it() {
        let in_time = [active(T0), key("next", KeyState::Next, T0 + days(88))];
        assert_eq!(around(&in_time, T0 + days(90)), (vec![], promote("next")));
        let by_hand = [active(T0), key("early", KeyState::Next, T0), key("later", KeyState::Next, T0 + days(1))];
        assert_eq!(around(&by_hand, T0 + days(90)), (vec![], promote("early")), "the others go on waiting");
        let late = [active(T0), key("next", KeyState::Next, T0 + days(95))];
        assert_eq!(around(&late, T0 + days(97)), (vec![], promote("next")));
    }

    #[test]
    fn a_key_leaves_when_what_it_signed_has_expired_and_goes_when_that_is_no_hint_any_more() {
        let (at, old) = (T0 + days(90), KeyId::new("old"));
        let withdraw = vec![Due::Withdraw(old.clone())];
        let delete = vec![Due::Delete(old)];
        let published = [retired(KeyState::Retired, at)];
        assert_eq!(around(&published, at + SCHEDULE.publish_after), (vec![], withdraw.clone()));
        assert_eq!(around(&published, at + days(60)), (withdraw, delete.clone()), "nobody looked for long");
        let withdrawn = [retired(KeyState::Withdrawn, at)];
        assert_eq!(around(&withdrawn, at + days(60)), (vec![], delete.clone()));
        let unused = [SigningKey { activated_at: None, ..retired(KeyState::Retired, at) }];
        assert_eq!(around(&unused, at + SCHEDULE.publish_after), (vec![], delete), "it never signed");
    }

    #[test]
    fn where_nothing_signs_or_nothing_is_to_change_nothing_is_made() {
        let late = T0 + days(10_000);
        assert_eq!(decide_due(&[], &SCHEDULE, late), []);
        assert_eq!(decide_due(&[key("next", KeyState::Next, T0)], &SCHEDULE, late), []);
        let by_hand = Schedule { rotate_every: Duration::ZERO, ..SCHEDULE };
        let keys = [active(T0), key("next", KeyState::Next, T0), retired(KeyState::Retired, T0)];
        assert_eq!(decide_due(&keys, &by_hand, late), [Due::Delete(KeyId::new("old"))], "what was left behind goes");
        assert_eq!(decide_due(&keys[..2], &SCHEDULE, T0 - days(1)), [], "by a clock that is behind");
    }

    #[test]
    fn a_key_that_a_wrong_clock_made_gets_its_turn_once_everybody_has_had_time_to_know_it() {
        let now = T0 + days(88);
        let keys = [active(T0), key("next", KeyState::Next, T0 + days(5000))];
        let id = KeyId::new("next");
        assert_eq!(decide_due(&keys, &SCHEDULE, now), [Due::Restamp(id.clone())]);
        let next = decide_restamp(&keys, &id, now).unwrap();
        assert_eq!(next, key("next", KeyState::Next, now));
        let keys = [active(T0), next];
        assert_eq!(decide_due(&keys, &SCHEDULE, now), []);
        assert_eq!(around(&keys, now + days(2)), (vec![], promote("next")));
        assert_eq!(decide_restamp(&keys, &id, now), None);
        let soon = [active(T0), key("next", KeyState::Next, now + days(1))];
        assert_eq!(decide_due(&soon, &SCHEDULE, now), [], "less than a day is waited for");
    }

    #[test]
    fn keys_that_changed_by_a_wrong_clock_are_all_counted_from_now() {
        let (now, wrong) = (T0 + days(10), T0 + days(5000));
        let signs = SigningKey { activated_at: Some(wrong), ..active(T0) };
        // What it waits for is over by its own times: they must not decide while others are wrong.
        let due = key("next", KeyState::Next, T0 - days(100));
        let keys = [signs, retired(KeyState::Retired, wrong), due];
        let ids = ["active", "old"].map(KeyId::new);
        assert_eq!(decide_due(&keys, &SCHEDULE, now), ids.clone().map(Due::Restamp));
        let [signs, old] = ids.map(|id| decide_restamp(&keys, &id, now).unwrap());
        assert_eq!((signs.state, signs.created_at, signs.activated_at), (KeyState::Active, T0, Some(now)));
        assert_eq!((old.state, old.activated_at, old.retired_at), (KeyState::Retired, Some(T0), Some(now)));
        let keys = [signs, old];
        assert_eq!(outlook(&keys, &keys[0], &SCHEDULE, now).retires_at, Some(now + days(90)));
        assert_eq!(outlook(&keys, &keys[1], &SCHEDULE, now).leaves_at, Some(now + SCHEDULE.publish_after));
    }

    #[test]
    fn steps_that_are_due_at_once_are_of_different_keys() {
        let keys = [active(T0), key("next", KeyState::Next, T0), retired(KeyState::Retired, T0 + days(89))];
        let due = decide_due(&keys, &SCHEDULE, T0 + days(90));
        assert_eq!(due, [Due::Promote(KeyId::new("next")), Due::Withdraw(KeyId::new("old"))]);
    }

    #[test]
    fn what_comes_is_known_in_advance() {
        let now = T0 + days(10);
        let of = |keys: &[SigningKey], index: usize| outlook(keys, &keys[index], &SCHEDULE, now);
        let known = Outlook::default();
        assert_eq!(of(&[active(T0)], 0), Outlook { retires_at: Some(T0 + days(90)), ..known });
        let (early, late) = (key("early", KeyState::Next, T0), key("late", KeyState::Next, T0 + days(9)));
        let keys = [active(T0), early, late, retired(KeyState::Retired, now), retired(KeyState::Withdrawn, now)];
        assert_eq!(of(&keys, 1), Outlook { activates_at: Some(T0 + days(90)), ..known });
        assert_eq!(of(&keys, 2), known, "after that one, whenever that is");
        let (leaves_at, expires_at) = (Some(now + SCHEDULE.publish_after), Some(now + days(60)));
        assert_eq!(of(&keys, 3), Outlook { leaves_at, expires_at, ..known });
        assert_eq!(of(&keys, 4), Outlook { expires_at, ..known });
        let overdue = [active(T0 - days(200))];
        assert_eq!(of(&overdue, 0).retires_at, Some(now + days(2)), "there is no other one yet");
    }

    #[test]
    fn a_key_promoted_by_hand_signs_for_the_whole_time() {
        let keys = [active(T0), key("next", KeyState::Next, T0)];
        let keys = decide_promote(&keys, &KeyId::new("next"), T0 + days(40)).unwrap();
        let states: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.state)).collect();
        assert_eq!(states, [("active", KeyState::Retired), ("next", KeyState::Active)]);
        assert_eq!(outlook(&keys, &keys[1], &SCHEDULE, T0 + days(40)).retires_at, Some(T0 + days(130)));
    }

    #[test]
    fn a_withdrawn_key_never_signs_again() {
        let keys = [retired(KeyState::Withdrawn, T0), active(T0)];
        let old = KeyId::new("old");
        assert_eq!(decide_promote(&keys, &old, T0), Err(KeyRefusal::Withdrawn));
        assert_eq!(decide_retire(&keys, &old, T0), Err(KeyRefusal::Already(KeyState::Withdrawn)));
        assert_eq!(decide_delete(&keys, &old), Ok(()));
        assert_eq!((decide_withdraw(&keys, &old), decide_withdraw(&keys, &KeyId::new("active"))), (None, None));
    }
}
