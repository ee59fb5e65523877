//! Calls to others over HTTP/1.1.
//!
//! [`Client`] calls addresses that somebody else has named, and is careful about where that leads. Commands that administer a
//! provider elsewhere use its parts ([`Trust`], [`connect`], [`exchange`]) as they are, since a person typed the address.
//! [`Webhook`] calls one place again and again, as carefully, and signs what it sends.

mod address;
mod client;
mod connection;
mod exchange;
mod line;
mod trust;
mod webhook;

pub use client::{CallError, Client, Options};
pub use connection::{Connection, connect};
pub use exchange::exchange;
pub use trust::{Trust, TrustError};
pub use webhook::{Received, SendError, Webhook, WebhookConfig};
