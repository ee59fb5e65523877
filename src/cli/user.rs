//! `hallpass user …`

use argh::{ArgsInfo, FromArgs};
use serde_json::{Value, json};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output, prompt};
use crate::admin::Method;

/// List, show and change users
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "user", example = "hallpass user list", example = "hallpass user set-password alice")]
pub(super) struct User {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    List(List),
    Show(Show),
    Delete(Delete),
    SetPassword(SetPassword),
    Disable(Disable),
    Enable(Enable),
}

impl User {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self.command {
            Command::List(command) => command.run(invocation),
            Command::Show(command) => command.run(invocation),
            Command::Delete(command) => command.run(invocation),
            Command::SetPassword(command) => command.run(invocation),
            Command::Disable(command) => command.run(invocation),
            Command::Enable(command) => command.run(invocation),
        }
    }
}

/// List all users
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list", example = "hallpass --json user list | jq -r '.items[].username'")]
struct List {}

impl List {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let users = Administration::reach(invocation)?.list("users")?;
        let columns = [
            ("USERNAME", "username"),
            ("ADMIN", "admin"),
            ("ENABLED", "enabled"),
            ("ID", "id"),
            ("CREATED", "created_at"),
        ];
        invocation.show_list(&users, &columns)
    }
}

/// Show a user
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show", example = "hallpass user show alice")]
struct Show {
    /// the user's name
    #[argh(positional, arg_name = "USERNAME")]
    username: String,
}

impl Show {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        invocation.show(Administration::reach(invocation)?.get(&["users", &self.username])?)
    }
}

/// Delete a user, and end their sessions, tokens and consents
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "delete", example = "hallpass user delete alice")]
struct Delete {
    /// the user's name
    #[argh(positional, arg_name = "USERNAME")]
    username: String,
}

impl Delete {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        Administration::reach(invocation)?.call(Method::Delete, &["users", &self.username], Value::Null)?;
        output::note(&format!("deleted user {}", self.username));
        Ok(())
    }
}

/// Give a user a new password, and end their sessions and tokens
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "set-password",
    example = "hallpass user set-password alice",
    example = "printf %s \"$PASSWORD\" | hallpass user set-password alice --password-stdin"
)]
struct SetPassword {
    /// the user's name
    #[argh(positional, arg_name = "USERNAME")]
    username: String,
    /// read the password from standard input
    #[argh(switch)]
    password_stdin: bool,
}

impl SetPassword {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let administration = Administration::reach(invocation)?;
        // Nobody should type a password for a user who isn't there.
        administration.get(&["users", &self.username])?;
        let password = prompt::password(&self.username, self.password_stdin, &["user", "set-password"])?;
        let body = json!({ "password": password.expose() });
        administration.call(Method::Put, &["users", &self.username, "password"], body)?;
        output::note(&format!("{} has a new password", self.username));
        Ok(())
    }
}

/// Keep a user out, and end their sessions and tokens
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "disable", example = "hallpass user disable alice")]
struct Disable {
    /// the user's name
    #[argh(positional, arg_name = "USERNAME")]
    username: String,
}

impl Disable {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        enable(&self.username, false, invocation)
    }
}

/// Let a disabled user in again
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "enable", example = "hallpass user enable alice")]
struct Enable {
    /// the user's name
    #[argh(positional, arg_name = "USERNAME")]
    username: String,
}

impl Enable {
    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        enable(&self.username, true, invocation)
    }
}

fn enable(username: &str, enabled: bool, invocation: &Invocation) -> Result<(), Failure> {
    let body = json!({ "enabled": enabled });
    let user = Administration::reach(invocation)?.call(Method::Patch, &["users", username], body)?;
    if invocation.json {
        return output::json(&user.into());
    }
    output::note(&format!("{username} is {}", if enabled { "enabled" } else { "disabled" }));
    Ok(())
}
