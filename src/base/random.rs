//! Random bytes: from the system, or from a seed for tests and `dev --seed`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Where random bytes come from. Clones of a seeded source share one stream.
#[derive(Clone, Default)]
pub enum Random {
    /// The operating system's generator.
    #[default]
    System,
    /// A stream that is fixed by its seed: HMAC-SHA-256 of a counter. Never for production.
    Seeded(Arc<Mutex<SeededStream>>),
}

/// The state of a seeded stream.
pub struct SeededStream {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    /// A source that gives the same bytes for the same seed.
    pub fn seeded(seed: &str) -> Self {
        use sha2::Digest;
        Self::Seeded(Arc::new(Mutex::new(SeededStream { seed: Sha256::digest(seed.as_bytes()).into(), counter: 0 })))
    }

    /// Fills `buffer` with random bytes.
    ///
    /// # Panics
    /// When the operating system has no random numbers: nothing safe can be done without them.
    #[allow(clippy::expect_used)] // see above: there is no answer to give without randomness
    pub fn fill(&self, buffer: &mut [u8]) {
        match self {
            Self::System => getrandom::fill(buffer).expect("the operating system gives random bytes"),
            Self::Seeded(stream) => {
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in buffer.chunks_mut(32) {
                    let mut mac = Hmac::<Sha256>::new_from_slice(&stream.seed).expect("HMAC takes keys of any length");
                    mac.update(&stream.counter.to_be_bytes());
                    stream.counter += 1;
                    let block = mac.finalize().into_bytes();
                    chunk.copy_from_slice(block.get(..chunk.len()).unwrap_or_default());
                }
            }
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "Random::System",
            Self::Seeded(_) => "Random::Seeded",
        })
    }
}
