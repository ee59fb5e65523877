//! `hallpass claims …`

use argh::{ArgsInfo, FromArgs};
use serde_json::Value;

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output};

/// Show what clients are told of users
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "claims",
    example = "hallpass claims preview --user alice --client wiki --scope \"openid profile\""
)]
pub(super) struct Claims {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    Preview(Preview),
}

impl Claims {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::Preview(command) => command.run(invocation),
        }
    }
}

/// Show what the userinfo endpoint and an ID token would carry, and which expressions fail
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "preview",
    example = "hallpass claims preview --user alice --client wiki --scope \"openid email read:books\"",
    example = "hallpass --json claims preview --user alice --client wiki | jq .userinfo",
    note = "What every ID token has besides (iss, aud, exp and others) is left out."
)]
struct Preview {
    /// whom it speaks of
    #[argh(option, arg_name = "USERNAME")]
    user: String,
    /// who is told
    #[argh(option, arg_name = "CLIENT_ID")]
    client: String,
    /// what the client asks for: openid (the default)
    #[argh(option, arg_name = "SCOPES")]
    scope: Option<String>,
}

impl Preview {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let query = [("user", Some(self.user)), ("client", Some(self.client)), ("scope", self.scope)];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let preview = Administration::reach(invocation)?.find(&["claims"], query)?;
        if invocation.json {
            return output::json(&preview.into());
        }
        for (title, member) in [("userinfo", "userinfo"), ("ID token", "id_token")] {
            if let Some(claims @ Value::Object(_)) = preview.get(member) {
                output::result(&format!("{title}: {claims:#}\n"))?;
            }
        }
        for error in preview.get("errors").and_then(Value::as_array).into_iter().flatten() {
            output::note(&format!("error: {}", error.as_str().unwrap_or_default()));
        }
        Ok(())
    }
}
