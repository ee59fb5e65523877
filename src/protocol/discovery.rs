//! The discovery document (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2). It says only what is true, and
//! only with registered names.

use serde::Serialize;

use super::authorize::Display;
use super::issuer::{Endpoint, Issuer};
use super::response::{ResponseMode, SUPPORTED_RESPONSE_TYPES};
use super::standard_claim::StandardClaim;
use super::{client_auth, id_token, pkce, scope};
use crate::jose::alg::Algorithm;
use crate::model::client::GrantType;

/// What a deployment offers beyond what every release does.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Who.
    pub issuer: &'a Issuer,
    /// The endpoints that are served, in any order. Those that aren't have no address in the document.
    pub endpoints: &'a [Endpoint],
    /// The grant types that clients may use.
    pub grant_types: &'a [GrantType],
    /// The algorithms that ID tokens are signed with, best first. RS256 must be one (section 3).
    pub algorithms: &'a [Algorithm],
    /// Whether the code challenge method `plain` is taken.
    pub plain_challenge: bool,
    /// Scopes of the deployment's own.
    pub scopes: &'a [String],
    /// Claims of the deployment's own.
    pub claims: &'a [String],
    /// The languages of the pages, as tags of BCP 47 in their canonical spelling.
    pub ui_locales: &'a [String],
}

/// The claims of an ID token that the protocol sets.
const PROTOCOL_CLAIMS: [&str; 12] =
    ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid"];

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    userinfo_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_session_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_session_iframe: Option<String>,
    jwks_uri: String,
    response_types_supported: Vec<String>,
    response_modes_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    scopes_supported: Vec<String>,
    claim_types_supported: [&'static str; 1],
    claims_supported: Vec<String>,
    claims_parameter_supported: bool,
    token_endpoint_auth_methods_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint_auth_methods_supported: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint_auth_methods_supported: Option<&'static [&'static str]>,
    code_challenge_methods_supported: Vec<&'static str>,
    acr_values_supported: &'static [&'static str],
    display_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ui_locales_supported: Vec<String>,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// OpenID Connect Discovery 1.0 section 3.
    pub fn new(offer: &Offer<'_>) -> Self {
        let address = |endpoint| offer.issuer.address(endpoint);
        let served = |endpoint| offer.endpoints.contains(&endpoint);
        let optional = |endpoint| served(endpoint).then(|| address(endpoint));
        let standard_scopes = scope::STANDARD.iter().map(|(name, _)| *name);
        let standard_claims = StandardClaim::ALL.into_iter().map(StandardClaim::name);
        Self {
            issuer: offer.issuer.to_string(),
            authorization_endpoint: address(Endpoint::Authorize),
            token_endpoint: address(Endpoint::Token),
            userinfo_endpoint: optional(Endpoint::Userinfo),
            end_session_endpoint: optional(Endpoint::EndSession),
            introspection_endpoint: optional(Endpoint::Introspect),
            revocation_endpoint: optional(Endpoint::Revoke),
            check_session_iframe: optional(Endpoint::CheckSessionIframe),
            jwks_uri: address(Endpoint::Jwks),
            response_types_supported: SUPPORTED_RESPONSE_TYPES.iter().map(ToString::to_string).collect(),
            response_modes_supported: ResponseMode::ALL.map(ResponseMode::name).to_vec(),
            grant_types_supported: offer.grant_types.iter().map(|grant_type| grant_type.name()).collect(),
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: offer.algorithms.iter().map(|algorithm| algorithm.name()).collect(),
            scopes_supported: together(standard_scopes, offer.scopes),
            claim_types_supported: ["normal"],
            claims_supported: together(PROTOCOL_CLAIMS.into_iter().chain(standard_claims), offer.claims),
            claims_parameter_supported: true,
            token_endpoint_auth_methods_supported: &client_auth::METHODS,
            introspection_endpoint_auth_methods_supported: served(Endpoint::Introspect)
                .then_some(&client_auth::CONFIDENTIAL_METHODS),
            revocation_endpoint_auth_methods_supported: served(Endpoint::Revoke).then_some(&client_auth::METHODS),
            code_challenge_methods_supported: pkce::methods(offer.plain_challenge)
                .iter()
                .map(|method| pkce::method_name(*method))
                .collect(),
            acr_values_supported: &id_token::ACR_VALUES,
            display_values_supported: Display::ALL.map(Display::name).to_vec(),
            ui_locales_supported: offer.ui_locales.to_vec(),
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            authorization_response_iss_parameter_supported: true,
        }
    }
}

/// Ours, then the deployment's own that aren't among them.
fn together(ours: impl Iterator<Item = &'static str>, own: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ours.map(ToOwned::to_owned).collect();
    let more: Vec<_> = own.iter().filter(|name| !all.contains(name)).cloned().collect();
    all.extend(more);
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(endpoints: &[Endpoint], plain_challenge: bool) -> Value {
        let metadata = Metadata::new(&Offer {
            issuer: &Issuer::parse("https://id.example/idp").unwrap(),
            endpoints,
            grant_types: &GrantType::ALL,
            algorithms: &Algorithm::ALL,
            plain_challenge,
            scopes: &["read:books".to_owned(), "email".to_owned()],
            claims: &["department".to_owned(), "name".to_owned()],
            ui_locales: &["en".to_owned(), "fr".to_owned()],
        });
        serde_json::to_value(metadata).unwrap()
    }

    #[test]
    fn oidc_discovery_3_the_document() {
        assert_eq!(
            document(&[Endpoint::Userinfo], false),
            json!({
                "issuer": "https://id.example/idp",
                "authorization_endpoint": "https://id.example/idp/authorize",
                "token_endpoint": "https://id.example/idp/token",
                "userinfo_endpoint": "https://id.example/idp/userinfo",
                "jwks_uri": "https://id.example/idp/jwks",
                "response_types_supported": [
                    "code", "id_token", "id_token token", "code id_token", "code token", "code id_token token", "token",
                    "none"
                ],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "grant_types_supported": [
                    "authorization_code", "implicit", "refresh_token", "client_credentials", "password"
                ],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "HS256"],
                "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access", "read:books"],
                "claim_types_supported": ["normal"],
                "claims_supported": [
                    "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "sid",
                    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
                    "picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale",
                    "phone_number", "phone_number_verified", "address", "updated_at", "department"
                ],
                "claims_parameter_supported": true,
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "code_challenge_methods_supported": ["S256"],
                "acr_values_supported": ["1"],
                "display_values_supported": ["page", "popup", "touch", "wap"],
                "ui_locales_supported": ["en", "fr"],
                "request_parameter_supported": false,
                "request_uri_parameter_supported": false,
                "authorization_response_iss_parameter_supported": true
            })
        );
    }

    #[test]
    fn rfc8414_2_endpoints_that_are_served_have_an_address() {
        let all = [
            Endpoint::Userinfo,
            Endpoint::EndSession,
            Endpoint::Introspect,
            Endpoint::Revoke,
            Endpoint::CheckSessionIframe,
        ];
        let document = document(&all, true);
        for (name, address) in [
            ("end_session_endpoint", "https://id.example/idp/end-session"),
            ("introspection_endpoint", "https://id.example/idp/introspect"),
            ("revocation_endpoint", "https://id.example/idp/revoke"),
            ("check_session_iframe", "https://id.example/idp/check-session-iframe"),
        ] {
            assert_eq!(document[name], address);
        }
        assert_eq!(
            document["introspection_endpoint_auth_methods_supported"],
            json!(["client_secret_basic", "client_secret_post"])
        );
        assert_eq!(document["revocation_endpoint_auth_methods_supported"].as_array().map(Vec::len), Some(3));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256", "plain"]));
    }
}
