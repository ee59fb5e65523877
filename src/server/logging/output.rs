//! Where lines go: to a thread that writes them, those about requests and events some at a time, all others at once. The order stays.
//!
//! Warnings, errors and what the server says of itself are waited for, so that they are there when the program ends. Whoever
//! reads the log may stop reading: nobody waits for long then, and what finds no room is lost and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::{ACCESS, EVENT};

/// How long a line about a request may wait for others, at most. A process that is killed takes those along.
const GATHER: Duration = Duration::from_millis(20);

/// How long somebody waits until another line is written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes that may wait.
const MOST: usize = 256 * 1024;

/// The target of the line that says how many were lost.
const LOST: &str = "hallpass::log";

/// What the server says of itself: that it listens, stops, and whom it must let go.
const SERVER: &str = "hallpass::server";

/// Writes lines to a sink that is slow for each write, not for each byte.
pub(super) struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when something begins to wait, or is to be written at once.
    pushed: Condvar,
    /// Told when something was written.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Something of it is to be written at once.
    urgent: bool,
    /// Bytes that have ever been pushed, and written.
    pushed: u64,
    written: u64,
    /// Lines that found no room.
    lost: u64,
    /// Somebody has lost their patience, and nothing was written since.
    stuck: bool,
}

impl Output {
    /// An output with a thread of its own, for as long as the program runs.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(super) fn start(mut sink: impl Write + Send + 'static) -> io::Result<Self> {
        let output = Self(Arc::default());
        let shared = Arc::clone(&output.0);
        thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                let lost = shared.write_next(&mut sink);
                if lost > 0 {
                    tracing::warn!(target: LOST, lost, "lines of the log were lost, since nobody took them");
                }
            }
        })?;
        Ok(output)
    }
}

impl Shared {
    /// Waits until something waits, writes it, and says how many lines were lost before.
    fn write_next(&self, sink: &mut impl Write) -> u64 {
        let waiting = lock(&self.waiting);
        let waiting = self.pushed.wait_while(waiting, |waiting| waiting.lines.is_empty());
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.pushed.wait_timeout_while(waiting, GATHER, |waiting| !waiting.urgent);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut waiting.lines);
        let up_to = waiting.pushed;
        waiting.urgent = false;
        drop(waiting);
        // A log that can't be written leaves nowhere to say so.
        let _ = sink.write_all(&lines).and_then(|()| sink.flush());
        let mut waiting = lock(&self.waiting);
        waiting.written = up_to;
        waiting.stuck = false;
        self.written.notify_all();
        std::mem::take(&mut waiting.lost)
    }

    fn push(&self, line: &[u8], haste: Haste) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len() + line.len() > MOST {
            waiting.lost += 1;
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        waiting.pushed += line.len() as u64;
        waiting.urgent |= haste > Haste::None;
        if first || haste > Haste::None {
            self.pushed.notify_one();
        }
        if haste == Haste::Waits && !waiting.stuck {
            let up_to = waiting.pushed;
            let patience = self.written.wait_timeout_while(waiting, PATIENCE, |waiting| waiting.written < up_to);
            let (mut waiting, patience) = patience.unwrap_or_else(PoisonError::into_inner);
            waiting.stuck |= patience.timed_out();
        }
    }
}

/// What a panic leaves in the lock is whole lines.
fn lock(mutex: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How soon a line is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Haste {
    /// With those that come soon after it.
    None,
    /// At once.
    Some,
    /// At once, and whoever writes it waits until it is.
    Waits,
}

impl Haste {
    fn of(metadata: &Metadata<'_>) -> Self {
        match metadata.target() {
            // The thread that writes can't wait for itself.
            ACCESS | EVENT | LOST => Self::None,
            target if *metadata.level() <= Level::WARN || target.starts_with(SERVER) => Self::Waits,
            _ => Self::Some,
        }
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, haste: Haste::Waits }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, haste: Haste::of(metadata) }
    }
}

/// Writes one line.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    haste: Haste,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.push(line, self.haste);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Takes a write only when it is told to.
    struct Sink {
        written: Sender<Vec<u8>>,
        taken: Receiver<()>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).unwrap();
            self.taken.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_about_requests_wait_for_each_other_and_never_let_others_pass() {
        let shared = Shared::default();
        let mut sink = Vec::new();
        shared.push(b"a\n", Haste::None);
        shared.push(b"b\n", Haste::None);
        thread::scope(|scope| {
            // Waits until it is written.
            let last = scope.spawn(|| shared.push(b"c\n", Haste::Waits));
            while !lock(&shared.waiting).urgent {
                thread::yield_now();
            }
            assert_eq!(shared.write_next(&mut sink), 0);
            last.join().unwrap();
        });
        assert_eq!(sink, b"a\nb\nc\n");
        shared.push(b"d\n", Haste::None);
        shared.write_next(&mut sink);
        assert_eq!(sink, b"a\nb\nc\nd\n", "without another line");
    }

    #[test]
    fn what_finds_no_room_is_lost_and_counted() {
        let shared = Shared::default();
        shared.push(&vec![b'a'; MOST], Haste::None);
        shared.push(b"b", Haste::None);
        shared.push(b"c", Haste::Waits);
        let mut sink = Vec::new();
        assert_eq!(shared.write_next(&mut sink), 2);
        assert_eq!(sink.len(), MOST);
        shared.push(b"d", Haste::None);
        assert_eq!(shared.write_next(&mut sink), 0);
    }

    #[test]
    fn a_log_that_nobody_reads_stops_nobody_for_long() {
        let (written, writes) = channel();
        let (take, taken) = channel();
        let output = Output::start(Sink { written, taken }).unwrap();
        output.0.push(b"a\n", Haste::None);
        assert_eq!(writes.recv().unwrap(), b"a\n");
        output.0.push(b"b\n", Haste::Waits);
        assert!(lock(&output.0.waiting).stuck, "its patience is over");
        for _ in 0..1000 {
            output.0.push(b"c\n", Haste::Waits);
        }
        take.send(()).unwrap();
        assert_eq!(writes.recv().unwrap().len(), 2 + 2000, "it goes on as soon as somebody reads");
        take.send(()).unwrap();
        while lock(&output.0.waiting).stuck {
            thread::yield_now();
        }
    }
}
