//! Where lines go: lines about requests some at a time, all others at once. The order stays.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::ACCESS;

/// How long a line about a request may wait for others, at most. A process that is killed takes those along.
const WAIT: Duration = Duration::from_millis(20);

/// Bytes that may wait; whoever writes more waits until they are written.
const MOST: usize = 256 * 1024;

/// Writes lines to a sink that is slow for each write, not for each byte.
pub(super) struct Output<W>(Arc<Shared<W>>);

struct Shared<W> {
    waiting: Mutex<Vec<u8>>,
    /// Told when something begins to wait.
    begun: Condvar,
    /// Taken before `waiting`.
    sink: Mutex<W>,
}

impl<W: Write + Send + 'static> Output<W> {
    /// An output with a thread of its own.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(super) fn start(sink: W) -> io::Result<Self> {
        let output = Self::new(sink);
        let shared = Arc::clone(&output.0);
        thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                shared.wait_for_lines();
                thread::sleep(WAIT);
                // A log that can't be written leaves nowhere to say so.
                let _ = shared.write_out();
            }
        })?;
        Ok(output)
    }

    fn new(sink: W) -> Self {
        let (waiting, begun) = (Mutex::new(Vec::new()), Condvar::new());
        Self(Arc::new(Shared { waiting, begun, sink: Mutex::new(sink) }))
    }
}

impl<W: Write> Shared<W> {
    fn wait_for_lines(&self) {
        let waiting = lock(&self.waiting);
        drop(self.begun.wait_while(waiting, |waiting| waiting.is_empty()));
    }

    fn push(&self, line: &[u8]) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        let first = waiting.is_empty();
        waiting.extend_from_slice(line);
        let full = waiting.len() > MOST;
        drop(waiting);
        if full {
            self.write_out()
        } else {
            if first {
                self.begun.notify_one();
            }
            Ok(())
        }
    }

    fn write_out(&self) -> io::Result<()> {
        let mut sink = lock(&self.sink);
        let lines = std::mem::take(&mut *lock(&self.waiting));
        sink.write_all(&lines)?;
        sink.flush()
    }
}

/// What a panic leaves in a lock is whole lines, or part of one at worst.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Output<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line { shared: &self.0, at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a, W> {
        Line { shared: &self.0, at_once: metadata.target() != ACCESS }
    }
}

/// Writes one line.
pub(super) struct Line<'a, W> {
    shared: &'a Shared<W>,
    at_once: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.push(line)?;
        if self.at_once {
            self.shared.write_out()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.write_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(output: &'a Output<Vec<u8>>, at_once: bool, text: &str) -> Line<'a, Vec<u8>> {
        let mut line = Line { shared: &output.0, at_once };
        line.write_all(text.as_bytes()).unwrap();
        line
    }

    fn written(output: &Output<Vec<u8>>) -> String {
        String::from_utf8(lock(&output.0.sink).clone()).unwrap()
    }

    #[test]
    fn lines_about_requests_wait_for_each_other_and_never_let_others_pass() {
        let output = Output::new(Vec::new());
        line(&output, false, "a\n");
        line(&output, false, "b\n");
        assert_eq!(written(&output), "");
        line(&output, true, "c\n");
        assert_eq!(written(&output), "a\nb\nc\n");
        line(&output, false, "d\n");
        output.0.write_out().unwrap();
        assert_eq!(written(&output), "a\nb\nc\nd\n");
    }

    #[test]
    fn what_waits_is_bounded() {
        let output = Output::new(Vec::new());
        line(&output, false, &"a".repeat(MOST));
        assert_eq!(written(&output), "");
        line(&output, false, "b");
        assert_eq!(written(&output).len(), MOST + 1);
        assert!(lock(&output.0.waiting).is_empty());
    }

    #[test]
    fn a_line_that_waits_is_written_without_another_one() {
        let (sender, receiver) = std::sync::mpsc::channel();
        struct Sink(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Output::start(Sink(sender)).unwrap();
        output.0.push(b"a\n").unwrap();
        assert_eq!(receiver.recv().unwrap(), b"a\n");
    }
}
