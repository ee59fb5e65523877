//! hallpass: an OpenID Connect provider in one binary.

pub mod account;
pub mod app;
pub mod base;
pub mod jose;
pub mod model;
pub mod oidc;
pub mod page;
pub mod protocol;
pub mod server;
pub mod settings;
pub mod store;
