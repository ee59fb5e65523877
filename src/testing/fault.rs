//! Answers that go wrong once. The provider itself knows nothing of it: what it has answered is changed on its way out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::encode::{base64url, parse_base64url};
use crate::jose::jws::{Encoder, Jws};
use crate::jose::key::PrivateKey;
use crate::jose::sign::Signer;
use crate::model::id::ClientId;
use crate::protocol::issuer::Endpoint;
use crate::server::{Handler, Routes, Shortage};

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer is this error code with this status, as JSON (RFC 6749 section 5.2). Nothing else happens.
    Error {
        /// Such as 503.
        status: u16,
        /// Such as `temporarily_unavailable`.
        code: String,
    },
    /// The answer comes this much later, by the time of the world.
    Delay(Duration),
    /// `iss` of the ID token is somebody else's. This and the following are for [`Endpoint::Token`].
    WrongIssuer,
    /// `aud` of the ID token is another client.
    WrongAudience,
    /// `nonce` of the ID token is another one.
    WrongNonce,
    /// The signature of the ID token doesn't fit.
    WrongSignature,
    /// The ID token has expired an hour ago.
    Expired,
    /// The ID token is signed with a key that isn't published any more.
    ExpiredKey,
}

/// The faults that are to happen.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<HashMap<&'static str, VecDeque<Fault>>>);

impl Faults {
    pub(super) fn add(&self, endpoint: Endpoint, fault: Fault) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.entry(endpoint.path()).or_default().push_back(fault);
    }

    fn take(&self, path: &str) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path)?.pop_front()
    }
}

/// A provider whose answers go wrong when they are told to.
pub(super) struct Faulty {
    routes: Routes,
    app: Arc<App>,
    faults: Arc<Faults>,
}

impl Faulty {
    pub(super) fn new(routes: Routes, app: Arc<App>, faults: Arc<Faults>) -> Self {
        Self { routes, app, faults }
    }

    /// The same answer with an ID token that is wrong; one without an ID token stays as it is.
    async fn spoil(&self, reply: Reply, fault: &Fault) -> Reply {
        match self.spoiled(&reply, fault).await {
            Some(body) => {
                let changed = Reply::json(&Value::Object(body)).status(reply.status_code());
                reply
                    .headers()
                    .iter()
                    .fold(changed, |changed, (name, value)| changed.header(name.clone(), value.clone()))
            }
            None => reply,
        }
    }

    async fn spoiled(&self, reply: &Reply, fault: &Fault) -> Option<Map<String, Value>> {
        let mut body: Map<String, Value> = serde_json::from_slice(reply.body()).ok()?;
        let token = body.get("id_token")?.as_str()?;
        let mut claims = Jws::parse(token).ok()?.unverified_claims()?;
        let client = self.app.store.client(&ClientId::new(claims.get("aud")?.as_str()?)).await.ok()??;
        let now = self.app.clock.now().as_secs();
        let wrong = match fault {
            Fault::WrongIssuer => [("iss", json!("https://somebody.else.example"))].to_vec(),
            Fault::WrongAudience => [("aud", json!("somebody-else"))].to_vec(),
            Fault::WrongNonce => [("nonce", json!("another nonce"))].to_vec(),
            Fault::Expired => {
                [("iat", json!(now.saturating_sub(7200))), ("exp", json!(now.saturating_sub(3600)))].to_vec()
            }
            _ => Vec::new(),
        };
        claims.extend(wrong.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let payload = Value::Object(claims).to_string().into_bytes();
        let token = match fault {
            Fault::WrongSignature => flip(token)?,
            Fault::ExpiredKey => sign_with_another_key(payload).await?,
            _ => self.app.keys.sign(&self.app.store, &client, payload).await.ok()?,
        };
        body.insert("id_token".into(), token.into());
        Some(body)
    }
}

/// A token with one bit of its signature changed.
fn flip(token: &str) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let mut signature = parse_base64url(signature)?;
    *signature.first_mut()? ^= 1;
    Some(format!("{signed}.{}", base64url(signature)))
}

async fn sign_with_another_key(payload: Vec<u8>) -> Option<String> {
    let signed = tokio::task::spawn_blocking(move || {
        let key = PrivateKey::generate(2048).ok()?;
        let signer = Signer::rs256(&key, key.kid()).ok()?;
        Encoder::new(Arc::new(signer), "JWT").encode(&payload).ok()
    });
    signed.await.ok()?
}

impl Handler for Faulty {
    async fn handle(&self, request: Request) -> Reply {
        match self.faults.take(request.path()) {
            None => self.routes.handle(request).await,
            Some(Fault::Error { status, code }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = json!({ "error": code, "error_description": "the test wants it so" });
                Reply::json(&body).status(status).no_store()
            }
            Some(Fault::Delay(time)) => {
                sleep_until(Instant::now() + time).await;
                self.routes.handle(request).await
            }
            Some(fault) => self.spoil(self.routes.handle(request).await, &fault).await,
        }
    }

    fn always_answers(&self, request: &Request) -> bool {
        self.routes.always_answers(request)
    }

    fn overloaded(&self, request: &Request, shortage: Shortage) -> Reply {
        self.routes.overloaded(request, shortage)
    }
}
