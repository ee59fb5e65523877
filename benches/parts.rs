//! What the parts of a request cost, in CPU time of one thread of this machine, each beside what it stands on.
//!
//! ```console
//! $ cargo bench --bench parts
//! ```
//!
//! Each row is the median of several runs; compare rows of one run with each other rather than runs with each other.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench that can't run should say so"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallpass::app::App;
use hallpass::app::request::Request;
use hallpass::base::clock::{Clock, Timestamp};
use hallpass::base::form::Form;
use hallpass::base::random::Random;
use hallpass::expression::{Expression, Scene};
use hallpass::jose::key::PrivateKey;
use hallpass::jose::seal::ServerKey;
use hallpass::jose::sign::Signer;
use hallpass::model::client::Client;
use hallpass::model::id::{Bearer, BearerKind, ClientId};
use hallpass::server::{Handler, Routes};
use hallpass::settings::{Settings, Sources};
use hallpass::store::{NewKey, Options, Store};
use hyper::Method;
use serde_json::json;

/// Runs of each row.
const RUNS: usize = 9;

/// How long one run takes, about.
const RUN: Duration = Duration::from_millis(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let now = Timestamp::from_secs(1_800_000_000);
    let random = Random::System;

    let key = PrivateKey::from_pem(include_str!("../tests/it/data/rsa2048_pkcs8.pem")).expect("a key");
    let signer = Signer::rs256(&key, "kid").expect("a signer");
    row("one RSA-2048 signature", || signer.sign(black_box(b"message")).expect("a signature"));

    let server_key = ServerKey::generate(&random);
    let sealer = server_key.sealer("bench");
    let plain = vec![7; 400];
    let sealed = sealer.seal(&plain, b"", &random);
    row("seal 400 bytes", || sealer.seal(black_box(&plain), b"", &random));
    row("open 400 bytes", || sealer.open(black_box(&sealed), b"").expect("what was sealed"));

    let bearer = Bearer::mint(now, &random).render(BearerKind::AccessToken);
    row("mint a bearer value", || Bearer::mint(black_box(now), &random).render(BearerKind::AccessToken));
    row("parse and digest a bearer value", || {
        Bearer::parse(BearerKind::AccessToken, black_box(bearer.expose())).map(|bearer| bearer.digest())
    });
    let query = b"response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&scope=openid+email&state=x";
    row("parse a query", || Form::parse(black_box(query)).expect("a form"));

    let names = ["user", "client", "scopes"];
    let source = "user.claims.nickname or user.username";
    let expression = Expression::compile(source, &names).expect("an expression");
    let claims =
        json!({ "given_name": "Ada", "family_name": "Lovelace", "email": "ada@ada.example", "groups": ["staff"] });
    let seen = json!({ "user": { "id": "u", "username": "ada", "claims": claims }, "client": { "id": "web" } });
    row("what expressions see of a user", || Scene::of(black_box(&seen)));
    let scene = Scene::of(&seen);
    row("evaluate an expression", || expression.evaluate(black_box(&scene)));
    row("compile an expression", || Expression::compile(black_box(source), &names));
    for (name, source) in [
        ("a sort without end", format!("[{}]|sort|sort|sort|sort|sort", vec!["1"; 450].join(","))),
        ("replacing without end", format!("'a'{}", "|replace('a', 'aaaaaaaaaaaaaaaa')".repeat(20))),
        ("a great deal of text", format!("{}''", "user~".repeat(180))),
    ] {
        // Each is stopped, and takes 10 ms at most until then.
        let endless = Expression::compile(&source, &names).expect("an expression");
        row(name, || endless.evaluate(black_box(&scene)));
    }

    let provider = runtime.block_on(provider(&key, now));
    for (name, target) in [
        ("GET discovery", "/.well-known/openid-configuration"),
        ("GET jwks", "/jwks"),
        ("GET userinfo without a token", "/userinfo"),
        (
            "GET authorize, to the login page",
            "/authorize?response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&scope=openid",
        ),
        ("GET an error page", "/authorize"),
    ] {
        row(name, || {
            let request = Request::in_process(Method::GET, target, now).expect("a target");
            runtime.block_on(provider.handle(request))
        });
    }
}

async fn provider(key: &PrivateKey, now: Timestamp) -> Routes {
    let settings = Settings::load(&Sources::default().set("issuer", "http://localhost:8000")).expect("settings");
    let store = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).expect("a store");
    store.add_key(NewKey::of(key, now)).await.expect("a key");
    let mut client = Client::new(ClientId::new("web"), "Web".into(), 1, now);
    client.redirect_uris = vec!["https://app.example/callback".into()];
    store.create_client(client).await.expect("a client");
    Routes(Arc::new(App::new(settings, store, Clock::System, Random::System).expect("a provider")))
}

/// Prints the median time of one call.
fn row<T>(name: &str, mut call: impl FnMut() -> T) {
    let started = Instant::now();
    let mut calls = 0_u32;
    while started.elapsed() < RUN {
        black_box(call());
        calls += 1;
    }
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            started.elapsed() / calls
        })
        .collect();
    times.sort();
    println!("{name:<40} {:>10.2} µs", times[RUNS / 2].as_secs_f64() * 1e6);
}
