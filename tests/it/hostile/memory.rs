//! A barrage against the real binary: what it holds in memory stays within what the settings allow.

use std::fs;

use tokio::task::JoinSet;

use super::socket::{Socket, exchange, status};
use crate::harness::process::Process;
use crate::harness::*;

/// What the settings of this test allow to be held for others: each connection a head, each request a body.
const CONNECTIONS: usize = 128;
const REQUESTS: usize = 32;
const HEAD: usize = 32 << 10;
const BODY: usize = 256 << 10;

/// What the program may take in all, in KiB: what it has by itself (14 MiB as it starts), and twice what it may hold for others, since a
/// buffer that grows is there twice for a moment and allocators keep some of what was given back.
const MOST: usize = (24 << 10) + 2 * (CONNECTIONS * HEAD + REQUESTS * BODY) / 1024;

/// Many at a time.
const TOGETHER: usize = 64;

/// Sends each of these over a connection of its own, many at a time, and reads what comes back.
async fn flood(issuer: &str, count: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<Option<u16>> {
    let mut answers = Vec::new();
    let mut under_way = JoinSet::new();
    for index in 0..count {
        if under_way.len() == TOGETHER {
            answers.extend(under_way.join_next().await.unwrap());
        }
        let (issuer, bytes) = (issuer.to_owned(), make(index));
        under_way.spawn(async move { status(&exchange(&issuer, bytes).await) });
    }
    answers.extend(under_way.join_all().await);
    answers
}

#[tokio::test]
async fn a_barrage_is_answered_within_bounded_memory() {
    let directory = tempfile::tempdir().unwrap();
    let settings = format!(
        "http.max_connections = {CONNECTIONS}\nhttp.max_in_flight = {REQUESTS}\n\
         http.trusted_proxies = [\"127.0.0.1\"]"
    );
    let process = Process::start_new_with(directory.path(), &settings).await;
    let issuer = process.issuer.as_str();
    let before = process.memory("VmHWM:");
    let form = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n";
    let post = |path: &str, lines: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{form}{lines}\r\n{body}").into_bytes()
    };
    let sized = |path: &str, body: &str| post(path, &format!("Content-Length: {}\r\n", body.len()), body);

    // Heads of a megabyte: 200 MiB in all.
    let large = "x".repeat(1 << 20);
    let heads = flood(issuer, 200, |index| match index % 3 {
        0 => format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {large}\r\n\r\n").into_bytes(),
        1 => format!("GET /authorize?{large} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes(),
        _ => format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(100_000)).into_bytes(),
    });
    assert!(heads.await.iter().all(|status| *status == Some(431)));

    // Bodies without end: as much as is taken of 8 MiB each.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = chunk.repeat(128);
    let bodies = flood(issuer, 100, |_| post("/token", "Transfer-Encoding: chunked\r\n", &endless));
    // Where the connection is reset over what is still on its way, the answer may be lost.
    assert!(bodies.await.iter().all(|status| [Some(413), Some(503), None].contains(status)));

    // Parameters, as many as a body has room for.
    let many = "a&".repeat(120 << 10);
    let parameters = flood(issuer, 100, |index| sized(["/token", "/authorize", "/login", "/logout"][index % 4], &many));
    assert!(parameters.await.iter().all(|status| [Some(400), Some(503)].contains(status)));

    // No HTTP at all, and the beginning of HTTP/2 with nothing behind it that is.
    let noise: Vec<u8> = (0..64_u32 << 10).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    flood(issuer, 200, |index| if index % 2 == 0 { noise.clone() } else { [&preface[..], &noise].concat() }).await;

    // Long values that are sealed and carried along, from browsers that are never seen again.
    let state = "s".repeat(8000);
    let query = hallpass::base::form::render(request(&[("state", &state)]));
    let sealed = flood(issuer, 500, |_| {
        format!("GET /authorize?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
    });
    assert!(sealed.await.iter().all(|status| [Some(303), Some(503)].contains(status)));

    // As much as may be held, and held: bodies that lack their last byte, and heads behind them.
    let mut held = Vec::new();
    for index in 0..CONNECTIONS - 8 {
        let mut socket = Socket::open(issuer).await;
        if index < REQUESTS {
            // From two addresses, since none gets all places. RFC 9110 section 10.1.1: the body is waited for.
            let from = format!("X-Forwarded-For: 192.0.2.{}\r\nExpect: 100-continue\r\n", index % 2);
            socket.send(post("/token", &format!("{from}Content-Length: {BODY}\r\n"), "")).await;
            socket.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
            socket.send("x".repeat(BODY - 1)).await;
        } else {
            socket.send(format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}", "x".repeat(HEAD - 100))).await;
        }
        held.push(socket);
    }
    let healthy = exchange(issuer, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&healthy), Some(200), "{healthy}");
    let peak = process.memory("VmHWM:");
    drop(held);

    assert!(peak < MOST, "{peak} KiB, {before} before; {MOST} are allowed");
    // Whoever held everything has gone, and it goes on as before.
    while process.token(&[("grant_type", "x")]).await.status == 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(process.token(&[("grant_type", "x")]).await.error(), "unsupported_grant_type");
    let (status, log) = process.stop();
    assert_eq!(status, Some(0));
    assert!(!log.contains("panic") && !log.contains("\"ERROR\""), "{log:.2000}");
    let logged = fs::metadata(directory.path().join("log")).unwrap().len();
    assert!(logged < 4 << 20, "the log has grown by {logged} bytes");
}
