//! `jose`: tokens and keys from anywhere. Only what was signed here is accepted, as it was signed; reading never panics.
#![no_main]

use std::sync::{Arc, LazyLock};

use hallpass::base::encode::{base64url, parse_base64, parse_base64url};
use hallpass::base::secret::Secret;
use hallpass::jose::alg::Algorithm;
use hallpass::jose::jwk::PublicKey;
use hallpass::jose::jws::{Encoder, Jws, JwsError, MAX_LENGTH, Verified, Verifier};
use hallpass::jose::jwt::parse_object;
use hallpass::jose::key::{ACCEPTED_SIZES, PrivateKey};
use hallpass::jose::seal::ServerKey;
use hallpass::jose::sign::Signer;
use hallpass_fuzz::{OTHER_RSA, RSA, edited};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SECRET: &str = "a secret of more than thirty-two bytes";
const PAYLOAD: &[u8] = br#"{"iss":"https://id.example","sub":"ada","aud":"web","exp":1800000600}"#;

/// What was signed here, and what would verify it.
struct Signed {
    /// The tokens, each with the algorithm that it was signed with.
    tokens: Vec<(Algorithm, String)>,
    rs256: Verifier,
    hs256: Verifier,
    rsa: Arc<Signer>,
    mac: Arc<Signer>,
    /// HS256 keyed with what everybody knows of the RSA key: its modulus, its JWK, its PEM.
    confused: Vec<Signer>,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let key = PrivateKey::from_pem(RSA).expect("a key");
    let rsa = Arc::new(Signer::rs256(&key, key.kid()).expect("a signer"));
    let mac = Arc::new(Signer::hs256(&Secret::new(SECRET)).expect("a signer"));
    let tokens = [("JWT", &rsa), ("at+jwt", &rsa), ("JWT", &mac)].map(|(typ, signer)| {
        let token = Encoder::new(Arc::clone(signer), typ).encode(PAYLOAD).expect("a token");
        (signer.algorithm(), token)
    });
    let jwk = serde_json::to_string(&key.public().to_jwk(&key.kid())).expect("a JWK");
    let public = [base64url(key.public().modulus()), jwk, include_str!("../../it/data/rsa2048_public.pem").to_owned()];
    Signed {
        tokens: tokens.to_vec(),
        rs256: Verifier::Rs256(key.public().clone()),
        hs256: Verifier::hs256(&Secret::new(SECRET)).expect("a verifier"),
        rsa,
        mac,
        confused: public.map(|text| Signer::hs256(&Secret::new(text)).expect("a signer")).into(),
    }
});

// The first byte says what the rest is.
fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 6 {
        0 => foreign(rest),
        1 => changed(rest),
        2 => other_header(rest),
        3 => imported(rest),
        4 => object(rest),
        _ => numbers(rest),
    }
});

fn verify(token: &str, verifier: &Verifier) -> Result<Verified, JwsError> {
    Jws::parse(token)?.verify(|_| Some(verifier))
}

/// A token is accepted by the key that signed it and in no other spelling than the one that was given out.
fn only_as_signed(token: &str) {
    for verifier in [&SIGNED.rs256, &SIGNED.hs256] {
        if let Ok(verified) = verify(token, verifier) {
            let known = SIGNED.tokens.iter().any(|(algorithm, own)| *algorithm == verifier.algorithm() && own == token);
            assert!(known, "accepted: {token}");
            assert_eq!(verified.payload(), PAYLOAD);
            assert_eq!(verified.header().algorithm, verifier.algorithm());
        }
    }
    assert!(token.len() <= MAX_LENGTH || Jws::parse(token).err() == Some(JwsError::TooLong));
    if let Ok(jws) = Jws::parse(token) {
        let _ = jws.unverified_claims();
        assert!(matches!(jws.verify(|_| None), Err(JwsError::UnknownKey)));
    }
}

/// Any text as a token.
fn foreign(data: &[u8]) {
    only_as_signed(&String::from_utf8_lossy(data));
}

/// A token of ours after edits.
fn changed(data: &[u8]) {
    let Some((which, edits)) = data.split_first() else { return };
    let (_, token) = &SIGNED.tokens[usize::from(*which) % SIGNED.tokens.len()];
    only_as_signed(&String::from_utf8_lossy(&edited(token, edits)));
    assert!(verify(token, &SIGNED.rs256).is_ok() != verify(token, &SIGNED.hs256).is_ok());
}

/// Any header, with signatures that an attacker can make, and with right ones.
fn other_header(header: &[u8]) {
    let input = format!("{}.{}", base64url(header), base64url(PAYLOAD));
    let signed =
        |signer: &Signer| format!("{input}.{}", base64url(signer.sign(input.as_bytes()).expect("a signature")));
    for token in SIGNED.confused.iter().map(signed).chain([format!("{input}.")]) {
        assert!(verify(&token, &SIGNED.rs256).is_err(), "{token}");
        assert!(verify(&token, &SIGNED.hs256).is_err(), "{token}");
    }
    // Right signatures: the header has to name the key's own algorithm, and nothing that we would have to understand.
    for (signer, verifier) in [(&SIGNED.mac, &SIGNED.hs256), (&SIGNED.rsa, &SIGNED.rs256)] {
        // Costs a third of a millisecond, so only where it can matter.
        if signer.algorithm() == Algorithm::Rs256 && Jws::parse(&format!("{input}.")).is_err() {
            continue;
        }
        let Ok(verified) = verify(&signed(signer), verifier) else { continue };
        let json: Value = serde_json::from_slice(header).expect("JSON");
        assert_eq!(json["alg"], verifier.algorithm().name());
        assert!(json.get("crit").is_none());
        assert_eq!(json.get("kid").and_then(Value::as_str), verified.header().kid.as_deref());
        assert_eq!(json.get("typ").and_then(Value::as_str), verified.header().typ.as_deref());
    }
}

/// Any text as a key: PEM, or a key of ours after edits of its DER.
fn imported(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let key = match which % 4 {
        0 => PrivateKey::from_pem(&String::from_utf8_lossy(rest)),
        1 => PrivateKey::from_pem(&String::from_utf8_lossy(&edited(RSA, rest))),
        2 => {
            let edits = rest.chunks_exact(4).map(|edit| (usize::from(u16::from_be_bytes([edit[0], edit[1]])), edit[3]));
            let body: String = OTHER_RSA.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = parse_base64(&body).expect("base64");
            let length = der.len();
            edits.for_each(|(at, byte)| der[at % length] = byte);
            PrivateKey::from_pkcs8(&der)
        }
        _ => PrivateKey::from_pkcs8(rest),
    };
    let _ = ServerKey::parse(&String::from_utf8_lossy(rest)).map(|key| {
        assert!(
            ServerKey::parse(key.to_text().expose())
                .is_ok_and(|again| again.to_text().expose() == key.to_text().expose())
        );
    });
    let Ok(key) = key else { return };
    assert!(ACCEPTED_SIZES.contains(&key.public().bits()));
    let again = PrivateKey::from_pkcs8(key.to_pkcs8()).expect("what was written");
    assert_eq!((again.to_pkcs8(), again.kid()), (key.to_pkcs8(), key.kid()));
    if which % 4 < 2 {
        let pem = key.to_pem().expect("PEM");
        assert_eq!(PrivateKey::from_pem(pem.expose()).expect("what was written").kid(), key.kid());
        // It has proved itself.
        let token =
            Encoder::new(Arc::new(Signer::rs256(&key, "k").expect("a signer")), "JWT").encode(b"{}").expect("a token");
        assert!(verify(&token, &Verifier::Rs256(key.public().clone())).is_ok());
    }
}

/// An object is what another reader takes for one, without repeated members.
fn object(data: &[u8]) {
    let theirs: Option<Value> = serde_json::from_slice(data).ok();
    match parse_object(data) {
        Some(ours) => assert_eq!(theirs, Some(Value::Object(ours))),
        // Theirs takes the last of several members, so it may see an object where ours sees a contradiction.
        None => {
            if let Some(object @ Value::Object(members)) = &theirs {
                assert!(parse_object(object.to_string().as_bytes()).is_some_and(|ours| ours.keys().eq(members.keys())));
            }
        }
    }
    if let Some(bytes) = parse_base64url(data) {
        assert_eq!(base64url(bytes).as_bytes(), data, "one spelling only");
    }
}

/// Any numbers as a public key.
fn numbers(data: &[u8]) {
    let (exponent, modulus) = data.split_at(data.len().min(3));
    if let Ok(key) = PublicKey::rsa(modulus, exponent) {
        assert!(ACCEPTED_SIZES.contains(&key.bits()));
        assert!(key.exponent().last().is_some_and(|byte| byte % 2 == 1));
        let again = PublicKey::rsa(key.modulus(), key.exponent()).expect("the same key");
        assert_eq!(again.thumbprint(), key.thumbprint());
        for (algorithm, token) in &SIGNED.tokens {
            let verified = verify(token, &Verifier::Rs256(key.clone())).is_ok();
            let own = matches!(&SIGNED.rs256, Verifier::Rs256(own) if own.thumbprint() == key.thumbprint());
            assert!(!verified || own && *algorithm == Algorithm::Rs256);
        }
    }
}
