//! A provider for the tests of whoever relies on one.
//!
//! [`Idp::start`] gives a real provider on a free port, in memory, with people and clients, and a clock that the test moves.
//! It mints tokens without any login, and goes wrong once when it is told to. It is the provider of `hallpass dev`: it takes any
//! redirect URI of this machine, and its signing key is everybody's.

mod fault;

use std::fmt;
use std::io;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::app::App;
use crate::app::issue::{self, Authentication, Authorization, Occasion, Offspring};
use crate::base::clock::{Clock, FixedClock};
use crate::base::random::Random;
use crate::dev::APPLICATION;
use crate::dev::furnish::{Declared, Inventory, furnish};
use crate::dev::seed::Seed;
use crate::jose::seal::ServerKey;
use crate::model::client::{Client, GrantType};
use crate::model::id::ClientId;
use crate::model::scope::Scope;
use crate::protocol::issuer::Endpoint;
use crate::provider::Provider;
use crate::server::{self, Routes, Upkeep};
use crate::settings::{Settings, Sources};
use crate::store::{Options, Store};

pub use fault::Fault;
use fault::{Faults, Faulty};

/// A provider for one test. It ends when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use hallpass::testing::Idp;
///
/// let idp = Idp::start().await?;
/// // What the application under test needs to know.
/// let (issuer, id, secret) = (idp.issuer(), idp.client_id(), idp.client_secret());
/// # let _ = (issuer, id, secret);
///
/// // Tokens of Alice's, as though she had logged in.
/// let tokens = idp.tokens_for("alice", idp.client_id(), "openid email").await?;
/// let request = || hyper::Request::get("/").header("authorization", format!("Bearer {}", tokens.access_token)).body(());
/// let guard = idp.provider().guard("email");
/// assert_eq!(guard.check(&request()?).await?.username.as_deref(), Some("alice"));
///
/// // An hour and a second later the access token has expired.
/// idp.clock().advance(Duration::from_secs(3601));
/// assert!(guard.check(&request()?).await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct Idp {
    provider: Provider,
    clock: FixedClock,
    inventory: Inventory,
    faults: Arc<Faults>,
    /// Dropped, it ends the server.
    _stop: oneshot::Sender<()>,
    _upkeep: Upkeep,
}

/// Why there is no provider, or no token.
#[derive(Debug)]
pub struct TestError(String);

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TestError {}

fn failed(error: &impl fmt::Debug) -> TestError {
    TestError(format!("{error:?}"))
}

/// Tokens as an application gets them.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    /// For resources.
    pub access_token: String,
    /// Where the client has the grant type.
    pub refresh_token: Option<String>,
    /// Where `openid` is in the scope.
    pub id_token: Option<String>,
}

impl Idp {
    /// One with the people and clients of `hallpass dev`. Its clock shows the present, and stands still there.
    ///
    /// # Errors
    /// Where there is no free port.
    pub async fn start() -> Result<Self, TestError> {
        Self::start_with(&[]).await
    }

    /// The same with settings: keys such as `lifetimes.access_token`, and values written as in the environment.
    ///
    /// # Errors
    /// A setting that is wrong, or no free port.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self, TestError> {
        let address = ([127, 0, 0, 1], 0).into();
        let listeners = server::bind(&[address]).map_err(|error| failed(&error))?;
        let port = listeners.first().ok_or_else(|| io::Error::other("no listener")).and_then(|one| one.local_addr());
        let port = port.map_err(|error| failed(&error))?.port();
        let sources = Sources::default()
            .assume("throttle.enabled", "false")
            .assume("password.memory_kib", "8")
            .assume("password.iterations", "1")
            .assume("discovery.cache_control", "0")
            .assume("userinfo.query_token", "true")
            .set("issuer", format!("http://127.0.0.1:{port}"));
        let sources = settings.iter().fold(sources, |sources, (key, value)| sources.set(*key, *value));
        let settings = Settings::load(&sources).map_err(|error| failed(&error))?;
        let (clock, random) = (FixedClock::new(Clock::System.now()), Random::System);
        let store = Store::in_memory(ServerKey::generate(&random), &Options::default());
        let store = store.map_err(|error| failed(&error))?;
        let app = App::for_development(settings, store, Clock::Fixed(clock.clone()), random, false);
        let app = app.map_err(|error| failed(&error))?;
        let development = app.development.clone().ok_or_else(|| TestError("not for development".into()))?;
        let inventory = furnish(&app, &development, &Seed::new(None), &Declared::default()).await.map_err(TestError)?;

        let provider = Provider::of(app, None, None);
        let app = provider.app();
        let faults = Arc::new(Faults::default());
        let (stop, stopped) = oneshot::channel();
        let handler = Faulty::new(Routes(Arc::clone(app)), Arc::clone(app), Arc::clone(&faults));
        let serving = server::serve(listeners, handler, server::options(app), async {
            let _ = stopped.await;
        });
        tokio::spawn(serving);
        let upkeep = Upkeep::of(Arc::clone(app));
        Ok(Self { provider, clock, inventory, faults, _stop: stop, _upkeep: upkeep })
    }

    /// The provider: for clients and users of the test's own, and for guards.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Where it is, and who: `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> &str {
        self.provider.issuer().as_str()
    }

    /// A confidential client that may use codes and refresh tokens, at any redirect URI of this machine.
    pub fn client_id(&self) -> &'static str {
        APPLICATION
    }

    /// Its secret.
    pub fn client_secret(&self) -> &str {
        let client = self.inventory.clients.iter().find(|client| client.id.as_str() == APPLICATION);
        client.and_then(|client| client.secret.as_ref()).map_or("", |secret| secret.expose())
    }

    /// Names and passwords of those who can log in: `alice` has every standard claim, `bob` few.
    pub fn users(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inventory.users.iter().filter_map(|user| Some((user.username.as_str(), user.password.as_ref()?.expose())))
    }

    /// The provider's clock. It stands still until the test moves it.
    pub fn clock(&self) -> &FixedClock {
        &self.clock
    }

    /// Tokens of a user for a client, as though they had logged in and agreed at this moment.
    ///
    /// # Errors
    /// A user or a client that isn't there.
    pub async fn tokens_for(&self, username: &str, client_id: &str, scope: &str) -> Result<Tokens, TestError> {
        let app = self.provider.app();
        let user = app.store.user_by_username(username).await.map_err(|error| failed(&error))?;
        let user = user.ok_or_else(|| TestError(format!("there is no user {username}")))?;
        let (client, now) = (self.client(client_id).await?, self.clock.now());
        let by = Authentication {
            user: &user,
            user_generation: user.generation,
            session: None,
            auth_time: now,
            amr: &["pwd".to_owned()],
            consent_generation: 0,
        };
        let consent = app.store.consent(&user.id, &client.id).await.map_err(|error| failed(&error))?;
        let by = Authentication { consent_generation: consent.map_or(0, |consent| consent.generation), ..by };
        let scope = Scope::parse(scope);
        let authorization = Authorization { client: &client, by: Some(by), scope, nonce: None, claims: None };
        let grant = issue::grant(app, authorization, Offspring::Tokens, now);
        let refreshes = client.may_use(GrantType::RefreshToken);
        let minted = issue::tokens(app, &client, &grant, grant.scope.clone(), refreshes, now);
        let occasion = Occasion { client: &client, user: &user, grant: &grant, scope: &grant.scope, nonce: None, now };
        let response = issue::token_response(app, &occasion, &minted).await.map_err(|error| failed(&error))?;
        app.store.put_grant(grant, minted.rows).await.map_err(|error| failed(&error))?;
        let told = serde_json::to_value(&response).and_then(serde_json::from_value);
        told.map_err(|error| failed(&error))
    }

    /// An ID token for a client with these claims, in place of and beside `iss`, `aud`, `iat` and `exp` (in ten minutes). `null` takes
    /// one away.
    ///
    /// # Errors
    /// A client that isn't there, or claims that are no object.
    pub async fn id_token(&self, client_id: &str, claims: Value) -> Result<String, TestError> {
        let Value::Object(claims) = claims else { return Err(TestError("claims are an object".into())) };
        let (app, client, now) = (self.provider.app(), self.client(client_id).await?, self.clock.now().as_secs());
        let mut payload = Map::new();
        for (name, value) in [
            ("iss", json!(self.issuer())),
            ("aud", json!(client_id)),
            ("iat", json!(now)),
            ("exp", json!(now + app.settings.lifetimes.id_token.as_secs())),
        ] {
            payload.insert(name.into(), value);
        }
        payload.extend(claims);
        payload.retain(|_, value| !value.is_null());
        let payload = Value::Object(payload).to_string().into_bytes();
        app.keys.sign(&app.store, &client, payload).await.map_err(|error| failed(&error))
    }

    /// Makes the next request at an endpoint go wrong, once. Several for one endpoint happen one after another.
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        self.faults.add(endpoint, fault);
    }

    async fn client(&self, id: &str) -> Result<Arc<Client>, TestError> {
        let found = self.provider.app().store.client(&ClientId::new(id)).await.map_err(|error| failed(&error))?;
        found.ok_or_else(|| TestError(format!("there is no client {id}")))
    }
}

impl fmt::Debug for Idp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idp").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
