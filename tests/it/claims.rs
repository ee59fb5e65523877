//! Scopes and claims as the settings have them: expressions instead of code.

use std::sync::Arc;

use hallpass::admin::Method;
use hallpass::base::form::render;
use hallpass::model::rules::Rules;
use hallpass::model::scope::Scope;
use hallpass::settings::{ConfigFile, Settings, Sources};
use serde_json::{Value, json};

use crate::harness::{self, ADA, BOB, CLIENT, PASSWORD, Provider, SECRET, request};

/// What `claims preview` shows.
async fn preview(provider: &Provider, user: &str, scope: &str) -> Value {
    let query = render([("user", user), ("client", CLIENT), ("scope", scope)]);
    provider.list("claims", &query).await
}

#[tokio::test]
async fn standard_claims_say_what_the_settings_make_of_them() {
    let provider = Provider::start_with(&[
        ("claims.nickname", "user.claims.nick or user.username|upper"),
        ("claims.email_verified", "user.claims.email|default('') is endingwith('@ada.example')"),
        ("claims.family_name", "user.claims.missing.deeper"),
        ("claims.given_name", "''"),
        ("claims.updated_at", "'yesterday'"),
        ("claims.middle_name", "user.claims.given_name|int + 'x'"),
        ("claims.address", "{'country': 'GB', 'region': ''}"),
        ("claims.phone_number_verified", "false"),
    ])
    .await;
    let tokens = provider.tokens("openid profile email address phone").await;
    let told = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((&told["nickname"], &told["email_verified"]), (&json!("ADA"), &json!(true)));
    assert_eq!((&told["address"], &told["phone_number_verified"]), (&json!({"country": "GB"}), &json!(false)));
    for dropped in ["family_name", "given_name", "updated_at", "middle_name"] {
        assert_eq!(told.get(dropped), None, "{dropped}");
    }
    assert_eq!((&told["sub"], &told["email"]), (&json!("id-of-ada"), &json!("ada@ada.example")));
    // They come with their scope and not without.
    let tokens = provider.tokens("openid").await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.json(), json!({"sub": "id-of-ada"}));

    let preview = preview(&provider, ADA, "openid profile email address phone").await;
    assert_eq!(preview["userinfo"], told, "the preview is what is told");
    let errors: Vec<&str> = preview["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.contains(&"command line: claims.updated_at: must be whole seconds since 1970"), "{errors:?}");
    assert!(errors.iter().any(|error| error.starts_with("command line: claims.middle_name: ")), "{errors:?}");
    assert_eq!(preview["id_token"], json!({"sub": "id-of-ada"}));
}

#[tokio::test]
async fn the_preview_of_an_id_token_goes_by_its_client() {
    let provider = Provider::start_with(&[("claims.nickname", "user.username|upper")]).await;
    provider.change_client(CLIENT, |client| client.include_claims = Some(true)).await;
    let (_, told) = provider.verify(provider.tokens("openid profile").await.id()).await;
    let preview = preview(&provider, ADA, "openid profile").await;
    assert_eq!((&told["nickname"], &preview["id_token"]["nickname"]), (&json!("ADA"), &json!("ADA")));
}

#[tokio::test]
async fn oidc_core_5_5_a_claim_asked_for_by_name_is_what_the_settings_make_of_it() {
    let provider = Provider::start_with(&[("claims.nickname", "'of the settings'")]).await;
    let asked = json!({"userinfo": {"nickname": null}, "id_token": {"nickname": null}}).to_string();
    let code = provider.browser().code(ADA, &request(&[("scope", "openid"), ("claims", &asked)])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["nickname"], "of the settings");
    assert_eq!(provider.verify(tokens.id()).await.1["nickname"], "of the settings");
}

#[tokio::test]
async fn a_scope_of_the_settings_is_known_listed_shown_and_carries_claims() {
    let provider = Provider::start_with(&[
        ("scopes.\"read:books\".name", "Your books"),
        ("scopes.\"read:books\".description", "See what you borrowed"),
        ("scopes.\"read:books\".translations.fr.name", "Vos livres"),
        ("scopes.\"read:books\".claims.shelf", "user.claims.shelf"),
        ("scopes.\"read:books\".claims.reader", "{'name': user.username, 'card': none, 'scopes': scopes}"),
        ("scopes.\"https://api.example/films\".claims.films", "user.claims.films|default([])"),
        ("scopes.email.name", "How to write to you"),
    ])
    .await;
    provider.change_user(ADA, |user| drop(user.claims.insert("shelf".into(), json!(["Notes", "Sketches"])))).await;
    let discovery = provider.get("/.well-known/openid-configuration").await.json();
    for (list, name) in [
        ("scopes_supported", "read:books"),
        ("scopes_supported", "https://api.example/films"),
        ("claims_supported", "shelf"),
        ("claims_supported", "films"),
    ] {
        assert!(discovery[list].as_array().unwrap().contains(&json!(name)), "{list} {name}");
    }

    let scope = "openid email read:books https://api.example/films unknown";
    for (language, title) in [("en", "Your books"), ("fr", "Vos livres")] {
        let mut browser = provider.browser();
        let page = browser.authorize(&request(&[("scope", scope), ("ui_locales", language)])).await;
        let page = browser.log_in(&page, ADA, PASSWORD).await;
        for text in [title, "See what you borrowed", "How to write to you"] {
            assert!(page.body.contains(text), "{language} {text}: {page:?}");
        }
    }

    let tokens = provider.tokens(scope).await;
    assert_eq!(tokens.scope.as_deref().unwrap(), "openid email read:books https://api.example/films");
    let told = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!(told["shelf"], json!(["Notes", "Sketches"]));
    assert_eq!(told["reader"]["name"], "ada");
    assert_eq!(told["reader"].get("card"), None, "what is empty is left out");
    assert_eq!(told["films"], json!([]), "an empty list is a value");
    assert_eq!(preview(&provider, ADA, scope).await["userinfo"], told);
    let (_, claims) = provider.verify(tokens.id()).await;
    assert!(!claims.contains_key("shelf"), "{claims:?}");
    let tokens = provider.tokens("openid email").await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.json().get("shelf"), None);
}

#[tokio::test]
async fn a_client_has_claims_and_a_door_of_its_own() {
    let provider = Provider::start().await;
    let rules = json!({
        "claims": {"team": "user.claims.team", "nickname": "'of ' ~ client.name"},
        "allow_if": "'staff' in user.claims.groups"
    });
    let path = format!("clients/{CLIENT}");
    let shown = provider.administer(Method::Patch, &path, rules.clone()).await;
    assert_eq!((&shown["claims"], &shown["allow_if"]), (&rules["claims"], &rules["allow_if"]));
    // What was shown can be sent back, and what isn't named stays.
    let shown = provider.administer(Method::Patch, &path, json!({"client_name": "Wiki"})).await;
    assert_eq!(shown["claims"], rules["claims"]);

    let denied = |response: &harness::Response| harness::Answer::of(response).error().to_owned();
    let answer = provider.browser().complete(ADA, &request(&[])).await;
    assert_eq!(denied(&answer), "access_denied");
    provider
        .change_user(ADA, |user| {
            user.claims.insert("groups".into(), json!(["staff"]));
            user.claims.insert("team".into(), json!("engines"));
        })
        .await;
    let tokens = provider.tokens("openid").await;
    let told = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!(told, json!({"sub": "id-of-ada", "team": "engines", "nickname": "of Wiki"}));
    assert_eq!(preview(&provider, ADA, "openid").await["userinfo"], told);
    assert_eq!(denied(&provider.browser().complete(BOB, &request(&[])).await), "access_denied");

    let shown = provider.administer(Method::Patch, &path, json!({"claims": {}, "allow_if": null})).await;
    assert_eq!((shown.get("claims"), shown.get("allow_if")), (None, None));
    // A release that knows less of an expression leaves its claim out, and lets nobody in.
    let foreign = Rules { claims: [("team".into(), "user.(".into())].into(), allow_if: None };
    provider.change_client(CLIENT, |client| client.rules = Some(foreign)).await;
    let preview = preview(&provider, ADA, "openid").await;
    assert_eq!(preview["userinfo"], json!({"sub": "id-of-ada"}));
    assert!(preview["errors"][0].as_str().unwrap().starts_with("claims.team of client web: syntax error"), "{preview}");
    let closed = Rules { claims: [].into(), allow_if: Some("user.(".into()) };
    provider.change_client(CLIENT, |client| client.rules = Some(closed)).await;
    assert_eq!(denied(&provider.browser().complete(ADA, &request(&[])).await), "access_denied");
}

#[tokio::test]
async fn a_policy_that_does_not_hold_or_errs_denies() {
    for (expression, admits) in [
        ("user.username == 'ada'", true),
        ("user.username == 'bob'", false),
        ("client.id == 'web' and 'openid' in scopes", true),
        ("user.claims.missing", false),
        ("user.username", false),
        ("1 + 'x'", false),
    ] {
        let provider = Provider::start_with(&[("policy.allow_if", expression)]).await;
        let answer = provider.browser().complete(ADA, &request(&[])).await;
        let expected = if admits { None } else { Some("access_denied") };
        assert_eq!(harness::Answer::of(&answer).get("error"), expected, "{expression}");
    }
}

#[tokio::test]
async fn oidc_core_8_sub_is_what_the_settings_say_everywhere() {
    for (settings, expected) in [
        (vec![("sub.mode", "user_id")], Some("id-of-ada")),
        (vec![("sub.mode", "email")], Some("ada@ada.example")),
        (vec![("sub.mode", "expression"), ("sub.expression", "'u-' ~ user.username")], Some("u-ada")),
        (vec![("sub.mode", "expression"), ("sub.expression", "user.claims.missing")], None),
        (vec![("sub.mode", "expression"), ("sub.expression", "user.(claims")], None),
    ] {
        let Some(provider) = start(&settings).await else {
            assert_eq!(expected, None);
            continue;
        };
        let answer = provider.browser().complete(ADA, &request(&[])).await;
        let Some(expected) = expected else {
            assert_eq!(harness::Answer::of(&answer).error(), "server_error", "{settings:?}");
            continue;
        };
        let tokens = provider.redeem(harness::Answer::of(&answer).code()).await.tokens();
        assert_eq!(provider.verify(tokens.id()).await.1["sub"], expected);
        assert_eq!(provider.userinfo(&tokens.access_token).await.json()["sub"], expected);
        assert_eq!(preview(&provider, ADA, "openid").await["id_token"]["sub"], expected);
    }
    // A UUID is always the same one, another for everybody else, and of version 8.
    let provider = Provider::start_with(&[("sub.mode", "uuid")]).await;
    let sub = async |user| preview(&provider, user, "openid").await["userinfo"]["sub"].as_str().unwrap().to_owned();
    let ada = sub(ADA).await;
    assert_eq!((ada.len(), &ada[14..15], ada.split('-').count()), (36, "8", 5), "{ada}");
    assert_eq!(sub(ADA).await, ada);
    assert_ne!(sub(BOB).await, ada);

    async fn start(settings: &[(&'static str, &'static str)]) -> Option<Provider> {
        let sources = settings.iter().fold(Sources::default(), |sources, (key, value)| sources.set(*key, *value));
        if Settings::load(&sources).is_err() {
            return None;
        }
        Some(Provider::start_with(settings).await)
    }
}

#[tokio::test]
async fn id_token_claims_are_made_in_steps_and_each_sees_the_one_before() {
    let steps = "[{ department = \"user.claims.department\", level = \"1\" }, \
                 { level = \"claims.level + 1\", department = \"claims.department|upper\", email = \"none\" }]";
    let provider = Provider::start_with(&[("id_token.claims", steps), ("id_token.include_claims", "true")]).await;
    provider.change_user(ADA, |user| drop(user.claims.insert("department".into(), json!("engines")))).await;
    let tokens = provider.tokens("openid email").await;
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((&claims["department"], &claims["level"]), (&json!("ENGINES"), &json!(2)));
    assert_eq!((claims.get("email"), &claims["email_verified"]), (None, &json!(true)), "a step can take away");
    let preview = preview(&provider, ADA, "openid email").await;
    for name in ["sub", "department", "level", "email_verified"] {
        assert_eq!(preview["id_token"][name], claims[name], "{name}");
    }
    assert_eq!(preview["userinfo"]["email"], "ada@ada.example");
}

#[tokio::test]
async fn rfc7662_2_2_introspection_tells_what_the_settings_add() {
    let provider = Provider::start_with(&[(
        "introspection.claims",
        "{ tenant = \"client.metadata.tenant\", who = \"user.username\" }",
    )])
    .await;
    provider
        .change_client(CLIENT, |client| {
            client.scope = Scope::parse("token_introspection");
            client.metadata.insert("tenant".into(), json!("north"));
        })
        .await;
    let tokens = provider.tokens("openid").await;
    let form = [("token", tokens.access_token.as_str()), ("client_id", CLIENT), ("client_secret", SECRET)];
    let told = provider.post("/introspect", &[], &form).await.json();
    assert_eq!((&told["active"], &told["tenant"], &told["who"]), (&json!(true), &json!("north"), &json!("ada")));
}

#[tokio::test]
async fn hooks_of_a_program_come_behind_the_expressions() {
    struct Shout;
    impl hallpass::app::hook::Hook for Shout {
        fn claims<'a>(
            &'a self,
            mut claims: hallpass::app::hook::Claims,
            _about: hallpass::app::hook::About<'a>,
        ) -> hallpass::app::hook::Answer<'a, hallpass::app::hook::Claims> {
            let louder = claims["nickname"].as_str().unwrap().to_uppercase();
            claims.insert("nickname".into(), louder.into());
            Box::pin(std::future::ready(Ok(claims)))
        }
    }
    let settings = [("claims.nickname", "'of the settings'")];
    let provider = Provider::start_with_hooks(&settings, vec![Arc::new(Shout)]).await;
    let tokens = provider.tokens("openid profile").await;
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["nickname"], "OF THE SETTINGS");
}

#[test]
fn names_that_are_the_protocol_s_cannot_be_set() {
    let refused =
        |key: &str| Settings::load(&Sources::default().set(key, "'x'")).map(drop).map_err(|error| error.to_string());
    for name in
        ["iss", "sub", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "auth_time", "acr", "amr", "azp", "sid"]
    {
        for table in ["scopes.books.claims", "claims"] {
            let error = refused(&format!("{table}.{name}")).unwrap_err();
            assert!(error.contains(&format!("{table}.{name}: hallpass sets this claim itself")), "{error}");
        }
        let steps = format!("{{ {name} = \"'x'\" }}");
        for key in ["id_token.claims", "introspection.claims"] {
            let error = Settings::load(&Sources::default().set(key, &steps)).unwrap_err().to_string();
            assert!(error.contains(&format!("{key}.{name}: ")), "{error}");
        }
    }
    for name in ["active", "client_id", "scope", "username", "token_type"] {
        let steps = format!("{{ {name} = \"true\" }}");
        assert!(Settings::load(&Sources::default().set("introspection.claims", steps)).is_err(), "{name}");
    }
    let error = refused("claims.department").unwrap_err();
    assert!(error.contains("[scopes.NAME.claims]"), "{error}");
    assert_eq!(refused("claims.\"name#fr\""), Ok(()));
    assert!(refused("sub.expression").unwrap_err().contains("sub.mode"));
}

#[test]
fn an_error_of_an_expression_names_its_key_and_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hallpass.toml");
    for (text, expected) in [
        ("[claims]\n\nname = \"user.\"", "hallpass.toml:3: claims.name is \"user.\" (syntax error: "),
        (
            "[scopes.\"a:b\".claims]\nx = \"usr\"",
            "hallpass.toml:2: scopes.\"a:b\".claims.x is \"usr\" (the name usr is not known; ",
        ),
        (
            "[[id_token.claims]]\na = \"1\"\n[[id_token.claims]]\nb = \"1|nope\"",
            "hallpass.toml:4: id_token.claims.b is ",
        ),
        ("[policy]\nallow_if = \"[1] * 1000000000\"", "hallpass.toml:2: policy.allow_if is "),
    ] {
        std::fs::write(&path, text).unwrap();
        let sources = Sources { file: ConfigFile::Required(path.clone()), ..Sources::default() };
        let error = Settings::load(&sources).unwrap_err().to_string();
        let error = error.strip_prefix(&format!("{}/", directory.path().display())).unwrap();
        assert!(error.starts_with(expected), "{error}");
        assert!(error.contains("must be an expression over user, client, scopes"), "{error}");
    }
}

/// The settings in the README's section on scopes and claims.
fn readme() -> String {
    let readme = include_str!("../../README.md");
    let section = readme.split("### Scopes and claims").nth(1).unwrap();
    section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_readme_s_example_does_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hallpass.toml");
    std::fs::write(&path, readme()).unwrap();
    let sources = Sources { file: ConfigFile::Required(path), ..Sources::default() };
    let settings = Settings::load(&sources).unwrap();
    let given: Vec<(&str, String)> = settings
        .entries()
        .into_iter()
        .filter(|entry| entry.origin != hallpass::settings::Origin::Default)
        .map(|entry| {
            let value = entry.value.unwrap();
            (
                entry.key.name(),
                value.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&value).to_owned(),
            )
        })
        .collect();
    let given: Vec<(&str, &str)> = given.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let provider = Provider::start_with(&given).await;
    provider
        .change_user(ADA, |user| {
            user.claims.shift_remove("nickname");
            user.claims.insert("shelf".into(), json!(["Notes"]));
            user.claims.insert("department".into(), json!("engines"));
            user.claims.insert("groups".into(), json!(["staff"]));
        })
        .await;
    let tokens = provider.tokens("openid profile read:books").await;
    let told = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((&told["name"], &told["nickname"]), (&json!("Ada Lovelace"), &json!("ada")));
    assert_eq!((&told["shelf"], &told["librarian"]), (&json!(["Notes"]), &json!(true)));
    assert_eq!(provider.verify(tokens.id()).await.1["department"], "engines");
    assert_eq!(harness::Answer::of(&provider.browser().complete(BOB, &request(&[])).await).error(), "access_denied");
}
