//! Filling the store of a provider for development.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::seed::Seed;
use super::{key, persona};
use crate::admin::{self, Call, Context, Method};
use crate::app::development::Development;
use crate::app::password::Verdict;
use crate::app::{App, rotation};
use crate::base::encode;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::ClientId;

/// Clients and users that somebody wants to have, in the members that [`admin::call`] takes.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Each with its `client_id`.
    pub clients: Vec<Map<String, Value>>,
    /// Each with its `username`.
    pub users: Vec<Map<String, Value>>,
}

/// What a developer needs to know about a furnished store.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The declared clients, then ours but for the playground's.
    pub clients: Vec<Arc<Client>>,
    /// The declared users, then ours; those who can log in.
    pub users: Vec<Login>,
}

/// Somebody to log in as.
#[derive(Clone, Debug)]
pub struct Login {
    /// Their username.
    pub username: String,
    /// Their password, where it is the one that was declared.
    pub password: Option<Secret>,
}

/// Puts a signing key, clients and users into a store for development: those that are declared, and ours beside them. What
/// is there already is changed to what is declared; of ours, nothing is changed.
///
/// # Errors
/// One line about the first that can't be made.
pub async fn furnish(
    app: &App,
    development: &Development,
    seed: &Seed,
    declared: &Declared,
) -> Result<Inventory, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    app.store.mark_development().await.map_err(|error| failed(&error))?;
    if app.store.keys().await.map_err(|error| failed(&error))?.is_empty() {
        let key = key::signing_key(app.clock.now()).map_err(|error| failed(&error))?;
        app.store.add_key(key).await.map_err(|error| failed(&error))?;
    }
    named_once("clients", "client_id", &declared.clients)?;
    named_once("users", "username", &declared.users)?;
    let mut inventory = Inventory { clients: Vec::new(), users: Vec::new() };
    for client in &declared.clients {
        let id = put(app, seed, "clients", "client_id", client).await?;
        inventory.clients.extend(find_client(app, &id).await?);
    }
    for client in persona::clients(&development.playground) {
        let Value::Object(client) = client else { continue };
        let id = put_missing(app, seed, "clients", "client_id", &client).await?;
        if id != super::PLAYGROUND && !inventory.clients.iter().any(|known| known.id.as_str() == id) {
            inventory.clients.extend(find_client(app, &id).await?);
        }
    }
    for user in &declared.users {
        let username = put(app, seed, "users", "username", user).await?;
        inventory.users.extend(login(app, username, user).await?);
    }
    for user in persona::users() {
        let Value::Object(user) = user else { continue };
        let username = put_missing(app, seed, "users", "username", &user).await?;
        if !inventory.users.iter().any(|known| known.username == username) {
            inventory.users.extend(login(app, username, &user).await?);
        }
    }
    Ok(inventory)
}

/// Refuses what has no name, or that of another.
fn named_once(list: &str, naming: &str, declared: &[Map<String, Value>]) -> Result<(), String> {
    let mut names = HashSet::new();
    for one in declared {
        let name = one.get(naming).and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("one of the {list} has no {naming}"))?;
        if !names.insert(name) {
            return Err(format!("{list}: there are two with the {naming} {name}"));
        }
    }
    Ok(())
}

/// Makes one thing, or changes it; gives its name.
async fn put(app: &App, seed: &Seed, list: &str, naming: &str, body: &Map<String, Value>) -> Result<String, String> {
    let name = body.get(naming).and_then(Value::as_str).unwrap_or_default();
    call(app, seed, Method::Put, list, name, body.clone().into())
        .await
        .map_err(|why| format!("{list}, {name}: {why}"))?;
    Ok(name.to_owned())
}

/// Makes one thing if it isn't there; gives its name.
async fn put_missing(
    app: &App,
    seed: &Seed,
    list: &str,
    naming: &str,
    body: &Map<String, Value>,
) -> Result<String, String> {
    let name = body.get(naming).and_then(Value::as_str).unwrap_or_default();
    match call(app, seed, Method::Get, list, name, Value::Null).await {
        Ok(()) => Ok(name.to_owned()),
        Err(_) => put(app, seed, list, naming, body).await,
    }
}

async fn call(app: &App, seed: &Seed, method: Method, list: &str, name: &str, body: Value) -> Result<(), String> {
    let mut path = format!("{}{list}/", admin::ROOT);
    encode::percent(name, &mut path);
    let random = seed.random(list, name);
    let context = Context {
        store: &app.store,
        clock: &app.clock,
        random: &random,
        passwords: &app.passwords,
        hooks: &app.hooks,
        settings: &app.settings,
        schedule: rotation::schedule(&app.settings),
        local: true,
    };
    let answer = admin::call(&context, Call { method, path, query: Form::default(), body }).await;
    if answer.status < 400 {
        return Ok(());
    }
    Err(answer.body.get("detail").and_then(Value::as_str).unwrap_or("the call failed").to_owned())
}

async fn find_client(app: &App, id: &str) -> Result<Option<Arc<Client>>, String> {
    app.store.client(&ClientId::new(id)).await.map_err(|error| error.to_string())
}

/// How to log in as somebody, unless they are disabled.
async fn login(app: &App, username: String, declared: &Map<String, Value>) -> Result<Option<Login>, String> {
    let user = app.store.user_by_username(&username).await.map_err(|error| error.to_string())?;
    let Some(user) = user.filter(|user| user.enabled) else { return Ok(None) };
    let password = declared.get("password").and_then(Value::as_str).map(Secret::new);
    let verdict = match &password {
        Some(password) => app.passwords.verify(&user.username, password.clone(), user.password_hash.as_deref()).await,
        None => Ok(Verdict::Wrong),
    };
    let is_right = verdict.map_err(|error| error.to_string())? != Verdict::Wrong;
    Ok(Some(Login { username, password: password.filter(|_| is_right) }))
}
