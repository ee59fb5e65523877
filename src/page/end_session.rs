//! The pages of logout (OpenID Connect RP-Initiated Logout 1.0). The templates have the names that Django's package gave
//! them.

use serde::Serialize;

use super::part::{Account, Client, INJECTION};
use super::shape::described;
use super::{Page, Submits};
use crate::base::color::Color;

described! {
    /// `end_session_prompt.html`: asks whether to sign out (section 2: the OP asks unless it is sure who sends the person).
    /// Posts `csrf`, `pending` (when there is one) and `decision` (`logout` or `cancel`) to `{base}/logout`.
    #[derive(Clone, Debug, Serialize)]
    pub struct EndSessionPromptPage {
        /// The token that ties the form to the session.
        pub csrf: String,
        /// The sealed logout request, when a relying party sent the person.
        pub pending: Option<String>,
        /// The application that asks.
        pub client: Option<Client>,
        /// Who is signed in.
        pub account: Account,
    }

    /// `end_session_completed.html`: the session has ended.
    #[derive(Clone, Debug, Serialize)]
    pub struct EndSessionCompletedPage {
        /// The application that sent the person, where it is known for sure; its `uri` is offered as the way back.
        pub client: Option<Client>,
    }

    /// `end_session_failed.html`: the person chose to stay signed in.
    #[derive(Clone, Debug, Serialize)]
    pub struct EndSessionFailedPage {
        /// As on [`EndSessionCompletedPage`].
        pub client: Option<Client>,
    }
}

impl Page for EndSessionPromptPage {
    const TEMPLATE: &'static str = "end_session_prompt.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Beyond;
    const HERE: Option<&'static str> = Some("logout");
    const ACTION: Option<&'static str> = Some("/logout");
    const CONTROLS: &'static [&'static [&'static str]] = &[&["decision"]];

    fn accent(&self) -> Option<Color> {
        self.client.as_ref()?.accent
    }

    fn hidden(&self) -> Vec<(&str, &str)> {
        let pending = self.pending.as_ref().map(|pending| ("pending", pending.as_str()));
        [("csrf", self.csrf.as_str())].into_iter().chain(pending).collect()
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let page = Self {
            csrf: "csrf-token".to_owned(),
            pending: Some("sealed-request".to_owned()),
            client: Some(Client::sample()),
            account: Account::sample(),
        };
        vec![
            ("client", page.clone()),
            ("accent", Self { client: Some(Client::coloured()), ..page.clone() }),
            ("no_client", Self { pending: None, client: None, account: Account::named("ada"), ..page.clone() }),
            ("long", Self { client: Some(Client::long()), account: Account::long(), ..page }),
            (
                "hostile",
                Self {
                    csrf: INJECTION.to_owned(),
                    pending: Some(INJECTION.to_owned()),
                    client: Some(Client::hostile()),
                    account: Account::hostile(),
                },
            ),
        ]
    }
}

impl Page for EndSessionCompletedPage {
    const TEMPLATE: &'static str = "end_session_completed.html";
    const SUBMITS: Submits = Submits::Here;
    const HERE: Option<&'static str> = Some("logout");

    fn accent(&self) -> Option<Color> {
        self.client.as_ref()?.accent
    }

    fn samples() -> Vec<(&'static str, Self)> {
        clients().map(|(name, client)| (name, Self { client })).to_vec()
    }
}

impl Page for EndSessionFailedPage {
    const TEMPLATE: &'static str = "end_session_failed.html";

    fn accent(&self) -> Option<Color> {
        self.client.as_ref()?.accent
    }

    fn samples() -> Vec<(&'static str, Self)> {
        clients().map(|(name, client)| (name, Self { client })).to_vec()
    }
}

fn clients() -> [(&'static str, Option<Client>); 5] {
    [
        ("client", Some(Client::sample())),
        ("accent", Some(Client::coloured())),
        ("no_client", None),
        ("no_way_back", Some(Client::named("meadow-cli"))),
        ("hostile", Some(Client::hostile())),
    ]
}
