//! What is known of a run at its end, and the page that shows it.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::Value;

use super::check;
use super::run::{Choices, Run, Ticket};
use super::{PURPOSE, client_label, page_for, snippet, transcript};
use crate::app::App;
use crate::app::browser::Browser;
use crate::app::csrf;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::base::encode::parse_base64url;
use crate::base::form::Form;
use crate::jose::jwt::{Claims, parse_object};
use crate::model::client::{Client, GrantType};
use crate::page::{Check, Exchange, Field, IdToken, Outcome, PlaygroundResultPage, RunError};

/// What is known of a run at its end.
pub(super) struct Report {
    pub(super) choices: Choices,
    /// Whose configuration is shown.
    pub(super) application: Arc<Client>,
    /// Whether the authorization endpoint gave what it was asked for, or said that it did.
    pub(super) answered: bool,
    pub(super) authorization: Option<Exchange>,
    pub(super) token: Option<Exchange>,
    pub(super) userinfo: Option<Exchange>,
    pub(super) checks: Vec<Check>,
    pub(super) error: Option<RunError>,
    pub(super) id_token: Option<IdToken>,
    pub(super) claims: Claims,
    /// `scope` of the token response.
    pub(super) scope: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// What the user is called.
    pub(super) name: Option<String>,
}

impl Report {
    pub(super) fn of_run(run: &Run, application: Arc<Client>) -> Self {
        Self {
            choices: run.choices(),
            application,
            answered: false,
            authorization: None,
            token: None,
            userinfo: None,
            checks: Vec::new(),
            error: None,
            id_token: None,
            claims: Claims::new(),
            scope: None,
            refresh_token: None,
            name: None,
        }
    }

    pub(super) fn all_passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    /// Notes an error response (RFC 6749 sections 4.1.2.1 and 5.2).
    pub(super) fn refused(&mut self, step: &str, code: Option<&str>, description: Option<&str>) {
        let code = code.unwrap_or("no error code");
        self.error = Some(RunError {
            step: step.to_owned(),
            code: code.to_owned(),
            description: description.unwrap_or_default().to_owned(),
            advice: advice(code).to_owned(),
        });
    }

    /// Shows the token's parts, and keeps its claims.
    pub(super) fn take_apart(&mut self, token: &str) {
        let parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
        let object = |at: usize| {
            parts.get(at).and_then(parse_base64url).and_then(|json| parse_object(&json)).unwrap_or_default()
        };
        let header = transcript::indented(&Value::Object(object(0)));
        self.claims = object(1);
        let claims = transcript::indented(&Value::Object(self.claims.clone()));
        self.id_token = Some(IdToken { parts, header, claims });
    }

    /// What a refresh would go on with.
    pub(super) fn ticket(
        &self,
        app: &App,
        client: &Client,
        run: &Run,
        browser: &Browser,
    ) -> Result<Option<String>, Fault> {
        let Some(refresh_token) = &self.refresh_token else { return Ok(None) };
        if !client.may_use(GrantType::RefreshToken) {
            return Ok(None);
        }
        let ticket = Ticket {
            run: run.clone(),
            refresh_token: refresh_token.clone(),
            subject: self.subject().map(ToOwned::to_owned),
            auth_time: check::seconds(&self.claims, "auth_time"),
        };
        ticket.seal(app, browser).map(Some)
    }

    /// The page with everything.
    pub(super) fn show(
        self,
        app: &App,
        client: &Client,
        browser: Browser,
        ticket: Option<String>,
    ) -> Result<Reply, Fault> {
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        let total = self.checks.len();
        let name = self.name.as_deref().or(self.subject()).unwrap_or("The user");
        let (outcome, headline, lead) = match (&self.error, failed) {
            (Some(error), _) => {
                (Outcome::Error, error.code.clone(), format!("The provider refused the request, at {}.", error.step))
            }
            (None, 0) if self.answered && self.subject().is_none() && self.userinfo.is_none() => (
                Outcome::Verified,
                "The user agreed".to_owned(),
                format!("All {total} checks passed: that is all that this response_type tells."),
            ),
            (None, 0) if self.answered || self.token.is_some() => (
                Outcome::Verified,
                format!("{name} is signed in"),
                format!("All {total} checks passed: an application with this request gets what follows."),
            ),
            (None, 0) => (
                Outcome::Error,
                "There is nothing in the answer".to_owned(),
                "It has neither what was asked for nor an error.".to_owned(),
            ),
            (None, _) => (
                Outcome::Failed,
                format!("{failed} of {total} checks failed"),
                "An application that checks what it has to refuses this login.".to_owned(),
            ),
        };
        let facts = [
            ("Client", Some(client_label(client))),
            ("User", self.subject().map(ToOwned::to_owned)),
            ("Scope", self.scope.clone()),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some(Field::new(name, value?))).collect();
        let page = PlaygroundResultPage {
            csrf: csrf::mark(app, &browser, PURPOSE),
            outcome,
            headline,
            lead,
            facts,
            error: self.error,
            checks: self.checks,
            authorization: self.authorization,
            token: self.token,
            id_token: self.id_token,
            userinfo: self.userinfo,
            refresh: ticket,
            again: again(&self.choices),
            query: self.choices.to_query(),
            configuration: snippet::all(&app.issuer, &self.application),
        };
        page_for(app, browser, &page)
    }
}

/// Whoever comes back a second time, or without having begun.
pub(super) fn nothing_waits(app: &App, browser: Browser) -> Result<Reply, Fault> {
    let choices = Choices::read(&Form::default());
    let page = PlaygroundResultPage {
        csrf: csrf::mark(app, &browser, PURPOSE),
        outcome: Outcome::Error,
        headline: "Start again".to_owned(),
        lead: "No run of this browser waits for an answer.".to_owned(),
        facts: Vec::new(),
        error: Some(RunError {
            step: "the playground".to_owned(),
            code: "nothing_waiting".to_owned(),
            description: "An answer counts once, and not for long.".to_owned(),
            advice: "This page was loaded a second time, or the run was begun too long ago or in another browser. A code is \
                     never redeemed twice: that would end what came of it."
                .to_owned(),
        }),
        checks: Vec::new(),
        authorization: None,
        token: None,
        id_token: None,
        userinfo: None,
        refresh: None,
        again: again(&choices),
        query: choices.to_query(),
        configuration: Vec::new(),
    };
    Ok(page_for(app, browser, &page)?.status(StatusCode::BAD_REQUEST))
}

fn again(choices: &Choices) -> Vec<Field> {
    choices.iter().map(|(name, value)| Field::new(name, value)).collect()
}

/// What to do about an error.
fn advice(code: &str) -> &'static str {
    match code {
        "login_required" => {
            "prompt=none forbids to ask, and nobody is signed in who would do. Send the user through again without prompt=none."
        }
        "consent_required" | "interaction_required" | "account_selection_required" => {
            "prompt=none forbids to ask, and the user would have to be asked. Send them through again without prompt=none."
        }
        "access_denied" => "The user said no. Tell them so, and let them try again: this is an answer, not a fault.",
        "invalid_scope" => "Ask for scopes that the provider knows, in words with single spaces between.",
        "unsupported_response_type" | "unauthorized_client" => {
            "Let the client use it (response_types, grant_types), or ask for what it may use."
        }
        "invalid_request" => {
            "A parameter is missing, malformed or not allowed together with others: the description names it."
        }
        "invalid_client" => "The secret, or the way it is sent, isn't what the client is registered with.",
        "invalid_grant" => {
            "The code or token is spent, expired, or was made for another client, address or verifier. Begin again."
        }
        "temporarily_unavailable" | "server_error" => "Try again in a moment; the log of the provider knows more.",
        _ => "The specification of OpenID Connect says what this means; the log of the provider knows why it came.",
    }
}
