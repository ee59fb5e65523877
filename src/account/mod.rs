//! The pages that an end user meets: login, choice of account, consent, logout.
//!
//! A page that belongs to an authorization request carries it sealed and ends in [`resume`](crate::oidc::authorize::resume).

pub mod consent;
pub mod language;
pub mod login;
pub mod logo;
pub mod logout;
pub mod select_account;

use std::sync::Arc;

use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::fault::Fault;
use crate::app::pending::{Bound, Pending, Stop};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::model::client::Client;
use crate::model::user::User;
use crate::oidc::authorize::{self, PENDING};
use crate::page::{self, Locale};
use crate::protocol::claims;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::parameter::refuse_repeated;
use crate::protocol::redirect::Target;
use crate::store::SessionContext;

/// A pending request in front of its user.
struct Visit {
    /// Where.
    stop: Stop,
    pending: Pending,
    /// As it came.
    sealed: String,
    client: Arc<Client>,
    target: Target,
    locale: Locale,
    browser: Browser,
}

impl Visit {
    /// Opens the request that the address or the form of this page carries. No page of ours says a thing twice, and which one
    /// would count?
    async fn open(app: &App, request: &Request, stop: Stop, form: &Form) -> Result<Self, Fault> {
        refuse_repeated(form)?;
        let browser = Browser::of(app, request);
        let sealed = form.get(PENDING);
        let pending = Pending::open(app, sealed, Bound::To(&browser, stop), request.now())?;
        let (client, target) = authorize::prove(app, &pending).await?;
        let locale = app.locale(pending.request.ui_locales.as_deref(), request);
        Ok(Self { stop, pending, sealed: sealed.unwrap_or_default().to_owned(), client, target, locale, browser })
    }

    /// The request, sealed again for the next form.
    fn seal(&self, app: &App) -> Result<String, Fault> {
        self.pending.seal(app, Bound::To(&self.browser, self.stop))
    }

    /// The live session, if it is that of whom the page asks. Somebody else may have logged in since in another tab.
    async fn whom_it_asks(&self, app: &App, request: &Request) -> Result<Option<SessionContext>, Fault> {
        let login = browser::session(app, request).await?;
        Ok(login.filter(|login| self.pending.asked.as_ref() == Some(&login.user.id)))
    }

    /// RFC 6749 section 4.1.2.1: the user said no.
    fn cancel(&self, app: &App, request: &Request, detail: &str) -> Result<Reply, Fault> {
        let error = OAuthError::new(ErrorCode::AccessDenied, "the user refused").detail(detail);
        authorize::refuse(app, request, &self.client, &self.target, &error)
    }
}

/// What the pages show of a client.
fn client_view(app: &App, client: &Client) -> page::Client {
    page::Client {
        client_id: client.id.as_str().to_owned(),
        name: client.shown_name().to_owned(),
        logo: client.logo_uri.clone().or_else(|| logo::address(app, client)),
        uri: client.client_uri.clone(),
        policy: client.policy_uri.clone(),
        tos: client.tos_uri.clone(),
        accent: client.accent_color,
    }
}

/// What the pages show of a user.
fn account_view(user: &User) -> page::Account {
    match claims::claim(user, "name").as_ref().and_then(|name| name.as_str()) {
        Some(name) if name != user.username => {
            page::Account { name: name.to_owned(), username: Some(user.username.clone()) }
        }
        _ => page::Account { name: user.username.clone(), username: None },
    }
}
