//! The places for connections: how many there are, how many one address may have, and who goes when there are no more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::live::LiveOptions;
use super::pulse::{Outstanding, Pulse};
use crate::app::address::subscriber;

/// How long a connection has to have been idle to be closed for another one.
const LEAST_IDLE: Duration = Duration::from_secs(1);

/// All places.
pub(super) struct Places {
    all: usize,
    free: Arc<Semaphore>,
    share: usize,
    options: LiveOptions,
    /// Whether it was said that somebody wanted more than their share.
    said: AtomicBool,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Connection>,
    by: HashMap<IpAddr, usize>,
}

struct Connection {
    pulse: Arc<Pulse>,
    /// `None` until it is served.
    task: Option<AbortHandle>,
}

impl Places {
    pub(super) fn new(live: LiveOptions) -> Self {
        let in_force = live.load();
        let options = &in_force.options;
        let all = options.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            all,
            free: Arc::new(Semaphore::new(all)),
            share: options.connections_of_one.max(1),
            options: live,
            said: AtomicBool::new(false),
            taken: Mutex::default(),
        }
    }

    /// A place for a connection from this address; `None` when the address has its share. Where no place is free, the one
    /// that was idle for the longest time makes room, or somebody has to leave.
    pub(super) async fn take(self: &Arc<Self>, peer: IpAddr, outstanding: Arc<Outstanding>) -> Option<Place> {
        let counted = self.counted(peer);
        if counted.is_some_and(|address| self.taken().by.get(&address).is_some_and(|count| *count >= self.share)) {
            if !self.said.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    %peer,
                    "an address has all connections that one may have (http.max_connections_per_address); if it is a \
                     proxy's, name it in http.trusted_proxies"
                );
            }
            return None;
        }
        let permit = self.permit().await?;
        let pulse = Arc::new(Pulse::new(outstanding));
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.connections.insert(number, Connection { pulse: Arc::clone(&pulse), task: None });
        if let Some(address) = counted {
            *taken.by.entry(address).or_default() += 1;
        }
        drop(taken);
        Some(Place { places: Arc::clone(self), number, counted, pulse, _permit: permit })
    }

    /// Whether more than half of the places are taken, and as many requests wait for something as would take a quarter of
    /// them. Idle connections alone are no reason to hurry anybody: they make room.
    pub(super) fn are_short_by(&self, waiting: usize) -> bool {
        waiting > self.all / 4 && self.free.available_permits() < self.all.div_ceil(2)
    }

    /// Through a proxy come many, and over the loopback whoever this machine lets in.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_exempt = peer.is_loopback()
            || self.options.load().options.trusted_proxies.iter().any(|network| network.contains(peer));
        (!is_exempt).then(|| subscriber(peer))
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        loop {
            self.close_longest_idle();
            // The semaphore is never closed.
            if let Ok(permit) = timeout(LEAST_IDLE, Arc::clone(&self.free).acquire_owned()).await {
                return permit.ok();
            }
        }
    }

    fn close_longest_idle(&self) {
        let now = Instant::now();
        let taken = self.taken();
        let idle = taken.connections.values().filter_map(|connection| {
            let since = connection.pulse.idle_since().filter(|since| *since + LEAST_IDLE <= now)?;
            connection.task.as_ref().map(|task| (since, task))
        });
        if let Some((_, task)) = idle.min_by_key(|(since, _)| *since) {
            task.abort();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing can panic while it is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    counted: Option<IpAddr>,
    pulse: Arc<Pulse>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Which connection it is, to say later [who serves it](Places::served_by).
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The connection's signs of life.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }
}

impl Places {
    /// The task that ends with the connection. A connection that is over already has no place any more.
    pub(super) fn served_by(&self, number: u64, task: AbortHandle) {
        if let Some(connection) = self.taken().connections.get_mut(&number) {
            connection.task = Some(task);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.connections.remove(&self.number);
        if let Some(address) = self.counted
            && let Some(count) = taken.by.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                taken.by.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Options;

    fn places(connections: usize, share: usize) -> (Arc<Places>, Arc<Outstanding>) {
        let trusted_proxies = vec!["203.0.113.0/24".parse().unwrap()];
        let options = Options { connections, connections_of_one: share, trusted_proxies, ..Options::default() };
        let outstanding = Arc::new(Outstanding::new(&options));
        (Arc::new(Places::new(options.into())), outstanding)
    }

    #[tokio::test]
    async fn one_address_gets_no_more_than_its_share_of_connections() {
        let (places, outstanding) = places(100, 2);
        let take = async |peer: &str| places.take(peer.parse().unwrap(), Arc::clone(&outstanding)).await;
        let held = [take("192.0.2.1").await, take("::ffff:192.0.2.1").await, take("2001:db8::1").await];
        assert!(held.iter().all(Option::is_some));
        assert!(take("192.0.2.1").await.is_none());
        assert!(take("192.0.2.2").await.is_some(), "others have theirs");
        let same = take("2001:db8::2").await;
        assert!(same.is_some() && take("2001:db8::3").await.is_none(), "a /64 is one");
        for exempt in ["127.0.0.1", "::1", "203.0.113.7"] {
            let three = [take(exempt).await, take(exempt).await, take(exempt).await];
            assert!(three.iter().all(Option::is_some), "{exempt}");
        }
        drop((held, same));
        assert!(places.taken().by.is_empty() && places.taken().connections.is_empty());
    }

    #[tokio::test]
    async fn idle_connections_alone_are_no_shortage() {
        let (places, outstanding) = places(8, 8);
        let take = async || places.take("192.0.2.1".parse().unwrap(), Arc::clone(&outstanding)).await.unwrap();
        let mut held = vec![take().await, take().await, take().await, take().await];
        assert!(!places.are_short_by(64), "half is free");
        held.push(take().await);
        assert!(!places.are_short_by(2) && places.are_short_by(3));
    }
}
