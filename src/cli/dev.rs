//! `hallpass dev`

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use tokio::net::TcpListener;

use super::failure::Failure;
use super::in_process::InProcess;
use super::ready::Ready;
use super::{Invocation, declared, log, output};
use crate::app::App;
use crate::base::clock::Clock;
use crate::base::encode::base64url;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::dev::furnish::{Declared, Inventory, furnish};
use crate::dev::seed::Seed;
use crate::jose::seal::ServerKey;
use crate::protocol::issuer::Issuer;
use crate::provider::opening::options;
use crate::server::logging::Access;
use crate::server::{self, RunError};
use crate::settings::{ADMIN_TOKEN, ConfigFile, Settings, Sources};
use crate::store::Store;

/// Where the provider is when nobody says otherwise.
const PORT: u16 = 8000;

/// How often a free port is looked for that both loopback addresses have.
const ATTEMPTS: usize = 16;

/// Run a provider for development: no file, two people and two clients ready, everything forgotten at the end
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "dev",
    example = "hallpass dev",
    example = "hallpass dev --apply compose/clients.toml --data dev.redb",
    example = "hallpass dev --port 0 --ready-json | head -1 | jq -r .issuer",
    example = "hallpass dev --expose --issuer http://idp:8000",
    note = "hallpass.toml is not read unless --config or HALLPASS_CONFIG names it; other HALLPASS_… variables are.",
    note = "It takes any redirect URI on localhost, 127.0.0.1 and [::1]. SIGTERM and SIGINT end it gracefully."
)]
pub(super) struct Dev {
    /// the port (8000); 0 takes a free one
    #[argh(option, arg_name = "PORT")]
    port: Option<u16>,
    /// the address to listen on (127.0.0.1 and ::1); others than this machine's need --expose
    #[argh(option, arg_name = "IP")]
    listen: Option<IpAddr>,
    /// the URL that names this provider (http://localhost and the port)
    #[argh(option, arg_name = "URL")]
    issuer: Option<String>,
    /// make the [[clients]] and [[users]] of this TOML file too
    #[argh(option, arg_name = "FILE")]
    apply: Option<PathBuf>,
    /// draw ids and secrets from this text; with the same text they are the same at every start
    #[argh(option, arg_name = "TEXT")]
    seed: Option<String>,
    /// keep everything in this file
    #[argh(option, arg_name = "FILE")]
    data: Option<PathBuf>,
    /// say on standard output what is ready, as one line of JSON
    #[argh(switch)]
    ready_json: bool,
    /// let other machines in: anybody who reaches the port can log in as anybody
    #[argh(switch)]
    expose: bool,
}

impl Dev {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let sources = self.sources(invocation);
        let draft = Settings::load(&sources)?;
        let addresses = self.addresses(&draft)?;
        let declared = match &self.apply {
            Some(file) => declared::read(file, &sources.environment)?,
            None => Declared::default(),
        };
        log::init(&draft.log, Access::Hidden)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("the system gives no event queue: {error}")))?;
        runtime.block_on(self.serve(invocation, sources, &addresses, declared))
    }

    /// Settings that suit development, and what the options say.
    fn sources(&self, invocation: &Invocation) -> Sources {
        let mut sources = invocation
            .sources()
            .assume("http.listen", format!("127.0.0.1:{PORT}, [::1]:{PORT}"))
            .assume("http.insecure", "true")
            .assume("log.format", "text")
            .assume("throttle.enabled", "false")
            .assume("userinfo.query_token", "true")
            .assume("session_management.enabled", "true")
            .assume("password.memory_kib", "8")
            .assume("password.iterations", "1")
            .assume("store.cache_size", "4MiB")
            // What is restarted with other settings is not to be remembered.
            .assume("discovery.cache_control", "0");
        // The file that happens to lie here is somebody's production.
        if matches!(sources.file, ConfigFile::IfPresent(_)) {
            sources.file = ConfigFile::None;
        }
        for (key, value) in
            [("issuer", self.issuer.clone()), ("store.path", self.data.as_ref().map(|path| path.display().to_string()))]
        {
            if let Some(value) = value {
                sources = sources.set(key, value);
            }
        }
        sources
    }

    /// Where to listen.
    fn addresses(&self, settings: &Settings) -> Result<Vec<SocketAddr>, Failure> {
        let configured = &settings.http.listen;
        // Who names a provider on this machine has said where it is.
        let named = settings.issuer.as_ref().filter(|issuer| issuer.is_loopback() && !issuer.is_https());
        let port = self.port.or(named.map(Issuer::port));
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        let addresses: Vec<SocketAddr> = match self.listen {
            Some(ip) => vec![SocketAddr::new(ip, port.unwrap_or(PORT))],
            // One socket of IPv6 takes both kinds.
            None if self.expose && configured.iter().all(is_local) => {
                vec![SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port.unwrap_or(PORT))]
            }
            None => {
                configured.iter().map(|address| SocketAddr::new(address.ip(), port.unwrap_or(address.port()))).collect()
            }
        };
        match addresses.iter().find(|address| !is_local(address)) {
            Some(address) if !self.expose => Err(Failure::failed(format!(
                "{} is not this machine alone, and whoever reaches a provider for development can log in as anybody: \
                 --expose allows it",
                address.ip()
            ))),
            _ => Ok(addresses),
        }
    }

    /// Puts what is declared, and what every provider for development has, into its store.
    async fn furnish(&self, app: &App, declared: &Declared) -> Result<Inventory, Failure> {
        let file = self.apply.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
        let failed = |why: String| Failure::failed(format!("{file}{why}"));
        let development = app.development.as_ref().ok_or_else(|| failed("not for development".into()))?;
        let seed = Seed::new(self.seed.as_deref());
        furnish(app, development, &seed, declared).await.map_err(failed)
    }

    async fn serve(
        self,
        invocation: &Invocation,
        mut sources: Sources,
        addresses: &[SocketAddr],
        declared: Declared,
    ) -> Result<(), Failure> {
        let admin_token = admin_token(&sources)?;
        let (listeners, port) = listen(addresses)?;
        let draft = Settings::load(&sources)?;
        if draft.issuer.is_none() {
            let scheme = if draft.tls.cert.is_some() { "https" } else { "http" };
            sources = sources.set("issuer", format!("{scheme}://localhost:{port}"));
        }
        let sources = sources.set("admin.token", admin_token.expose());
        let settings = Settings::load(&sources)?;
        let in_memory = || Store::in_memory(ServerKey::generate(&Random::System), &options(&settings));
        let provider = |store| {
            App::for_development(settings.clone(), store, Clock::System, Random::System, self.expose)
                .map_err(|error| Failure::failed(error.to_string()))
        };
        let store = match &self.data {
            Some(path) => {
                if self.apply.is_some() {
                    // A rehearsal: a mistake in what is declared must not leave half of it in the file.
                    self.furnish(&provider(in_memory()?)?, &declared).await?;
                }
                open(&settings, path).await?
            }
            None => in_memory()?,
        };
        let app = provider(store)?;
        let inventory = self.furnish(&app, &declared).await?;
        let at = listeners.first().map(TcpListener::local_addr).transpose().ok().flatten();
        let ready = Ready {
            issuer: &app.issuer,
            port,
            at: at.filter(|at| self.expose || !is_reached_by(&app.issuer, *at)),
            inventory: &inventory,
            admin_token: &admin_token,
            data: self.data.as_deref(),
        };
        let text = if self.ready_json || invocation.json { ready.line() } else { ready.screen() };
        // Whether or not somebody reads it, the provider is there.
        let say = || {
            let _ = output::result(&text);
        };
        let store = self.data.as_deref();
        server::until_stopped(Arc::new(app), Some(sources), listeners, store, say)
            .await
            .map_err(|error| Failure::failed(error.to_string()))
    }
}

/// Whether the issuer's address leads to where we listen, so that it need not be said.
fn is_reached_by(issuer: &Issuer, at: SocketAddr) -> bool {
    let is_usual = at.ip() == Ipv4Addr::LOCALHOST || at.ip() == Ipv6Addr::LOCALHOST;
    issuer.is_loopback() && !issuer.is_https() && issuer.port() == at.port() && is_usual
}

/// What opens the administration: what somebody chose, or a new one.
fn admin_token(sources: &Sources) -> Result<Secret, Failure> {
    let Some(token) = sources.admin_token() else {
        return Ok(Secret::new(base64url(Random::System.bytes::<32>())));
    };
    let is_right = Settings::load(&Sources::default().set("admin.token", token.expose())).is_ok();
    is_right.then_some(token).ok_or_else(|| {
        Failure::failed(format!("{ADMIN_TOKEN} must be 32 or more letters, digits and - . _ ~ + / =, or not be set"))
    })
}

/// Opens the store of earlier starts, or makes it.
async fn open(settings: &Settings, path: &Path) -> Result<Store, Failure> {
    let opened = InProcess::open(settings, true)?;
    let in_use = || Failure::failed(format!("{} is in use by another process", path.display()));
    let store = opened.ok_or_else(in_use)?.into_store();
    if !store.is_development().await? {
        let is_empty = store.keys().await?.is_empty()
            && store.users(None, 1).await?.items.is_empty()
            && store.clients(None, 1).await?.items.is_empty();
        if !is_empty {
            let path = path.display();
            return Err(Failure::failed(format!(
                "{path} is not a store for development: hallpass dev leaves it alone"
            )));
        }
        // Before anything is in it: a store without the mark is taken for somebody's production.
        store.mark_development().await?;
    }
    Ok(store)
}

/// Listens on every address; of free ports, on the same one. Gives that of the first.
fn listen(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, u16), Failure> {
    let is_free = addresses.iter().any(|address| address.port() == 0);
    let mut attempts = 1;
    loop {
        match listen_once(addresses) {
            // A port that is free for one address may be taken for the other.
            Err(RunError::Listen(_, error)) if in_use(&error) && is_free && attempts < ATTEMPTS => attempts += 1,
            Err(RunError::Listen(address, error)) if in_use(&error) => {
                return Err(Failure::failed(format!("{address} is in use: --port 0 takes a free port")));
            }
            listening => return listening.map_err(|error| Failure::failed(error.to_string())),
        }
    }
}

fn listen_once(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, u16), RunError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut found = 0;
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(found);
        }
        match server::bind(&[address]) {
            Ok(bound) => listeners.extend(bound),
            // A machine without IPv6 does without.
            Err(RunError::Listen(_, error)) if address.is_ipv6() && !in_use(&error) && !listeners.is_empty() => {}
            Err(RunError::Listen(_, error)) if address.ip() == Ipv6Addr::UNSPECIFIED && !in_use(&error) => {
                address.set_ip(Ipv4Addr::UNSPECIFIED.into());
                listeners.extend(server::bind(&[address])?);
            }
            Err(error) => return Err(error),
        }
        if let (0, Some(first)) = (found, listeners.first()) {
            found = first.local_addr()?.port();
        }
    }
    Ok((listeners, found))
}

fn in_use(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrInUse
}
