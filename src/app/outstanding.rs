//! What users had written by nothing but opening an address: codes that wait to be redeemed, access tokens that were given out in
//! front. A bounded number for each user, so that nobody fills the disk with them.
//!
//! Kept in memory only: after a restart as many may come again, once. The rows themselves go by their own time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::clock::Timestamp;
use crate::model::id::{Id, UserId};

/// How many rows one user may have. People seldom have more than a few; a load test as one user may have hundreds at once.
const MOST: usize = 1000;

/// Rows of one kind that are outstanding, by user, the oldest first.
#[derive(Debug, Default)]
pub struct Outstanding {
    of_users: Mutex<HashMap<UserId, VecDeque<Id>>>,
}

impl Outstanding {
    /// A row comes. Gives the one that has to go for it, where the user has too many.
    pub fn add(&self, user: &UserId, row: Id, now: Timestamp) -> Option<Id> {
        let mut of_users = self.of_users();
        let rows = of_users.entry(user.clone()).or_default();
        while rows.front().is_some_and(|first| first.gone_after() < now) {
            rows.pop_front();
        }
        rows.push_back(row);
        if rows.len() > MOST { rows.pop_front() } else { None }
    }

    /// A row is of use: it counts no longer.
    pub fn remove(&self, user: &UserId, row: Id) {
        let mut of_users = self.of_users();
        if let Some(rows) = of_users.get_mut(user) {
            // Mostly it is one of the last.
            if let Some(index) = rows.iter().rposition(|waiting| *waiting == row) {
                rows.remove(index);
            }
            if rows.is_empty() {
                of_users.remove(user);
            }
        }
    }

    /// Forgets rows that have gone by themselves.
    pub fn forget(&self, now: Timestamp) {
        self.of_users().retain(|_, rows| rows.back().is_some_and(|last| last.gone_after() >= now));
    }

    fn of_users(&self) -> MutexGuard<'_, HashMap<UserId, VecDeque<Id>>> {
        // Nothing can panic while it is held.
        self.of_users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::random::Random;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn code(lifetime: u64) -> Id {
        Id::mint(NOW + Duration::from_secs(lifetime), &Random::System)
    }

    #[test]
    fn a_user_has_no_more_than_so_many_rows_and_the_oldest_goes() {
        let codes = Outstanding::default();
        let (ada, bob) = (UserId::new("ada"), UserId::new("bob"));
        let first: Vec<Id> = (0..MOST).map(|_| code(600)).collect();
        assert!(first.iter().all(|code| codes.add(&ada, *code, NOW).is_none()));
        assert_eq!(codes.add(&bob, code(600), NOW), None, "others have their own");
        assert_eq!(codes.add(&ada, code(600), NOW), Some(first[0]));
        codes.remove(&ada, first[1]);
        assert_eq!(codes.add(&ada, code(600), NOW), None, "one was redeemed");
        assert_eq!(codes.add(&ada, code(600), NOW), Some(first[2]));
        let late = NOW + Duration::from_secs(601);
        assert_eq!(codes.add(&ada, code(1200), late), None, "all others are gone by themselves");
        codes.forget(late);
        assert_eq!(codes.of_users().len(), 1, "bob has none any more");
    }
}
