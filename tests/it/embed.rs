//! hallpass inside a program of one's own.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hallpass::admin::Method;
use hallpass::base::clock::{Clock, FixedClock};
use hallpass::base::random::Random;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::seal::ServerKey;
use hallpass::model::id::ClientId;
use hallpass::provider::BuildError;
use hallpass::store::{NewKey, Options, Store};
use hallpass::{Mount, Peer, Provider};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Frame};
use hyper::service::Service;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::harness::*;

const ISSUER: &str = "http://localhost:3000/id";

/// In memory, with the cheapest passwords and a key that need not be made.
async fn provider(settings: &str) -> Provider {
    let text = format!("[password]\nmemory_kib = 8\niterations = 1\n{settings}");
    let clock = Clock::Fixed(FixedClock::new(START));
    Provider::builder().issuer(ISSUER).toml(text).store(store().await).clock(clock).build().await.unwrap()
}

async fn store() -> Store {
    let store = Store::in_memory(ServerKey::generate(&Random::seeded("server key")), &Options::default()).unwrap();
    store.add_key(NewKey::of(&PrivateKey::from_pem(RSA).unwrap(), START)).await.unwrap();
    store
}

/// A client for itself, with the harness's secret.
async fn with_machine(settings: &str) -> Provider {
    let provider = provider(settings).await;
    let members = json!({
        "client_id": "machine", "client_name": "Machine", "client_secret": SECRET,
        "grant_types": ["client_credentials"], "scope": "read",
    });
    provider.create_client(&members).await.unwrap();
    provider
}

async fn get(mount: &Mount, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "localhost:3000").body(Empty::<Bytes>::new()).unwrap();
    let response = mount.call(request).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// The machine asks for a token, with this secret.
async fn token(mount: &Mount, secret: &str, prepare: impl FnOnce(&mut Request<Pieces>)) -> (StatusCode, Value) {
    let form = [("grant_type", "client_credentials"), ("client_id", "machine"), ("client_secret", secret)];
    let request = Request::post("/id/token")
        .header("host", "localhost:3000")
        .header("content-type", "application/x-www-form-urlencoded");
    let mut request = request.body(Pieces::of(&hallpass::base::form::render(form))).unwrap();
    prepare(&mut request);
    let response = mount.answer(request).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A body in pieces that can't be shared, as those of other frameworks can't.
struct Pieces(VecDeque<io::Result<Bytes>>, PhantomData<Cell<()>>);

impl Pieces {
    fn of(text: &str) -> Self {
        Self(text.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect(), PhantomData)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

#[tokio::test]
async fn a_service_answers_below_the_path_of_its_issuer() {
    let mount = provider("").await.service();
    let (status, body) = get(&mount, "/id/.well-known/openid-configuration").await;
    assert_eq!(status, 200);
    let metadata: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/token"));
    for path in ["/", "/.well-known/openid-configuration", "/token", "/idle/jwks", "/id/nothing"] {
        assert_eq!(get(&mount, path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_service_takes_bodies_of_any_kind_within_the_limits() {
    let mount = with_machine("[http]\nmax_body = 1024\n").await.service();
    let (status, body) = token(&mount, SECRET, |_| {}).await;
    assert_eq!((status.as_u16(), &body["scope"]), (200, &json!("read")), "{body}");
    let (status, _) = token(&mount, SECRET, |request| *request.body_mut() = Pieces::of(&"x".repeat(1025))).await;
    assert_eq!(status, 413);
    let broken = |request: &mut Request<Pieces>| request.body_mut().0.push_back(Err(io::ErrorKind::BrokenPipe.into()));
    assert_eq!(token(&mount, SECRET, broken).await.0, 400, "it broke off");
}

#[tokio::test]
async fn callers_are_told_apart_by_what_the_program_says_of_them() {
    let provider = with_machine("").await;
    // A secret of more than 32 bytes is beyond guessing, and nobody is slowed down for it.
    let short = json!({ "client_secret": "short" });
    provider.put_client("machine", &short).await.unwrap();
    let mount = provider.service();
    let [guesser, other]: [IpAddr; 2] = ["192.0.2.1", "198.51.100.1"].map(|ip| ip.parse().unwrap());
    let wrong = async |mount: &Mount, prepare: fn(&mut Request<Pieces>)| token(mount, "wrong", prepare).await.0;
    let mut tries = 0;
    while wrong(&mount.of_peer(guesser), |_| {}).await != StatusCode::TOO_MANY_REQUESTS {
        tries += 1;
        assert!(tries < 100, "guesses are never slowed down");
    }
    let said: [fn(&mut Request<Pieces>); 2] = [
        |request| _ = request.extensions_mut().insert(Peer("192.0.2.1".parse().unwrap())),
        |request| _ = request.extensions_mut().insert("192.0.2.1:4711".parse::<SocketAddr>().unwrap()),
    ];
    for say in said {
        assert_eq!(wrong(&mount, say).await, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(token(&mount.of_peer(other), "short", |_| {}).await.0, 200);
    assert_eq!(token(&mount, "short", |_| {}).await.0, 200, "nobody said who it is");
}

#[tokio::test]
async fn clients_users_and_keys_obey_the_rules_of_the_commands() {
    let provider = provider("").await;
    let client = provider.create_client(&json!({ "client_name": "App", "redirect_uris": [REDIRECT] })).await.unwrap();
    let id = client["client_id"].as_str().unwrap();
    assert!(client["client_secret"].as_str().unwrap().len() > 32);
    let stored = provider.app().store.client(&ClientId::new(id)).await.unwrap().unwrap();
    assert_eq!(stored.redirect_uris, [REDIRECT]);

    let refused = provider.create_client(&json!({ "client_name": "App", "redirect_uri": REDIRECT })).await.unwrap_err();
    assert_eq!((refused.status(), refused.field()), (400, Some("redirect_uri")));
    assert!(refused.to_string().contains("redirect_uris"), "{refused}");
    let refused = provider
        .create_client(&json!({ "client_id": id, "client_name": "App", "redirect_uris": [REDIRECT] }))
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 409);
    assert_eq!(provider.create_client("App").await.unwrap_err().status(), 400);

    let renamed = provider.put_client(id, &json!({ "client_name": "Renamed" })).await.unwrap();
    assert_eq!(renamed["client_name"], "Renamed");
    let user = provider.create_user(&json!({ "username": "a/b", "password": PASSWORD })).await.unwrap();
    let changed = provider.put_user("a/b", &json!({ "claims": { "name": "A. B." } })).await.unwrap();
    assert_eq!((&changed["id"], &changed["claims"]["name"]), (&user["id"], &json!("A. B.")));
    let key = provider.create_key(&json!({ "pem": OTHER_RSA })).await.unwrap();
    assert_eq!(key["state"], "next");
    let kid = key["kid"].as_str().unwrap();
    assert_eq!(provider.administer(Method::Post, &["keys", kid, "promote"], &()).await.unwrap()["state"], "active");
}

#[tokio::test]
async fn a_provider_makes_its_own_key_and_keeps_everything_in_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let build = || {
        let builder = Provider::builder().issuer(ISSUER).set("store.path", path.to_str().unwrap());
        builder.build()
    };
    let first = build().await.unwrap();
    let keys = first.administer(Method::Get, &["keys"], &()).await.unwrap();
    assert_eq!(keys["items"][0]["state"], "active");
    assert!(matches!(build().await, Err(BuildError::Store(..))), "one at a time has the file");
    drop(first);
    let again = build().await.unwrap();
    assert_eq!(again.administer(Method::Get, &["keys"], &()).await.unwrap(), keys);
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_served() {
    let text = |text: &str| Provider::builder().in_memory().toml(text).build();
    let error = text("[lifetimes]\ncode = \"10m\"\n").await.unwrap_err().to_string();
    assert!(error.contains("issuer is not set"), "{error}");
    let error = text("issuer = \"http://localhost\"\n[lifetimes]\ncod = \"10m\"\n").await.unwrap_err().to_string();
    assert!(error.starts_with("the program's settings:3: ") && error.contains("lifetimes.code"), "{error}");
    let store = store().await;
    store.mark_development().await.unwrap();
    let built = Provider::builder().issuer(ISSUER).store(store).build().await;
    assert!(matches!(built, Err(BuildError::Development)));
}

#[tokio::test]
async fn the_whole_server_stops_when_it_is_told_to() {
    let provider = provider("").await;
    let listeners = hallpass::server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move { provider.serve(listeners, async { drop(stopped.await) }).await });
    let response = exchange("GET", &format!("http://{address}/id/healthz"), &[], None).await;
    assert_eq!(response.status, 200);
    drop(stop);
    tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let provider = provider("").await;
    let listeners = hallpass::server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let serving = tokio::spawn(async move { provider.serve(listeners, std::future::pending()).await });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /id/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0, "it is served, and stays open");
    serving.abort();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_mounted_provider_looks_after_its_store_until_it_is_gone() {
    let provider = with_machine("").await;
    let app = std::sync::Arc::downgrade(provider.app());
    let mount = provider.service();
    drop(provider);
    assert_eq!(token(&mount, SECRET, |_| {}).await.0, 200);
    assert!(app.upgrade().is_some());
    drop(mount);
    // The task that looked after it ends at its next chance.
    while app.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
