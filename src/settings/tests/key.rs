//! What holds for every key there is.

use std::fs;

use super::*;
use crate::settings::document::one_line;

#[test]
fn every_key_can_be_set_in_the_environment() {
    let mut environment = secrets();
    for key in KEYS.iter().filter(|key| !key.named) {
        let written = key.default.or(key.example).unwrap();
        let bare = match Written::parse(written) {
            Some(Written::Text(text)) => text,
            _ => written.to_owned(),
        };
        environment.insert(key.environment_name(), bare);
    }
    // The two go together.
    environment.insert("HALLPASS_SUB__MODE".into(), "expression".into());
    let settings = Settings::load(&Sources { environment, ..Sources::default() }).unwrap();
    for entry in settings.entries().into_iter().filter(|entry| !entry.key.named) {
        let name = entry.key.environment_name();
        assert_eq!(entry.origin, Origin::Environment(name.clone()), "{name}");
        assert!(entry.value.is_some(), "{name}");
    }
    for ((name, value), (_, default)) in values(&settings).iter().zip(values(&defaults())) {
        assert!(default.is_none() || *value == default || *name == "sub.mode", "{name}");
    }
}

#[test]
fn an_unknown_name_in_the_environment_is_refused_with_the_nearest() {
    for (name, nearest) in [
        ("HALLPASS_FOO__BAR", None),
        ("HALLPASS_LIFETIME__CODE", Some("HALLPASS_LIFETIMES__CODE")),
        ("HALLPASS_LIFETIMES__CODES", Some("HALLPASS_LIFETIMES__CODE")),
        ("HALLPASS_ISSUER__", Some("HALLPASS_ISSUER")),
        ("HALLPASS_SESSIONMANAGEMENT__ENABLED", Some("HALLPASS_SESSION_MANAGEMENT__ENABLED")),
    ] {
        let error = load_environment(name, "1").unwrap_err();
        let begins = format!("{name}: unknown setting; the nearest known one is HALLPASS_");
        assert!(error.starts_with(&begins), "{error}");
        assert!(nearest.is_none_or(|nearest| error.ends_with(&format!(" {nearest}"))), "{error}");
    }
}

#[test]
fn every_secret_comes_from_elsewhere_and_is_never_shown() {
    let secret = "hunter2hunter2hunter2hunter2hunter2";
    let hidden: Vec<&Key> = KEYS.iter().filter(|key| !key.named && (key.right)().contains("{ env = ")).collect();
    assert_eq!(names(&hidden), ["store.key", "admin.token", "session_management.anonymous_key"]);
    for key in ["admin.token", "session_management.anonymous_key"] {
        let (directory, mut sources) = written(&format!("{key} = {{ env = \"SECRET\" }}"));
        sources.environment.insert("SECRET".into(), format!(" {secret}\n"));
        fs::write(directory.path().join("secret"), secret).unwrap();
        let by_environment = Settings::load(&sources).unwrap();
        assert_eq!(by_environment.file_with_secrets(), None, "{key}");
        fs::write(directory.path().join(DEFAULT_FILE), format!("{key} = {{ file = \"secret\" }}")).unwrap();
        let by_file = Settings::load(&sources).unwrap();
        fs::write(directory.path().join(DEFAULT_FILE), format!("{key} = \"{secret}\"")).unwrap();
        let inline = Settings::load(&sources).unwrap();
        assert!(inline.file_with_secrets().is_some(), "{key}");
        for other in [&by_file, &inline] {
            assert!(Settings::changed(&by_environment, other).is_empty(), "{key}");
        }
        let shown = format!("{}{inline:?}", inline.render());
        assert!(shown.contains("(hidden)") && !shown.contains("hunter2"), "{key}: {shown}");
        for wrong in ["{ env = \"NONE\" }", "{ file = \"none\" }", "{ vault = \"hunter2\" }", "[\"hunter2\"]", "\"\""] {
            let error = load(&format!("{key} = {wrong}")).unwrap_err();
            assert!(error.starts_with(&format!("hallpass.toml:1: {key} ")) && !error.contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn every_kind_of_key_names_the_place_of_what_is_wrong() {
    // A table is no value of any key, but for secrets, where it has one entry.
    for key in KEYS.iter().filter(|key| !key.named) {
        let (section, name) = key.parts();
        let head = if section.is_empty() { String::new() } else { format!("[{section}]") };
        let error = load(&format!("{head}\n{name} = {{ a = 1, b = 2 }}\n")).unwrap_err();
        let place = format!("hallpass.toml:2: {}", key.name());
        let rest = error.strip_prefix(&place).unwrap_or_else(|| panic!("{error}"));
        assert!(rest.starts_with([' ', '.']) && error.contains("must be "), "{error}");
        let error = load(&format!("{head}\n{name}x = 1\n")).unwrap_err();
        let full = if section.is_empty() { format!("{name}x") } else { format!("{section}.{name}x") };
        let nearest = format!("hallpass.toml:2: unknown setting {full}; the nearest known one is {}", key.name());
        assert_eq!(error, nearest);
    }
}

#[test]
fn every_section_and_key_is_in_the_reference() {
    let reference = reference();
    for key in KEYS.iter().filter(|key| key.named) {
        assert!(reference.contains(&format!("**`[{}", key.name())), "{}", key.name());
    }
    for key in KEYS.iter().filter(|key| !key.named) {
        let (section, name) = key.parts();
        let from = reference.find(&format!("**`[{section}]`**")).unwrap_or_default();
        let row =
            reference.get(from..).unwrap().lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        assert_eq!(row.matches(" | ").count(), 2, "{row}");
        assert_eq!(row.contains("restart"), key.needs_restart(), "{row}");
        assert!(key.default.is_none_or(|default| row.contains(&format!("| `{}` |", one_line(default)))), "{row}");
    }
}
