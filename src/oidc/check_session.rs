//! The frame that tells relying parties whether the login state has changed (OpenID Connect Session Management 1.0 section
//! 3.2).

use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::page::CheckSessionIframePage;

/// The frame's page, the same for everybody.
///
/// # Errors
/// A missing page where session management is off.
pub fn check_session_iframe(app: &App, request: &Request) -> Result<Reply, Fault> {
    let state = app.browser_state.as_ref().ok_or_else(Fault::missing)?;
    let page = CheckSessionIframePage { cookie: state.cookie_name().to_owned() };
    Ok(app.page(&page, &app.locale(None, request))?.framable())
}
