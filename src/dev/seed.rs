//! Ids and secrets that are the same at every start, so that neither an application's settings nor its users' rows have to
//! follow a restart. Each thing draws from a stream of its own: one more client changes nothing about the others.

use crate::base::random::Random;

/// What ids and secrets are drawn from when nobody names a seed.
const USUAL: &str = "hallpass";

/// A text from which ids and secrets are drawn.
#[derive(Clone, Debug)]
pub struct Seed(String);

impl Seed {
    /// From what somebody chose, or the usual one.
    pub fn new(text: Option<&str>) -> Self {
        Self(text.unwrap_or(USUAL).to_owned())
    }

    /// The stream of one thing, such as the user `alice`.
    pub fn random(&self, kind: &str, name: &str) -> Random {
        // The length keeps seed and name apart, whatever stands in them.
        Random::seeded(&format!("dev {} {} {kind} {name}", self.0.len(), self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: Option<&str>, kind: &str, name: &str) -> [u8; 16] {
        Seed::new(seed).random(kind, name).bytes()
    }

    #[test]
    fn the_same_seed_gives_the_same_things_and_another_gives_others() {
        assert_eq!(draw(None, "user", "alice"), draw(None, "user", "alice"));
        assert_eq!(draw(Some("ci"), "user", "alice"), draw(Some("ci"), "user", "alice"));
        assert_ne!(draw(None, "user", "alice"), draw(Some("ci"), "user", "alice"));
        assert_ne!(draw(None, "user", "alice"), draw(None, "client", "alice"));
        assert_ne!(draw(Some("a user"), "b", "c"), draw(Some("a"), "user b", "c"));
    }
}
