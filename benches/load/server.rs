//! The two servers, as processes of their own, and what they have used.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::bare::{self, Recording};

/// The program, built as it is shipped.
const PROGRAM: &str = env!("CARGO_BIN_EXE_hallpass");

pub(crate) const CLIENT: &str = "web";
pub(crate) const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/callback";
pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Server {
    /// `hallpass serve` with its defaults, a new store on the disk that holds the build, a key, a client and a user. Its
    /// log goes into a file. `more` goes into its settings.
    pub(crate) fn provider(more: &str) -> Self {
        let directory = directory();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let settings = format!("issuer = \"http://127.0.0.1:{port}\"\nhttp.listen = \"127.0.0.1:{port}\"\n{more}");
        fs::write(directory.path().join("hallpass.toml"), settings).expect("to write");
        command(directory.path(), &["creatersakey"], "");
        let mut client =
            vec!["createclient", "--name", "Web", "--id", CLIENT, "--secret", SECRET, "--redirect-uri", REDIRECT];
        client.extend(["--scope", "books:read token_introspection"]);
        for grant_type in ["authorization_code", "refresh_token", "client_credentials"] {
            client.extend(["--grant-type", grant_type]);
        }
        command(directory.path(), &client, "");
        let user = ["createuser", "--username", USER, "--password-stdin", "--email", "ada@ada.example"];
        command(directory.path(), &user, PASSWORD);
        let log = fs::File::create(directory.path().join("log")).expect("a file");
        let child = hallpass(directory.path(), &["serve"]).stderr(log).spawn().expect("a process");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Self { address, child, _directory: directory }
    }

    /// A server of nothing but hyper, which answers what the other one has answered.
    pub(crate) fn bare(recording: &Recording) -> Self {
        let directory = directory();
        let file = directory.path().join("recording.json");
        fs::write(&file, recording.to_json()).expect("to write");
        let this = std::env::current_exe().expect("this program");
        let mut command = Command::new(this);
        let mut child = command.arg(bare::FLAG).arg(&file).stdout(Stdio::piped()).spawn().expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        Self { address: line.trim().parse().expect("an address"), child, _directory: directory }
    }

    /// The CPU time that it has used since it began, its own and the system's for it.
    pub(crate) fn cpu_time(&self) -> Duration {
        cpu_time(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of this thread, in nanoseconds as the system counts it.
pub(crate) fn own_cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("/proc");
    let nanoseconds = text.split_ascii_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("nanoseconds"))
}

/// The CPU time of a process with all threads that it has had, in hundredths of a second as the system counts it.
fn cpu_time(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc");
    // Fields 14 and 15; the second one is a name in parentheses.
    let (_, rest) = text.rsplit_once(')').expect("a name");
    let ticks: u32 = rest.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Duration::from_millis(10) * ticks
}

fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn hallpass(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(directory).args(arguments).env_clear().stdout(Stdio::null());
    command
}

/// Runs a command that must succeed.
fn command(directory: &Path, arguments: &[&str], input: &str) {
    let mut child =
        hallpass(directory, arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("to write");
    assert!(child.wait().expect("its end").success(), "{arguments:?} failed");
}
