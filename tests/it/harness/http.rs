//! One request on a connection of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use super::{Tokens, tls};

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// As text, where it is some.
    pub body: String,
    pub bytes: Bytes,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `Location`.
    #[track_caller]
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location: {self:?}"))
    }

    /// A parameter of the query of `Location`.
    #[track_caller]
    pub fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.location()).unwrap();
        url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `error` of the JSON body.
    #[track_caller]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }

    /// Of a token response that must have succeeded.
    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The value of the hidden field, or of the element with this id or name.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let marks = [format!("name=\"{name}\""), format!("id=\"{name}\"")];
        let tag = self.body.split('<').find(|tag| marks.iter().any(|mark| tag.contains(mark)));
        let tag = tag.unwrap_or_else(|| panic!("no field {name}: {}", self.body));
        let value = tag.split_once("value=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
        unescape(value)
    }

    /// Whether there is an element with this id.
    pub fn has_id(&self, id: &str) -> bool {
        self.body.contains(&format!("id=\"{id}\""))
    }

    /// The text of the element with this id, as far as it has no elements in it.
    #[track_caller]
    pub fn text_of(&self, id: &str) -> String {
        let (_, rest) =
            self.body.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {}", self.body));
        let (_, rest) = rest.split_once('>').unwrap();
        unescape(rest.split('<').next().unwrap().trim())
    }
}

pub fn unescape(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, character) in [
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    text
}

/// Begins HTTP/1.1 on a connection.
async fn begin<I>(io: I) -> hyper::Result<SendRequest<Full<Bytes>>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// `Authorization: Basic` for these bytes.
pub fn basic(plain: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(plain))
}

/// Sends a request and reads the answer, which is never that something went wrong on the server.
pub async fn exchange(method: &str, url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Response {
    let response = attempt(method, url, headers, body).await;
    assert_ne!(response.status, 500, "{method} {url}");
    response
}

/// Sends a request and reads the answer, whatever it is.
pub async fn attempt(method: &str, url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Response {
    try_exchange(method, url, headers, body).await.unwrap()
}

/// The same, where the server may be gone.
pub async fn try_exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let parsed = Url::parse(url).unwrap();
    let authority = format!("{}:{}", parsed.host_str().unwrap(), parsed.port().unwrap());
    let stream = TcpStream::connect(&authority).await?;
    let mut sender = match parsed.scheme() {
        "https" => begin(tls::connect(stream, parsed.host_str().unwrap()).await?).await?,
        _ => begin(stream).await?,
    };
    let target = url.split_once("://").unwrap().1;
    let target = target.find(['/', '?']).map_or("/", |at| &target[at..]);
    let mut request = Request::builder().method(method).uri(target.split('#').next().unwrap());
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", authority);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).unwrap();
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_text = parts.headers.get("content-type").is_none_or(|kind| !kind.as_bytes().starts_with(b"image/"));
    Ok(Response {
        url: url.to_owned(),
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: if is_text { String::from_utf8(body.to_vec()).unwrap() } else { String::new() },
        bytes: body,
    })
}
