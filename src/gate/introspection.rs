//! Asking a provider elsewhere what a token is worth (RFC 7662).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::access::Access;
use super::guard::Guard;
use super::known::Known;
use crate::base::clock::{Clock, Timestamp};
use crate::base::encode::{base64, percent};
use crate::base::form;
use crate::base::secret::Secret;
use crate::model::scope::Scope;
use crate::outbound::{Client, Options, TrustError};
use crate::protocol::bearer::{self, invalid_token};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::issuer::{Endpoint, Issuer, IssuerError};

/// How long a provider may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many may wait for it at a time; more wait for them first.
const PLACES: usize = 64;

/// For how long an answer is believed.
const KEEP: Duration = Duration::from_secs(10);

/// More than any token of ours has, and than is sensible in a header.
const LONGEST_TOKEN: usize = 4096;

/// A provider elsewhere, whose tokens a [`Guard`] takes. Clones share what they know.
///
/// A hallpass that is asked needs a confidential client with `token_introspection` and the ids of the clients in its scope, and
/// `introspection.include_scope = true`: what a token may be used for is not told otherwise, and then no scope is enough.
///
/// What held a moment ago is believed for 10 seconds, so a token that is revoked may open something for as long.
#[derive(Clone)]
pub struct Introspection(Arc<Parts>);

struct Parts {
    issuer: Issuer,
    endpoint: Url,
    /// `Authorization` of our own.
    credentials: HeaderValue,
    client: Client,
    /// For those who wait for an answer: strangers' tokens make connections.
    places: Semaphore,
    clock: Clock,
    known: Known,
}

/// Why nobody can be asked.
#[derive(Debug)]
pub enum IntrospectionError {
    /// The issuer is none.
    Issuer(IssuerError),
    /// The issuer is http and not this machine: tokens and our secret would be everybody's.
    Insecure,
    /// The roots of certificates can't be read.
    Trust(TrustError),
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(error) => error.fmt(f),
            Self::Insecure => f.write_str("the issuer must be https, or http on this machine"),
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for IntrospectionError {}

/// RFC 7662 section 2.2. Members of other types are a broken answer, and what isn't there is not assumed.
#[derive(Deserialize)]
struct Told {
    active: bool,
    scope: Option<String>,
    client_id: Option<String>,
    username: Option<String>,
    token_type: Option<String>,
    exp: Option<u64>,
    sub: Option<String>,
    iss: Option<String>,
}

impl Introspection {
    /// The issuer's `/introspect`, with the credentials of a client there.
    ///
    /// # Errors
    /// An issuer that is none, or whose network path isn't protected; or no roots of certificates.
    pub fn new(issuer: &str, client_id: &str, client_secret: &str) -> Result<Self, IntrospectionError> {
        Self::trusting(issuer, client_id, client_secret, Vec::new())
    }

    /// The same, and trusts the roots (PEM) in these files beside those of the system.
    ///
    /// # Errors
    /// Those of [`Introspection::new`].
    pub fn trusting(
        issuer: &str,
        client_id: &str,
        client_secret: &str,
        trusted_roots: Vec<PathBuf>,
    ) -> Result<Self, IntrospectionError> {
        let issuer = Issuer::parse(issuer).map_err(IntrospectionError::Issuer)?;
        if !issuer.is_https() && !issuer.is_loopback() {
            return Err(IntrospectionError::Insecure);
        }
        // The program has named the address, so it may be in its own network.
        let options = Options { trusted_roots, allow_private: true, deadline: DEADLINE, body_size: 64 * 1024 };
        let endpoint = Url::parse(&issuer.address(Endpoint::Introspect)).map_err(|_| IntrospectionError::Insecure)?;
        Ok(Self(Arc::new(Parts {
            endpoint,
            credentials: basic(client_id, client_secret),
            client: Client::new(options).map_err(IntrospectionError::Trust)?,
            places: Semaphore::new(PLACES),
            clock: Clock::System,
            known: Known::new(KEEP),
            issuer,
        })))
    }

    /// A guard for resources that need an access token with all of this scope, separated by spaces.
    pub fn guard(&self, scope: &str) -> Guard {
        Guard::elsewhere(self.clone(), scope)
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// What a token opens, if that is all of what is needed.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope`, and `temporarily_unavailable` where the provider doesn't say.
    pub(super) async fn judge(&self, token: &Secret, needed: &Scope) -> Result<Access, OAuthError> {
        let Parts { known, clock, .. } = &*self.0;
        let now = clock.now();
        let access = match known.get(token, now) {
            Some(access) => access,
            None => {
                let access = self.ask(token, now).await?;
                known.put(token, &access, now);
                access
            }
        };
        bearer::check_scope(&access.scope, needed)?;
        Ok(access)
    }

    async fn ask(&self, token: &Secret, now: Timestamp) -> Result<Access, OAuthError> {
        if token.expose().len() > LONGEST_TOKEN {
            return Err(invalid_token("it is longer than any token"));
        }
        let Parts { issuer, endpoint, credentials, client, places, .. } = &*self.0;
        let Ok(Ok(_place)) = timeout(DEADLINE, places.acquire()).await else {
            return Err(unavailable(format!("introspection at {issuer}: too many ask at once")));
        };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, credentials.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = form::render([("token", token.expose()), ("token_type_hint", "access_token")]);
        let answer = client.call(Method::POST, endpoint, headers, Bytes::from(body)).await;
        let answer = answer.map_err(|error| unavailable(format!("introspection at {issuer}: {error}")))?;
        if answer.status() != StatusCode::OK {
            return Err(unavailable(format!("introspection at {issuer} answers {}", answer.status())));
        }
        let told: Told = serde_json::from_slice(answer.body())
            .map_err(|error| unavailable(format!("introspection at {issuer} answers what is none: {error}")))?;
        told.into_access(issuer, now)
    }
}

impl Told {
    fn into_access(self, issuer: &Issuer, now: Timestamp) -> Result<Access, OAuthError> {
        if !self.active {
            return Err(invalid_token("introspection says that it doesn't hold"));
        }
        if self.iss.as_deref().is_some_and(|iss| iss != issuer.as_str()) {
            return Err(invalid_token("introspection tells of somebody else's token"));
        }
        // A refresh token has no type: it is for nobody but the token endpoint.
        if !self.token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
            return Err(invalid_token("it is no bearer token"));
        }
        let (Some(exp), Some(client_id)) = (self.exp, self.client_id) else {
            return Err(unavailable(format!("introspection at {issuer} leaves out exp or client_id")));
        };
        let expires_at = Timestamp::from_secs(exp);
        if expires_at <= now {
            return Err(invalid_token("it has expired"));
        }
        Ok(Access {
            subject: self.sub,
            username: self.username,
            client_id,
            scope: Scope::parse(&self.scope.unwrap_or_default()),
            expires_at,
        })
    }
}

/// RFC 6749 section 2.3.1: both parts are encoded as in a form.
fn basic(client_id: &str, client_secret: &str) -> HeaderValue {
    let mut credentials = String::new();
    percent(client_id, &mut credentials);
    credentials.push(':');
    percent(client_secret, &mut credentials);
    let credentials = base64(credentials);
    let value = HeaderValue::try_from(format!("Basic {credentials}"));
    let mut value = value.unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

fn unavailable(detail: String) -> OAuthError {
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "it can't be said at present what the token is worth")
        .detail(detail)
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn read(text: &str) -> Result<Access, ErrorCode> {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let told: Told = serde_json::from_str(text).unwrap();
        told.into_access(&issuer, NOW).map_err(|error| error.code())
    }

    #[test]
    fn rfc7662_2_2_only_a_live_bearer_token_of_this_issuer_opens_anything() {
        let good = r#"{"active":true,"scope":"read write","client_id":"app","username":"ada","token_type":"bearer","exp":1001,"sub":"1","iss":"https://id.example"}"#;
        let access = read(good).unwrap();
        assert_eq!((access.subject.as_deref(), access.client_id.as_str()), (Some("1"), "app"));
        assert_eq!(access.scope.to_string(), "read write");
        for (from, to) in [
            ("\"active\":true", "\"active\":false"),
            ("https://id.example", "https://evil.example"),
            ("\"token_type\":\"bearer\",", ""),
            ("\"bearer\"", "\"DPoP\""),
            ("1001", "1000"),
        ] {
            assert_eq!(read(&good.replace(from, to)), Err(ErrorCode::InvalidToken), "{to}");
        }
        for missing in ["\"exp\":1001,", "\"client_id\":\"app\","] {
            assert_eq!(read(&good.replace(missing, "")), Err(ErrorCode::TemporarilyUnavailable), "{missing}");
        }
        assert!(read(&good.replace("\"scope\":\"read write\",", "")).unwrap().scope.is_empty(), "nothing is assumed");
        assert!(serde_json::from_str::<Told>(&good.replace("true", "\"true\"")).is_err(), "no truth but true");
    }

    #[test]
    fn rfc6749_2_3_1_credentials_are_encoded_one_by_one() {
        assert_eq!(basic("a:b c", "p%q"), format!("Basic {}", base64("a%3Ab%20c:p%25q")));
    }

    #[test]
    fn secrets_go_nowhere_in_clear() {
        assert!(matches!(Introspection::new("http://id.example", "a", "b"), Err(IntrospectionError::Insecure)));
        assert!(matches!(Introspection::new("id.example", "a", "b"), Err(IntrospectionError::Issuer(_))));
        assert!(Introspection::new("http://127.0.0.1:8000/id", "a", "b").is_ok());
    }
}
