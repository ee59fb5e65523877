//! What holds for every answer, whatever it answers; and authorization responses, in whatever part they stand.

use hallpass::app::reply::Reply;
use hallpass::protocol::error::ErrorCode;
use hallpass_fuzz::ISSUER;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use serde_json::Value;
use url::form_urlencoded;

use crate::browser::{SESSION, hidden};
use crate::script::Sent;
use crate::world::{CLIENTS, SECRETS, USERS};

pub fn header(reply: &Reply, name: HeaderName) -> Option<&str> {
    assert!(reply.headers().get_all(&name).iter().count() <= 1, "{name} comes twice");
    reply.headers().get(&name).map(|value| value.to_str().expect("visible ASCII"))
}

/// Heads, bodies and the log, each by itself. `open` is all that was ever said where no secret belongs.
pub fn check(sent: &Sent, reply: &Reply, log: &str, open: &str) {
    let status = reply.status_code().as_u16();
    assert!(status < 500, "{status} for {} {}: {log}", sent.method, sent.path);
    for (name, value) in reply.headers() {
        let visible = |byte: &u8| (b' '..=b'~').contains(byte);
        assert!(value.as_bytes().iter().all(visible), "{name}: {value:?}");
    }
    let body = std::str::from_utf8(reply.body()).ok();
    let media_type = header(reply, CONTENT_TYPE).unwrap_or_default();
    assert_eq!(media_type.is_empty(), reply.body().is_empty() || status == 304, "{} {media_type}", sent.path);
    assert!(media_type.is_empty() || header(reply, X_CONTENT_TYPE_OPTIONS) == Some("nosniff"));
    let no_store = header(reply, CACHE_CONTROL) == Some("no-store");
    if media_type.starts_with("text/html") {
        let policy = header(reply, CONTENT_SECURITY_POLICY).expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("base-uri 'none'; frame-ancestors 'none'"), "{policy}");
        assert!(no_store && header(reply, X_FRAME_OPTIONS) == Some("DENY"));
        escaped(body.expect("HTML is text"));
    }
    if media_type.ends_with("json") && status >= 400 {
        let json: Value = serde_json::from_slice(reply.body()).expect("JSON");
        if media_type == "application/json" {
            let error = json["error"].as_str().expect("an error");
            assert!(ErrorCode::parse(error).is_some() && json["error_description"].is_string(), "{json}");
            assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        }
        assert!(no_store, "{json}");
    }
    // RFC 6749 section 5.1, RFC 6750 section 3, RFC 9110 sections 15.5.2 and 15.5.6.
    if matches!(sent.path.as_str(), "/token" | "/userinfo") && !matches!(status, 204 | 405) {
        assert!(no_store, "{} {status}", sent.path);
    }
    assert!(status != 401 || header(reply, WWW_AUTHENTICATE).is_some());
    assert!(status != 405 || header(reply, ALLOW).is_some());
    shared(sent, reply);
    hidden_secrets(sent, reply, body.unwrap_or_default(), log, open);
    // One line of the log is one event: nothing from outside may begin another.
    for line in log.lines() {
        assert!(line.starts_with("20"), "a line of its own: {line:?}");
    }
    assert!(!log.contains(['\u{1b}', '\r']), "{log:?}");
}

/// What the scripts send as `<zz` or `" zz=` stands in no page as such.
fn escaped(html: &str) {
    assert!(!html.contains("<zz") && !html.contains("\" zz=") && !html.contains("' zz="), "{html}");
}

/// Scripts of other origins read public documents, and what is for clients from the clients' own origins.
fn shared(sent: &Sent, reply: &Reply) {
    assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    match header(reply, ACCESS_CONTROL_ALLOW_ORIGIN) {
        None => {}
        Some("*") => assert!(matches!(sent.path.as_str(), "/jwks" | "/.well-known/openid-configuration")),
        Some(origin) => {
            assert!(matches!(sent.path.as_str(), "/token" | "/userinfo"), "{}", sent.path);
            let uris = CLIENTS.iter().flat_map(|client| &client.redirect_uris);
            let loopback = |uri: &str| uri.starts_with("http://127.0.0.1/") && origin.starts_with("http://127.0.0.1");
            let mut known = uris.map(|uri| (uri, url::Url::parse(uri).expect("a URL").origin().ascii_serialization()));
            assert!(known.any(|(uri, own)| own == origin || loopback(uri)), "{origin}");
        }
    }
}

/// Each kind of secret stands where it is given out and nowhere else; but an answer may repeat what requests said openly.
fn hidden_secrets(sent: &Sent, reply: &Reply, body: &str, log: &str, open: &str) {
    let status = reply.status_code().as_u16();
    let mut heads = String::new();
    for (name, value) in reply.headers() {
        let value = value.to_str().unwrap_or_default();
        // The session goes to the browser in its cookie.
        if !(name == hyper::header::SET_COOKIE && value.starts_with(SESSION)) {
            heads.push_str(value);
            heads.push('\n');
        }
    }
    let open = |secret: &str| open.contains(secret);
    let constants =
        SECRETS.iter().filter(|secret| !secret.is_empty()).chain(USERS.iter().map(|(_, password, _)| password));
    for secret in constants {
        assert!(
            open(secret) || ![body, &heads, log].iter().any(|text| text.contains(secret)),
            "{secret} in {sent:?}: {body} {log}"
        );
    }
    for (place, text) in [("body", body), ("head", heads.as_str()), ("log", log)] {
        for (at, prefix) in text.match_indices("hp") {
            // By itself: in the middle of a signature it means nothing.
            let inside = text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || "-_.".contains(before));
            let Some(value) = text.get(at..at + 68).filter(|value| !inside && is_bearer(value)) else { continue };
            let kind = &value[prefix.len()..4];
            let given = match (kind, place) {
                ("c_", "head") => header(reply, LOCATION).is_some_and(|location| location.contains(value)),
                ("c_", "body") => body.contains("<form id=\"form-post\""),
                ("a_" | "r_", "body") => status == 200 && sent.path == "/token",
                _ => false,
            };
            assert!(given || open(value), "{value} in the {place} for {sent:?}: {text}");
        }
    }
    // Pending requests are not for the log.
    let sealed = hidden(body, "pending").next();
    let sealed = sealed.or_else(|| sent.parameter("pending")).filter(|sealed| sealed.len() > 40 && !open(sealed));
    assert!(sealed.is_none_or(|sealed| !log.contains(sealed)), "{log}");
}

fn is_bearer(text: &str) -> bool {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let rest = ["hpc_", "hpa_", "hpr_", "hps_"].iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.is_some_and(|rest| rest.bytes().all(base64url))
}

/// Where an answer sends the browser.
#[derive(Debug)]
pub enum Onward {
    /// Nowhere.
    Stay,
    /// To a page of ours, with a sealed request.
    Page { path: String, pending: String },
    /// To a client.
    Client(Answer),
}

/// An authorization response.
#[derive(Debug)]
pub struct Answer {
    pub mode: &'static str,
    /// The whole address that the browser is sent to, or that the form goes to.
    pub address: String,
    /// All parameters of the part where the mode puts them, those of the redirect URI's own query included.
    pub parameters: Vec<(String, String)>,
}

impl Answer {
    /// A parameter of the response, which comes last and once.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Onward {
    pub fn of(reply: &Reply) -> Self {
        let status = reply.status_code().as_u16();
        let Some(location) = header(reply, LOCATION) else {
            assert!(!(300..304).contains(&status), "{status} to nowhere");
            let body = std::str::from_utf8(reply.body()).unwrap_or_default();
            return Self::of_form(body).map_or(Self::Stay, Self::Client);
        };
        assert_eq!(status, 303, "{location}");
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
        if location.starts_with('/') {
            let (path, query) = location.split_once('?').expect("a query");
            assert!(matches!(path, "/login" | "/consent" | "/select-account" | "/authorize"), "{location}");
            let pending = query.strip_prefix("pending=").expect("a sealed request and nothing else");
            assert!(pending.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{location}");
            return Self::Page { path: path.to_owned(), pending: pending.to_owned() };
        }
        assert!(!location.starts_with(ISSUER), "{location}");
        let (mode, part) = match location.split_once('#') {
            Some((_, fragment)) => ("fragment", fragment),
            None => ("query", location.split_once('?').map_or("", |(_, query)| query)),
        };
        let parameters = form_urlencoded::parse(part.as_bytes()).into_owned().collect();
        Self::Client(Answer { mode, address: location.to_owned(), parameters })
    }

    fn of_form(body: &str) -> Option<Answer> {
        let (_, form) = body.split_once("<form id=\"form-post\" method=\"post\" action=\"")?;
        let (action, form) = form.split_once('"').expect("an action");
        let (form, _) = form.split_once("</form>").expect("an end");
        let field = |input: &str| {
            let (name, rest) = input.split_once("\" value=\"").expect("a value");
            (unescaped(name), unescaped(rest.split_once('"').expect("an end").0))
        };
        let parameters = form.split("<input type=\"hidden\" name=\"").skip(1).map(field).collect();
        Some(Answer { mode: "form_post", address: unescaped(action), parameters })
    }
}

fn unescaped(text: &str) -> String {
    let entities = [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
