//! A number of places, of which one subscriber gets a share: somebody who takes all that they can get doesn't keep
//! everybody else out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::app::address::subscriber;

/// The places.
pub(super) struct Admission {
    /// As many there are.
    places: usize,
    /// As many one subscriber may hold.
    share: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: usize,
    /// Whoever holds some: never more entries than places.
    by: HashMap<IpAddr, usize>,
}

impl Admission {
    /// With this many places, of which one subscriber (an IPv4 address, or the /64 around an IPv6 address) gets a share.
    pub(super) fn new(places: usize, share: usize) -> Self {
        Self { places, share, taken: Mutex::default() }
    }

    /// A place, held until it is dropped; `None` when none is free for this address.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Admitted<'_>> {
        let subscriber = subscriber(address);
        let mut taken = self.taken();
        if taken.count >= self.places {
            return None;
        }
        let own = taken.by.entry(subscriber).or_default();
        // Where the share is none at all there are no places either.
        if *own >= self.share.max(1) {
            return None;
        }
        *own += 1;
        taken.count += 1;
        Some(Admitted { admission: self, subscriber })
    }

    /// How many places are taken.
    pub(super) fn count(&self) -> usize {
        self.taken().count
    }

    /// Whether more than half of the places are taken.
    pub(super) fn is_half_full(&self) -> bool {
        self.count() > self.places / 2
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing can panic while it is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is held.
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    subscriber: IpAddr,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut taken = self.admission.taken();
        taken.count = taken.count.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.subscriber) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.subscriber);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_subscriber_gets_no_more_than_a_share_of_the_places() {
        let admission = Admission::new(4, 2);
        let first = admission.admit(ip("192.0.2.1"));
        let second = admission.admit(ip("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(ip("192.0.2.1")).is_none(), "the share is taken");
        let third = admission.admit(ip("2001:db8::1"));
        let fourth = admission.admit(ip("2001:db8::2"));
        assert!(third.is_some() && fourth.is_some(), "others have theirs");
        assert!(admission.admit(ip("192.0.2.2")).is_none(), "all are taken");
        drop(first);
        assert!(admission.admit(ip("2001:db8::3")).is_none(), "the share of a /64 is taken");
        let fifth = admission.admit(ip("192.0.2.2"));
        assert!(fifth.is_some(), "a place that was given back");
        drop((second, third, fourth, fifth));
        assert!(admission.taken().by.is_empty() && admission.taken().count == 0);
    }

    #[test]
    fn a_single_place_is_for_whoever_comes() {
        let admission = Admission::new(1, 0);
        let held = admission.admit(ip("192.0.2.1"));
        assert!(held.is_some() && admission.admit(ip("192.0.2.2")).is_none());
    }
}
