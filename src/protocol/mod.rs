//! The specifications as pure functions: parse, check, render.
//!
//! Nothing here awaits, opens a file or reads a clock; `now` comes in as an argument. A function names the section that it
//! follows first. How an error gets to whom it concerns (JSON, challenge, redirect, page) is for the rooms above to say,
//! with one exception: only [`redirect`] can make an answer that goes to a redirect URI, and only to a proven one.

pub mod authorize;
pub mod bearer;
pub mod claims;
pub mod claims_request;
pub mod client_auth;
pub mod discovery;
pub mod error;
pub mod hint;
pub mod id_token;
pub mod interaction;
pub mod introspection;
pub mod issuer;
pub mod lifetime;
pub mod logout;
pub mod parameter;
pub mod pkce;
pub mod prompt;
pub mod redirect;
pub mod response;
pub mod scope;
pub mod session_state;
pub mod standard_claim;
pub mod token;
