//! Pages of a deployment's own: the commands, live reload in development, colours.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use hallpass::base::color::Color;

use crate::harness::*;

fn hallpass(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(arguments).current_dir(directory).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn templates_are_exported_once_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let output = hallpass(&["templates", "export", "mine"], here);
    assert!(output.status.success() && text(&output.stderr).starts_with("wrote "), "{output:?}");
    assert!(fs::read_to_string(here.join("mine/CONTEXT.md")).unwrap().contains("## login.html"));
    let again = hallpass(&["templates", "export", "mine"], here);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is there already"), "{again:?}");
    assert!(hallpass(&["templates", "export", "mine", "--force"], here).status.success());
    let good = hallpass(&["templates", "check", "mine"], here);
    assert!(good.status.success() && good.stdout.is_empty(), "{good:?}");
}

#[test]
fn templates_check_says_file_line_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::create_dir_all(here.join("look/locale")).unwrap();
    fs::write(here.join("look/error.html"), "<h1>{{ error }}</h1>\n<p>{{ descripton }}</p>").unwrap();
    fs::write(here.join("look/locale/de.toml"), "[login]\n\nsubmt = \"Rein\"").unwrap();
    fs::write(here.join("hallpass.toml"), "[templates]\ndir = \"look\"").unwrap();
    let output = hallpass(&["templates", "check"], here);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("look/error.html:2: undefined value"), "{said}");
    assert!(said.contains("look/locale/de.toml:3: `login.submt`: no page says this"), "{said}");
    assert!(text(&output.stderr).contains("2 faults"), "{output:?}");
    let output = hallpass(&["--json", "templates", "check", "look"], here);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["ok"].as_bool(), json["faults"].as_array().unwrap().len()), (Some(false), 2));
    assert!(json["faults"].as_array().unwrap().iter().any(|fault| fault["line"] == 2), "{json}");
}

#[tokio::test]
async fn in_development_a_changed_template_is_used_at_once_and_a_fault_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home.html");
    fs::write(&home, "<h1>One</h1><form method=\"post\"></form>").unwrap();
    let settings = [("templates.dir", directory.path().to_str().unwrap())];
    let developing = Provider::start_for_development_with(&settings).await;
    let serving = Provider::start_with(&settings).await;
    assert!(developing.browser().get("/").await.body.contains("<h1>One</h1>"));

    fs::write(&home, "<h1>Two, and longer</h1>").unwrap();
    for provider in [&developing, &serving] {
        provider.pass(Duration::from_secs(2));
    }
    assert!(developing.browser().get("/").await.body.contains("<h1>Two, and longer</h1>"));
    assert!(serving.browser().get("/").await.body.contains("<h1>One</h1>"), "until SIGHUP");

    fs::write(&home, "<h1>Three</h1>\n\n{{ isuer }}").unwrap();
    developing.pass(Duration::from_secs(2));
    let fault = developing.browser().get("/").await;
    assert_eq!(fault.status, 500);
    assert!(fault.has_id("error-hint") && fault.body.contains("/home.html:3: undefined value"), "{fault:?}");
    let elsewhere = developing.browser().get("/nothing").await;
    assert_eq!(elsewhere.status, 404, "what needs none of them still works");

    fs::write(&home, "<h1>Four</h1>").unwrap();
    developing.pass(Duration::from_secs(2));
    assert!(developing.browser().get("/").await.body.contains("<h1>Four</h1>"));
}

#[tokio::test]
async fn a_client_with_a_colour_has_it_on_its_pages() {
    let provider = Provider::start_with(&[("pages.accent_color", "#336699")]).await;
    provider.change_client(CLIENT, |client| client.accent_color = Color::parse("#ffb300")).await;
    let mut browser = provider.browser();
    assert!(browser.get("/").await.body.contains("/accent/336699.css?v="));
    let login = browser.authorize(&request(&[])).await;
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    for page in [&login, &consent] {
        assert!(page.body.contains("/accent/ffb300.css?v=") && !page.body.contains("336699"), "{page:?}");
    }
    let address = login.body.split_once("/accent/").unwrap().1.split_once('"').unwrap().0.to_owned();
    let sheet = browser.get(&format!("/accent/{address}")).await;
    assert_eq!((sheet.status, sheet.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(sheet.header("cache-control").unwrap().contains("immutable"), "{sheet:?}");
    assert!(sheet.body.contains("--accent: #"), "{sheet:?}");
    assert_eq!(browser.get("/accent/red.css").await.status, 404);
}
