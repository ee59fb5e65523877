//! The JWK Set (RFC 7517 section 5, OpenID Connect Discovery 1.0 section 3).

use hyper::header::HeaderValue;

use super::discovery::public_document;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;

const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Every key that is published: the one that signs, those to come, and those whose tokens may still be in use.
///
/// # Errors
/// When the keys have changed and can't be read.
pub async fn jwks(app: &App, request: &Request) -> Result<Reply, Fault> {
    let ring = app.keys.ring(&app.store).await?;
    Ok(public_document(app, request, ring.jwks(), JWK_SET))
}
