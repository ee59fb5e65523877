//! `hallpass key …`

use argh::{ArgsInfo, FromArgs};
use serde_json::Value;

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output};
use crate::admin::Method;

/// List, rotate and export signing keys
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "key",
    example = "hallpass key list",
    note = "The server changes keys by itself (signing.rotate_every): it makes the next one, publishes it for a while, lets",
    note = "it sign, and takes the one before out of the key set when what that signed has expired.",
    note = "To do so earlier: hallpass creatersakey, wait until relying parties have fetched it (discovery.cache_control,",
    note = "an hour by default), hallpass key promote. The rest happens by itself, and 90 days begin anew.",
    note = "When a key has leaked: hallpass creatersakey, hallpass key promote NEW, hallpass key delete OLD, at once."
)]
pub(super) struct Key {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    List(List),
    Promote(Promote),
    Retire(Retire),
    Delete(Delete),
    Export(Export),
}

impl Key {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::List(command) => command.run(invocation),
            Command::Promote(command) => command.run(invocation),
            Command::Retire(command) => command.run(invocation),
            Command::Delete(command) => command.run(invocation),
            Command::Export(command) => command.run(invocation),
        }
    }
}

/// List all keys: the active one signs; all are published but those that are withdrawn
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list", example = "hallpass key list")]
struct List {}

impl List {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let mut keys = Administration::reach(invocation)?.list("keys")?;
        if !invocation.json {
            for key in &mut keys {
                let then = next_step(key);
                key.as_object_mut().map(|key| key.insert("then".into(), then.into()));
            }
        }
        let columns = [
            ("KID", "kid"),
            ("ALG", "alg"),
            ("BITS", "bits"),
            ("STATE", "state"),
            ("CREATED", "created_at"),
            ("BY ITSELF", "then"),
        ];
        invocation.show_list(&keys, &columns)
    }
}

/// What becomes of a key next by itself.
fn next_step(key: &Value) -> String {
    let steps = [
        ("signs from", "activates_at"),
        ("retires", "retires_at"),
        ("leaves the key set", "leaves_at"),
        ("is deleted", "expires_at"),
    ];
    let known = steps.into_iter().find(|(_, name)| key.get(name).is_some());
    known.map(|(what, name)| format!("{what} {}", output::cell(key, name))).unwrap_or_default()
}

/// Let a key sign from now on; the one that signed so far retires
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "promote", example = "hallpass key promote KID")]
struct Promote {
    /// the key's id
    #[argh(positional, arg_name = "KID")]
    kid: String,
}

impl Promote {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        step(&self.kid, "promote", invocation)
    }
}

/// Take back a key that has not signed yet
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "retire", example = "hallpass key retire KID")]
struct Retire {
    /// the key's id
    #[argh(positional, arg_name = "KID")]
    kid: String,
}

impl Retire {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        step(&self.kid, "retire", invocation)
    }
}

fn step(kid: &str, step: &str, invocation: &Invocation) -> Result<(), Failure> {
    let key = Administration::reach(invocation)?.call(Method::Post, &["keys", kid, step], Value::Null)?;
    invocation.show(key)
}

/// Delete a key: nothing that it signed can be verified any more
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "delete", example = "hallpass key delete KID")]
struct Delete {
    /// the key's id
    #[argh(positional, arg_name = "KID")]
    kid: String,
}

impl Delete {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        Administration::reach(invocation)?.call(Method::Delete, &["keys", &self.kid], Value::Null)?;
        output::note(&format!("deleted key {}", self.kid));
        Ok(())
    }
}

/// Print a private key as PEM (PKCS#8): whoever has it can sign in your name
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "export", example = "(umask 077; hallpass key export KID > key.pem)")]
struct Export {
    /// the key's id
    #[argh(positional, arg_name = "KID")]
    kid: String,
}

impl Export {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let key = Administration::reach(invocation)?.get(&["keys", &self.kid, "private"])?;
        if invocation.json {
            return output::json(&key.into());
        }
        output::result(key.get("pem").and_then(Value::as_str).unwrap_or_default())
    }
}
