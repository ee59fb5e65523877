//! What holds for answers, and what must never stand in one.

use super::Response;

/// What is true of every answer, whatever was asked.
#[track_caller]
pub fn inspect(response: &Response, what: &str) {
    let what = what.chars().take(200).collect::<String>();
    assert!(response.status < 500, "{what}: {response:?}");
    assert!(response.header("x-request-id").is_some_and(|id| id.len() >= 16), "{what}: {response:?}");
    assert_eq!(response.header("server"), None, "{what}");
    if response.status >= 400 {
        assert_no_internals(&response.body, &what);
    }
    if !response.body.is_empty() {
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{what}: {response:?}");
    }
    if response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        inspect_page(response, &what);
    }
    for line in response.headers.get_all("set-cookie") {
        let line = line.to_str().unwrap();
        // Scripts have to see that one (OpenID Connect Session Management 1.0).
        let is_for_scripts = line.starts_with("op_browser_state-") && line.ends_with("; Path=/; SameSite=Lax");
        let is_ours = line.starts_with("hallpass-") && line.contains("; HttpOnly; SameSite=Lax");
        assert!(is_ours || is_for_scripts, "{what}: {line}");
    }
}

/// What only the log may know.
#[track_caller]
pub fn assert_no_internals(body: &str, what: &str) {
    for internal in [
        "src/",
        ".rs:",
        "panicked",
        "Error(",
        "Error {",
        "Some(",
        "Ok(",
        "called `",
        "redb",
        "minijinja",
        "minicbor",
        "serde",
        "hyper",
        "sqlite",
        "SELECT ",
        "/home/",
        "/root",
        "/tmp/",
        "stack backtrace",
        "base64 ",
        "line 1 column",
        env!("CARGO_MANIFEST_DIR"),
    ] {
        assert!(!body.contains(internal), "{what} tells {internal:?}: {body}");
    }
}

/// The headers of a page, and that nothing in it needs more than they allow.
#[track_caller]
fn inspect_page(page: &Response, what: &str) {
    let policy = page.header("content-security-policy").unwrap_or_else(|| panic!("{what}: no policy: {page:?}"));
    // The one that is made for being framed.
    let is_frame = page.url.contains("/check-session-iframe") && page.status == 200;
    for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert_eq!(policy.contains(part), !(is_frame && part.starts_with("frame-ancestors")), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        let value = Some(value).filter(|_| !(is_frame && name == "x-frame-options"));
        assert_eq!(page.header(name), value, "{what}: {name}");
    }
    if page.body.is_empty() {
        return; // the answer to HEAD
    }
    assert!(
        page.header("content-language").is_some_and(|tag| page.body.contains(&format!("lang=\"{tag}\""))),
        "{what}"
    );
    let tags = page.body.split('<').filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()));
    for tag in tags.map(|tag| tag.split('>').next().unwrap()) {
        assert!(!tag.starts_with("style") && !tag.contains(" style="), "{what}: inline style: <{tag}>");
        assert!(!tag.starts_with("script") || tag.contains(" src=\"/"), "{what}: inline script: <{tag}>");
        let handler = tag.split_whitespace().any(|part| part.starts_with("on") && part.contains('='));
        assert!(!handler, "{what}: inline script: <{tag}>");
    }
    let scripts = page.body.contains("<script");
    assert_eq!(scripts, policy.contains("script-src 'self'"), "{what}: {policy}");
}
