//! Logout, when a person asks for it, or when a client has and they have to agree.

use super::{account_view, client_view};
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::pending_logout::PendingLogout;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::oidc::authorize::PENDING;
use crate::oidc::end_session::{self, complete};
use crate::page::{self, EndSessionFailedPage, EndSessionPromptPage};
use crate::protocol::logout::Logout;
use crate::protocol::parameter::refuse_repeated;

/// What the form is for.
const PURPOSE: &str = "logout";

/// Asks whether to log out, or says that nobody is logged in.
///
/// # Errors
/// An expired page.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    let query = request.query()?;
    refuse_repeated(&query)?;
    let browser = Browser::of(app, request);
    let logout = asked_for(app, request, &browser, &query)?;
    let Some(login) = browser::session(app, request).await? else {
        return complete(app, request, &logout).await;
    };
    let page = EndSessionPromptPage {
        csrf: csrf::mark(app, &browser, PURPOSE),
        pending: query.get(PENDING).map(ToOwned::to_owned),
        client: client(app, &logout).await?,
        account: account_view(&login.user),
    };
    let locale = app.locale(logout.ui_locales.as_deref(), request);
    Ok(app.page(&page, &locale)?.cookies(browser.introduction()))
}

/// Ends the browser's session, if its user wants that.
///
/// # Errors
/// A form that isn't ours.
pub async fn submit(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let browser = Browser::of(app, request);
    csrf::check(app, request, &browser, PURPOSE, &form)?;
    let logout = asked_for(app, request, &browser, &form)?;
    if form.get("decision") == Some("logout") {
        return complete(app, request, &logout).await;
    }
    let locale = app.locale(logout.ui_locales.as_deref(), request);
    app.page(&EndSessionFailedPage { client: client(app, &logout).await? }, &locale)
}

/// The request of a client that the address or the form carries; nothing in particular where it carries none.
fn asked_for(app: &App, request: &Request, browser: &Browser, form: &Form) -> Result<Logout, Fault> {
    match form.get(PENDING) {
        Some(sealed) => Ok(PendingLogout::open(app, Some(sealed), Some(browser), request.now())?.logout),
        None => Ok(Logout::default()),
    }
}

/// What the pages show of the client that sent the user.
async fn client(app: &App, logout: &Logout) -> Result<Option<page::Client>, Fault> {
    Ok(end_session::client(app, logout).await?.map(|client| client_view(app, &client)))
}
