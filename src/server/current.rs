//! The provider that is in force: another one may take its place while the server runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::route::Routes;
use super::{Handler, Shortage};
use crate::app::App;
use crate::app::reply::Reply;
use crate::app::request::Request;

/// The provider in force. Whoever begins something takes it as it is then and goes on with that to the end. Clones are the
/// same.
#[derive(Clone)]
pub struct Current(Arc<watch::Sender<Arc<App>>>);

impl Current {
    /// The one that is in force at this moment.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another one in force.
    pub(super) fn replace(&self, app: App) {
        self.0.send_replace(Arc::new(app));
    }

    /// Tells of each that comes into force.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<App>> {
        self.0.subscribe()
    }
}

impl From<Arc<App>> for Current {
    fn from(app: Arc<App>) -> Self {
        Self(Arc::new(watch::Sender::new(app)))
    }
}

impl From<&Arc<App>> for Current {
    fn from(app: &Arc<App>) -> Self {
        Arc::clone(app).into()
    }
}

impl Handler for Current {
    async fn handle(&self, request: Request) -> Reply {
        Routes(self.app()).handle(request).await
    }

    fn always_answers(&self, request: &Request) -> bool {
        Routes(self.app()).always_answers(request)
    }

    fn overloaded(&self, request: &Request, shortage: Shortage) -> Reply {
        Routes(self.app()).overloaded(request, shortage)
    }
}
