//! Discovery (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).

use hyper::header::CACHE_CONTROL;

use crate::app::App;
use crate::app::reply::Reply;

/// The metadata document, which was rendered at the start.
pub fn discovery(app: &App) -> Reply {
    public_document(app, Reply::json_bytes(app.discovery.clone()))
}

/// A document that anyone may keep for a while.
pub(super) fn public_document(app: &App, reply: Reply) -> Reply {
    reply.header(CACHE_CONTROL, app.public_cache.clone())
}
