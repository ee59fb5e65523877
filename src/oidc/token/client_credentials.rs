//! `grant_type=client_credentials` (RFC 6749 section 4.4).

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::issue::{self, Authorization, Offspring};
use crate::base::clock::Timestamp;
use crate::model::client::Client;
use crate::model::scope::Scope;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope::of_list;
use crate::protocol::token::{TokenResponse, TokenType};

/// Gives a client an access token for itself. Nothing comes along: it can ask again at any time (section 4.4.3), and nobody
/// has logged in.
pub(super) async fn issue(
    app: &App,
    client: &Client,
    asked: Option<&Scope>,
    now: Timestamp,
) -> Result<TokenResponse, Fault> {
    let scope = of_list(asked, client)?;
    if scope.is_empty() {
        return Err(OAuthError::new(ErrorCode::InvalidScope, "the client has no scope that it could be granted").into());
    }
    let authorization = Authorization { client, by: None, scope, nonce: None, claims: None };
    let grant = issue::grant(app, authorization, Offspring::One, now);
    let (token, access_token) = issue::access_token(app, client, &grant, now);
    let response = TokenResponse {
        access_token,
        token_type: TokenType::Bearer,
        expires_in: token.expires_at.since(now).as_secs(),
        refresh_token: None,
        scope: grant.scope,
        id_token: None,
    };
    app.store.put_access_token(token, None).await?;
    Ok(response)
}
