//! Calls to others over HTTP/1.1: who is trusted, how a connection is made, and one request over it.
//!
//! Commands that administer a provider elsewhere use these parts as they are, since a person typed the address.

mod connection;
mod exchange;
mod trust;

pub use connection::{Connection, connect};
pub use exchange::exchange;
pub use trust::{Trust, TrustError};
