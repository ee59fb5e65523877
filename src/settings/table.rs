//! The table of keys: types, defaults, parser and documentation of every setting, written once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::SettingsError;
use super::admin_token::AdminToken;
use super::event_kinds::EventPatterns;
use super::formula::{Formula, OF_CLAIMS, OF_SUBJECT, OF_USER, Over, Steps};
use super::kind::{
    BearerToken, Choice, DAY, FilePath, FilePaths, GIB, HOUR, IssuerUrl, KIB, Kind, Label, LanguageTag, Listeners, MIB,
    MINUTE, Networks, Optional, Period, Prose, Refusal, Rgb, SealingKey, SharedText, Size, Surroundings, Switch, Whole,
    is_language_tag,
};
use super::named::{Members, Named, record};
use super::receiver::{Address, Choices, ReceiverUrl, SigningSecret};
use super::schema::{Key, Section, keys};
use super::shared_key::SharedKey;
use super::source::{Given, Origins};
use super::store_key::StoreKey;
use super::written::Written;
use crate::base::color::Color;
use crate::base::network::Network;
use crate::jose::webhook::WebhookSecret;
use crate::model::event::EventKinds;
use crate::model::scope::is_token;
use crate::protocol::introspection;
use crate::protocol::issuer::Issuer;
use crate::protocol::lifetime;
use crate::protocol::standard_claim::{self, StandardClaim};

record! {
    /// A scope.
    ScopeSettings: ScopeTable {
        /// What people read on the consent page.
        name: Option<String>, Optional(Label), like("Your books");
        /// A sentence more for them.
        description: Option<String>, Optional(Prose), like("See which books you have borrowed");
        /// Both in other languages, by language tag. The languages of the pages are those of their catalogues.
        translations: BTreeMap<String, ScopeWords>, Named { name: check_language, each: WordTable },
            like({ fr = { name = "Vos livres" } });
        /// Claims that come with it.
        claims: BTreeMap<String, Formula>, Named { name: check_claim, each: Over(OF_USER) },
            like({ shelf = "user.claims.shelf" });
    }
}

record! {
    /// What people read of a scope, in one language.
    ScopeWords: WordTable {
        /// Its name.
        name: Option<String>, Optional(Label), like("Vos livres");
        /// A sentence more.
        description: Option<String>, Optional(Prose), like("Voir les livres que vous avez empruntés");
    }
}

record! {
    /// A receiver of webhooks that decides with us.
    HookSettings: HookTable {
        /// Where it is: https; with allow_private also http.
        url: Url, ReceiverUrl, like("https://rules.example.com/hallpass");
        /// What messages to it are signed with (Standard Webhooks).
        secret: WebhookSecret, SigningSecret, like({ env = "HALLPASS_HOOK_SECRET" });
        /// What it is asked about.
        points: Vec<HookPoint> = [], Choices(&HookPoint::NAMES), like(["after_login", "id_token"]);
        /// Which events it is sent, in their order and at least once each. How many wait while it is away says events.max_pending.
        events: EventKinds = [], EventPatterns;
        /// When it doesn't answer, or not sensibly: deny fails the request, continue goes on as if it had said nothing.
        on_error: OnError = "deny", Choice(&OnError::NAMES);
        /// How long it may take.
        timeout: Duration = "2s", Period(1..=MINUTE);
        /// Whether it may be on this machine or in its network, and speak http.
        allow_private: bool = false, Switch;
    }
}

fn check_hook_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let right = (1..=64).contains(&name.len()) && name.bytes().all(legal);
    if right { Ok(()) } else { Err("a hook's name is 1 to 64 letters, digits, - and _".to_owned()) }
}

fn check_scope_name(name: &str) -> Result<(), String> {
    let right = "a scope is made of visible ASCII characters but \" and \\ (RFC 6749 section 3.3)";
    if is_token(name) { Ok(()) } else { Err(right.to_owned()) }
}

/// Names that mean something in ID tokens and UserInfo answers by themselves are nobody's.
fn check_claim(name: &str) -> Result<(), String> {
    standard_claim::check_own_name(name).map_err(|error| error.to_string())
}

fn check_standard_claim(name: &str) -> Result<(), String> {
    check_claim(name)?;
    match StandardClaim::find(name) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{name} is no standard claim: write it below the scope that it belongs to, in \
                             [scopes.NAME.claims]"
        )),
    }
}

fn check_member(name: &str) -> Result<(), String> {
    check_claim(name)?;
    if introspection::OWN.contains(&name) { Err("hallpass says this by itself".to_owned()) } else { Ok(()) }
}

fn check_language(tag: &str) -> Result<(), String> {
    if is_language_tag(tag) { Ok(()) } else { Err(format!("must be {}", LanguageTag.right())) }
}

keys! {
    top {
        /// The URL that names this provider, in tokens and towards every client. Its path, if it has one, is the prefix
        /// of all addresses. Required by `hallpass serve`; http only on this machine, or with http.insecure.
        issuer: Option<Issuer>, Optional(IssuerUrl), like("https://id.example.com"), restart;
        /// What the standard claims say (OpenID Connect Core 1.0 section 5.1), instead of what is kept of the user under the same
        /// name. Claims come with the scopes that they belong to; others than the standard ones are for scopes.NAME.claims. A
        /// claim whose expression is undefined, null or empty is left out, and so is one that can't be evaluated.
        claims: BTreeMap<String, Formula>, Named { name: check_standard_claim, each: Over(OF_USER) },
            like({ name = "user.claims.full_name", nickname = "user.claims.nick or user.username" }), named;
        /// Scopes of one's own, or other words for the standard ones: any name that RFC 6749 section 3.3 allows. Every client may ask
        /// for them. The environment can set those with names of small letters, digits and _ only
        /// (HALLPASS_SCOPES__BOOKS__NAME for name in [scopes.books]).
        scopes: BTreeMap<String, ScopeSettings>, Named { name: check_scope_name, each: ScopeTable },
            like({ "read:books" = {} }), named;
        /// Receivers of webhooks that are asked at the points they name, in the order of their names: each one sees what those before
        /// it have made. The README describes messages and answers.
        hooks: BTreeMap<String, HookSettings>, Named { name: check_hook_name, each: HookTable },
            like({ rules = { url = "https://rules.example.com/hallpass", points = ["after_login"] } }), named;
    }

    /// The HTTP server: where it listens, and how much it takes.
    http: Http {
        /// Where to listen.
        listen: Vec<SocketAddr> = "127.0.0.1:8000", Listeners, restart;
        /// Allow an http issuer that is not this machine. Whoever sees the network sees passwords and tokens.
        insecure: bool = false, Switch;
        /// How long a new connection may stay silent.
        first_byte_timeout: Duration = "10s", Period(1..=HOUR);
        /// How long the header of a request may take.
        header_timeout: Duration = "10s", Period(1..=HOUR);
        /// How long the body of a request may take.
        body_timeout: Duration = "30s", Period(1..=HOUR);
        /// How long a connection may wait for its next request.
        idle_timeout: Duration = "75s", Period(1..=DAY);
        /// The largest body of a request, in bytes; beyond it the answer is 413.
        max_body: usize = "256KiB", Size(KIB..=64 * MIB), restart;
        /// The largest header of a request, in bytes; beyond it the answer is 431.
        max_header_bytes: usize = "32KiB", Size(8 * KIB..=MIB), restart;
        /// How many connections may be open. For one more the one that was idle for the longest time is closed; where
        /// none is idle, more wait in the system's queue.
        max_connections: usize = 4096, Whole(1..=1_000_000), restart;
        /// How many of them from one address (IPv6: from one /64); more are closed. Trusted proxies and this machine may
        /// have any number.
        max_connections_per_address: usize = 512, Whole(1..=1_000_000), restart;
        /// How many requests may be worked on at the same time; more are answered 503. Sixteen times as many may wait for
        /// their bodies, and half of those from one address.
        max_in_flight: usize = 1024, Whole(1..=1_000_000), restart;
        /// Proxies in front, by address. What they say in X-Forwarded-For is believed; without it everybody who comes
        /// through one counts as one caller, whose failed logins slow all others down.
        trusted_proxies: Vec<Network> = [], Networks;
        /// For how long browsers that came by https are to use nothing else for this host (Strict-Transport-Security,
        /// RFC 6797): all of the host, every port and path of it. Sent when the issuer is https; 0 sends nothing.
        hsts: Duration = "0", Period(0..=3650 * DAY);
        /// How long requests may still run after the signal to stop.
        shutdown_timeout: Duration = "10s", Period(0..=HOUR);
    }

    /// TLS. Without it the listeners speak plain http: for this machine, or behind a proxy that speaks TLS.
    tls: Tls {
        /// The certificate for all of http.listen, and behind it those between it and a root: a file in PEM. It and
        /// tls.key are looked at every few seconds and at SIGHUP, and new connections get what is there by then.
        cert: Option<PathBuf>, Optional(FilePath), like("tls/fullchain.pem"), restart;
        /// The private key of the certificate: a file in PEM, not encrypted.
        key: Option<PathBuf>, Optional(FilePath), like("tls/privkey.pem"), restart;
    }

    /// The store: one file that holds everything.
    store: Store {
        /// The file.
        path: PathBuf = "hallpass.redb", FilePath, restart;
        /// The key that seals private keys and client secrets in the store. When it is not set, it is a file beside
        /// the store, made on first use.
        key: Option<StoreKey>, Optional(SealingKey), like({ env = "HALLPASS_KEY" }), restart;
        /// How much of the file is kept in memory, in bytes.
        cache_size: usize = "32MiB", Size(MIB..=64 * GIB), restart;
        /// How many writes may wait for the disk; more are answered 503.
        queue: usize = 1024, Whole(1..=100_000), restart;
        /// How often expired rows are looked for.
        sweep_interval: Duration = "1m", Period(1..=DAY);
    }

    /// Calls to others: of --url, and to addresses that clients name.
    outbound: Outbound {
        /// Files of root certificates, in PEM, that are trusted beside those of the system.
        trusted_roots: Vec<PathBuf> = [], FilePaths;
        /// Call also what is not on the public internet, and http: for tests and networks of one's own. Whoever names an
        /// address can then make hallpass call this machine and everything in its network.
        allow_private: bool = false, Switch;
    }

    /// Administration from elsewhere. Commands on this machine need none of it.
    admin: Admin {
        /// Whoever has this token may administer over HTTP, below /api/admin/, as with hallpass --url. When it is not
        /// set, nothing is there.
        token: Option<AdminToken>, Optional(BearerToken), like({ env = "HALLPASS_ADMIN_TOKEN" });
    }

    /// The log, on standard error.
    log: Log {
        /// The least important lines that are written.
        level: LogLevel = "info", Choice(&LogLevel::NAMES);
        /// How lines look; auto is text on a terminal and json elsewhere.
        format: LogFormat = "auto", Choice(&LogFormat::NAMES), restart;
    }

    /// How long things live. A client may have lifetimes of its own for codes and tokens: hallpass createclient --help.
    lifetimes: Lifetimes {
        /// An authorization code, from consent to redemption (RFC 6749 section 4.1.2 recommends 10 minutes at most).
        code: Duration = "10m", Period(lifetime::CODE);
        /// An access token.
        access_token: Duration = "1h", Period(lifetime::ACCESS_TOKEN);
        /// An ID token.
        id_token: Duration = "10m", Period(lifetime::ID_TOKEN);
        /// A refresh token that is not used.
        refresh_idle: Duration = "30d", Period(lifetime::REFRESH_TOKEN);
        /// A refresh token and all its successors together.
        refresh_token: Duration = "90d", Period(lifetime::REFRESH_TOKEN);
        /// A session in which nothing happens.
        session_idle: Duration = "24h", Period(1..=365 * DAY);
        /// A session in all; then the user signs in again.
        session: Duration = "14d", Period(1..=365 * DAY);
        /// A login or consent page that is open.
        pending: Duration = "1h", Period(MINUTE..=DAY);
    }

    /// Where users log in.
    login: Login {
        /// An application of your own in place of the login page: https, or http on this machine. Whoever has to log in
        /// is sent there with ?handle=…, and it says who they are by POST to /api/admin/v1/logins/HANDLE, with
        /// admin.token or over the socket.
        external_url: Option<Url>, Optional(Address), like("https://login.example.com/");
    }

    /// What users have allowed.
    consent: Consent {
        /// For how many days a consent is remembered; 0 asks every time.
        remember_days: u32 = 90, Whole(0..=3650);
    }

    /// Events: what has happened, for those who look after the provider.
    events: Events {
        /// Which ones are kept, as an audit log for hallpass event list. Of token.issued and token.refreshed there are so many
        /// that they would push out all others; name them here when that is what you want, or ["*"] for all.
        kinds: EventKinds = ["consent.*", "login.*", "logout", "token.revoked", "token.reused", "client.*", "user.*", "key.*"], EventPatterns;
        /// For how long they are kept.
        keep: Duration = "90d", Period(HOUR..=3650 * DAY);
        /// How many are kept; the oldest go first.
        max: u64 = 1000000, Whole(0..=1_000_000_000);
        /// How many may wait to be sent to webhooks, for all of these together; the oldest go first.
        max_pending: u64 = 10000, Whole(1..=10_000_000);
        /// For how long one is sent again and again to a webhook that does not take it; those behind it wait.
        retry_for: Duration = "3d", Period(MINUTE..=90 * DAY);
    }

    /// Logout (OpenID Connect RP-Initiated Logout 1.0).
    logout: Logout {
        /// Where the browser goes when the application that logs its user out names no address: none is a page that says
        /// so, first is the first address that the application has registered.
        default_redirect: DefaultRedirect = "none", Choice(&DefaultRedirect::NAMES);
        /// Which tokens end when their user logs out: none, those of the session that were not granted for the time when
        /// the user is away (online: without the scope offline_access), or all of the session.
        end_tokens: EndTokens = "online", Choice(&EndTokens::NAMES);
    }

    /// Session management (OpenID Connect Session Management 1.0): a frame tells the pages of applications whether their user
    /// is still logged in. Browsers that hide cookies from frames of other sites let it tell those of the same site only.
    session_management: SessionManagement {
        /// Offer it.
        enabled: bool = false, Switch;
        /// A text that several servers of one name share, so that each accepts the value by which another knows a browser
        /// in which nobody is logged in. When it is not set, the store's key serves for it.
        anonymous_key: Option<SharedKey>, Optional(SharedText), like({ env = "HALLPASS_SHARED_KEY" });
    }

    /// Refresh tokens (RFC 9700 section 4.14.2).
    refresh: Refresh {
        /// For how long a used refresh token is forgiven while its successor is unused: the retry of a client that
        /// never saw the answer. 0 forgives nothing.
        grace: Duration = "60s", Period(0..=HOUR);
    }

    /// ID tokens (OpenID Connect Core 1.0 section 2).
    id_token: IdToken {
        /// Put the claims of the granted scopes into every ID token; otherwise they are at the userinfo endpoint, and in an
        /// ID token only where it comes without any access token (section 5.4). A client may have it otherwise.
        include_claims: bool = false, Switch;
        /// Claims to set in every ID token, or to take out of it where the expression is undefined. Of several tables each
        /// sees in claims what the one before it has made. What the protocol says there (iss, sub, aud, …) can't be set.
        claims: Vec<BTreeMap<String, Formula>>, Steps(Named { name: check_claim, each: Over(OF_CLAIMS) }),
            like({ department = "user.claims.department" });
    }

    /// Grant types that are not for everybody.
    grants: Grants {
        /// Let clients that have the grant type `password` send users' passwords (RFC 6749 section 4.3). RFC 9700
        /// section 2.4 says never: a second factor, single sign-on and the user's own look at the address are all lost.
        password: bool = false, Switch;
    }

    /// Token introspection (RFC 7662), for clients with token_introspection in their scope.
    introspection: Introspection {
        /// Tell a client only of its own tokens, and of those of clients whose ids are in its scope.
        validate_audience: bool = true, Switch;
        /// Tell what a token may be used for (`scope`).
        include_scope: bool = false, Switch;
        /// Members to add to what is told of a token that holds. Of several tables each sees in claims what the one before it
        /// has made. There is no user where a client got the token for itself.
        claims: Vec<BTreeMap<String, Formula>>, Steps(Named { name: check_member, each: Over(OF_CLAIMS) }),
            like({ tenant = "client.metadata.tenant" });
    }

    /// What users are called towards clients: the claim sub (OpenID Connect Core 1.0 sections 2 and 8). Clients know their users
    /// by it, so a change makes strangers of them all.
    sub: Sub {
        /// user_id is the user's id; uuid is a UUID that is made of the id; email is their e-mail address, expression what
        /// sub.expression says. It must never change for a user, and never be given to another: with email both are for you to
        /// see to, when people change their addresses. Who has none can't log in.
        mode: SubjectMode = "user_id", Choice(&SubjectMode::NAMES);
        /// A text of 1 to 255 characters of ASCII that is this user's alone, forever.
        expression: Option<Formula>, Optional(Over(OF_SUBJECT)), like("user.claims.employee_number");
    }

    /// Who may log in.
    policy: Policy {
        /// Whether a user who has logged in may go on to a client. Who may not is refused with access_denied, and so is
        /// everybody while it can't be evaluated.
        allow_if: Option<Formula>, Optional(Over(OF_USER)), like("'staff' in user.claims.groups");
    }

    /// Protected resources behind a proxy that asks before it lets a request through (nginx auth_request, Traefik ForwardAuth,
    /// Caddy forward_auth).
    forward_auth: ForwardAuth {
        /// Answer at /forward-auth?scope=…, for those in http.trusted_proxies alone: 200 where the access token of the
        /// request is good for all of the scope, else 401 or 403.
        enabled: bool = false, Switch;
    }

    /// Whoever comes from another provider.
    compat: Compat {
        /// Do as django-oidc-provider does where its clients can tell the difference: a refresh ends the access token
        /// before, and a wrong password of the grant type `password` is answered 403 access_denied.
        django: bool = false, Switch;
    }

    /// Proof key for code exchange (RFC 7636).
    pkce: Pkce {
        /// Take the method `plain` besides `S256`.
        plain: bool = false, Switch;
    }

    /// The userinfo endpoint.
    userinfo: Userinfo {
        /// Take the access token from the query too, where logs and histories keep it (RFC 9700 section 4.3.2: never).
        query_token: bool = false, Switch;
    }

    /// The pages that users see.
    pages: Pages {
        /// The product's name on every page.
        title: String = "hallpass", Label;
        /// The colour of the pages. Where it could not be read it is made darker, or lighter in the dark. Clients may have
        /// one of their own (accent_color).
        accent_color: Option<Color>, Optional(Rgb), like("#0b5c45");
        /// The product's logo on every page, in place of ours: an image file of 1 MiB at most.
        logo: Option<PathBuf>, Optional(FilePath), like("logo.svg");
    }

    /// The look of the pages.
    templates: Templates {
        /// A directory whose files replace the templates, catalogues and assets of the same name: hallpass templates export
        /// writes them all, hallpass templates check looks at yours. hallpass dev shows changes at once, hallpass serve
        /// takes them at SIGHUP.
        dir: Option<PathBuf>, Optional(FilePath), like("templates");
    }

    /// Languages.
    i18n: I18n {
        /// The language of pages for browsers that ask for none we have.
        default_locale: String = "en", LanguageTag;
    }

    /// Password hashing (Argon2id, RFC 9106). Older hashes are renewed when their user signs in.
    password: Password {
        /// Memory for one hash, in KiB; at least 8 for each lane.
        memory_kib: u32 = 19456, Whole(8..=4_194_304);
        /// Passes over the memory.
        iterations: u32 = 2, Whole(1..=1000);
        /// Lanes of one hash.
        lanes: u32 = 1, Whole(1..=64);
        /// How many hashes are computed at the same time; each one holds its memory.
        max_concurrent: usize = 2, Whole(1..=1024), restart;
    }

    /// Signing of tokens.
    signing: Signing {
        /// How many signatures are computed at the same time. When it is not set, as many as the machine has cores.
        max_concurrent: Option<usize>, Optional(Whole(1..=1024)), like(4), restart;
        /// How many signatures may wait; more are answered 503.
        queue: usize = 1024, Whole(1..=100_000), restart;
        /// For how long a key signs; then the next one does, by itself. 0 leaves that to hallpass key promote. The key
        /// before it stays published until the last ID token that it signed has expired, and is then known for as long
        /// as that may come back as a hint.
        rotate_every: Duration = "90d", Period(0..=3650 * DAY);
        /// For how long the next key is published, at least, before it signs, so that everybody knows it by then: not
        /// shorter than discovery.cache_control. Some libraries look once a day, whatever they are told.
        publish_ahead: Duration = "2d", Period(HOUR..=365 * DAY);
    }

    /// Slowing down whoever guesses passwords and client secrets.
    throttle: Throttle {
        /// Count failures, and answer ever later after them.
        enabled: bool = true, Switch;
        /// Callers that are never slowed down.
        exempt: Vec<Network> = [], Networks;
    }

    /// The discovery document and the keys (OpenID Connect Discovery 1.0, RFC 8414).
    discovery: Discovery {
        /// For how long others may keep them; 0 makes them ask every time.
        cache_control: Duration = "1h", Period(0..=7 * DAY);
    }
}

/// What users are called towards clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectMode {
    /// By their ids.
    UserId,
    /// By UUIDs made of their ids.
    Uuid,
    /// By their e-mail addresses.
    Email,
    /// As an expression says.
    Expression,
}

impl SubjectMode {
    const NAMES: [(&'static str, Self); 4] =
        [("user_id", Self::UserId), ("uuid", Self::Uuid), ("email", Self::Email), ("expression", Self::Expression)];
}

/// Where a browser goes after a logout for which no address is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultRedirect {
    /// Nowhere: a page says that it is done.
    None,
    /// To the first address that the client has registered.
    First,
}

impl DefaultRedirect {
    const NAMES: [(&'static str, Self); 2] = [("none", Self::None), ("first", Self::First)];

    /// Whether it is an address.
    pub fn is_first(self) -> bool {
        self == Self::First
    }
}

/// Which tokens end when their user logs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndTokens {
    /// None.
    None,
    /// Those of the session that were granted without the scope `offline_access`.
    Online,
    /// All of the session.
    All,
}

impl EndTokens {
    const NAMES: [(&'static str, Self); 3] = [("none", Self::None), ("online", Self::Online), ("all", Self::All)];
}

/// What a receiver of webhooks is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPoint {
    /// Whether a user who has logged in may go on to a client.
    AfterLogin,
    /// The claims of the scope, at userinfo and in ID tokens that carry them.
    Claims,
    /// The claims about the user in an ID token.
    IdToken,
    /// What introspection tells beyond the standard members.
    Introspection,
    /// A user is about to be logged out.
    Logout,
}

impl HookPoint {
    const NAMES: [(&'static str, Self); 5] = [
        ("after_login", Self::AfterLogin),
        ("claims", Self::Claims),
        ("id_token", Self::IdToken),
        ("introspection", Self::Introspection),
        ("logout", Self::Logout),
    ];

    /// As the settings and messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterLogin => "after_login",
            Self::Claims => "claims",
            Self::IdToken => "id_token",
            Self::Introspection => "introspection",
            Self::Logout => "logout",
        }
    }
}

/// What it means that a hook has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The request fails.
    Deny,
    /// Nothing.
    Continue,
}

impl OnError {
    const NAMES: [(&'static str, Self); 2] = [("deny", Self::Deny), ("continue", Self::Continue)];
}

/// The least important lines that the log shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs somebody's attention.
    Error,
    /// What may need it.
    Warn,
    /// What happens: starts, stops, sign-ins.
    Info,
    /// Why it happens.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    const NAMES: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// [`LogFormat::Text`] on a terminal, [`LogFormat::Json`] elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object in each line.
    Json,
}

impl LogFormat {
    const NAMES: [(&'static str, Self); 3] = [("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)];
}
