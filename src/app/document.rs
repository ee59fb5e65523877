//! Documents that are the same for everybody, with the entity tag by which whoever has one is spared another.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

use super::reply::Reply;
use super::request::Request;
use crate::base::encode::base64url;

/// A document and its strong entity tag (RFC 9110 section 8.8.3), made once.
#[derive(Clone, Debug)]
pub struct Document {
    body: Bytes,
    etag: HeaderValue,
}

impl Document {
    /// Of these bytes. The tag is of their SHA-256, so that it is the same after a restart.
    pub fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = Sha256::digest(&body);
        let etag = format!("\"{}\"", base64url(digest.get(..12).unwrap_or_default()));
        // Base64url and quotes are visible ASCII.
        Self { body, etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")) }
    }

    /// What stands in it.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The whole of it, or 304 for whoever has it.
    pub fn answer(&self, request: &Request, media_type: HeaderValue) -> Reply {
        let reply = if has(request, self.etag.to_str().unwrap_or_default()) {
            Reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            Reply::bytes(media_type, self.body.clone())
        };
        reply.header(ETAG, self.etag.clone())
    }
}

/// Whether the client has already what this entity tag names: `If-None-Match` says so (RFC 9110 section 13.1.2). The
/// comparison is weak, since a proxy that compresses makes tags weak.
pub fn has(request: &Request, etag: &str) -> bool {
    let lines = request.headers().get_all(IF_NONE_MATCH).into_iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(str::trim);
    known.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
