//! Protected resources: what an access token opens beyond the provider itself.
//!
//! - [`Guard`] stands in front of a program's own resources. It asks the provider in the same process, or one elsewhere by
//!   [`Introspection`].
//! - [`forward_auth`] answers a reverse proxy that asks before it lets a request through.

mod access;
pub mod forward_auth;
mod guard;
mod introspection;
mod known;
mod refusal;

pub use access::Access;
pub use guard::Guard;
pub use introspection::{Introspection, IntrospectionError};
pub use refusal::Refusal;
