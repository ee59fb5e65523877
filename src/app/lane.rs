//! Bounded lanes for work that keeps a CPU busy: password hashing, signing.
//!
//! Such work must neither hold up the threads that serve connections nor pile up without end. A lane runs a few pieces
//! at a time, lets a bounded number wait in order, and turns the rest away at once. A thread that has done a piece goes on
//! with the next that waits: waking another one for each piece costs as much as a tenth of a signature.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::clock::Timestamp;

/// A lane of `width` slots. `S` is what a slot keeps between two pieces of work, such as a hashing buffer: made when
/// the slot is first used, dropped by [`Lane::release_idle`]. Clones are the same lane.
pub struct Lane<S = ()> {
    name: &'static str,
    /// How many may run at once.
    width: usize,
    /// How many may run or wait.
    capacity: usize,
    line: Arc<Mutex<Line<S>>>,
}

/// What is being done and what waits.
struct Line<S> {
    /// In order of arrival.
    waiting: VecDeque<(u64, Box<dyn Job<S>>)>,
    /// Names the next piece of work.
    next: u64,
    /// Threads that do work from here, each one piece.
    running: usize,
    /// What slots keep while nobody uses them, the most recently used last.
    kept: Vec<Kept<S>>,
}

/// A piece of work.
trait Job<S>: Send {
    fn work(&mut self, state: &mut S);
    /// Tells who waits for it. Whoever asked may have gone.
    fn answer(self: Box<Self>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<S, T: Send, F: FnOnce(&mut S) -> T + Send> Job<S> for Task<T, F> {
    fn work(&mut self, state: &mut S) {
        self.result = self.work.take().map(|work| work(state));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            let _ = self.reply.send(result);
        }
    }
}

struct Kept<S> {
    state: S,
    /// When [`Lane::release_idle`] first saw it idle; `None` until then.
    idle_since: Option<Timestamp>,
}

/// Why a piece of work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneError {
    /// All slots and all places to wait are taken: the caller should come back later.
    Busy,
    /// The work panicked, or the program is ending.
    Failed,
}

impl fmt::Display for LaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too much work is waiting",
            Self::Failed => "the work was broken off",
        })
    }
}

impl std::error::Error for LaneError {}

impl<S: Default + Send + 'static> Lane<S> {
    /// A lane where `width` (at least one) pieces of work run and `queue` more may wait.
    pub fn new(name: &'static str, width: usize, queue: usize) -> Self {
        let width = width.max(1);
        let line = Line { waiting: VecDeque::new(), next: 0, running: 0, kept: Vec::new() };
        Self { name, width, capacity: width.saturating_add(queue), line: Arc::new(Mutex::new(line)) }
    }

    /// Runs `work` on a thread for such work as soon as a slot is free.
    ///
    /// Dropping the returned future takes waiting work out of the queue. Work that has begun runs to its end and keeps
    /// its slot until then, so that callers who give up cannot make more run than the lane is wide.
    ///
    /// # Errors
    /// [`LaneError::Busy`] at once when all places are taken; [`LaneError::Failed`] when `work` panicked.
    pub async fn run<T, F>(&self, work: F) -> Result<T, LaneError>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job: Box<dyn Job<S>> = Box::new(Task { work: Some(work), result: None, reply });
        let mut waiter = Waiter { line: &self.line, number: None };
        {
            let mut line = locked(&self.line);
            if line.running + line.waiting.len() >= self.capacity {
                return Err(LaneError::Busy);
            }
            if line.running < self.width {
                line.running += 1;
                drop(line);
                let slot = Slot { line: Arc::clone(&self.line), free: false };
                tokio::task::spawn_blocking(move || slot.work_off(job));
            } else {
                let number = line.next;
                line.next += 1;
                line.waiting.push_back((number, job));
                waiter.number = Some(number);
            }
        }
        let result = result.await;
        waiter.number = None;
        result.map_err(|_| {
            tracing::error!(lane = self.name, "work in a lane was broken off");
            LaneError::Failed
        })
    }

    /// Drops what slots keep once they have been idle for `idle`; the time counts from the first call that finds a
    /// slot unused since the call before. Meant to be called now and then.
    pub fn release_idle(&self, now: Timestamp, idle: Duration) {
        let mut line = locked(&self.line);
        let (stay, go) = mem::take(&mut line.kept)
            .into_iter()
            .map(|one| Kept { idle_since: one.idle_since.or(Some(now)), state: one.state })
            .partition(|one| one.idle_since.is_none_or(|since| now.since(since) < idle));
        line.kept = stay;
        drop(line);
        // Large buffers are freed outside the lock.
        drop::<Vec<_>>(go);
    }

    /// How many pieces of work run or wait.
    pub fn load(&self) -> usize {
        let line = locked(&self.line);
        line.running + line.waiting.len()
    }
}

/// A slot that is taken, until it is dropped: also when the system has no thread for it, or the program is ending.
struct Slot<S> {
    line: Arc<Mutex<Line<S>>>,
    /// It has been given back.
    free: bool,
}

impl<S: Default> Slot<S> {
    /// Does a piece of work, and then what waits, until nothing does.
    fn work_off(mut self, mut job: Box<dyn Job<S>>) {
        loop {
            let kept = locked(&self.line).kept.pop();
            let done = catch_unwind(AssertUnwindSafe(|| {
                let mut state = kept.map_or_else(S::default, |kept| kept.state);
                job.work(&mut state);
                state
            }));
            // After a panic there is no state: one that was left half-changed is not used again.
            let kept = done.ok().map(|state| Kept { state, idle_since: None });
            let mut line = locked(&self.line);
            line.kept.extend(kept);
            let Some((_, waiting)) = line.waiting.pop_front() else {
                // In the same moment in which nothing waits: what comes later takes the slot.
                line.running -= 1;
                drop(line);
                self.free = true;
                return job.answer();
            };
            drop(line);
            job.answer();
            job = waiting;
        }
    }
}

impl<S> Drop for Slot<S> {
    fn drop(&mut self) {
        if self.free {
            return;
        }
        let mut line = locked(&self.line);
        line.running -= 1;
        // Whoever waits is told when nobody is left to do it; otherwise those who are will come to it.
        let left = if line.running == 0 { mem::take(&mut line.waiting) } else { VecDeque::new() };
        drop(line);
        drop(left);
    }
}

/// Takes work that waits out of the line when nobody wants it any more.
struct Waiter<'a, S> {
    line: &'a Mutex<Line<S>>,
    number: Option<u64>,
}

impl<S> Drop for Waiter<'_, S> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut line = locked(self.line);
        let index = line.waiting.binary_search_by_key(&number, |(number, _)| *number);
        let unwanted = index.ok().and_then(|index| line.waiting.remove(index));
        drop(line);
        // What the work holds is freed outside the lock.
        drop(unwanted);
    }
}

fn locked<S>(line: &Mutex<Line<S>>) -> MutexGuard<'_, Line<S>> {
    // Nothing that can panic happens under the lock.
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Clone for Lane<S> {
    fn clone(&self) -> Self {
        Self { name: self.name, width: self.width, capacity: self.capacity, line: Arc::clone(&self.line) }
    }
}

impl<S> fmt::Debug for Lane<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("name", &self.name).field("width", &self.width).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Work that holds its slot until the gate's other end is dropped.
    fn gated() -> (mpsc::Sender<()>, impl FnOnce(&mut Vec<u8>) -> usize + Send + 'static) {
        let (open, gate) = mpsc::channel();
        (open, move |state: &mut Vec<u8>| {
            let _ = gate.recv();
            state.push(1);
            state.len()
        })
    }

    /// Polls a future of a lane once, so that it takes its place.
    async fn begun<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
        let mut future = Box::pin(future);
        std::future::poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        future
    }

    #[tokio::test]
    async fn what_neither_runs_nor_waits_is_turned_away_at_once() {
        let lane: Lane<Vec<u8>> = Lane::new("test", 1, 1);
        let (open_first, first) = gated();
        let first = begun(lane.run(first)).await;
        let second = begun(lane.run(|_| 2)).await;
        assert_eq!((lane.run(|_| 3).await, lane.load()), (Err(LaneError::Busy), 2));
        drop(open_first);
        assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
        assert_eq!((lane.run(|_| 3).await, lane.load()), (Ok(3), 0));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_frees_the_place_but_begun_work_keeps_its_slot() {
        let lane: Lane<Vec<u8>> = Lane::new("test", 1, 1);
        let (open_first, first) = gated();
        let first = begun(lane.run(first)).await;
        drop(begun(lane.run(|_| 2)).await);
        assert_eq!(lane.load(), 1, "the place in the queue is free again");
        drop(first);
        assert_eq!(lane.load(), 1, "the work goes on");
        let second = begun(lane.run(|_| 2)).await;
        assert_eq!(lane.run(|_| 3).await, Err(LaneError::Busy));
        drop(open_first);
        assert_eq!(second.await, Ok(2));
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_the_lane_is_wide() {
        let lane: Lane = Lane::new("test", 3, 64);
        let running = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (lane, running) = (lane.clone(), Arc::clone(&running));
                tokio::spawn(async move {
                    lane.run(move |()| {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        now
                    })
                    .await
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().unwrap() <= 3);
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_its_state_is_not_used_again() {
        let lane: Lane<Vec<u8>> = Lane::new("test", 1, 0);
        let push = |state: &mut Vec<u8>| {
            state.push(1);
            state.len()
        };
        assert_eq!(lane.run(push).await, Ok(1));
        assert_eq!(lane.run(push).await, Ok(2), "the slot keeps its state");
        let panicked = lane.run(|_| -> usize { panic!("on purpose") }).await;
        assert_eq!(panicked, Err(LaneError::Failed));
        assert_eq!(lane.run(push).await, Ok(1), "the lane goes on with a new state");
    }

    #[tokio::test]
    async fn idle_slots_are_emptied_after_a_while() {
        let lane: Lane<Vec<u8>> = Lane::new("test", 1, 0);
        let push = |state: &mut Vec<u8>| {
            state.push(1);
            state.len()
        };
        let (at, minute) = (Timestamp::from_secs, Duration::from_secs(60));
        lane.run(push).await.unwrap();
        lane.release_idle(at(0), minute);
        lane.release_idle(at(59), minute);
        assert_eq!(lane.run(push).await, Ok(2), "used within the minute");
        lane.release_idle(at(60), minute);
        lane.release_idle(at(119), minute);
        assert_eq!(locked(&lane.line).kept.len(), 1, "idle since 60");
        lane.release_idle(at(120), minute);
        assert_eq!(locked(&lane.line).kept.len(), 0);
        assert_eq!(lane.run(push).await, Ok(1));
    }

    #[test]
    fn a_slot_comes_back_when_its_work_is_never_begun() {
        let runtime = || tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (busy, lane): (Lane<Vec<u8>>, Lane<Vec<u8>>) = (Lane::new("busy", 1, 0), Lane::new("test", 1, 0));
        let (open, work) = gated();
        let ending = runtime();
        ending.block_on(async {
            drop(begun(busy.run(work)).await);
            drop(begun(lane.run(|_| 1)).await);
        });
        assert_eq!(lane.load(), 1, "it waits for a thread");
        ending.shutdown_background();
        drop(open);
        while lane.load() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(runtime().block_on(lane.run(|_| 2)), Ok(2));
    }
}
