//! Signatures of webhooks (Standard Webhooks 1.0, symmetric).

use std::fmt;

use zeroize::Zeroizing;

use super::mac::MacKey;
use crate::base::clock::Timestamp;
use crate::base::encode::{base64, parse_base64};
use crate::base::secret::{Secret, equal};

/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// How long a secret may be, in bytes.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that a receiver of webhooks shares with us: it knows by it who sent what it gets. Never shown, compared in constant
/// time.
#[derive(Clone)]
pub struct WebhookSecret {
    bytes: Zeroizing<Vec<u8>>,
    key: MacKey,
}

impl WebhookSecret {
    /// What [`WebhookSecret::parse`] takes, for people.
    pub const RIGHT: &'static str =
        "whsec_ and 24 to 64 random bytes in base64 (echo whsec_$(openssl rand -base64 32))";

    /// Reads `whsec_` and, behind it, 24 to 64 bytes in base64; `None` for anything else.
    pub fn parse(text: &Secret) -> Option<Self> {
        let bytes = parse_base64(text.expose().strip_prefix(PREFIX)?).map(Zeroizing::new)?;
        SIZES.contains(&bytes.len()).then(|| Self { key: MacKey::new(&bytes), bytes })
    }

    /// The value of `webhook-signature` for a body that is sent under this id at this time.
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let signed = [format!("{id}.{}.", now.as_secs()).as_bytes(), body].concat();
        format!("v1,{}", base64(self.key.tag(&signed)))
    }
}

impl PartialEq for WebhookSecret {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.bytes, &other.bytes)
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<WebhookSecret> {
        WebhookSecret::parse(&Secret::new(text))
    }

    /// The example that the libraries of the convention are tested with.
    #[test]
    fn standard_webhooks_signature_vector() {
        let secret = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let now = Timestamp::from_secs(1_614_265_330);
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now, b"{}"), signature);
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn a_secret_is_marked_as_one_and_has_24_to_64_bytes() {
        let of = |length: usize| format!("whsec_{}", base64(vec![7; length]));
        for right in [of(24), of(64), of(25).trim_end_matches('=').to_owned()] {
            assert!(parse(&right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "whsec_",
            "whsec_!",
            &of(23),
            &of(65),
            of(32).trim_start_matches("whsec_"),
            "whsec_MfKQ9r8GKYqrTwj UPD8ILPZIo2LaLaSw",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(parse(&of(32)), parse(&of(32)));
        assert_ne!(parse(&of(32)), parse(&of(33)));
    }
}
