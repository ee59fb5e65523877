//! Signatures and keys.
pub mod alg;
