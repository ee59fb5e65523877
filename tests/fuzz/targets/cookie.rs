//! `app::cookie`, `app::browser`, `app::csrf`, `app::pending`: what a browser sends back is what it was given, or nothing.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use hallpass::app::App;
use hallpass::app::browser::{Browser, held_session};
use hallpass::app::cookie::{Cookie, Lifetime, Site};
use hallpass::app::csrf;
use hallpass::app::pending::{Bound, Pending, Stop};
use hallpass::app::request::Request;
use hallpass::base::clock::FixedClock;
use hallpass::base::encode::{base64url, parse_base64url_array};
use hallpass::base::form::Form;
use hallpass::jose::seal::ServerKey;
use hallpass::model::client::Client;
use hallpass::model::id::{Bearer, BearerKind, ClientId};
use hallpass::model::scope::Scope;
use hallpass::protocol::authorize::{AuthorizeRequest, Policy, prove_target};
use hallpass::protocol::redirect::Beside;
use hallpass_fuzz::{ISSUER, START, edited, provider};
use hyper::Method;
use hyper::header::{COOKIE, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

/// The cookies of an issuer on https.
const HTTPS: Site = Site::Https { port: 443 };
const BROWSER: &str = "__Host-hallpass-browser";
const SESSION: &str = "__Host-hallpass-session";

struct Here {
    runtime: Runtime,
    app: App,
    /// A pending request, sealed for the browser of all sevens, for the one of all eights, and for whoever follows.
    sealed: [String; 4],
    /// The mark of a form for the browser of all sevens, and for another purpose.
    marks: [String; 2],
}

static HERE: LazyLock<Here> = LazyLock::new(|| {
    assert!(ISSUER.starts_with("https:"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let app = runtime.block_on(provider(FixedClock::new(START)));
    let mut client = Client::new(ClientId::new("web"), "Web".into(), 1, START);
    client.redirect_uris = vec!["https://app.example/callback".into()];
    let query = b"client_id=web&response_type=code&scope=openid&redirect_uri=https://app.example/callback&state=x";
    let form = Form::parse(query).expect("a form");
    let target = prove_target(&form, &client, &app.issuer, Beside::Nothing).expect("a target");
    let policy = Policy { plain_challenge: false, scopes: &Scope::empty() };
    let request = AuthorizeRequest::parse(&form, &client, &target, policy, START).expect("a request");
    let pending = Pending::new(request);
    let (seven, eight) = (browser(&app, 7), browser(&app, 8));
    let sealed = places(&seven, &eight).map(|bound| pending.seal(&app, bound).expect("sealed"));
    let marks = ["logout", "other"].map(|purpose| csrf::mark(&app, &seven, purpose));
    Here { runtime, app, sealed, marks }
});

/// For whom the request is sealed: two browsers, two pages of one, and whoever follows a redirect.
fn places<'a>(seven: &'a Browser, eight: &'a Browser) -> [Bound<'a>; 4] {
    [Bound::To(seven, Stop::Login), Bound::To(eight, Stop::Login), Bound::Nobody, Bound::To(seven, Stop::Consent)]
}

fn get(path: &str) -> Request {
    Request::in_process(Method::GET, path, START).expect("a request")
}

fn with_cookies(lines: &[&[u8]]) -> Request {
    let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.fold(get("/"), |request, value| request.with_header(COOKIE, value))
}

fn browser(app: &App, byte: u8) -> Browser {
    let line = format!("{BROWSER}={}", base64url([byte; 16]));
    Browser::of(app, &with_cookies(&[line.as_bytes()]))
}

// The first byte says what the rest is.
fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => read(rest),
        1 => written(rest),
        2 => opened(rest),
        _ => borne(rest),
    }
});

/// Any `Cookie` lines.
fn read(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let request = with_cookies(&lines);
    // RFC 6265 section 5.4, read once more: the first one of the name.
    let pairs: Vec<&str> = request
        .headers()
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
        .flat_map(|line| line.split(';'))
        .collect();
    let first = |name: &str| {
        let named = pairs.iter().take(200).filter_map(|pair| pair.split_once('='));
        named.into_iter().find(|(own, _)| own.trim_ascii_start() == name).map(|(_, value)| value.trim_ascii_end())
    };
    for name in [BROWSER, SESSION] {
        assert_eq!(request.cookie(name), first(name));
    }
    let known: Option<[u8; 16]> = first(BROWSER).and_then(parse_base64url_array);
    let browser = Browser::of(&HERE.app, &request);
    if let Some(id) = known {
        assert_eq!(browser.as_bytes(), &id);
    }
    assert_eq!(browser.introduction().is_none(), known.is_some());
    let held = HERE.runtime.block_on(held_session(&HERE.app, &request)).expect("a store");
    assert!(held.is_none(), "nobody has logged in");
}

/// Any text as a value, any text as a lifetime: one header line with our own attributes.
fn written(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let seconds = data.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    for (site, frames) in [(HTTPS, false), (Site::Http { port: 8000 }, false), (HTTPS, true)] {
        let cookie = if frames { Cookie::for_frames(site, "c") } else { Cookie::new(site, "c") };
        for lifetime in [Lifetime::BrowserSession, Lifetime::For(Duration::from_secs(seconds))] {
            let header = cookie.set(&text, lifetime).into_header();
            assert!(header.is_sensitive());
            let line = header.to_str().expect("visible ASCII");
            let mut parts = line.split(';');
            let value = parts.next().and_then(|pair| pair.strip_prefix(cookie.name())?.strip_prefix('='));
            let value = value.expect("the value");
            // RFC 6265 section 4.1.1: cookie-octet.
            assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)), "{line}");
            let decoded = percent_decoded(value);
            assert_eq!(decoded, text.as_bytes(), "{line}");
            let mut expected = vec!["Path=/"];
            if site == HTTPS {
                expected.push("Secure");
            }
            expected.extend(if frames { &["SameSite=None"][..] } else { &["HttpOnly", "SameSite=Lax"] });
            let age = format!("Max-Age={seconds}");
            if lifetime != Lifetime::BrowserSession {
                expected.push(&age);
            }
            assert!(parts.map(str::trim_ascii).eq(expected), "{line}");
        }
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit.expect("a digit")));
            u8::from_str_radix(&String::from_iter(digits), 16).expect("two digits")
        } else {
            byte
        });
    }
    out
}

/// What is sealed opens as it was given out, for whom it was, and nothing else opens.
fn opened(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let which = usize::from(*which);
    let app = &HERE.app;
    let original = HERE.sealed.get(which % 5).map_or("", String::as_str);
    let text = String::from_utf8_lossy(&edited(original, rest)).into_owned();
    let (seven, eight) = (browser(app, 7), browser(app, 8));
    for (place, bound) in places(&seven, &eight).into_iter().enumerate() {
        let opened = Pending::open(app, Some(&text), bound, START);
        assert_eq!(opened.is_ok(), text == HERE.sealed[place], "{text}");
        if let Ok(pending) = opened {
            assert_eq!(pending.request.client_id.as_str(), "web");
            let late = START + app.settings.lifetimes.pending;
            assert!(Pending::open(app, Some(&text), bound, late).is_err());
        }
    }
    // The marks of forms likewise.
    let mark = String::from_utf8_lossy(&edited(&HERE.marks[which % 2], rest)).into_owned();
    let form: Form = [(csrf::FIELD, mark.as_str())].into_iter().collect();
    for (browser, is_seven) in [(&seven, true), (&eight, false)] {
        for (place, purpose) in ["logout", "other"].into_iter().enumerate() {
            let right = csrf::check(app, &get("/"), browser, purpose, &form).is_ok();
            assert_eq!(right, is_seven && mark == HERE.marks[place]);
        }
    }
    // Sealing itself, with what came in as the plaintext.
    let key = ServerKey::parse(&"7".repeat(64)).expect("a key");
    let sealer = key.sealer("one use");
    let sealed = sealer.seal(data, b"place", &app.random);
    assert_eq!(sealer.open(&sealed, b"place").as_deref(), Some(data));
    assert!(sealer.open(&sealed, data).is_none() || data == b"place");
    assert!(key.sealer("another use").open(&sealed, b"place").is_none());
    assert!(sealer.open(data, b"place").is_none());
}

/// Bearer values have one spelling, and are of one kind.
fn borne(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let kinds = [BearerKind::Code, BearerKind::AccessToken, BearerKind::RefreshToken, BearerKind::Session];
    let parsed: Vec<_> = kinds.into_iter().filter_map(|kind| Some((kind, Bearer::parse(kind, text)?))).collect();
    assert!(parsed.len() <= 1, "{text}");
    for (kind, bearer) in parsed {
        assert_eq!(bearer.render(kind).expose(), text);
    }
}
