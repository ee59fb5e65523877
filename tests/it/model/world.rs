//! Acts at a real provider: in this process or in another one, which may be gone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hallpass::app::App;
use hallpass::base::clock::{Clock, FixedClock};
use hallpass::base::form;
use hallpass::base::random::Random;
use hallpass::jose::seal::ServerKey;
use hallpass::model::id::{ClientId, UserId};
use hallpass::server::{self, Handler};
use hallpass::settings::{Settings, Sources};
use hallpass::store::{Options, Store};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::act::{Act, Name, Outcome, REGISTRATIONS, Renewal, SCOPES, Scope, USERS, has_challenge};
use crate::harness::http::{Response, try_exchange};
use crate::harness::{CHALLENGE, REDIRECT, RSA, Tokens, VERIFIER};

/// What opens the provider's administration.
pub const ADMIN_TOKEN: &str = "a-token-of-administrators-in-tests";
pub const ADMIN_HEADERS: [(&str, &str); 2] =
    [("authorization", "Bearer a-token-of-administrators-in-tests"), ("content-type", "application/json")];

const ISSUER: &str = "http://127.0.0.1:8000";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where the provider is.
pub enum Place {
    /// Here, without a network between.
    Here(Here),
    /// Where this issuer listens, as long as it does.
    There(String),
}

/// A provider in this process.
pub struct Here {
    pub app: Arc<App>,
    pub clock: FixedClock,
    /// Its store, unless that is in memory.
    file: Option<PathBuf>,
}

impl Here {
    pub async fn start(file: Option<PathBuf>) -> Self {
        Self::start_with(file, &Options::default()).await
    }

    /// The same with a store that is run like this.
    pub async fn start_with(file: Option<PathBuf>, options: &Options) -> Self {
        let clock = FixedClock::new(crate::harness::START);
        let store = match &file {
            Some(file) => Store::create(file, None, options).unwrap(),
            None => Store::in_memory(ServerKey::generate(&Random::seeded("server key")), &Options::default()).unwrap(),
        };
        let here = Self { app: assemble(store, &clock), clock, file };
        let (status, _) = here.administer("POST", "keys", json!({ "pem": RSA })).await;
        assert_eq!(status, 201);
        here
    }

    /// The same one, for somebody else.
    pub fn another(&self) -> Self {
        Self { app: Arc::clone(&self.app), clock: self.clock.clone(), file: None }
    }

    /// Closes the store and opens it again, if it is in a file.
    fn restart(&mut self) {
        let Some(file) = &self.file else { return };
        // The store closes with the last who has it.
        let other = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap();
        drop(std::mem::replace(&mut self.app, assemble(other, &self.clock)));
        self.app = assemble(Store::open(file, None, &Options::default()).unwrap(), &self.clock);
    }

    pub async fn sweep(&self) {
        while self.app.store.sweep(self.clock.now(), 1000).await.unwrap() == 1000 {}
    }

    async fn administer(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response = self.send(method, &format!("/api/admin/v1/{path}"), &ADMIN_HEADERS, body.to_string()).await;
        (response.status, serde_json::from_str(&response.body).unwrap_or_default())
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Response {
        let method = method.parse().unwrap();
        let mut request = hallpass::app::request::Request::in_process(method, path, self.clock.now()).unwrap();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            if name != "content-type" {
                request = request.with_header(name, HeaderValue::try_from(*value).unwrap());
            }
        }
        if !body.is_empty() {
            let is_form = headers.contains(&("content-type", FORM));
            request = request.with_body(if is_form { FORM } else { "application/json" }, body);
        }
        let reply = server::Routes(Arc::clone(&self.app)).handle(request).await;
        Response {
            url: path.to_owned(),
            status: reply.status_code().as_u16(),
            headers: reply.headers().clone(),
            body: String::from_utf8(reply.body().to_vec()).unwrap(),
            bytes: reply.body().clone(),
        }
    }
}

fn assemble(store: Store, clock: &FixedClock) -> Arc<App> {
    let sources = [
        ("issuer", ISSUER),
        ("password.memory_kib", "8"),
        ("password.iterations", "1"),
        ("throttle.enabled", "false"),
        ("admin.token", ADMIN_TOKEN),
    ];
    let sources = sources.iter().fold(Sources::default(), |all, (key, value)| all.set(*key, (*value).to_owned()));
    let settings = Settings::load(&sources).unwrap();
    Arc::new(App::new(settings, store, Clock::Fixed(clock.clone()), Random::System).unwrap())
}

/// One browser for each user.
#[derive(Clone, Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
    session: Option<Name>,
}

/// A provider, and what those who deal with it have been given.
pub struct World {
    pub place: Place,
    /// Before the names of users and clients, so that several can live at one provider.
    prefix: String,
    browsers: [Browser; USERS],
    /// What was given out, by the act that it was given for, and whom codes are for.
    pub codes: BTreeMap<Name, (String, usize)>,
    pub access: BTreeMap<Name, String>,
    pub refresh: BTreeMap<Name, String>,
}

impl World {
    pub fn new(place: Place, prefix: impl Into<String>) -> Self {
        Self {
            place,
            prefix: prefix.into(),
            browsers: Default::default(),
            codes: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
        }
    }

    /// The session that a user's browser holds.
    pub fn held(&self, user: usize) -> Option<Name> {
        self.browsers[user].session
    }

    /// Whether anything that this act gave is known.
    pub fn knows(&self, name: Name) -> bool {
        self.codes.contains_key(&name)
            || self.access.contains_key(&name)
            || self.refresh.contains_key(&name)
            || self.browsers.iter().any(|browser| browser.session == Some(name))
    }

    /// Does it, and keeps what comes of it as `name`. `None` when the provider is gone: nobody knows whether it was done.
    pub async fn perform(&mut self, act: &Act, name: Name) -> Option<Outcome> {
        match act {
            Act::LogIn { user, password, client, .. } => self.log_in(*user, *password, *client, name).await,
            Act::LogOut { user, .. } => self.log_out(*user).await,
            Act::Agree { user, client, scope, .. } => self.agree(*user, *client, *scope, name).await,
            Act::Silent { user, client, scope, .. } => {
                let response = self.authorize(*user, *client, *scope, "none", name).await?;
                Some(self.answer(&response, *client, name))
            }
            Act::Redeem { code, client, secret, verifier, redirect } => {
                let (value, owner) = self.codes[code].clone();
                let redirect = if *redirect { REDIRECT } else { "https://app.example/other" };
                let mut form = vec![("grant_type", "authorization_code"), ("code", &value), ("redirect_uri", redirect)];
                match (has_challenge(*code, owner), verifier) {
                    (true, true) => form.push(("code_verifier", VERIFIER)),
                    (false, true) => {}
                    // Of another challenge, or for none.
                    (_, false) => form.push(("code_verifier", CHALLENGE)),
                }
                self.token(*client, *secret, &form, None, name).await
            }
            Act::Refresh { token, client, secret, scope } => {
                let value = self.refresh[token].clone();
                let scope = scope.map(scope_text);
                let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", value.as_str())];
                form.extend(scope.as_deref().map(|scope| ("scope", scope)));
                self.token(*client, *secret, &form, Some(&value), name).await
            }
            Act::Userinfo { token } => {
                let bearer = format!("Bearer {}", self.access[token]);
                let response = self.send("GET", "/userinfo", &[("authorization", &bearer)], String::new()).await?;
                Some(if response.status == 200 { Outcome::Claims } else { error(&response) })
            }
            Act::Pass { time } => {
                self.here().clock.advance(Duration::from_millis(*time));
                Some(Outcome::Done)
            }
            Act::Sweep => {
                self.here().sweep().await;
                Some(Outcome::Done)
            }
            Act::Restart => {
                self.here_mut().restart();
                Some(Outcome::Done)
            }
            Act::Withdraw { user, client } => {
                self.withdraw(*user, *client).await;
                Some(Outcome::Done)
            }
            _ => self.administer(act).await,
        }
    }

    pub fn here(&self) -> &Here {
        let Place::Here(here) = &self.place else { panic!("that can't be done from elsewhere") };
        here
    }

    fn here_mut(&mut self) -> &mut Here {
        let Place::Here(here) = &mut self.place else { panic!("that can't be done from elsewhere") };
        here
    }

    fn user(&self, user: usize) -> String {
        format!("{}user-{user}", self.prefix)
    }

    fn client(&self, client: usize) -> String {
        format!("{}{}", self.prefix, REGISTRATIONS[client].id)
    }

    async fn withdraw(&self, user: usize, client: usize) {
        let here = self.here();
        let Some(user) = here.app.store.user_by_username(&self.user(user)).await.unwrap() else { return };
        let (user, client): (&UserId, _) = (&user.id, ClientId::new(self.client(client)));
        here.app.store.withdraw_consent(user, &client, here.clock.now()).await.unwrap();
    }

    async fn administer(&self, act: &Act) -> Option<Outcome> {
        let (method, path, body) = match *act {
            Act::SetPassword { user, password } => {
                ("PUT", format!("users/{}/password", self.user(user)), json!({ "password": password_text(password) }))
            }
            Act::Enable { user, on } => ("PATCH", format!("users/{}", self.user(user)), json!({ "enabled": on })),
            Act::DeleteUser { user } => ("DELETE", format!("users/{}", self.user(user)), Value::Null),
            Act::CreateUser { user, password } => {
                let body = json!({ "username": self.user(user), "password": password_text(password) });
                ("POST", "users".to_owned(), body)
            }
            Act::RotateSecret { client, secret } => {
                let path = format!("clients/{}/secret", self.client(client));
                ("POST", path, json!({ "client_secret": secret_text(secret) }))
            }
            Act::DeleteClient { client } => ("DELETE", format!("clients/{}", self.client(client)), Value::Null),
            Act::CreateClient { client, secret } => {
                ("POST", "clients".to_owned(), registration(&self.client(client), client, secret))
            }
            _ => panic!("{act:?} is no act of administration"),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(method, &format!("/api/admin/v1/{path}"), &ADMIN_HEADERS, body).await?;
        Some(Outcome::Status(response.status))
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Option<Response> {
        let response = match &self.place {
            Place::Here(here) => here.send(method, path, headers, body).await,
            Place::There(issuer) => {
                try_exchange(method, &format!("{issuer}{path}"), headers, Some(body.into_bytes())).await.ok()?
            }
        };
        assert_ne!(response.status, 500, "{method} {path}: {response:?}");
        Some(response)
    }

    /// A request of a user's browser. Redirects are not followed.
    async fn browse(&mut self, user: usize, path: &str, form: &[(&str, &str)]) -> Option<Response> {
        let cookies: Vec<_> =
            self.browsers[user].cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let origin = match &self.place {
            Place::Here(_) => ISSUER.to_owned(),
            Place::There(issuer) => issuer.clone(),
        };
        let mut headers = vec![("cookie", cookies.as_str())];
        let response = if form.is_empty() {
            self.send("GET", path, &headers, String::new()).await?
        } else {
            headers.extend([("origin", origin.as_str()), ("content-type", FORM)]);
            self.send("POST", path, &headers, form::render(form.iter().copied())).await?
        };
        for line in response.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.browsers[user].cookies.remove(name);
            } else {
                self.browsers[user].cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Some(response)
    }

    async fn authorize(
        &mut self,
        user: usize,
        client: usize,
        scope: Scope,
        prompt: &str,
        name: Name,
    ) -> Option<Response> {
        let (id, scope) = (self.client(client), scope_text(scope));
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &id),
            ("redirect_uri", REDIRECT),
            ("scope", &scope),
            ("prompt", prompt),
        ];
        if has_challenge(name, client) {
            parameters.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        }
        self.browse(user, &format!("/authorize?{}", form::render(parameters)), &[]).await
    }

    /// What comes to the client.
    fn answer(&mut self, response: &Response, client: usize, name: Name) -> Outcome {
        if let Some(astray) = astray(response) {
            return astray;
        }
        assert_eq!(response.status, 303, "{response:?}");
        if response.location().starts_with("/consent?") {
            return Outcome::Page("consent");
        }
        if let Some(error) = response.query("error") {
            return Outcome::Refused(error);
        }
        let code = response.query("code").unwrap_or_else(|| panic!("neither code nor error: {response:?}"));
        self.codes.insert(name, (code, client));
        Outcome::Code
    }

    async fn log_in(&mut self, user: usize, password: usize, client: usize, name: Name) -> Option<Outcome> {
        let response = self.authorize(user, client, 1, "login", name).await?;
        if response.status == 400 {
            return Some(Outcome::Page("error"));
        }
        assert!(response.location().starts_with("/login?"), "{response:?}");
        let page = self.browse(user, response.location(), &[]).await?;
        if let Some(astray) = astray(&page) {
            return Some(astray);
        }
        let (pending, username, password) = (page.field("pending"), self.user(user), password_text(password));
        let fields =
            [("pending", pending.as_str()), ("username", &username), ("password", &password), ("decision", "login")];
        let response = self.browse(user, "/login", &fields).await?;
        if response.has_id("login-submit") {
            return Some(Outcome::Page("login"));
        }
        if let Some(astray) = astray(&response) {
            return Some(astray);
        }
        assert_eq!(response.status, 303, "{response:?}");
        self.browsers[user].session = Some(name);
        Some(Outcome::LoggedIn)
    }

    async fn log_out(&mut self, user: usize) -> Option<Outcome> {
        let page = self.browse(user, "/logout", &[]).await?;
        if !page.has_id("logout-confirm") {
            return Some(Outcome::Page("logged out"));
        }
        let csrf = page.field("csrf");
        let response = self.browse(user, "/logout", &[("csrf", &csrf), ("decision", "logout")]).await?;
        assert!(response.has_id("logout-done"), "{response:?}");
        self.browsers[user].session = None;
        Some(Outcome::Done)
    }

    async fn agree(&mut self, user: usize, client: usize, scope: Scope, name: Name) -> Option<Outcome> {
        let response = self.authorize(user, client, scope, "consent", name).await?;
        if let Some(astray) = astray(&response) {
            return Some(astray);
        }
        let page = self.browse(user, response.location(), &[]).await?;
        if let Some(astray) = astray(&page) {
            return Some(astray);
        }
        let pending = page.field("pending");
        let response = self.browse(user, "/consent", &[("pending", &pending), ("decision", "allow")]).await?;
        Some(self.answer(&response, client, name))
    }

    async fn token(
        &mut self,
        client: usize,
        secret: usize,
        form: &[(&str, &str)],
        used: Option<&str>,
        name: Name,
    ) -> Option<Outcome> {
        let (id, secret) = (self.client(client), secret_text(secret));
        let mut form = form.to_vec();
        form.push(("client_id", &id));
        if !REGISTRATIONS[client].public {
            form.push(("client_secret", &secret));
        }
        let response = self.send("POST", "/token", &[("content-type", FORM)], form::render(form)).await?;
        if response.status != 200 {
            return Some(error(&response));
        }
        let Tokens { access_token, expires_in, refresh_token, scope, id_token, .. } = response.tokens();
        self.access.insert(name, access_token);
        let refresh = match refresh_token {
            None => Renewal::None,
            Some(same) if used == Some(&same) => Renewal::Same,
            Some(new) => {
                self.refresh.insert(name, new);
                Renewal::New
            }
        };
        let scope = parse_scope(&scope.unwrap());
        Some(Outcome::Tokens { scope, refresh, id_token: id_token.is_some(), expires_in })
    }
}

/// Where an interaction ends that somebody else has meanwhile taken the ground from.
fn astray(response: &Response) -> Option<Outcome> {
    match response.status {
        400 if response.has_id("error-page") => Some(Outcome::Page("error")),
        303 if response.location().starts_with("/login?") => Some(Outcome::Page("login")),
        _ => None,
    }
}

fn error(response: &Response) -> Outcome {
    assert_eq!(response.status == 503, response.header("retry-after").is_some(), "{response:?}");
    let code = match response.header("www-authenticate") {
        Some(challenge) => {
            challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
        }
        None => response.error(),
    };
    Outcome::Error(response.status, code)
}

fn password_text(password: usize) -> String {
    format!("password number {password}")
}

fn secret_text(secret: usize) -> String {
    format!("secret number {secret}, of more than thirty-two bytes")
}

pub fn registration(id: &str, client: usize, secret: usize) -> Value {
    let kind = &REGISTRATIONS[client];
    let mut grants = vec!["authorization_code"];
    grants.extend(kind.refreshes.then_some("refresh_token"));
    let mut body = json!({
        "client_id": id, "client_name": id, "redirect_uris": [REDIRECT], "grant_types": grants,
        "client_type": if kind.public { "public" } else { "confidential" }, "rotate_refresh_tokens": kind.rotates,
    });
    if !kind.public {
        body["client_secret"] = secret_text(secret).into();
    }
    body
}

pub fn scope_text(scope: Scope) -> String {
    let names = SCOPES.iter().enumerate().filter(|(bit, _)| scope & (1 << bit) != 0);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn parse_scope(text: &str) -> Scope {
    text.split(' ').map(|name| 1 << SCOPES.iter().position(|known| *known == name).unwrap()).sum()
}
