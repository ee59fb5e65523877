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
use crate::model::client::ResponseType;
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
    /// The code that came along, or that it was redeemed with.
    pub(super) code: Option<&'a str>,
    /// Whether it came through the browser: then it has to say what came along.
    pub(super) in_front: bool,
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
        equal("state", "The answer belongs to this browser's own request", "RFC 6749, 10.12", state, said("state")),
        equal("response_iss", "It comes from the provider that was asked", "RFC 9207, 2.4", issuer, said("iss")),
    ]
}

/// Multiple Response Types sections 3 to 5: whether the answer carries what was asked for, and no more.
pub(super) fn parts(form: &Form, asked: &str) -> Check {
    let asked = ResponseType::parse(asked).unwrap_or(ResponseType::CODE);
    let parts =
        [("code", ResponseType::CODE), ("id_token", ResponseType::ID_TOKEN), ("access_token", ResponseType::TOKEN)];
    let list = |there: &dyn Fn(&str, ResponseType) -> bool| {
        let names: Vec<_> = parts.iter().filter(|(name, part)| there(name, *part)).map(|(name, _)| *name).collect();
        if names.is_empty() { NOTHING.to_owned() } else { names.join(", ") }
    };
    let expected = list(&|_, part| asked.has(part));
    let found = list(&|name, _| form.get(name).is_some());
    equal("response_type", "It carries what was asked for, and no more", "Multiple Response Types, 5", &expected, found)
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
pub(super) fn same_subject(subject: &str, userinfo: &Value) -> Check {
    let found = userinfo.get("sub").and_then(Value::as_str).unwrap_or(NOTHING);
    equal("sub", "UserInfo speaks of the same user", "OIDC Core 5.3.2", subject, found.to_owned())
}

/// OpenID Connect Core 1.0 section 3.3.3.6: the ID token that came through the browser and the one that the code was redeemed for
/// speak of the same user.
pub(super) fn same_in_both(in_front: &str, behind: Option<&str>) -> Check {
    let rule = "Both ID tokens speak of the same user";
    equal("both_sub", rule, "OIDC Core 3.3.3.6", in_front, behind.unwrap_or(NOTHING).to_owned())
}

/// A token response in which there should have been an ID token.
pub(super) fn missing_id_token() -> Check {
    equal(
        "id_token",
        "There is an ID token: ask for the scope openid",
        "OIDC Core 3.1.3.3",
        "an ID token",
        NOTHING.to_owned(),
    )
}

/// Sections 3.1.3.7 (6) and (7): the signature, and the claims of a token that can be read.
fn signature(token: &str, jwks: &Value, secret: Option<&Secret>, algorithm: Algorithm) -> (Vec<Check>, Option<Claims>) {
    let check = |expected: &str, found: String| {
        let rule = "Its signature is right, by a key that the provider publishes";
        equal("signature", rule, "OIDC Core 3.1.3.7 (6)", expected, found)
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
    let section = "OIDC Core 3.1.3.7 (7)";
    let mut checks = vec![signature, equal("alg", rule, section, algorithm.name(), header.algorithm.name().to_owned())];
    if claims.is_none() {
        let (rule, section) = ("The claims are one JSON object", "RFC 7519, 7.2");
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
            "OIDC Core 3.1.3.7 (2)",
            expected.issuer,
            shown(claims.get("iss")),
        ),
        Check {
            name: "aud",
            rule: "It is meant for this client",
            section: "OIDC Core 3.1.3.7 (3)",
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
        "OIDC Core 3.1.3.7 (4)",
        wanted,
        if several { shown(azp) } else { shown_or(azp, OPTIONAL) },
    ));
    if let Some(earlier) = expected.earlier {
        let (rule, section) = ("It speaks of the same user as before", "OIDC Core 12.2");
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
            ..auth_time_check(auth_time, now, "OIDC Core 12.2")
        },
        (Some(since), None) => Check {
            expected: format!("{since} or later"),
            passed: auth_time.is_some_and(|at| since <= at && at <= now),
            ..auth_time_check(auth_time, now, "OIDC Core 3.1.3.7 (13)")
        },
        (None, None) => Check {
            expected: if auth_time.is_some() { "not in the future".to_owned() } else { OPTIONAL.to_owned() },
            passed: claims.get("auth_time").is_none() || auth_time.is_some_and(|at| at <= now),
            ..auth_time_check(auth_time, now, "OIDC Core 2")
        },
    };
    vec![
        Check {
            name: "exp",
            rule: "It still holds",
            section: "OIDC Core 3.1.3.7 (9)",
            expected: "in the future".to_owned(),
            found: moment(exp, now),
            passed: exp.is_some_and(|exp| now < exp),
        },
        Check {
            name: "iat",
            rule: "It was made for this request, not long ago",
            section: "OIDC Core 3.1.3.7 (10)",
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
    let mut checks = vec![equal("nonce", rule, "OIDC Core 3.1.3.7 (11)", wanted, found)];
    for (name, rule, section, value, listed_always) in [
        ("at_hash", "The access token belongs to it", "OIDC Core 3.1.3.8", expected.access_token, !expected.in_front),
        ("c_hash", "The code belongs to it", "OIDC Core 3.3.2.11", expected.code, false),
    ] {
        let hash = value.map(|value| left_half_hash(expected.algorithm, value));
        match (claims.get(name), hash) {
            (None, Some(hash)) if expected.in_front => {
                checks.push(equal(name, rule, section, &hash, NOTHING.to_owned()));
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::base::encode::base64url;
    use crate::jose::jwk::render_set;
    use crate::jose::jws::Encoder;
    use crate::jose::key::PrivateKey;
    use crate::jose::sign::Signer;

    const NOW: u64 = 1_800_000_000;
    const SECRET: &str = "a secret of more than thirty-two bytes";

    fn key() -> PrivateKey {
        PrivateKey::from_pem(include_str!("../../../tests/it/data/rsa2048_pkcs8.pem")).unwrap()
    }

    fn other_key() -> PrivateKey {
        PrivateKey::from_pem(include_str!("../../../tests/it/data/rsa2048_other.pem")).unwrap()
    }

    /// The published keys: one.
    fn jwks() -> Value {
        serde_json::from_slice(&render_set(&[key().public().to_jwk("k1")])).unwrap()
    }

    fn signed(key: &PrivateKey, kid: &str, claims: &Value) -> String {
        Encoder::new(Arc::new(Signer::rs256(key, kid).unwrap()), "JWT").encode(claims.to_string().as_bytes()).unwrap()
    }

    fn expected() -> Expected<'static> {
        Expected {
            in_front: false,
            issuer: "https://id.example",
            client_id: "app",
            algorithm: Algorithm::Rs256,
            nonce: Some("n1"),
            access_token: Some("token"),
            code: Some("code"),
            asked_at: Timestamp::from_secs(NOW - 5),
            login_since: None,
            earlier: None,
            now: Timestamp::from_secs(NOW),
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "sub": "u1", "aud": "app", "exp": NOW + 600, "iat": NOW - 1, "auth_time": NOW - 60,
            "nonce": "n1", "at_hash": left_half_hash(Algorithm::Rs256, "token"),
        })
    }

    fn failed(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|check| !check.passed).map(|check| check.name).collect()
    }

    /// The checks that fail for well-signed claims with these members put in, or taken out where they are null.
    fn fails(changes: &Value, expected: &Expected<'_>) -> Vec<&'static str> {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let checks = id_token(&signed(&key(), "k1", &claims), &jwks(), None, expected);
        checks.iter().filter(|check| !check.passed).map(|check| check.name).collect()
    }

    #[test]
    fn oidc_core_3_1_3_7_a_right_token_passes_every_check() {
        let checks = id_token(&signed(&key(), "k1", &claims()), &jwks(), None, &expected());
        assert_eq!(failed(&checks), <[&str; 0]>::default());
        let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names, ["signature", "alg", "iss", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash"]);
        let optional = json!({
            "aud": ["app", "api"], "azp": "app", "auth_time": null, "at_hash": null,
            "c_hash": left_half_hash(Algorithm::Rs256, "code"),
        });
        assert_eq!(fails(&optional, &expected()), <[&str; 0]>::default());
    }

    #[test]
    fn oidc_core_3_1_3_7_every_wrong_claim_fails_its_own_check() {
        for (changes, check) in [
            (json!({"iss": "https://id.example/"}), "iss"),
            (json!({"iss": null}), "iss"),
            (json!({"aud": "other"}), "aud"),
            (json!({"aud": ["other"]}), "aud"),
            (json!({"aud": [1]}), "aud"),
            (json!({"aud": null}), "aud"),
            (json!({"aud": ["app", "other"]}), "azp"),
            (json!({"azp": "other"}), "azp"),
            (json!({"exp": NOW}), "exp"),
            (json!({"exp": NOW - 1}), "exp"),
            (json!({"exp": "2100"}), "exp"),
            (json!({"exp": null}), "exp"),
            (json!({"iat": NOW + 1}), "iat"),
            (json!({"iat": NOW - 6}), "iat"),
            (json!({"iat": null}), "iat"),
            (json!({"nonce": "n2"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
            (json!({"at_hash": left_half_hash(Algorithm::Rs256, "other")}), "at_hash"),
            (json!({"c_hash": left_half_hash(Algorithm::Rs256, "other")}), "c_hash"),
            (json!({"auth_time": NOW + 1}), "auth_time"),
            (json!({"auth_time": "yesterday"}), "auth_time"),
        ] {
            assert_eq!(fails(&changes, &expected()), [check], "{changes}");
        }
        let without_nonce = Expected { nonce: None, ..expected() };
        assert_eq!(fails(&json!({}), &without_nonce), ["nonce"], "nobody asked for one");
        assert_eq!(fails(&json!({"nonce": null}), &without_nonce), <[&str; 0]>::default());
    }

    #[test]
    fn oidc_core_3_1_3_7_6_the_signature_must_be_by_a_published_key() {
        let good = signed(&key(), "k1", &claims());
        let (input, _) = good.rsplit_once('.').unwrap();
        let by = |token: &str| failed(&id_token(token, &jwks(), None, &expected())).join(" ");
        assert_eq!(by(&signed(&other_key(), "k1", &claims())), "signature", "another key under its name");
        assert_eq!(by(&signed(&other_key(), "k2", &claims())), "signature", "a key that nobody published");
        assert_eq!(by(&format!("{input}.{}", base64url([0; 256]))), "signature");
        let changed = base64url(json!({"iss": "https://id.example", "sub": "somebody else"}).to_string());
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[1] = &changed;
        assert!(by(&parts.join(".")).starts_with("signature "));
        let none = format!("{}.{}.", base64url(r#"{"alg":"none"}"#), base64url(claims().to_string()));
        for token in [none.as_str(), "", "a.b.c", "..", input] {
            assert_eq!(by(token), "signature", "{token}");
        }
        assert_eq!(by(&signed(&key(), "k1", &json!(["a list"]))), "claims");
        for keys in [json!({}), json!({"keys": []}), json!({"keys": [{"kid": "k1"}]}), Value::Null] {
            assert_eq!(failed(&id_token(&good, &keys, None, &expected())), ["signature"], "{keys}");
        }
    }

    #[test]
    fn oidc_core_3_1_3_7_7_the_algorithm_must_be_the_registered_one() {
        let secret = Secret::new(SECRET);
        let encoder = Encoder::new(Arc::new(Signer::hs256(&secret).unwrap()), "JWT");
        let token = encoder.encode(claims().to_string().as_bytes()).unwrap();
        let by = |secret: Option<&Secret>, algorithm| {
            failed(&id_token(&token, &jwks(), secret, &Expected { algorithm, ..expected() })).join(" ")
        };
        assert_eq!(by(Some(&secret), Algorithm::Hs256), "");
        assert_eq!(by(Some(&secret), Algorithm::Rs256), "alg");
        assert_eq!(by(None, Algorithm::Hs256), "signature");
        assert_eq!(by(Some(&Secret::new(SECRET.replace('a', "b"))), Algorithm::Hs256), "signature");
    }

    #[test]
    fn oidc_core_3_1_3_7_13_the_login_must_be_as_fresh_as_was_asked() {
        let since = |at| Expected { login_since: Some(Timestamp::from_secs(at)), ..expected() };
        assert_eq!(fails(&json!({}), &since(NOW - 60)), <[&str; 0]>::default());
        assert_eq!(fails(&json!({}), &since(NOW - 59)), ["auth_time"]);
        assert_eq!(fails(&json!({"auth_time": null}), &since(NOW - 60)), ["auth_time"], "it has to be there then");
        assert_eq!(fails(&json!({"auth_time": NOW + 1}), &since(NOW - 60)), ["auth_time"]);
    }

    #[test]
    fn oidc_core_12_2_a_refreshed_token_is_about_the_same_login() {
        let refreshed =
            |subject| Expected { earlier: Some(Earlier { subject, auth_time: Some(NOW - 60) }), ..expected() };
        for nonce in [json!(null), json!("n1")] {
            assert_eq!(fails(&json!({"nonce": nonce}), &refreshed("u1")), <[&str; 0]>::default(), "{nonce}");
        }
        assert_eq!(fails(&json!({"nonce": "n2"}), &refreshed("u1")), ["nonce"]);
        assert_eq!(fails(&json!({}), &refreshed("u2")), ["same_sub"]);
        assert_eq!(fails(&json!({"auth_time": NOW - 59}), &refreshed("u1")), ["auth_time"]);
        assert_eq!(fails(&json!({"auth_time": null}), &refreshed("u1")), <[&str; 0]>::default());
    }

    #[test]
    fn oidc_core_5_3_2_userinfo_must_be_about_the_same_user() {
        assert!(same_subject("u1", &json!({"sub": "u1"})).passed);
        for answer in [json!({"sub": "u2"}), json!({}), Value::Null] {
            assert!(!same_subject("u1", &answer).passed, "{answer}");
        }
        assert!(!missing_id_token().passed);
    }

    #[test]
    fn rfc9207_2_4_the_answer_must_be_to_the_request_and_from_the_issuer() {
        let by = |query: &str| {
            failed(&response(&Form::parse(query.as_bytes()).unwrap(), "s1", "https://id.example")).join(" ")
        };
        assert_eq!(by("state=s1&iss=https://id.example"), "");
        assert_eq!(by("state=s2&iss=https://id.example"), "state");
        assert_eq!(by("state=s1&iss=https://other.example"), "response_iss");
        assert_eq!(by("code=1"), "state response_iss");
    }
}
