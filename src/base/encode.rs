//! Base64url without padding (RFC 4648 section 5, as RFC 7515 section 2 uses it), hexadecimal, percent-encoding.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Strict: no padding, and no stray bits behind the last byte, so that a value has one spelling only.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Everything but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes to base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}

/// Appends bytes as base64url without padding.
pub fn push_base64url(bytes: impl AsRef<[u8]>, into: &mut String) {
    BASE64URL.encode_string(bytes, into);
}

/// Base64url without padding to bytes; `None` for anything else, padding and stray bits included.
pub fn parse_base64url(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// Base64url without padding to exactly `N` bytes.
pub fn parse_base64url_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    // One more group than fits, so that a longer text is seen as such and not cut.
    let mut buffer = [0; 256];
    if N > 192 || text.len() > 256 {
        return None;
    }
    let written = BASE64URL.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..written)?.try_into().ok()
}

/// Bytes to standard base64 with padding, as `Authorization: Basic` carries it (RFC 7617 section 2).
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Standard base64 with padding, as `Authorization: Basic` carries it (RFC 7617 section 2); padding may be missing.
pub fn parse_base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    ENGINE.decode(text).ok()
}

/// Bytes to lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0'))
        .collect()
}

/// Appends `text` percent-encoded, so that it can stand as a name or a value in a query or a fragment.
pub fn percent(text: &str, into: &mut String) {
    into.extend(utf8_percent_encode(text, RESERVED));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_2_base64url_has_one_spelling() {
        assert_eq!(base64url([3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(parse_base64url("A-z_4ME"), Some(vec![3, 236, 255, 224, 193]));
        assert_eq!(parse_base64url("A-z_4ME="), None, "padding");
        assert_eq!(parse_base64url("A-z_4MF"), None, "stray bits");
        assert_eq!(parse_base64url_array::<5>("A-z_4ME"), Some([3, 236, 255, 224, 193]));
        assert_eq!(parse_base64url_array::<4>("A-z_4ME"), None);
        assert_eq!(parse_base64url_array::<6>("A-z_4ME"), None);
    }

    #[test]
    fn percent_encoding_leaves_only_unreserved_characters() {
        let mut out = String::new();
        percent("a b&c=d\r\n~é", &mut out);
        assert_eq!(out, "a%20b%26c%3Dd%0D%0A~%C3%A9");
    }
}
