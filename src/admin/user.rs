//! Users.

use serde_json::{Map, Value};

use super::member::Members;
use super::{Answer, Context, Problem, page_of};
use crate::app::password;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::id::UserId;
use crate::model::user::{MAX_USERNAME, User, fold_username, is_username};
use crate::protocol::standard_claim::check_claim;
use crate::store::Put;

/// More claims than this, in bytes of JSON, are not taken.
const MAX_CLAIMS: usize = 16 * 1024;

/// How often a change is tried again when somebody else was quicker.
const ATTEMPTS: usize = 3;

/// `GET users`.
pub(super) async fn list(context: &Context<'_>, query: &Form) -> Result<Answer, Problem> {
    let (after, limit) = page_of(query)?;
    let after = after.map(fold_username);
    let page = context.store.users(after.as_deref(), limit).await?;
    Ok(Answer::list(page.items.iter().map(|user| render(user).into()).collect(), page.next))
}

/// `GET users/{username}`.
pub(super) async fn show(context: &Context<'_>, name: &str) -> Result<Answer, Problem> {
    Ok(Answer::ok(render(&find(context, name).await?)))
}

/// `POST users`. Without `password` and `password_hash` no password opens the account.
pub(super) async fn create(context: &Context<'_>, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?;
    let username = members.required("username")?;
    let password = members.secret("password")?;
    let hash = members.text("password_hash")?;
    let now = context.clock.now();
    let mut user = User {
        id: UserId::mint(context.random),
        username: check_username(username)?,
        password_hash: None,
        admin: false,
        enabled: true,
        claims: Map::new(),
        generation: u32::from_be_bytes(context.random.bytes()),
        created_at: now,
        updated_at: now,
        version: 0,
    };
    change(&mut user, members)?;
    let mut warnings = Vec::new();
    user.password_hash = match (password, hash) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("password_hash", "give either password or password_hash".into()));
        }
        (Some(password), None) => Some(hash_new(context, password, &mut warnings).await?),
        (None, Some(hash)) if context.passwords.accepts(&hash) => Some(hash),
        (None, Some(_)) => {
            let right = "password_hash must be Argon2id in the PHC string format ($argon2id$v=19$…) at a sensible cost";
            return Err(Problem::invalid("password_hash", right.into()));
        }
        (None, None) => None,
    };
    match context.store.create_user(user).await? {
        Put::Done(user) => Ok(Answer::created(render(&user)).warn(warnings)),
        _ => Err(Problem::conflict("there is a user of that name already".into())),
    }
}

/// `PUT users/{username}`: makes them, or changes what is named. A password is for those that are made: nobody's is set back.
pub(super) async fn put(context: &Context<'_>, name: &str, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?.into_map();
    let given = members.insert("username".into(), name.into());
    if given.is_some_and(|given| given.as_str().is_none_or(|given| fold_username(given) != fold_username(name))) {
        return Err(Problem::invalid("username", format!("username is not that of the address, {name}")));
    }
    if context.store.user_by_username(name).await?.is_none() {
        return create(context, members.into()).await;
    }
    members.shift_remove("password");
    members.shift_remove("password_hash");
    update(context, name, members.into()).await
}

/// `PATCH users/{username}`: changes what is named. In `claims`, `null` takes a claim away (RFC 7396). Disabling ends the
/// user's sessions and tokens.
pub(super) async fn update(context: &Context<'_>, name: &str, body: Value) -> Result<Answer, Problem> {
    for _ in 0..ATTEMPTS {
        let mut user = find(context, name).await?;
        let was_enabled = user.enabled;
        let mut members = Members::of(body.clone())?;
        if let Some(username) = members.text("username")? {
            user.username = check_username(username)?;
        }
        change(&mut user, members)?;
        if was_enabled && !user.enabled {
            user.end_all();
        }
        user.updated_at = context.clock.now();
        match context.store.update_user(user).await? {
            Put::Done(user) => return Ok(Answer::ok(render(&user))),
            Put::Exists => return Err(Problem::conflict("there is a user of that name already".into())),
            Put::Missing => return Err(missing(name)),
            Put::Conflict { .. } => {}
        }
    }
    Err(Problem::contended())
}

/// `DELETE users/{username}`: ends their sessions and tokens, and forgets their consents.
pub(super) async fn delete(context: &Context<'_>, name: &str) -> Result<Answer, Problem> {
    let user = find(context, name).await?;
    if context.store.delete_user(&user.id).await? { Ok(Answer::done()) } else { Err(missing(name)) }
}

/// `PUT users/{username}/password`: ends the user's sessions and tokens.
pub(super) async fn set_password(context: &Context<'_>, name: &str, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?;
    let password = Secret::from(members.required("password")?);
    members.done()?;
    // Before the costly hash, and again below: somebody may delete the user meanwhile.
    find(context, name).await?;
    let mut warnings = Vec::new();
    let hash = hash_new(context, password, &mut warnings).await?;
    for _ in 0..ATTEMPTS {
        let mut user = find(context, name).await?;
        user.password_hash = Some(hash.clone());
        user.end_all();
        user.updated_at = context.clock.now();
        match context.store.update_user(user).await? {
            Put::Done(user) => return Ok(Answer::ok(render(&user)).warn(warnings)),
            Put::Missing => return Err(missing(name)),
            _ => {}
        }
    }
    Err(Problem::contended())
}

async fn find(context: &Context<'_>, name: &str) -> Result<User, Problem> {
    let found = context.store.user_by_username(name).await?.ok_or_else(|| missing(name))?;
    Ok((*found).clone())
}

fn missing(name: &str) -> Problem {
    Problem::missing(format!("there is no user {name}"))
}

fn check_username(username: String) -> Result<String, Problem> {
    if is_username(&username) {
        return Ok(username);
    }
    let right =
        format!("username must be 1 to {MAX_USERNAME} characters, without control characters or spaces at its ends");
    Err(Problem::invalid("username", right))
}

async fn hash_new(context: &Context<'_>, password: Secret, warnings: &mut Vec<String>) -> Result<String, Problem> {
    password::check_new(&password).map_err(|refusal| Problem::invalid("password", refusal.to_string()))?;
    if password::is_short(&password) {
        warnings.push(format!("the password has less than {} characters: it may be guessed", password::SHORT_PASSWORD));
    }
    Ok(context.passwords.hash(password).await?)
}

/// Takes over what can be given at creation and changed later.
fn change(user: &mut User, mut members: Members) -> Result<(), Problem> {
    if let Some(admin) = members.flag("admin")? {
        user.admin = admin;
    }
    if let Some(enabled) = members.flag("enabled")? {
        user.enabled = enabled;
    }
    if let Some(claims) = members.object("claims")? {
        for (name, value) in claims {
            if value.is_null() {
                user.claims.shift_remove(&name);
                continue;
            }
            check_claim(&name, &value).map_err(|why| Problem::invalid("claims", format!("claim {name}: {why}")))?;
            user.claims.insert(name, value);
        }
        if Value::Object(user.claims.clone()).to_string().len() > MAX_CLAIMS {
            return Err(Problem::invalid("claims", format!("the claims are larger than {MAX_CLAIMS} bytes")));
        }
    }
    // What we show and nobody sets, so that what was shown can be sent back.
    for name in ["id", "has_password", "created_at", "updated_at"] {
        members.take(name);
    }
    members.done()
}

fn render(user: &User) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".into(), user.id.as_str().into());
    body.insert("username".into(), user.username.clone().into());
    body.insert("admin".into(), user.admin.into());
    body.insert("enabled".into(), user.enabled.into());
    body.insert("has_password".into(), user.password_hash.is_some().into());
    body.insert("claims".into(), user.claims.clone().into());
    body.insert("created_at".into(), user.created_at.as_secs().into());
    body.insert("updated_at".into(), user.updated_at.as_secs().into());
    body
}
