//! The page that carries an authorization response in a form.

use serde::Serialize;

use super::part::INJECTION;
use super::shape::described;
use super::{Page, Submits};

described! {
    /// `form_post.html` (OAuth 2.0 Form Post Response Mode section 2): a form that sends itself to the relying party, or
    /// has a button where scripts are off.
    #[derive(Clone, Debug, Serialize)]
    pub struct FormPostPage {
        /// The proven redirect URI.
        pub action: String,
        /// The response, in order.
        pub fields: Vec<Field>,
        /// Name of the application, for people who see the page.
        pub client: String,
    }

    /// A hidden field.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Field {
        /// Name of the response parameter.
        pub name: String,
        /// Its value, not encoded.
        pub value: String,
    }
}

impl Field {
    /// A field of that name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Page for FormPostPage {
    const TEMPLATE: &'static str = "form_post.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;

    fn action(&self, _base: &str) -> Option<String> {
        Some(self.action.clone())
    }

    fn hidden(&self) -> Vec<(&str, &str)> {
        self.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect()
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = |fields: Vec<Field>| Self {
            action: "https://meadow.example/callback?tenant=1&mode=post".to_owned(),
            fields,
            client: "Meadow Notes".to_owned(),
        };
        vec![
            ("code", page(vec![Field::new("code", "hpc_1"), Field::new("state", "a b&c=\"d\"\r\n<é>")])),
            (
                "error",
                page(vec![
                    Field::new("error", "access_denied"),
                    Field::new("error_description", "The resource owner denied the request"),
                ]),
            ),
            (
                "hostile",
                Self {
                    action: format!("https://app.example/{INJECTION}"),
                    fields: vec![Field::new(INJECTION, INJECTION), Field::new("submit", "x")],
                    client: INJECTION.to_owned(),
                },
            ),
        ]
    }
}
