//! Clients that are slow to send or to take, on purpose.

use super::*;

/// A client that speaks HTTP/2 frame by frame (RFC 9113 section 4.1).
struct Frames(TcpStream);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

impl Frames {
    /// Begins a connection on which the server may send this much of each answer.
    async fn connect(server: &Server, window: u32) -> Self {
        let mut frames = Self(server.connect().await.0);
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let initial_window_size = [[0, 4].as_slice(), &window.to_be_bytes()].concat();
        frames.send(SETTINGS, 0, 0, &initial_window_size).await.unwrap();
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await
    }

    /// The head of a request, in HPACK without its tables of the connection (RFC 7541 section 6.2.2).
    async fn request(&mut self, stream: u32, method: &str, path: &str, flags: u8) {
        let literal = |index: u8, text: &str| [&[index, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let head = [vec![0x86], literal(2, method), literal(4, path), literal(1, "x")].concat();
        self.send(HEADERS, flags | END_HEADERS, stream, &head).await.unwrap();
    }

    async fn get(&mut self, stream: u32, path: &str) {
        self.request(stream, "GET", path, END_STREAM).await;
    }

    /// The next frame: kind, stream and payload; `None` when the server has closed.
    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [one, two, three, kind, _flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, one, two, three]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, u32::from_be_bytes(stream), payload))
    }

    /// The next frame of this kind.
    async fn until(&mut self, wanted: u8) -> (u32, Vec<u8>) {
        loop {
            let (kind, stream, payload) = self.next().await.expect("the server goes on");
            if kind == wanted {
                return (stream, payload);
            }
        }
    }

    /// Pings, and reads the answers, until the server closes. How long it took.
    async fn ping_on(&mut self) -> Duration {
        let began = Instant::now();
        while self.send(PING, 0, 0, b"and else").await.is_ok() && self.next().await.is_some() {
            assert!(began.elapsed() < Duration::from_secs(5), "it is kept for its pings");
        }
        began.elapsed()
    }
}

#[tokio::test]
async fn rfc9113_6_9_a_client_that_opens_no_window_is_let_go_though_it_pings() {
    let server = Server::start(Options { idle_deadline: 2 * SHORT, ..Options::default() }).await;
    let mut frames = Frames::connect(&server, 0).await;
    frames.get(1, "/").await;
    assert_eq!(frames.until(HEADERS).await.0, 1);
    let took = frames.ping_on().await;
    assert!(took + Duration::from_millis(20) >= SHORT, "not before its time: {took:?}");
}

#[tokio::test]
async fn a_client_that_leaves_one_answer_is_let_go_though_another_is_being_made() {
    let server = Server::start(Options { idle_deadline: SHORT, ..Options::default() }).await;
    let mut frames = Frames::connect(&server, 0).await;
    frames.get(1, "/").await;
    frames.get(3, "/wait").await;
    server.waiting().await;
    frames.ping_on().await;
}

#[tokio::test]
async fn rfc9113_6_7_pings_alone_keep_no_connection() {
    let short =
        Options { first_byte_deadline: SHORT, head_deadline: SHORT, idle_deadline: SHORT, ..Options::default() };
    let server = Server::start(short).await;
    Frames::connect(&server, 0).await.ping_on().await;
    let mut used = Frames::connect(&server, 1000).await;
    used.get(1, "/").await;
    assert_eq!(used.until(DATA).await, (1, b"hello".to_vec()));
    used.ping_on().await;
}

#[tokio::test]
async fn answers_that_wait_are_bounded_in_bytes() {
    let options = Options { waiting_answers: 14, waiting_answers_on_one: 10, ..Options::default() };
    let server = Server::start(options).await;
    let mut one = Frames::connect(&server, 0).await;
    for stream in [1, 3] {
        one.get(stream, "/").await;
        assert_eq!(one.until(HEADERS).await.0, stream);
    }
    one.get(5, "/").await;
    assert_eq!(one.until(RST_STREAM).await.0, 5, "ten bytes wait on this connection");
    let mut other = Frames::connect(&server, 0).await;
    other.get(1, "/").await;
    assert_eq!(other.until(HEADERS).await.0, 1);
    other.get(3, "/").await;
    assert_eq!(other.until(RST_STREAM).await.0, 3, "fifteen wait on all");
    assert!(is(&server.get("/nothing").await, 404), "answers without a body go on");
}

#[tokio::test]
async fn slow_takers_go_when_answers_take_up_too_much() {
    let server = Server::start(Options { waiting_answers: 1 << 20, ..Options::default() }).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.answer("xxx").await;
    // Nothing more is taken. The stop waits for connections.
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "the usual time is {:?}", Options::default().idle_deadline);
}

#[tokio::test]
async fn requests_that_wait_for_their_body_take_no_place_of_those_that_work() {
    let server = Server::start(Options { requests: 1, ..Options::default() }).await;
    let mut slow = server.connect().await;
    slow.send("POST /body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n").await;
    slow.answer("HTTP/1.1 100 Continue\r\n\r\n").await;
    let mut frames = Frames::connect(&server, 1000).await;
    for stream in [1, 3, 5] {
        frames.request(stream, "POST", "/body", 0).await;
    }
    frames.get(7, "/").await;
    assert_eq!(frames.until(DATA).await, (7, b"hello".to_vec()));
    assert!(is(&server.get("/").await, 200));
    for (stream, body) in [(3, "abc"), (5, "abcd")] {
        frames.send(DATA, END_STREAM, stream, body.as_bytes()).await.unwrap();
        assert_eq!(frames.until(DATA).await, (stream, body.len().to_string().into_bytes()));
    }
    slow.send("abc").await;
    assert!(slow.answer("\r\n\r\n3").await.contains("200 OK"));
}

#[tokio::test]
async fn bodies_on_their_way_are_bounded_in_number_and_bytes() {
    let server = Server::start(Options { bodies: 2, bodies_size: 100, ..Options::default() }).await;
    let head = "POST /body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 200\r\n\r\n";
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(head).await;
        client.answer("HTTP/1.1 100 Continue\r\n\r\n").await;
        waiting.push(client);
    }
    assert!(server.exchange(head).await.contains("HTTP/1.1 503 "));
    assert!(is(&server.get("/").await, 200), "others go on");
    let complete = "POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
    assert!(server.exchange(complete).await.ends_with("\r\n\r\n3"), "what is there needs no place");
    waiting[0].send("x".repeat(150)).await;
    assert!(is(&waiting[0].rest().await, 503));
}

/// A client that is asked for a body and doesn't send it.
async fn stall(server: &Server) -> Client {
    let mut client = server.connect().await;
    client.send("POST /body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n").await;
    client.answer("HTTP/1.1 100 Continue\r\n\r\n").await;
    client
}

#[tokio::test]
async fn bodies_that_do_not_come_leave_their_connections_to_others() {
    let server = Server::start(Options { connections: 2, ..Options::default() }).await;
    let began = Instant::now();
    let _stalled = [stall(&server).await, stall(&server).await];
    assert!(is(&server.get("/").await, 200), "waits until one of them goes");
    assert!(began.elapsed() < Duration::from_secs(5), "the usual time is longer: {:?}", began.elapsed());
}

#[tokio::test]
async fn what_must_always_answer_does_while_every_place_is_taken() {
    let server = Server::start(Options { requests: 1, ..Options::default() }).await;
    let mut first = server.connect().await;
    first.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.waiting().await;
    assert!(is(&server.get("/").await, 503));
    assert!(is(&server.get("/alive").await, 200));
}

#[tokio::test]
async fn what_must_always_answer_waits_for_no_body() {
    let server = Server::start(Options { bodies: 0, ..Options::default() }).await;
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n");
    assert!(is(&server.exchange(head("/")).await, 503), "there is no place to wait");
    assert!(is(&server.exchange(head("/alive")).await, 200));
}
