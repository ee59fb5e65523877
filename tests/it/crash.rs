//! The process ends without warning while it works: nothing that was acknowledged is lost, nothing that has ended lives again, and
//! what wasn't answered happened as a whole or not at all.
//!
//! Actors with users and clients of their own do random things at one server until it is killed. Each has the reference model
//! of what it was told; an act without an answer leaves two models, with it and without it. After the restart every answer has to be
//! that of one of them, and the others go.
//!
//! `HALLPASS_CRASH_ROUNDS` says how many kills, `HALLPASS_CRASH_SEED` which acts and which moments, as far as those can be repeated.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::dice::{self, Dice};
use crate::harness::http::try_exchange;
use crate::harness::process::Process;
use crate::harness::{OTHER_RSA, RSA, Response};
use crate::model::act::{Act, DAY, Name, REGISTRATIONS, Time, USERS};
use crate::model::reference::{Lifetimes, Reference};
use crate::model::step::{Reach, Step, choose};
use crate::model::world::{ADMIN_HEADERS, ADMIN_TOKEN, Place, World};

const ACTORS: usize = 5;

/// Access tokens that each actor looks at after a restart: the latest, and as many of any age.
const LOOKS: usize = 20;

/// Nothing expires here, which the model's own tests see to; the server has the longest times that it takes.
const SETTINGS: &str = "lifetimes.code = \"1h\"\nlifetimes.access_token = \"30d\"\nrefresh.grace = \"1h\"";

fn lifetimes() -> Lifetimes {
    const NEVER: Time = Time::MAX / 4;
    Lifetimes {
        code: NEVER,
        access: 30 * DAY,
        refresh_idle: NEVER,
        family: NEVER,
        grace: NEVER,
        session_idle: NEVER,
        session: NEVER,
        consent: NEVER,
    }
}

/// What may be so.
struct Possible<T>(Vec<T>);

impl<T: Clone + PartialEq> Possible<T> {
    /// Something was done and answered: whatever would have answered otherwise isn't so.
    fn answered<O: PartialEq>(&mut self, apply: impl Fn(&mut T) -> O, observed: &O) -> bool {
        self.0.retain_mut(|state| apply(state) == *observed);
        !self.0.is_empty()
    }

    /// Something was done and not answered.
    fn unanswered<O>(&mut self, apply: impl Fn(&mut T) -> O) {
        let mut done = self.0.clone();
        for state in &mut done {
            apply(state);
        }
        self.0.append(&mut done);
    }

    fn tidy(&mut self, tidy: impl Fn(&mut T)) {
        for state in std::mem::take(&mut self.0) {
            let mut state = state;
            tidy(&mut state);
            if !self.0.contains(&state) {
                self.0.push(state);
            }
        }
    }
}

/// Users and clients, and what they were told.
struct Actor {
    dice: Dice,
    world: World,
    possible: Possible<Reference>,
    names: Name,
    /// The act that wasn't answered.
    doubt: Option<Act>,
    log: VecDeque<String>,
}

impl Actor {
    fn new(seed: &str, number: usize, issuer: &str) -> Self {
        Self {
            dice: Dice::new(&format!("{seed}/actor {number}")),
            world: World::new(Place::There(issuer.to_owned()), format!("actor-{number}-")),
            possible: Possible(vec![Reference::new(lifetimes())]),
            names: 0,
            doubt: None,
            log: VecDeque::new(),
        }
    }

    /// Does something and holds the answer against what may be so. Says whether there was one.
    async fn take(&mut self, act: Act) -> bool {
        // At the same millisecond it would be a race with what came before.
        let before = SystemTime::now();
        while SystemTime::now().duration_since(before).is_ok_and(|passed| passed < Duration::from_millis(1)) {
            tokio::task::yield_now().await;
        }
        self.names += 1;
        let name = self.names;
        for reference in &mut self.possible.0 {
            reference.now += 1;
        }
        let apply = |reference: &mut Reference| reference.apply(&act, name);
        let observed = self.world.perform(&act, name).await;
        self.log.push_back(format!("{name:>5} {act:?} => {observed:?}"));
        if self.log.len() > 60 {
            self.log.pop_front();
        }
        match &observed {
            Some(observed) => {
                let so_far = self.possible.0.clone();
                let expected: Vec<_> = so_far.into_iter().map(|mut reference| apply(&mut reference)).collect();
                let log = self.log.make_contiguous();
                assert!(self.possible.answered(apply, observed), "expected {expected:?}\n{}", log.join("\n"));
            }
            None => {
                self.possible.unanswered(apply);
                self.doubt = Some(act);
            }
        }
        let world = &self.world;
        self.possible.tidy(|reference| reference.forget(|name| world.knows(name)));
        observed.is_some()
    }

    async fn begin(&mut self) {
        for client in 0..REGISTRATIONS.len() {
            assert!(self.take(Act::CreateClient { client, secret: 0 }).await);
        }
        for user in 0..USERS {
            assert!(self.take(Act::CreateUser { user, password: 0 }).await);
        }
    }

    fn random_act(&mut self) -> Act {
        choose(Step::random(&mut self.dice), &self.world, &self.possible.0[0], Reach::There, self.names)
    }

    /// Does what comes to its mind until the server is gone.
    async fn work(&mut self, acknowledged: &AtomicUsize) {
        loop {
            let act = self.random_act();
            if !self.take(act).await {
                return;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same act by the browser as it is now: it may have logged in since.
    fn as_of_now(&self, act: Act) -> Act {
        match act {
            Act::Silent { user, client, scope, .. } => Act::Silent { user, client, scope, held: self.world.held(user) },
            Act::LogIn { user, password, client, .. } => {
                Act::LogIn { user, password, client, held: self.world.held(user) }
            }
            Act::Agree { user, client, scope, .. } => Act::Agree { user, client, scope, held: self.world.held(user) },
            Act::LogOut { user, .. } => Act::LogOut { user, held: self.world.held(user) },
            act => act,
        }
    }

    /// Looks at what it was told, in this round and in all before it.
    async fn look_around(&mut self) {
        let tokens: Vec<_> = self.world.access.keys().copied().collect();
        let late = tokens.iter().rev().take(LOOKS).copied();
        let any: Vec<_> = (0..LOOKS.min(tokens.len())).map(|_| tokens[self.dice.below(tokens.len())]).collect();
        for token in late.chain(any) {
            assert!(self.take(Act::Userinfo { token }).await);
        }
        for user in 0..USERS {
            let held = self.world.held(user);
            let client = self.dice.below(REGISTRATIONS.len());
            assert!(self.take(Act::Silent { user, client, scope: 1, held }).await);
            let password = self.dice.below(self.names);
            assert!(self.take(Act::LogIn { user, password, client, held: self.world.held(user) }).await);
        }
        // As somebody does who got no answer.
        if let Some(act) = self.doubt.take() {
            let act = self.as_of_now(act);
            assert!(self.take(act).await);
        }
        for _ in 0..3 {
            let codes: Vec<_> = self.world.codes.keys().copied().collect();
            let tokens: Vec<_> = self.world.refresh.keys().copied().collect();
            if codes.is_empty() || tokens.is_empty() {
                return;
            }
            let code = codes[self.dice.below(codes.len())];
            let client = self.possible.0[0].owner_of_code(code).unwrap();
            let secret = self.possible.0[0].secret(client);
            assert!(self.take(Act::Redeem { code, client, secret, verifier: true, redirect: true }).await);
            let token = tokens[self.dice.below(tokens.len())];
            let client = self.possible.0[0].owner_of_refresh(token).unwrap();
            let secret = self.possible.0[0].secret(client);
            assert!(self.take(Act::Refresh { token, client, secret, scope: None }).await);
        }
    }
}

/// Whoever looks after the signing keys.
struct Keeper {
    dice: Dice,
    issuer: String,
    /// The states of the keys by `kid`, where they are there.
    possible: Possible<BTreeMap<String, &'static str>>,
    kids: Vec<(String, &'static str)>,
}

impl Keeper {
    /// Brings two keys beside the one that the server has made.
    async fn new(seed: &str, issuer: &str) -> Self {
        let mut keeper = Self {
            dice: Dice::new(&format!("{seed}/keeper")),
            issuer: issuer.to_owned(),
            possible: Possible(vec![BTreeMap::new()]),
            kids: Vec::new(),
        };
        let mut states = keeper.states().await;
        assert_eq!(states.values().collect::<Vec<_>>(), [&"active"]);
        for pem in [RSA, OTHER_RSA] {
            let made = keeper.call("POST", "keys", json!({ "pem": pem })).await.unwrap().json();
            let kid = made["kid"].as_str().unwrap().to_owned();
            states.insert(kid.clone(), "next");
            keeper.kids.push((kid, pem));
        }
        keeper.possible = Possible(vec![states]);
        keeper
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Option<Response> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let url = format!("{}/api/admin/v1/{path}", self.issuer);
        try_exchange(method, &url, &ADMIN_HEADERS, Some(body)).await.ok()
    }

    async fn states(&self) -> BTreeMap<String, &'static str> {
        let list = self.call("GET", "keys", Value::Null).await.unwrap().json();
        let state = |key: &Value| {
            let state = key["state"].as_str().unwrap();
            let known = ["next", "active", "retired"].into_iter().find(|known| *known == state).unwrap();
            (key["kid"].as_str().unwrap().to_owned(), known)
        };
        list["items"].as_array().unwrap().iter().map(state).collect()
    }

    async fn work(&mut self, acknowledged: &AtomicUsize) {
        loop {
            let (kid, pem) = self.kids[self.dice.below(self.kids.len())].clone();
            let act = self.dice.below(3);
            let (method, path, body) = match act {
                0 => ("POST", format!("keys/{kid}/promote"), Value::Null),
                1 => ("DELETE", format!("keys/{kid}"), Value::Null),
                _ => ("POST", "keys".to_owned(), json!({ "pem": pem })),
            };
            let apply = |states: &mut BTreeMap<String, &'static str>| match (act, states.get(&kid).copied()) {
                (0 | 1, None) => 404,
                (0 | 1, Some("active")) | (2, Some(_)) => 409,
                (0, Some(_)) => {
                    for state in states.values_mut().filter(|state| **state == "active") {
                        *state = "retired";
                    }
                    states.insert(kid.clone(), "active");
                    200
                }
                (1, Some(_)) => {
                    states.remove(&kid);
                    204
                }
                (_, _) => {
                    states.insert(kid.clone(), "next");
                    201
                }
            };
            let Some(response) = self.call(method, &path, body).await else {
                self.possible.unanswered(apply);
                return;
            };
            assert!(self.possible.answered(apply, &response.status), "{method} {path}: {response:?}");
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn look_around(&mut self) {
        let states = self.states().await;
        assert!(self.possible.answered(|states| states.clone(), &states), "{states:?}");
        self.possible.tidy(|_| {});
        let jwks = try_exchange("GET", &format!("{}/jwks", self.issuer), &[], None).await.unwrap().json();
        let mut published: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        published.sort_by_key(ToString::to_string);
        assert_eq!(published, states.keys().cloned().map(Value::from).collect::<Vec<_>>());
    }
}

/// A random number of yields: mostly few, seldom many.
fn hesitate(dice: &mut Dice, most: usize) {
    let scale = 1 << dice.below(most);
    for _ in 0..dice.below(scale) {
        std::thread::yield_now();
    }
}

/// Kills the process while it starts, a few times or not at all.
fn kill_while_it_starts(mut process: Process, dice: &mut Dice, times: usize) -> Process {
    for _ in 0..times {
        hesitate(dice, 18);
        process.kill();
        process = process.restart_without_waiting();
    }
    process.kill();
    process
}

/// Begins with a directory in which nothing is, and a server that doesn't get to the end of making it all.
async fn first_start(directory: &Path, dice: &mut Dice) -> Process {
    let more = format!("{SETTINGS}\nadmin.token = \"{ADMIN_TOKEN}\"");
    let process = Process::launch(directory, &more);
    kill_while_it_starts(process, dice, 8).restart().await
}

/// All who are at work.
struct Crowd {
    keeper: Keeper,
    actors: Vec<Actor>,
}

impl Crowd {
    async fn gather(seed: &str, issuer: &str) -> Self {
        let keeper = Keeper::new(seed, issuer).await;
        let mut actors: Vec<_> = (0..ACTORS).map(|number| Actor::new(seed, number, issuer)).collect();
        for actor in &mut actors {
            actor.begin().await;
        }
        Self { keeper, actors }
    }

    /// Lets them work, and kills the process some time after as many answers. Says how many there were.
    async fn work_until_killed(self, process: &Process, dice: &mut Dice) -> (Self, usize) {
        let Self { mut keeper, actors } = self;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut working = JoinSet::new();
        for mut actor in actors {
            let acknowledged = Arc::clone(&acknowledged);
            working.spawn(async move {
                actor.work(&acknowledged).await;
                actor
            });
        }
        let keeping = tokio::spawn({
            let acknowledged = Arc::clone(&acknowledged);
            async move {
                keeper.work(&acknowledged).await;
                keeper
            }
        });
        let enough = dice.below(120);
        while acknowledged.load(Ordering::Relaxed) < enough && !keeping.is_finished() {
            // None of them ends before the process does, unless something is wrong.
            if let Some(ended) = working.try_join_next() {
                let _ = ended.unwrap();
                panic!("the process has ended by itself");
            }
            tokio::task::yield_now().await;
        }
        hesitate(dice, 14);
        process.kill();
        let actors = working.join_all().await;
        (Self { keeper: keeping.await.unwrap(), actors }, acknowledged.load(Ordering::Relaxed))
    }

    async fn look_around(mut self) -> Self {
        let mut looking = JoinSet::new();
        for mut actor in self.actors {
            looking.spawn(async move {
                actor.look_around().await;
                actor
            });
        }
        self.keeper.look_around().await;
        Self { actors: looking.join_all().await, ..self }
    }

    /// Of how many actors nobody knows what became of their last act.
    fn doubts(&self) -> usize {
        self.actors.iter().filter(|actor| actor.possible.0.len() > 1).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_at_any_moment() {
    let rounds = dice::number("HALLPASS_CRASH_ROUNDS", 10);
    let seed = dice::seed("HALLPASS_CRASH_SEED");
    println!("HALLPASS_CRASH_SEED={seed}");
    let mut dice = Dice::new(&seed);
    let directory = tempfile::tempdir().unwrap();
    let mut process = first_start(directory.path(), &mut dice).await;
    let mut crowd = Crowd::gather(&seed, &process.issuer).await;
    let (mut restarts, mut answers, mut doubts) = (Vec::new(), 0, 0);
    for round in 0..rounds {
        let answered;
        (crowd, answered) = crowd.work_until_killed(&process, &mut dice).await;
        answers += answered;
        doubts += crowd.doubts();
        if dice.below(3) == 0 {
            let times = 1 + dice.below(3);
            process = kill_while_it_starts(process.restart_without_waiting(), &mut dice, times);
        }
        let began = Instant::now();
        process = process.restart().await;
        restarts.push(began.elapsed());
        println!("round {round}: killed after {answered} answers, there again after {:?}", began.elapsed());
        crowd = crowd.look_around().await;
    }
    restarts.sort_unstable();
    let (median, longest) = (restarts.get(rounds / 2), restarts.last());
    println!("{rounds} kills, {answers} answers held, {doubts} writes in doubt");
    println!("restarts: median {median:?}, longest {longest:?}; still in doubt: {}", crowd.doubts());
}
