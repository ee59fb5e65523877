//! Which request is being answered, for the lines that are written meanwhile.
//!
//! A span of the logging library would do the same for the price of some allocations a request, whether anything is
//! logged or not.

use std::cell::Cell;
use std::pin::pin;

use crate::app::request::RequestId;

thread_local! {
    static CURRENT: Cell<Option<RequestId>> = const { Cell::new(None) };
}

/// Runs a future; what is logged while it runs carries the request's id.
pub(in crate::server) async fn answering<F: Future>(id: RequestId, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let _until_polled = Entered(CURRENT.replace(Some(id)));
        future.as_mut().poll(cx)
    })
    .await
}

/// The request that is being answered on this thread.
pub(super) fn current() -> Option<RequestId> {
    CURRENT.get()
}

/// Puts back what was before, after a panic too.
struct Entered(Option<RequestId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_the_current_one_only_while_it_is_answered() {
        let (one, other) = (RequestId::new(), RequestId::new());
        assert_eq!(current(), None);
        let inside = answering(one, async {
            let before = current();
            let nested = answering(other, async { current() }).await;
            tokio::task::yield_now().await;
            (before, nested, current())
        });
        let meanwhile = async { current() };
        assert_eq!(tokio::join!(inside, meanwhile), ((Some(one), Some(other), Some(one)), None));
        assert_eq!(current(), None);
    }
}
