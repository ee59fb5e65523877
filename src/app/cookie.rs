//! Cookies that we set (RFC 6265, and the prefixes of RFC 6265bis section 4.1.3).

use std::time::Duration;

use hyper::header::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::protocol::issuer::Issuer;

/// What is not a `cookie-octet` (RFC 6265 section 4.1.1), and `%` itself.
const NOT_COOKIE_OCTET: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

/// How the cookies of one issuer are named and secured.
///
/// On https the `__Host-` prefix makes browsers refuse a cookie that another host or an insecure page planted; on http
/// there is no such protection. Cookies ignore ports, so the port goes into the name, but for the usual one of https: two
/// issuers on one host must not overwrite each other's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The issuer is reached by https, on this port.
    Https {
        /// The issuer's port.
        port: u16,
    },
    /// The issuer is reached by http, on this port.
    Http {
        /// The issuer's port.
        port: u16,
    },
}

impl Site {
    /// The site of an issuer.
    pub fn of(issuer: &Issuer) -> Self {
        let port = issuer.port();
        if issuer.is_https() { Self::Https { port } } else { Self::Http { port } }
    }

    const fn is_https(self) -> bool {
        matches!(self, Self::Https { .. })
    }

    /// The full name of the cookie with this short name (a token of RFC 9110 section 5.6.2).
    pub fn cookie_name(self, short: &str) -> String {
        match self {
            Self::Https { port: 443 } => format!("__Host-{short}"),
            Self::Https { port } => format!("__Host-{short}-{port}"),
            Self::Http { port } => format!("{short}-{port}"),
        }
    }
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the browser is closed.
    BrowserSession,
    /// This long, in whole seconds.
    For(Duration),
}

/// One kind of cookie: its name and everything about it but the value. Made once, at the start.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    /// What follows the value, up to `Max-Age`.
    attributes: String,
}

impl Cookie {
    /// A cookie for our own pages: not readable by scripts, not sent with requests that other sites' pages make
    /// (except when the user follows a link here).
    pub fn new(site: Site, short: &str) -> Self {
        let secure = if site.is_https() { "; Secure" } else { "" };
        Self { name: site.cookie_name(short), attributes: format!("; Path=/{secure}; HttpOnly; SameSite=Lax") }
    }

    /// A cookie that scripts of this origin may read, also in a frame on another site's page: OpenID Connect Session
    /// Management needs one. Browsers take `SameSite=None` only with `Secure`; on http it stays `Lax`.
    pub fn for_frames(site: Site, short: &str) -> Self {
        let attributes = if site.is_https() { "; Path=/; Secure; SameSite=None" } else { "; Path=/; SameSite=Lax" };
        Self { name: site.cookie_name(short), attributes: attributes.to_owned() }
    }

    /// Its full name, as browsers send it back.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Set-Cookie` value that gives it to the browser. What a cookie's value cannot hold is percent-encoded;
    /// base64url goes through as it is.
    pub fn set(&self, value: &str, lifetime: Lifetime) -> SetCookie {
        let value = utf8_percent_encode(value, NOT_COOKIE_OCTET);
        let (name, attributes) = (&self.name, &self.attributes);
        SetCookie::render(&match lifetime {
            Lifetime::BrowserSession => format!("{name}={value}{attributes}"),
            Lifetime::For(time) => format!("{name}={value}{attributes}; Max-Age={}", time.as_secs()),
        })
    }

    /// The `Set-Cookie` value that takes it from the browser.
    pub fn delete(&self) -> SetCookie {
        SetCookie::render(&format!("{}={}; Max-Age=0", self.name, self.attributes))
    }
}

/// The value of one `Set-Cookie` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie(HeaderValue);

impl SetCookie {
    fn render(text: &str) -> Self {
        // Names are ours and values are encoded; should a name ever hold what a header cannot, no cookie is better
        // than a panic or a second header line.
        let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("invalid=; Max-Age=0"));
        value.set_sensitive(true);
        Self(value)
    }

    /// As a header value, marked sensitive: HTTP/2 must not index it, debug output must not show it.
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: Site = Site::Https { port: 443 };

    fn text(cookie: &SetCookie) -> &str {
        cookie.0.to_str().unwrap()
    }

    #[test]
    fn rfc6265bis_4_1_3_2_https_cookies_are_host_bound() {
        let cookie = Cookie::new(HTTPS, "hallpass");
        assert_eq!(cookie.name(), "__Host-hallpass");
        assert_eq!(
            text(&cookie.set("abc-_1", Lifetime::BrowserSession)),
            "__Host-hallpass=abc-_1; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            text(&cookie.delete()),
            "__Host-hallpass=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
            "the attributes must match for a __Host- cookie to be deleted"
        );
    }

    #[test]
    fn http_cookies_carry_the_port() {
        let cookie = Cookie::new(Site::Http { port: 8000 }, "hallpass");
        assert_eq!(
            text(&cookie.set("v", Lifetime::For(Duration::from_secs(90)))),
            "hallpass-8000=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=90"
        );
    }

    #[test]
    fn https_issuers_on_other_ports_of_a_host_have_cookies_of_their_own() {
        let site = |issuer| Site::of(&Issuer::parse(issuer).unwrap());
        let names = ["https://id.example", "https://id.example:443/idp", "https://id.example:8443"];
        assert_eq!(names.map(|issuer| site(issuer).cookie_name("c")), ["__Host-c", "__Host-c", "__Host-c-8443"]);
        let cookie = Cookie::new(site("https://id.example:8443"), "c");
        assert!(text(&cookie.set("v", Lifetime::BrowserSession)).contains("; Secure"));
    }

    #[test]
    fn frame_cookies_are_cross_site_where_browsers_allow_it() {
        assert_eq!(
            text(&Cookie::for_frames(HTTPS, "state").set("v", Lifetime::BrowserSession)),
            "__Host-state=v; Path=/; Secure; SameSite=None"
        );
        assert_eq!(
            text(&Cookie::for_frames(Site::Http { port: 80 }, "state").set("v", Lifetime::BrowserSession)),
            "state-80=v; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn a_value_cannot_add_attributes_or_header_lines() {
        let cookie = Cookie::new(HTTPS, "c");
        assert_eq!(
            text(&cookie.set("a; Domain=evil\r\nSet-Cookie: x=é%", Lifetime::BrowserSession)),
            "__Host-c=a%3B%20Domain=evil%0D%0ASet-Cookie:%20x=%C3%A9%25; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
    }
}
