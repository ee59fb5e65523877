//! The real binary as a process of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{Browser, Response, exchange};

/// Where its log goes.
const LOG: &str = "log";

/// A `hallpass serve` on a directory with a store.
pub struct Process {
    pub issuer: String,
    directory: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Makes a store, a key, the client `web` and the user `ada` in `directory`, and serves them.
    pub async fn start_new(directory: &Path) -> Self {
        Self::start_new_with(directory, "").await
    }

    /// The same with further lines of settings.
    pub async fn start_new_with(directory: &Path, more: &str) -> Self {
        let issuer = settle(directory, more);
        std::fs::write(directory.join("key.pem"), super::RSA).unwrap();
        command(directory, &["creatersakey", "--pem", "key.pem"], "");
        let client = ["createclient", "--name", "Web", "--id", super::CLIENT, "--secret", super::SECRET];
        command(directory, &[&client[..], &["--redirect-uri", super::REDIRECT]].concat(), "");
        command(directory, &["createuser", "--username", super::ADA, "--password-stdin"], super::PASSWORD);
        Self::start(directory, issuer).await
    }

    /// Serves the store that is in `directory`, with further lines of settings.
    pub async fn start_on(directory: &Path, more: &str) -> Self {
        let issuer = settle(directory, more);
        Self::start(directory, issuer).await
    }

    /// Serves the directory, whatever is in it, and comes back while it starts.
    pub fn launch(directory: &Path, more: &str) -> Self {
        let issuer = settle(directory, more);
        Self::spawn(directory, issuer)
    }

    async fn start(directory: &Path, issuer: String) -> Self {
        let process = Self::spawn(directory, issuer);
        let (_, address) = process.issuer.split_once("://").unwrap();
        // The system answers for a port that nobody listens on at once, so this is no busy wait for long.
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(process.child.lock().unwrap().try_wait().unwrap().is_none(), "serve has ended");
            tokio::task::yield_now().await;
        }
        process
    }

    fn spawn(directory: &Path, issuer: String) -> Self {
        let log = File::options().create(true).append(true).open(directory.join(LOG)).unwrap();
        let child = hallpass(directory, &["serve"]).stderr(log).spawn().unwrap();
        Self { issuer, directory: directory.to_owned(), child: Mutex::new(child) }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// A line of `/proc/PID/status` (proc_pid_status(5)), in KiB.
    pub fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.lock().unwrap().id())).unwrap();
        let value = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        value.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join(LOG)).unwrap()
    }

    /// Waits for its end; gives its exit status.
    pub fn wait(&self) -> Option<i32> {
        self.child.lock().unwrap().wait().unwrap().code()
    }

    /// Asks it to end; gives its exit status and everything that it has logged.
    pub fn stop(&self) -> (Option<i32>, String) {
        self.signal("-TERM");
        (self.wait(), self.log())
    }

    /// Ends it without warning. Until now it must have run.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "it has ended by itself");
        child.kill().unwrap();
    }

    /// Starts it again after its end.
    pub async fn restart(self) -> Self {
        self.wait();
        Self::start(&self.directory, self.issuer.clone()).await
    }

    /// The same, and comes back while it starts.
    pub fn restart_without_waiting(self) -> Self {
        self.wait();
        Self::spawn(&self.directory, self.issuer.clone())
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.issuer)
    }

    /// A token request of the client `web`.
    pub async fn token(&self, form: &[(&str, &str)]) -> Response {
        let form = [&[("client_id", super::CLIENT), ("client_secret", super::SECRET)], form].concat();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = hallpass::base::form::render(form).into_bytes();
        exchange("POST", &format!("{}/token", self.issuer), &headers, Some(body)).await
    }

    pub async fn userinfo(&self, access_token: &str) -> Response {
        let bearer = format!("Bearer {access_token}");
        exchange("GET", &format!("{}/userinfo", self.issuer), &[("authorization", &bearer)], None).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Writes settings with a port that is free; gives the issuer.
fn settle(directory: &Path, more: &str) -> String {
    // The issuer has the port in it, so it has to be known first.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Certificates are for names.
    let origin = if more.contains("tls.cert") { "https://localhost" } else { "http://127.0.0.1" };
    let issuer = format!("{origin}:{port}");
    let settings = format!(
        "issuer = \"{issuer}\"\nhttp.listen = \"127.0.0.1:{port}\"\npassword.memory_kib = 8\npassword.iterations = 1\n\
         throttle.enabled = false\n{more}\n"
    );
    std::fs::write(directory.join("hallpass.toml"), settings).unwrap();
    issuer
}

fn hallpass(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.current_dir(directory).args(arguments).env_clear().stdout(Stdio::null());
    command
}

/// Runs a command that must succeed.
fn command(directory: &Path, arguments: &[&str], input: &str) {
    use std::io::Write;
    let mut child = hallpass(directory, arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
