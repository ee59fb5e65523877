//! `grant_type=password` (RFC 6749 section 4.3), for what can't be changed to anything better (RFC 9700 section 2.4).

use hyper::StatusCode;

use super::invalid_grant;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::hook::{Arrival, Passage};
use crate::app::issue::{self, Authentication, Authorization, Occasion, Offspring};
use crate::app::login::{AMR, Refusal, log_in};
use crate::app::request::Request;
use crate::base::secret::Secret;
use crate::model::client::{Client, GrantType};
use crate::model::scope::Scope;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope::of_list;
use crate::protocol::token::TokenResponse;

const REFUSED: &str = "the username or the password is wrong";

/// Exchanges a user's name and password for tokens. There is no session, and nobody is asked: who tells a client their
/// password has let it do everything. A consent that is stored counts all the same: withdrawing it ends the tokens.
pub(super) async fn issue(
    app: &App,
    request: &Request,
    client: &Client,
    username: &str,
    password: Secret,
    asked: Option<&Scope>,
) -> Result<TokenResponse, Fault> {
    let now = request.now();
    let scope = of_list(asked, client)?;
    let attempt = app.grant_throttle.attempt(client.id.as_str(), request.client_address(), app.clock.now())?;
    let user = match log_in(app, request.client_address().into(), username, password).await {
        Ok(Ok(user)) => {
            attempt.succeeded();
            user
        }
        Ok(Err(Refusal::Wrong)) => {
            attempt.failed();
            return Err(wrong_password(app));
        }
        Ok(Err(Refusal::Throttled(wait))) => {
            attempt.withdraw();
            return Err(wait.into());
        }
        Err(fault) => {
            attempt.withdraw();
            return Err(fault);
        }
    };
    // Who may not use the application at the authorization endpoint may not here, and who has to do something first can't.
    let arrival = Arrival { client, user: &user, scope: &scope, returned: false };
    if app.hooks.admit(arrival, |_| false).await? != Passage::Open {
        return Err(invalid_grant("the user may not use this application", "a policy or a hook says so"));
    }
    let consent = app.store.consent(&user.id, &client.id).await?;
    let by = Authentication {
        user: &user,
        user_generation: user.generation,
        session: None,
        auth_time: now,
        amr: &[AMR.to_owned()],
        consent_generation: consent.map_or(0, |consent| consent.generation),
    };
    let authorization = Authorization { client, by: Some(by), scope, nonce: None, claims: None };
    let grant = issue::grant(app, authorization, Offspring::Tokens, now);
    let minted = issue::tokens(app, client, &grant, grant.scope.clone(), client.may_use(GrantType::RefreshToken), now);
    let occasion = Occasion { client, user: &user, grant: &grant, scope: &grant.scope, nonce: None, now };
    let response = issue::token_response(app, &occasion, &minted).await?;
    app.store.put_grant(grant, minted.rows).await?;
    Ok(response)
}

fn wrong_password(app: &App) -> Fault {
    if app.settings.compat.django {
        return Fault::from(OAuthError::new(ErrorCode::AccessDenied, REFUSED)).with_status(StatusCode::FORBIDDEN);
    }
    invalid_grant(REFUSED, "see the line of the login")
}
