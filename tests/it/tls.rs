//! TLS on the listeners.

use std::fs;
use std::path::Path;

use hallpass::base::form;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ProtocolVersion, SupportedProtocolVersion};

use crate::harness::place::Place;
use crate::harness::process::Process;
use crate::harness::tls::{ANY, certificate, client, file};
use crate::harness::*;

/// A provider with a certificate, and further settings.
async fn start(more: &[(&str, &str)]) -> Provider {
    let (cert, key) = (file("localhost.pem"), file("localhost.key"));
    let own = [
        ("issuer", "https://localhost:{port}"),
        ("tls.cert", cert.to_str().unwrap()),
        ("tls.key", key.to_str().unwrap()),
    ];
    Provider::start_with(&[&own, more].concat()).await
}

async fn open(issuer: &str) -> TcpStream {
    TcpStream::connect(issuer.split_once("://").unwrap().1).await.unwrap()
}

async fn shake_hands(
    issuer: &str,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    client(versions, protocols).connect(name, open(issuer).await).await
}

/// The certificate that whoever connects now gets.
async fn shown(issuer: &str) -> CertificateDer<'static> {
    let stream = shake_hands(issuer, ANY, &[]).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn oidc_core_3_1_a_whole_code_flow_over_https() {
    let provider = start(&[("http.hsts", "365d")]).await;
    let mut browser = provider.browser();
    let asked = request(&[("scope", "openid email offline_access")]);
    let login = browser.send("GET", &format!("{}/authorize?{}", provider.issuer, form::render(asked)), &[], None).await;
    let login = browser.follow(login).await;
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    let done = browser.decide(&consent, "allow").await;
    for page in [&login, &consent, &done] {
        assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"), "{page:?}");
        for line in page.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(line.starts_with("__Host-hallpass") && line.contains("; Path=/; Secure; HttpOnly"), "{line}");
        }
    }
    assert!(!browser.cookies.is_empty() && browser.cookies.keys().all(|name| name.starts_with("__Host-")));
    assert_eq!(done.query("iss").as_ref(), Some(&provider.issuer));
    let tokens = provider.redeem(&done.query("code").unwrap()).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["iss"], provider.issuer);
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["email"], "ada@ada.example");
    provider.refresh(tokens.refresh()).await.tokens();
    let silent = browser.authorize(&request(&[("prompt", "none")])).await;
    assert!(silent.query("code").is_some(), "{silent:?}");
}

#[tokio::test]
async fn rfc7301_3_2_clients_choose_between_http_1_1_and_http_2() {
    let provider = start(&[]).await;
    for (offered, chosen) in
        [(&["h2"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&["http/1.1", "h2"], Some("h2")), (&[], None)]
    {
        let stream = shake_hands(&provider.issuer, ANY, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        if chosen != Some("h2") {
            continue;
        }
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let url = format!("{}/healthz", provider.issuer);
        let answer = sender.send_request(Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    }
    assert!(shake_hands(&provider.issuer, ANY, &["spdy/3"]).await.is_err());
    assert_eq!(provider.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn rfc8446_4_2_1_tls_1_2_and_1_3_and_nothing_older() {
    let provider = start(&[]).await;
    for (offered, version) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = shake_hands(&provider.issuer, &[offered], &[]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
    }
    // A ClientHello (RFC 5246 section 7.4.1.2): ECDHE with ECDSA, P-256.
    let hello = |minor: u8| {
        let extensions = [
            [0, 10, 0, 4, 0, 2, 0, 23].as_slice(), // supported_groups
            &[0, 11, 0, 2, 1, 0],                  // ec_point_formats
            &[0, 13, 0, 4, 0, 2, 4, 3],            // signature_algorithms
        ]
        .concat();
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let body =
            [&[3, minor][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, length(&extensions)], &extensions].concat();
        [&[22, 3, 1, 0, length(&body) + 4, 1, 0, 0, length(&body)][..], &body].concat()
    };
    for (minor, begins) in [(3, &[22, 3, 3][..]), (2, &[21, 3, 3, 0, 2, 2, 70]), (1, &[21, 3, 3, 0, 2, 2, 70])] {
        let mut stream = open(&provider.issuer).await;
        stream.write_all(&hello(minor)).await.unwrap();
        let mut answer = vec![0; begins.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, begins, "a ServerHello, or the alert protocol_version, for 1.{}", minor - 1);
    }
}

/// Puts a pair of the tests where a server expects one, as renewal does: new files in the place of the old ones.
fn put(directory: &Path, cert: &str, key: &str) {
    for (name, from) in [("tls.pem", cert), ("tls.key", key)] {
        fs::copy(file(from), directory.join("draft")).unwrap();
        fs::rename(directory.join("draft"), directory.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_given_out_and_a_bad_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "localhost.pem", "localhost.key");
    let settings = "tls.cert = \"tls.pem\"\ntls.key = \"tls.key\"\nlog.format = \"json\"";
    let process = Process::start_on(directory.path(), settings).await;
    let (first, second) = (certificate("localhost.pem"), certificate("other.pem"));
    assert_eq!(shown(&process.issuer).await, first);
    let mut kept = shake_hands(&process.issuer, ANY, &[]).await.unwrap();

    // At the signal.
    put(directory.path(), "other.pem", "other.key");
    process.signal("-HUP");
    while shown(&process.issuer).await != second {
        tokio::task::yield_now().await;
    }
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    kept.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK", "who was there goes on");

    // Without one, by and by.
    put(directory.path(), "localhost.pem", "other.key");
    while !process.log().contains("is not the key of the first certificate") {
        tokio::task::yield_now().await;
    }
    assert_eq!(shown(&process.issuer).await, second);
    put(directory.path(), "localhost.pem", "localhost.key");
    while shown(&process.issuer).await != first {
        tokio::task::yield_now().await;
    }

    let (status, log) = process.stop();
    assert_eq!(status, Some(0), "{log}");
    for name in ["localhost.key", "other.key"] {
        let key = fs::read_to_string(file(name)).unwrap();
        assert!(!log.contains(&key.lines().nth(1).unwrap()[..16]), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_know_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "localhost.pem", "localhost.key");
    let token = "an-admin-token-of-more-than-32-bytes";
    let settings = format!("tls.cert = \"tls.pem\"\ntls.key = \"tls.key\"\nadmin.token = \"{token}\"");
    let process = Process::start_new_with(directory.path(), &settings).await;
    let config = directory.path().join("hallpass.toml");
    let config = config.to_str().unwrap();
    let place = Place::new().set("HALLPASS_CONFIG", config);
    let address = process.issuer.replace("localhost", "127.0.0.1");
    assert_eq!(place.done(&["healthcheck"]).stderr, format!("{address}/healthz is well\n"));
    assert!(place.done(&["config", "check"]).stderr.starts_with("the settings are right"));
    let elsewhere =
        Place::new().set("HALLPASS_ADMIN_TOKEN", token).set("SSL_CERT_FILE", file("ca.pem").to_str().unwrap());
    assert_eq!(elsewhere.json(&["client", "list", "--url", &process.issuer])["items"][0]["client_id"], CLIENT);

    let by_setting = Place::new().set("HALLPASS_ADMIN_TOKEN", token);
    let list = ["client", "list", "--url", &process.issuer];
    assert_eq!(by_setting.run(&list).status, 1);
    let by_setting = by_setting.set("HALLPASS_OUTBOUND__TRUSTED_ROOTS", file("ca.pem").to_str().unwrap());
    assert_eq!(by_setting.json(&list)["items"][0]["client_id"], CLIENT);

    // A server that could not take up what is there now is well all the same; what can't be used is said before it is.
    put(directory.path(), "localhost.pem", "other.key");
    assert_eq!(place.json(&["healthcheck"])["ok"], true);
    process.kill();
    process.wait();
    let [cert, key] = ["tls.pem", "tls.key"].map(|name| directory.path().join(name).display().to_string());
    let line = format!("hallpass: tls.key {key}: is not the key of the first certificate in tls.cert {cert}");
    for words in [&["config", "check"][..], &["serve"]] {
        place.refused(words, 1, &line);
    }
    fs::remove_file(&cert).unwrap();
    let line = format!("hallpass: tls.cert {cert}: No such file or directory (os error 2)");
    place.refused(&["config", "check"], 1, &line);
    assert!(place.run(&["healthcheck"]).stderr.contains("nothing listens there"));
}
