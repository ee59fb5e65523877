//! What a client lets, or makes, the provider ask the user.

use std::fmt;

use minicbor::{Decode, Encode};

use super::error::OAuthError;
use super::parameter::invalid;

/// `prompt`: a set of `none`, `login`, `consent` and `select_account` (OpenID Connect Core 1.0 section 3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Prompt(#[n(0)] u8);

impl Prompt {
    /// Ask nothing: answer at once or fail.
    pub const NONE: Self = Self(1);
    /// The user authenticates again.
    pub const LOGIN: Self = Self(2);
    /// The user agrees again.
    pub const CONSENT: Self = Self(4);
    /// The user chooses an account.
    pub const SELECT_ACCOUNT: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::NONE, "none"),
        (Self::LOGIN, "login"),
        (Self::CONSENT, "consent"),
        (Self::SELECT_ACCOUNT, "select_account"),
    ];

    /// OpenID Connect Core 1.0 section 3.1.2.1: words with white space between; unknown ones are ignored.
    ///
    /// # Errors
    /// `invalid_request` for `none` together with anything else.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut set = Self::default();
        let mut others = false;
        for word in text.split_ascii_whitespace() {
            let known = Self::NAMES.into_iter().find(|(_, name)| *name == word).map_or(Self(0), |(bit, _)| bit);
            others |= known != Self::NONE;
            set = set.with(known);
        }
        if set.has(Self::NONE) && others {
            return Err(invalid("prompt=none must not be combined with other values"));
        }
        Ok(set)
    }

    /// Whether all of `part` is in it.
    pub const fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }

    /// The words for what is in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(part, _)| self.has(*part)).map(|(_, name)| name)
    }

    /// Together with `part`.
    #[must_use]
    pub const fn with(self, part: Self) -> Self {
        Self(self.0 | part.0)
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.into_iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| name);
        f.write_str(&names.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_3_1_2_1_prompt_is_a_set_and_none_stands_alone() {
        for (text, expected) in [
            ("", Prompt::default()),
            ("none", Prompt::NONE),
            ("none none", Prompt::NONE),
            ("login", Prompt::LOGIN),
            ("consent  login", Prompt::LOGIN.with(Prompt::CONSENT)),
            ("select_account", Prompt::SELECT_ACCOUNT),
            ("create", Prompt::default()),
            ("LOGIN create consent", Prompt::CONSENT),
        ] {
            assert_eq!(Prompt::parse(text), Ok(expected), "{text}");
        }
        for bad in ["none login", "consent none", "none create"] {
            assert!(Prompt::parse(bad).is_err(), "{bad}");
        }
    }
}
