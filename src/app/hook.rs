//! Hooks: what a program that embeds hallpass adds to what the provider does by itself.
//!
//! Every method has a default that changes nothing. Several hooks are asked in the order in which they were given.

use std::borrow::Cow;
use std::fmt;
use std::future::ready;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use super::expressions::Expressions;
use super::fault::Fault;
use crate::base::secret::Secret;
use crate::base::uri::parse_address;
use crate::model::client::Client;
use crate::model::event::Event;
use crate::model::id::{SessionId, UserId};
use crate::model::scope::Scope;
use crate::model::user::User;
use crate::protocol::claims_request::Wish;
use crate::settings::Settings;

/// The greatest length of `sub` (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;

/// The longest message to a user, in characters.
const MAX_MESSAGE: usize = 500;

/// Names and values, in their order.
pub type Claims = Map<String, Value>;

/// What a hook answers, once it has come to it. It may wait for others: nobody but this one request waits with it.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, HookError>> + Send + 'a>>;

/// Why a hook can't answer: for the log. The request fails, and its client learns no more than `server_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError(String);

impl HookError {
    /// With the reason, without secrets.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a hook failed: {}", self.0)
    }
}

impl std::error::Error for HookError {}

/// Whom a token is for, whom it speaks of, and what it is good for.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The client that it was issued to.
    pub client: &'a Client,
    /// Who granted it; nobody where the client asked for itself.
    pub user: Option<&'a User>,
    /// Its scope. None of it where only single claims were asked for, in an ID token.
    pub scope: &'a Scope,
    /// Claims that the client asked for by name, for this very answer (OpenID Connect Core 1.0 section 5.5). They may be given as
    /// though their scopes were in `scope`.
    pub asked: &'a [Wish],
}

/// A session that is about to end because its user logs out.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Whose.
    pub user: &'a User,
    /// `sid` of the ID tokens that were issued in it.
    pub sid: SessionId,
    /// The client that sent the user to log out, where one did and is known.
    pub client: Option<&'a Client>,
    /// Where the browser goes afterwards, where that is to the client.
    pub next: Option<&'a str>,
}

/// A name and a password, on the login page or in a password grant.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// As it was typed.
    pub username: &'a str,
    /// Not for any log.
    pub password: &'a Secret,
    /// Where it comes from.
    pub address: IpAddr,
}

/// What a hook makes of an attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody else is to say: the next hook, and at last the password that is kept for the user.
    Pass,
    /// It is this user, who has to be there and enabled.
    User(UserId),
    /// It is nobody.
    Refuse,
}

/// A user who has logged in, on the way to a client.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Where they want to go.
    pub client: &'a Client,
    /// Who.
    pub user: &'a User,
    /// The scope that the client asks for.
    pub scope: &'a Scope,
    /// Whether this hook has sent them elsewhere for this very request, and they have come back. It doesn't say that they have done
    /// anything there.
    pub returned: bool,
}

/// What a hook says of an [`Arrival`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// They may go on.
    Continue,
    /// They may not, and this is what they are told, if anything: plain text, cut off after 500 characters. The client is told
    /// `access_denied`, and not why.
    Deny(Option<String>),
    /// There is something that they have to do first, at this URL: https, or http on their own machine. The parameter `resume` is added
    /// to it, a handle of one use for this browser, with which they come back to `/authorize/resume?handle=…` below the issuer. Then
    /// the hook is asked again.
    Detour(String),
}

/// What becomes of an [`Arrival`], when all hooks have been asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They go on.
    Open,
    /// They don't, and are told this.
    Closed(Option<String>),
    /// They go elsewhere first.
    Detour {
        /// Sent by the hook at this place in the list.
        hook: u32,
        /// To there.
        url: Url,
    },
}

/// Decisions that a deployment may want to take for itself.
pub trait Hook: Send + Sync {
    /// `sub` of a user for a client (OpenID Connect Core 1.0 section 8), if it isn't to be the user's id. It must never change and never
    /// be given to two users, and has 255 characters of ASCII at most. The first hook that names one is heard.
    fn subject(&self, _user: &User, _client: &Client) -> Option<String> {
        None
    }

    /// Adds to the claims of the scope, or replaces them: at the `UserInfo` endpoint, and in ID tokens that carry them. `sub` can't be
    /// replaced.
    fn claims<'a>(&'a self, claims: Claims, _about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Ok(claims)))
    }

    /// Adds to the claims about the user in an ID token, or takes from them. What the protocol itself says there (`iss`, `sub`,
    /// `aud`, `exp`, `nonce`, …) can't be replaced.
    fn id_token<'a>(&'a self, claims: Claims, _about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Ok(claims)))
    }

    /// Says who it is that wants to log in. It is asked only while the caller and the name aren't slowed down for earlier failures,
    /// and a refusal counts as one.
    fn authenticate<'a>(&'a self, _attempt: Attempt<'a>) -> Answer<'a, Verdict> {
        Box::pin(ready(Ok(Verdict::Pass)))
    }

    /// Whether a user who has logged in may go on to a client, now or after they have been elsewhere. It is asked before they are
    /// asked for their consent and again before the answer, so there is no way around it.
    fn admit<'a>(&'a self, _arrival: Arrival<'a>) -> Answer<'a, Admission> {
        Box::pin(ready(Ok(Admission::Continue)))
    }

    /// Does what has to be done before a user is logged out. The logout goes on even if it fails: nobody is kept from leaving.
    fn logout<'a>(&'a self, _ending: Ending<'a>) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    /// Adds to what introspection tells of a token that holds (RFC 7662 section 2.2). What it tells by itself (`active`, `client_id`,
    /// `exp`, …) can't be replaced.
    fn introspection<'a>(&'a self, more: Claims, _about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Ok(more)))
    }

    /// Hears of what has happened, after it has: a hook can change nothing of it. It has a queue and a task of its own, in which
    /// it may take its time, fail and panic; where too much waits for it, it misses some.
    fn event<'a>(&'a self, _event: &'a Event) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// The hooks of a provider.
#[derive(Clone, Default)]
pub struct Hooks(Vec<Arc<dyn Hook>>);

impl Hooks {
    /// In this order.
    pub fn new(hooks: Vec<Arc<dyn Hook>>) -> Self {
        Self(hooks)
    }

    /// Adds more behind those that are there.
    pub fn extend(&mut self, hooks: &[Arc<dyn Hook>]) {
        self.0.extend(hooks.iter().cloned());
    }

    /// Each of them.
    pub fn all(&self) -> &[Arc<dyn Hook>] {
        &self.0
    }

    /// Those that the settings make.
    pub fn of(settings: &Settings) -> Self {
        Self(vec![Arc::new(Expressions::new(settings))])
    }

    /// The same with another one in the first place.
    #[must_use]
    pub fn with_first(&self, hook: Arc<dyn Hook>) -> Self {
        Self(std::iter::once(hook).chain(self.0.iter().skip(1).cloned()).collect())
    }

    /// [`Hook::subject`], or else the user's id.
    ///
    /// # Errors
    /// A hook that names what is no subject (OpenID Connect Core 1.0 section 2: at most 255 characters of ASCII). The user's id
    /// in its place would be somebody else's name, for all that the client knows.
    pub fn subject<'u>(&self, user: &'u User, client: &Client) -> Result<Cow<'u, str>, Fault> {
        match self.0.iter().find_map(|hook| hook.subject(user, client)) {
            None => Ok(Cow::Borrowed(user.id.as_str())),
            Some(named) if named.is_empty() || named.len() > MAX_SUBJECT || !named.is_ascii() => {
                Err(HookError::new(format!("the subject that it names for {} is none", user.id)).into())
            }
            Some(named) => Ok(Cow::Owned(named)),
        }
    }

    /// [`Hook::claims`] of all.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn claims(&self, mut claims: Claims, about: About<'_>) -> Result<Claims, Fault> {
        for hook in &self.0 {
            claims = hook.claims(claims, about).await?;
        }
        Ok(claims)
    }

    /// [`Hook::id_token`] of all.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn id_token(&self, mut claims: Claims, about: About<'_>) -> Result<Claims, Fault> {
        for hook in &self.0 {
            claims = hook.id_token(claims, about).await?;
        }
        Ok(claims)
    }

    /// [`Hook::authenticate`] of the first that doesn't pass.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Verdict, Fault> {
        for hook in &self.0 {
            match hook.authenticate(attempt).await? {
                Verdict::Pass => {}
                verdict => return Ok(verdict),
            }
        }
        Ok(Verdict::Pass)
    }

    /// [`Hook::admit`] of all, up to the first that doesn't let them go on. `returned` says whether the user has come back from
    /// where the hook at this place in the list has sent them; in `arrival` that doesn't matter.
    ///
    /// # Errors
    /// The first that fails, or sends the user to what is no such URL.
    pub async fn admit(&self, arrival: Arrival<'_>, returned: impl Fn(u32) -> bool + Send) -> Result<Passage, Fault> {
        for (place, hook) in (0..).zip(&self.0) {
            match hook.admit(Arrival { returned: returned(place), ..arrival }).await? {
                Admission::Continue => {}
                Admission::Deny(message) => return Ok(Passage::Closed(message.as_deref().and_then(readable))),
                Admission::Detour(url) => {
                    let url =
                        parse_address(&url).ok_or_else(|| HookError::new("it sends users to what is no https URL"))?;
                    return Ok(Passage::Detour { hook: place, url });
                }
            }
        }
        Ok(Passage::Open)
    }

    /// [`Hook::logout`] of all. Failures are logged.
    pub async fn logout(&self, ending: Ending<'_>) {
        for hook in &self.0 {
            if let Err(error) = hook.logout(ending).await {
                tracing::error!(%error, user = %ending.user.id, "before a logout");
            }
        }
    }

    /// [`Hook::introspection`] of all.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn introspection(&self, about: About<'_>) -> Result<Claims, Fault> {
        let mut more = Claims::new();
        for hook in &self.0 {
            more = hook.introspection(more, about).await?;
        }
        Ok(more)
    }
}

/// As much of a message as people are shown, in one line.
pub fn readable(message: &str) -> Option<String> {
    let text: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<HookError> for Fault {
    fn from(error: HookError) -> Self {
        Self::internal(error.to_string())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}
