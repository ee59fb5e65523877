//! `hallpass templates …`

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use serde_json::json;

use super::failure::Failure;
use super::{Invocation, output};
use crate::page::{Frame, PageError, check, export};

/// Write out the pages' templates, and check changed ones
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "templates",
    example = "hallpass templates export templates",
    example = "hallpass templates check templates",
    note = "templates.dir names the directory whose files replace ours. Those that you leave as they are need not be there."
)]
pub(super) struct Templates {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    Export(Export),
    Check(Check),
}

impl Templates {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::Export(command) => command.run(invocation),
            Command::Check(command) => command.run(invocation),
        }
    }
}

/// Write the templates, catalogues and assets, with CONTEXT.md, which says what templates can use
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "export", example = "hallpass templates export templates")]
struct Export {
    /// the directory; it is made when it is not there
    #[argh(positional, arg_name = "DIR")]
    directory: PathBuf,
    /// overwrite files that are there
    #[argh(switch)]
    force: bool,
}

impl Export {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let count = export(&self.directory, self.force).map_err(|error| Failure::failed(error.to_string()))?;
        let directory = self.directory.display().to_string();
        if invocation.json {
            return output::json(&json!({ "directory": directory, "files": count }));
        }
        output::note(&format!("wrote {count} files to {directory}"));
        Ok(())
    }
}

/// Show every template every sample in every language, and say what is wrong with which line
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "check",
    example = "hallpass templates check",
    example = "hallpass --json templates check templates | jq -r '.faults[].reason'"
)]
struct Check {
    /// the directory; templates.dir when it is not given
    #[argh(positional, arg_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Check {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let directory = match self.directory {
            Some(directory) => Some(directory),
            None => invocation.settings()?.templates.dir,
        };
        let frame = Frame { product: "hallpass".to_owned(), ..Frame::default() };
        let faults = check(&frame, directory.as_deref()).map_err(|error| Failure::failed(error.to_string()))?;
        if invocation.json {
            let shown = |fault: &PageError| {
                let (file, line, reason) = fault.parts();
                json!({ "file": file, "line": line, "reason": reason })
            };
            let faults: Vec<_> = faults.iter().map(shown).collect();
            output::json(&json!({ "ok": faults.is_empty(), "faults": faults }))?;
        } else if !faults.is_empty() {
            output::result(
                &faults.iter().map(|fault| format!("{}\n", output::visible(&fault.to_string()))).collect::<String>(),
            )?;
        }
        let place =
            directory.map_or_else(|| "the templates in the program".to_owned(), |path| path.display().to_string());
        match faults.len() {
            0 => {
                output::note(&format!("{place}: every page can be shown in every language"));
                Ok(())
            }
            1 => Err(Failure::failed(format!("{place}: 1 fault"))),
            count => Err(Failure::failed(format!("{place}: {count} faults"))),
        }
    }
}
