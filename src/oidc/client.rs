//! Client authentication (RFC 6749 section 2.3), at every endpoint that clients call.

use std::sync::Arc;

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::base::secret;
use crate::model::client::Client;
use crate::protocol::client_auth::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};

/// The client that makes a request, as sure as its type allows.
///
/// # Errors
/// `invalid_client`, and 429 for whoever guesses secrets.
pub(super) async fn authenticate(app: &App, request: &Request, form: &Form) -> Result<Arc<Client>, Fault> {
    let credentials = Credentials::parse(request.authorization()?, form)?;
    for id in credentials.client_ids() {
        if let Some(client) = app.store.client(id).await? {
            check_credentials(app, request, &client, &credentials).map_err(|fault| fault.of_client(id))?;
            return Ok(client);
        }
    }
    let named: Vec<_> = credentials.client_ids().map(|id| secret::glimpse(id.as_str())).collect();
    Err(credentials.refuse(&format!("there is no client {}", named.join(" or "))).into())
}

/// The same at an endpoint that is for clients which prove who they are.
///
/// # Errors
/// As above, `invalid_client` with the status 401, also for a public client.
pub(super) async fn authenticate_confidential(app: &App, request: &Request, form: &Form) -> Result<Arc<Client>, Fault> {
    let client = authenticate(app, request, form).await.map_err(Fault::guarded)?;
    if client.is_public() {
        let error = OAuthError::new(ErrorCode::InvalidClient, "this is for clients that have a secret");
        return Err(Fault::from(error).guarded().of_client(&client.id));
    }
    Ok(client)
}

/// RFC 6749 section 2.3.1: secrets must not be guessed by trying. Ids are public, and many callers may share an address, so
/// whoever makes a client wait for its tokens should gain nothing by it: only a secret short enough to be guessed is guarded
/// by delays, which the right one has to await like all others.
fn check_credentials(app: &App, request: &Request, client: &Client, credentials: &Credentials) -> Result<(), Fault> {
    if client.is_public() || client.has_strong_secret() {
        return Ok(client_auth::check(client, credentials)?);
    }
    let attempt = app.client_throttle.attempt(client.id.as_str(), request.client_address(), app.clock.now())?;
    let checked = client_auth::check(client, credentials);
    match &checked {
        Ok(()) => attempt.succeeded(),
        Err(_) => attempt.failed(),
    }
    Ok(checked?)
}
