//! What a deployment has decided for one client, as expressions.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

/// Expressions of one client. They were looked at when they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rules {
    /// Claims that this client is given, by name, each as an expression.
    #[n(0)]
    pub claims: BTreeMap<String, String>,
    /// Who may go on to it.
    #[n(1)]
    pub allow_if: Option<String>,
}

impl Rules {
    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.allow_if.is_none()
    }
}
