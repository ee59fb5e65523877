//! A guard in front of a program's own resources.

use std::fmt;
use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request};

use super::access::Access;
use super::introspection::Introspection;
use super::refusal::Refusal;
use crate::app::App;
use crate::app::header;
use crate::app::request::RequestError;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::scope::Scope;
use crate::protocol::bearer;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::issuer::Issuer;

/// Lets requests through that bear an access token which is good for all of a scope (RFC 6750). Clones share what they know.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let provider = hallpass::Provider::builder().issuer("http://localhost:3000").in_memory().build().await?;
/// let guard = provider.guard("read:books");
/// let request = hyper::Request::get("/books").body(())?;
/// match guard.check(&request).await {
///     Ok(access) => println!("{:?} reads books with {}", access.subject, access.client_id),
///     Err(refusal) => assert_eq!(refusal.into_response().status(), 401),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard {
    judge: Judge,
    needed: Scope,
    query_token: bool,
}

/// Who knows what a token is worth.
#[derive(Clone)]
enum Judge {
    Here(Arc<App>),
    Elsewhere(Introspection),
}

impl Guard {
    /// Tokens of a provider in this process, with all of this scope: names separated by spaces.
    pub fn new(app: Arc<App>, scope: &str) -> Self {
        Self { judge: Judge::Here(app), needed: Scope::parse(scope), query_token: false }
    }

    /// Tokens of a provider elsewhere.
    pub(super) fn elsewhere(introspection: Introspection, scope: &str) -> Self {
        Self { judge: Judge::Elsewhere(introspection), needed: Scope::parse(scope), query_token: false }
    }

    /// Takes the token from the query, too (RFC 6750 section 2.3), where logs and histories keep it: RFC 9700 section 4.3.2 says
    /// never.
    #[must_use]
    pub fn with_query_token(self) -> Self {
        Self { query_token: true, ..self }
    }

    /// Whose token a request bears in its `Authorization` header.
    ///
    /// # Errors
    /// The answer to a request that isn't to be let through.
    pub async fn check<B>(&self, request: &Request<B>) -> Result<Access, Refusal> {
        self.decide(request, None).await
    }

    /// The same, and takes the token from a form in the body, too (RFC 6750 section 2.2), which the caller has read, within limits of
    /// its own. A body of another type is none.
    ///
    /// # Errors
    /// The answer to a request that isn't to be let through.
    pub async fn check_with_form<B>(&self, request: &Request<B>, body: &[u8]) -> Result<Access, Refusal> {
        let may_have_one = *request.method() != Method::GET && is_form(request.headers());
        self.decide(request, may_have_one.then_some(body)).await
    }

    async fn decide<B>(&self, request: &Request<B>, body: Option<&[u8]>) -> Result<Access, Refusal> {
        let refuse = |error| Refusal::because(error, self.issuer(), &self.needed);
        let query = self.query_token.then(|| request.uri().query().unwrap_or_default().as_bytes());
        let token = presented(request.headers(), body, query).map_err(refuse)?;
        let token = token.ok_or_else(|| Refusal::token_missing(self.issuer(), &self.needed))?;
        match &self.judge {
            Judge::Here(app) => {
                let judged = Access::by(app, &token, &self.needed, app.clock.now()).await;
                judged.map_err(|fault| refuse(fault.into_error()))
            }
            Judge::Elsewhere(introspection) => introspection.judge(&token, &self.needed).await.map_err(refuse),
        }
    }

    fn issuer(&self) -> &Issuer {
        match &self.judge {
            Judge::Here(app) => &app.issuer,
            Judge::Elsewhere(introspection) => introspection.issuer(),
        }
    }
}

/// RFC 6750 section 2: the token, from where it may come.
fn presented(headers: &HeaderMap, body: Option<&[u8]>, query: Option<&[u8]>) -> Result<Option<Secret>, OAuthError> {
    let malformed = |error: RequestError| OAuthError::new(ErrorCode::InvalidRequest, error.to_string());
    let parse = |text: Option<&[u8]>| text.map(Form::parse).transpose().map_err(|error| malformed(error.into()));
    let authorization = header::authorization(headers).map_err(malformed)?;
    bearer::parse_token(authorization, parse(body)?.as_ref(), parse(query)?.as_ref())
}

fn is_form(headers: &HeaderMap) -> bool {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("issuer", self.issuer()).field("needed", &self.needed).finish_non_exhaustive()
    }
}
