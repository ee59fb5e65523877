//! `hallpass version`

use argh::{ArgsInfo, FromArgs};
use serde_json::json;

use super::failure::Failure;
use super::{Invocation, output};

/// Show the version of this program
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "version", example = "hallpass version --json")]
pub(super) struct Version {}

impl Version {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        if invocation.json {
            output::json(&json!({ "name": "hallpass", "version": version }))
        } else {
            output::result(&format!("hallpass {version}"))
        }
    }
}
