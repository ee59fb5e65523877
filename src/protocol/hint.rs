//! `id_token_hint`: an ID token of ours that comes back to say who is meant.

use serde_json::Value;

use super::error::OAuthError;
use super::parameter::invalid;
use crate::jose::jwt::Claims;
use crate::model::id::ClientId;

/// Why a token is no hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintRefusal {
    /// It can't be read, or its signature isn't ours.
    Unverified,
    /// It isn't from this issuer.
    Issuer,
    /// It has no subject.
    Subject,
    /// It wasn't issued to this client.
    Audience,
}

impl HintRefusal {
    const fn reason(self) -> &'static str {
        match self {
            Self::Unverified => "id_token_hint is not an ID token of this issuer",
            Self::Issuer => "id_token_hint is from another issuer",
            Self::Subject => "id_token_hint has no sub",
            Self::Audience => "id_token_hint was issued to another client",
        }
    }
}

impl From<HintRefusal> for OAuthError {
    fn from(refusal: HintRefusal) -> Self {
        invalid(refusal.reason())
    }
}

/// OpenID Connect Core 1.0 section 3.1.2.1: the subject of a hint whose signature is verified. That it has expired doesn't
/// matter: it says who was logged in, not who is.
///
/// # Errors
/// [`HintRefusal`].
pub fn decide_subject(claims: &Claims, issuer: &str, client: &ClientId) -> Result<String, HintRefusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(HintRefusal::Issuer);
    }
    let audience = match claims.get("aud") {
        Some(Value::String(one)) => one == client.as_str(),
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(client.as_str())),
        _ => false,
    };
    if !audience {
        return Err(HintRefusal::Audience);
    }
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    subject.map(ToOwned::to_owned).ok_or(HintRefusal::Subject)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn oidc_core_3_1_2_1_a_hint_names_a_subject_even_when_it_has_expired() {
        for (claims, expected) in [
            (json!({"iss": "https://id.example", "sub": "u1", "aud": "app", "exp": 1}), Ok("u1")),
            (json!({"iss": "https://id.example", "sub": "u1", "aud": ["other", "app"]}), Ok("u1")),
            (json!({"iss": "https://id.example/", "sub": "u1", "aud": "app"}), Err(HintRefusal::Issuer)),
            (json!({"sub": "u1", "aud": "app"}), Err(HintRefusal::Issuer)),
            (json!({"iss": "https://id.example", "sub": "u1", "aud": "other"}), Err(HintRefusal::Audience)),
            (json!({"iss": "https://id.example", "sub": "u1", "aud": []}), Err(HintRefusal::Audience)),
            (json!({"iss": "https://id.example", "sub": "u1"}), Err(HintRefusal::Audience)),
            (json!({"iss": "https://id.example", "sub": "", "aud": "app"}), Err(HintRefusal::Subject)),
            (json!({"iss": "https://id.example", "sub": 1, "aud": "app"}), Err(HintRefusal::Subject)),
        ] {
            let Value::Object(object) = &claims else { panic!("an object") };
            let decided = decide_subject(object, "https://id.example", &ClientId::new("app"));
            assert_eq!(decided.as_deref().map_err(|refusal| *refusal), expected, "{claims}");
        }
        assert_eq!(OAuthError::from(HintRefusal::Unverified).code(), ErrorCode::InvalidRequest);
    }
}
