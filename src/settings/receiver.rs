//! The kinds of values that say where others are, and what they are asked.

use url::Url;

use super::kind::{Choice, Kind, Refusal, Surroundings, resolve_secret};
use super::written::{Written, quote};
use crate::base::uri::parse_address;
use crate::jose::webhook::WebhookSecret;

/// A URL that people are sent to.
pub(super) struct Address;

impl Kind for Address {
    type Value = Url;

    fn right(&self) -> String {
        "an https URL, or an http one of this machine, without credentials".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Url, Refusal> {
        written.text().and_then(parse_address).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &Url) -> Option<String> {
        Some(quote(value.as_str()))
    }
}

/// Several of a few names.
pub(super) struct Choices<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choices<T> {
    type Value = Vec<T>;

    fn right(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|(name, _)| quote(name)).collect();
        format!("a list of {}", names.join(", "))
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Vec<T>, Refusal> {
        written.elements().iter().map(|element| Choice(self.0).parse(element, around)).collect()
    }

    fn render(&self, value: &Vec<T>) -> Option<String> {
        let names: Vec<String> = value.iter().filter_map(|one| Choice(self.0).render(one)).collect();
        Some(format!("[{}]", names.join(", ")))
    }
}

/// Where a receiver of webhooks is.
pub(super) struct ReceiverUrl;

impl Kind for ReceiverUrl {
    type Value = Url;

    fn right(&self) -> String {
        "an https or http URL without credentials".into()
    }

    fn parse(&self, written: &Written, _: &Surroundings<'_>) -> Result<Url, Refusal> {
        let url = written.text().and_then(|text| Url::parse(text).ok()).ok_or(Refusal::Wrong)?;
        let right = matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        right.then_some(url).ok_or(Refusal::Wrong)
    }

    fn render(&self, value: &Url) -> Option<String> {
        Some(quote(value.as_str()))
    }
}

/// What webhooks are signed with.
pub(super) struct SigningSecret;

impl Kind for SigningSecret {
    type Value = WebhookSecret;
    const SECRET: bool = true;

    fn right(&self) -> String {
        format!("{}, {{ env = \"NAME\" }} or {{ file = \"PATH\" }}", WebhookSecret::RIGHT)
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<WebhookSecret, Refusal> {
        let secret = resolve_secret(written, around)?;
        WebhookSecret::parse(&secret).ok_or_else(|| Refusal::Because("does not hold such a secret".into()))
    }

    fn render(&self, _: &WebhookSecret) -> Option<String> {
        Some(quote("(hidden)"))
    }
}
