//! Signing keys and the states they go through.

use std::fmt;

use minicbor::{Decode, Encode};

use super::codec;
use super::id::KeyId;
use crate::base::clock::Timestamp;
use crate::jose::alg::Algorithm;

/// Where a key is in its life. Every key that exists is published in the JWKS, whatever its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyState {
    /// Published, so that relying parties know it before it signs.
    #[n(0)]
    Next,
    /// Signs. There is one active key of an algorithm at most.
    #[n(1)]
    Active,
    /// Signs no more, but what it signed can still be verified.
    #[n(2)]
    Retired,
}

impl KeyState {
    /// The name in lists and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A signing key. Its private part is sealed apart from this record and never in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    #[n(0)]
    pub id: KeyId,
    /// What it signs.
    #[cbor(n(1), with = "codec::algorithm")]
    pub algorithm: Algorithm,
    /// Size of the modulus in bits.
    #[n(2)]
    pub bits: u32,
    /// Where it is in its life.
    #[n(3)]
    pub state: KeyState,
    /// When it was made or imported.
    #[n(4)]
    pub created_at: Timestamp,
    /// When it first signed.
    #[n(5)]
    pub activated_at: Option<Timestamp>,
    /// When it signed last.
    #[n(6)]
    pub retired_at: Option<Timestamp>,
}

/// Why a key can't be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is no key of that id.
    Unknown,
    /// It is the key that signs: another one has to be promoted first.
    Active,
    /// It is in that state already.
    Already(KeyState),
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such key"),
            Self::Active => f.write_str("it is the active key: promote another one first"),
            Self::Already(state) => write!(f, "it is {state} already"),
        }
    }
}

/// What becomes of a list of keys when `key` is asked to sign: it becomes active, the one that signed so far retires.
/// Gives the changed records.
///
/// # Errors
/// [`KeyRefusal`] when there is nothing to do.
pub fn decide_promote(keys: &[SigningKey], key: &KeyId, now: Timestamp) -> Result<Vec<SigningKey>, KeyRefusal> {
    let chosen = find(keys, key)?;
    if chosen.state == KeyState::Active {
        return Err(KeyRefusal::Already(KeyState::Active));
    }
    let so_far = keys.iter().filter(|other| other.state == KeyState::Active && other.algorithm == chosen.algorithm);
    let retired = so_far.map(|other| SigningKey { state: KeyState::Retired, retired_at: Some(now), ..other.clone() });
    let active = SigningKey { state: KeyState::Active, activated_at: Some(now), retired_at: None, ..chosen.clone() };
    Ok(retired.chain([active]).collect())
}

/// The record of a key that will sign no more.
///
/// # Errors
/// [`KeyRefusal`] when it is the one that signs, or has retired.
pub fn decide_retire(keys: &[SigningKey], key: &KeyId, now: Timestamp) -> Result<SigningKey, KeyRefusal> {
    let chosen = find(keys, key)?;
    match chosen.state {
        KeyState::Active => Err(KeyRefusal::Active),
        KeyState::Retired => Err(KeyRefusal::Already(KeyState::Retired)),
        KeyState::Next => Ok(SigningKey { state: KeyState::Retired, retired_at: Some(now), ..chosen.clone() }),
    }
}

/// Whether a key may be deleted. From then on nothing that it signed can be verified.
///
/// # Errors
/// [`KeyRefusal`] when it is the one that signs.
pub fn decide_delete(keys: &[SigningKey], key: &KeyId) -> Result<(), KeyRefusal> {
    if find(keys, key)?.state == KeyState::Active { Err(KeyRefusal::Active) } else { Ok(()) }
}

/// The state of a key that is added to `keys`: the first of its algorithm signs at once.
pub fn decide_first_state(keys: &[SigningKey], algorithm: Algorithm) -> KeyState {
    let signs = |key: &SigningKey| key.state == KeyState::Active && key.algorithm == algorithm;
    if keys.iter().any(signs) { KeyState::Next } else { KeyState::Active }
}

fn find<'a>(keys: &'a [SigningKey], key: &KeyId) -> Result<&'a SigningKey, KeyRefusal> {
    keys.iter().find(|other| other.id == *key).ok_or(KeyRefusal::Unknown)
}
