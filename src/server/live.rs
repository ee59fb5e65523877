//! Options that change while the server runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::header::HeaderValue;

use super::Options;
use crate::app::address::Proxies;

/// The options of a running server, which can be given others. Clones are the same.
///
/// Deadlines, limits of bodies, trusted proxies and Strict-Transport-Security are looked up for each connection or request.
/// The rest is counted out, or listened with, at the start: there it stays as it was then.
#[derive(Clone)]
pub struct LiveOptions(Arc<ArcSwap<InForce>>);

/// Options, and what is made of them once.
pub(super) struct InForce {
    pub(super) options: Options,
    pub(super) proxies: Proxies,
    pub(super) strict_transport: Option<HeaderValue>,
}

impl LiveOptions {
    /// Others from now on. The certificate stays: it renews itself.
    pub fn set(&self, options: Options) {
        let tls = self.load().options.tls.clone();
        self.0.store(Arc::new(InForce::new(Options { tls, ..options })));
    }

    pub(super) fn load(&self) -> Arc<InForce> {
        self.0.load_full()
    }
}

impl From<Options> for LiveOptions {
    fn from(options: Options) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(InForce::new(options))))
    }
}

impl fmt::Debug for LiveOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().options.fmt(f)
    }
}

impl InForce {
    fn new(options: Options) -> Self {
        let max_age = |time: std::time::Duration| HeaderValue::try_from(format!("max-age={}", time.as_secs())).ok();
        Self {
            proxies: Proxies::new(options.trusted_proxies.clone()),
            strict_transport: options.strict_transport.and_then(max_age),
            options,
        }
    }
}
