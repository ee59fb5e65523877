//! The logos of clients that are kept here.

use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::encode::{base64url, percent};
use crate::base::form;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::model::logo::Logo;

/// Where logos lie, below the issuer.
pub const PATH: &str = "/client-logo/";

/// The address of a client's logo: it changes with the image, so that it can be kept for ever.
pub(super) fn address(app: &App, client: &Client) -> Option<String> {
    let logo = client.logo.as_ref()?;
    let mut address = format!("{}{PATH}", app.issuer.path());
    percent(client.id.as_str(), &mut address);
    Some(format!("{address}?v={}", version(logo)))
}

/// Gives out the logo of the client whose id stands, percent-encoded, behind [`PATH`].
///
/// # Errors
/// A missing page where there is no such logo.
pub async fn show(app: &App, request: &Request, id: &str) -> Result<Reply, Fault> {
    let id = form::decode(id.as_bytes()).map_err(|_| Fault::missing())?;
    let client = app.store.client(&ClientId::new(&*id)).await?;
    let logo = client.as_ref().and_then(|client| client.logo.as_ref()).ok_or_else(Fault::missing)?;
    let current = request.query()?.get("v") == Some(version(logo).as_str());
    let cache = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(Reply::bytes(HeaderValue::from_static(logo.format.media_type()), logo.bytes.clone())
        .header(CACHE_CONTROL, HeaderValue::from_static(cache))
        // An image, whatever somebody managed to put into it.
        .header(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")))
}

/// Six bytes of the image's digest.
fn version(logo: &Logo) -> String {
    base64url(Sha256::digest(&logo.bytes).get(..6).unwrap_or_default())
}
