//! An API that takes access tokens of a provider elsewhere, and asks it what they are worth (RFC 7662).
//!
//! ```console
//! $ HALLPASS_INTROSPECTION__INCLUDE_SCOPE=true hallpass dev
//! $ OIDC_CLIENT_SECRET='the secret of dev-service' cargo run --example protected_api
//! $ curl -H "Authorization: Bearer $ACCESS_TOKEN" http://localhost:4000/me
//! ```
//!
//! In the same process as the provider, `provider.guard("profile")` takes the place of the introspection.

#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::convert::Infallible;
use std::env;
use std::error::Error;

use bytes::Bytes;
use hallpass::{Guard, Introspection};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// What each resource needs.
#[derive(Clone)]
struct Guards {
    profile: Guard,
    write: Guard,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str, usual: &str| env::var(name).unwrap_or_else(|_| usual.to_owned());
    let provider = Introspection::new(
        &setting("OIDC_ISSUER", "http://localhost:8000"),
        &setting("OIDC_CLIENT_ID", "dev-service"),
        &env::var("OIDC_CLIENT_SECRET").map_err(|_| "OIDC_CLIENT_SECRET is not set: hallpass dev shows it")?,
    )?;
    let guards = Guards { profile: provider.guard("profile"), write: provider.guard("api:write") };

    let listener = TcpListener::bind(format!("127.0.0.1:{}", setting("PORT", "4000"))).await?;
    println!("Open http://{}/me", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let guards = guards.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(guards.clone(), request));
            // A connection that breaks off is its client's affair.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(guards: Guards, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let guard = match (request.method(), request.uri().path()) {
        (&Method::GET, "/me") => guards.profile,
        (&Method::POST, "/notes") => guards.write,
        _ => {
            let mut missing = Response::new(Full::from("There is nothing here.\n"));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(missing);
        }
    };
    let access = match guard.check(&request).await {
        Ok(access) => access,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let who = access.username.as_deref().unwrap_or("nobody in particular");
    Ok(Response::new(Full::from(format!("{who}, by {}\n", access.client_id))))
}
