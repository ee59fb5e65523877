//! `hallpass config …`

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::{Invocation, output};
use crate::server::Tls;
use crate::settings::{ConfigFile, Entry, default_document};

/// Check and show the settings
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "config",
    example = "hallpass config default > hallpass.toml",
    example = "HALLPASS_HTTP__LISTEN=0.0.0.0:8000 hallpass config show",
    note = "The environment (HALLPASS_SECTION__KEY) wins over the file."
)]
pub(super) struct Config {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    Check(Check),
    Show(Show),
    Default(ShowDefault),
}

impl Config {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::Check(command) => command.run(invocation),
            Command::Show(command) => command.run(invocation),
            Command::Default(command) => command.run(),
        }
    }
}

/// Say whether hallpass serve would take the settings
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check", example = "hallpass --config new.toml config check")]
struct Check {}

impl Check {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let settings = invocation.settings()?;
        let issuer = settings.require_issuer()?;
        Tls::load(&settings.tls).map_err(|error| Failure::failed(error.to_string()))?;
        let file = match invocation.sources().file {
            ConfigFile::Required(path) => Some(path),
            ConfigFile::IfPresent(path) => Some(path).filter(|path| path.exists()),
            ConfigFile::None => None,
        };
        let file = file.map(|path| path.display().to_string());
        if invocation.json {
            return output::json(&json!({ "ok": true, "file": file, "issuer": issuer.as_str() }));
        }
        let place = file.unwrap_or_else(|| "no file, only the environment and defaults".to_owned());
        output::note(&format!("the settings are right ({place}); the issuer is {issuer}"));
        Ok(())
    }
}

/// Show the settings in force, and where each was given; secrets stay hidden
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show", example = "hallpass config show")]
struct Show {}

impl Show {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let settings = invocation.settings()?;
        if !invocation.json {
            return output::result(&settings.render());
        }
        let shown = |Entry { key, value, origin }: Entry| {
            let shown = json!({ "value": value.as_deref().map(to_json), "origin": origin.to_string() });
            (key.name().to_owned(), shown)
        };
        output::json(&settings.entries().into_iter().map(shown).collect::<Map<String, Value>>().into())
    }
}

/// A value in TOML as the same value in JSON.
fn to_json(toml: &str) -> Value {
    let document: Result<Map<String, Value>, _> = toml::from_str(&format!("value = {toml}"));
    document.ok().and_then(|mut document| document.shift_remove("value")).unwrap_or_else(|| toml.into())
}

/// Print the whole documented hallpass.toml, every key at its default
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "default", example = "hallpass config default > hallpass.toml")]
struct ShowDefault {}

impl ShowDefault {
    fn run(self) -> Result<(), Failure> {
        output::result(&default_document())
    }
}
