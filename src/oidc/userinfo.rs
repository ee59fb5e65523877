//! `UserInfo` (OpenID Connect Core 1.0 section 5.3).

use hyper::Method;

use crate::app::App;
use crate::app::access;
use crate::app::claims::Told;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::secret::Secret;
use crate::model::scope::Scope;
use crate::protocol::bearer;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::scope::OPENID;

/// The claims that the bearer of an access token may see of its user.
///
/// # Errors
/// RFC 6750 section 3.1: `invalid_request`, `invalid_token`, `insufficient_scope`.
pub async fn userinfo(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let Some(token) = presented_token(app, request).await? else { return Err(Fault::token_missing()) };
    let (access, client) = access::live(app, &token, request.now()).await?;
    bearer::check_scope(&access.token.scope, &Scope::parse(OPENID))?;
    // What a client got for itself says nothing about anybody.
    let user = access.user.as_deref().ok_or_else(bearer::no_user)?;
    let asked = access.grant.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let told = Told { client: &client, user, scope: &access.token.scope, asked: asked.as_ref() };
    let claims = told.at_userinfo(&app.hooks).await?;
    Ok(Reply::json(&claims).no_store())
}

/// RFC 6750 section 2: in the header, in a form, or in the query where the settings allow it.
async fn presented_token(app: &App, request: &mut Request) -> Result<Option<Secret>, Fault> {
    // A POST may come with the token in the header and whatever body (OpenID Connect Core 1.0 section 5.3.1).
    let form = if *request.method() == Method::POST && request.has_form() { Some(request.form().await?) } else { None };
    let query = if app.settings.userinfo.query_token { Some(request.query()?) } else { None };
    Ok(bearer::parse_token(request.authorization()?, form.as_ref(), query.as_ref())?)
}
