//! An error on its way to whoever made the request: the one place where it becomes bytes.
//!
//! What it looks like is a property of the route: JSON for machines, a challenge for bearers of tokens, a page for people.
//! Its private side goes to the log, under the request id that the answer carries.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::WWW_AUTHENTICATE;

use super::App;
use super::lane::LaneError;
use super::reply::Reply;
use super::request::{Request, RequestError};
use super::throttle::RetryAfter;
use crate::jose::sign::SigningFailed;
use crate::model::id::ClientId;
use crate::model::scope::Scope;
use crate::page::{ErrorKind, ErrorPage, PageError};
use crate::protocol::bearer;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope::OPENID;
use crate::store::StoreError;

/// How long clients are asked to wait when there is more work than fits.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// An error with everything that its answer needs.
#[derive(Debug)]
pub struct Fault {
    error: OAuthError,
    /// Where HTTP has a better status than the error code.
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    /// What the page says to people.
    kind: ErrorKind,
    /// A challenge without an error.
    bare_challenge: bool,
    /// Whose request it was, for the log.
    client: Option<ClientId>,
    /// What the page advises, in development.
    hint: Option<String>,
}

/// Why pages expire for people who develop.
const EXPIRED_HINT: &str = "A login belongs to the browser and to the host name where it began: localhost and 127.0.0.1 are \
                            two hosts with cookies of their own. A restart without --data ends every login that has begun.";

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// To a program: JSON (RFC 6749 section 5.2).
    Json,
    /// To a program that bears a token: a challenge (RFC 6750 section 3).
    Bearer,
    /// To a person: a page.
    Page,
}

impl Fault {
    fn new(error: OAuthError, kind: ErrorKind) -> Self {
        Self { error, status: None, retry_after: None, kind, bare_challenge: false, client: None, hint: None }
    }

    /// Something is wrong with us. `detail` is for the log only.
    pub fn internal(detail: impl AsRef<str>) -> Self {
        Self::new(
            OAuthError::new(ErrorCode::ServerError, "Something went wrong on the server.").detail(detail),
            ErrorKind::Internal,
        )
    }

    /// There is more work than fits. `detail` is for the log only.
    pub fn busy(detail: impl AsRef<str>) -> Self {
        let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "The server is busy: try again shortly.");
        Self { retry_after: Some(BUSY_WAIT), ..Self::new(error.detail(detail), ErrorKind::Busy) }
    }

    /// RFC 6750 section 3.1: a request without a token gets a challenge that names no error.
    pub fn token_missing() -> Self {
        let fault = Self::from(OAuthError::new(ErrorCode::InvalidToken, "send an access token"));
        Self { bare_challenge: true, ..fault }
    }

    /// There is no such page.
    pub fn missing() -> Self {
        let error = OAuthError::new(ErrorCode::InvalidRequest, "There is nothing at this address.");
        Self { status: Some(StatusCode::NOT_FOUND), ..Self::new(error, ErrorKind::Missing) }
    }

    /// The address takes other methods only (RFC 9110 section 15.5.6). The answer needs `Allow`.
    pub fn method() -> Self {
        let error = OAuthError::new(ErrorCode::InvalidRequest, "This address does not take this method.");
        Self { status: Some(StatusCode::METHOD_NOT_ALLOWED), ..Self::new(error, ErrorKind::Request) }
    }

    /// A page that was open for too long, or whose browser lost the cookie that belongs to it.
    pub fn expired(detail: impl AsRef<str>) -> Self {
        let text = "The page has expired: go back to the application and start again.";
        Self::new(OAuthError::new(ErrorCode::InvalidRequest, text).detail(detail), ErrorKind::Expired)
    }

    /// The same, with the client whose request it was, for the log.
    #[must_use]
    pub fn of_client(self, client: &ClientId) -> Self {
        Self { client: Some(client.clone()), ..self }
    }

    /// The same with another status than its code has.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The same from an endpoint that HTTP itself would call guarded: where the client isn't known for sure, the answer is 401
    /// with a challenge, however it has tried (RFC 7662 section 2.3).
    #[must_use]
    pub fn guarded(self) -> Self {
        match self.error.code() {
            ErrorCode::InvalidClient => Self { error: self.error.with_basic_challenge(), ..self },
            _ => self,
        }
    }

    /// The same, with advice for its page.
    #[must_use]
    pub fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// Whether something is wrong with us, and not with what was asked.
    pub fn is_ours(&self) -> bool {
        matches!(self.error.code(), ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)
    }

    /// The error itself, for an answer that goes to a redirect URI.
    pub fn into_error(self) -> OAuthError {
        self.error
    }

    /// The answer, and the line in the log.
    pub fn answer(&self, app: &App, request: &Request, channel: Channel) -> Reply {
        log(&self.error, self.client.as_ref());
        let status = self.status.or_else(|| StatusCode::from_u16(self.error.status()).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reply = match channel {
            Channel::Json => self.json(),
            Channel::Bearer => self.bearer(app),
            Channel::Page => self.page(app, request),
        };
        let status = match status {
            // 401 is for programs: a person gets a page, not a browser's password box.
            StatusCode::UNAUTHORIZED if channel == Channel::Page => StatusCode::BAD_REQUEST,
            // Behind OAuth's code there is 400 for programs; what a page says is that it is forbidden.
            _ if channel == Channel::Page && self.kind == ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            status => status,
        };
        let reply = reply.status(status).no_store();
        match self.retry_after {
            Some(wait) => reply.retry_after(wait),
            None => reply,
        }
    }

    /// RFC 6749 section 5.2.
    fn json(&self) -> Reply {
        let reply = Reply::json(&self.error);
        if self.error.has_basic_challenge() {
            reply.text_header(WWW_AUTHENTICATE, "Basic realm=\"hallpass\", charset=\"UTF-8\"")
        } else {
            reply
        }
    }

    /// RFC 6750 section 3. The body repeats what the challenge says, for people who look at it.
    fn bearer(&self, app: &App) -> Reply {
        if self.bare_challenge {
            let reply = Reply::empty(StatusCode::UNAUTHORIZED);
            return reply.text_header(WWW_AUTHENTICATE, &bearer::challenge(&app.issuer, None, None));
        }
        let reply = Reply::json(&self.error);
        match self.error.code() {
            ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable => reply,
            code => {
                let needed = (code == ErrorCode::InsufficientScope).then(|| Scope::parse(OPENID));
                reply.text_header(WWW_AUTHENTICATE, &bearer::challenge(&app.issuer, Some(&self.error), needed.as_ref()))
            }
        }
    }

    fn page(&self, app: &App, request: &Request) -> Reply {
        let page = ErrorPage {
            kind: self.kind,
            error: self.error.code().name().to_owned(),
            description: self.error.description().to_owned(),
            hint: self.hint.clone().or_else(|| {
                let is_puzzling = app.development.is_some() && self.kind == ErrorKind::Expired;
                is_puzzling.then(|| EXPIRED_HINT.to_owned())
            }),
            request_id: Some(request.id().to_string()),
        };
        let locale = app.locale(None, request);
        app.page_in_any_case(&page, &locale).unwrap_or_else(|fault| {
            log(&fault.error, None);
            Reply::text("something went wrong on the server\n")
        })
    }
}

/// One line with both sides of an error, under the id of the request that it answers. Our own faults are errors, everything
/// else is somebody's mistake.
pub fn log(error: &OAuthError, client: Option<&ClientId>) {
    let (code, description) = (error.code().name(), error.description());
    let detail = error.private_detail().unwrap_or_default();
    let client = client.map(ClientId::as_str);
    match error.code() {
        ErrorCode::ServerError => tracing::error!(code, description, detail, client, "failed"),
        ErrorCode::TemporarilyUnavailable => tracing::warn!(code, description, detail, client, "turned away"),
        _ => tracing::info!(code, description, detail, client, "refused"),
    }
}

impl From<OAuthError> for Fault {
    fn from(error: OAuthError) -> Self {
        let kind = match error.code() {
            ErrorCode::ServerError => ErrorKind::Internal,
            ErrorCode::TemporarilyUnavailable => ErrorKind::Busy,
            ErrorCode::AccessDenied => ErrorKind::Forbidden,
            _ => ErrorKind::Request,
        };
        Self::new(error, kind)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Unavailable(_) => Self::busy(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<LaneError> for Fault {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Busy => Self::busy(error.to_string()),
            LaneError::Failed => Self::internal(error.to_string()),
        }
    }
}

impl From<SigningFailed> for Fault {
    fn from(error: SigningFailed) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<PageError> for Fault {
    fn from(error: PageError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        let status = error.status();
        let fault = Self::from(OAuthError::new(ErrorCode::InvalidRequest, error.to_string()));
        Self { status: Some(status), ..fault }
    }
}

impl From<RetryAfter> for Fault {
    fn from(wait: RetryAfter) -> Self {
        let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "Too many failed attempts: try again later.");
        Self {
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            retry_after: Some(wait.0),
            ..Self::new(error, ErrorKind::Busy)
        }
    }
}
