//! Proof Key for Code Exchange (RFC 7636).

use super::error::{ErrorCode, OAuthError};
use super::parameter::invalid;
use crate::base::encode::parse_base64url_array;
use crate::base::form::Form;
use crate::model::grant::{Challenge, ChallengeMethod};

/// The wire name of a method (RFC 7636 section 4.3).
pub const fn method_name(method: ChallengeMethod) -> &'static str {
    match method {
        ChallengeMethod::S256 => "S256",
        ChallengeMethod::Plain => "plain",
    }
}

/// The methods of a deployment, as discovery lists them.
pub const fn methods(plain_allowed: bool) -> &'static [ChallengeMethod] {
    if plain_allowed { &[ChallengeMethod::S256, ChallengeMethod::Plain] } else { &[ChallengeMethod::S256] }
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters. A plain challenge looks the same (section 4.2).
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// RFC 7636 section 4.3: `code_challenge` and `code_challenge_method` of an authorization request. Without a method the
/// challenge is plain.
///
/// # Errors
/// `invalid_request` for a malformed challenge, for a method that is unknown or not allowed here, and for a method without
/// a challenge: whoever sends one believes to be protected.
pub fn parse_challenge(form: &Form, plain_allowed: bool) -> Result<Option<Challenge>, OAuthError> {
    let method = form.get("code_challenge_method");
    let Some(value) = form.get("code_challenge") else {
        return match method {
            None => Ok(None),
            Some(_) => Err(invalid("code_challenge_method came without code_challenge")),
        };
    };
    let method = match method {
        Some("S256") => ChallengeMethod::S256,
        Some("plain") | None if plain_allowed => ChallengeMethod::Plain,
        None => return Err(invalid("code_challenge_method is missing, which means plain; only S256 is allowed")),
        Some("plain") => return Err(invalid("the code_challenge_method plain is not allowed; use S256")),
        Some(_) => return Err(invalid("code_challenge_method must be S256")),
    };
    let well_formed = match method {
        // The digest has 32 bytes; nothing else could ever match.
        ChallengeMethod::S256 => parse_base64url_array::<32>(value).is_some(),
        ChallengeMethod::Plain => is_verifier(value),
    };
    if !well_formed {
        return Err(invalid(match method {
            ChallengeMethod::S256 => {
                "code_challenge must be 43 characters: a SHA-256 digest in base64url without padding"
            }
            ChallengeMethod::Plain => "code_challenge must be 43 to 128 letters, digits, or - . _ ~",
        }));
    }
    Ok(Some(Challenge { method, value: value.to_owned() }))
}

/// RFC 7636 section 4.5: `code_verifier` of a token request.
///
/// # Errors
/// `invalid_grant` for a malformed one: it is a wrong one, too (section 4.6).
pub fn parse_verifier(form: &Form) -> Result<Option<String>, OAuthError> {
    match form.get("code_verifier") {
        Some(verifier) if !is_verifier(verifier) => {
            Err(OAuthError::new(ErrorCode::InvalidGrant, "code_verifier must be 43 to 128 letters, digits, or - . _ ~"))
        }
        verifier => Ok(verifier.map(ToOwned::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn form(challenge: Option<&str>, method: Option<&str>) -> Form {
        let challenge = challenge.map(|value| ("code_challenge", value));
        challenge.into_iter().chain(method.map(|value| ("code_challenge_method", value))).collect()
    }

    #[test]
    fn rfc7636_4_1_verifiers_are_43_to_128_unreserved_characters() {
        for good in [VERIFIER, &"a".repeat(128), &format!("{}-._~", "A".repeat(39))] {
            assert!(is_verifier(good), "{good}");
        }
        for bad in ["", &"a".repeat(42), &"a".repeat(129), &format!("{VERIFIER}+"), &"é".repeat(40)] {
            assert!(!is_verifier(bad), "{bad}");
        }
    }

    #[test]
    fn rfc7636_4_3_challenges() {
        let s256 = Challenge { method: ChallengeMethod::S256, value: CHALLENGE.into() };
        let plain = Challenge { method: ChallengeMethod::Plain, value: VERIFIER.into() };
        let long = "a".repeat(128);
        for (challenge, method, allow_plain, expected) in [
            (None, None, false, Ok(None)),
            (Some(""), Some(""), false, Ok(None)),
            (Some(CHALLENGE), Some("S256"), false, Ok(Some(s256.clone()))),
            (Some(CHALLENGE), Some("S256"), true, Ok(Some(s256))),
            (Some(VERIFIER), Some("plain"), true, Ok(Some(plain.clone()))),
            (Some(VERIFIER), None, true, Ok(Some(plain))),
            (Some(VERIFIER), Some("plain"), false, Err(())),
            (Some(VERIFIER), None, false, Err(())),
            (None, Some("S256"), false, Err(())),
            (Some(CHALLENGE), Some("s256"), true, Err(())),
            (Some(CHALLENGE), Some("S512"), true, Err(())),
            (CHALLENGE.strip_prefix('E'), Some("S256"), true, Err(())),
            (Some(&long), Some("S256"), true, Err(())),
            (Some("short"), Some("plain"), true, Err(())),
        ] {
            let parsed = parse_challenge(&form(challenge, method), allow_plain);
            let parsed = parsed.map_err(|error| assert_eq!(error.code(), ErrorCode::InvalidRequest));
            assert_eq!(parsed, expected, "{challenge:?} {method:?} {allow_plain}");
        }
    }

    #[test]
    fn rfc7636_4_6_a_malformed_verifier_is_a_wrong_one() {
        let parse = |verifier: &str| parse_verifier(&[("code_verifier", verifier)].into_iter().collect());
        assert_eq!(parse(VERIFIER), Ok(Some(VERIFIER.into())));
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("short").unwrap_err().code(), ErrorCode::InvalidGrant);
    }
}
