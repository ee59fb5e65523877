//! `hallpass createuser`

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value, json};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, prompt};
use crate::protocol::standard_claim::set_claim;

/// Create a user: a person who can log in
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "createuser",
    example = "hallpass createuser --username alice --email alice@example.com",
    example = "hallpass createuser --username bob --claim name=\"Bob B.\" --claim address.country=CH",
    example = "printf %s \"$PASSWORD\" | hallpass createuser --username ci --password-stdin",
    note = "The password is asked for at the terminal. --claim takes standard claims as what they are",
    note = "(email_verified=true is a boolean), and others as JSON where they are JSON, else as text."
)]
pub(super) struct CreateUser {
    /// what the user types to log in; upper and lower case are the same
    #[argh(option, arg_name = "USERNAME")]
    username: String,
    /// read the password from standard input
    #[argh(switch)]
    password_stdin: bool,
    /// their e-mail address, as claim email
    #[argh(option, arg_name = "EMAIL")]
    email: Option<String>,
    /// let the user administer hallpass
    #[argh(switch)]
    admin: bool,
    /// something about the user that applications may learn
    #[argh(option, arg_name = "NAME=VALUE")]
    claim: Vec<String>,
}

impl CreateUser {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let claims = self.claims()?;
        let administration = Administration::reach_or_create(invocation)?;
        let password = prompt::password(&self.username, self.password_stdin, &["createuser"])?;
        let body = json!({
            "username": self.username,
            "password": password.expose(),
            "admin": self.admin,
            "claims": claims,
        });
        let user = administration.add("users", body)?;
        invocation.show(user)
    }

    fn claims(&self) -> Result<Map<String, Value>, Failure> {
        let mut all = Map::new();
        if let Some(email) = &self.email {
            all.insert("email".into(), email.clone().into());
        }
        for text in &self.claim {
            let wrong = |why: String| Failure::usage(&["createuser".into()], why);
            let (name, value) =
                text.split_once('=').ok_or_else(|| wrong(format!("--claim {text:?} must be NAME=VALUE")))?;
            set_claim(&mut all, name, value).map_err(|why| wrong(format!("--claim {name}: {why}")))?;
        }
        Ok(all)
    }
}
