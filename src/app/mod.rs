//! The running provider: its state, what a request, a reply and a piece of bounded work are, and the one place that
//! mints codes and tokens.

pub mod access;
pub mod address;
pub mod body;
pub mod browser;
pub mod browser_state;
pub mod claims;
pub mod cookie;
pub mod cors;
pub mod csrf;
pub mod development;
pub mod document;
pub mod errand;
pub mod event;
pub mod expressions;
pub mod fault;
pub mod header;
pub mod hook;
pub mod issue;
pub mod key_ring;
pub mod known_browser;
pub mod lane;
pub mod lifetime;
pub mod login;
mod nobody;
pub mod origins;
pub mod outstanding;
pub mod password;
pub mod pending;
pub mod pending_logout;
pub mod race;
pub mod reply;
pub mod request;
pub mod rotation;
pub mod throttle;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_LANGUAGE, HeaderValue};

use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::uri::is_loopback_redirect;
use crate::jose::alg::Algorithm;
use crate::jose::mac::MacKey;
use crate::jose::seal::Sealer;
use crate::model::client::GrantType;
use crate::model::scope::Scope;
use crate::outbound::TrustError;
use crate::page::{Frame, LivePages, Locale, Page, PageError, Pages, Recipe};
use crate::protocol::discovery::{Metadata, Offer};
use crate::protocol::issuer::{Endpoint, Issuer};
use crate::protocol::redirect::Beside;
use crate::settings::{Settings, SettingsError, SharedKey};
use crate::store::Store;

use browser::Cookies;
use browser_state::BrowserState;
use cookie::Site;
use development::Development;
use document::Document;
use errand::UsedHandles;
use event::{FailedLogins, Receiver};
use fault::Fault;
use hook::{Hook, Hooks};
use key_ring::KeyRing;
use origins::Origins;
use outstanding::Outstanding;
use password::Passwords;
use race::Races;
use reply::Reply;
use request::Request;
use throttle::{Rules, Throttle};

/// Everything that a request can use. There is one of it, and it changes only inside its parts, until
/// [other settings](App::with_settings) come into force.
pub struct App {
    /// As they were loaded.
    pub settings: Settings,
    /// Who we are, in every token.
    pub issuer: Issuer,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Random,
    /// What is kept.
    pub store: Store,
    /// What people see. Made from the settings.
    pub pages: LivePages,
    /// Password hashing, in its lane.
    pub passwords: Passwords,
    /// Who guesses passwords too often.
    pub throttle: Throttle,
    /// Who guesses client secrets too often.
    pub client_throttle: Throttle,
    /// Which client has users' passwords guessed too often.
    pub grant_throttle: Throttle,
    /// The signing keys, in their lane.
    pub keys: Arc<KeyRing>,
    /// The refresh tokens that are being used at this moment.
    pub races: Races,
    /// The codes that wait to be redeemed.
    pub codes: Arc<Outstanding>,
    /// The access tokens that were given out in authorization responses.
    pub front_tokens: Arc<Outstanding>,
    /// The logins that failed in the last minute.
    pub failed_logins: Arc<FailedLogins>,
    /// Who is sent events. Those of the program around go along to whatever takes this one's place.
    pub receivers: Vec<Arc<dyn Receiver>>,
    /// Those of the program around.
    own_receivers: Vec<Arc<dyn Receiver>>,
    /// What is decided beyond what the provider does by itself: those of the settings, then those of the program around.
    pub hooks: Hooks,
    /// Those of the program around.
    own_hooks: Vec<Arc<dyn Hook>>,
    /// The scopes that every client may ask for beside the standard ones, from the settings.
    pub scopes: Scope,
    /// The origins of clients.
    pub origins: Arc<Origins>,
    /// The lifetimes that clients have of their own.
    pub own_lifetimes: Arc<lifetime::Own>,
    /// How clients may get tokens here.
    pub grant_types: Vec<GrantType>,
    /// The names of our cookies.
    pub cookies: Cookies,
    /// What scripts may see of the login state; `None` while session management is off.
    pub browser_state: Option<BrowserState>,
    /// Set when it is for development only.
    pub development: Option<Development>,
    /// The discovery document.
    pub discovery: Document,
    /// `Cache-Control` of documents that anyone may keep for a while.
    pub public_cache: HeaderValue,
    /// Seals pending authorization requests.
    pending: Sealer,
    /// Seals the handles of users who are elsewhere.
    pub errands: Sealer,
    /// Those that were used; carried over when the settings change.
    used_handles: Arc<UsedHandles>,
    /// Seals pending logout requests.
    pending_logouts: Sealer,
    /// Seals the cookies of browsers that are known.
    known_browsers: Sealer,
    /// Marks forms that carry no pending request.
    csrf: MacKey,
}

/// Why the provider can't be started.
#[derive(Debug)]
pub enum StartError {
    /// A setting is missing.
    Settings(SettingsError),
    /// A page can't be used.
    Page(PageError),
    /// There are webhooks, and no certificate can be trusted.
    Trust(TrustError),
    /// The discovery document can't be written.
    Discovery(serde_json::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Page(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Discovery(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl App {
    /// Puts the provider together: parses once what every request will need.
    ///
    /// # Errors
    /// A missing issuer, or a template that doesn't work.
    pub fn new(settings: Settings, store: Store, clock: Clock, random: Random) -> Result<Self, StartError> {
        Ok(Self::assemble(settings, store, clock, random, None)?.with_receivers(Vec::new()))
    }

    /// The same for development: it is lenient, says so everywhere, and must not meet anybody's real users. `exposed` when
    /// others than this machine may come.
    ///
    /// # Errors
    /// Those of [`App::new`].
    pub fn for_development(
        settings: Settings,
        store: Store,
        clock: Clock,
        random: Random,
        exposed: bool,
    ) -> Result<Self, StartError> {
        let development = Development::new(settings.require_issuer().map_err(StartError::Settings)?, exposed);
        Ok(Self::assemble(settings, store, clock, random, Some(development))?.with_receivers(Vec::new()))
    }

    fn assemble(
        settings: Settings,
        store: Store,
        clock: Clock,
        random: Random,
        development: Option<Development>,
    ) -> Result<Self, StartError> {
        let issuer = settings.require_issuer().map_err(StartError::Settings)?.clone();
        let recipe = Recipe {
            frame: Frame {
                base: issuer.path().to_owned(),
                product: settings.pages.title.clone(),
                banner: development.as_ref().map(|_| development::BANNER.to_owned()),
                accent: settings.pages.accent_color,
                logo: settings.pages.logo.clone(),
            },
            overrides: settings.templates.dir.clone(),
            default_language: Some(settings.i18n.default_locale.clone()),
        };
        let now = clock.now();
        let pages = LivePages::new(recipe, development.is_some(), now).map_err(StartError::Page)?;
        let languages: Vec<String> = pages.in_any_case(now).languages().map(ToOwned::to_owned).collect();
        let mut endpoints = vec![
            Endpoint::Authorize,
            Endpoint::Token,
            Endpoint::Userinfo,
            Endpoint::EndSession,
            Endpoint::Introspect,
            Endpoint::Revoke,
            Endpoint::Jwks,
        ];
        let browser_state = settings.session_management.enabled.then(|| {
            endpoints.push(Endpoint::CheckSessionIframe);
            let anonymous_key = settings.session_management.anonymous_key.as_ref().map(SharedKey::expose);
            BrowserState::new(Site::of(&issuer), store.server_key(), anonymous_key, random.clone())
        });
        let grant_types = grant_types(&settings);
        let scopes: Scope = settings.scopes.keys().map(String::as_str).collect();
        let scope_names: Vec<String> = settings.scopes.keys().cloned().collect();
        let claim_names: Vec<String> = expressions::names(&settings);
        let metadata = Metadata::new(&Offer {
            issuer: &issuer,
            endpoints: &endpoints,
            grant_types: &grant_types,
            algorithms: &Algorithm::ALL,
            plain_challenge: settings.pkce.plain,
            scopes: &scope_names,
            claims: &claim_names,
            ui_locales: &languages,
        });
        let mut hooks = Hooks::of(&settings);
        hooks.extend(&webhook::of_settings(&settings, &clock, &random).map_err(StartError::Trust)?);
        let discovery = serde_json::to_vec(&metadata).map_err(StartError::Discovery)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let signing_width = settings.signing.max_concurrent.unwrap_or(cores);
        Ok(Self {
            discovery: Document::new(discovery),
            public_cache: cache_control(settings.discovery.cache_control),
            cookies: Cookies::new(&issuer),
            passwords: Passwords::new(&settings.password, &random)
                .keyed(store.server_key().mac_key("nobody's password")),
            throttle: throttle(&settings, Rules::default()),
            client_throttle: throttle(&settings, Rules::for_client_secrets()),
            grant_throttle: throttle(&settings, Rules::for_password_grants()),
            keys: Arc::new(KeyRing::new(signing_width, settings.signing.queue)),
            races: Races::default(),
            codes: Arc::default(),
            front_tokens: Arc::default(),
            failed_logins: Arc::default(),
            receivers: webhook::receivers_of_settings(&settings).map_err(StartError::Trust)?,
            own_receivers: Vec::new(),
            hooks,
            scopes,
            own_hooks: Vec::new(),
            origins: Arc::default(),
            own_lifetimes: Arc::default(),
            grant_types,
            browser_state,
            development,
            pending: store.server_key().sealer("pending authorization request"),
            errands: errand::sealer(&store),
            used_handles: Arc::default(),
            pending_logouts: store.server_key().sealer("pending logout request"),
            known_browsers: store.server_key().sealer("known browser"),
            csrf: store.server_key().mac_key("form"),
            issuer,
            pages,
            settings,
            clock,
            random,
            store,
        })
    }

    /// The same with hooks of a program's own, in their order, behind those of the settings.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Vec<Arc<dyn Hook>>) -> Self {
        self.hooks.extend(&hooks);
        self.own_hooks.extend(hooks);
        self
    }

    /// The same, which sends events to these as well: each one that they want at least once, in their order, from the moment that
    /// it happens, whether the program lives on or not.
    #[must_use]
    pub fn with_receivers(mut self, receivers: Vec<Arc<dyn Receiver>>) -> Self {
        self.receivers.extend(receivers.iter().cloned());
        self.own_receivers.extend(receivers);
        let outboxes = self.receivers.iter().map(|receiver| receiver.outbox().clone()).collect();
        // In one step: a moment without them would lose what happens in it.
        self.store.keep_events(event::ledger(&self.settings, &self.clock, outboxes));
        self
    }

    /// The same provider with other settings, to take this one's place. What is going on goes on: both share the store and its
    /// caches, the keys, the lanes, what failed logins have counted, codes and refresh tokens under way, and the program's own hooks.
    /// The rest is made anew.
    ///
    /// # Errors
    /// Those of [`App::new`].
    pub fn with_settings(&self, settings: Settings) -> Result<Self, StartError> {
        let (store, clock, random) = (self.store.clone(), self.clock.clone(), self.random.clone());
        let fresh = Self::assemble(settings, store, clock, random, self.development.clone())?;
        let shared = Self {
            passwords: self.passwords.with(&fresh.settings.password),
            throttle: fresh.throttle.following(&self.throttle),
            client_throttle: fresh.client_throttle.following(&self.client_throttle),
            grant_throttle: fresh.grant_throttle.following(&self.grant_throttle),
            keys: Arc::clone(&self.keys),
            races: self.races.clone(),
            codes: Arc::clone(&self.codes),
            front_tokens: Arc::clone(&self.front_tokens),
            failed_logins: Arc::clone(&self.failed_logins),
            used_handles: Arc::clone(&self.used_handles),
            origins: Arc::clone(&self.origins),
            own_lifetimes: Arc::clone(&self.own_lifetimes),
            ..fresh
        };
        Ok(shared.with_hooks(self.own_hooks.clone()).with_receivers(self.own_receivers.clone()))
    }

    /// Which redirect URIs are good beside those that clients have registered.
    pub fn beside(&self) -> Beside<'_> {
        match &self.development {
            Some(development) => Beside::Development { own: &development.playground },
            None => Beside::Nothing,
        }
    }

    /// Whether scripts of this origin may read what clients are told: that of a registered redirect URI, and in
    /// development any of this machine.
    pub async fn shares_with(&self, origin: &str) -> bool {
        (self.development.is_some() && is_loopback_redirect(origin)) || self.origins.allows(&self.store, origin).await
    }

    /// The language for whoever sends a request: `ui_locales` of the client's request, what was chosen on a page of ours, then
    /// `Accept-Language` of the browser.
    pub fn locale(&self, ui_locales: Option<&str>, request: &Request) -> Locale {
        let chosen = request.cookie(self.cookies.language().name());
        self.pages.in_any_case(self.clock.now()).locale(ui_locales, chosen, request.accept_language())
    }

    /// English, for pages that speak nothing else.
    pub fn english(&self) -> Locale {
        self.pages.in_any_case(self.clock.now()).locale(Some("en"), None, None)
    }

    /// A page as a reply. It is never stored: it speaks of one person at one moment.
    ///
    /// # Errors
    /// When its template can't show it. Whoever develops is told which, and where.
    pub fn page<P: Page>(&self, page: &P, locale: &Locale) -> Result<Reply, Fault> {
        let told = |error: &PageError| {
            let fault = Fault::internal(error.to_string());
            if self.development.is_some() { fault.with_hint(Some(error.to_string())) } else { fault }
        };
        let pages = self.pages.current(self.clock.now()).map_err(|error| told(&error))?;
        Self::page_of(&pages, page, locale).map_err(|error| told(&error))?
    }

    /// The same for the page that speaks of faults: it needs no template that is at fault itself.
    pub(super) fn page_in_any_case<P: Page>(&self, page: &P, locale: &Locale) -> Result<Reply, Fault> {
        let pages = self.pages.in_any_case(self.clock.now());
        Self::page_of(&pages, page, locale).map_err(|error| Fault::internal(error.to_string()))?
    }

    fn page_of<P: Page>(pages: &Pages, page: &P, locale: &Locale) -> Result<Result<Reply, Fault>, PageError> {
        let html = pages.render(page, locale)?;
        let policy = HeaderValue::try_from(page.policy()).map_err(|error| Fault::internal(error.to_string()));
        Ok(policy.map(|policy| Reply::html(html, &policy).text_header(CONTENT_LANGUAGE, locale.tag()).no_store()))
    }
}

/// All of ours, but for what has to be switched on.
fn grant_types(settings: &Settings) -> Vec<GrantType> {
    let is_on = |grant_type: &GrantType| *grant_type != GrantType::Password || settings.grants.password;
    GrantType::ALL.into_iter().filter(is_on).collect()
}

fn throttle(settings: &Settings, rules: Rules) -> Throttle {
    if settings.throttle.enabled { Throttle::new(rules, settings.throttle.exempt.clone()) } else { Throttle::off() }
}

/// `Cache-Control` for documents that anyone may keep for this long.
fn cache_control(time: Duration) -> HeaderValue {
    let text = match time.as_secs() {
        0 => "no-cache".to_owned(),
        seconds => format!("public, max-age={seconds}"),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-cache"))
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
