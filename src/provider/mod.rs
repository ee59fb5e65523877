//! The library's face: a provider inside a program of one's own.

mod builder;
pub mod opening;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::admin::http::{Caller, context};
use crate::admin::{self, Call, Method, Problem};
use crate::app::App;
use crate::base::encode;
use crate::base::form::Form;
use crate::gate::Guard;
use crate::protocol::issuer::Issuer;
use crate::server::{self, Mount, RunError};
use crate::settings::Sources;

pub use builder::{BuildError, Builder};

/// An OpenID Connect provider. Clones are the same one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use hallpass::Provider;
/// use serde_json::json;
///
/// let provider = Provider::builder().issuer("http://localhost:3000/id").in_memory().build().await?;
/// let client = provider
///     .create_client(&json!({
///         "client_id": "my-app",
///         "client_name": "My app",
///         "redirect_uris": ["http://localhost:3000/callback"],
///     }))
///     .await?;
/// assert!(client["client_secret"].is_string());
///
/// // A service to mount under /id of a server of one's own.
/// let service = provider.service();
/// let request = hyper::Request::get("/id/.well-known/openid-configuration").header("host", "localhost:3000");
/// let response = service.answer(request.body(String::new())?).await;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Provider {
    app: Arc<App>,
    /// Where its store is, unless that is in memory.
    file: Option<PathBuf>,
    /// Where its settings come from, unless they were given as they are.
    sources: Option<Sources>,
    /// Where it was built.
    runtime: Handle,
    /// Made when it is first asked for.
    mount: Arc<OnceLock<Mount>>,
}

impl Provider {
    /// What a provider is made of.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One that was put together already, in a runtime of tokio. `file` is where its store is, unless that is in memory; `sources`
    /// is where its settings come from, if they can be read again.
    pub fn of(app: App, file: Option<PathBuf>, sources: Option<Sources>) -> Self {
        Self { app: Arc::new(app), file, sources, runtime: Handle::current(), mount: Arc::default() }
    }

    /// Who it is in every token. Its path is where [`Provider::service`] belongs.
    pub fn issuer(&self) -> &Issuer {
        &self.app.issuer
    }

    /// Everything that it consists of.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// A service for all requests below the issuer's path, to be mounted in a server of one's own. From the first call on it
    /// also looks after the store and the keys, until the provider and all its services are gone.
    pub fn service(&self) -> Mount {
        let in_runtime = || {
            let _guard = self.runtime.enter();
            Mount::new(Arc::clone(&self.app))
        };
        self.mount.get_or_init(in_runtime).clone()
    }

    /// A guard for resources of the program that need an access token with all of this scope, separated by spaces.
    pub fn guard(&self, scope: &str) -> Guard {
        Guard::new(Arc::clone(&self.app), scope)
    }

    /// Runs the whole server, as `hallpass serve` does: on the addresses of `http.listen`, until SIGTERM or SIGINT; then it
    /// finishes what it has accepted. SIGHUP reads the settings again, for this server alone. Where the store is a file, commands can be given meanwhile.
    ///
    /// # Errors
    /// When it can't be started. What goes wrong later is logged; the provider goes on.
    pub async fn run(&self) -> Result<(), RunError> {
        let listeners = server::bind(&self.app.settings.http.listen)?;
        server::until_stopped(Arc::clone(&self.app), self.sources.clone(), listeners, self.file.as_deref(), || {}).await
    }

    /// The same on these listeners, until `stop` is ready. Signals are left to the program.
    ///
    /// # Errors
    /// When there is nothing to listen on, or the certificate can't be used.
    pub async fn serve(&self, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) -> io::Result<()> {
        server::serve_beside(Arc::clone(&self.app), listeners, self.file.as_deref(), stop).await
    }

    /// Makes a client. Its members are those of `[[clients]]` in a file and of `hallpass --json client show`, under the names of
    /// RFC 7591: `client_id`, `client_name`, `redirect_uris`, `client_secret`, …; what isn't given is drawn, or has its default. The
    /// answer is the client, with `client_secret`, which nobody is told again.
    ///
    /// # Errors
    /// A member that is wrong or unknown, a name that is taken, or a store that fails.
    pub async fn create_client<T: Serialize + ?Sized>(&self, members: &T) -> Result<Value, Problem> {
        self.administer(Method::Post, &["clients"], members).await
    }

    /// Makes a client of this id, or changes what is named: a program can do so at each start.
    ///
    /// # Errors
    /// Those of [`Provider::create_client`].
    pub async fn put_client<T: Serialize + ?Sized>(&self, id: &str, members: &T) -> Result<Value, Problem> {
        self.administer(Method::Put, &["clients", id], members).await
    }

    /// Makes a user: `username`, `password` or `password_hash`, `admin`, `enabled`, and `claims`, an object.
    ///
    /// # Errors
    /// Those of [`Provider::create_client`].
    pub async fn create_user<T: Serialize + ?Sized>(&self, members: &T) -> Result<Value, Problem> {
        self.administer(Method::Post, &["users"], members).await
    }

    /// Makes a user of this name, or changes what is named, but not the password of somebody who is there.
    ///
    /// # Errors
    /// Those of [`Provider::create_client`].
    pub async fn put_user<T: Serialize + ?Sized>(&self, username: &str, members: &T) -> Result<Value, Problem> {
        self.administer(Method::Put, &["users", username], members).await
    }

    /// Makes a signing key of so many `bits`, or imports the one in `pem`. The first signs at once, which each provider has from the
    /// start; another signs when it is promoted (`["keys", kid, "promote"]`), or when its time has come.
    ///
    /// # Errors
    /// Those of [`Provider::create_client`].
    pub async fn create_key<T: Serialize + ?Sized>(&self, members: &T) -> Result<Value, Problem> {
        self.administer(Method::Post, &["keys"], members).await
    }

    /// Any call of [administration](crate::admin): an address as its segments, and a body where one is needed, else `&()`.
    ///
    /// # Errors
    /// What is wrong with the call, or with us.
    pub async fn administer<T: Serialize + ?Sized>(
        &self,
        method: Method,
        address: &[&str],
        body: &T,
    ) -> Result<Value, Problem> {
        let mut path = String::from(admin::ROOT.trim_end_matches('/'));
        for segment in address {
            path.push('/');
            encode::percent(segment, &mut path);
        }
        // What can't be written as JSON is not an object either.
        let body = serde_json::to_value(body).unwrap_or_else(|error| json!(error.to_string()));
        admin::attempt(&context(&self.app, Caller::Local), Call { method, path, query: Form::default(), body }).await
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.app.issuer).finish_non_exhaustive()
    }
}
