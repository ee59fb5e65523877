//! `protocol::authorize`: no request gets an answer but at a registered address, in its own mode, with its own state, and none
//! is granted more than it asked for.
#![no_main]

use std::sync::LazyLock;

use hallpass::base::clock::Timestamp;
use hallpass::base::form::Form;
use hallpass::base::secret::Secret;
use hallpass::base::uri::MAX_LENGTH;
use hallpass::model::client::{Client, ClientType, GrantType, ResponseType};
use hallpass::model::grant::ChallengeMethod;
use hallpass::model::id::ClientId;
use hallpass::model::scope::{Scope, is_token};
use hallpass::protocol::authorize::{AuthorizeRequest, Policy, Unproven, parse_client_id, prove_target};
use hallpass::protocol::error::{ErrorCode, OAuthError};
use hallpass::protocol::issuer::Issuer;
use hallpass::protocol::prompt::Prompt;
use hallpass::protocol::redirect::{Beside, Redirection, Target};
use hallpass::protocol::response::{AuthorizationResponse, ResponseMode};
use hallpass::protocol::scope::{OFFLINE_ACCESS, STANDARD};
use hallpass_fuzz::{ISSUER, START};
use libfuzzer_sys::fuzz_target;
use url::Url;

static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| {
    let client = |id: &str, kind: ClientType, uris: &[&str]| Client {
        kind,
        secret: (kind == ClientType::Confidential).then(|| Secret::new("s")),
        redirect_uris: uris.iter().map(ToString::to_string).collect(),
        ..Client::new(ClientId::new(id), id.to_uppercase(), 1, Timestamp::EPOCH)
    };
    vec![
        client("web", ClientType::Confidential, &["https://app.example/callback", "https://app.example/?a=&b=%20+"]),
        client("native", ClientType::Public, &["http://127.0.0.1/callback", "com.example.app:/cb", "http://[::1]?x"]),
        Client {
            scope: Scope::parse("read:books write:books"),
            require_pkce: true,
            ..client("api", ClientType::Confidential, &["https://api.example"])
        },
        Client {
            grant_types: vec![GrantType::AuthorizationCode],
            ..client("plain", ClientType::Confidential, &["http://localhost:3000/cb?x=1"])
        },
        // Neither may ask for a code.
        Client {
            response_types: vec![ResponseType::ID_TOKEN],
            ..client("implicit", ClientType::Public, &["https://spa.example/"])
        },
        Client {
            grant_types: vec![GrantType::RefreshToken],
            ..client("grantless", ClientType::Confidential, &["https://app.example/callback"])
        },
    ]
});

static HERE: LazyLock<Issuer> = LazyLock::new(|| Issuer::parse(ISSUER).expect("an issuer"));

// The first byte is the policy; the rest a query, in which `client_id` chooses the client.
fuzz_target!(|data: &[u8]| {
    let Some((policy, query)) = data.split_first() else { return };
    let Ok(form) = Form::parse(query) else { return };
    let policy = Policy { plain_challenge: policy % 2 == 1, scopes: &Scope::parse("read:books") };
    let sent: Vec<&str> = form.iter().filter(|(name, _)| *name == "client_id").map(|(_, value)| value).collect();
    match parse_client_id(&form) {
        Ok(id) => {
            assert_eq!(sent, [id.as_str()]);
            if let Some(client) = CLIENTS.iter().find(|client| client.id == id) {
                ask(&form, client, policy);
            }
        }
        Err(Unproven::ClientIdMissing) => assert!(matches!(sent[..], [] | [""])),
        Err(Unproven::ClientIdRepeated) => assert!(sent.len() > 1),
        Err(Unproven::ClientUnknown) => assert!(sent[0].len() > 255),
        Err(other) => panic!("{other:?}"),
    }
});

fn ask(form: &Form, client: &Client, policy: Policy) {
    let target = match prove_target(form, client, &HERE, Beside::Nothing) {
        Ok(target) => target,
        Err(cause) => {
            let uri = form.sent("redirect_uri").unwrap_or_default();
            match cause {
                Unproven::RedirectUriMissing => assert_eq!(uri, ""),
                Unproven::RedirectUriRepeated => assert!(form.repeats("redirect_uri")),
                Unproven::RedirectUriUnregistered => {
                    assert!(uri.len() > MAX_LENGTH || !client.redirect_uris.iter().any(|own| own == uri));
                }
                other => panic!("{other:?}"),
            }
            return;
        }
    };
    proven(form, client, &target);
    match AuthorizeRequest::parse(form, client, &target, policy, START) {
        Ok(request) => {
            granted(form, client, &request, policy);
            let again = request.prove_target(client, &HERE, Beside::Nothing);
            assert_eq!(again.as_ref(), Some(&target), "where the answer goes doesn't change on the way");
            let others = CLIENTS.iter().filter(|other| other.id != client.id);
            assert!(others.into_iter().all(|other| request.prove_target(other, &HERE, Beside::Nothing).is_none()));
            let code = "hpc_x y&z=#%";
            let response = AuthorizationResponse { code: Some(Secret::new(code)), ..AuthorizationResponse::default() };
            answer(&target, &[("code", code)], &target.success(&response));
        }
        Err(error) => refused(form, client, &target, &error),
    }
}

/// Where answers go: registered, in the mode and with the state that was asked for.
fn proven(form: &Form, client: &Client, target: &Target) {
    let uri = target.redirect_uri();
    assert_eq!(form.sent("redirect_uri"), Some(uri));
    let registered = client.redirect_uris.iter().any(|own| {
        let (own, asked) = (Url::parse(own).expect("a URL"), Url::parse(uri).expect("a URL"));
        let loopback = own.scheme() == "http" && matches!(own.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(ToOwned::to_owned), url.path().to_owned());
        place(&own) == place(&asked)
            && own.query() == asked.query()
            && (loopback || own.port() == asked.port())
            && asked.fragment().is_none()
            && asked.username().is_empty()
    });
    assert!(registered, "{uri} isn't registered for {}", client.id);
    let code_only = form.get("response_type").is_none_or(|text| {
        !text.split_ascii_whitespace().any(|word| word != "code")
            || ResponseType::parse(text).is_none()
            || text == "none"
    });
    let expected = match (form.get("response_mode"), code_only) {
        (Some("form_post"), _) => ResponseMode::FormPost,
        (Some("fragment"), _) | (_, false) => ResponseMode::Fragment,
        (_, true) => ResponseMode::Query,
    };
    assert_eq!(target.mode(), expected);
    assert_eq!(target.state(), form.get("state").filter(|state| !form.repeats("state") && state.len() <= 8192));
}

/// What a valid request amounts to.
fn granted(form: &Form, client: &Client, request: &AuthorizeRequest, policy: Policy) {
    let repeated = form.names().find(|name| *name != "resource" && form.repeats(name));
    assert_eq!(repeated, None);
    assert!(client.response_types.contains(&ResponseType::CODE) && client.may_use(GrantType::AuthorizationCode));
    assert_eq!(
        (request.response_type, form.get("response_type")),
        (ResponseType::CODE, form.get("response_type").filter(|text| text.trim_ascii() == "code"))
    );
    assert!(["request", "request_uri", "registration"].iter().all(|name| form.get(name).is_none()));

    // RFC 6749 section 3.3: never more than was asked for, never what nobody knows.
    let asked: Vec<&str> = form.get("scope").unwrap_or_default().split_ascii_whitespace().collect();
    for token in request.scope.iter() {
        assert!(is_token(token) && asked.contains(&token));
        let known = STANDARD.iter().any(|(name, _)| *name == token) || policy.scopes.contains(token);
        assert!(known || client.scope.contains(token));
        assert!(token != OFFLINE_ACCESS || client.may_use(GrantType::RefreshToken));
    }
    assert_eq!(request.is_openid(), asked.contains(&"openid"));
    assert!(request.consent_scope().covers(&request.scope), "consent is asked for all of it");

    // RFC 7636: who needs a challenge has one, and it is a strong one.
    assert!(request.challenge.is_some() || !client.is_public() && !client.require_pkce);
    if let Some(challenge) = &request.challenge {
        assert_eq!(form.get("code_challenge"), Some(challenge.value.as_str()));
        match challenge.method {
            ChallengeMethod::S256 => {
                assert!(form.get("code_challenge_method") == Some("S256") && challenge.value.len() == 43)
            }
            ChallengeMethod::Plain => assert!(policy.plain_challenge && (43..=128).contains(&challenge.value.len())),
        }
        assert!(!challenge.matches("") && !challenge.matches("x"));
    }
    assert_eq!(request.state.as_deref(), form.get("state"));
    assert_eq!(request.nonce.as_deref(), form.get("nonce"));
    assert_eq!(
        request.max_age.map(|age| age.to_string()).as_deref(),
        form.get("max_age").map(|text| {
            let digits = text.trim_start_matches('0');
            if digits.is_empty() { "0" } else { digits }
        })
    );
    let prompt: Vec<&str> = form.get("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    assert_eq!(request.prompt.has(Prompt::NONE), prompt.contains(&"none"));
    assert!(!request.prompt.has(Prompt::NONE) || prompt.iter().all(|word| *word == "none"));
    assert_eq!(request.prompt.has(Prompt::LOGIN), prompt.contains(&"login"));
    assert_eq!(request.prompt.has(Prompt::CONSENT), prompt.contains(&"consent"));

    // It is carried along in bytes, and nothing else reads as one.
    let bytes = request.to_bytes();
    assert_eq!(AuthorizeRequest::from_bytes(&bytes).as_ref(), Some(request));
    assert!(AuthorizeRequest::from_bytes(&bytes[1..]).is_none());
    assert!(AuthorizeRequest::from_bytes(&bytes[..bytes.len() - 1]).is_none());
}

/// RFC 6749 section 4.1.2.1: the errors that the endpoint may answer with, at the client's own address.
fn refused(form: &Form, client: &Client, target: &Target, error: &OAuthError) {
    let known = [
        ErrorCode::InvalidRequest,
        ErrorCode::UnauthorizedClient,
        ErrorCode::UnsupportedResponseType,
        ErrorCode::InvalidScope,
        ErrorCode::RequestNotSupported,
        ErrorCode::RequestUriNotSupported,
        ErrorCode::RegistrationNotSupported,
        ErrorCode::UnmetAuthenticationRequirements,
    ];
    assert!(known.contains(&error.code()), "{error}");
    if error.code() == ErrorCode::UnauthorizedClient {
        let asked = form.get("response_type").and_then(ResponseType::parse);
        let registered = asked.is_some_and(|asked| client.response_types.contains(&asked));
        assert!(!registered || matches!(client.id.as_str(), "implicit" | "grantless"), "{form:?}");
    }
    let legal = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(error.description().len() <= 300 && error.description().chars().all(legal), "{error}");
    assert!(error.private_detail().is_none_or(|detail| !detail.chars().any(char::is_control)), "{error:?}");
    answer(target, &[("error", error.code().name()), ("error_description", error.description())], &target.error(error));
}

/// What a browser is sent on with reads as what was meant, at the registered address, in the mode's part of it.
fn answer(target: &Target, expected: &[(&str, &str)], redirection: &Redirection) {
    let state = target.state().map(|state| ("state", state));
    let expected: Vec<(&str, &str)> = expected.iter().copied().chain(state).chain([("iss", ISSUER)]).collect();
    let location = match redirection {
        Redirection::Location(location) => location,
        Redirection::FormPost { action, fields } => {
            assert_eq!(target.mode(), ResponseMode::FormPost);
            assert_eq!(action, target.redirect_uri());
            assert!(fields.iter().map(|(name, value)| (*name, value.as_str())).eq(expected));
            return;
        }
    };
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location:?}");
    let added = location.strip_prefix(target.redirect_uri()).expect("the registered address, as it is");
    let (before, after) = (Url::parse(target.redirect_uri()).expect("a URL"), Url::parse(location).expect("a URL"));
    assert_eq!(before.origin().ascii_serialization(), after.origin().ascii_serialization());
    assert_eq!((before.host_str(), before.port(), before.path()), (after.host_str(), after.port(), after.path()));
    let part = match target.mode() {
        ResponseMode::Query => {
            assert!(after.fragment().is_none());
            assert!(after.query().is_some_and(|query| query.starts_with(before.query().unwrap_or_default())));
            added
        }
        ResponseMode::Fragment => {
            assert_eq!(before.query(), after.query());
            after.fragment().expect("a fragment")
        }
        ResponseMode::FormPost => panic!("{location}"),
    };
    // An independent reader, since that is what clients have.
    let pairs = url::form_urlencoded::parse(part.trim_start_matches(['?', '&']).as_bytes());
    let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert!(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{location}");
}
