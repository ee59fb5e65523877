//! The specifications as pure functions: parse, check, render.
//!
//! Nothing here awaits, opens a file or reads a clock; `now` comes in as an argument. A function names the section that it
//! follows first. How an error gets to whom it concerns (JSON, challenge, redirect, page) is for the rooms above to say,
//! with one exception: only [`redirect`] can make an answer that goes to a redirect URI, and only to a proven one.

pub mod error;
pub mod issuer;
pub mod parameter;
pub mod redirect;
pub mod response;
