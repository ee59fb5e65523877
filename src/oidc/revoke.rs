//! Token revocation (RFC 7009).

use hyper::StatusCode;

use super::client;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::clock::Timestamp;
use crate::model::client::Client;
use crate::model::grant::EndReason;
use crate::protocol::token::Presented;

/// Takes a token back. What can't be taken back, since it isn't there, or isn't the client's, is answered like what was
/// (section 2.2): nobody learns by this which tokens there are.
///
/// # Errors
/// `invalid_client`, `invalid_request`.
pub async fn revoke(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let client = client::authenticate(app, request, &form).await?;
    let token = Presented::parse(&form).map_err(|error| Fault::from(error).of_client(&client.id))?;
    end(app, &client, &token, request.now()).await?;
    Ok(Reply::empty(StatusCode::OK).no_store())
}

/// Section 2.1: an access token ends alone; a refresh token, used or not, with everything that came from its grant.
async fn end(app: &App, client: &Client, token: &Presented, now: Timestamp) -> Result<(), Fault> {
    let ended = match token {
        Presented::Access(bearer) => match app.store.find_access_token(bearer).await? {
            Some(found) if found.grant.client == client.id => app.store.delete_access_token(&found.token.id).await?,
            _ => false,
        },
        Presented::Refresh(bearer) => match app.store.find_refresh_token(bearer).await? {
            Some(found) if found.grant.client == client.id => {
                app.store.end_grant(&found.grant.id, EndReason::Revoked, now).await?
            }
            _ => false,
        },
        Presented::Unknown => false,
    };
    tracing::info!(client = %client.id, ended, "token revoked");
    Ok(())
}
