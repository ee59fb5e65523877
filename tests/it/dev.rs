//! `hallpass dev`, as a developer and a test meet it: one command, and a login works.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use hallpass::base::encode::base64url;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, Browser, CHALLENGE, Development, Mode, Response, VERIFIER, exchange, token};

/// Where an application listens that nobody has registered.
const REDIRECT: &str = "http://localhost:5173/auth/callback?tenant=1";

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn request<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", "dev-app"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(other, _)| other != name);
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    parameters
}

/// Clicks on somebody, and agrees if asked.
async fn log_in_as(browser: &mut Browser, username: &str, parameters: &[(&str, &str)]) -> Response {
    let page = browser.authorize(parameters).await;
    assert!(page.has_id(&format!("persona-{username}")), "{page:?}");
    let fields = [("pending", page.field("pending")), ("persona", username.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = browser.post("/login", &fields).await;
    if response.has_id("consent-allow") { browser.decide(&response, "allow").await } else { response }
}

async fn redeem(dev: &Development, code: &str, more: &[(&str, &str)]) -> Response {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    form.extend_from_slice(more);
    let body = hallpass::base::form::render(form).into_bytes();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    exchange("POST", &format!("{}/token", dev.issuer), &headers, Some(body)).await
}

#[tokio::test]
async fn dev_needs_no_file_and_one_click_logs_in() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    assert_eq!(dev.issuer, format!("http://localhost:{}", dev.ready["port"]));
    let mut browser = dev.browser();
    let answer = Answer::of(&log_in_as(&mut browser, "alice", &request(&[])).await);
    let code = answer.code();
    let secret = dev.client("dev-app")["client_secret"].as_str().unwrap();
    let tokens = redeem(&dev, code, &[("client_id", "dev-app"), ("client_secret", secret)]).await.tokens();
    let (_, claims) = token::verify(&dev.get("/jwks", &[]).await.json(), tokens.id());
    assert_eq!(claims["iss"], *dev.issuer);
    assert_eq!(claims["nonce"], "n");
    let bearer = format!("Bearer {}", tokens.access_token);
    let info = dev.get("/userinfo", &[("authorization", &bearer)]).await.json();
    assert_eq!(
        (&info["name"], &info["email"], &info["sub"]),
        (&json!("Alice Adams"), &json!("alice@example.com"), &claims["sub"])
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "no file");
    assert_eq!(dev.stop(), Some(0));
}

#[tokio::test]
async fn dev_the_public_client_may_use_every_flow_and_the_application_needs_one() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    for response_type in ["id_token token", "code id_token"] {
        let ask = |client| request(&[("client_id", client), ("response_type", response_type)]);
        let answer = Answer::of(&log_in_as(&mut dev.browser(), "alice", &ask("dev-spa")).await);
        assert!(answer.get("id_token").is_some(), "{answer:?}");
        let answer = Answer::of(&dev.browser().authorize(&ask("dev-app")).await);
        assert_eq!((answer.error(), answer.mode), ("unauthorized_client", Mode::Fragment));
    }
}

#[tokio::test]
async fn dev_the_public_client_and_the_password_work_too() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    assert_eq!(dev.client("dev-spa").get("client_secret"), None);
    let mut browser = dev.browser();
    let page = browser.authorize(&request(&[("client_id", "dev-spa")])).await;
    let password = dev.user("bob")["password"].as_str().unwrap();
    let page = browser.log_in(&page, "bob", password).await;
    let code = Answer::of(&browser.decide(&page, "allow").await).code().to_owned();
    assert_eq!(redeem(&dev, &code, &[("client_id", "dev-spa")]).await.status, 200);
    // Consent is asked once.
    let again = browser.authorize(&request(&[("client_id", "dev-spa")])).await;
    assert!(Answer::of(&again).get("code").is_some());
    // The script of a page on any port of this machine reads the answer, and nobody else's.
    for (origin, allowed) in [
        ("http://localhost:5173", true),
        ("https://127.0.0.1:4443", true),
        ("http://[::1]", true),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("null", false),
    ] {
        let response = dev.get("/userinfo", &[("origin", origin)]).await;
        assert_eq!(response.header("access-control-allow-origin").is_some(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn dev_a_service_gets_tokens_and_asks_about_those_of_others() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    let secret = dev.client("dev-service")["client_secret"].as_str().unwrap().to_owned();
    let ask = async |path: &str, more: &[(&str, &str)]| {
        let mut form = vec![("client_id", "dev-service"), ("client_secret", secret.as_str())];
        form.extend_from_slice(more);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = hallpass::base::form::render(form).into_bytes();
        exchange("POST", &format!("{}{path}", dev.issuer), &headers, Some(body)).await
    };
    let own = ask("/token", &[("grant_type", "client_credentials"), ("scope", "api:read")]).await.tokens();
    assert_eq!(own.scope.as_deref(), Some("api:read"));
    assert_eq!(ask("/introspect", &[("token", &own.access_token)]).await.json()["active"], true);
    let changes = [("client_id", "dev-spa")];
    let answer = Answer::of(&log_in_as(&mut dev.browser(), "bob", &request(&changes)).await);
    let tokens = redeem(&dev, answer.code(), &[("client_id", "dev-spa")]).await.tokens();
    let told = ask("/introspect", &[("token", &tokens.access_token)]).await.json();
    assert_eq!((&told["username"], &told["client_id"]), (&json!("bob"), &json!("dev-spa")));
}

#[tokio::test]
async fn openid_connect_core_3_1_2_1_a_login_hint_preselects_a_person() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    let button = |page: &Response, name: &str| {
        let tag = page.body.split('<').find(|tag| tag.contains(&format!("id=\"persona-{name}\""))).unwrap().to_owned();
        tag.contains("autofocus")
    };
    for (hint, chosen) in
        [("bob", Some("bob")), ("ALICE", Some("alice")), ("alice@example.com", Some("alice")), ("", None)]
    {
        let page = dev.browser().authorize(&request(&[("login_hint", hint)])).await;
        for name in ["alice", "bob"] {
            assert_eq!(button(&page, name), chosen == Some(name), "{hint} {name}");
        }
    }
}

#[tokio::test]
async fn dev_only_who_exists_and_may_log_in_can_be_clicked_on() {
    let directory = directory();
    fs::write(directory.path().join("f.toml"), "[[users]]\nusername = \"eve\"\nenabled = false\n").unwrap();
    let dev = Development::start(directory.path(), &["--apply", "f.toml"]);
    let mut browser = dev.browser();
    let page = browser.authorize(&request(&[])).await;
    assert!(!page.has_id("persona-eve"));
    for name in ["eve", "nobody"] {
        let page = browser.post("/login", &[("pending", &page.field("pending")), ("persona", name)]).await;
        assert!(page.has_id("login-problem"), "{name}");
        assert_eq!(browser.session(), None);
    }
}

#[tokio::test]
async fn dev_every_page_and_every_answer_says_what_it_is() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    for path in ["/", "/jwks", "/nothing", "/healthz", "/authorize?client_id=dev-app", "/token"] {
        let response = dev.get(path, &[]).await;
        assert_eq!(response.header("x-hallpass-mode"), Some("development"), "{path}");
        let is_page = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        assert_eq!(response.body.contains("class=\"banner\""), is_page, "{path}");
    }
}

#[tokio::test]
async fn dev_a_name_that_others_made_mean_this_machine_gets_nothing() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    let port = dev.ready["port"].as_u64().unwrap();
    for path in ["/", "/.well-known/openid-configuration", "/login", "/token", "/api/admin/v1/clients", "/playground"] {
        let response = dev.get(path, &[("host", &format!("evil.example:{port}"))]).await;
        assert_eq!(response.status, 421, "{path}");
        assert!(!response.body.contains("evil.example"), "{path}");
        assert_eq!(response.header("set-cookie"), None, "{path}");
    }
}

#[tokio::test]
async fn dev_a_page_of_another_site_can_neither_log_in_nor_read() {
    let directory = directory();
    let dev = Development::start(directory.path(), &[]);
    let mut browser = dev.browser();
    let page = browser.authorize(&request(&[])).await;
    let pending = page.field("pending");
    // With a form of its own in the same browser: refused by where it comes from.
    let fields = [("pending", pending.as_str()), ("persona", "alice")];
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let response = browser.post_from(origin, "/login", &fields).await;
        assert_eq!(response.status, 403, "{origin}: {response:?}");
        assert_eq!(browser.session(), None);
    }
    // With what it began itself, in another browser.
    assert!(dev.browser().post("/login", &fields).await.has_id("error-page"));
    // A frame shows nothing.
    let page = browser.authorize(&request(&[])).await;
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    // A code never goes to another site.
    let response = browser.authorize(&request(&[("redirect_uri", "https://evil.example/cb")])).await;
    assert!(response.has_id("error-page"));
}

#[tokio::test]
async fn dev_ids_subjects_and_secrets_are_those_of_the_seed() {
    let directory = directory();
    let seen = async |arguments: &[&str]| {
        let dev = Development::start(directory.path(), arguments);
        let answer = Answer::of(&log_in_as(&mut dev.browser(), "bob", &request(&[])).await);
        let secret = dev.client("dev-app")["client_secret"].as_str().unwrap().to_owned();
        let more = [("client_id", "dev-app"), ("client_secret", secret.as_str())];
        let tokens = redeem(&dev, answer.code(), &more).await.tokens();
        let (header, claims) = token::verify(&dev.get("/jwks", &[]).await.json(), tokens.id());
        let token = dev.ready["admin_token"].as_str().unwrap().to_owned();
        ((secret, claims["sub"].clone(), header["kid"].clone()), token, tokens.access_token)
    };
    let (usual, again) = (seen(&[]).await, seen(&[]).await);
    assert_eq!(usual.0, again.0, "an application's settings outlive a restart");
    assert_ne!(usual.1, again.1, "what opens the administration is nobody's to guess");
    assert_ne!(usual.2, again.2, "and so are tokens");
    let (one, other) = (seen(&["--seed", "one"]).await, seen(&["--seed", "other"]).await);
    assert_eq!(one.0, seen(&["--seed", "one"]).await.0);
    assert_ne!(one.0.0, other.0.0);
    assert_ne!(one.0.1, other.0.1);
    assert_ne!(one.0.0, usual.0.0);
}

#[tokio::test]
async fn dev_a_file_brings_its_own_clients_and_users() {
    let directory = directory();
    let file = directory.path().join("ci.toml");
    fs::write(directory.path().join("secret"), "a secret from a file of its own\n").unwrap();
    fs::write(
        &file,
        "[[clients]]\nclient_id = \"shop\"\nclient_secret = { file = \"secret\" }\nclient_name = \"Shop\"\n\
         redirect_uris = [\"https://shop.example/cb\"]\n\
         [[users]]\nusername = \"eve\"\npassword = \"eve's password\"\nclaims = { email = \"eve@shop.example\" }\n",
    )
    .unwrap();
    let dev = Development::start(directory.path(), &["--apply", file.to_str().unwrap()]);
    assert_eq!(
        dev.ready["clients"][0],
        json!({ "client_id": "shop", "client_secret": "a secret from a file of its own", "client_type": "confidential",
                "redirect_uris": ["https://shop.example/cb"] })
    );
    assert_eq!(dev.ready["users"][0], json!({ "username": "eve", "password": "eve's password" }));
    dev.client("dev-app");
    dev.user("alice");
    let more = [("client_id", "shop"), ("redirect_uri", "https://shop.example/cb")];
    let answer = log_in_as(&mut dev.browser(), "eve", &request(&more)).await;
    assert!(Answer::of(&answer).location.starts_with("https://shop.example/cb?code="));

    for (text, why) in [
        ("[[users]]\nusername = \"\"\n", "one of the users has no username"),
        ("[[clients]]\nclient_id = 7\n", "one of the clients has no client_id"),
        ("[[users]]\nusername = \"a\"\n[[users]]\nusername = \"a\"\n", "users: there are two with the username a"),
    ] {
        fs::write(&file, text).unwrap();
        let (status, line) = run(&directory, &["dev", "--port", "0", "--apply", "ci.toml"]);
        assert_eq!((status, line), (Some(1), format!("hallpass: ci.toml: {why}\n")));
    }
    fs::write(&file, "[[clients]]\nclient_id = \"shop\"\nredirect_uri = \"https://shop.example/cb\"\n").unwrap();
    let refused = run(&directory, &["dev", "--port", "0", "--apply", "ci.toml"]);
    assert_eq!(refused.0, Some(1));
    assert!(
        refused.1.contains("clients, shop: unknown member redirect_uri; the nearest known one is redirect_uris"),
        "{}",
        refused.1
    );
}

#[tokio::test]
async fn dev_with_data_remembers_and_serve_refuses_it() {
    let directory = directory();
    let dev = Development::start(directory.path(), &["--data", "dev.redb"]);
    let mut browser = dev.browser();
    log_in_as(&mut browser, "alice", &request(&[])).await;
    let port = dev.ready["port"].to_string();
    let secret = dev.client("dev-app")["client_secret"].clone();
    assert_eq!(dev.stop(), Some(0));

    // Cookies carry the port in their names, so the same one again.
    let dev = Development::start(directory.path(), &["--data", "dev.redb", "--port", &port]);
    assert_eq!(dev.client("dev-app")["client_secret"], secret);
    let again = browser.authorize(&request(&[])).await;
    assert!(Answer::of(&again).get("code").is_some(), "still logged in, and the consent stands");
    assert_eq!(dev.stop(), Some(0));

    fs::write(directory.path().join("hallpass.toml"), "issuer = \"http://localhost:1\"\nstore.path = \"dev.redb\"\n")
        .unwrap();
    let (status, line) = run(&directory, &["serve"]);
    assert_eq!(status, Some(1));
    assert!(line.contains("was made by hallpass dev"), "{line}");
}

#[tokio::test]
async fn dev_listens_where_the_name_of_this_machine_says() {
    let directory = directory();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(["dev", "--ready-json", "--issuer", &format!("http://localhost:{free}/idp")]).env_clear();
    let mut child = command.current_dir(directory.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer = exchange("GET", &format!("http://localhost:{free}/idp/jwks"), &[], None).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        (serde_json::from_str::<serde_json::Value>(&line).unwrap()["port"].as_u64(), answer.status),
        (Some(free.into()), 200)
    );
}

#[test]
fn dev_takes_no_admin_token_that_can_be_guessed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    let output =
        command.args(["dev", "--port", "0"]).env_clear().env("HALLPASS_ADMIN_TOKEN", "brief").output().unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.starts_with("hallpass: HALLPASS_ADMIN_TOKEN must be 32 or more"), "{line}");
    assert!(!line.contains("brief"));
}

#[test]
fn dev_leaves_what_is_not_its_own_alone() {
    let directory = directory();
    fs::write(directory.path().join("hallpass.toml"), "issuer = \"https://id.example.com\"\n").unwrap();
    assert_eq!(run(&directory, &["creatersakey"]).0, Some(0));
    let (status, line) = run(&directory, &["dev", "--port", "0", "--data", "hallpass.redb"]);
    assert_eq!(status, Some(1));
    assert!(line.contains("hallpass.redb is not a store for development"), "{line}");
    // And without --data it doesn't look at the file that lies here.
    let dev = Development::start(directory.path(), &[]);
    assert!(dev.issuer.starts_with("http://localhost:"));
}

#[test]
fn dev_lets_other_machines_in_only_when_told_to() {
    let directory = directory();
    for address in ["0.0.0.0", "::", "192.0.2.1"] {
        let (status, line) = run(&directory, &["dev", "--port", "0", "--listen", address]);
        assert_eq!(status, Some(1));
        assert!(line.contains("--expose allows it"), "{line}");
    }
    let dev = Development::start(directory.path(), &["--expose", "--issuer", "http://idp:8000"]);
    assert_eq!(dev.issuer, "http://idp:8000");
    assert_eq!(dev.stop(), Some(0));
}

#[tokio::test]
async fn dev_an_exposed_provider_answers_to_its_issuers_host_and_to_addresses() {
    let directory = directory();
    let dev = Development::start(directory.path(), &["--expose", "--issuer", "http://idp:8000"]);
    for (host, status) in [("idp:8000", 200), ("192.0.2.1:8000", 200), ("localhost", 200), ("evil.example", 421)] {
        let response = dev.get("/.well-known/openid-configuration", &[("host", host)]).await;
        assert_eq!(response.status, status, "{host}");
    }
}

#[test]
fn dev_a_port_that_is_taken_is_said_in_one_line() {
    let directory = directory();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (status, line) = run(&directory, &["dev", "--port", &port]);
    assert_eq!(status, Some(1));
    assert!(line.contains(&format!("127.0.0.1:{port} is in use: --port 0 takes a free port")), "{line}");
}

#[tokio::test]
async fn dev_an_error_page_says_how_to_mend_the_request() {
    let directory = directory();
    let file = "[[clients]]\nclient_id = \"shop\"\nredirect_uris = [\"https://shop.example/cb\"]\n";
    fs::write(directory.path().join("f.toml"), file).unwrap();
    let dev = Development::start(directory.path(), &["--apply", "f.toml"]);
    for (changes, words) in [
        (&[("client_id", "dev-ap")][..], &["“dev-ap”", "nearest registered one is dev-app", "dev-spa"][..]),
        (&[("client_id", "")], &["Send client_id", "Registered here: dev-app"]),
        (
            &[("client_id", ""), ("clientId", "dev-app")],
            &["The request has “clientId”; the parameter is called client_id"],
        ),
        (&[("redirect_uri", "")], &["Send redirect_uri", "localhost"]),
        (
            &[("client_id", "shop"), ("redirect_uri", "https://shop.example/cb/")],
            &["“https://shop.example/cb/”", "nearest registered URI is https://shop.example/cb", "the final slash"],
        ),
    ] {
        let page = dev.browser().authorize(&request(changes)).await;
        assert_eq!(page.status, 400);
        let hint = page.text_of("error-hint");
        for word in words {
            assert!(hint.contains(word), "{changes:?}: {hint}");
        }
    }
    let stale = dev.browser().get(&format!("/login?pending={}", base64url([1; 60]))).await;
    assert!(stale.text_of("error-hint").contains("localhost and 127.0.0.1 are two hosts"), "{stale:?}");
    let hostile = dev.browser().authorize(&request(&[("client_id", "<script>alert(1)</script>")])).await;
    assert!(!hostile.body.contains("<script>alert"));
}

/// A command that ends by itself: its exit status and its standard error.
fn run(directory: &TempDir, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    let output = command.args(words).current_dir(directory.path()).env_clear().output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
