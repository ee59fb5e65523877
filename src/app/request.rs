//! A request: everything an endpoint may ask about what came in. Reading is bounded in size and time.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_LANGUAGE, AsHeaderName, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use hyper::http::uri::InvalidUri;
use hyper::{Method, StatusCode, Uri};
use serde::de::DeserializeOwned;

use super::body::{Arriving, Source};
use super::header;
use crate::base::clock::Timestamp;
use crate::base::form::{Form, FormError};
pub use crate::base::request_id::RequestId;

/// More cookies than a browser sends for one host; further ones are not looked at.
const MAX_COOKIES: usize = 200;

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// How much of a body is read, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body; 64 KiB by default. More gets 413.
    pub body_size: usize,
    /// How long a body may take to arrive; 30 s by default. Longer gets 408.
    pub body_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_size: 64 * 1024, body_deadline: Duration::from_secs(30) }
    }
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// A parameter or the body is not UTF-8, or holds a NUL.
    BadEncoding,
    /// There are more parameters than [`crate::base::form::MAX_PARAMETERS`].
    TooManyParameters,
    /// The body is larger than [`Limits::body_size`].
    TooLarge,
    /// The body did not arrive within [`Limits::body_deadline`].
    Timeout,
    /// The body is not of the media type that is read here (named in full).
    WrongType(&'static str),
    /// The body ended early, or its transfer coding is broken.
    Disconnected,
    /// The body is not the JSON that is expected; says where and why, in serde's words.
    BadJson(String),
    /// This header came more than once, which leaves open which one counts.
    RepeatedHeader(&'static str),
    /// This header does not have the form that its specification gives it.
    MalformedHeader(&'static str),
}

impl RequestError {
    /// The status that names this fault.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::WrongType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BadEncoding
            | Self::TooManyParameters
            | Self::Disconnected
            | Self::BadJson(_)
            | Self::RepeatedHeader(_)
            | Self::MalformedHeader(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEncoding => write!(f, "{}", FormError::Encoding),
            Self::TooManyParameters => write!(f, "{}", FormError::TooMany),
            Self::TooLarge => f.write_str("the request body is too large"),
            Self::Timeout => f.write_str("the request body did not arrive in time"),
            Self::WrongType(wanted) => write!(f, "the request body must be {wanted}"),
            Self::Disconnected => f.write_str("the request body is incomplete"),
            Self::BadJson(why) => write!(f, "the request body is not the JSON expected here: {why}"),
            Self::RepeatedHeader(name) => write!(f, "the {name} header came more than once"),
            Self::MalformedHeader(name) => write!(f, "the {name} header is malformed"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<FormError> for RequestError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Encoding => Self::BadEncoding,
            FormError::TooMany => Self::TooManyParameters,
        }
    }
}

/// What the server knows about a request beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The id that its answer and its log lines carry.
    pub id: RequestId,
    /// When it began.
    pub now: Timestamp,
    /// Who sent it to us: the client, or the last proxy.
    pub peer: IpAddr,
    /// Where it comes from, trusted proxies left out: see [`super::address::client_address`].
    pub client_address: IpAddr,
    /// The path below which everything lives: empty, or `/` and names without a final slash.
    pub mount: &'a str,
    /// How much of its body is read.
    pub limits: Limits,
}

/// A request. Its body may still be on its way.
pub struct Request {
    method: Method,
    head: bool,
    uri: Uri,
    /// The part of the URI's path that lies below the mount path, without an optional final slash.
    path: Range<usize>,
    headers: HeaderMap,
    body: Body,
    id: RequestId,
    now: Timestamp,
    peer: IpAddr,
    client_address: IpAddr,
    limits: Limits,
}

enum Body {
    Arriving(Arriving),
    Arrived(Result<Bytes, RequestError>),
}

impl Request {
    /// A request that came in over a connection.
    ///
    /// HEAD becomes GET (RFC 9110 section 9.3.2 gives both the same headers); the server drops the answer's body.
    pub fn arrived(request: hyper::Request<impl Into<Source>>, arrival: &Arrival<'_>) -> Self {
        let (parts, incoming) = request.into_parts();
        let body = Arriving::new(incoming.into()).map_or(Body::Arrived(Ok(Bytes::new())), Body::Arriving);
        Self::assemble(parts.method, parts.uri, parts.headers, body, arrival)
    }

    /// A request that needs no connection: for commands and tests. It comes from 127.0.0.1 at `now`, without headers
    /// and body, below no mount path.
    ///
    /// # Errors
    /// When `target` is not a request target (a path and an optional query).
    pub fn in_process(method: Method, target: &str, now: Timestamp) -> Result<Self, InvalidUri> {
        let arrival = Arrival {
            id: RequestId::new(),
            now,
            peer: Ipv4Addr::LOCALHOST.into(),
            client_address: Ipv4Addr::LOCALHOST.into(),
            mount: "",
            limits: Limits::default(),
        };
        Ok(Self::assemble(method, target.parse()?, HeaderMap::new(), Body::Arrived(Ok(Bytes::new())), &arrival))
    }

    fn assemble(method: Method, uri: Uri, headers: HeaderMap, body: Body, arrival: &Arrival<'_>) -> Self {
        let head = method == Method::HEAD;
        Self {
            method: if head { Method::GET } else { method },
            head,
            path: below(uri.path(), arrival.mount),
            uri,
            headers,
            body,
            id: arrival.id,
            now: arrival.now,
            peer: arrival.peer,
            client_address: arrival.client_address,
            limits: arrival.limits,
        }
    }

    /// The same request with one more header line.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same request with this body, of this media type.
    #[must_use]
    pub fn with_body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let body = body.into();
        let fits = body.len() <= self.limits.body_size;
        self.body = Body::Arrived(if fits { Ok(body) } else { Err(RequestError::TooLarge) });
        self
    }

    /// The same request from this address.
    #[must_use]
    pub fn with_client_address(mut self, address: IpAddr) -> Self {
        self.client_address = address;
        self
    }

    /// The method; GET for a HEAD request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it is a HEAD request: the answer will go out without its body.
    pub fn is_head(&self) -> bool {
        self.head
    }

    /// The path below the issuer's mount path, as sent (not decoded), without an optional final slash: it begins with
    /// `/`, and is empty when the request does not lie below the mount path.
    pub fn path(&self) -> &str {
        self.uri.path().get(self.path.clone()).unwrap_or_default()
    }

    /// The whole path as it was sent, the mount path included.
    pub fn full_path(&self) -> &str {
        self.uri.path()
    }

    /// The query as it was sent, without its `?`; empty when there is none.
    pub fn raw_query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The id that ties the answer to the log.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// When the request began: the one `now` of everything that is decided about it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Who sent it to us: the client, or the last proxy.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The address it comes from, trusted proxies left out.
    pub fn client_address(&self) -> IpAddr {
        self.client_address
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header line of this name; `None` when there is none or it is not visible ASCII.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The only header line of this name.
    fn only(&self, name: &HeaderName, shown: &'static str) -> Result<Option<&str>, RequestError> {
        header::only(&self.headers, name, shown)
    }

    /// The host and port that the client believes to speak to (RFC 9110 section 7.2). Never a source of the issuer.
    pub fn host(&self) -> Option<&str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.header(HOST),
        }
    }

    /// The origin of the page that made a browser send this (RFC 6454 section 7); `"null"` also when the header is
    /// repeated or unreadable, since no such origin may count as known.
    pub fn origin(&self) -> Option<&str> {
        self.only(&ORIGIN, "Origin").unwrap_or(Some("null"))
    }

    /// The languages that the user reads (RFC 9110 section 12.5.4), not parsed.
    pub fn accept_language(&self) -> Option<&str> {
        self.header(ACCEPT_LANGUAGE)
    }

    /// The value of a cookie as it was sent; the first one where several have the name (RFC 6265 section 5.4: the
    /// one with the longest path comes first). Whatever is not `name=value` is passed over.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
            .flat_map(|line| line.split(';'))
            .take(MAX_COOKIES)
            .find_map(|pair| pair.trim_ascii().strip_prefix(name)?.strip_prefix('='))
    }

    /// Scheme and credentials of the `Authorization` header (RFC 9110 section 11.4), not parsed further.
    ///
    /// # Errors
    /// When there are two such headers, or it is not a scheme and something behind it.
    pub fn authorization(&self) -> Result<Option<(&str, &str)>, RequestError> {
        header::authorization(&self.headers)
    }

    /// The token of `Authorization: Bearer` (RFC 6750 section 2.1); `None` for another scheme or no header.
    ///
    /// # Errors
    /// When there are two such headers, or the token is not a `b64token`.
    pub fn bearer(&self) -> Result<Option<&str>, RequestError> {
        let Some(token) = self.credentials_of("Bearer")? else { return Ok(None) };
        if is_token68(token) { Ok(Some(token)) } else { Err(RequestError::MalformedHeader("Authorization")) }
    }

    /// The credentials of `Authorization: Basic` (RFC 7617 section 2), still in base64; `None` for another scheme or
    /// no header.
    ///
    /// # Errors
    /// When there are two such headers, or the credentials are not of base64's characters.
    pub fn basic(&self) -> Result<Option<&str>, RequestError> {
        let Some(token) = self.credentials_of("Basic")? else { return Ok(None) };
        if is_token68(token) { Ok(Some(token)) } else { Err(RequestError::MalformedHeader("Authorization")) }
    }

    fn credentials_of(&self, wanted: &str) -> Result<Option<&str>, RequestError> {
        let found = self.authorization()?.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted));
        Ok(found.map(|(_, credentials)| credentials))
    }

    /// Lets the body be this large, in bytes, whatever the server's limit: for routes that take files.
    pub fn allow_body_size(&mut self, bytes: usize) {
        self.limits.body_size = bytes;
    }

    /// The query's parameters.
    ///
    /// # Errors
    /// [`RequestError::BadEncoding`] or [`RequestError::TooManyParameters`].
    pub fn query(&self) -> Result<Form, RequestError> {
        Ok(Form::parse(self.raw_query().as_bytes())?)
    }

    /// Whether there is a form in the body, by its media type.
    pub fn has_form(&self) -> bool {
        self.header(CONTENT_TYPE).is_some_and(|sent| is_media_type(sent, FORM))
    }

    /// The parameters of a form body (`application/x-www-form-urlencoded`). No body at all is an empty form.
    ///
    /// # Errors
    /// What is wrong with the body: its type, size, pace or encoding.
    pub async fn form(&mut self) -> Result<Form, RequestError> {
        Ok(Form::parse(&self.body_of_type(FORM).await?)?)
    }

    /// A JSON body (`application/json`).
    ///
    /// # Errors
    /// What is wrong with the body: its type, size, pace or content.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, RequestError> {
        let body = self.body_of_type("application/json").await?;
        serde_json::from_slice(&body).map_err(|error| RequestError::BadJson(error.to_string()))
    }

    async fn body_of_type(&mut self, wanted: &'static str) -> Result<Bytes, RequestError> {
        // Without a type there may be no body either; that shows only when it has been read.
        let typed = match self.only(&CONTENT_TYPE, "Content-Type")? {
            Some(sent) if is_media_type(sent, wanted) => true,
            Some(_) => return Err(RequestError::WrongType(wanted)),
            None => false,
        };
        let body = self.body().await?;
        if typed || body.is_empty() { Ok(body) } else { Err(RequestError::WrongType(wanted)) }
    }

    /// The whole body, whatever its type. Reading it again gives the same.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`], [`RequestError::Timeout`] or [`RequestError::Disconnected`].
    pub async fn body(&mut self) -> Result<Bytes, RequestError> {
        if let Body::Arriving(arriving) = &mut self.body {
            // The server has waited for the body already, up to its own limit of size: only larger ones are left.
            let (limit, deadline) = (self.limits.body_size, self.limits.body_deadline);
            let arrived = tokio::time::timeout(deadline, std::future::poll_fn(|cx| arriving.poll(limit, cx))).await;
            self.body = Body::Arrived(arrived.unwrap_or(Err(RequestError::Timeout)));
        }
        match &self.body {
            Body::Arrived(arrived) => arrived.clone(),
            // Not after the lines above.
            Body::Arriving(_) => Err(RequestError::Disconnected),
        }
    }

    /// Whether there is a body that is still on its way.
    pub fn is_arriving(&self) -> bool {
        matches!(self.body, Body::Arriving(_))
    }

    /// How much of a body that is still on its way has come.
    pub fn arrived_bytes(&self) -> usize {
        match &self.body {
            Body::Arriving(arriving) => arriving.len(),
            Body::Arrived(_) => 0,
        }
    }

    /// Takes in what has come of the body. Ready when there is no more to wait for: it is there, or is broken, or is larger
    /// than [`Limits::body_size`]; then its rest is left to [`Request::body`], for routes that take larger ones.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Body::Arriving(arriving) = &mut self.body {
            let arrived = std::task::ready!(arriving.poll(self.limits.body_size, cx));
            if arrived != Err(RequestError::TooLarge) {
                self.body = Body::Arrived(arrived);
            }
        }
        Poll::Ready(())
    }

    /// Waits no more for the body: reading it gives [`RequestError::Timeout`].
    pub fn abandon_body(&mut self) {
        self.body = Body::Arrived(Err(RequestError::Timeout));
    }
}

impl fmt::Debug for Request {
    /// Method and path only: everything else may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

/// Where in `path` the part below `mount` lies, without an optional final slash.
fn below(path: &str, mount: &str) -> Range<usize> {
    let start = mount.len();
    match path.strip_prefix(mount) {
        // The mount path itself, without its final slash, is the root; its own slash serves as the root's.
        Some("") if path.is_empty() => 0..0,
        Some("") => 0..1,
        Some("/") => start..start + 1,
        Some(rest) if rest.starts_with('/') => start..path.len() - usize::from(rest.ends_with('/')),
        _ => 0..0,
    }
}

/// Whether a `Content-Type` is this media type, in UTF-8 as far as it says.
fn is_media_type(sent: &str, wanted: &str) -> bool {
    let mut parts = sent.split(';').map(str::trim_ascii);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim_ascii().eq_ignore_ascii_case("charset") => {
                charset.trim_ascii().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// `token68` of RFC 9110 section 11.2, which is also the `b64token` of RFC 6750 section 2.1.
fn is_token68(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use hyper::header::AUTHORIZATION;

    use super::*;

    fn get(target: &str) -> Request {
        Request::in_process(Method::GET, target, Timestamp::from_secs(1)).unwrap()
    }

    fn with(name: &HeaderName, values: &[&str]) -> Request {
        values.iter().fold(get("/"), |request, value| {
            request.with_header(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
    }

    #[test]
    fn the_path_begins_below_the_mount_path_and_forgives_one_final_slash() {
        let cases = [
            ("", "/", "/"),
            ("", "/token", "/token"),
            ("", "/token/", "/token"),
            ("", "/token//", "/token/"),
            ("", "//", "/"),
            ("/op", "/op", "/"),
            ("/op", "/op/", "/"),
            ("/op", "/op/token/", "/token"),
            ("/op", "/opera", ""),
            ("/op", "/token", ""),
            ("/op", "/", ""),
            ("/a/b", "/a/b/token", "/token"),
            ("", "*", ""),
        ];
        for (mount, path, expected) in cases {
            assert_eq!(path.get(below(path, mount)), Some(expected), "{path} below {mount}");
        }
    }

    #[test]
    fn rfc9110_9_3_2_head_is_handled_as_get() {
        let request = Request::in_process(Method::HEAD, "/x?a=1", Timestamp::EPOCH).unwrap();
        assert!(request.is_head() && request.method() == Method::GET);
        assert_eq!((request.path(), request.raw_query()), ("/x", "a=1"));
        assert_eq!(request.query().unwrap().get("a"), Some("1"));
    }

    #[test]
    fn rfc6265_4_2_cookies_are_found_among_garbage() {
        let request = with(&COOKIE, &["; ;=;a; sid-1=x;  sid=one=1 ;sid=two", "other=\"q\""]);
        assert_eq!(request.cookie("sid"), Some("one=1"));
        assert_eq!(request.cookie("sid-1"), Some("x"));
        assert_eq!(request.cookie("other"), Some("\"q\""));
        assert_eq!(request.cookie("a"), None);
        assert_eq!(request.cookie("si"), None);
        let many = "x=1;".repeat(MAX_COOKIES) + "sid=1";
        assert_eq!(with(&COOKIE, &[&many]).cookie("sid"), None);
    }

    #[test]
    fn rfc6750_2_1_bearer_tokens() {
        let malformed = Err(RequestError::MalformedHeader("Authorization"));
        let cases: [(&[&str], _); 9] = [
            (&[], Ok(None)),
            (&["Bearer abc-._~+/12=="], Ok(Some("abc-._~+/12=="))),
            (&["bEARER  abc"], Ok(Some("abc"))),
            (&["Basic abc"], Ok(None)),
            (&["Bearer"], malformed.clone()),
            (&["Bearer "], malformed.clone()),
            (&["Bearer a b"], malformed.clone()),
            (&["Bearer \"a\""], malformed.clone()),
            (&["Bearer a", "Bearer a"], Err(RequestError::RepeatedHeader("Authorization"))),
        ];
        for (lines, expected) in cases {
            assert_eq!(with(&AUTHORIZATION, lines).bearer(), expected, "{lines:?}");
        }
        assert_eq!(with(&AUTHORIZATION, &["basic dTpw"]).basic(), Ok(Some("dTpw")));
        assert_eq!(with(&AUTHORIZATION, &["Basic ÿ"]).basic(), malformed);
    }

    #[test]
    fn rfc6454_7_an_ambiguous_origin_is_nobodys() {
        assert_eq!(with(&ORIGIN, &[]).origin(), None);
        assert_eq!(with(&ORIGIN, &["https://a"]).origin(), Some("https://a"));
        assert_eq!(with(&ORIGIN, &["https://a", "https://b"]).origin(), Some("null"));
    }

    #[tokio::test]
    async fn a_form_needs_its_media_type() {
        let read = async |media_type, body: &'static str| get("/").with_body(media_type, body).form().await;
        let form = read("application/x-www-form-urlencoded; charset=\"UTF-8\"", "a=1").await.unwrap();
        assert_eq!(form.get("a"), Some("1"));
        let wrong = Err(RequestError::WrongType("application/x-www-form-urlencoded"));
        assert_eq!(read("multipart/form-data; boundary=x", "a=1").await, wrong);
        assert_eq!(read("application/x-www-form-urlencoded; charset=latin1", "a=1").await, wrong);
        assert_eq!(read("application/x-www-form-urlencoded", "a=%ff").await, Err(RequestError::BadEncoding));
        assert_eq!(get("/").form().await, Ok(Form::default()), "no body, no type");
        let mut untyped = get("/").with_body("x/y", "a=1");
        untyped.headers.clear();
        assert_eq!(untyped.form().await, wrong);
    }

    #[tokio::test]
    async fn json_says_where_it_is_wrong_and_bodies_are_bounded() {
        let mut request = get("/").with_body("application/json", "{\"a\":1}");
        assert_eq!(request.json::<serde_json::Value>().await.unwrap()["a"], 1);
        assert_eq!(request.body().await.unwrap(), "{\"a\":1}", "it can be read again");
        let error = get("/").with_body("application/json", "{\"a\":}").json::<serde_json::Value>().await.unwrap_err();
        assert!(matches!(&error, RequestError::BadJson(why) if why.contains("column 6")), "{error}");
        let large = get("/").with_body("application/json", vec![b' '; 64 * 1024 + 1]).body().await.unwrap_err();
        assert_eq!((large.status(), large), (StatusCode::PAYLOAD_TOO_LARGE, RequestError::TooLarge));
    }

    #[test]
    fn request_ids_are_16_characters_of_base64url() {
        let id = RequestId::new();
        assert_eq!(id.as_str().len(), 16);
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_ne!(id, RequestId::new());
    }
}
