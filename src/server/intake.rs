//! Receiving bodies, before the work on their requests begins.
//!
//! A request that waits for its body takes no place of those that are worked on, so that strangers who send nothing can
//! hold up nobody. They can take places in here, of which there are many; the fewer are left, the less time each has. Over
//! HTTP/1 the connections run out first, so their number counts too.

use std::pin::pin;
use std::sync::Arc;
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
    bytes: Admission,
}

/// There is no place to wait for another body.
#[derive(Debug)]
pub(super) struct Full;

impl Intake {
    pub(super) fn new(options: &Options, connections: Arc<Places>) -> Self {
        Self {
            places: Admission::new(options.bodies, options.bodies_of_one),
            connections,
            bytes: Admission::new(options.bodies_size, options.bodies_size / 2),
        }
    }

    /// Takes in a request's body, as far as its size is within the limit for all, before this deadline.
    pub(super) async fn receive(&self, request: &mut Request, deadline: Duration) -> Result<(), Full> {
        // Mostly it has come along with the head, and then there is nothing to wait for or to count.
        if std::future::poll_fn(|cx| Poll::Ready(request.poll_body(cx).is_ready())).await {
            return Ok(());
        }
        Box::pin(self.wait(request, deadline)).await
    }

    async fn wait(&self, request: &mut Request, deadline: Duration) -> Result<(), Full> {
        let _place = self.places.admit(request.client_address()).ok_or(Full)?;
        let mut bytes = self.bytes.open(request.client_address());
        let began = Instant::now();
        let mut look = pin!(sleep_until(began + LOOK.min(deadline)));
        std::future::poll_fn(|cx| {
            loop {
                if request.poll_body(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if !bytes.take(request.arrived_bytes() - bytes.held()) {
                    return Poll::Ready(Err(Full));
                }
                ready!(look.as_mut().poll(cx));
                let (now, waited) = (Instant::now(), began.elapsed());
                if waited >= deadline || (bytes.held() as u128) < self.pace().expected(waited) {
                    request.abandon_body();
                    return Poll::Ready(Ok(()));
                }
                look.as_mut().reset(now + LOOK.min(deadline - waited));
            }
        })
        .await
    }

    fn pace(&self) -> &'static Pace {
        let pressed = self.bytes.is_half_full()
            || self.places.is_half_full()
            || self.connections.are_short_by(self.places.count());
        if pressed { &UNDER_PRESSURE } else { &USUAL }
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
        let intake = Intake::new(&options, Arc::new(Places::new(options.clone().into())));
        let per_second = || intake.pace().per_second;
        let one = intake.places.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(per_second(), USUAL.per_second);
        let two = intake.places.admit(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(per_second(), UNDER_PRESSURE.per_second);
        assert!(intake.places.admit(Ipv4Addr::LOCALHOST.into()).is_none());
        drop((one, two));
        assert_eq!(per_second(), USUAL.per_second);
        let body_from = |last| intake.bytes.open(Ipv4Addr::new(192, 0, 2, last).into());
        let (mut one, mut two) = (body_from(1), body_from(2));
        assert!(one.take(50) && !one.take(1), "half of the bytes are for one");
        assert_eq!(per_second(), USUAL.per_second);
        assert!(two.take(1));
        assert_eq!(per_second(), UNDER_PRESSURE.per_second);
        drop(two);
        assert_eq!(per_second(), USUAL.per_second);
    }
}
