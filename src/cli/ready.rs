//! What `hallpass dev` says when it is ready: a screen for people, or a line for programs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::output;
use crate::base::secret::Secret;
use crate::dev::furnish::{Inventory, Login};
use crate::model::client::Client;
use crate::protocol::issuer::{Endpoint, Issuer};

/// A provider for development, and what can be done with it.
pub(super) struct Ready<'a> {
    pub(super) issuer: &'a Issuer,
    /// The port that it listens on, which the issuer need not have.
    pub(super) port: u16,
    /// Where it listens, unless the issuer says so.
    pub(super) at: Option<SocketAddr>,
    pub(super) inventory: &'a Inventory,
    pub(super) admin_token: &'a Secret,
    /// Where everything is kept.
    pub(super) data: Option<&'a Path>,
}

impl Ready<'_> {
    /// One line of JSON. Programs rely on its members: they never change their meaning.
    pub(super) fn line(&self) -> String {
        let value = json!({
            "issuer": self.issuer.as_str(),
            "port": self.port,
            "clients": self.inventory.clients.iter().map(client).collect::<Vec<_>>(),
            "users": self.inventory.users.iter().map(user).collect::<Vec<_>>(),
            "admin_token": self.admin_token.expose(),
        });
        value.to_string()
    }

    /// What a person needs to begin, in one look.
    pub(super) fn screen(&self) -> String {
        let issuer = self.issuer;
        let clients = self.inventory.clients.iter().map(|client| match &client.secret {
            Some(secret) => format!("{}, secret {}", client.id, secret.expose()),
            None => format!("{}, no secret (public, with PKCE)", client.id),
        });
        let users = self.inventory.users.iter().map(|login| match &login.password {
            Some(password) => format!("{}, password {}", login.username, password.expose()),
            None => login.username.clone(),
        });
        let mut addresses = vec![
            ("issuer", issuer.to_string()),
            ("discovery", issuer.address(Endpoint::Discovery)),
            ("try it", format!("{issuer}/playground")),
        ];
        if let Some(at) = self.at {
            addresses.push(("listens on", at.to_string()));
            if !at.ip().is_loopback() {
                addresses.push(("", "other machines can reach it; --issuer names it for them".to_owned()));
            }
        }
        let mut administer = vec![("administer", format!("HALLPASS_ADMIN_TOKEN={} \\", self.admin_token.expose()))];
        if !issuer.is_https() && !issuer.is_loopback() {
            administer.push(("", "HALLPASS_OUTBOUND__ALLOW_PRIVATE=true \\".to_owned()));
        }
        administer.push(("", format!("hallpass --url {issuer} client list")));
        let blocks = [
            addresses,
            titled("client", clients),
            vec![("redirect to", "any address on localhost, 127.0.0.1 or [::1]".to_owned())],
            titled("log in as", users),
            administer,
        ];
        let mut text = format!("hallpass {}, for development only\n", env!("CARGO_PKG_VERSION"));
        for block in blocks {
            text.push('\n');
            for (title, what) in block {
                text.push_str(&format!("  {title:<13}{}\n", output::visible(&what)));
            }
        }
        text.push_str(&match self.data {
            Some(path) => format!("\nCtrl-C ends it. {} keeps everything.\n", path.display()),
            None => "\nCtrl-C ends it, and all is forgotten.\n".to_owned(),
        });
        text
    }
}

/// Rows of which the first has the title.
fn titled(title: &'static str, rows: impl Iterator<Item = String>) -> Vec<(&'static str, String)> {
    rows.enumerate().map(|(index, row)| (if index == 0 { title } else { "" }, row)).collect()
}

fn client(client: &Arc<Client>) -> Value {
    let mut shown = Map::new();
    shown.insert("client_id".into(), client.id.as_str().into());
    if let Some(secret) = &client.secret {
        shown.insert("client_secret".into(), secret.expose().into());
    }
    shown.insert("client_type".into(), client.kind.name().into());
    shown.insert("redirect_uris".into(), client.redirect_uris.clone().into());
    shown.into()
}

fn user(login: &Login) -> Value {
    let mut shown = Map::new();
    shown.insert("username".into(), login.username.clone().into());
    if let Some(password) = &login.password {
        shown.insert("password".into(), password.expose().into());
    }
    shown.into()
}
