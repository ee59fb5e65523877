//! The form, with everything there is to choose.

use hyper::StatusCode;

use super::run::Choices;
use super::{PURPOSE, client_label, page_for};
use crate::app::App;
use crate::app::browser::{self, Browser};
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::form::Form;
use crate::page::{Choice, Input, PlaygroundPage, Select};
use crate::protocol::response::{ResponseMode, SUPPORTED_RESPONSE_TYPES};

/// How many clients and users there are to choose from.
const MOST: usize = 100;

/// The page with what a query or a form says already, and perhaps why nothing was sent.
///
/// # Errors
/// When the store can't be read.
pub(super) async fn page(app: &App, request: &Request, said: &Form, problem: Option<String>) -> Result<Reply, Fault> {
    let browser = Browser::of(app, request);
    let login = browser::session(app, request).await?;
    let users = app.store.users(None, MOST).await?.items;
    let users: Vec<&str> = users.iter().filter(|user| user.enabled).map(|user| user.username.as_str()).collect();
    // One click is enough in the beginning; whoever is signed in stays so.
    let first = if login.is_none() { users.first().copied() } else { None };
    let choices = Choices::read(said).with_user(said, first);
    let clients = app.store.clients(None, MOST).await?.items;
    // Nobody logs in at one without response types.
    let clients = clients.iter().filter(|client| !client.response_types.is_empty());
    let clients = clients.map(|client| (client.id.as_str(), client_label(client))).collect();
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
