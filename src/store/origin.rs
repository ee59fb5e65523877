//! On whose behalf the store is being written to: the events that come of it say so, and so does the log.
//!
//! It is known where a request arrives and needed where rows are written; handing it through everything in between would be
//! a parameter of every function there is. A span of the logging library would do the same for the log alone, for the price of
//! some allocations a request, whether anything is logged or not.

use std::cell::Cell;
use std::pin::pin;

use crate::model::event::Origin;

thread_local! {
    static CURRENT: Cell<Origin> = const { Cell::new(Origin::NOBODY) };
}

/// Runs a future; what is written and logged while it runs is on this behalf.
pub async fn within<F: Future>(origin: Origin, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let _until_polled = Entered(CURRENT.replace(origin));
        future.as_mut().poll(cx)
    })
    .await
}

/// On whose behalf this thread works.
pub fn current() -> Origin {
    CURRENT.get()
}

/// Puts back what was before, after a panic too.
struct Entered(Origin);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::request_id::RequestId;

    #[tokio::test]
    async fn a_request_is_the_current_one_only_while_it_is_answered() {
        let of = |request| Origin { address: None, request: Some(request) };
        let (one, other) = (of(RequestId::new()), of(RequestId::new()));
        assert_eq!(current(), Origin::NOBODY);
        let inside = within(one, async {
            let before = current();
            let nested = within(other, async { current() }).await;
            tokio::task::yield_now().await;
            (before, nested, current())
        });
        let meanwhile = async { current() };
        assert_eq!(tokio::join!(inside, meanwhile), ((one, other, one), Origin::NOBODY));
        assert_eq!(current(), Origin::NOBODY);
    }
}
