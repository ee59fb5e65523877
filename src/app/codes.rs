//! The codes that wait to be redeemed: a bounded number for each user, so that nobody fills the disk with them.
//!
//! Kept in memory only: after a restart as many may come again, once. The rows themselves go by their own time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::clock::Timestamp;
use crate::model::id::{CodeId, UserId};

/// How many codes of one user may wait. People seldom have more than one; a load test as one user may have hundreds at once.
const MOST: usize = 1000;

/// Codes that wait, by user, the oldest first.
#[derive(Debug, Default)]
pub struct Codes {
    of_users: Mutex<HashMap<UserId, VecDeque<CodeId>>>,
}

impl Codes {
    /// A code waits. Gives the one that has to go for it, where the user has too many.
    pub fn add(&self, user: &UserId, code: CodeId, now: Timestamp) -> Option<CodeId> {
        let mut of_users = self.of_users();
        let codes = of_users.entry(user.clone()).or_default();
        while codes.front().is_some_and(|first| first.0.gone_after() < now) {
            codes.pop_front();
        }
        codes.push_back(code);
        if codes.len() > MOST { codes.pop_front() } else { None }
    }

    /// A code was redeemed.
    pub fn remove(&self, user: &UserId, code: CodeId) {
        let mut of_users = self.of_users();
        if let Some(codes) = of_users.get_mut(user) {
            // Mostly it is one of the last.
            if let Some(index) = codes.iter().rposition(|waiting| *waiting == code) {
                codes.remove(index);
            }
            if codes.is_empty() {
                of_users.remove(user);
            }
        }
    }

    /// Forgets codes whose rows have gone by themselves.
    pub fn forget(&self, now: Timestamp) {
        self.of_users().retain(|_, codes| codes.back().is_some_and(|last| last.0.gone_after() >= now));
    }

    fn of_users(&self) -> MutexGuard<'_, HashMap<UserId, VecDeque<CodeId>>> {
        // Nothing can panic while it is held.
        self.of_users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::random::Random;
    use crate::model::id::Id;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn code(lifetime: u64) -> CodeId {
        CodeId(Id::mint(NOW + Duration::from_secs(lifetime), &Random::System))
    }

    #[test]
    fn a_user_has_no_more_than_so_many_codes_and_the_oldest_goes() {
        let codes = Codes::default();
        let (ada, bob) = (UserId::new("ada"), UserId::new("bob"));
        let first: Vec<CodeId> = (0..MOST).map(|_| code(600)).collect();
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
