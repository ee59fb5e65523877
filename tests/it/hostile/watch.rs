//! What must not get out: internals into bodies, secrets into bodies and the log.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

use crate::harness::inspect::{assert_no_internals, inspect};
use crate::harness::{PASSWORD, Response, SECRET, VERIFIER};

/// What people and programs keep to themselves; whatever else is secret is seen on its way.
const TOLD: [&str; 3] = [PASSWORD, SECRET, VERIFIER];

/// The end of a random value, which is what opens something: the beginning of some is an id that the log may name.
const END: usize = 20;

/// Looks over answers, and over the log of the server that runs on this thread.
pub struct Watch {
    log: Log,
    /// The ends of all secrets that were sent or issued.
    secrets: BTreeSet<String>,
    pub answers: usize,
    _logging: DefaultGuard,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Watch {
    /// From now on everything is logged, at every level. The runtime of a test has one thread, which is this one.
    pub fn begin() -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let logging = tracing::subscriber::set_default(subscriber);
        Self { log, secrets: BTreeSet::new(), answers: 0, _logging: logging }
    }

    /// A value that must not be logged.
    pub fn keep(&mut self, secret: &str) {
        let parts = secret.split(|c| !is_of_token(c));
        let ends = parts.filter(|part| part.len() >= END).map(|part| part[part.len() - END..].to_owned());
        self.secrets.extend(ends);
    }

    /// Looks over an answer, and remembers what is secret in it.
    #[track_caller]
    pub fn see(&mut self, response: &Response, what: &str) {
        self.answers += 1;
        // The HTTP library refuses a head that is too large by itself.
        if response.status == 431 {
            assert_eq!(response.body, "", "{what}");
            return;
        }
        // Administration tells operators where in their JSON a mistake is.
        let is_problem = response.header("content-type") == Some("application/problem+json");
        if !is_problem {
            inspect(response, what);
        }
        for name in ["x-injected", "set-cookie2"] {
            assert_eq!(response.header(name), None, "{what}: {response:?}");
        }
        // The playground is there to show developers what else nobody sees.
        if !response.has_id("playground-result") {
            let body = if is_problem { response.body.replace("line 1 column", "") } else { response.body.clone() };
            assert_no_internals(&body, what);
            for told in TOLD {
                assert!(!response.body.contains(told), "{what} tells a secret: {}", response.body);
            }
        }
        for line in response.headers.get_all("set-cookie") {
            self.keep(line.to_str().unwrap().split_once('=').unwrap().1.split(';').next().unwrap());
        }
        if let Some(location) = response.header("location") {
            self.keep_parameters(location);
        }
        for field in ["pending", "csrf", "ticket", "code"] {
            if response.has_id(field) || response.body.contains(&format!("name=\"{field}\"")) {
                self.keep(&response.field(field));
            }
        }
        if let Ok(serde_json::Value::Object(members)) = serde_json::from_str(&response.body) {
            for name in ["access_token", "refresh_token", "id_token", "client_secret"] {
                self.keep(members.get(name).and_then(|value| value.as_str()).unwrap_or_default());
            }
        }
    }

    fn keep_parameters(&mut self, location: &str) {
        let parameters = location.split(['?', '#', '&']).filter_map(|parameter| parameter.split_once('='));
        for (name, value) in parameters {
            if ["code", "pending"].contains(&name) {
                self.keep(value);
            }
        }
    }

    /// Reads the log: there must be something in it, but no secret and nothing that went wrong on our side.
    pub fn end(self) {
        let log = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        let lines = log.lines().filter(|line| line.contains("hallpass::access")).count();
        assert!(lines > 0 && self.answers > 0 && !self.secrets.is_empty());
        for line in log.lines() {
            for trouble in [" ERROR ", "panicked"].into_iter().chain(TOLD) {
                assert!(!line.contains(trouble), "{trouble:?} is in the log: {line}");
            }
            let windows = line.split(|c| !is_of_token(c)).filter(|word| word.len() >= END);
            for window in windows.flat_map(|word| (0..=word.len() - END).map(move |at| &word[at..at + END])) {
                assert!(!self.secrets.contains(window), "a secret is in the log: {window:?} in {line}");
            }
        }
    }
}

/// What tokens, codes and sealed values are made of.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}
