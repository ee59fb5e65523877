//! The page for whom a deployment's own rules keep out of an application.

use serde::Serialize;

use super::form_post::Field;
use super::part::INJECTION;
use super::shape::described;
use super::{Page, Submits};

described! {
    /// `denied.html`: why, in the words of the hook that says so, and the way back to the application, which is told `access_denied`.
    #[derive(Clone, Debug, Serialize)]
    pub struct DeniedPage {
        /// What the hook says to the user.
        pub message: String,
        /// The application.
        pub client: String,
        /// The proven redirect URI, with the answer in it unless there are fields.
        pub address: String,
        /// The answer, where it travels in a form.
        pub fields: Vec<Field>,
    }
}

impl Page for DeniedPage {
    const TEMPLATE: &'static str = "denied.html";
    const SUBMITS: Submits = Submits::Beyond;

    fn samples() -> Vec<(&'static str, Self)> {
        let link = Self {
            message: "Meadow Notes is for members. Ask the office for a membership.".to_owned(),
            client: "Meadow Notes".to_owned(),
            address: "https://meadow.example/callback?error=access_denied&state=x".to_owned(),
            fields: Vec::new(),
        };
        vec![
            ("link", link.clone()),
            (
                "form",
                Self {
                    address: "https://meadow.example/callback".to_owned(),
                    fields: vec![Field::new("error", "access_denied"), Field::new("state", "x")],
                    ..link.clone()
                },
            ),
            ("long", Self { message: "Not before the first of the month. ".repeat(14), ..link }),
            (
                "hostile",
                Self {
                    message: INJECTION.to_owned(),
                    client: INJECTION.to_owned(),
                    address: format!("https://app.example/{INJECTION}"),
                    fields: vec![Field::new(INJECTION, INJECTION)],
                },
            ),
        ]
    }
}
