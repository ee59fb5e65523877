//! The playground: the form that begins a run, the page between for answers in a fragment, and what came of it.
//!
//! It is a developer's tool and speaks English only.

use serde::Serialize;

use super::form_post::Field;
use super::part::INJECTION;
use super::shape::{Described, Kind, described};
use super::{Page, Submits};

described! {
    /// `playground.html`: what the relying party is to ask for. Posts itself to `{base}/playground` with the names of the
    /// authorization request (OpenID Connect Core 1.0 section 3.1.2.1), and `user`, `nonce` and `pkce`.
    #[derive(Clone, Debug, Serialize)]
    pub struct PlaygroundPage {
        /// Proof that the form is ours.
        pub csrf: String,
        /// Why nothing was sent.
        pub problem: Option<String>,
        /// The issuer identifier.
        pub issuer: String,
        /// Whether more than the first choices are to be seen.
        pub more: bool,
        /// The choices that are made from a list.
        pub selects: Vec<Select>,
        /// The choices that are written.
        pub inputs: Vec<Input>,
    }

    /// A choice from a list.
    #[derive(Clone, Debug, Serialize)]
    pub struct Select {
        /// The field's name; with `playground-` in front the element's id.
        pub name: &'static str,
        /// What it is called.
        pub label: &'static str,
        /// What it does.
        pub hint: &'static str,
        /// Whether it stands with what one changes first.
        pub first: bool,
        /// What there is to choose from.
        pub options: Vec<Choice>,
    }

    /// One of the things to choose from.
    #[derive(Clone, Debug, Serialize)]
    pub struct Choice {
        /// What is sent.
        pub value: String,
        /// What is shown.
        pub label: String,
        /// Whether it is chosen.
        pub selected: bool,
    }

    /// A choice that is written.
    #[derive(Clone, Debug, Serialize)]
    pub struct Input {
        /// The field's name; with `playground-` in front the element's id.
        pub name: &'static str,
        /// What it is called.
        pub label: &'static str,
        /// What it does.
        pub hint: &'static str,
        /// Whether it stands with what one changes first.
        pub first: bool,
        /// What it holds.
        pub value: String,
    }

    /// `playground_fragment.html`: a server never sees a fragment, so the page's script posts it to `{base}/playground/callback` as
    /// `fragment`. With scripts off a person does.
    #[derive(Clone, Debug, Serialize)]
    pub struct PlaygroundFragmentPage {
        /// Proof that the form is ours.
        pub csrf: String,
    }

    /// `playground_result.html`: one run, from the request to what is known of the user.
    #[derive(Clone, Debug, Serialize)]
    pub struct PlaygroundResultPage {
        /// Proof that the forms are ours.
        pub csrf: String,
        /// What came of it.
        pub outcome: Outcome,
        /// The same in a few words.
        pub headline: String,
        /// And what it means.
        pub lead: String,
        /// Who and what took part.
        pub facts: Vec<Field>,
        /// The error that ended it.
        pub error: Option<RunError>,
        /// What a relying party has to check, in its order.
        pub checks: Vec<Check>,
        /// At the authorization endpoint. A refresh has none.
        pub authorization: Option<Exchange>,
        /// At the token endpoint.
        pub token: Option<Exchange>,
        /// The ID token, taken apart.
        pub id_token: Option<IdToken>,
        /// At the `UserInfo` endpoint.
        pub userinfo: Option<Exchange>,
        /// The sealed refresh token, for `{base}/playground/refresh`.
        pub refresh: Option<String>,
        /// The choices of the run, to make it again.
        pub again: Vec<Field>,
        /// The same as the query of the form's address.
        pub query: String,
        /// What to write into an application.
        pub configuration: Vec<Snippet>,
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check passed.
    Verified,
    /// A check failed: a relying party would refuse the login.
    Failed,
    /// The provider answered with an error, or there is nothing to show.
    Error,
}

described! {
    /// The error that ended a run.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct RunError {
        /// Where it came up.
        pub step: String,
        /// The protocol's name for it.
        pub code: String,
        /// What the provider said about it.
        pub description: String,
        /// What to do.
        pub advice: String,
    }

    /// A thing that a relying party has to check.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Check {
        /// What is looked at: the name of a claim or of a parameter.
        pub name: &'static str,
        /// What has to hold, in a few words.
        pub rule: &'static str,
        /// Where that is written.
        pub section: &'static str,
        /// What would be right.
        pub expected: String,
        /// What was there.
        pub found: String,
        /// Whether it is right.
        pub passed: bool,
    }

    /// A request and its answer.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Exchange {
        /// What was sent.
        pub request: Message,
        /// What came back.
        pub response: Message,
    }

    /// An HTTP message as a person reads it: parameters and JSON are broken into lines.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
    pub struct Message {
        /// The request line or the status line, as far as its query.
        pub line: String,
        /// The query of the request line, if there is one, and what stands behind.
        pub query: String,
        /// The headers that matter.
        pub headers: Vec<Field>,
        /// The body, if there is one.
        pub body: String,
    }

    /// A signed token taken apart (RFC 7515 section 7.1).
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
    pub struct IdToken {
        /// Its parts as they travel.
        pub parts: Vec<String>,
        /// Its header as indented JSON.
        pub header: String,
        /// Its claims as indented JSON.
        pub claims: String,
    }

    /// Ready-made configuration for one library.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Snippet {
        /// Part of the element's id.
        pub id: &'static str,
        /// The library.
        pub title: &'static str,
        /// Which file it goes into, or what else to know.
        pub place: &'static str,
        /// The text.
        pub text: String,
    }
}

impl Described for Outcome {
    fn kind() -> Kind {
        Kind::Word(&["verified", "failed", "error"])
    }
}

impl Page for PlaygroundPage {
    const TEMPLATE: &'static str = "playground.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Here;
    const ACTION: Option<&'static str> = Some("/playground");

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("csrf", &self.csrf)]
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let choice =
            |value: &str, label: &str, selected| Choice { value: value.to_owned(), label: label.to_owned(), selected };
        let page = |text: &str, problem: Option<&str>| Self {
            csrf: "csrf-token".to_owned(),
            problem: problem.map(ToOwned::to_owned),
            issuer: "http://localhost:8000".to_owned(),
            more: problem.is_some(),
            selects: vec![
                Select {
                    name: "client_id",
                    label: "Client",
                    hint: "Whose login it is.",
                    first: true,
                    options: vec![choice("playground", "Playground", true), choice(text, text, false)],
                },
                Select {
                    name: "user",
                    label: "Sign in as",
                    hint: "Whose account it is.",
                    first: true,
                    options: vec![choice("", "whoever signs in on the login page", true), choice(text, text, false)],
                },
                Select {
                    name: "prompt",
                    label: "prompt",
                    hint: "What the user must be asked.",
                    first: false,
                    options: vec![choice("", "not sent", true), choice("login", "login", false)],
                },
            ],
            inputs: vec![
                Input {
                    name: "scope",
                    label: "scope",
                    hint: "What it asks for.",
                    first: true,
                    value: "openid profile email".to_owned(),
                },
                Input {
                    name: "login_hint",
                    label: "login_hint",
                    hint: "Fills in the username.",
                    first: false,
                    value: text.to_owned(),
                },
            ],
        };
        vec![
            ("plain", page("meadow", None)),
            ("problem", page("meadow", Some("There is no client with the id \"meadow\"."))),
            ("hostile", page(INJECTION, Some(INJECTION))),
        ]
    }
}

impl Page for PlaygroundFragmentPage {
    const TEMPLATE: &'static str = "playground_fragment.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Here;
    const ACTION: Option<&'static str> = Some("/playground/callback");
    const CONTROLS: &'static [&'static [&'static str]] = &[&["fragment"]];

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("csrf", &self.csrf)]
    }

    fn samples() -> Vec<(&'static str, Self)> {
        vec![("plain", Self { csrf: "csrf-token".to_owned() }), ("hostile", Self { csrf: INJECTION.to_owned() })]
    }
}

impl Page for PlaygroundResultPage {
    const TEMPLATE: &'static str = "playground_result.html";
    const SCRIPTS: bool = true;
    const SUBMITS: Submits = Submits::Here;
    const ACTION: Option<&'static str> = Some("/playground");

    fn hidden(&self) -> Vec<(&str, &str)> {
        vec![("csrf", &self.csrf)]
    }

    fn samples() -> Vec<(&'static str, Self)> {
        let verified = Self::sample("meadow");
        let failed = Check { expected: "meadow".to_owned(), passed: false, ..Check::sample("pond") };
        let error = RunError {
            step: "the authorization endpoint".to_owned(),
            code: "login_required".to_owned(),
            description: "the user would have to take part first".to_owned(),
            advice: "Nobody is signed in.".to_owned(),
        };
        vec![
            ("verified", verified.clone()),
            (
                "failed",
                Self {
                    outcome: Outcome::Failed,
                    headline: "A check failed".to_owned(),
                    checks: vec![failed],
                    refresh: None,
                    ..verified.clone()
                },
            ),
            (
                "error",
                Self {
                    outcome: Outcome::Error,
                    headline: "login_required".to_owned(),
                    error: Some(error),
                    checks: Vec::new(),
                    token: None,
                    id_token: None,
                    userinfo: None,
                    refresh: None,
                    ..verified.clone()
                },
            ),
            ("refreshed", Self { authorization: None, ..verified }),
            ("hostile", Self::sample(INJECTION)),
        ]
    }
}

impl PlaygroundResultPage {
    /// A run in which everything says `text`.
    fn sample(text: &str) -> Self {
        let message = Message {
            line: format!("GET /{text}"),
            query: format!("?{text} HTTP/1.1"),
            headers: vec![Field::new("Host", text)],
            body: format!("{{\n  \"sub\": \"{text}\"\n}}"),
        };
        let exchange = Exchange { request: message.clone(), response: message };
        Self {
            csrf: "csrf-token".to_owned(),
            outcome: Outcome::Verified,
            headline: format!("{text} is signed in"),
            lead: "Every check passed.".to_owned(),
            facts: vec![Field::new("Client", text)],
            error: None,
            checks: vec![Check::sample(text)],
            authorization: Some(exchange.clone()),
            token: Some(exchange.clone()),
            id_token: Some(IdToken {
                parts: ["header", text, "signature"].map(ToOwned::to_owned).to_vec(),
                header: "{\n  \"alg\": \"RS256\"\n}".to_owned(),
                claims: format!("{{\n  \"sub\": \"{text}\"\n}}"),
            }),
            userinfo: Some(exchange),
            refresh: Some("sealed-token".to_owned()),
            again: vec![Field::new("client_id", text)],
            query: "client_id=meadow".to_owned(),
            configuration: vec![Snippet {
                id: "environment",
                title: "Environment",
                place: ".env",
                text: format!("CLIENT_ID={text}"),
            }],
        }
    }
}

impl Check {
    fn sample(text: &str) -> Self {
        Self {
            name: "aud",
            rule: "The token is for this client",
            section: "OIDC Core 3.1.3.7",
            expected: text.to_owned(),
            found: text.to_owned(),
            passed: true,
        }
    }
}
