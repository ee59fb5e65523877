//! Forms that only our own pages can send.

use super::App;
use super::browser::Browser;
use super::fault::Fault;
use super::request::Request;
use crate::base::encode::{base64url, parse_base64url};
use crate::base::form::Form;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::parameter::refuse_repeated;

/// The field that carries the mark.
pub const FIELD: &str = "csrf";

/// The mark of a form for one browser and one purpose. Other sites can make a browser send a form, but can't read this
/// from a page of ours.
pub fn mark(app: &App, browser: &Browser, purpose: &str) -> String {
    base64url(app.csrf.tag(&message(browser, purpose)))
}

/// Checks the mark of a form that came in, that it says nothing twice, and that no other site's page sent it.
///
/// # Errors
/// An expired page, `invalid_request`, or a refusal for a foreign origin.
pub fn check(app: &App, request: &Request, browser: &Browser, purpose: &str, form: &Form) -> Result<(), Fault> {
    check_origin(app, request)?;
    refuse_repeated(form)?;
    let tag = form.get(FIELD).and_then(parse_base64url).unwrap_or_default();
    if app.csrf.verify(&message(browser, purpose), &tag) {
        Ok(())
    } else {
        Err(Fault::expired("the form has no mark of ours"))
    }
}

/// Refuses a form that a browser says another site's page sent. Browsers that say nothing are judged by what the form
/// carries.
///
/// # Errors
/// `access_denied`.
pub fn check_origin(app: &App, request: &Request) -> Result<(), Fault> {
    match request.origin() {
        Some(origin) if origin != app.issuer.origin() => {
            let error = OAuthError::new(ErrorCode::AccessDenied, "the form was sent by a page of another site");
            Err(error.detail(format!("origin {origin:?}")).into())
        }
        _ => Ok(()),
    }
}

fn message(browser: &Browser, purpose: &str) -> Vec<u8> {
    [browser.as_bytes(), purpose.as_bytes()].concat()
}
