//! What several pages show: the application that asks, the person who is signed in.

use serde::Serialize;

use super::shape::described;
use crate::base::color::Color;

described! {
    /// The application (relying party) on whose behalf a page is shown, under `client` in templates.
    ///
    /// The addresses were checked where they were stored ([`crate::base::uri::check_link`]); pages put them into `src` and
    /// `href` only.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
    pub struct Client {
        /// Its identifier.
        pub client_id: String,
        /// Its display name, or its identifier where it has none.
        pub name: String,
        /// Address of its logo: http(s), or a path on this server.
        pub logo: Option<String>,
        /// Its home page.
        pub uri: Option<String>,
        /// Its privacy policy.
        pub policy: Option<String>,
        /// Its terms of service.
        pub tos: Option<String>,
        /// The colour that its pages are to have, as `#0b5c45`. The style sheet for it is `accent`.
        pub accent: Option<Color>,
    }

    /// The person who is signed in, under `account` in templates.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
    pub struct Account {
        /// What people call them: their name, or their username.
        pub name: String,
        /// What they sign in with, shown where it differs from the name.
        pub username: Option<String>,
    }
}

/// A person or an application that attacks the page which shows its name.
pub(super) const INJECTION: &str = "\"><script>alert('1')</script>&amp;{{ 7 * 7 }}";

impl Client {
    /// An application with everything.
    pub(super) fn sample() -> Self {
        Self {
            client_id: "meadow-notes".to_owned(),
            name: "Meadow Notes".to_owned(),
            logo: Some("https://static.meadow.example/logo.svg".to_owned()),
            uri: Some("https://meadow.example/".to_owned()),
            policy: Some("https://meadow.example/privacy".to_owned()),
            tos: Some("https://meadow.example/terms".to_owned()),
            accent: None,
        }
    }

    /// The same with a colour of its own, one that letters could not be read in or on as it is.
    pub(super) fn coloured() -> Self {
        Self { accent: Color::parse("#ffb300"), ..Self::sample() }
    }

    /// Nothing but a name.
    pub(super) fn named(name: &str) -> Self {
        Self { client_id: "meadow".to_owned(), name: name.to_owned(), ..Self::default() }
    }

    /// A name that fills lines and has no place to break.
    pub(super) fn long() -> Self {
        Self {
            policy: Some("https://intranet.example/privacy?department=procurement&language=en".to_owned()),
            ..Self::named(
                "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft Travel Expenses \
                 (Production, North-West Region)",
            )
        }
    }

    /// Written from right to left, with a left-to-right part.
    pub(super) fn right_to_left() -> Self {
        Self::named("מחברת האחו (Beta)")
    }

    /// Tries to leave text and attributes.
    pub(super) fn hostile() -> Self {
        let address = format!("https://app.example/{INJECTION}");
        Self {
            client_id: INJECTION.to_owned(),
            name: INJECTION.to_owned(),
            logo: Some(address.clone()),
            uri: Some(address.clone()),
            policy: Some(address.clone()),
            tos: Some(address),
            accent: None,
        }
    }
}

impl Account {
    /// Somebody with a name.
    pub(super) fn sample() -> Self {
        Self { name: "Ada Okonkwo".to_owned(), username: Some("ada@meadow.example".to_owned()) }
    }

    /// Somebody of whom only the username is known.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), username: Some(name.to_owned()) }
    }

    /// As long as names get.
    pub(super) fn long() -> Self {
        Self {
            name: "María de los Ángeles Fernández-Villaverde y Castellanos de la Frontera".to_owned(),
            username: Some("maria.de.los.angeles.fernandez-villaverde@procurement.intranet.example".to_owned()),
        }
    }

    /// Tries to leave text and attributes.
    pub(super) fn hostile() -> Self {
        Self { name: INJECTION.to_owned(), username: Some(format!("{INJECTION}@example")) }
    }
}
