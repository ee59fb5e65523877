//! Requests that use one refresh token at the same moment: one of them may win.
//!
//! A retry comes after the answer got lost, and is forgiven for a while (RFC 9700 section 4.14.2). What overlaps is no retry, but
//! two tabs, two threads or two thieves, and giving each its own successor would kill all but the last. The store can't see the
//! difference: by the time the second one reaches it, the first one's rotation is history.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::model::id::RefreshTokenId;

/// For how long after an overlap the others of a crowd are still losers of the race.
const CROWD: Duration = Duration::from_secs(1);

/// As many tokens are remembered after an overlap; each of them was a real one, used by its own client.
const MAX_CROWDS: usize = 10_000;

/// The refresh tokens that are being used. Clones share them.
#[derive(Clone, Default)]
pub struct Races(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Those in use, and whether somebody else came meanwhile.
    running: HashMap<RefreshTokenId, bool>,
    /// Those that a crowd came for, and until when it counts as one.
    crowds: HashMap<RefreshTokenId, Timestamp>,
}

/// The right to use a refresh token, until it is dropped.
pub struct Turn {
    races: Races,
    token: RefreshTokenId,
    now: Timestamp,
}

impl Races {
    /// Takes the token's turn; `None` when somebody else has it, or had it while others came.
    pub fn enter(&self, token: RefreshTokenId, now: Timestamp) -> Option<Turn> {
        let mut table = self.table();
        if let Some(crowded) = table.running.get_mut(&token) {
            *crowded = true;
            return None;
        }
        match table.crowds.get(&token) {
            Some(until) if now < *until => return None,
            Some(_) => table.crowds.remove(&token),
            None => None,
        };
        table.running.insert(token, false);
        Some(Turn { races: self.clone(), token, now })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.races.table();
        if table.running.remove(&self.token) == Some(true) {
            let now = self.now;
            if table.crowds.len() >= MAX_CROWDS {
                table.crowds.retain(|_, until| now < *until);
            }
            if table.crowds.len() < MAX_CROWDS {
                table.crowds.insert(self.token, now + CROWD);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Random;
    use crate::model::id::Id;

    fn token(name: &str) -> RefreshTokenId {
        RefreshTokenId(Id::mint(Timestamp::from_secs(9), &Random::seeded(name)))
    }

    #[test]
    fn rfc9700_4_14_2_what_overlaps_is_a_race_and_what_follows_is_a_retry() {
        let races = Races::default();
        let now = Timestamp::from_secs(1000);
        let first = races.enter(token("a"), now).unwrap();
        drop(first);
        let again = races.enter(token("a"), now);
        assert!(again.is_some(), "nobody else was there: a retry");
        assert!(races.enter(token("a"), now).is_none(), "overlaps");
        assert!(races.enter(token("b"), now).is_some(), "another token");
        drop(again);
        assert!(races.enter(token("a"), now + Duration::from_millis(999)).is_none(), "one of the crowd");
        assert!(races.enter(token("a"), now + Duration::from_secs(1)).is_some());
    }
}
