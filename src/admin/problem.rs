//! Why a call failed.

use std::fmt;

use serde_json::{Map, Value};

use super::Answer;
use crate::app::lane::LaneError;
use crate::app::request::RequestError;
use crate::store::StoreError;

/// Why a call failed, in the members of RFC 9457 section 3.1: `status`, `title`, `detail`, and `field` where one member of
/// the call is at fault. `detail` is one line that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    title: &'static str,
    detail: String,
    field: Option<String>,
}

impl Problem {
    const fn new(status: u16, title: &'static str, detail: String) -> Self {
        Self { status, title, detail, field: None }
    }

    /// As HTTP would have it: 400, 404, 409, ….
    pub fn status(&self) -> u16 {
        self.status
    }

    /// One line that a person can act on.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The member that is at fault.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// A member of the call is wrong: 400.
    pub(super) fn invalid(field: &str, detail: String) -> Self {
        Self { field: Some(field.to_owned()), ..Self::malformed(detail) }
    }

    /// The call as a whole is wrong: 400.
    pub(super) fn malformed(detail: String) -> Self {
        Self::new(400, "Invalid request", detail)
    }

    /// The caller has not shown who they are: 401.
    pub(super) fn unauthorized(detail: String) -> Self {
        Self::new(401, "Unauthorized", detail)
    }

    /// Not for this caller: 403.
    pub(super) fn forbidden(detail: String) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    /// There is no such thing: 404.
    pub(super) fn missing(detail: String) -> Self {
        Self::new(404, "Not found", detail)
    }

    /// There is nothing at this address, or nothing that can be done so: 404.
    pub(super) fn no_address(path: &str) -> Self {
        Self::missing(format!("there is nothing at {path} for this method"))
    }

    /// Nothing here can be done so: 405.
    pub(super) fn no_method(method: &str) -> Self {
        Self::new(405, "Method not allowed", format!("administration has no method {method}"))
    }

    /// It contradicts what is there: 409.
    pub(super) fn conflict(detail: String) -> Self {
        Self::new(409, "Conflict", detail)
    }

    /// Somebody else changes the same thing again and again: 409.
    pub(super) fn contended() -> Self {
        Self::conflict("it was changed by somebody else at the same time: try again".into())
    }

    /// As an answer.
    pub(super) fn into_answer(self) -> Answer {
        let mut body = Map::new();
        body.insert("title".into(), self.title.into());
        body.insert("status".into(), self.status.into());
        body.insert("detail".into(), self.detail.into());
        if let Some(field) = self.field {
            body.insert("field".into(), field.into());
        }
        Answer { status: self.status, body: Value::Object(body) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(503, "Busy", error.to_string()),
            other => {
                tracing::error!(error = %other, "the store failed in an administration call");
                Self::new(500, "Failed", other.to_string())
            }
        }
    }
}

/// What can't be read as a call.
impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        Self { status: error.status().as_u16(), ..Self::malformed(error.to_string()) }
    }
}

impl From<LaneError> for Problem {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Busy => Self::new(503, "Busy", error.to_string()),
            LaneError::Failed => Self::new(500, "Failed", error.to_string()),
        }
    }
}
