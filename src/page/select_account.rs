//! The choice between the account that is signed in and another one.

use serde::Serialize;

use super::part::{Account, Client, INJECTION};
use super::shape::described;
use super::{Page, Submits};
use crate::base::color::Color;

described! {
    /// `select_account.html`, for `prompt=select_account` (OpenID Connect Core section 3.1.2.1). Posts `pending` and
    /// `decision` (`continue`, `another` or `cancel`) to `{base}/select-account`.
    #[derive(Clone, Debug, Serialize)]
    pub struct SelectAccountPage {
        /// The sealed authorization request, sent back as it is.
        pub pending: String,
        /// The application that asks.
        pub client: Client,
        /// Who is signed in.
        pub account: Account,
    }
}

impl Page for SelectAccountPage {
    const TEMPLATE: &'static str = "select_account.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;

    const HERE: Option<&'static str> = Some("select-account");
    const ACTION: Option<&'static str> = Some("/select-account");
    const CONTROLS: &'static [&'static [&'static str]] = &[&["decision"]];

    fn accent(&self) -> Option<Color> {
        self.client.accent
    }

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("pending", &self.pending)]
    }

    fn image(&self) -> Option<&str> {
        self.client.logo.as_deref()
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = |client, account| Self { pending: "sealed-request".to_owned(), client, account };
        vec![
            ("logo", page(Client::sample(), Account::sample())),
            ("accent", page(Client::coloured(), Account::sample())),
            ("no_logo", page(Client::named("meadow-cli"), Account::named("ada"))),
            ("long", page(Client::long(), Account::long())),
            ("right_to_left", page(Client::right_to_left(), Account::named("נועה"))),
            ("hostile", Self { pending: INJECTION.to_owned(), ..page(Client::hostile(), Account::hostile()) }),
        ]
    }
}
