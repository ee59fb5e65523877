//! The issuer: the one URL that names this provider.

use std::fmt;

use url::Url;

use crate::base::uri;

/// The issuer identifier (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2), in its one spelling: scheme and
/// host in lower case, no default port, no final slash.
///
/// It never comes from a request's Host header. Its path is the prefix below which every address lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin: String,
    path: String,
    port: u16,
    loopback: bool,
}

impl Issuer {
    /// Parses what a person wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('?') {
            return Err("has a query".into());
        }
        if text.contains('#') {
            return Err("has a fragment".into());
        }
        uri::check_link(text).and_then(|()| uri::check_redirect(text)).map_err(|error| error.to_string())?;
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        // The path as it was written: requests are matched against it byte by byte, so it must have one spelling.
        let written = text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let path = match written.trim_end_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        for segment in path.split('/').skip(1) {
            check_segment(segment)?;
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            text: format!("{origin}{path}"),
            origin,
            path,
            port: url.port_or_known_default().unwrap_or_default(),
            loopback: uri::is_loopback(&url),
        })
    }

    /// The identifier itself, as `iss` carries it.
    pub fn as_str(&self) -> &str {
        &self.text
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
fn check_segment(segment: &str) -> Result<(), String> {
    if segment == ".well-known" {
        return Err("it names a document below the issuer: end it before /.well-known".into());
    }
    let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if segment.is_empty() || segment == "." || segment == ".." || !plain {
        return Err("its path may have only letters, digits and - . _ ~ between single slashes".into());
    }
    Ok(())
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
    fn discovery_3_an_issuer_has_one_spelling() {
        for (written, text, path) in [
            ("https://id.example.com", "https://id.example.com", ""),
            ("https://id.example.com/", "https://id.example.com", ""),
            ("HTTPS://ID.Example.com:443/idp/", "https://id.example.com/idp", "/idp"),
            ("https://id.example.com:8443/a/b", "https://id.example.com:8443/a/b", "/a/b"),
            ("http://localhost:8000", "http://localhost:8000", ""),
            ("http://[::1]:8000/x", "http://[::1]:8000/x", "/x"),
        ] {
            let issuer = Issuer::parse(written).unwrap();
            assert_eq!((issuer.as_str(), issuer.path()), (text, path), "{written}");
            assert_eq!(format!("{}{}", issuer.origin(), issuer.path()), text);
        }
    }

    #[test]
    fn rfc8414_2_an_issuer_has_no_query_and_no_fragment() {
        for (bad, why) in [
            ("https://id.example.com?x", "query"),
            ("https://id.example.com/?", "query"),
            ("https://id.example.com#x", "fragment"),
            ("https://user:pw@id.example.com", "user name"),
            ("ftp://id.example.com", "https://"),
            ("id.example.com", "absolute"),
            ("/idp", "absolute"),
            ("", "absolute"),
            ("https://id.example.com/a//b", "path"),
            ("https://id.example.com/a/../b", "path"),
            ("https://id.example.com/a%2Fb", "path"),
            ("https://id.example.com/.well-known/openid-configuration", "before /.well-known"),
        ] {
            let refused = Issuer::parse(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }

    #[test]
    fn an_issuer_knows_how_browsers_reach_it() {
        let issuer = Issuer::parse("https://id.example.com").unwrap();
        assert!(issuer.is_https() && !issuer.is_loopback() && issuer.port() == 443);
        let issuer = Issuer::parse("http://127.0.0.1:8000").unwrap();
        assert!(!issuer.is_https() && issuer.is_loopback() && issuer.port() == 8000);
    }
}
