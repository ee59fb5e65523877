//! Clients, under the names of RFC 7591 section 2 where it has them.

use serde_json::{Map, Value, json};

use super::member::Members;
use super::{Answer, Context, Problem, lifetime, page_of};
use crate::app::expressions;
use crate::base::color::Color;
use crate::base::encode::{base64url, parse_base64, parse_base64url};
use crate::base::form::Form;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::base::uri::{self, LoopbackUri, UriError};
use crate::jose::alg::Algorithm;
use crate::jose::key::MIN_SECRET;
use crate::model::client::{Client, ClientType, GrantType, Listener, ResponseType};
use crate::model::id::{ClientId, MAX_TEXT_ID, is_text_id};
use crate::model::logo::Logo;
use crate::model::scope::{self, Scope};
use crate::protocol::response::SUPPORTED_RESPONSE_TYPES;
use crate::protocol::scope::{TOKEN_INTROSPECTION, is_reserved};
use crate::store::Put;

/// Bounds, so that a row stays small and a page stays readable.
const MAX_NAME: usize = 100;
const MAX_URIS: usize = 100;
const MAX_SCOPES: usize = 100;
const MAX_CONTACTS: usize = 10;
const MAX_CONTACT: usize = 255;
const MAX_SECRET: usize = 1024;
const MAX_METADATA: usize = 16 * 1024;

/// How often a change is tried again when somebody else was quicker.
const ATTEMPTS: usize = 3;

/// `GET clients`.
pub(super) async fn list(context: &Context<'_>, query: &Form) -> Result<Answer, Problem> {
    let (after, limit) = page_of(query)?;
    let page = context.store.clients(after.map(ClientId::new).as_ref(), limit).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for client in &page.items {
        items.push(render(context, client).await?.into());
    }
    Ok(Answer::list(items, page.next.map(|id| id.to_string())))
}

/// `GET clients/{client_id}`.
pub(super) async fn show(context: &Context<'_>, id: &str) -> Result<Answer, Problem> {
    Ok(Answer::ok(render(context, &find(context, id).await?).await?))
}

/// `POST clients`. The answer has the secret, for the only time.
pub(super) async fn create(context: &Context<'_>, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?;
    let id = match members.text("client_id")? {
        // A client may ask about the tokens of those that its scope names (introspection). So whoever has this scope could ask
        // about the tokens of a client of that id.
        Some(id) if is_reserved(&id) => {
            return Err(Problem::invalid("client_id", format!("client_id can't be {id}: that is a scope")));
        }
        Some(id) if is_text_id(&id) => id,
        Some(_) => {
            let right = format!("client_id must be 1 to {MAX_TEXT_ID} visible ASCII characters without spaces");
            return Err(Problem::invalid("client_id", right));
        }
        None => new_id(context.random),
    };
    let given = members.secret("client_secret")?;
    let generation = u32::from_be_bytes(context.random.bytes());
    let mut client = Client::new(ClientId::new(id), String::new(), generation, context.clock.now());
    change(context, &mut client, members).await?;
    if client.name.is_empty() {
        return Err(Problem::invalid("client_name", "client_name is missing".into()));
    }
    client.secret = match (client.kind, given) {
        (ClientType::Confidential, Some(secret)) => Some(check_secret(secret)?),
        (ClientType::Confidential, None) => Some(new_secret(context.random)),
        (ClientType::Public, None) => None,
        (ClientType::Public, Some(_)) => return Err(no_secret()),
    };
    check(&client)?;
    let warnings = warnings(&client);
    let secret = client.secret.clone();
    match context.store.create_client(client).await? {
        Put::Done(client) => {
            let body = with_secret(render(context, &client).await?, secret.as_ref());
            Ok(Answer::created(body).warn(warnings))
        }
        _ => Err(Problem::conflict("there is a client of that id already".into())),
    }
}

/// `PUT clients/{client_id}`: makes it, named like its id where no `client_name` is given, or changes what is named, its secret
/// included. Doing it again changes nothing.
pub(super) async fn put(context: &Context<'_>, id: &str, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?.into_map();
    if members.shift_remove("client_id").is_some_and(|given| given != id) {
        return Err(Problem::invalid("client_id", format!("client_id is not that of the address, {id}")));
    }
    if context.store.client(&ClientId::new(id)).await?.is_none() {
        members.insert("client_id".into(), id.into());
        members.entry("client_name").or_insert_with(|| id.into());
        return create(context, members.into()).await;
    }
    let mut secret = Members::of(json!({ "client_secret": members.shift_remove("client_secret") }))?;
    let secret = secret.secret("client_secret")?.map(check_secret).transpose()?;
    update_with(context, id, members.into(), secret).await
}

/// `PATCH clients/{client_id}`: changes what is named. A client that becomes confidential gets a secret, and the answer
/// has it; one that becomes public loses its own. Either change ends its codes, tokens and consents.
pub(super) async fn update(context: &Context<'_>, id: &str, body: Value) -> Result<Answer, Problem> {
    update_with(context, id, body, None).await
}

/// The same in one transaction with its secret, if one is given.
async fn update_with(context: &Context<'_>, id: &str, body: Value, secret: Option<Secret>) -> Result<Answer, Problem> {
    for _ in 0..ATTEMPTS {
        let mut client = find(context, id).await?;
        let kind = client.kind;
        change(context, &mut client, Members::of(body.clone())?).await?;
        if client.kind != kind {
            // What was issued to a client that proves who it is must not become anybody's who finds it.
            client.end_all();
        }
        let made = match client.kind {
            ClientType::Public if secret.is_some() => return Err(no_secret()),
            ClientType::Confidential if secret.is_some() => {
                client.secret.clone_from(&secret);
                None
            }
            ClientType::Public => {
                client.secret = None;
                None
            }
            ClientType::Confidential if client.secret.is_none() => {
                client.secret = Some(new_secret(context.random));
                client.secret.clone()
            }
            ClientType::Confidential => None,
        };
        check(&client)?;
        client.updated_at = context.clock.now();
        let warnings = warnings(&client);
        match context.store.update_client(client).await? {
            Put::Done(client) => {
                let body = with_secret(render(context, &client).await?, made.as_ref());
                return Ok(Answer::ok(body).warn(warnings));
            }
            Put::Missing => return Err(missing(id)),
            _ => {}
        }
    }
    Err(Problem::contended())
}

/// `DELETE clients/{client_id}`: ends its codes, tokens and consents too.
pub(super) async fn delete(context: &Context<'_>, id: &str) -> Result<Answer, Problem> {
    if context.store.delete_client(&ClientId::new(id)).await? { Ok(Answer::done()) } else { Err(missing(id)) }
}

/// `POST clients/{client_id}/secret`: a new secret, given as `client_secret` or drawn. The old one opens nothing from then
/// on; the answer has the new one, for the only time. With `end_tokens` the client's codes, tokens and consents end too: for
/// a secret that leaked, since whoever had it may have got some (RFC 6819 section 5.2.3.6).
pub(super) async fn rotate_secret(context: &Context<'_>, id: &str, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?;
    let given = members.secret("client_secret")?;
    let end_tokens = members.flag("end_tokens")?.unwrap_or_default();
    members.done()?;
    let secret = given.map_or_else(|| Ok(new_secret(context.random)), check_secret)?;
    for _ in 0..ATTEMPTS {
        let mut client = find(context, id).await?;
        if client.is_public() {
            return Err(Problem::conflict(format!("{id} is a public client: it has no secret")));
        }
        client.secret = Some(secret.clone());
        if end_tokens {
            client.end_all();
        }
        check(&client)?;
        client.updated_at = context.clock.now();
        let warnings = warnings(&client);
        match context.store.update_client(client).await? {
            Put::Done(client) => {
                let body = with_secret(render(context, &client).await?, Some(&secret));
                return Ok(Answer::ok(body).warn(warnings));
            }
            Put::Missing => return Err(missing(id)),
            _ => {}
        }
    }
    Err(Problem::contended())
}

async fn find(context: &Context<'_>, id: &str) -> Result<Client, Problem> {
    let found = context.store.client(&ClientId::new(id)).await?.ok_or_else(|| missing(id))?;
    Ok((*found).clone())
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("there is no client {id}"))
}

fn no_secret() -> Problem {
    let why = "a public client has no secret: leave it out, or make the client confidential";
    Problem::invalid("client_secret", why.into())
}

/// 128 random bits that can stand behind a command without looking like an option.
fn new_id(random: &Random) -> String {
    loop {
        let id = base64url(random.bytes::<16>());
        if id.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return id;
        }
    }
}

/// 256 random bits.
fn new_secret(random: &Random) -> Secret {
    Secret::new(base64url(random.bytes::<32>()))
}

/// Takes the members of a call over into a client. Each is checked for itself here; what must go together is the business
/// of [`check`].
async fn change(context: &Context<'_>, client: &mut Client, mut members: Members) -> Result<(), Problem> {
    if let Some(name) = members.text("client_name")? {
        client.name = check_name(&name)?;
    }
    if let Some(kind) = kind(&mut members)? {
        client.kind = kind;
    }
    if let Some(uris) = members.texts("redirect_uris")? {
        client.redirect_uris = check_uris("redirect_uris", "redirect URI", uris)?;
    }
    if let Some(uris) = members.texts("post_logout_redirect_uris")? {
        client.post_logout_redirect_uris = check_uris("post_logout_redirect_uris", "post-logout redirect URI", uris)?;
    }
    let response_types = members.texts("response_types")?;
    let response_types = response_types.map(|names| names.iter().map(|name| response_type(name)).collect());
    let grant_types = members.texts("grant_types")?;
    let grant_types = grant_types.map(|names| names.iter().map(|name| grant_type(name)).collect());
    take_flows(client, response_types.transpose()?, grant_types.transpose()?);
    if let Some(text) = members.text("scope")? {
        client.scope = check_scope(&text)?;
    }
    if let Some(name) = members.text("id_token_signed_response_alg")? {
        client.id_token_algorithm = Algorithm::parse(&name).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::name).join(" or ");
            Problem::invalid(
                "id_token_signed_response_alg",
                format!("ID tokens can be signed with {known}, not {name:?}"),
            )
        })?;
    }
    for (name, flag) in [
        ("require_consent", &mut client.require_consent),
        ("reuse_consent", &mut client.reuse_consent),
        ("require_pkce", &mut client.require_pkce),
        ("rotate_refresh_tokens", &mut client.rotate_refresh_tokens),
    ] {
        if let Some(on) = members.flag(name)? {
            *flag = on;
        }
    }
    for (name, link) in [
        ("client_uri", &mut client.client_uri),
        ("policy_uri", &mut client.policy_uri),
        ("tos_uri", &mut client.tos_uri),
        ("logo_uri", &mut client.logo_uri),
    ] {
        if let Some(text) = members.clearable(name)? {
            if let Some(text) = &text {
                uri::check_link(text).map_err(|error| bad_uri(name, name, text, error))?;
            }
            *link = text;
        }
    }
    if let Some(image) = members.clearable("logo")? {
        client.logo = image.map(|image| check_logo(&image)).transpose()?;
    }
    if let Some(color) = members.clearable("accent_color")? {
        let parse = |color: String| {
            let right = || format!("accent_color must be a colour such as #0b5c45, not {color:?}");
            Color::parse(&color).ok_or_else(|| Problem::invalid("accent_color", right()))
        };
        client.accent_color = color.map(parse).transpose()?;
    }
    if let Some(contacts) = members.texts("contacts")? {
        client.contacts = check_contacts(contacts)?;
    }
    if let Some(name) = members.clearable("owner")? {
        client.owner = match name {
            None => None,
            Some(name) => {
                let owner = context.store.user_by_username(&name).await?;
                let owner = owner.ok_or_else(|| Problem::invalid("owner", format!("there is no user {name}")))?;
                Some(owner.id.clone())
            }
        };
    }
    lifetime::change(&mut client.lifetimes, &mut members)?;
    if let Some(on) = members.clearable_flag("include_claims")? {
        client.include_claims = on;
    }
    if let Some(metadata) = members.object("metadata")? {
        if Value::Object(metadata.clone()).to_string().len() > MAX_METADATA {
            return Err(Problem::invalid("metadata", format!("metadata is larger than {MAX_METADATA} bytes")));
        }
        client.metadata = metadata;
    }
    let claims = members.object("claims")?;
    let claims = claims.map(|claims| expressions::check_client(&claims)).transpose();
    let claims = claims.map_err(|why| Problem::invalid("claims", why))?;
    let allow_if = members.clearable("allow_if")?;
    if let Some(Some(source)) = &allow_if {
        expressions::check_expression(source)
            .map_err(|why| Problem::invalid("allow_if", format!("allow_if: {why}")))?;
    }
    let mut rules = client.rules.take().unwrap_or_default();
    rules.claims = claims.unwrap_or(rules.claims);
    rules.allow_if = allow_if.unwrap_or(rules.allow_if);
    client.rules = Some(rules).filter(|rules| !rules.is_empty());
    // What we show and nobody sets, so that what was shown can be sent back.
    for name in ["client_id_issued_at", "client_secret_expires_at", "updated_at", "logo_media_type"] {
        members.take(name);
    }
    members.done()
}

/// RFC 7591 section 2.1: response types and grant types go together. What isn't given follows from what is, and response types
/// bring the grant types that they need.
fn take_flows(client: &mut Client, response_types: Option<Vec<ResponseType>>, grant_types: Option<Vec<GrantType>>) {
    match (response_types, grant_types) {
        (None, None) => return,
        (Some(response_types), None) => {
            let needed = |kind: &GrantType| response_types.iter().any(|response_type| response_type.needs(*kind));
            let refreshes = needed(&GrantType::AuthorizationCode) || client.may_use(GrantType::Password);
            client.grant_types.retain(|kind| match kind {
                GrantType::AuthorizationCode | GrantType::Implicit => needed(kind),
                GrantType::RefreshToken => refreshes,
                GrantType::ClientCredentials | GrantType::Password => true,
            });
            client.response_types = response_types;
        }
        (None, Some(grant_types)) => {
            client.response_types.retain(|response_type| {
                let flows = [GrantType::AuthorizationCode, GrantType::Implicit];
                flows.into_iter().filter(|kind| response_type.needs(*kind)).all(|kind| grant_types.contains(&kind))
            });
            let code = grant_types.contains(&GrantType::AuthorizationCode);
            if code && !client.response_types.iter().any(|kind| kind.has(ResponseType::CODE)) {
                client.response_types.push(ResponseType::CODE);
            }
            client.grant_types = grant_types;
        }
        (Some(response_types), Some(grant_types)) => {
            client.response_types = response_types;
            client.grant_types = grant_types;
        }
    }
    for kind in [GrantType::Implicit, GrantType::AuthorizationCode] {
        if !client.may_use(kind) && client.response_types.iter().any(|response_type| response_type.needs(kind)) {
            client.grant_types.insert(0, kind);
        }
    }
}

/// `client_type`, or what `token_endpoint_auth_method` says about it.
fn kind(members: &mut Members) -> Result<Option<ClientType>, Problem> {
    let kind = members.text("client_type")?.map(|name| {
        ClientType::parse(&name).ok_or_else(|| {
            Problem::invalid("client_type", format!("client_type must be confidential or public, not {name:?}"))
        })
    });
    let method = members.text("token_endpoint_auth_method")?.map(|name| match name.as_str() {
        "none" => Ok(ClientType::Public),
        "client_secret_basic" | "client_secret_post" => Ok(ClientType::Confidential),
        _ => Err(Problem::invalid(
            "token_endpoint_auth_method",
            format!(
                "token_endpoint_auth_method must be client_secret_basic or client_secret_post, or none for a public \
                 client, not {name:?}"
            ),
        )),
    });
    match (kind.transpose()?, method.transpose()?) {
        (Some(kind), Some(implied)) if kind != implied => Err(Problem::invalid(
            "token_endpoint_auth_method",
            format!("token_endpoint_auth_method does not fit a {} client", kind.name()),
        )),
        (kind, implied) => Ok(kind.or(implied)),
    }
}

fn check_name(name: &str) -> Result<String, Problem> {
    let trimmed = name.trim();
    let wrong = |why: String| Err(Problem::invalid("client_name", why));
    match trimmed.chars().count() {
        0 => wrong("client_name is empty: it is what people see on the consent page".into()),
        length if length > MAX_NAME => wrong(format!("client_name is longer than {MAX_NAME} characters")),
        _ if trimmed.contains(char::is_control) => wrong("client_name has control characters".into()),
        _ => Ok(trimmed.to_owned()),
    }
}

/// An image, as base64 of its file.
fn check_logo(image: &str) -> Result<Logo, Problem> {
    let bytes = parse_base64url(image).or_else(|| parse_base64(image));
    let bytes = bytes.ok_or_else(|| Problem::invalid("logo", "logo must be an image file in base64".into()))?;
    Logo::new(bytes).map_err(|why| Problem::invalid("logo", format!("the logo is {why}")))
}

fn check_secret(secret: Secret) -> Result<Secret, Problem> {
    let text = secret.expose();
    let why = if text.is_empty() {
        "client_secret is empty".to_owned()
    } else if text.len() > MAX_SECRET {
        format!("client_secret is longer than {MAX_SECRET} bytes")
    } else if text.contains(char::is_control) {
        "client_secret has control characters, such as a line end".to_owned()
    } else {
        return Ok(secret);
    };
    Err(Problem::invalid("client_secret", why))
}

fn check_uris(field: &'static str, what: &str, uris: Vec<String>) -> Result<Vec<String>, Problem> {
    if uris.len() > MAX_URIS {
        return Err(Problem::invalid(field, format!("there are more than {MAX_URIS} {what}s")));
    }
    for uri in &uris {
        uri::check_redirect(uri).map_err(|error| bad_uri(field, what, uri, error))?;
    }
    Ok(uris)
}

fn bad_uri(field: &'static str, what: &str, uri: &str, error: UriError) -> Problem {
    // A text may be long and is somebody else's: as much of it as can be recognised, escaped.
    let shown: String = uri.chars().take(120).collect();
    Problem::invalid(field, format!("{what} {shown:?}: {error}"))
}

fn response_type(name: &str) -> Result<ResponseType, Problem> {
    ResponseType::parse(name).filter(|response_type| SUPPORTED_RESPONSE_TYPES.contains(response_type)).ok_or_else(
        || {
            let known = SUPPORTED_RESPONSE_TYPES.map(|response_type| response_type.to_string()).join(", ");
            Problem::invalid("response_types", format!("response type {name:?} is not supported; {known} are"))
        },
    )
}

fn grant_type(name: &str) -> Result<GrantType, Problem> {
    GrantType::parse(name).ok_or_else(|| {
        let known = GrantType::ALL.map(GrantType::name).join(", ");
        Problem::invalid("grant_types", format!("grant type {name:?} is not supported; {known} are"))
    })
}

fn check_scope(text: &str) -> Result<Scope, Problem> {
    let scope = Scope::parse(text);
    if let Some(bad) = scope.iter().find(|token| !scope::is_token(token)) {
        let why =
            format!("scope {bad:?} is not legal: visible ASCII characters, without \" and \\ (RFC 6749 section 3.3)");
        return Err(Problem::invalid("scope", why));
    }
    if scope.iter().count() > MAX_SCOPES {
        return Err(Problem::invalid("scope", format!("there are more than {MAX_SCOPES} scopes")));
    }
    Ok(scope)
}

fn check_contacts(contacts: Vec<String>) -> Result<Vec<String>, Problem> {
    if contacts.len() > MAX_CONTACTS {
        return Err(Problem::invalid("contacts", format!("there are more than {MAX_CONTACTS} contacts")));
    }
    let bad = |contact: &&String| {
        contact.trim().is_empty() || contact.len() > MAX_CONTACT || contact.contains(char::is_control)
    };
    match contacts.iter().find(bad) {
        Some(_) => {
            let right = format!("a contact is one line of 1 to {MAX_CONTACT} bytes, such as an e-mail address");
            Err(Problem::invalid("contacts", right))
        }
        None => Ok(contacts),
    }
}

/// The rules between a client's parts.
fn check(client: &Client) -> Result<(), Problem> {
    // RFC 7591 section 2.1: response types and grant types go together.
    for (kind, example) in [(GrantType::AuthorizationCode, "code"), (GrantType::Implicit, "id_token token")] {
        if client.may_use(kind) && !client.response_types.iter().any(|response_type| response_type.needs(kind)) {
            let why = format!("grant type {} goes with a response type such as {example:?}", kind.name());
            return Err(Problem::invalid("grant_types", why));
        }
    }
    if client.may_use(GrantType::RefreshToken)
        && !client.may_use(GrantType::AuthorizationCode)
        && !client.may_use(GrantType::Password)
    {
        let why = "grant type refresh_token goes with one that gives refresh tokens, such as authorization_code";
        return Err(Problem::invalid("grant_types", why.into()));
    }
    // A protected resource may have nothing to do but to ask about tokens.
    let idle = client.response_types.is_empty() && client.grant_types.is_empty();
    if idle && !client.scope.contains(TOKEN_INTROSPECTION) {
        return Err(Problem::invalid(
            "response_types",
            "a client needs a response type, such as code, or a grant type".into(),
        ));
    }
    if client.is_public() && client.may_use(GrantType::ClientCredentials) {
        let why = "a public client can't prove who it is, which grant type client_credentials is all about";
        return Err(Problem::invalid("grant_types", why.into()));
    }
    if !client.response_types.is_empty() && client.redirect_uris.is_empty() {
        let why = "a client that logs users in needs a redirect URI, like https://app.example/callback";
        return Err(Problem::invalid("redirect_uris", why.into()));
    }
    lifetime::check(&client.lifetimes)?;
    if client.id_token_algorithm.is_symmetric() {
        let field = "id_token_signed_response_alg";
        match &client.secret {
            None => {
                let why = "HS256 signs with the client's secret, and a public client has none: use RS256";
                return Err(Problem::invalid(field, why.into()));
            }
            Some(secret) if secret.expose().len() < MIN_SECRET => {
                let why = format!("HS256 needs a secret of {MIN_SECRET} bytes or more (RFC 7518 section 3.2)");
                return Err(Problem::invalid(field, why));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// What is allowed, and worth a second thought.
fn warnings(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    if client.secret.as_ref().is_some_and(|secret| secret.expose().len() < MIN_SECRET) {
        lines.push(format!("the client secret is shorter than {MIN_SECRET} bytes: it may be guessed"));
    }
    for uri in client.redirect_uris.iter().chain(&client.post_logout_redirect_uris) {
        if uri.starts_with("http://") && LoopbackUri::parse(uri).is_none() {
            lines.push(format!("{uri} is plain http: whoever sees the network can read what is sent there"));
        }
    }
    let code = client.response_types.iter().any(|response_type| response_type.has(ResponseType::CODE));
    let tokens = client.response_types.iter().any(|response_type| response_type.has_tokens());
    if tokens && client.redirect_uris.iter().any(|uri| Listener::at(uri) != Listener::Owner) {
        lines.push(
            "other programs can listen at redirect URIs that aren't https: where tokens go there, users are asked each time".into(),
        );
    }
    if client.is_public() && code && !client.require_consent {
        lines.push("a public client that gets codes always asks for consent, whatever require_consent says".into());
    }
    if client.may_use(GrantType::Password) {
        lines.push(
            "the grant type password shows the client its users' passwords, and works only with grants.password".into(),
        );
        if client.is_public() {
            lines.push(
                "a public client proves nothing: anybody can ask for tokens in its name, password by password".into(),
            );
        }
    }
    lines
}

/// A client without its secret.
async fn render(context: &Context<'_>, client: &Client) -> Result<Map<String, Value>, Problem> {
    let method = if client.is_public() { "none" } else { "client_secret_basic" };
    let response_types: Vec<String> = client.response_types.iter().map(ToString::to_string).collect();
    let grant_types: Vec<&str> = client.grant_types.iter().map(|kind| kind.name()).collect();
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("client_id", client.id.as_str().into());
    put("client_id_issued_at", client.created_at.as_secs().into());
    put("client_name", client.name.clone().into());
    put("client_type", client.kind.name().into());
    put("redirect_uris", client.redirect_uris.clone().into());
    put("post_logout_redirect_uris", client.post_logout_redirect_uris.clone().into());
    put("response_types", response_types.into());
    put("grant_types", grant_types.into());
    put("scope", client.scope.to_string().into());
    put("token_endpoint_auth_method", method.into());
    put("id_token_signed_response_alg", client.id_token_algorithm.name().into());
    put("require_consent", client.require_consent.into());
    put("reuse_consent", client.reuse_consent.into());
    put("require_pkce", client.needs_pkce().into());
    put("rotate_refresh_tokens", client.rotate_refresh_tokens.into());
    put("contacts", client.contacts.clone().into());
    put("updated_at", client.updated_at.as_secs().into());
    for (name, link) in [
        ("client_uri", &client.client_uri),
        ("policy_uri", &client.policy_uri),
        ("tos_uri", &client.tos_uri),
        ("logo_uri", &client.logo_uri),
    ] {
        if let Some(link) = link {
            put(name, link.clone().into());
        }
    }
    if let Some(on) = client.include_claims {
        put("include_claims", on.into());
    }
    if let Some(logo) = &client.logo {
        put("logo_media_type", logo.format.media_type().into());
    }
    if let Some(color) = client.accent_color {
        put("accent_color", color.to_string().into());
    }
    if !client.metadata.is_empty() {
        put("metadata", client.metadata.clone().into());
    }
    if let Some(rules) = &client.rules {
        let claims: Map<String, Value> =
            rules.claims.iter().map(|(name, source)| (name.clone(), source.as_str().into())).collect();
        if !claims.is_empty() {
            put("claims", claims.into());
        }
        if let Some(source) = &rules.allow_if {
            put("allow_if", source.as_str().into());
        }
    }
    // An owner who was deleted is none.
    if let Some(owner) = &client.owner
        && let Some(user) = context.store.user(owner).await?
    {
        put("owner", user.username.clone().into());
    }
    lifetime::render(&client.lifetimes, &mut body);
    Ok(body)
}

/// With a secret that was just made: `client_secret` and, since it does not expire, `client_secret_expires_at` of 0
/// (RFC 7591 section 3.2.1).
fn with_secret(mut body: Map<String, Value>, secret: Option<&Secret>) -> Map<String, Value> {
    if let Some(secret) = secret {
        body.shift_insert(1, "client_secret".into(), secret.expose().into());
        body.insert("client_secret_expires_at".into(), 0.into());
    }
    body
}
