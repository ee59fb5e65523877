//! Consents: what a user has let a client know and do.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::id::{ClientId, UserId};
use super::scope::Scope;
use crate::base::clock::Timestamp;

/// What a user has agreed to for one client. One row for each pair.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Consent {
    /// Who agreed.
    #[n(0)]
    pub user: UserId,
    /// To what client.
    #[n(1)]
    pub client: ClientId,
    /// The client's generation: a client that was deleted and made again has to ask again.
    #[n(2)]
    pub client_generation: u32,
    /// To which scopes.
    #[n(3)]
    pub scope: Scope,
    /// When they last agreed.
    #[n(4)]
    pub given_at: Timestamp,
    /// When they have to be asked again.
    #[n(5)]
    pub expires_at: Timestamp,
    /// Grants remember the generation they were made in; taking the consent back moves it on and so ends them.
    #[n(6)]
    pub generation: u32,
}

impl Consent {
    /// Whether the page can be skipped for `scope`.
    pub fn covers(&self, client_generation: u32, scope: &Scope, now: Timestamp) -> bool {
        self.client_generation == client_generation && now < self.expires_at && self.scope.covers(scope)
    }

    /// The consent after the user agreed again: wider if they agreed to more, never narrower while it holds.
    pub fn decide_grant(before: Option<&Self>, given: Given, now: Timestamp) -> Self {
        let still = before.filter(|old| old.client_generation == given.client_generation && now < old.expires_at);
        Self {
            scope: still.map_or_else(|| given.scope.clone(), |old| old.scope.union(&given.scope)),
            generation: before.map_or(0, |old| old.generation),
            given_at: now,
            expires_at: now + given.lifetime,
            user: given.user,
            client: given.client,
            client_generation: given.client_generation,
        }
    }

    /// The consent after the user took it back: it covers nothing, and the grants made under it are void.
    #[must_use]
    pub fn decide_withdraw(&self, now: Timestamp) -> Self {
        Self { scope: Scope::empty(), expires_at: now, generation: self.generation.wrapping_add(1), ..self.clone() }
    }
}

/// An agreement as it comes from the consent page.
#[derive(Clone, Debug)]
pub struct Given {
    /// Who agreed.
    pub user: UserId,
    /// To what client.
    pub client: ClientId,
    /// The client's generation.
    pub client_generation: u32,
    /// To which scopes.
    pub scope: Scope,
    /// For how long it holds.
    pub lifetime: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(scope: &str) -> Given {
        Given {
            user: UserId::new("u"),
            client: ClientId::new("c"),
            client_generation: 7,
            scope: Scope::parse(scope),
            lifetime: Duration::from_secs(100),
        }
    }

    #[test]
    fn a_consent_is_merged_and_never_narrowed_while_it_holds() {
        let at = Timestamp::from_secs(1000);
        let wide = Consent::decide_grant(None, given("openid email"), at);
        let again = Consent::decide_grant(Some(&wide), given("openid phone"), at + Duration::from_secs(99));
        assert_eq!(again.scope.to_string(), "openid email phone");
        assert!(again.covers(7, &Scope::parse("email"), at + Duration::from_secs(198)));
        assert!(!again.covers(7, &Scope::parse("email"), at + Duration::from_secs(199)), "expired at the exact second");
        assert!(!again.covers(8, &Scope::parse("email"), at), "another client under the same id");
        let late = Consent::decide_grant(Some(&again), given("openid"), at + Duration::from_secs(199));
        assert_eq!(late.scope.to_string(), "openid", "an expired consent is not revived");
    }

    #[test]
    fn a_withdrawn_consent_covers_nothing_and_moves_the_generation_on() {
        let at = Timestamp::from_secs(1000);
        let consent = Consent::decide_grant(None, given("openid"), at);
        let withdrawn = consent.decide_withdraw(at);
        assert!(!withdrawn.covers(7, &Scope::empty(), at));
        assert_eq!(Consent::decide_grant(Some(&withdrawn), given("openid"), at).generation, consent.generation + 1);
    }
}
