//! What it costs to find that a name is nobody's.
//!
//! A stored hash is computed with the costs that it was made with, which settings and imports make differ between users. A
//! name that nobody has must cost what some user's does, or time would tell who is there. Which cost it is depends on the name
//! alone, in the proportion in which users have them: so time says how old somebody's hash might be, and not that there is
//! somebody.

use std::sync::{PoisonError, RwLock};

use argon2::Params;

use crate::jose::mac::MacKey;

/// Gives every name a cost.
pub(super) struct Nobody {
    key: MacKey,
    /// The costs that users have and how many have them, the cheapest first.
    costs: RwLock<Vec<(Params, u64)>>,
}

impl Nobody {
    /// Names are told apart under this key; a lasting one, since a restart mustn't give them other costs than before.
    pub(super) fn new(key: MacKey) -> Self {
        Self { key, costs: RwLock::default() }
    }

    /// Takes over what users have.
    pub(super) fn learn(&self, all: impl IntoIterator<Item = Params>) {
        let mut costs: Vec<(Params, u64)> = Vec::new();
        for params in all {
            match costs.iter_mut().find(|(other, _)| cost(other) == cost(&params)) {
                Some((_, count)) => *count += 1,
                None => costs.push((params, 1)),
            }
        }
        // Always the same order, so that a name's cost changes no more often than those of users do.
        costs.sort_by_key(|(params, _)| cost(params));
        *self.costs.write().unwrap_or_else(PoisonError::into_inner) = costs;
    }

    /// What a folded name costs; `None` while nobody has a password.
    pub(super) fn cost_of(&self, name: &str) -> Option<Params> {
        let costs = self.costs.read().unwrap_or_else(PoisonError::into_inner);
        let total: u64 = costs.iter().map(|(_, count)| count).sum();
        let tag = self.key.tag(name.as_bytes());
        let point = u64::from_be_bytes(*tag.first_chunk()?);
        // The point as a number below the total.
        let mut left = u64::try_from((u128::from(point) * u128::from(total)) >> 64).unwrap_or_default();
        for (params, count) in costs.iter() {
            match left.checked_sub(*count) {
                Some(rest) => left = rest,
                None => return Some(params.clone()),
            }
        }
        None
    }
}

/// Memory, passes, lanes.
pub(super) fn cost(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(memory: u32) -> Params {
        Params::new(memory, 1, 1, Some(32)).unwrap()
    }

    fn nobody() -> Nobody {
        Nobody::new(MacKey::new(&[7; 32]))
    }

    #[test]
    fn names_have_the_costs_of_users_in_proportion() {
        let nobody = nobody();
        assert!(nobody.cost_of("ada").is_none());
        nobody.learn((0..100).map(|number| params(if number % 4 == 0 { 64 } else { 8 })));
        let costs: Vec<u32> = (0..1000).map(|n| nobody.cost_of(&format!("name{n}")).unwrap().m_cost()).collect();
        let dear = costs.iter().filter(|memory| **memory == 64).count();
        assert!((200..300).contains(&dear), "{dear}: a quarter");
        assert!(costs.iter().all(|memory| [8, 64].contains(memory)));
    }

    #[test]
    fn a_name_keeps_its_cost_until_users_change_theirs() {
        let (one, other) = (nobody(), nobody());
        let all = || (0..10).map(|number| params(if number < 5 { 64 } else { 8 }));
        one.learn(all());
        other.learn(all().collect::<Vec<_>>().into_iter().rev());
        let names: Vec<String> = (0..200).map(|number| format!("name{number}")).collect();
        let costs =
            |nobody: &Nobody| names.iter().map(|name| nobody.cost_of(name).unwrap().m_cost()).collect::<Vec<_>>();
        assert_eq!(costs(&one), costs(&other), "whatever the order, and after a restart");
        // Somebody logs in, and their hash is renewed: nobody's name goes the other way.
        let before = costs(&one);
        one.learn((0..10).map(|number| params(if number < 6 { 64 } else { 8 })));
        assert!(before.iter().zip(costs(&one)).all(|(before, after)| *before <= after));
    }
}
