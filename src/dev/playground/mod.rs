//! The playground: a relying party of our own, to see a whole login happen.
//!
//! It lives on the server, so that all of it works with scripts off. `begin` sends the browser to the authorization endpoint, and
//! `callback` does with the answer what every relying party should: it checks it, redeems the code, verifies the ID token by the
//! published keys, asks for the user, and shows each step. It calls the same handlers that other clients reach.

mod check;
mod form;
mod report;
mod run;
mod snippet;
mod transcript;

use std::sync::Arc;

use hyper::Method;
use serde_json::Value;

use crate::app::App;
use crate::app::browser::{self, Browser, Proof};
use crate::app::csrf;
use crate::app::development::Development;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::model::client::{Client, GrantType};
use crate::model::id::ClientId;
use crate::page::{Page, PlaygroundFragmentPage};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::issuer::Endpoint;

use super::{APPLICATION, PLAYGROUND};
use check::{Earlier, Expected};
use report::{Report, nothing_waits};
use run::{Choices, Run, Ticket};
use transcript::Call;

/// What the forms are for.
const PURPOSE: &str = "playground";

/// Shows the form.
///
/// # Errors
/// When the store can't be read.
pub async fn show(app: &App, request: &Request) -> Result<Reply, Fault> {
    development(app)?;
    if let Some(address) = address_of_issuer(app, request) {
        return Ok(Reply::redirect_see_other(&address).no_store());
    }
    let query = request.query()?;
    form::page(app, request, &query, None).await
}

/// Begins a run: sends the browser to the authorization endpoint with what the form chose.
///
/// # Errors
/// A form that isn't ours.
pub async fn begin(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    let redirect_uri = &development(app)?.playground;
    let form = request.form().await?;
    let browser = Browser::of(app, request);
    csrf::check(app, request, &browser, PURPOSE, &form)?;
    let choices = Choices::read(&form);

    let problem = |text: String| form::page(app, request, &form, Some(text));
    let client_id = choices.get("client_id");
    if app.store.client(&ClientId::new(client_id)).await?.is_none() {
        return problem(format!("There is no client with the id \"{client_id}\".")).await;
    }
    let username = choices.get("user");
    let user = app.store.user_by_username(username).await?.filter(|user| user.enabled);
    if user.is_none() && !username.is_empty() {
        return problem(format!("Nobody called \"{username}\" can log in.")).await;
    }
    let run = Run::begin(app, &choices, redirect_uri, request.now());
    let Some(waiting) = run.keep(app, &browser)? else {
        return problem("All of it together is too long: the playground keeps it in a cookie.".to_owned()).await;
    };
    let address = format!("{}?{}", app.issuer.address(Endpoint::Authorize), run.query);
    let reply = Reply::redirect_see_other(&address).no_store().cookie(waiting);
    match user {
        Some(user) => {
            Ok(reply.cookies(browser::start_session(app, request, user, Proof::password(request.now())).await?.1))
        }
        None => Ok(reply),
    }
}

/// Takes the answer to an authorization request, in whatever mode it comes, and shows what comes of it.
///
/// # Errors
/// A form that isn't ours, and faults of the store.
pub async fn callback(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    development(app)?;
    let posted = *request.method() == Method::POST;
    let mut answer = if posted { request.form().await? } else { request.query()? };
    let browser = Browser::of(app, request);
    let Some(run) = Run::waiting(app, request, &browser) else { return nothing_waits(app, browser) };

    let fragment = posted && answer.sent("fragment").is_some();
    if fragment {
        csrf::check(app, request, &browser, PURPOSE, &answer)?;
        answer = in_fragment(answer.get("fragment").unwrap_or_default())?;
    }
    if let Some(name) = answer.repeated() {
        let error = OAuthError::new(ErrorCode::InvalidRequest, "a parameter of the answer came more than once");
        return Err(error.detail(format!("parameter {name:?}")).into());
    }
    if answer.iter().next().is_none() {
        let page = PlaygroundFragmentPage { csrf: csrf::mark(app, &browser, PURPOSE) };
        return page_for(app, browser, &page);
    }
    let Some(client) = app.store.client(&run.client_id()).await? else { return nothing_waits(app, browser) };

    let mut report = Report::of_run(&run, application(app, &client).await?);
    report.authorization = Some(transcript::authorization(app, &run.query, posted, fragment, &answer));
    let asked = run.request();
    report.checks = check::response(&answer, asked.get("state").unwrap_or_default(), app.issuer.as_str());
    if !report.all_passed() {
        // Somebody else's answer doesn't end the run that waits for its own.
        return report.show(app, &client, browser, None);
    }
    if answer.get("error").is_some() {
        report.refused("the authorization endpoint", answer.get("error"), answer.get("error_description"));
    } else {
        report.checks.push(check::parts(&answer, asked.get("response_type").unwrap_or_default()));
        take_front(app, request, &client, &run, &answer, &mut report).await?;
    }
    let ticket = report.ticket(app, &client, &run, &browser)?;
    Ok(report.show(app, &client, browser, ticket)?.cookie(Run::forget(app)))
}

/// Uses the refresh token of an earlier run.
///
/// # Errors
/// A form that isn't ours, and faults of the store.
pub async fn refresh(app: &App, request: &mut Request) -> Result<Reply, Fault> {
    development(app)?;
    let form = request.form().await?;
    let browser = Browser::of(app, request);
    csrf::check(app, request, &browser, PURPOSE, &form)?;
    let Some(ticket) = Ticket::open(app, &browser, form.get("ticket")) else {
        return nothing_waits(app, browser);
    };
    let Some(client) = app.store.client(&ticket.run.client_id()).await? else {
        return nothing_waits(app, browser);
    };
    let mut report = Report::of_run(&ticket.run, application(app, &client).await?);
    let parameters = [("grant_type", GrantType::RefreshToken.name()), ("refresh_token", &ticket.refresh_token)];
    let call = transcript::call_token(app, request, &client, &parameters).await?;
    let nonce = ticket.run.request().get("nonce").map(ToOwned::to_owned);
    let expected = Expected {
        nonce: nonce.as_deref(),
        earlier: ticket.subject.as_deref().map(|subject| Earlier { subject, auth_time: ticket.auth_time }),
        ..expected(app, request, &client)
    };
    take_tokens(app, request, &client, call, expected, &mut report).await?;
    let next = report.ticket(app, &client, &ticket.run, &browser)?;
    report.show(app, &client, browser, next)
}

/// The client whose configuration a developer can use: the one that was tried, or for the playground's own, whose answers
/// come to a page of ours, the one that is there for an application.
async fn application(app: &App, tried: &Arc<Client>) -> Result<Arc<Client>, Fault> {
    let own = if tried.id.as_str() == PLAYGROUND { app.store.client(&ClientId::new(APPLICATION)).await? } else { None };
    Ok(own.unwrap_or_else(|| Arc::clone(tried)))
}

/// What a development server has beyond others.
fn development(app: &App) -> Result<&Development, Fault> {
    app.development.as_ref().ok_or_else(Fault::missing)
}

/// Where the playground lives, for a browser that came by another name of this machine: cookies belong to one host.
fn address_of_issuer(app: &App, request: &Request) -> Option<String> {
    let (_, own) = app.issuer.origin().split_once("://")?;
    let name = request.host()?;
    let host = name.rsplit_once(':').map_or(name, |(host, port)| if port.contains(']') { name } else { host });
    let is_this_machine = ["localhost", "127.0.0.1", "[::1]"].contains(&host) && app.issuer.is_loopback();
    (is_this_machine && !name.eq_ignore_ascii_case(own)).then(|| {
        let query = request.raw_query();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/playground{mark}{query}", app.issuer)
    })
}

/// Multiple Response Types section 5: what stands behind the `#` has the form of a query. Whoever copied it may have taken the
/// whole address.
fn in_fragment(text: &str) -> Result<Form, Fault> {
    let parameters = text.rsplit_once('#').map_or(text, |(_, parameters)| parameters);
    Form::parse(parameters.trim().as_bytes()).map_err(|error| Fault::expired(error.to_string()))
}

/// OpenID Connect Core 1.0 sections 3.2.2.8 to 3.2.2.11 and 3.3.2.8 to 3.3.2.12: what came through the browser, and then what the
/// code is redeemed for.
async fn take_front(
    app: &App,
    request: &Request,
    client: &Client,
    run: &Run,
    answer: &Form,
    report: &mut Report,
) -> Result<(), Fault> {
    let asked = run.request();
    let (code, access_token) = (answer.get("code"), answer.get("access_token"));
    report.answered = true;
    if let Some(id_token) = answer.get("id_token") {
        let expected = Expected {
            nonce: asked.get("nonce"),
            access_token,
            code,
            in_front: true,
            asked_at: run.begun_at,
            login_since: run.login_since(),
            ..expected(app, request, client)
        };
        take_id_token(app, client, id_token, &expected, report).await?;
    }
    if let Some(code) = code {
        let in_front = report.subject().map(ToOwned::to_owned);
        redeem(app, request, client, run, code, report).await?;
        // Section 3.3.3.6.
        if let Some(subject) = in_front {
            report.checks.push(check::same_in_both(&subject, report.subject()));
        }
    } else if let Some(access_token) = access_token {
        report.scope = answer.get("scope").map(ToOwned::to_owned);
        ask_for_user(app, request, access_token, report).await?;
    }
    Ok(())
}

/// RFC 6749 section 4.1.3: redeems the code.
async fn redeem(
    app: &App,
    request: &Request,
    client: &Client,
    run: &Run,
    code: &str,
    report: &mut Report,
) -> Result<(), Fault> {
    let asked = run.request();
    let verifier = run.verifier.as_deref().map(|verifier| ("code_verifier", verifier));
    let parameters: Vec<(&str, &str)> = [
        ("grant_type", GrantType::AuthorizationCode.name()),
        ("code", code),
        ("redirect_uri", asked.get("redirect_uri").unwrap_or_default()),
    ]
    .into_iter()
    .chain(verifier)
    .collect();
    let call = transcript::call_token(app, request, client, &parameters).await?;
    let expected = Expected {
        nonce: asked.get("nonce"),
        code: Some(code),
        asked_at: run.begun_at,
        login_since: run.login_since(),
        ..expected(app, request, client)
    };
    take_tokens(app, request, client, call, expected, report).await
}

fn expected<'a>(app: &'a App, request: &Request, client: &'a Client) -> Expected<'a> {
    Expected {
        issuer: app.issuer.as_str(),
        client_id: client.id.as_str(),
        algorithm: client.id_token_algorithm,
        nonce: None,
        access_token: None,
        code: None,
        in_front: false,
        asked_at: request.now(),
        login_since: None,
        earlier: None,
        now: request.now(),
    }
}

/// OpenID Connect Core 1.0 sections 3.1.3.5 and 5.3: verifies what came, and asks who the user is.
async fn take_tokens(
    app: &App,
    request: &Request,
    client: &Client,
    call: Call,
    expected: Expected<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    report.token = Some(call.exchange.clone());
    if !call.succeeded {
        report.refused("the token endpoint", call.text("error"), call.text("error_description"));
        return Ok(());
    }
    report.scope = call.text("scope").map(ToOwned::to_owned);
    report.refresh_token = call.text("refresh_token").map(ToOwned::to_owned);
    let access_token = call.text("access_token");
    match call.text("id_token") {
        Some(id_token) => take_id_token(app, client, id_token, &Expected { access_token, ..expected }, report).await?,
        // Section 12.2: an answer to a refresh may come without.
        None if expected.earlier.is_some() => {}
        None => report.checks.push(check::missing_id_token()),
    }
    match access_token {
        Some(access_token) => ask_for_user(app, request, access_token, report).await,
        None => Ok(()),
    }
}

async fn take_id_token(
    app: &App,
    client: &Client,
    id_token: &str,
    expected: &Expected<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let jwks: Value = serde_json::from_slice(app.keys.ring(&app.store).await?.jwks().body()).unwrap_or_default();
    report.checks.extend(check::id_token(id_token, &jwks, client.secret.as_ref(), expected));
    report.take_apart(id_token);
    Ok(())
}

async fn ask_for_user(app: &App, request: &Request, access_token: &str, report: &mut Report) -> Result<(), Fault> {
    let call = transcript::call_userinfo(app, request, access_token).await?;
    if let Some(same) = report.subject().map(|subject| check::same_subject(subject, &call.answer)) {
        report.checks.push(same);
    }
    report.name =
        ["name", "preferred_username", "sub"].into_iter().find_map(|claim| call.text(claim)).map(ToOwned::to_owned);
    report.userinfo = Some(call.exchange);
    Ok(())
}

fn client_label(client: &Client) -> String {
    let name = if client.name.is_empty() { client.id.as_str() } else { &client.name };
    format!("{name} ({}, {})", client.id, client.kind.name())
}

/// A page for a browser, which is made known if it is new. In English: it is a developer's tool.
fn page_for<P: Page>(app: &App, browser: Browser, page: &P) -> Result<Reply, Fault> {
    let reply = app.page(page, &app.english())?;
    Ok(match browser.introduction() {
        Some(cookie) => reply.cookie(cookie),
        None => reply,
    })
}
