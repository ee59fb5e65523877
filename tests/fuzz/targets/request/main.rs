//! The whole provider: a script of requests from several browsers and clients against one in memory, and the promises that hold
//! over all of it.
//!
//! - Nothing panics, nothing answers with 5xx.
//! - No code without a login and an agreement, and none that works twice.
//! - Nobody is redirected but to a page of ours, or to where the client has registered.
//! - Tokens speak of who logged in, to whom they were issued, within what was asked and agreed to, for as long as they may.
//! - No secret stands where it doesn't belong: not in a page, an address, an error or the log.
//!
//! [`script`] says how a script is written, [`model`] keeps account of what the provider may do, and [`world`] is the provider.
#![no_main]

mod answer;
mod browser;
mod model;
mod script;
mod world;

libfuzzer_sys::fuzz_target!(init: world::begin(), |data: &[u8]| world::run(data));
