//! Minting: the only place where codes, tokens and ID tokens come into being.

use super::App;
use super::claims::Told;
use super::fault::Fault;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::jose::hash::left_half_hash;
use crate::model::client::{Client, GrantType};
use crate::model::consent::Consent;
use crate::model::grant::{AccessToken, Challenge, Code, Grant, NewTokens, RefreshToken};
use crate::model::id::{AccessTokenId, Bearer, BearerKind, CodeId, GrantId, Id, RefreshTokenId, SessionId};
use crate::model::scope::Scope;
use crate::model::user::User;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::id_token::IdToken;
use crate::protocol::scope::OPENID;
use crate::protocol::token::{TokenResponse, TokenType};
use crate::store::SessionContext;

/// Who authorized something, and how they had proved who they are.
pub struct Authentication<'a> {
    /// Who.
    pub user: &'a User,
    /// Their generation then.
    pub user_generation: u32,
    /// In which session, if it was in one.
    pub session: Option<SessionId>,
    /// When.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: &'a [String],
    /// The generation of the user's consent for the client, 0 where there is none.
    pub consent_generation: u32,
}

impl<'a> Authentication<'a> {
    /// Of a session.
    pub fn of(login: &'a SessionContext, consent: Option<&Consent>) -> Self {
        Self {
            user: &login.user,
            user_generation: login.session.user_generation,
            session: Some(login.session.sid()),
            auth_time: login.session.auth_time,
            amr: &login.session.amr,
            consent_generation: consent.map_or(0, |consent| consent.generation),
        }
    }
}

/// What a client is authorized to, on the way to becoming a grant.
pub struct Authorization<'a> {
    /// Who is.
    pub client: &'a Client,
    /// By whom; by nobody where the client asks for itself.
    pub by: Option<Authentication<'a>>,
    /// To what.
    pub scope: Scope,
    /// `nonce` of the request.
    pub nonce: Option<String>,
    /// What is to be kept of `claims`, as text.
    pub claims: Option<String>,
}

/// What comes of a grant, which says how long it has to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offspring {
    /// A code, and what it is redeemed for.
    Code,
    /// Tokens, again and again where the client may refresh.
    Tokens,
    /// One access token or ID token, and no more.
    One,
}

/// A fresh grant, not stored yet.
pub fn grant(app: &App, authorization: Authorization<'_>, offspring: Offspring, now: Timestamp) -> Grant {
    let lifetimes = app.lifetimes(authorization.client);
    let refreshes = authorization.client.may_use(GrantType::RefreshToken);
    // Without refresh tokens a family lives as long as what one response gives.
    let ends_at = match offspring {
        Offspring::Code | Offspring::Tokens if refreshes => now + lifetimes.refresh_token,
        Offspring::Code => now + lifetimes.code + lifetimes.access_token,
        Offspring::Tokens | Offspring::One => now + lifetimes.access_token,
    };
    let by = authorization.by.as_ref();
    Grant {
        id: GrantId(Id::mint(ends_at + lifetimes.access_token, &app.random)),
        client: authorization.client.id.clone(),
        client_generation: authorization.client.generation,
        user: by.map(|by| by.user.id.clone()),
        user_generation: by.map_or(0, |by| by.user_generation),
        consent_generation: by.map_or(0, |by| by.consent_generation),
        session: by.and_then(|by| by.session),
        scope: authorization.scope,
        auth_time: by.map_or(now, |by| by.auth_time),
        amr: by.map(|by| by.amr.to_vec()).unwrap_or_default(),
        nonce: authorization.nonce,
        claims: authorization.claims,
        created_at: now,
        ends_at,
        ended: None,
    }
}

/// A fresh code for a grant, not stored yet, and the code as it is given out (RFC 6749 section 4.1.2). It is bound to
/// `redirect_uri`, and to the verifier of `challenge`.
pub fn code(
    app: &App,
    client: &Client,
    grant: &Grant,
    redirect_uri: String,
    challenge: Option<Challenge>,
    now: Timestamp,
) -> (Code, Secret) {
    let expires_at = now + app.lifetimes(client).code;
    let bearer = Bearer::mint(expires_at + Code::REMEMBERED, &app.random);
    let code = Code {
        id: CodeId(bearer.id()),
        digest: bearer.digest(),
        client: grant.client.clone(),
        redirect_uri,
        challenge,
        expires_at,
        grant: grant.id,
        granted: Some(grant.clone()),
        spent_at: None,
    };
    (code, bearer.render(BearerKind::Code))
}

/// A fresh access token for all of a grant that isn't a record of its own, which it carries; not stored yet. And the token as it
/// is given out.
pub fn access_token(app: &App, client: &Client, grant: &Grant, now: Timestamp) -> (AccessToken, Secret) {
    let (mut token, bearer) = mint_access_token(app, client, grant, grant.scope.clone(), now);
    token.granted = Some(Box::new(grant.clone()));
    (token, bearer)
}

fn mint_access_token(app: &App, client: &Client, grant: &Grant, scope: Scope, now: Timestamp) -> (AccessToken, Secret) {
    let expires_at = (now + app.lifetimes(client).access_token).min(grant.ends_at);
    let bearer = Bearer::mint(expires_at, &app.random);
    let token = AccessToken {
        id: AccessTokenId(bearer.id()),
        digest: bearer.digest(),
        grant: grant.id,
        scope,
        issued_at: now,
        expires_at,
        granted: None,
    };
    (token, bearer.render(BearerKind::AccessToken))
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
    let (access, access_bearer) = mint_access_token(app, client, grant, scope, now);
    let refresh = refresh.then(|| {
        let expires_at = (now + app.lifetimes(client).refresh_idle).min(grant.ends_at);
        // A token that stays in use may live as long as its family; one that is replaced goes when it expires.
        let gone_after = if client.rotates_refresh_tokens() { expires_at } else { grant.ends_at };
        (Bearer::mint(gone_after, &app.random), expires_at)
    });
    let rows = NewTokens {
        refresh: refresh.as_ref().map(|(bearer, expires_at)| RefreshToken {
            id: RefreshTokenId(bearer.id()),
            digest: bearer.digest(),
            grant: grant.id,
            issued_at: now,
            expires_at: *expires_at,
            replaced: None,
            superseded: false,
            access: Some(access.id),
        }),
        access,
    };
    Minted { access: access_bearer, refresh: refresh.map(|(bearer, _)| bearer.render(BearerKind::RefreshToken)), rows }
}

/// What an ID token is about.
pub struct Occasion<'a> {
    /// Who gets it.
    pub client: &'a Client,
    /// Whom it speaks of.
    pub user: &'a User,
    /// What it comes from.
    pub grant: &'a Grant,
    /// What the tokens are good for: the grant's scope or less.
    pub scope: &'a Scope,
    /// `nonce` of the authentication request that it answers; none when it answers a refresh (section 12.2).
    pub nonce: Option<&'a str>,
    /// The present.
    pub now: Timestamp,
}

/// The token response (RFC 6749 section 5.1), with an ID token when the scope has `openid` and there is a user (OpenID Connect Core 1.0
/// sections 3.1.3.3 and 12.2). It is complete before anything is stored, so that a signature that can't be had doesn't
/// cost the client its code.
///
/// # Errors
/// When the ID token can't be signed.
pub async fn token_response(app: &App, occasion: &Occasion<'_>, minted: &Minted) -> Result<TokenResponse, Fault> {
    let access = &minted.rows.access;
    let id_token = if access.scope.contains(OPENID) {
        Some(id_token(app, occasion, Beside { access: Some(&minted.access), code: None }).await?)
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

/// What an ID token is given out with.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// An access token, for `at_hash`.
    pub access: Option<&'a Secret>,
    /// A code, for `c_hash`.
    pub code: Option<&'a Secret>,
}

/// A signed ID token (OpenID Connect Core 1.0 sections 2, 3.1.3.6, 3.2.2.10 and 3.3.2.11). Where it comes alone, nothing
/// else can carry the claims of the scope, so they are in it (section 5.4); elsewhere they are where the client or `id_token.include_claims` says so.
///
/// # Errors
/// When it can't be signed.
pub async fn id_token(app: &App, occasion: &Occasion<'_>, beside: Beside<'_>) -> Result<String, Fault> {
    let Occasion { client, user, grant, scope, nonce, now } = *occasion;
    let asked = grant.claims.as_deref().map(ClaimsRequest::parse).transpose()?;
    let alone = beside.access.is_none() && beside.code.is_none();
    let with_scope = alone || client.include_claims.unwrap_or(app.settings.id_token.include_claims);
    let told = Told { client, user, scope, asked: asked.as_ref() };
    let hash = |value: &Secret| left_half_hash(client.id_token_algorithm, value.expose());
    let payload = IdToken {
        issuer: app.issuer.as_str(),
        subject: &app.hooks.subject(user, client)?,
        audience: &client.id,
        issued_at: now,
        expires_at: now + app.lifetimes(client).id_token,
        auth_time: grant.auth_time,
        nonce,
        amr: &grant.amr,
        at_hash: beside.access.map(hash).as_deref(),
        c_hash: beside.code.map(hash).as_deref(),
        session: grant.session,
        claims: told.in_id_token(&app.hooks, with_scope).await?,
    }
    .to_json();
    app.keys.sign(&app.store, client, payload).await
}
