//! Expressions that people write into the settings: what a claim says of a user, and who may log in.
//!
//! They are those of minijinja's language, without its templates: there is no loader, no output and nothing that reads
//! or writes. One that would take long or much is stopped: its text is short, its fuel pays for every step and every byte
//! that it makes, and what fuel doesn't bound isn't there. A list is repeated without being made (`[1] * 1000000000`),
//! and compared or written out before anybody has paid, so there is no `*`; filters whose result can be far larger than
//! what goes in are missing, or are ours (`filter`).

mod filter;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// The longest text of an expression, in bytes. Its depth is bounded by that, too.
pub const MAX_SOURCE: usize = 1000;

/// What an evaluation may use: steps, or 64 bytes each. A step takes less than a tenth of a microsecond.
pub const FUEL: u64 = 10_000;

/// The largest result, about in bytes of JSON.
pub const MAX_RESULT: usize = 16 * 1024;

/// The one environment: nobody can add to it.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    filter::choose(&mut environment);
    environment
});

/// An expression, ready to be evaluated again and again. Two are the same when their texts are.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    program: minijinja::Expression<'static, 'static>,
}

impl Expression {
    /// Reads one that may speak of these names.
    ///
    /// # Errors
    /// What is wrong with it: it isn't one, is too long, or has a name, filter or test that isn't known.
    pub fn compile(source: &str, names: &[&str]) -> Result<Self, ExpressionError> {
        if source.len() > MAX_SOURCE {
            return Err(ExpressionError(format!("it is longer than {MAX_SOURCE} bytes")));
        }
        if multiplies(source) {
            return Err(ExpressionError("there is no * in expressions".into()));
        }
        let program = ENVIRONMENT.compile_expression_owned(source.to_owned())?;
        let mut unknown: Vec<String> = program.undeclared_variables(false).into_iter().collect();
        unknown.retain(|name| !names.contains(&name.as_str()));
        if let Some(name) = unknown.iter().min() {
            return Err(ExpressionError(format!("the name {name} is not known; there are {}", names.join(", "))));
        }
        // Filters are looked for when they are used only: where nothing is known they are, too.
        match program.eval(()) {
            Err(error) if is_of_the_text(error.kind()) => Err(error.into()),
            _ => Ok(Self(Arc::new(Compiled { source: source.to_owned(), program }))),
        }
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What it says of something; `None` when that is undefined.
    ///
    /// # Errors
    /// It can't be said, takes too long, or isn't JSON.
    pub fn evaluate(&self, scene: &Scene) -> Result<Option<Value>, ExpressionError> {
        let value = self.0.program.eval(scene.0.clone())?;
        if value.is_undefined() {
            return Ok(None);
        }
        to_json(&value, &mut { MAX_RESULT }).map(Some)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`], and when it is neither true nor false.
    pub fn holds(&self, scene: &Scene) -> Result<bool, ExpressionError> {
        match self.evaluate(scene)? {
            Some(Value::Bool(holds)) => Ok(holds),
            Some(_) => Err(ExpressionError("it is neither true nor false".into())),
            None => Err(ExpressionError("it is undefined".into())),
        }
    }
}

/// What expressions can see.
#[derive(Clone, Debug)]
pub struct Scene(minijinja::Value);

impl Scene {
    /// The members of this are the names.
    pub fn of(names: &impl Serialize) -> Self {
        Self(minijinja::Value::from(Serde(names)))
    }
}

/// Why there is no expression, or no value of one: one line, to go behind its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError(String);

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExpressionError {}

impl From<Error> for ExpressionError {
    fn from(error: Error) -> Self {
        let line = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes too long, or makes too much".to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        Self(line.replace(char::is_control, " "))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.source(), f)
    }
}

/// Whether there is a `*` outside of texts.
fn multiplies(source: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for character in source.chars() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '*') => return true,
            (None, _) => {}
        }
    }
    false
}

/// Whether an error comes of the text alone, whatever the expression is about.
fn is_of_the_text(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::OutOfFuel
    )
}

/// A value as JSON, if that isn't too large. Parts may occur many times in it, so it is counted while it is written.
fn to_json(value: &minijinja::Value, left: &mut usize) -> Result<Value, ExpressionError> {
    let size = value.as_str().map_or(8, |text| text.len() + 2);
    *left = left
        .checked_sub(size)
        .ok_or_else(|| ExpressionError(format!("its value is larger than {MAX_RESULT} bytes")))?;
    let other = || ExpressionError(format!("its value is no JSON, but a {}", value.kind()));
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => Value::Number(number(value).ok_or_else(other)?),
        ValueKind::String => Value::from(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            Value::Array(value.try_iter()?.map(|item| to_json(&item, left)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut members = Map::new();
            for name in value.try_iter()? {
                let Some(text) = name.as_str() else { return Err(other()) };
                *left = left.saturating_sub(text.len());
                members.insert(text.to_owned(), to_json(&value.get_item(&name)?, left)?);
            }
            Value::Object(members)
        }
        _ => return Err(other()),
    })
}

fn number(value: &minijinja::Value) -> Option<Number> {
    if value.is_integer() {
        let signed = i64::try_from(value.clone()).ok().map(Number::from);
        return signed.or_else(|| u64::try_from(value.clone()).ok().map(Number::from));
    }
    Number::from_f64(f64::try_from(value.clone()).ok()?)
}
