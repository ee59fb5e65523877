//! What holds for the parameters of every request.

use super::error::{ErrorCode, OAuthError};
use crate::base::form::Form;

/// RFC 6749 sections 3.1 and 3.2: no parameter may come more than once.
///
/// Not even an unknown one: but for `resource`, which RFC 8707 section 2 lets clients repeat, and which is ignored here.
///
/// # Errors
/// `invalid_request`, naming the first one that does.
pub fn refuse_repeated(form: &Form) -> Result<(), OAuthError> {
    if form.repeated().is_none() {
        return Ok(());
    }
    match form.iter().map(|(name, _)| name).find(|name| *name != "resource" && form.repeats(name)) {
        None => Ok(()),
        Some(name) => Err(invalid(format!("the parameter '{name}' came more than once"))),
    }
}

/// A bound of our own, so that what is stored and passed on stays small.
///
/// # Errors
/// `invalid_request` when the parameter has more than `max` bytes.
pub fn bounded<'a>(form: &'a Form, name: &str, max: usize) -> Result<Option<&'a str>, OAuthError> {
    match form.get(name) {
        Some(value) if value.len() > max => Err(invalid(format!("{name} is longer than {max} bytes"))),
        value => Ok(value),
    }
}

/// An `invalid_request`.
pub(super) fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_a_repeated_parameter_is_refused_and_named_safely() {
        assert_eq!(refuse_repeated(&Form::parse(b"a=1&b=2").unwrap()), Ok(()));
        let error = refuse_repeated(&Form::parse(b"a=1&%22%0d%0a=1&%22%0d%0a=1").unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert_eq!(error.description(), "the parameter ''??' came more than once");
    }

    #[test]
    fn rfc8707_2_resource_may_be_repeated() {
        assert_eq!(refuse_repeated(&Form::parse(b"resource=a&resource=b&a=1").unwrap()), Ok(()));
        assert!(refuse_repeated(&Form::parse(b"resource=a&resource=b&a=1&a=1").unwrap()).is_err());
    }

    #[test]
    fn long_values_are_refused() {
        let form = Form::parse(b"a=12345&b=").unwrap();
        assert_eq!(bounded(&form, "a", 5), Ok(Some("12345")));
        assert_eq!(bounded(&form, "b", 5), Ok(None));
        assert_eq!(bounded(&form, "a", 4).unwrap_err().description(), "a is longer than 4 bytes");
    }
}
