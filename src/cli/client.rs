//! `hallpass client …`

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output, prompt};
use crate::admin::Method;

/// List, show and change clients
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "client",
    example = "hallpass client list",
    example = "hallpass client show CLIENT_ID --json"
)]
pub(super) struct Client {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    List(List),
    Show(Show),
    Delete(Delete),
    RotateSecret(RotateSecret),
}

impl Client {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::List(command) => command.run(invocation),
            Command::Show(command) => command.run(invocation),
            Command::Delete(command) => command.run(invocation),
            Command::RotateSecret(command) => command.run(invocation),
        }
    }
}

/// List all clients
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list", example = "hallpass --json client list | jq -r '.items[].client_id'")]
struct List {}

impl List {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let clients = Administration::reach(invocation)?.list("clients")?;
        let columns = [
            ("CLIENT ID", "client_id"),
            ("NAME", "client_name"),
            ("TYPE", "client_type"),
            ("REDIRECT URIS", "redirect_uris"),
            ("UPDATED", "updated_at"),
        ];
        invocation.show_list(&clients, &columns)
    }
}

/// Show a client; its secret is never shown again
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show", example = "hallpass client show wiki")]
struct Show {
    /// the client's id
    #[argh(positional, arg_name = "CLIENT_ID")]
    id: String,
}

impl Show {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let client = Administration::reach(invocation)?.get(&["clients", &self.id])?;
        invocation.show(client)
    }
}

/// Delete a client, and end its codes, tokens and consents
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "delete", example = "hallpass client delete wiki")]
struct Delete {
    /// the client's id
    #[argh(positional, arg_name = "CLIENT_ID")]
    id: String,
}

impl Delete {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        Administration::reach(invocation)?.call(Method::Delete, &["clients", &self.id], Value::Null)?;
        output::note(&format!("deleted client {}", self.id));
        Ok(())
    }
}

/// Give a client a new secret; the old one opens nothing any more
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "rotate-secret",
    example = "hallpass --json client rotate-secret wiki | jq -r .client_secret",
    example = "hallpass client rotate-secret wiki --secret-stdin < secret.txt",
    note = "The new secret is shown once, here."
)]
struct RotateSecret {
    /// the client's id
    #[argh(positional, arg_name = "CLIENT_ID")]
    id: String,
    /// the new secret; drawn when it is not given, which is better
    #[argh(option, arg_name = "SECRET")]
    secret: Option<String>,
    /// read the new secret from standard input, where nobody else sees it
    #[argh(switch)]
    secret_stdin: bool,
    /// end the client's codes, tokens and consents too: for a secret that leaked
    #[argh(switch)]
    end_tokens: bool,
}

impl RotateSecret {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let mut body = Map::new();
        if let Some(secret) = prompt::secret(self.secret, self.secret_stdin, &["client", "rotate-secret"])? {
            body.insert("client_secret".into(), secret.expose().into());
        }
        if self.end_tokens {
            body.insert("end_tokens".into(), true.into());
        }
        let body = Value::Object(body);
        let client = Administration::reach(invocation)?.call(Method::Post, &["clients", &self.id, "secret"], body)?;
        invocation.show(client)
    }
}
