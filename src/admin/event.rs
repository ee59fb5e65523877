//! Events: what is kept of them.

use serde_json::{Map, Value};

use super::{Answer, Context, Problem, page_of};
use crate::base::clock::Timestamp;
use crate::base::form::Form;
use crate::model::event::{Event, EventFilter, EventKinds};
use crate::model::id::{ClientId, EventId, UserId, is_text_id};

/// `GET events`: the newest first. Beside `limit` and `after` it takes `kind` (a name or a pattern such as `login.*`, several
/// with commas between them), `user` (a name, or the id of one who may be no more), `client`, and `since` (seconds since 1970,
/// or a time before now such as `24h`). A page that looks in vain for too long ends early: `next` alone says whether there is
/// more.
pub(super) async fn list(context: &Context<'_>, query: &Form) -> Result<Answer, Problem> {
    let (after, limit) = page_of(query)?;
    let invalid = |name, why: &str| Problem::invalid(name, format!("{name} {why}"));
    let after: Option<EventId> =
        after.map(|text| text.parse().map_err(|_| invalid("after", "must be the next of another page"))).transpose()?;
    let text_id = |name, text: &str| match is_text_id(text) {
        true => Ok(()),
        false => Err(invalid(name, "can't be anybody's")),
    };
    let filter = EventFilter {
        kinds: query.get("kind").map(kinds).transpose()?,
        user: match query.get("user") {
            None => None,
            Some(name) => Some(match context.store.user_by_username(name).await? {
                Some(user) => user.id.clone(),
                None => text_id("user", name).map(|()| UserId::new(name))?,
            }),
        },
        client: query.get("client").map(|id| text_id("client", id).map(|()| ClientId::new(id))).transpose()?,
        since: match query.get("since") {
            None => None,
            Some(text) => Some(since(text, context.clock.now()).ok_or_else(|| {
                invalid("since", "must be seconds since 1970, or a time before now such as 90m, 24h or 7d")
            })?),
        },
    };
    let page = context.store.events(&filter, after.as_ref(), limit).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for event in &page.items {
        items.push(render(context, event).await?.into());
    }
    Ok(Answer::list(items, page.next.map(|id| id.to_string())))
}

fn kinds(text: &str) -> Result<EventKinds, Problem> {
    text.split(',').try_fold(EventKinds::NONE, |kinds, pattern| {
        let named = EventKinds::parse(pattern.trim()).map_err(|error| Problem::invalid("kind", error.to_string()))?;
        Ok(kinds.union(named))
    })
}

/// The year 5138, which is as good as any later one.
const END: u64 = 100_000_000_000;

/// A time: so many seconds after 1970, or before `now` in minutes, hours, days or weeks.
fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let unit = match unit {
        "" => return Some(Timestamp::from_secs(number.min(END))),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    Some(now - std::time::Duration::from_secs(number.checked_mul(unit)?))
}

/// An event, with the name of its user while there is one.
async fn render(context: &Context<'_>, event: &Event) -> Result<Map<String, Value>, Problem> {
    let mut json = event.to_json();
    if let Some(id) = &event.what.user
        && let Some(user) = context.store.user(id).await?
    {
        json.insert("username".into(), user.username.clone().into());
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_before_now() {
        let now = Timestamp::from_secs(1_800_000_000);
        let at = |text| since(text, now).map(Timestamp::as_secs);
        assert_eq!(at("1700000000"), Some(1_700_000_000));
        assert_eq!(at("90m"), Some(1_800_000_000 - 5400));
        assert_eq!(at("2d"), Some(1_800_000_000 - 2 * 86_400));
        assert_eq!(at("99999999999w"), Some(0), "before everything");
        for wrong in ["", "d", "-1d", "1.5h", "1y", "99999999999999999999d", "1 d", "18446744073709551615w"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
