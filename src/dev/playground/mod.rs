//! The playground: a relying party of our own, to see a whole login happen.
//!
//! It lives on the server, so that all of it works with scripts off. `begin` sends the browser to the authorization endpoint, and
//! `callback` does with the answer what every relying party should: it checks it, redeems the code, verifies the ID token by the
//! published keys, asks for the user, and shows each step. It calls the same handlers that other clients reach.

mod check;
mod run;
mod snippet;
mod transcript;

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::csrf;
use crate::app::development::Development;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::encode::parse_base64url;
use crate::base::form::{self, Form};
use crate::jose::jwt::{Claims, parse_object};
use crate::model::client::{Client, GrantType};
use crate::model::id::ClientId;
use crate::oidc::jwks;
use crate::page::{
    Check, Choice, Exchange, Field, IdToken, Input, Outcome, Page, PlaygroundFragmentPage, PlaygroundPage,
    PlaygroundResultPage, RunError, Select,
};
use crate::protocol::issuer::Endpoint;
use crate::protocol::response::{ResponseMode, SUPPORTED_RESPONSE_TYPES};

use check::{Earlier, Expected};
use run::{Choices, Run, Ticket};
use transcript::Call;

/// What the forms are for.
const PURPOSE: &str = "playground";

/// How many clients and users there are to choose from.
const MOST: usize = 100;

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
    form_page(app, request, &query, None).await
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

    let problem = |text: String| form_page(app, request, &form, Some(text));
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
        Some(user) => Ok(reply.cookie(browser::start_session(app, request, user).await?.1)),
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
    let Some(run) = Run::waiting(app, request, &browser) else { return nothing_waits(app, request, browser) };

    let fragment = posted && answer.sent("fragment").is_some();
    if fragment {
        csrf::check(app, request, &browser, PURPOSE, &answer)?;
        answer = in_fragment(answer.get("fragment").unwrap_or_default())?;
    }
    if answer.iter().next().is_none() {
        let page = PlaygroundFragmentPage { csrf: csrf::mark(app, &browser, PURPOSE) };
        return page_for(app, browser, &page);
    }
    let Some(client) = app.store.client(&run.client_id()).await? else { return nothing_waits(app, request, browser) };

    let mut report = Report::of_run(&run);
    report.authorization = Some(transcript::authorization(app, &run.query, posted, fragment, &answer));
    let asked = run.request();
    report.checks = check::response(&answer, asked.get("state").unwrap_or_default(), app.issuer.as_str());
    if !report.all_passed() {
        // Somebody else's answer doesn't end the run that waits for its own.
        return report.show(app, &client, browser, None);
    }
    if answer.get("error").is_some() {
        report.refused("the authorization endpoint", &error_of(|name| answer.get(name)));
    } else if let Some(code) = answer.get("code") {
        redeem(app, request, &client, &run, code, &mut report).await?;
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
        return nothing_waits(app, request, browser);
    };
    let Some(client) = app.store.client(&ticket.run.client_id()).await? else {
        return nothing_waits(app, request, browser);
    };
    let mut report = Report::of_run(&ticket.run);
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

/// The form with what a query or a form says already.
async fn form_page(app: &App, request: &Request, said: &Form, problem: Option<String>) -> Result<Reply, Fault> {
    let browser = Browser::of(app, request);
    let login = browser::session(app, request).await?;
    let users = app.store.users(None, MOST).await?.items;
    let users: Vec<&str> = users.iter().filter(|user| user.enabled).map(|user| user.username.as_str()).collect();
    // One click is enough in the beginning; whoever is signed in stays so.
    let first = if login.is_none() { users.first().copied() } else { None };
    let choices = Choices::read(said).with_user(said, first);
    let clients = app.store.clients(None, MOST).await?.items;
    let clients = clients.iter().map(|client| (client.id.as_str(), client_label(client))).collect();
    let nobody = match &login {
        Some(login) => format!("{}, who is signed in", login.user.username),
        None => "whoever signs in on the login page".to_owned(),
    };
    let users = [("", nobody)].into_iter().chain(users.into_iter().map(|name| (name, name.to_owned()))).collect();
    let refused = problem.is_some();
    let page = PlaygroundPage {
        csrf: csrf::mark(app, &browser, PURPOSE),
        problem,
        issuer: app.issuer.to_string(),
        more: ["response_type", "response_mode", "prompt", "max_age", "login_hint", "claims", "nonce", "pkce"]
            .iter()
            .any(|name| !choices.is_default(name)),
        selects: selects(&choices, clients, users),
        inputs: inputs(&choices),
    };
    let reply = page_for(app, browser, &page)?;
    Ok(if refused { reply.status(StatusCode::BAD_REQUEST) } else { reply })
}

fn client_label(client: &Client) -> String {
    let name = if client.name.is_empty() { client.id.as_str() } else { &client.name };
    format!("{name} ({}, {})", client.id, client.kind.name())
}

fn selects(choices: &Choices, clients: Vec<(&str, String)>, users: Vec<(&str, String)>) -> Vec<Select> {
    let named = |names: &[&'static str]| names.iter().map(|name| (*name, (*name).to_owned())).collect::<Vec<_>>();
    let not_sent = || vec![("", "not sent".to_owned())];
    let types: Vec<String> = SUPPORTED_RESPONSE_TYPES.iter().map(ToString::to_string).collect();
    let types = types.iter().map(|name| (name.as_str(), name.clone())).collect();
    let modes = [not_sent(), named(&ResponseMode::ALL.map(ResponseMode::name))].concat();
    let prompts = [not_sent(), named(&["none", "login", "consent", "select_account", "login consent"])].concat();
    let nonces = vec![("random", "a random one".to_owned()), ("none", "not sent".to_owned())];
    let pkce = vec![("S256", "S256".to_owned()), ("none", "without".to_owned())];
    [
        ("client_id", "Client", "Whose login it is: the playground's own, or one of yours.", true, clients),
        (
            "user",
            "Sign in as",
            "One of your users, without a password; or whoever the login page lets in.",
            true,
            users,
        ),
        ("prompt", "prompt", "What the user must be asked, or that nothing may be asked.", false, prompts),
        ("response_type", "response_type", "What the answer carries.", false, types),
        ("response_mode", "response_mode", "In which part of the redirect it travels.", false, modes),
        ("nonce", "nonce", "Ties the ID token to this request.", false, nonces),
        ("pkce", "PKCE", "Ties the code to this request.", false, pkce),
    ]
    .into_iter()
    .map(|(name, label, hint, first, options)| {
        let chosen = choices.get(name);
        // What an address asks for stands in the list even if it isn't one of ours: the answer will say what is wrong with it.
        let known = options.iter().any(|(value, _)| *value == chosen);
        let other = (!known).then(|| (chosen, chosen.to_owned()));
        let choice =
            |(value, label): (&str, String)| Choice { value: value.to_owned(), label, selected: value == chosen };
        Select { name, label, hint, first, options: options.into_iter().chain(other).map(choice).collect() }
    })
    .collect()
}

fn inputs(choices: &Choices) -> Vec<Input> {
    [
        ("scope", "scope", "What the tokens are good for. Without openid there is no ID token.", true),
        ("max_age", "max_age", "How many seconds ago the login may have been.", false),
        ("login_hint", "login_hint", "Fills in the username on the login page.", false),
        ("claims", "claims", "Single claims, as JSON: {\"id_token\":{\"email\":null}}", false),
    ]
    .into_iter()
    .map(|(name, label, hint, first)| Input { name, label, hint, first, value: choices.get(name).to_owned() })
    .collect()
}

/// Multiple Response Types section 5: what stands behind the `#` has the form of a query. Whoever copied it may have taken the
/// whole address.
fn in_fragment(text: &str) -> Result<Form, Fault> {
    let parameters = text.rsplit_once('#').map_or(text, |(_, parameters)| parameters);
    Form::parse(parameters.trim().as_bytes()).map_err(|error| Fault::expired(error.to_string()))
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
        report.refused("the token endpoint", &error_of(|name| call.text(name)));
        return Ok(());
    }
    report.scope = call.text("scope").map(ToOwned::to_owned);
    report.refresh_token = call.text("refresh_token").map(ToOwned::to_owned);
    let access_token = call.text("access_token");
    match call.text("id_token") {
        Some(id_token) => {
            let jwks: Value = serde_json::from_slice(jwks::jwks(app).await?.body()).unwrap_or_default();
            let expected = Expected { access_token, ..expected };
            report.checks.extend(check::id_token(id_token, &jwks, client.secret.as_ref(), &expected));
            report.take_apart(id_token);
        }
        // Section 12.2: an answer to a refresh may come without.
        None if expected.earlier.is_some() => {}
        None => report.checks.push(check::missing_id_token()),
    }
    if let Some(access_token) = access_token {
        let call = transcript::call_userinfo(app, request, access_token).await?;
        if let Some(subject) = report.subject() {
            let same = check::same_subject(Some(subject), &call.answer);
            report.checks.push(same);
        }
        report.name =
            ["name", "preferred_username", "sub"].into_iter().find_map(|claim| call.text(claim)).map(ToOwned::to_owned);
        report.userinfo = Some(call.exchange);
    }
    Ok(())
}

/// The members of an error response (RFC 6749 sections 4.1.2.1 and 5.2).
fn error_of<'a>(said: impl Fn(&str) -> Option<&'a str>) -> [String; 2] {
    ["error", "error_description"].map(|name| said(name).unwrap_or_default().to_owned())
}

/// What is known of a run at its end.
struct Report {
    choices: Choices,
    authorization: Option<Exchange>,
    token: Option<Exchange>,
    userinfo: Option<Exchange>,
    checks: Vec<Check>,
    error: Option<RunError>,
    id_token: Option<IdToken>,
    claims: Claims,
    /// `scope` of the token response.
    scope: Option<String>,
    refresh_token: Option<String>,
    /// What the user is called.
    name: Option<String>,
}

impl Report {
    fn of_run(run: &Run) -> Self {
        Self {
            choices: run.choices(),
            authorization: None,
            token: None,
            userinfo: None,
            checks: Vec::new(),
            error: None,
            id_token: None,
            claims: Claims::new(),
            scope: None,
            refresh_token: None,
            name: None,
        }
    }

    fn all_passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    fn subject(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    fn refused(&mut self, step: &str, [code, description]: &[String; 2]) {
        self.error = Some(RunError {
            step: step.to_owned(),
            code: code.clone(),
            description: description.clone(),
            advice: advice(code).to_owned(),
        });
    }

    /// Shows the token's parts, and keeps its claims.
    fn take_apart(&mut self, token: &str) {
        let parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
        let object = |at: usize| {
            parts.get(at).and_then(parse_base64url).and_then(|json| parse_object(&json)).unwrap_or_default()
        };
        let header = transcript::indented(&Value::Object(object(0)));
        self.claims = object(1);
        let claims = transcript::indented(&Value::Object(self.claims.clone()));
        self.id_token = Some(IdToken { parts, header, claims });
    }

    /// What a refresh would go on with.
    fn ticket(&self, app: &App, client: &Client, run: &Run, browser: &Browser) -> Result<Option<String>, Fault> {
        let Some(refresh_token) = &self.refresh_token else { return Ok(None) };
        if !client.may_use(GrantType::RefreshToken) {
            return Ok(None);
        }
        let ticket = Ticket {
            run: run.clone(),
            refresh_token: refresh_token.clone(),
            subject: self.subject().map(ToOwned::to_owned),
            auth_time: check::seconds(&self.claims, "auth_time"),
        };
        ticket.seal(app, browser).map(Some)
    }

    /// The page with everything.
    fn show(self, app: &App, client: &Client, browser: Browser, ticket: Option<String>) -> Result<Reply, Fault> {
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        let total = self.checks.len();
        let name = self.name.as_deref().or(self.subject()).unwrap_or("The user");
        let (outcome, headline, lead) = match (&self.error, failed) {
            (Some(error), _) => {
                (Outcome::Error, error.code.clone(), format!("The provider refused the request, at {}.", error.step))
            }
            (None, 0) if self.token.is_some() => (
                Outcome::Verified,
                format!("{name} is signed in"),
                format!("All {total} checks passed: an application with this request gets what follows."),
            ),
            (None, 0) => (
                Outcome::Error,
                "There is no code in the answer".to_owned(),
                "It has neither a code nor an error.".to_owned(),
            ),
            (None, _) => (
                Outcome::Failed,
                format!("{failed} of {total} checks failed"),
                "An application that checks what it has to refuses this login.".to_owned(),
            ),
        };
        let facts = [
            ("Client", Some(client_label(client))),
            ("User", self.subject().map(ToOwned::to_owned)),
            ("Scope", self.scope.clone()),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some(Field::new(name, value?))).collect();
        let page = PlaygroundResultPage {
            csrf: csrf::mark(app, &browser, PURPOSE),
            outcome,
            headline,
            lead,
            facts,
            error: self.error,
            checks: self.checks,
            authorization: self.authorization,
            token: self.token,
            id_token: self.id_token,
            userinfo: self.userinfo,
            refresh: ticket,
            again: again(&self.choices),
            query: self.choices.to_query(),
            configuration: snippet::all(&app.issuer, client),
        };
        page_for(app, browser, &page)
    }
}

fn again(choices: &Choices) -> Vec<Field> {
    choices.iter().map(|(name, value)| Field::new(name, value)).collect()
}

/// Whoever comes back a second time, or without having begun.
fn nothing_waits(app: &App, _request: &Request, browser: Browser) -> Result<Reply, Fault> {
    let choices = Choices::read(&Form::default());
    let page = PlaygroundResultPage {
        csrf: csrf::mark(app, &browser, PURPOSE),
        outcome: Outcome::Error,
        headline: "Start again".to_owned(),
        lead: "No run of this browser waits for an answer.".to_owned(),
        facts: Vec::new(),
        error: Some(RunError {
            step: "the playground".to_owned(),
            code: "nothing_waiting".to_owned(),
            description: "An answer counts once, and not for long.".to_owned(),
            advice: "This page was loaded a second time, or the run was begun too long ago or in another browser. A code is \
                     never redeemed twice: that would end what came of it."
                .to_owned(),
        }),
        checks: Vec::new(),
        authorization: None,
        token: None,
        id_token: None,
        userinfo: None,
        refresh: None,
        again: again(&choices),
        query: form::render([]),
        configuration: Vec::new(),
    };
    Ok(page_for(app, browser, &page)?.status(StatusCode::BAD_REQUEST))
}

/// A page for a browser, which is made known if it is new. In English: it is a developer's tool.
fn page_for<P: Page>(app: &App, browser: Browser, page: &P) -> Result<Reply, Fault> {
    let reply = app.page(page, &app.pages.locale(Some("en"), None))?;
    Ok(match browser.introduction() {
        Some(cookie) => reply.cookie(cookie),
        None => reply,
    })
}

/// What to do about an error.
fn advice(code: &str) -> &'static str {
    match code {
        "login_required" => {
            "prompt=none forbids to ask, and nobody is signed in who would do. Send the user through again without prompt=none."
        }
        "consent_required" | "interaction_required" | "account_selection_required" => {
            "prompt=none forbids to ask, and the user would have to be asked. Send them through again without prompt=none."
        }
        "access_denied" => "The user said no. Tell them so, and let them try again: this is an answer, not a fault.",
        "invalid_scope" => "Ask for scopes that the provider knows, in words with single spaces between.",
        "unsupported_response_type" | "unauthorized_client" => {
            "Let the client use it (response_types, grant_types), or ask for what it may use."
        }
        "invalid_request" => {
            "A parameter is missing, malformed or not allowed together with others: the description names it."
        }
        "invalid_client" => "The secret, or the way it is sent, isn't what the client is registered with.",
        "invalid_grant" => {
            "The code or token is spent, expired, or was made for another client, address or verifier. Begin again."
        }
        "temporarily_unavailable" | "server_error" => "Try again in a moment; the log of the provider knows more.",
        _ => "The specification of OpenID Connect says what this means; the log of the provider knows why it came.",
    }
}
