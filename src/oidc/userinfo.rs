//! `UserInfo` (OpenID Connect Core 1.0 section 5.3).

use std::sync::Arc;

use hyper::Method;

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::hook::About;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::{Bearer, BearerKind};
use crate::model::scope::Scope;
use crate::protocol::bearer;
use crate::protocol::claims::userinfo_claims;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::scope::OPENID;
use crate::store::AccessContext;

/// The claims that the bearer of an access token may see of its user.
///
/// # Errors
/// RFC 6750 section 3.1: `invalid_request`, `invalid_token`, `insufficient_scope`.
pub async fn userinfo(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let Some(token) = presented_token(app, request).await? else { return Err(Fault::token_missing()) };
    let (access, client) = live_access(app, request, &token).await?;
    bearer::check_scope(&access.token.scope, &Scope::parse(OPENID))?;
    // What a client got for itself says nothing about anybody.
    let user = access.user.as_deref().ok_or_else(bearer::no_user)?;
    let asked = access.grant.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let subject = app.hooks.subject(user, &client)?;
    let scope = &access.token.scope;
    let claims = userinfo_claims(user, &subject, scope, asked.as_ref());
    let mut claims = app.hooks.claims(claims, About { client: &client, user: Some(user), scope }).await?;
    claims.insert("sub".to_owned(), subject.into());
    Ok(Reply::json(&claims).no_store())
}

/// RFC 6750 section 2: in the header, in a form, or in the query where the settings allow it.
async fn presented_token(app: &App, request: &mut Request) -> Result<Option<Secret>, Fault> {
    // A POST may come with the token in the header and whatever body (OpenID Connect Core 1.0 section 5.3.1).
    let form = if *request.method() == Method::POST && request.has_form() { Some(request.form().await?) } else { None };
    let query = if app.settings.userinfo.query_token { Some(request.query()?) } else { None };
    Ok(bearer::parse_token(request.authorization()?, form.as_ref(), query.as_ref())?)
}

/// The access token in its context, and its client, if everything that it stands on still holds.
async fn live_access(app: &App, request: &Request, token: &Secret) -> Result<(Arc<AccessContext>, Arc<Client>), Fault> {
    let refused = |why: &str| Fault::from(bearer::invalid_token(why));
    let bearer = Bearer::parse(BearerKind::AccessToken, token.expose()).ok_or_else(|| refused("not one of ours"))?;
    let access = app.store.find_access_token(&bearer).await?.ok_or_else(|| refused("there is no such token"))?;
    let client = app.store.client(&access.grant.client).await?.ok_or_else(|| refused("its client is gone"))?;
    if request.now() >= access.token.expires_at {
        return Err(refused("it has expired"));
    }
    if let Some(void) = access.voided_by(&client, request.now()) {
        return Err(refused(&void.to_string()));
    }
    Ok((access, client))
}
