//! The login page.

use serde::Serialize;

use super::part::{Client, INJECTION};
use super::shape::{Described, Kind, Member, described};
use super::{Page, Submits};
use crate::base::color::Color;

described! {
    /// `login.html`: asks for a username and a password. Posts `pending`, `username`, `password` and `decision` (`login` or
    /// `cancel`) to `{base}/login`; in development also `pending` and `persona`.
    #[derive(Clone, Debug, Serialize)]
    pub struct LoginPage {
        /// The sealed authorization request, sent back as it is; empty when nobody asked but the person.
        pub pending: String,
        /// The application that asks.
        pub client: Option<Client>,
        /// What the username field holds: the `login_hint`, or what was typed before. It stays editable.
        pub username: String,
        /// Why the page is shown again.
        pub problem: Option<LoginProblem>,
        /// The person is signed in already and has to show again who they are (`prompt=login`, `max_age`).
        pub again: bool,
        /// In development: who can sign in with one click.
        pub personas: Vec<Persona>,
    }

    /// Somebody who can sign in with one click, in development. The button's id is `persona-` and the username.
    #[derive(Clone, Debug, Serialize)]
    pub struct Persona {
        /// What the button sends.
        pub username: String,
        /// Their name, or again the username.
        pub name: String,
        /// The `login_hint` means them: theirs is the button that Enter presses.
        pub preselected: bool,
    }
}

/// Why a login did not go through, as far as the person may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LoginProblem {
    /// A field was left empty.
    Missing,
    /// No such user, another password, a disabled account: one answer for all.
    Wrong,
    /// Too many failures for this account or address.
    Throttled {
        /// When the next attempt counts.
        seconds: u64,
    },
}

impl Described for LoginProblem {
    fn kind() -> Kind {
        let member = |name, doc: &str, kind| Member { name, doc: doc.to_owned(), kind };
        Kind::Object(vec![
            member("kind", "What it is.", Kind::Word(&["missing", "wrong", "throttled"])),
            member("seconds", "With `throttled`: when the next attempt counts.", Kind::Number),
        ])
    }
}

impl Page for LoginPage {
    const TEMPLATE: &'static str = "login.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;

    const HERE: Option<&'static str> = Some("login");
    const ACTION: Option<&'static str> = Some("/login");
    const CONTROLS: &'static [&'static [&'static str]] = &[&["username"], &["password"]];

    fn image(&self) -> Option<&str> {
        self.client.as_ref()?.logo.as_deref()
    }

    fn accent(&self) -> Option<Color> {
        self.client.as_ref()?.accent
    }

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("pending", &self.pending)]
    }

    fn sealed(&mut self) -> Option<&mut String> {
        // With a name on it, it is for one person.
        self.username.is_empty().then_some(&mut self.pending)
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            pending: "sealed-request".to_owned(),
            client: Some(Client::sample()),
            username: String::new(),
            problem: None,
            again: false,
            personas: Vec::new(),
        };
        let persona = |username: &str, name: &str, preselected| Persona {
            username: username.to_owned(),
            name: name.to_owned(),
            preselected,
        };
        let failed = |username: &str, problem| Self {
            client: Some(Client::named("Meadow Notes")),
            username: username.to_owned(),
            problem: Some(problem),
            ..page.clone()
        };
        vec![
            ("logo", page.clone()),
            ("accent", Self { client: Some(Client::coloured()), ..page.clone() }),
            ("no_client", Self { pending: String::new(), client: None, ..page.clone() }),
            ("hint", Self { username: "ada@meadow.example".to_owned(), ..page.clone() }),
            ("again", Self { username: "ada".to_owned(), again: true, ..page.clone() }),
            ("wrong", failed("ada", LoginProblem::Wrong)),
            ("missing", failed("", LoginProblem::Missing)),
            ("throttled", failed("ada", LoginProblem::Throttled { seconds: 30 })),
            ("long", Self { client: Some(Client::long()), ..page.clone() }),
            (
                "personas",
                Self {
                    username: "bob".to_owned(),
                    personas: vec![
                        persona("alice", "Alice Adams", false),
                        persona("bob", "Bob", true),
                        persona("service.account@meadow.example", "service.account@meadow.example", false),
                    ],
                    ..page.clone()
                },
            ),
            ("right_to_left", Self { client: Some(Client::right_to_left()), ..page.clone() }),
            (
                "hostile",
                Self {
                    pending: INJECTION.to_owned(),
                    client: Some(Client::hostile()),
                    username: INJECTION.to_owned(),
                    personas: vec![persona(INJECTION, INJECTION, false)],
                    ..page
                },
            ),
        ]
    }
}
