//! Receiving bodies, before the work on their requests begins.
//!
//! A request that waits for its body takes no place of those that are worked on, so that strangers who send nothing can
//! hold up nobody. They can take places in here, of which there are many; the fewer are left, the less time each has. Over
//! HTTP/1 the connections run out first, so their number counts too.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Options;
use super::admission::Admission;
use super::places::Places;
use crate::app::request::Request;

/// How often a body that is waited for is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a body may take its time, and the bytes a second that it has to bring from then on.
struct Pace {
    patience: Duration,
    per_second: u128,
}

const USUAL: Pace = Pace { patience: Duration::from_secs(5), per_second: 1024 };

/// While more than half of the places or of the bytes are taken, or connections are short.
const UNDER_PRESSURE: Pace = Pace { patience: Duration::from_secs(1), per_second: 32 * 1024 };

impl Pace {
    /// The bytes that have to be there after some time.
    const fn expected(&self, waited: Duration) -> u128 {
        waited.saturating_sub(self.patience).as_millis() * self.per_second / 1000
    }
}

/// All bodies that are waited for.
pub(super) struct Intake {
    places: Admission,
    connections: Arc<Places>,
    bytes: AtomicUsize,
    most_bytes: usize,
    deadline: Duration,
}

/// There is no place to wait for another body.
#[derive(Debug)]
pub(super) struct Full;

impl Intake {
    pub(super) fn new(options: &Options, connections: Arc<Places>) -> Self {
        Self {
            places: Admission::new(options.bodies, options.bodies_of_one),
            connections,
            bytes: AtomicUsize::new(0),
            most_bytes: options.bodies_size,
            deadline: options.limits.body_deadline,
        }
    }

    /// Takes in a request's body, as far as its size is within the limit for all.
    pub(super) async fn receive(&self, request: &mut Request) -> Result<(), Full> {
        // Mostly it has come along with the head, and then there is nothing to wait for or to count.
        if std::future::poll_fn(|cx| Poll::Ready(request.poll_body(cx).is_ready())).await {
            return Ok(());
        }
        Box::pin(self.wait(request)).await
    }

    async fn wait(&self, request: &mut Request) -> Result<(), Full> {
        let _place = self.places.admit(request.client_address()).ok_or(Full)?;
        let mut share = Share { intake: self, bytes: 0 };
        let began = Instant::now();
        let mut look = pin!(sleep_until(began + LOOK.min(self.deadline)));
        std::future::poll_fn(|cx| {
            loop {
                if request.poll_body(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                share.grow(request.arrived_bytes())?;
                ready!(look.as_mut().poll(cx));
                let (now, waited) = (Instant::now(), began.elapsed());
                if waited >= self.deadline || (share.bytes as u128) < self.pace().expected(waited) {
                    request.abandon_body();
                    return Poll::Ready(Ok(()));
                }
                look.as_mut().reset(now + LOOK.min(self.deadline - waited));
            }
        })
        .await
    }

    fn pace(&self) -> &'static Pace {
        let pressed = self.bytes.load(Ordering::Relaxed) > self.most_bytes / 2
            || self.places.is_half_full()
            || self.connections.are_short_by(self.places.count());
        if pressed { &UNDER_PRESSURE } else { &USUAL }
    }
}

/// The bytes that one body takes up.
struct Share<'a> {
    intake: &'a Intake,
    bytes: usize,
}

impl Share<'_> {
    /// It has become this large.
    fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes - self.bytes;
        self.bytes = bytes;
        let others = self.intake.bytes.fetch_add(more, Ordering::Relaxed);
        if others + more <= self.intake.most_bytes { Ok(()) } else { Err(Full) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.intake.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_body_has_to_keep_a_least_pace() {
        let after = |pace: &Pace, seconds| pace.expected(Duration::from_secs(seconds));
        assert_eq!([0, 5, 6, 25].map(|seconds| after(&USUAL, seconds)), [0, 0, 1024, 20 * 1024]);
        assert_eq!([0, 1, 2].map(|seconds| after(&UNDER_PRESSURE, seconds)), [0, 0, 32 * 1024]);
    }

    #[test]
    fn places_and_bytes_are_bounded_and_given_back() {
        let options = Options { bodies: 2, bodies_size: 100, ..Options::default() };
        let intake = Intake::new(&options, Arc::new(Places::new(&options)));
        let per_second = || intake.pace().per_second;
        let one = intake.places.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(per_second(), USUAL.per_second);
        let two = intake.places.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(per_second(), UNDER_PRESSURE.per_second);
        assert!(intake.places.admit(Ipv4Addr::LOCALHOST.into()).is_none());
        drop((one, two));
        assert_eq!(per_second(), USUAL.per_second);
        let share = || Share { intake: &intake, bytes: 0 };
        let (mut one, mut two) = (share(), share());
        assert!(one.grow(40).is_ok() && one.grow(50).is_ok() && two.grow(50).is_ok());
        assert_eq!(per_second(), UNDER_PRESSURE.per_second);
        assert!(two.grow(51).is_err());
        drop(two);
        assert!(one.grow(100).is_ok());
    }
}
