//! Records as they were last read, up to a number of them.
//!
//! A reader may be slow: what it read may have been changed since, and the change been published. So it notes the revision
//! before it reads, and what it read is kept only if that is still the revision.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Records by their keys. All of them are forgotten when any of what they stand on has changed: that is rare.
pub(super) struct Cache<K, V> {
    kept: RwLock<Kept<K, V>>,
    capacity: usize,
    revision: AtomicU64,
}

/// Two generations. When the young one has filled half of the room, it becomes the old one, and the old one goes: so what
/// came last stays, whatever came before.
struct Kept<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        let kept = Kept { young: HashMap::new(), old: HashMap::new() };
        Self { kept: RwLock::new(kept), capacity, revision: AtomicU64::new(0) }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps what was read after `revision` was noted, in place of older ones if there are too many.
    pub(super) fn insert(&self, key: K, value: Arc<V>, revision: u64) {
        self.insert_unless(key, value, revision, |_, _| false);
    }

    /// The same, unless what is kept is newer. Between a commit and its publication both versions can be read: nobody who saw
    /// the new one gets the old one again.
    pub(super) fn insert_unless(&self, key: K, value: Arc<V>, revision: u64, newer: impl FnOnce(&V, &V) -> bool) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // The revision moves under the lock.
        if self.capacity == 0 || self.revision() != revision {
            return;
        }
        if kept.get(&key).is_some_and(|known| newer(known, &value)) {
            return;
        }
        if kept.young.len() >= self.capacity.div_ceil(2) {
            kept.old = std::mem::take(&mut kept.young);
        }
        kept.young.insert(key, value);
    }

    /// Forgets everything.
    pub(super) fn invalidate(&self) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        self.revision.fetch_add(1, Ordering::AcqRel);
        kept.young.clear();
        kept.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = Cache::new(8);
        let before = cache.revision();
        cache.invalidate();
        cache.insert("a", Arc::new(1), before);
        assert!(cache.get(&"a").is_none());
        cache.insert("a", Arc::new(1), cache.revision());
        assert!(cache.get(&"a").is_some());
        cache.invalidate();
        assert!(cache.get(&"a").is_none());
    }

    #[test]
    fn a_slow_reader_does_not_bring_an_old_version_back() {
        let cache = Cache::new(8);
        for version in [2, 1] {
            cache.insert_unless("a", Arc::new(version), cache.revision(), |known, read| known > read);
        }
        assert_eq!(cache.get(&"a").as_deref(), Some(&2));
    }

    #[test]
    fn the_cache_is_bounded_and_what_came_last_stays() {
        let cache = Cache::new(6);
        for key in 0..1000 {
            cache.insert(key, Arc::new(()), cache.revision());
            for last in (0..=key).rev().take(3) {
                assert!(cache.get(&last).is_some(), "{last} of {key}");
            }
            let kept = cache.kept.read().unwrap();
            assert!(kept.young.len() + kept.old.len() <= 6);
        }
    }
}
