//! The token endpoint (RFC 6749 section 3.2, OpenID Connect Core 1.0 section 3.1.3): one file for each grant type.

mod code;
mod refresh;

use std::sync::Arc;

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::clock::Timestamp;
use crate::base::form::Form;
use crate::model::client::Client;
use crate::protocol::client_auth::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::token::{TokenRequest, TokenResponse};

/// Exchanges a grant for tokens.
///
/// # Errors
/// RFC 6749 section 5.2.
pub async fn token(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let client = authenticate_client(app, request, &form).await?;
    let response = exchange(app, &client, &form, request.now()).await.map_err(|fault| fault.of_client(&client.id))?;
    Ok(Reply::json(&response).no_store())
}

/// One file for each grant type.
async fn exchange(app: &App, client: &Client, form: &Form, now: Timestamp) -> Result<TokenResponse, Fault> {
    let ask = TokenRequest::parse(form)?;
    ask.check(client)?;
    match ask {
        TokenRequest::AuthorizationCode { code, redirect_uri, verifier } => {
            code::redeem(app, client, &code, redirect_uri, verifier, now).await
        }
        TokenRequest::RefreshToken { refresh_token, scope } => {
            refresh::rotate(app, client, refresh_token, scope.as_ref(), now).await
        }
    }
}

/// RFC 6749 section 2.3: the client that makes the request, as sure as its type allows.
async fn authenticate_client(app: &App, request: &Request, form: &Form) -> Result<Arc<Client>, Fault> {
    let credentials = Credentials::parse(request.authorization()?, form)?;
    for id in credentials.client_ids() {
        if let Some(client) = app.store.client(id).await? {
            check_credentials(app, request, &client, &credentials).map_err(|fault| fault.of_client(id))?;
            return Ok(client);
        }
    }
    let named: Vec<_> = credentials.client_ids().map(ToString::to_string).collect();
    Err(credentials.refuse(&format!("there is no client {}", named.join(" or "))).into())
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

/// `invalid_grant`, with the reason for the log only: the client learns no more than that it doesn't hold.
fn invalid_grant(description: &'static str, detail: impl AsRef<str>) -> Fault {
    OAuthError::new(ErrorCode::InvalidGrant, description).detail(detail).into()
}
