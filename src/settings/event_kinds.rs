//! Kinds of events, by their names or by patterns.

use super::kind::{Kind, Refusal, Surroundings};
use super::written::{Written, quote};
use crate::model::event::EventKinds;

/// Some kinds of events.
pub(super) struct EventPatterns;

impl Kind for EventPatterns {
    type Value = EventKinds;

    fn right(&self) -> String {
        "a list of events, such as [\"login.failed\", \"consent.*\"], or [\"*\"] for all of them".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<EventKinds, Refusal> {
        written.elements().iter().try_fold(EventKinds::NONE, |kinds, element| {
            let pattern = element.text().ok_or(Refusal::Wrong)?;
            let named = EventKinds::parse(pattern).map_err(|error| Refusal::Because(error.to_string()))?;
            Ok(kinds.union(named))
        })
    }

    fn render(&self, value: &EventKinds) -> Option<String> {
        let patterns: Vec<String> = value.patterns().iter().map(|pattern| quote(pattern)).collect();
        Some(format!("[{}]", patterns.join(", ")))
    }
}
