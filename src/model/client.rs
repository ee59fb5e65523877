//! Clients: the applications that log their users in through hallpass.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::codec;
use super::id::{ClientId, UserId};
use super::logo::Logo;
use super::rules::Rules;
use super::scope::Scope;
use crate::base::clock::Timestamp;
use crate::base::color::Color;
use crate::base::secret::Secret;
use crate::base::uri::LoopbackUri;
use crate::jose::alg::Algorithm;
use crate::jose::key::MIN_SECRET;

/// Whether a client can keep a secret (RFC 6749 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ClientType {
    /// It runs where its users can't look: it has a secret and proves it.
    #[n(0)]
    Confidential,
    /// It runs in the user's hands: no secret, PKCE always.
    #[n(1)]
    Public,
}

impl ClientType {
    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }

    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Confidential, Self::Public].into_iter().find(|kind| kind.name() == name)
    }
}

/// What an authorization response carries: a set of `code`, `id_token` and `token`, or none of them (OAuth 2.0 Multiple
/// Response Type Encoding Practices).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ResponseType(#[n(0)] u8);

impl ResponseType {
    /// `none`: only whether the user agreed.
    pub const NONE: Self = Self(0);
    /// `code`.
    pub const CODE: Self = Self(1);
    /// `id_token`.
    pub const ID_TOKEN: Self = Self(2);
    /// `token`.
    pub const TOKEN: Self = Self(4);

    /// The names in the order of the specification, which is how combinations are written.
    const NAMES: [(Self, &'static str); 3] =
        [(Self::CODE, "code"), (Self::ID_TOKEN, "id_token"), (Self::TOKEN, "token")];

    /// Parses the parameter; the order of the words doesn't matter (RFC 6749 section 3.1.1).
    pub fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::NONE);
        }
        let mut set = Self::NONE;
        for word in text.split_ascii_whitespace() {
            let (bit, _) = Self::NAMES.into_iter().find(|(_, name)| *name == word)?;
            if set.has(bit) {
                return None;
            }
            set = set.with(bit);
        }
        (set != Self::NONE).then_some(set)
    }

    /// Whether all of `part` is in it.
    pub const fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }

    /// Whether tokens come through the browser.
    pub const fn has_tokens(self) -> bool {
        self.has(Self::ID_TOKEN) || self.has(Self::TOKEN)
    }

    /// RFC 7591 section 2.1: whether a client needs a grant type to use it.
    pub const fn needs(self, grant_type: GrantType) -> bool {
        match grant_type {
            GrantType::AuthorizationCode => self.has(Self::CODE),
            GrantType::Implicit => self.has_tokens(),
            GrantType::RefreshToken | GrantType::ClientCredentials | GrantType::Password => false,
        }
    }

    /// Together with `part`.
    #[must_use]
    pub const fn with(self, part: Self) -> Self {
        Self(self.0 | part.0)
    }
}

impl fmt::Display for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("none");
        }
        let mut first = true;
        for (_, name) in Self::NAMES.into_iter().filter(|(bit, _)| self.has(*bit)) {
            if !first {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
            first = false;
        }
        Ok(())
    }
}

impl fmt::Debug for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a client gets tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum GrantType {
    /// RFC 6749 section 4.1.
    #[n(0)]
    AuthorizationCode,
    /// RFC 6749 section 6.
    #[n(1)]
    RefreshToken,
    /// RFC 6749 section 4.2: tokens in the authorization response.
    #[n(2)]
    Implicit,
    /// RFC 6749 section 4.4: the client asks for itself.
    #[n(3)]
    ClientCredentials,
    /// RFC 6749 section 4.3: the client has the user's password.
    #[n(4)]
    Password,
}

impl GrantType {
    /// All that this release can do.
    pub const ALL: [Self; 5] =
        [Self::AuthorizationCode, Self::Implicit, Self::RefreshToken, Self::ClientCredentials, Self::Password];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Implicit => "implicit",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }

    /// From the wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An application that logs its users in. Field names are those of RFC 7591 section 2 where it has them.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Client {
    /// `client_id`.
    #[n(0)]
    pub id: ClientId,
    /// Drawn at creation. Grants and consents remember it, so that a client that is deleted and made again under its old
    /// id inherits nothing.
    #[n(1)]
    pub generation: u32,
    /// `client_name`: what people see.
    #[n(2)]
    pub name: String,
    /// Whether it has a secret.
    #[n(3)]
    pub kind: ClientType,
    /// `client_secret`. The store seals it apart from the rest of the row.
    #[cbor(skip)]
    pub secret: Option<Secret>,
    /// `redirect_uris`: compared exactly, but for the port of loopback ones.
    #[n(4)]
    pub redirect_uris: Vec<String>,
    /// `post_logout_redirect_uris`.
    #[n(5)]
    pub post_logout_redirect_uris: Vec<String>,
    /// `response_types`.
    #[n(6)]
    pub response_types: Vec<ResponseType>,
    /// `grant_types`.
    #[n(7)]
    pub grant_types: Vec<GrantType>,
    /// `scope`: scopes of the deployment's own that this client may be granted beside the standard ones.
    #[n(8)]
    pub scope: Scope,
    /// `id_token_signed_response_alg`.
    #[cbor(n(9), with = "codec::algorithm")]
    pub id_token_algorithm: Algorithm,
    /// Ask the user before the first response.
    #[n(10)]
    pub require_consent: bool,
    /// Remember what the user answered.
    #[n(11)]
    pub reuse_consent: bool,
    /// Refuse requests without PKCE; public clients always do.
    #[n(12)]
    pub require_pkce: bool,
    /// Give a new refresh token at each use; public clients always get one.
    #[n(13)]
    pub rotate_refresh_tokens: bool,
    /// `client_uri`.
    #[n(14)]
    pub client_uri: Option<String>,
    /// `policy_uri`.
    #[n(15)]
    pub policy_uri: Option<String>,
    /// `tos_uri`.
    #[n(16)]
    pub tos_uri: Option<String>,
    /// `logo_uri`.
    #[n(17)]
    pub logo_uri: Option<String>,
    /// `contacts`.
    #[n(18)]
    pub contacts: Vec<String>,
    /// The user who looks after it.
    #[n(19)]
    pub owner: Option<UserId>,
    /// Members of the deployment's own.
    #[cbor(n(20), with = "codec::json")]
    pub metadata: Map<String, Value>,
    /// When it was created.
    #[n(21)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[n(22)]
    pub updated_at: Timestamp,
    /// Counts the changes, for optimistic updates. The store sets it.
    #[n(23)]
    pub version: u64,
    /// An image of its own, shown where there is no `logo_uri`.
    #[n(24)]
    pub logo: Option<Logo>,
    /// How long what it gets lives, where that is not as the settings say.
    #[cbor(n(25), default)]
    pub lifetimes: Lifetimes,
    /// `include_claims`: whether its ID tokens carry the claims of the scope beside an access token; `None` is as the settings say.
    #[n(28)]
    pub include_claims: Option<bool>,
    /// What was decided for it in expressions.
    #[n(26)]
    pub rules: Option<Rules>,
    /// `accent_color`: the colour of the pages that are shown for it.
    #[n(27)]
    pub accent_color: Option<Color>,
}

/// How long what a client gets lives; `None` is as the settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Lifetimes {
    /// `code_lifetime`.
    #[n(0)]
    pub code: Option<Duration>,
    /// `access_token_lifetime`.
    #[n(1)]
    pub access_token: Option<Duration>,
    /// `id_token_lifetime`.
    #[n(2)]
    pub id_token: Option<Duration>,
    /// `refresh_token_idle_lifetime`: of one that is not used.
    #[n(3)]
    pub refresh_idle: Option<Duration>,
    /// `refresh_token_lifetime`: of one and all its successors.
    #[n(4)]
    pub refresh_token: Option<Duration>,
}

impl Client {
    /// A confidential client with the defaults of a new one: code flow, refresh tokens, RS256, consent asked and
    /// remembered. It has no secret and no redirect URI yet.
    pub fn new(id: ClientId, name: String, generation: u32, now: Timestamp) -> Self {
        Self {
            id,
            generation,
            name,
            kind: ClientType::Confidential,
            secret: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            response_types: vec![ResponseType::CODE],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scope: Scope::empty(),
            id_token_algorithm: Algorithm::Rs256,
            require_consent: true,
            reuse_consent: true,
            require_pkce: false,
            rotate_refresh_tokens: true,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
            logo_uri: None,
            contacts: Vec::new(),
            owner: None,
            metadata: Map::new(),
            created_at: now,
            updated_at: now,
            version: 0,
            logo: None,
            lifetimes: Lifetimes::default(),
            include_claims: None,
            rules: None,
            accent_color: None,
        }
    }

    /// Ends all its codes, tokens and consents.
    pub fn end_all(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// What people know it by: its name, or its id where it has none.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }

    /// Whether it can keep a secret.
    pub fn is_public(&self) -> bool {
        self.kind == ClientType::Public
    }

    /// Whether its secret is so long that trying finds nothing: then nobody's failures need to slow down the client itself.
    pub fn has_strong_secret(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.expose().len() >= MIN_SECRET)
    }

    /// Whether it may use a grant type.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Whether its authorization requests for a code must carry a code challenge (RFC 9700 section 2.1.1 for public clients).
    pub fn needs_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// Whether each use of a refresh token gives a new one in its place (RFC 9700 section 2.2.2: for public clients always,
    /// since nothing else shows that somebody else has theirs).
    pub fn rotates_refresh_tokens(&self) -> bool {
        self.rotate_refresh_tokens || self.is_public()
    }

    /// Whether a redirect URI is registered: the same text, or the same loopback URI on another port.
    pub fn accepts_redirect(&self, uri: &str) -> bool {
        accepts(&self.redirect_uris, uri)
    }

    /// The same for post-logout redirect URIs.
    pub fn accepts_post_logout_redirect(&self, uri: &str) -> bool {
        accepts(&self.post_logout_redirect_uris, uri)
    }

    /// Whether a request may skip the consent page because the client doesn't require consent. Public clients may not
    /// when they receive a code: anyone can pose as them (RFC 6749 section 10.2). Where tokens come through the browser anyone can
    /// pose as any client, so they must go where nobody else listens.
    pub fn may_skip_consent(&self, response_type: ResponseType, listener: Listener) -> bool {
        let anyone_may_receive_a_code = self.is_public() && response_type.has(ResponseType::CODE);
        let anyone_may_receive_tokens = response_type.has_tokens() && listener != Listener::Owner;
        !self.require_consent && !anyone_may_receive_a_code && !anyone_may_receive_tokens
    }

    /// Whether a request may skip the consent page because the user agreed before. A public client must then receive its
    /// code with PKCE and where not every program can listen, and tokens must go where nobody else does.
    pub fn may_reuse_consent(&self, response_type: ResponseType, listener: Listener, s256: bool) -> bool {
        let proven = s256 || !self.is_public() || !response_type.has(ResponseType::CODE);
        let heard = match listener {
            Listener::Owner => true,
            Listener::Neighbour => !response_type.has_tokens(),
            Listener::Anybody => !response_type.has_tokens() && !self.is_public(),
        };
        self.reuse_consent && proven && heard
    }
}

/// Who can listen at a redirect URI (RFC 8252 sections 8.3 and 8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Whoever has the host's name: it is https.
    Owner,
    /// Whoever is on the same machine or network: it is http.
    Neighbour,
    /// Every program on the device that takes the scheme for its own.
    Anybody,
}

impl Listener {
    /// At this address.
    pub fn at(redirect_uri: &str) -> Self {
        if redirect_uri.starts_with("https://") {
            Self::Owner
        } else if redirect_uri.starts_with("http://") {
            Self::Neighbour
        } else {
            Self::Anybody
        }
    }
}

/// RFC 6749 section 3.1.2.3 and RFC 9700 section 2.1: simple string comparison; RFC 8252 section 7.3: any port of a
/// loopback URI.
fn accepts(registered: &[String], uri: &str) -> bool {
    registered.iter().any(|own| own == uri)
        || LoopbackUri::parse(uri).is_some_and(|asked| {
            let same = |own: &LoopbackUri<'_>| own.host == asked.host && own.rest == asked.rest;
            registered.iter().filter_map(|own| LoopbackUri::parse(own)).any(|own| same(&own))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str]) -> Client {
        Client {
            redirect_uris: uris.iter().map(ToString::to_string).collect(),
            ..Client::new(ClientId::new("c"), "C".into(), 1, Timestamp::EPOCH)
        }
    }

    #[test]
    fn rfc6749_3_1_2_3_redirect_uris_are_compared_as_text() {
        let client = client(&["https://app.example/cb", "com.example.app:/cb"]);
        assert!(client.accepts_redirect("https://app.example/cb"));
        assert!(client.accepts_redirect("com.example.app:/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb/extra",
            "http://app.example/cb",
            "",
        ] {
            assert!(!client.accepts_redirect(other), "{other}");
        }
    }

    #[test]
    fn rfc8252_7_3_any_port_of_a_registered_loopback_uri_will_do() {
        let client = client(&["http://127.0.0.1/cb", "http://localhost:3000/cb?x=1"]);
        assert!(client.accepts_redirect("http://127.0.0.1:51004/cb"));
        assert!(client.accepts_redirect("http://localhost/cb?x=1"));
        for other in [
            "http://127.0.0.1:51004/other",
            "http://localhost:51004/cb",
            "http://[::1]/cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.2/cb",
        ] {
            assert!(!client.accepts_redirect(other), "{other}");
        }
    }

    #[test]
    fn response_types_are_sets() {
        for (text, name) in [
            ("code", "code"),
            ("token id_token", "id_token token"),
            ("token  id_token code", "code id_token token"),
            ("none", "none"),
        ] {
            assert_eq!(ResponseType::parse(text).unwrap().to_string(), name);
        }
        for bad in ["", " ", "code code", "none code", "Code", "code,token"] {
            assert_eq!(ResponseType::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc6749_10_2_public_clients_that_receive_a_code_always_ask_unless_the_user_agreed_before_under_pkce() {
        let mut client = client(&[]);
        client.require_consent = false;
        assert!(client.may_skip_consent(ResponseType::CODE, Listener::Anybody));
        client.kind = ClientType::Public;
        assert!(!client.may_skip_consent(ResponseType::CODE, Listener::Owner));
        assert!(client.may_skip_consent(ResponseType::ID_TOKEN, Listener::Owner));
        assert!(client.may_reuse_consent(ResponseType::CODE, Listener::Owner, true));
        assert!(client.may_reuse_consent(ResponseType::CODE, Listener::Neighbour, true));
        assert!(!client.may_reuse_consent(ResponseType::CODE, Listener::Owner, false));
        assert!(!client.may_reuse_consent(ResponseType::CODE, Listener::Anybody, true));
    }

    #[test]
    fn rfc8252_8_6_tokens_go_unasked_only_where_no_other_program_listens() {
        let hybrid = ResponseType::CODE.with(ResponseType::ID_TOKEN);
        for kind in [ClientType::Confidential, ClientType::Public] {
            let client = Client { kind, require_consent: false, ..client(&[]) };
            for response_type in [ResponseType::ID_TOKEN, ResponseType::TOKEN, hybrid] {
                assert!(client.may_reuse_consent(response_type, Listener::Owner, true), "{kind:?} {response_type}");
                for listener in [Listener::Neighbour, Listener::Anybody] {
                    assert!(!client.may_skip_consent(response_type, listener), "{kind:?} {response_type} {listener:?}");
                    assert!(
                        !client.may_reuse_consent(response_type, listener, true),
                        "{kind:?} {response_type} {listener:?}"
                    );
                }
            }
        }
        let confidential = Client { require_consent: false, ..client(&[]) };
        assert!(confidential.may_skip_consent(hybrid, Listener::Owner));
        assert!(confidential.may_reuse_consent(ResponseType::CODE, Listener::Anybody, false), "it proves who it is");
        for (uri, listener) in [
            ("https://app.example/cb", Listener::Owner),
            ("http://localhost:3000/cb", Listener::Neighbour),
            ("com.example.app:/cb", Listener::Anybody),
        ] {
            assert_eq!(Listener::at(uri), listener);
        }
    }
}
