//! The token endpoint (RFC 6749 section 3.2, OpenID Connect Core 1.0 section 3.1.3): one file for each grant type.

mod client_credentials;
mod code;
mod password;
mod refresh;

use super::client;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::model::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::token::{TokenRequest, TokenResponse};

/// Exchanges a grant for tokens.
///
/// # Errors
/// RFC 6749 section 5.2.
pub async fn token(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let client = client::authenticate(app, request, &form).await?;
    let response = exchange(app, request, &client, &form).await.map_err(|fault| fault.of_client(&client.id))?;
    Ok(Reply::json(&response).no_store())
}

/// One file for each grant type.
async fn exchange(app: &App, request: &Request, client: &Client, form: &Form) -> Result<TokenResponse, Fault> {
    let now = request.now();
    let ask = TokenRequest::parse(form, &app.grant_types)?;
    ask.check(client)?;
    match ask {
        TokenRequest::AuthorizationCode { code, redirect_uri, verifier } => {
            code::redeem(app, client, &code, redirect_uri, verifier, now).await
        }
        TokenRequest::RefreshToken { refresh_token, scope } => {
            refresh::rotate(app, client, refresh_token, scope.as_ref(), now).await
        }
        TokenRequest::ClientCredentials { scope } => client_credentials::issue(app, client, scope.as_ref(), now).await,
        TokenRequest::Password { username, password, scope } => {
            password::issue(app, request, client, &username, password, scope.as_ref()).await
        }
    }
}

/// `invalid_grant`, with the reason for the log only: the client learns no more than that it doesn't hold.
fn invalid_grant(description: &'static str, detail: impl AsRef<str>) -> Fault {
    OAuthError::new(ErrorCode::InvalidGrant, description).detail(detail).into()
}
