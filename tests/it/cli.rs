//! The command line, as a process sees it: exit status, standard output, standard error, files.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::place::{OTHER_PEM, PEM, Place};

#[test]
fn help_is_there_however_it_is_asked_for() {
    let place = Place::new();
    let help = place.done(&["--help"]);
    assert_eq!(help.stderr, "");
    for words in [&[][..], &["help"], &["-h"], &["--json", "--help"]] {
        assert_eq!(place.done(words).stdout, help.stdout, "{words:?}");
    }
    assert_eq!(place.done(&["client", "help"]).stdout, place.done(&["client", "--help"]).stdout);
    assert_eq!(place.files(), [""; 0], "help makes nothing");
}

#[test]
fn the_version_is_that_of_the_crate() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    for words in [&["version"][..], &["--version"], &["-V"]] {
        assert_eq!(place.done(words).stdout, format!("hallpass {version}\n"));
    }
    assert_eq!(place.json(&["version"]), json!({ "name": "hallpass", "version": version }));
}

#[test]
fn a_service_needs_no_redirect_uri_and_passwords_come_with_a_warning() {
    let place = Place::new();
    place.done(&["init"]);
    let own = ["createclient", "--name", "Backup", "--grant-type", "client_credentials", "--scope", "backups:write"];
    let made = place.json(&own);
    assert_eq!(
        (&made["grant_types"], &made["response_types"], &made["redirect_uris"]),
        (&json!(["client_credentials"]), &json!([]), &json!([]))
    );
    assert!(made["client_secret"].is_string());
    let old = place.done(&["createclient", "--name", "Old", "--grant-type", "password", "--scope", "openid"]);
    assert!(
        old.stderr.starts_with("warning: the grant type password shows the client its users' passwords"),
        "{}",
        old.stderr
    );
}

#[test]
fn usage_errors_exit_with_2_and_say_what_was_meant() {
    let place = Place::new();
    for (words, line) in [
        (&["sreve"][..], "hallpass: unknown command \"sreve\"; did you mean serve? (see hallpass --help)"),
        (
            &["client"],
            "hallpass client: a command is missing; there are list, show, update, delete and rotate-secret (see hallpass client --help)",
        ),
        (&["createclient"], "hallpass createclient: missing --name NAME (see hallpass createclient --help)"),
        (&["client", "show"], "hallpass client show: missing CLIENT_ID (see hallpass client show --help)"),
        (
            &["user", "list", "--jsno"],
            "hallpass user list: unknown option --jsno; did you mean --json? (see hallpass user list --help)",
        ),
        (
            &["createuser", "--username", "a", "--password-stdin", "--claim", "x"],
            "hallpass createuser: --claim \"x\" must be NAME=VALUE (see hallpass createuser --help)",
        ),
        (
            &["createuser", "--username", "a", "--password-stdin", "--claim", "sub=x"],
            "hallpass createuser: --claim sub: hallpass sets this claim itself (see hallpass createuser --help)",
        ),
        (
            &["createuser", "--username", "a"],
            "hallpass createuser: there is no terminal to ask for a password: use --password-stdin (see hallpass createuser --help)",
        ),
    ] {
        place.refused(words, 2, line);
    }
    for words in [&["creatersakey", "--bits", "many"][..], &["init", "x"], &["init", "--issuer", "a", "--issuer", "b"]]
    {
        let outcome = place.run(words);
        assert_eq!((outcome.status, outcome.stderr.lines().count()), (2, 1), "{words:?} {}", outcome.stderr);
    }
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn init_makes_everything_once() {
    let place = Place::new();
    let made = place.json(&["init", "--issuer", "https://id.example.com/idp/"]);
    assert_eq!(place.files(), ["hallpass.redb", "hallpass.redb.key", "hallpass.toml"]);
    let password = made["admin"]["password"].as_str().unwrap();
    assert_eq!(password.len(), 24);
    assert_eq!(
        made,
        json!({
            "issuer": "https://id.example.com/idp", "config": "hallpass.toml", "store": "hallpass.redb",
            "kid": made["kid"], "admin": { "username": "admin", "password": password },
        })
    );
    let config = fs::read_to_string(place.path("hallpass.toml")).unwrap();
    assert!(config.contains("\nissuer = \"https://id.example.com/idp\"\n"));
    assert_eq!(config.lines().filter(|line| !line.starts_with('#') && line.contains('=')).count(), 1);
    place.done(&["config", "check"]);
    assert_eq!(place.json(&["user", "show", "admin"])["admin"], true);
    assert_eq!(place.json(&["key", "list"])["items"][0]["kid"], made["kid"]);
    let before: Vec<Vec<u8>> = place.files().iter().map(|name| fs::read(place.path(name)).unwrap()).collect();
    place.refused(&["init"], 1, "hallpass: hallpass.toml is there already: nothing was changed");
    fs::remove_file(place.path("hallpass.toml")).unwrap();
    place.refused(&["init"], 1, "hallpass: the store hallpass.redb is there already: nothing was changed");
    assert_eq!(place.files(), ["hallpass.redb", "hallpass.redb.key"]);
    fs::write(place.path("hallpass.toml"), config).unwrap();
    let after: Vec<Vec<u8>> = place.files().iter().map(|name| fs::read(place.path(name)).unwrap()).collect();
    assert_eq!(before, after);
}

#[test]
fn an_init_that_fails_leaves_nothing() {
    let place = Place::new();
    let refused = place.run(&["init", "--issuer", "id.example.com"]);
    assert_eq!(
        (refused.status, refused.stderr.starts_with("hallpass: command line: issuer is \"id.example.com\"")),
        (1, true)
    );
    let refused = place.run(&["init", "--issuer", "http://id.example.com"]);
    assert_eq!((refused.status, refused.stderr.contains("http.insecure")), (1, true), "{}", refused.stderr);
    let refused = place.run(&["--config", "no/such/hallpass.toml", "init"]);
    assert_eq!((refused.status, refused.stderr.lines().count()), (1, 1), "{}", refused.stderr);
    assert_eq!(place.files(), [""; 0]);
    // A store that can't be made, after the settings were found right.
    let place = place.set("HALLPASS_STORE__PATH", "no/such/hallpass.redb");
    assert_eq!(place.run(&["init"]).status, 1);
    // One that can be made, with settings whose file can't.
    let elsewhere = place.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let place = place.set("HALLPASS_STORE__PATH", "elsewhere/hallpass.redb");
    let too_long = "x".repeat(300);
    assert_eq!(place.run(&["--config", &too_long, "init"]).status, 1);
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    assert_eq!(place.files(), ["elsewhere"]);
}

#[cfg(unix)]
#[test]
fn init_writes_through_no_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let place = Place::new();
    fs::write(place.path("victim"), "precious").unwrap();
    for name in ["hallpass.toml.new", "hallpass.toml.tmp", "hallpass.toml~"] {
        symlink("victim", place.path(name)).unwrap();
    }
    place.done(&["init"]);
    assert_eq!(fs::read_to_string(place.path("victim")).unwrap(), "precious");
    let settings = fs::symlink_metadata(place.path("hallpass.toml")).unwrap();
    assert_eq!((settings.is_file(), settings.permissions().mode() & 0o777), (true, 0o600));

    let place = Place::new();
    symlink("nowhere", place.path("hallpass.toml")).unwrap();
    place.refused(&["init"], 1, "hallpass: hallpass.toml is there already: nothing was changed");
    assert_eq!(place.files(), ["hallpass.toml"]);
}

#[test]
fn the_settings_file_is_found_by_option_or_environment_and_paths_begin_there() {
    let place = Place::new();
    fs::create_dir(place.path("etc")).unwrap();
    let made = place.json(&["--config", "etc/idp.toml", "init"]);
    assert_eq!((&made["config"], &made["store"]), (&json!("etc/idp.toml"), &json!("etc/hallpass.redb")));
    assert_eq!(place.json(&["user", "list", "--config", "etc/idp.toml"])["items"][0]["username"], "admin");
    place.refused(&["user", "list"], 1, "hallpass: there is no store at hallpass.redb: hallpass init makes one");
    let place = place.set("HALLPASS_CONFIG", "etc/idp.toml");
    assert_eq!(place.json(&["user", "list"])["items"][0]["username"], "admin");
    let refused = place.run(&["--config", "none.toml", "user", "list"]);
    assert_eq!((refused.status, refused.stderr.starts_with("hallpass: none.toml: ")), (1, true), "{}", refused.stderr);
}

#[test]
fn a_client_is_created_shown_listed_and_deleted() {
    let place = Place::new();
    let made = place.json(&[
        "createclient",
        "--name=Wiki",
        "--id=wiki",
        "--redirect-uri=https://wiki.example/cb",
        "--redirect-uri",
        "http://127.0.0.1/cb",
        "--post-logout-redirect-uri=https://wiki.example/",
        "--response-type=code",
        "--grant-type=authorization_code",
        "--scope=books:read books:write",
        "--jwt-alg=HS256",
        "--no-require-consent",
        "--no-reuse-consent",
        "--require-pkce",
        "--no-rotate-refresh-tokens",
        "--client-uri=https://wiki.example/",
        "--policy-uri=https://wiki.example/policy",
        "--tos-uri=https://wiki.example/tos",
        "--logo=https://wiki.example/logo.png",
        "--contact=a@wiki.example",
    ]);
    let mut expected = json!({
        "client_id": "wiki",
        "client_secret": made["client_secret"],
        "client_id_issued_at": made["client_id_issued_at"],
        "client_name": "Wiki",
        "client_type": "confidential",
        "redirect_uris": ["https://wiki.example/cb", "http://127.0.0.1/cb"],
        "post_logout_redirect_uris": ["https://wiki.example/"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "scope": "books:read books:write",
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "HS256",
        "require_consent": false,
        "reuse_consent": false,
        "require_pkce": true,
        "rotate_refresh_tokens": false,
        "contacts": ["a@wiki.example"],
        "updated_at": made["updated_at"],
        "client_uri": "https://wiki.example/",
        "policy_uri": "https://wiki.example/policy",
        "tos_uri": "https://wiki.example/tos",
        "logo_uri": "https://wiki.example/logo.png",
        "client_secret_expires_at": 0,
    });
    assert_eq!(made, expected);
    let members = expected.as_object_mut().unwrap();
    members.remove("client_secret").unwrap();
    members.remove("client_secret_expires_at").unwrap();
    assert_eq!(place.json(&["client", "show", "wiki"]), expected);
    assert_eq!(place.json(&["client", "list"]), json!({ "items": [expected], "next": null }));
    let table = place.done(&["client", "list"]).stdout;
    assert!(table.starts_with("CLIENT ID  NAME  TYPE          REDIRECT URIS                 UPDATED\nwiki       Wiki  confidential  https://wiki.example/cb (+1)  20"), "{table}");
    let rotated = place.json(&["client", "rotate-secret", "wiki"]);
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    assert_eq!(rotated["client_secret"].as_str().unwrap().len(), 43);
    let deleted = place.done(&["client", "delete", "wiki"]);
    assert_eq!((deleted.stdout.as_str(), deleted.stderr.as_str()), ("", "deleted client wiki\n"));
    for words in [["client", "show", "wiki"], ["client", "delete", "wiki"], ["client", "rotate-secret", "wiki"]] {
        place.refused(&words, 1, "hallpass: there is no client wiki");
    }
}

#[test]
fn bad_clients_are_refused_with_one_line_and_nothing_is_made() {
    let place = Place::new();
    let create = |more: &[&'static str]| [&["createclient", "--name", "Wiki"], more].concat();
    for (more, line) in [
        (&[][..], "hallpass: a client that logs users in needs a redirect URI, like https://app.example/callback"),
        (
            &["--redirect-uri", "/cb"],
            "hallpass: redirect URI \"/cb\": not an absolute URI (like https://app.example/callback)",
        ),
        (
            &["--redirect-uri", "https://a/", "--redirect-uri", "https://a/#x"],
            "hallpass: redirect URI \"https://a/#x\": has a fragment (#…), which a redirect URI must not have",
        ),
        (
            &["--redirect-uri", "javascript:alert(1)"],
            "hallpass: redirect URI \"javascript:alert(1)\": its scheme is not safe to redirect to: it must be https, http, or \
             one of the app's own, which is a domain name in reverse (like com.example.app:/callback)",
        ),
        (
            &["--redirect-uri", "myapp:/cb"],
            "hallpass: redirect URI \"myapp:/cb\": its scheme is not safe to redirect to: it must be https, http, or one of the \
             app's own, which is a domain name in reverse (like com.example.app:/callback)",
        ),
        (
            &["--redirect-uri", "https://u:p@a.example/"],
            "hallpass: redirect URI \"https://u:p@a.example/\": carries a user name or password",
        ),
        (
            &["--redirect-uri", "https://a/", "--jwt-alg", "HS256", "--type", "public"],
            "hallpass: HS256 signs with the client's secret, and a public client has none: use RS256",
        ),
        (
            &["--redirect-uri", "https://a/", "--jwt-alg", "HS256", "--secret", "short"],
            "hallpass: HS256 needs a secret of 32 bytes or more (RFC 7518 section 3.2)",
        ),
        (
            &["--redirect-uri", "https://a/", "--response-type", "id-token"],
            "hallpass: response type \"id-token\" is not supported; code, id_token, id_token token, code id_token, code \
             token, code id_token token, token, none are",
        ),
        (&["--redirect-uri", "https://a/", "--owner", "nobody"], "hallpass: there is no user nobody"),
        (
            &["--redirect-uri", "https://a/", "--logo", "none.png"],
            "hallpass: --logo none.png: No such file or directory (os error 2)",
        ),
        (&["--redirect-uri", "https://a/", "--logo", PEM], "hallpass: the logo is neither PNG nor JPEG nor WebP"),
    ] {
        place.refused(&create(more), 1, line);
        assert_eq!(place.files(), [""; 0], "{more:?}");
    }
    let weak = place.done(&create(&["--redirect-uri", "http://a.example/", "--secret", "short"]));
    assert_eq!(
        weak.stderr,
        "warning: the client secret is shorter than 32 bytes: it may be guessed\n\
         warning: http://a.example/ is plain http: whoever sees the network can read what is sent there\n\
         made a new store: hallpass.redb\n\
         The secret is shown only now.\n"
    );
    assert!(weak.stdout.contains("\nclient_secret                 short\n"), "{}", weak.stdout);
}

#[test]
fn users_are_created_shown_changed_and_deleted() {
    let place = Place::new();
    let words = [
        "--json",
        "createuser",
        "--username",
        "Alice",
        "--password-stdin",
        "--email",
        "alice@example.com",
        "--claim",
        "email_verified=true",
        "--claim",
        "address.country=CH",
        "--claim",
        "level=3",
        "--claim",
        "motto=a=b",
    ];
    let made: Value = serde_json::from_str(&place.feed(&words, "correct horse\n").stdout).unwrap();
    let expected = json!({
        "id": made["id"], "username": "Alice", "admin": false, "enabled": true, "has_password": true,
        "claims": {
            "email": "alice@example.com", "email_verified": true, "address": { "country": "CH" }, "level": 3, "motto": "a=b"
        },
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(place.json(&["user", "show", "alice"]), expected);
    assert_eq!(place.json(&["user", "list"]), json!({ "items": [expected], "next": null }));
    assert!(place.done(&["user", "show", "alice"]).stdout.contains("\nclaims.address.country  CH\n"));
    let twice = place.create_user("ALICE", "another one");
    assert_eq!((twice.status, twice.stderr.as_str()), (1, "hallpass: there is a user of that name already\n"));
    let short = place.create_user("bob", "short");
    assert_eq!(
        (short.status, short.stderr.as_str()),
        (0, "warning: the password has less than 8 characters: it may be guessed\n")
    );
    assert_eq!(place.done(&["user", "disable", "alice"]).stderr, "alice is disabled\n");
    assert_eq!(place.json(&["user", "show", "alice"])["enabled"], false);
    assert_eq!(place.json(&["user", "enable", "alice"])["enabled"], true);
    let set = place.feed(&["user", "set-password", "alice", "--password-stdin"], "battery staple\r\n");
    assert_eq!((set.status, set.stdout.as_str(), set.stderr.as_str()), (0, "", "alice has a new password\n"));
    for (password, line) in
        [("\n", "the password is empty"), ("x".repeat(1025).as_str(), "the password is longer than 1024 bytes")]
    {
        let refused = place.feed(&["user", "set-password", "alice", "--password-stdin"], password);
        assert_eq!((refused.status, refused.stderr), (1, format!("hallpass: {line}\n")));
    }
    assert_eq!(place.done(&["user", "delete", "alice"]).stderr, "deleted user alice\n");
    for words in [["user", "show", "alice"], ["user", "delete", "alice"], ["user", "set-password", "alice"]] {
        place.refused(&words, 1, "hallpass: there is no user alice");
    }
}

#[test]
fn keys_are_made_imported_promoted_and_exported() {
    let place = Place::new().with_key();
    let other = place.json(&["creatersakey", "--pem", OTHER_PEM]);
    let kid = other["kid"].as_str().unwrap();
    assert_eq!((&other["alg"], &other["bits"], &other["state"]), (&json!("RS256"), &json!(2048), &json!("next")));
    let table = place.done(&["key", "list"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("  BY ITSELF") && lines[1].contains("Z  retires 20"), "{table}");
    assert!(lines[2].contains("Z  signs from 20"), "{table}");
    let first = place.json(&["key", "list"])["items"][0].clone();
    assert_eq!(first["retires_at"], other["activates_at"]);
    let old = first["kid"].as_str().unwrap();
    assert_eq!(first["state"], "active");
    place.refused(&["creatersakey", "--pem", PEM], 1, &format!("hallpass: key {old} is there already"));
    assert_eq!(place.json(&["key", "promote", kid])["state"], "active");
    place.refused(
        &["key", "delete", kid],
        1,
        &format!("hallpass: key {kid}: it is the active key: promote another one first"),
    );
    assert_eq!(place.done(&["key", "export", old]).stdout, fs::read_to_string(PEM).unwrap());
    place.done(&["key", "delete", old]);
    place.refused(&["key", "export", old], 1, &format!("hallpass: there is no key {old}"));
    let made = place.json(&["creatersakey", "--bits", "2048"]);
    assert_eq!(place.json(&["key", "retire", made["kid"].as_str().unwrap()])["state"], "retired");
    place.refused(
        &["creatersakey", "--bits", "1024"],
        1,
        "hallpass: keys are made with 2048, 3072 or 4096 bits, not with 1024",
    );
    let refused = place.run(&["creatersakey", "--pem", "none.pem"]);
    assert_eq!((refused.status, refused.stderr.starts_with("hallpass: none.pem: ")), (1, true));
    let piped = place.feed(&["creatersakey", "--pem", "-"], &fs::read_to_string(PEM).unwrap());
    assert_eq!(piped.status, 0, "{}", piped.stderr);
}

#[test]
fn rfc6819_5_1_4_1_nothing_secret_stands_in_the_store_as_it_is() {
    let place = Place::new().with_key();
    let secret = place.create_wiki()["client_secret"].as_str().unwrap().to_owned();
    place.create_user("alice", "a password to look for");
    let store = fs::read(place.path("hallpass.redb")).unwrap();
    let holds = |needle: &[u8]| store.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"wiki.example") && holds(b"alice"), "the file is searched where rows are");
    let base64: String = fs::read_to_string(PEM).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    for hidden in [secret.as_str(), "a password to look for", &base64[400..440]] {
        assert!(!holds(hidden.as_bytes()));
    }
    let key = fs::read_to_string(place.path("hallpass.redb.key")).unwrap();
    assert!(!holds(key.trim().as_bytes()));
    #[cfg(unix)]
    for name in ["hallpass.redb", "hallpass.redb.key"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(place.path(name)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_environment_alone_is_enough() {
    let place = Place::new()
        .set("HALLPASS_ISSUER", "https://id.example.com")
        .set("HALLPASS_STORE__PATH", "data.redb")
        .set("HALLPASS_STORE__KEY", &"5a".repeat(32));
    place.create_wiki();
    assert_eq!(place.files(), ["data.redb"], "the key is given, so none is made");
    assert_eq!(place.json(&["client", "list"])["items"][0]["client_id"], "wiki");
    let check = place.json(&["config", "check"]);
    assert_eq!(check, json!({ "ok": true, "file": null, "issuer": "https://id.example.com" }));
    let wrong = place.set("HALLPASS_STORE__KEY", &"5b".repeat(32)).run(&["client", "list"]);
    assert_eq!((wrong.status, wrong.stderr.contains("server key")), (1, true), "{}", wrong.stderr);
}

#[test]
fn a_store_in_use_is_waited_for_and_then_named() {
    let place = Place::new().with_key();
    let path = place.path("hallpass.redb");
    let store = hallpass::store::Store::open(&path, None, &hallpass::store::Options::default()).unwrap();
    place.refused(
        &["key", "list"],
        1,
        "hallpass: the store hallpass.redb is in use by another process, which takes no commands: stop it first",
    );
    let waiting = place.command(&["--json", "key", "list"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(store);
    assert!(waiting.wait_with_output().unwrap().status.success());
}

#[test]
fn settings_are_checked_and_shown_without_secrets() {
    let place = Place::new();
    let default = place.done(&["config", "default"]).stdout;
    assert!(default.contains("\n[http]\n") && default.contains("\n#listen = \"127.0.0.1:8000\"\n"));
    let unset = place.run(&["config", "check"]);
    assert_eq!((unset.status, unset.stderr.starts_with("hallpass: issuer is not set")), (1, true));
    fs::write(place.path("hallpass.toml"), "issuer = \"https://id.example.com\"\n[http]\nlistn = 1\n").unwrap();
    place.refused(
        &["config", "check"],
        1,
        "hallpass: hallpass.toml:3: unknown setting http.listn; the nearest known one is http.listen",
    );
    fs::write(place.path("hallpass.toml"), default.replace("#issuer = ", "issuer = ")).unwrap();
    let place = place.set("HALLPASS_STORE__KEY", &"5a".repeat(32)).set("HALLPASS_HTTP__LISTEN", "[::1]:9000");
    let check = place.done(&["config", "check"]);
    assert_eq!(check.stderr, "the settings are right (hallpass.toml); the issuer is https://id.example.com\n");
    let shown = place.json(&["config", "show"]);
    assert_eq!(shown["issuer"]["value"], "https://id.example.com");
    assert_eq!(shown["http.listen"], json!({ "value": "[::1]:9000", "origin": "HALLPASS_HTTP__LISTEN" }));
    assert_eq!(shown["http.insecure"], json!({ "value": false, "origin": "default" }));
    let text = place.done(&["config", "show"]).stdout;
    assert!(!text.contains("5a5a") && !shown.to_string().contains("5a5a"));
}

#[test]
fn results_that_nobody_reads_or_that_have_no_room_end_quietly() {
    let place = Place::new().with_key();
    let mut child =
        place.command(&["config", "default"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    #[cfg(target_os = "linux")]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(&["key", "list"]).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr.starts_with("hallpass: the result can't be written to standard output: "), "{stderr}");
    }
}

#[test]
fn a_healthcheck_asks_the_configured_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new()
        .set("HALLPASS_ISSUER", "https://id.example.com/idp")
        .set("HALLPASS_HTTP__LISTEN", &format!("0.0.0.0:{port}"));
    let server = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            assert!(request.starts_with("GET /idp/healthz HTTP/1.1\r\nHost: id.example.com\r\n"), "{request}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let well = place.done(&["healthcheck"]);
    assert_eq!(well.stderr, format!("http://127.0.0.1:{port}/idp/healthz is well\n"));
    place.refused(&["healthcheck"], 1, &format!("hallpass: http://127.0.0.1:{port}/idp/healthz answered 503"));
    server.join().unwrap();
    let line = format!("hallpass: no answer from http://127.0.0.1:{port}/idp/healthz: nothing listens there");
    place.refused(&["healthcheck"], 1, &line);
}

#[cfg(unix)]
#[test]
fn serve_runs_from_the_environment_alone_and_ends_with_0_on_sigterm() {
    use std::io::{BufRead, BufReader};

    let place = Place::new()
        .set("HALLPASS_ISSUER", "http://localhost:8000/idp")
        .set("HALLPASS_HTTP__LISTEN", "127.0.0.1:0")
        .set("HALLPASS_LOG__FORMAT", "json");
    let mut child = place.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listening = lines.find(|line| line.contains("\"listening\"")).expect("it says where it listens");
    let listening: Value = serde_json::from_str(&listening).unwrap();
    let place = place.set("HALLPASS_HTTP__LISTEN", listening["address"].as_str().unwrap());
    assert_eq!(place.json(&["healthcheck"])["ok"], true);
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(lines.any(|line| line.contains("stopped")));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.json(&["key", "list"])["items"][0]["state"], "active", "it made itself a key");
}

#[test]
fn serve_is_refused_without_an_issuer_and_makes_nothing() {
    let place = Place::new();
    let refused = place.run(&["serve"]);
    assert_eq!((refused.status, refused.stderr.starts_with("hallpass: issuer is not set")), (1, true));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(place.files(), [""; 0]);
    let address = taken.local_addr().unwrap().to_string();
    let place = place.set("HALLPASS_ISSUER", "http://localhost:8000").set("HALLPASS_HTTP__LISTEN", &address);
    let refused = place.run(&["serve"]);
    let line = format!("hallpass: cannot listen on {address} (http.listen): ");
    assert_eq!((refused.status, refused.stderr.contains(&line)), (1, true), "{}", refused.stderr);
}

#[test]
fn a_secret_may_come_on_standard_input() {
    let place = Place::new().with_key();
    let first = "a secret from a file, of 32 bytes";
    let words =
        ["--json", "createclient", "--name", "Wiki", "--id", "wiki", "--redirect-uri", "https://wiki.example/cb"];
    let created = place.feed(&[&words[..], &["--secret-stdin"]].concat(), &format!("{first}\n"));
    let created: Value = serde_json::from_str(&created.stdout).unwrap();
    assert_eq!(created["client_secret"], first, "without the line end");
    let second = "another secret, of 32 bytes or so";
    let rotated = place.feed(&["--json", "client", "rotate-secret", "wiki", "--secret-stdin"], second);
    assert_eq!(serde_json::from_str::<Value>(&rotated.stdout).unwrap()["client_secret"], second);
    for words in [&["client", "rotate-secret", "wiki"][..], &words[1..]] {
        let refused = place.feed(&[words, &["--secret", first, "--secret-stdin"]].concat(), second);
        assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
        assert!(refused.stderr.contains("--secret and --secret-stdin exclude each other"), "{}", refused.stderr);
        let empty = place.feed(&[words, &["--secret-stdin"]].concat(), "\n");
        assert_eq!((empty.status, empty.stderr.contains("client_secret")), (1, true), "{}", empty.stderr);
    }
}
