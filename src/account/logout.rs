//! Logout, when a person asks for it.

use super::account_view;
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::page::{EndSessionCompletedPage, EndSessionFailedPage, EndSessionPromptPage};

/// What the form is for.
const PURPOSE: &str = "logout";

/// Asks whether to log out, or says that nobody is logged in.
///
/// # Errors
/// When the store can't be read.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    let locale = app.pages.locale(None, request.accept_language());
    let Some(login) = browser::session(app, request).await? else {
        return app.page(&EndSessionCompletedPage { client: None }, &locale);
    };
    let browser = Browser::of(app, request);
    let page = EndSessionPromptPage {
        csrf: csrf::mark(app, &browser, PURPOSE),
        pending: None,
        client: None,
        account: account_view(&login.user),
    };
    let reply = app.page(&page, &locale)?;
    Ok(match browser.introduction() {
        Some(cookie) => reply.cookie(cookie),
        None => reply,
    })
}

/// Ends the browser's session.
///
/// # Errors
/// A form that isn't ours.
pub async fn submit(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let form = request.form().await?;
    let browser = Browser::of(app, request);
    csrf::check(app, request, &browser, PURPOSE, &form)?;
    let locale = app.pages.locale(None, request.accept_language());
    if form.get("decision") != Some("logout") {
        return app.page(&EndSessionFailedPage { client: None }, &locale);
    }
    if let Some(login) = browser::session(app, request).await? {
        app.store.end_session(&login.session.id).await?;
        tracing::info!(user = %login.user.id, "logged out");
    }
    Ok(app.page(&EndSessionCompletedPage { client: None }, &locale)?.cookie(app.cookies.end_session()))
}
