//! Calls to addresses that others have named.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Full, LengthLimitError};
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Position, Url};

use super::address::is_public;
use super::connection::{Connection, connect};
use super::exchange::exchange;
use super::trust::{Trust, TrustError};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("hallpass/", env!("CARGO_PKG_VERSION")));

/// What calls may do. [`Options::default`] calls only the public internet, over https.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files of roots (PEM) that are trusted beside the system's. Default: none.
    pub trusted_roots: Vec<PathBuf>,
    /// Whether addresses of this machine and of its network may be called, and http. Default: no.
    pub allow_private: bool,
    /// How long a call may take, from the name's look-up to the last byte. Default: 10 s.
    pub deadline: Duration,
    /// Bytes of an answer's body. Default: 1 MiB.
    pub body_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trusted_roots: Vec::new(),
            allow_private: false,
            deadline: Duration::from_secs(10),
            body_size: 1024 * 1024,
        }
    }
}

/// Why a call has no answer. None of it shows a path or a query, which may hold secrets.
#[derive(Debug)]
pub enum CallError {
    /// The URL is none that is ever called: it isn't http or https, or there are credentials in it.
    Url,
    /// It is http, and only https may be called.
    Insecure,
    /// Its host has only addresses that may not be called.
    Private(String),
    /// Its host has no address.
    Unknown(String),
    /// Nobody takes the connection, or whoever does isn't the host.
    Unreachable(io::Error),
    /// The answer is broken.
    Broken(String),
    /// The answer is longer than this many bytes.
    TooLarge(usize),
    /// The answer wasn't there after this time.
    Late(Duration),
}

impl CallError {
    /// Why an answer isn't whole, whose body may have `most` bytes.
    pub(super) fn of_body(error: &(dyn Error + Send + Sync + 'static), most: usize) -> Self {
        if error.is::<LengthLimitError>() { Self::TooLarge(most) } else { Self::Broken(error.to_string()) }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("not an http or https URL without credentials"),
            Self::Insecure => f.write_str("only https is called (allow_private allows http)"),
            Self::Private(host) => {
                write!(f, "{host} is not on the public internet (allow_private allows that)")
            }
            Self::Unknown(host) => write!(f, "{host} has no address"),
            Self::Unreachable(error) => write!(f, "no connection: {error}"),
            Self::Broken(why) => write!(f, "no proper answer: {why}"),
            Self::TooLarge(most) => write!(f, "the answer is longer than {most} bytes"),
            Self::Late(deadline) => write!(f, "no whole answer within {deadline:?}"),
        }
    }
}

impl Error for CallError {}

/// Calls addresses that others have named: a client's metadata, a relying party that wants to be told something. Whoever
/// names one can make us call it, so nothing is called that only we can reach.
#[derive(Clone, Debug)]
pub struct Client {
    options: Options,
    trust: Trust,
}

impl Client {
    /// Reads the roots.
    ///
    /// # Errors
    /// When a file of roots can't be used, or there are none at all.
    pub fn new(options: Options) -> Result<Self, TrustError> {
        let trust = Trust::load(&options.trusted_roots)?;
        Ok(Self::with_trust(options, trust))
    }

    /// With roots that were read already, whatever files the options name.
    pub fn with_trust(options: Options, trust: Trust) -> Self {
        Self { options, trust }
    }

    /// Sends one request and takes in its whole answer, whatever its status. A redirect is an answer like others: it is
    /// not followed, since it may lead anywhere. `Host` and `User-Agent` are set here.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, CallError> {
        let Options { deadline, .. } = self.options;
        let call = Box::pin(self.carry_out(method, url, headers, body));
        timeout(deadline, call).await.unwrap_or(Err(CallError::Late(deadline)))
    }

    async fn carry_out(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, CallError> {
        let request = request(method, url, headers, body)?;
        let connection = self.connect(url).await?;
        let most = self.options.body_size;
        exchange(connection, request, most).await.map_err(|error| CallError::of_body(&*error, most))
    }

    /// A connection to whoever a URL names, if they may be called.
    pub(super) async fn connect(&self, url: &Url) -> Result<Box<dyn Connection>, CallError> {
        let trust = match url.scheme() {
            "https" => Some(&self.trust),
            "http" if self.options.allow_private => None,
            "http" => return Err(CallError::Insecure),
            _ => return Err(CallError::Url),
        };
        let host = url.host().filter(|_| url.username().is_empty() && url.password().is_none());
        let host = host.ok_or(CallError::Url)?;
        // Looked up once: what was judged is what is called, whatever the name means a moment later.
        let addresses = self.addresses(&host, url.port_or_known_default().unwrap_or_default()).await?;
        let name = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        connect(addresses.as_slice(), &name, trust).await.map_err(CallError::Unreachable)
    }

    /// The addresses of a host that may be called.
    async fn addresses(&self, host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, CallError> {
        let unknown = || CallError::Unknown(host.to_string());
        let mut addresses: Vec<SocketAddr> = match host {
            Host::Domain(name) => lookup_host((*name, port)).await.map_err(|_| unknown())?.collect(),
            Host::Ipv4(ip) => vec![(*ip, port).into()],
            Host::Ipv6(ip) => vec![(*ip, port).into()],
        };
        if addresses.is_empty() {
            return Err(unknown());
        }
        addresses.retain(|address| self.options.allow_private || is_public(address.ip()));
        if addresses.is_empty() { Err(CallError::Private(host.to_string())) } else { Ok(addresses) }
    }
}

/// In the form that goes to the server itself (RFC 9112 section 3.2.1).
pub(super) fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, CallError> {
    // The parser has left nothing in a URL that these wouldn't take.
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).map_err(|_| CallError::Url)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| CallError::Url)?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, AGENT);
    Ok(request)
}
