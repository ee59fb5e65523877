//! What expressions say, and what stops them.

use serde_json::{Value, json};

use super::*;

const NAMES: [&str; 3] = ["user", "client", "scopes"];

fn scene() -> Scene {
    Scene::of(&json!({
        "user": {
            "id": "u1", "username": "ada", "admin": false, "updated_at": 1_700_000_000,
            "claims": {
                "first": "Ada", "last": "Lovelace", "groups": ["staff", "mathematics"], "level": 3, "ratio": 0.5,
                "address": {"country": "GB", "region": ""}, "nothing": null, "off": false
            }
        },
        "client": {"id": "web"},
        "scopes": ["openid", "read:books"]
    }))
}

fn evaluate(source: &str) -> Result<Option<Value>, String> {
    let expression = Expression::compile(source, &NAMES).map_err(|error| error.to_string())?;
    expression.evaluate(&scene()).map_err(|error| error.to_string())
}

#[test]
fn results_have_the_types_of_json() {
    for (source, expected) in [
        ("user.claims.first ~ ' ' ~ user.claims.last", json!("Ada Lovelace")),
        ("[user.claims.first, user.claims.middle, user.claims.last]|join(' ')", json!("Ada Lovelace")),
        ("user.claims.groups", json!(["staff", "mathematics"])),
        ("'staff' in user.claims.groups", json!(true)),
        ("'staff' in user.claims.teams", json!(false)),
        ("user.claims.level + 1", json!(4)),
        ("user.claims.ratio", json!(0.5)),
        ("user.claims.address", json!({"country": "GB", "region": ""})),
        ("{'a': user.id, 'b': [1, none, user.claims.missing]}", json!({"a": "u1", "b": [1, null, null]})),
        ("user.claims.nothing", json!(null)),
        ("user.claims.off", json!(false)),
        ("user.claims.nick or user.username", json!("ada")),
        ("user.claims.nick|default('none')", json!("none")),
        ("'yes' if 'read:books' in scopes else 'no'", json!("yes")),
        ("user.claims.groups|map('upper')|list", json!(["STAFF", "MATHEMATICS"])),
        ("user.claims.groups|select('startingwith', 'st')|first", json!("staff")),
        ("user.claims.first|replace('A', '*')", json!("*da")),
        ("user.updated_at", json!(1_700_000_000)),
        ("18446744073709551615", json!(u64::MAX)),
    ] {
        assert_eq!(evaluate(source), Ok(Some(expected)), "{source}");
    }
}

#[test]
fn what_nobody_said_is_undefined() {
    for source in ["user.claims.middle", "user.claims.middle.name.of", "user['x']", "user.claims.groups[7]"] {
        assert_eq!(evaluate(source), Ok(None), "{source}");
    }
}

#[test]
fn what_is_wrong_with_a_text_is_said_before_it_is_used() {
    for (source, expected) in [
        ("user.", "syntax error: "),
        ("", "syntax error: "),
        ("{{ user.id }}", "syntax error: "),
        ("user.id; user", "syntax error: "),
        ("usr.id", "the name usr is not known; there are user, client, scopes"),
        ("range(10)", "the name range is not known; "),
        ("user.id|uper", "unknown filter: "),
        ("user.id is uper", "unknown test: "),
        ("2 * 3", "there is no * in expressions"),
        ("user.id|format(2)", "unknown filter: "),
        ("'a'|escape", "unknown filter: "),
    ] {
        let error = evaluate(source).unwrap_err();
        assert!(error.starts_with(expected), "{source}: {error}");
    }
    let long = format!("'{}'", "x".repeat(MAX_SOURCE));
    assert_eq!(evaluate(&long).unwrap_err(), "it is longer than 1000 bytes");
    assert_eq!(evaluate("'*' ~ \"\\\"*\""), Ok(Some(json!("*\"*"))));
}

#[test]
fn expressions_that_take_long_or_much_are_stopped() {
    let thousands = |item: &str| vec![item; 200].join(",");
    let many = format!("'{}'", "a".repeat(300));
    for source in [
        "'a' * 1000000000".to_owned(),
        "[1] * 1000000000".to_owned(),
        "[[1] * 1000000000] == [[1] * 1000000000]".to_owned(),
        "2 ** 100000".to_owned(),
        "range(1000000000)|list".to_owned(),
        "'a'|center(1000000000)".to_owned(),
        "'%1000000000d'|format(1)".to_owned(),
        "'a'|indent(1000000000)".to_owned(),
        format!("{many}|replace('a', {many})|replace('a', {many})"),
        format!("({many}|list)|join({many})"),
        format!("[{}]|map('default')|map('string')|join|list|sort", thousands("'ab'")),
        format!("{}1{}", "(".repeat(490), ")".repeat(490)),
        format!("{}1{}", "[".repeat(490), "]".repeat(490)),
        format!("{}user", "not ".repeat(240)),
        format!("{}1", "-".repeat(990)),
        format!("1{}", "+1".repeat(490)),
        format!("1{}", "~1".repeat(490)),
        format!("user{}", "[0]".repeat(300)),
        format!("user{}", "|list".repeat(190)),
        format!("user{}", ".a".repeat(490)),
        format!("1{}", " if 1".repeat(190)),
        format!("1{}", " is odd".repeat(130)),
    ] {
        // Refused, stopped, or done within what its fuel pays for: nothing else is to be found out without a clock.
        match evaluate(&source) {
            Ok(value) => assert!(value.is_none_or(|value| value.to_string().len() <= 2 * MAX_RESULT), "{source}"),
            Err(error) => assert!(error.len() < 200, "{source}: {error}"),
        }
    }
    let doubled = |depth: usize| (0..depth).fold("user".to_owned(), |inner, _| format!("[{inner},{inner}]"));
    assert_eq!(evaluate(&doubled(7)).unwrap_err(), "its value is larger than 16384 bytes");
    let sorted = format!("[{}]|sort|sort|sort|sort|sort", vec!["1"; 450].join(","));
    assert_eq!(evaluate(&sorted).unwrap_err(), "it takes too long, or makes too much");
}

#[test]
fn a_condition_is_true_or_false_and_nothing_else() {
    let holds =
        |source: &str| Expression::compile(source, &NAMES).unwrap().holds(&scene()).map_err(|error| error.to_string());
    assert_eq!(holds("'staff' in user.claims.groups"), Ok(true));
    assert_eq!(holds("user.admin"), Ok(false));
    assert_eq!(holds("user.claims.first"), Err("it is neither true nor false".into()));
    assert_eq!(holds("user.claims.missing"), Err("it is undefined".into()));
}
