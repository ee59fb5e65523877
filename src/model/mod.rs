//! The nouns hallpass keeps, and the decisions about them that need nothing but themselves and the time.
//!
//! Everything here is pure: nothing awaits, nothing opens a file, `now` comes in as an argument. The store makes these
//! decisions atomic; it adds none of its own.

pub mod client;
mod codec;
pub mod consent;
pub mod event;
pub mod grant;
pub mod id;
pub mod key;
pub mod logo;
pub mod rules;
pub mod scope;
pub mod session;
pub mod user;
