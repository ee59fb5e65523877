//! Values that carry somebody's authority (cookies, credentials, ID tokens), and what may stand in their place.

use std::collections::BTreeSet;
use std::sync::Arc;

use hallpass::base::encode::{base64url, parse_base64url};
use hallpass::base::secret::Secret;
use hallpass::jose::jws::Encoder;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::sign::Signer;
use serde_json::{Value, json};

use super::endpoint::{ADMIN_TOKEN, Endpoint, Good, TABLE};
use super::scene::{Asked, Scene};
use super::verdict::{Channel, Verdict};
use crate::harness::*;

/// What a row answers to a request that is right but for this.
async fn answer(scene: &mut Scene, row: &Endpoint, asked: &Asked, what: &str) -> Verdict {
    let text = asked.render(None);
    match scene.send(row, asked, text, what).await {
        Some(response) => Verdict::of(row.channel, &response, &scene.provider.issuer, what),
        None => Verdict::Dropped,
    }
}

/// What a row answers when a cookie is worth nothing; `None` when it doesn't need the cookie.
fn without_cookie(row: &Endpoint, cookie: &str) -> Option<Verdict> {
    let expired = Some(Verdict::Page(400));
    match (cookie, row.good) {
        ("browser", Good::Login | Good::Consent | Good::SelectAccount | Good::Logout | Good::LogoutOfClient) => expired,
        ("browser", Good::Callback | Good::Ticket | Good::Language | Good::Errand) => expired,
        ("browser", Good::Playground) if row.method == "POST" => expired,
        ("playground", Good::Callback) => expired,
        ("session", Good::Authorization) if row.method == "POST" => None,
        ("session", Good::Authorization | Good::Transit) => Some(Verdict::Client(Some("login_required".into()))),
        // Nobody is there to be asked.
        ("session", Good::LogoutOfClient) => Some(Verdict::Client(None)),
        ("session", Good::Consent | Good::SelectAccount) => Some(Verdict::Onward(
            if matches!(row.good, Good::SelectAccount) && row.method == "POST" { "/select-account" } else { "/login" }
                .into(),
        )),
        ("session", Good::Errand) => Some(Verdict::Onward("/login".into())),
        _ => None,
    }
}

#[tokio::test]
async fn rfc6265_8_4_every_cookie_is_worth_nothing_once_it_is_changed() {
    let mut scene = Scene::new().await;
    let port = scene.provider.app.issuer.port();
    let mut seen = BTreeSet::new();
    for row in TABLE.iter().filter(|row| row.channel == Channel::Page || row.channel == Channel::Authorization) {
        let asked = scene.ask(row).await;
        let unchanged = answer(&mut scene, row, &asked, "unchanged").await;
        for cookie in asked.browser.cookies.keys() {
            let short = cookie.strip_suffix(&format!("-{port}")).unwrap();
            let short = short.strip_prefix("hallpass-").unwrap_or(short);
            seen.insert(short.to_owned());
            let right = asked.browser.cookies[cookie].clone();
            let last = if right.ends_with('A') { "Q" } else { "A" };
            let mut values = vec![
                String::new(),
                "garbage".into(),
                "%00%0d%0a".into(),
                "\"quoted\"".into(),
                "hps_".into(),
                "hps_AAAA".into(),
                "{\"a\":1}".into(),
                "A".repeat(22),
                "A".repeat(8000),
                format!("{}{last}", &right[..right.len() - 1]),
                right[..right.len() / 2].to_owned(),
                format!("{right}{right}"),
                right.to_uppercase(),
            ];
            // The other cookies of the same browser, and what was sealed for it.
            values.extend(
                asked.browser.cookies.iter().filter(|(name, _)| *name != cookie).map(|(_, value)| value.clone()),
            );
            values.extend(asked.pairs.iter().filter(|(name, _)| name == "pending").map(|(_, value)| value.clone()));
            for value in values {
                let mut asked = scene.ask(row).await;
                asked.browser.cookies.insert(cookie.clone(), value.clone());
                let what = format!("{} {} {:?} {short}={value:.30}", row.method, row.path, row.good);
                let verdict = answer(&mut scene, row, &asked, &what).await;
                let expected = without_cookie(row, short).unwrap_or_else(|| unchanged.clone());
                assert_eq!(verdict, expected, "{what}");
            }
        }
    }
    assert!(seen.iter().eq(["browser", "known", "op_browser_state", "playground", "session"]), "{seen:?}");
    scene.watch.end();
}

#[tokio::test]
async fn what_is_sealed_for_one_browser_opens_in_no_other() {
    let mut scene = Scene::new().await;
    for row in TABLE.iter().filter(|row| row.channel == Channel::Page) {
        let (asked, mut other) = (scene.ask(row).await, scene.ask(row).await);
        let carries =
            ["pending", "csrf", "ticket"].iter().any(|name| asked.pairs.iter().any(|(other, _)| other == name));
        if !carries || matches!(row.good, Good::Transit | Good::EndSessionTransit) {
            continue;
        }
        other.pairs = asked.pairs;
        // Ada's consent and choice of account are asked for in the same browser each time; here it is another one.
        other.browser.cookies.retain(|name, _| !name.contains("browser"));
        let stranger = scene.provider.logged_in(BOB).await;
        other.browser.cookies.extend(stranger.cookies.into_iter().filter(|(name, _)| name.contains("browser")));
        let what = format!("{} {} of another browser", row.method, row.path);
        assert_eq!(answer(&mut scene, row, &other, &what).await, Verdict::Page(400), "{what}");
    }
    scene.watch.end();
}

#[tokio::test]
async fn rfc9110_11_6_2_credentials_that_are_none_get_the_challenge_of_their_endpoint() {
    let mut scene = Scene::new().await;
    let access_token = scene.ada_tokens.access_token.clone();
    let long = format!("Bearer {}", "A".repeat(24 << 10));
    let nested = basic(basic(format!("{CLIENT}:{SECRET}")));
    let values = [
        String::new(),
        "Basic".into(),
        "Basic ".into(),
        "Basic =".into(),
        "Basic %%%".into(),
        "Basic Og".into(),
        basic("no colon"),
        basic(":"),
        basic(format!(":{SECRET}")),
        basic(format!("{CLIENT}:")),
        basic(format!("{CLIENT}:{SECRET}\0")),
        basic(format!("{CLIENT}\r\nx-injected: yes:{SECRET}")),
        basic(b"web:\xff\xfe"),
        basic(b"\xff:\xff"),
        basic("x".repeat(16 << 10)),
        nested,
        format!("{} x", basic(format!("{CLIENT}:{SECRET}"))),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer a b".into(),
        "Bearer \"quoted\", realm=\"x\"".into(),
        "Bearer hpa_AAAA".into(),
        format!("Bearer {access_token}A"),
        format!("Bearer {}", &access_token[..access_token.len() - 1]),
        format!("Bearer {}", scene.ada_tokens.refresh()),
        format!("Bearer {}", scene.ada_tokens.id()),
        format!("Bearer {ADMIN_TOKEN}A"),
        format!("Basic {ADMIN_TOKEN}"),
        long,
        "Negotiate abc".into(),
        "Digest username=\"web\"".into(),
        ",,,".into(),
    ];
    let rows = TABLE.iter().filter(|row| {
        matches!(row.good, Good::CodeByHeader | Good::Header) || matches!(row.good, Good::Page) && row.path == "clients"
    });
    for row in rows {
        for value in &values {
            let mut asked = scene.ask(row).await;
            asked.headers.retain(|(name, _)| *name != "authorization");
            asked.headers.push(("authorization", value.clone()));
            let what = format!("{} {} {value:.40}", row.method, row.path);
            let verdict = answer(&mut scene, row, &asked, &what).await;
            assert!(matches!(verdict, Verdict::Refused(400 | 401, _)), "{what}: {verdict:?}");
        }
        // Two of them, the second one right.
        let mut asked = scene.ask(row).await;
        asked.headers.insert(0, ("authorization", basic("a:b")));
        let verdict = answer(&mut scene, row, &asked, "two").await;
        assert!(matches!(verdict, Verdict::Refused(400, _)), "{}: {verdict:?}", row.path);
    }
    scene.watch.end();
}

/// A compact JWS of three parts.
fn compact(header: &Value, payload: &str, signature: &[u8]) -> String {
    format!("{}.{payload}.{}", base64url(header.to_string()), base64url(signature))
}

#[tokio::test]
async fn oidc_core_3_1_2_1_an_id_token_hint_proves_nothing_unless_we_signed_it() {
    let mut scene = Scene::new().await;
    let row = TABLE.iter().find(|row| matches!(row.good, Good::Authorization)).unwrap();
    let token = scene.ada_tokens.id().to_owned();
    let parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("{token}") };
    let right: Value = serde_json::from_slice(&parse_base64url(header).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&parse_base64url(payload).unwrap()).unwrap();
    let signature = parse_base64url(signature).unwrap();
    let ours = PrivateKey::from_pem(RSA).unwrap();
    let foreign = PrivateKey::from_pem(OTHER_RSA).unwrap();
    let kid = right["kid"].as_str().unwrap();
    let with = |name: &str, value: Value| {
        let mut header = right.clone();
        header[name] = value;
        compact(&header, payload, &signature)
    };
    let sign = |signer: Signer, payload: &[u8]| Encoder::new(Arc::new(signer), "JWT").encode(payload).unwrap();
    let claim = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        sign(Signer::rs256(&ours, kid).unwrap(), claims.to_string().as_bytes())
    };
    // A signature with the public key as though it were a secret: whatever form of it somebody may take.
    let jwk = scene.provider.get("/jwks").await.json()["keys"][0].to_string();
    let public_pem = include_str!("../data/rsa2048_public.pem");
    let with_public = |secret: &str| sign(Signer::hs256(&Secret::new(secret)).unwrap(), claims.to_string().as_bytes());
    let unsigned = |alg: &str| format!("{}.{payload}.", base64url(json!({ "alg": alg, "typ": "JWT" }).to_string()));
    let mut flipped = signature.clone();
    flipped[100] ^= 1;
    let hints = [
        "garbage".to_owned(),
        "a.b.c".into(),
        "..".into(),
        "....".into(),
        format!("{header}.{payload}"),
        format!("{token}."),
        format!("{token}.{token}"),
        format!(" {token}"),
        format!("{token}="),
        format!("{header}.{payload}.!!!"),
        "[".repeat(4000),
        format!("{}.{payload}.", "A".repeat(7000)),
        unsigned("none"),
        unsigned("None"),
        unsigned("nOnE"),
        unsigned(""),
        unsigned("RS256"),
        with("alg", json!("none")),
        with("alg", json!("HS256")),
        with("alg", json!("RS512")),
        with("alg", json!("PS256")),
        with("alg", json!("ES256")),
        with("alg", json!(["RS256"])),
        with("alg", Value::Null),
        with("crit", json!(["exp"])),
        with("kid", json!("../../etc/passwd")),
        with("kid", json!("' OR 1=1--")),
        with("jwk", serde_json::from_str(&jwk).unwrap()),
        with("jku", json!("https://evil.example/jwks")),
        with("zip", json!("DEF")),
        compact(&right, payload, &flipped),
        compact(&right, payload, &signature[..255]),
        compact(&right, payload, b""),
        compact(&right, &base64url("{}"), &signature),
        sign(Signer::rs256(&foreign, foreign.kid()).unwrap(), claims.to_string().as_bytes()),
        sign(Signer::rs256(&foreign, kid).unwrap(), claims.to_string().as_bytes()),
        with_public(public_pem),
        with_public(&jwk),
        with_public(SECRET),
        claim("iss", json!("https://evil.example")),
        claim("iss", json!([scene.provider.issuer])),
        claim("iss", Value::Null),
        claim("aud", json!(OTHER)),
        claim("aud", json!([])),
        claim("aud", Value::Null),
        claim("sub", json!(7)),
        claim("sub", Value::Null),
        claim("sub", json!("")),
        claim("sub", json!("id-of-nobody")),
        sign(Signer::rs256(&ours, kid).unwrap(), token.as_bytes()),
        sign(Signer::rs256(&ours, kid).unwrap(), b"\xff\xfe"),
        sign(Signer::rs256(&ours, kid).unwrap(), b"[]"),
        sign(Signer::rs256(&ours, kid).unwrap(), "[".repeat(3000).as_bytes()),
        json!({ "payload": payload, "protected": header, "signature": base64url(&signature) }).to_string(),
        scene.ada_tokens.access_token.clone(),
        scene.ada_tokens.refresh().to_owned(),
    ];
    for hint in hints {
        let mut asked = scene.ask(row).await;
        asked.pairs.retain(|(name, _)| name != "id_token_hint");
        asked.pairs.push(("id_token_hint".into(), hint.clone()));
        let what = format!("{hint:.60}");
        let verdict = answer(&mut scene, row, &asked, &what).await;
        let expected = if hint == claim("sub", json!("id-of-nobody")) { "login_required" } else { "invalid_request" };
        assert_eq!(verdict, Verdict::Client(Some(expected.into())), "{what}");

        // Nor does it log anybody out: the user is asked.
        let row = TABLE.iter().find(|row| matches!(row.good, Good::EndSession)).unwrap();
        let mut asked = scene.ask(row).await;
        asked.browser = scene.ada.clone();
        asked.pairs.retain(|(name, _)| name != "id_token_hint");
        asked.pairs.push(("id_token_hint".into(), hint));
        let verdict = answer(&mut scene, row, &asked, &what).await;
        assert_eq!(verdict, Verdict::Onward("/logout".into()), "{what}");
    }
    scene.watch.end();
}
