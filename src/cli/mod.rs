//! The command line: one file per command, each with its options and what it does.
//!
//! Standard output carries results only, for people or, with `--json`, for programs; all other talk goes to standard error.
//! The exit status is 0 when it is done, 1 when it was refused or failed (with one line that says why), and 2 when the
//! command itself is wrong.

mod administration;
mod argument;
mod claims;
mod client;
mod config;
mod createclient;
mod creatersakey;
mod createuser;
mod declared;
mod dev;
mod event;
mod failure;
mod healthcheck;
mod help;
mod in_process;
mod init;
mod key;
mod log;
mod output;
mod prompt;
mod ready;
mod remote;
mod serve;
mod templates;
mod user;
mod version;
mod wire;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};

use crate::settings::{Settings, Sources};
use argument::Line;
use failure::Failure;

/// An OpenID Connect provider in one binary
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "hallpass",
    example = "hallpass dev",
    example = "hallpass init --issuer https://id.example.com",
    example = "hallpass createclient --name Wiki --redirect-uri https://wiki.example.com/callback",
    example = "hallpass serve",
    note = "hallpass COMMAND --help says more about a command."
)]
struct Hallpass {
    /// settings file; else HALLPASS_CONFIG names it, else it is hallpass.toml
    #[argh(option, arg_name = "FILE")]
    config: Option<PathBuf>,

    /// results as JSON on standard output
    #[argh(switch)]
    json: bool,

    /// administer the provider with this issuer over HTTP, with its admin.token in HALLPASS_ADMIN_TOKEN
    #[argh(option, arg_name = "URL")]
    url: Option<String>,

    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant)] // there is one of it
enum Command {
    Dev(dev::Dev),
    Init(init::Init),
    Serve(serve::Serve),
    CreateClient(createclient::CreateClient),
    CreateRsaKey(creatersakey::CreateRsaKey),
    CreateUser(createuser::CreateUser),
    Client(client::Client),
    User(user::User),
    Key(key::Key),
    Event(event::Event),
    Claims(claims::Claims),
    Config(config::Config),
    Templates(templates::Templates),
    Healthcheck(healthcheck::Healthcheck),
    Version(version::Version),
}

/// What every command is told.
struct Invocation {
    /// The file that `--config` names.
    config: Option<PathBuf>,
    /// Results are for programs.
    json: bool,
    /// The provider elsewhere that `--url` names.
    url: Option<String>,
}

impl Invocation {
    /// Where this process's settings come from.
    fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), Vec::new())
    }

    /// The settings in force.
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(&self.sources())?)
    }
}

/// Runs the command in `arguments`, which do not begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // One line instead of a backtrace; what a library does over a damaged file is caught and explained behind it.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        output::note(&format!("a fault in the program, at {place}"));
    }));
    match attempt(arguments.into_iter().collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn attempt(arguments: Vec<OsString>) -> Result<(), Failure> {
    let root = Hallpass::get_args_info();
    match argument::normalise(arguments, &root)? {
        Line::Help(path) => output::result(&help::render(&root, &path)),
        Line::Command { path, arguments } => {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let hallpass = Hallpass::from_args(&["hallpass"], &arguments)
                .map_err(|exit| Failure::usage(&path, exit.output.split_whitespace().collect::<Vec<_>>().join(" ")))?;
            let Hallpass { config, json, url, command } = hallpass;
            if url.is_some() && !command.administers() {
                let why = "--url is for commands that administer a provider, which this one does not";
                return Err(Failure::usage(&path, why));
            }
            command.run(&Invocation { config, json, url })
        }
    }
}

impl Command {
    /// Whether it does its work by calls of administration, so that it can do it elsewhere.
    const fn administers(&self) -> bool {
        match self {
            Self::CreateClient(_)
            | Self::CreateRsaKey(_)
            | Self::CreateUser(_)
            | Self::Client(_)
            | Self::User(_)
            | Self::Key(_)
            | Self::Event(_)
            | Self::Claims(_) => true,
            Self::Dev(_)
            | Self::Init(_)
            | Self::Serve(_)
            | Self::Config(_)
            | Self::Templates(_)
            | Self::Healthcheck(_)
            | Self::Version(_) => false,
        }
    }

    fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        match self {
            Self::Dev(command) => command.run(invocation),
            Self::Init(command) => command.run(invocation),
            Self::Serve(command) => command.run(invocation),
            Self::CreateClient(command) => command.run(invocation),
            Self::CreateRsaKey(command) => command.run(invocation),
            Self::CreateUser(command) => command.run(invocation),
            Self::Client(command) => command.run(invocation),
            Self::User(command) => command.run(invocation),
            Self::Key(command) => command.run(invocation),
            Self::Event(command) => command.run(invocation),
            Self::Claims(command) => command.run(invocation),
            Self::Config(command) => command.run(invocation),
            Self::Templates(command) => command.run(invocation),
            Self::Healthcheck(command) => command.run(invocation),
            Self::Version(command) => command.run(invocation),
        }
    }
}
