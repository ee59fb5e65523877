//! The web origins that may read answers of the token and userinfo endpoints by script: those of registered redirect URIs.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::base::uri::{self, LoopbackUri};
use crate::store::{Page, Store, StoreError};

/// The origins, collected once for as long as no client changes.
#[derive(Default)]
pub struct Origins {
    current: ArcSwapOption<Known>,
    renewal: Mutex<()>,
}

#[derive(Default)]
struct Known {
    revision: u64,
    origins: HashSet<String>,
    /// Loopback hosts with a registered http URI: any of their ports may ask (RFC 8252 section 7.3).
    loopback_hosts: HashSet<String>,
}

impl Known {
    async fn collect(store: &Store) -> Result<Self, StoreError> {
        let mut known = Self { revision: store.revision().clients, ..Self::default() };
        let mut after = None;
        loop {
            let page = store.clients(after.as_ref(), Page::<(), ()>::MAX).await?;
            for uri in page.items.iter().flat_map(|client| &client.redirect_uris) {
                if let Some(loopback) = LoopbackUri::parse(uri) {
                    known.loopback_hosts.insert(loopback.host.to_owned());
                }
                known.origins.extend(uri::origin(uri));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(known),
            }
        }
    }

    fn allows(&self, origin: &str) -> bool {
        self.origins.contains(origin)
            || LoopbackUri::parse(origin)
                .is_some_and(|uri| uri.rest.is_empty() && self.loopback_hosts.contains(uri.host))
    }
}

impl Origins {
    /// Whether a script of this origin (as browsers write it) may read answers.
    pub async fn allows(&self, store: &Store, origin: &str) -> bool {
        match self.known(store).await {
            Ok(known) => known.allows(origin),
            Err(error) => {
                tracing::warn!(%error, "the origins of clients can't be read");
                false
            }
        }
    }

    async fn known(&self, store: &Store) -> Result<Arc<Known>, StoreError> {
        let fresh = |known: &Arc<Known>| known.revision == store.revision().clients;
        if let Some(known) = self.current.load_full().filter(fresh) {
            return Ok(known);
        }
        let _once = self.renewal.lock().await;
        if let Some(known) = self.current.load_full().filter(fresh) {
            return Ok(known);
        }
        let known = Arc::new(Known::collect(store).await?);
        self.current.store(Some(Arc::clone(&known)));
        Ok(known)
    }
}
