//! Identifiers, and the bearer values that carry them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::base::clock::Timestamp;
use crate::base::encode::{base64url, parse_base64url_array};
use crate::base::random::Random;
use crate::base::secret::{Digest, Secret};

/// The key of a row that goes away by itself: 48 bits of the time after which nothing needs it, then 80 random bits.
///
/// Rows made with the same lifetime get ascending keys, so that inserts stay local, and the rows that can go are always
/// one range at the beginning of their table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// A new id for a row that is needed until `gone_after`.
    pub fn mint(gone_after: Timestamp, random: &Random) -> Self {
        let mut bytes = Self::floor(gone_after).0;
        if let Some(tail) = bytes.get_mut(6..) {
            random.fill(tail);
        }
        Self(bytes)
    }

    /// The smallest id of rows that are needed until `gone_after`.
    pub fn floor(gone_after: Timestamp) -> Self {
        Self((u128::from(gone_after.as_millis()) << 80).to_be_bytes())
    }

    /// The time after which nothing needs the row.
    pub fn gone_after(&self) -> Timestamp {
        Timestamp::from_millis(u64::try_from(u128::from_be_bytes(self.0) >> 80).unwrap_or(u64::MAX))
    }

    /// The id that comes right after this one.
    pub fn successor(&self) -> Self {
        Self(u128::from_be_bytes(self.0).wrapping_add(1).to_be_bytes())
    }

    /// An id that was stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes, which sort as ids do.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the base64url form of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl FromStr for Id {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_base64url_array(text).map(Self).ok_or(InvalidId)
    }
}

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Id);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self)
            }
        }
    )*};
}

row_id! {
    /// Names an authorization code.
    CodeId
    /// Names a grant: the family of all tokens that came from an authorization code.
    GrantId
    /// Names an access token.
    AccessTokenId
    /// Names a refresh token.
    RefreshTokenId
    /// Names a session; its text is the `sid` of OpenID Connect Back-Channel Logout 1.0 section 2.1.
    SessionId
    /// Names an event. It begins with the time of the event, not with that of its end: events go when the settings say.
    EventId
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// From its text, taken as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

text_id! {
    /// Names a client: `client_id` of RFC 6749 section 2.2, at most [`MAX_TEXT_ID`] visible ASCII characters.
    ClientId
    /// Names a user for ever, also in `sub` (OpenID Connect Core 1.0 section 2: at most 255 ASCII characters).
    UserId
    /// Names a signing key: `kid` of RFC 7515 section 4.1.4.
    KeyId
}

/// The greatest length of a client id or a user id.
pub const MAX_TEXT_ID: usize = 255;

/// Whether a text can be a client id or a user id: 1 to 255 visible ASCII characters.
pub fn is_text_id(text: &str) -> bool {
    (1..=MAX_TEXT_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl UserId {
    /// A new random one, in the form of a UUID of version 4 (RFC 9562 section 5.4).
    pub fn mint(random: &Random) -> Self {
        let bits = u128::from_be_bytes(random.bytes()) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let text = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff
        );
        Self::new(text)
    }
}

/// What a bearer value opens. Each kind has a prefix, so that one can't be taken for another and leaked ones can be
/// found by scanners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerKind {
    /// An authorization code.
    Code,
    /// An access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// A session.
    Session,
}

impl BearerKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "hpc_",
            Self::AccessToken => "hpa_",
            Self::RefreshToken => "hpr_",
            Self::Session => "hps_",
        }
    }
}

/// A value that opens something to whoever bears it: prefix, then base64url of the row's id and 32 random bytes.
///
/// The row keeps a digest of the random part only, so that nobody who reads the store can use what is in it.
#[derive(Clone)]
pub struct Bearer {
    id: Id,
    secret: [u8; 32],
}

impl Bearer {
    /// A new value for a row that is needed until `gone_after`.
    pub fn mint(gone_after: Timestamp, random: &Random) -> Self {
        Self { id: Id::mint(gone_after, random), secret: random.bytes() }
    }

    /// Parses a value of this kind; `None` for anything else.
    pub fn parse(kind: BearerKind, text: &str) -> Option<Self> {
        let bytes: [u8; 48] = parse_base64url_array(text.strip_prefix(kind.prefix())?)?;
        let (id, secret) = bytes.split_first_chunk()?;
        Some(Self { id: Id(*id), secret: secret.try_into().ok()? })
    }

    /// The text that is given out: 68 characters.
    pub fn render(&self, kind: BearerKind) -> Secret {
        let mut bytes = [0; 48];
        let (id, secret) = bytes.split_at_mut(16);
        id.copy_from_slice(&self.id.0);
        secret.copy_from_slice(&self.secret);
        let text = format!("{}{}", kind.prefix(), base64url(bytes));
        bytes.zeroize();
        Secret::new(text)
    }

    /// The row's key.
    pub const fn id(&self) -> Id {
        self.id
    }

    /// What the row keeps of the random part.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.secret)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({}, …)", self.id)
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_after_which_nothing_needs_them() {
        let random = Random::seeded("id");
        let (early, late) = (Timestamp::from_millis(1_700_000_000_000), Timestamp::from_millis(1_700_000_000_001));
        let id = Id::mint(early, &random);
        assert_eq!(id.gone_after(), early);
        assert!(Id::floor(early) <= id && id < Id::floor(late));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<Id>(), Err(InvalidId));
    }

    #[test]
    fn rfc6749_10_10_bearer_values_carry_256_random_bits_and_their_kind() {
        let bearer = Bearer::mint(Timestamp::from_secs(1), &Random::System);
        let text = bearer.render(BearerKind::Code);
        assert_eq!(text.expose().len(), 68);
        let parsed = Bearer::parse(BearerKind::Code, text.expose()).unwrap();
        assert_eq!(parsed.id(), bearer.id());
        assert!(parsed.digest().matches(&bearer.digest()));
        assert!(Bearer::parse(BearerKind::AccessToken, text.expose()).is_none());
        assert!(Bearer::parse(BearerKind::Code, &format!("{}A", text.expose())).is_none());
        assert!(!format!("{bearer:?}").contains(text.expose().get(30..).unwrap()));
    }

    #[test]
    fn rfc9562_5_4_user_ids_are_random_uuids() {
        let id = UserId::mint(&Random::System);
        assert_eq!(id.as_str().len(), 36);
        assert_eq!(id.as_str().as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_str().as_bytes()[19]));
    }
}
