//! Sealing: what is kept on disk or handed to a browser, unreadable and unchangeable without the server key.
//!
//! The cipher is XAES-256-GCM (C2SP): AES-256-GCM under a key made for each message from half of a 192-bit random
//! nonce. Plain AES-256-GCM has 96-bit nonces, of which random ones may collide after some 2^32 messages, and one
//! collision gives its authentication away; every page of a login is a message here. With 192 bits the same risk begins
//! at 2^80. What it adds is two AES blocks and one key schedule a message.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use zeroize::{Zeroize, Zeroizing};

use super::key::KeyError;
use super::mac::MacKey;
use crate::base::encode::{base64url, parse_base64, parse_base64url_array};
use crate::base::random::Random;
use crate::base::secret::Secret;

/// The first byte of everything sealed: the construction described above.
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

/// How much longer the sealed form is than what it holds, in bytes.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

/// The secret that everything kept is sealed with: 32 bytes. Whoever has it and the store has everything.
pub struct ServerKey(Zeroizing<[u8; 32]>);

impl ServerKey {
    /// A new key.
    pub fn generate(random: &Random) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        Self(key)
    }

    /// Reads a key from 64 hexadecimal digits, base64url or base64; white space around it does not matter.
    ///
    /// # Errors
    /// [`KeyError::ServerKey`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        parse_hex(text)
            .or_else(|| parse_base64url_array(text.trim_end_matches('=')))
            .or_else(|| Zeroizing::new(parse_base64(text)?).as_slice().try_into().ok())
            .map(|key| Self(Zeroizing::new(key)))
            .ok_or(KeyError::ServerKey)
    }

    /// The key as text that [`Self::parse`] reads: 43 characters of base64url.
    pub fn to_text(&self) -> Secret {
        Secret::new(base64url(*self.0))
    }

    /// What seals for one use. Whatever is sealed under one label does not open under another.
    pub fn sealer(&self, label: &str) -> Sealer {
        Sealer::new(&self.derive("seal", label))
    }

    /// A key for message authentication codes for one use.
    pub fn mac_key(&self, label: &str) -> MacKey {
        MacKey::new(&*self.derive("mac", label))
    }

    /// HKDF with SHA-256 (RFC 5869) to one block: a key for each purpose and label, none of which tells about another.
    fn derive(&self, purpose: &str, label: &str) -> Zeroizing<[u8; 32]> {
        let extracted = Zeroizing::new(MacKey::new(b"hallpass").tag(&*self.0));
        let info = format!("{purpose}:{label}\u{1}"); // the last byte is the number of the block
        Zeroizing::new(MacKey::new(&*extracted).tag(info.as_bytes()))
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

/// 64 hexadecimal digits of either case.
fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Seals and opens for one use, for any number of threads.
pub struct Sealer {
    root: EncryptingKey,
    /// The first subkey of CMAC (NIST SP 800-38B section 6.1).
    mask: [u8; 16],
}

impl Sealer {
    // The lengths that could be refused are fixed right here.
    #[allow(clippy::expect_used)]
    fn new(key: &[u8; 32]) -> Self {
        let root = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ecb).expect("a key of 32 bytes");
        let mut block = [0; 16];
        root.encrypt(&mut block).expect("one whole block");
        // Doubling in GF(2^128).
        let number = u128::from_be_bytes(block);
        let reduction = if number >> 127 == 1 { 0b1000_0111 } else { 0 };
        Self { root, mask: (number << 1 ^ reduction).to_be_bytes() }
    }

    /// Seals `plaintext`. It opens only with the same `associated_data`, which says where it belongs (a row's key, a
    /// browser's cookie) and is not part of the result. The result is [`OVERHEAD`] bytes longer than `plaintext`: version,
    /// nonce, ciphertext, tag.
    pub fn seal(&self, plaintext: &[u8], associated_data: &[u8], random: &Random) -> Vec<u8> {
        self.seal_with(random.bytes(), plaintext, associated_data)
    }

    // AES-GCM refuses only messages above 64 GiB.
    #[allow(clippy::expect_used)]
    fn seal_with(&self, nonce: [u8; NONCE], plaintext: &[u8], associated_data: &[u8]) -> Vec<u8> {
        // Large enough from the start, so that no copy of the plaintext stays behind.
        let mut sealed = Vec::with_capacity(OVERHEAD + plaintext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let (key, nonce) = self.message_key(&nonce);
        let (_, body) = sealed.split_at_mut(1 + NONCE);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(associated_data), body).expect("a message that fits");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`Self::seal`] made; `None` when it was sealed by another key or for another use or place, or was
    /// changed.
    pub fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, body) = rest.split_first_chunk::<NONCE>()?;
        let (key, nonce) = self.message_key(nonce);
        let mut body = body.to_vec();
        let length = key.open_in_place(nonce, Aad::from(associated_data), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    /// The key and the nonce of AES-256-GCM for one message: the key is CMAC in counter mode (NIST SP 800-108) over the
    /// first half of the long nonce, the nonce its second half.
    #[allow(clippy::expect_used)] // as above: all lengths are fixed
    fn message_key(&self, nonce: &[u8; NONCE]) -> (LessSafeKey, Nonce) {
        let (salt, nonce) = nonce.split_at(NONCE - NONCE_LEN);
        let mut key = [0; 32];
        for (block, counter) in key.chunks_exact_mut(16).zip(1..) {
            let head = [0, counter, b'X', 0];
            for ((byte, input), mask) in block.iter_mut().zip(head.iter().chain(salt)).zip(self.mask) {
                *byte = input ^ mask;
            }
        }
        self.root.encrypt(&mut key).expect("two whole blocks");
        let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key of 32 bytes"));
        key.zeroize();
        (gcm, Nonce::try_assume_unique_for_key(nonce).expect("12 bytes"))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::encode::hex;

    fn server_key() -> ServerKey {
        ServerKey::generate(&Random::seeded("seal"))
    }

    #[test]
    fn c2sp_xaes_256_gcm_vectors() {
        let nonce = *b"ABCDEFGHIJKLMNOPQRSTUVWX";
        for (key, associated_data, expected) in [
            ([1; 32], "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            ([3; 32], "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        ] {
            let sealed = Sealer::new(&key).seal_with(nonce, b"XAES-256-GCM", associated_data.as_bytes());
            assert_eq!(hex(&sealed), format!("01{}{expected}", hex(&nonce)));
        }
    }

    #[test]
    fn rfc5869_2_keys_are_derived_with_hkdf() {
        use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
        let key = ServerKey([7; 32].into());
        let mut expected = [0; 32];
        let extracted = Salt::new(HKDF_SHA256, b"hallpass").extract(&[7; 32]);
        extracted.expand(&[b"mac:csrf"], HKDF_SHA256).unwrap().fill(&mut expected).unwrap();
        assert_eq!(*key.derive("mac", "csrf"), expected);
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let (key, random) = (server_key(), Random::System);
        let sealer = key.sealer("client secret");
        for plaintext in [&b""[..], b"x", &[7; 5000]] {
            let sealed = sealer.seal(plaintext, b"row 1", &random);
            assert_eq!(sealed.len(), plaintext.len() + OVERHEAD);
            assert_eq!(sealed.capacity(), sealed.len(), "never moved while it held the plaintext");
            assert_eq!(sealer.open(&sealed, b"row 1").as_deref(), Some(plaintext));
            assert_eq!(key.sealer("client secret").open(&sealed, b"row 1").as_deref(), Some(plaintext));
            assert_eq!(sealer.open(&sealed, b"row 2"), None);
            assert_eq!(sealer.open(&sealed, b""), None);
            assert_eq!(key.sealer("private key").open(&sealed, b"row 1"), None);
            assert_eq!(ServerKey::generate(&random).sealer("client secret").open(&sealed, b"row 1"), None);
            assert_ne!(sealer.seal(plaintext, b"row 1", &random), sealed, "a new nonce each time");
        }
    }

    #[test]
    fn a_change_anywhere_is_noticed() {
        let sealer = server_key().sealer("test");
        let sealed = sealer.seal(b"a plaintext of more than one block", b"place", &Random::System);
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(sealer.open(&changed, b"place"), None, "bit {bit} of byte {at}");
            }
            assert_eq!(sealer.open(&sealed[..at], b"place"), None, "cut off at {at}");
        }
        let mut longer = sealed.clone();
        longer.push(0);
        assert_eq!(sealer.open(&longer, b"place"), None);
        assert_eq!(sealer.open(&sealed, b"place").as_deref(), Some(&b"a plaintext of more than one block"[..]));
    }

    #[test]
    fn keys_differ_by_purpose_and_label() {
        let key = server_key();
        let tags = [key.mac_key("csrf"), key.mac_key("state")].map(|key| key.tag(b""));
        assert_ne!(tags[0], tags[1]);
        assert_eq!(tags[0], key.mac_key("csrf").tag(b""));
        assert_ne!(*key.derive("seal", "x"), *key.derive("mac", "x"));
    }

    #[test]
    fn a_server_key_has_several_spellings() {
        let key = server_key();
        let url_safe = key.to_text();
        let standard = format!("{}=\n", url_safe.expose().replace('-', "+").replace('_', "/"));
        for text in [url_safe.expose(), &standard, &hex(&*key.0), &hex(&*key.0).to_uppercase()] {
            assert_eq!(ServerKey::parse(text).unwrap().0, key.0, "{text}");
        }
        for text in ["", "secret", &"0".repeat(63), &"0".repeat(66), &"x".repeat(64), url_safe.expose().split_at(1).1] {
            assert_eq!(ServerKey::parse(text).err(), Some(KeyError::ServerKey), "{text}");
        }
        assert_eq!(format!("{key:?}"), "ServerKey(…)");
    }
}
