//! What an access token is worth at this moment.

use std::sync::Arc;

use super::App;
use super::fault::Fault;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::{Bearer, BearerKind};
use crate::protocol::bearer;
use crate::store::AccessContext;

/// The access token in its context, and its client, if everything that it stands on still holds.
///
/// # Errors
/// `invalid_token` (RFC 6750 section 3.1); the reason is for the log.
pub async fn live(app: &App, token: &Secret, now: Timestamp) -> Result<(Arc<AccessContext>, Arc<Client>), Fault> {
    let refused = |why: &str| Fault::from(bearer::invalid_token(why));
    let bearer = Bearer::parse(BearerKind::AccessToken, token.expose()).ok_or_else(|| refused("not one of ours"))?;
    let access = app.store.find_access_token(&bearer).await?.ok_or_else(|| refused("there is no such token"))?;
    let client = app.store.client(&access.grant.client).await?.ok_or_else(|| refused("its client is gone"))?;
    if now >= access.token.expires_at {
        return Err(refused("it has expired"));
    }
    if let Some(void) = access.voided_by(&client, now) {
        return Err(refused(&void.to_string()));
    }
    Ok((access, client))
}
