//! A walk over the table: every parameter of every endpoint, with one thing wrong at a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hallpass::base::form;
use serde_json::Value;

use super::endpoint::{Carrier, Endpoint, Good, Parameter, TABLE};
use super::scene::{Asked, Scene};
use super::verdict::{Channel, Verdict};
use crate::harness::*;

/// What happens to a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Missing,
    Empty,
    /// The same value, twice.
    Twice,
    /// The right value after another one.
    After(&'static str),
    /// `name[]` in the place of `name`.
    Array,
    /// Another value, as it stands in a form.
    Is(&'static str),
    /// The same with bytes that are no text.
    Unreadable(&'static [u8]),
    /// This many characters.
    Long(usize),
}

/// Just what a head (32 KiB) or a body (256 KiB) takes, and more than that.
const FITS_A_HEAD: usize = 24 << 10;
const BEYOND_A_HEAD: usize = 40 << 10;
const FITS_A_BODY: usize = 250 << 10;
const BEYOND_A_BODY: usize = 257 << 10;

/// What happens to a parameter in a query or a form.
const CHANGES: &[Change] = &[
    Change::Missing,
    Change::Empty,
    Change::Twice,
    Change::After("x"),
    Change::After(""),
    Change::Array,
    Change::Is("text"),
    Change::Is("-1"),
    Change::Is("0x10"),
    Change::Is("99999999999999999999999999"),
    Change::Is("1e999"),
    Change::Is("%5B%22a%22%5D"),
    Change::Is("%7B%22a%22:%7B%22b%22:[[[[[[[[1]]]]]]]]%7D%7D"),
    Change::Is("%0D%0AX-Injected:%20yes%0D%0A%0D%0A%3Chtml%3E"),
    Change::Is("%0AX-Injected:%20yes"),
    Change::Is("%E2%80%AE%D7%90%D8%A8%F0%9F%92%A9%EF%BB%BF"),
    Change::Is("%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
    Change::Is("%25zz"),
    Change::Is("%zz"),
    Change::Is("%"),
    Change::Is("%1B%5B31m%07%08"),
    Change::Is("..%2F..%2F..%2Fetc%2Fpasswd"),
    Change::Is("https://evil.example/"),
    Change::Unreadable(b"%00"),
    Change::Unreadable(b"a%00b"),
    Change::Unreadable(b"%FF%FE"),
    Change::Unreadable(b"%ED%A0%80"),
    Change::Long(1100),
    Change::Long(9000),
    Change::Long(FITS_A_HEAD),
    Change::Long(BEYOND_A_HEAD),
    Change::Long(FITS_A_BODY),
    Change::Long(BEYOND_A_BODY),
];

/// What a member of a JSON body is made to be.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "99999999999999999999999999",
    "1e999",
    "\"\"",
    "\"text\"",
    "\" \"",
    "\"\\r\\nX-Injected: yes\"",
    "\"a\\u0000b\"",
    "\"\\ud800\"",
    "\"\u{202e}\u{5d0}\u{1f4a9}\"",
    "\"\\u001b[31m\"",
    "[]",
    "[1]",
    "[null]",
    "[\"\"]",
    "[\"a\",\"a\",{}]",
    "{}",
    "{\"a\":{\"a\":null}}",
    "\"<script>alert(1)</script>\"",
    "tru",
    "'text'",
];

/// Every address of the server's own table stands in this one, with each of its methods.
#[tokio::test]
async fn every_address_is_walked() {
    let source = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let routes = source("src/server/route.rs");
    let places = routes.split_once("enum Place<'a> {").unwrap().1.split_once("\n}").unwrap().0;
    let places = places.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let places: BTreeSet<&str> = places.map(|line| line.split(['(', ',']).next().unwrap()).collect();
    let walked: BTreeSet<&str> = TABLE.iter().map(|row| row.place).collect();
    assert_eq!(places, walked);

    let scene = Scene::new().await;
    for row in TABLE.iter().filter(|row| row.place != "Administration") {
        let options = exchange("OPTIONS", &scene.url(row), &[], None).await;
        let allowed =
            options.header("allow").unwrap().split(", ").filter(|method| !["HEAD", "OPTIONS"].contains(method));
        let rows = || TABLE.iter().filter(|other| other.path == row.path);
        for method in allowed {
            assert!(rows().any(|other| other.method == method), "{method} {}", row.path);
        }
    }

    let doc = source("src/admin/mod.rs");
    let rows = doc.lines().filter_map(|line| line.strip_prefix("//! | `")).map(|line| line.split_once(" | ").unwrap());
    let mut count = 0;
    for (addresses, methods) in rows {
        for address in addresses.split('`').step_by(2).filter(|part| *part != ", ") {
            let methods = methods.split('`').filter(|part| part.bytes().all(|byte| byte.is_ascii_uppercase()));
            for method in methods.filter(|method| !method.is_empty()) {
                count += 1;
                assert!(TABLE.iter().any(|row| (row.path, row.method) == (address, method)), "{method} {address}");
            }
        }
    }
    assert!(count > 15, "{count}");
}

#[tokio::test]
async fn every_parameter_of_the_authorization_endpoint() {
    walk(|row| row.place == "Authorize").await;
}

#[tokio::test]
async fn every_parameter_of_the_token_endpoint() {
    walk(|row| row.place == "Token").await;
}

#[tokio::test]
async fn every_parameter_of_the_pages() {
    walk(|row| ["Login", "Consent", "SelectAccount", "Logout", "EndSession"].contains(&row.place)).await;
}

#[tokio::test]
async fn every_parameter_of_the_playground() {
    walk(|row| row.place.starts_with("Playground")).await;
}

#[tokio::test]
async fn every_parameter_of_everything_else() {
    let walked = ["Authorize", "Token", "Login", "Consent", "SelectAccount", "Logout", "EndSession", "Administration"];
    walk(|row| !walked.contains(&row.place) && !row.place.starts_with("Playground")).await;
}

#[tokio::test]
async fn every_member_of_administration() {
    walk(|row| row.place == "Administration").await;
}

/// Walks a part of the table.
async fn walk(part: impl Fn(&Endpoint) -> bool) {
    let mut scene = Scene::new().await;
    for row in TABLE.iter().filter(|row| part(row)) {
        walk_row(&mut scene, row).await;
    }
    let ready = scene.provider.get("/readyz").await;
    assert_eq!(ready.status, 200);
    scene.watch.see(&ready, "afterwards");
    scene.watch.end();
}

async fn walk_row(scene: &mut Scene, row: &Endpoint) {
    let asked = scene.ask(row).await;
    let unchanged = scene.try_change(row, &asked, None).await;
    assert_good(row, &unchanged);
    for parameter in row.parameters {
        if row.carrier == Carrier::Json {
            walk_member(scene, row, parameter).await;
            continue;
        }
        let mut verdicts = Vec::new();
        for change in CHANGES {
            // No request line is as long as a body may be.
            let for_bodies = matches!(change, Change::Long(FITS_A_BODY | BEYOND_A_BODY));
            if row.carrier == Carrier::Query && for_bodies {
                continue;
            }
            let asked = scene.ask(row).await;
            let verdict = scene.try_change(row, &asked, Some((parameter, *change))).await;
            judge(row, parameter, *change, &verdict, &unchanged, asked.sends(parameter.name));
            verdicts.push((*change, verdict));
        }
        let of = |wanted: Change| verdicts.iter().find(|(change, _)| *change == wanted).map(|(_, verdict)| verdict);
        let what = format!("{} {} {}", row.method, row.path, parameter.name);
        assert_eq!(of(Change::Missing), of(Change::Array), "{what}: another name is another parameter");
        // A field of the playground's forms may be left empty, and is something else in the beginning.
        if row.place.starts_with("Playground") {
            continue;
        }
        // RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were omitted".
        assert_eq!(of(Change::Missing), of(Change::Empty), "{what}: empty is omitted");
    }
}

/// That the table knows how to ask.
#[track_caller]
fn assert_good(row: &Endpoint, verdict: &Verdict) {
    let is_good = match verdict {
        Verdict::Done(_) | Verdict::Client(None) | Verdict::Onward(_) => true,
        // There is no logo, no such key, no key in what is given, and no such login.
        Verdict::Page(404) => row.place == "ClientLogo",
        Verdict::Refused(400 | 404 | 403, _) => row.path.starts_with("keys") || row.path.starts_with("logins"),
        // A token in the header and no other parameter; none at all at the query.
        _ => false,
    };
    assert!(is_good, "{} {} isn't asked rightly: {verdict:?}", row.method, row.path);
}

/// What the table of bad input promises.
#[track_caller]
fn judge(row: &Endpoint, parameter: &Parameter, change: Change, verdict: &Verdict, unchanged: &Verdict, sent: bool) {
    let name = parameter.name;
    let what = format!("{} {} ({:?}) {name} {change:?}: {verdict:?}", row.method, row.path, row.good);
    let proves_the_target = ["client_id", "redirect_uri"].contains(&name);
    let refused = |status: u16| match row.channel {
        Channel::Authorization | Channel::Page => *verdict == Verdict::Page(status),
        Channel::Json | Channel::Bearer => *verdict == Verdict::Refused(status, "invalid_request".into()),
        Channel::Proxy => *verdict == Verdict::Refused(403, "insufficient_scope".into()),
        Channel::Problem => matches!(verdict, Verdict::Refused(found, _) if *found == status),
    };
    // What takes no parameters needn't look at any.
    let looks = !matches!(row.good, Good::Nothing) || row.place == "Administration";
    // A posted request goes on as a GET before its hint is verified.
    let looked_at_later = row.method == "POST" && name == "id_token_hint";
    match change {
        Change::Long(BEYOND_A_HEAD) if row.carrier == Carrier::Query => {
            assert_eq!(*verdict, Verdict::Dropped, "{what}");
        }
        Change::Long(BEYOND_A_BODY) if row.carrier == Carrier::Form => assert!(refused(413), "{what}"),
        Change::Unreadable(_) if looks => assert!(refused(400), "{what}"),
        Change::Twice | Change::After(_) if must_be_single(row, name) => match row.channel {
            Channel::Authorization if !proves_the_target => {
                assert_eq!(*verdict, Verdict::Client(Some("invalid_request".into())), "{what}");
            }
            _ => assert!(refused(400), "{what}"),
        },
        Change::Is(_) | Change::Long(_) if parameter.strict && !looked_at_later => {
            assert_ne!(verdict, unchanged, "{what}");
        }
        _ => {}
    }
    if row.channel == Channel::Authorization && !matches!(change, Change::Unreadable(_) | Change::Long(_)) {
        // Before the target is proven there is a page, and afterwards there is none.
        let is_page = matches!(verdict, Verdict::Page(_));
        assert_eq!(is_page, proves_the_target && sent, "{what}");
    }
}

/// Whether a parameter that comes twice is an error here. RFC 8707 section 2 has one that may.
fn must_be_single(row: &Endpoint, name: &str) -> bool {
    // An assertion is refused before anything else is looked at.
    if name.starts_with("client_assertion") {
        return false;
    }
    let reads_nothing = matches!(row.good, Good::Nothing) || row.place == "Playground" && row.method == "GET";
    name != "resource" && !reads_nothing && !(row.channel == Channel::Bearer && name != "access_token")
}

async fn walk_member(scene: &mut Scene, row: &Endpoint, parameter: &Parameter) {
    let long = [format!("\"{}\"", "x".repeat(1100)), format!("\"{}\"", "x".repeat(250 << 10)), "[".repeat(100_000)];
    let beyond = format!("\"{}\"", "x".repeat(257 << 10));
    let values = VALUES.iter().copied().chain(long.iter().map(String::as_str)).chain([beyond.as_str()]);
    for value in values {
        let asked = scene.ask(row).await;
        let mut text = String::from("{");
        for (name, value) in asked.members.as_object().unwrap().iter().filter(|(name, _)| *name != parameter.name) {
            text += &format!("{}:{value},", Value::String(name.clone()));
        }
        text += &format!("\"{}\":{value}}}", parameter.name);
        let shown: String = value.chars().take(60).collect();
        let what = format!("{} {} {} {shown}", row.method, row.path, parameter.name);
        let Some(response) = scene.send(row, &asked, text.into_bytes(), &what).await else {
            // What is far too large may not be read to its end.
            assert!(value.len() > 200 << 10, "{what}");
            continue;
        };
        let verdict = Verdict::of(row.channel, &response, &scene.provider.issuer, &what);
        if value.len() == beyond.len() {
            assert!(matches!(verdict, Verdict::Refused(413, _)), "{what}: {verdict:?}");
        }
        let is_json = serde_json::from_str::<Value>(value).is_ok();
        if !is_json {
            assert!(matches!(verdict, Verdict::Refused(400, _)), "{what}: {verdict:?}");
        }
    }
}

impl Asked {
    /// Whether a request that is right has this parameter.
    fn sends(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, _)| other == name)
    }

    /// The parameters with one of them changed, as they stand in a query or a form.
    pub fn render(&self, change: Option<(&Parameter, Change)>) -> Vec<u8> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let piece = |name: &str, value: &str| form::render([(name, value)]).into_bytes();
        for (name, value) in &self.pairs {
            if change.is_none_or(|(parameter, _)| parameter.name != name) {
                pieces.push(piece(name, value));
            }
        }
        if let Some((Parameter { name, .. }, change)) = change {
            let right = self.pairs.iter().find(|(other, _)| other == name).map_or("right", |(_, value)| value);
            let with = |value: &[u8]| [name.as_bytes(), b"=", value].concat();
            match change {
                Change::Missing => {}
                Change::Empty => pieces.push(with(b"")),
                Change::Twice => pieces.extend([piece(name, right), piece(name, right)]),
                Change::After(other) => pieces.extend([with(other.as_bytes()), piece(name, right)]),
                Change::Array => pieces.push(piece(&format!("{name}[]"), right)),
                Change::Is(text) => pieces.push(with(text.as_bytes())),
                Change::Unreadable(bytes) => pieces.push(with(bytes)),
                Change::Long(length) => pieces.push(with("x".repeat(length).as_bytes())),
            }
        }
        pieces.join(&b'&')
    }
}

impl Scene {
    async fn try_change(&mut self, row: &Endpoint, asked: &Asked, change: Option<(&Parameter, Change)>) -> Verdict {
        let what = match change {
            Some((parameter, change)) => format!("{} {} {} {change:?}", row.method, row.path, parameter.name),
            None => format!("{} {}", row.method, row.path),
        };
        let text = match row.carrier {
            Carrier::Json => asked.members.to_string().into_bytes(),
            _ => asked.render(change),
        };
        let Some(response) = self.send(row, asked, text, &what).await else { return Verdict::Dropped };
        let verdict = Verdict::of(row.channel, &response, &self.provider.issuer, &what);
        if let Verdict::Client(_) = verdict
            && row.channel == Channel::Authorization
        {
            self.check_state(&response, change, &what);
        }
        verdict
    }

    /// RFC 6749 section 4.1.2.1: the state comes back as it was sent, and only if it was.
    #[track_caller]
    fn check_state(&self, response: &Response, change: Option<(&Parameter, Change)>, what: &str) {
        let answer = Answer::of(response);
        let expected = match change {
            Some((Parameter { name: "state", .. }, change)) => match change {
                Change::Is(text) => Some(form::decode(text.as_bytes()).unwrap().into_owned()),
                Change::Long(length) if length <= 8192 => Some("x".repeat(length)),
                _ => None,
            },
            _ => Some("the state".to_owned()),
        };
        assert_eq!(answer.get("state"), expected.as_deref(), "{what}");
    }
}
