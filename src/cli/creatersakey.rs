//! `hallpass creatersakey`

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output};
use crate::base::secret::Secret;

/// Make or import a key that signs tokens
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "creatersakey",
    example = "hallpass creatersakey",
    example = "hallpass creatersakey --bits 3072",
    example = "hallpass creatersakey --pem old-key.pem",
    note = "The first key signs at once. A later one is published until its turn comes (signing.rotate_every), or until",
    note = "hallpass key promote lets it sign."
)]
pub(super) struct CreateRsaKey {
    /// the size of the key: 2048 (the default), 3072 or 4096
    #[argh(option, arg_name = "BITS")]
    bits: Option<u64>,
    /// import the RSA private key in this file instead (PKCS#1 or PKCS#8), or - for standard input
    #[argh(option, arg_name = "FILE")]
    pem: Option<PathBuf>,
}

/// A private key of 4096 bits has some 3300 characters; certificates may surround it.
const MAX_PEM: u64 = 64 * 1024;

impl CreateRsaKey {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let mut body = Map::new();
        if let Some(bits) = self.bits {
            body.insert("bits".into(), bits.into());
        }
        if let Some(path) = self.pem {
            body.insert("pem".into(), read(&path)?.expose().into());
        }
        let administration = Administration::reach_or_create(invocation)?;
        let key = administration.add("keys", body.into())?;
        if invocation.json {
            return output::json(&key.into());
        }
        output::result(&output::record(&key))?;
        if key.get("state").and_then(Value::as_str) == Some("next") {
            let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
            let turn = match output::cell(&key.clone().into(), "activates_at") {
                unknown if unknown.is_empty() => String::new(),
                turn => format!(", or by itself from {turn}"),
            };
            output::note(&format!("It signs after: hallpass key promote {kid}{turn}"));
        }
        Ok(())
    }
}

fn read(path: &std::path::Path) -> Result<Secret, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_PEM).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_PEM).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    Ok(Secret::from(text))
}
