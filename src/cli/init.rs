//! `hallpass init`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value, json};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output, prompt};
use crate::admin::Method;
use crate::base::random::Random;
use crate::settings::{ConfigFile, DEFAULT_FILE, Settings, Sources, default_document};
use crate::store::Draft;

/// The issuer of whoever only wants to look.
const ISSUER: &str = "http://localhost:8000";

/// The first administrator, unless somebody says otherwise.
const ADMIN: &str = "admin";

/// Write hallpass.toml, and make the store, the first key and the first administrator
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "init",
    example = "hallpass init",
    example = "hallpass init --issuer https://id.example.com",
    note = "At a terminal it asks. Without one the administrator is admin, with a password that is shown once.",
    note = "A second init changes nothing and exits with 1."
)]
pub(super) struct Init {
    /// the URL that names this provider (http://localhost:8000 unless it is given)
    #[argh(option, arg_name = "URL")]
    issuer: Option<String>,
}

/// What a new provider begins with.
struct Plan {
    /// The settings file, which isn't there yet.
    file: PathBuf,
    /// What will be in it.
    document: String,
    /// The settings that it makes, together with the environment.
    settings: Settings,
    issuer: String,
}

impl Init {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        // Everything that may be refused comes before everything that is made.
        let plan = self.plan(invocation)?;
        let (username, password, generated) = if prompt::is_attended() {
            let username = prompt::line("Name of the first administrator?", ADMIN)?;
            let password = prompt::typed("Password (empty: one is drawn): ", true)?;
            let generated = password.is_empty();
            (username, if generated { prompt::generated(&Random::System) } else { password }, generated)
        } else {
            (ADMIN.to_owned(), prompt::generated(&Random::System), true)
        };
        let user = json!({ "username": username, "password": password.expose(), "admin": true });

        let kid = plan.make(user)?;

        let mut made = Map::new();
        made.insert("issuer".into(), plan.issuer.into());
        made.insert("config".into(), plan.file.display().to_string().into());
        made.insert("store".into(), plan.settings.store.path.display().to_string().into());
        made.insert("kid".into(), kid);
        let mut admin = Map::new();
        admin.insert("username".into(), username.into());
        if generated {
            admin.insert("password".into(), password.expose().into());
        }
        made.insert("admin".into(), admin.into());
        if invocation.json {
            return output::json(&made.into());
        }
        output::result(&output::record(&made))?;
        if generated {
            output::note("The password is shown only now.");
        }
        output::note("Next: hallpass createclient --name NAME --redirect-uri URI, then hallpass serve");
        Ok(())
    }

    fn plan(self, invocation: &Invocation) -> Result<Plan, Failure> {
        let sources = invocation.sources();
        let file = match &sources.file {
            ConfigFile::Required(path) | ConfigFile::IfPresent(path) => path.clone(),
            ConfigFile::None => DEFAULT_FILE.into(),
        };
        // Not even a link that leads nowhere.
        if file.symlink_metadata().is_ok() {
            return Err(Failure::failed(format!("{} is there already: nothing was changed", file.display())));
        }
        let issuer = match (self.issuer, sources.environment.get("HALLPASS_ISSUER").filter(|url| !url.is_empty())) {
            (Some(issuer), _) => issuer,
            (None, Some(issuer)) => issuer.clone(),
            (None, None) if prompt::is_attended() => prompt::line("URL that names this provider?", ISSUER)?,
            (None, None) => ISSUER.to_owned(),
        };
        // Read as an option first, so that what is wrong with it is not blamed on a file that nobody wrote.
        let bare = Sources { file: ConfigFile::None, ..sources.clone() }.set("issuer", issuer);
        let issuer = Settings::load(&bare)?.require_issuer()?.as_str().to_owned();
        let document = document(&issuer);
        let settings = read(&document, &file, sources)?;
        if settings.store.path.exists() {
            let path = settings.store.path.display();
            return Err(Failure::failed(format!("the store {path} is there already: nothing was changed")));
        }
        Ok(Plan { file, document, settings, issuer })
    }
}

impl Plan {
    /// Makes the store with what is in it, then the settings file; gives the id of the key.
    fn make(&self, user: Value) -> Result<Value, Failure> {
        let administration = Administration::create(&self.settings)?;
        let fill = || {
            let mut key = administration.call(Method::Post, &["keys"], Value::Null)?;
            administration.call(Method::Post, &["users"], user)?;
            let draft = draft(&self.file, &self.document)?;
            draft.publish().map_err(|error| refused(&self.file, &error))?;
            Ok(key.shift_remove("kid").unwrap_or_default())
        };
        fill().inspect_err(|_| administration.undo())
    }
}

/// The documented file with the issuer in it.
fn document(issuer: &str) -> String {
    let line = format!("issuer = \"{issuer}\"");
    let mut done = false;
    let mut text = String::new();
    for old in default_document().lines() {
        let is_issuer = !done && old.starts_with("#issuer = ");
        done |= is_issuer;
        text.push_str(if is_issuer { &line } else { old });
        text.push('\n');
    }
    text
}

/// The settings that a document will make when it stands at `file`.
fn read(document: &str, file: &Path, sources: Sources) -> Result<Settings, Failure> {
    let draft = draft(file, document)?;
    Ok(Settings::load(&Sources { file: ConfigFile::Required(draft.path().to_owned()), ..sources })?)
}

/// The whole file beside its place, for its owner only: it may come to hold secrets.
fn draft(file: &Path, document: &str) -> Result<Draft, Failure> {
    let make = || {
        let (draft, mut writer) = Draft::create(file)?;
        writer.write_all(document.as_bytes())?;
        writer.sync_all()?;
        Ok(draft)
    };
    make().map_err(|error| refused(file, &error))
}

fn refused(file: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", file.display()))
}
