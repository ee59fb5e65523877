//! Commands and files that are wrong: one line that says what and where, an exit status that programs can read, and nothing half done.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::process::{Output, Stdio};

use crate::harness::inspect::assert_no_internals;
use crate::harness::place::{PEM, Place};

/// Everything that lies in a place, byte for byte.
fn contents(place: &Place) -> BTreeMap<String, Vec<u8>> {
    place.files().into_iter().map(|name| (name.clone(), fs::read(place.path(&name)).unwrap_or_default())).collect()
}

/// Runs a command that must be refused; gives its one line, which a terminal can show.
#[track_caller]
fn refused(place: &Place, words: Vec<OsString>, statuses: &[i32]) -> String {
    let shown: String = format!("{words:?}").chars().take(200).collect();
    let before = contents(place);
    let mut command = place.command(&[]);
    let Output { status, stdout, stderr } = command.args(words).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.code().is_some_and(|status| statuses.contains(&status)), "{shown}: {status}: {stderr}");
    let line = stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{shown}: no line: {stderr:?}"));
    assert!(line.starts_with("hallpass"), "{shown}: {line}");
    assert!(!line.contains(char::is_control) && line.len() < 1000, "{shown}: {line:.2000}");
    // Places of the test are in a directory that is internal elsewhere.
    assert_no_internals(&line.replace(&place.root().display().to_string(), "").replace("redb", ""), &shown);
    assert!(stdout.is_empty(), "{shown}: {}", String::from_utf8_lossy(&stdout));
    assert!(before == contents(place), "{shown} has changed a file");
    line.to_owned()
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect()
}

/// Every command, from the documentation of each.
fn commands() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/help");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut commands: Vec<String> = files.map(|file| file.trim_end_matches(".txt").to_owned()).collect();
    commands.sort();
    let spoken = |name: &String| match name.split_once('-') {
        Some((noun, verb)) => format!("{noun} {verb}"),
        None if name == "hallpass" => String::new(),
        None => name.clone(),
    };
    commands.iter().map(spoken).collect()
}

#[test]
fn a_settings_file_that_is_wrong_is_refused_by_every_command_that_reads_it() {
    let place = Place::new();
    place.done(&["init", "--issuer", "https://id.example.com"]);
    let deep = format!("issuer = {}", "[".repeat(200_000));
    let long_line = format!("issuer = \"https://id.example.com\"\n[http]\nlisten = \"{}\"", "x".repeat(4 << 20));
    let many = "a = 1\n".repeat(100_000);
    let files: [(&[u8], &str); 26] = [
        (b"issuer", "hallpass.toml:1: "),
        (b"issuer =", "hallpass.toml:1: "),
        (b"issuer = \"https://id.example.com", "hallpass.toml:1: "),
        (b"issuer = \"https://id.example.com\"\n[http", "hallpass.toml:2: "),
        (b"issuer = \"https://id.example.com\"\n[http]\nlisten = [\"127.0.0.1:8000\"", "hallpass.toml:3: "),
        (b"issuer = \"https://id.example.com\"\nissuer = \"https://id.example.com\"", "hallpass.toml:2: "),
        (b"[http]\n[http]\n", "hallpass.toml:2: "),
        (b"issuer = 1", "hallpass.toml:1: issuer is 1: must be "),
        (b"issuer = true", "hallpass.toml:1: issuer is true: must be "),
        (b"issuer = [\"https://id.example.com\"]", "hallpass.toml:1: issuer is "),
        (b"issuer = { url = \"https://id.example.com\" }", "hallpass.toml:1: "),
        (b"issuer = 1979-05-27T07:32:00Z", "hallpass.toml:1: issuer is "),
        (b"issuer = \"\"", "hallpass.toml:1: issuer is "),
        (b"issuer = \"javascript:alert(1)\"", "hallpass.toml:1: issuer is "),
        (b"issuer = \"https://id.example.com/\\u0000\"", "hallpass.toml:1: issuer is "),
        (
            b"issuer = \"https://id.example.com\"\nhttp.listn = 1",
            "hallpass.toml:2: unknown setting http.listn; the nearest ",
        ),
        (b"issuer = \"https://id.example.com\"\nhttp.max_body = -1", "hallpass.toml:2: http.max_body is -1: must be "),
        (b"issuer = \"https://id.example.com\"\nhttp.max_body = 99999999999999999999", "hallpass.toml:2: "),
        (
            b"issuer = \"https://id.example.com\"\nlifetimes.code = \"9999999999999999d\"",
            "hallpass.toml:2: lifetimes.code is ",
        ),
        (b"\xff\xfe[\0h\0t\0t\0p\0]\0", "hallpass.toml"),
        (b"issuer = \"\xc3\x28\"", "hallpass.toml"),
        (b"\0\0\0\0", "hallpass.toml"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "hallpass.toml"),
        (deep.as_bytes(), "hallpass.toml:1: "),
        (long_line.as_bytes(), "hallpass.toml:3: http.listen is "),
        (many.as_bytes(), "hallpass.toml:"),
    ];
    for (index, (file, beginning)) in files.into_iter().enumerate() {
        fs::write(place.path("hallpass.toml"), file).unwrap();
        let all = [
            "config check",
            "config show",
            "serve",
            "healthcheck",
            "client list",
            "key export x",
            "createuser --username x",
        ];
        // Every command for some, and some for every file.
        let some = if index % 8 == 0 { &all[..] } else { &all[..1] };
        for line in some {
            let said = refused(&place, words(line), &[1, 2]);
            let is_usage = said.contains("--password-stdin");
            assert!(is_usage || said.starts_with(&format!("hallpass: {beginning}")), "{line}: {said}");
        }
    }
    fs::remove_file(place.path("hallpass.toml")).unwrap();
    fs::create_dir(place.path("hallpass.toml")).unwrap();
    refused(&place, words("config check"), &[1]);
    fs::remove_dir(place.path("hallpass.toml")).unwrap();
    std::os::unix::fs::symlink("hallpass.toml", place.path("hallpass.toml")).unwrap();
    refused(&place, words("config check"), &[1]);
}

#[test]
fn arguments_that_are_wrong_are_refused_by_every_command() {
    let place = Place::new();
    let long = format!("--{}", "x".repeat(100_000));
    let commands = commands();
    assert!(commands.len() > 25, "{commands:?}");
    for command in &commands {
        let with = |more: &[&str]| [words(command), more.iter().map(OsString::from).collect()].concat();
        let mut lines = vec![
            with(&["--no-such-option"]),
            with(&[&long]),
            with(&["--no-such\u{1b}[31m\u{202e}"]),
            with(&["--config"]),
            with(&["a", "b", "c", "d"]),
        ];
        lines.push([words(command), vec![OsString::from_vec(b"\xff\xfe".to_vec())]].concat());
        for line in lines {
            // One place says what there is no command of, another what there is no option of.
            refused(&place, line, &[2]);
        }
    }
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn values_of_options_that_are_wrong_are_refused() {
    let place = Place::new();
    fs::write(place.path("garbage"), b"\xff\xd8garbage\0\0").unwrap();
    fs::write(place.path("empty"), b"").unwrap();
    fs::write(place.path("large"), vec![b'A'; 4 << 20]).unwrap();
    fs::write(place.path("cut.pem"), &fs::read(PEM).unwrap()[..800]).unwrap();
    fs::write(place.path("swapped.pem"), fs::read_to_string(PEM).unwrap().replace('A', "B")).unwrap();
    fs::create_dir(place.path("directory")).unwrap();
    let create = "createclient --name N --redirect-uri https://a.example/";
    for line in [
        "creatersakey --bits -1",
        "creatersakey --bits 0",
        "creatersakey --bits 2048.0",
        "creatersakey --bits 99999999999999999999",
        "creatersakey --bits ٢٠٤٨",
        "creatersakey --pem none",
        "creatersakey --pem garbage",
        "creatersakey --pem empty",
        "creatersakey --pem large",
        "creatersakey --pem cut.pem",
        "creatersakey --pem swapped.pem",
        "creatersakey --pem directory",
        "creatersakey --pem -",
        "dev --port 65536",
        "dev --port -1",
        "dev --port x",
        "dev --listen x",
        "dev --listen 256.0.0.1",
        "dev --listen 192.0.2.1",
        "dev --issuer x",
        "dev --issuer ftp://localhost",
        "dev --apply none",
        "dev --apply garbage",
        "dev --apply directory",
        "dev --data directory",
        "dev --data garbage",
        "dev --data large",
        "createclient --name N --redirect-uri x",
        "createclient --name N --redirect-uri https://",
        "createclient --name N --redirect-uri https://a.example:99999/",
    ] {
        refused(&place, words(line), &[1, 2]);
    }
    for more in [
        "--id é",
        "--type x",
        "--response-type x",
        "--grant-type x",
        "--jwt-alg none",
        "--jwt-alg HS256 --secret x",
        "--scope \"",
        "--client-uri x",
        "--policy-uri javascript:x",
        "--tos-uri data:x",
        "--post-logout-redirect-uri x",
        "--logo garbage",
        "--logo empty",
        "--logo large",
        "--logo directory",
        "--owner nobody",
        "--name M",
    ] {
        let line = format!("{create} {more}");
        refused(&place, words(&line), &[1, 2]);
    }
    for claim in
        ["", "=", "x", "=x", "sub=x", "iss=x", "email_verified=maybe", "updated_at=x", "updated_at=-1", "address.=x"]
    {
        let mut line = words("createuser --username u --password-stdin --claim");
        line.push(claim.into());
        refused(&place, line, &[1, 2]);
    }
}

#[test]
fn files_to_apply_that_are_wrong_are_refused_before_anything_is_made() {
    let place = Place::new();
    let deep = format!("clients = {}", "[".repeat(100_000));
    let files: [&[u8]; 16] = [
        b"[[clients]]\n",
        b"[[clients]]\nclient_id = 1\n",
        b"[[clients]]\nclient_id = \"a\"\nclient_nmae = \"A\"\nredirect_uris = [\"https://a.example/\"]\n",
        b"[[clients]]\nclient_id = \"a\"\nclient_name = \"A\"\nredirect_uris = \"https://a.example/\"\n",
        b"[[clients]]\nclient_id = \"a\"\nclient_name = \"A\"\nredirect_uris = [\"/cb\"]\n",
        b"[clients]\nclient_id = \"a\"\n",
        b"clients = 1\n",
        b"users = [1]\n",
        b"[[users]]\n",
        b"[[users]]\nusername = \"a\"\npassword = 1\n",
        b"[[users]]\nusername = \"a\"\npassword_hash = \"$argon2id$x\"\n",
        b"[[users]]\nusername = \"a\"\npassword = \"right\"\nadmin = \"yes\"\n",
        b"[[user]]\nusername = \"a\"\n",
        b"[[users]\n",
        b"\xff\xfe",
        deep.as_bytes(),
    ];
    for file in files {
        fs::write(place.path("declared.toml"), file).unwrap();
        let said = refused(&place, words("dev --port 0 --data data.redb --apply declared.toml"), &[1]);
        assert!(said.contains("declared.toml"), "{}: {said}", String::from_utf8_lossy(&file[..file.len().min(200)]));
        assert!(!said.contains("right"), "{said}");
    }
    assert_eq!(place.files(), ["declared.toml"]);
}

#[test]
fn a_store_that_is_none_is_refused_and_left_as_it_is() {
    let place = Place::new().with_key();
    let (store, key) =
        (fs::read(place.path("hallpass.redb")).unwrap(), fs::read(place.path("hallpass.redb.key")).unwrap());
    let listed = place.json(&["key", "list"]);
    let mut changed = store.clone();
    changed[..64].fill(0xa5);
    let stores: [&[u8]; 5] = [b"", b"garbage", &[0; 4096], &store[..100], &changed];
    for (index, bytes) in stores.into_iter().enumerate() {
        fs::write(place.path("hallpass.redb"), bytes).unwrap();
        for line in ["key list", "createclient --name N --redirect-uri https://a.example/", "user disable x"] {
            let said = refused(&place, words(line), &[1]);
            assert!(said.contains("hallpass.redb"), "{index} {line}: {said}");
        }
    }
    // The engine notes in its header that a store was open, so of these only the content stays.
    let keys: [&[u8]; 5] = [b"", b"garbage", b"\xff\xfe", &key[..key.len() / 2], &b"5a".repeat(32)];
    for (store, key) in keys.map(|key| (&store[..], key)).into_iter().chain([(&store[..store.len() / 2], &key[..])]) {
        fs::write(place.path("hallpass.redb"), store).unwrap();
        fs::write(place.path("hallpass.redb.key"), key).unwrap();
        let outcome = place.run(&["key", "list"]);
        assert_eq!((outcome.status, outcome.stderr.lines().count()), (1, 1), "{outcome:?}");
        assert_eq!(fs::read(place.path("hallpass.redb.key")).unwrap(), key);
    }
    fs::write(place.path("hallpass.redb"), &store).unwrap();
    fs::write(place.path("hallpass.redb.key"), key).unwrap();
    assert_eq!(place.json(&["key", "list"]), listed);
}
