//! SIGHUP: settings that are read again while the server runs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::place::Place;
use crate::harness::process::Process;
use crate::harness::*;

/// A `hallpass serve` whose settings change.
struct Scene {
    _directory: tempfile::TempDir,
    file: PathBuf,
    /// What the file began with.
    base: String,
    process: Process,
}

impl Scene {
    async fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hallpass.toml");
        let process = Process::start_new_with(directory.path(), text).await;
        let place = Place::new().set("HALLPASS_CONFIG", file.to_str().unwrap());
        let service = ["createclient", "--name", "Service", "--id", "service", "--secret", SECRET];
        place.done(&[&service[..], &["--grant-type", "client_credentials", "--scope", "books"]].concat());
        let written = fs::read_to_string(&file).unwrap();
        let base = written.strip_suffix(&format!("{text}\n")).unwrap().to_owned();
        Self { _directory: directory, file, base, process }
    }

    /// Other settings, the signal, and the lines that the log has about it, the last of which holds `awaited`.
    async fn reload(&self, text: &str, awaited: &str) -> Vec<Value> {
        let before = self.process.log().len();
        fs::write(&self.file, format!("{}{text}\n", self.base)).unwrap();
        self.process.signal("-HUP");
        loop {
            let log = self.process.log();
            let lines: Vec<&str> = log[before..].lines().filter(|line| line.contains("SIGHUP")).collect();
            if lines.last().is_some_and(|line| line.contains(awaited) && line.ends_with('}')) {
                return lines.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// How long an access token lives that is given out now.
    async fn lifetime(&self) -> u64 {
        let form = [("grant_type", "client_credentials"), ("client_id", "service"), ("client_secret", SECRET)];
        let body = hallpass::base::form::render(form).into_bytes();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = exchange("POST", &format!("{}/token", self.process.issuer), &headers, Some(body)).await;
        answer.json()["expires_in"].as_u64().unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) {
        assert_eq!(exchange("GET", &format!("{}{path}", self.process.issuer), headers, None).await.status, 200);
    }
}

const IN_FORCE: &str = "SIGHUP: changed settings are in force";
const STAY: &str = "SIGHUP: all settings stay as they were";
const WAIT: &str = "SIGHUP: changed settings wait for a restart";

#[tokio::test]
async fn a_hangup_puts_changed_settings_in_force_without_a_restart() {
    let scene = Scene::new("lifetimes.access_token = \"10m\"").await;
    assert_eq!(scene.lifetime().await, 600);
    let lines = scene.reload("lifetimes.access_token = \"5m\"", IN_FORCE).await;
    assert_eq!(lines[0]["settings"], "lifetimes.access_token", "{lines:?}");
    assert_eq!(scene.lifetime().await, 300);

    let lines = scene.reload("\nlifetimes.access_token = \"soon\"", STAY).await;
    let error = lines[0]["error"].as_str().unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let place = 1 + scene.base.lines().count() + 1;
    let wrong = format!("hallpass.toml:{place}: lifetimes.access_token is \"soon\": must be a duration from 1s to 30d");
    assert!(error.contains(&wrong), "{error}");
    assert_eq!(scene.lifetime().await, 300, "the old ones stay");

    let text = "lifetimes.access_token = \"4m\"\nstore.queue = 77\nhttp.max_connections = 77";
    let lines = scene.reload(text, WAIT).await;
    assert_eq!(lines[0]["settings"], "lifetimes.access_token", "{lines:?}");
    assert_eq!(lines[1]["settings"], "http.max_connections, store.queue", "{lines:?}");
    assert_eq!(scene.lifetime().await, 240);
    let (status, log) = scene.process.stop();
    assert_eq!(status, Some(0), "{log}");
}

#[tokio::test]
async fn a_hangup_changes_what_the_listener_goes_by_and_what_the_log_shows() {
    let scene = Scene::new("").await;
    let forwarded = [("x-forwarded-for", "203.0.113.9")];
    scene.get("/healthz", &forwarded).await;
    scene.reload("http.trusted_proxies = [\"127.0.0.1\"]", IN_FORCE).await;
    scene.get("/jwks", &forwarded).await;
    scene.reload("log.level = \"error\"", IN_FORCE).await;
    // By the answer to a second signal all is done that the first one asked for.
    scene.reload("log.level = \"loud\"", STAY).await;
    scene.get("/.well-known/openid-configuration", &[]).await;
    scene.reload("log.level = \"info\"", IN_FORCE).await;
    scene.get("/readyz", &[]).await;
    let (_, log) = scene.process.stop();
    let line = |path: &str| log.lines().find(|line| line.contains(&format!("\"path\":\"{path}\"")));
    assert!(line("/healthz").is_some_and(|line| line.contains("\"peer\":\"127.0.0.1\"")), "{log}");
    assert!(line("/jwks").is_some_and(|line| line.contains("\"peer\":\"203.0.113.9\"")), "{log}");
    assert_eq!(line("/.well-known/openid-configuration"), None, "{log}");
    assert!(line("/readyz").is_some(), "{log}");
}
