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
    note = "To change keys without breaking a login: hallpass creatersakey, wait until clients have fetched the new",
    note = "key (an hour, by default), hallpass key promote, wait until the last token has expired, hallpass key delete."
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

/// List all keys: the active one signs, the others are published
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list", example = "hallpass key list")]
struct List {}

impl List {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let keys = Administration::reach(invocation)?.list("keys")?;
        let columns = [("KID", "kid"), ("ALG", "alg"), ("BITS", "bits"), ("STATE", "state"), ("CREATED", "created_at")];
        invocation.show_list(&keys, &columns)
    }
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
