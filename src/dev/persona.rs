//! Who and what a provider for development begins with.

use serde_json::{Value, json};

use super::{APPLICATION, PLAYGROUND};
use crate::protocol::response::SUPPORTED_RESPONSE_TYPES;

/// Where redirect URIs of the clients are registered. Any other of this machine is taken too.
const REDIRECT_URIS: [&str; 3] = ["http://localhost/callback", "http://127.0.0.1/callback", "http://[::1]/callback"];

/// An application with a secret, one without, a service that acts for itself and asks about the others' tokens, and the
/// playground.
pub(super) fn clients(playground_callback: &str) -> [Value; 4] {
    [
        json!({
            "client_id": APPLICATION,
            "client_name": "Your application",
            "redirect_uris": REDIRECT_URIS,
            "post_logout_redirect_uris": ["http://localhost/", "http://127.0.0.1/", "http://[::1]/"],
        }),
        json!({
            "client_id": "dev-spa",
            "client_name": "Your single-page application",
            "client_type": "public",
            "redirect_uris": REDIRECT_URIS,
            // Pages in the browser are who asks for tokens in front.
            "response_types": SUPPORTED_RESPONSE_TYPES.map(|kind| kind.to_string()),
            "post_logout_redirect_uris": ["http://localhost/", "http://127.0.0.1/", "http://[::1]/"],
        }),
        json!({
            "client_id": "dev-service",
            "client_name": "Your service",
            "grant_types": ["client_credentials"],
            "scope": "api:read api:write token_introspection dev-app dev-spa",
        }),
        json!({
            "client_id": PLAYGROUND,
            "client_name": "Playground",
            "redirect_uris": [playground_callback],
            "response_types": SUPPORTED_RESPONSE_TYPES.map(|kind| kind.to_string()),
            "require_consent": false,
        }),
    ]
}

/// Somebody with a value for every standard claim (OpenID Connect Core 1.0 section 5.1), and somebody with few of them, so
/// that an application meets both.
pub(super) fn users() -> [Value; 2] {
    [
        json!({
            "username": "alice",
            "password": "alice",
            "claims": {
                "name": "Alice Adams",
                "given_name": "Alice",
                "middle_name": "Beatrix",
                "family_name": "Adams",
                "nickname": "Ali",
                "preferred_username": "alice",
                "profile": "https://alice.example/about",
                "picture": "https://alice.example/alice.png",
                "website": "https://alice.example/",
                "email": "alice@example.com",
                "email_verified": true,
                "gender": "female",
                "birthdate": "1990-04-23",
                "zoneinfo": "Europe/Vienna",
                "locale": "en-GB",
                "phone_number": "+43 1 234567",
                "phone_number_verified": true,
                "address": {
                    "formatted": "12 Long Lane\nVienna 1010\nAustria",
                    "street_address": "12 Long Lane",
                    "locality": "Vienna",
                    "region": "Vienna",
                    "postal_code": "1010",
                    "country": "Austria",
                },
                "updated_at": 1_767_225_600,
            },
        }),
        json!({
            "username": "bob",
            "password": "bob",
            "claims": { "name": "Bob", "email": "bob@example.com", "email_verified": false },
        }),
    ]
}
