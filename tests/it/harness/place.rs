//! A directory in which commands are run as processes of their own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Two private keys.
pub const PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/rsa2048_pkcs8.pem");
pub const OTHER_PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/rsa2048_other.pem");

/// A directory in which commands are run, with nothing of this process's environment.
pub struct Place {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command left.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let environment = [("HALLPASS_PASSWORD__MEMORY_KIB", "8"), ("HALLPASS_PASSWORD__ITERATIONS", "1")];
        Self {
            directory: TempDir::new().unwrap(),
            environment: environment.map(|(name, value)| (name.into(), value.into())).to_vec(),
        }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The names of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(words).current_dir(self.directory.path()).env_clear().envs(self.environment.clone());
        command
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        self.feed(words, "")
    }

    /// Runs a command with this on its standard input.
    pub fn feed(&self, words: &[&str], input: &str) -> Outcome {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that is refused doesn't read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that succeeds.
    pub fn done(&self, words: &[&str]) -> Outcome {
        let outcome = self.run(words);
        assert_eq!(outcome.status, 0, "{words:?}: {}", outcome.stderr);
        outcome
    }

    /// Runs a command that succeeds, with `--json`; gives what it printed.
    pub fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[&["--json"], words].concat()).stdout).unwrap()
    }

    /// Runs a command that is refused with this exit status and this one line.
    pub fn refused(&self, words: &[&str], status: i32, line: &str) {
        let outcome = self.run(words);
        assert_eq!((outcome.stderr.as_str(), outcome.status), (format!("{line}\n").as_str(), status), "{words:?}");
        assert_eq!(outcome.stdout, "", "{words:?}");
    }

    /// With a store and one key in it, as the first command leaves it.
    pub fn with_key(self) -> Self {
        self.done(&["creatersakey", "--pem", PEM]);
        self
    }

    pub fn create_wiki(&self) -> Value {
        self.json(&["createclient", "--name", "Wiki", "--id", "wiki", "--redirect-uri", "https://wiki.example/cb"])
    }

    pub fn create_user(&self, name: &str, password: &str) -> Outcome {
        self.feed(&["createuser", "--username", name, "--password-stdin"], password)
    }
}
