//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core 1.0 section 3.1.2), read in two stages.
//!
//! The first finds out who asks and proves where answers may go; what is wrong there is for the user to see, on a page.
//! The second reads the rest, and what is wrong there goes to the proven [`Target`].

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::claims_request::ClaimsRequest;
use super::error::{ErrorCode, OAuthError};
use super::id_token;
use super::issuer::Issuer;
use super::parameter::{bounded, invalid, refuse_repeated};
use super::pkce;
use super::prompt::Prompt;
use super::redirect::{Beside, Target};
use super::response::{ResponseMode, SUPPORTED_RESPONSE_TYPES};
use super::scope;
use crate::base::clock::Timestamp;
use crate::base::form::Form;
use crate::base::uri;
use crate::model::client::{Client, GrantType, ResponseType};
use crate::model::grant::{Challenge, ChallengeMethod};
use crate::model::id::{ClientId, MAX_TEXT_ID};
use crate::model::scope::Scope;

/// The greatest lengths in bytes of what is passed on, stored, or sealed into an address.
const MAX_STATE: usize = 8192;
const MAX_NONCE: usize = 2048;
const MAX_SCOPE: usize = 4096;
const MAX_CLAIMS: usize = 8192;
const MAX_HINT: usize = 8192;
const MAX_TEXT: usize = 1024;

/// The greatest length in bytes of all of them together: sealed, they have to fit into an address.
const MAX_TOGETHER: usize = 12 * 1024;

/// Why there is nowhere to send an answer to. Each cause has one phrase, for the user and for the developer behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// `client_id` is missing.
    ClientIdMissing,
    /// `client_id` came more than once.
    ClientIdRepeated,
    /// There is no such client.
    ClientUnknown,
    /// `redirect_uri` is missing.
    RedirectUriMissing,
    /// `redirect_uri` came more than once.
    RedirectUriRepeated,
    /// The client hasn't registered `redirect_uri`.
    RedirectUriUnregistered,
}

impl Unproven {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ClientIdMissing,
        Self::ClientIdRepeated,
        Self::ClientUnknown,
        Self::RedirectUriMissing,
        Self::RedirectUriRepeated,
        Self::RedirectUriUnregistered,
    ];

    /// The code that the page shows.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ClientUnknown => ErrorCode::InvalidClient,
            _ => ErrorCode::InvalidRequest,
        }
    }

    /// The phrase that the page shows.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::ClientIdMissing => "The parameter client_id is missing.",
            Self::ClientIdRepeated => "The parameter client_id came more than once.",
            Self::ClientUnknown => "There is no application with this client_id.",
            Self::RedirectUriMissing => "The parameter redirect_uri is missing.",
            Self::RedirectUriRepeated => "The parameter redirect_uri came more than once.",
            Self::RedirectUriUnregistered => "This redirect_uri is not registered for the application.",
        }
    }
}

impl From<Unproven> for OAuthError {
    fn from(cause: Unproven) -> Self {
        Self::new(cause.code(), cause.phrase())
    }
}

/// RFC 6749 section 4.1.2.1: who asks. What is too long to be an id names no client.
///
/// # Errors
/// For a page: there is nobody to answer.
pub fn parse_client_id(form: &Form) -> Result<ClientId, Unproven> {
    if form.repeats("client_id") {
        return Err(Unproven::ClientIdRepeated);
    }
    match form.get("client_id") {
        None => Err(Unproven::ClientIdMissing),
        Some(id) if id.len() > MAX_TEXT_ID => Err(Unproven::ClientUnknown),
        Some(id) => Ok(ClientId::new(id)),
    }
}

/// RFC 6749 sections 3.1.2.3 and 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.1: where answers go, in the mode that the
/// request asks for where that can be, with the `state` that it came with.
///
/// A `state` that came twice or is too long is not sent back: it would not be the client's.
///
/// # Errors
/// For a page: there is nowhere to redirect to.
pub fn prove_target(form: &Form, client: &Client, issuer: &Issuer, beside: Beside<'_>) -> Result<Target, Unproven> {
    if form.repeats("redirect_uri") {
        return Err(Unproven::RedirectUriRepeated);
    }
    let redirect_uri = form.get("redirect_uri").ok_or(Unproven::RedirectUriMissing)?;
    if redirect_uri.len() > uri::MAX_LENGTH {
        return Err(Unproven::RedirectUriUnregistered);
    }
    let target = Target::prove(client, redirect_uri, issuer, beside).ok_or(Unproven::RedirectUriUnregistered)?;
    let mode = ResponseMode::of_errors(form.get("response_mode"), form.get("response_type"));
    let state = form.get("state").filter(|state| !form.repeats("state") && state.len() <= MAX_STATE);
    Ok(target.with_mode(mode).with_state(state.map(ToOwned::to_owned)))
}

/// How the client would like pages to be shown (OpenID Connect Core 1.0 section 3.1.2.1). Ours fit wherever they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Display {
    /// A full page.
    #[n(0)]
    Page,
    /// A popup window.
    #[n(1)]
    Popup,
    /// A device with touch control.
    #[n(2)]
    Touch,
    /// A feature phone.
    #[n(3)]
    Wap,
}

impl Display {
    /// All of them, as discovery lists them.
    pub const ALL: [Self; 4] = [Self::Page, Self::Popup, Self::Touch, Self::Wap];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Popup => "popup",
            Self::Touch => "touch",
            Self::Wap => "wap",
        }
    }

    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|display| display.name() == name)
    }
}

/// What a deployment allows.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Take the code challenge method `plain`.
    pub plain_challenge: bool,
    /// The scopes that every client may ask for, beside the standard ones.
    pub scopes: &'a Scope,
}

/// A valid authorization request: what is carried along until the user has logged in and agreed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuthorizeRequest {
    /// `client_id`.
    #[n(0)]
    pub client_id: ClientId,
    /// `redirect_uri`.
    #[n(1)]
    pub redirect_uri: String,
    /// `response_type`.
    #[n(2)]
    pub response_type: ResponseType,
    /// `response_mode`, or the default.
    #[n(3)]
    pub response_mode: ResponseMode,
    /// What `scope` asks for and the client can be granted.
    #[n(4)]
    pub scope: Scope,
    /// `state`.
    #[n(5)]
    pub state: Option<String>,
    /// `nonce`.
    #[n(6)]
    pub nonce: Option<String>,
    /// `prompt`.
    #[n(7)]
    pub prompt: Prompt,
    /// `max_age`, in seconds.
    #[n(8)]
    pub max_age: Option<u64>,
    /// `display`, if known.
    #[n(9)]
    pub display: Option<Display>,
    /// `ui_locales`: language tags with white space between, best first.
    #[n(10)]
    pub ui_locales: Option<String>,
    /// `claims_locales`, likewise.
    #[n(11)]
    pub claims_locales: Option<String>,
    /// `acr_values`: with white space between, best first.
    #[n(12)]
    pub acr_values: Option<String>,
    /// `login_hint`.
    #[n(13)]
    pub login_hint: Option<String>,
    /// `id_token_hint`, not verified.
    #[n(14)]
    pub id_token_hint: Option<String>,
    /// `claims`: its JSON text, which [`AuthorizeRequest::claims_request`] reads.
    #[n(15)]
    pub claims: Option<String>,
    /// `code_challenge` and `code_challenge_method`.
    #[n(16)]
    pub challenge: Option<Challenge>,
    /// When the request came.
    #[n(17)]
    pub created_at: Timestamp,
}

/// The layout of [`AuthorizeRequest::to_bytes`].
const VERSION: u8 = 1;

impl AuthorizeRequest {
    /// The parameters as they came, for people and their templates: those that were left out are empty. The hint and `claims`
    /// are for programs, and aren't among them.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let method = |challenge: &Challenge| match challenge.method {
            ChallengeMethod::Plain => "plain",
            ChallengeMethod::S256 => "S256",
        };
        let all = [
            ("client_id", Some(self.client_id.as_str().to_owned())),
            ("redirect_uri", Some(self.redirect_uri.clone())),
            ("response_type", Some(self.response_type.to_string())),
            ("response_mode", Some(self.response_mode.name().to_owned())),
            ("scope", Some(self.scope.to_string())),
            ("state", self.state.clone()),
            ("nonce", self.nonce.clone()),
            ("prompt", Some(self.prompt.to_string()).filter(|prompt| !prompt.is_empty())),
            ("max_age", self.max_age.map(|seconds| seconds.to_string())),
            ("ui_locales", self.ui_locales.clone()),
            ("acr_values", self.acr_values.clone()),
            ("login_hint", self.login_hint.clone()),
            ("code_challenge", self.challenge.as_ref().map(|challenge| challenge.value.clone())),
            ("code_challenge_method", self.challenge.as_ref().map(method).map(ToOwned::to_owned)),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.unwrap_or_default())).collect()
    }

    /// OpenID Connect Core 1.0 section 3.1.2.2 and RFC 6749 section 4.1.1: the rest of the request, check by check. Unknown
    /// parameters are ignored.
    ///
    /// # Errors
    /// For the target.
    pub fn parse(
        form: &Form,
        client: &Client,
        target: &Target,
        policy: Policy<'_>,
        now: Timestamp,
    ) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        refuse_unsupported(form)?;
        refuse_excess(form)?;
        let response_type = parse_response_type(form, client)?;
        let response_mode = parse_response_mode(form, response_type)?;
        let state = bounded(form, "state", MAX_STATE)?;
        let scope = parse_scope(form, client, policy.scopes, response_type)?;
        let challenge = parse_challenge(form, client, response_type, policy)?;
        let nonce = parse_nonce(form, response_type)?;
        let prompt = Prompt::parse(bounded(form, "prompt", MAX_TEXT)?.unwrap_or_default())?;
        let max_age = parse_max_age(form)?;
        let claims = parse_claims(form)?;
        let text = |name: &str, max: usize| bounded(form, name, max).map(|value| value.map(ToOwned::to_owned));
        Ok(Self {
            client_id: client.id.clone(),
            redirect_uri: target.redirect_uri().to_owned(),
            response_type,
            response_mode,
            scope,
            state: state.map(ToOwned::to_owned),
            nonce: nonce.map(ToOwned::to_owned),
            prompt,
            max_age,
            display: form.get("display").and_then(Display::parse),
            ui_locales: text("ui_locales", MAX_TEXT)?,
            claims_locales: text("claims_locales", MAX_TEXT)?,
            acr_values: text("acr_values", MAX_TEXT)?,
            login_hint: text("login_hint", MAX_TEXT)?,
            id_token_hint: text("id_token_hint", MAX_HINT)?,
            claims,
            challenge,
            created_at: now,
        })
    }

    /// OpenID Connect Core 1.0 section 3.1.2.1: whether it asks for an ID token; without `openid` it is plain OAuth 2.0.
    pub fn is_openid(&self) -> bool {
        self.scope.contains(scope::OPENID)
    }

    /// OpenID Connect Core 1.0 section 5.5: the claims that it asks for by name. Plain OAuth 2.0 requests have none.
    pub fn claims_request(&self) -> Option<ClaimsRequest> {
        self.claims.as_deref().filter(|_| self.is_openid()).and_then(|text| ClaimsRequest::parse(text).ok())
    }

    /// What the user has to agree to: the scope, and what the claims that are asked for by name amount to.
    pub fn consent_scope(&self) -> Scope {
        match self.claims_request() {
            Some(claims) => self.scope.union(&claims.implied_scope()),
            None => self.scope.clone(),
        }
    }

    /// Proves the target again: the client may have changed since. `None` unless the client is still the one that asked and
    /// has the redirect URI registered.
    pub fn prove_target(&self, client: &Client, issuer: &Issuer, beside: Beside<'_>) -> Option<Target> {
        let target =
            Target::prove(client, &self.redirect_uri, issuer, beside).filter(|_| self.client_id == client.id)?;
        Some(target.with_mode(self.response_mode).with_state(self.state.clone()))
    }

    /// Its bytes, to be sealed: a version, then CBOR (RFC 8949).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        // Writing to memory can't fail, and no field refuses to be encoded.
        #[allow(clippy::expect_used)]
        minicbor::encode(self, &mut bytes).expect("memory takes every byte");
        bytes
    }

    /// From its bytes; `None` for anything else, other versions included.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.strip_prefix(&[VERSION]).and_then(|rest| minicbor::decode(rest).ok())
    }
}

/// OpenID Connect Core 1.0 sections 3.1.2.6, 6 and 7.2.1: what is not supported has its own errors. To ignore a request
/// object would be to answer another request than the one that was signed.
fn refuse_unsupported(form: &Form) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if form.get(name).is_some() {
            return Err(OAuthError::new(code, format!("the parameter {name} is not supported")));
        }
    }
    Ok(())
}

/// Refuses a request that could not be carried along while its user logs in.
fn refuse_excess(form: &Form) -> Result<(), OAuthError> {
    let kept = [
        "redirect_uri",
        "state",
        "scope",
        "nonce",
        "claims",
        "id_token_hint",
        "login_hint",
        "ui_locales",
        "acr_values",
    ];
    let length: usize = kept.iter().filter_map(|name| form.get(name)).map(str::len).sum();
    if length > MAX_TOGETHER { Err(invalid("the parameters are too long together")) } else { Ok(()) }
}

/// RFC 6749 sections 3.1.1 and 4.1.2.1.
fn parse_response_type(form: &Form, client: &Client) -> Result<ResponseType, OAuthError> {
    let text = form.get("response_type").ok_or_else(|| invalid("response_type is missing"))?;
    let response_type =
        ResponseType::parse(text).filter(|asked| SUPPORTED_RESPONSE_TYPES.contains(asked)).ok_or_else(|| {
            OAuthError::new(ErrorCode::UnsupportedResponseType, "this response_type is not supported").detail(text)
        })?;
    let lacks = |grant_type| response_type.needs(grant_type) && !client.may_use(grant_type);
    if !client.response_types.contains(&response_type)
        || lacks(GrantType::AuthorizationCode)
        || lacks(GrantType::Implicit)
    {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            format!("the client is not registered for the response_type {response_type}"),
        ));
    }
    Ok(response_type)
}

/// Multiple Response Types section 2.1.
fn parse_response_mode(form: &Form, response_type: ResponseType) -> Result<ResponseMode, OAuthError> {
    let Some(text) = form.get("response_mode") else { return Ok(ResponseMode::default_for(response_type)) };
    let mode = ResponseMode::parse(text).ok_or_else(|| invalid("this response_mode is not supported").detail(text))?;
    if !mode.is_allowed_for(response_type) {
        return Err(invalid(format!("the response_mode {mode} is not allowed for the response_type {response_type}")));
    }
    Ok(mode)
}

/// RFC 6749 section 3.3 and OpenID Connect Core 1.0 section 3.1.2.1. No scope at all is fine for plain OAuth 2.0, which has no
/// ID tokens.
fn parse_scope(form: &Form, client: &Client, known: &Scope, response_type: ResponseType) -> Result<Scope, OAuthError> {
    let asked = scope::parse(bounded(form, "scope", MAX_SCOPE)?.unwrap_or_default())?;
    if response_type.has(ResponseType::ID_TOKEN) && !asked.contains(scope::OPENID) {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            format!("the response_type {response_type} needs the scope openid"),
        ));
    }
    Ok(scope::grant(&asked, client, known, response_type))
}

/// OpenID Connect Core 1.0 sections 3.2.2.1 and 3.3.2.11: an ID token that comes through the browser must be tied to the
/// request, or it could be somebody else's.
fn parse_nonce(form: &Form, response_type: ResponseType) -> Result<Option<&str>, OAuthError> {
    let nonce = bounded(form, "nonce", MAX_NONCE)?;
    if nonce.is_none() && response_type.has(ResponseType::ID_TOKEN) {
        return Err(invalid(format!("nonce is missing: the response_type {response_type} needs one")));
    }
    Ok(nonce)
}

/// RFC 7636 section 4.4.1. There is nothing to prove where there is no code.
fn parse_challenge(
    form: &Form,
    client: &Client,
    response_type: ResponseType,
    policy: Policy<'_>,
) -> Result<Option<Challenge>, OAuthError> {
    let challenge = pkce::parse_challenge(form, policy.plain_challenge)?;
    if !response_type.has(ResponseType::CODE) {
        return Ok(None);
    }
    if challenge.is_none() && client.needs_pkce() {
        return Err(invalid("code_challenge is missing: this client has to use PKCE"));
    }
    Ok(challenge)
}

/// OpenID Connect Core 1.0 section 3.1.2.1: seconds.
fn parse_max_age(form: &Form) -> Result<Option<u64>, OAuthError> {
    let Some(text) = form.get("max_age") else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok() } else { None };
    parsed.map(Some).ok_or_else(|| invalid("max_age must be a whole number of seconds"))
}

/// OpenID Connect Core 1.0 sections 5.5 and 5.5.1.1.
fn parse_claims(form: &Form) -> Result<Option<String>, OAuthError> {
    let Some(text) = bounded(form, "claims", MAX_CLAIMS)? else { return Ok(None) };
    if ClaimsRequest::parse(text)?.needs_other_acr(&id_token::ACR_VALUES) {
        return Err(OAuthError::new(
            ErrorCode::UnmetAuthenticationRequirements,
            "none of the essential acr values can be met",
        ));
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
