//! Attacks on the whole provider, in process: what somebody sends who wants more than is theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue, LOCATION, ORIGIN, SET_COOKIE};
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::{Handler, Routes};
use crate::app::App;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::base::clock::{Clock, FixedClock, Timestamp};
use crate::base::encode::base64url;
use crate::base::form::{self, Form};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::jose::alg::Algorithm;
use crate::jose::seal::ServerKey;
use crate::model::client::{Client, ClientType};
use crate::model::id::{Bearer, BearerKind, ClientId, UserId};
use crate::model::user::User;
use crate::settings::{Settings, Sources};
use crate::store::{Options, Store};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ISSUER: &str = "https://id.example";
const CALLBACK: &str = "https://app.example/cb";
const SECRET: &str = "a client secret of at least 32 bytes";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider with a client, and the users ada and mallory, whose passwords are their names.
struct Scene {
    app: Arc<App>,
    provider: Routes,
    clock: FixedClock,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(edit: impl FnOnce(&mut Client)) -> Self {
        Self::with_setting("issuer", ISSUER, edit).await
    }

    async fn with_setting(key: &str, value: &str, edit: impl FnOnce(&mut Client)) -> Self {
        let usual = [("issuer", ISSUER), ("password.memory_kib", "8"), ("password.iterations", "1")];
        let overrides = usual.into_iter().chain([(key, value)]).map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = Settings::load(&Sources { overrides: overrides.collect(), ..Sources::default() }).unwrap();
        let store = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap();
        let clock = FixedClock::new(NOW);
        let app = App::new(settings, store, Clock::Fixed(clock.clone()), Random::System).unwrap();
        let mut client = Client::new(ClientId::new("app"), "App".into(), 7, NOW);
        client.secret = Some(Secret::new(SECRET));
        client.redirect_uris = vec![CALLBACK.to_owned()];
        client.id_token_algorithm = Algorithm::Hs256;
        edit(&mut client);
        app.store.create_client(client).await.unwrap();
        for name in ["ada", "mallory"] {
            let user = User {
                id: UserId::new(format!("id-of-{name}")),
                username: name.to_owned(),
                password_hash: Some(app.passwords.hash(Secret::new(name)).await.unwrap()),
                admin: false,
                enabled: true,
                claims: serde_json::Map::new(),
                generation: 0,
                created_at: NOW,
                updated_at: NOW,
                version: 0,
            };
            app.store.create_user(user).await.unwrap();
        }
        let app = Arc::new(app);
        Self { provider: Routes(Arc::clone(&app)), app, clock }
    }

    /// The same store in a new process.
    fn restart(&mut self) {
        let (settings, store) = (self.app.settings.clone(), self.app.store.clone());
        let clock = Clock::Fixed(self.clock.clone());
        self.app = Arc::new(App::new(settings, store, clock, Random::System).unwrap());
        self.provider = Routes(Arc::clone(&self.app));
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn send(&self, request: Request) -> Reply {
        self.provider.handle(request).await
    }

    fn request(&self, method: Method, target: &str) -> Request {
        Request::in_process(method, target, self.clock.now()).unwrap()
    }

    async fn token(&self, pairs: &[(&str, &str)]) -> (StatusCode, Value) {
        let client = self.app.store.client(&ClientId::new("app")).await.unwrap().unwrap();
        let secret = client.secret.as_ref().map(|secret| ("client_secret", secret.expose()));
        let body = form::render(pairs.iter().copied().chain([("client_id", "app")]).chain(secret));
        let request = self.request(Method::POST, "/token").with_body("application/x-www-form-urlencoded", body);
        let reply = self.send(request).await;
        (reply.status_code(), serde_json::from_slice(reply.body()).unwrap())
    }

    async fn redeem(&self, code: &str) -> (StatusCode, Value) {
        let grant = ("grant_type", "authorization_code");
        self.token(&[grant, ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]).await
    }

    async fn refresh(&self, refresh_token: &str) -> (StatusCode, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn userinfo(&self, access_token: &str) -> StatusCode {
        let bearer = HeaderValue::try_from(format!("Bearer {access_token}")).unwrap();
        self.send(self.request(Method::GET, "/userinfo").with_header(AUTHORIZATION, bearer)).await.status_code()
    }
}

/// Somebody's browser: it keeps cookies and says where its forms come from.
struct Browser<'s> {
    scene: &'s Scene,
    cookies: BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    fn new(scene: &'s Scene) -> Self {
        Self { scene, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, mut request: Request) -> Reply {
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.with_header(COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        }
        let reply = self.scene.send(request).await;
        for line in reply.headers().get_all(SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        reply
    }

    async fn get(&mut self, target: &str) -> Reply {
        self.send(self.scene.request(Method::GET, target)).await
    }

    async fn post(&mut self, target: &str, pairs: &[(&str, &str)]) -> Reply {
        let request = self
            .scene
            .request(Method::POST, target)
            .with_header(ORIGIN, HeaderValue::from_static(ISSUER))
            .with_body("application/x-www-form-urlencoded", form::render(pairs.iter().copied()));
        self.send(request).await
    }

    /// Asks for a code, with more parameters than the usual ones.
    async fn authorize(&mut self, more: &[(&str, &str)]) -> Reply {
        self.get(&format!("/authorize?{}", authorization(more))).await
    }

    async fn log_in(&mut self, pending: &str, name: &str) -> Reply {
        self.post("/login", &[("pending", pending), ("username", name), ("password", name)]).await
    }

    /// Tries a password from an address; whether it was right, or how it was refused.
    async fn try_password(&mut self, address: &str, name: &str, password: &str) -> StatusCode {
        let login = pending(&self.authorize(&[("prompt", "login")]).await, "/login");
        let request =
            self.scene.request(Method::POST, "/login").with_client_address(address.parse().unwrap()).with_body(
                "application/x-www-form-urlencoded",
                form::render([("pending", login.as_str()), ("username", name), ("password", password)]),
            );
        self.send(request).await.status_code()
    }

    async fn agree(&mut self, pending: &str) -> Reply {
        self.post("/consent", &[("pending", pending), ("decision", "allow")]).await
    }

    /// A login from the first request to the code.
    async fn code(&mut self, name: &str, more: &[(&str, &str)]) -> String {
        let login = self.authorize(more).await;
        let consent = self.log_in(&pending(&login, "/login"), name).await;
        code(&self.agree(&pending(&consent, "/consent")).await)
    }
}

fn authorization(more: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let usual = usual.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    form::render(usual.chain(more.iter().copied()))
}

/// Where a reply sends the browser, and with which parameters.
fn destination(reply: &Reply) -> (String, Form) {
    assert_eq!(reply.status_code(), StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(reply.body()));
    let location = reply.headers()[LOCATION].to_str().unwrap();
    let (path, query) = location.split_once('?').unwrap();
    (path.to_owned(), Form::parse(query.as_bytes()).unwrap())
}

/// The sealed request on the way to one of our pages.
fn pending(reply: &Reply, page: &str) -> String {
    let (path, query) = destination(reply);
    assert_eq!(path, page, "{query:?}");
    query.get("pending").unwrap().to_owned()
}

/// The address of one of our pages.
fn page(path: &str, pending: &str) -> String {
    format!("{path}?{}", form::render([("pending", pending)]))
}

/// The sealed request in the form of a page.
fn shown_pending(page: &Reply) -> String {
    let html = std::str::from_utf8(page.body()).unwrap();
    let (_, rest) = html.split_once("name=\"pending\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The code on the way to the client.
fn code(reply: &Reply) -> String {
    let (path, query) = destination(reply);
    assert_eq!((path.as_str(), query.get("error")), (CALLBACK, None));
    query.get("code").unwrap().to_owned()
}

/// `sid` is in every ID token: whoever reads it knows which session it is, and must not be able to end it.
#[tokio::test]
async fn a_session_is_not_ended_by_its_id_alone() {
    let scene = Scene::new().await;
    let mut ada = Browser::new(&scene);
    ada.code("ada", &[]).await;
    let session = ada.cookies["__Host-hallpass-session"].clone();
    let known = Bearer::parse(BearerKind::Session, &session).unwrap().id();

    let mut mallory = Browser::new(&scene);
    let login = mallory.authorize(&[]).await;
    let forged = format!("hps_{}", base64url([known.as_bytes(), &[0; 32][..]].concat()));
    mallory.cookies.insert("__Host-hallpass-session".into(), forged);
    mallory.log_in(&pending(&login, "/login"), "mallory").await;

    code(&ada.authorize(&[]).await);
}

/// The request that an attacker posted in advance must not be older than the login that it asks for.
#[tokio::test]
async fn oidc_core_3_1_2_1_a_posted_request_is_as_old_as_its_arrival_in_the_browser() {
    let scene = Scene::new().await;
    let body = authorization(&[("prompt", "login")]);
    let request = scene.request(Method::POST, "/authorize").with_body("application/x-www-form-urlencoded", body);
    let planted = pending(&scene.send(request).await, "/authorize");

    let mut ada = Browser::new(&scene);
    scene.pass(60);
    ada.code("ada", &[]).await;
    scene.pass(60);
    let reply = ada.get(&page("/authorize", &planted)).await;
    pending(&reply, "/login");
}

/// An agreement ends with the consent that it gave, also where its request is still under way.
#[tokio::test]
async fn a_consent_that_was_withdrawn_does_not_live_on_in_a_request_under_way() {
    let scene = Scene::new().await;
    let mut ada = Browser::new(&scene);
    ada.code("ada", &[]).await;
    scene.pass(10);
    let consent = pending(&ada.authorize(&[("prompt", "consent"), ("max_age", "60")]).await, "/consent");
    scene.pass(120);
    let login = pending(&ada.agree(&consent).await, "/login");
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new("app"));
    scene.app.store.withdraw_consent(&user, &client, scene.clock.now()).await.unwrap();
    pending(&ada.log_in(&login, "ada").await, "/consent");
}

/// RFC 9700 section 2.2.2: whatever the switch says, a stolen refresh token of a public client shows when it is used again.
#[tokio::test]
async fn rfc9700_2_2_2_refresh_tokens_of_public_clients_are_rotated() {
    let public = |client: &mut Client| {
        client.kind = ClientType::Public;
        client.secret = None;
        client.rotate_refresh_tokens = false;
    };
    let scene = Scene::with(public).await;
    let code = Browser::new(&scene).code("ada", &[("scope", "email")]).await;
    let (_, tokens) = scene.redeem(&code).await;
    let stolen = tokens["refresh_token"].as_str().unwrap();
    let (status, tokens) = scene.refresh(stolen).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_ne!(tokens["refresh_token"], stolen);
    scene.pass(61);
    assert_eq!(scene.refresh(stolen).await.1["error"], "invalid_grant");
    assert_eq!(scene.refresh(tokens["refresh_token"].as_str().unwrap()).await.1["error"], "invalid_grant");
}

/// A page that asks "go on as ada?" is not an answer for whoever has logged in since in another tab.
#[tokio::test]
async fn oidc_core_3_1_2_1_an_account_is_chosen_for_the_one_shown_only() {
    let scene = Scene::with(|client| client.require_consent = false).await;
    let mut browser = Browser::new(&scene);
    let login = browser.authorize(&[]).await;
    scene.pass(1);
    code(&browser.log_in(&pending(&login, "/login"), "ada").await);
    scene.pass(1);
    let choice = pending(&browser.authorize(&[("prompt", "select_account")]).await, "/select-account");
    let choice = shown_pending(&browser.get(&page("/select-account", &choice)).await);
    let other_tab = pending(&browser.authorize(&[("prompt", "login")]).await, "/login");
    scene.pass(1);
    code(&browser.log_in(&other_tab, "mallory").await);
    let go_on = browser.post("/select-account", &[("pending", &choice), ("decision", "continue")]).await;
    let shown = browser.get(&page("/select-account", &pending(&go_on, "/select-account"))).await;
    assert!(std::str::from_utf8(shown.body()).unwrap().contains(">mallory<"));
    let go_on = [("pending", shown_pending(&shown)), ("decision", "continue".to_owned())];
    let go_on = go_on.each_ref().map(|(name, value)| (*name, value.as_str()));
    code(&browser.post("/select-account", &go_on).await);
}

/// What a client with this secret is told, or who poses as it, in a request that asks for nothing.
async fn show_secret(scene: &Scene, secret: &str, address: &str) -> (StatusCode, String) {
    let body = [("grant_type", "refresh_token"), ("client_id", "app"), ("client_secret", secret)];
    let request = scene
        .request(Method::POST, "/token")
        .with_body("application/x-www-form-urlencoded", form::render(body))
        .with_client_address(address.parse().unwrap());
    let reply = scene.send(request).await;
    let error: Value = serde_json::from_slice(reply.body()).unwrap();
    (reply.status_code(), error["error"].as_str().unwrap().to_owned())
}

/// RFC 6749 section 2.3.1: "the authorization server MUST protect any endpoint utilizing it against brute force attacks".
#[tokio::test]
async fn rfc6749_2_3_1_short_client_secrets_cannot_be_guessed_by_trying() {
    let short = "a secret of less than 32 bytes";
    let scene = Scene::with(|client| client.secret = Some(Secret::new(short))).await;
    let guess = async |secret: &str, address: &str| show_secret(&scene, secret, address).await;
    let wrong = (StatusCode::BAD_REQUEST, "invalid_client".to_owned());
    let right = (StatusCode::BAD_REQUEST, "invalid_request".to_owned());
    for number in 0..20 {
        assert_eq!(guess(&format!("guess {number}"), "192.0.2.66").await, wrong);
    }
    for secret in [short, "guess"] {
        assert_eq!(
            guess(secret, "192.0.2.66").await.0,
            StatusCode::TOO_MANY_REQUESTS,
            "also the right one has to wait"
        );
    }
    assert_eq!(guess(short, "192.0.2.1").await, right, "the client itself goes on");
    scene.pass(1);
    assert_eq!(guess(short, "192.0.2.66").await, right);
    assert_eq!(guess(short, "192.0.2.66").await, right, "success makes nobody wait");
    assert_eq!(guess("guess", "192.0.2.66").await, wrong);
    assert_eq!(guess("guess", "192.0.2.66").await.0, StatusCode::TOO_MANY_REQUESTS, "and gives no new guesses");
}

/// Client ids are public, and behind a proxy or a NAT many callers have one address.
#[tokio::test]
async fn rfc6749_2_3_1_strangers_cannot_keep_a_client_from_its_tokens() {
    let scene = Scene::new().await;
    for number in 0..100 {
        let (status, error) = show_secret(&scene, &format!("guess {number}"), "192.0.2.66").await;
        assert_eq!((status, error.as_str()), (StatusCode::BAD_REQUEST, "invalid_client"));
        let (_, error) = show_secret(&scene, SECRET, "192.0.2.66").await;
        assert_eq!(error, "invalid_request", "the secret was right, the request is not");
    }
}

/// RFC 6749 section 10.5: a code that comes twice ends what came of it, whoever sent it first.
#[tokio::test]
async fn rfc6749_10_5_a_replayed_code_ends_its_family() {
    let scene = Scene::new().await;
    let code = Browser::new(&scene).code("ada", &[]).await;
    let (_, tokens) = scene.redeem(&code).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(scene.userinfo(access).await, StatusCode::OK);
    assert_eq!(scene.redeem(&code).await.1["error"], "invalid_grant");
    assert_eq!(scene.userinfo(access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.refresh(refresh).await.1["error"], "invalid_grant");
}

/// A request with the marks of one browser is nothing in another browser, and nothing where requests come in.
#[tokio::test]
async fn a_sealed_request_opens_in_its_own_browser_and_place_only() {
    let scene = Scene::new().await;
    let (mut mallory, mut ada) = (Browser::new(&scene), Browser::new(&scene));
    ada.code("ada", &[]).await;
    let login = pending(&mallory.authorize(&[]).await, "/login");
    let planted = pending(&mallory.log_in(&login, "mallory").await, "/consent");
    for path in ["/login", "/consent", "/select-account", "/authorize"] {
        assert_eq!(ada.get(&page(path, &planted)).await.status_code(), StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(mallory.get(&page("/authorize", &planted)).await.status_code(), StatusCode::BAD_REQUEST);
    assert_eq!(ada.agree(&planted).await.status_code(), StatusCode::BAD_REQUEST);
    code(&mallory.agree(&planted).await);
}

/// Nothing is stored and nobody is answered by what one page was shown with when it is sent to another.
#[tokio::test]
async fn a_sealed_request_opens_on_its_own_page_only() {
    let scene = Scene::new().await;
    let mut ada = Browser::new(&scene);
    let login = pending(&ada.authorize(&[]).await, "/login");
    let consent = pending(&ada.log_in(&login, "ada").await, "/consent");
    scene.pass(1);
    let choice = pending(&ada.authorize(&[("prompt", "select_account")]).await, "/select-account");
    let pages = [("/login", login), ("/consent", consent.clone()), ("/select-account", choice)];
    for (own, address) in &pages {
        let form = shown_pending(&ada.get(&page(own, address)).await);
        for (other, _) in pages.iter().filter(|(other, _)| other != own) {
            for value in [address, &form] {
                assert_eq!(ada.get(&page(other, value)).await.status_code(), StatusCode::BAD_REQUEST, "{own} {other}");
                for decision in ["allow", "continue", "cancel", "switch", "another", "deny"] {
                    let fields =
                        [("pending", value.as_str()), ("decision", decision), ("username", "ada"), ("password", "ada")];
                    let reply = ada.post(other, &fields).await;
                    assert_eq!(reply.status_code(), StatusCode::BAD_REQUEST, "{own} at {other}: {decision}");
                }
            }
        }
    }
    let (user, client) = (UserId::new("id-of-ada"), ClientId::new("app"));
    assert!(scene.app.store.consent(&user, &client).await.unwrap().is_none());
    code(&ada.agree(&consent).await);
}

/// A login that the clock has not come to yet would be newer than every request that asks for a new one.
#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_login_after_the_clock_went_back() {
    let scene = Scene::new().await;
    let mut ada = Browser::new(&scene);
    scene.pass(3600);
    ada.code("ada", &[]).await;
    code(&ada.authorize(&[]).await);
    scene.clock.set(NOW);
    for more in [("prompt", "login"), ("max_age", "0"), ("prompt", "select_account"), ("state", "any")] {
        pending(&ada.authorize(&[more]).await, "/login");
    }
    let login = pending(&ada.authorize(&[("prompt", "login")]).await, "/login");
    code(&ada.log_in(&login, "ada").await);
}

/// RFC 6819 section 5.1.4.2.3: "an attacker could lock out legitimate users". Where they have logged in before, nobody can.
#[tokio::test]
async fn strangers_who_never_stop_cannot_keep_a_known_browser_out() {
    let mut scene = Scene::new().await;
    let cookies = {
        let mut ada = Browser::new(&scene);
        ada.code("ada", &[]).await;
        ada.cookies
    };
    let attack = async |scene: &Scene, seconds: u64| {
        let mut guesses = 0;
        for second in 0..seconds {
            scene.pass(1);
            let address = format!("2001:db8:{:x}:{second:x}::1", second % 8);
            guesses += u64::from(Browser::new(scene).try_password(&address, "ada", "guess").await == StatusCode::OK);
        }
        guesses
    };
    assert!(attack(&scene, 120).await < 40, "the guessing is slowed down");
    for restarted in [false, true] {
        if restarted {
            scene.restart();
            attack(&scene, 60).await;
        }
        let mut stranger = Browser::new(&scene);
        assert_eq!(
            stranger.try_password("192.0.2.1", "ada", "ada").await,
            StatusCode::TOO_MANY_REQUESTS,
            "a new browser"
        );
        let mut ada = Browser { scene: &scene, cookies: cookies.clone() };
        ada.cookies.remove("__Host-hallpass-session");
        let typed = [" ADA ", "ada"][usize::from(restarted)];
        assert_eq!(ada.try_password("192.0.2.2", typed, "ada").await, StatusCode::SEE_OTHER, "restarted: {restarted}");
    }
    // It is for one account, opens nothing, and ends with what opened it.
    let mut mallory = Browser { scene: &scene, cookies: cookies.clone() };
    for _ in 0..5 {
        assert_eq!(mallory.try_password("192.0.2.3", "ada", "guess").await, StatusCode::OK);
    }
    assert_eq!(mallory.try_password("192.0.2.4", "ada", "guess").await, StatusCode::TOO_MANY_REQUESTS);
    for last in 10..16 {
        let elsewhere = mallory.try_password(&format!("192.0.2.{last}"), "mallory", "guess").await;
        assert_eq!(elsewhere, StatusCode::OK, "at another account it is one browser of many");
    }
    attack(&scene, 30).await;
    let mut user = User::clone(&*scene.app.store.user_by_username("ada").await.unwrap().unwrap());
    user.end_all();
    scene.app.store.update_user(user).await.unwrap();
    let mut ada = Browser { scene: &scene, cookies };
    assert_eq!(ada.try_password("192.0.2.5", "ada", "ada").await, StatusCode::TOO_MANY_REQUESTS);
}
