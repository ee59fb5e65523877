//! Whether the program runs, and whether it can do its work.

use hyper::StatusCode;

use crate::app::App;
use crate::app::reply::Reply;

/// `/healthz`: the program runs and answers.
pub(super) fn alive() -> Reply {
    Reply::text("ok\n").no_store()
}

/// `/readyz`: it can do its work: the store takes writes, and there is a key to sign with.
pub(super) async fn ready(app: &App) -> Reply {
    let obstacle = if !app.store.is_healthy() {
        Some("the store is unavailable\n")
    } else if !app.keys.ring(&app.store).await.is_ok_and(|ring| ring.can_sign()) {
        Some("there is no signing key\n")
    } else {
        None
    };
    match obstacle {
        None => Reply::text("ready\n"),
        Some(obstacle) => Reply::text(obstacle).status(StatusCode::SERVICE_UNAVAILABLE),
    }
    .no_store()
}
