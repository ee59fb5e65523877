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
#[allow(clippy::large_enum_variant)] // there is one of it, and it is run at once
enum Command {
    List(List),
    Show(Show),
    Update(Update),
    Delete(Delete),
    RotateSecret(RotateSecret),
}

impl Client {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::List(command) => command.run(invocation),
            Command::Show(command) => command.run(invocation),
            Command::Update(command) => command.run(invocation),
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

/// Change a client; what is not named stays, and an empty value takes away what is optional
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "update",
    example = "hallpass client update wiki --name \"Our wiki\" --access-token-lifetime 5m",
    example = "hallpass client update wiki --access-token-lifetime \"\"",
    note = "Options that repeat replace the whole list."
)]
struct Update {
    /// the client's id
    #[argh(positional, arg_name = "CLIENT_ID")]
    id: String,
    /// what people see on the consent page
    #[argh(option, arg_name = "NAME")]
    name: Option<String>,
    /// where the browser may be sent back to
    #[argh(option, arg_name = "URI")]
    redirect_uri: Vec<String>,
    /// where the browser may be sent after a logout
    #[argh(option, arg_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// scopes of your own that it may be granted beside the standard ones
    #[argh(option, arg_name = "SCOPES")]
    scope: Option<String>,
    /// how long its codes live, such as 90 or 5m; empty is as the settings say, also below
    #[argh(option, arg_name = "TIME")]
    code_lifetime: Option<String>,
    /// how long its access tokens live
    #[argh(option, arg_name = "TIME")]
    access_token_lifetime: Option<String>,
    /// how long its ID tokens live
    #[argh(option, arg_name = "TIME")]
    id_token_lifetime: Option<String>,
    /// how long a refresh token lives that it doesn't use
    #[argh(option, arg_name = "TIME")]
    refresh_token_idle_lifetime: Option<String>,
    /// how long a refresh token lives with all its successors
    #[argh(option, arg_name = "TIME")]
    refresh_token_lifetime: Option<String>,
    /// true puts the claims of the scope into its ID tokens, false leaves them to userinfo, empty is as the settings say
    #[argh(option, arg_name = "BOOL")]
    include_claims: Option<String>,
}

impl Update {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let mut body = Map::new();
        for (name, text) in [
            ("client_name", self.name),
            ("scope", self.scope),
            ("code_lifetime", self.code_lifetime),
            ("access_token_lifetime", self.access_token_lifetime),
            ("id_token_lifetime", self.id_token_lifetime),
            ("refresh_token_idle_lifetime", self.refresh_token_idle_lifetime),
            ("refresh_token_lifetime", self.refresh_token_lifetime),
        ] {
            if let Some(text) = text {
                body.insert(name.into(), text.into());
            }
        }
        for (name, values) in
            [("redirect_uris", self.redirect_uri), ("post_logout_redirect_uris", self.post_logout_redirect_uri)]
        {
            if !values.is_empty() {
                body.insert(name.into(), values.into());
            }
        }
        if let Some(text) = self.include_claims {
            // What is neither is refused by whoever checks all other members, too.
            let value = text.parse::<bool>().map_or_else(|_| text.into(), Value::Bool);
            body.insert("include_claims".into(), value);
        }
        if body.is_empty() {
            return Err(Failure::usage(&["client".into(), "update".into()], "nothing is named that is to change"));
        }
        let client = Administration::reach(invocation)?.call(Method::Patch, &["clients", &self.id], body.into())?;
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
