//! Heads: cut off, without end, too large, not HTTP, and everything that two readers may understand in two ways.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::endpoint::TABLE;
use super::socket::{Socket, exchange, status};
use crate::harness::inspect::assert_no_internals;
use crate::harness::*;

/// Deadlines that pass at once, so that nothing has to be waited for.
const AT_ONCE: [(&str, &str); 3] =
    [("http.header_timeout", "1s"), ("http.first_byte_timeout", "1s"), ("http.idle_timeout", "1s")];

/// Whether the server still answers.
async fn assert_well(provider: &Provider) {
    assert_eq!(provider.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn rfc9112_8_a_head_that_is_cut_off_is_never_answered_as_though_it_were_whole() {
    let provider = Provider::start().await;
    let body = "grant_type=authorization_code&code=hpc_A";
    let whole = format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic d2ViOng=\r\n\
         Cookie: a=b\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for cut in 0..whole.len() {
        let mut socket = Socket::open(&provider.issuer).await;
        socket.send(&whole[..cut]).await;
        socket.close().await;
        let answer = socket.text().await;
        // What has a head gets an answer about its body; its body is not used.
        let expected = if cut < whole.len() - body.len() { [None, Some(400)] } else { [Some(400), None] };
        assert!(expected.contains(&status(&answer)), "{cut}: {answer}");
        assert!(!answer.contains("invalid_client"), "{cut}: {answer}");
        assert_no_internals(&answer, "a cut head");
    }
    let answer = exchange(&provider.issuer, whole).await;
    assert!(answer.contains("invalid_client"), "{answer}");
}

#[tokio::test]
async fn heads_that_stop_are_closed_at_their_deadline() {
    let provider = Provider::start_with(&AT_ONCE).await;
    // All at the same time, so that their deadlines pass together.
    let heads = [
        "",
        "G",
        "GET /token",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nCookie: a",
        "PRI * HTTP/2.0\r\n\r\nSM",
    ];
    let mut sockets = Vec::new();
    for head in heads {
        let mut socket = Socket::open(&provider.issuer).await;
        socket.send(head).await;
        sockets.push(socket);
    }
    for (mut socket, head) in sockets.into_iter().zip(heads) {
        let answer = socket.rest().await;
        // To HTTP/2 something may be said that is no answer.
        assert!(status(&String::from_utf8_lossy(&answer)).is_none(), "{head:?}: {answer:?}");
    }
    assert_well(&provider).await;
}

#[tokio::test]
async fn rfc6585_5_heads_that_are_too_large_get_431_at_every_address() {
    let provider = Provider::start().await;
    let mut paths: Vec<&str> = TABLE.iter().filter(|row| row.path.starts_with('/')).map(|row| row.path).collect();
    paths.extend(["/nothing", "/api/admin/v1/clients"]);
    paths.dedup();
    let large = "x".repeat(1 << 20);
    for path in paths {
        for head in [
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {large}\r\n\r\n"),
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {large}\r\n\r\n"),
            format!("GET {path}?{large} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(10_000)),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", format!("Cookie: {}\r\n", "x".repeat(4000)).repeat(90)),
        ] {
            let answer = exchange(&provider.issuer, &head).await;
            assert_eq!(status(&answer), Some(431), "{path}: {answer}");
            assert_no_internals(&answer, path);
        }
    }
    assert_well(&provider).await;
}

#[tokio::test]
async fn heads_without_end_are_refused_while_they_come() {
    let provider = Provider::start().await;
    for (first, next) in
        [("GET / HTTP/1.1\r\n", "a: b\r\n"), ("GET / HTTP/1.1\r\na: ", "b"), ("GET /", "a"), ("", "A"), ("", "\r\n")]
    {
        let mut socket = Socket::open(&provider.issuer).await;
        socket.send(first).await;
        let piece = next.repeat(16 << 10);
        // The server hangs up at a bound, far below what is tried here.
        let mut sent = 0;
        while sent < 256 << 20 && socket.send(&piece).await {
            sent += piece.len();
        }
        assert!(sent < 256 << 20, "{first:?}{next:?}: {sent} bytes were taken");
    }
    assert_well(&provider).await;
}

#[tokio::test]
async fn rfc9112_requests_that_can_be_read_in_two_ways_are_refused() {
    let provider = Provider::start().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n");
    let post = |lines: &str, body: &str| format!("POST /token HTTP/1.1\r\nHost: x\r\n{form}{lines}\r\n{body}");
    for request in [
        get(""),
        get("Host: x\r\nHost: y\r\n"),
        get("Host: x\r\n folded: y\r\n"),
        get("Host: x\r\nname : y\r\n"),
        get("Host: x\r\nna me: y\r\n"),
        get("Host: x\r\n: y\r\n"),
        get("Host: x\r\nname: a\0b\r\n"),
        get("Host: x\r\nname: a\rb\r\n"),
        get("Host: x\r\nno colon\r\n"),
        "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "GET /healthz HTTP/1.1 x\r\nHost: x\r\n\r\n".into(),
        "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n".into(),
        "GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "G\0T /healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "GET /healthz\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{7f}\u{3}\u{3}\r\n\r\n".into(),
        post("Content-Length: 3\r\nContent-Length: 4\r\n", "a=bc"),
        post("Content-Length: 3, 4\r\n", "a=bc"),
        post("Content-Length: -1\r\n", ""),
        post("Content-Length: +3\r\n", "a=b"),
        post("Content-Length: 0x3\r\n", "a=b"),
        post("Content-Length: 99999999999999999999999\r\n", "a=b"),
        post("Content-Length: \r\n", "a=b"),
        post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "zz\r\na=b\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "-3\r\na=b\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\na=b\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "3\r\na=bXX0\r\n\r\n"),
    ] {
        let mut socket = Socket::open(&provider.issuer).await;
        socket.send(&request).await;
        socket.close().await;
        let answer = socket.text().await;
        let found = status(&answer);
        assert!(answer.is_empty() || found.is_some_and(|status| (400..500).contains(&status)), "{request:?}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "two answers to {request:?}: {answer}");
        assert_no_internals(&answer, &request);
    }
    assert_well(&provider).await;
}

/// Method, target, headers, body, and the statuses that are right.
type Case<'a> = (&'a str, String, Vec<(&'a str, &'a str)>, &'a str, &'a [u16]);

#[tokio::test]
async fn rfc9113_10_5_1_http2_has_the_same_bounds() {
    let provider = Provider::start().await;
    let address = provider.issuer.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let form = "application/x-www-form-urlencoded";
    let long = "x".repeat(40 << 10);
    let many: String = (0..10_000).map(|index| format!("p{index}=&")).collect();
    let beyond = "x".repeat(257 << 10);
    let cases: [Case<'_>; 9] = [
        ("GET", "/healthz".into(), vec![("cookie", &long)], "", &[431]),
        ("GET", format!("/authorize?{long}"), vec![], "", &[431, 400]),
        ("GET", "/authorize?state=%00".into(), vec![], "", &[400]),
        ("POST", "/token".into(), vec![("content-type", form)], &many, &[400]),
        ("POST", "/token".into(), vec![("content-type", form)], &beyond, &[413]),
        ("POST", "/token".into(), vec![("content-type", "application/json")], "{}", &[415]),
        ("POST", "/token".into(), vec![("content-type", form), ("authorization", "Basic %%%")], "a=b", &[401]),
        ("GET", "/userinfo".into(), vec![("authorization", "Bearer a b")], "", &[401]),
        ("PATCH", "/token".into(), vec![], "", &[405]),
    ];
    for (method, target, headers, body, expected) in cases {
        let mut request = hyper::Request::builder().method(method).uri(format!("{}{target}", provider.issuer));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let what = format!("{method} {target:.40}");
        let response = client.send_request(request).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(expected.contains(&response.status().as_u16()), "{what}: {response:?}");
        // An answer that comes before its body was sent may end it.
        if let Ok(body) = response.into_body().collect().await {
            assert_no_internals(&String::from_utf8_lossy(&body.to_bytes()), &what);
        }
    }
    assert_well(&provider).await;
}
