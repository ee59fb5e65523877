//! What `hallpass dev` needs before anybody has logged in: time to its first answer, memory, and the size of the program.
//!
//! ```console
//! $ cargo bench --bench start
//! ```

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench that can't run should say so")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts of which the median counts.
const STARTS: usize = 21;

/// The program, built as it is shipped.
const PROGRAM: &str = env!("CARGO_BIN_EXE_hallpass");

fn main() {
    let mut times = Vec::new();
    let mut resident = Vec::new();
    let mut peaks = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut dev = Dev::start();
        dev.first_answer();
        times.push(begun.elapsed());
        resident.push(dev.memory("VmRSS:"));
        peaks.push(dev.memory("VmHWM:"));
    }
    let size = fs::metadata(PROGRAM).expect("the program").len();
    println!("hallpass dev, median and worst of {STARTS} starts; the aims are 50 ms, 12 MiB and 15 MB");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, worst) = spread(times);
    println!("start to the first 200 on discovery  {:6.1} ms    {:6.1} ms", milliseconds(median), milliseconds(worst));
    let mebibytes = |kibibytes: u32| f64::from(kibibytes) / 1024.0;
    for (name, values) in [("resident when idle", resident), ("resident at most so far", peaks)] {
        let (median, worst) = spread(values);
        println!("{name:<35}  {:6.1} MiB   {:6.1} MiB", mebibytes(median), mebibytes(worst));
    }
    println!("{:<35}  {:6.2} MB", "the program", f64::from(u32::try_from(size).expect("a size")) / 1e6);
}

/// The median, and the largest.
fn spread<T: Ord + Copy>(mut values: Vec<T>) -> (T, T) {
    values.sort_unstable();
    (*values.get(values.len() / 2).expect("values"), *values.last().expect("values"))
}

/// A running `hallpass dev`.
struct Dev {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Dev {
    fn start() -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["dev", "--port", "0", "--ready-json"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a process");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, stdout }
    }

    /// Reads where it is, and asks for the discovery document.
    fn first_answer(&mut self) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the ready line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let port = ready.get("port").expect("a port");
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a connection");
        let request = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("to send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    /// In KiB, as the system counts it.
    fn memory(&self, what: &str) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("the line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
