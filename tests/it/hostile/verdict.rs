//! What an answer says, and whether it says it in the way that its endpoint promises.

use crate::harness::*;

/// How an endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Pages before the redirect URI is proven, then at the client.
    Authorization,
    /// RFC 6749 section 5.2.
    Json,
    /// RFC 6750 section 3.
    Bearer,
    /// The same for a reverse proxy, which takes 401 and 403 for a no.
    Proxy,
    /// Pages, and redirects from one to the next.
    Page,
    /// RFC 9457.
    Problem,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It went well.
    Done(u16),
    /// A page says that it did not.
    Page(u16),
    /// A program is told: status and error code.
    Refused(u16, String),
    /// The client is told, and perhaps that it went wrong.
    Client(Option<String>),
    /// The browser is sent to another address of ours.
    Onward(String),
    /// The HTTP library has refused it, or the connection was closed over it.
    Dropped,
}

impl Verdict {
    /// Reads an answer, which must have the form of its channel.
    #[track_caller]
    pub fn of(channel: Channel, response: &Response, issuer: &str, what: &str) -> Self {
        let status = response.status;
        if status == 431 {
            return Self::Dropped;
        }
        let store = response.header("cache-control");
        assert!(status < 400 || store == Some("no-store"), "{what}: {response:?}");
        match channel {
            Channel::Authorization | Channel::Page => Self::of_browser(response, issuer, what),
            Channel::Problem if status < 300 => Self::Done(status),
            Channel::Problem => {
                assert_eq!(response.header("content-type"), Some("application/problem+json"), "{what}: {response:?}");
                let problem = response.json();
                assert_eq!(problem["status"], status, "{what}");
                assert!(problem["title"].is_string() && problem["detail"].is_string(), "{what}: {problem}");
                assert_eq!(response.header("www-authenticate").is_some(), status == 401, "{what}: {response:?}");
                Self::Refused(status, problem["title"].as_str().unwrap().to_owned())
            }
            Channel::Json | Channel::Bearer | Channel::Proxy if status == 200 => Self::Done(status),
            Channel::Json => {
                assert!([400, 401, 405, 413, 415].contains(&status), "{what}: {response:?}");
                let challenge = response.header("www-authenticate");
                assert_eq!(challenge.is_some_and(|text| text.starts_with("Basic realm=\"")), status == 401, "{what}");
                Self::Refused(status, error_of(response, what))
            }
            Channel::Bearer | Channel::Proxy => {
                let challenge = parse_challenge(response.header("www-authenticate").unwrap_or_default());
                let (scheme, parameters) = challenge.unwrap_or_else(|| panic!("{what}: {response:?}"));
                assert_eq!(scheme, "Bearer", "{what}");
                let get =
                    |name: &str| parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
                assert_eq!(get("realm").as_deref(), Some(issuer), "{what}");
                let error = get("error").unwrap_or_default();
                let expected: &[u16] = match error.as_str() {
                    "invalid_request" if channel == Channel::Proxy => &[],
                    // What is wrong with the body itself has the status that names it.
                    "invalid_request" => &[400, 413],
                    "invalid_token" | "" => &[401],
                    "insufficient_scope" => &[403],
                    _ => &[],
                };
                assert!(expected.contains(&status), "{what}: {response:?}");
                if !error.is_empty() {
                    assert_eq!(error_of(response, what), error, "{what}");
                }
                Self::Refused(status, error)
            }
        }
    }

    fn of_browser(response: &Response, issuer: &str, what: &str) -> Self {
        let location = response.header("location");
        if response.has_id("form-post") || location.is_some_and(|to| to.starts_with(REDIRECT)) {
            let answer = Answer::of(response);
            assert!(answer.location.starts_with(REDIRECT), "{what}: {response:?}");
            let is_error = answer.get("error").is_some();
            assert!(is_error || answer.get("code").is_some(), "{what}: {response:?}");
            return Self::Client(is_error.then(|| answer.error().to_owned()));
        }
        if location.is_some_and(|to| to == GOODBYE || to.starts_with(&format!("{GOODBYE}?state="))) {
            assert_eq!(response.status, 303, "{what}: {response:?}");
            return Self::Client(None);
        }
        if let Some(location) = location {
            assert_eq!(response.status, 303, "{what}: {response:?}");
            let path = location.strip_prefix(issuer).unwrap_or(location);
            assert!(path.starts_with('/') && !path.starts_with("//"), "{what}: an open redirect to {location}");
            return Self::Onward(path.split('?').next().unwrap().to_owned());
        }
        if response.status < 400 {
            return Self::Done(response.status);
        }
        assert!([400, 403, 404, 413, 415].contains(&response.status), "{what}: {response:?}");
        let is_page = ["error-page", "playground-problem", "playground-result"].iter().any(|id| response.has_id(id));
        assert!(is_page, "{what}: {response:?}");
        Self::Page(response.status)
    }
}

/// The error code of a JSON body, after what holds for all of them (RFC 6749 section 5.2).
#[track_caller]
fn error_of(response: &Response, what: &str) -> String {
    assert_eq!(response.header("content-type"), Some("application/json"), "{what}: {response:?}");
    let body = response.json();
    for member in ["error", "error_description"] {
        let text = body[member].as_str().unwrap_or_else(|| panic!("{what}: no {member}: {body}"));
        let legal = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(!text.is_empty() && text.len() <= 300 && text.chars().all(legal), "{what}: {text:?}");
    }
    response.error()
}

/// A challenge: its scheme, and its parameters as quoted strings (RFC 9110 sections 11.2 and 11.3). `None` if it is no such thing.
pub fn parse_challenge(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let (scheme, mut rest) = text.split_once(' ')?;
    let mut parameters = Vec::new();
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let (value, more) = value.split_once('"')?;
        let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_token || value.contains('\\') {
            return None;
        }
        parameters.push((name.to_owned(), value.to_owned()));
        match more.strip_prefix(", ") {
            Some(more) => rest = more,
            None if more.is_empty() => return Some((scheme.to_owned(), parameters)),
            None => return None,
        }
    }
}
