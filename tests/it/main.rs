//! The whole of hallpass, from the outside: a real server with a fixed clock, a file for each endpoint and feature, and the
//! rules of the house.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::large_futures,
    reason = "tests say what they expect by unwrapping it"
)]
#![allow(missing_docs, unreachable_pub, reason = "there is no public side")]

mod administration;
mod authorize;
mod claims;
mod cli;
mod client_auth;
mod client_credentials;
mod conformance;
mod consent;
mod cors;
mod coverage;
mod crash;
mod detour;
mod dev;
mod discovery;
mod durability;
mod embed;
mod end_session;
mod event;
mod external_login;
mod front_channel;
mod gate;
mod golden;
mod harness;
mod hook;
mod hostile;
mod house;
mod http;
mod id_token;
mod interaction;
mod introspection;
mod keys;
mod language;
mod lifetime;
mod log;
mod login;
mod logout;
mod model;
mod outbound;
mod password_grant;
mod playground;
mod refresh;
mod reload;
mod relying_party;
mod revocation;
mod rotation;
mod session_management;
mod templates;
mod testing;
mod tls;
mod token;
mod userinfo;
mod webhook;
mod webhook_sender;
