//! The signs of life of one connection, from which its deadline follows.
//!
//! What counts is requests and answers. Bytes alone don't: an HTTP/2 client that takes nothing of its answers can make us
//! write for ever, one answer to each of its pings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Version;
use tokio::time::Instant;

use super::Options;

/// What a client has to take of the answers that wait for it, on average over [`Options::idle_deadline`].
const LEAST_PER_SECOND: u64 = 1024;

/// While answers take up more than half of what they may: what a client has to take within [`SHORT_PATIENCE`].
const LEAST_UNDER_PRESSURE: u64 = 64 * 1024;
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// The answers of all connections that wait to be taken.
#[derive(Debug)]
pub(super) struct Outstanding {
    bytes: AtomicUsize,
    most: usize,
    most_on_one: usize,
}

impl Outstanding {
    pub(super) fn new(options: &Options) -> Self {
        Self { bytes: AtomicUsize::new(0), most: options.waiting_answers, most_on_one: options.waiting_answers_on_one }
    }

    fn is_pressed(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most / 2
    }
}

/// The signs of life of one connection.
pub(super) struct Pulse {
    pub(super) began: Instant,
    /// Requests being answered.
    under_way: AtomicUsize,
    /// Bytes of answers that are made and not wholly taken yet.
    waiting: AtomicUsize,
    /// Bytes of answers that were taken.
    taken: AtomicU64,
    /// When an answer was last given or something of one was taken, or a handshake done, in milliseconds after `began`.
    last_use: AtomicU64,
    /// When the first bytes of a new head came, in milliseconds after `began`; [`NEVER`] between heads.
    head_began: AtomicU64,
    /// Whether there was a request.
    used: AtomicBool,
    /// Whether requests share the connection (HTTP/2): bytes then need not belong to a head.
    shared: AtomicBool,
    outstanding: Arc<Outstanding>,
}

const NEVER: u64 = u64::MAX;

/// Since when answers have been waiting without enough of them being taken, and how much was taken before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    since: u64,
    taken: u64,
}

impl Pulse {
    pub(super) fn new(outstanding: Arc<Outstanding>) -> Self {
        Self {
            began: Instant::now(),
            under_way: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            last_use: AtomicU64::new(0),
            head_began: AtomicU64::new(NEVER),
            used: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            outstanding,
        }
    }

    /// Milliseconds since the connection began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes have come.
    pub(super) fn read(&self, now: u64) {
        if self.under_way.load(Ordering::Acquire) == 0 && self.head_began.load(Ordering::Relaxed) == NEVER {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    /// The bytes that came were a TLS handshake, which is done: a request has not begun yet, or is small and here already.
    pub(super) fn handshake_ended(&self, now: u64) {
        self.last_use.store(now, Ordering::Relaxed);
        self.head_began.store(NEVER, Ordering::Relaxed);
    }

    /// A head is complete: a request is being answered from now on.
    pub(super) fn request_began(&self, version: Version) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.head_began.store(NEVER, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.shared.store(true, Ordering::Relaxed);
        }
    }

    /// There is an answer, which now goes out, or the client has gone.
    pub(super) fn request_ended(&self, now: u64) {
        self.last_use.store(now, Ordering::Relaxed);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// An answer of this many bytes waits to be taken from now on; `false` where too many do already, here or on all
    /// connections, and this one may not.
    pub(super) fn answer_waits(&self, bytes: usize) -> bool {
        let all = &self.outstanding;
        if all.bytes.load(Ordering::Relaxed) >= all.most || self.waiting.load(Ordering::Relaxed) >= all.most_on_one {
            return false;
        }
        all.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
        true
    }

    /// This much of an answer was taken.
    pub(super) fn answer_taken(&self, bytes: usize, now: u64) {
        self.taken.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.last_use.store(now, Ordering::Relaxed);
    }

    /// An answer of this many bytes waits no more: it was taken, or given up.
    pub(super) fn answer_ended(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        self.outstanding.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether answers wait to be taken.
    pub(super) fn has_answers_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// When the connection has to be closed if nothing happens. While a request is being answered there is no such
    /// time, unless the client leaves other answers waiting: the deadlines of the request's body and of what the handler
    /// waits for apply.
    ///
    /// `wait` is kept from one question to the next.
    pub(super) fn deadline(&self, wait: &mut Option<Wait>, options: &Options) -> Option<Instant> {
        let at = |since: u64, allowed| Some(self.began + Duration::from_millis(since) + allowed);
        if self.has_answers_waiting() {
            return self.answers_deadline(wait, options, self.now()).and_then(|(since, allowed)| at(since, allowed));
        }
        *wait = None;
        if self.under_way.load(Ordering::Acquire) > 0 {
            return None;
        }
        let head_began = self.head_began.load(Ordering::Relaxed);
        if head_began != NEVER && !self.shared.load(Ordering::Relaxed) {
            at(head_began, options.head_deadline)
        } else if self.used.load(Ordering::Relaxed) {
            at(self.last_use.load(Ordering::Relaxed), options.idle_deadline)
        } else {
            at(self.last_use.load(Ordering::Relaxed), options.first_byte_deadline)
        }
    }

    /// The same while answers wait: the client has to go on taking them.
    fn answers_deadline(&self, wait: &mut Option<Wait>, options: &Options, now: u64) -> Option<(u64, Duration)> {
        let (allowed, least) = if self.outstanding.is_pressed() {
            (options.idle_deadline.min(SHORT_PATIENCE), LEAST_UNDER_PRESSURE)
        } else {
            (options.idle_deadline, options.idle_deadline.as_secs().max(1) * LEAST_PER_SECOND)
        };
        let taken = self.taken.load(Ordering::Relaxed);
        let begins = Wait { since: now, taken };
        let wait = wait.get_or_insert(begins);
        if taken - wait.taken >= least {
            *wait = begins;
        }
        Some((wait.since, allowed))
    }

    /// Since when nobody has used the connection; `None` while somebody does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let in_use = self.under_way.load(Ordering::Acquire) > 0 || self.has_answers_waiting();
        (!in_use).then(|| self.began + Duration::from_millis(self.last_use.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(options: &Options) -> Pulse {
        Pulse::new(Arc::new(Outstanding::new(options)))
    }

    /// Milliseconds from the beginning to the deadline.
    fn deadline(pulse: &Pulse, options: &Options) -> Option<u128> {
        pulse.deadline(&mut None, options).map(|at| (at - pulse.began).as_millis())
    }

    #[test]
    fn the_deadline_follows_the_signs_of_life() {
        let options = Options { idle_deadline: Duration::from_secs(60), ..Options::default() };
        let pulse = pulse(&options);
        assert_eq!(deadline(&pulse, &options), Some(10_000), "silent so far");
        pulse.read(4_000);
        pulse.read(8_000);
        assert_eq!(deadline(&pulse, &options), Some(14_000), "more bytes give a head no more time");
        pulse.request_began(Version::HTTP_11);
        pulse.read(9_000);
        assert_eq!(deadline(&pulse, &options), None, "an answer is being made");
        assert_eq!(pulse.idle_since(), None);
        pulse.request_ended(108_000);
        assert_eq!(deadline(&pulse, &options), Some(168_000), "unused since the answer");
        assert_eq!(pulse.idle_since(), Some(pulse.began + Duration::from_secs(108)));
        pulse.read(118_500);
        assert_eq!(deadline(&pulse, &options), Some(128_500), "the next head");
    }

    #[test]
    fn a_handshake_has_the_time_of_a_head_and_what_follows_that_of_a_new_connection() {
        let options = Options { head_deadline: Duration::from_secs(5), ..Options::default() };
        let pulse = pulse(&options);
        pulse.read(4_000);
        pulse.read(6_000);
        assert_eq!(deadline(&pulse, &options), Some(9_000));
        pulse.handshake_ended(7_000);
        assert_eq!(deadline(&pulse, &options), Some(17_000), "silent since then");
        assert_eq!(pulse.idle_since(), Some(pulse.began + Duration::from_secs(7)));
        pulse.read(8_000);
        assert_eq!(deadline(&pulse, &options), Some(13_000));
    }

    #[test]
    fn bytes_of_a_shared_connection_need_not_be_a_head() {
        let options = Options { idle_deadline: Duration::from_secs(60), ..Options::default() };
        let pulse = pulse(&options);
        pulse.request_began(Version::HTTP_2);
        pulse.request_ended(0);
        pulse.read(1_000);
        assert_eq!(deadline(&pulse, &options), Some(60_000));
    }

    #[test]
    fn answers_have_to_be_taken_at_a_least_pace() {
        let second = Duration::from_secs(1);
        let options = Options { idle_deadline: 10 * second, waiting_answers: 1 << 20, ..Options::default() };
        let pulse = pulse(&options);
        let mut wait = None;
        let mut at = |now| pulse.answers_deadline(&mut wait, &options, now);
        assert!(pulse.answer_waits(500_000));
        assert_eq!(at(1_000), Some((1_000, 10 * second)));
        pulse.answer_taken(10 * 1024 - 1, 5_000);
        assert_eq!(at(5_000), Some((1_000, 10 * second)), "a little too slow");
        pulse.answer_taken(1, 6_000);
        assert_eq!(at(6_000), Some((6_000, 10 * second)));
        assert!(pulse.answer_waits(500_000), "more than half of what may wait");
        assert_eq!(at(6_500), Some((6_000, 2 * second)));
        pulse.answer_taken(64 * 1024, 7_000);
        assert_eq!(at(7_000), Some((7_000, 2 * second)));
        pulse.answer_ended(1_000_000);
        assert!(!pulse.has_answers_waiting());
        assert_eq!(deadline(&pulse, &Options::default()), Some(17_000));
    }

    #[test]
    fn answers_that_wait_are_bounded_in_bytes_here_and_in_all() {
        let options = Options { waiting_answers: 1000, waiting_answers_on_one: 600, ..Options::default() };
        let all = Arc::new(Outstanding::new(&options));
        let (one, other) = (Pulse::new(Arc::clone(&all)), Pulse::new(all));
        assert!(one.answer_waits(599) && one.answer_waits(1));
        assert!(!one.answer_waits(1), "too many here");
        assert!(other.answer_waits(599), "one answer is let over the line, so that large ones can be given at all");
        assert!(!other.answer_waits(1), "too many in all");
        one.answer_ended(600);
        assert!(other.answer_waits(1) && one.answer_waits(1));
    }
}
