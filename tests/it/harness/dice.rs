//! Random choices that a seed repeats.

use hallpass::base::random::Random;

pub struct Dice(Random);

impl Dice {
    pub fn new(seed: &str) -> Self {
        Self(Random::seeded(seed))
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        u64::from_be_bytes(self.0.bytes())
    }

    /// A number less than `end`, which isn't 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }
}

/// The seed that the environment names, or a new one.
pub fn seed(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| Random::System.bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The number that the environment names, or this one.
pub fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
