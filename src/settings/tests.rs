//! The rules of settings, from the outside.

mod key;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::kind::{DAY, Kind, MINUTE, Period, Size, Surroundings};
use super::schema::Key;
use super::written::Written;
use super::*;
use crate::base::secret::Secret;

/// A directory with a `hallpass.toml`.
fn written(text: &str) -> (TempDir, Sources) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(DEFAULT_FILE);
    fs::write(&path, text).unwrap();
    (directory, Sources { file: ConfigFile::Required(path), ..Sources::default() })
}

/// Loads a file's text; errors name it `hallpass.toml`.
fn load(text: &str) -> Result<Settings, String> {
    let (directory, sources) = written(text);
    let prefix = format!("{}/", directory.path().display());
    Settings::load(&sources).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn load_environment(name: &str, value: &str) -> Result<Settings, String> {
    let environment = [(name.to_owned(), value.to_owned())].into();
    Settings::load(&Sources { environment, ..Sources::default() }).map_err(|error| error.to_string())
}

fn load_flag(key: &str, value: &str) -> Result<Settings, String> {
    Settings::load(&Sources::default().set(key, value)).map_err(|error| error.to_string())
}

fn defaults() -> Settings {
    Settings::load(&Sources::default()).unwrap()
}

fn values(settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    settings.entries().into_iter().map(|entry| (entry.key.name(), entry.value)).collect()
}

fn names(keys: &[&'static Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name()).collect()
}

/// What the examples of secrets name.
fn secrets() -> std::collections::BTreeMap<String, String> {
    let names = ["HALLPASS_KEY", "HALLPASS_ADMIN_TOKEN", "HALLPASS_SHARED_KEY"];
    names.map(|name| (name.to_owned(), "ab".repeat(32))).into()
}

#[test]
fn every_key_has_a_default_or_may_stay_unset() {
    let settings = defaults();
    for (key, (name, value)) in KEYS.iter().zip(values(&settings)) {
        assert_eq!(key.name(), name);
        assert_eq!(key.default.is_some(), value.is_some(), "{name}");
        assert_eq!(key.default.is_none(), key.example.is_some(), "{name}: an example is for keys without default");
        assert!(KEYS.iter().filter(|other| other.name() == name).count() == 1, "{name}");
    }
}

#[test]
fn defaults_are_those_of_the_specification_of_behaviour() {
    let settings = defaults();
    assert_eq!(settings.issuer, None);
    assert_eq!(settings.http.listen, ["127.0.0.1:8000".parse().unwrap()]);
    assert_eq!(settings.store.path, Path::new("hallpass.redb"));
    assert_eq!(settings.store.key, None);
    assert_eq!(settings.store.cache_size, 32 << 20);
    assert_eq!(settings.lifetimes.code, Duration::from_secs(600));
    assert_eq!(settings.lifetimes.access_token, Duration::from_secs(3600));
    assert_eq!(settings.lifetimes.id_token, Duration::from_secs(600));
    assert_eq!(settings.lifetimes.refresh_idle, Duration::from_secs(30 * DAY));
    assert_eq!(settings.lifetimes.refresh_token, Duration::from_secs(90 * DAY));
    assert_eq!(settings.lifetimes.session_idle, Duration::from_secs(DAY));
    assert_eq!(settings.lifetimes.session, Duration::from_secs(14 * DAY));
    assert_eq!(settings.consent.remember_days, 90);
    assert_eq!(settings.signing.rotate_every, Duration::from_secs(90 * DAY));
    assert_eq!(settings.signing.publish_ahead, Duration::from_secs(2 * DAY));
    assert_eq!(settings.refresh.grace, Duration::from_secs(MINUTE));
    assert!(!settings.pkce.plain && !settings.userinfo.query_token && settings.throttle.enabled);
    assert_eq!((settings.password.memory_kib, settings.password.iterations, settings.password.lanes), (19456, 2, 1));
}

#[test]
fn the_default_document_is_the_defaults() {
    let document = default_document();
    assert_eq!(values(&load_here(&document)), values(&defaults()));

    // With every key that has a default made active, it still says the same.
    let active: String = document
        .lines()
        .take_while(|line| !line.starts_with("#["))
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !is_example(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let settings = load_here(&active);
    assert_eq!(values(&settings), values(&defaults()));
    let given = settings.entries().into_iter().filter(|entry| entry.origin != Origin::Default).count();
    assert_eq!(given, KEYS.iter().filter(|key| key.default.is_some()).count());

    /// Loads a document as though it stood in the working directory.
    fn load_here(text: &str) -> Settings {
        let (directory, sources) = written(text);
        let mut settings = Settings::load(&sources).unwrap();
        settings.store.path = settings.store.path.strip_prefix(directory.path()).unwrap().to_owned();
        settings
    }

    fn is_example(line: &str) -> bool {
        KEYS.iter().filter_map(|key| key.example).any(|example| line.ends_with(&format!(" = {example}")))
    }
}

#[test]
fn examples_in_the_default_document_are_right() {
    let environment = secrets();
    let examples = KEYS.iter().filter(|key| !key.named);
    let examples = examples.filter_map(|key| Some((key.name().to_owned(), key.example?)));
    let overrides = examples.map(|(name, example)| match Written::parse(example).unwrap() {
        Written::Text(text) => (name, text),
        _ => (name, example.to_owned()),
    });
    let mode = ("sub.mode".to_owned(), "expression".to_owned());
    let overrides = overrides.chain([mode]).collect();
    let settings = Settings::load(&Sources { environment, overrides, ..Sources::default() }).unwrap();
    let unset = settings.entries().into_iter().filter(|entry| entry.value.is_none() && !entry.key.named);
    assert_eq!(unset.count(), 0);
}

#[test]
fn the_default_document_describes_every_key() {
    let document = default_document();
    for key in KEYS.iter().filter(|key| !key.named) {
        let (section, name) = key.parts();
        let lines: Vec<&str> = document
            .lines()
            .skip_while(|line| !section.is_empty() && *line != format!("[{section}]"))
            .skip(usize::from(!section.is_empty()))
            .take_while(|line| !line.starts_with('['))
            .collect();
        let at = lines
            .iter()
            .position(|line| line.starts_with(&format!("#{name} = ")))
            .unwrap_or_else(|| panic!("{}", key.name()));
        let about: String = lines[..at].iter().rev().take_while(|line| line.starts_with("# ")).copied().collect();
        assert!(
            about.contains((key.right)().trim_start_matches(char::is_alphabetic)) && about.contains(key.doc[0]),
            "{}: {about}",
            key.name()
        );
        assert_eq!(about.contains("needs a restart"), key.needs_restart(), "{}", key.name());
        assert_eq!(about.contains("Not set by default"), key.default.is_none(), "{}", key.name());
    }
    assert!(document.contains("#code = \"10m\"\n"));
    assert!(document.contains("from 1s to 1h.\n#code"), "units stand beside the key:\n{document}");
    assert!(document.lines().all(|line| line.chars().count() <= 130));
}

#[test]
fn a_certificate_comes_with_its_key_and_an_https_issuer() {
    let both = "[tls]\ncert = \"a.pem\"\nkey = \"a.key\"\n";
    let settings = load(&format!("issuer = \"https://id.example\"\n{both}")).unwrap();
    assert!(settings.tls.cert.unwrap().ends_with("a.pem") && settings.tls.key.unwrap().ends_with("a.key"));
    assert!(load(both).is_ok(), "some commands need no issuer");
    for line in ["cert = \"/a.pem\"", "key = \"/a.key\""] {
        let error = load(&format!("[tls]\n{line}\n")).unwrap_err();
        assert!(error.starts_with("hallpass.toml:2: tls.cert is ") && error.contains("belong together"), "{error}");
    }
    let error = load(&format!("issuer = \"http://localhost:8000\"\n{both}")).unwrap_err();
    assert!(error.ends_with("with a certificate everything is https, the issuer too"), "{error}");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let (_directory, mut sources) = written("[lifetimes]\ncode = 60\nid_token = 61\naccess_token = 62\n");
    sources.environment.insert("HALLPASS_LIFETIMES__ID_TOKEN".into(), "71".into());
    sources.environment.insert("HALLPASS_LIFETIMES__ACCESS_TOKEN".into(), "72".into());
    let settings =
        Settings::load(&sources.set("lifetimes.access_token", "81").set("lifetimes.access_token", "82")).unwrap();
    let lifetimes = &settings.lifetimes;
    assert_eq!(
        [lifetimes.code, lifetimes.id_token, lifetimes.access_token].map(|duration| duration.as_secs()),
        [60, 71, 82]
    );

    let origin = |name: &str| settings.entries().into_iter().find(|entry| entry.key.name() == name).unwrap().origin;
    assert!(matches!(origin("lifetimes.code"), Origin::File(path, 2) if path.ends_with("hallpass.toml")));
    assert_eq!(origin("lifetimes.id_token"), Origin::Environment("HALLPASS_LIFETIMES__ID_TOKEN".into()));
    assert_eq!(origin("lifetimes.access_token"), Origin::Flag);
    assert_eq!(origin("lifetimes.session"), Origin::Default);
}

#[test]
fn a_false_value_wins_over_a_true_default() {
    assert!(defaults().throttle.enabled);
    assert!(!load("[throttle]\nenabled = false").unwrap().throttle.enabled);
    assert!(!load_environment("HALLPASS_THROTTLE__ENABLED", "false").unwrap().throttle.enabled);
    assert!(!load_flag("throttle.enabled", "false").unwrap().throttle.enabled);
}

#[test]
fn only_environment_names_with_two_underscores_are_settings() {
    let settings = load_environment("HALLPASS_ISSUER", "https://id.example.com").unwrap();
    assert_eq!(settings.require_issuer().unwrap().as_str(), "https://id.example.com");
    for other in ["HALLPASS_PORT", "HALLPASS_SERVICE_HOST", "HALLPASS_ADMIN_TOKEN", "HALLPASS_CONFIG", "OTHER__KEY"] {
        assert_eq!(values(&load_environment(other, "tcp://10.0.0.1:8000").unwrap()), values(&defaults()), "{other}");
    }
    assert_eq!(
        load_environment("HALLPASS_HTTP__LISTN", "x").unwrap_err(),
        "HALLPASS_HTTP__LISTN: unknown setting; the nearest known one is HALLPASS_HTTP__LISTEN"
    );
}

#[test]
fn an_empty_environment_variable_is_not_set() {
    assert_eq!(values(&load_environment("HALLPASS_TEMPLATES__DIR", "").unwrap()), values(&defaults()));
}

#[test]
fn environment_and_flags_are_bare_text() {
    assert!(load_environment("HALLPASS_PKCE__PLAIN", "true").unwrap().pkce.plain);
    assert_eq!(load_environment("HALLPASS_STORE__QUEUE", "7").unwrap().store.queue, 7);
    assert_eq!(load_environment("HALLPASS_PAGES__TITLE", "2024").unwrap().pages.title, "2024");
    let listen = load_flag("http.listen", "127.0.0.1:1, [::1]:2").unwrap().http.listen;
    assert_eq!(listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(load_flag("http.listen", "[\"[::1]:2\"]").unwrap().http.listen, ["[::1]:2".parse().unwrap()]);
    assert!(load_flag("throttle.exempt", "[]").unwrap().throttle.exempt.is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    for (text, error) in [
        ("[http]\n\nlistn = 1", "hallpass.toml:3: unknown setting http.listn; the nearest known one is http.listen"),
        ("\n[htpp]\nlisten = 1", "hallpass.toml:2: unknown setting htpp.listen; the nearest known one is http.listen"),
        ("isuer = \"x\"", "hallpass.toml:1: unknown setting isuer; the nearest known one is issuer"),
        ("[oidc]\nissuer = \"x\"", "hallpass.toml:1: unknown setting oidc.issuer; the nearest known one is issuer"),
        ("[http]\nlevel = 1", "hallpass.toml:2: unknown setting http.level; the nearest known one is log.level"),
        ("\"http.listen\" = 1", "hallpass.toml:1: unknown setting http.listen; the nearest known one is http.listen"),
        ("[stroe]\n", "hallpass.toml:1: unknown section stroe; the nearest known one is store"),
    ] {
        assert_eq!(load(text).unwrap_err(), error);
    }
    assert_eq!(
        load_flag("lifetime.code", "1").unwrap_err(),
        "command line: unknown setting lifetime.code; the nearest known one is lifetimes.code"
    );
}

#[test]
fn a_wrong_value_says_where_and_what_would_be_right() {
    for (text, error) in [
        (
            "[lifetimes]\ncode = \"ten\"",
            "hallpass.toml:2: lifetimes.code is \"ten\": must be a duration from 1s to 1h (seconds, or text like \
             \"10m\", \"1h30m\", \"90d\")",
        ),
        ("[pkce]\nplain = \"yes\"", "hallpass.toml:2: pkce.plain is \"yes\": must be true or false"),
        ("[pkce]\nplain = 1", "hallpass.toml:2: pkce.plain is 1: must be true or false"),
        ("store.queue = 0", "hallpass.toml:1: store.queue is 0: must be a whole number from 1 to 100000"),
        ("store.queue = 1.5", "hallpass.toml:1: store.queue is 1.5: must be a whole number from 1 to 100000"),
        ("store.queue = \"7\"", "hallpass.toml:1: store.queue is \"7\": must be a whole number from 1 to 100000"),
        ("store.path = [1]", "hallpass.toml:1: store.path is [1]: must be a path"),
        (
            "http.max_body = \"1KB\"",
            "hallpass.toml:1: http.max_body is \"1KB\": must be a size from \"1KiB\" to \"64MiB\" (bytes, or text \
             like \"64KiB\", \"1MiB\", \"2GiB\")",
        ),
        ("log.format = \"xml\"", "hallpass.toml:1: log.format is \"xml\": must be one of \"auto\", \"text\", \"json\""),
        (
            "http.listen = \"localhost:8000\"",
            "hallpass.toml:1: http.listen is \"localhost:8000\" (invalid socket address syntax): must be an \
             IP address with a port, such as \"127.0.0.1:8000\" or \"[::]:8000\", or a list of them",
        ),
        (
            "throttle.exempt = [\"10.0.0.1/8\"]",
            "hallpass.toml:1: throttle.exempt is [\"10.0.0.1/8\"] (the address has bits behind its prefix): \
             must be a list of IP addresses or ranges, such as [\"192.0.2.7\", \"10.0.0.0/8\"]",
        ),
        (
            "issuer = \"https://id.example.com/?x\"",
            "hallpass.toml:1: issuer is \"https://id.example.com/?x\" (has a query (?…)): must be an https URL without query \
             and fragment, such as \"https://id.example.com\"",
        ),
        ("http = 1", "hallpass.toml:1: http is a section: write [http] and its keys below"),
    ] {
        assert_eq!(load(text).unwrap_err(), error);
    }
    for text in [
        "http.listen = []",
        "http.listen = 8000",
        "pages.title = \"\"",
        "pages.title = \"a\\nb\"",
        "i18n.default_locale = \"english!\"",
        "i18n.default_locale = \"e\"",
        "http.listen.port = 1",
        "store.cache_size = -1",
    ] {
        let error = load(text).unwrap_err();
        assert!(error.starts_with("hallpass.toml:1: ") && error.contains(": must be "), "{error}");
    }
    let error = load("http.listen = [\"[::1]:80\", \"x\"]").unwrap_err();
    assert!(error.contains("(\"x\": invalid socket address syntax)"), "of several the wrong one is named: {error}");
    assert!(
        load_environment("HALLPASS_PKCE__PLAIN", "on").unwrap_err().starts_with("HALLPASS_PKCE__PLAIN: pkce.plain is")
    );
    assert!(load_flag("pkce.plain", "on").unwrap_err().starts_with("command line: pkce.plain is \"on\""));
}

#[test]
fn errors_stay_in_one_line() {
    for text in [
        "log.level = \"a\\nb\"".to_owned(),
        format!("log.level = {:?}", "x".repeat(500)),
        "log = {\n".to_owned(),
        "= 1".to_owned(),
    ] {
        let error = load(&text).unwrap_err();
        assert!(!error.contains('\n') && error.len() < 300, "{error}");
        assert!(error.starts_with("hallpass.toml:1: ") || error.starts_with("hallpass.toml:2: "), "{error}");
    }
    assert!(load("log = {\n").unwrap_err().contains("not valid TOML"));
}

#[test]
fn a_named_file_must_exist_and_the_usual_one_may_be_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.toml");
    let sources = |file| Sources { file, ..Sources::default() };
    assert!(Settings::load(&sources(ConfigFile::IfPresent(path.clone()))).is_ok());
    let error = Settings::load(&sources(ConfigFile::Required(path))).unwrap_err().to_string();
    assert!(error.contains("none.toml: "), "{error}");
}

#[test]
fn paths_of_the_file_begin_at_the_file_and_others_at_the_working_directory() {
    let (directory, sources) = written("templates.dir = \"look\"");
    let settings = Settings::load(&sources.clone().set("store.path", "data/x.redb")).unwrap();
    assert_eq!(settings.templates.dir, Some(directory.path().join("look")));
    assert_eq!(settings.store.path, Path::new("data/x.redb"));
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.store.path, directory.path().join("hallpass.redb"));
    assert_eq!(load("store.path = \"/var/lib/h.redb\"").unwrap().store.path, PathBuf::from("/var/lib/h.redb"));
}

#[test]
fn durations_are_seconds_or_text() {
    let read = |written: Written| {
        let around = Surroundings {
            directory: Path::new(""),
            origin: Origin::Default,
            environment: &[].into(),
            read_file: |_| Err("none".into()),
        };
        Period(0..=1000 * DAY).parse(&written, &around).ok().map(|duration| duration.as_secs())
    };
    let text = |text: &str| Written::Text(text.to_owned());
    for (right, seconds) in
        [("600", 600), ("10m", 600), ("1h30m", 5400), ("90d", 90 * DAY), ("1d1h1m1s", 90061), ("0s", 0), ("90m", 5400)]
    {
        assert_eq!(read(text(right)), Some(seconds), "{right}");
        let duration = Duration::from_secs(seconds);
        assert_eq!(read(text(&crate::base::period::write(duration))), Some(seconds), "{right} written again");
    }
    assert_eq!(read(Written::Integer(600)), Some(600));
    assert_eq!(read(Written::Bare("600".into())), Some(600));
    for wrong in
        ["", " ", "m", "10", "-1", "+1", "1.5h", "10 m", "10m5", "1m1h", "1m1m", "10ms", "1w", "99999999999999999999d"]
    {
        assert_eq!(read(text(wrong)).is_some(), wrong == "10", "{wrong}");
    }
    assert_eq!(read(Written::Integer(-1)), None);
}

#[test]
fn sizes_are_bytes_or_text() {
    let around = Surroundings {
        directory: Path::new(""),
        origin: Origin::Default,
        environment: &[].into(),
        read_file: |_| Err("none".into()),
    };
    let read = |written: Written| Size(0..=usize::MAX).parse(&written, &around).ok();
    for (text, bytes) in [("64KiB", 65536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)] {
        assert_eq!(read(Written::Text(text.into())), Some(bytes), "{text}");
    }
    assert_eq!(read(Written::Integer(1000)), Some(1000));
    for wrong in ["", "KiB", "1KB", "1kib", "-1KiB", "1000", "99999999999999999999GiB", "17179869184GiB"] {
        assert_eq!(read(Written::Text(wrong.into())), None, "{wrong}");
    }
}

#[test]
fn a_secret_comes_inline_from_the_environment_or_from_a_file() {
    let key = "0f".repeat(32);
    let expected = StoreKey::parse(&Secret::new("Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8")).unwrap();
    assert_ne!(StoreKey::parse(&Secret::new("1f".repeat(32))).unwrap(), expected);

    assert_eq!(load(&format!("store.key = \"{key}\"")).unwrap().store.key.as_ref(), Some(&expected));

    let (directory, mut sources) = written("store.key = { env = \"SEAL\" }");
    sources.environment.insert("SEAL".into(), key.clone());
    assert_eq!(Settings::load(&sources).unwrap().store.key.as_ref(), Some(&expected));

    fs::write(directory.path().join("seal"), format!("{key}\n")).unwrap();
    fs::write(directory.path().join(DEFAULT_FILE), "store.key = { file = \"seal\" }").unwrap();
    assert_eq!(Settings::load(&sources).unwrap().store.key.as_ref(), Some(&expected));

    let bare = format!("{{ file = \"{}/seal\" }}", directory.path().display());
    assert_eq!(load_environment("HALLPASS_STORE__KEY", &bare).unwrap().store.key.as_ref(), Some(&expected));
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let right = "must be 32 bytes in hexadecimal or base64, { env = \"NAME\" } or { file = \"PATH\" }";
    for (text, why) in [
        ("store.key = \"hunter2\"", "store.key does not hold 32 bytes"),
        ("store.key = 5", "store.key is not usable"),
        ("store.key = { value = \"hunter2\" }", "store.key is not usable"),
        ("store.key = { env = \"SEAL\" }", "store.key names the environment variable SEAL, which is not set"),
    ] {
        let error = load(text).unwrap_err();
        assert_eq!(error, format!("hallpass.toml:1: {why}: {right}"));
    }
    let error = load("store.key = { file = \"none\" }").unwrap_err();
    assert!(error.starts_with("hallpass.toml:1: store.key names the file none: "), "{error}");
}

#[test]
fn secrets_are_hidden_where_settings_are_shown() {
    let key = "0f".repeat(32);
    let settings = load_flag("store.key", &key).unwrap();
    let shown = settings.render();
    assert!(shown.contains("key = \"(hidden)\""), "{shown}");
    assert!(
        !shown.contains("0f0f")
            && !format!("{settings:?}").contains("0f0f")
            && !format!("{settings:?}").contains("15, 15")
    );
}

#[test]
fn shown_settings_are_toml_with_origins() {
    let (_directory, sources) = written("issuer = \"https://id.example.com/\"\n[lifetimes]\ncode = 90\n");
    let shown = Settings::load(&sources.set("http.max_body", "2048")).unwrap().render();
    for (line, origin) in [
        ("issuer = \"https://id.example.com\"", "hallpass.toml:1"),
        ("code = \"1m30s\"", "hallpass.toml:3"),
        ("max_body = \"2KiB\"", "# command line"),
        ("listen = \"127.0.0.1:8000\"", "# default"),
        ("#dir is not set", "# default"),
    ] {
        let found = shown.lines().find(|text| text.starts_with(line)).expect(line);
        assert!(found.ends_with(origin), "{found}");
    }
    let (_again, sources) = written(&shown);
    assert!(Settings::load(&sources).is_ok(), "{shown}");
}

#[test]
fn rfc8414_2_an_http_issuer_needs_loopback_or_insecure() {
    for loopback in ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000/idp"] {
        assert!(load(&format!("issuer = \"{loopback}\"")).is_ok(), "{loopback}");
    }
    assert_eq!(
        load("\nissuer = \"http://id.example.com\"").unwrap_err(),
        "hallpass.toml:2: issuer is \"http://id.example.com\": must be https, or http on this machine (localhost, \
         127.0.0.1, [::1]); http.insecure = true takes it anyway"
    );
    assert!(load("issuer = \"http://id.example.com\"\nhttp.insecure = true").is_ok());
}

#[test]
fn a_missing_issuer_says_how_to_set_it() {
    let error = defaults().require_issuer().unwrap_err().to_string();
    assert!(error.contains("issuer is not set") && error.contains("HALLPASS_ISSUER"), "{error}");
}

#[test]
fn idle_lifetimes_fit_into_whole_ones() {
    assert_eq!(
        load("[lifetimes]\nsession = \"1h\"").unwrap_err(),
        "hallpass.toml:2: lifetimes.session_idle is \"1d\" and lifetimes.session is \"1h\": lifetimes.session_idle \
         must not be longer than lifetimes.session"
    );
    let error = load("[lifetimes]\nrefresh_idle = \"91d\"").unwrap_err();
    assert!(error.starts_with("hallpass.toml:2: lifetimes.refresh_idle is \"91d\""), "{error}");
    assert!(load("[lifetimes]\nsession = \"1h\"\nsession_idle = \"1h\"").is_ok());
}

#[test]
fn oidc_core_10_1_1_the_next_key_is_published_for_longer_than_others_may_keep_the_keys() {
    assert_eq!(
        load("[discovery]\ncache_control = \"3d\"").unwrap_err(),
        "hallpass.toml:2: signing.publish_ahead is \"2d\" and discovery.cache_control is \"3d\": \
         signing.publish_ahead must not be shorter than discovery.cache_control: whoever keeps the keys for that long \
         has to see the next one before it signs"
    );
    let error = load("[signing]\nrotate_every = \"2d\"").unwrap_err();
    assert!(error.starts_with("hallpass.toml:2: signing.rotate_every is \"2d\" and signing.publish_ahead"), "{error}");
    assert!(load("discovery.cache_control = \"3d\"\nsigning.publish_ahead = \"3d\"").is_ok());
    assert!(load("discovery.cache_control = \"3d\"\nsigning.rotate_every = 0").is_ok(), "nothing comes by itself");
}

#[test]
fn rfc9106_3_1_each_lane_has_memory() {
    let error = load("[password]\nlanes = 4\nmemory_kib = 31").unwrap_err();
    assert!(error.starts_with("hallpass.toml:3: password.memory_kib is 31 and password.lanes is 4: "), "{error}");
    assert!(load("[password]\nlanes = 4\nmemory_kib = 32").is_ok());
}

#[test]
fn a_reload_names_what_changed_and_what_needs_a_restart() {
    let old = load_flag("store.key", &"0f".repeat(32)).unwrap();
    assert!(Settings::changed(&old, &old.clone()).is_empty());

    let mut sources = Sources::default().set("store.key", "1f".repeat(32));
    for (key, value) in [("issuer", "https://id.example.com"), ("http.listen", "[::1]:8000"), ("lifetimes.code", "1m")]
    {
        sources = sources.set(key, value);
    }
    let changed = Settings::changed(&old, &Settings::load(&sources).unwrap());
    assert_eq!(names(&changed), ["issuer", "http.listen", "store.key", "lifetimes.code"]);
    let restart: Vec<_> = changed.into_iter().filter(|key| key.needs_restart()).collect();
    assert_eq!(names(&restart), ["issuer", "http.listen", "store.key"]);
}

#[test]
fn the_same_value_in_another_spelling_is_no_change() {
    let one = load("lifetimes.code = \"1m30s\"\nhttp.listen = \"[::1]:80\"").unwrap();
    let other = load("lifetimes.code = 90\nhttp.listen = [\"[0::1]:80\"]").unwrap();
    // The store's path differs: each file has a directory of its own.
    assert_eq!(names(&Settings::changed(&one, &other)), ["store.path"]);
}

#[test]
fn a_key_knows_its_environment_name() {
    let name = |key: &str| KEYS.iter().find(|other| other.name() == key).unwrap().environment_name();
    assert_eq!(name("issuer"), "HALLPASS_ISSUER");
    assert_eq!(name("http.max_header_bytes"), "HALLPASS_HTTP__MAX_HEADER_BYTES");
}

#[test]
fn tables_with_names_of_people_s_own_are_documented_with_an_example_that_works() {
    let document = default_document();
    let active: String = document
        .lines()
        .skip_while(|line| !line.starts_with("#["))
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let (_directory, mut sources) = written(&active);
    sources.environment.insert("HALLPASS_HOOK_SECRET".into(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
    let settings = Settings::load(&sources).unwrap();
    for (key, entry) in KEYS.iter().zip(settings.entries()).filter(|(key, _)| key.named) {
        let shown = entry.value.unwrap_or_else(|| panic!("{} has no example:\n{active}", key.name()));
        for member in (key.members)() {
            assert!(shown.contains(&format!("{} = ", member.name())), "{}.NAME.{}", key.name(), member.name());
            assert!(document.contains(&format!("\n#{} = ", member.name())), "{}", member.name());
        }
    }
}

#[test]
fn names_of_people_s_own_come_from_everywhere() {
    let file = "[scopes.books]\nname = \"Books\"\n[scopes.\"read:books\"]\nname = \"Read\"\ndescription = \"More\"\n";
    let (_directory, mut sources) = written(file);
    sources.environment.insert("HALLPASS_SCOPES__BOOKS__NAME".into(), "Other books".into());
    sources.environment.insert("HALLPASS_SCOPES__FILMS__NAME".into(), "Films".into());
    sources.environment.insert("HALLPASS_SCOPES__EMPTY__NAME".into(), String::new());
    let settings = Settings::load(&sources.clone().set("scopes.\"read:books\".name", "Mine")).unwrap();
    let name = |scope: &str| settings.scopes[scope].name.as_deref();
    assert_eq!(settings.scopes.keys().collect::<Vec<_>>(), ["books", "films", "read:books"]);
    assert_eq!([name("books"), name("films"), name("read:books")], [Some("Other books"), Some("Films"), Some("Mine")]);
    assert_eq!(settings.scopes["read:books"].description.as_deref(), Some("More"));

    let shown = settings.render();
    let (_again, again) = written(&shown);
    assert_eq!(Settings::load(&again).unwrap().scopes, settings.scopes, "{shown}");
    let changed = Settings::changed(&Settings::load(&sources).unwrap(), &settings);
    assert_eq!(names(&changed), ["scopes"]);
    // As one text, too, and such a name alone is nobody's.
    let whole = load_flag("scopes", "{ books = { name = \"Books\" } }").unwrap();
    assert_eq!(whole.scopes["books"].name.as_deref(), Some("Books"));
    assert!(load_environment("HALLPASS_SCOPES", "tcp://10.0.0.1").unwrap().scopes.is_empty());
}

#[test]
fn what_is_wrong_below_a_name_of_people_s_own_says_where() {
    for (text, error) in [
        (
            "[scopes.\"read:books\"]\n\nnam = \"x\"",
            "hallpass.toml:3: unknown setting scopes.\"read:books\".nam; the nearest known one is \
             scopes.\"read:books\".name",
        ),
        (
            "[scopes.books]\nname = 7",
            "hallpass.toml:2: scopes.books.name is 7: must be a text of 1 to 100 characters in one line",
        ),
        (
            "[scopes.books.translations.fr]\nname = \"\"",
            "hallpass.toml:2: scopes.books.translations.fr.name is \"\": must be a text of 1 to 100 characters in one line",
        ),
        (
            "[scopes.books]\n[scopes.books.translations]\n\"f r\" = {}",
            "hallpass.toml:3: scopes.books.translations.\"f r\": must be a language tag, such as \"en\" or \"pt-BR\"",
        ),
        (
            "[scopes.\"a b\"]",
            "hallpass.toml:1: scopes.\"a b\": a scope is made of visible ASCII characters but \" and \\ (RFC 6749 section 3.3)",
        ),
        (
            "[scopes]\nbooks = 1",
            "hallpass.toml:2: scopes.books is 1: must be a table of name, description, translations, claims",
        ),
        (
            "scopes = 1",
            "hallpass.toml:1: scopes is 1: must be a table of names, each with a table of name, description, translations, claims",
        ),
        (
            "[scops.books]\nname = \"x\"",
            "hallpass.toml:1: unknown setting scops.books; the nearest known one is scopes",
        ),
    ] {
        assert_eq!(load(text).unwrap_err(), error);
    }
    let error = load_environment("HALLPASS_SCOPES__BOOKS__NAM", "x").unwrap_err();
    assert!(error.starts_with("HALLPASS_SCOPES__BOOKS__NAM: unknown setting scopes.books.nam; "), "{error}");
    let error = load_flag("scopes.books", "{ name = 1 }").unwrap_err();
    assert!(error.starts_with("command line: scopes.books.name is 1: "), "{error}");
}
