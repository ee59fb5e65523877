//! Errors as the specifications name them: one table, and one type with a public and a private side.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, $section:literal;)+) => {
        /// What went wrong, in the words that clients understand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[doc = concat!("\n\n`", $name, "`, ", $section, ".")] $variant,)+
        }

        impl ErrorCode {
            /// The whole table, in its order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The HTTP status at endpoints that machines call. Redirects and pages have their own.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// Where it is defined.
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$variant => $section,)+
                }
            }
        }
    };
}

error_codes! {
    /// A parameter is missing, malformed, or came twice.
    InvalidRequest = "invalid_request", 400, "RFC 6749 sections 4.1.2.1 and 5.2";
    /// Client authentication failed. The status becomes 401 where the client used the `Authorization` header.
    InvalidClient = "invalid_client", 400, "RFC 6749 section 5.2";
    /// The code or token doesn't hold, or belongs to somebody else.
    InvalidGrant = "invalid_grant", 400, "RFC 6749 section 5.2";
    /// The client may not use this grant type or response type.
    UnauthorizedClient = "unauthorized_client", 400, "RFC 6749 sections 4.1.2.1 and 5.2";
    /// Nobody may use this grant type here.
    UnsupportedGrantType = "unsupported_grant_type", 400, "RFC 6749 section 5.2";
    /// Nobody may use this response type here.
    UnsupportedResponseType = "unsupported_response_type", 400, "RFC 6749 section 4.1.2.1";
    /// The scope is malformed, or more than was granted.
    InvalidScope = "invalid_scope", 400, "RFC 6749 sections 4.1.2.1 and 5.2";
    /// The user said no.
    AccessDenied = "access_denied", 400, "RFC 6749 section 4.1.2.1";
    /// Our own fault.
    ServerError = "server_error", 500, "RFC 6749 section 4.1.2.1";
    /// More work than fits at the moment.
    TemporarilyUnavailable = "temporarily_unavailable", 503, "RFC 6749 section 4.1.2.1";
    /// The user would have to do something, and `prompt=none` forbids it.
    InteractionRequired = "interaction_required", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The user would have to log in, and `prompt=none` forbids it; or somebody else did than was asked for.
    LoginRequired = "login_required", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The user would have to choose an account, and `prompt=none` forbids it.
    AccountSelectionRequired = "account_selection_required", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The user would have to agree, and `prompt=none` forbids it.
    ConsentRequired = "consent_required", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The parameter `request` is not supported.
    RequestNotSupported = "request_not_supported", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The parameter `request_uri` is not supported.
    RequestUriNotSupported = "request_uri_not_supported", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// The parameter `registration` is not supported.
    RegistrationNotSupported = "registration_not_supported", 400, "OpenID Connect Core 1.0 section 3.1.2.6";
    /// An authentication was asked for that can't be had here.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 400,
        "OpenID Connect Core Error Code unmet_authentication_requirements 1.0 section 2";
    /// The access token doesn't hold.
    InvalidToken = "invalid_token", 401, "RFC 6750 section 3.1";
    /// The access token holds, but not for this.
    InsufficientScope = "insufficient_scope", 403, "RFC 6750 section 3.1";
}

impl ErrorCode {
    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An error with two sides: code and description are for the client, the detail is for our log.
///
/// As JSON it is the error response of RFC 6749 section 5.2, which holds nothing of the private side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    detail: Option<String>,
    basic_challenge: bool,
}

/// Longer descriptions are cut: they may hold what the client sent.
const MAX_DESCRIPTION: usize = 300;

/// Likewise.
const MAX_DETAIL: usize = 1000;

impl OAuthError {
    /// An error with its description: one plain English sentence for the developer of the client.
    ///
    /// RFC 6749 section 5.2 allows the characters `%x20-21 / %x23-5B / %x5D-7E`; others become `'` or `?`, so that text
    /// from the wire may be part of it.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: public(description.into()), detail: None, basic_challenge: false }
    }

    /// The same with what only the log may say. It may hold what the client sent: line ends and other control characters
    /// are escaped, and it is cut at 1000 characters.
    #[must_use]
    pub fn detail(mut self, detail: impl AsRef<str>) -> Self {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        self.detail = Some(detail.as_ref().chars().take(MAX_DETAIL).map(escape).collect());
        self
    }

    /// The same as an answer to a client that authenticated in the `Authorization` header: RFC 6749 section 5.2 asks for
    /// the status 401 and `WWW-Authenticate: Basic` then.
    #[must_use]
    pub const fn with_basic_challenge(mut self) -> Self {
        self.basic_challenge = true;
        self
    }

    /// What went wrong.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the client may read: in the character set of RFC 6749, at most 300 characters.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What only the log may say.
    pub fn private_detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Whether the answer carries `WWW-Authenticate: Basic`.
    pub const fn has_basic_challenge(&self) -> bool {
        self.basic_challenge
    }

    /// The HTTP status at endpoints that machines call.
    pub const fn status(&self) -> u16 {
        if self.basic_challenge { 401 } else { self.code.status() }
    }
}

/// RFC 6749 section 5.2: the characters that `error_description` may have.
fn public(text: Cow<'static, str>) -> Cow<'static, str> {
    let legal = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    if text.len() <= MAX_DESCRIPTION && text.chars().all(legal) {
        return text;
    }
    let replaced = text.chars().take(MAX_DESCRIPTION).map(|c| match c {
        '"' => '\'',
        c if legal(c) => c,
        _ => '?',
    });
    replaced.collect::<String>().into()
}

impl Serialize for OAuthError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("OAuthError", 2)?;
        object.serialize_field("error", &self.code)?;
        object.serialize_field("error_description", &self.description)?;
        object.end()
    }
}

impl fmt::Display for OAuthError {
    /// Both sides: for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OAuthError {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_has_each_name_once_and_a_status_and_a_section_for_each() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.name()), Some(*code));
            assert!(code.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!([400, 401, 403, 500, 503].contains(&code.status()), "{code}");
            assert!(code.section().contains("section"), "{code}");
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        assert_eq!(ErrorCode::parse("Invalid_request"), None);
    }

    #[test]
    fn rfc6749_5_2_a_description_has_only_legal_characters_and_a_bounded_length() {
        for (text, public) in [
            ("plain ~!", "plain ~!"),
            ("say \"no\"", "say 'no'"),
            ("a\\b\r\n\té\u{7f}\0", "a?b??????"),
            ("<script>", "<script>"),
        ] {
            assert_eq!(OAuthError::new(ErrorCode::InvalidRequest, text).description(), public, "{text:?}");
        }
        assert_eq!(OAuthError::new(ErrorCode::InvalidRequest, "x".repeat(5000)).description().len(), MAX_DESCRIPTION);
    }

    #[test]
    fn rfc6749_5_2_the_json_has_the_public_side_only() {
        let error = OAuthError::new(ErrorCode::InvalidGrant, "the code does not hold").detail("row 17 is spent");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(json, r#"{"error":"invalid_grant","error_description":"the code does not hold"}"#);
        assert_eq!(error.to_string(), "invalid_grant: the code does not hold (row 17 is spent)");
        let error = OAuthError::new(ErrorCode::InvalidGrant, "no").detail("a\r\nb\u{1b}[0m é");
        assert_eq!(error.private_detail(), Some("a\\r\\nb\\u{1b}[0m é"));
    }

    #[test]
    fn rfc6749_5_2_a_client_that_used_the_header_gets_401() {
        let error = OAuthError::new(ErrorCode::InvalidClient, "no");
        assert_eq!((error.status(), error.has_basic_challenge()), (400, false));
        let error = error.with_basic_challenge();
        assert_eq!((error.status(), error.has_basic_challenge()), (401, true));
    }
}
