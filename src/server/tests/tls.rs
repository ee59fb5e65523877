//! TLS, and clients that don't get on with it.

use std::path::Path;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::tls::tests::{DATA, load};
use super::*;

/// What makes a server speak TLS.
fn encrypted() -> Options {
    let file = |name| Path::new(DATA).join(name);
    Options { tls: Some(load(&file("localhost.pem"), &file("localhost.key")).unwrap()), ..Options::default() }
}

/// The beginning of a ClientHello (RFC 8446 section 4.1.2) of 512 bytes.
const HALF_HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

async fn shake_hands(client: Client) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(DATA).join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, client.0).await
}

impl Server {
    async fn get_encrypted(&self, path: &str) -> String {
        let mut stream = shake_hands(self.connect().await).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // RFC 8446 section 6.1: the server says that this is all.
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn rfc8446_6_1_an_encrypted_answer_comes_whole() {
    let server = Server::start(encrypted()).await;
    let answer = server.get_encrypted("/").await;
    assert!(is(&answer, 200) && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(server.get_encrypted("/address").await.ends_with("127.0.0.1"));
    let large = server.get_encrypted("/large").await;
    assert_eq!(large.split_once("\r\n\r\n").unwrap().1.len(), 64 << 20);
}

#[tokio::test]
async fn silent_and_half_handshakes_are_closed_at_their_deadlines() {
    let options = Options { first_byte_deadline: SHORT, head_deadline: 2 * SHORT, ..encrypted() };
    let server = Server::start(options).await;
    for (sent, after) in [(&[][..], SHORT), (&[22], 2 * SHORT), (&HALF_HELLO, 2 * SHORT)] {
        let began = Instant::now();
        let mut client = server.connect().await;
        client.send(sent).await;
        assert_eq!(client.rest().await, "", "{sent:?}");
        let took = began.elapsed();
        assert!(after <= took + Duration::from_millis(2) && took < Duration::from_secs(5), "{sent:?} took {took:?}");
    }
    // Bytes that trickle in give no more time.
    let began = Instant::now();
    let mut client = server.connect().await;
    client.send(HALF_HELLO).await;
    while client.0.write_all(&[0]).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "it is kept for its bytes");
        tokio::task::yield_now().await;
    }
    // Who has shaken hands has to ask for something.
    let mut stream = shake_hands(server.connect().await).await.unwrap();
    let began = Instant::now();
    let _ = stream.read(&mut [0]).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn half_handshakes_keep_nobody_from_being_accepted() {
    let server = Server::start(Options { connections: 3, ..encrypted() }).await;
    let mut half = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(HALF_HELLO).await;
        half.push(client);
    }
    assert!(is(&server.get_encrypted("/").await, 200), "there is a place");
    half.push(server.connect().await);
    assert!(is(&server.get_encrypted("/").await, 200), "one of them makes room");
    // The stop doesn't wait for them.
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    assert!(began.elapsed() < Options::default().stop_deadline);
}

#[tokio::test]
async fn what_is_no_tls_gets_no_http_and_one_line_for_who_looks_closely() {
    let (lines, _until_the_end) = Lines::capture_from(tracing::Level::DEBUG);
    let server = Server::start(encrypted()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let mut received = Vec::new();
    let _ = client.0.read_to_end(&mut received).await;
    assert!(received.len() <= 7, "an alert at most (RFC 8446 section 6): {received:?}");
    let text = lines.text();
    let said: Vec<&str> = text.lines().filter(|line| line.contains("TLS handshake")).collect();
    assert!(said.len() == 1 && said[0].contains("\"DEBUG\""), "{text}");
    assert!(is(&server.get_encrypted("/").await, 200));
}
