//! Claims: the JSON object that a token carries (RFC 7519 section 4). Which claims must hold is for `protocol` to say.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Claims by name, in the order they came in.
pub type Claims = Map<String, Value>;

/// Reads a JSON object whose members are all different; `None` for anything else.
///
/// RFC 7515 section 4 and RFC 7519 section 4 let a parser take the last of several members of one name. Two parsers that
/// choose differently see two different tokens, so ours takes none.
pub fn parse_object(json: &[u8]) -> Option<Claims> {
    serde_json::from_slice::<Object>(json).ok().map(|object| object.0)
}

struct Object(Claims);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Claims, A::Error> {
        let mut members = Claims::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(Error::custom("a member comes twice"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7519_4_claims_are_one_object_without_repetition() {
        let claims = parse_object(br#"{"sub":"1","address":{"country":"FR"},"n":1.5}"#).unwrap();
        assert_eq!(claims.keys().collect::<Vec<_>>(), ["sub", "address", "n"]);
        assert_eq!(claims["address"]["country"], "FR");
        for other in [
            &br#"{"sub":"1","sub":"1"}"#[..],
            br#"{"sub":"1","\u0073ub":"2"}"#,
            br#"{"sub":"1"} {}"#,
            br#"{"sub":"1""#,
            br#"["sub"]"#,
            br#""sub""#,
            b"null",
            b"",
            b"\xff",
            b"{\"sub\":\"\xff\"}",
        ] {
            assert_eq!(parse_object(other), None, "{}", String::from_utf8_lossy(other));
        }
        assert_eq!(parse_object("[".repeat(9000).as_bytes()), None, "depth is bounded");
        assert_eq!(parse_object(format!("{{\"a\":{}", "[".repeat(9000)).as_bytes()), None, "depth is bounded");
    }
}
