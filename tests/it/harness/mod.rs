//! A real server on a port of its own, with a clock that the test moves and random bytes from a seed, and what a test needs to
//! talk to it.

pub mod answer;
pub mod browser;
mod development;
pub mod dice;
pub mod http;
pub mod inspect;
pub mod place;
pub mod process;
pub mod receiver;
pub mod tls;
pub mod token;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass::admin;
use hallpass::app::event::Receiver;
use hallpass::app::hook::Hook;
use hallpass::app::{App, rotation};
use hallpass::base::clock::{Clock, FixedClock, Timestamp};
use hallpass::base::form::Form;
use hallpass::base::random::Random;
use hallpass::base::secret::Secret;
use hallpass::dev::PLAYGROUND;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::seal::ServerKey;
use hallpass::model::client::{Client, ClientType};
use hallpass::model::id::{ClientId, UserId};
use hallpass::model::user::User;
use hallpass::server::{bind, serve_app};
use hallpass::settings::{Settings, Sources};
use hallpass::store::{NewKey, Options, Put, Store};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use answer::{Answer, Mode};
pub use browser::Browser;
pub use development::Development;
pub use http::{Response, attempt, basic, exchange};
pub use token::Tokens;

/// When every test begins.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A confidential client of every provider, its secret, and where it wants its answers.
pub const CLIENT: &str = "web";
pub const SECRET: &str = "a secret of more than thirty-two bytes";
pub const REDIRECT: &str = "https://app.example/callback";

/// Where every client of a provider wants its users to go after a logout.
pub const GOODBYE: &str = "https://app.example/goodbye";

/// A public client of every provider, with the same redirect URI and a loopback one.
pub const PUBLIC: &str = "native";
pub const LOOPBACK: &str = "http://127.0.0.1/callback";

/// A second confidential client of every provider, with the same secret and redirect URI.
pub const OTHER: &str = "other";

/// A user with every standard claim, and another one with none.
pub const ADA: &str = "ada";
pub const BOB: &str = "bob";
pub const PASSWORD: &str = "analytical engine";

pub const RSA: &str = include_str!("../data/rsa2048_pkcs8.pem");
pub const OTHER_RSA: &str = include_str!("../data/rsa2048_other.pem");

/// A running provider.
pub struct Provider {
    pub issuer: String,
    pub app: Arc<App>,
    pub clock: FixedClock,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Provider {
    /// One in memory, with everything above in it.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings of the test's own. `issuer` may hold `{port}`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let provider = Self::start_without_key(settings).await;
        provider.add_key(RSA).await;
        provider
    }

    /// The same with hooks, as a program has them that embeds the provider.
    pub async fn start_with_hooks(settings: &[(&str, &str)], hooks: Vec<Arc<dyn Hook>>) -> Self {
        let store = Store::in_memory(ServerKey::generate(&Random::seeded("server key")), &Options::default()).unwrap();
        let provider = Self::serve_as(store, settings, FixedClock::new(START), false, hooks, Vec::new()).await;
        provider.fill().await;
        provider.add_key(RSA).await;
        provider
    }

    /// The same before anybody has made a signing key.
    pub async fn start_without_key(settings: &[(&str, &str)]) -> Self {
        let key = ServerKey::generate(&Random::seeded("server key"));
        let store = Store::in_memory(key, &Options::default()).unwrap();
        let provider = Self::serve(store, settings, FixedClock::new(START)).await;
        provider.fill().await;
        provider
    }

    /// One for development, with the playground and its client.
    pub async fn start_for_development() -> Self {
        Self::start_for_development_with(&[]).await
    }

    /// The same with settings of the test's own.
    pub async fn start_for_development_with(settings: &[(&str, &str)]) -> Self {
        Self::start_for_development_with_hooks(settings, Vec::new()).await
    }

    /// The same with hooks.
    pub async fn start_for_development_with_hooks(settings: &[(&str, &str)], hooks: Vec<Arc<dyn Hook>>) -> Self {
        let key = ServerKey::generate(&Random::seeded("server key"));
        let store = Store::in_memory(key, &Options::default()).unwrap();
        let provider = Self::serve_as(store, settings, FixedClock::new(START), true, hooks, Vec::new()).await;
        provider.fill().await;
        provider.add_key(RSA).await;
        let playground = provider.app.development.as_ref().unwrap().playground.clone();
        let mut own = confidential(PLAYGROUND);
        own.require_consent = false;
        own.redirect_uris = vec![playground];
        provider.add_client(own).await;
        provider
    }

    /// One on a file that is made on first use.
    pub async fn start_on(path: &Path, clock: FixedClock) -> Self {
        let made = !path.exists();
        let store = Store::open_or_create(path, None, &Options::default()).unwrap();
        let provider = Self::serve(store, &[], clock).await;
        if made {
            provider.add_key(RSA).await;
            provider.fill().await;
        }
        provider
    }

    /// The same, which sends events to these.
    pub async fn start_on_with_receivers(path: &Path, receivers: Vec<Arc<dyn Receiver>>) -> Self {
        let made = !path.exists();
        let store = Store::open_or_create(path, None, &Options::default()).unwrap();
        let clock = FixedClock::new(START);
        let provider = Self::serve_as(store, &[("events.kinds", "[]")], clock, false, Vec::new(), receivers).await;
        if made {
            provider.add_key(RSA).await;
            provider.fill().await;
        }
        provider
    }

    async fn serve(store: Store, overrides: &[(&str, &str)], clock: FixedClock) -> Self {
        Self::serve_as(store, overrides, clock, false, Vec::new(), Vec::new()).await
    }

    async fn serve_as(
        store: Store,
        overrides: &[(&str, &str)],
        clock: FixedClock,
        development: bool,
        hooks: Vec<Arc<dyn Hook>>,
        receivers: Vec<Arc<dyn Receiver>>,
    ) -> Self {
        let listeners: Vec<TcpListener> = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let port = listeners[0].local_addr().unwrap().port().to_string();
        let cheap = [("password.memory_kib", "8"), ("password.iterations", "1"), ("throttle.enabled", "false")];
        let mut sources = Sources::default().set("issuer", format!("http://127.0.0.1:{port}"));
        for (key, value) in cheap.iter().chain(overrides) {
            sources = sources.set(*key, value.replace("{port}", &port));
        }
        let settings = Settings::load(&sources).unwrap();
        let time = Clock::Fixed(clock.clone());
        let app = if development {
            App::for_development(settings, store, time, Random::System, false).unwrap()
        } else {
            App::new(settings, store, time, Random::System).unwrap()
        };
        let app = Arc::new(app.with_hooks(hooks).with_receivers(receivers));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                serve_app(app, listeners, async {
                    let _ = stopped.await;
                })
                .await
                .unwrap();
            }
        });
        Self { issuer: app.issuer.to_string(), app, clock, stop: Some(stop), serving }
    }

    async fn fill(&self) {
        self.add_client(confidential(CLIENT)).await;
        self.add_client(confidential(OTHER)).await;
        let mut public = confidential(PUBLIC);
        public.kind = ClientType::Public;
        public.secret = None;
        public.redirect_uris.push(LOOPBACK.into());
        self.add_client(public).await;
        self.add_user(ADA, every_claim()).await;
        self.add_user(BOB, json!({})).await;
    }

    /// Stops, and gives the store's file free.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.serving).await.unwrap();
    }

    /// Moves the clock.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    pub async fn add_client(&self, client: Client) {
        assert!(matches!(self.app.store.create_client(client).await.unwrap(), Put::Done(_)));
    }

    /// Changes a client as an administrator would.
    pub async fn change_client(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let mut client = Client::clone(&*self.app.store.client(&ClientId::new(id)).await.unwrap().unwrap());
        change(&mut client);
        assert!(matches!(self.app.store.update_client(client).await.unwrap(), Put::Done(_)));
    }

    pub async fn add_user(&self, username: &str, claims: Value) {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        let user = User {
            id: UserId::new(format!("id-of-{username}")),
            username: username.into(),
            password_hash: Some(self.app.passwords.hash(Secret::new(PASSWORD)).await.unwrap()),
            admin: false,
            enabled: true,
            claims,
            generation: 7,
            created_at: START,
            updated_at: START,
            version: 0,
        };
        assert!(matches!(self.app.store.create_user(user).await.unwrap(), Put::Done(_)));
    }

    /// Changes a user as an administrator would.
    pub async fn change_user(&self, username: &str, change: impl FnOnce(&mut User)) {
        let mut user = User::clone(&*self.app.store.user_by_username(username).await.unwrap().unwrap());
        change(&mut user);
        assert!(matches!(self.app.store.update_user(user).await.unwrap(), Put::Done(_)));
    }

    /// A call of administration that must succeed; `target` is what follows the root of its addresses.
    pub async fn administer(&self, method: admin::Method, target: &str, body: Value) -> Value {
        self.call(method, target, Form::default(), body).await
    }

    /// A list of administration, with a query.
    pub async fn list(&self, target: &str, query: &str) -> Value {
        self.call(admin::Method::Get, target, Form::parse(query.as_bytes()).unwrap(), Value::Null).await
    }

    async fn call(&self, method: admin::Method, target: &str, query: Form, body: Value) -> Value {
        let App { store, clock, random, passwords, hooks, settings, .. } = &*self.app;
        let schedule = rotation::schedule(&self.app.settings);
        let context = admin::Context { store, clock, random, passwords, hooks, settings, schedule, local: true };
        let path = format!("{}{target}", admin::ROOT);
        let answer = admin::call(&context, admin::Call { method, path, query, body }).await;
        assert!((200..300).contains(&answer.status), "{target}: {answer:?}");
        answer.body
    }

    pub async fn add_key(&self, pem: &str) -> String {
        let key = PrivateKey::from_pem(pem).unwrap();
        let new = NewKey::of(&key, self.clock.now());
        assert!(matches!(self.app.store.add_key(new).await.unwrap(), Put::Done(_)));
        key.kid()
    }

    /// A browser that nobody has used yet.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.issuer)
    }

    /// A browser in which a user has logged in and agreed to everything for [`CLIENT`].
    pub async fn logged_in(&self, username: &str) -> Browser {
        let mut browser = self.browser();
        browser.code(username, &request(&[("scope", "openid profile email address phone offline_access")])).await;
        browser
    }

    pub async fn get(&self, path: &str) -> Response {
        exchange("GET", &format!("{}{path}", self.issuer), &[], None).await
    }

    /// Tokens for a fresh login of Ada at [`CLIENT`].
    pub async fn tokens(&self, scope: &str) -> Tokens {
        let mut browser = self.browser();
        let code = browser.code(ADA, &request(&[("scope", scope)])).await;
        self.redeem(&code).await.tokens()
    }

    /// [`CLIENT`] redeems a code.
    pub async fn redeem(&self, code: &str) -> Response {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token(CLIENT, SECRET, &form).await
    }

    /// [`CLIENT`] uses a refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Response {
        self.token(CLIENT, SECRET, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// A token request of a client that authenticates in the body.
    pub async fn token(&self, client: &str, secret: &str, form: &[(&str, &str)]) -> Response {
        let mut form = form.to_vec();
        form.push(("client_id", client));
        if !secret.is_empty() {
            form.push(("client_secret", secret));
        }
        self.post("/token", &[], &form).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Response {
        let body = hallpass::base::form::render(form.iter().copied());
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        exchange("POST", &format!("{}{path}", self.issuer), &headers, Some(body.into_bytes())).await
    }

    pub async fn userinfo(&self, access_token: &str) -> Response {
        let bearer = format!("Bearer {access_token}");
        exchange("GET", &format!("{}/userinfo", self.issuer), &[("authorization", &bearer)], None).await
    }

    /// Verifies an ID token with the published keys and gives its header and its claims.
    pub async fn verify(&self, id_token: &str) -> (Value, Map<String, Value>) {
        token::verify(&self.get("/jwks").await.json(), id_token)
    }
}

/// A confidential client with the defaults.
pub fn confidential(id: &str) -> Client {
    let mut client = Client::new(ClientId::new(id), format!("The {id} app"), 11, START);
    client.secret = Some(Secret::new(SECRET));
    client.redirect_uris = vec![REDIRECT.into()];
    client.post_logout_redirect_uris = vec![GOODBYE.into()];
    client
}

/// The parameters of an ordinary request of [`CLIENT`], these put in place of those; an empty value takes one away.
pub fn request<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid"),
        ("state", "the state"),
    ];
    for (name, value) in changes {
        parameters.retain(|(other, _)| other != name);
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    parameters
}

/// A value for every standard claim (OpenID Connect Core 1.0 section 5.1).
pub fn every_claim() -> Value {
    json!({
        "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "A. A. L.",
        "profile": "https://ada.example/", "picture": "https://ada.example/me.png", "website": "https://ada.example/blog",
        "gender": "female", "birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en-GB",
        "updated_at": 1_700_000_000, "email": "ada@ada.example", "email_verified": true, "phone_number": "+44 20 7946 0000",
        "phone_number_verified": false,
        "address": { "street_address": "12 St James's Square", "locality": "London", "country": "GB" },
    })
}

/// A code verifier and its S256 challenge (RFC 7636 appendix B).
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
