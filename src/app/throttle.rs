//! Throttling of failed logins: guessing passwords gets slow, logging in does not.
//!
//! Failures are counted in three ways, each with its own [`Rule`]: for an account from one address (strict: this is
//! what guessing looks like), for an address over all accounts (one password tried on many; IPv6 also by wider prefixes,
//! of which one caller may hold all), and for an account over all addresses (mild, since strangers can keep its owner
//! waiting by it). A count leaks away with time, and a delay that is due refuses an attempt without counting it, so
//! waiting always helps. Success takes nothing back: where many share an address, one's login must not give another one
//! new guesses.
//!
//! Whoever comes with a [known browser](super::known_browser) is counted there alone, as strictly as an account from one
//! address: strangers can't keep them out, however long they go on.
//!
//! An attempt is reserved before the password is looked at and counts as a failure until it turns out otherwise:
//! guesses sent at the same time cannot all pass before the first of them has failed.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address::subscriber;
use crate::base::clock::Timestamp;
use crate::base::network::Network;

/// How failures of one kind slow down the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As many failures have no consequence. [`u32::MAX`]: nothing is counted.
    pub free: u32,
    /// The delay before the attempt that follows; each further failure doubles it.
    pub first_delay: Duration,
    /// No delay is longer.
    pub longest_delay: Duration,
    /// One failure is forgotten in each such span.
    pub forgive: Duration,
}

impl Rule {
    /// How long after an attempt the next may begin, when `count` failures stand against it.
    fn delay(&self, count: u32) -> Duration {
        match count.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(beyond) => {
                let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
                self.first_delay.saturating_mul(factor).min(self.longest_delay)
            }
        }
    }

    /// The count from which on delays do not grow: counting further would only make forgiving take longer.
    fn highest(&self) -> u32 {
        (self.free..self.free.saturating_add(32)).find(|count| self.delay(*count) >= self.longest_delay).unwrap_or(32)
    }
}

/// The rules of a [`Throttle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// One account from one address. By default 5 free failures, then 1 s doubling up to 15 min, one forgotten every
    /// 15 min: in the long run four guesses an hour.
    pub pair: Rule,
    /// One address (IPv6: one /64), all accounts. By default 20 free failures, then 1 s doubling up to 1 min, one
    /// forgotten a minute: generous, since many people can share an address.
    pub address: Rule,
    /// One account, all addresses. By default 20 free failures, then 1 s doubling up to 10 s, one forgotten a minute.
    pub account: Rule,
    /// One IPv6 /56, what a household is given. By default 40 free failures, then like an address.
    pub household: Rule,
    /// One IPv6 /48, what a site is given, or what several households share. By default 200 free failures, then 1 s
    /// doubling up to 30 s, one forgotten every 15 s.
    pub site: Rule,
}

impl Default for Rules {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            pair: Rule { free: 5, first_delay: second, longest_delay: 15 * minute, forgive: 15 * minute },
            address: Rule { free: 20, first_delay: second, longest_delay: minute, forgive: minute },
            account: Rule { free: 20, first_delay: second, longest_delay: 10 * second, forgive: minute },
            household: Rule { free: 40, first_delay: second, longest_delay: minute, forgive: minute },
            site: Rule { free: 200, first_delay: second, longest_delay: 30 * second, forgive: 15 * second },
        }
    }
}

impl Rules {
    /// For client secrets that are short enough to be guessed: one client from one address may guess 20 times, then after
    /// 1 s doubling up to 1 min, one failure forgotten a minute.
    ///
    /// The other counts would do harm. Client ids are public, so strangers could slow a client down for everybody, and
    /// many clients share an address. A secret is much harder to guess than a password, too.
    pub fn for_client_secrets() -> Self {
        let minute = Duration::from_secs(60);
        let uncounted = Rule { free: u32::MAX, first_delay: Duration::ZERO, ..Self::default().account };
        Self {
            pair: Rule { free: 20, first_delay: Duration::from_secs(1), longest_delay: minute, forgive: minute },
            address: uncounted,
            account: uncounted,
            household: uncounted,
            site: uncounted,
        }
    }

    /// For passwords that users told a client (RFC 6749 section 4.3), beside the counts of the users: one client, whatever
    /// accounts it tries and wherever from, has 200 free failures, then 1 s doubling up to 10 s, one forgotten every 15 s.
    pub fn for_password_grants() -> Self {
        let second = Duration::from_secs(1);
        let account = Rule { free: 200, first_delay: second, longest_delay: 10 * second, forgive: 15 * second };
        let uncounted = Rule { free: u32::MAX, first_delay: Duration::ZERO, ..account };
        Self { pair: uncounted, address: uncounted, account, household: uncounted, site: uncounted }
    }
}

/// Who makes an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Where it comes from.
    pub address: IpAddr,
    /// The [browser](super::known_browser) that is known for the account in question, if it comes with one.
    pub known_browser: Option<[u8; 16]>,
}

impl From<IpAddr> for Caller {
    fn from(address: IpAddr) -> Self {
        Self { address, known_browser: None }
    }
}

/// The attempt is refused unseen; after this time it may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many failed attempts; try again in {} s", self.0.as_millis().div_ceil(1000))
    }
}

impl std::error::Error for RetryAfter {}

/// The throttle. Clones share their counts; its memory is bounded (about 1.5 MB, reached only under attack).
#[derive(Clone)]
pub struct Throttle(Option<On>);

#[derive(Clone)]
struct On {
    exempt: Arc<[Network]>,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Rules,
    hasher: RandomState,
    table: Mutex<Table>,
}

impl Throttle {
    /// A throttle with these rules, which lets the `exempt` networks alone.
    pub fn new(rules: Rules, exempt: Vec<Network>) -> Self {
        let shared = Shared { rules, hasher: RandomState::new(), table: Mutex::default() };
        Self(Some(On { exempt: exempt.into(), shared: Arc::new(shared) }))
    }

    /// This one as other settings have it: the counts of `before` go on, where both count.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        match (self.0, &before.0) {
            (Some(on), Some(before)) => Self(Some(On { shared: Arc::clone(&before.shared), ..on })),
            (on, _) => Self(on),
        }
    }

    /// One that lets everything pass.
    pub fn off() -> Self {
        Self(None)
    }

    /// Reserves an attempt of a caller to log in to `account` (whether it exists or not; letter case makes no difference).
    /// The returned [`Attempt`] must be told how it went. `now` is the present, not the time when the request began: that
    /// is in the hands of whoever sends its body.
    ///
    /// # Errors
    /// [`RetryAfter`] when a delay is due. The refused attempt is not counted.
    pub fn attempt(&self, account: &str, caller: impl Into<Caller>, now: Timestamp) -> Result<Attempt, RetryAfter> {
        let (Some(On { exempt, shared }), caller) = (&self.0, caller.into()) else { return Ok(Attempt(None)) };
        if exempt.iter().any(|network| network.contains(caller.address)) {
            return Ok(Attempt(None));
        }
        let counters = shared.counters(&account.to_lowercase(), caller);
        let mut table = shared.table();
        let wait = counters.iter().map(|counter| table.wait(counter, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(RetryAfter(wait));
        }
        for counter in &counters {
            table.entry(counter, now).reserve(now);
        }
        drop(table);
        Ok(Attempt(Some(Reserved { shared: Arc::clone(shared), counters, now })))
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Throttle" } else { "Throttle::off" })
    }
}

impl Shared {
    /// What an attempt counts for. The keys are keyed hashes: entries are small, hold no names, and nobody can choose names
    /// that collide.
    fn counters(&self, account: &str, caller: Caller) -> Vec<Counter> {
        let (hash, rules) = (&self.hasher, &self.rules);
        if let Some(browser) = caller.known_browser {
            return vec![Counter { key: hash.hash_one((0, account, browser)), rule: rules.pair }];
        }
        let address = subscriber(caller.address);
        let mut counters = vec![
            Counter { key: hash.hash_one((1, account, address)), rule: rules.pair },
            Counter { key: hash.hash_one((2, address)), rule: rules.address },
            Counter { key: hash.hash_one((3, account)), rule: rules.account },
        ];
        if let IpAddr::V6(address) = address {
            for (length, rule) in [(56, rules.household), (48, rules.site)] {
                let prefix = address.to_bits() >> (128 - length);
                counters.push(Counter { key: hash.hash_one((4, length, prefix)), rule });
            }
        }
        // What has no consequence would only push out what has.
        counters.retain(|counter| counter.rule.free < u32::MAX);
        counters
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Counts stay usable whatever happened to a thread that held them.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reserved attempt. Dropped without a word it counts as failed: hanging up must not make guessing free.
#[must_use = "dropping an attempt counts it as failed"]
pub struct Attempt(Option<Reserved>);

struct Reserved {
    shared: Arc<Shared>,
    counters: Vec<Counter>,
    now: Timestamp,
}

impl Attempt {
    /// The password was right.
    pub fn succeeded(mut self) {
        self.settle(false);
    }

    /// The password was wrong.
    pub fn failed(mut self) {
        self.settle(true);
    }

    /// The password was not looked at after all, through no doing of the caller's (too much to do, a broken disk).
    pub fn withdraw(mut self) {
        self.settle(false);
    }

    fn settle(&mut self, failed: bool) {
        let Some(Reserved { shared, counters, now }) = self.0.take() else { return };
        let mut table = shared.table();
        for counter in &counters {
            let entry = table.entry(counter, now);
            entry.pending = entry.pending.saturating_sub(1);
            if failed {
                entry.fail(counter.rule.highest(), now);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.settle(true);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt")
    }
}

/// Which entry to look at, and by which rule.
#[derive(Clone, Copy)]
struct Counter {
    key: u64,
    rule: Rule,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    /// Failures not forgotten yet, as of `settled`.
    count: u32,
    /// Attempts under way.
    pending: u32,
    /// When the last attempt began.
    last: Timestamp,
    /// When the last one that failed began.
    failed: Timestamp,
    /// Up to when failures have been forgotten.
    settled: Timestamp,
}

impl Entry {
    fn forgive(&mut self, rule: &Rule, now: Timestamp) {
        let spans = now.since(self.settled).as_millis().checked_div(rule.forgive.as_millis()).unwrap_or(u128::MAX);
        let spans = u32::try_from(spans).unwrap_or(u32::MAX);
        if spans >= self.count {
            (self.count, self.settled) = (0, now);
        } else {
            self.count -= spans;
            self.settled = self.settled + rule.forgive.saturating_mul(spans);
        }
    }

    fn reserve(&mut self, now: Timestamp) {
        self.pending = self.pending.saturating_add(1);
        self.last = now;
    }

    fn fail(&mut self, highest: u32, now: Timestamp) {
        self.count = self.count.saturating_add(1).min(highest);
        self.failed = self.failed.max(now);
    }

    /// What delays count from: success makes nobody wait.
    fn since(&self) -> Timestamp {
        if self.pending == 0 { self.failed } else { self.last }
    }

    /// What stands against the next attempt.
    fn weight(&self) -> u32 {
        self.count.saturating_add(self.pending)
    }
}

/// Entries in small sets chosen by their key. A full set gives up its lightest entry, and the oldest among these. So a
/// heavy entry can be pushed out only by seven that are as heavy in the same set; keys are secret hashes, which means
/// heavy entries in all sets: more failures than the heavy entry would have cost to wait for.
struct Table {
    sets: Vec<Vec<Entry>>,
}

const SETS: usize = 4096;
const SET_SIZE: usize = 8;

impl Default for Table {
    fn default() -> Self {
        Self { sets: vec![Vec::new(); SETS] }
    }
}

impl Table {
    #[allow(clippy::indexing_slicing)] // the index is a remainder of the length, which is never zero
    fn set(&mut self, key: u64) -> &mut Vec<Entry> {
        let index = usize::try_from(key % SETS as u64).unwrap_or(0);
        &mut self.sets[index]
    }

    fn find(&mut self, counter: &Counter, now: Timestamp) -> Option<&mut Entry> {
        let entry = self.set(counter.key).iter_mut().find(|entry| entry.key == counter.key)?;
        // Attempts come a little out of order, and clocks are set back: nobody waits for the time of somebody else's attempt.
        entry.last = entry.last.min(now);
        entry.failed = entry.failed.min(now);
        entry.settled = entry.settled.min(now);
        entry.forgive(&counter.rule, now);
        Some(entry)
    }

    /// How long an attempt has to wait.
    fn wait(&mut self, counter: &Counter, now: Timestamp) -> Duration {
        let Some(entry) = self.find(counter, now) else { return Duration::ZERO };
        (entry.since() + counter.rule.delay(entry.weight())).since(now)
    }

    /// The counter's entry, a new one where there is none.
    #[allow(clippy::indexing_slicing)] // each index was found in the set or points at what was just pushed
    fn entry(&mut self, counter: &Counter, now: Timestamp) -> &mut Entry {
        let set = self.set(counter.key);
        let new = Entry { key: counter.key, count: 0, pending: 0, last: now, failed: Timestamp::EPOCH, settled: now };
        let index = match set.iter().position(|entry| entry.key == counter.key) {
            Some(index) => index,
            None if set.len() < SET_SIZE => {
                set.push(new);
                set.len() - 1
            }
            None => {
                let lightest = (0..set.len()).min_by_key(|index| (set[*index].weight(), set[*index].last)).unwrap_or(0);
                set[lightest] = new;
                lightest
            }
        };
        let entry = &mut set[index];
        entry.forgive(&counter.rule, now);
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "192.0.2.1";

    struct Scene {
        throttle: Throttle,
        now: Timestamp,
    }

    impl Scene {
        fn new() -> Self {
            Self { throttle: Throttle::new(Rules::default(), Vec::new()), now: Timestamp::from_secs(1_000_000) }
        }

        fn attempt(&self, account: &str, address: &str) -> Result<Attempt, RetryAfter> {
            self.throttle.attempt(account, address.parse::<IpAddr>().unwrap(), self.now)
        }

        /// From a browser that is known for the account.
        fn attempt_at_home(&self, account: &str, address: &str) -> Result<Attempt, RetryAfter> {
            let caller = Caller { address: address.parse().unwrap(), known_browser: Some([7; 16]) };
            self.throttle.attempt(account, caller, self.now)
        }

        fn fail(&self, account: &str, address: &str) -> Result<(), u64> {
            self.attempt(account, address).map(Attempt::failed).map_err(|RetryAfter(wait)| wait.as_secs())
        }

        fn succeed(&self, account: &str, address: &str) -> Result<(), u64> {
            self.attempt(account, address).map(Attempt::succeeded).map_err(|RetryAfter(wait)| wait.as_secs())
        }

        fn pass(&mut self, seconds: u64) {
            self.now = self.now + Duration::from_secs(seconds);
        }
    }

    #[test]
    fn delays_double_after_the_free_failures_and_refused_attempts_do_not_count() {
        let mut scene = Scene::new();
        for _ in 0..5 {
            assert_eq!(scene.fail("ada", HOME), Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
            assert_eq!(scene.fail("ada", HOME), Err(wait));
            assert_eq!(scene.fail("ADA", HOME), Err(wait), "neither the refusal nor letter case makes a difference");
            scene.pass(wait);
            assert_eq!(scene.fail("ada", HOME), Ok(()));
        }
        for _ in 0..10 {
            let wait = scene.fail("ada", HOME).unwrap_err();
            assert!((512..=900).contains(&wait), "no delay is longer than 15 minutes, in which one is forgotten");
            scene.pass(wait);
            assert_eq!(scene.fail("ada", HOME), Ok(()));
        }
    }

    #[test]
    fn the_right_password_gives_others_of_the_address_no_new_guesses() {
        let mut scene = Scene::new();
        for _ in 0..4 {
            scene.fail("ada", HOME).unwrap();
        }
        scene.succeed("ada", HOME).unwrap();
        scene.fail("ada", HOME).unwrap();
        assert_eq!(scene.succeed("ada", HOME), Err(1), "also the right password has to wait");
        scene.pass(1);
        for _ in 0..10 {
            assert_eq!(scene.succeed("ada", HOME), Ok(()), "what is right makes nobody wait");
        }
        scene.fail("ada", HOME).unwrap();
        assert_eq!(scene.fail("ada", HOME), Err(2), "and takes nothing back");
    }

    #[test]
    fn an_account_of_ones_own_does_not_clear_an_address() {
        let scene = Scene::new();
        for number in 0..20 {
            scene.succeed("mallory", HOME).unwrap();
            scene.fail(&format!("user{number}"), HOME).unwrap();
        }
        assert_eq!(scene.fail("ada", HOME), Err(1));
        assert_eq!(scene.fail("ada", "192.0.2.2"), Ok(()), "another address is not concerned");
    }

    #[test]
    fn guesses_at_the_same_time_count_before_they_have_failed() {
        let scene = Scene::new();
        let mut attempts: Vec<_> = (0..5).map(|_| scene.attempt("ada", HOME).unwrap()).collect();
        assert_eq!(scene.attempt("ada", HOME).unwrap_err(), RetryAfter(Duration::from_secs(1)));
        attempts.pop().unwrap().withdraw();
        attempts.push(scene.attempt("ada", HOME).unwrap());
        drop(attempts);
        assert_eq!(scene.fail("ada", HOME), Err(1), "an attempt that was dropped has failed");
    }

    /// Strangers who take every attempt that the account's rule allows, for an hour, from all of a /48 and more.
    #[test]
    fn strangers_who_never_stop_cannot_keep_a_known_browser_out() {
        let mut scene = Scene::new();
        let (mut guesses, mut refused) = (0, 0);
        for second in 0..3600_u32 {
            for part in 0..4 {
                let stranger = format!("2001:db8:{part:x}:{:x}::1", second % 65_536);
                guesses += u32::from(scene.fail("ada", &stranger).is_ok());
            }
            if second % 60 == 30 {
                refused += u32::from(scene.succeed("ada", &format!("192.0.2.{}", second / 60)).is_err());
                scene.attempt_at_home("ada", &format!("198.51.100.{}", second / 60)).unwrap().succeeded();
            }
            scene.pass(1);
        }
        assert!((300..420).contains(&guesses), "{guesses}: about one in ten seconds");
        assert!(refused > 45, "{refused}: elsewhere the owner comes through by luck alone");
        assert_eq!(scene.fail("bob", "192.0.2.7"), Ok(()), "and nobody else is concerned");
    }

    #[test]
    fn a_known_browser_is_no_way_to_guess() {
        let scene = Scene::new();
        for _ in 0..5 {
            scene.attempt_at_home("ada", HOME).unwrap().failed();
        }
        assert_eq!(scene.attempt_at_home("ada", "192.0.2.2").unwrap_err(), RetryAfter(Duration::from_secs(1)));
        assert_eq!(scene.fail("ada", HOME), Ok(()), "what fails there counts there alone");
    }

    #[test]
    fn what_has_no_consequence_takes_no_entry() {
        let throttle = Throttle::new(Rules::for_client_secrets(), Vec::new());
        let caller = "2001:db8::1".parse::<IpAddr>().unwrap();
        throttle.attempt("app", caller, Timestamp::from_secs(1_000_000)).unwrap().failed();
        let table = throttle.0.as_ref().unwrap().shared.table();
        assert_eq!(table.sets.iter().map(Vec::len).sum::<usize>(), 1, "the client from this address");
    }

    #[test]
    fn wide_ipv6_prefixes_are_counted_too() {
        // Subnets of one /56, and of one /48 in a /56 each.
        for (free, subnet) in [(40, 1), (200, 256)] {
            let scene = Scene::new();
            let fail =
                |number: u32| scene.fail(&format!("user{number}"), &format!("2001:db8:0:{:x}::1", number * subnet));
            for number in 0..free {
                assert_eq!(fail(number), Ok(()), "{number}");
            }
            assert_eq!(fail(free), Err(1), "{free}");
            assert_eq!(scene.fail("ada", "2001:db8:1::1"), Ok(()));
        }
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let mut scene = Scene::new();
        for _ in 0..5 {
            scene.fail("ada", HOME).unwrap();
        }
        scene.pass(15 * 60);
        assert_eq!(scene.fail("ada", HOME), Ok(()));
        assert_eq!(scene.fail("ada", HOME), Err(1), "one was forgotten, one was added");
        scene.pass(6 * 15 * 60);
        for _ in 0..5 {
            assert_eq!(scene.fail("ada", HOME), Ok(()));
        }
    }

    #[test]
    fn attempts_that_come_out_of_order_are_no_guesses() {
        let mut scene = Scene::new();
        scene.succeed("ada", HOME).unwrap();
        scene.now = scene.now - Duration::from_millis(1);
        assert_eq!(scene.succeed("ada", HOME), Ok(()));
    }

    #[test]
    fn nobody_waits_for_a_clock_that_was_set_back() {
        let mut scene = Scene::new();
        for _ in 0..5 {
            scene.fail("ada", HOME).unwrap();
        }
        scene.now = scene.now - Duration::from_secs(3600);
        assert_eq!(scene.succeed("ada", HOME), Err(1), "no longer than the delay that is due");
        scene.pass(1);
        assert_eq!(scene.succeed("ada", HOME), Ok(()));
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address_and_exempt_networks_are_let_alone() {
        let scene = Scene::new();
        for number in 0..5 {
            scene.fail("ada", &format!("2001:db8:0:1::{number}")).unwrap();
        }
        assert_eq!(scene.fail("ada", "2001:db8:0:1:ffff::"), Err(1));
        assert_eq!(scene.fail("ada", "2001:db8:0:2::1"), Ok(()));
        let throttle = Throttle::new(Rules::default(), vec!["10.0.0.0/8".parse().unwrap()]);
        for _ in 0..50 {
            throttle.attempt("ada", "10.1.1.1".parse::<IpAddr>().unwrap(), scene.now).unwrap().failed();
            Throttle::off().attempt("ada", HOME.parse::<IpAddr>().unwrap(), scene.now).unwrap().failed();
        }
    }

    #[test]
    fn a_flood_of_names_neither_grows_memory_nor_pushes_out_a_heavy_entry() {
        let mut scene = Scene::new();
        for wait in [0, 0, 0, 0, 0, 1, 2, 4, 8, 16] {
            scene.pass(wait);
            scene.fail("ada", HOME).unwrap();
        }
        for number in 0..100_000_u32 {
            let address = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
            scene.fail(&format!("nobody{number}"), &address).unwrap();
        }
        assert_eq!(scene.fail("ada", HOME), Err(32));
        let table = scene.throttle.0.as_ref().unwrap().shared.table();
        assert!(table.sets.iter().all(|set| set.len() <= SET_SIZE));
    }
}
