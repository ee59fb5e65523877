//! Scopes at the authorization and token endpoints: which are known, what a request is granted, what a page shows.

use super::error::{ErrorCode, OAuthError};
use crate::model::client::{Client, GrantType, ResponseType};
use crate::model::scope::{Scope, is_token};

/// The scope that makes a request one of OpenID Connect (OpenID Connect Core 1.0 section 3.1.2.1).
pub const OPENID: &str = "openid";

/// Asks for refresh tokens (OpenID Connect Core 1.0 section 11). They come with every grant of a client that may use them,
/// so this scope says what happens anyway.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// In a client's own list: it may ask the introspection endpoint about tokens. The name is that of django-oidc-provider.
pub const TOKEN_INTROSPECTION: &str = "token_introspection";

/// The scopes that the specification defines with the claims that each asks for (OpenID Connect Core 1.0 sections 5.4 and
/// 11), in the order in which discovery and pages list them.
pub const STANDARD: [(&str, &[&str]); 6] = [
    (OPENID, &["sub"]),
    (
        "profile",
        &[
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    (OFFLINE_ACCESS, &[]),
];

/// The claims that a standard scope asks for; none for other scopes.
pub fn claims_of(scope: &str) -> &'static [&'static str] {
    STANDARD.iter().find(|(name, _)| *name == scope).map_or(&[], |(_, claims)| claims)
}

/// Whether a scope means something by itself, whoever the client is.
pub fn is_reserved(scope: &str) -> bool {
    scope == TOKEN_INTROSPECTION || STANDARD.iter().any(|(name, _)| *name == scope)
}

/// The standard scope that asks for a claim; a language tag behind `#` (section 5.2) doesn't matter.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    let base = claim.split_once('#').map_or(claim, |(base, _)| base);
    STANDARD.iter().find(|(_, claims)| claims.contains(&base)).map(|(name, _)| *name)
}

/// RFC 6749 section 3.3: `scope` as it stands in a request.
///
/// # Errors
/// `invalid_scope` for a token with characters that none may have.
pub fn parse(text: &str) -> Result<Scope, OAuthError> {
    let scope = Scope::parse(text);
    if scope.iter().all(is_token) {
        Ok(scope)
    } else {
        Err(OAuthError::new(ErrorCode::InvalidScope, "scope has characters that no scope may have"))
    }
}

/// RFC 6749 section 3.3 and OpenID Connect Core 1.0 section 3.1.2.1: what an authorization request is granted of what it
/// asks for: the standard scopes, those of the client's own list, and those that are `known` for every client. Others are
/// ignored.
///
/// `offline_access` is granted to clients that may use refresh tokens only, and where a code is given out (OpenID Connect Core 1.0
/// section 11).
pub fn grant(asked: &Scope, client: &Client, known: &Scope, response_type: ResponseType) -> Scope {
    asked.retain(|token| match token {
        OFFLINE_ACCESS => client.may_use(GrantType::RefreshToken) && response_type.has(ResponseType::CODE),
        _ => STANDARD.iter().any(|(name, _)| *name == token) || client.scope.contains(token) || known.contains(token),
    })
}

/// RFC 6749 sections 4.3.2 and 4.4.2: what a client is granted where nobody is shown a page: what its own list has of what it
/// asks for, and all of that where it asks for nothing, in the order asked. The list holds the standard scopes too, then.
///
/// # Errors
/// `invalid_scope` for what isn't in the list.
pub fn of_list(asked: Option<&Scope>, client: &Client) -> Result<Scope, OAuthError> {
    match asked {
        None => Ok(client.scope.clone()),
        Some(asked) if client.scope.covers(asked) => Ok(asked.clone()),
        Some(_) => Err(OAuthError::new(ErrorCode::InvalidScope, "scope is more than the client may have")),
    }
}

/// RFC 6749 section 6: the scope of an access token that is refreshed: all that was granted, or the part that is asked for.
///
/// # Errors
/// `invalid_scope` for more than was granted.
pub fn narrow(granted: &Scope, asked: Option<&Scope>) -> Result<Scope, OAuthError> {
    match asked {
        None => Ok(granted.clone()),
        Some(asked) if granted.covers(asked) => Ok(asked.clone()),
        Some(_) => Err(OAuthError::new(ErrorCode::InvalidScope, "scope is more than the user granted")),
    }
}

/// What a consent page shows for one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A standard scope: the page has words for it under this name.
    Standard(&'static str),
    /// Another one, by its own name.
    Other(&'a str),
}

/// The scopes that a consent page shows: the standard ones in the order of [`STANDARD`], then the others as they were
/// asked for. All but `openid`, which stands for the login itself.
pub fn shown(scope: &Scope) -> Vec<Shown<'_>> {
    let standard = STANDARD.iter().map(|(name, _)| *name).filter(|name| *name != OPENID && scope.contains(name));
    let others = scope.iter().filter(|token| STANDARD.iter().all(|(name, _)| name != token));
    standard.map(Shown::Standard).chain(others.map(Shown::Other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::model::id::ClientId;
    use crate::protocol::standard_claim::StandardClaim;

    fn client(scope: &str) -> Client {
        let client = Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH);
        Client { scope: Scope::parse(scope), ..client }
    }

    #[test]
    fn oidc_core_5_4_every_standard_claim_belongs_to_one_scope() {
        for claim in StandardClaim::ALL {
            let scopes = STANDARD.iter().filter(|(_, claims)| claims.contains(&claim.name()));
            assert_eq!(scopes.count(), 1, "{}", claim.name());
        }
        assert_eq!(claims_of("profile").len(), 14);
        assert_eq!(claims_of("email"), ["email", "email_verified"]);
        assert_eq!(claims_of("read"), [""; 0]);
        assert_eq!(scope_of("birthdate"), Some("profile"));
        assert_eq!(scope_of("name#fr"), Some("profile"));
        assert_eq!(scope_of("department"), None);
    }

    #[test]
    fn rfc6749_3_3_unknown_scopes_are_ignored_and_the_clients_own_are_known() {
        let asked = Scope::parse("openid read:books email unknown offline_access");
        assert_eq!(
            grant(&asked, &client(""), &Scope::empty(), ResponseType::CODE).to_string(),
            "openid email offline_access"
        );
        assert_eq!(
            grant(&asked, &client("read:books x"), &Scope::empty(), ResponseType::CODE).to_string(),
            "openid read:books email offline_access"
        );
        let known = Scope::parse("unknown x");
        assert_eq!(
            grant(&asked, &client(""), &known, ResponseType::CODE).to_string(),
            "openid email unknown offline_access"
        );
    }

    #[test]
    fn oidc_core_11_offline_access_needs_the_refresh_grant_and_a_code() {
        let asked = Scope::parse("openid offline_access");
        let without = Client { grant_types: vec![GrantType::AuthorizationCode], ..client("offline_access") };
        assert_eq!(grant(&asked, &without, &Scope::empty(), ResponseType::CODE).to_string(), "openid");
        assert_eq!(grant(&asked, &client(""), &Scope::empty(), ResponseType::ID_TOKEN).to_string(), "openid");
        let hybrid = ResponseType::CODE.with(ResponseType::ID_TOKEN);
        assert_eq!(grant(&asked, &client(""), &Scope::empty(), hybrid), asked);
    }

    #[test]
    fn rfc6749_3_3_scope_tokens_have_their_characters() {
        assert_eq!(parse(" openid  https://api.example/read ").unwrap().to_string(), "openid https://api.example/read");
        for bad in ["openid \"x\"", "a\\b", "é", "openid\u{a0}email", "a\u{0}"] {
            assert_eq!(parse(bad).unwrap_err().code(), ErrorCode::InvalidScope, "{bad:?}");
        }
    }

    #[test]
    fn rfc6749_4_4_2_the_client_s_own_list_rules_where_nobody_is_asked() {
        let client = client("read openid write");
        let granted = |asked: Option<&str>| of_list(asked.map(Scope::parse).as_ref(), &client);
        assert_eq!(granted(None), Ok(Scope::parse("read openid write")));
        assert_eq!(granted(Some("write read")).map(|scope| scope.to_string()), Ok("write read".to_owned()));
        for beyond in ["admin", "read admin", "profile", "READ"] {
            assert_eq!(granted(Some(beyond)).unwrap_err().code(), ErrorCode::InvalidScope, "{beyond}");
        }
    }

    #[test]
    fn rfc6749_6_a_refresh_narrows_and_never_widens() {
        let granted = Scope::parse("openid email");
        assert_eq!(narrow(&granted, None), Ok(granted.clone()));
        assert_eq!(narrow(&granted, Some(&Scope::parse("email"))), Ok(Scope::parse("email")));
        let error = narrow(&granted, Some(&Scope::parse("email phone"))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidScope);
    }

    #[test]
    fn a_consent_page_shows_every_scope_but_openid() {
        let scope = Scope::parse("read:books phone openid profile write:books");
        let expected = [
            Shown::Standard("profile"),
            Shown::Standard("phone"),
            Shown::Other("read:books"),
            Shown::Other("write:books"),
        ];
        assert_eq!(shown(&scope), expected);
    }
}
