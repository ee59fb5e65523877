//! The consent page. The template has the name that Django's package gave it, and so has what it sees.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::part::{Account, Client, INJECTION};
use super::shape::{Described, Kind, described};
use super::{Locale, Page, Submits};
use crate::base::color::Color;

/// `authorize.html`: asks whether an application may have what it wants. Posts `pending`, `csrf` and `decision` (`allow`,
/// `deny`, or `switch` for another account) to `{base}/consent`. A button of the name `allow` allows too, as in Django's
/// template.
#[derive(Clone, Debug, Serialize)]
pub struct AuthorizePage {
    /// The sealed authorization request, sent back as it is.
    pub pending: String,
    /// Proof that the form is ours.
    pub csrf: String,
    /// The application that asks.
    pub client: Client,
    /// Who would be giving the consent.
    pub account: Account,
    /// What is asked for, in the order to show it, without `openid`. May be empty: then only the identity is at stake.
    pub scopes: Vec<Scope>,
    /// Where the browser goes afterwards, as people read it: the host of the redirect URI, or its scheme.
    pub destination: Option<String>,
    /// The parameters of the authorization request that may be shown, under their names; empty where they were not sent.
    pub params: BTreeMap<String, String>,
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

described! {
    /// What the template sees of an [`AuthorizePage`].
    #[derive(Clone, Debug, Serialize)]
    pub struct AuthorizeContext {
        /// The sealed authorization request, to be sent back as it is. It is in `hidden_inputs`.
        pub pending: String,
        /// Proof that the form is ours, to be sent back as it is. It is in `hidden_inputs`.
        pub csrf: String,
        /// The application that asks.
        pub client: Client,
        /// Who would be giving the consent.
        pub account: Account,
        /// What is asked for, in the order to show it, without `openid`. May be empty: then only the identity is at stake.
        pub scopes: Vec<ShownScope>,
        /// Where the browser goes afterwards, as people read it: the host of the redirect URI, or its scheme.
        pub destination: Option<String>,
        /// The parameters of the authorization request: `client_id`, `redirect_uri`, `response_type`, `response_mode`,
        /// `scope`, `state`, `nonce`, `prompt`, `max_age`, `ui_locales`, `acr_values`, `login_hint`, `code_challenge`,
        /// `code_challenge_method`. Those that were not sent are empty.
        pub params: BTreeMap<String, String>,
    }

    /// A scope as people read it.
    #[derive(Clone, Debug, Serialize)]
    pub struct ShownScope {
        /// As it stands in the request.
        pub scope: String,
        /// What people read, in the page's language: from the settings, else from the catalogue, else again the raw name.
        pub name: String,
        /// A sentence more, or nothing.
        pub description: String,
    }
}

impl Scope {
    /// A scope that the settings say nothing about.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), title: None, description: None }
    }

    fn shown(&self, locale: &Locale) -> ShownScope {
        let say = |what: &str| locale.say(&format!("scope.{}.{what}", self.name));
        ShownScope {
            scope: self.name.clone(),
            name: self.title.clone().or_else(|| say("title")).unwrap_or_else(|| self.name.clone()),
            description: self.description.clone().or_else(|| say("description")).unwrap_or_default(),
        }
    }
}

impl Described for AuthorizePage {
    fn kind() -> Kind {
        AuthorizeContext::kind()
    }
}

impl Page for AuthorizePage {
    const TEMPLATE: &'static str = "authorize.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;
    const HERE: Option<&'static str> = Some("consent");
    const ACTION: Option<&'static str> = Some("/consent");
    const CONTROLS: &'static [&'static [&'static str]] = &[&["decision", "allow"]];

    fn image(&self) -> Option<&str> {
        self.client.logo.as_deref()
    }

    fn accent(&self) -> Option<Color> {
        self.client.accent
    }

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("pending", &self.pending), ("csrf", &self.csrf)]
    }

    fn context(&self, locale: &Locale) -> Value {
        let Self { pending, csrf, client, account, scopes, destination, params } = self.clone();
        let scopes = scopes.iter().map(|scope| scope.shown(locale)).collect();
        Value::from(Serde(AuthorizeContext { pending, csrf, client, account, scopes, destination, params }))
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            pending: "sealed-request".to_owned(),
            csrf: "csrf-token".to_owned(),
            client: Client::sample(),
            account: Account::sample(),
            scopes: ["profile", "email"].map(Scope::named).to_vec(),
            destination: Some("meadow.example".to_owned()),
            params: [
                ("client_id", "meadow-notes"),
                ("redirect_uri", "https://meadow.example/callback"),
                ("response_type", "code"),
                ("scope", "openid profile email"),
                ("state", "af0ifjsldkj"),
                ("nonce", "n-0S6_WzA2Mj"),
                ("response_mode", "query"),
                ("prompt", ""),
                ("max_age", ""),
                ("ui_locales", ""),
                ("acr_values", ""),
                ("login_hint", ""),
                ("code_challenge", ""),
                ("code_challenge_method", ""),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
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
            ("accent", Self { client: Client::coloured(), ..page.clone() }),
            ("no_logo", Self { client: Client::named("meadow-cli"), account: Account::named("ada"), ..page.clone() }),
            ("identity_only", Self { scopes: Vec::new(), destination: None, ..page.clone() }),
            ("every_scope", Self { scopes: every.clone(), ..page.clone() }),
            ("long", Self { client: Client::long(), account: Account::long(), scopes: every, ..page.clone() }),
            (
                "right_to_left",
                Self { client: Client::right_to_left(), account: Account::named("נועה"), ..page.clone() },
            ),
            (
                "hostile",
                Self {
                    pending: INJECTION.to_owned(),
                    csrf: INJECTION.to_owned(),
                    client: Client::hostile(),
                    account: Account::hostile(),
                    scopes: vec![hostile, Scope::named(INJECTION)],
                    destination: Some(INJECTION.to_owned()),
                    params: page.params.keys().map(|name| (name.clone(), INJECTION.to_owned())).collect(),
                },
            ),
        ]
    }
}
