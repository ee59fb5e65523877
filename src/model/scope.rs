//! Scopes: what a token may be used for (RFC 6749 section 3.3).

use std::collections::HashSet;
use std::fmt;

/// A list of scope tokens in the order they were given, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// No scope at all.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Splits at white space. Tokens are taken as they are; [`is_token`] says whether one is legal.
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Whether a token is in the list.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    /// Whether every token of `other` is in the list.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|token| self.contains(token))
    }

    /// This list, then what only `other` has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The tokens for which `keep` holds.
    #[must_use]
    pub fn retain(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        // Looked up, not searched for: four kilobytes from the wire hold enough short tokens to keep a CPU busy.
        let mut seen = HashSet::new();
        Self(tokens.into_iter().filter(|token| seen.insert(*token)).map(ToOwned::to_owned).collect())
    }
}

impl fmt::Display for Scope {
    /// As on the wire: tokens with one space between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

/// Whether a text is a legal scope token: RFC 6749 section 3.3, `%x21 / %x23-5B / %x5D-7E`.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_scope_is_a_list_without_repetitions() {
        let scope = Scope::parse("openid  email openid\tread:books");
        assert_eq!(scope.to_string(), "openid email read:books");
        assert!(scope.covers(&Scope::parse("email openid")));
        assert!(!scope.covers(&Scope::parse("email phone")));
        assert_eq!(scope.union(&Scope::parse("phone email")).to_string(), "openid email read:books phone");
        let many: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        assert_eq!(Scope::parse(&many.join(" ")).iter().count(), many.len(), "in time that grows with their number");
        assert!(is_token("https://api.example/read") && !is_token("a\"b") && !is_token("é") && !is_token(""));
    }
}
