//! The server over real sockets, answering for a toy.

mod slow;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::{Handler, Options, Routes, run, serve};
use crate::app::App;
use crate::app::cookie::{Cookie, Lifetime, Site};
use crate::app::reply::Reply;
use crate::app::request::{Request, RequestError};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::jose::seal::ServerKey;
use crate::settings::{Settings, Sources};
use crate::store::{self, Store};

/// Answers by path. `/wait` reports that it began and waits until it is let go on.
#[derive(Clone)]
struct Toy {
    began: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Handler for Toy {
    fn always_answers(&self, request: &Request) -> bool {
        request.path() == "/alive"
    }

    async fn handle(&self, mut request: Request) -> Reply {
        let refusal = |error: RequestError| Reply::text(error.to_string()).status(error.status());
        match request.path() {
            "/" | "/alive" => Reply::text("hello"),
            "/large" => Reply::bytes(hyper::header::HeaderValue::from_static("x/y"), vec![b'x'; 64 << 20]),
            "/address" => Reply::text(request.client_address().to_string()),
            "/panic" => panic!("on purpose"),
            "/body" => request.body().await.map_or_else(refusal, |body| Reply::text(body.len().to_string())),
            "/wait" => {
                self.began.add_permits(1);
                self.go_on.acquire().await.unwrap().forget();
                Reply::text("waited")
            }
            "/redirect" => {
                let query = request.query().unwrap();
                let to = query.get("to").unwrap_or_default();
                Reply::redirect_see_other(to)
                    .cookie(Cookie::new(Site::Https { port: 443 }, "toy").set(to, Lifetime::BrowserSession))
                    .text_header(hyper::header::WWW_AUTHENTICATE, to)
            }
            _ => Reply::empty(StatusCode::NOT_FOUND),
        }
    }
}

struct Server {
    address: SocketAddr,
    toy: Toy,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let toy = Toy { began: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(0)) };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(vec![second, listener], toy.clone(), options, async {
            let _ = stopped.await;
        }));
        Self { address, toy, stop, serving }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Everything that comes back for `bytes`, until the server closes.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }

    async fn waiting(&self) {
        self.toy.began.acquire().await.unwrap().forget();
    }
}

struct Client(TcpStream);

impl Client {
    /// Sends as much as the server takes.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// What comes until the server closes; what came before a reset counts.
    async fn rest(&mut self) -> String {
        let mut received = Vec::new();
        let _ = self.0.read_to_end(&mut received).await;
        String::from_utf8(received).unwrap()
    }

    /// One answer whose body ends with `last`.
    async fn answer(&mut self, last: &str) -> String {
        let mut received = String::new();
        let mut buffer = [0; 4096];
        while !received.ends_with(last) {
            let read = self.0.read(&mut buffer).await.unwrap();
            assert!(read > 0, "closed after {received:?}");
            received += std::str::from_utf8(&buffer[..read]).unwrap();
        }
        received
    }
}

const SHORT: Duration = Duration::from_millis(50);
const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn is(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

#[tokio::test]
async fn an_answer_carries_length_date_and_a_request_id_of_ours() {
    let server = Server::start(Options::default()).await;
    let sent = "GET / HTTP/1.1\r\nhost: x\r\nx-request-id: mine\r\nconnection: close\r\n\r\n";
    let answer = server.exchange(sent).await;
    assert!(is(&answer, 200) && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 5\r\n") && answer.contains("\r\ndate: "), "{answer}");
    let id = answer.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert_eq!(id.len(), 16, "{answer}");
    assert!(is(&server.get("/nothing").await, 404));
}

#[tokio::test]
async fn rfc9112_3_2_a_request_has_exactly_one_host() {
    let server = Server::start(Options::default()).await;
    assert!(is(&server.exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await, 400));
    assert!(is(&server.exchange("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n").await, 400));
    assert!(server.exchange("GET / HTTP/1.0\r\n\r\n").await.ends_with("hello"));
}

#[tokio::test]
async fn a_truncated_or_broken_request_ends_its_connection_only() {
    let server = Server::start(Options::default()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nho").await;
    client.0.shutdown().await.unwrap();
    assert!(!client.rest().await.contains("200"));
    assert!(is(&server.exchange("\0\x01\x02 nonsense\r\n\r\n").await, 400));
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    client.0.shutdown().await.unwrap();
    assert!(!client.rest().await.contains("200"));
    assert!(is(&server.get("/").await, 200));
}

#[tokio::test]
async fn silent_connections_and_unfinished_heads_are_closed_at_their_deadlines() {
    let options = Options { first_byte_deadline: SHORT, head_deadline: 2 * SHORT, ..Options::default() };
    let server = Server::start(options).await;
    for (sent, after) in [("", SHORT), ("GET / HT", 2 * SHORT), ("PRI * HTTP/2.0\r\n", 2 * SHORT)] {
        let began = Instant::now();
        assert_eq!(server.exchange(sent).await, "", "{sent:?}");
        let took = began.elapsed();
        assert!(after <= took + Duration::from_millis(2) && took < Duration::from_secs(5), "{sent:?} took {took:?}");
    }
    let options = Options { idle_deadline: SHORT, ..Options::default() };
    assert!(Server::start(options).await.exchange(GET).await.ends_with("hello"), "unused after an answer");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let server = Server::start(Options { idle_deadline: SHORT, ..Options::default() }).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.answer("xxx").await;
    // The stop waits for connections, and this one never ends by itself.
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    assert!(began.elapsed() < Options::default().stop_deadline);
}

#[tokio::test]
async fn heads_that_are_too_large_get_431() {
    let server = Server::start(Options::default()).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(is(&server.exchange(long).await, 431));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert!(is(&server.exchange(many).await, 431));
    let mut endless = server.connect().await;
    endless.send("GET / HTTP/1.1\r\n").await;
    while endless.0.write_all(b"a: b\r\n").await.is_ok() {}
    assert!(is(&server.get("/").await, 200));
}

#[tokio::test]
async fn bodies_that_are_too_large_get_413_before_they_are_read() {
    let server = Server::start(Options::default()).await;
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n").await;
    assert!(is(&client.rest().await, 413));
    let head = "POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(64);
    assert!(is(&server.exchange(format!("{head}{chunks}0\r\n\r\n")).await, 413));
    let fits = format!("POST /body HTTP/1.0\r\ncontent-length: 65536\r\n\r\n{}", "x".repeat(65536));
    assert!(server.exchange(fits).await.ends_with("65536"));
}

#[tokio::test]
async fn a_body_that_does_not_end_gets_408() {
    let mut options = Options::default();
    options.limits.body_deadline = SHORT;
    let server = Server::start(options).await;
    for framing in ["content-length: 10", "transfer-encoding: chunked"] {
        let answer = server.exchange(format!("POST /body HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n1\r\n")).await;
        assert!(is(&answer, 408), "{answer}");
    }
}

#[tokio::test]
async fn rfc9112_9_3_2_pipelined_requests_are_answered_in_order() {
    let server = Server::start(Options::default()).await;
    let post = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let last = "GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = server.exchange(format!("{GET}{post}{last}")).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).filter_map(|one| one.get(..3)).collect();
    assert_eq!(statuses, ["200", "200", "404"], "{answers}");
    assert!(answers.find("hello").unwrap() < answers.find("\r\n\r\n3").unwrap());
}

#[tokio::test]
async fn rfc9110_9_3_2_head_gets_the_headers_of_get() {
    let server = Server::start(Options::default()).await;
    let answer = server.exchange("HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("\r\ncontent-length: 5\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn rfc9113_3_3_http2_with_prior_knowledge() {
    let server = Server::start(Options::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (method, status, body) in [("GET", 200, "hello"), ("HEAD", 200, "")] {
        let request = hyper::Request::builder().method(method).uri("http://x/").body(Empty::<Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-length"]),
            (status, &"5".parse().unwrap())
        );
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    }
    let request = |path: &str| hyper::Request::get(format!("http://x{path}")).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.send_request(request("/panic")).await.unwrap().status(), 500);
    let waiting = tokio::spawn(client.send_request(request("/wait")));
    server.waiting().await;
    server.stop.send(()).unwrap();
    server.toy.go_on.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200, "a request under way is answered");
    drop(client);
    connection.await.unwrap().unwrap();
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let server = Server::start(Options { connections: 1, ..Options::default() }).await;
    let mut first = server.connect().await;
    first.send(GET).await;
    first.answer("hello").await;
    let mut second = server.connect().await;
    second.send(GET).await;
    first.send(GET).await;
    first.answer("hello").await;
    let error = second.0.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "not answered while the first is there");
    drop(first);
    second.answer("hello").await;
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room() {
    let server = Server::start(Options { connections: 3, ..Options::default() }).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.waiting().await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        client.send(GET).await;
        client.answer("hello").await;
    }
    // Signs of life are told apart by the millisecond.
    let before = Instant::now();
    while before.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    first.send(GET).await;
    first.answer("hello").await;
    assert!(is(&server.get("/").await, 200), "the new one");
    assert_eq!(second.rest().await, "", "was idle for the longest time");
    first.send(GET).await;
    first.answer("hello").await;
    server.toy.go_on.add_permits(1);
    busy.answer("waited").await;
}

#[tokio::test]
async fn requests_beyond_the_cap_get_503() {
    let server = Server::start(Options { requests: 1, ..Options::default() }).await;
    let mut first = server.connect().await;
    first.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.waiting().await;
    let refused = server.get("/").await;
    assert!(is(&refused, 503) && refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    server.toy.go_on.add_permits(1);
    first.answer("waited").await;
    assert!(is(&server.get("/").await, 200));
}

#[tokio::test]
async fn the_stop_lets_requests_under_way_finish_and_closes_idle_connections() {
    let server = Server::start(Options::default()).await;
    let mut idle = server.connect().await;
    idle.send(GET).await;
    idle.answer("hello").await;
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.waiting().await;
    server.stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "no new connections");
    server.toy.go_on.add_permits(1);
    let answer = client.rest().await;
    assert!(is(&answer, 200) && answer.contains("connection: close") && answer.ends_with("waited"), "{answer}");
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_stop_waits_no_longer_than_its_deadline() {
    let server = Server::start(Options { stop_deadline: SHORT, ..Options::default() }).await;
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.waiting().await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_panic_is_a_500_and_ends_nothing_else() {
    let server = Server::start(Options::default()).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = client.answer(".\n").await;
    assert!(is(&answer, 500) && !answer.contains("on purpose"), "{answer}");
    client.send(GET).await;
    client.answer("hello").await;
}

#[tokio::test]
async fn what_a_client_sends_cannot_become_a_header_line() {
    let server = Server::start(Options::default()).await;
    let answer = server.get("/redirect?to=%0D%0Ax-injected:1%0D%0A%0D%0A%3Cp%3E").await;
    assert!(is(&answer, 303), "{answer}");
    assert!(answer.contains("\r\nlocation: %0D%0Ax-injected:1%0D%0A%0D%0A<p>\r\n"), "{answer}");
    assert!(!answer.contains("\r\nx-injected") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn the_client_address_is_the_peers_unless_a_trusted_proxy_says_otherwise() {
    let sent = "GET /address HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\nconnection: close\r\n\r\n";
    assert!(Server::start(Options::default()).await.exchange(sent).await.ends_with("\r\n\r\n127.0.0.1"));
    let options = Options { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Options::default() };
    assert!(Server::start(options).await.exchange(sent).await.ends_with("\r\n\r\n192.0.2.1"));
}

#[tokio::test]
async fn https_issuers_ask_for_https_from_then_on() {
    let answer = async |issuer: &str, hsts: &str| {
        let settings = Settings::load(&Sources::default().set("issuer", issuer).set("http.hsts", hsts)).unwrap();
        let store = Store::in_memory(ServerKey::generate(&Random::System), &store::Options::default()).unwrap();
        let app = App::new(settings, store, Clock::System, Random::System).unwrap();
        Server::start(run::options(&app)).await.get("/").await
    };
    let year = answer("https://id.example", "365d").await;
    assert!(year.contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{year}");
    for (issuer, hsts) in [("https://id.example", "0"), ("http://localhost:8000", "365d")] {
        let none = answer(issuer, hsts).await;
        assert!(!none.contains("strict-transport-security"), "{issuer} {hsts}: {none}");
    }
}

/// What is logged meanwhile, by servers of the same test: its runtime has one thread.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        Self::capture_from(tracing::Level::INFO)
    }

    fn capture_from(level: tracing::Level) -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(level).with_writer(move || writer.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn forwarded_requests_from_a_proxy_that_is_not_trusted_are_said_once() {
    let (lines, _until_the_end) = Lines::capture();
    let forwarded = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.7\r\nconnection: close\r\n\r\n";
    let said = || lines.text().matches("http.trusted_proxies").count();
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let trusting = Server::start(Options { trusted_proxies: trusted, ..Options::default() }).await;
    trusting.exchange(forwarded).await;
    let server = Server::start(Options::default()).await;
    server.get("/").await;
    assert_eq!(said(), 0, "{}", lines.text());
    server.exchange(forwarded).await;
    assert_eq!(said(), 1, "{}", lines.text());
    server.exchange(forwarded.replace("x-forwarded-for: ", "forwarded: for=")).await;
    assert_eq!(said(), 1);
}

#[tokio::test]
async fn the_log_says_what_there_is_too_much_of() {
    let settings = Settings::load(&Sources::default().set("issuer", "https://id.example")).unwrap();
    let store = Store::in_memory(ServerKey::generate(&Random::System), &store::Options::default()).unwrap();
    let app = Arc::new(App::new(settings, store, Clock::System, Random::System).unwrap());
    let head = "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n";
    for (requests, bodies, sent, reason) in [
        (1, 0, head.to_owned(), "too many request bodies are on their way"),
        (0, 1, format!("{head}a=b"), "http.max_in_flight requests are being answered"),
    ] {
        let (lines, _until_the_end) = Lines::capture();
        let options = Options { requests, bodies, ..Options::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Client(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        tokio::spawn(serve(vec![listener], Routes(Arc::clone(&app)), options, std::future::pending()));
        client.send(sent).await;
        let answer = client.rest().await;
        assert!(is(&answer, 503), "{answer}");
        assert!(lines.text().contains(reason), "{reason}: {}", lines.text());
    }
}

#[tokio::test]
async fn the_access_line_names_the_path_but_nothing_secret() {
    let (lines, _until_the_end) = Lines::capture();
    let server = Server::start(Options::default()).await;
    let sent = "GET /nothing?code=s3cret HTTP/1.1\r\nhost: x\r\ncookie: a=s3cret\r\nauthorization: Bearer s3cret\r\nconnection: close\r\n\r\n";
    server.exchange(sent).await;
    let text = lines.text();
    let line: serde_json::Value =
        serde_json::from_str(text.lines().find(|line| line.contains("hallpass::access")).unwrap()).unwrap();
    let fields = &line["fields"];
    assert_eq!((&fields["method"], &fields["path"]), (&"GET".into(), &"/nothing".into()));
    assert_eq!((&fields["status"], &fields["peer"]), (&404.into(), &"127.0.0.1".into()));
    assert!(!text.contains("s3cret"), "{text}");
}
