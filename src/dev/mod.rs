//! The provider for development: what `hallpass dev` has beyond `hallpass serve`.
//!
//! - [`furnish`](furnish::furnish) fills a store with a signing key, clients and people to log in as.
//! - [`playground`] is a relying party that shows a whole login.
//! - [`seed`] makes ids and secrets that are the same at every start.

pub mod furnish;
pub mod key;
mod persona;
pub mod playground;
pub mod seed;

/// The id of the client for the developer's application, which has a secret.
pub const APPLICATION: &str = "dev-app";

/// The id of the playground's own client: confidential, and asks for no consent.
pub const PLAYGROUND: &str = "playground";
