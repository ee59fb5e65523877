//! A number of places, or bytes, of which one subscriber gets a share: somebody who takes all that they can get doesn't
//! keep everybody else out.

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
        let mut admitted = self.open(address);
        admitted.take(1).then_some(admitted)
    }

    /// For somebody who takes places as they go, and has none yet.
    pub(super) fn open(&self, address: IpAddr) -> Admitted<'_> {
        Admitted { admission: self, subscriber: subscriber(address), held: 0 }
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

/// Places that are held.
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    subscriber: IpAddr,
    held: usize,
}

impl Admitted<'_> {
    /// As many places it is.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes this many more; `false`, and none of them, when they aren't free for this address.
    pub(super) fn take(&mut self, more: usize) -> bool {
        if more == 0 {
            return true;
        }
        let admission = self.admission;
        let mut taken = admission.taken();
        let own = taken.by.get(&self.subscriber).copied().unwrap_or_default().saturating_add(more);
        let all = taken.count.saturating_add(more);
        // Where the share is none at all there are no places either.
        if all > admission.places || own > admission.share.max(1) {
            return false;
        }
        taken.count = all;
        taken.by.insert(self.subscriber, own);
        self.held += more;
        true
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.held == 0 {
            return;
        }
        let mut taken = self.admission.taken();
        taken.count = taken.count.saturating_sub(self.held);
        if let Some(own) = taken.by.get_mut(&self.subscriber) {
            *own = own.saturating_sub(self.held);
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
    fn places_are_taken_as_one_goes_and_given_back_at_once() {
        let admission = Admission::new(100, 50);
        let (mut one, mut same) = (admission.open(ip("192.0.2.1")), admission.open(ip("192.0.2.1")));
        assert!(one.take(30) && one.take(10) && same.take(10));
        assert!(!same.take(1) && same.held() == 10, "the share is taken");
        let (mut other, mut third) = (admission.open(ip("192.0.2.2")), admission.open(ip("192.0.2.3")));
        assert!(other.take(50) && !third.take(1) && third.take(0), "all are taken");
        drop(one);
        assert!(third.take(40) && !third.take(1));
        drop((same, other, third));
        assert!(admission.taken().by.is_empty() && admission.taken().count == 0);
    }

    #[test]
    fn a_single_place_is_for_whoever_comes() {
        let admission = Admission::new(1, 0);
        let held = admission.admit(ip("192.0.2.1"));
        assert!(held.is_some() && admission.admit(ip("192.0.2.2")).is_none());
    }
}
