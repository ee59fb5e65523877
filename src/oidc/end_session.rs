//! The logout endpoint (OpenID Connect RP-Initiated Logout 1.0 section 2): a client sends its user here to log them out.

use std::sync::Arc;

use hyper::Method;

use super::authorize::{PENDING, page_address};
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::fault::{self, Fault};
use crate::app::pending_logout::PendingLogout;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::model::client::Client;
use crate::page::{self, EndSessionCompletedPage};
use crate::protocol::error::OAuthError;
use crate::protocol::hint::HintRefusal;
use crate::protocol::issuer::Endpoint;
use crate::protocol::logout::{Hinted, Logout, LogoutRequest, Policy};
use crate::protocol::parameter::refuse_repeated;
use crate::protocol::redirect::PostLogoutTarget;

/// Where the user is asked.
const PROMPT: &str = "/logout";

/// Logs the user out, or sends them to the page that asks whether they want that.
///
/// # Errors
/// For a page: what comes twice, or is too long. What only can't be proven is no error: the user is asked.
pub async fn end_session(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    if *request.method() == Method::POST {
        return accept_post(app, request).await;
    }
    let form = request.query()?;
    let logout = match own(&form) {
        Some(sealed) => {
            refuse_repeated(&form)?;
            PendingLogout::open(app, Some(sealed), None, request.now())?.logout
        }
        None => validate(app, &form).await?,
    };
    let login = browser::session(app, request).await?;
    let client = client(app, &logout).await?;
    // `sub` of the user for the client that the hint was issued to.
    let subject = login.as_ref().zip(client.as_ref()).map(|(login, client)| app.hooks.subject(&login.user, client));
    let subject = subject.transpose()?;
    let subject = subject.as_deref().unwrap_or_default();
    if logout.must_ask(login.as_ref().map(|login| (subject, login.session.sid()))) {
        return to_prompt(app, request, logout);
    }
    complete(app, request, &logout).await
}

/// Section 2: the request as a form. A POST that another site's page sends comes without cookies (`SameSite=Lax`), so it
/// goes on as a GET, which brings them.
async fn accept_post(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let logout = validate(app, &form).await?;
    let sealed = PendingLogout::new(logout, request.now()).seal(app, None)?;
    Ok(Reply::redirect_see_other(&page_address(app, Endpoint::EndSession.path(), &sealed)).no_store())
}

/// What [`accept_post`] has sealed. A client may use the name for a parameter of its own, and unknown ones are ignored.
fn own(form: &Form) -> Option<&str> {
    let from_client = ["id_token_hint", "client_id", "post_logout_redirect_uri"];
    form.get(PENDING).filter(|_| from_client.iter().all(|name| form.sent(name).is_none()))
}

/// Section 4: what can be proven of a request. The log says what can't.
async fn validate(app: &App, form: &Form) -> Result<Logout, Fault> {
    let asked = LogoutRequest::parse(form)?;
    let (client, hinted) = match identify(app, &asked).await {
        Ok(identified) => identified,
        Err(fault) if fault.is_ours() => return Err(fault),
        Err(fault) => {
            // What is no client's id may be anything.
            let known = match &asked.client_id {
                Some(id) => app.store.client(id).await?,
                None => None,
            };
            fault::log(&fault.into_error(), known.as_ref().map(|client| &client.id));
            return Ok(Logout::unproven(&asked));
        }
    };
    let policy = Policy { beside: app.beside(), first: app.settings.logout.default_redirect.is_first() };
    let (logout, flaw) = Logout::decide(&asked, client.as_deref(), hinted, policy);
    if let Some(flaw) = flaw {
        // What stands behind the address may be a secret of whoever sends the user.
        let address = asked.post_logout_redirect_uri.and_then(|uri| uri.split(['?', '#']).next());
        let detail = format!("post_logout_redirect_uri {:?}", address.unwrap_or_default());
        fault::log(&OAuthError::from(flaw).detail(detail), logout.client_id.as_ref());
    }
    Ok(logout)
}

/// Who sends the user, and whom the hint means.
///
/// # Errors
/// A hint that isn't an ID token of ours for this client.
async fn identify(app: &App, asked: &LogoutRequest<'_>) -> Result<(Option<Arc<Client>>, Option<Hinted>), Fault> {
    let client = match asked.sender() {
        Some(id) => app.store.client(&id).await?,
        None => None,
    };
    let Some(token) = asked.id_token_hint else { return Ok((client, None)) };
    let unverified = || OAuthError::from(HintRefusal::Unverified);
    let client = client.ok_or_else(|| unverified().detail("it names no client"))?;
    let claims = app.keys.verify(&app.store, &client, token).await?.claims();
    let claims = claims.map_err(|error| unverified().detail(error.to_string()))?;
    let hinted = Hinted::of(&claims, app.issuer.as_str(), &client.id).map_err(OAuthError::from)?;
    Ok((Some(client), Some(hinted)))
}

/// Sends the browser to the page that asks.
fn to_prompt(app: &App, request: &Request, logout: Logout) -> Result<Reply, Fault> {
    let browser = Browser::of(app, request);
    let sealed = PendingLogout::new(logout, request.now()).seal(app, Some(&browser))?;
    let reply = Reply::redirect_see_other(&page_address(app, PROMPT, &sealed)).no_store();
    Ok(reply.cookies(browser.introduction()))
}

/// Section 3: ends the browser's session, then sends the browser back to the client, or says that it is done.
///
/// # Errors
/// When the store can't be written.
pub async fn complete(app: &App, request: &Request, logout: &Logout) -> Result<Reply, Fault> {
    let client = client(app, logout).await?;
    let target = client.as_ref().and_then(|client| logout.target(client, app.beside()));
    let next = target.as_ref().map(PostLogoutTarget::uri);
    let cookies = browser::end_session(app, request, client.as_deref(), next).await?;
    let reply = match target {
        Some(target) => Reply::redirect_see_other(&target.location()).no_store(),
        None => {
            let locale = app.locale(logout.ui_locales.as_deref(), request);
            app.page(&EndSessionCompletedPage { client: client.as_deref().map(way_back) }, &locale)?
        }
    };
    Ok(reply.cookies(cookies))
}

/// The client that sent the user, if it is still there.
///
/// # Errors
/// When the store can't be read.
pub async fn client(app: &App, logout: &Logout) -> Result<Option<Arc<Client>>, Fault> {
    match &logout.client_id {
        Some(id) => Ok(app.store.client(id).await?),
        None => Ok(None),
    }
}

/// What the last page says of a client.
fn way_back(client: &Client) -> page::Client {
    let name = client.shown_name().to_owned();
    page::Client { name, uri: client.client_uri.clone(), ..page::Client::default() }
}
