//! The choice of account (`prompt=select_account`, OpenID Connect Core 1.0 section 3.1.2.1).

use super::{Visit, account_view, client_view};
use crate::app::App;
use crate::app::browser;
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::pending::Stop;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::oidc::authorize::{self, resume};
use crate::page::SelectAccountPage;

/// Shows the page.
///
/// # Errors
/// An expired page.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    let mut visit = Visit::open(app, request, Stop::SelectAccount, &request.query()?).await?;
    let Some(login) = browser::session(app, request).await? else {
        return resume(app, request, visit.pending, None).await;
    };
    visit.pending.asked = Some(login.user.id.clone());
    let page = SelectAccountPage {
        pending: visit.seal(app)?,
        client: client_view(app, &visit.client),
        account: account_view(&login.user),
    };
    app.page(&page, &visit.locale)
}

/// Takes the user's choice.
///
/// # Errors
/// An expired page, a foreign origin.
pub async fn submit(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    csrf::check_origin(app, request)?;
    let form = request.form().await?;
    let mut visit = Visit::open(app, request, Stop::SelectAccount, &form).await?;
    match form.get("decision") {
        Some("continue") => match visit.whom_it_asks(app, request).await? {
            Some(login) => {
                visit.pending.chosen = Some(login.session.id);
                resume(app, request, visit.pending, Some(login)).await
            }
            // It shows who is logged in now, if anybody is.
            None => authorize::to_page(app, request, Stop::SelectAccount, &visit.pending),
        },
        Some("another") => authorize::to_page(app, request, Stop::Login, &visit.pending),
        _ => visit.cancel(app, request, "cancelled the choice of account"),
    }
}
