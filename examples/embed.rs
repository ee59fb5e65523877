//! hallpass under a path of a program's own HTTP server.
//!
//! ```console
//! $ cargo run --example embed
//! $ cargo run --example embed -- hallpass.toml
//! ```
//!
//! Without a settings file it keeps everything in memory, with one client and one user. With one, it serves what is in its
//! store, as `hallpass serve` would; `HALLPASS_…` variables win over the file.

#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use hallpass::{Mount, Provider};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = match std::env::args().nth(1) {
        Some(file) => Provider::builder().file(file).environment().build().await?,
        None => furnished().await?,
    };
    let identity = provider.service();
    let prefix = provider.issuer().path().to_owned();

    let listen = provider.app().settings.http.listen.first().copied().ok_or("http.listen is empty")?;
    let listener = TcpListener::bind(listen).await?;
    let (graceful, server) = (GracefulShutdown::new(), auto::Builder::new(TokioExecutor::new()));
    let mut terminate = signal(SignalKind::terminate())?;
    println!("Open http://{}/ (the issuer is {})", listener.local_addr()?, provider.issuer());
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        let (identity, prefix) = (identity.of_peer(peer.ip()), prefix.clone());
        let service = service_fn(move |request| answer(identity.clone(), prefix.clone(), request));
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(graceful.watch(connection));
    }
    graceful.shutdown().await;
    Ok(())
}

/// The program's own routes, and everything below the issuer's path.
async fn answer(
    identity: Mount,
    prefix: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let is_identity = path.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_identity && !prefix.is_empty() {
        return Ok(identity.answer(request).await);
    }
    match path {
        "/hello" => Ok(Response::new(Full::from("Hello from the program around hallpass.\n"))),
        // An issuer without a path has all that is left.
        _ if prefix.is_empty() => Ok(identity.answer(request).await),
        _ => {
            let mut missing = Response::new(Full::from("There is nothing here.\n"));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            Ok(missing)
        }
    }
}

/// A provider in memory with something to try.
async fn furnished() -> Result<Provider, Box<dyn Error>> {
    // HALLPASS_ISSUER and HALLPASS_HTTP__LISTEN put it elsewhere.
    let builder = Provider::builder().toml("issuer = 'http://localhost:8000/id'").in_memory().environment();
    let provider = builder.build().await?;
    let client = json!({
        "client_id": "my-app",
        "client_name": "My app",
        "client_secret": "a secret of more than thirty-two bytes",
        "redirect_uris": ["http://127.0.0.1/callback"],
    });
    provider.create_client(&client).await?;
    let user = json!({
        "username": "ada",
        "password": "analytical engine",
        "claims": { "name": "Ada Lovelace", "email": "ada@example.com" },
    });
    provider.create_user(&user).await?;
    Ok(provider)
}
