//! A browser: the cookies it was given, the page it shows, and where it was last sent.

use std::collections::BTreeMap;

use hallpass::app::reply::Reply;
use hyper::header::{LOCATION, SET_COOKIE};

/// The cookies of an issuer on https.
pub const BROWSER: &str = "__Host-hallpass-browser";
pub const SESSION: &str = "__Host-hallpass-session";
/// Says that somebody has logged in there before.
const KNOWN: &str = "__Host-hallpass-known";

#[derive(Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
    /// The hidden field `pending` of each page it has shown, or the parameter of where it was sent; the last one is that of now.
    pub pendings: Vec<String>,
    /// The hidden field `csrf` of the page it shows.
    pub csrf: String,
    /// Where it was sent, if that is ours.
    pub sent_to: Option<String>,
}

impl Browser {
    /// The `Cookie` header; `None` when there is nothing to send.
    pub fn cookies(&self) -> Option<String> {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    pub fn cookie(&self, name: &str) -> &str {
        self.cookies.get(name).map_or("", String::as_str)
    }

    /// Takes what an answer gives it. Every cookie of ours is one for this host alone, which scripts can't read.
    pub fn take(&mut self, reply: &Reply) {
        for line in reply.headers().get_all(SET_COOKIE) {
            let line = line.to_str().expect("visible ASCII");
            let (pair, attributes) = line.split_once("; ").expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            assert!(matches!(name, BROWSER | SESSION | KNOWN), "{line}");
            assert!(attributes.starts_with("Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
            if attributes.ends_with("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = std::str::from_utf8(reply.body()).unwrap_or_default();
        self.sent_to = reply.headers().get(LOCATION).and_then(|location| location.to_str().ok()).map(ToOwned::to_owned);
        self.sent_to = self.sent_to.take().filter(|location| location.starts_with('/'));
        let sent = self.sent_to.as_ref().and_then(|location| location.split_once("?pending=")).map(|(_, value)| value);
        if let Some(pending) = hidden(body, "pending").next().or(sent) {
            self.pendings.push(pending.to_owned());
        }
        if let Some(csrf) = hidden(body, "csrf").next() {
            self.csrf = csrf.to_owned();
        }
    }
}

/// The values of all hidden fields of this name.
pub fn hidden<'a>(body: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let mut rest = body;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&opening)?;
        let (value, after) = after.split_once('"')?;
        rest = after;
        Some(value)
    })
}
