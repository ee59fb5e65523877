//! The signing keys, parsed once for as long as they don't change, and the lane where they sign.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard};

use super::document::Document;
use super::fault::Fault;
use super::lane::Lane;
use crate::jose::alg::Algorithm;
use crate::jose::jwk::render_set;
use crate::jose::jws::{Encoder, Jws, Verified, Verifier};
use crate::jose::key::PrivateKey;
use crate::jose::sign::Signer;
use crate::model::client::Client;
use crate::model::key::KeyState;
use crate::protocol::error::OAuthError;
use crate::protocol::hint::HintRefusal;
use crate::store::Store;

/// All keys of the store as they are used: to sign, to verify, and as the JWK Set that is published.
pub struct KeyRing {
    /// As of the store's revision that it carries; made anew when that moves on.
    current: ArcSwapOption<Ring>,
    /// Held while the ring is made anew, so that it is made once.
    renewal: Mutex<()>,
    /// Held while keys change by themselves.
    rotation: Mutex<()>,
    lane: Lane,
}

/// The keys at one moment.
pub struct Ring {
    revision: u64,
    /// Of the active key.
    encoder: Option<Arc<Encoder>>,
    verifiers: HashMap<String, Verifier>,
    jwks: Document,
}

impl Ring {
    async fn load(store: &Store) -> Result<Self, Fault> {
        // Read before the keys: a change in between makes the ring look older than it is, never newer.
        let revision = store.revision().keys;
        let mut ring = Self { revision, encoder: None, verifiers: HashMap::new(), jwks: Document::new("") };
        let mut published = Vec::new();
        for record in store.keys().await? {
            let kid = record.id.as_str();
            let damaged = |why: &dyn std::fmt::Display| Fault::internal(format!("signing key {kid}: {why}"));
            if record.state == KeyState::Active {
                // It may have been deleted since: then this ring is as good as old.
                let Some(der) = store.private_key(&record.id).await? else { continue };
                let key = PrivateKey::from_pkcs8(&der).map_err(|error| damaged(&error))?;
                let signer = Signer::rs256(&key, kid).map_err(|error| damaged(&error))?;
                ring.encoder = Some(Arc::new(Encoder::new(Arc::new(signer), "JWT")));
            }
            if record.state.is_published() {
                published.push(record.public.to_jwk(kid));
            }
            ring.verifiers.insert(kid.to_owned(), Verifier::Rs256(record.public));
        }
        ring.jwks = Document::new(render_set(&published));
        Ok(ring)
    }

    /// The JWK Set (RFC 7517 section 5) of every key that signs, will, or signed what may still be in use.
    pub fn jwks(&self) -> &Document {
        &self.jwks
    }

    /// Whether there is a key to sign with.
    pub fn can_sign(&self) -> bool {
        self.encoder.is_some()
    }
}

impl KeyRing {
    /// At most `width` signatures are made at once, and `queue` more wait.
    pub fn new(width: usize, queue: usize) -> Self {
        let lane = Lane::new("signing", width, queue);
        Self { current: ArcSwapOption::empty(), renewal: Mutex::new(()), rotation: Mutex::new(()), lane }
    }

    /// The right to change keys by themselves, once nobody else has it.
    pub(super) async fn rotation(&self) -> MutexGuard<'_, ()> {
        self.rotation.lock().await
    }

    /// The keys as the store has them now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn ring(&self, store: &Store) -> Result<Arc<Ring>, Fault> {
        let fresh = |ring: &Arc<Ring>| ring.revision == store.revision().keys;
        if let Some(ring) = self.current.load_full().filter(fresh) {
            return Ok(ring);
        }
        let _once = self.renewal.lock().await;
        if let Some(ring) = self.current.load_full().filter(fresh) {
            return Ok(ring);
        }
        match Ring::load(store).await {
            Ok(ring) => {
                let ring = Arc::new(ring);
                self.current.store(Some(Arc::clone(&ring)));
                Ok(ring)
            }
            // While the store is being mended the last ring still serves.
            Err(fault) => self.current.load_full().ok_or(fault),
        }
    }

    /// Signs an ID token's payload as the client wants it (OpenID Connect Core 1.0 section 2): with the active key, off
    /// the reactor, or with the client's secret.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the lane is full, or when there is no key yet.
    pub async fn sign(&self, store: &Store, client: &Client, payload: Vec<u8>) -> Result<String, Fault> {
        match client.id_token_algorithm {
            Algorithm::Hs256 => {
                let secret = client.secret.as_ref().ok_or_else(|| Fault::internal("an HS256 client without secret"))?;
                let signer = Signer::hs256(secret).map_err(|error| Fault::internal(error.to_string()))?;
                Ok(Encoder::new(Arc::new(signer), "JWT").encode(&payload)?)
            }
            Algorithm::Rs256 => {
                let encoder = self.ring(store).await?.encoder.clone();
                let encoder = encoder.ok_or_else(|| Fault::busy("there is no active signing key: run creatersakey"))?;
                Ok(self.lane.run(move |()| encoder.encode(&payload)).await??)
            }
        }
    }

    /// Verifies an ID token of ours that a client sends back, such as an `id_token_hint`. Its times are not looked at.
    ///
    /// # Errors
    /// `invalid_request` when it isn't one.
    pub async fn verify(&self, store: &Store, client: &Client, token: &str) -> Result<Verified, Fault> {
        let ring = self.ring(store).await?;
        let shared = match (&client.secret, client.id_token_algorithm) {
            (Some(secret), Algorithm::Hs256) => Verifier::hs256(secret).ok(),
            _ => None,
        };
        let parsed = Jws::parse(token).and_then(|jws| {
            jws.verify(|header| match header.algorithm {
                Algorithm::Hs256 => shared.as_ref(),
                Algorithm::Rs256 => header.kid.as_ref().and_then(|kid| ring.verifiers.get(kid)),
            })
        });
        parsed.map_err(|error| OAuthError::from(HintRefusal::Unverified).detail(error.to_string()).into())
    }
}
