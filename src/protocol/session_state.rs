//! What a client is told of the browser's login state, so that a frame can see whether it has changed (OpenID Connect
//! Session Management 1.0 section 2).

use sha2::{Digest as _, Sha256};

use crate::base::encode::{base64url, hex};
use crate::base::uri;
use crate::model::id::ClientId;

/// Section 2: `session_state` of a response to `redirect_uri`. The frame makes the same of what it knows, with `event.origin`
/// as the origin and the salt from behind the point: `asset/check_session.js`.
///
/// None of the parts has a space in it, so nothing else hashes alike; the salt has no point. `None` where the redirect URI
/// has no origin that a page could have.
pub fn session_state(client: &ClientId, redirect_uri: &str, browser_state: &str, salt: [u8; 16]) -> Option<String> {
    let origin = uri::origin(redirect_uri)?;
    let salt = base64url(salt);
    let digest = Sha256::digest(format!("{client} {origin} {browser_state} {salt}"));
    Some(format!("{}.{salt}", hex(&digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "4bMd0fJ0JXUgbb1sVcMpB6o0vEoCHWoYgJzK2lZl2QE";

    fn of(client: &str, redirect_uri: &str, state: &str) -> Option<String> {
        session_state(&ClientId::new(client), redirect_uri, state, *b"saltsaltsaltsalt")
    }

    /// `tests/client/node/check_session.mjs` has the same one.
    #[test]
    fn session_management_2_a_vector() {
        let expected = "14243a3eff42749a835e04ee8661209982c8790ad1ba4d14f0a693f8e294b350.c2FsdHNhbHRzYWx0c2FsdA";
        assert_eq!(of("web", "https://app.example/callback", STATE).as_deref(), Some(expected));
    }

    #[test]
    fn session_management_2_the_origin_is_that_of_the_browser() {
        let plain = of("web", "https://app.example/callback", STATE);
        for same in ["https://app.example:443/other?x=1", "HTTPS://App.Example", "https://app.example:0443/"] {
            assert_eq!(of("web", same, STATE), plain, "{same}");
        }
        for other in ["http://app.example/callback", "https://app.example:8443/callback", "https://example/callback"] {
            assert!(of("web", other, STATE).is_some_and(|state| Some(state) != plain), "{other}");
        }
        for none in ["com.example.app:/callback", "urn:ietf:wg:oauth:2.0:oob", "myapp://callback"] {
            assert_eq!(of("web", none, STATE), None, "{none}");
        }
    }

    #[test]
    fn session_management_2_client_state_and_salt_are_in_it() {
        let plain = of("web", "https://app.example/", STATE);
        assert_ne!(of("wep", "https://app.example/", STATE), plain);
        assert_ne!(of("web", "https://app.example/", "other"), plain);
        let salted = session_state(&ClientId::new("web"), "https://app.example/", STATE, [1; 16]);
        assert!(salted.is_some_and(|salted| !salted.contains(' ') && salted.matches('.').count() == 1));
    }
}
