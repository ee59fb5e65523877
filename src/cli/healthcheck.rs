//! `hallpass healthcheck`

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use serde_json::json;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::failure::Failure;
use super::{Invocation, output};

/// How long the whole check may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Exit with 0 when the running server answers (for containers)
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "healthcheck",
    example = "HEALTHCHECK CMD [\"hallpass\", \"healthcheck\"]",
    note = "It asks for /healthz where http.listen says, and gives up after 3 seconds."
)]
pub(super) struct Healthcheck {}

impl Healthcheck {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let settings = invocation.settings()?;
        let listen = settings.http.listen.first().copied();
        let address = reachable(listen.ok_or_else(|| Failure::failed("http.listen names no address"))?);
        let path = settings.issuer.as_ref().map_or("", |issuer| issuer.path());
        let target = format!("{path}/healthz");
        // Whoever checks the Host header knows the issuer's.
        let host = settings.issuer.as_ref().and_then(|issuer| issuer.origin().split_once("://"));
        let host = host.map_or_else(|| address.to_string(), |(_, host)| host.to_owned());
        let scheme = if settings.tls.cert.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}{target}");
        let asked = Patient::connect(address).and_then(|stream| match scheme {
            "https" => ask(encrypted(stream, address.ip())?, &host, &target),
            _ => ask(stream, &host, &target),
        });
        let status = asked.map_err(|error| Failure::failed(format!("no answer from {url}: {}", describe(&error))))?;
        if status != 200 {
            return Err(Failure::failed(format!("{url} answered {status}")));
        }
        if invocation.json {
            return output::json(&json!({ "ok": true, "address": address.to_string() }));
        }
        output::note(&format!("{url} is well"));
        Ok(())
    }
}

/// Who listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A connection that fails at the deadline, however little comes at a time.
struct Patient {
    stream: TcpStream,
    begun: Instant,
}

impl Patient {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let begun = Instant::now();
        Ok(Self { stream: TcpStream::connect_timeout(&address, DEADLINE)?, begun })
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = DEADLINE.saturating_sub(self.begun.elapsed());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The same with TLS.
fn encrypted(stream: Patient, ip: IpAddr) -> io::Result<StreamOwned<ClientConnection, Patient>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::from(ip)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(client, stream))
}

/// Takes whichever certificate there is. The check asks the listener that the settings name on this machine whether it is
/// there, tells it nothing and believes it nothing else. And a server that goes on with the certificate from before, since
/// the new one can't be used, is not to be restarted for that.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks for one document over HTTP/1.1; gives the status of the answer (RFC 9112 section 4).
fn ask(mut stream: impl Read + Write, host: &str, target: &str) -> io::Result<u16> {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hallpass-healthcheck\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 64 && byte != *b"\n" {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        line.extend(byte);
    }
    let line = String::from_utf8_lossy(&line);
    let status =
        line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.trim().parse().ok());
    status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "that is no HTTP server"))
}

/// Without the system's numbers.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".into(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("nothing came within {} s", DEADLINE.as_secs()),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that gives one answer.
    fn answering(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (address, thread)
    }

    fn ask(address: SocketAddr, host: &str, target: &str) -> io::Result<u16> {
        super::ask(Patient::connect(address)?, host, target)
    }

    #[test]
    fn rfc9112_4_the_status_line_is_read() {
        let (address, server) = answering("HTTP/1.1 200 OK\r\n\r\nok");
        assert_eq!(ask(address, "id.example.com", "/idp/healthz").unwrap(), 200);
        assert!(server.join().unwrap().starts_with("GET /idp/healthz HTTP/1.1\r\nHost: id.example.com\r\n"));
        let (address, _) = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(ask(address, "h", "/healthz").unwrap(), 503);
        let (address, _) = answering("220 smtp.example ESMTP\r\n");
        assert_eq!(ask(address, "h", "/healthz").unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
