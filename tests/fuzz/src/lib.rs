//! What several fuzz targets need.

use hallpass::app::App;
use hallpass::base::clock::{Clock, FixedClock, Timestamp};
use hallpass::base::random::Random;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::seal::ServerKey;
use hallpass::settings::{Settings, Sources};
use hallpass::store::{NewKey, Options, Store};

/// When everything begins.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Where the provider is.
pub const ISSUER: &str = "https://id.example";

/// The provider's signing key, and another one.
pub const RSA: &str = include_str!("../../it/data/rsa2048_pkcs8.pem");
pub const OTHER_RSA: &str = include_str!("../../it/data/rsa2048_other.pem");

/// A provider in memory with a signing key and nobody in it, the same one each time.
pub async fn provider(clock: FixedClock) -> App {
    let random = Random::seeded("fuzz");
    let cheap = [("password.memory_kib", "8"), ("password.iterations", "1"), ("throttle.enabled", "false")];
    let sources =
        cheap.iter().fold(Sources::default().set("issuer", ISSUER), |all, (key, value)| all.set(*key, *value));
    let settings = Settings::load(&sources).expect("settings");
    let options = Options { cache_bytes: 1 << 20, ..Options::default() };
    let store = Store::in_memory(ServerKey::generate(&random), &options).expect("a store");
    let key = PrivateKey::from_pem(RSA).expect("a key");
    store.add_key(NewKey::of(&key, START)).await.expect("a key in the store");
    App::new(settings, store, Clock::Fixed(clock), random).expect("a provider")
}

/// A text after edits of four bytes each: where (two bytes, from the start or, when negative, from the end), what, and with
/// what. No edits leave it as it is.
pub fn edited(original: &str, edits: &[u8]) -> Vec<u8> {
    let mut text = original.as_bytes().to_vec();
    for edit in edits.chunks_exact(4).take(16) {
        let place = i16::from_be_bytes([edit[0], edit[1]]);
        let at = match usize::try_from(place) {
            Ok(from_start) => from_start % (text.len() + 1),
            Err(_) => text.len() - usize::from(!place.cast_unsigned()) % (text.len() + 1),
        };
        let byte = edit[3];
        match edit[2] % 7 {
            0 if at < text.len() => text[at] = byte,
            1 if at < text.len() => text[at] ^= 1 << (byte % 8),
            2 => text.insert(at, byte),
            3 if at < text.len() => drop(text.remove(at)),
            4 => text.truncate(at),
            5 => text.rotate_left(at),
            6 if at < text.len() => {
                let end = (at + usize::from(byte)).min(text.len());
                let piece = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
            _ => {}
        }
    }
    text
}
