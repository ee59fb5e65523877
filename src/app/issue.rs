//! Minting: the only place where codes, tokens and ID tokens come into being.

use super::App;
use super::fault::Fault;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::jose::hash::left_half_hash;
use crate::model::client::{Client, GrantType};
use crate::model::grant::{AccessToken, Challenge, Code, Grant, NewTokens, RefreshToken};
use crate::model::id::{AccessTokenId, Bearer, BearerKind, CodeId, GrantId, Id, RefreshTokenId};
use crate::model::scope::Scope;
use crate::model::session::Session;
use crate::model::user::User;
use crate::protocol::claims::id_token_claims;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::id_token::IdToken;
use crate::protocol::scope::OPENID;
use crate::protocol::token::{TokenResponse, TokenType};

/// What a user granted, on the way to becoming a code.
pub struct Authorization<'a> {
    /// To whom.
    pub client: &'a Client,
    /// By whom.
    pub user: &'a User,
    /// In which session.
    pub session: &'a Session,
    /// The generation of the user's consent for the client.
    pub consent_generation: u32,
    /// What.
    pub scope: Scope,
    /// Where the code goes.
    pub redirect_uri: String,
    /// What its verifier has to match.
    pub challenge: Option<Challenge>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// What is to be kept of `claims`, as text.
    pub claims: Option<String>,
}

/// A fresh code with its grant, not stored yet, and the code as it is given out (RFC 6749 section 4.1.2).
pub fn code(app: &App, authorization: Authorization<'_>, now: Timestamp) -> (Code, Secret) {
    let lifetimes = &app.settings.lifetimes;
    let expires_at = now + lifetimes.code;
    // Without refresh tokens a family lives as long as what one redemption gives.
    let refreshes = authorization.client.may_use(GrantType::RefreshToken);
    let ends_at = if refreshes { now + lifetimes.refresh_token } else { expires_at + lifetimes.access_token };
    let grant = Grant {
        id: GrantId(Id::mint(ends_at + lifetimes.access_token, &app.random)),
        client: authorization.client.id.clone(),
        client_generation: authorization.client.generation,
        user: authorization.user.id.clone(),
        user_generation: authorization.session.user_generation,
        consent_generation: authorization.consent_generation,
        session: Some(authorization.session.id),
        scope: authorization.scope,
        auth_time: authorization.session.auth_time,
        amr: authorization.session.amr.clone(),
        nonce: authorization.nonce,
        claims: authorization.claims,
        created_at: now,
        ends_at,
        ended: None,
    };
    let bearer = Bearer::mint(expires_at + Code::REMEMBERED, &app.random);
    let code = Code {
        id: CodeId(bearer.id()),
        digest: bearer.digest(),
        client: grant.client.clone(),
        redirect_uri: authorization.redirect_uri,
        challenge: authorization.challenge,
        expires_at,
        grant: grant.id,
        granted: Some(grant),
        spent_at: None,
    };
    (code, bearer.render(BearerKind::Code))
}

/// The tokens of one response: as they are given out, and as rows.
pub struct Minted {
    access: Secret,
    refresh: Option<Secret>,
    /// For the store.
    pub rows: NewTokens,
}

/// Fresh tokens for a grant. `scope` is the grant's or less; a refresh token comes along where `refresh` says so.
pub fn tokens(app: &App, client: &Client, grant: &Grant, scope: Scope, refresh: bool, now: Timestamp) -> Minted {
    let lifetimes = &app.settings.lifetimes;
    let expires_at = (now + lifetimes.access_token).min(grant.ends_at);
    let access = Bearer::mint(expires_at, &app.random);
    let refresh = refresh.then(|| {
        let expires_at = (now + lifetimes.refresh_idle).min(grant.ends_at);
        // A token that stays in use may live as long as its family; one that is replaced goes when it expires.
        let gone_after = if client.rotates_refresh_tokens() { expires_at } else { grant.ends_at };
        (Bearer::mint(gone_after, &app.random), expires_at)
    });
    let rows = NewTokens {
        access: AccessToken {
            id: AccessTokenId(access.id()),
            digest: access.digest(),
            grant: grant.id,
            scope,
            issued_at: now,
            expires_at,
        },
        refresh: refresh.as_ref().map(|(bearer, expires_at)| RefreshToken {
            id: RefreshTokenId(bearer.id()),
            digest: bearer.digest(),
            grant: grant.id,
            issued_at: now,
            expires_at: *expires_at,
            replaced: None,
            superseded: false,
        }),
    };
    Minted {
        access: access.render(BearerKind::AccessToken),
        refresh: refresh.map(|(bearer, _)| bearer.render(BearerKind::RefreshToken)),
        rows,
    }
}

/// What a token response is about.
pub struct Occasion<'a> {
    /// Who gets it.
    pub client: &'a Client,
    /// Whom it speaks of.
    pub user: &'a User,
    /// What it comes from.
    pub grant: &'a Grant,
    /// `nonce` of the authentication request that it answers; none when it answers a refresh (section 12.2).
    pub nonce: Option<&'a str>,
    /// The present.
    pub now: Timestamp,
}

/// The token response (RFC 6749 section 5.1), with an ID token when the scope has `openid` (OpenID Connect Core 1.0
/// sections 3.1.3.3 and 12.2). It is complete before anything is stored, so that a signature that can't be had doesn't
/// cost the client its code.
///
/// # Errors
/// When the ID token can't be signed.
pub async fn token_response(app: &App, occasion: &Occasion<'_>, minted: &Minted) -> Result<TokenResponse, Fault> {
    let access = &minted.rows.access;
    let id_token = if access.scope.contains(OPENID) {
        let at_hash = left_half_hash(occasion.client.id_token_algorithm, minted.access.expose());
        Some(id_token(app, occasion, &at_hash).await?)
    } else {
        None
    };
    Ok(TokenResponse {
        access_token: minted.access.clone(),
        token_type: TokenType::Bearer,
        expires_in: access.expires_at.since(occasion.now).as_secs(),
        refresh_token: minted.refresh.clone(),
        scope: access.scope.clone(),
        id_token,
    })
}

async fn id_token(app: &App, occasion: &Occasion<'_>, at_hash: &str) -> Result<String, Fault> {
    let grant = occasion.grant;
    let asked = grant.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let payload = IdToken {
        issuer: app.issuer.as_str(),
        subject: &occasion.user.id,
        audience: &occasion.client.id,
        issued_at: occasion.now,
        expires_at: occasion.now + app.settings.lifetimes.id_token,
        auth_time: grant.auth_time,
        nonce: occasion.nonce,
        amr: &grant.amr,
        at_hash: Some(at_hash),
        c_hash: None,
        session: grant.session,
        claims: id_token_claims(occasion.user, asked.as_ref()),
    };
    app.keys.sign(&app.store, occasion.client, payload.to_json()).await
}
