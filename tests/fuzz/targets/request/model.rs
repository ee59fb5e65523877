//! The account of what has happened: who logged in where and agreed to what, and so what the provider may give out.
//!
//! It is kept from what is sent and what is answered, and knows nothing of how the provider works. Where it can't know for sure, it
//! allows more than the provider does, never less.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use hallpass::app::reply::Reply;
use hallpass::base::clock::Timestamp;
use hallpass::base::encode::parse_base64;
use hallpass::base::form::{Form, decode};
use hallpass::base::secret::Secret;
use hallpass::jose::alg::Algorithm;
use hallpass::jose::jws::{Jws, Verifier};
use hallpass::jose::key::PrivateKey;
use hallpass::model::client::{Client, GrantType};
use hallpass::model::grant::{Challenge, ChallengeMethod};
use hallpass::protocol::claims_request::ClaimsRequest;
use hallpass::protocol::error::ErrorCode;
use hallpass_fuzz::{ISSUER, RSA};
use hyper::Method;
use hyper::header::SET_COOKIE;
use serde_json::Value;
use url::Url;

use crate::answer::{self, Answer, Onward};
use crate::browser::{SESSION, hidden};
use crate::script::Sent;
use crate::world::{CLIENTS, DISABLED, SECRETS, USERS, World};

const DAY: u64 = 24 * 60 * 60;

/// An authorization request.
pub struct Ask {
    client: usize,
    pub redirect_uri: String,
    form: Form,
    pub challenge: Option<Challenge>,
    at: Timestamp,
}

impl Ask {
    fn read(form: &Form, at: Timestamp) -> Option<Self> {
        let client = CLIENTS.iter().position(|client| Some(client.id.as_str()) == form.get("client_id"))?;
        let challenge = form
            .get("code_challenge")
            .map(|value| Challenge { method: ChallengeMethod::S256, value: value.to_owned() });
        let redirect_uri = form.get("redirect_uri").unwrap_or_default().to_owned();
        Some(Self { client, redirect_uri, form: form.clone(), challenge, at })
    }

    fn client(&self) -> &'static Client {
        &CLIENTS[self.client]
    }

    fn words(&self, name: &str) -> Vec<&str> {
        self.form.get(name).unwrap_or_default().split_ascii_whitespace().collect()
    }

    fn claims(&self) -> Option<ClaimsRequest> {
        ClaimsRequest::parse(self.form.get("claims")?).ok()
    }
}

/// A sealed authorization request, as it was given out.
#[derive(Clone)]
struct Pending {
    ask: Rc<Ask>,
    /// Whom the page asks.
    asked: Option<usize>,
    /// Who has agreed to this one.
    agreed: Option<usize>,
}

struct Session {
    user: usize,
    /// The first of those that took each other's place, as long as it was the same user.
    first: String,
    started: Timestamp,
    seen: Timestamp,
    ended: bool,
}

/// What a user has let a client do.
struct Consent {
    scope: HashSet<String>,
    until: Timestamp,
}

/// A code, and the family of tokens that came from it.
pub struct Code {
    pub ask: Rc<Ask>,
    user: usize,
    /// The session in which it was given out.
    session: String,
    at: Timestamp,
    used: bool,
    /// Nothing of the family works any more.
    dead: bool,
}

struct Token {
    code: String,
    scope: Vec<String>,
    expires: Timestamp,
}

struct Refresh {
    code: String,
    expires: Timestamp,
    /// When it was used, and what came for it.
    used: Option<(Timestamp, String)>,
    /// A retry took its place.
    superseded: bool,
}

pub struct Model<'w> {
    world: &'w World,
    pendings: HashMap<String, Pending>,
    sessions: HashMap<String, Session>,
    consents: HashMap<(usize, usize), Consent>,
    /// Every pair that ever agreed.
    agreements: HashSet<(usize, usize)>,
    pub codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    /// All that was ever said where no secret belongs.
    open: String,
    refreshes: HashMap<String, Refresh>,
    /// In the order in which they were given out.
    pub code_values: Vec<String>,
    pub access_values: Vec<String>,
    pub refresh_values: Vec<String>,
    pub id_values: Vec<String>,
}

impl<'w> Model<'w> {
    pub fn new(world: &'w World) -> Self {
        Self {
            world,
            pendings: HashMap::new(),
            sessions: HashMap::new(),
            consents: HashMap::new(),
            agreements: HashSet::new(),
            codes: HashMap::new(),
            tokens: HashMap::new(),
            open: String::new(),
            refreshes: HashMap::new(),
            code_values: Vec::new(),
            access_values: Vec::new(),
            refresh_values: Vec::new(),
            id_values: Vec::new(),
        }
    }

    pub fn agreements(self) -> Vec<(usize, usize)> {
        self.agreements.into_iter().collect()
    }

    pub fn withdraw(&mut self, user: usize, client: usize) {
        if self.world.withdraw(user, client) {
            self.consents.remove(&(user, client));
            let theirs = |code: &&mut Code| code.user == user && code.ask.client == client;
            self.codes.values_mut().filter(theirs).for_each(|code| code.dead = true);
        }
    }

    pub fn end_all(&mut self, user: usize) {
        self.world.end_all(user);
        self.codes.values_mut().filter(|code| code.user == user).for_each(|code| code.dead = true);
        self.sessions.values_mut().filter(|session| session.user == user).for_each(|session| session.ended = true);
    }

    /// One exchange.
    pub fn check(&mut self, sent: &Sent, reply: &Reply, log: &str) {
        // What one request says openly, the pages and answers that come of it may repeat.
        self.open.push_str(&sent.open);
        answer::check(sent, reply, log, &self.open);
        let now = self.world.now();
        let from = self.pending_of(sent, now);
        if let Some(session) = sent.session.as_ref().and_then(|value| self.sessions.get_mut(value)) {
            let idle = now >= session.seen + Duration::from_secs(DAY);
            session.ended |= idle || now >= session.started + Duration::from_secs(14 * DAY);
            session.seen = now;
        }
        let mut session = sent.session.clone();
        self.cookies(sent, reply, &mut session, now);
        let user = session.as_ref().and_then(|value| self.sessions.get(value)).filter(|session| !session.ended);
        let first = user.map_or_else(String::new, |session| session.first.clone());
        let (user, started) = user.map_or((None, now), |session| (Some(session.user), session.started));
        let from = self.agree(sent, from, user, now);
        self.onward(reply, from.as_ref(), user, &first, started, now);
        match (sent.path.as_str(), reply.status_code().as_u16()) {
            ("/token", 200) => self.tokens_given(sent, reply, now),
            ("/token", _) => self.tokens_refused(sent, reply, now),
            ("/userinfo", 200) if sent.method != Method::OPTIONS => self.claims_given(sent, reply, now),
            _ => {}
        }
        // What is in a user's claims alone is for userinfo and ID tokens, or for whoever said it themselves.
        let body = std::str::from_utf8(reply.body()).unwrap_or_default();
        for (_, _, email) in USERS {
            let told = sent.path == "/userinfo" || self.open.contains(email);
            assert!(told || !body.contains(email) && !log.contains(email), "{email}: {sent:?} {body} {log}");
        }
    }

    /// The authorization request that a request carries, as parameters or sealed.
    fn pending_of(&self, sent: &Sent, now: Timestamp) -> Option<Pending> {
        let form = sent.parameters()?;
        if sent.path == "/authorize" && form.sent("client_id").is_some() {
            return Some(Pending { ask: Rc::new(Ask::read(form, now)?), asked: None, agreed: None });
        }
        self.pendings.get(form.get("pending")?).cloned()
    }

    /// A session begins with the right password of somebody who may log in, and in no other way.
    fn cookies(&mut self, sent: &Sent, reply: &Reply, session: &mut Option<String>, now: Timestamp) {
        for line in reply.headers().get_all(SET_COOKIE) {
            let line = line.to_str().expect("visible ASCII");
            let Some(value) = line.strip_prefix(SESSION).and_then(|line| line.strip_prefix('=')) else { continue };
            let value = value.split(';').next().unwrap_or_default();
            // Whoever was logged in before isn't any more, however it goes on.
            let before = session.as_ref().and_then(|value| self.sessions.get_mut(value)).filter(|before| !before.ended);
            let before = before.map(|before| {
                before.ended = true;
                (before.user, before.first.clone())
            });
            if value.is_empty() {
                assert!(sent.path == "/logout" || sent.path == "/end-session", "{}", sent.path);
                *session = None;
                if let Some((_, first)) = before {
                    self.log_out(&first);
                }
                continue;
            }
            assert_eq!((&sent.method, sent.path.as_str()), (&Method::POST, "/login"));
            let (name, password) = (sent.parameter("username"), sent.parameter("password"));
            let folded = name.unwrap_or_default().trim().to_lowercase();
            let user = USERS.iter().position(|(name, right, _)| *name == folded && Some(*right) == password);
            let user = user.filter(|user| *user != DISABLED).expect("the right password of somebody who may log in");
            assert_ne!(sent.parameter("decision"), Some("cancel"));
            assert!(
                sent.parameter("pending").is_some_and(|pending| self.pendings.contains_key(pending)),
                "for a request"
            );
            let first =
                before.filter(|(before, _)| *before == user).map_or_else(|| value.to_owned(), |(_, first)| first);
            let fresh = Session { user, first, started: now, seen: now, ended: false };
            assert!(self.sessions.insert(value.to_owned(), fresh).is_none(), "a session of its own");
            *session = Some(value.to_owned());
        }
    }

    /// What was granted in a session ends with it, unless it was for the time when the user is away.
    fn log_out(&mut self, first: &str) {
        let gone: Vec<String> = self
            .codes
            .iter()
            .filter(|(_, code)| code.session == first && !self.granted(&code.ask).contains(&"offline_access"))
            .map(|(value, _)| value.clone())
            .collect();
        for value in gone {
            self.codes.get_mut(&value).expect("a code of ours").dead = true;
        }
    }

    /// An agreement is the answer of whom the page asked.
    fn agree(&mut self, sent: &Sent, from: Option<Pending>, user: Option<usize>, now: Timestamp) -> Option<Pending> {
        let mut from = from?;
        let allowed =
            sent.method == Method::POST && sent.path == "/consent" && sent.parameter("decision") == Some("allow");
        if let Some(user) = user.filter(|user| allowed && from.asked == Some(*user)) {
            from.agreed = Some(user);
            let mut scope: HashSet<String> = from.ask.words("scope").into_iter().map(ToOwned::to_owned).collect();
            if let Some(claims) = from.ask.claims() {
                scope.extend(claims.implied_scope().iter().map(ToOwned::to_owned));
            }
            let until = now + Duration::from_secs(90 * DAY);
            let pair = (user, from.ask.client);
            let kept = self.consents.entry(pair).or_insert(Consent { scope: HashSet::new(), until });
            kept.scope.extend(scope);
            kept.until = until;
            self.agreements.insert(pair);
        }
        Some(from)
    }

    /// Where an answer sends the browser, and what it takes along.
    fn onward(
        &mut self,
        reply: &Reply,
        from: Option<&Pending>,
        user: Option<usize>,
        first: &str,
        started: Timestamp,
        now: Timestamp,
    ) {
        let onward = Onward::of(reply);
        let body = std::str::from_utf8(reply.body()).unwrap_or_default();
        for value in hidden(body, "pending") {
            let mut pending = from.expect("a page of nobody's request").clone();
            if body.contains("action=\"/select-account\"") {
                pending.asked = user;
            }
            assert!(pending.ask.words("prompt") != ["none"], "a page for prompt=none");
            self.pendings.insert(value.to_owned(), pending);
        }
        match onward {
            Onward::Stay => {}
            Onward::Page { path, pending } => {
                let mut next = from.expect("a redirect of nobody's request").clone();
                assert!(path == "/authorize" || next.ask.words("prompt") != ["none"], "a page for prompt=none");
                if path == "/consent" {
                    next.asked = Some(user.expect("somebody to ask"));
                }
                self.pendings.insert(pending, next);
            }
            Onward::Client(answer) => {
                let from = from.expect("an answer to nobody's request");
                to_the_client(&answer, &from.ask);
                if let Some(code) = answer.get("code") {
                    assert!(answer.get("error").is_none());
                    self.code_given(code, from, user, first, started, now);
                }
            }
        }
    }

    /// A code comes from a login and an agreement.
    fn code_given(
        &mut self,
        code: &str,
        from: &Pending,
        user: Option<usize>,
        first: &str,
        started: Timestamp,
        now: Timestamp,
    ) {
        let (ask, client) = (&from.ask, from.ask.client());
        let user = user.expect("a code without a login");
        assert!(client.may_use(GrantType::AuthorizationCode));
        let consent = self.consents.get(&(user, ask.client));
        let here = from.agreed == Some(user) && consent.is_some();
        let needed = client.require_consent || client.is_public();
        let s256 = ask.form.get("code_challenge_method") == Some("S256") && ask.redirect_uri.starts_with("http");
        let before = client.reuse_consent
            && (!client.is_public() || s256)
            && consent.is_some_and(|consent| {
                now < consent.until && self.granted(ask).iter().all(|token| consent.scope.contains(*token))
            });
        assert!(here || before || !needed, "a code without an agreement");
        assert!(here || !ask.words("prompt").contains(&"consent"), "prompt=consent");
        assert!(started >= ask.at || !ask.words("prompt").contains(&"login"), "prompt=login");
        if let Some(max_age) = ask.form.get("max_age").and_then(|text| text.parse::<u64>().ok()) {
            let age = now.as_secs() - started.as_secs();
            assert!(started >= ask.at || age <= max_age, "max_age={max_age}, and it was {age}");
        }
        assert!(ask.challenge.is_some() || !client.needs_pkce());
        let fresh = Code { ask: Rc::clone(ask), user, session: first.to_owned(), at: now, used: false, dead: false };
        assert!(self.codes.insert(code.to_owned(), fresh).is_none(), "the same code twice");
        self.code_values.push(code.to_owned());
    }

    /// What a request may be granted of its scope.
    fn granted<'a>(&self, ask: &'a Ask) -> Vec<&'a str> {
        let standard = ["openid", "profile", "email", "address", "phone"];
        let client = ask.client();
        let known = |token: &&str| {
            standard.contains(token)
                || client.scope.contains(token)
                || *token == "offline_access" && client.may_use(GrantType::RefreshToken)
        };
        ask.words("scope").into_iter().filter(known).collect()
    }

    fn tokens_given(&mut self, sent: &Sent, reply: &Reply, now: Timestamp) {
        let client = authenticated(sent).expect("tokens for a client that didn't authenticate");
        let form = sent.body.as_ref().expect("a form");
        let json: Value = serde_json::from_slice(reply.body()).expect("JSON");
        let text = |name: &str| json[name].as_str().map(ToOwned::to_owned);
        let (code, retry) = match form.get("grant_type") {
            Some("authorization_code") => (self.redeemed(form, client, now), None),
            Some("refresh_token") => {
                let (code, retry) = self.refreshed(form, client, now);
                (code, Some(retry))
            }
            other => panic!("tokens for {other:?}"),
        };
        let family = &self.codes[&code];
        assert!(!family.dead, "tokens of a dead family");
        let (ask, user) = (Rc::clone(&family.ask), family.user);
        let granted = self.granted(&ask);
        let scope: Vec<String> = text("scope")
            .unwrap_or_default()
            .split(' ')
            .filter(|token| !token.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        assert!(scope.iter().all(|token| granted.contains(&token.as_str())), "{scope:?} of {granted:?}");
        assert_eq!(json["token_type"], "Bearer");
        let life = json["expires_in"].as_u64().expect("a lifetime");
        assert!(life <= 3600);
        let access = text("access_token").expect("an access token");
        let openid = scope.iter().any(|token| token == "openid");
        assert_eq!(json["id_token"].is_string(), openid);
        if let Some(id_token) = text("id_token") {
            let nonce = ask.form.get("nonce").filter(|_| retry.is_none());
            self.id_token(&id_token, client, user, nonce, &ask);
            self.id_values.push(id_token);
        }
        let token = Token { code: code.clone(), scope, expires: now + Duration::from_secs(life) };
        assert!(self.tokens.insert(access.clone(), token).is_none(), "the same token twice");
        self.access_values.push(access);
        let refresh = text("refresh_token");
        assert_eq!(refresh.is_some(), CLIENTS[client].may_use(GrantType::RefreshToken));
        let Some(refresh) = refresh else { return };
        if let Some(used) = retry.filter(|_| CLIENTS[client].rotates_refresh_tokens()) {
            let before = self.refreshes.get_mut(&used).expect("a refresh token of ours");
            if let Some((_, successor)) = before.used.replace((now, refresh.clone()))
                && let Some(successor) = self.refreshes.get_mut(&successor)
            {
                successor.superseded = true;
            }
        } else if form.get("grant_type") == Some("refresh_token") {
            assert_eq!(form.get("refresh_token"), Some(refresh.as_str()), "it stays the same");
            return;
        }
        let fresh = Refresh { code, expires: now + Duration::from_secs(30 * DAY), used: None, superseded: false };
        assert!(self.refreshes.insert(refresh.clone(), fresh).is_none(), "the same token twice");
        self.refresh_values.push(refresh);
    }

    /// RFC 6749 section 4.1.3: once, in time, by its client, with its redirect URI and its verifier.
    fn redeemed(&mut self, form: &Form, client: usize, now: Timestamp) -> String {
        let value = form.get("code").expect("a code");
        let code = self.codes.get_mut(value).expect("a code of ours");
        assert!(!code.used, "a code works twice");
        code.used = true;
        assert_eq!(code.ask.client, client, "the code of another client");
        assert!(now < code.at + Duration::from_secs(600), "an old code");
        assert_eq!(form.get("redirect_uri"), Some(code.ask.redirect_uri.as_str()));
        let verifier = form.get("code_verifier");
        match &code.ask.challenge {
            Some(challenge) => {
                assert!(verifier.is_some_and(|verifier| challenge.matches(verifier)), "another verifier")
            }
            None => assert!(verifier.is_none(), "a verifier for no challenge"),
        }
        value.to_owned()
    }

    /// RFC 6749 section 6, RFC 9700 section 4.14.2: by its client, in time, once; or again at once, while what came isn't used.
    fn refreshed(&mut self, form: &Form, client: usize, now: Timestamp) -> (String, String) {
        let value = form.get("refresh_token").expect("a refresh token");
        let refresh = self.refreshes.get(value).expect("a refresh token of ours");
        let family = &self.codes[&refresh.code];
        assert_eq!(family.ask.client, client, "the refresh token of another client");
        assert!(now < family.at + Duration::from_secs(90 * DAY), "an old family");
        assert!(!refresh.superseded, "a refresh token that a retry has replaced");
        match &refresh.used {
            None => assert!(now < refresh.expires || !CLIENTS[client].rotates_refresh_tokens(), "an old refresh token"),
            Some((at, successor)) => {
                assert!(now < *at + Duration::from_secs(60), "a used refresh token");
                assert!(self.refreshes[successor].used.is_none(), "a used refresh token, whose successor is in use");
            }
        }
        if let Some(asked) = form.get("scope") {
            let granted = self.granted(&family.ask);
            assert!(asked.split_ascii_whitespace().all(|token| granted.contains(&token)), "{asked}");
        }
        (refresh.code.clone(), value.to_owned())
    }

    /// RFC 6749 section 4.1.2, RFC 9700 sections 4.5 and 4.14.2: who shows a used code, or a used refresh token, ends its family.
    fn tokens_refused(&mut self, sent: &Sent, reply: &Reply, now: Timestamp) {
        let (Some(client), Some(form)) = (authenticated(sent), &sent.body) else { return };
        if sent.method != Method::POST || form.names().any(|name| form.repeats(name)) {
            return;
        }
        let used = match form.get("grant_type") {
            Some("authorization_code") => form.get("code").filter(|value| {
                self.codes.get(*value).is_some_and(|code| {
                    let verified = match (&code.ask.challenge, form.get("code_verifier")) {
                        (Some(challenge), Some(verifier)) => challenge.matches(verifier),
                        (challenge, verifier) => challenge.is_none() && verifier.is_none(),
                    };
                    let bound = form.get("redirect_uri") == Some(code.ask.redirect_uri.as_str());
                    // It is remembered for a day after its end.
                    let known = now < code.at + Duration::from_secs(600 + 86_400);
                    code.used && known && code.ask.client == client && bound && verified
                })
            }),
            Some("refresh_token") if form.get("scope").is_none() => {
                let refresh = form.get("refresh_token").and_then(|value| self.refreshes.get(value));
                let refresh = refresh.filter(|refresh| self.codes[&refresh.code].ask.client == client);
                refresh.and_then(|refresh| {
                    let late = refresh.used.as_ref().is_some_and(|(at, successor)| {
                        now >= *at + Duration::from_secs(60) || self.refreshes[successor].used.is_some()
                    });
                    // One that has expired ends nothing; none of this family has before this.
                    let lives = now < self.codes[&refresh.code].at + Duration::from_secs(30 * 86_400);
                    (lives && (late || refresh.superseded)).then_some(refresh.code.as_str())
                })
            }
            _ => None,
        };
        let Some(code) = used.map(ToOwned::to_owned) else { return };
        let json: Value = serde_json::from_slice(reply.body()).expect("JSON");
        // 415, 413 and their like come before.
        if json["error"] == ErrorCode::InvalidGrant.name() {
            let family = self.codes.get_mut(&code).expect("a code of ours");
            family.dead = true;
        }
    }

    fn id_token(&self, token: &str, client: usize, user: usize, nonce: Option<&str>, ask: &Ask) {
        let verifier = match CLIENTS[client].id_token_algorithm {
            Algorithm::Hs256 => Verifier::hs256(&Secret::new(SECRETS[client])).expect("a verifier"),
            Algorithm::Rs256 => KEY.with(Clone::clone),
        };
        let verified = Jws::parse(token).and_then(|jws| jws.verify(|_| Some(&verifier))).expect("a signature");
        let claims = Value::Object(verified.claims().expect("claims"));
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["aud"], CLIENTS[client].id.as_str());
        assert_eq!(claims["sub"], self.world.users[user].as_str(), "somebody else's ID token");
        assert_eq!(claims.get("nonce").and_then(Value::as_str), nonce);
        let time = |name: &str| claims[name].as_u64().expect("a time");
        assert_eq!((time("iat"), time("exp")), (self.world.now().as_secs(), self.world.now().as_secs() + 600));
        assert!(time("auth_time") <= time("iat"));
        let asked = ask.claims().filter(|_| ask.words("scope").contains(&"openid"));
        let by_name = asked.is_some_and(|claims| claims.id_token.iter().any(|wish| wish.name == "email"));
        assert_eq!(claims.get("email").is_some(), by_name, "{claims}");
        let text = claims.to_string();
        for (other, (_, _, email)) in USERS.iter().enumerate() {
            let asked_for = ask.form.get("nonce").is_some_and(|nonce| nonce.contains(email));
            assert!(other == user || asked_for || !text.contains(email), "{text}");
        }
    }

    /// OpenID Connect Core 1.0 section 5.3: the claims of the token's own user, of its scope, while it lives.
    fn claims_given(&self, sent: &Sent, reply: &Reply, now: Timestamp) {
        let bearer = sent.authorization.as_ref().and_then(|line| line.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let posted =
            sent.body.as_ref().filter(|_| sent.method == Method::POST).and_then(|form| form.get("access_token"));
        let value = bearer.or(posted).expect("claims without a token");
        let token = self.tokens.get(value).expect("a token of ours");
        let family = &self.codes[&token.code];
        assert!(now < token.expires && !family.dead, "claims for a dead token");
        let json: Value = serde_json::from_slice(reply.body()).expect("JSON");
        assert_eq!(json["sub"], self.world.users[family.user].as_str(), "somebody else's claims");
        let has = |scope: &str| token.scope.iter().any(|token| token == scope);
        assert!(has("openid"));
        let ask = &family.ask;
        let named =
            |claim: &str| ask.claims().is_some_and(|claims| claims.userinfo.iter().any(|wish| wish.name == claim));
        for (claim, scope) in
            [("email", "email"), ("phone_number", "phone"), ("birthdate", "profile"), ("name", "profile")]
        {
            assert_eq!(json.get(claim).is_some(), has(scope) || named(claim), "{claim}: {json}");
        }
        let text = json.to_string();
        for (other, (_, _, email)) in USERS.iter().enumerate() {
            assert!(other == family.user || !text.contains(email), "{text}");
        }
    }
}

thread_local! {
    static KEY: Verifier = Verifier::Rs256(PrivateKey::from_pem(RSA).expect("a key").public().clone());
}

/// The answer stands at the client's own registered address, in the mode and with the state that were asked for.
fn to_the_client(answer: &Answer, ask: &Ask) {
    let client = ask.client();
    let uri = ask.redirect_uri.as_str();
    assert!(!uri.is_empty() && !ask.form.repeats("redirect_uri"));
    let registered = client.redirect_uris.iter().any(|own| {
        let (Ok(own_url), Ok(url)) = (Url::parse(own), Url::parse(uri)) else { return false };
        let loopback =
            own.starts_with("http://127.0.0.1/") && url.scheme() == "http" && url.host_str() == own_url.host_str();
        own == uri || loopback && own_url.path() == url.path() && url.query().is_none() && url.fragment().is_none()
    });
    assert!(registered, "{} isn't sent to {uri}", client.id);
    let rest = answer.address.strip_prefix(uri).expect("the registered address");
    match answer.mode {
        "query" => assert!(rest.starts_with(if uri.contains('?') { '&' } else { '?' }), "{}", answer.address),
        "fragment" => assert!(rest.starts_with('#'), "{}", answer.address),
        _ => assert_eq!(rest, ""),
    }
    let expected = match ask.form.get("response_mode") {
        Some(mode @ ("fragment" | "form_post")) => mode,
        _ if ask.words("response_type").iter().any(|word| matches!(*word, "id_token" | "token")) => answer.mode,
        _ => "query",
    };
    assert_eq!(answer.mode, expected);
    let state = ask.form.get("state").filter(|state| !ask.form.repeats("state") && state.len() <= 8192);
    assert_eq!(answer.get("state"), state);
    assert_eq!(answer.get("iss"), Some(ISSUER));
    assert!(answer.get("code").is_some() != answer.get("error").is_some(), "{answer:?}");
    assert!(answer.get("error").is_none_or(|error| ErrorCode::parse(error).is_some()), "{answer:?}");
    assert!(["access_token", "id_token", "refresh_token"].iter().all(|name| answer.get(name).is_none()), "{answer:?}");
}

/// RFC 6749 section 2.3.1: the client whose secret a request shows; a public one shows its id.
fn authenticated(sent: &Sent) -> Option<usize> {
    let form = sent.body.as_ref()?;
    let (id, secret) = match &sent.authorization {
        Some(line) => {
            let (_, credentials) = line.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
            let text = String::from_utf8(parse_base64(credentials.trim())?).ok()?;
            let (id, secret) = text.split_once(':')?;
            (id.to_owned(), secret.to_owned())
        }
        None => (form.get("client_id")?.to_owned(), form.get("client_secret").unwrap_or_default().to_owned()),
    };
    let decoded = |text: &str| decode(text.as_bytes()).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned);
    CLIENTS.iter().enumerate().position(|(number, client)| {
        let own = client.id.as_str();
        (id == own || decoded(&id) == own) && (secret == SECRETS[number] || decoded(&secret) == SECRETS[number])
    })
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.open)
    }
}
