use super::*;
use crate::base::secret::Secret;
use crate::model::client::ClientType;
use crate::model::grant::ChallengeMethod;
use crate::protocol::redirect::{Beside, Redirection};
use crate::protocol::response::AuthorizationResponse;

const CALLBACK: &str = "https://app.example/cb?x=1";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn client() -> Client {
    let mut client = Client::new(ClientId::new("app"), "App".into(), 1, NOW);
    client.redirect_uris = vec![CALLBACK.to_owned(), "http://127.0.0.1/cb".to_owned()];
    client
}

fn issuer() -> Issuer {
    Issuer::parse("https://id.example").unwrap()
}

/// A good request with `changes`: another value, or none for `""`.
fn form(changes: &[(&str, &str)]) -> Form {
    let good = [
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "xyz"),
    ];
    let kept = good.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().copied()).collect()
}

static NO_SCOPES: Scope = Scope::empty();
const POLICY: Policy<'static> = Policy { plain_challenge: false, scopes: &NO_SCOPES };

fn parse_for(client: &Client, form: &Form, policy: Policy<'_>) -> Result<AuthorizeRequest, OAuthError> {
    let target = prove_target(form, client, &issuer(), Beside::Nothing).unwrap();
    AuthorizeRequest::parse(form, client, &target, policy, NOW)
}

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizeRequest, OAuthError> {
    parse_for(&client(), &form(changes), POLICY)
}

fn refused(changes: &[(&str, &str)]) -> ErrorCode {
    parse(changes).map(|_| ()).unwrap_err().code()
}

#[test]
fn rfc6749_4_1_2_1_without_a_client_there_is_no_redirect() {
    for (query, expected) in [
        ("", Err(Unproven::ClientIdMissing)),
        ("client_id=", Err(Unproven::ClientIdMissing)),
        ("client_id=app&client_id=app", Err(Unproven::ClientIdRepeated)),
        ("client_id=app", Ok("app")),
    ] {
        let parsed = parse_client_id(&Form::parse(query.as_bytes()).unwrap());
        assert_eq!(parsed.as_ref().map(ClientId::as_str), expected.as_ref().map(|id| *id), "{query}");
    }
    let long: Form = [("client_id", "x".repeat(256))].into_iter().collect();
    assert_eq!(parse_client_id(&long), Err(Unproven::ClientUnknown));
}

#[test]
fn rfc6749_4_1_2_1_without_a_registered_uri_there_is_no_redirect() {
    let too_long = format!("https://app.example/{}", "x".repeat(3000));
    for (uri, cause) in [
        ("", Unproven::RedirectUriMissing),
        ("https://app.example/cb", Unproven::RedirectUriUnregistered),
        ("https://app.example/cb?x=1/more", Unproven::RedirectUriUnregistered),
        ("https://evil.example/", Unproven::RedirectUriUnregistered),
        (&too_long, Unproven::RedirectUriUnregistered),
    ] {
        assert_eq!(
            prove_target(&form(&[("redirect_uri", uri)]), &client(), &issuer(), Beside::Nothing),
            Err(cause),
            "{uri}"
        );
    }
    let twice = form(&[("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)]);
    assert_eq!(prove_target(&twice, &client(), &issuer(), Beside::Nothing), Err(Unproven::RedirectUriRepeated));
}

#[test]
fn each_cause_on_the_error_page_has_its_own_phrase() {
    for cause in Unproven::ALL {
        assert_eq!(OAuthError::from(cause).description(), cause.phrase());
        assert_eq!(Unproven::ALL.iter().filter(|other| other.phrase() == cause.phrase()).count(), 1);
    }
}

#[test]
fn rfc6749_4_1_2_1_the_target_knows_state_and_mode_before_the_rest_is_read() {
    for (changes, mode, state) in [
        (&[][..], ResponseMode::Query, Some("xyz")),
        (&[("state", "")], ResponseMode::Query, None),
        (&[("state", "a"), ("state", "a")], ResponseMode::Query, None),
        (&[("response_type", "id_token token")], ResponseMode::Fragment, Some("xyz")),
        (&[("response_type", ""), ("response_mode", "form_post")], ResponseMode::FormPost, Some("xyz")),
        (&[("response_mode", "nonsense")], ResponseMode::Query, Some("xyz")),
    ] {
        let target = prove_target(&form(changes), &client(), &issuer(), Beside::Nothing).unwrap();
        assert_eq!((target.mode(), target.state()), (mode, state), "{changes:?}");
    }
    let long = "x".repeat(MAX_STATE + 1);
    let target = prove_target(&form(&[("state", &long)]), &client(), &issuer(), Beside::Nothing).unwrap();
    assert_eq!(target.state(), None);
    assert_eq!(refused(&[("state", &long)]), ErrorCode::InvalidRequest);
    assert_eq!(parse(&[("state", &"x".repeat(MAX_STATE))]).unwrap().state.unwrap().len(), MAX_STATE);
}

#[test]
fn oidc_core_3_1_2_1_a_request_is_read_whole() {
    let request = parse(&[
        ("scope", "email openid unknown"),
        ("state", "a b\r\n✓"),
        ("response_mode", "form_post"),
        ("nonce", "n-1"),
        ("prompt", "login consent"),
        ("max_age", "0"),
        ("display", "popup"),
        ("ui_locales", "fr-CA fr"),
        ("claims_locales", "fr"),
        ("acr_values", "1 2"),
        ("login_hint", "ann@x.example"),
        ("id_token_hint", "e.y.J"),
        ("claims", r#"{"userinfo":{"phone_number":null}}"#),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("extra", "foobar"),
    ])
    .unwrap();
    assert_eq!(request.response_type, ResponseType::CODE);
    assert_eq!(request.response_mode, ResponseMode::FormPost);
    assert_eq!(request.scope.to_string(), "email openid");
    assert_eq!(request.consent_scope().to_string(), "email openid phone");
    assert_eq!(request.state.as_deref(), Some("a b\r\n✓"));
    assert_eq!(request.nonce.as_deref(), Some("n-1"));
    assert_eq!(request.prompt, Prompt::LOGIN.with(Prompt::CONSENT));
    assert_eq!(request.max_age, Some(0));
    assert_eq!(request.display, Some(Display::Popup));
    assert_eq!(request.ui_locales.as_deref(), Some("fr-CA fr"));
    assert_eq!(request.claims_locales.as_deref(), Some("fr"));
    assert_eq!(request.acr_values.as_deref(), Some("1 2"));
    assert_eq!(request.login_hint.as_deref(), Some("ann@x.example"));
    assert_eq!(request.id_token_hint.as_deref(), Some("e.y.J"));
    assert_eq!(request.claims_request().unwrap().userinfo.len(), 1);
    assert_eq!(request.challenge, Some(Challenge { method: ChallengeMethod::S256, value: CHALLENGE.into() }));
    assert_eq!(request.created_at, NOW);
    assert_eq!(AuthorizeRequest::from_bytes(&request.to_bytes()), Some(request));
}

#[test]
fn a_sealed_request_is_small_and_other_bytes_are_none() {
    let request = parse(&[]).unwrap();
    let bytes = request.to_bytes();
    assert!(bytes.len() < 100, "{}", bytes.len());
    assert_eq!(AuthorizeRequest::from_bytes(&bytes), Some(request));
    assert_eq!(AuthorizeRequest::from_bytes(&[]), None);
    assert_eq!(AuthorizeRequest::from_bytes(&bytes[1..]), None);
    assert_eq!(AuthorizeRequest::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(AuthorizeRequest::from_bytes(&[&[VERSION + 1], &bytes[1..]].concat()), None);
}

#[test]
fn rfc6749_3_1_repeated_parameters_are_refused() {
    assert_eq!(refused(&[("scope", "openid"), ("scope", "openid")]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[("unknown", "1"), ("unknown", "2")]), ErrorCode::InvalidRequest);
    assert!(parse(&[("unknown", "1"), ("resource", "a"), ("resource", "b")]).is_ok());
}

#[test]
fn oidc_core_3_1_2_6_what_is_not_supported_is_said() {
    for (changes, code) in [
        (&[("request", "e.y.J")][..], ErrorCode::RequestNotSupported),
        (&[("request_uri", "https://app.example/r")], ErrorCode::RequestUriNotSupported),
        (&[("registration", "{}")], ErrorCode::RegistrationNotSupported),
        (&[("request", "e.y.J"), ("response_type", "")], ErrorCode::RequestNotSupported),
        (&[("response_type", "")], ErrorCode::InvalidRequest),
        (&[("response_type", "nonsense")], ErrorCode::UnsupportedResponseType),
        (&[("response_type", "code code")], ErrorCode::UnsupportedResponseType),
        (&[("response_type", "code none")], ErrorCode::UnsupportedResponseType),
        (&[("response_mode", "query.jwt")], ErrorCode::InvalidRequest),
        (&[("scope", "openid \"")], ErrorCode::InvalidScope),
        (&[("prompt", "none login")], ErrorCode::InvalidRequest),
        (&[("max_age", "-1")], ErrorCode::InvalidRequest),
        (&[("max_age", "+1")], ErrorCode::InvalidRequest),
        (&[("max_age", "1.5")], ErrorCode::InvalidRequest),
        (&[("max_age", "99999999999999999999")], ErrorCode::InvalidRequest),
        (&[("claims", "[]")], ErrorCode::InvalidRequest),
        (&[("code_challenge_method", "S256")], ErrorCode::InvalidRequest),
        (&[("code_challenge", CHALLENGE)], ErrorCode::InvalidRequest),
    ] {
        assert_eq!(refused(changes), code, "{changes:?}");
    }
    assert!(parse(&[("request", "")]).is_ok(), "empty counts as omitted");
}

#[test]
fn oidc_core_5_5_1_1_an_essential_acr_that_cannot_be_met_is_said() {
    let acr = |values: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":{values}}}}}}}"#);
    assert_eq!(refused(&[("claims", &acr(r#"["9"]"#))]), ErrorCode::UnmetAuthenticationRequirements);
    assert!(parse(&[("claims", &acr(r#"["9","1"]"#))]).is_ok());
}

#[test]
fn oidc_core_3_1_2_1_what_is_not_understood_is_ignored() {
    let request = parse(&[("display", "hologram"), ("prompt", "create"), ("ui_locales", "se")]).unwrap();
    assert_eq!((request.display, request.prompt), (None, Prompt::default()));
}

#[test]
fn rfc6749_3_3_a_request_without_openid_is_plain_oauth() {
    for scope in ["", "email", "unknown"] {
        let request = parse(&[("scope", scope), ("claims", r#"{"userinfo":{"phone_number":null}}"#)]).unwrap();
        assert!(!request.is_openid());
        assert_eq!(request.claims_request(), None);
        assert_eq!(request.consent_scope(), request.scope);
    }
}

#[test]
fn rfc6749_4_1_2_1_a_client_gets_only_what_it_is_registered_for() {
    let mut other = client();
    other.response_types = vec![ResponseType::ID_TOKEN];
    let refused = |client: &Client| parse_for(client, &form(&[]), POLICY).unwrap_err().code();
    assert_eq!(refused(&other), ErrorCode::UnauthorizedClient);
    other.response_types = vec![ResponseType::CODE];
    other.grant_types = vec![GrantType::RefreshToken];
    assert_eq!(refused(&other), ErrorCode::UnauthorizedClient);
}

#[test]
fn rfc9700_2_1_1_public_clients_and_those_that_want_to_use_pkce() {
    let mut strict = client();
    strict.require_pkce = true;
    let public = Client { kind: ClientType::Public, ..client() };
    let s256 = form(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    let plain = form(&[("code_challenge", CHALLENGE)]);
    for client in [&strict, &public] {
        assert!(parse_for(client, &form(&[]), POLICY).is_err());
        assert!(parse_for(client, &s256, POLICY).is_ok());
        assert!(parse_for(client, &plain, POLICY).is_err());
        assert!(parse_for(client, &plain, Policy { plain_challenge: true, ..POLICY }).is_ok());
    }
    assert!(parse_for(&client(), &form(&[]), POLICY).is_ok());
}

#[test]
fn long_values_are_refused() {
    for (name, max) in [
        ("nonce", MAX_NONCE),
        ("scope", MAX_SCOPE),
        ("claims", MAX_CLAIMS),
        ("id_token_hint", MAX_HINT),
        ("login_hint", MAX_TEXT),
        ("prompt", MAX_TEXT),
        ("ui_locales", MAX_TEXT),
        ("claims_locales", MAX_TEXT),
        ("acr_values", MAX_TEXT),
    ] {
        assert_eq!(refused(&[(name, &"x".repeat(max + 1))]), ErrorCode::InvalidRequest, "{name}");
    }
    assert!(parse(&[("nonce", &"x".repeat(MAX_NONCE))]).is_ok());
}

#[test]
fn a_pending_request_has_to_prove_its_target_again() {
    let request = parse(&[("response_mode", "fragment")]).unwrap();
    let target = request.prove_target(&client(), &issuer(), Beside::Nothing).unwrap();
    let expected = format!("{CALLBACK}#code=c&state=xyz&iss=https%3A%2F%2Fid.example");
    assert_eq!(
        target.success(&AuthorizationResponse { code: Some(Secret::new("c")), ..Default::default() }),
        Redirection::Location(expected)
    );
    let moved = Client { redirect_uris: vec![], ..client() };
    assert_eq!(request.prove_target(&moved, &issuer(), Beside::Nothing), None);
    let other = Client { id: ClientId::new("other"), ..client() };
    assert_eq!(request.prove_target(&other, &issuer(), Beside::Nothing), None);
}

#[test]
fn what_fits_alone_may_be_too_long_together() {
    let (state, hint) = ("s".repeat(8000), "h".repeat(8000));
    assert!(parse(&[("state", &state)]).is_ok());
    assert!(parse(&[("id_token_hint", &hint)]).is_ok());
    assert_eq!(refused(&[("state", &state), ("id_token_hint", &hint)]), ErrorCode::InvalidRequest);
}
