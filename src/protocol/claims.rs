//! The claims about a user that a client is given: which, and in what shape (OpenID Connect Core 1.0 section 5).

use serde_json::{Map, Value};

use super::claims_request::ClaimsRequest;
use super::scope;
use super::standard_claim::{ClaimKind, StandardClaim};
use crate::model::scope::Scope;
use crate::model::user::User;

/// OpenID Connect Core 1.0 section 5.3.2: `sub`, then the claims of the granted scopes, then those that the client asked
/// for by name.
pub fn userinfo_claims(
    user: &User,
    subject: &str,
    granted: &Scope,
    request: Option<&ClaimsRequest>,
) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), Value::from(subject));
    add_scope(&mut claims, user, granted);
    request.iter().flat_map(|request| &request.userinfo).for_each(|wish| add(&mut claims, user, &wish.name));
    claims
}

/// OpenID Connect Core 1.0 section 5.4: claims of scopes are given at the UserInfo endpoint when an access token is issued,
/// so an ID token that comes with one has those only that the client asked for there by name (section 5.5). One that comes alone
/// is given the `granted` scope, and has its claims, too.
pub fn id_token_claims(user: &User, granted: Option<&Scope>, request: Option<&ClaimsRequest>) -> Map<String, Value> {
    let mut claims = Map::new();
    if let Some(granted) = granted {
        add_scope(&mut claims, user, granted);
    }
    request.iter().flat_map(|request| &request.id_token).for_each(|wish| add(&mut claims, user, &wish.name));
    claims
}

fn add_scope(claims: &mut Map<String, Value>, user: &User, granted: &Scope) {
    let of_scopes = scope::STANDARD.iter().filter(|(name, _)| granted.contains(name)).flat_map(|(_, claims)| *claims);
    of_scopes.for_each(|name| add(claims, user, name));
}

/// Only standard claims are given out. Section 5.5 allows to ignore that others are asked for by name: it is scopes that
/// users agree to, and a deployment's own claims may be meant for other clients.
fn add(claims: &mut Map<String, Value>, user: &User, name: &str) {
    if StandardClaim::find(name).is_some()
        && let Some(value) = claim(user, name)
    {
        claims.insert(name.to_owned(), value);
    }
}

/// A claim about a user as it is given out: never empty, never of another type than the specification's.
///
/// Where the record has no usable value, the login name stands in for `preferred_username`, which is just what that claim
/// means ("shorthand name by which the End-User wishes to be referred to", section 5.1), and for `nickname`, as applications
/// that come from django-oidc-provider expect; `updated_at` is the time of the record's last change.
pub fn claim(user: &User, name: &str) -> Option<Value> {
    let kept = user.claims.get(name).cloned().and_then(clean);
    let typed = match StandardClaim::find(name).map(StandardClaim::kind) {
        Some(kind) => kept.and_then(|value| ClaimKind::conform(kind, value)),
        None => kept,
    };
    typed.or_else(|| match name {
        "preferred_username" | "nickname" => Some(Value::from(user.username.as_str())),
        "updated_at" => Some(Value::from(user.updated_at.as_secs())),
        _ => None,
    })
}

/// OpenID Connect Core 1.0 section 5.3.2: a claim without a value is left out, not sent as null or empty. This takes null,
/// blank text and objects without members away, also inside of objects; false, zero and empty lists are values.
pub fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.trim().is_empty()).then_some(Value::String(text)),
        Value::Object(members) => {
            let members: Map<_, _> =
                members.into_iter().filter_map(|(name, member)| Some((name, clean(member)?))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_)) => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::model::id::UserId;

    fn user(claims: Value) -> User {
        let Value::Object(claims) = claims else { panic!("an object") };
        User {
            id: UserId::new("u1"),
            username: "ann".into(),
            password_hash: None,
            admin: false,
            enabled: true,
            claims,
            generation: 0,
            created_at: Timestamp::from_secs(1_600_000_000),
            updated_at: Timestamp::from_millis(1_700_000_000_999),
            version: 1,
        }
    }

    fn full() -> User {
        user(json!({
            "updated_at": 1_650_000_000, "name": "Ann B.", "given_name": "Ann", "family_name": "B.", "middle_name": "M",
            "nickname": "annie", "preferred_username": "ann_b", "profile": "https://x.example/ann",
            "picture": "https://x.example/ann.png", "website": "https://ann.example", "gender": "female",
            "birthdate": "0000-02-29", "zoneinfo": "Europe/Paris", "locale": "fr-FR", "email": "ann@x.example",
            "email_verified": false, "phone_number": "+33 1", "phone_number_verified": true,
            "address": {"country": "FR", "region": ""}, "salary": 7
        }))
    }

    fn userinfo(user: &User, scope: &str, request: &Value) -> Value {
        let request = ClaimsRequest::parse(&request.to_string()).unwrap();
        Value::Object(userinfo_claims(user, user.id.as_str(), &Scope::parse(scope), Some(&request)))
    }

    #[test]
    fn oidc_core_5_4_each_scope_gives_its_claims_and_sub_comes_first() {
        let all = userinfo_claims(&full(), "u1", &Scope::parse("phone address email profile openid"), None);
        assert_eq!(all.len(), 1 + 14 + 2 + 1 + 2);
        assert_eq!(all.keys().next().map(String::as_str), Some("sub"));
        assert_eq!(all["address"], json!({"country": "FR"}));
        assert!(!all.contains_key("salary"));
        assert_eq!(userinfo(&full(), "openid", &json!({})), json!({"sub": "u1"}));
        assert_eq!(
            userinfo(&full(), "openid email", &json!({})),
            json!({"sub": "u1", "email": "ann@x.example", "email_verified": false})
        );
    }

    #[test]
    fn oidc_core_5_5_claims_asked_for_by_name_come_where_they_were_asked_for() {
        let request = json!({"userinfo": {"name": {"essential": true}}, "id_token": {"email": null, "sub": null}});
        assert_eq!(userinfo(&full(), "openid", &request), json!({"sub": "u1", "name": "Ann B."}));
        let parsed = ClaimsRequest::parse(&request.to_string()).unwrap();
        assert_eq!(Value::Object(id_token_claims(&full(), None, Some(&parsed))), json!({"email": "ann@x.example"}));
        assert!(id_token_claims(&full(), None, None).is_empty());
        let alone = id_token_claims(&full(), Some(&Scope::parse("openid email")), None);
        assert_eq!(alone.keys().collect::<Vec<_>>(), ["email", "email_verified"]);
    }

    #[test]
    fn oidc_core_5_5_claims_that_no_user_agrees_to_are_not_given_by_name() {
        let request = json!({"userinfo": {"salary": {"essential": true}, "iss": null, "sub": {"value": "x"}}});
        assert_eq!(userinfo(&full(), "openid", &request), json!({"sub": "u1"}));
    }

    #[test]
    fn oidc_core_5_1_values_of_a_wrong_type_are_left_out() {
        let user = user(json!({
            "name": 5, "email": "ann@x.example", "email_verified": "true", "birthdate": "tomorrow",
            "updated_at": 1_700_000_000_000_u64, "address": "Paris", "phone_number": null, "locale": " ",
            "sub": "someone-else", "zoneinfo": {}
        }));
        assert_eq!(
            userinfo(&user, "openid profile email address phone", &json!({})),
            json!({
                "sub": "u1", "nickname": "ann", "preferred_username": "ann", "updated_at": 1_700_000_000,
                "email": "ann@x.example"
            })
        );
    }

    #[test]
    fn oidc_core_5_3_2_empty_values_are_left_out_and_false_is_a_value() {
        for (value, expected) in [
            (json!(null), None),
            (json!(""), None),
            (json!(" \t"), None),
            (json!({}), None),
            (json!({"a": "", "b": {"c": null}}), None),
            (json!({"a": "", "b": {"c": 0}}), Some(json!({"b": {"c": 0}}))),
            (json!(false), Some(json!(false))),
            (json!(0), Some(json!(0))),
            (json!([]), Some(json!([]))),
            (json!(["", null]), Some(json!(["", null]))),
        ] {
            assert_eq!(clean(value.clone()), expected, "{value}");
        }
    }
}
