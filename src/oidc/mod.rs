//! The protocol's endpoints, one file each. Each reads as the specification does: parse, authenticate, validate, act,
//! respond.

mod advice;
pub mod authorize;
pub mod check_session;
mod client;
pub mod discovery;
pub mod end_session;
pub mod errand;
pub mod introspect;
pub mod jwks;
pub mod revoke;
pub mod token;
pub mod userinfo;
