//! What a provider has to answer, and which tokens live, as its documentation and RFC 6749, 7636 and 9700 say it. Small, slow,
//! and without a look at how hallpass does it.

use std::collections::BTreeMap;

use super::act::{Act, DAY, HOUR, MINUTE, Name, OPENID, Outcome, REGISTRATIONS, Renewal, SECOND, Scope, Time, USERS};

/// How long things live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub code: Time,
    pub access: Time,
    pub refresh_idle: Time,
    pub family: Time,
    pub grace: Time,
    pub session_idle: Time,
    pub session: Time,
    pub consent: Time,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: 10 * MINUTE,
            access: HOUR,
            refresh_idle: 30 * DAY,
            family: 90 * DAY,
            grace: MINUTE,
            session_idle: DAY,
            session: 14 * DAY,
            consent: 90 * DAY,
        }
    }
}

impl Outcome {
    fn error(status: u16, code: &str) -> Self {
        Self::Error(status, code.to_owned())
    }

    fn invalid_grant() -> Self {
        Self::error(400, "invalid_grant")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    there: bool,
    enabled: bool,
    password: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Client {
    there: bool,
    secret: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Consent {
    scope: Scope,
    until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    user: usize,
    /// The first of those that took each other's place, as long as it was the same user.
    first: Name,
    began: Time,
    seen: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Family {
    user: usize,
    /// The session in which it began.
    session: Name,
    client: usize,
    scope: Scope,
    /// Codes of even names have a challenge, and all of public clients.
    code_until: Time,
    spent: bool,
    over: bool,
    until: Time,
    access: BTreeMap<Name, Access>,
    refresh: BTreeMap<Name, Refresh>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Access {
    scope: Scope,
    until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refresh {
    until: Time,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Unused,
    /// Its successor and the access token that came along have the same name.
    Used {
        at: Time,
        successor: Name,
    },
    /// A retry put another one in its place.
    Withdrawn,
}

/// Everything that the provider has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    lifetimes: Lifetimes,
    pub now: Time,
    users: Vec<User>,
    clients: Vec<Client>,
    consents: BTreeMap<(usize, usize), Consent>,
    sessions: BTreeMap<Name, Session>,
    families: BTreeMap<Name, Family>,
}

impl Reference {
    /// With nobody in it.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            now: 0,
            users: vec![User { there: false, enabled: false, password: 0 }; USERS],
            clients: vec![Client { there: false, secret: 0 }; REGISTRATIONS.len()],
            consents: BTreeMap::new(),
            sessions: BTreeMap::new(),
            families: BTreeMap::new(),
        }
    }

    /// What an act comes to, and what is so from then on. What it makes is named `name`.
    pub fn apply(&mut self, act: &Act, name: Name) -> Outcome {
        match *act {
            Act::LogIn { user, password, client, held } => self.log_in(user, password, client, held, name),
            Act::LogOut { held, .. } => {
                let lives = self.visit(held);
                // However long it wasn't used.
                if let Some(ended) = self.take(held) {
                    self.end_families(|family| family.session == ended.first);
                }
                if lives { Outcome::Done } else { Outcome::Page("logged out") }
            }
            Act::Agree { user, client, scope, held } => self.agree((user, client), scope, held, name),
            Act::Silent { user, client, scope, held } => self.silent((user, client), scope, held, name),
            Act::Redeem { code, client, secret, verifier, redirect } => {
                self.redeem(code, client, secret, verifier && redirect, name)
            }
            Act::Refresh { token, client, secret, scope } => self.refresh(token, client, secret, scope, name),
            Act::Userinfo { token } => self.userinfo(token),
            Act::Pass { time } => {
                self.now += time;
                Outcome::Done
            }
            // Nobody can see that expired things have gone, or that the provider was away.
            Act::Sweep | Act::Restart => Outcome::Done,
            _ => self.administer(act),
        }
    }

    fn administer(&mut self, act: &Act) -> Outcome {
        match *act {
            Act::SetPassword { user, password } if self.users[user].there => {
                self.users[user].password = password;
                self.end_user(user);
                Outcome::Status(200)
            }
            Act::Enable { user, on } if self.users[user].there => {
                if !on {
                    self.end_user(user);
                }
                self.users[user].enabled = on;
                Outcome::Status(200)
            }
            Act::DeleteUser { user } if self.users[user].there => {
                self.end_user(user);
                self.consents.retain(|(of, _), _| *of != user);
                self.users[user].there = false;
                Outcome::Status(204)
            }
            Act::CreateUser { user, password } => {
                if self.users[user].there {
                    return Outcome::Status(409);
                }
                self.users[user] = User { there: true, enabled: true, password };
                Outcome::Status(201)
            }
            Act::RotateSecret { client, secret } if self.clients[client].there => {
                if REGISTRATIONS[client].public {
                    return Outcome::Status(409);
                }
                self.clients[client].secret = secret;
                Outcome::Status(200)
            }
            Act::DeleteClient { client } if self.clients[client].there => {
                self.clients[client].there = false;
                self.consents.retain(|(_, to), _| *to != client);
                self.end_families(|family| family.client == client);
                Outcome::Status(204)
            }
            Act::CreateClient { client, secret } => {
                if self.clients[client].there {
                    return Outcome::Status(409);
                }
                self.clients[client] = Client { there: true, secret };
                Outcome::Status(201)
            }
            Act::Withdraw { user, client } => {
                if let Some(consent) = self.consents.get_mut(&(user, client)) {
                    *consent = Consent { scope: 0, until: 0 };
                    self.end_families(|family| (family.user, family.client) == (user, client));
                }
                Outcome::Done
            }
            _ => Outcome::Status(404),
        }
    }

    fn end_families(&mut self, which: impl Fn(&Family) -> bool) {
        for family in self.families.values_mut().filter(|family| which(family)) {
            family.over = true;
        }
    }

    /// A new password, disabling and deletion end the user's sessions and families.
    fn end_user(&mut self, user: usize) {
        self.sessions.retain(|_, session| session.user != user);
        self.end_families(|family| family.user == user);
    }

    /// Whether the browser's session holds; if so, it was used now. Uses within five minutes count as one.
    fn visit(&mut self, held: Option<Name>) -> bool {
        let (now, lifetimes) = (self.now, &self.lifetimes);
        let Some(session) = held.and_then(|held| self.sessions.get_mut(&held)) else { return false };
        if now >= session.began + lifetimes.session || now >= session.seen + lifetimes.session_idle {
            return false;
        }
        if now >= session.seen + 5 * MINUTE {
            session.seen = now;
        }
        true
    }

    /// What logs out, or gives way to another login: the browser's session until its end, also while it isn't used. Nothing here
    /// is granted for the time when the user is away.
    fn take(&mut self, held: Option<Name>) -> Option<Session> {
        let session = held.and_then(|held| self.sessions.remove(&held))?;
        (self.now < session.began + self.lifetimes.session).then_some(session)
    }

    fn log_in(&mut self, user: usize, password: usize, client: usize, held: Option<Name>, name: Name) -> Outcome {
        if !self.clients[client].there {
            return Outcome::Page("error");
        }
        self.visit(held);
        let known = &self.users[user];
        if !known.there || !known.enabled || known.password != password {
            return Outcome::Page("login");
        }
        let before = self.take(held);
        let first = before.as_ref().filter(|before| before.user == user).map_or(name, |before| before.first);
        if let Some(other) = before.filter(|before| before.user != user) {
            self.end_families(|family| family.session == other.first);
        }
        self.sessions.insert(name, Session { user, first, began: self.now, seen: self.now });
        Outcome::LoggedIn
    }

    fn agree(&mut self, key: (usize, usize), scope: Scope, held: Option<Name>, name: Name) -> Outcome {
        if !self.clients[key.1].there {
            return Outcome::Page("error");
        }
        if !self.visit(held) {
            return Outcome::Page("login");
        }
        let before = self.consents.get(&key).filter(|consent| self.now < consent.until).map_or(0, |old| old.scope);
        self.consents.insert(key, Consent { scope: before | scope, until: self.now + self.lifetimes.consent });
        self.issue(key, scope, held.unwrap(), name)
    }

    fn silent(&mut self, key: (usize, usize), scope: Scope, held: Option<Name>, name: Name) -> Outcome {
        if !self.clients[key.1].there {
            return Outcome::Page("error");
        }
        if !self.visit(held) {
            return Outcome::Refused("login_required".into());
        }
        let covers = |consent: &Consent| self.now < consent.until && consent.scope & scope == scope;
        if !self.consents.get(&key).is_some_and(covers) {
            return Outcome::Refused("consent_required".into());
        }
        self.issue(key, scope, held.unwrap(), name)
    }

    fn issue(&mut self, (user, client): (usize, usize), scope: Scope, held: Name, name: Name) -> Outcome {
        let family = Family {
            user,
            session: self.sessions[&held].first,
            client,
            scope,
            code_until: self.now + self.lifetimes.code,
            spent: false,
            over: false,
            until: self.now + self.lifetimes.family,
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
        };
        self.families.insert(name, family);
        Outcome::Code
    }

    fn is_authenticated(&self, client: usize, secret: usize) -> bool {
        self.clients[client].there && (REGISTRATIONS[client].public || self.clients[client].secret == secret)
    }

    fn redeem(&mut self, code: Name, client: usize, secret: usize, bound: bool, name: Name) -> Outcome {
        if !self.is_authenticated(client, secret) {
            return Outcome::error(400, "invalid_client");
        }
        let now = self.now;
        let Some(family) = self.families.get_mut(&code) else { return Outcome::invalid_grant() };
        // Whoever isn't the code's owner changes nothing.
        if family.client != client || !bound {
            return Outcome::invalid_grant();
        }
        // A spent code is remembered for a day after its end.
        if family.spent && now < family.code_until + DAY {
            family.over = true;
        }
        if family.spent || family.over || now >= family.code_until {
            return Outcome::invalid_grant();
        }
        family.spent = true;
        let refreshes = REGISTRATIONS[client].refreshes;
        let renewal = if refreshes { Renewal::New } else { Renewal::None };
        family.give(&self.lifetimes, now, family.scope, renewal, name)
    }

    fn refresh(&mut self, token: Name, client: usize, secret: usize, scope: Option<Scope>, name: Name) -> Outcome {
        if !self.is_authenticated(client, secret) {
            return Outcome::error(400, "invalid_client");
        }
        if !REGISTRATIONS[client].refreshes {
            return Outcome::error(400, "unauthorized_client");
        }
        let (now, lifetimes) = (self.now, &self.lifetimes);
        let family = self.families.values_mut().find(|family| family.refresh.contains_key(&token));
        let Some(family) = family.filter(|family| family.client == client) else { return Outcome::invalid_grant() };
        let shown = family.refresh[&token].clone();
        if family.over || now >= family.until || now >= shown.until {
            return Outcome::invalid_grant();
        }
        // Whatever else is wrong, the whole of what was granted is the most that can be asked for.
        if scope.is_some_and(|scope| scope & !family.scope != 0) {
            return Outcome::error(400, "invalid_scope");
        }
        let granted = scope.unwrap_or(family.scope);
        match shown.state {
            State::Withdrawn => {
                family.over = true;
                return Outcome::invalid_grant();
            }
            State::Used { at, successor } => {
                let unused = family.refresh.get(&successor).is_some_and(|next| next.state == State::Unused);
                if !unused || now >= at + lifetimes.grace {
                    family.over = true;
                    return Outcome::invalid_grant();
                }
                // At the same moment it is a race, which has one winner.
                if now == at {
                    return Outcome::invalid_grant();
                }
                family.refresh.get_mut(&successor).unwrap().state = State::Withdrawn;
                family.access.remove(&successor);
            }
            State::Unused if !REGISTRATIONS[client].rotates => {
                let until = (now + lifetimes.refresh_idle).min(family.until);
                family.refresh.get_mut(&token).unwrap().until = until.max(shown.until);
                return family.give(lifetimes, now, granted, Renewal::Same, name);
            }
            State::Unused => {}
        }
        family.refresh.get_mut(&token).unwrap().state = State::Used { at: now, successor: name };
        family.give(lifetimes, now, granted, Renewal::New, name)
    }

    fn userinfo(&self, token: Name) -> Outcome {
        let family = self.families.values().find(|family| family.access.contains_key(&token));
        let live = family.filter(|family| !family.over && self.now < family.until).map(|family| &family.access[&token]);
        match live.filter(|access| self.now < access.until) {
            None => Outcome::error(401, "invalid_token"),
            Some(access) if access.scope & OPENID == 0 => Outcome::error(403, "insufficient_scope"),
            Some(_) => Outcome::Claims,
        }
    }

    /// The moments to come at which something ends.
    pub fn deadlines(&self) -> Vec<Time> {
        let lifetimes = &self.lifetimes;
        let mut all: Vec<Time> = self.consents.values().map(|consent| consent.until).collect();
        for session in self.sessions.values() {
            all.extend([session.began + lifetimes.session, session.seen + lifetimes.session_idle]);
        }
        for family in self.families.values().filter(|family| !family.over) {
            all.extend([family.code_until, family.until]);
            all.extend(family.access.values().map(|access| access.until));
            for refresh in family.refresh.values() {
                all.push(refresh.until);
                if let State::Used { at, .. } = refresh.state {
                    all.push(at + lifetimes.grace);
                }
            }
        }
        all.retain(|time| *time > self.now);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The refresh tokens that were used while what came for them wasn't, and until when that is forgiven.
    pub fn forgiven(&self) -> Vec<(Name, Time)> {
        let mut all = Vec::new();
        for family in self.families.values().filter(|family| !family.over) {
            for (name, refresh) in &family.refresh {
                if let State::Used { at, successor } = refresh.state
                    && family.refresh.get(&successor).is_some_and(|next| next.state == State::Unused)
                {
                    all.push((*name, at + self.lifetimes.grace));
                }
            }
        }
        all
    }

    /// The passwords, secrets and owners that are right at present.
    pub fn password(&self, user: usize) -> usize {
        self.users[user].password
    }

    pub fn secret(&self, client: usize) -> usize {
        self.clients[client].secret
    }

    pub fn owner_of_code(&self, code: Name) -> Option<usize> {
        self.families.get(&code).map(|family| family.client)
    }

    pub fn owner_of_refresh(&self, token: Name) -> Option<usize> {
        self.families.values().find(|family| family.refresh.contains_key(&token)).map(|family| family.client)
    }

    /// Takes away what nobody can ever ask for, so that two references are equal when nobody can tell them apart.
    pub fn forget(&mut self, is_known: impl Fn(Name) -> bool) {
        self.sessions.retain(|name, _| is_known(*name));
        self.families.retain(|name, _| is_known(*name));
        for family in self.families.values_mut() {
            let awaited: Vec<Name> = family.refresh.values().filter_map(Refresh::successor).collect();
            family.access.retain(|name, _| is_known(*name));
            family.refresh.retain(|name, _| is_known(*name) || awaited.contains(name));
        }
    }
}

impl Refresh {
    fn successor(&self) -> Option<Name> {
        match self.state {
            State::Used { successor, .. } => Some(successor),
            State::Unused | State::Withdrawn => None,
        }
    }
}

impl Family {
    fn give(&mut self, lifetimes: &Lifetimes, now: Time, scope: Scope, refresh: Renewal, name: Name) -> Outcome {
        let until = (now + lifetimes.access).min(self.until);
        self.access.insert(name, Access { scope, until });
        if refresh == Renewal::New {
            let until = (now + lifetimes.refresh_idle).min(self.until);
            self.refresh.insert(name, Refresh { until, state: State::Unused });
        }
        Outcome::Tokens { scope, refresh, id_token: scope & OPENID != 0, expires_in: (until - now) / SECOND }
    }
}
