//! One administration, whichever way a command takes to it: over the socket of the server that has the store, in process while none
//! runs, or over HTTP; and however the server comes and goes meanwhile.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hallpass::admin::{self, Call, Method};
use hallpass::app::hook::Hooks;
use hallpass::app::password::Passwords;
use hallpass::app::rotation;
use hallpass::base::clock::Clock;
use hallpass::base::form::Form;
use hallpass::base::random::Random;
use hallpass::jose::key::PrivateKey;
use hallpass::settings::{Settings, Sources};
use hallpass::store::{Options, Store};
use serde_json::{Value, json};

use crate::harness::place::{OTHER_PEM, Outcome, PEM, Place};
use crate::harness::process::Process;
use crate::harness::*;

const TOKEN: &str = "an-admin-token-of-more-than-32-bytes";
const STORE: &str = "hallpass.redb";
const SOCKET: &str = "hallpass.redb.sock";

/// How a command meets the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    /// There is none.
    Stopped,
    /// It runs.
    Running,
    /// It is on its way up.
    Starting,
    /// It was asked to end a moment ago.
    Ending,
    /// It was killed a moment ago, and left its socket.
    Killed,
    /// It runs, and the command comes over HTTP.
    Remote,
}

/// Commands that leave each other what they need, with what they read from standard input.
fn script(first: &str, second: &str) -> Vec<(Vec<String>, &'static str)> {
    let secret = "0123456789abcdef0123456789abcdef";
    let redirect = ["--redirect-uri", "https://new.example/cb"];
    let mut script: Vec<(Vec<&str>, &str)> = Vec::new();
    let create = |more: &[&'static str]| [&["createclient", "--name", "New"], &redirect[..], more].concat();
    for words in [
        create(&["--id", "new", "--secret", secret]),
        create(&["--id", "new"]),
        create(&["--id", "weak/+%2f", "--secret", "weak", "--json"]),
        create(&["--id", "other", "--type", "public", "--owner", "nobody"]),
        vec!["client", "list"],
        vec!["client", "list", "--json"],
        vec!["client", "show", "new"],
        vec!["client", "show", "weak/+%2f"],
        vec!["client", "show", ""],
        vec!["client", "show", "..", "--json"],
        vec!["client", "rotate-secret", "new", "--secret", "fedcba9876543210fedcba9876543210"],
        vec!["client", "rotate-secret", "new", "--secret", secret, "--json"],
        vec!["client", "rotate-secret", "none"],
        vec!["client", "delete", "new"],
        vec!["client", "delete", "new", "--json"],
        vec!["user", "list"],
        vec!["user", "disable", "ada"],
        vec!["user", "enable", "ada", "--json"],
        vec!["user", "show", "ada", "--json"],
        vec!["user", "delete", "nobody"],
        vec!["key", "list", "--json"],
        vec!["event", "list", "--kind", "nonsense"],
        vec!["event", "list", "--user", "nobody", "--json"],
        vec!["event", "list", "--client", "nobody", "--since", "1h"],
        vec!["key", "promote", second],
        vec!["key", "delete", second],
        vec!["key", "promote", first, "--json"],
        vec!["key", "export", first],
        vec!["key", "export", "none", "--json"],
        vec!["key", "delete", second, "--json"],
        vec!["creatersakey", "--pem", PEM],
        vec!["creatersakey", "--pem", OTHER_PEM, "--json"],
        vec!["key", "retire", second],
        vec!["creatersakey", "--bits", "1024"],
        vec!["key", "list"],
    ] {
        script.push((words, ""));
    }
    let person = ["createuser", "--username", "Zoë", "--password-stdin", "--email", "zoe@example.com"];
    script.push((person.to_vec(), "short"));
    script.push((person.to_vec(), "another one"));
    script.push((vec!["user", "set-password", "zoë", "--password-stdin"], "battery staple"));
    script.push((vec!["user", "set-password", "nobody", "--password-stdin"], "battery staple"));
    script.push((vec!["user", "delete", "ada"], ""));
    script.push((vec!["user", "list", "--json"], ""));
    let owned = |(words, input): (Vec<&str>, _)| (words.into_iter().map(ToOwned::to_owned).collect(), input);
    script.into_iter().map(owned).collect()
}

/// What is drawn and what the clock says, taken out.
fn scrub(text: &str) -> String {
    fn scrub_value(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if name == "id" || name.ends_with("_at") { *value = Value::Null } else { scrub_value(value) }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(scrub_value),
            _ => {}
        }
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        scrub_value(&mut value);
        return value.to_string();
    }
    let is_drawn = |word: &str| {
        let is_time = word.ends_with('Z') && word.contains(':') || word.starts_with("20") && word.contains('-');
        is_time || word.len() == 36 && word.split('-').count() == 5
    };
    let line = |line: &str| {
        let words = line.split(' ').map(|word| if is_drawn(word) || line.starts_with("id ") { "_" } else { word });
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Everything that the store on this path has, in process.
async fn contents(store: &Path) -> Value {
    let store = loop {
        // A server that was told to end may need a moment.
        match Store::open(store, None, &Options::default()) {
            Ok(store) => break store,
            Err(hallpass::store::StoreError::Locked) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let settings = Settings::load(&Sources::default()).unwrap();
    let (clock, random) = (Clock::System, Random::System);
    let passwords = Passwords::new(&settings.password, &random);
    let schedule = rotation::schedule(&settings);
    let context = admin::Context {
        store: &store,
        clock: &clock,
        random: &random,
        passwords: &passwords,
        hooks: &Hooks::of(&settings),
        settings: &settings,
        schedule,
        local: true,
    };
    let mut contents = json!({});
    for list in ["clients", "users", "keys"] {
        let path = format!("{}{list}", admin::ROOT);
        let call = Call { method: Method::Get, path, query: Form::default(), body: Value::Null };
        contents[list] = admin::call(&context, call).await.body;
    }
    serde_json::from_str(&scrub(&contents.to_string())).unwrap()
}

/// Two keys (the first one signs), the client `web` and the user `ada`.
fn furnish(place: &Place) {
    place.done(&["creatersakey", "--pem", PEM]);
    place.done(&["creatersakey", "--pem", OTHER_PEM]);
    let client = ["createclient", "--name", "Web", "--id", CLIENT, "--secret", SECRET, "--redirect-uri", REDIRECT];
    place.done(&client);
    place.feed(&["createuser", "--username", ADA, "--password-stdin"], PASSWORD);
}

fn kid(pem: &str) -> String {
    PrivateKey::from_pem(&fs::read_to_string(pem).unwrap()).unwrap().kid()
}

/// Runs the script; gives what each command left, and what the store has in the end.
async fn play(meeting: Meeting) -> (Vec<Outcome>, Value) {
    let place = Place::new().set("HALLPASS_ADMIN_TOKEN", TOKEN);
    furnish(&place);
    let mut process = match meeting {
        Meeting::Stopped => None,
        _ => Some(Process::start_on(place.root(), &format!("admin.token = \"{TOKEN}\"")).await),
    };
    let mut outcomes = Vec::new();
    for (words, input) in script(&kid(PEM), &kid(OTHER_PEM)) {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        let url = process.as_ref().map(|process| process.issuer.clone()).unwrap_or_default();
        match (meeting, &process) {
            (Meeting::Ending, Some(process)) => process.signal("-TERM"),
            (Meeting::Killed, Some(process)) => process.kill(),
            (Meeting::Starting, Some(running)) => {
                running.kill();
                process = Some(process.take().unwrap().restart_without_waiting());
            }
            (Meeting::Remote, _) => words.extend(["--url", &url]),
            _ => {}
        }
        let outcome = place.feed(&words, input);
        if matches!(meeting, Meeting::Ending | Meeting::Killed) {
            process = Some(process.take().unwrap().restart().await);
        }
        outcomes.push(Outcome { stdout: scrub(&outcome.stdout), ..outcome });
    }
    if let Some(process) = process {
        process.kill();
        drop(process);
    }
    (outcomes, contents(&place.path(STORE)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_command_does_the_same_however_it_meets_the_server() {
    let meetings = [Meeting::Running, Meeting::Starting, Meeting::Ending, Meeting::Killed, Meeting::Remote];
    let stopped = tokio::spawn(play(Meeting::Stopped));
    let others = meetings.map(|meeting| (meeting, tokio::spawn(play(meeting))));
    let (expected, expected_contents) = stopped.await.unwrap();
    let script = script(&kid(PEM), &kid(OTHER_PEM));
    let refused = expected.iter().filter(|outcome| outcome.status == 1).count();
    assert_eq!((expected.len(), refused), (41, 14), "the script does what it was written for: {expected:#?}");
    for (meeting, outcomes) in others {
        let (outcomes, contents) = outcomes.await.unwrap();
        for ((outcome, expected), (words, _)) in outcomes.into_iter().zip(&expected).zip(&script) {
            if meeting == Meeting::Remote && words[..2] == ["key", "export"] {
                let line = "hallpass: private keys are exported by the local command alone: hallpass key export\n";
                assert_eq!((outcome.status, outcome.stderr.as_str(), outcome.stdout.as_str()), (1, line, ""));
                continue;
            }
            assert_eq!(outcome, *expected, "{meeting:?}: {words:?}");
        }
        assert_eq!(contents, expected_contents, "{meeting:?}");
    }
}

/// What a command changed while the server runs is in force for the next request.
#[tokio::test]
async fn a_change_is_in_force_for_the_next_request() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    let mut browser = process.browser();
    let id_token = |browser: &mut Browser| {
        let mut browser = browser.clone();
        let process = &process;
        async move {
            let code = browser.code(ADA, &request(&[("scope", "openid")])).await;
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
            process.token(&form).await.tokens()
        }
    };
    let jwks = async || exchange("GET", &format!("{}/jwks", process.issuer), &[], None).await.json();
    let kid_of = |keys: &Value, token: &Tokens| token::verify(keys, token.id()).0["kid"].as_str().unwrap().to_owned();

    // Keys.
    browser.code(ADA, &request(&[])).await;
    assert_eq!(kid_of(&jwks().await, &id_token(&mut browser).await), kid(PEM));
    place.done(&["key", "promote", &kid(OTHER_PEM)]);
    assert_eq!(kid_of(&jwks().await, &id_token(&mut browser).await), kid(OTHER_PEM));
    let made = place.json(&["creatersakey"])["kid"].clone();
    assert!(jwks().await["keys"].as_array().unwrap().iter().any(|key| key["kid"] == made));
    place.done(&["key", "delete", &kid(PEM)]);
    assert!(!jwks().await["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid(PEM)));

    // Clients.
    let refused = async |id: &str, secret: &str| {
        let form =
            [("grant_type", "authorization_code"), ("code", "none"), ("client_id", id), ("client_secret", secret)];
        let form = [&form[..], &[("redirect_uri", REDIRECT)]].concat();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = hallpass::base::form::render(form).into_bytes();
        exchange("POST", &format!("{}/token", process.issuer), &headers, Some(body)).await.error()
    };
    assert_eq!(refused("new", SECRET).await, "invalid_client");
    let create = ["createclient", "--name", "New", "--id", "new", "--redirect-uri", REDIRECT];
    let first = place.json(&create)["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(refused("new", &first).await, "invalid_grant", "it has authenticated");
    let second = place.json(&["client", "rotate-secret", "new"])["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(refused("new", &first).await, "invalid_client");
    assert_eq!(refused("new", &second).await, "invalid_grant");
    place.done(&["client", "delete", "new"]);
    assert_eq!(refused("new", &second).await, "invalid_client");

    // Users.
    let tokens = id_token(&mut browser).await;
    assert_eq!(process.userinfo(&tokens.access_token).await.status, 200);
    place.feed(&["user", "set-password", ADA, "--password-stdin"], "a new password");
    assert_eq!(process.userinfo(&tokens.access_token).await.status, 401);
    let login = browser.authorize(&request(&[])).await;
    assert!(login.has_id("login-submit"), "the session has ended: {login:?}");
    assert!(browser.log_in(&login, ADA, PASSWORD).await.has_id("login-problem"), "the old password");
    assert!(!browser.log_in(&login, ADA, "a new password").await.has_id("login-problem"));
    place.done(&["user", "disable", ADA]);
    let login = browser.authorize(&request(&[])).await;
    assert!(browser.log_in(&login, ADA, "a new password").await.has_id("login-problem"));
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_goes_with_the_server() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    place.done(&["client", "list"]);
    let socket = fs::metadata(place.path(SOCKET)).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let around = ["hallpass.redb", "hallpass.redb.key", SOCKET, "hallpass.toml", "log"];
    assert_eq!(names(place.root()), around, "nothing else was left where it was made");
    process.kill();
    let process = process.restart().await;
    place.done(&["client", "list"]);
    assert_ne!(fs::metadata(place.path(SOCKET)).unwrap().ino(), socket.ino(), "a new one in place of the stale one");
    assert_eq!(process.stop().0, Some(0));
    assert!(!place.path(SOCKET).exists());
    place.done(&["client", "list"]);
}

#[tokio::test]
async fn a_store_with_a_long_path_has_its_socket_too() {
    let place = Place::new().set("HALLPASS_STORE__PATH", &format!("{0}/{0}/a.redb", "d".repeat(120)));
    fs::create_dir_all(place.path(&format!("{0}/{0}", "d".repeat(120)))).unwrap();
    furnish(&place);
    let path = format!("store.path = \"{0}/{0}/a.redb\"", "d".repeat(120));
    let _process = Process::start_on(place.root(), &path).await;
    assert_eq!(place.json(&["client", "list"])["items"][0]["client_id"], CLIENT);
    assert!(place.path(&format!("{0}/{0}/a.redb.sock", "d".repeat(120))).exists());
}

#[tokio::test]
async fn where_no_socket_can_be_made_the_server_says_so_and_goes_on() {
    let place = Place::new();
    furnish(&place);
    fs::write(place.path(SOCKET), "precious").unwrap();
    let process = Process::start_on(place.root(), "").await;
    assert_eq!(exchange("GET", &format!("{}/readyz", process.issuer), &[], None).await.status, 200);
    let line = "hallpass: the store hallpass.redb is in use by another process, which takes no commands: stop it first";
    place.refused(&["client", "list"], 1, line);
    let (status, log) = process.stop();
    assert_eq!((status, log.matches("no socket for commands").count()), (Some(0), 1), "{log}");
    assert_eq!(fs::read_to_string(place.path(SOCKET)).unwrap(), "precious");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_at_the_same_time_are_all_done() {
    let place = Arc::new(Place::new());
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    let all_at_once = |from: usize, to: usize| {
        let commands = (from..to).map(|number| {
            let id = format!("client-{number:02}");
            let words = ["createclient", "--name", "C", "--redirect-uri", REDIRECT, "--id", &id];
            let mut command = place.command(&words);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        for child in commands.collect::<Vec<_>>() {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    };
    all_at_once(0, 20);
    assert_eq!(place.json(&["client", "list"])["items"].as_array().unwrap().len(), 21);
    assert_eq!(process.stop().0, Some(0));
    all_at_once(20, 24);
    assert_eq!(place.json(&["client", "list"])["items"].as_array().unwrap().len(), 25);
}

/// The first command of a new installation makes the store, and none of those that come with it sees one half made.
#[test]
fn first_commands_at_the_same_time_share_the_store_that_one_of_them_makes() {
    for round in 0..5 {
        let place = Place::new();
        let start = |number: usize| {
            let id = format!("client-{number}");
            // One of them is refused, which takes back the store if it has made it.
            let redirect = if number == 0 { "no-uri" } else { REDIRECT };
            let words = ["createclient", "--name", "C", "--redirect-uri", redirect, "--id", &id];
            place.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..6).map(start).collect();
        for (number, child) in children.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(i32::from(number == 0)), "round {round}, {number}: {stderr}");
        }
        assert_eq!(place.json(&["client", "list"])["items"].as_array().unwrap().len(), 5);
        assert_eq!(place.files(), ["hallpass.redb", "hallpass.redb.key"]);
    }
}

/// The check of the host is for whoever comes over the network.
#[test]
fn a_provider_for_development_takes_commands_beside_its_file() {
    let place = Place::new().set("HALLPASS_STORE__PATH", "dev.redb");
    let dev = Development::start(place.root(), &["--data", "dev.redb"]);
    assert!(place.done(&["client", "list"]).stdout.contains("dev-app"));
    place.done(&["user", "disable", "bob"]);
    assert_eq!(dev.stop(), Some(0));
    assert_eq!(place.json(&["user", "show", "bob"])["enabled"], false);
}

/// Until the last request is answered the server has the store, so it takes commands until then.
#[tokio::test]
async fn a_server_that_ends_takes_commands_while_it_answers_the_last_requests() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    let address = process.issuer.strip_prefix("http://").unwrap();
    let mut slow = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(slow.try_clone().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("100"), "the request is under way: {line}");
    process.signal("-TERM");
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.json(&["client", "list"])["items"][0]["client_id"], CLIENT);
    assert!(place.path(SOCKET).exists());
    slow.write_all(b"a=b").unwrap();
    let mut answer = String::new();
    lines.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 4"), "{answer}");
    place.done(&["client", "delete", CLIENT]);
    assert_eq!(process.wait(), Some(0));
}

/// A server that takes one call, says what the test wants, and hangs up. Gives what it was sent.
fn hangs_up(place: &Place, continues: bool, says: &'static str) -> std::thread::JoinHandle<String> {
    let _ = fs::remove_file(place.path(SOCKET));
    let listener = UnixListener::bind(place.path(SOCKET)).unwrap();
    let path = place.path(SOCKET);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Whoever comes again finds nobody.
        drop(listener);
        fs::remove_file(path).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut sent = String::new();
        while !sent.ends_with("\r\n\r\n") {
            reader.read_line(&mut sent).unwrap();
        }
        assert!(sent.contains("expect: 100-continue\r\n"), "{sent}");
        if continues {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            let (_, length) = sent.split_once("content-length: ").unwrap();
            let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            sent.push_str(&String::from_utf8(body).unwrap());
        }
        stream.write_all(says.as_bytes()).unwrap();
        sent
    })
}

#[test]
fn rfc9110_10_1_1_a_call_that_may_have_been_made_is_never_made_again() {
    let place = Place::new();
    furnish(&place);
    let rotate = ["client", "rotate-secret", CLIENT, "--secret", "fedcba9876543210fedcba9876543210"];
    // The body was on its way: nobody knows.
    for says in ["", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"] {
        let server = hangs_up(&place, true, says);
        let outcome = place.run(&rotate);
        let sent = server.join().unwrap();
        assert!(sent.starts_with(&format!("POST /api/admin/v1/clients/{CLIENT}/secret HTTP/1.1\r\n")), "{sent}");
        assert!(sent.ends_with("{\"client_secret\":\"fedcba9876543210fedcba9876543210\"}"), "{sent}");
        assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{outcome:?}");
        let stderr = &outcome.stderr;
        assert!(stderr.starts_with("hallpass: the server ended before it answered ("), "{stderr}");
        assert!(stderr.ends_with("): the change may or may not have been made\n"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1);
    }
    let unchanged = place.json(&["client", "show", CLIENT]);
    assert_eq!(unchanged["updated_at"], unchanged["client_id_issued_at"], "nothing was done in process");
    // It was not, or what was lost was only looking: the command goes on by itself.
    for (words, continues, says) in [
        (&rotate[..], false, ""),
        (&rotate, false, "220 smtp.example ESMTP\r\n"),
        // No hallpass does anything before it has the whole call.
        (&rotate, false, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
        (&["client", "list"], false, ""),
        (&["client", "list"], true, ""),
    ] {
        let server = hangs_up(&place, continues, says);
        let outcome = place.run(words);
        let sent = server.join().unwrap();
        assert!(!sent.contains("client_secret"), "{sent}");
        assert_eq!(outcome.status, 0, "{words:?}: {outcome:?}");
    }
    // A server that doesn't ask for the body has decided without it.
    let refusal = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 18\r\n\r\n{\"detail\":\"busy\"} ";
    let server = hangs_up(&place, false, refusal);
    place.refused(&rotate, 1, "hallpass: busy");
    server.join().unwrap();
}

#[tokio::test]
async fn what_somebody_put_in_the_place_of_the_socket_is_left_alone() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    place.done(&["client", "list"]);
    fs::rename(place.path(SOCKET), place.path("moved")).unwrap();
    fs::write(place.path(SOCKET), "somebody's").unwrap();
    let outcome = place.run(&["client", "list"]);
    assert_eq!((outcome.status, outcome.stderr.lines().count()), (1, 1), "{outcome:?}");
    assert_eq!(process.stop().0, Some(0));
    assert_eq!(fs::read_to_string(place.path(SOCKET)).unwrap(), "somebody's");
    // A link to another socket isn't followed.
    fs::remove_file(place.path(SOCKET)).unwrap();
    let other = UnixListener::bind(place.path("other")).unwrap();
    std::os::unix::fs::symlink("other", place.path(SOCKET)).unwrap();
    other.set_nonblocking(true).unwrap();
    assert!(place.done(&["client", "list"]).stdout.contains(CLIENT), "in process");
    assert!(other.accept().is_err(), "nobody came");
}

#[test]
fn the_key_that_everybody_has_is_taken_for_development_only() {
    let place = Place::new();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dev/key.p8");
    let pem = PrivateKey::from_pkcs8(&fs::read(key).unwrap()).unwrap().to_pem().unwrap();
    fs::write(place.path("key.pem"), pem.expose()).unwrap();
    let line = "hallpass: this is the key of hallpass dev, which everybody has";
    place.refused(&["creatersakey", "--pem", "key.pem"], 1, line);
}

#[test]
fn nothing_that_is_said_acts_on_the_terminal() {
    let place = Place::new();
    furnish(&place);
    let outcome = place.run(&["client", "show", "x\u{1b}[31m\nhallpass: all is well\u{202e}"]);
    let line = "hallpass: there is no client x\\u{1b}[31m\\nhallpass: all is well\\u{202e}\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, line));
}

/// Another user can neither be served nor pass for the server.
#[tokio::test]
async fn other_users_of_the_machine_are_strangers() {
    let place = Place::new();
    furnish(&place);
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let has_setpriv = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok();
    let program = fs::metadata(env!("CARGO_BIN_EXE_hallpass")).unwrap();
    if !is_root || !has_setpriv || program.permissions().mode() & 0o001 == 0 {
        eprintln!("skipped: only root can play other users");
        return;
    }
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_hallpass")]).args(words);
        let output = command.current_dir(place.root()).env_clear().output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let process = Process::start_on(place.root(), "").await;
    place.done(&["client", "list"]);
    let line = "hallpass: hallpass.redb: ";
    let (status, stderr) = as_nobody(&["client", "list"]);
    assert_eq!((status, stderr.lines().count(), stderr.starts_with(line)), (Some(1), 1, true), "{stderr}");
    // Even if somebody opened it to all.
    fs::set_permissions(place.path(SOCKET), fs::Permissions::from_mode(0o666)).unwrap();
    let (status, stderr) = as_nobody(&["client", "list"]);
    assert_eq!((status, stderr.lines().count(), stderr.starts_with(line)), (Some(1), 1, true), "{stderr}");
    let (_, log) = process.stop();
    assert!(log.contains("another user came to the socket"), "{log}");

    // A socket in the store's place that nobody made; what nobody listens on can't be asked for its user.
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o777)).unwrap();
    let listen = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True); s.accept()[0].recv(1)";
    let mut impostor = Command::new("setpriv");
    impostor
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", listen])
        .arg(place.path(SOCKET));
    let Ok(mut impostor) = impostor.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else { return };
    let mut ready = String::new();
    BufReader::new(impostor.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let outcome = place.run(&["client", "list"]);
    let _ = impostor.kill();
    impostor.wait().unwrap();
    if !ready.is_empty() {
        assert_eq!(outcome.status, 0, "in process: {outcome:?}");
        assert!(
            outcome.stderr.ends_with("/hallpass.redb.sock is another user's (65534) and not used\n"),
            "{outcome:?}"
        );
        assert!(outcome.stdout.contains(CLIENT));
    }
}

/// A raw call over HTTP.
async fn call(process: &Process, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let body = (!body.is_empty()).then(|| body.as_bytes().to_vec());
    exchange(method, &format!("{}{path}", process.issuer), headers, body).await
}

#[tokio::test]
async fn rfc6750_3_over_http_administration_needs_its_token() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), &format!("admin.token = \"{TOKEN}\"\nlog.level = \"trace\"")).await;
    let bearer = format!("Bearer {TOKEN}");
    let with = [("authorization", bearer.as_str())];
    let clients = "/api/admin/v1/clients";

    let answer = call(&process, "GET", clients, &with, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["items"][0]["client_id"], CLIENT);
    for (headers, challenge) in [
        (&[][..], "Bearer realm=\"administration\""),
        (&[("authorization", "Basic YTpi")], "Bearer realm=\"administration\""),
        (&[("authorization", "Bearer wrong")], "Bearer realm=\"administration\", error=\"invalid_token\""),
    ] {
        let answer = call(&process, "GET", clients, headers, "").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge)), "{headers:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(call(&process, "GET", clients, &[("authorization", "Bearer")], "").await.status, 400);

    // RFC 6454: pages of others, even with the token.
    for (origin, status) in [("https://evil.example", 403), ("null", 403), (process.issuer.as_str(), 200)] {
        let headers = [with[0], ("origin", origin)];
        let answer = call(&process, "GET", clients, &headers, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, None), "{origin}");
    }
    // Private keys are for local commands.
    let private = format!("/api/admin/v1/keys/{}/private", kid(PEM));
    let answer = call(&process, "GET", &private, &with, "").await;
    assert_eq!((answer.status, answer.body.contains("PRIVATE")), (403, false));
    // RFC 9110 section 15.5.6.
    let answer = call(&process, "OPTIONS", clients, &with, "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST, PUT, PATCH, DELETE")));
    // RFC 9457: what is wrong is said, and nothing is ever our own fault.
    let json = [with[0], ("content-type", "application/json")];
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for (method, path, headers, body, status) in [
        ("POST", clients, &json[..], "{", 400),
        ("POST", clients, &json, "[]", 400),
        ("POST", clients, &json, "\u{0}", 400),
        ("POST", clients, &json, deep.as_str(), 400),
        ("POST", clients, &json, "{\"client_name\": 7}", 400),
        ("POST", clients, &with, "{}", 415),
        ("GET", "/api/admin/v1/clients?limit=0", &with, "", 400),
        ("GET", "/api/admin/v1/clients?limit=%FF", &with, "", 400),
        ("GET", "/api/admin/v1/clients/%FF", &with, "", 404),
        ("GET", "/api/admin/v1/clients/%00", &with, "", 404),
        ("GET", "/api/admin/v1//", &with, "", 404),
        ("GET", "/api/admin/v1", &with, "", 404),
        ("GET", "/api/admin/v1/keys/../clients", &with, "", 404),
        ("DELETE", clients, &with, "", 404),
    ] {
        let answer = call(&process, method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body:.20}: {answer:?}");
        assert_eq!(answer.json()["status"], status);
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
    let large = "x".repeat(admin::MAX_BODY + 1);
    assert_eq!(call(&process, "POST", clients, &json, &large).await.status, 413);

    let (_, log) = process.stop();
    assert!(log.contains("administration refused") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn without_admin_token_nothing_is_there() {
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), "").await;
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "Bearer ")]] {
        let answer = call(&process, "GET", "/api/admin/v1/clients", headers, "").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (404, None));
    }
    let place = place.set("HALLPASS_ADMIN_TOKEN", TOKEN);
    let line = format!(
        "hallpass: {}: there is no administration: it is not the issuer's URL, or admin.token is not set there",
        process.issuer
    );
    place.refused(&["client", "list", "--url", &process.issuer], 1, &line);
}

#[test]
fn admin_token_must_be_long_and_fit_behind_bearer() {
    for token in ["brief", "a token with spaces in it, which no header can carry"] {
        let place = Place::new().set("HALLPASS_ADMIN__TOKEN", token).set("HALLPASS_ISSUER", "https://id.example.com");
        let outcome = place.run(&["config", "check"]);
        assert!(outcome.stderr.starts_with("hallpass: HALLPASS_ADMIN__TOKEN: admin.token is too short"), "{outcome:?}");
        assert_eq!((outcome.status, outcome.stderr.contains(token)), (1, false), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_url_or_its_token_is_said_in_one_line() {
    let bare = Place::new();
    furnish(&bare);
    let process = Process::start_on(bare.root(), &format!("admin.token = \"{TOKEN}\"")).await;
    let url = process.issuer.as_str();
    let list = |url| ["client", "list", "--url", url];
    bare.refused(
        &list(url),
        1,
        "hallpass: --url needs the provider's admin.token in the environment: HALLPASS_ADMIN_TOKEN is not set",
    );
    for words in [&["serve"][..], &["init"], &["config", "show"], &["healthcheck"], &["version"]] {
        let outcome = bare.run(&[words, &["--url", url]].concat());
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{words:?}: {outcome:?}");
        assert!(outcome.stderr.contains(": --url is for commands that administer a provider"), "{outcome:?}");
    }
    let wrong = Place::new().set("HALLPASS_ADMIN_TOKEN", "wrong");
    wrong.refused(&list(url), 1, &format!("hallpass: {url}: the token in HALLPASS_ADMIN_TOKEN is refused"));
    // Neither settings nor a store are needed here, nor made.
    let place = Place::new().set("HALLPASS_ADMIN_TOKEN", TOKEN).set("HALLPASS_STORE__QUEUE", "garbage");
    assert_eq!(place.json(&list(url))["items"][0]["client_id"], CLIENT);
    let with_slash = format!("{url}/");
    assert_eq!(place.json(&list(&with_slash))["items"][0]["client_id"], CLIENT);
    for (url, line) in [
        ("ftp://a.example", "hallpass: --url \"ftp://a.example\": "),
        ("localhost:8000", "hallpass: --url \"localhost:8000\": "),
        ("http://a.example/?x", "hallpass: --url \"http://a.example/?x\": has a query"),
    ] {
        let outcome = place.run(&list(url));
        assert_eq!((outcome.status, outcome.stderr.lines().count()), (2, 1), "{outcome:?}");
        assert!(outcome.stderr.starts_with(line), "{outcome:?}");
    }
    assert_eq!(process.stop().0, Some(0));
    place.refused(&list(url), 1, &format!("hallpass: {url}: nothing listens there"));
    assert_eq!(names(place.root()), [""; 0]);

    // Somebody else's servers.
    for (answer, line) in [
        (
            "HTTP/1.1 301 Moved Permanently\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
            "is not followed",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n<>", "what answers is no hallpass"),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{",
            "what answers is no hallpass",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "answered 502 Bad Gateway"),
        ("220 smtp.example ESMTP\r\n", ""),
        ("", ""),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(String::new()));
        let server = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap();
                *seen.lock().unwrap() = String::from_utf8_lossy(&head[..length]).into_owned();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let outcome = place.run(&["client", "delete", "x", "--url", &url]);
        server.join().unwrap();
        assert_eq!((outcome.status, outcome.stderr.lines().count()), (1, 1), "{answer}: {outcome:?}");
        assert!(
            outcome.stderr.starts_with(&format!("hallpass: {url}: ")) && outcome.stderr.contains(line),
            "{outcome:?}"
        );
        let unknown = outcome.stderr.contains("the change may or may not have been made");
        assert_eq!(unknown, line.is_empty(), "{answer}: {outcome:?}");
        let seen = seen.lock().unwrap().clone();
        assert!(seen.starts_with("DELETE /api/admin/v1/clients/x HTTP/1.1\r\n"), "{seen}");
    }
}

#[test]
fn a_token_travels_unencrypted_only_where_that_is_allowed_and_said() {
    let list = ["client", "list", "--url", "http://hallpass.invalid:9"];
    let place = Place::new().set("HALLPASS_ADMIN_TOKEN", TOKEN);
    let why = "hallpass: the token would travel to http://hallpass.invalid:9 unencrypted: use https (outbound.allow_private \
               allows http)";
    place.refused(&list, 1, why);
    let outcome = place.set("HALLPASS_OUTBOUND__ALLOW_PRIVATE", "true").run(&list);
    let mut lines = outcome.stderr.lines();
    assert_eq!(lines.next(), Some("warning: the token travels to http://hallpass.invalid:9 unencrypted"));
    assert!(lines.next().is_some_and(|line| line.starts_with("hallpass: http://hallpass.invalid:9: ")), "{outcome:?}");
    assert_eq!((outcome.status, lines.next(), outcome.stdout.as_str()), (1, None, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_https_the_certificate_must_be_the_hosts() {
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/tls");
    let place = Place::new();
    furnish(&place);
    let process = Process::start_on(place.root(), &format!("admin.token = \"{TOKEN}\"")).await;

    // A proxy in front that speaks TLS.
    let chain = CertificateDer::pem_file_iter(data.join("localhost.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(data.join("localhost.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = process.issuer.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut server = tokio::net::TcpStream::connect(&address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    });

    let ca = data.join("ca.pem");
    let trusting = Place::new().set("HALLPASS_ADMIN_TOKEN", TOKEN).set("SSL_CERT_FILE", ca.to_str().unwrap());
    let right = format!("https://localhost:{port}");
    assert_eq!(trusting.json(&["client", "list", "--url", &right])["items"][0]["client_id"], CLIENT);
    let create = ["createclient", "--name", "N", "--id", "n", "--redirect-uri", REDIRECT, "--url", &right];
    assert_eq!(trusting.done(&create).stderr, "The secret is shown only now.\n");
    for (place, url) in [
        (&trusting, format!("https://127.0.0.1:{port}")),
        (&Place::new().set("HALLPASS_ADMIN_TOKEN", TOKEN), right.clone()),
        (&trusting, format!("https://{}", process.issuer.strip_prefix("http://").unwrap())),
    ] {
        let outcome = place.run(&["client", "list", "--url", &url]);
        assert_eq!(
            (outcome.status, outcome.stderr.lines().count(), outcome.stdout.as_str()),
            (1, 1, ""),
            "{outcome:?}"
        );
    }
    // Nobody listens, and nobody was left waiting.
    drop(UnixStream::connect(place.path(SOCKET)).unwrap());
}
