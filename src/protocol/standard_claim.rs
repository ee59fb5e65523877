//! The standard claims and their types (OpenID Connect Core 1.0 section 5.1), and how people write claims.

use std::fmt;

use serde_json::{Map, Value};

/// What a standard claim's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// Text that is not blank.
    Text,
    /// True or false.
    Boolean,
    /// Whole seconds since the Unix epoch.
    Seconds,
    /// `YYYY-MM-DD`, `0000-MM-DD` for a birthday without its year, or `YYYY`.
    Birthdate,
    /// An object of texts (section 5.1.1).
    Address,
}

/// A standard claim about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardClaim {
    name: &'static str,
    kind: ClaimKind,
}

/// The members of an address (OpenID Connect Core 1.0 section 5.1.1).
pub const ADDRESS_MEMBERS: [&str; 6] = ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// Names that the protocol itself gives a meaning to in ID tokens and UserInfo answers (OpenID Connect Core 1.0 sections 2,
/// 3.1.3.6, 3.3.2.11 and 5.6.2, RFC 7519 section 4.1 and others of its registry): nobody's claims can have them.
pub const RESERVED: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "txn",
    "cnf",
    "events",
    "sub_jwk",
    "_claim_names",
    "_claim_sources",
];

impl StandardClaim {
    /// All of them, in the order of the specification; `sub` is not a claim that anybody sets.
    pub const ALL: [Self; 19] = [
        Self::new("name", ClaimKind::Text),
        Self::new("given_name", ClaimKind::Text),
        Self::new("family_name", ClaimKind::Text),
        Self::new("middle_name", ClaimKind::Text),
        Self::new("nickname", ClaimKind::Text),
        Self::new("preferred_username", ClaimKind::Text),
        Self::new("profile", ClaimKind::Text),
        Self::new("picture", ClaimKind::Text),
        Self::new("website", ClaimKind::Text),
        Self::new("email", ClaimKind::Text),
        Self::new("email_verified", ClaimKind::Boolean),
        Self::new("gender", ClaimKind::Text),
        Self::new("birthdate", ClaimKind::Birthdate),
        Self::new("zoneinfo", ClaimKind::Text),
        Self::new("locale", ClaimKind::Text),
        Self::new("phone_number", ClaimKind::Text),
        Self::new("phone_number_verified", ClaimKind::Boolean),
        Self::new("address", ClaimKind::Address),
        Self::new("updated_at", ClaimKind::Seconds),
    ];

    const fn new(name: &'static str, kind: ClaimKind) -> Self {
        Self { name, kind }
    }

    /// The standard claim of this name; a language tag behind `#` (section 5.2) doesn't matter.
    pub fn find(name: &str) -> Option<Self> {
        let base = name.split_once('#').map_or(name, |(base, _)| base);
        Self::ALL.into_iter().find(|claim| claim.name == base)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What its value must be.
    pub const fn kind(self) -> ClaimKind {
        self.kind
    }
}

impl ClaimKind {
    /// The value as it may be given out: `None` when it is of another type. Members of an address that aren't text go.
    pub fn conform(self, value: Value) -> Option<Value> {
        match (self, value) {
            // The word is what a program writes that has no value.
            (Self::Text, Value::String(text)) if text.trim().eq_ignore_ascii_case("null") => None,
            (Self::Text, value @ Value::String(_)) | (Self::Boolean, value @ Value::Bool(_)) => Some(value),
            // From 1990 to 2100: whoever writes milliseconds, or years, comes out elsewhere.
            (Self::Seconds, Value::Number(number)) => {
                number.as_u64().filter(|secs| (631_152_000..4_102_444_800).contains(secs)).map(Value::from)
            }
            (Self::Birthdate, Value::String(text)) => is_birthdate(&text).then_some(Value::String(text)),
            (Self::Address, Value::Object(mut members)) => {
                members.retain(|_, member| member.as_str().is_some_and(|text| !text.trim().is_empty()));
                (!members.is_empty()).then_some(Value::Object(members))
            }
            _ => None,
        }
    }
}

/// OpenID Connect Core 1.0 section 5.1: `YYYY-MM-DD`, with the year 0000 for one that is left out, or `YYYY`.
fn is_birthdate(text: &str) -> bool {
    let number = |digits: &str, length: usize| -> Option<u32> {
        (digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let mut parts = text.split('-');
    let Some(year) = parts.next().and_then(|year| number(year, 4)) else { return false };
    let (month, day, more) = (parts.next(), parts.next(), parts.next());
    let (Some(month), Some(day), None) = (month, day, more) else { return month.is_none() && year > 0 };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match number(month, 2) {
        Some(2) if leap => 29,
        Some(2) => 28,
        Some(4 | 6 | 9 | 11) => 30,
        Some(1..=12) => 31,
        _ => return false,
    };
    number(day, 2).is_some_and(|day| (1..=days).contains(&day))
}

/// Why a claim that a person wrote can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// It has no name.
    NoName,
    /// The protocol sets it.
    Reserved,
    /// An address has no such member.
    AddressMember,
    /// The value isn't what the standard claim must be.
    Value(ClaimKind),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "a claim needs a name",
            Self::Reserved => "hallpass sets this claim itself",
            Self::AddressMember => {
                "an address has formatted, street_address, locality, region, postal_code and country"
            }
            Self::Value(ClaimKind::Text) => "must be text",
            Self::Value(ClaimKind::Boolean) => "must be true or false",
            Self::Value(ClaimKind::Seconds) => "must be whole seconds since 1970",
            Self::Value(ClaimKind::Birthdate) => "must be a date: YYYY-MM-DD, 0000-MM-DD or YYYY",
            Self::Value(ClaimKind::Address) => "must be a JSON object of texts",
        })
    }
}

impl std::error::Error for ClaimError {}

/// Sets a claim from what a person wrote (`--claim name=text`): a standard claim by its type, `address.country` and the
/// like one member of the address; any other claim as JSON where the text is some, or else as text.
///
/// # Errors
/// [`ClaimError`]; nothing is set then.
pub fn set_claim(claims: &mut Map<String, Value>, name: &str, text: &str) -> Result<(), ClaimError> {
    let Some(member) = name.strip_prefix("address.") else {
        let value = parse_claim(name, text)?;
        claims.insert(name.to_owned(), value);
        return Ok(());
    };
    if !ADDRESS_MEMBERS.contains(&member) {
        return Err(ClaimError::AddressMember);
    }
    let address = claims.entry("address").or_insert_with(|| Value::Object(Map::new()));
    if !address.is_object() {
        *address = Value::Object(Map::new());
    }
    if let Value::Object(address) = address {
        address.insert(member.to_owned(), Value::from(text));
    }
    Ok(())
}

/// The value of a claim that a person wrote as text.
///
/// # Errors
/// [`ClaimError`] for a reserved name, or a value that the standard claim of that name can't have.
pub fn parse_claim(name: &str, text: &str) -> Result<Value, ClaimError> {
    if name.trim().is_empty() {
        return Err(ClaimError::NoName);
    }
    let json = || serde_json::from_str::<Value>(text).ok();
    let Some(claim) = StandardClaim::find(name) else {
        check_name(name)?;
        return Ok(json().unwrap_or_else(|| Value::from(text)));
    };
    let value = match claim.kind() {
        ClaimKind::Text | ClaimKind::Birthdate => Some(Value::from(text)),
        ClaimKind::Boolean | ClaimKind::Seconds | ClaimKind::Address => json(),
    };
    value.and_then(|value| claim.kind().conform(value)).ok_or(ClaimError::Value(claim.kind()))
}

/// Checks a claim that comes with a type of its own, from a file or over the administration API.
///
/// # Errors
/// As [`parse_claim`].
pub fn check_claim(name: &str, value: &Value) -> Result<(), ClaimError> {
    if name.trim().is_empty() {
        return Err(ClaimError::NoName);
    }
    match StandardClaim::find(name) {
        None => check_name(name),
        Some(claim) => match claim.kind().conform(value.clone()) {
            Some(_) => Ok(()),
            None => Err(ClaimError::Value(claim.kind())),
        },
    }
}

fn check_name(name: &str) -> Result<(), ClaimError> {
    if RESERVED.contains(&name) { Err(ClaimError::Reserved) } else { Ok(()) }
}

/// Checks the name of a claim that somebody wants to set.
///
/// # Errors
/// [`ClaimError::NoName`], [`ClaimError::Reserved`].
pub fn check_own_name(name: &str) -> Result<(), ClaimError> {
    if name.trim() != name || name.is_empty() || name.contains(char::is_control) {
        return Err(ClaimError::NoName);
    }
    check_name(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn oidc_core_5_1_written_claims_get_the_type_of_the_standard_claim() {
        for (name, text, expected) in [
            ("name", "12345", Ok(json!("12345"))),
            ("name#fr", "true", Ok(json!("true"))),
            ("email_verified", "true", Ok(json!(true))),
            ("email_verified", "yes", Err(ClaimError::Value(ClaimKind::Boolean))),
            ("email_verified", "\"true\"", Err(ClaimError::Value(ClaimKind::Boolean))),
            ("updated_at", "1700000000", Ok(json!(1_700_000_000))),
            ("updated_at", "1700000000000", Err(ClaimError::Value(ClaimKind::Seconds))),
            ("updated_at", "-1", Err(ClaimError::Value(ClaimKind::Seconds))),
            ("updated_at", "yesterday", Err(ClaimError::Value(ClaimKind::Seconds))),
            ("birthdate", "1990-02-28", Ok(json!("1990-02-28"))),
            ("birthdate", "28.2.1990", Err(ClaimError::Value(ClaimKind::Birthdate))),
            ("address", r#"{"country":"FR"}"#, Ok(json!({"country": "FR"}))),
            ("address", "Paris", Err(ClaimError::Value(ClaimKind::Address))),
            ("groups", r#"["a","b"]"#, Ok(json!(["a", "b"]))),
            ("level", "7", Ok(json!(7))),
            ("department", "R&D", Ok(json!("R&D"))),
            ("https://example.com/role", "admin", Ok(json!("admin"))),
            ("sub", "x", Err(ClaimError::Reserved)),
            ("_claim_sources", "{}", Err(ClaimError::Reserved)),
            (" ", "x", Err(ClaimError::NoName)),
        ] {
            assert_eq!(parse_claim(name, text), expected, "{name}={text}");
        }
    }

    #[test]
    fn oidc_core_5_1_1_address_members_are_set_one_by_one() {
        let mut claims = Map::new();
        set_claim(&mut claims, "address.country", "FR").unwrap();
        set_claim(&mut claims, "address.postal_code", "75001").unwrap();
        set_claim(&mut claims, "email_verified", "false").unwrap();
        assert_eq!(
            Value::Object(claims.clone()),
            json!({"address": {"country": "FR", "postal_code": "75001"}, "email_verified": false})
        );
        assert_eq!(set_claim(&mut claims, "address.planet", "Mars"), Err(ClaimError::AddressMember));
        assert_eq!(set_claim(&mut claims, "iss", "x"), Err(ClaimError::Reserved));
        assert_eq!(claims.len(), 2);
    }

    #[test]
    fn oidc_core_5_1_birthdates() {
        for good in ["1990-01-31", "2000-02-29", "0000-02-29", "0000-12-31", "1990"] {
            assert!(is_birthdate(good), "{good}");
        }
        for bad in [
            "",
            "0000",
            "90",
            "1990-1-1",
            "1990-13-01",
            "1990-00-10",
            "1990-02-29",
            "1900-02-29",
            "1990-04-31",
            "1990-01-00",
            "1990-01",
            "1990-01-01-",
            "1990-01-01T00:00",
            "+990-01-01",
            "١٩٩٠",
        ] {
            assert!(!is_birthdate(bad), "{bad}");
        }
    }

    #[test]
    fn oidc_core_5_1_values_of_another_type_are_found() {
        for (name, value, good) in [
            ("name", json!("Ann"), true),
            ("name", json!(1), false),
            ("email_verified", json!("true"), false),
            ("phone_number_verified", json!(false), true),
            ("updated_at", json!(1.5), false),
            ("address", json!({"country": "FR", "x": 1}), true),
            ("address", json!({"country": ""}), false),
            ("address", json!([]), false),
            ("anything", json!([1, {"a": null}]), true),
            ("nonce", json!("x"), false),
        ] {
            assert_eq!(check_claim(name, &value).is_ok(), good, "{name} {value}");
        }
    }
}
