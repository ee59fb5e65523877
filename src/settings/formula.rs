//! Expressions among the settings.

use super::kind::{Kind, Refusal, Surroundings};
use super::source::Origin;
use super::written::{Written, quote};
use crate::expression::Expression;

/// An expression, and where it was given. Elsewhere it is the same one.
#[derive(Clone, Debug)]
pub struct Formula {
    /// What it says.
    pub expression: Expression,
    /// For whoever looks for its fault.
    pub origin: Origin,
}

impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

/// What expressions about a user at a client can see.
pub const OF_USER: &[&str] = &["user", "client", "scopes"];

/// The same, and the claims as they are by then.
pub const OF_CLAIMS: &[&str] = &["user", "client", "scopes", "claims"];

/// What an expression that names a user can see.
pub(super) const OF_SUBJECT: &[&str] = &["user", "client"];

/// An expression that can see these names.
pub(super) struct Over(pub(super) &'static [&'static str]);

impl Kind for Over {
    type Value = Formula;

    fn right(&self) -> String {
        format!("an expression over {}", self.0.join(", "))
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Formula, Refusal> {
        let text = written.text().ok_or(Refusal::Wrong)?;
        let compiled = Expression::compile(text, self.0);
        let expression = compiled.map_err(|error| Refusal::Because(error.to_string()))?;
        Ok(Formula { expression, origin: around.origin.clone() })
    }

    fn render(&self, value: &Formula) -> Option<String> {
        Some(quote(value.expression.source()))
    }
}

/// Several values of a kind, one behind the other, or one alone.
pub(super) struct Steps<K>(pub(super) K);

impl<K: Kind> Kind for Steps<K> {
    type Value = Vec<K::Value>;

    fn right(&self) -> String {
        format!("{}, or a list of such tables", self.0.right())
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Self::Value, Refusal> {
        match written {
            Written::Absent => Ok(Vec::new()),
            Written::Table(_) => Ok(vec![self.0.parse(written, around)?]),
            Written::Bare(text) if text.starts_with('{') => Ok(vec![self.0.parse(written, around)?]),
            _ => written.elements().iter().map(|step| self.0.parse(step, around)).collect(),
        }
    }

    fn render(&self, value: &Self::Value) -> Option<String> {
        let steps: Vec<String> = value.iter().filter_map(|step| self.0.render(step)).collect();
        (!steps.is_empty()).then(|| format!("[{}]", steps.join(", ")))
    }
}
