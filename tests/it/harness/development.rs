//! `hallpass dev` as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{Browser, Response, exchange};

/// A running `hallpass dev` that found a free port and has said what is ready.
pub struct Development {
    pub issuer: String,
    pub ready: Value,
    child: Child,
    /// Open as long as it runs, as whoever reads its line would have it.
    _stdout: BufReader<ChildStdout>,
}

impl Development {
    /// Starts it in a directory with further arguments.
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(["dev", "--ready-json"]).args(arguments);
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        let mut child =
            command.current_dir(directory).env_clear().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { issuer: ready["issuer"].as_str().unwrap().to_owned(), ready, child, _stdout: stdout }
    }

    /// A client of the ready line.
    #[track_caller]
    pub fn client(&self, id: &str) -> &Value {
        self.named("clients", "client_id", id)
    }

    /// A user of the ready line.
    #[track_caller]
    pub fn user(&self, name: &str) -> &Value {
        self.named("users", "username", name)
    }

    #[track_caller]
    fn named(&self, list: &str, naming: &str, name: &str) -> &Value {
        let all = self.ready[list].as_array().unwrap();
        all.iter().find(|one| one[naming] == name).unwrap_or_else(|| panic!("no {name} in {all:?}"))
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.issuer)
    }

    /// A GET at its port for whatever host.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        exchange("GET", &format!("http://127.0.0.1:{}{path}", self.ready["port"]), headers, None).await
    }

    /// Asks it to end; gives its exit status.
    pub fn stop(mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Development {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
