//! A reply: status, headers, body. No text that comes from outside can add a header line or fail to be sent.

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, PRAGMA,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use std::time::Duration;

use super::cookie::SetCookie;

/// What a `Location` cannot hold: controls, the space, and (always encoded by the encoder) everything beyond ASCII.
const NOT_IN_LOCATION: &AsciiSet = &CONTROLS.add(b' ');

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_DEVICES: HeaderValue = HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=()");

/// Our URLs stay ours: other sites never see them as a referrer. Not `no-referrer`, under which browsers send
/// `Origin: null` even with our own forms (Fetch section 3.2), and a check of the origin would refuse every login.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// An answer in the making.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// No body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn with_body(media_type: HeaderValue, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, media_type);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        Self { status: StatusCode::OK, headers, body }
    }

    /// A page under this `Content-Security-Policy`, which no other page may frame.
    pub fn html(body: impl Into<Bytes>, policy: &HeaderValue) -> Self {
        Self::with_body(HTML, body.into())
            .header(CONTENT_SECURITY_POLICY, policy.clone())
            .header(X_FRAME_OPTIONS, DENY)
            .header(REFERRER_POLICY, SAME_ORIGIN)
            .header(PERMISSIONS_POLICY, NO_DEVICES)
    }

    /// `value` as JSON. What cannot be written as JSON is a fault of ours: it is logged and answered by 500.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::json_bytes(body),
            Err(error) => {
                tracing::error!(%error, "a reply cannot be written as JSON");
                Self::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// JSON that is there already; sharing a `Bytes` costs no copy.
    pub fn json_bytes(body: impl Into<Bytes>) -> Self {
        Self::with_body(JSON, body.into())
    }

    /// Plain text.
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self::with_body(TEXT, body.into())
    }

    /// Bytes of another media type, such as a style sheet.
    pub fn bytes(media_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self::with_body(media_type, body.into())
    }

    /// 303: the next request is a GET, whatever this one was (RFC 9110 section 15.4.4). There is no other redirect: the rest
    /// may send a password on (RFC 9700 section 4.12).
    pub fn redirect_see_other(location: &str) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(LOCATION, location_value(location));
        headers.insert(REFERRER_POLICY, SAME_ORIGIN);
        Self { status: StatusCode::SEE_OTHER, headers, body: Bytes::new() }
    }

    /// The same reply with this status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same reply with this header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same reply with this header, beside others of the same name. Characters that a header cannot hold become
    /// `?`: for values that quote what came from outside, such as a challenge's description.
    #[must_use]
    pub fn text_header(mut self, name: HeaderName, text: &str) -> Self {
        let visible: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        if let Ok(value) = HeaderValue::try_from(visible) {
            self.headers.append(name, value);
        }
        self
    }

    /// The same reply without this header.
    #[must_use]
    pub fn without_header(mut self, name: &HeaderName) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same page, which other pages may frame; who may is then up to its policy's `frame-ancestors`.
    #[must_use]
    pub fn framable(self) -> Self {
        self.without_header(&X_FRAME_OPTIONS)
    }

    /// The same reply, never to be stored (RFC 6749 section 5.1 asks for both headers).
    #[must_use]
    pub fn no_store(self) -> Self {
        self.header(CACHE_CONTROL, NO_STORE).header(PRAGMA, NO_CACHE)
    }

    /// The same reply with a cookie.
    #[must_use]
    pub fn cookie(mut self, cookie: SetCookie) -> Self {
        self.headers.append(SET_COOKIE, cookie.into_header());
        self
    }

    /// The same reply with these cookies, if there are any.
    #[must_use]
    pub fn cookies(self, cookies: impl IntoIterator<Item = SetCookie>) -> Self {
        cookies.into_iter().fold(self, Self::cookie)
    }

    /// Whether it gives the browser a cookie of this name, or takes it away.
    pub fn sets_cookie(&self, name: &str) -> bool {
        let sets = |line: &HeaderValue| {
            line.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        self.headers.get_all(SET_COOKIE).iter().any(sets)
    }

    /// The same reply, which says that it depends on these request headers.
    #[must_use]
    pub fn vary(mut self, names: &'static str) -> Self {
        self.headers.append(VARY, HeaderValue::from_static(names));
        self
    }

    /// The same reply with the time after which to try again, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Its status.
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// As the HTTP library sends it.
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// A URI reference as a header value. Where it goes is decided elsewhere; here it only cannot become anything else
/// than one header line.
fn location_value(location: &str) -> HeaderValue {
    let encoded: String = utf8_percent_encode(location, NOT_IN_LOCATION).collect();
    #[allow(clippy::expect_used)] // only visible ASCII is left
    HeaderValue::try_from(encoded).expect("a percent-encoded text is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::WWW_AUTHENTICATE;

    fn location(text: &str) -> String {
        Reply::redirect_see_other(text).headers[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_location_is_one_line_whatever_it_is_given() {
        assert_eq!(location("https://a/cb?x=%0D%0A&s=a+b#f"), "https://a/cb?x=%0D%0A&s=a+b#f", "left as it is");
        assert_eq!(location("https://a/\r\nSet-Cookie: x=1"), "https://a/%0D%0ASet-Cookie:%20x=1");
        assert_eq!(location("/é\0\u{7f}\t"), "/%C3%A9%00%7F%09");
        for byte in 0..=255_u8 {
            let text = char::from(byte).to_string();
            assert!(location(&text).bytes().all(|byte| byte.is_ascii_graphic()), "{byte}");
        }
    }

    #[test]
    fn a_text_header_is_one_line_whatever_it_is_given() {
        let reply = Reply::empty(StatusCode::UNAUTHORIZED)
            .text_header(WWW_AUTHENTICATE, "Bearer error_description=\"a\r\nb é\t\"");
        assert_eq!(reply.headers()[WWW_AUTHENTICATE], "Bearer error_description=\"a??b ??\"");
    }

    #[test]
    fn rfc6749_5_1_what_holds_a_secret_is_not_stored() {
        let reply = Reply::json(&serde_json::json!({"a": 1})).no_store();
        assert_eq!(reply.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(reply.headers()[PRAGMA], "no-cache");
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(reply.body(), "{\"a\":1}");
    }

    #[test]
    fn pages_carry_their_security_headers() {
        let policy = HeaderValue::from_static("default-src 'none'");
        let page = Reply::html("<p>", &policy);
        assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], "default-src 'none'");
        assert_eq!(page.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(page.headers()[X_FRAME_OPTIONS], "DENY");
        assert_eq!(page.headers()[REFERRER_POLICY], "same-origin");
        assert!(!page.headers().contains_key("cross-origin-opener-policy"), "it would cut off login pop-ups");
        assert!(!page.framable().headers().contains_key(X_FRAME_OPTIONS));
    }

    #[test]
    fn unwritable_json_is_our_fault() {
        let odd = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(Reply::json(&odd).status_code(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn rfc9110_10_2_3_retry_after_is_rounded_up() {
        for (wait, expected) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let reply = Reply::empty(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_millis(wait));
            assert_eq!(reply.headers()[RETRY_AFTER], expected);
        }
    }
}
