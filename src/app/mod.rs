//! The running provider: what a request, a reply and a piece of bounded work are, knowing no protocol.

pub mod address;
pub mod cookie;
pub mod cors;
pub mod lane;
pub mod reply;
pub mod request;
pub mod throttle;
