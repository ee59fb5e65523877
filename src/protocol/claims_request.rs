//! The `claims` parameter: single claims that a client asks for (OpenID Connect Core 1.0 section 5.5).

use serde_json::{Map, Value};

use super::error::OAuthError;
use super::parameter::invalid;
use super::scope;
use super::standard_claim::StandardClaim;
use crate::model::scope::Scope;

/// What a client asks for in each of the two places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimsRequest {
    /// For the UserInfo answer.
    pub userinfo: Vec<Wish>,
    /// For the ID token.
    pub id_token: Vec<Wish>,
}

/// One claim that is asked for (section 5.5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// Whether the client can't well do without it.
    pub essential: bool,
    /// The values that will do, from `value` or `values`; any if there are none.
    pub values: Vec<Value>,
}

impl ClaimsRequest {
    /// Section 5.5: a JSON object with the members `userinfo` and `id_token`; others are ignored.
    ///
    /// # Errors
    /// `invalid_request` when it is malformed.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Err(invalid("claims is not a JSON object"));
        };
        Ok(Self { userinfo: parse_wishes(object.get("userinfo"))?, id_token: parse_wishes(object.get("id_token"))? })
    }

    /// Section 5.5.1: the subjects that will do. Where some are named, nobody else may be answered for.
    pub fn subjects(&self) -> Option<Vec<&str>> {
        let wishes = self.id_token.iter().chain(&self.userinfo);
        let wish = wishes.filter(|wish| wish.name == "sub").find(|wish| !wish.values.is_empty())?;
        Some(wish.values.iter().filter_map(Value::as_str).collect())
    }

    /// Section 5.5.1.1: whether an authentication context is essential to the client and `offered` has none that will do.
    pub fn needs_other_acr(&self, offered: &[&str]) -> bool {
        let acr = self.id_token.iter().find(|wish| wish.name == "acr" && wish.essential && !wish.values.is_empty());
        acr.is_some_and(|wish| !wish.values.iter().filter_map(Value::as_str).any(|value| offered.contains(&value)))
    }

    /// What has to be kept of it until claims are given out, as JSON text: the names of those that can be, and nothing else of
    /// what a client may write here. `None` when there are none.
    pub fn to_keep(&self) -> Option<String> {
        let names = |wishes: &[Wish]| -> Map<String, Value> {
            let known = wishes.iter().filter(|wish| StandardClaim::find(&wish.name).is_some());
            known.map(|wish| (wish.name.clone(), Value::Null)).collect()
        };
        let sections = [("userinfo", names(&self.userinfo)), ("id_token", names(&self.id_token))];
        let kept = sections.into_iter().filter(|(_, names)| !names.is_empty());
        let kept: Map<String, Value> =
            kept.map(|(section, names)| (section.to_owned(), Value::Object(names))).collect();
        (!kept.is_empty()).then(|| Value::Object(kept).to_string())
    }

    /// The scopes that a user has to agree to before these claims may be given out: a claim that is asked for by name is no
    /// less private than one that came with a scope.
    pub fn implied_scope(&self) -> Scope {
        let wishes = self.userinfo.iter().chain(&self.id_token);
        wishes.filter_map(|wish| scope::scope_of(&wish.name)).filter(|name| *name != scope::OPENID).collect()
    }
}

fn parse_wishes(section: Option<&Value>) -> Result<Vec<Wish>, OAuthError> {
    match section {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) => members.iter().map(|(name, ask)| parse_wish(name, ask)).collect(),
        Some(_) => Err(invalid("userinfo and id_token of claims must be JSON objects")),
    }
}

/// Section 5.5.1: null, or an object with `essential`, `value`, `values`; other members are ignored.
fn parse_wish(name: &str, ask: &Value) -> Result<Wish, OAuthError> {
    let none = Map::new();
    let members = match ask {
        Value::Null => &none,
        Value::Object(members) => members,
        _ => return Err(invalid("each claim of claims must be null or a JSON object")),
    };
    let essential = match members.get("essential") {
        None => false,
        Some(Value::Bool(essential)) => *essential,
        Some(_) => return Err(invalid("essential in claims must be true or false")),
    };
    let values = match (members.get("value"), members.get("values")) {
        (None, None) => Vec::new(),
        (Some(value), None) => vec![value.clone()],
        (None, Some(Value::Array(values))) if !values.is_empty() => values.clone(),
        (None, Some(_)) => return Err(invalid("values in claims must be a list that is not empty")),
        (Some(_), Some(_)) => return Err(invalid("value and values in claims exclude each other")),
    };
    Ok(Wish { name: name.to_owned(), essential, values })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::error::ErrorCode;

    fn parse(value: &Value) -> ClaimsRequest {
        ClaimsRequest::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn oidc_core_5_5_claims_are_asked_for_in_two_places() {
        let request = parse(&json!({
            "userinfo": {"given_name": {"essential": true}, "nickname": null, "https://example.com/x": {}},
            "id_token": {"auth_time": {"essential": true, "hint": 1}, "acr": {"values": ["1", "2"]}},
            "verified_claims": 7
        }));
        let wish =
            |name: &str, essential, values: &[Value]| Wish { name: name.into(), essential, values: values.to_vec() };
        let expected =
            [wish("given_name", true, &[]), wish("nickname", false, &[]), wish("https://example.com/x", false, &[])];
        assert_eq!(request.userinfo, expected);
        assert_eq!(request.id_token, [wish("auth_time", true, &[]), wish("acr", false, &[json!("1"), json!("2")])]);
        assert_eq!(parse(&json!({})), ClaimsRequest::default());
        assert_eq!(parse(&json!({"userinfo": null})), ClaimsRequest::default());
    }

    #[test]
    fn what_is_kept_of_claims_is_what_can_be_given_out() {
        let long = "x".repeat(4000);
        let request = parse(&json!({
            "userinfo": {"email": {"essential": true, "value": long}, "of_our_own": null, &long: null},
            "id_token": {"given_name": null, "acr": {"values": [long]}, "sub": {"value": long}}
        }));
        let kept = request.to_keep().unwrap();
        assert_eq!(kept, r#"{"userinfo":{"email":null},"id_token":{"given_name":null}}"#);
        assert_eq!(ClaimsRequest::parse(&kept).unwrap().to_keep(), Some(kept));
        assert_eq!(parse(&json!({"userinfo": {"of_our_own": null}, "id_token": {}})).to_keep(), None);
    }

    #[test]
    fn oidc_core_5_5_malformed_claims_are_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "{",
            r#"{"userinfo":[]}"#,
            r#"{"id_token":"x"}"#,
            r#"{"userinfo":{"name":true}}"#,
            r#"{"userinfo":{"name":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"name":{"values":"x"}}}"#,
            r#"{"userinfo":{"name":{"values":[]}}}"#,
            r#"{"userinfo":{"name":{"value":"x","values":["x"]}}}"#,
            &"[".repeat(5000),
        ] {
            assert_eq!(ClaimsRequest::parse(bad).unwrap_err().code(), ErrorCode::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn oidc_core_5_5_1_a_subject_may_be_asked_for() {
        assert_eq!(parse(&json!({"id_token": {"sub": {"value": "u1"}}})).subjects(), Some(vec!["u1"]));
        assert_eq!(parse(&json!({"userinfo": {"sub": {"values": ["u1", "u2"]}}})).subjects(), Some(vec!["u1", "u2"]));
        assert_eq!(parse(&json!({"id_token": {"sub": {"value": 1}}})).subjects(), Some(vec![]), "matches nobody");
        assert_eq!(parse(&json!({"id_token": {"sub": null}})).subjects(), None);
    }

    #[test]
    fn oidc_core_5_5_1_1_an_essential_acr_must_be_one_that_is_offered() {
        let needs = |acr: Value| parse(&json!({"id_token": {"acr": acr}})).needs_other_acr(&["1"]);
        assert!(needs(json!({"essential": true, "values": ["2", "3"]})));
        assert!(needs(json!({"essential": true, "value": 1})));
        assert!(!needs(json!({"essential": true, "values": ["2", "1"]})));
        assert!(!needs(json!({"essential": true})));
        assert!(!needs(json!({"values": ["2"]})), "a voluntary one may be missed");
    }

    #[test]
    fn claims_imply_the_scopes_that_have_to_be_agreed_to() {
        let request = parse(&json!({"userinfo": {"email": null, "name": null, "x": null}, "id_token": {"sub": null}}));
        assert_eq!(request.implied_scope().to_string(), "email profile");
    }
}
