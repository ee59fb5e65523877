//! The expressions of the settings and of clients, as one hook: before every other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use super::hook::{About, Admission, Answer, Arrival, Claims, Hook};
use crate::base::encode::hex;
use crate::base::secret::Digest;
use crate::expression::{Expression, ExpressionError, Scene};
use crate::model::client::Client;
use crate::model::user::User;
use crate::protocol::claims::clean;
use crate::protocol::scope::scope_of;
use crate::protocol::standard_claim::{self, StandardClaim};
use crate::settings::{Formula, OF_USER, Origin, Settings, SubjectMode};

/// How many expressions of clients are kept ready; with one more all are made anew.
const READY: usize = 1024;

/// The most claims that a client has of its own.
const MAX_CLAIMS: usize = 100;

/// An expression that decides something, under the key that names it in errors.
#[derive(Clone)]
struct Rule {
    /// The claim that it sets.
    claim: String,
    key: String,
    origin: Option<Origin>,
    expression: Expression,
}

/// All expressions. Made from the settings, and cheap to make anew.
pub struct Expressions {
    claims: Vec<Rule>,
    scopes: Vec<(String, Vec<Rule>)>,
    id_token: Vec<Vec<Rule>>,
    introspection: Vec<Vec<Rule>>,
    allow_if: Option<Rule>,
    subject: SubjectMode,
    subject_expression: Option<Rule>,
    /// Those of clients, by their text.
    ready: Mutex<HashMap<String, Expression>>,
    /// What went wrong, where somebody wants to read it here and not in the log.
    notes: Option<Mutex<Vec<String>>>,
}

impl Expressions {
    /// Those of the settings. What goes wrong is logged.
    pub fn new(settings: &Settings) -> Self {
        let rules = |key: &str, formulas: &BTreeMap<String, Formula>| -> Vec<Rule> {
            formulas.iter().map(|(claim, formula)| Rule::new(claim, format!("{key}.{claim}"), formula)).collect()
        };
        let steps = |key: &str, steps: &[BTreeMap<String, Formula>]| -> Vec<Vec<Rule>> {
            steps.iter().map(|formulas| rules(key, formulas)).collect()
        };
        let scopes = settings.scopes.iter().filter(|(_, scope)| !scope.claims.is_empty());
        Self {
            claims: rules("claims", &settings.claims),
            scopes: scopes
                .map(|(name, scope)| (name.clone(), rules(&format!("scopes.{name:?}.claims"), &scope.claims)))
                .collect(),
            id_token: steps("id_token.claims", &settings.id_token.claims),
            introspection: steps("introspection.claims", &settings.introspection.claims),
            allow_if: settings.policy.allow_if.as_ref().map(|formula| Rule::new("", "policy.allow_if".into(), formula)),
            subject: settings.sub.mode,
            subject_expression: settings.sub.expression.as_ref().map(|it| Rule::new("", "sub.expression".into(), it)),
            ready: Mutex::default(),
            notes: None,
        }
    }

    /// The same, but what goes wrong is kept for [`Expressions::notes`].
    pub fn noting(settings: &Settings) -> Self {
        Self { notes: Some(Mutex::default()), ..Self::new(settings) }
    }

    /// What went wrong so far: each a key, its place, and what is wrong there.
    pub fn notes(&self) -> Vec<String> {
        self.notes
            .as_ref()
            .map(|notes| notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    fn note(&self, key: &str, origin: Option<&Origin>, user: Option<&User>, error: &dyn fmt::Display) {
        match &self.notes {
            Some(notes) => {
                let place = origin.map(|origin| format!("{origin}: ")).unwrap_or_default();
                let line = format!("{place}{key}: {error}");
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
            None => {
                let place = origin.map(tracing::field::display);
                let user = user.map(|user| tracing::field::display(&user.id));
                tracing::error!(key, place, user, %error, "an expression failed");
            }
        }
    }

    /// An expression of a client. It was looked at when it was set; a release that knows less of it has none in its place, which
    /// is noted.
    fn of_client(&self, about: About<'_>, member: &str, claim: &str, source: &str) -> Option<Rule> {
        let key = format!("{member} of client {}", about.client.id);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expression) = ready.get(source) {
            return Some(Rule { claim: claim.to_owned(), key, origin: None, expression: expression.clone() });
        }
        match Expression::compile(source, OF_USER) {
            Ok(expression) => {
                if ready.len() >= READY {
                    ready.clear();
                }
                ready.insert(source.to_owned(), expression.clone());
                Some(Rule { claim: claim.to_owned(), key, origin: None, expression })
            }
            Err(error) => {
                self.note(&key, None, about.user, &error);
                None
            }
        }
    }

    /// Sets a claim as a rule says, or takes it away.
    fn apply(&self, rule: &Rule, scene: &Scene, user: Option<&User>, claims: &mut Claims) {
        match value_of(rule, scene) {
            Ok(Some(value)) => {
                claims.insert(rule.claim.clone(), value);
            }
            Ok(None) => {
                claims.shift_remove(&rule.claim);
            }
            Err(error) => {
                self.note(&rule.key, rule.origin.as_ref(), user, &error);
                claims.shift_remove(&rule.claim);
            }
        }
    }

    /// The claims of scopes and of the client, and those that were asked for by name.
    fn give(&self, claims: &mut Claims, about: About<'_>) {
        let Some(user) = about.user else { return };
        let is_due = |rule: &&Rule| {
            scope_of(&rule.claim).is_some_and(|scope| about.scope.contains(scope))
                || about.asked.iter().any(|wish| wish.name == rule.claim)
        };
        let of_settings = self.claims.iter().filter(is_due);
        let of_scopes = self.scopes.iter().filter(|(scope, _)| about.scope.contains(scope));
        let mut due = of_settings.chain(of_scopes.flat_map(|(_, rules)| rules)).peekable();
        // What is for one client comes with a scope, whichever it is.
        let own = about.client.rules.as_ref().filter(|rules| !rules.claims.is_empty() && !about.scope.is_empty());
        if due.peek().is_none() && own.is_none() {
            return;
        }
        let scene = Sight::of(about, None);
        due.for_each(|rule| self.apply(rule, &scene, Some(user), claims));
        for (claim, source) in own.iter().flat_map(|rules| &rules.claims) {
            match self.of_client(about, &format!("claims.{claim}"), claim, source) {
                Some(rule) => self.apply(&rule, &scene, Some(user), claims),
                None => {
                    claims.shift_remove(claim);
                }
            }
        }
    }

    /// One step after the other; each sees what the one before has made.
    fn process(&self, steps: &[Vec<Rule>], mut claims: Claims, about: About<'_>) -> Claims {
        for rules in steps {
            let scene = Sight::of(about, Some(&claims));
            rules.iter().for_each(|rule| self.apply(rule, &scene, about.user, &mut claims));
        }
        claims
    }

    /// Whether a condition holds; not while it can't be evaluated.
    fn holds(&self, rule: &Rule, scene: &Scene, user: Option<&User>) -> bool {
        let noted = |error: &ExpressionError| self.note(&rule.key, rule.origin.as_ref(), user, error);
        rule.expression.holds(scene).inspect_err(noted).unwrap_or(false)
    }

    fn admits(&self, about: About<'_>) -> bool {
        let own = about.client.rules.as_ref().and_then(|rules| rules.allow_if.as_deref());
        if self.allow_if.is_none() && own.is_none() {
            return true;
        }
        let scene = Sight::of(about, None);
        let everybody = self.allow_if.iter().all(|rule| self.holds(rule, &scene, about.user));
        everybody
            && own.is_none_or(|source| {
                let rule = self.of_client(about, "allow_if", "", source);
                rule.is_some_and(|rule| self.holds(&rule, &scene, about.user))
            })
    }
}

impl Hook for Expressions {
    /// Empty where the user has no name of this kind, which is no subject.
    fn subject(&self, user: &User, client: &Client) -> Option<String> {
        match (self.subject, &self.subject_expression) {
            (SubjectMode::Uuid, _) => Some(uuid(user.id.as_str())),
            (SubjectMode::Email, _) => {
                Some(user.claims.get("email").and_then(Value::as_str).unwrap_or_default().to_owned())
            }
            (SubjectMode::Expression, Some(rule)) => {
                let scene = Scene::of(&SubjectSight { user: Person::of(user), client: Application::of(client) });
                let named = match rule.expression.evaluate(&scene) {
                    Ok(Some(Value::String(text))) => Ok(text),
                    Ok(Some(Value::Number(number))) => Ok(number.to_string()),
                    Ok(_) => Err("it names nobody".to_owned()),
                    Err(error) => Err(error.to_string()),
                };
                let noted = |error: &String| self.note(&rule.key, rule.origin.as_ref(), Some(user), error);
                Some(named.inspect_err(noted).unwrap_or_default())
            }
            (SubjectMode::UserId | SubjectMode::Expression, _) => None,
        }
    }

    fn claims<'a>(&'a self, mut claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        self.give(&mut claims, about);
        Box::pin(ready(Ok(claims)))
    }

    fn id_token<'a>(&'a self, claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Ok(self.process(&self.id_token, claims, about))))
    }

    fn admit<'a>(&'a self, arrival: Arrival<'a>) -> Answer<'a, Admission> {
        let Arrival { client, user, scope, .. } = arrival;
        let about = About { client, user: Some(user), scope, asked: &[] };
        Box::pin(ready(Ok(if self.admits(about) { Admission::Continue } else { Admission::Deny(None) })))
    }

    fn introspection<'a>(&'a self, more: Claims, about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Ok(self.process(&self.introspection, more, about))))
    }
}

impl Rule {
    fn new(claim: &str, key: String, formula: &Formula) -> Self {
        let origin = Some(formula.origin.clone());
        Self { claim: claim.to_owned(), key, origin, expression: formula.expression.clone() }
    }
}

/// What a rule says of its claim, as it may be given out: never empty (OpenID Connect Core 1.0 section 5.3.2), and a standard
/// claim of its own type.
fn value_of(rule: &Rule, scene: &Scene) -> Result<Option<Value>, String> {
    let value = rule.expression.evaluate(scene).map_err(|error: ExpressionError| error.to_string())?;
    let Some(value) = value.and_then(clean) else { return Ok(None) };
    match StandardClaim::find(&rule.claim).map(StandardClaim::kind) {
        None => Ok(Some(value)),
        Some(kind) => match kind.conform(value) {
            Some(value) => Ok(Some(value)),
            None => Err(standard_claim::ClaimError::Value(kind).to_string()),
        },
    }
}

/// The claims of one's own that the settings may give, for discovery: those of scopes and of ID tokens.
pub fn names(settings: &Settings) -> Vec<String> {
    let of_scopes = settings.scopes.values().flat_map(|scope| scope.claims.keys());
    let all = of_scopes.chain(settings.id_token.claims.iter().flat_map(BTreeMap::keys));
    all.cloned().collect::<BTreeSet<String>>().into_iter().collect()
}

/// Checks the expressions that somebody wants to give to a client.
///
/// # Errors
/// Which member is wrong and why, in one line.
pub fn check_client(claims: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    if claims.len() > MAX_CLAIMS {
        return Err(format!("there are more than {MAX_CLAIMS} claims"));
    }
    let read = |(name, value): (&String, &Value)| {
        standard_claim::check_own_name(name).map_err(|error| format!("claims.{name}: {error}"))?;
        let source = value.as_str().ok_or_else(|| format!("claims.{name} must be an expression, as text"))?;
        check_expression(source).map_err(|error| format!("claims.{name}: {error}"))?;
        Ok((name.clone(), source.to_owned()))
    };
    claims.iter().map(read).collect()
}

/// The same for one expression about a user at a client.
///
/// # Errors
/// What is wrong with it.
pub fn check_expression(source: &str) -> Result<(), String> {
    Expression::compile(source, OF_USER).map(drop).map_err(|error| error.to_string())
}

/// A UUID that is made of a text (RFC 9562 section 5.8), always the same one.
fn uuid(text: &str) -> String {
    let digest = Digest::of(format!("hallpass subject\0{text}").as_bytes());
    let mut hash = *digest.as_bytes();
    // Version 8, variant 10.
    hash[6] = hash[6] & 0x0f | 0x80;
    hash[8] = hash[8] & 0x3f | 0x80;
    let hex = hex(&hash);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The names that expressions can see.
#[derive(Serialize)]
struct Sight<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Person<'a>>,
    client: Application<'a>,
    scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a Claims>,
}

#[derive(Serialize)]
struct SubjectSight<'a> {
    user: Person<'a>,
    client: Application<'a>,
}

/// `user`.
#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    username: &'a str,
    admin: bool,
    created_at: u64,
    updated_at: u64,
    claims: &'a Map<String, Value>,
}

/// `client`.
#[derive(Serialize)]
struct Application<'a> {
    id: &'a str,
    name: &'a str,
    r#type: &'static str,
    metadata: &'a Map<String, Value>,
}

impl<'a> Sight<'a> {
    fn of(about: About<'a>, claims: Option<&'a Claims>) -> Scene {
        let scopes = about.scope.iter().collect();
        let user = about.user.map(Person::of);
        Scene::of(&Self { user, client: Application::of(about.client), scopes, claims })
    }
}

impl<'a> Person<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            id: user.id.as_str(),
            username: &user.username,
            admin: user.admin,
            created_at: user.created_at.as_secs(),
            updated_at: user.updated_at.as_secs(),
            claims: &user.claims,
        }
    }
}

impl<'a> Application<'a> {
    fn of(client: &'a Client) -> Self {
        Self { id: client.id.as_str(), name: &client.name, r#type: client.kind.name(), metadata: &client.metadata }
    }
}
