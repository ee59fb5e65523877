//! Signatures and keys.
