//! The members of a JSON object that somebody sent, taken out one by one.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Problem;
use crate::base::nearest::nearest;
use crate::base::period;
use crate::base::secret::Secret;

/// A JSON object. What is not taken out of it is unknown, and refused in the end: a misspelt member must not be one that
/// silently does nothing.
pub(super) struct Members {
    rest: Map<String, Value>,
    /// What was asked for so far.
    known: Vec<&'static str>,
}

impl Members {
    /// Of a body; `null` is as good as `{}`.
    pub(super) fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Null => Ok(Self { rest: Map::new(), known: Vec::new() }),
            Value::Object(rest) => Ok(Self { rest, known: Vec::new() }),
            _ => Err(Problem::malformed("the body must be a JSON object".into())),
        }
    }

    /// All of them, as they came.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.rest
    }

    /// Whatever it is; `null` too.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.rest.shift_remove(name)
    }

    /// One that is there; `null` counts as absent.
    fn present(&mut self, name: &'static str) -> Option<Value> {
        self.take(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.present(name).map(|value| text(name, value)).transpose()
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::invalid(name, format!("{name} is missing")))
    }

    /// A text that must not be seen.
    pub(super) fn secret(&mut self, name: &'static str) -> Result<Option<Secret>, Problem> {
        Ok(self.text(name)?.map(Secret::from))
    }

    /// A text that may be taken away: `null` does, and so does an empty one.
    pub(super) fn clearable(&mut self, name: &'static str) -> Result<Option<Option<String>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => Ok(Some(Some(text(name, value)?).filter(|text| !text.is_empty()))),
        }
    }

    /// A list of texts, each kept once.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.present(name) else { return Ok(None) };
        let Value::Array(values) = value else {
            return Err(Problem::invalid(name, format!("{name} must be a list of texts")));
        };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let text = text(name, value)?;
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Ok(Some(texts))
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        let wrong = || Problem::invalid(name, format!("{name} must be true or false"));
        self.present(name).map(|value| value.as_bool().ok_or_else(wrong)).transpose()
    }

    /// True or false, which may be taken away: `null` does, and so does an empty text.
    pub(super) fn clearable_flag(&mut self, name: &'static str) -> Result<Option<Option<bool>>, Problem> {
        let wrong = || Problem::invalid(name, format!("{name} must be true or false, or null"));
        let Some(value) = self.take(name) else { return Ok(None) };
        if is_nothing(&value) { Ok(Some(None)) } else { value.as_bool().ok_or_else(wrong).map(|on| Some(Some(on))) }
    }

    /// A length of time in seconds, or as text, within bounds. It may be taken away: `null` does, and so does an empty text.
    pub(super) fn period(
        &mut self,
        name: &'static str,
        bounds: &RangeInclusive<u64>,
    ) -> Result<Option<Option<Duration>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        if is_nothing(&value) {
            return Ok(Some(None));
        }
        let seconds = value.as_u64().or_else(|| period::parse(value.as_str()?));
        let seconds = seconds.filter(|seconds| bounds.contains(seconds)).ok_or_else(|| {
            let [from, to] = [bounds.start(), bounds.end()].map(|bound| period::write(Duration::from_secs(*bound)));
            Problem::invalid(name, format!("{name} must be a duration from {from} to {to} ({})", period::FORM))
        })?;
        Ok(Some(Some(Duration::from_secs(seconds))))
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::invalid(name, format!("{name} must be a whole number"));
        self.present(name).map(|value| value.as_u64().ok_or_else(wrong)).transpose()
    }

    /// An object.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Option<Map<String, Value>>, Problem> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(Problem::invalid(name, format!("{name} must be a JSON object"))),
        }
    }

    /// Refuses the first member that nobody asked for.
    pub(super) fn done(self) -> Result<(), Problem> {
        let Some(name) = self.rest.keys().next() else { return Ok(()) };
        let hint = nearest(name, self.known.iter().copied());
        let hint = hint.map_or_else(String::new, |known| format!("; the nearest known one is {known}"));
        Err(Problem::invalid(name, format!("unknown member {name}{hint}")))
    }
}

/// What takes away what was there.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn text(name: &'static str, value: Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Problem::invalid(name, format!("{name} must be text"))),
    }
}
