//! What a client is told of a user: the claims of the specification, and then what hooks make of them. The endpoints, and
//! whoever wants to know beforehand, have it from here.

use super::fault::Fault;
use super::hook::{About, Claims, Hooks};
use crate::model::client::Client;
use crate::model::scope::Scope;
use crate::model::user::User;
use crate::protocol::claims::{id_token_claims, userinfo_claims};
use crate::protocol::claims_request::ClaimsRequest;

/// Who is told what of whom.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The client.
    pub client: &'a Client,
    /// The user.
    pub user: &'a User,
    /// What the user has granted, or less.
    pub scope: &'a Scope,
    /// Single claims that the client asked for (OpenID Connect Core 1.0 section 5.5).
    pub asked: Option<&'a ClaimsRequest>,
}

impl Told<'_> {
    /// At the `UserInfo` endpoint (OpenID Connect Core 1.0 section 5.3.2), `sub` among it.
    ///
    /// # Errors
    /// Those of the hooks.
    pub async fn at_userinfo(self, hooks: &Hooks) -> Result<Claims, Fault> {
        let Told { client, user, scope, asked } = self;
        let subject = hooks.subject(user, client)?;
        let claims = userinfo_claims(user, &subject, scope, asked);
        let asked = asked.map_or(&[][..], |asked| &asked.userinfo);
        let mut claims = hooks.claims(claims, About { client, user: Some(user), scope, asked }).await?;
        claims.insert("sub".to_owned(), subject.into());
        Ok(claims)
    }

    /// About the user in an ID token: `with_scope` the claims of the scope too, not only those that were asked for.
    ///
    /// # Errors
    /// Those of the hooks.
    pub async fn in_id_token(self, hooks: &Hooks, with_scope: bool) -> Result<Claims, Fault> {
        let Told { client, user, scope, asked } = self;
        let nothing = Scope::empty();
        let given = if with_scope { scope } else { &nothing };
        let mut claims = id_token_claims(user, with_scope.then_some(scope), asked);
        let asked = asked.map_or(&[][..], |asked| &asked.id_token);
        let about = About { client, user: Some(user), scope, asked };
        if with_scope || !asked.is_empty() {
            claims = hooks.claims(claims, About { scope: given, ..about }).await?;
        }
        hooks.id_token(claims, about).await
    }
}
