//! A provider with everything that a request needs to be right, and such a request to each row of the table.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use hallpass::app::hook::{self, Admission, Arrival, Hook};
use hallpass::model::client::GrantType;
use hallpass::model::id::ClientId;
use hallpass::model::scope::Scope;
use serde_json::{Value, json};

use super::endpoint::{ADMIN_TOKEN, Carrier, Endpoint, Good, NEW_SECRET};
use super::verdict::Channel;
use super::watch::Watch;
use crate::harness::http::try_exchange;
use crate::harness::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// The client and the user that administration works on.
const SPARE: &str = "spare";

/// The client that gets tokens for itself and for passwords.
const MACHINE: &str = "machine";

/// Whoever asks for just this has to go elsewhere first.
const ELSEWHERE: &str = "openid phone";

struct Elsewhere;

impl Hook for Elsewhere {
    fn admit<'a>(&'a self, arrival: Arrival<'a>) -> hook::Answer<'a, Admission> {
        let detour = arrival.scope.to_string() == ELSEWHERE && !arrival.returned;
        let detour = detour.then(|| Admission::Detour("https://elsewhere.example/".into()));
        Box::pin(ready(Ok(detour.unwrap_or(Admission::Continue))))
    }
}

/// A request, until it is sent.
pub struct Asked {
    pub browser: Browser,
    pub headers: Vec<(&'static str, String)>,
    pub pairs: Vec<(String, String)>,
    pub members: Value,
}

/// A provider with everything that a right request needs.
pub struct Scene {
    pub provider: Provider,
    pub watch: Watch,
    /// Ada has agreed to everything.
    pub ada: Browser,
    pub ada_tokens: Tokens,
    number: u64,
    refresh_token: String,
}

impl Scene {
    pub async fn new() -> Self {
        let settings = [
            ("admin.token", ADMIN_TOKEN),
            ("userinfo.query_token", "true"),
            ("session_management.enabled", "true"),
            ("grants.password", "true"),
            ("forward_auth.enabled", "true"),
            ("http.trusted_proxies", "127.0.0.1"),
        ];
        let provider = Provider::start_for_development_with_hooks(&settings, vec![Arc::new(Elsewhere)]).await;
        let mut machine = confidential(MACHINE);
        machine.grant_types.extend([GrantType::ClientCredentials, GrantType::Password]);
        machine.scope = Scope::parse("openid email token_introspection");
        provider.add_client(machine).await;
        let mut watch = Watch::begin();
        watch.keep(ADMIN_TOKEN);
        let ada = provider.logged_in(ADA).await;
        let code = ada.clone().code(ADA, &request(&[("scope", "openid email offline_access")])).await;
        let ada_tokens = provider.redeem(&code).await.tokens();
        provider.pass(Duration::from_secs(60));
        watch.keep(NEW_SECRET);
        for secret in [&ada_tokens.access_token, ada_tokens.id(), ada_tokens.refresh()] {
            watch.keep(secret);
        }
        let refresh_token = ada_tokens.refresh().to_owned();
        Self { provider, watch, ada, ada_tokens, number: 0, refresh_token }
    }

    /// Leads a browser to one of our pages; gives the sealed request.
    async fn pending(&mut self, browser: &mut Browser, page: &str, changes: &[(&str, &str)]) -> String {
        let response = browser.authorize(&request(changes)).await;
        assert!(response.url.contains(page), "{page}: {response:?}");
        self.watch.see(&response, page);
        response.field("pending")
    }

    /// A fresh code of Ada's.
    async fn code(&mut self) -> String {
        let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("prompt", "none")];
        let code = self.ada.clone().authorize(&request(&pkce)).await.query("code").unwrap();
        self.watch.keep(&code);
        code
    }

    /// The address of a row.
    pub fn url(&self, endpoint: &Endpoint) -> String {
        let (issuer, path) = (&self.provider.issuer, endpoint.path);
        if endpoint.place != "Administration" {
            return format!("{issuer}{path}");
        }
        let path = path
            .replace("{client_id}", SPARE)
            .replace("{username}", SPARE)
            .replace("{kid}", "none")
            .replace("{handle}", "none");
        format!("{issuer}/api/admin/v1/{path}")
    }

    /// A request that is right.
    pub async fn ask(&mut self, endpoint: &Endpoint) -> Asked {
        self.number += 1;
        let issuer = self.provider.issuer.clone();
        let mut browser = self.provider.browser();
        let mut headers = Vec::new();
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut members = Value::Null;
        match endpoint.good {
            Good::Nothing | Good::Page => {}
            Good::Preview => {
                let asked = [("user", ADA), ("client", CLIENT), ("scope", "openid")];
                pairs.extend(asked.map(|(name, value)| (name, value.to_owned())));
            }
            Good::Authorization => {
                browser = self.ada.clone();
                let sent = [
                    ("nonce", "the nonce"),
                    ("prompt", "none"),
                    ("max_age", "3600"),
                    ("display", "page"),
                    ("ui_locales", "en"),
                    ("claims_locales", "en"),
                    ("acr_values", "1"),
                    ("login_hint", ADA),
                    ("id_token_hint", self.ada_tokens.id()),
                    ("claims", "{\"userinfo\":{\"email\":null}}"),
                    ("code_challenge", CHALLENGE),
                    ("code_challenge_method", "S256"),
                    ("response_mode", "query"),
                ];
                pairs.extend(request(&sent).into_iter().map(|(name, value)| (name, value.to_owned())));
            }
            Good::Transit => {
                browser = self.ada.clone();
                let body = hallpass::base::form::render(request(&[("prompt", "none")])).into_bytes();
                let url = format!("{issuer}/authorize");
                let response = exchange("POST", &url, &[("content-type", FORM)], Some(body)).await;
                self.watch.see(&response, "transit");
                pairs.push(("pending", response.location().split_once("pending=").unwrap().1.to_owned()));
            }
            Good::Errand => {
                browser = self.ada.clone();
                let away = browser.authorize(&request(&[("scope", ELSEWHERE)])).await;
                pairs.push(("handle", away.query("resume").unwrap()));
            }
            Good::Login => {
                pairs.push(("pending", self.pending(&mut browser, "/login", &[]).await));
                if endpoint.method == "POST" {
                    let fields = [("username", ADA), ("password", PASSWORD), ("decision", "login")];
                    pairs.extend(fields.map(|(name, value)| (name, value.to_owned())));
                }
            }
            Good::Consent => {
                browser = self.ada.clone();
                pairs.push(("pending", self.pending(&mut browser, "/consent", &[("prompt", "consent")]).await));
                if endpoint.method == "POST" {
                    let page = browser.get(&format!("/consent?pending={}", pairs[0].1)).await;
                    pairs.push(("csrf", page.field("csrf")));
                    pairs.push(("decision", "allow".into()));
                }
            }
            Good::SelectAccount => {
                browser = self.ada.clone();
                let changes = [("prompt", "select_account")];
                pairs.push(("pending", self.pending(&mut browser, "/select-account", &changes).await));
                if endpoint.method == "POST" {
                    pairs.push(("decision", "continue".into()));
                }
            }
            Good::Logout => {
                // A session of its own, since it ends.
                let login = browser.authorize(&request(&[])).await;
                browser.log_in(&login, ADA, PASSWORD).await;
                pairs.push(("csrf", browser.get("/logout").await.field("csrf")));
                pairs.push(("decision", "logout".into()));
            }
            Good::Language => {
                pairs.push(("pending", self.pending(&mut browser, "/login", &[]).await));
                pairs.push(("language", "de".into()));
                pairs.push(("page", "login".into()));
            }
            Good::LogoutOfClient => {
                let login = browser.authorize(&request(&[])).await;
                browser.log_in(&login, ADA, PASSWORD).await;
                let asked = [("client_id", CLIENT), ("post_logout_redirect_uri", GOODBYE), ("state", "the state")];
                let page = browser.get(&format!("/end-session?{}", hallpass::base::form::render(asked))).await;
                self.watch.see(&page, "the page that asks");
                pairs.push(("pending", page.field("pending")));
                if endpoint.method == "POST" {
                    pairs.push(("csrf", page.field("csrf")));
                    pairs.push(("decision", "logout".into()));
                }
            }
            // In a browser where nobody is logged in: nothing ends.
            Good::EndSession => pairs.extend(self.logout_request()),
            Good::EndSessionTransit => {
                let pairs_of_it = self.logout_request();
                let text = pairs_of_it.iter().map(|(name, value)| (*name, value.as_str()));
                let body = hallpass::base::form::render(text).into_bytes();
                let response =
                    exchange("POST", &format!("{issuer}/end-session"), &[("content-type", FORM)], Some(body)).await;
                self.watch.see(&response, "transit");
                pairs.push(("pending", response.location().split_once("pending=").unwrap().1.to_owned()));
            }
            Good::Code | Good::CodeByHeader => {
                pairs.push(("grant_type", "authorization_code".into()));
                pairs.push(("code", self.code().await));
                pairs.push(("redirect_uri", REDIRECT.into()));
                pairs.push(("code_verifier", VERIFIER.into()));
                if matches!(endpoint.good, Good::CodeByHeader) {
                    headers.push(("authorization", basic(format!("{CLIENT}:{SECRET}"))));
                } else {
                    pairs.push(("client_id", CLIENT.into()));
                    pairs.push(("client_secret", SECRET.into()));
                }
            }
            Good::Refresh => {
                pairs.push(("grant_type", "refresh_token".into()));
                pairs.push(("refresh_token", self.refresh_token.clone()));
                pairs.push(("scope", "openid".into()));
                pairs.push(("client_id", CLIENT.into()));
                pairs.push(("client_secret", SECRET.into()));
            }
            Good::ClientCredentials => {
                pairs.push(("grant_type", "client_credentials".into()));
                pairs.push(("scope", "email".into()));
                pairs.push(("client_id", MACHINE.into()));
                pairs.push(("client_secret", SECRET.into()));
            }
            Good::Password => {
                pairs.push(("grant_type", "password".into()));
                pairs.push(("username", ADA.into()));
                pairs.push(("password", PASSWORD.into()));
                pairs.push(("scope", "openid".into()));
                pairs.push(("client_id", MACHINE.into()));
                pairs.push(("client_secret", SECRET.into()));
            }
            Good::TokenOfMachine => {
                let form = [("grant_type", "client_credentials")];
                let token = self.provider.token(MACHINE, SECRET, &form).await.tokens().access_token;
                self.watch.keep(&token);
                pairs.push(("token", token));
                pairs.push(("token_type_hint", "access_token".into()));
                pairs.push(("client_id", MACHINE.into()));
                pairs.push(("client_secret", SECRET.into()));
            }
            Good::Header => headers.push(("authorization", format!("Bearer {}", self.ada_tokens.access_token))),
            Good::ForwardAuth => {
                headers.push(("authorization", format!("Bearer {}", self.ada_tokens.access_token)));
                pairs.push(("scope", "openid email".into()));
            }
            Good::Token => pairs.push(("access_token", self.ada_tokens.access_token.clone())),
            Good::Members(make) => members = make(self.number),
            Good::Playground => {
                let csrf = browser.get("/playground").await.field("csrf");
                if endpoint.method == "POST" {
                    pairs.push(("csrf", csrf));
                }
                pairs.push(("client_id", hallpass::dev::PLAYGROUND.into()));
                pairs.push(("user", ADA.into()));
            }
            Good::Callback => {
                let answered = self.begin_run(&mut browser).await;
                pairs.extend(answered);
            }
            Good::Ticket => {
                let page = browser.get("/playground").await;
                let fields =
                    [("csrf", page.field("csrf")), ("user", ADA.into()), ("scope", "openid offline_access".into())];
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let done = browser.post("/playground", &fields).await;
                pairs.push(("csrf", done.field("csrf")));
                pairs.push(("ticket", done.field("ticket")));
            }
        }
        if endpoint.place == "Administration" {
            if self.provider.app.store.client(&ClientId::new(SPARE)).await.unwrap().is_none() {
                self.provider.add_client(confidential(SPARE)).await;
            }
            if self.provider.app.store.user_by_username(SPARE).await.unwrap().is_none() {
                self.provider.add_user(SPARE, json!({})).await;
            }
            headers.push(("authorization", format!("Bearer {ADMIN_TOKEN}")));
            if matches!(endpoint.good, Good::Page) {
                pairs.push(("limit", "2".into()));
            }
        }
        if endpoint.method == "POST" && endpoint.channel == Channel::Page {
            headers.push(("origin", issuer));
        }
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Asked { browser, headers, pairs, members }
    }

    /// A logout request for Ada's session.
    pub fn logout_request(&self) -> Vec<(&'static str, String)> {
        vec![
            ("id_token_hint", self.ada_tokens.id().to_owned()),
            ("client_id", CLIENT.into()),
            ("post_logout_redirect_uri", GOODBYE.into()),
            ("state", "the state".into()),
            ("logout_hint", ADA.into()),
            ("ui_locales", "en".into()),
        ]
    }

    /// Begins a run of the playground; gives what its answer brings, which the browser has not followed.
    async fn begin_run(&mut self, browser: &mut Browser) -> Vec<(&'static str, String)> {
        let csrf = browser.get("/playground").await.field("csrf");
        let fields = [("csrf", csrf.as_str()), ("user", ADA)];
        let body = hallpass::base::form::render(fields).into_bytes();
        let headers = [("content-type", FORM), ("origin", self.provider.issuer.as_str())];
        let url = format!("{}/playground", self.provider.issuer);
        let begun = browser.send("POST", &url, &headers, Some(body)).await;
        let answer = browser.send("GET", begun.location(), &[], None).await;
        self.watch.see(&answer, "a run");
        ["code", "state", "iss"].map(|name| (name, answer.query(name).unwrap())).to_vec()
    }

    /// Sends a request as this text of its parameters, and looks over the answer; `None` when the server hung up on it.
    pub async fn send(&mut self, endpoint: &Endpoint, asked: &Asked, text: Vec<u8>, what: &str) -> Option<Response> {
        let mut url = self.url(endpoint);
        let mut headers: Vec<(&str, &str)> =
            asked.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let cookies: Vec<String> =
            asked.browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let body = match endpoint.carrier {
            Carrier::Query => {
                url = format!("{url}?{}", String::from_utf8(text).unwrap());
                None
            }
            Carrier::Form => {
                headers.push(("content-type", FORM));
                Some(text)
            }
            Carrier::Json => {
                headers.push(("content-type", "application/json"));
                Some(text)
            }
        };
        let response = try_exchange(endpoint.method, &url, &headers, body).await.ok()?;
        self.watch.see(&response, what);
        if matches!(endpoint.good, Good::Refresh) && response.status == 200 {
            self.refresh_token = response.tokens().refresh().to_owned();
        }
        Some(response)
    }
}
