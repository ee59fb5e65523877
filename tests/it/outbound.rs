//! Calls to addresses that others have named, at servers that mean well and others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hallpass::outbound::{CallError, Client, Options};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use url::Url;

use crate::harness::tls::{certificate, file};

/// Enough for whoever answers at once.
const SHORT: Duration = Duration::from_millis(200);

/// A server that has heard these requests, and gives each the same answer.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that speaks http.
    async fn plain(answer: impl Into<String>) -> Self {
        Self::start(answer.into(), None).await
    }

    /// One that is `localhost`, for whoever trusts the root of the tests.
    async fn encrypted(answer: impl Into<String>) -> Self {
        let key = PrivateKeyDer::from_pem_file(file("localhost.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate("localhost.pem")], key)
            .unwrap();
        Self::start(answer.into(), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(answer: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => serve(stream, &answer, &hears).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, &answer, &hears).await,
                        Err(_) => hears.lock().unwrap().push("no TLS".into()),
                    },
                }
            }
        });
        Self { address, heard }
    }

    fn url(&self, origin: &str) -> Url {
        Url::parse(&format!("{origin}:{}/path?a=b#c", self.address.port())).unwrap()
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Answers one request, and waits until the client has gone.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, heard: &Mutex<Vec<String>>) {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).await.unwrap_or_default();
    heard.lock().unwrap().push(String::from_utf8(request[..length].to_vec()).unwrap());
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
    let _ = stream.read(&mut request).await;
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\nhello";

/// A client that trusts the root of the tests.
fn client(mut options: Options) -> Client {
    options.trusted_roots.push(file("ca.pem"));
    Client::new(options).unwrap()
}

/// One that calls this machine, too.
fn private() -> Options {
    Options { allow_private: true, ..Options::default() }
}

async fn get(client: &Client, url: &Url) -> Result<Response<Bytes>, CallError> {
    client.call(Method::GET, url, HeaderMap::new(), Bytes::new()).await
}

#[tokio::test]
async fn a_call_goes_where_it_is_sent_and_brings_the_answer_back() {
    let server = Server::encrypted(HELLO).await;
    let url = server.url("https://localhost");
    let client = client(private());
    let answer = get(&client, &url).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hello"[..]));
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    client.call(Method::POST, &url, headers, Bytes::from_static(b"{}")).await.unwrap();
    let heard = server.heard();
    let authority = format!("localhost:{}", server.address.port());
    assert!(heard[0].starts_with("GET /path?a=b HTTP/1.1\r\n"), "{heard:?}");
    assert!(heard[1].starts_with("POST /path?a=b HTTP/1.1\r\n") && heard[1].ends_with("\r\n\r\n{}"), "{heard:?}");
    for one in &heard {
        assert!(one.contains(&format!("\r\nhost: {authority}\r\n")) && one.contains("user-agent: hallpass/"), "{one}");
    }
    let plain = Server::plain(HELLO).await;
    assert_eq!(get(&client, &plain.url("http://127.0.0.1")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_not_on_the_public_internet_is_not_called_unless_that_is_allowed() {
    let server = Server::encrypted(HELLO).await;
    let client = client(Options::default());
    for origin in [
        "https://127.0.0.1",
        "https://localhost",
        "https://2130706433",
        "https://0x7f.1",
        "https://0.0.0.0",
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[64:ff9b::7f00:1]",
        "https://169.254.169.254",
        "https://10.0.0.1",
        "https://[fd00::1]",
    ] {
        let refused = get(&client, &server.url(origin)).await;
        assert!(matches!(refused, Err(CallError::Private(_))), "{origin}: {refused:?}");
    }
    for origin in ["http://localhost", "http://93.184.216.34"] {
        let refused = get(&client, &server.url(origin)).await;
        assert!(matches!(refused, Err(CallError::Insecure)), "{origin}: {refused:?}");
    }
    for url in ["ftp://localhost/", "data:,x", "https://user@localhost/", "https://:secret@localhost/"] {
        let refused = get(&client, &Url::parse(url).unwrap()).await;
        assert!(matches!(refused, Err(CallError::Url)), "{url}: {refused:?}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn rfc9525_the_certificate_has_to_be_trusted_and_the_hosts() {
    let server = Server::encrypted(HELLO).await;
    let trusting = client(private());
    assert!(get(&trusting, &server.url("https://localhost")).await.is_ok());
    let other = Client::new(Options { trusted_roots: vec![file("other.pem")], ..private() }).unwrap();
    for (client, origin) in [(&other, "https://localhost"), (&trusting, "https://127.0.0.1")] {
        let refused = get(client, &server.url(origin)).await;
        assert!(matches!(refused, Err(CallError::Unreachable(_))), "{origin}: {refused:?}");
    }
    let plain = Server::plain(HELLO).await;
    assert!(matches!(get(&trusting, &plain.url("https://localhost")).await, Err(CallError::Unreachable(_))));
    let absent = Options { trusted_roots: vec![PathBuf::from("/nowhere/roots.pem")], ..Options::default() };
    assert!(Client::new(absent).unwrap_err().to_string().starts_with("/nowhere/roots.pem: "));
}

#[tokio::test]
async fn rfc9110_15_4_a_redirect_is_an_answer() {
    let target = Server::plain(HELLO).await;
    let location = target.url("http://127.0.0.1");
    let server =
        Server::plain(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")).await;
    let answer = get(&client(private()), &server.url("http://127.0.0.1")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (302, location.as_str()));
    assert!(target.heard().is_empty());
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_however_it_is_framed() {
    let large = "x".repeat(1025);
    let client = client(Options { body_size: 1024, ..private() });
    for answer in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1025\r\n\r\n{large}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n401\r\n{large}\r\n0\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\n\r\n{large}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n".to_owned() + &large,
    ] {
        let server = Server::plain(answer).await;
        let refused = get(&client, &server.url("http://127.0.0.1")).await;
        assert!(matches!(refused, Err(CallError::TooLarge(1024))), "{refused:?}");
    }
    let fits = format!("HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n{}", &large[1..]);
    let server = Server::plain(fits).await;
    assert_eq!(get(&client, &server.url("http://127.0.0.1")).await.unwrap().body().len(), 1024);
    let head = Server::plain(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(1 << 20))).await;
    assert!(matches!(get(&client, &head.url("http://127.0.0.1")).await, Err(CallError::Broken(_))));
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_at_every_step() {
    let client = client(Options { deadline: SHORT, ..private() });
    for answer in ["", "HTTP/1.1 200 OK\r\nco", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello"] {
        for (server, origin) in
            [(Server::plain(answer).await, "http://127.0.0.1"), (Server::encrypted(answer).await, "https://localhost")]
        {
            let began = Instant::now();
            let late = get(&client, &server.url(origin)).await;
            assert!(matches!(late, Err(CallError::Late(SHORT))), "{answer:?}: {late:?}");
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }
    // Who takes connections, and doesn't speak TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", silent.local_addr().unwrap().port());
    let late = get(&client, &Url::parse(&url).unwrap()).await;
    assert!(matches!(late, Err(CallError::Late(SHORT))), "{late:?}");
}

#[tokio::test]
async fn what_went_wrong_is_said_in_a_line_without_what_may_be_secret() {
    let client = client(private());
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for (url, why) in [
        (format!("http://127.0.0.1:{port}/s3cret?s3cret"), "no connection: "),
        ("https://hallpass.invalid/s3cret?s3cret".to_owned(), "hallpass.invalid has no address"),
        ("https://user:s3cret@localhost/".to_owned(), "not an http or https URL without credentials"),
    ] {
        let error = get(&client, &Url::parse(&url).unwrap()).await.unwrap_err().to_string();
        assert!(error.starts_with(why) && !error.contains("s3cret") && !error.contains('\n'), "{error}");
    }
    let server = Server::plain("220 smtp.example ESMTP\r\n").await;
    assert!(matches!(get(&client, &server.url("http://127.0.0.1")).await, Err(CallError::Broken(_))));
}
