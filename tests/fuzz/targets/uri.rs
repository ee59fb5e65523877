//! `base::uri` and `protocol::redirect`: what may be registered, and what counts as registered.
//!
//! Open redirects come from two readers that see two addresses in one text. So everything that is accepted is read here once
//! more, by hand and by the URL parser of the browsers' standard.
#![no_main]

use hallpass::base::clock::Timestamp;
use hallpass::base::form::Form;
use hallpass::base::uri::{
    self, LoopbackUri, MAX_LENGTH, add_fragment, add_query, check_link, check_redirect, is_loopback_redirect,
};
use hallpass::model::client::Client;
use hallpass::model::id::ClientId;
use hallpass::protocol::issuer::Issuer;
use hallpass::protocol::redirect::{Beside, Target};
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

// Lines: a URI that is registered, one that a request names, parameters of an answer.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (registered, asked, state) = (next(), next(), next());
    for text in [registered, asked] {
        accepted(text);
        linked(text);
        issuer(text);
        loopback(text);
    }
    matched(registered, asked);
    if let Some(other_port) = other_port(registered, asked) {
        matched(registered, &other_port);
    }
    answered(registered, state);
});

/// A URI taken apart by hand (RFC 3986 appendix B).
struct Parts<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = text.split_once(':')?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let at = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..at]), &rest[at..])
        }
        None => (None, rest),
    };
    Some(Parts { scheme, authority, path, query })
}

/// What may be registered is one address in every reading.
fn accepted(text: &str) {
    if check_redirect(text).is_err() {
        return;
    }
    assert!(text.len() <= MAX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(!text.contains(['#', '\\', '"', '<', '>']), "{text}");
    let (url, parts) = (Url::parse(text).expect("a URL"), split(text).expect("parts"));
    assert!(parts.scheme.eq_ignore_ascii_case(url.scheme()), "{text}");
    // Where an app has no domain name in its scheme, somebody else may have it.
    assert!(matches!(url.scheme(), "https" | "http" | "urn") || url.scheme().contains('.'), "{text}");
    assert!(url.fragment().is_none() && url.username().is_empty() && url.password().is_none(), "{text}");
    assert_eq!(url.query().is_some(), parts.query.is_some(), "{text}");
    assert_eq!(url.has_authority(), parts.authority.is_some(), "{text}");
    let Some(authority) = parts.authority else {
        // Without an authority there is nowhere on the web to go to.
        assert!(!matches!(url.scheme(), "http" | "https"), "{text}");
        return;
    };
    assert!(!authority.contains('@'), "{text}");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    if matches!(url.scheme(), "http" | "https") {
        assert!(!host.is_empty(), "{text}");
        assert_eq!(port.parse().ok().or(url.port_or_known_default()), url.port_or_known_default(), "{text}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        // What is neither percent-encoded nor a number nor in Punycode has one name only.
        if host.bytes().all(plain) && matches!(url.host(), Some(Host::Domain(_))) {
            assert!(url.host_str().is_some_and(|parsed| parsed.eq_ignore_ascii_case(host)), "{text}");
        }
        // The host ends where it seems to end.
        assert!(url.path().starts_with('/') && (parts.path.is_empty() || parts.path.starts_with('/')), "{text}");
    } else if !host.starts_with('[') {
        // An address of IPv6 has several spellings; anything else stays as it is.
        assert_eq!(url.host_str().unwrap_or_default(), host, "{text}");
    }
}

/// What a page may link to is on the web.
fn linked(text: &str) {
    if check_link(text).is_ok() {
        let url = Url::parse(text).expect("a URL");
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{text}");
        assert!(uri::origin(text).is_some_and(|origin| text.len() <= MAX_LENGTH && !origin.is_empty()));
    }
}

/// An issuer has one spelling, which is accepted again.
fn issuer(text: &str) {
    let Ok(issuer) = Issuer::parse(text) else { return };
    let again = Issuer::parse(issuer.as_str());
    assert_eq!(again.as_ref(), Ok(&issuer), "{text}");
    let url = Url::parse(issuer.as_str()).expect("a URL");
    assert!(matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none(), "{text}");
    assert!(issuer.as_str().starts_with(issuer.origin()) && issuer.as_str().ends_with(issuer.path()), "{text}");
    assert_eq!(url.origin().ascii_serialization(), issuer.origin(), "{text}");
    assert_eq!(url.path().trim_end_matches('/'), issuer.path(), "{text}");
    // It stands between quotes in a challenge.
    assert!(!issuer.as_str().contains(['"', '\\', ' ']), "{text}");
}

/// What is taken for this machine is this machine.
fn loopback(text: &str) {
    if is_loopback_redirect(text) {
        let url = Url::parse(text).expect("a URL");
        assert!(check_redirect(text).is_ok() && matches!(url.scheme(), "http" | "https"), "{text}");
        assert!(is_this_machine(&url), "{text}");
    }
    if let Some(parts) = LoopbackUri::parse(text)
        && check_redirect(text).is_ok()
    {
        let url = Url::parse(text).expect("a URL");
        assert!(url.scheme() == "http" && is_this_machine(&url), "{text}");
        assert_eq!(url.host_str(), Some(parts.host), "{text}");
        assert_eq!(url.port_or_known_default(), Some(parts.port.unwrap_or(80)), "{text}");
        assert!(text.ends_with(parts.rest), "{text}");
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The registered URI with another port, if it is of this machine: the one difference that must not matter.
fn other_port(registered: &str, port: &str) -> Option<String> {
    let uri = LoopbackUri::parse(registered)?;
    Some(format!("http://{}:{}{}", uri.host, port.get(..port.len().min(8))?, uri.rest))
}

/// A request gets an answer at what is registered and nowhere else.
fn matched(registered: &str, asked: &str) {
    if check_redirect(registered).is_err() {
        return;
    }
    let mut client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
    client.redirect_uris = vec![registered.to_owned()];
    assert!(client.accepts_redirect(registered), "{registered}");
    let issuer = Issuer::parse("http://idp.example:8000").expect("an issuer");
    let target = Target::prove(&client, asked, &issuer, Beside::Nothing);
    assert_eq!(target.is_some(), client.accepts_redirect(asked));
    let own = "http://idp.example:8000/playground/callback";
    let development = Target::prove(&client, asked, &issuer, Beside::Development { own });
    assert_eq!(development.is_some(), target.is_some() || asked == own || is_loopback_redirect(asked));
    let Some(target) = target else { return };
    assert_eq!(target.redirect_uri(), asked);
    if asked == registered {
        return;
    }
    assert_eq!(check_redirect(asked), Ok(()), "{registered} lets in {asked:?}");
    let (one, other) = (Url::parse(registered).expect("a URL"), Url::parse(asked).expect("a URL"));
    assert!(one.scheme() == "http" && is_this_machine(&one), "{registered} lets in {asked}");
    let but_for_port =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(ToOwned::to_owned), url.path().to_owned());
    assert_eq!(but_for_port(&one), but_for_port(&other));
    assert_eq!(one.query(), other.query());
    let (one, other) = (split(registered).expect("parts"), split(asked).expect("parts"));
    assert_eq!((one.path, one.query), (other.path, other.query), "as written");
}

/// An answer goes to the registered address and adds its parameters to it, nothing else.
fn answered(registered: &str, state: &str) {
    if check_redirect(registered).is_err() || state.contains('\0') {
        return;
    }
    let before = Url::parse(registered).expect("a URL");
    let parameters = hallpass::base::form::render([("code", "x"), ("state", state)]);
    let in_query = add_query(registered, &parameters);
    let in_fragment = add_fragment(registered, &parameters);
    assert_eq!(add_query(registered, ""), registered);
    for text in [&in_query, &in_fragment] {
        assert!(text.starts_with(registered) && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        let after = Url::parse(text).expect("a URL");
        assert_eq!(
            (before.scheme(), before.host_str(), before.port()),
            (after.scheme(), after.host_str(), after.port())
        );
        assert_eq!(before.path(), after.path(), "{text}");
    }
    let tail = |text: &str| {
        let form = Form::parse(text.as_bytes()).ok()?;
        let pairs: Vec<_> = form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(pairs[pairs.len() - 2..].to_vec())
    };
    let expected = [("code".to_owned(), "x".to_owned()), ("state".to_owned(), state.to_owned())];
    let query = in_query.split_once('?').expect("a query").1;
    if let Some(pairs) = tail(query) {
        assert_eq!(pairs, expected, "{in_query}");
    }
    assert!(!in_query.contains('#'), "{in_query}");
    assert_eq!(tail(in_fragment.split_once('#').expect("a fragment").1).as_deref(), Some(&expected[..]));
}
