//! Access tokens at protected resources (RFC 6750), the UserInfo endpoint among them.

use super::error::{ErrorCode, OAuthError};
use super::issuer::Issuer;
use super::parameter::invalid;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::model::scope::Scope;

/// RFC 6750 section 2: the access token of a request, from the `Authorization` header (its scheme and what stands behind),
/// from a form body, or from the query where that is allowed; pass `None` for where there is, or may be, none.
///
/// `Ok(None)` means that the request has no token at all; the answer to that is a [`challenge`] without an error.
///
/// # Errors
/// `invalid_request` when a token came in two ways, or twice.
pub fn parse_token(
    authorization: Option<(&str, &str)>,
    body: Option<&Form>,
    query: Option<&Form>,
) -> Result<Option<Secret>, OAuthError> {
    let forms = || body.into_iter().chain(query);
    if forms().any(|form| form.repeats("access_token")) {
        return Err(invalid("the parameter 'access_token' came more than once"));
    }
    // Section 2.1; the scheme in any case (RFC 9110 section 11.1). Other schemes are none of ours.
    let header = authorization.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, token)| token);
    let mut tokens = header.into_iter().chain(forms().filter_map(|form| form.get("access_token")));
    match (tokens.next(), tokens.next()) {
        (_, Some(_)) => Err(invalid("the access token came in more than one way")),
        (Some(""), None) => Err(invalid("the access token is missing behind Bearer")),
        (token, None) => Ok(token.map(Secret::new)),
    }
}

/// RFC 6750 section 3.1: the answer to a token that doesn't hold. Why it doesn't is for the log.
pub fn invalid_token(detail: impl AsRef<str>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, "the access token is expired, revoked or unknown").detail(detail)
}

/// RFC 6750 section 3.1: whether a token is good for what it is used for.
///
/// # Errors
/// `insufficient_scope`; its challenge should name `needed`.
pub fn check_scope(granted: &Scope, needed: &Scope) -> Result<(), OAuthError> {
    if granted.covers(needed) {
        return Ok(());
    }
    Err(OAuthError::new(ErrorCode::InsufficientScope, format!("this needs an access token with the scope {needed}")))
}

/// RFC 6750 section 3.1: a token that a client got for itself is not good for what is somebody's.
pub fn no_user() -> OAuthError {
    OAuthError::new(ErrorCode::InsufficientScope, "this needs an access token that a user granted")
}

/// RFC 6750 section 3: the value of `WWW-Authenticate`. Without an error it belongs to a request without a token, and to
/// the status 401; with one, the status is the error's. `needed` is the scope that would do.
pub fn challenge(issuer: &Issuer, error: Option<&OAuthError>, needed: Option<&Scope>) -> String {
    // No value can break out of its quotes: an issuer, a description and a scope have neither `"` nor `\`.
    let mut challenge = format!("Bearer realm=\"{issuer}\"");
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{}\", error_description=\"{}\"", error.code(), error.description()));
    }
    if let Some(scope) = needed {
        challenge.push_str(&format!(", scope=\"{scope}\""));
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn rfc6750_2_a_token_comes_in_one_of_three_ways() {
        let (with, without) = (form("access_token=t"), form("access_token=&x=1"));
        let token = |header, body, query| {
            parse_token(header, body, query).map(|token| token.map(|token| token.expose().to_owned()))
        };
        for (header, body, query, expected) in [
            (None, None, None, None),
            (Some(("Bearer", "t")), None, None, Some("t")),
            (Some(("bEARER", "t")), Some(&without), Some(&without), Some("t")),
            (Some(("Basic", "eDp5")), None, None, None),
            (None, Some(&with), None, Some("t")),
            (None, None, Some(&with), Some("t")),
        ] {
            assert_eq!(token(header, body, query), Ok(expected.map(ToOwned::to_owned)), "{header:?}");
        }
        for (header, body, query) in [
            (Some(("Bearer", "t")), Some(&with), None),
            (Some(("Bearer", "t")), None, Some(&with)),
            (None, Some(&with), Some(&with)),
            (None, Some(&form("access_token=t&access_token=t")), None),
            (Some(("Bearer", "")), None, None),
        ] {
            assert_eq!(token(header, body, query).unwrap_err().code(), ErrorCode::InvalidRequest, "{header:?}");
        }
    }

    #[test]
    fn rfc6750_3_challenges() {
        let issuer = Issuer::parse("https://id.example/idp").unwrap();
        assert_eq!(challenge(&issuer, None, None), r#"Bearer realm="https://id.example/idp""#);
        assert_eq!(
            challenge(&issuer, Some(&invalid_token("row 7")), None),
            r#"Bearer realm="https://id.example/idp", error="invalid_token", error_description="the access token is expired, revoked or unknown""#
        );
        let needed = Scope::parse("openid");
        let error = check_scope(&Scope::parse("email"), &needed).unwrap_err();
        assert_eq!(
            challenge(&issuer, Some(&error), Some(&needed)),
            r#"Bearer realm="https://id.example/idp", error="insufficient_scope", error_description="this needs an access token with the scope openid", scope="openid""#
        );
        assert_eq!(check_scope(&Scope::parse("email openid"), &needed), Ok(()));
    }

    #[test]
    fn rfc6750_3_1_statuses() {
        for (code, status) in
            [(ErrorCode::InvalidRequest, 400), (ErrorCode::InvalidToken, 401), (ErrorCode::InsufficientScope, 403)]
        {
            assert_eq!(code.status(), status);
        }
    }
}
