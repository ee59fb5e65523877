//! The issuer: the one URL that names this provider, and the addresses below it.

use std::fmt;

use url::Url;

use crate::base::uri::{self, UriError};

/// An endpoint of the protocol. The route table and the discovery document both take its path from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// OpenID Connect Discovery 1.0 section 4.
    Discovery,
    /// RFC 8414 section 3.
    AuthorizationServer,
    /// RFC 7517 section 5.
    Jwks,
    /// RFC 6749 section 3.1.
    Authorize,
    /// RFC 6749 section 3.2.
    Token,
    /// OpenID Connect Core 1.0 section 5.3.
    Userinfo,
    /// RFC 7662 section 2.
    Introspect,
    /// RFC 7009 section 2.
    Revoke,
    /// OpenID Connect RP-Initiated Logout 1.0 section 2.
    EndSession,
    /// OpenID Connect Session Management 1.0 section 3.3.
    CheckSessionIframe,
}

impl Endpoint {
    /// The path below the issuer.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::AuthorizationServer => "/.well-known/oauth-authorization-server",
            Self::Jwks => "/jwks",
            Self::Authorize => "/authorize",
            Self::Token => "/token",
            Self::Userinfo => "/userinfo",
            Self::Introspect => "/introspect",
            Self::Revoke => "/revoke",
            Self::EndSession => "/end-session",
            Self::CheckSessionIframe => "/check-session-iframe",
        }
    }
}

/// The issuer identifier (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2), in its one spelling: scheme and
/// host in lower case, no default port, no final slash. Its path is the prefix below which every address lies.
///
/// It is made from what a person wrote, never from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin: String,
    path: String,
    port: u16,
    loopback: bool,
}

/// Why a text can't be an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerError {
    /// Not a usable URI at all.
    Uri(UriError),
    /// It has a query.
    Query,
    /// Its path can be spelled in more than one way, or isn't plain.
    Path,
    /// It is the address of a document below the issuer.
    WellKnown,
}

impl fmt::Display for IssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri(UriError::Fragment) => "has a fragment (#…)",
            Self::Uri(error) => return error.fmt(f),
            Self::Query => "has a query (?…)",
            Self::Path => "its path may have only letters, digits and - . _ ~ between single slashes",
            Self::WellKnown => "names a document below the issuer: end it before /.well-known",
        })
    }
}

impl std::error::Error for IssuerError {}

impl Issuer {
    /// OpenID Connect Discovery 1.0 section 3: an http or https URL without query and fragment. Whether http is safe where
    /// it is used isn't decided here.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        uri::check_link(text).and_then(|()| uri::check_redirect(text)).map_err(IssuerError::Uri)?;
        if text.contains('?') {
            return Err(IssuerError::Query);
        }
        let url = Url::parse(text).map_err(|_| IssuerError::Uri(UriError::NotAbsolute))?;
        // The path as it was written: requests are matched against it byte by byte.
        let written = text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let path = match written {
            "" => String::new(),
            path => format!("/{}", path.strip_suffix('/').unwrap_or(path)),
        };
        path.split('/').skip(1).try_for_each(check_segment)?;
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            text: format!("{origin}{path}"),
            origin,
            path,
            port: url.port_or_known_default().unwrap_or_default(),
            loopback: uri::is_loopback(&url),
        })
    }

    /// The identifier itself: `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of an endpoint.
    pub fn address(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.text, endpoint.path())
    }

    /// Whether a path of the whole host is that of the issuer's metadata, where the well-known part stands before the
    /// issuer's path (RFC 8414 section 3.1).
    pub fn has_metadata_at(&self, path: &str) -> bool {
        let rest = path.strip_prefix(Endpoint::AuthorizationServer.path());
        rest.is_some_and(|rest| rest.strip_suffix('/').unwrap_or(rest) == self.path)
    }

    /// Scheme, host and port, as browsers send them in `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The prefix of every address: empty, or with a slash in front and none at the end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The port that browsers connect to, written or implied by the scheme.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether browsers reach it over https.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Whether its host is this machine.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

/// One piece of the path, between two slashes.
fn check_segment(segment: &str) -> Result<(), IssuerError> {
    let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    match segment {
        ".well-known" => Err(IssuerError::WellKnown),
        "" | "." | ".." => Err(IssuerError::Path),
        _ if plain => Ok(()),
        _ => Err(IssuerError::Path),
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_discovery_3_an_issuer_has_one_spelling() {
        for (written, text, path, port) in [
            ("https://id.example.com", "https://id.example.com", "", 443),
            ("https://id.example.com/", "https://id.example.com", "", 443),
            ("HTTPS://ID.Example.com:443/idp/", "https://id.example.com/idp", "/idp", 443),
            ("https://id.example.com:8443/a/b", "https://id.example.com:8443/a/b", "/a/b", 8443),
            ("http://[::1]:8000/x", "http://[::1]:8000/x", "/x", 8000),
        ] {
            let issuer = Issuer::parse(written).unwrap();
            assert_eq!((issuer.as_str(), issuer.path(), issuer.port()), (text, path, port), "{written}");
            assert_eq!(format!("{}{}", issuer.origin(), issuer.path()), text);
        }
    }

    #[test]
    fn oidc_discovery_3_an_issuer_has_neither_query_nor_fragment() {
        for (bad, why) in [
            ("https://id.example.com?x", IssuerError::Query),
            ("https://id.example.com/?", IssuerError::Query),
            ("https://id.example.com#x", IssuerError::Uri(UriError::Fragment)),
            ("https://user@id.example.com", IssuerError::Uri(UriError::UserInfo)),
            ("ftp://id.example.com", IssuerError::Uri(UriError::NotHttp)),
            ("id.example.com", IssuerError::Uri(UriError::NotAbsolute)),
            ("https://id%22.example.com", IssuerError::Uri(UriError::NotAbsolute)),
            ("", IssuerError::Uri(UriError::NotAbsolute)),
            ("https://id.example.com/a//b", IssuerError::Path),
            ("https://id.example.com//", IssuerError::Path),
            ("https://id.example.com/a/../b", IssuerError::Path),
            ("https://id.example.com/a%2Fb", IssuerError::Path),
            ("https://id.example.com/.well-known/openid-configuration", IssuerError::WellKnown),
        ] {
            assert_eq!(Issuer::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn rfc8414_3_1_the_well_known_part_comes_before_the_path() {
        let issuer = |path: &str| Issuer::parse(&format!("https://id.example{path}")).unwrap();
        for (own, path, is_there) in [
            ("", "/.well-known/oauth-authorization-server", true),
            ("", "/.well-known/oauth-authorization-server/", true),
            ("", "/.well-known/oauth-authorization-server/a", false),
            ("/a", "/.well-known/oauth-authorization-server/a", true),
            ("/a", "/.well-known/oauth-authorization-server/a/", true),
            ("/a", "/.well-known/oauth-authorization-server", false),
            ("/a", "/.well-known/oauth-authorization-server/", false),
            ("/a", "/.well-known/oauth-authorization-server/ab", false),
            ("/a", "/.well-known/oauth-authorization-server/a/b", false),
            ("/a/b", "/.well-known/oauth-authorization-server/a/b", true),
        ] {
            assert_eq!(issuer(own).has_metadata_at(path), is_there, "{own} {path}");
        }
    }

    #[test]
    fn addresses_lie_below_the_issuer() {
        let issuer = Issuer::parse("http://localhost:8000/idp/").unwrap();
        assert_eq!(issuer.address(Endpoint::Authorize), "http://localhost:8000/idp/authorize");
        assert_eq!(issuer.address(Endpoint::Discovery), "http://localhost:8000/idp/.well-known/openid-configuration");
        assert!(!issuer.is_https() && issuer.is_loopback());
        assert!(Issuer::parse("https://id.example.com").is_ok_and(|issuer| issuer.is_https() && !issuer.is_loopback()));
    }
}
