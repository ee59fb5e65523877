//! The choice of a language on a page: kept in a cookie, and for the request at hand in the request itself, where it comes
//! before what the client wished.

use std::time::Duration;

use crate::app::App;
use crate::app::browser::Browser;
use crate::app::cookie::Lifetime;
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::pending::{Bound, Pending, Stop};
use crate::app::pending_logout::PendingLogout;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::oidc::authorize::{self, PENDING, page_address};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::parameter::refuse_repeated;

/// For how long a browser remembers it.
const REMEMBERED: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Takes `language`, and goes back to the page of ours that `page` names, with its request.
///
/// # Errors
/// An expired page, a foreign origin, a language or page that there is not.
pub async fn choose(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    csrf::check_origin(app, request)?;
    let form = request.form().await?;
    refuse_repeated(&form)?;
    let pages = app.pages.in_any_case(request.now());
    let language = form.get("language").and_then(|tag| pages.language(tag));
    let tag = language.ok_or_else(|| wrong("The pages don't come in this language."))?.tag();
    let here = form.get("page").unwrap_or_default();
    let reply = match (here, form.get(PENDING)) {
        ("home", _) => Reply::redirect_see_other(&format!("{}/", app.issuer.path())),
        ("logout", None) => Reply::redirect_see_other(&format!("{}/logout", app.issuer.path())),
        ("logout", sealed) => {
            let browser = Browser::of(app, request);
            let mut pending = PendingLogout::open(app, sealed, Some(&browser), request.now())?;
            pending.logout.ui_locales = Some(tag.to_owned());
            Reply::redirect_see_other(&page_address(app, "/logout", &pending.seal(app, Some(&browser))?))
        }
        (_, sealed) => {
            let is_here = |stop: &Stop| stop.path().strip_prefix('/') == Some(here);
            let stop = Stop::ALL.into_iter().find(is_here).ok_or_else(|| wrong("There is no such page."))?;
            let browser = Browser::of(app, request);
            let mut pending = Pending::open(app, sealed, Bound::To(&browser, stop), request.now())?;
            pending.request.ui_locales = Some(tag.to_owned());
            authorize::to_page(app, request, stop, &pending)?
        }
    };
    Ok(reply.no_store().cookie(app.cookies.language().set(tag, Lifetime::For(REMEMBERED))))
}

fn wrong(why: &'static str) -> Fault {
    OAuthError::new(ErrorCode::InvalidRequest, why).into()
}
