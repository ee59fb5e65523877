//! Reading headers that may stand there once.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::request::RequestError;

/// The only header line of a name, which errors show like this.
///
/// # Errors
/// When there are several, which leaves open which one counts, or it isn't visible ASCII.
pub fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'h str>, RequestError> {
    let mut lines = headers.get_all(name).into_iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(RequestError::RepeatedHeader(shown));
    }
    line.to_str().map(Some).map_err(|_| RequestError::MalformedHeader(shown))
}

/// Scheme and credentials of `Authorization` (RFC 9110 section 11.4), not parsed further.
///
/// # Errors
/// When there are two such headers, or it is not a scheme and something behind it.
pub fn authorization(headers: &HeaderMap) -> Result<Option<(&str, &str)>, RequestError> {
    let Some(line) = only(headers, &AUTHORIZATION, "Authorization")? else { return Ok(None) };
    let (scheme, credentials) = line.split_once(' ').ok_or(RequestError::MalformedHeader("Authorization"))?;
    Ok(Some((scheme, credentials.trim_ascii())))
}
