//! A file that declares clients and users, as `dev --apply` takes it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::failure::Failure;
use crate::dev::furnish::Declared;

/// Members whose value may stand elsewhere.
const SECRETS: [&str; 3] = ["client_secret", "password", "password_hash"];

/// A larger file is no secret, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Reads `[[clients]]` and `[[users]]`, in the members of the administration's JSON. A secret may be `{ env = "NAME" }`, or
/// `{ file = "PATH" }` relative to the file. What is wrong is said without any value: it may be a secret in the wrong place.
pub(super) fn read(path: &Path, environment: &BTreeMap<String, String>) -> Result<Declared, Failure> {
    let failed = |why: String| Failure::failed(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut document: toml::Table = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        failed(format!("line {line} is not valid TOML"))
    })?;
    let mut declared = Declared {
        clients: list(document.remove("clients"), "clients").map_err(&failed)?,
        users: list(document.remove("users"), "users").map_err(&failed)?,
    };
    if let Some(name) = document.keys().next() {
        return Err(failed(format!("unknown {name}: there are [[clients]] and [[users]]")));
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    for (name, value) in declared.clients.iter_mut().chain(&mut declared.users).flatten() {
        if SECRETS.contains(&name.as_str()) {
            *value = resolve(value.take(), directory, environment).map_err(|why| failed(format!("{name} {why}")))?;
        }
    }
    Ok(declared)
}

/// The tables of a list.
fn list(value: Option<toml::Value>, name: &str) -> Result<Vec<Map<String, Value>>, String> {
    let wrong = || format!("{name} must be tables: begin each with [[{name}]]");
    let tables = match value {
        None => return Ok(Vec::new()),
        Some(toml::Value::Array(tables)) => tables,
        Some(_) => return Err(wrong()),
    };
    let member = |table| match serde_json::to_value::<toml::Value>(table) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(wrong()),
    };
    tables.into_iter().map(member).collect()
}

/// A secret from where it is kept; what is no such place is left as it is. Space around it is dropped.
fn resolve(value: Value, directory: &Path, environment: &BTreeMap<String, String>) -> Result<Value, String> {
    let Value::Object(place) = &value else { return Ok(value) };
    let entry = place.iter().next().filter(|_| place.len() == 1).map(|(kind, name)| (kind.as_str(), name.as_str()));
    let text = match entry {
        Some(("env", Some(name))) => {
            environment.get(name).cloned().ok_or("names an environment variable that is not set")?
        }
        Some(("file", Some(name))) => {
            let path = directory.join(name);
            read_secret(&path).map_err(|error| format!("names the file {}: {error}", path.display()))?
        }
        _ => return Err("must be text, { env = \"NAME\" } or { file = \"PATH\" }".into()),
    };
    Ok(text.trim().into())
}

fn read_secret(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_SECRET).read_to_string(&mut text)?;
    Ok(text)
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
            ("[[clients]]\n\nclient_secret = hunter2\n", "people.toml: line 3 is not valid TOML"),
            ("\n[[client]]\nclient_id = \"a\"\n", "people.toml: unknown client: there are [[clients]] and [[users]]"),
            ("clients = 3\n", "people.toml: clients must be tables"),
            ("users = [\"hunter2\"]\n", "people.toml: users must be tables"),
            (
                "[[users]]\npassword = { env = \"hunter2\" }\n",
                "people.toml: password names an environment variable that",
            ),
            ("[[users]]\npassword = { file = \"none\" }\n", "people.toml: password names the file none: "),
            (
                "[[users]]\npassword = { file = \"/dev/zero\" }\n",
                "people.toml: password names the file /dev/zero: not a",
            ),
            ("[[users]]\npassword = { vault = \"hunter2\" }\n", "people.toml: password must be text, "),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.starts_with(line) && !error.contains('\n'), "{text:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
