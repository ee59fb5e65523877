//! What a relying party has to check before it believes an answer: each check with what was expected and what was found.
//!
//! Pure: everything that counts comes in.

use serde_json::Value;

use crate::base::clock::Timestamp;
use crate::base::encode::parse_base64url;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::jose::alg::Algorithm;
use crate::jose::hash::left_half_hash;
use crate::jose::jwk::PublicKey;
use crate::jose::jws::{Header, Jws, JwsError, Verifier};
use crate::jose::jwt::Claims;
use crate::page::Check;

/// What was found where something is missing.
const NOTHING: &str = "nothing";
/// What was expected and found where a claim isn't needed.
const OPTIONAL: &str = "nothing, and not needed";

/// What a relying party knows when it gets an ID token.
#[derive(Clone, Debug)]
pub(super) struct Expected<'a> {
    /// The issuer that it asked.
    pub(super) issuer: &'a str,
    /// Its own `client_id`.
    pub(super) client_id: &'a str,
    /// `id_token_signed_response_alg` of its registration.
    pub(super) algorithm: Algorithm,
    /// `nonce` of the request.
    pub(super) nonce: Option<&'a str>,
    /// The access token that came along.
    pub(super) access_token: Option<&'a str>,
    /// The code that it was redeemed with.
    pub(super) code: Option<&'a str>,
    /// When it asked.
    pub(super) asked_at: Timestamp,
    /// When the login may have been at the earliest: by `max_age` or `prompt=login`, if the request had one.
    pub(super) login_since: Option<Timestamp>,
    /// The ID token that this one follows: for tokens that come from a refresh.
    pub(super) earlier: Option<Earlier<'a>>,
    /// Now.
    pub(super) now: Timestamp,
}

/// What an ID token that comes from a refresh must have in common with the one before (OpenID Connect Core 1.0 section 12.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier<'a> {
    pub(super) subject: &'a str,
    pub(super) auth_time: Option<u64>,
}

/// RFC 6749 section 10.12 and RFC 9207 section 2.4: whether an authorization response is the answer to the request.
pub(super) fn response(form: &Form, state: &str, issuer: &str) -> Vec<Check> {
    let said = |name| form.get(name).unwrap_or(NOTHING).to_owned();
    vec![
        equal(
            "state",
            "The answer belongs to this browser's own request",
            "RFC 6749 section 10.12",
            state,
            said("state"),
        ),
        equal("response_iss", "It comes from the provider that was asked", "RFC 9207 section 2.4", issuer, said("iss")),
    ]
}

/// The key of a JWK Set that a header names, or the client's secret for HS256.
pub(super) fn verifier(jwks: &Value, header: &Header, secret: Option<&Secret>) -> Option<Verifier> {
    if header.algorithm.is_symmetric() {
        return Verifier::hs256(secret?).ok();
    }
    let keys = jwks.get("keys")?.as_array()?;
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let key = keys.iter().find(|key| header.kid.is_some() && text(key, "kid") == header.kid)?;
    let number = |name: &str| parse_base64url(text(key, name)?);
    PublicKey::rsa(&number("n")?, &number("e")?).ok().map(Verifier::Rs256)
}

/// OpenID Connect Core 1.0 sections 3.1.3.7 and 12.2: everything that has to hold for an ID token. The claims of one whose
/// signature is wrong are looked at all the same, to show what would be wrong with them; the signature has failed anyway.
pub(super) fn id_token(token: &str, jwks: &Value, secret: Option<&Secret>, expected: &Expected<'_>) -> Vec<Check> {
    let (mut checks, claims) = signature(token, jwks, secret, expected.algorithm);
    if let Some(claims) = claims {
        checks.extend(identity(&claims, expected));
        checks.extend(times(&claims, expected));
        checks.extend(bindings(&claims, expected));
    }
    checks
}

/// OpenID Connect Core 1.0 section 5.3.2: the user of the `UserInfo` answer is that of the ID token.
pub(super) fn same_subject(subject: Option<&str>, userinfo: &Value) -> Check {
    let found = userinfo.get("sub").and_then(Value::as_str).unwrap_or(NOTHING);
    equal(
        "sub",
        "UserInfo speaks of the same user",
        "OpenID Connect Core 1.0 section 5.3.2",
        subject.unwrap_or("the sub of an ID token"),
        found.to_owned(),
    )
}

/// A token response in which there should have been an ID token.
pub(super) fn missing_id_token() -> Check {
    equal(
        "id_token",
        "There is an ID token: ask for the scope openid",
        "OpenID Connect Core 1.0 section 3.1.3.3",
        "an ID token",
        NOTHING.to_owned(),
    )
}

/// Sections 3.1.3.7 (6) and (7): the signature, and the claims of a token that can be read.
fn signature(token: &str, jwks: &Value, secret: Option<&Secret>, algorithm: Algorithm) -> (Vec<Check>, Option<Claims>) {
    let check = |expected: &str, found: String| {
        let rule = "Its signature is right, by a key that the provider publishes";
        equal("signature", rule, "OpenID Connect Core 1.0 section 3.1.3.7 (6)", expected, found)
    };
    let refused = |error: JwsError| check("a valid signature", error.to_string());
    let parsed = match Jws::parse(token) {
        Ok(parsed) => parsed,
        Err(error) => return (vec![refused(error)], None),
    };
    let header = parsed.header().clone();
    let claims = parsed.unverified_claims();
    let key = verifier(jwks, &header, secret);
    let signature = match parsed.verify(|_| key.as_ref()) {
        Ok(_) => {
            let by = header.kid.as_deref().map_or_else(|| "the client's secret".to_owned(), |kid| format!("key {kid}"));
            check(&format!("valid, by {by}"), format!("valid, by {by}"))
        }
        Err(error) => refused(error),
    };
    let rule = "It is signed with the algorithm that the client is registered for";
    let section = "OpenID Connect Core 1.0 section 3.1.3.7 (7)";
    let mut checks = vec![signature, equal("alg", rule, section, algorithm.name(), header.algorithm.name().to_owned())];
    if claims.is_none() {
        let (rule, section) = ("The claims are one JSON object", "RFC 7519 section 7.2");
        checks.push(equal("claims", rule, section, "a JSON object", "something else".to_owned()));
    }
    (checks, claims)
}

/// Who says it, to whom, and about whom.
fn identity(claims: &Claims, expected: &Expected<'_>) -> Vec<Check> {
    let mut checks = vec![
        equal(
            "iss",
            "It comes from the provider that was asked",
            "OpenID Connect Core 1.0 section 3.1.3.7 (2)",
            expected.issuer,
            shown(claims.get("iss")),
        ),
        Check {
            name: "aud",
            rule: "It is meant for this client",
            section: "OpenID Connect Core 1.0 section 3.1.3.7 (3)",
            expected: expected.client_id.to_owned(),
            found: shown(claims.get("aud")),
            passed: audiences(claims).contains(&expected.client_id),
        },
    ];
    // Sections 3.1.3.7 (4) and (5): needed only where there are several audiences.
    let several = audiences(claims).len() > 1;
    let azp = claims.get("azp");
    let wanted = if several || azp.is_some() { expected.client_id } else { OPTIONAL };
    checks.push(equal(
        "azp",
        "Nobody else is the authorized party",
        "OpenID Connect Core 1.0 section 3.1.3.7 (4)",
        wanted,
        if several { shown(azp) } else { shown_or(azp, OPTIONAL) },
    ));
    if let Some(earlier) = expected.earlier {
        let (rule, section) = ("It speaks of the same user as before", "OpenID Connect Core 1.0 section 12.2");
        checks.push(equal("same_sub", rule, section, earlier.subject, shown(claims.get("sub"))));
    }
    checks
}

/// When it was made, until when it holds, and when the user logged in.
fn times(claims: &Claims, expected: &Expected<'_>) -> Vec<Check> {
    let now = expected.now.as_secs();
    let asked_at = expected.asked_at.as_secs();
    let (exp, iat, auth_time) = (seconds(claims, "exp"), seconds(claims, "iat"), seconds(claims, "auth_time"));
    let earlier = expected.earlier.and_then(|earlier| earlier.auth_time);
    let login = match (expected.login_since.map(Timestamp::as_secs), earlier) {
        (_, Some(earlier)) => Check {
            expected: format!("{earlier}, as before"),
            passed: auth_time.is_none_or(|at| at == earlier),
            ..auth_time_check(auth_time, now, "OpenID Connect Core 1.0 section 12.2")
        },
        (Some(since), None) => Check {
            expected: format!("{since} or later"),
            passed: auth_time.is_some_and(|at| since <= at && at <= now),
            ..auth_time_check(auth_time, now, "OpenID Connect Core 1.0 section 3.1.3.7 (13)")
        },
        (None, None) => Check {
            expected: if auth_time.is_some() { "not in the future".to_owned() } else { OPTIONAL.to_owned() },
            passed: claims.get("auth_time").is_none() || auth_time.is_some_and(|at| at <= now),
            ..auth_time_check(auth_time, now, "OpenID Connect Core 1.0 section 2")
        },
    };
    vec![
        Check {
            name: "exp",
            rule: "It still holds",
            section: "OpenID Connect Core 1.0 section 3.1.3.7 (9)",
            expected: "in the future".to_owned(),
            found: moment(exp, now),
            passed: exp.is_some_and(|exp| now < exp),
        },
        Check {
            name: "iat",
            rule: "It was made for this request, not long ago",
            section: "OpenID Connect Core 1.0 section 3.1.3.7 (10)",
            expected: format!("{asked_at} or later, not in the future"),
            found: moment(iat, now),
            passed: iat.is_some_and(|iat| asked_at <= iat && iat <= now),
        },
        login,
    ]
}

fn auth_time_check(auth_time: Option<u64>, now: u64, section: &'static str) -> Check {
    Check {
        name: "auth_time",
        rule: "The user logged in when that was asked for",
        section,
        expected: String::new(),
        found: auth_time.map_or_else(|| OPTIONAL.to_owned(), |at| moment(Some(at), now)),
        passed: false,
    }
}

/// What ties it to the request and to what came along.
fn bindings(claims: &Claims, expected: &Expected<'_>) -> Vec<Check> {
    let nonce = claims.get("nonce");
    // Section 12.2: a token that comes from a refresh should have none, and may have the first one's.
    let wanted = match expected.nonce {
        Some(sent) if expected.earlier.is_none() || nonce.is_some() => sent,
        _ => OPTIONAL,
    };
    let found = if wanted == OPTIONAL { shown_or(nonce, OPTIONAL) } else { shown(nonce) };
    let rule = "It was made for this very request";
    let mut checks = vec![equal("nonce", rule, "OpenID Connect Core 1.0 section 3.1.3.7 (11)", wanted, found)];
    for (name, rule, section, value, listed_always) in [
        (
            "at_hash",
            "The access token belongs to it",
            "OpenID Connect Core 1.0 section 3.1.3.8",
            expected.access_token,
            true,
        ),
        ("c_hash", "The code belongs to it", "OpenID Connect Core 1.0 section 3.3.2.11", expected.code, false),
    ] {
        let hash = value.map(|value| left_half_hash(expected.algorithm, value));
        match (claims.get(name), hash) {
            (Some(claim), Some(hash)) => checks.push(equal(name, rule, section, &hash, shown(Some(claim)))),
            (Some(claim), None) => checks.push(equal(name, rule, section, NOTHING, shown(Some(claim)))),
            (None, _) if listed_always => checks.push(equal(name, rule, section, OPTIONAL, OPTIONAL.to_owned())),
            (None, _) => {}
        }
    }
    checks
}

fn equal(name: &'static str, rule: &'static str, section: &'static str, expected: &str, found: String) -> Check {
    Check { name, rule, section, passed: expected == found, expected: expected.to_owned(), found }
}

/// A text without its quotes; anything else as JSON.
fn shown(value: Option<&Value>) -> String {
    shown_or(value, NOTHING)
}

fn shown_or(value: Option<&Value>, otherwise: &str) -> String {
    match value {
        None => otherwise.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// `aud` is a text or a list of texts (RFC 7519 section 4.1.3).
fn audiences(claims: &Claims) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A claim that is a time in whole seconds.
pub(super) fn seconds(claims: &Claims, name: &str) -> Option<u64> {
    claims.get(name).and_then(Value::as_u64)
}

/// A time as it stands in the token, and how far from now.
fn moment(at: Option<u64>, now: u64) -> String {
    match at {
        None => NOTHING.to_owned(),
        Some(at) if at > now => format!("{at}, in {} s", at - now),
        Some(at) if at == now => format!("{at}, now"),
        Some(at) => format!("{at}, {} s ago", now - at),
    }
}
