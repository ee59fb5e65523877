//! Cross-origin reads by scripts (Fetch section 3.3, "CORS protocol").
//!
//! Credentials are never allowed: no cookie of ours answers a script of another origin.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN,
};

use super::reply::Reply;
use super::request::Request;
use hyper::Method;

const ANY: HeaderValue = HeaderValue::from_static("*");

/// Headers that scripts send to us.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, Accept, DPoP");

/// Headers of answers that scripts may read beyond those that Fetch always lets through.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Retry-After, DPoP-Nonce, X-Request-Id");

/// How long a browser may remember a preflight's answer. Short: a client's origins change when it is edited.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Which scripts may read an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Scripts of any origin: for public documents.
    Everybody,
    /// Scripts of the request's own origin.
    Origin(HeaderValue),
    /// None but ours.
    Nobody,
}

impl Sharing {
    /// Decides about a request: its origin is echoed when it is `allowed`. Requests without one did not come
    /// from a script of another origin; the opaque origin `null` is nobody's and never allowed.
    pub fn decide(request: &Request, allowed: bool) -> Self {
        match (request.origin(), request.headers().get(ORIGIN)) {
            (Some(origin), Some(value)) if origin != "null" && allowed => Self::Origin(value.clone()),
            _ => Self::Nobody,
        }
    }

    /// Puts the decision on an answer, errors included: a script should be able to read why it was refused.
    pub fn apply(self, reply: Reply) -> Reply {
        match self {
            Self::Everybody => {
                reply.header(ACCESS_CONTROL_ALLOW_ORIGIN, ANY).header(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS)
            }
            Self::Origin(origin) => reply
                .header(ACCESS_CONTROL_ALLOW_ORIGIN, origin)
                .header(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS)
                .vary("Origin"),
            // The answer to another origin would differ, and caches must know.
            Self::Nobody => reply.vary("Origin"),
        }
    }

    /// The answer to a preflight request, which never needs credentials. `methods` as in `"GET, POST"`.
    pub fn preflight(self, methods: &'static str) -> Reply {
        let origin = match self {
            Self::Everybody => ANY,
            Self::Origin(origin) => origin,
            Self::Nobody => return Reply::empty(StatusCode::NO_CONTENT).vary("Origin"),
        };
        let reply = Reply::empty(StatusCode::NO_CONTENT)
            .header(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods))
            .header(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
            .header(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE.as_secs()));
        let reply = if origin == ANY { reply } else { reply.vary("Origin") };
        reply.header(ACCESS_CONTROL_ALLOW_ORIGIN, origin)
    }
}

/// Whether a request is a preflight: a browser asks whether a script may send the real one.
pub fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use hyper::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, VARY};

    fn from(origin: &'static str) -> Request {
        Request::in_process(Method::OPTIONS, "/token", Timestamp::EPOCH)
            .unwrap()
            .with_header(ORIGIN, HeaderValue::from_static(origin))
    }

    #[test]
    fn fetch_3_3_an_allowed_origin_is_echoed() {
        let sharing = Sharing::decide(&from("https://app.example"), true);
        let reply = sharing.clone().apply(Reply::text("x"));
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(reply.headers()[VARY], "Origin");
        let preflight = sharing.preflight("POST");
        assert_eq!(preflight.status_code(), StatusCode::NO_CONTENT);
        assert_eq!(preflight.headers()[ACCESS_CONTROL_ALLOW_METHODS], "POST");
        assert_eq!(preflight.headers()[ACCESS_CONTROL_MAX_AGE], "600");
        assert_eq!(preflight.headers()[VARY], "Origin");
        assert!(!preflight.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn fetch_3_3_other_origins_get_nothing_but_caches_are_told() {
        for (origin, allowed) in [("https://evil.example", false), ("null", true)] {
            let sharing = Sharing::decide(&from(origin), allowed);
            assert_eq!(sharing, Sharing::Nobody, "{origin}");
            let reply = sharing.clone().apply(Reply::text("x"));
            assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
            assert_eq!(reply.headers()[VARY], "Origin");
            assert!(!sharing.preflight("GET").headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        }
    }

    #[test]
    fn public_documents_are_everybodys() {
        let reply = Sharing::Everybody.apply(Reply::json_bytes("{}"));
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!reply.headers().contains_key(VARY), "the answer is the same for all");
    }

    #[test]
    fn a_preflight_is_known_by_its_headers() {
        let request = from("https://a");
        assert!(!is_preflight(&request));
        assert!(is_preflight(&request.with_header(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"))));
    }
}
