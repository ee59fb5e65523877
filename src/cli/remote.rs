//! Administration over the network: `--url`, with the token of `admin.token` in `HALLPASS_ADMIN_TOKEN`.

use std::io::{self, ErrorKind};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use tokio::time::timeout;
use url::Url;

use super::failure::Failure;
use super::output;
use super::wire::{self, Callee, Lost, Received};
use crate::admin::{Answer, Call, Method};
use crate::outbound::{self, Trust, TrustError};
use crate::protocol::issuer::Issuer;
use crate::settings::{ADMIN_TOKEN, Outbound};

/// How long a connection may take to be made, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A provider elsewhere.
pub(super) struct Remote {
    /// What `--url` says, which is the provider's issuer.
    issuer: Issuer,
    /// Host and port as they stand in the URL.
    authority: String,
    /// The host alone, without the brackets of an IPv6 address.
    host: String,
    authorization: HeaderValue,
    /// Where the URL is https.
    trust: Option<Trust>,
}

impl Remote {
    /// The provider at `url`, for whoever has its token. `outbound` says which roots are trusted beside the system's, and whether
    /// the token may travel unencrypted; on this machine it may.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a URL that can't be an issuer; [`Failure::Failed`] where the token, the settings or
    /// the roots can't be used, or whoever sees the network would see the token.
    pub(super) fn new(
        url: &str,
        token: Option<&str>,
        outbound: impl FnOnce() -> Result<Outbound, Failure>,
    ) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::usage(&[], format!("--url {url:?}: {why}"));
        let issuer = Issuer::parse(url).map_err(|error| wrong(error.to_string()))?;
        let parsed = Url::parse(issuer.as_str()).map_err(|error| wrong(error.to_string()))?;
        let (_, authority) = issuer.origin().split_once("://").unwrap_or_default();
        let (authority, host) = (authority.to_owned(), parsed.host_str().unwrap_or_default());
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::failed(format!(
                "--url needs the provider's admin.token in the environment: {ADMIN_TOKEN} is not set"
            ))
        })?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Failure::failed(format!("{ADMIN_TOKEN} holds characters that no token has")))?;
        authorization.set_sensitive(true);
        let no_tls = |error: TrustError| Failure::failed(format!("TLS can't be used: {error}"));
        let trust = if issuer.is_https() {
            Some(Trust::load(&outbound()?.trusted_roots).map_err(no_tls)?)
        } else if issuer.is_loopback() {
            None
        } else if outbound()?.allow_private {
            output::note(&format!("warning: the token travels to {} unencrypted", issuer.origin()));
            None
        } else {
            return Err(Failure::failed(format!(
                "the token would travel to {} unencrypted: use https (outbound.allow_private allows http)",
                issuer.origin()
            )));
        };
        Ok(Self { issuer, authority, host, authorization, trust })
    }

    /// Makes a call.
    ///
    /// # Errors
    /// One line about what keeps it from being answered.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let connecting = outbound::connect((self.host.as_str(), self.issuer.port()), &self.host, self.trust.as_ref());
        let connected = timeout(CONNECT_DEADLINE, connecting).await;
        let connection = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        let connection = connection.map_err(|error| self.failed(&describe(&error)))?;
        let callee = Callee {
            host: &self.authority,
            prefix: self.issuer.path(),
            authorization: Some(&self.authorization),
            // There is no other way that a call could take.
            ask_first: false,
        };
        match wire::send(connection, call, &callee).await {
            Ok(received) => self.read(&received),
            Err(Lost::Unknown(why)) if call.method != Method::Get => {
                Err(self.failed(&format!("{why}: the change may or may not have been made")))
            }
            Err(Lost::Undone(why) | Lost::Unknown(why)) => Err(self.failed(&why)),
        }
    }

    fn read(&self, received: &Received) -> Result<Answer, Failure> {
        let Received { status, media_type, body } = received;
        if *status == StatusCode::UNAUTHORIZED {
            return Err(self.failed(&format!("the token in {ADMIN_TOKEN} is refused")));
        }
        if status.is_redirection() {
            return Err(
                self.failed(&format!("answered {status}, a redirect, which is not followed: name the issuer itself"))
            );
        }
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let is_json = essence == "application/json" || essence == "application/problem+json";
        let body: Option<Value> = if *status == StatusCode::NO_CONTENT {
            Some(Value::Null)
        } else {
            is_json.then(|| serde_json::from_slice(body).ok()).flatten()
        };
        match body {
            Some(body) => {
                // An answer from before administration has the members of OAuth.
                let body = match body.get("error_description") {
                    Some(description) => json!({ "detail": description }),
                    None => body,
                };
                Ok(Answer { status: status.as_u16(), body })
            }
            None if *status == StatusCode::NOT_FOUND => {
                Err(self
                    .failed("there is no administration: it is not the issuer's URL, or admin.token is not set there"))
            }
            None if status.is_success() => Err(self.failed("what answers is no hallpass")),
            None => Err(self.failed(&format!("answered {status}"))),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::failed(format!("{}: {}", self.issuer, why.replace('\n', " ")))
    }
}

/// Without the system's numbers.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".into(),
        ErrorKind::TimedOut => format!("no connection within {} s", CONNECT_DEADLINE.as_secs()),
        _ => error.to_string(),
    }
}
