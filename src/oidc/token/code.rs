//! `grant_type=authorization_code` (RFC 6749 section 4.1.3, OpenID Connect Core 1.0 section 3.1.3).

use super::invalid_grant;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::issue::{self, Occasion};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::model::client::{Client, GrantType};
use crate::model::grant::{Redeem, Redemption, decide_redeem};
use crate::model::id::{Bearer, BearerKind};
use crate::protocol::token::TokenResponse;
use crate::store::OwnedRedemption;

const REFUSED: &str =
    "the authorization code is unknown, expired, used, or was issued for another client or redirect_uri";

/// Redeems a code: once, by its client, with its redirect URI and verifier.
pub(super) async fn redeem(
    app: &App,
    client: &Client,
    code: &Secret,
    redirect_uri: String,
    verifier: Option<String>,
    now: Timestamp,
) -> Result<TokenResponse, Fault> {
    let unknown = || invalid_grant(REFUSED, "no such code");
    let bearer = Bearer::parse(BearerKind::Code, code.expose()).ok_or_else(unknown)?;
    let found = app.store.find_code(&bearer).await?.ok_or_else(unknown)?;
    let redemption = OwnedRedemption {
        digest: bearer.digest(),
        client: client.id.clone(),
        redirect_uri: Some(redirect_uri),
        verifier,
    };
    // A look before the work: what is refused now costs no signature. A reuse has to reach the store, which ends the family.
    let shown: Redemption<'_> = redemption.as_redemption();
    if let Redeem::Refused(why) = decide_redeem(&found.token, &shown, now) {
        return Err(invalid_grant(REFUSED, why.to_string()));
    }
    if let Some(void) = found.voided_by(client, now) {
        return Err(invalid_grant(REFUSED, void.to_string()));
    }
    let user = found.user.as_deref().ok_or_else(unknown)?;
    let refresh = client.may_use(GrantType::RefreshToken);
    let minted = issue::tokens(app, client, &found.grant, found.grant.scope.clone(), refresh, now);
    let nonce = found.grant.nonce.as_deref();
    let occasion = Occasion { client, user, grant: &found.grant, scope: &found.grant.scope, nonce, now };
    let response = issue::token_response(app, &occasion, &minted).await?;
    match app.store.redeem_code(&found.token.id, redemption, minted.rows, now).await? {
        Redeem::Granted => {
            app.codes.remove(&user.id, found.token.id.0);
            Ok(response)
        }
        Redeem::Reused => {
            tracing::warn!(grant = %found.grant.id, client = %client.id, "an authorization code was used again: its family has ended");
            Err(invalid_grant(REFUSED, "used before"))
        }
        Redeem::Refused(why) => Err(invalid_grant(REFUSED, why.to_string())),
    }
}
