//! Consent: the user says what a client may know and do (OpenID Connect Core 1.0 section 3.1.2.4).

use std::time::Duration;

use url::Url;

use super::{Visit, account_view, client_view};
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::pending::{Agreement, Stop};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::model::consent::Given;
use crate::model::event::{EventKind, Occurrence};
use crate::oidc::authorize::{self, resume};
use crate::page::{AuthorizePage, Scope};
use crate::protocol::scope::{Shown, shown};
use crate::store::origin;

/// What the form is for.
const PURPOSE: &str = "consent";

/// Shows the page.
///
/// # Errors
/// An expired page.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    let visit = Visit::open(app, request, Stop::Consent, &request.query()?).await?;
    let Some(login) = visit.whom_it_asks(app, request).await? else {
        return resume(app, request, visit.pending, browser::session(app, request).await?).await;
    };
    let scope = visit.pending.request.consent_scope();
    let scopes = shown(&scope).into_iter().map(|scope| match scope {
        Shown::Standard(name) => scope_view(app, name, visit.locale.tag()),
        Shown::Other(name) => scope_view(app, name, visit.locale.tag()),
    });
    let page = AuthorizePage {
        pending: visit.sealed.clone(),
        csrf: csrf::mark(app, &visit.browser, PURPOSE),
        client: client_view(app, &visit.client),
        account: account_view(&login.user),
        scopes: scopes.collect(),
        destination: destination(visit.target.redirect_uri()),
        params: visit.pending.request.parameters(),
    };
    app.page(&page, &visit.locale)
}

/// Takes the user's decision.
///
/// # Errors
/// An expired page, a foreign origin.
pub async fn submit(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    csrf::check_origin(app, request)?;
    let form = request.form().await?;
    // The request is sealed for this browser and this page, which is proof enough for programs that send nothing else.
    if form.get(csrf::FIELD).is_some() {
        csrf::check(app, request, &Browser::of(app, request), PURPOSE, &form)?;
    }
    let mut visit = Visit::open(app, request, Stop::Consent, &form).await?;
    let Some(login) = visit.whom_it_asks(app, request).await? else {
        return resume(app, request, visit.pending, browser::session(app, request).await?).await;
    };
    let (user, client) = (&login.user.id, &visit.client.id);
    // Django's template has a button of that name.
    let decision = form.get("decision").or_else(|| form.get("allow").map(|_| "allow"));
    match decision {
        Some("allow") => {
            let scope = visit.pending.request.consent_scope();
            let given = Given {
                user: user.clone(),
                client: client.clone(),
                client_generation: visit.client.generation,
                scope,
                lifetime: Duration::from_secs(u64::from(app.settings.consent.remember_days) * 24 * 60 * 60),
            };
            let consent = app.store.grant_consent(given, request.now()).await?;
            visit.pending.agreed = Some(Agreement { user: user.clone(), consent_generation: consent.generation });
            resume(app, request, visit.pending, Some(login)).await
        }
        Some("switch") => authorize::to_page(app, request, Stop::Login, &visit.pending),
        _ => {
            let what = Occurrence {
                user: Some(user.clone()),
                client: Some(client.clone()),
                scope: Some(visit.pending.request.consent_scope()),
                ..Occurrence::new(EventKind::ConsentDeclined)
            };
            app.store.note(what, origin::current());
            visit.cancel(app, request, "declined on the consent page")
        }
    }
}

/// A scope with the words of the settings, if they have some: in the page's language, else those for every language.
fn scope_view(app: &App, name: &str, language: &str) -> Scope {
    let Some(words) = app.settings.scopes.get(name) else { return Scope::named(name) };
    let primary = language.split('-').next().unwrap_or_default();
    let of = |tag: &str| {
        words.translations.iter().find(|(other, _)| other.eq_ignore_ascii_case(tag)).map(|(_, translation)| translation)
    };
    let own = of(language).or_else(|| of(primary));
    Scope {
        name: name.to_owned(),
        title: own.and_then(|own| own.name.clone()).or_else(|| words.name.clone()),
        description: own.and_then(|own| own.description.clone()).or_else(|| words.description.clone()),
    }
}

/// Where the browser goes afterwards, as people read it.
fn destination(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    Some(match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => format!("{}:", url.scheme()),
    })
}
