//! `expression`: whatever somebody writes is refused or evaluated, in little time and memory, to JSON of a bounded size; and it
//! says the same thing twice.
#![no_main]

use std::sync::LazyLock;

use hallpass::expression::{Expression, MAX_RESULT, MAX_SOURCE, Scene};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const NAMES: [&str; 3] = ["user", "client", "scopes"];

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    Scene::of(&json!({
        "user": {
            "id": "u1", "username": "ada", "admin": true, "updated_at": 1_700_000_000,
            "claims": {
                "name": "Ada", "groups": ["staff", "mathematics"], "level": 3, "ratio": 0.5, "off": false, "nothing": null,
                "address": { "country": "GB", "region": "" }, "long": "x".repeat(4000), "numbers": (0..1000).collect::<Vec<_>>()
            }
        },
        "client": { "id": "web", "metadata": {} },
        "scopes": ["openid", "read:books"]
    }))
});

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::compile(source, &NAMES) else { return };
    assert!(source.len() <= MAX_SOURCE && expression.source() == source);
    let value = expression.evaluate(&SCENE);
    assert_eq!(value, expression.evaluate(&SCENE));
    if let Ok(Some(value)) = &value {
        // Escapes and punctuation make it longer than what was counted, by a bounded factor.
        assert!(value.to_string().len() <= 8 * MAX_RESULT);
    }
    if let Err(error) = value {
        assert!(!error.to_string().contains(char::is_control));
    }
});
