//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core 1.0 section 3.1.2).
//!
//! Every step that needs the user (login, choice of account, consent) ends in [`resume`], which names the next one.

use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::Method;

use super::{advice, errand};
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::browser_state::session_state;
use crate::app::errand::Detour;
use crate::app::fault::{self, Fault};
use crate::app::hook::{Arrival, Passage};
use crate::app::issue::{self, Authentication, Authorization, Beside, Occasion, Offspring};
use crate::app::pending::{Bound, Pending, Stop};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::{self, Form};
use crate::base::secret::glimpse;
use crate::model::client::{Client, Listener, ResponseType};
use crate::model::consent::Consent;
use crate::model::grant::{AccessToken, ChallengeMethod};
use crate::model::id::{AccessTokenId, CodeId};
use crate::page::{Field, FormPostPage};
use crate::protocol::authorize::{self, AuthorizeRequest, Policy, Unproven};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::hint;
use crate::protocol::interaction::{ConsentState, Facts, Login, Step, next_step};
use crate::protocol::parameter::refuse_repeated;
use crate::protocol::redirect::{Redirection, Target};
use crate::protocol::response::{AuthorizationResponse, IssuedAccess};
use crate::protocol::scope::OPENID;
use crate::store::{Displaced, SessionContext};

/// The parameter, and the hidden field, that carries a sealed request.
pub const PENDING: &str = "pending";

/// Answers an authorization request, or sends the browser to the page where its user goes on.
///
/// # Errors
/// For a page: what can't be answered to the client, because it isn't proven who that is.
pub async fn authorize(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    if *request.method() == Method::POST {
        return accept_post(app, request).await;
    }
    let form = request.query()?;
    // A client may use the name for a parameter of its own, and unknown ones are ignored.
    if let Some(sealed) = form.get(PENDING).filter(|_| form.sent("client_id").is_none()) {
        refuse_repeated(&form)?;
        let mut pending = Pending::open(app, Some(sealed), Bound::Nobody, request.now())?;
        // It comes to this browser now. Anybody may have posted it before: what the user did since then wasn't done for it.
        pending.request.created_at = request.now();
        return resume(app, request, pending, browser::session(app, request).await?).await;
    }
    match validate(app, request, &form).await? {
        ControlFlow::Continue(pending) => resume(app, request, pending, browser::session(app, request).await?).await,
        ControlFlow::Break(refusal) => Ok(refusal),
    }
}

/// OpenID Connect Core 1.0 section 3.1.2.1: the request as a form. A POST that another site's page sends comes without
/// cookies (`SameSite=Lax`), so it goes on as a GET, which brings them; sealed, to keep what was in a body out of addresses.
async fn accept_post(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    match validate(app, request, &form).await? {
        ControlFlow::Continue(pending) => {
            let sealed = pending.seal(app, Bound::Nobody)?;
            Ok(Reply::redirect_see_other(&page_address(app, "/authorize", &sealed)).no_store())
        }
        ControlFlow::Break(refusal) => Ok(refusal),
    }
}

/// Reads the parameters. What is wrong once the client and its target are proven is answered to the client.
async fn validate(app: &App, request: &Request, form: &Form) -> Result<ControlFlow<Reply, Pending>, Fault> {
    let id = match authorize::parse_client_id(form) {
        Ok(id) => id,
        Err(cause) => return Err(unproven(app, cause, form, None).await?),
    };
    let Some(client) = app.store.client(&id).await? else {
        return Err(unproven(app, Unproven::ClientUnknown, form, None).await?);
    };
    let target = match authorize::prove_target(form, &client, &app.issuer, app.beside()) {
        Ok(target) => target,
        Err(cause) => return Err(unproven(app, cause, form, Some(&client)).await?),
    };
    let policy = Policy { plain_challenge: app.settings.pkce.plain, scopes: &app.scopes };
    match AuthorizeRequest::parse(form, &client, &target, policy, request.now()) {
        Ok(asked) => Ok(ControlFlow::Continue(Pending::new(asked))),
        Err(error) => refuse(app, request, &client, &target, &error).map(ControlFlow::Break),
    }
}

/// There is nowhere to send an answer to: what the page says, and for the log what came.
async fn unproven(app: &App, cause: Unproven, form: &Form, client: Option<&Client>) -> Result<Fault, Fault> {
    let detail = match (cause, client) {
        (Unproven::ClientUnknown, _) => format!("client_id {}", glimpse(form.get("client_id").unwrap_or_default())),
        (_, Some(client)) => {
            format!("client {}, redirect_uri {:?}", client.id, form.get("redirect_uri").unwrap_or_default())
        }
        (_, None) => String::new(),
    };
    let hint = advice::advise(app, cause, form, client).await?;
    Ok(Fault::from(OAuthError::from(cause).detail(detail)).with_hint(hint))
}

/// Takes a request as far as it goes with the browser's live session: to its answer, or to the page where the user has to
/// do something.
///
/// # Errors
/// For a page: the client has gone, or can't be answered any more.
pub async fn resume(
    app: &App,
    request: &Request,
    pending: Pending,
    session: Option<SessionContext>,
) -> Result<Reply, Fault> {
    let (client, target) = prove(app, &pending).await?;
    match step(app, request, &client, &target, pending, session).await {
        Ok(reply) => Ok(reply),
        Err(fault) => refuse(app, request, &client, &target, &fault.into_error()),
    }
}

/// The client of a pending request, and where it wants answers, as they are now.
pub(crate) async fn prove(app: &App, pending: &Pending) -> Result<(Arc<Client>, Target), Fault> {
    let gone = || Fault::expired("the client has gone, or its redirect URI isn't registered any more");
    let client = app.store.client(&pending.request.client_id).await?.ok_or_else(gone)?;
    let target = pending.request.prove_target(&client, &app.issuer, app.beside()).ok_or_else(gone)?;
    Ok((client, target))
}

/// OpenID Connect Core 1.0 sections 3.1.2.3 to 3.1.2.5. What goes wrong here is for the client to hear.
async fn step(
    app: &App,
    request: &Request,
    client: &Client,
    target: &Target,
    mut pending: Pending,
    session: Option<SessionContext>,
) -> Result<Reply, Fault> {
    let asked = &pending.request;
    let hinted = hinted_subject(app, client, asked).await?;
    let claims = asked.claims_request();
    let subjects = claims.as_ref().and_then(|claims| claims.subjects());
    let consent = match &session {
        Some(login) => app.store.consent(&login.user.id, &client.id).await?,
        None => None,
    };
    let subject = session.as_ref().map(|login| app.hooks.subject(&login.user, client)).transpose()?;
    let facts = Facts {
        prompt: asked.prompt,
        max_age: asked.max_age,
        requested_at: asked.created_at,
        login: session.as_ref().map(|login| Login {
            subject: subject.as_deref().unwrap_or_default(),
            auth_time: login.session.auth_time,
            chosen: pending.chosen == Some(login.session.id),
        }),
        hinted_subject: hinted.as_deref(),
        claimed_subjects: subjects.as_deref(),
        consent: consent_state(app, client, &pending, session.as_ref(), consent.as_ref(), request),
        now: request.now(),
    };
    let next = next_step(&facts);
    if let (Step::Consent | Step::Respond, Some(login)) = (next, &session) {
        let arrival = Arrival { client, user: &login.user, scope: &asked.scope, returned: false };
        let been = |hook| pending.detours.iter().any(|detour| detour.hook == hook && detour.user == login.user.id);
        match app.hooks.admit(arrival, been).await? {
            Passage::Open => {}
            Passage::Closed(message) => {
                let error = OAuthError::new(ErrorCode::AccessDenied, "the user may not use this application");
                let error = error.detail("a hook says so");
                return errand::deny(app, request, client, target, &pending, message, &error);
            }
            Passage::Detour { hook, url } => {
                return errand::detour(app, request, pending, Detour { hook, user: login.user.id.clone() }, url);
            }
        }
    }
    match (next, &session) {
        (Step::Refuse(code), _) => Err(OAuthError::new(code, "the user would have to take part first").into()),
        (Step::Respond, Some(login)) => respond(app, request, client, target, login, consent.as_ref(), pending).await,
        (Step::Consent, Some(login)) => {
            // Only the answer of whom the page asks counts.
            pending.asked = Some(login.user.id.clone());
            to_page(app, request, Stop::Consent, &pending)
        }
        (Step::SelectAccount, _) => to_page(app, request, Stop::SelectAccount, &pending),
        (Step::Login { .. } | Step::Respond | Step::Consent, _) => to_page(app, request, Stop::Login, &pending),
    }
}

/// OpenID Connect Core 1.0 section 3.1.2.1: whom the client expects, if it sent an ID token of ours.
async fn hinted_subject(app: &App, client: &Client, asked: &AuthorizeRequest) -> Result<Option<String>, Fault> {
    let Some(token) = &asked.id_token_hint else { return Ok(None) };
    let claims = app.keys.verify(&app.store, client, token).await?.claims();
    let claims = claims.map_err(|error| OAuthError::from(hint::HintRefusal::Unverified).detail(error.to_string()))?;
    let subject = hint::decide_subject(&claims, app.issuer.as_str(), &client.id).map_err(OAuthError::from)?;
    Ok(Some(subject))
}

/// OpenID Connect Core 1.0 section 3.1.2.4: whether the user has agreed, or needn't.
fn consent_state(
    app: &App,
    client: &Client,
    pending: &Pending,
    session: Option<&SessionContext>,
    consent: Option<&Consent>,
    request: &Request,
) -> ConsentState {
    let asked = &pending.request;
    let Some(login) = session else { return ConsentState::Missing };
    if pending.agreed.as_ref().is_some_and(|agreed| agreed.stands(&login.user.id, consent)) {
        return ConsentState::Given;
    }
    let s256 = asked.challenge.as_ref().is_some_and(|challenge| challenge.method == ChallengeMethod::S256);
    let scope = asked.consent_scope();
    // In development, applications live on this machine.
    let listener = match Listener::at(&asked.redirect_uri) {
        Listener::Neighbour if app.development.is_some() => Listener::Owner,
        listener => listener,
    };
    let covered = client.may_reuse_consent(asked.response_type, listener, s256)
        && consent.is_some_and(|consent| consent.covers(client.generation, &scope, request.now()));
    if covered || client.may_skip_consent(asked.response_type, listener) {
        ConsentState::NotNeeded
    } else {
        ConsentState::Missing
    }
}

/// RFC 6749 sections 4.1.2 and 4.2.2, OpenID Connect Core 1.0 sections 3.1.2.5, 3.2.2.5 and 3.3.2.5: the answer, once what
/// it carries is stored. All of it comes from one grant, so that whatever ends one part ends all.
async fn respond(
    app: &App,
    request: &Request,
    client: &Client,
    target: &Target,
    login: &SessionContext,
    consent: Option<&Consent>,
    pending: Pending,
) -> Result<Reply, Fault> {
    let (asked, now) = (pending.request, request.now());
    let wants = |part| asked.response_type.has(part);
    let authorization = Authorization {
        client,
        by: Some(Authentication::of(login, consent)),
        claims: asked.claims_request().and_then(|claims| claims.to_keep()),
        scope: asked.scope,
        // Later ID tokens come of a code only.
        nonce: asked.nonce.clone().filter(|_| wants(ResponseType::CODE)),
    };
    let offspring = if wants(ResponseType::CODE) { Offspring::Code } else { Offspring::One };
    let grant = issue::grant(app, authorization, offspring, now);
    let code = wants(ResponseType::CODE)
        .then(|| issue::code(app, client, &grant, asked.redirect_uri, asked.challenge, now))
        .unzip();
    let access = wants(ResponseType::TOKEN).then(|| issue::access_token(app, client, &grant, now)).unzip();
    let id_token = if wants(ResponseType::ID_TOKEN) {
        let nonce = asked.nonce.as_deref();
        let beside = Beside { access: access.1.as_ref(), code: code.1.as_ref() };
        Some(
            issue::id_token(
                app,
                &Occasion { client, user: &login.user, grant: &grant, scope: &grant.scope, nonce, now },
                beside,
            )
            .await?,
        )
    } else {
        None
    };
    let is_authentication = grant.scope.contains(OPENID);
    let session_state =
        is_authentication.then(|| session_state(app, client, target.redirect_uri(), &login.session)).flatten();
    let response = AuthorizationResponse {
        code: code.1,
        access: access.1.zip(access.0.as_ref()).map(|(token, row)| IssuedAccess {
            token,
            expires_in: row.expires_at.since(now).as_secs(),
            scope: row.scope.clone(),
        }),
        id_token,
        session_state,
    };
    let user = &login.user.id;
    let pushed_out = |access: &AccessToken| app.front_tokens.add(user, access.id.0, now).map(AccessTokenId);
    match (code.0, access.0) {
        (Some(code), access) => {
            let in_place_of = Displaced {
                code: app.codes.add(user, code.id.0, now).map(CodeId),
                access: access.as_ref().and_then(pushed_out),
            };
            app.store.put_code(code, access, in_place_of).await?;
        }
        (None, Some(access)) => {
            let in_place_of = pushed_out(&access);
            app.store.put_access_token(access, in_place_of).await?;
        }
        (None, None) => {}
    }
    send(app, request, client, target.success(&response))
}

/// The answer to the client that its request is refused (RFC 6749 section 4.1.2.1). Says so in the log, too.
///
/// # Errors
/// When the page that posts it can't be shown.
pub(crate) fn refuse(
    app: &App,
    request: &Request,
    client: &Client,
    target: &Target,
    error: &OAuthError,
) -> Result<Reply, Fault> {
    fault::log(error, Some(&client.id));
    send(app, request, client, target.error(error))
}

/// Sends the browser to the client.
fn send(app: &App, request: &Request, client: &Client, redirection: Redirection) -> Result<Reply, Fault> {
    match redirection {
        Redirection::Location(location) => Ok(Reply::redirect_see_other(&location).no_store()),
        Redirection::FormPost { action, fields } => {
            let fields = fields.into_iter().map(|(name, value)| Field::new(name, value)).collect();
            let page = FormPostPage { action, fields, client: client.shown_name().to_owned() };
            app.page(&page, &app.locale(None, request))
        }
    }
}

/// Sends the browser to one of our pages, with the request sealed for it; for a login to the application that the settings
/// name, if they do.
pub(crate) fn to_page(app: &App, request: &Request, stop: Stop, pending: &Pending) -> Result<Reply, Fault> {
    if let (Stop::Login, Some(url)) = (stop, &app.settings.login.external_url) {
        return errand::log_in(app, request, pending.clone(), url);
    }
    let browser = Browser::of(app, request);
    let sealed = pending.seal(app, Bound::To(&browser, stop))?;
    let reply = Reply::redirect_see_other(&page_address(app, stop.path(), &sealed)).no_store();
    Ok(reply.cookies(browser.introduction()))
}

/// An address of ours, with something sealed for it.
pub(crate) fn page_address(app: &App, path: &str, sealed: &str) -> String {
    format!("{}{path}?{}", app.issuer.path(), form::render([(PENDING, sealed)]))
}
