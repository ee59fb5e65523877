//! A run: what its form chose, the authorization request that comes of it, and how it waits for its answer.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::app::browser::Browser;
use crate::app::cookie::{Cookie, Lifetime, SetCookie, Site};
use crate::app::fault::Fault;
use crate::app::request::Request;
use crate::base::clock::Timestamp;
use crate::base::encode::{base64url, parse_base64url};
use crate::base::form::{self, Form};
use crate::dev::PLAYGROUND;
use crate::model::id::ClientId;

/// Browsers refuse cookies above 4096 bytes, name and attributes included (RFC 6265 section 6.1).
const MAX_SEALED: usize = 3800;

/// The fields of the form, each with the value that it has in the beginning. All but the client and the user go into the
/// authorization request.
const FIELDS: [(&str, &str); 11] = [
    ("client_id", PLAYGROUND),
    ("user", ""),
    ("scope", "openid profile email"),
    ("prompt", ""),
    ("max_age", ""),
    ("response_type", "code"),
    ("response_mode", ""),
    ("login_hint", ""),
    ("claims", ""),
    ("nonce", "random"),
    ("pkce", "S256"),
];

/// What somebody chose in the form.
#[derive(Clone, Debug)]
pub(super) struct Choices([(&'static str, String); FIELDS.len()]);

impl Choices {
    /// From what a form or an address says; what it doesn't say is as in the beginning.
    pub(super) fn read(form: &Form) -> Self {
        Self(FIELDS.map(|(name, default)| (name, form.sent(name).unwrap_or(default).trim().to_owned())))
    }

    /// The same with this user where nothing was said about one.
    pub(super) fn with_user(mut self, form: &Form, user: Option<&str>) -> Self {
        if let (None, Some(user)) = (form.sent("user"), user) {
            self.set("user", user);
        }
        self
    }

    /// The choice of a field.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &str) {
        for (_, own) in self.0.iter_mut().filter(|(other, _)| *other == name) {
            value.clone_into(own);
        }
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether a field is as in the beginning.
    pub(super) fn is_default(&self, name: &str) -> bool {
        FIELDS.contains(&(name, self.get(name)))
    }

    /// As a query, which [`Self::read`] understands.
    pub(super) fn to_query(&self) -> String {
        form::render(self.iter().filter(|(name, _)| *name == "user" || !self.is_default(name)))
    }
}

/// A run that waits for its answer, sealed in a cookie of the browser that began it.
#[derive(Clone, Encode, Decode)]
pub(super) struct Run {
    /// The parameters of the authorization request, as they stand in its address.
    #[n(0)]
    pub(super) query: String,
    /// `code_verifier` (RFC 7636 section 4.1).
    #[n(1)]
    pub(super) verifier: Option<String>,
    /// Who was to be logged in without being asked.
    #[n(2)]
    user: String,
    /// When it began.
    #[n(3)]
    pub(super) begun_at: Timestamp,
}

impl Run {
    /// The authorization request that somebody chose (OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636 section 4.3). What
    /// is chosen is sent as it is: an error of the provider teaches more than a refusal here.
    pub(super) fn begin(app: &App, choices: &Choices, redirect_uri: &str, now: Timestamp) -> Self {
        let random = || base64url(app.random.bytes::<32>());
        let verifier = (choices.get("pkce") == "S256").then(random);
        let challenge = verifier.as_ref().map(|verifier| base64url(Sha256::digest(verifier))).unwrap_or_default();
        let method = if verifier.is_some() { "S256" } else { "" };
        let state = base64url(app.random.bytes::<16>());
        let nonce = if choices.get("nonce") == "random" { base64url(app.random.bytes::<16>()) } else { String::new() };
        let parameters = [
            ("response_type", choices.get("response_type")),
            ("client_id", choices.get("client_id")),
            ("redirect_uri", redirect_uri),
            ("scope", choices.get("scope")),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", method),
            ("response_mode", choices.get("response_mode")),
            ("prompt", choices.get("prompt")),
            ("max_age", choices.get("max_age")),
            ("login_hint", choices.get("login_hint")),
            ("claims", choices.get("claims")),
        ];
        let query = form::render(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        Self { query, verifier, user: choices.get("user").to_owned(), begun_at: now }
    }

    /// The parameters of its authorization request.
    pub(super) fn request(&self) -> Form {
        Form::parse(self.query.as_bytes()).unwrap_or_default()
    }

    /// Whose login it is.
    pub(super) fn client_id(&self) -> ClientId {
        ClientId::new(self.request().get("client_id").unwrap_or_default())
    }

    /// What was chosen for it.
    pub(super) fn choices(&self) -> Choices {
        let request = self.request();
        let mut choices = Choices(FIELDS.map(|(name, _)| (name, request.get(name).unwrap_or_default().to_owned())));
        choices.set("user", &self.user);
        choices.set("nonce", if request.get("nonce").is_some() { "random" } else { "none" });
        choices.set("pkce", if self.verifier.is_some() { "S256" } else { "none" });
        choices
    }

    /// When the login may have been at the earliest (OpenID Connect Core 1.0 section 3.1.2.1, `max_age` and `prompt`).
    pub(super) fn login_since(&self) -> Option<Timestamp> {
        let request = self.request();
        let max_age = request.get("max_age").and_then(|seconds| seconds.parse().ok());
        let asked = request.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"));
        // Whole seconds: tokens have no others.
        let begun_at = self.begun_at.as_secs();
        let since = if asked { Some(begun_at) } else { max_age.map(|age: u64| begun_at.saturating_sub(age)) };
        since.map(Timestamp::from_secs)
    }

    /// The cookie that keeps it for its browser; `None` when it is larger than browsers keep.
    pub(super) fn keep(&self, app: &App, browser: &Browser) -> Result<Option<SetCookie>, Fault> {
        let sealed = seal(app, browser, RUN, self)?;
        let time = Lifetime::For(app.settings.lifetimes.pending);
        Ok((sealed.len() <= MAX_SEALED).then(|| cookie(app).set(&sealed, time)))
    }

    /// The run that waits in this browser.
    pub(super) fn waiting(app: &App, request: &Request, browser: &Browser) -> Option<Self> {
        let run: Self = open(app, browser, RUN, request.cookie(cookie(app).name())?)?;
        (request.now() < run.begun_at + app.settings.lifetimes.pending).then_some(run)
    }

    /// Takes the run out of its browser: an answer counts once.
    pub(super) fn forget(app: &App) -> SetCookie {
        cookie(app).delete()
    }
}

/// What a refresh goes on with, sealed in its form.
#[derive(Clone, Encode, Decode)]
pub(super) struct Ticket {
    /// The run that it all began with.
    #[n(0)]
    pub(super) run: Run,
    /// The refresh token.
    #[n(1)]
    pub(super) refresh_token: String,
    /// `sub` of the last ID token.
    #[n(2)]
    pub(super) subject: Option<String>,
    /// `auth_time` of the last ID token.
    #[n(3)]
    pub(super) auth_time: Option<u64>,
}

impl Ticket {
    /// As it stands in the form.
    pub(super) fn seal(&self, app: &App, browser: &Browser) -> Result<String, Fault> {
        seal(app, browser, TICKET, self)
    }

    /// From the form.
    pub(super) fn open(app: &App, browser: &Browser, sealed: Option<&str>) -> Option<Self> {
        open(app, browser, TICKET, sealed?)
    }
}

/// What is sealed for one can't be opened as the other.
const RUN: &str = "playground run";
const TICKET: &str = "playground ticket";

fn seal<T: Encode<()>>(app: &App, browser: &Browser, purpose: &str, value: &T) -> Result<String, Fault> {
    let plain = minicbor::to_vec(value).map_err(|error| Fault::internal(error.to_string()))?;
    let sealer = app.store.server_key().sealer(purpose);
    Ok(base64url(sealer.seal(&plain, browser.as_bytes(), &app.random)))
}

fn open<T: for<'b> Decode<'b, ()>>(app: &App, browser: &Browser, purpose: &str, sealed: &str) -> Option<T> {
    let sealed = parse_base64url(sealed)?;
    let plain = app.store.server_key().sealer(purpose).open(&sealed, browser.as_bytes())?;
    minicbor::decode(&plain).ok()
}

fn cookie(app: &App) -> Cookie {
    Cookie::new(Site::of(&app.issuer), "hallpass-playground")
}
