//! A file that declares clients and users, as `dev --apply` takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::dev::furnish::Declared;

/// Members whose value may stand elsewhere.
const SECRETS: [&str; 3] = ["client_secret", "password", "password_hash"];

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    clients: Vec<Map<String, Value>>,
    #[serde(default)]
    users: Vec<Map<String, Value>>,
}

/// Reads `[[clients]]` and `[[users]]`, in the members of the administration's JSON. A secret may be `{ env = "NAME" }`, or
/// `{ file = "PATH" }` relative to the file.
pub(super) fn read(path: &Path, environment: &BTreeMap<String, String>) -> Result<Declared, Failure> {
    let failed = |line: String| Failure::failed(format!("{}{line}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(format!(": {error}")))?;
    let document: Document = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        failed(format!(":{line}: {}", error.message().replace('\n', " ")))
    })?;
    let mut declared = Declared { clients: document.clients, users: document.users };
    let directory = path.parent().unwrap_or(Path::new(""));
    for (name, value) in declared.clients.iter_mut().chain(&mut declared.users).flatten() {
        if SECRETS.contains(&name.as_str()) {
            *value = resolve(value.take(), directory, environment).map_err(|why| failed(format!(": {name} {why}")))?;
        }
    }
    Ok(declared)
}

/// A secret from where it is kept; what is no such place is left as it is. Space around it is dropped.
fn resolve(value: Value, directory: &Path, environment: &BTreeMap<String, String>) -> Result<Value, String> {
    let Value::Object(place) = &value else { return Ok(value) };
    let entry = place.iter().next().filter(|_| place.len() == 1).map(|(kind, name)| (kind.as_str(), name.as_str()));
    let text = match entry {
        Some(("env", Some(name))) => environment
            .get(name)
            .cloned()
            .ok_or_else(|| format!("names the environment variable {name}, which is not set"))?,
        Some(("file", Some(name))) => {
            let path = directory.join(name);
            fs::read_to_string(&path).map_err(|error| format!("names the file {}: {error}", path.display()))?
        }
        _ => return Err("must be text, { env = \"NAME\" } or { file = \"PATH\" }".into()),
    };
    Ok(text.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_text(text: &str) -> Result<Declared, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("people.toml");
        fs::write(&path, text).unwrap();
        fs::write(directory.path().join("secret"), "from the file\n").unwrap();
        let environment = [("THE_SECRET".to_owned(), "from outside".to_owned())].into();
        read(&path, &environment).map_err(|failure| match failure {
            Failure::Failed(line) => line.replace(&format!("{}/", directory.path().display()), ""),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_file_declares_clients_and_users() {
        let declared = read_text(
            "[[clients]]\nclient_id = \"shop\"\nclient_secret = { env = \"THE_SECRET\" }\nredirect_uris = [\"https://a/\"]\n\
             [[users]]\nusername = \"eve\"\npassword = { file = \"secret\" }\nclaims = { email_verified = true }\n",
        )
        .unwrap();
        assert_eq!(
            Value::from(declared.clients[0].clone()),
            json!({ "client_id": "shop", "client_secret": "from outside", "redirect_uris": ["https://a/"] })
        );
        assert_eq!(
            Value::from(declared.users[0].clone()),
            json!({ "username": "eve", "password": "from the file", "claims": { "email_verified": true } })
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_one_line_with_its_place() {
        for (text, line) in [
            ("[[clients]\n", "people.toml:1: "),
            ("\n[[client]]\nclient_id = \"a\"\n", "people.toml:2: unknown field `client`"),
            ("clients = 3\n", "people.toml:1: "),
            ("[[users]]\npassword = { env = \"NONE\" }\n", "people.toml: password names the environment variable NONE"),
            ("[[users]]\npassword = { file = \"none\" }\n", "people.toml: password names the file none: "),
            ("[[users]]\npassword = { vault = \"x\" }\n", "people.toml: password must be text, "),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.starts_with(line) && !error.contains('\n'), "{text:?}: {error}");
        }
    }
}
