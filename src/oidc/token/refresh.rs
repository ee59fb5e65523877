//! `grant_type=refresh_token` (RFC 6749 section 6, OpenID Connect Core 1.0 section 12, RFC 9700 section 4.14).

use super::invalid_grant;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::issue::{self, Occasion};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::grant::{Rotate, RotateRefusal};
use crate::model::id::{Bearer, BearerKind, RefreshTokenId};
use crate::model::scope::Scope;
use crate::protocol::scope::narrow;
use crate::protocol::token::TokenResponse;
use crate::store::Rotation;

const REFUSED: &str = "the refresh token is unknown, expired, used, revoked, or was issued to another client";

/// Exchanges a refresh token for fresh tokens, and itself for a fresh one.
pub(super) async fn rotate(
    app: &App,
    client: &Client,
    refresh_token: Secret,
    scope: Option<&Scope>,
    now: Timestamp,
) -> Result<TokenResponse, Fault> {
    let unknown = || invalid_grant(REFUSED, "no such refresh token");
    let bearer = Bearer::parse(BearerKind::RefreshToken, refresh_token.expose()).ok_or_else(unknown)?;
    let found = app.store.find_refresh_token(&bearer).await?.ok_or_else(unknown)?;
    if found.grant.client != client.id {
        return Err(invalid_grant(REFUSED, "of another client"));
    }
    if let Some(void) = found.voided_by(client, now) {
        return Err(invalid_grant(REFUSED, void.to_string()));
    }
    let user = found.user.as_deref().ok_or_else(unknown)?;
    // A look before the work, as with codes.
    if now >= found.token.expires_at {
        return Err(invalid_grant(REFUSED, RotateRefusal::Expired.to_string()));
    }
    // Held to the end: what overlaps with this request is a race, and a race has one winner. A token that stays in use may be
    // used by several at a time.
    let _turn = if client.rotates_refresh_tokens() {
        let turn = app.races.enter(RefreshTokenId(bearer.id()), now);
        Some(turn.ok_or_else(|| invalid_grant(REFUSED, RotateRefusal::Race.to_string()))?)
    } else {
        None
    };
    // RFC 6749 section 6: the scope may be narrowed, and only this access token is narrower then.
    let scope = narrow(&found.grant.scope, scope)?;
    let minted = issue::tokens(app, client, &found.grant, scope.clone(), client.rotates_refresh_tokens(), now);
    let occasion = Occasion { client, user, grant: &found.grant, scope: &scope, nonce: None, now };
    let mut response = issue::token_response(app, &occasion, &minted).await?;
    let rotation = Rotation {
        digest: bearer.digest(),
        client: client.id.clone(),
        tokens: minted.rows,
        keep_until: Some((now + app.lifetimes(client).refresh_idle).min(found.grant.ends_at)),
        grace: app.settings.refresh.grace,
        ends_access: app.settings.compat.django,
    };
    match app.store.rotate_refresh(&RefreshTokenId(bearer.id()), rotation, now).await? {
        Rotate::Granted | Rotate::Retried { .. } => {
            if !client.rotates_refresh_tokens() {
                response.refresh_token = Some(refresh_token);
            }
            Ok(response)
        }
        Rotate::Reused => {
            tracing::warn!(grant = %found.grant.id, client = %client.id, "a refresh token was used again: its family has ended");
            Err(invalid_grant(REFUSED, "used before"))
        }
        Rotate::Refused(why) => Err(invalid_grant(REFUSED, why.to_string())),
    }
}
