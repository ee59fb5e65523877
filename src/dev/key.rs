//! The signing key of every provider for development. It is in the program, so everybody has it: a start needs no time to
//! make one, and tokens of yesterday's start still verify. `serve` refuses a store that has it.

use crate::base::clock::Timestamp;
use crate::jose::key::{KeyError, PrivateKey};
use crate::store::NewKey;

/// PKCS#8, DER.
const KEY: &[u8] = include_bytes!("key.p8");

/// The key, as a store takes it.
///
/// # Errors
/// Never: the key in the program is whole.
pub fn signing_key(now: Timestamp) -> Result<NewKey, KeyError> {
    Ok(NewKey::of(&PrivateKey::from_pkcs8(KEY)?, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::development::KEY_ID;

    #[test]
    fn rfc7638_the_id_is_that_of_the_key_in_the_program() {
        let key = signing_key(Timestamp::EPOCH).unwrap();
        assert_eq!(key.id.as_str(), KEY_ID);
        assert_eq!(key.public.bits(), 2048);
    }
}
