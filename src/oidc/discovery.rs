//! Discovery (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).

use hyper::header::{CACHE_CONTROL, HeaderValue};

use crate::app::App;
use crate::app::document::Document;
use crate::app::reply::Reply;
use crate::app::request::Request;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The metadata document, which was rendered at the start.
pub fn discovery(app: &App, request: &Request) -> Reply {
    public_document(app, request, &app.discovery, JSON)
}

/// A document that anyone may keep for a while.
pub(super) fn public_document(app: &App, request: &Request, document: &Document, media_type: HeaderValue) -> Reply {
    document.answer(request, media_type).header(CACHE_CONTROL, app.public_cache.clone())
}
