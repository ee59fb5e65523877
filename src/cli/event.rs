//! `hallpass event …`

use argh::{ArgsInfo, FromArgs};
use serde_json::{Value, json};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output};

/// Show what has happened: the audit log
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "event", example = "hallpass event list --kind 'login.*' --since 24h")]
pub(super) struct Event {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    List(List),
}

impl Event {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::List(command) => command.run(invocation),
        }
    }
}

/// List events, the newest first
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "list",
    example = "hallpass event list",
    example = "hallpass event list --user ada --kind 'consent.*,token.reused' --since 7d --json",
    note = "events.kinds, events.keep and events.max say which ones are kept, and for how long."
)]
struct List {
    /// of this kind, such as login.failed or client.*; several with commas between them
    #[argh(option, arg_name = "KIND")]
    kind: Option<String>,

    /// of this user: their name, or their id
    #[argh(option, arg_name = "USER")]
    user: Option<String>,

    /// of this client, by its id
    #[argh(option, arg_name = "ID")]
    client: Option<String>,

    /// not before this: a time ago such as 90m, 24h or 7d, or seconds since 1970
    #[argh(option, arg_name = "TIME")]
    since: Option<String>,

    /// at most so many; 100 unless said otherwise
    #[argh(option, arg_name = "N", default = "100")]
    limit: usize,

    /// go on behind the list that ended with this `next`
    #[argh(option, arg_name = "NEXT")]
    after: Option<String>,
}

impl List {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        if self.limit == 0 {
            return Err(Failure::failed("--limit must be 1 or more"));
        }
        let filters = [("kind", self.kind), ("user", self.user), ("client", self.client), ("since", self.since)];
        let filters: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let (mut events, next) = Administration::reach(invocation)?.some("events", &filters, self.after, self.limit)?;
        if invocation.json {
            return output::json(&json!({ "items": events, "next": next }));
        }
        for event in &mut events {
            let (who, more) = (who(event), more(event));
            if let Some(event) = event.as_object_mut() {
                event.insert("who".into(), who.into());
                event.insert("more".into(), more.into());
            }
        }
        let columns = [
            ("TIME", "occurred_at"),
            ("EVENT", "kind"),
            ("USER", "who"),
            ("CLIENT", "client_id"),
            ("ADDRESS", "address"),
            ("MORE", "more"),
        ];
        invocation.show_list(&events, &columns)?;
        if let Some(next) = next {
            output::note(&format!("there are more: --after {next}"));
        }
        Ok(())
    }
}

/// The user's name, or what is left of them.
fn who(event: &Value) -> String {
    let named = ["username", "user_id"].into_iter().find(|name| event.get(name).is_some());
    named.map(|name| output::cell(event, name)).unwrap_or_default()
}

/// The scope and the details, in a few words.
fn more(event: &Value) -> String {
    let scope = event.get("scope").map(|_| format!("scope={}", output::cell(event, "scope")));
    let detail = event.get("detail").and_then(Value::as_object);
    let detail = detail.into_iter().flatten().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    scope.into_iter().chain(detail).collect::<Vec<_>>().join(" ")
}
