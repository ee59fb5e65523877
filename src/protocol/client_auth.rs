//! Client authentication (RFC 6749 section 2.3, OpenID Connect Core 1.0 section 9).

use super::error::{ErrorCode, OAuthError};
use super::parameter::invalid;
use crate::base::encode::parse_base64;
use crate::base::form::{self, Form};
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::id::{ClientId, is_text_id};

/// The authentication methods of the token endpoint, as discovery lists them.
pub const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// The methods of endpoints that are for confidential clients only.
pub const CONFIDENTIAL_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// Who a client says it is, and how it proves it. Never empty: there is at least one claim to be somebody.
#[derive(Clone, Debug)]
pub struct Credentials {
    readings: Vec<Reading>,
    by_header: bool,
}

/// One way to read credentials.
#[derive(Clone, Debug)]
struct Reading {
    client_id: ClientId,
    /// `None` also for an empty one: RFC 6749 section 2.3.1 lets clients leave it out when it is.
    secret: Option<Secret>,
}

impl Credentials {
    /// RFC 6749 section 2.3.1: credentials from the `Authorization` header (its scheme and what stands behind) or from the
    /// body, not from both.
    ///
    /// # Errors
    /// `invalid_client` when there are none or they can't be read, `invalid_request` when there are several.
    pub fn parse(authorization: Option<(&str, &str)>, body: &Form) -> Result<Self, OAuthError> {
        for name in ["client_id", "client_secret"] {
            if body.repeats(name) {
                return Err(invalid(format!("the parameter '{name}' came more than once")));
            }
        }
        if body.get("client_assertion").is_some() || body.get("client_assertion_type").is_some() {
            return Err(refusal("client_assertion is not supported", authorization.is_some()));
        }
        match authorization {
            Some((scheme, credentials)) => Self::from_header(scheme, credentials, body),
            None => Self::from_body(body),
        }
    }

    fn from_header(scheme: &str, credentials: &str, body: &Form) -> Result<Self, OAuthError> {
        if !scheme.eq_ignore_ascii_case("Basic") {
            return Err(refusal("the Authorization scheme is not Basic", true));
        }
        if body.get("client_secret").is_some() {
            return Err(invalid("the client authenticated in the Authorization header and in the body"));
        }
        let readings = parse_basic(credentials).ok_or_else(|| refusal("malformed Basic credentials", true))?;
        let other = body.get("client_id").is_some_and(|id| readings.iter().all(|one| one.client_id.as_str() != id));
        if other {
            return Err(invalid("client_id in the body is not the one of the Authorization header"));
        }
        Ok(Self { readings, by_header: true })
    }

    fn from_body(body: &Form) -> Result<Self, OAuthError> {
        let id = body.get("client_id").ok_or_else(|| refusal("no credentials", false))?;
        let reading =
            Reading::new(id, body.get("client_secret")).ok_or_else(|| refusal("malformed client_id", false))?;
        Ok(Self { readings: vec![reading], by_header: false })
    }

    /// The ids under which to look the client up, in order: one, or two where the credentials can be read in two ways.
    pub fn client_ids(&self) -> impl Iterator<Item = &ClientId> {
        self.readings.iter().map(|reading| &reading.client_id)
    }

    /// RFC 6749 section 5.2: the answer when authentication fails, the same for an unknown client and a wrong secret. Only
    /// the log learns the `detail`.
    pub fn refuse(&self, detail: &str) -> OAuthError {
        refusal(detail, self.by_header)
    }
}

impl Reading {
    fn new(client_id: &str, secret: Option<&str>) -> Option<Self> {
        let secret = secret.filter(|secret| !secret.is_empty()).map(Secret::new);
        is_text_id(client_id).then(|| Self { client_id: ClientId::new(client_id), secret })
    }
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded and then joined as in RFC 7617 section 2. Many clients leave the
/// first step out, which shows only in secrets with `%` or `+`; so such credentials have two readings.
fn parse_basic(credentials: &str) -> Option<Vec<Reading>> {
    let plain = parse_base64(credentials).and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::from)?;
    let (id, secret) = plain.expose().split_once(':')?;
    let raw = Reading::new(id, Some(secret));
    let decoded = match (form::decode(id.as_bytes()), form::decode(secret.as_bytes())) {
        (Ok(decoded_id), Ok(decoded)) if decoded_id != id || decoded != secret => {
            Reading::new(&decoded_id, Some(&decoded))
        }
        _ => None,
    };
    let readings: Vec<_> = decoded.into_iter().chain(raw).collect();
    (!readings.is_empty()).then_some(readings)
}

/// RFC 6749 sections 2.3 and 3.2.1: a confidential client proves that it knows its secret; a public one has none to prove.
///
/// A public client that sends a secret is refused. It is set up for another registration than the one we hold, and whoever
/// runs it believes in a protection that isn't there.
///
/// # Errors
/// `invalid_client`.
pub fn check(client: &Client, credentials: &Credentials) -> Result<(), OAuthError> {
    let readings = || credentials.readings.iter().filter(|reading| reading.client_id == client.id);
    if client.is_public() {
        return match readings().next() {
            None => Err(credentials.refuse("the credentials are of another client")),
            Some(reading) if reading.secret.is_some() => {
                Err(invalid_client("this client is public and must not send a client_secret", credentials.by_header))
            }
            Some(_) => Ok(()),
        };
    }
    let Some(secret) = client.secret.as_ref().filter(|secret| !secret.is_empty()) else {
        return Err(credentials.refuse("the client is confidential but has no secret"));
    };
    // All readings are compared, so that the time doesn't tell which one was right.
    let matched = readings()
        .filter_map(|reading| reading.secret.as_ref())
        .fold(false, |matched, shown| secret.matches(shown.expose()) | matched);
    if matched { Ok(()) } else { Err(credentials.refuse("the secret is missing or wrong")) }
}

fn refusal(detail: &str, by_header: bool) -> OAuthError {
    invalid_client("client authentication failed", by_header).detail(detail)
}

fn invalid_client(description: &'static str, by_header: bool) -> OAuthError {
    let error = OAuthError::new(ErrorCode::InvalidClient, description);
    if by_header { error.with_basic_challenge() } else { error }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::model::client::ClientType;

    fn client(kind: ClientType, secret: Option<&str>) -> Client {
        let client = Client::new(ClientId::new("app"), "App".into(), 1, Timestamp::EPOCH);
        Client { kind, secret: secret.map(Secret::new), ..client }
    }

    fn confidential(secret: &str) -> Client {
        client(ClientType::Confidential, Some(secret))
    }

    fn base64(text: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(text)
    }

    fn basic(client: &Client, plain: &str) -> Result<(), OAuthError> {
        let header = base64(plain);
        check(client, &Credentials::parse(Some(("Basic", &header)), &Form::default())?)
    }

    fn post(client: &Client, pairs: &[(&str, &str)]) -> Result<(), OAuthError> {
        check(client, &Credentials::parse(None, &pairs.iter().copied().collect())?)
    }

    #[test]
    fn rfc6749_2_3_1_secrets_are_form_encoded_in_the_header_or_raw() {
        for (secret, shown) in [
            ("simple", "simple"),
            ("a:b:c", "a:b:c"),
            ("a:b c", "a%3Ab+c"),
            ("100%+", "100%25%2B"),
            ("100%+", "100%+"),
            ("100%25", "100%25"),
            ("été", "%C3%A9t%C3%A9"),
            ("été", "été"),
            ("%ff", "%ff"),
        ] {
            assert_eq!(basic(&confidential(secret), &format!("app:{shown}")), Ok(()), "{secret} as {shown}");
        }
        for wrong in ["other", "simpl", "simple ", "SIMPLE", ""] {
            assert!(basic(&confidential("simple"), &format!("app:{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rfc6749_2_3_1_an_encoded_id_has_two_readings_too() {
        let header = base64("https%3A%2F%2Fapp:s");
        let credentials = Credentials::parse(Some(("basic", &header)), &Form::default()).unwrap();
        let ids: Vec<_> = credentials.client_ids().map(ClientId::as_str).collect();
        assert_eq!(ids, ["https://app", "https%3A%2F%2Fapp"]);
        let both = [("client_id", "https://app")].into_iter().collect();
        assert!(Credentials::parse(Some(("Basic", &header)), &both).is_ok());
    }

    #[test]
    fn rfc7617_2_malformed_headers_fail_with_a_challenge() {
        for (scheme, value) in [
            ("Basic", "%%%"),
            ("Basic", ""),
            ("Basic", &base64("no colon")),
            ("Basic", &base64(":secret")),
            ("Basic", &base64("spa ce:secret")),
            ("Bearer", "token"),
        ] {
            let error = Credentials::parse(Some((scheme, value)), &Form::default()).unwrap_err();
            assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 401), "{scheme} {value}");
            assert!(error.has_basic_challenge());
        }
        let latin1 = base64::engine::general_purpose::STANDARD.encode(b"app:\xe9");
        assert!(Credentials::parse(Some(("BASIC", &latin1)), &Form::default()).is_err());
    }

    #[test]
    fn rfc6749_2_3_one_method_at_a_time() {
        let header = base64("app:secret");
        let parse = |pairs: &[(&str, &str)]| {
            Credentials::parse(Some(("Basic", &header)), &pairs.iter().copied().collect()).map(|_| ())
        };
        assert_eq!(parse(&[("client_id", "app")]), Ok(()));
        for both in [&[("client_secret", "secret")][..], &[("client_id", "other")]] {
            assert_eq!(parse(both).unwrap_err().code(), ErrorCode::InvalidRequest, "{both:?}");
        }
        let twice = [("client_id", "app"), ("client_id", "app")];
        assert_eq!(post(&confidential("s"), &twice).unwrap_err().code(), ErrorCode::InvalidRequest);
        let assertion = [("client_id", "app"), ("client_assertion", "x")];
        assert_eq!(post(&confidential("s"), &assertion).unwrap_err().code(), ErrorCode::InvalidClient);
    }

    #[test]
    fn rfc6749_5_2_failures_in_the_body_have_no_challenge_and_all_look_the_same() {
        let right = [("client_id", "app"), ("client_secret", "secret")];
        assert_eq!(post(&confidential("secret"), &right), Ok(()));
        let raw = [("client_id", "app"), ("client_secret", "a%20b")];
        assert_eq!(post(&confidential("a%20b"), &raw), Ok(()), "the form is decoded once");
        let errors = [
            post(&confidential("secret"), &[]),
            post(&confidential("secret"), &[("client_id", "app")]),
            post(&confidential("secret"), &[("client_id", "app"), ("client_secret", "")]),
            post(&confidential("secret"), &[("client_id", "app"), ("client_secret", "wrong")]),
            post(&confidential("secret"), &[("client_id", "other"), ("client_secret", "secret")]),
            post(&confidential("secret"), &[("client_id", "a b"), ("client_secret", "secret")]),
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 400));
            assert_eq!(error.description(), "client authentication failed");
        }
    }

    #[test]
    fn a_confidential_client_without_a_secret_never_authenticates() {
        for secret in [None, Some("")] {
            let client = client(ClientType::Confidential, secret);
            assert!(basic(&client, "app:").is_err());
            assert!(post(&client, &[("client_id", "app")]).is_err());
            assert!(post(&client, &[("client_id", "app"), ("client_secret", "")]).is_err());
        }
    }

    #[test]
    fn rfc6749_2_3_a_public_client_sends_no_secret() {
        let client = client(ClientType::Public, None);
        assert_eq!(post(&client, &[("client_id", "app")]), Ok(()));
        assert_eq!(post(&client, &[("client_id", "app"), ("client_secret", "")]), Ok(()));
        assert_eq!(basic(&client, "app:"), Ok(()));
        assert_eq!(basic(&client, "app:x").unwrap_err().status(), 401);
        let error = post(&client, &[("client_id", "app"), ("client_secret", "x")]).unwrap_err();
        assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 400));
        assert!(post(&client, &[("client_id", "other")]).is_err());
    }
}
