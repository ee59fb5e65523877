//! The error page: for faults that cannot be told to a relying party.

use serde::Serialize;

use super::Page;
use super::part::INJECTION;
use super::shape::{Described, Kind, described};

described! {
    /// `error.html`.
    #[derive(Clone, Debug, Serialize)]
    pub struct ErrorPage {
        /// What to tell the person.
        pub kind: ErrorKind,
        /// The protocol's name for the error, such as `invalid_request`.
        pub error: String,
        /// One fixed English phrase per cause, for whoever mends the application.
        pub description: String,
        /// What would be right, in dev mode: "The nearest registered URI is …".
        pub hint: Option<String>,
        /// Under which the log tells the exact reason.
        pub request_id: Option<String>,
    }
}

/// The heading and the advice of an error page, which are in the person's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request that an application made is wrong (400).
    Request,
    /// The request was right once: a stale form, a lost cookie (400).
    Expired,
    /// Signed in, but not allowed to (403).
    Forbidden,
    /// No such page (404).
    Missing,
    /// Too much is going on, or this caller asks too often (429, 503).
    Busy,
    /// Our own fault (500).
    Internal,
}

impl Described for ErrorKind {
    fn kind() -> Kind {
        Kind::Word(&["request", "expired", "forbidden", "missing", "busy", "internal"])
    }
}

impl Page for ErrorPage {
    const TEMPLATE: &'static str = "error.html";

    fn samples() -> Vec<(&'static str, Self)> {
        let page = |kind, code: &str, description: &str| Self {
            kind,
            error: code.to_owned(),
            description: description.to_owned(),
            hint: None,
            request_id: Some("01k9zv3m7q".to_owned()),
        };
        let request = page(
            ErrorKind::Request,
            "invalid_request",
            "The redirect_uri does not match any of the client's registered redirect URIs.",
        );
        vec![
            ("request", request.clone()),
            (
                "hint",
                Self {
                    hint: Some("The nearest registered URI is https://meadow.example/auth/callback.".to_owned()),
                    ..request
                },
            ),
            ("expired", page(ErrorKind::Expired, "invalid_request", "The request has expired.")),
            ("forbidden", page(ErrorKind::Forbidden, "access_denied", "The account may not use this page.")),
            ("missing", page(ErrorKind::Missing, "not_found", "There is no such page.")),
            ("busy", page(ErrorKind::Busy, "temporarily_unavailable", "The server is busy.")),
            ("internal", Self { request_id: None, ..page(ErrorKind::Internal, "server_error", "Internal error.") }),
            (
                "hostile",
                Self {
                    hint: Some(INJECTION.to_owned()),
                    request_id: Some(INJECTION.to_owned()),
                    ..page(ErrorKind::Request, INJECTION, INJECTION)
                },
            ),
        ]
    }
}
