//! Token introspection (RFC 7662).

use std::borrow::Cow;

use bytes::Bytes;

use super::client;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::hook::About;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::clock::Timestamp;
use crate::model::client::Client;
use crate::protocol::introspection::{Answer, INACTIVE, Token, may_ask, may_know_of};
use crate::protocol::token::{Presented, TokenType};
use crate::store::TokenContext;

/// What is told, or why nothing is: that is for the log only.
type Told = Result<Reply, Cow<'static, str>>;

/// Tells a resource server what a token is worth at this moment (section 2).
///
/// # Errors
/// `invalid_client` with the status 401, `invalid_request`.
pub async fn introspect(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let caller = client::authenticate_confidential(app, request, &form).await?;
    let token = Presented::parse(&form).map_err(|error| Fault::from(error).of_client(&caller.id))?;
    let told = answer(app, &caller, &token, request.now()).await?;
    let reply = told.unwrap_or_else(|reason| {
        tracing::info!(client = %caller.id, %reason, "introspection: inactive");
        Reply::json_bytes(Bytes::from_static(INACTIVE.as_bytes()))
    });
    Ok(reply.no_store())
}

/// Looks at what the caller may ask, then at the token. Who may not know gets the answer of a token that doesn't hold
/// (section 4).
async fn answer(app: &App, caller: &Client, token: &Presented, now: Timestamp) -> Result<Told, Fault> {
    if !may_ask(caller) {
        return Ok(Err("token_introspection is not in the client's scope".into()));
    }
    match token {
        Presented::Access(bearer) => {
            let Some(found) = app.store.find_access_token(bearer).await? else { return Ok(unknown()) };
            let token = Token {
                scope: &found.token.scope,
                token_type: Some(TokenType::Bearer),
                issued_at: found.token.issued_at,
                expires_at: found.token.expires_at,
            };
            tell(app, caller, &found, &token, now).await
        }
        Presented::Refresh(bearer) => {
            let Some(found) = app.store.find_refresh_token(bearer).await? else { return Ok(unknown()) };
            if found.token.replaced.is_some() || found.token.superseded {
                return Ok(Err("another refresh token has taken its place".into()));
            }
            let token = Token {
                scope: &found.grant.scope,
                token_type: None,
                issued_at: found.token.issued_at,
                expires_at: found.token.expires_at,
            };
            tell(app, caller, &found, &token, now).await
        }
        Presented::Unknown => Ok(unknown()),
    }
}

fn unknown() -> Told {
    Err("there is no such token".into())
}

/// What the caller may know of a token, if everything that this stands on still holds.
async fn tell<T>(
    app: &App,
    caller: &Client,
    found: &TokenContext<T>,
    token: &Token<'_>,
    now: Timestamp,
) -> Result<Told, Fault> {
    let settings = &app.settings.introspection;
    let issued_to = &found.grant.client;
    if settings.validate_audience && !may_know_of(caller, issued_to) {
        return Ok(Err(format!("{issued_to}, whose token it is, is not in the client's scope").into()));
    }
    if now >= token.expires_at {
        return Ok(Err("it has expired".into()));
    }
    // Where the client is gone there is the caller, whose token it isn't: that is void.
    let other = if *issued_to == caller.id { None } else { app.store.client(issued_to).await? };
    let client = other.as_deref().unwrap_or(caller);
    if let Some(void) = found.voided_by(client, now) {
        return Ok(Err(void.to_string().into()));
    }
    let user = found.user.as_deref();
    let subject = user.map(|user| app.hooks.subject(user, client)).transpose()?;
    let more = app.hooks.introspection(About { client, user, scope: token.scope, asked: &[] }).await?;
    let answer = Answer::new(&app.issuer, client, user.zip(subject.as_deref()), token).with(more);
    let answer = if settings.include_scope { answer.with_scope(token) } else { answer };
    Ok(Ok(Reply::json(&answer)))
}
