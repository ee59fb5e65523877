//! Bodies: cut off, without end, too large, of the wrong kind, and with more in them than anybody needs.

use super::endpoint::{ADMIN_TOKEN, Carrier, Endpoint, TABLE};
use super::socket::{Socket, exchange, status};
use super::verdict::{Channel, parse_challenge};
use crate::harness::inspect::assert_no_internals;
use crate::harness::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The rows that take a body.
fn rows() -> impl Iterator<Item = &'static Endpoint> {
    TABLE.iter().filter(|row| row.carrier != Carrier::Query)
}

/// The head of a request that brings a body, with this framing.
fn head(row: &Endpoint, framing: &str) -> String {
    let (path, kind) = match row.carrier {
        Carrier::Json => (format!("/api/admin/v1/{}", row.path.replace(['{', '}'], "")), JSON),
        _ => (row.path.to_owned(), FORM),
    };
    let token = if row.channel == Channel::Problem {
        format!("Authorization: Bearer {ADMIN_TOKEN}\r\n")
    } else {
        String::new()
    };
    format!("{} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{token}{framing}\r\n\r\n", row.method)
}

/// That an answer has this status, and the form of its endpoint's channel.
#[track_caller]
fn assert_refused(row: &Endpoint, answer: &str, expected: u16) {
    let what = format!("{} {}: {answer}", row.method, row.path);
    assert_eq!(status(answer), Some(expected), "{what}");
    assert!(answer.contains("\r\ncache-control: no-store\r\n"), "{what}");
    assert_no_internals(answer, &what);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    match row.channel {
        Channel::Authorization | Channel::Page => assert!(body.contains("id=\"error-page\""), "{what}"),
        Channel::Json => assert!(body.starts_with("{\"error\":\"invalid_request\",\"error_description\":\""), "{what}"),
        Channel::Bearer | Channel::Proxy => {
            let (scheme, parameters) = parse_challenge(line("www-authenticate: ")).unwrap_or_else(|| panic!("{what}"));
            assert!(scheme == "Bearer" && parameters.contains(&("error".into(), "invalid_request".into())), "{what}");
        }
        Channel::Problem => assert_eq!(line("content-type: "), "application/problem+json", "{what}"),
    }
}

#[tokio::test]
async fn rfc9112_8_a_body_that_is_cut_off_changes_nothing() {
    let provider = Provider::start_for_development_with(&[("admin.token", ADMIN_TOKEN)]).await;
    for row in rows() {
        let body = if row.carrier == Carrier::Json { "{\"client_name\":\"x\"}" } else { "grant_type=x&decision=allow" };
        let length = format!("Content-Length: {}", body.len());
        for (framing, body) in [
            (length.as_str(), body.to_owned()),
            ("Transfer-Encoding: chunked", format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        ] {
            for cut in (0..body.len()).step_by(3).chain([body.len() - 1]) {
                let mut socket = Socket::open(&provider.issuer).await;
                socket.send(format!("{}{}", head(row, framing), &body[..cut])).await;
                socket.close().await;
                let answer = socket.text().await;
                // Whoever hung up needs no answer; who only stopped sending gets one.
                if !answer.is_empty() {
                    assert_refused(row, &answer, 400);
                }
            }
        }
    }
}

#[tokio::test]
async fn rfc9110_15_5_9_a_body_that_never_ends_gets_408() {
    let settings = [("admin.token", ADMIN_TOKEN), ("http.body_timeout", "1s")];
    let provider = Provider::start_for_development_with(&settings).await;
    let mut waiting = Vec::new();
    // All at the same time, so that their deadlines pass together.
    for row in rows() {
        for (framing, begun) in
            [("Content-Length: 1000", "a=b"), ("Content-Length: 3", ""), ("Transfer-Encoding: chunked", "3\r\na=b\r\n")]
        {
            let mut socket = Socket::open(&provider.issuer).await;
            socket.send(head(row, framing) + begun).await;
            waiting.push((row, socket));
        }
    }
    for (row, mut socket) in waiting {
        assert_refused(row, &socket.text().await, 408);
    }
    assert_eq!(provider.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn whoever_stalls_bodies_keeps_nobody_else_out() {
    let settings = [("http.max_in_flight", "1"), ("http.trusted_proxies", "[\"127.0.0.1\"]")];
    let provider = Provider::start_with(&settings).await;
    let ask = async |address: &str| {
        let head = format!("GET /jwks HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\nConnection: close\r\n\r\n");
        exchange(&provider.issuer, head).await
    };
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut socket = Socket::open(&provider.issuer).await;
        let lines = "X-Forwarded-For: 192.0.2.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 3";
        let head = format!("POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n{lines}\r\n\r\n");
        socket.send(head).await;
        // RFC 9110 section 10.1.1: the body is waited for from now on.
        socket.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
        stalled.push(socket);
    }
    let body = |address: &str| {
        let lines =
            format!("X-Forwarded-For: {address}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 3");
        format!("POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n{lines}\r\n\r\n")
    };
    let refused = exchange(&provider.issuer, body("192.0.2.1")).await;
    assert!(refused.contains("HTTP/1.1 503 ") && refused.contains("\"temporarily_unavailable\""), "{refused}");
    let mut other = Socket::open(&provider.issuer).await;
    other.send(format!("{}a=b", body("192.0.2.2"))).await;
    assert!(other.text().await.contains("HTTP/1.1 400 "), "others have places for their bodies");
    assert_eq!(
        status(&ask("192.0.2.1").await),
        Some(200),
        "whoever waits for a body takes no place of those that work"
    );
    assert_eq!(status(&ask("192.0.2.2").await), Some(200), "nor do they keep others out");
    for socket in &mut stalled {
        socket.send("a=b").await;
        assert_eq!(status(&socket.text().await), Some(400));
    }
}

#[tokio::test]
async fn rfc9110_15_5_14_bodies_that_are_too_large_get_413_and_are_not_read_on() {
    let provider = Provider::start_for_development_with(&[("admin.token", ADMIN_TOKEN)]).await;
    for row in rows() {
        // By its own account: nothing of it needs to come.
        for length in ["262145", "18446744073709551615"] {
            let answer = exchange(&provider.issuer, head(row, &format!("Content-Length: {length}"))).await;
            // What no counter holds is refused by the HTTP library.
            if status(&answer) != Some(431) || length.len() < 20 {
                assert_refused(row, &answer, 413);
            }
        }
        // Without end.
        let mut socket = Socket::open(&provider.issuer).await;
        socket.send(head(row, "Transfer-Encoding: chunked")).await;
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        let mut chunks = 0;
        while chunks < 16_384 && socket.send(&chunk).await {
            chunks += 1;
        }
        assert!(chunks < 16_384, "{}: {chunks} chunks were taken", row.path);
    }
    assert_eq!(provider.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn rfc9110_15_5_16_bodies_of_another_kind_get_415_or_are_not_looked_at() {
    let provider = Provider::start_for_development_with(&[("admin.token", ADMIN_TOKEN)]).await;
    for row in rows() {
        for kind in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded;charset=\"",
            "application/xml",
            "application",
            "*/*",
            "",
        ] {
            let body = "a=b";
            let sent = head(row, &format!("Content-Length: {}\r\nConnection: close", body.len()));
            let sent = sent.replace(FORM, kind).replace(JSON, kind) + body;
            let answer = exchange(&provider.issuer, sent).await;
            if row.channel == Channel::Bearer {
                // OpenID Connect Core 1.0 section 5.3.1: the token may stand in the header, and the body is not for us then.
                assert_eq!(status(&answer), Some(401), "{kind}: {answer}");
                continue;
            }
            assert_refused(row, &answer, 415);
        }
        let sent =
            head(row, "Content-Length: 3\r\nConnection: close").replacen("Content-Type", "Content-Typ", 1) + "a=b";
        let answer = exchange(&provider.issuer, sent).await;
        assert!([Some(415), Some(401)].contains(&status(&answer)), "without a type: {answer}");
    }
}

#[tokio::test]
async fn ten_thousand_parameters_are_too_many_everywhere() {
    let provider = Provider::start_for_development_with(&[("admin.token", ADMIN_TOKEN)]).await;
    let bodies = [
        (0..10_000).map(|index| format!("p{index}=&")).collect::<String>(),
        "a=1&".repeat(10_000),
        "a&".repeat(10_000),
        "=&".repeat(10_000),
    ];
    for row in rows().filter(|row| row.carrier == Carrier::Form) {
        for body in &bodies {
            let sent = head(row, &format!("Content-Length: {}\r\nConnection: close", body.len())) + body;
            assert_refused(row, &exchange(&provider.issuer, sent).await, 400);
        }
        // What is between parameters is none.
        let nothing = "&".repeat(10_000);
        let sent = head(row, &format!("Content-Length: {}\r\nConnection: close", nothing.len())) + &nothing;
        let answer = exchange(&provider.issuer, sent).await;
        assert!(status(&answer).is_some_and(|status| status < 500), "{answer}");
    }
    for path in ["/authorize", "/login", "/consent", "/playground", "/playground/callback", "/asset/hallpass.css"] {
        let (query, host) = ("a=1&".repeat(1000), provider.issuer.strip_prefix("http://").unwrap());
        let sent = format!("GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&provider.issuer, sent).await;
        assert_eq!(status(&answer), Some(400), "{path}: {answer}");
        assert_no_internals(&answer, path);
    }
}
