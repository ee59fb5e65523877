//! Scripts: a line is a step. Its first character says which; what follows are numbers of one digit, and then text.
//!
//! ```text
//! Bn          the next steps are of browser n
//! Tn          time passes
//! Ac text     client c sends the browser to authorize; text as `&name=value` replaces parameters, adds others, or takes
//!             one away where the value is empty
//! Mc text     the same by POST
//! F           the browser goes where it was sent
//! Lu, Wu      the login form is sent for user u with the right password, or with a wrong one
//! K           the login is cancelled
//! C, D, S     the consent page: allow, deny, somebody else
//! X, Y        the choice of account: this one, another one
//! O           logout, with the page before it
//! Rnc text    client c redeems code n, the last being 0
//! Enc text    client c uses refresh token n
//! Un          access token n is shown at userinfo
//! Vuc         user u takes back what client c may
//! Nu          user u ends everything
//! hname:value a header for the next request
//! Gpath, Hpath, Ipath, Ppath body    GET, HEAD, OPTIONS, POST of whatever
//! ```
//!
//! In text, `{code}`, `{access}`, `{refresh}`, `{id}`, `{pending}`, `{csrf}`, `{session}`, `{browser}`, `{sub}` and `{secret}` stand
//! for what was given out last; `{code1}` to `{code4}` for what came before. `{pending}` is this browser's and `{foreign}` that of
//! the next one, as are `{session}`, `{browser}` and `{session1}`, `{browser1}`.

use std::time::Duration;

use hallpass::app::request::Request;
use hallpass::base::encode::{base64, percent};
use hallpass::base::form::Form;
use hallpass::model::client::ClientType;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION};

use crate::browser::{BROWSER, Browser, SESSION};
use crate::model::Model;
use crate::world::{CLIENTS, SECRETS, USERS, World};

/// More steps than this are not taken.
const STEPS: usize = 40;

/// How much time passes, by number, in seconds.
const TIMES: [u64; 10] = [1, 30, 59, 61, 599, 600, 3600, 86_400, 1_209_600, 7_776_000];

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as it is sent, with all that the model has to know of it.
pub struct Sent {
    pub method: Method,
    pub path: String,
    pub query: Option<Form>,
    /// `None` also for a body that is no form.
    pub body: Option<Form>,
    /// Scheme and credentials.
    pub authorization: Option<String>,
    pub session: Option<String>,
    /// Everything in it that is no secret's place: an answer may repeat this.
    pub open: String,
}

impl Sent {
    /// A parameter of where the endpoint looks for it.
    pub fn parameters(&self) -> Option<&Form> {
        if self.method == Method::POST { self.body.as_ref() } else { self.query.as_ref() }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters()?.get(name)
    }
}

pub struct Play<'w> {
    world: &'w World,
    model: Model<'w>,
    browsers: [Browser; 3],
    current: usize,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl<'w> Play<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, model: Model::new(world), browsers: Default::default(), current: 0, headers: Vec::new() }
    }

    /// Plays all lines; gives all pairs of a user and a client that may have agreed to something.
    pub fn run(mut self, data: &[u8]) -> Vec<(usize, usize)> {
        let text = String::from_utf8_lossy(data);
        for line in text.lines().take(STEPS) {
            self.step(line);
        }
        self.model.agreements()
    }

    fn step(&mut self, line: &str) {
        let Some(step) = line.chars().next() else { return };
        let rest = &line[step.len_utf8()..];
        let digit = |at: usize| {
            rest.as_bytes().get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| usize::from(byte - b'0'))
        };
        let (first, second) = (digit(0).unwrap_or_default(), digit(1).unwrap_or_default());
        let after = |digits: usize| rest.get(digits..).unwrap_or_default();
        match step {
            'B' => self.current = first % self.browsers.len(),
            'T' => self.world.pass(Duration::from_secs(TIMES[first])),
            'A' | 'M' => self.authorize(first % CLIENTS.len(), after(1), step == 'M'),
            'F' => {
                if let Some(to) = self.browser().sent_to.clone() {
                    self.send(Method::GET, &to, None);
                }
            }
            'L' => self.log_in(first % USERS.len(), true),
            'W' => self.log_in(first % USERS.len(), false),
            'K' => self.submit("/login", "cancel"),
            'C' => self.submit("/consent", "allow"),
            'D' => self.submit("/consent", "deny"),
            'S' => self.submit("/consent", "switch"),
            'X' => self.submit("/select-account", "continue"),
            'Y' => self.submit("/select-account", "another"),
            'O' => {
                self.send(Method::GET, "/logout", None);
                let body = format!("csrf={}&decision=logout", self.browser().csrf);
                self.send(Method::POST, "/logout", Some(&body));
            }
            'R' => self.redeem(first, second % CLIENTS.len(), after(2)),
            'E' => self.refresh(first, second % CLIENTS.len(), after(2)),
            'U' => {
                let token = nth(&self.model.access_values, first);
                self.headers.push((AUTHORIZATION, header(&format!("Bearer {token}"))));
                self.send(Method::GET, "/userinfo", None);
            }
            'V' => self.model.withdraw(first % USERS.len(), second % CLIENTS.len()),
            'N' => self.model.end_all(first % USERS.len()),
            'h' => {
                let Some((name, value)) = rest.split_once(':') else { return };
                let value = self.filled(value.trim_ascii());
                if let (Ok(name), Ok(value)) = (name.parse(), HeaderValue::try_from(value)) {
                    self.headers.push((name, value));
                }
            }
            'G' | 'H' | 'I' | 'P' => {
                let method = match step {
                    'G' => Method::GET,
                    'H' => Method::HEAD,
                    'I' => Method::OPTIONS,
                    _ => Method::POST,
                };
                let (target, body) = rest.split_once(' ').map_or((rest, None), |(target, body)| (target, Some(body)));
                let (target, body) = (self.filled(target), body.map(|body| self.filled(body)));
                self.send(method, &target, body.as_deref());
            }
            _ => {}
        }
    }

    fn browser(&mut self) -> &mut Browser {
        &mut self.browsers[self.current]
    }

    fn authorize(&mut self, client: usize, changes: &str, post: bool) {
        let client = &CLIENTS[client];
        let mut parameters: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: &str| parameters.push((name.to_owned(), encoded(value)));
        add("response_type", "code");
        add("client_id", client.id.as_str());
        add("redirect_uri", &client.redirect_uris[0]);
        add("scope", "openid email");
        add("state", "a state");
        add("nonce", "n-0S6");
        if client.needs_pkce() {
            add("code_challenge", CHALLENGE);
            add("code_challenge_method", "S256");
        }
        let parameters = self.changed(parameters, changes);
        if post {
            self.send(Method::POST, "/authorize", Some(&parameters));
        } else {
            self.send(Method::GET, &format!("/authorize?{parameters}"), None);
        }
    }

    fn log_in(&mut self, user: usize, right: bool) {
        let (name, password, _) = USERS[user];
        let password = if right { password } else { "wrong" };
        let pending = nth(&self.browsers[self.current].pendings, 0);
        let body = format!("pending={pending}&username={name}&password={}&decision=login", encoded(password));
        self.send(Method::POST, "/login", Some(&body));
    }

    fn submit(&mut self, path: &str, decision: &str) {
        let body = format!("pending={}&decision={decision}", nth(&self.browser().pendings, 0));
        self.send(Method::POST, path, Some(&body));
    }

    fn redeem(&mut self, code: usize, client: usize, changes: &str) {
        let code = nth(&self.model.code_values, code).to_owned();
        let known = self.model.codes.get(&code);
        let redirect_uri =
            known.map_or(CLIENTS[client].redirect_uris[0].as_str(), |known| known.ask.redirect_uri.as_str());
        let mut parameters = vec![
            ("grant_type".to_owned(), "authorization_code".to_owned()),
            ("code".to_owned(), code.clone()),
            ("redirect_uri".to_owned(), encoded(redirect_uri)),
        ];
        if known.is_some_and(|known| known.ask.challenge.is_some()) {
            parameters.push(("code_verifier".to_owned(), VERIFIER.to_owned()));
        }
        self.at_token(client, parameters, changes);
    }

    fn refresh(&mut self, token: usize, client: usize, changes: &str) {
        let token = nth(&self.model.refresh_values, token).to_owned();
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        self.at_token(client, parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), changes);
    }

    fn at_token(&mut self, client: usize, mut parameters: Vec<(String, String)>, changes: &str) {
        let own = &CLIENTS[client];
        // Two ways for clients to authenticate.
        if own.kind == ClientType::Public || client % 2 == 1 {
            parameters.push(("client_id".to_owned(), own.id.to_string()));
            if !SECRETS[client].is_empty() {
                parameters.push(("client_secret".to_owned(), encoded(SECRETS[client])));
            }
        } else {
            let credentials = base64(format!("{}:{}", own.id, encoded(SECRETS[client])));
            self.headers.push((AUTHORIZATION, header(&format!("Basic {credentials}"))));
        }
        let body = self.changed(parameters, changes);
        self.send(Method::POST, "/token", Some(&body));
    }

    /// Parameters with changes to them, as a query.
    fn changed(&self, mut parameters: Vec<(String, String)>, changes: &str) -> String {
        let changes = self.filled(changes);
        let changes: Vec<_> = changes.split('&').filter_map(|change| change.split_once('=')).collect();
        parameters.retain(|(name, _)| changes.iter().all(|(other, _)| other != name));
        let added = changes.iter().filter(|(_, value)| !value.is_empty());
        parameters.extend(added.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    /// Text with what the provider gave out in its slots.
    fn filled(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let browser = &self.browsers[self.current];
        let others = &self.browsers[(self.current + 1) % self.browsers.len()];
        let mut out = text.to_owned();
        for (name, values) in [
            ("pending", &browser.pendings),
            ("foreign", &others.pendings),
            ("code", &self.model.code_values),
            ("access", &self.model.access_values),
            ("refresh", &self.model.refresh_values),
            ("id", &self.model.id_values),
        ] {
            for back in 0..5 {
                let slot = if back == 0 { format!("{{{name}}}") } else { format!("{{{name}{back}}}") };
                out = out.replace(&slot, nth(values, back));
            }
        }
        for (slot, value) in [
            ("{csrf}", browser.csrf.as_str()),
            ("{session}", browser.cookie(SESSION)),
            ("{session1}", others.cookie(SESSION)),
            ("{browser}", browser.cookie(BROWSER)),
            ("{browser1}", others.cookie(BROWSER)),
            ("{sub}", self.world.users[0].as_str()),
            ("{sub1}", self.world.users[1].as_str()),
            ("{secret}", SECRETS[0]),
        ] {
            out = out.replace(slot, value);
        }
        out
    }

    /// Sends a request from the browser that it is the turn of, and has the answer checked.
    fn send(&mut self, method: Method, target: &str, body: Option<&str>) {
        let mut headers = std::mem::take(&mut self.headers);
        let Ok(mut request) = Request::in_process(method.clone(), target, self.world.now()) else { return };
        let mut media_type = FORM;
        headers.retain(|(name, value)| {
            if *name == CONTENT_TYPE {
                media_type = if value.as_bytes().starts_with(b"application/x-") { FORM } else { "application/json" };
            }
            *name != CONTENT_TYPE
        });
        if let Some(body) = body {
            request = request.with_body(media_type, body.to_owned());
        }
        if let Some(cookies) =
            self.browsers[self.current].cookies().filter(|_| headers.iter().all(|(name, _)| *name != COOKIE))
        {
            request = request.with_header(COOKIE, header(&cookies));
        }
        let mut open = String::new();
        for (name, value) in headers {
            if name != COOKIE && name != AUTHORIZATION {
                open.push_str(&String::from_utf8_lossy(value.as_bytes()));
                open.push('\n');
            }
            request = request.with_header(name, value);
        }
        let form = |text: &str| Form::parse(text.as_bytes()).ok();
        let mut sent = Sent {
            method,
            path: request.path().to_owned(),
            query: form(request.raw_query()),
            body: body.filter(|_| media_type == FORM).and_then(form).or_else(|| body.is_none().then(Form::default)),
            authorization: request.header(AUTHORIZATION).map(ToOwned::to_owned),
            session: request.cookie(SESSION).map(ToOwned::to_owned),
            open,
        };
        sent.open.push_str(request.full_path());
        let secret_places =
            ["code", "refresh_token", "access_token", "client_secret", "password", "code_verifier", "csrf", "pending"];
        for form in [&sent.query, &sent.body] {
            match form {
                Some(form) => {
                    for (name, value) in form.iter() {
                        sent.open.push('\n');
                        sent.open.push_str(name);
                        if !secret_places.contains(&name) || form.repeats(name) {
                            sent.open.push('\n');
                            sent.open.push_str(value);
                        }
                    }
                }
                // Whatever it is.
                None => sent.open.push_str(body.unwrap_or(target)),
            }
        }
        let is_head = sent.method == Method::HEAD;
        let (reply, log) = self.world.handle(request);
        if self.world.trace {
            let location = reply.headers().get(LOCATION).map(|location| location.to_str().unwrap_or_default());
            eprintln!("{sent:?}\n  {} {}\n{log}", reply.status_code(), location.unwrap_or_default());
        }
        self.model.check(&sent, &reply, &log);
        if !is_head {
            self.browsers[self.current].take(&reply);
        }
    }
}

fn nth(values: &[String], back: usize) -> &str {
    values.iter().rev().nth(back).map_or("", String::as_str)
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    percent(text, &mut out);
    out
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
