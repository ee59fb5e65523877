//! `serve`: from settings and a store to a running provider, and its graceful end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::dispatch::dispatch;
use super::reload::Reloader;
use super::socket::Socket;
use super::{Current, LiveOptions, Options, Tls, TlsError, serve};
use crate::app::request::Limits;
use crate::app::{App, StartError, rotation};
use crate::base::clock::{Clock, Timestamp};
use crate::base::random::Random;
use crate::settings::{Settings, Sources};
use crate::store::Store;

/// Connections that the system keeps for us until they are accepted.
const BACKLOG: u32 = 1024;

/// Rows that one step of the sweep takes away, so that other writes need not wait for long.
const SWEEP_SLICE: usize = 256;

/// How long the memory of password hashing is kept after the last one.
const IDLE_MEMORY: Duration = Duration::from_secs(60);

/// Why the provider doesn't run.
#[derive(Debug)]
pub enum RunError {
    /// It can't be put together.
    Start(StartError),
    /// The certificate can't be used.
    Tls(TlsError),
    /// An address can't be listened on.
    Listen(SocketAddr, io::Error),
    /// The system refuses something else.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Listen(address, error) => write!(f, "cannot listen on {address} (http.listen): {error}"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Runs the provider until SIGTERM or SIGINT, then finishes what it accepted. SIGHUP reads the settings from `sources` again.
///
/// # Errors
/// When it can't be started. What goes wrong later is logged; the provider goes on.
pub fn run(settings: Settings, sources: Sources, store: Store) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listeners = bind(&settings.http.listen)?;
        let app = App::new(settings, store, Clock::System, Random::System).map_err(RunError::Start)?;
        for listener in &listeners {
            let address = listener.local_addr()?;
            let tls = app.settings.tls.cert.is_some();
            tracing::info!(%address, tls, issuer = %app.issuer, version = env!("CARGO_PKG_VERSION"), "listening");
        }
        let store = app.settings.store.path.clone();
        until_stopped(Arc::new(app), Some(sources), listeners, Some(&store), || {}).await
    })
}

/// Serves a provider until SIGTERM or SIGINT, then finishes what it accepted. SIGHUP reads the settings from `sources`, if
/// there are any, the templates and the certificate again. Takes commands beside the file of its store, if it has one. Calls
/// `ready` when either signal would end it gracefully and requests will be answered.
///
/// # Errors
/// When it can't be started.
pub async fn until_stopped(
    app: Arc<App>,
    sources: Option<Sources>,
    listeners: Vec<TcpListener>,
    store: Option<&Path>,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    let tls = Tls::load(&app.settings.tls).map_err(RunError::Tls)?;
    let stop = stop_signal()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let live = LiveOptions::from(Options { tls: tls.clone(), ..options(&app) });
    let current = Current::from(Arc::clone(&app));
    let reloader = Reloader { sources, current: current.clone(), options: live.clone(), tls: tls.clone() };
    let reloads = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let reloader = reloader.clone();
            let _ = spawn_blocking(move || reloader.reload()).await;
        }
    });
    if !app.keys.ring(&app.store).await.is_ok_and(|ring| ring.can_sign()) {
        tracing::warn!("there is no signing key: run `hallpass creatersakey`");
    }
    drop(app);
    ready();
    let served = serve_with(current, live, listeners, tls, store, stop).await;
    reloads.abort();
    served?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves a provider until `stop` is ready, and looks after it meanwhile.
///
/// # Errors
/// When there is nothing to listen on, or the certificate can't be used.
pub async fn serve_app(app: Arc<App>, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) -> io::Result<()> {
    serve_beside(app, listeners, None, stop).await
}

/// The same, and takes commands on a socket beside the file of its store, if it has one. At the stop the socket stays until
/// all other requests are answered, so that commands always reach whoever has the store.
///
/// # Errors
/// When there is nothing to listen on, or the certificate can't be used. Where no socket can be made, one warning says so.
pub async fn serve_beside(
    app: Arc<App>,
    listeners: Vec<TcpListener>,
    store: Option<&Path>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let tls = Tls::load(&app.settings.tls)?;
    let live = LiveOptions::from(Options { tls: tls.clone(), ..options(&app) });
    serve_with(app.into(), live, listeners, tls, store, stop).await
}

async fn serve_with(
    current: Current,
    options: LiveOptions,
    listeners: Vec<TcpListener>,
    tls: Option<Arc<Tls>>,
    store: Option<&Path>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let socket = store.and_then(|store| match Socket::bind(store) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "no socket for commands: they need the server to be stopped");
            None
        }
    });
    let mut upkeep = Upkeep::of(current.clone());
    if let Some(tls) = tls {
        upkeep.tasks.spawn(tls.watch());
    }
    let (answered, all_answered) = oneshot::channel::<()>();
    let requests = async {
        let served = serve(listeners, current.clone(), options, stop).await;
        drop(answered);
        served
    };
    let commands = async {
        if let Some(socket) = socket {
            let last = async { drop(all_answered.await) };
            socket.serve(current.clone(), last).await;
        }
    };
    let (served, ()) = tokio::join!(requests, commands);
    upkeep.end().await;
    served
}

/// What is done beside requests, until this is dropped: what is due now and then (expired rows, new keys), and telling of events.
#[derive(Debug)]
pub struct Upkeep {
    tasks: JoinSet<()>,
    events: JoinHandle<()>,
    /// Its end is that of events.
    over: oneshot::Sender<()>,
}

impl Upkeep {
    /// Of this provider, and of those that take its place. To be called in a runtime of tokio.
    pub fn of(current: impl Into<Current>) -> Self {
        let current = current.into();
        let (over, all_over) = oneshot::channel();
        let events = tokio::spawn(dispatch(current.follow(), all_over));
        let mut tasks = JoinSet::new();
        tasks.spawn(look_after(current));
        Self { tasks, events, over }
    }

    /// Ends all of it, when what has happened until now has been told.
    pub async fn end(self) {
        let Self { mut tasks, events, over } = self;
        tasks.abort_all();
        drop(over);
        let _ = events.await;
    }
}

/// How a provider listens, by its settings.
pub fn options(app: &App) -> Options {
    let (http, usual) = (&app.settings.http, Options::default());
    Options {
        mount: app.issuer.path().to_owned(),
        limits: Limits { body_size: http.max_body, body_deadline: http.body_timeout },
        head_size: http.max_header_bytes,
        connections: http.max_connections,
        connections_of_one: http.max_connections_per_address,
        requests: http.max_in_flight,
        bodies: http.max_in_flight.saturating_mul(16),
        bodies_of_one: http.max_in_flight.saturating_mul(8),
        bodies_size: usual.bodies_size.max(http.max_body.saturating_mul(16)),
        first_byte_deadline: http.first_byte_timeout,
        head_deadline: http.header_timeout,
        idle_deadline: http.idle_timeout,
        stop_deadline: http.shutdown_timeout,
        trusted_proxies: http.trusted_proxies.clone(),
        strict_transport: Some(http.hsts).filter(|time| app.issuer.is_https() && !time.is_zero()),
        development: app.development.as_ref().map(|development| development.hosts.clone()),
        clock: app.clock.clone(),
        ..usual
    }
}

/// Listens on every address.
///
/// # Errors
/// The first address that can't be had.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, RunError> {
    let listen = |address: &SocketAddr| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for connections of the process before it to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(*address)?;
        socket.listen(BACKLOG)
    };
    addresses.iter().map(|address| listen(address).map_err(|error| RunError::Listen(*address, error))).collect()
}

/// Ready at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what was accepted");
    })
}

/// Does what is due now and then, until the program ends.
async fn look_after(current: Current) {
    let mut follow = current.follow();
    let (began, mut watch) = (Instant::now(), ClockWatch::default());
    loop {
        let app = Arc::clone(&follow.borrow_and_update());
        look_once(&app, &mut watch, began.elapsed()).await;
        let pause = sleep(app.settings.store.sweep_interval);
        drop(app);
        tokio::select! {
            () = pause => {}
            // Other settings may want it sooner.
            _ = follow.changed() => {}
        }
    }
}

/// Takes away idle memory, looks at what password hashes cost, and, by a clock that can be believed, takes away expired rows and
/// changes signing keys.
async fn look_once(app: &App, watch: &mut ClockWatch, uptime: Duration) {
    let now = app.clock.now();
    app.passwords.lane().release_idle(now, IDLE_MEMORY);
    app.codes.forget(now);
    app.front_tokens.forget(now);
    app.failed_logins.settle(&app.store, now);
    if let Err(error) = app.passwords.learn_costs(&app.store).await {
        tracing::warn!(%error, "what password hashes cost could not be looked at");
    }
    if !watch.believes(now, uptime) {
        return;
    }
    loop {
        match app.store.sweep(now, SWEEP_SLICE).await {
            Ok(SWEEP_SLICE..) => tokio::task::yield_now().await,
            Ok(_) => break,
            Err(error) => {
                tracing::warn!(%error, "the sweep could not take expired rows away");
                break;
            }
        }
    }
    match app.store.take_dropped_events() {
        0 => {}
        dropped => tracing::warn!(dropped, "events that a webhook did not take in time are gone"),
    }
    if !watch.has_long_been_steady(uptime) {
        return;
    }
    if let Err(error) = rotation::rotate(app).await {
        tracing::warn!(%error, "the signing keys could not be changed; the next attempt is with the next sweep");
    }
}

/// A clock that jumps more than this may be wrong, or may have been.
const JUMP: Duration = Duration::from_secs(24 * 60 * 60);

/// So long it may be mended before it is believed: always where keys are concerned, since nobody knows whether it jumped before the
/// start, as it does on machines that learn the time from the network.
const DOUBT: Duration = Duration::from_secs(60 * 60);

/// Looks whether the clock goes as time does. What a sweep takes away is gone, also when the clock that said so was wrong; and
/// so is a key.
#[derive(Default)]
struct ClockWatch {
    /// The clock and the uptime at the last look.
    last: Option<(Timestamp, Duration)>,
    /// Until this uptime the clock is doubted.
    doubted_until: Duration,
    /// Since this uptime it has gone as time does.
    steady_since: Duration,
}

impl ClockWatch {
    /// Whether nothing speaks against the clock showing `now` after `uptime`.
    fn believes(&mut self, now: Timestamp, uptime: Duration) -> bool {
        if let Some((then, at)) = self.last.replace((now, uptime)) {
            if now.since(then) > uptime.saturating_sub(at) + JUMP {
                tracing::warn!(
                    "the clock has jumped ahead by more than a day: expired rows and keys are kept for an hour"
                );
                self.doubted_until = uptime + DOUBT;
                self.steady_since = uptime;
            } else if then.since(now) > JUMP {
                // It was set back to where it came from.
                self.doubted_until = Duration::ZERO;
                self.steady_since = uptime;
            }
        }
        uptime >= self.doubted_until
    }

    /// Whether the clock can be believed also by those who see a change of keys only once.
    fn has_long_been_steady(&self, uptime: Duration) -> bool {
        uptime >= self.steady_since + DOUBT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FixedClock;
    use crate::jose::key::PrivateKey;
    use crate::jose::seal::ServerKey;
    use crate::model::key::KeyState;
    use crate::store::{self, NewKey, Put};

    const PEM: &str = include_str!("../../tests/it/data/rsa2048_pkcs8.pem");
    const OTHER_PEM: &str = include_str!("../../tests/it/data/rsa2048_other.pem");

    #[test]
    fn several_of_the_largest_bodies_fit_whatever_their_size() {
        let bodies_size = |max_body: &str| {
            let sources = Sources::default().set("issuer", "https://id.example").set("http.max_body", max_body);
            let store = Store::in_memory(ServerKey::generate(&Random::System), &store::Options::default()).unwrap();
            let settings = Settings::load(&sources).unwrap();
            options(&App::new(settings, store, Clock::System, Random::System).unwrap()).bodies_size
        };
        assert_eq!(["256KiB", "64MiB"].map(bodies_size), [64 << 20, 16 * (64 << 20)]);
    }

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A provider with a key that signs, one that waits, and a clock at [`START`].
    async fn with_keys() -> (App, FixedClock) {
        let hands = FixedClock::new(START);
        let store = Store::in_memory(ServerKey::generate(&Random::System), &store::Options::default()).unwrap();
        for (pem, age) in [(PEM, 1), (OTHER_PEM, 0)] {
            let key = PrivateKey::from_pem(pem).unwrap();
            assert!(matches!(store.add_key(NewKey::of(&key, START - age * MINUTE)).await, Ok(Put::Done(_))));
        }
        let settings = Settings::load(&Sources::default().set("issuer", "https://id.example")).unwrap();
        (App::new(settings, store, Clock::Fixed(hands.clone()), Random::System).unwrap(), hands)
    }

    async fn states(app: &App) -> Vec<KeyState> {
        app.store.keys().await.unwrap().iter().map(|key| key.state).collect()
    }

    #[tokio::test]
    async fn a_clock_that_jumped_ahead_changes_no_keys_until_it_is_believed() {
        let (app, hands) = with_keys().await;
        let mut watch = ClockWatch::default();
        look_once(&app, &mut watch, Duration::ZERO).await;
        hands.advance(100 * JUMP);
        look_once(&app, &mut watch, MINUTE).await;
        assert_eq!(states(&app).await, [KeyState::Active, KeyState::Next]);
        look_once(&app, &mut watch, MINUTE + DOUBT).await;
        assert_eq!(states(&app).await, [KeyState::Retired, KeyState::Active]);
    }

    #[tokio::test]
    async fn a_clock_that_jumped_before_the_start_changes_no_keys_until_it_has_gone_on_for_an_hour() {
        let (app, hands) = with_keys().await;
        hands.set(START + 100 * JUMP);
        let mut watch = ClockWatch::default();
        look_once(&app, &mut watch, Duration::ZERO).await;
        look_once(&app, &mut watch, DOUBT - MINUTE).await;
        assert_eq!(states(&app).await, [KeyState::Active, KeyState::Next]);
        look_once(&app, &mut watch, DOUBT).await;
        assert_eq!(states(&app).await, [KeyState::Retired, KeyState::Active], "it was the downtime");
        // By then it turns out to have been wrong all the same.
        hands.set(START);
        look_once(&app, &mut watch, DOUBT + MINUTE).await;
        let times = async || app.store.keys().await.unwrap().into_iter().map(|key| key.retired_at.or(key.activated_at));
        assert!(times().await.all(|at| at == Some(START + 100 * JUMP)), "or is wrong only now");
        look_once(&app, &mut watch, 2 * DOUBT + MINUTE).await;
        assert!(times().await.all(|at| at == Some(START)));
    }

    #[test]
    fn a_clock_that_jumped_ahead_is_not_believed_at_once() {
        let (start, minute, day) = (Timestamp::from_secs(1_800_000_000), Duration::from_secs(60), JUMP);
        let mut watch = ClockWatch::default();
        assert!(watch.believes(start, Duration::ZERO));
        assert!(watch.believes(start + minute, minute));
        assert!(watch.believes(start + day, 2 * minute), "less than a day");
        assert!(watch.believes(start + 3 * day, 2 * minute + 2 * day), "and a day takes a day");
        let mut watch = ClockWatch::default();
        assert!(watch.believes(start, Duration::ZERO));
        let ahead = start + 30 * day;
        assert!(!watch.believes(ahead, minute));
        assert!(!watch.believes(ahead + minute, 2 * minute));
        assert!(watch.believes(ahead + DOUBT, minute + DOUBT), "it may have been behind before");
        assert!(!watch.believes(ahead + 30 * day, 2 * minute + DOUBT));
        assert!(watch.believes(start + DOUBT, 3 * minute + DOUBT), "it was mended");
    }
}
