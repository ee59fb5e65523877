//! What introspection has said of tokens a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::access::Access;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;

/// So many tokens are known at most: some megabytes.
const MOST: usize = 10_000;

/// Tokens that held a moment ago. It has only digests of them: nothing in it opens anything, and how long a look-up takes says
/// nothing of a token.
pub(super) struct Known {
    keep: Duration,
    answers: Mutex<HashMap<[u8; 32], (Access, Timestamp)>>,
}

impl Known {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep, answers: Mutex::default() }
    }

    pub(super) fn get(&self, token: &Secret, now: Timestamp) -> Option<Access> {
        let answers = self.answers();
        let (access, until) = answers.get(&digest(token))?;
        (now < *until).then(|| access.clone())
    }

    pub(super) fn put(&self, token: &Secret, access: &Access, now: Timestamp) {
        let until = (now + self.keep).min(access.expires_at);
        if until <= now {
            return;
        }
        let mut answers = self.answers();
        if answers.len() >= MOST {
            answers.retain(|_, (_, until)| now < *until);
        }
        if answers.len() >= MOST {
            // Any of them: it costs one question more.
            let one = answers.keys().next().copied();
            one.and_then(|one| answers.remove(&one));
        }
        answers.insert(digest(token), (access.clone(), until));
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Access, Timestamp)>> {
        // Nothing can panic while it is held.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scope::Scope;

    #[test]
    fn answers_are_kept_for_a_moment_and_never_longer_than_their_token_holds() {
        let at = Timestamp::from_secs;
        let access = |expires_at| Access {
            subject: None,
            username: None,
            client_id: "app".into(),
            scope: Scope::empty(),
            expires_at: at(expires_at),
        };
        let known = Known::new(Duration::from_secs(10));
        let (long, short, none) = (Secret::new("long"), Secret::new("short"), Secret::new("none"));
        known.put(&long, &access(1000), at(100));
        known.put(&short, &access(105), at(100));
        known.put(&none, &access(100), at(100));
        assert!(known.get(&long, at(109)).is_some() && known.get(&long, at(110)).is_none());
        assert!(known.get(&short, at(104)).is_some() && known.get(&short, at(105)).is_none());
        assert!(known.get(&none, at(100)).is_none());
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let now = Timestamp::from_secs(100);
        let access = Access {
            subject: None,
            username: None,
            client_id: "app".into(),
            scope: Scope::empty(),
            expires_at: Timestamp::from_secs(1000),
        };
        let known = Known::new(Duration::from_secs(10));
        for number in 0..=MOST {
            known.put(&Secret::new(number.to_string()), &access, now);
        }
        assert_eq!(known.answers().len(), MOST);
        assert!(known.get(&Secret::new(MOST.to_string()), now).is_some(), "the last one is there");
    }
}
