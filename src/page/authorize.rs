//! The consent page. The template has the name that Django's package gave it.

use serde::Serialize;

use super::part::{Account, Client, INJECTION};
use super::{Page, Submits};

/// `authorize.html`: asks whether an application may have what it wants. Posts `pending` and `decision` (`allow`,
/// `deny`, or `switch` for another account) to `{base}/consent`.
#[derive(Clone, Debug, Serialize)]
pub struct AuthorizePage {
    /// The sealed authorization request, sent back as it is.
    pub pending: String,
    /// The application that asks.
    pub client: Client,
    /// Who would be giving the consent.
    pub account: Account,
    /// What is asked for, in the order to show it, without `openid`. May be empty: then only the identity is at stake.
    pub scopes: Vec<Scope>,
    /// Where the browser goes afterwards, as people read it: the host of the redirect URI, or its scheme.
    pub destination: Option<String>,
}

/// A scope on the consent page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// As it stands in the request.
    pub name: String,
    /// What people read, from the settings. Without one, the standard scopes (OpenID Connect Core sections 5.4 and 11)
    /// are described in the page's language and any other is shown by its raw name.
    pub title: Option<String>,
    /// A sentence more, from the settings.
    pub description: Option<String>,
}

impl Scope {
    /// A scope that the settings say nothing about.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), title: None, description: None }
    }
}

impl Page for AuthorizePage {
    const TEMPLATE: &'static str = "authorize.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;

    fn image(&self) -> Option<&str> {
        self.client.logo.as_deref()
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            pending: "sealed-request".to_owned(),
            client: Client::sample(),
            account: Account::sample(),
            scopes: ["profile", "email"].map(Scope::named).to_vec(),
            destination: Some("meadow.example".to_owned()),
        };
        let mut every = ["address", "email", "phone", "profile", "offline_access"].map(Scope::named).to_vec();
        every.push(Scope {
            name: "notes:write".to_owned(),
            title: Some("Write notes".to_owned()),
            description: Some("Create, change and delete notes in your notebooks".to_owned()),
        });
        every.push(Scope { title: Some("See your calendar".to_owned()), ..Scope::named("calendar") });
        every.push(Scope::named("https://api.meadow.example/scopes/reports.read-only.across-all-departments"));
        let hostile = Scope {
            name: INJECTION.to_owned(),
            title: Some(INJECTION.to_owned()),
            description: Some(INJECTION.to_owned()),
        };
        vec![
            ("logo", page.clone()),
            ("no_logo", Self { client: Client::named("meadow-cli"), account: Account::named("ada"), ..page.clone() }),
            ("identity_only", Self { scopes: Vec::new(), destination: None, ..page.clone() }),
            ("every_scope", Self { scopes: every.clone(), ..page.clone() }),
            ("long", Self { client: Client::long(), account: Account::long(), scopes: every, ..page.clone() }),
            ("right_to_left", Self { client: Client::right_to_left(), account: Account::named("נועה"), ..page }),
            (
                "hostile",
                Self {
                    pending: INJECTION.to_owned(),
                    client: Client::hostile(),
                    account: Account::hostile(),
                    scopes: vec![hostile, Scope::named(INJECTION)],
                    destination: Some(INJECTION.to_owned()),
                },
            ),
        ]
    }
}
