//! `hallpass healthcheck`

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use serde_json::json;

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
        let status = ask(address, &host, &target).map_err(|error| {
            Failure::failed(format!("no answer from http://{address}{target}: {}", describe(&error)))
        })?;
        if status != 200 {
            return Err(Failure::failed(format!("http://{address}{target} answered {status}")));
        }
        if invocation.json {
            return output::json(&json!({ "ok": true, "address": address.to_string() }));
        }
        output::note(&format!("http://{address}{target} is well"));
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

/// Asks for one document over HTTP/1.1; gives the status of the answer (RFC 9112 section 4).
fn ask(address: SocketAddr, host: &str, target: &str) -> io::Result<u16> {
    let begun = Instant::now();
    let left = || Some(DEADLINE.saturating_sub(begun.elapsed())).filter(|left| !left.is_zero());
    let timeout = || io::Error::from(ErrorKind::TimedOut);
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_write_timeout(Some(left().ok_or_else(timeout)?))?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hallpass-healthcheck\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 64 && byte != *b"\n" {
        stream.set_read_timeout(Some(left().ok_or_else(timeout)?))?;
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
