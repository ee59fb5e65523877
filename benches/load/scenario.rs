//! What is asked of the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hallpass::base::form;
use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use serde::Deserialize;

use crate::bare::Recording;
use crate::caller::{Caller, field, redirect_parameter};
use crate::server::{CLIENT, PASSWORD, REDIRECT, SECRET, Server, USER};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client asks for itself.
const OWN: &[u8] = b"grant_type=client_credentials&scope=books:read";

/// Three claims and one scope more, for the settings.
pub(crate) const EXPRESSIONS: &str = r#"
[claims]
name = "[user.claims.given_name, user.claims.family_name]|join(' ')"
nickname = "user.claims.nickname or user.username"
email_verified = "user.claims.email is endingwith('@ada.example')"
[scopes."read:shelf".claims]
shelf = "user.claims.shelf|default([])"
"#;

/// One row of the table.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// RSA signatures in one step of it.
    pub(crate) signatures: u32,
    /// CPU seconds per 1000 that it should stay below; where there are signatures, 1.3 times their cost beside that of HTTP.
    pub(crate) aim: Option<f64>,
}

/// The rows. The aims are a fifth of what a well-known provider with its data in memory needs on such a machine; a quarter where
/// ours has to write to the disk and that one doesn't.
pub(crate) const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "discovery", work: Work::Discovery, signatures: 0, aim: Some(0.026) },
    Scenario { name: "jwks", work: Work::Jwks, signatures: 0, aim: Some(0.0154) },
    Scenario { name: "userinfo", work: Work::Userinfo, signatures: 0, aim: Some(0.042) },
    // The same beside expressions for three claims and one scope more: 5 microseconds more at most.
    Scenario { name: "userinfo-expressions", work: Work::UserinfoExpressions, signatures: 0, aim: Some(0.047) },
    Scenario { name: "introspection", work: Work::Introspection, signatures: 0, aim: Some(0.044) },
    Scenario { name: "client-credentials", work: Work::ClientCredentials, signatures: 0, aim: Some(0.0575) },
    Scenario { name: "to-login", work: Work::ToLogin, signatures: 0, aim: None },
    Scenario { name: "login-page", work: Work::LoginPage, signatures: 0, aim: Some(0.040) },
    Scenario { name: "refresh", work: Work::Refresh, signatures: 1, aim: None },
    Scenario { name: "code-flow", work: Work::CodeFlow, signatures: 1, aim: None },
];

/// What a worker does in a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The discovery document.
    Discovery,
    /// The JWK Set.
    Jwks,
    /// The claims of a user, by an access token.
    Userinfo,
    /// The same of a provider whose claims are expressions, with a scope of its own.
    UserinfoExpressions,
    /// What an access token of a user is worth.
    Introspection,
    /// An access token for the client itself.
    ClientCredentials,
    /// An authorization request of somebody who has to log in: the way to the page.
    ToLogin,
    /// That page.
    LoginPage,
    /// A refresh token for new tokens, the ID token among them; the next step uses the one that came.
    Refresh,
    /// An authorization request of somebody who is logged in and has agreed before, and the redemption of its code.
    CodeFlow,
}

/// One connection and what it knows.
pub(crate) struct Worker {
    work: Work,
    caller: Caller,
    authorize: String,
    login_page: String,
    refresh_token: String,
    /// The form of every introspection.
    question: Bytes,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    id_token: String,
}

impl Worker {
    /// A worker with everything that its work needs: a session and tokens of its own, by a login.
    pub(crate) async fn prepare(work: Work, server: &Server, number: usize) -> Self {
        let caller = Caller::connect(server).await;
        let authorize = format!(
            "/authorize?{}",
            form::render([
                ("response_type", "code"),
                ("client_id", CLIENT),
                ("redirect_uri", REDIRECT),
                ("scope", "openid profile email read:shelf"),
                ("state", &format!("state-of-worker-{number}")),
                ("nonce", "n-0S6_WzA2Mj"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ])
        );
        let mut worker = Self {
            work,
            authorize,
            login_page: String::new(),
            refresh_token: String::new(),
            question: Bytes::new(),
            caller,
        };
        match work {
            Work::Discovery | Work::Jwks => return worker,
            Work::ClientCredentials => {
                worker.caller.authorization = Some(basic());
                return worker;
            }
            Work::ToLogin | Work::LoginPage => {
                worker.go_to_login().await;
                return worker;
            }
            Work::Userinfo | Work::UserinfoExpressions | Work::Introspection | Work::Refresh | Work::CodeFlow => {}
        }
        worker.log_in().await;
        let tokens = worker.code_flow(None).await;
        worker.refresh_token = tokens.refresh_token;
        match work {
            Work::Userinfo | Work::UserinfoExpressions => {
                worker.caller.authorization = Some(format!("Bearer {}", tokens.access_token));
            }
            Work::Refresh => worker.caller.authorization = Some(basic()),
            Work::Introspection => {
                worker.caller.authorization = Some(basic());
                worker.question = form::render([("token", tokens.access_token.as_str())]).into();
            }
            _ => {}
        }
        // A relying party has no cookies; a browser no credentials.
        if work != Work::CodeFlow {
            worker.caller.cookies.clear();
        }
        worker
    }

    /// The same worker at another server.
    pub(crate) async fn beside(&self, server: &Server) -> Self {
        Self {
            work: self.work,
            caller: self.caller.beside(server).await,
            authorize: self.authorize.clone(),
            login_page: self.login_page.clone(),
            refresh_token: self.refresh_token.clone(),
            question: self.question.clone(),
        }
    }

    /// One unit of the work, which has to succeed.
    pub(crate) async fn step(&mut self, recording: Option<&mut Recording>) {
        match self.work {
            Work::Discovery => self.read("/.well-known/openid-configuration", recording).await,
            Work::Jwks => self.read("/jwks", recording).await,
            Work::Userinfo | Work::UserinfoExpressions => self.read("/userinfo", recording).await,
            Work::Introspection => {
                let answer = self.caller.post("/introspect", self.question.clone()).await;
                assert!(answer.body().starts_with(b"{\"active\":true,"), "{answer:?}");
                keep(recording, "/introspect", &answer);
            }
            Work::ClientCredentials => {
                let answer = self.caller.post("/token", Bytes::from_static(OWN)).await;
                assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
                keep(recording, "/token", &answer);
            }
            Work::ToLogin => {
                let answer = self.caller.get(&self.authorize).await;
                keep(recording, "/authorize", &answer);
                assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{answer:?}");
            }
            Work::LoginPage => {
                let page = self.caller.get(&self.login_page).await;
                keep(recording, "/login", &page);
                assert_eq!(page.status(), StatusCode::OK, "{page:?}");
            }
            Work::Refresh => {
                let spent = std::mem::take(&mut self.refresh_token);
                let form = [("grant_type", "refresh_token"), ("refresh_token", &spent)];
                self.refresh_token = self.tokens(&form, recording).await.refresh_token;
            }
            Work::CodeFlow => {
                self.code_flow(recording).await;
            }
        }
    }

    async fn read(&mut self, path: &str, recording: Option<&mut Recording>) {
        let answer = self.caller.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        keep(recording, path, &answer);
    }

    /// Makes the authorization request, as a browser does.
    async fn go_to_login(&mut self) {
        let answer = self.caller.get(&self.authorize).await;
        self.caller.keep_cookies(&answer);
        self.login_page = answer.headers()[LOCATION].to_str().expect("an address").to_owned();
    }

    async fn code_flow(&mut self, mut recording: Option<&mut Recording>) -> Tokens {
        let answer = self.caller.get(&self.authorize).await;
        keep(recording.as_deref_mut(), "/authorize", &answer);
        let code = redirect_parameter(&answer, "code").expect("a code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        // One connection carries both requests; each has what its sender would send.
        let cookies = std::mem::take(&mut self.caller.cookies);
        self.caller.authorization = Some(basic());
        let tokens = self.tokens(&form, recording).await;
        self.caller.cookies = cookies;
        self.caller.authorization = None;
        tokens
    }

    async fn tokens(&mut self, form: &[(&str, &str)], recording: Option<&mut Recording>) -> Tokens {
        let answer = self.caller.post("/token", Bytes::from(form::render(form.iter().copied()))).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        keep(recording, "/token", &answer);
        let tokens: Tokens = serde_json::from_slice(answer.body()).expect("tokens");
        assert!(!tokens.id_token.is_empty(), "an ID token");
        tokens
    }

    /// Fills in the pages, as a browser does.
    async fn log_in(&mut self) {
        self.go_to_login().await;
        let page = self.caller.get(&self.login_page).await;
        let pending = field(&page, "pending");
        let form = [("pending", pending.as_str()), ("username", USER), ("password", PASSWORD), ("decision", "login")];
        let mut page = self.caller.post("/login", Bytes::from(form::render(form))).await;
        self.caller.keep_cookies(&page);
        while page.status().is_redirection() && redirect_parameter(&page, "code").is_none() {
            let location = page.headers()[LOCATION].to_str().expect("an address").to_owned();
            page = self.caller.get(&location).await;
            self.caller.keep_cookies(&page);
        }
        if page.status() == StatusCode::OK {
            let pending = field(&page, "pending");
            let form = [("pending", pending.as_str()), ("decision", "allow")];
            page = self.caller.post("/consent", Bytes::from(form::render(form))).await;
            self.caller.keep_cookies(&page);
        }
        assert!(redirect_parameter(&page, "code").is_some(), "{page:?}");
    }
}

fn keep(recording: Option<&mut Recording>, path: &str, answer: &Response<Bytes>) {
    if let Some(recording) = recording {
        recording.keep(path, answer);
    }
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")))
}
