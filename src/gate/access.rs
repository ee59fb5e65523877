//! What a request may do that bears an access token.

use crate::app::{App, access, fault::Fault};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::model::scope::Scope;
use crate::protocol::bearer;

/// Whose access token a request bears, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `sub` of the user as the client knows them; nobody where the client got the token for itself.
    pub subject: Option<String>,
    /// The name that the user logs in with.
    pub username: Option<String>,
    /// The client that the token was issued to.
    pub client_id: String,
    /// All that it is good for.
    pub scope: Scope,
    /// The first moment at which it isn't.
    pub expires_at: Timestamp,
}

impl Access {
    /// What a token of this provider opens, if that is all of what is needed.
    ///
    /// # Errors
    /// `invalid_token` or `insufficient_scope` (RFC 6750 section 3.1), or what is wrong with us.
    pub(super) async fn by(app: &App, token: &Secret, needed: &Scope, now: Timestamp) -> Result<Self, Fault> {
        let (found, client) = access::live(app, token, now).await?;
        bearer::check_scope(&found.token.scope, needed)?;
        let user = found.user.as_deref();
        let subject = user.map(|user| app.hooks.subject(user, &client)).transpose()?;
        Ok(Self {
            subject: subject.map(Into::into),
            username: user.map(|user| user.username.clone()),
            client_id: client.id.to_string(),
            scope: found.token.scope.clone(),
            expires_at: found.token.expires_at,
        })
    }
}
