//! Group commit: one thread takes the first job, drains what else is queued up to a bound, makes one durable transaction of it
//! all, and answers only after it.
//!
//! The fsync of one batch is the time in which the next one gathers. A commit costs as much CPU as some jobs do, though, so
//! while jobs come thick and fast the thread lets a few more come before it begins, and leaves out what only makes recovery quick;
//! that is made up for as soon as there is time. A job that comes alone never waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::engine::{Change, Engine, Recovery};
use super::fault::Fault;
use crate::store::{Options, StoreError};

/// How many more jobs are waited for.
const WANTED: u32 = 8;

/// For how long, at most.
const PATIENCE: Duration = Duration::from_millis(2);

/// Jobs that are further apart than this, on average, don't wait for each other.
const RUSH: Duration = Duration::from_micros(750);

/// After so long without a job there is time.
const LULL: Duration = Duration::from_millis(50);

/// A piece of work within a batch.
trait Job: Send {
    /// Decides, then writes.
    fn run(&mut self, change: &Change<'_>) -> Result<(), Fault>;
    /// Whatever it came to, this is the answer now.
    fn fail(&mut self, error: StoreError);
    /// Answers. Whoever asked may have gone.
    fn answer(self: Box<Self>);
}

struct Task<T, F> {
    work: Option<F>,
    answer: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Change<'_>) -> Result<T, Fault> + Send> Job for Task<T, F> {
    fn run(&mut self, change: &Change<'_>) -> Result<(), Fault> {
        if let Some(work) = self.work.take() {
            self.answer = Some(Ok(work(change)?));
        }
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.answer = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            let _ = self.reply.send(answer);
        }
    }
}

/// The way to the writer's thread. Dropping it waits until what is queued has been done.
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(engine: Arc<Engine>, options: &Options) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(options.queue.max(1));
        let thread = WriterThread {
            engine,
            jobs,
            batch: options.batch.max(1),
            outage: Outage { retry: options.retry, failures: 0, due: Instant::now() },
            pace: Pace::new(Instant::now()),
            last: Recovery::Instant,
        };
        let thread = thread::Builder::new().name("store-writer".into()).spawn(|| thread.run());
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a job. From here on it is done even if nobody waits for the answer.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Task { work: Some(work), answer: None, reply });
        let Some(queue) = &self.queue else { return Err(gone()) };
        queue.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => gone(),
        })?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer when there is no thread any more.
pub(super) fn gone() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

/// When to try again to open the database.
struct Outage {
    retry: Duration,
    failures: u32,
    due: Instant,
}

/// How fast jobs come.
struct Pace {
    /// The time from one job to the next, averaged over the last few batches.
    gap: Duration,
    last: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { gap: Duration::from_secs(1), last: now }
    }

    /// Notes that this many jobs have come since the last time.
    fn note(&mut self, jobs: u32, now: Instant) {
        let gap = now.saturating_duration_since(self.last) / jobs.max(1);
        // A pause ends a rush at once; a rush has to last a little to be one.
        self.gap = if gap > PATIENCE { gap } else { (self.gap.min(PATIENCE) * 3 + gap) / 4 };
        self.last = now;
    }

    /// How long to let jobs gather, now that one has come.
    fn wait(&self, now: Instant) -> Duration {
        let over = now.saturating_duration_since(self.last) > PATIENCE;
        if over || self.gap > RUSH { Duration::ZERO } else { (self.gap * WANTED).min(PATIENCE) }
    }
}

struct WriterThread {
    engine: Arc<Engine>,
    jobs: Receiver<Box<dyn Job>>,
    batch: usize,
    outage: Outage,
    pace: Pace,
    /// What a crash at this moment would lead to.
    last: Recovery,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            self.mend();
            let first = if self.engine.has_failed() {
                let wait = self.outage.due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
                self.jobs.recv_timeout(wait)
            } else if self.last == Recovery::Walk {
                self.jobs.recv_timeout(LULL)
            } else {
                self.jobs.recv().map_err(RecvTimeoutError::from)
            };
            let mut batch = match first {
                Ok(job) => vec![job],
                Err(RecvTimeoutError::Timeout) => {
                    if self.last == Recovery::Walk && !self.engine.has_failed() {
                        // Nothing to write but what was left out. If that fails, the next commit tries again.
                        let _ = self.commit(&mut [], Recovery::Instant);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let wait = self.pace.wait(Instant::now());
            let recovery = if wait.is_zero() { Recovery::Instant } else { Recovery::Walk };
            thread::sleep(wait);
            batch.extend(self.jobs.try_iter().take(self.batch - 1));
            self.pace.note(u32::try_from(batch.len()).unwrap_or(u32::MAX), Instant::now());
            self.mend();
            if let Err(error) = self.commit(&mut batch, recovery) {
                for job in &mut batch {
                    job.fail(error.clone());
                }
            }
            for job in batch {
                job.answer();
            }
        }
    }

    /// Opens the database again, if that is necessary and due.
    fn mend(&mut self) {
        if !self.engine.has_failed() || Instant::now() < self.outage.due {
            return;
        }
        match self.engine.reopen() {
            Ok(()) => {
                tracing::info!("the store is open again");
                self.outage.failures = 0;
            }
            Err(error) => {
                tracing::error!(%error, "the store can't be opened again yet");
                self.outage.due = Instant::now() + self.outage.retry * (1 << self.outage.failures.min(6));
                self.outage.failures += 1;
            }
        }
    }

    /// Does a batch of jobs in one transaction, all or none of them.
    fn commit(&mut self, batch: &mut [Box<dyn Job>], recovery: Recovery) -> Result<(), StoreError> {
        // A job that panics is caught where it runs; what is caught here comes from redb.
        let done = catch_unwind(AssertUnwindSafe(|| self.try_commit(batch, recovery)));
        let fault = match done {
            Ok(Ok(written)) => {
                if written {
                    self.last = recovery;
                }
                return Ok(());
            }
            Ok(Err(Fault::Reopening)) => return Err(Fault::Reopening.into()),
            Ok(Err(fault)) => {
                if fault.needs_mending() {
                    self.engine.note_failure();
                }
                fault
            }
            Err(_) => {
                self.engine.note_failure();
                Fault::Panic
            }
        };
        tracing::error!(error = %fault, jobs = batch.len(), "a commit failed");
        Err(StoreError::Unavailable(fault.to_string()))
    }

    /// Says whether there was anything to write.
    fn try_commit(&self, batch: &mut [Box<dyn Job>], recovery: Recovery) -> Result<bool, Fault> {
        let transaction = self.engine.begin(recovery)?;
        let change = Change::new(&transaction, &self.engine);
        let asked = !batch.is_empty();
        for job in batch {
            let (before, events) = (change.writes(), change.events());
            let done = catch_unwind(AssertUnwindSafe(|| job.run(&change))).unwrap_or(Err(Fault::Panic));
            match done {
                Ok(()) => {}
                Err(fault) if fault.is_local() && change.writes() == before => {
                    change.forget_events_after(events);
                    job.fail(fault.into());
                }
                Err(fault) => {
                    transaction.abort()?;
                    return Err(fault);
                }
            }
        }
        let (writes, touched) = (change.writes(), change.touched());
        let events = change.into_events();
        let written = writes > 0 || !asked;
        if written {
            transaction.commit()?;
            self.engine.publish(touched);
        } else {
            // Nothing but refusals, and events that nobody keeps: no need to wait for the disk.
            transaction.abort()?;
        }
        self.engine.journal.publish(events);
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::Store;

    /// Whether a store that died at this moment would have to be walked through before it could be used. A copy that was made while
    /// it was written says nothing.
    fn needs_a_walk(path: &Path) -> Option<bool> {
        let copy = path.with_extension("copy");
        fs::copy(path, &copy).unwrap();
        let walked = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&walked);
        let mut builder = redb::Builder::new();
        builder.set_repair_callback(move |_| noted.store(true, Ordering::SeqCst));
        catch_unwind(AssertUnwindSafe(|| builder.open(&copy).is_ok())).ok().filter(|opened| *opened)?;
        Some(walked.load(Ordering::SeqCst))
    }

    #[test]
    fn what_a_rush_leaves_out_is_made_up_for_when_there_is_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.redb");
        let Store::Embedded(store) = Store::create(&path, None, &Options::default()).unwrap();
        let engine = Arc::clone(&store.0.engine);
        assert_eq!(needs_a_walk(&path), Some(false), "a store that is new");
        engine.begin(Recovery::Walk).unwrap().commit().unwrap();
        assert_eq!(needs_a_walk(&path), Some(true), "it was left out");
        let (queue, jobs) = sync_channel(1);
        let outage = Outage { retry: Duration::ZERO, failures: 0, due: Instant::now() };
        let pace = Pace::new(Instant::now());
        let writer = WriterThread { engine, jobs, batch: 1, outage, pace, last: Recovery::Walk };
        let writer = thread::spawn(|| writer.run());
        while needs_a_walk(&path) != Some(false) {
            thread::yield_now();
        }
        drop(queue);
        writer.join().unwrap();
    }

    #[test]
    fn jobs_gather_only_while_they_come_fast() {
        let begun = Instant::now();
        let at = |micros| begun + Duration::from_micros(micros);
        let mut pace = Pace::new(begun);
        assert_eq!(pace.wait(at(0)), Duration::ZERO, "the first one");
        for number in 1..=40 {
            pace.note(1, at(number * 200));
        }
        let wait = pace.wait(at(8_200));
        assert!(wait > Duration::from_micros(1_600) && wait <= PATIENCE, "{wait:?}: some more are to come");
        assert_eq!(pace.wait(at(8_000 + 2_001)), Duration::ZERO, "the rush is over");
        pace.note(1, at(20_000));
        assert_eq!(pace.wait(at(20_100)), Duration::ZERO, "two that are close are no rush");
        for number in 1..=40 {
            pace.note(1, at(20_000 + number * 1_000));
        }
        assert_eq!(pace.wait(at(60_100)), Duration::ZERO, "too far apart to wait for each other");
    }
}
