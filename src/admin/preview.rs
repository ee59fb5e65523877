//! What a client would be told of a user.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Answer, Context, Problem};
use crate::app::claims::Told;
use crate::app::expressions::Expressions;
use crate::app::fault::Fault;
use crate::base::form::Form;
use crate::model::client::ResponseType;
use crate::model::id::ClientId;
use crate::model::scope::Scope;
use crate::protocol::scope;

/// `GET claims?user=U&client=C&scope=S`: what the `UserInfo` endpoint and an ID token beside an access token would carry, by the
/// code that they are made with. `scope` in the answer is what of S would be granted; without S it is `openid`. `errors`
/// tells which expressions failed, each with its key and place. What every ID token has besides (`iss`, `aud`, `exp`, …) is
/// left out.
pub(super) async fn claims(context: &Context<'_>, query: &Form) -> Result<Answer, Problem> {
    if let Some(name) = query.repeated() {
        return Err(Problem::invalid(name, format!("the parameter {name} came more than once")));
    }
    let needed = |name: &'static str| {
        query.get(name).ok_or_else(|| Problem::invalid(name, format!("the parameter {name} is missing")))
    };
    let (username, id) = (needed("user")?, needed("client")?);
    let user = context.store.user_by_username(username).await?;
    let user = user.ok_or_else(|| Problem::missing(format!("there is no user {username}")))?;
    let client = context.store.client(&ClientId::new(id)).await?;
    let client = client.ok_or_else(|| Problem::missing(format!("there is no client {id}")))?;
    let asked = scope::parse(query.get("scope").unwrap_or(scope::OPENID));
    let asked = asked.map_err(|error| Problem::invalid("scope", error.to_string()))?;
    let known: Scope = context.settings.scopes.keys().map(String::as_str).collect();
    let granted = scope::grant(&asked, &client, &known, ResponseType::CODE);

    let noting = Arc::new(Expressions::noting(context.settings));
    let hooks = context.hooks.with_first(Arc::clone(&noting) as _);
    let told = Told { client: &client, user: &user, scope: &granted, asked: None };
    let userinfo = told.at_userinfo(&hooks).await.map_err(Fault::into_error);
    let with_scope = client.include_claims.unwrap_or(context.settings.id_token.include_claims);
    let id_token = told.in_id_token(&hooks, with_scope).await;
    let id_token = id_token.map_err(Fault::into_error);
    let mut errors: Vec<Value> = Vec::new();
    for note in noting.notes() {
        let note = Value::from(note);
        if !errors.contains(&note) {
            errors.push(note);
        }
    }
    let mut body = Map::new();
    body.insert("scope".into(), granted.to_string().into());
    match (userinfo, id_token) {
        (Ok(userinfo), Ok(claims)) => {
            let mut id_token = Map::new();
            id_token.insert("sub".into(), userinfo.get("sub").cloned().unwrap_or_default());
            id_token.extend(claims);
            body.insert("userinfo".into(), userinfo.into());
            body.insert("id_token".into(), id_token.into());
        }
        (Err(error), _) | (Ok(_), Err(error)) => {
            errors.push(error.private_detail().unwrap_or(error.description()).into());
        }
    }
    body.insert("errors".into(), errors.into());
    Ok(Answer::ok(body))
}
