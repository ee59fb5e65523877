//! Many at once at one provider. In what order their requests took effect nobody can say; but whatever it was, some things can't be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hallpass::model::id::{Bearer, BearerKind};
use hallpass::store::Options;
use tokio::task::JoinSet;

use super::act::{Act, Outcome, REGISTRATIONS, Renewal, Scope, USERS};
use super::step::scope_of;
use super::world::{Here, Place, World};
use crate::harness::dice::{self, Dice};

const TASKS: usize = 6;
const ACTS: usize = 60;

/// A token, whose client it is for, and the family that it is of, which has the number of its code.
#[derive(Clone, Debug)]
struct Holding {
    family: usize,
    client: usize,
    granted: Scope,
    value: String,
}

/// What all of them together have been given, and what they did with it.
#[derive(Default)]
struct Ledger {
    codes: Vec<Holding>,
    refresh: Vec<Holding>,
    access: Vec<Holding>,
    /// How often each code was redeemed, and how often its owner was refused who had everything right.
    redeemed: BTreeMap<usize, usize>,
    refused: BTreeMap<usize, usize>,
    /// Families that were issued before their user or client was taken away.
    voided: BTreeSet<usize>,
    faults: Vec<String>,
}

/// One of many, with browsers of its own.
struct Guest {
    world: World,
    dice: Dice,
    ledger: Arc<Mutex<Ledger>>,
    names: Arc<AtomicUsize>,
}

impl Guest {
    async fn work(mut self) {
        for _ in 0..ACTS {
            let name = self.names.fetch_add(1, Ordering::SeqCst);
            match self.dice.below(100) {
                0..25 => self.authorize(name).await,
                25..55 => self.redeem(name).await,
                55..92 => self.refresh(name).await,
                92..96 => self.end(name).await,
                96..98 => self.world.here().sweep().await,
                _ => self.world.here().clock.advance(std::time::Duration::from_secs(1)),
            }
        }
    }

    fn pick(&mut self, of: impl Fn(&Ledger) -> &Vec<Holding>) -> Option<Holding> {
        let number = self.dice.below(4);
        let ledger = self.ledger.lock().unwrap();
        // Late ones, which others have in their hands too.
        let all = of(&ledger);
        all.iter().rev().nth(number.min(all.len().saturating_sub(1))).cloned()
    }

    async fn authorize(&mut self, name: usize) {
        let (user, client) = (self.dice.below(USERS), self.dice.below(REGISTRATIONS.len()));
        let scope = scope_of(self.dice.below(64));
        // Who logs in at the very moment of the request isn't asked again.
        self.world.here().clock.advance(std::time::Duration::from_millis(1));
        if self.world.held(user).is_none() {
            self.world.perform(&Act::LogIn { user, password: 0, client: 0, held: None }, name).await;
        }
        let silent = Act::Silent { user, client, scope, held: None };
        let outcome = match self.world.perform(&silent, name).await.unwrap() {
            Outcome::Refused(error) if error == "consent_required" => {
                self.world.perform(&Act::Agree { user, client, scope, held: None }, name).await.unwrap()
            }
            Outcome::Refused(_) => {
                self.world.perform(&Act::LogIn { user, password: 0, client: 0, held: None }, name).await.unwrap()
            }
            other => other,
        };
        if outcome == Outcome::Code {
            let (value, _) = self.world.codes[&name].clone();
            self.ledger.lock().unwrap().codes.push(Holding { family: name, client, granted: scope, value });
        }
    }

    async fn redeem(&mut self, name: usize) {
        let Some(code) = self.pick(|ledger| &ledger.codes) else { return };
        let foreign = self.dice.below(8) == 0;
        let client = if foreign { (code.client + 1) % REGISTRATIONS.len() } else { code.client };
        let verifier = self.dice.below(8) != 0;
        self.world.codes.insert(code.family, (code.value.clone(), code.client));
        let act = Act::Redeem { code: code.family, client, secret: 0, verifier, redirect: true };
        let outcome = self.world.perform(&act, name).await.unwrap();
        let right = !foreign && verifier;
        let mut ledger = self.ledger.lock().unwrap();
        match &outcome {
            Outcome::Tokens { .. } if right => *ledger.redeemed.entry(code.family).or_default() += 1,
            Outcome::Error(400, error) if error == "invalid_grant" && right => {
                *ledger.refused.entry(code.family).or_default() += 1;
            }
            _ if is_refusal(&outcome) => {}
            _ => ledger.faults.push(format!("{act:?} => {outcome:?}")),
        }
        self.keep(&mut ledger, &outcome, &code, None, name);
    }

    async fn refresh(&mut self, name: usize) {
        let Some(token) = self.pick(|ledger| &ledger.refresh) else { return };
        let foreign = self.dice.below(8) == 0;
        let client = if foreign { (token.client + 1) % 3 } else { token.client };
        let scope = (self.dice.below(3) == 0).then(|| scope_of(self.dice.below(64)));
        self.world.refresh.insert(name, token.value.clone());
        let outcome = self.world.perform(&Act::Refresh { token: name, client, secret: 0, scope }, name).await.unwrap();
        let mut ledger = self.ledger.lock().unwrap();
        let wide = scope.is_some_and(|scope| scope & !token.granted != 0);
        match &outcome {
            Outcome::Tokens { .. } if !foreign && !wide => {}
            Outcome::Error(400, error) if error == "invalid_scope" && wide => {}
            _ if is_refusal(&outcome) => {}
            _ => ledger.faults.push(format!("{token:?} as {client} with {scope:?} => {outcome:?}")),
        }
        self.keep(&mut ledger, &outcome, &token, scope, name);
    }

    /// Writes down what came, and looks whether it is more than it may be.
    fn keep(&self, ledger: &mut Ledger, outcome: &Outcome, of: &Holding, asked: Option<Scope>, name: usize) {
        let Outcome::Tokens { scope, refresh, .. } = outcome else { return };
        if *scope != asked.unwrap_or(of.granted) {
            ledger.faults.push(format!("{of:?} gave the scope {scope}"));
        }
        ledger.access.push(Holding { value: self.world.access[&name].clone(), ..of.clone() });
        if *refresh == Renewal::New {
            ledger.refresh.push(Holding { value: self.world.refresh[&name].clone(), ..of.clone() });
        }
    }

    /// Administration takes something away, and gives it back.
    async fn end(&mut self, name: usize) {
        let (user, client) = (self.dice.below(USERS), self.dice.below(REGISTRATIONS.len()));
        // Whatever is known by now was issued before, and is void after the answer.
        let known = |ledger: &Mutex<Ledger>, of: &dyn Fn(&Holding) -> bool| -> Vec<usize> {
            ledger.lock().unwrap().codes.iter().filter(|code| of(code)).map(|code| code.family).collect()
        };
        let (acts, void) = match self.dice.below(2) {
            0 => {
                let void = known(&self.ledger, &|code| code.client == client);
                (vec![Act::DeleteClient { client }, Act::CreateClient { client, secret: 0 }], void)
            }
            _ => {
                let acts = (0..USERS).map(|user| Act::SetPassword { user, password: 0 }).collect();
                (acts, known(&self.ledger, &|_| true))
            }
        };
        for act in &acts {
            match self.world.perform(act, name).await.unwrap() {
                Outcome::Status(200 | 201 | 204) => {}
                // Two of them at once.
                Outcome::Status(404 | 409) => {}
                other => self.ledger.lock().unwrap().faults.push(format!("{act:?} => {other:?}")),
            }
        }
        self.world.perform(&Act::Withdraw { user, client }, name).await.unwrap();
        self.ledger.lock().unwrap().voided.extend(void);
    }
}

/// Whether a client is told that it gets nothing; at this moment there may be no such client.
fn is_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(400, error) if error == "invalid_grant" || error == "invalid_client")
}

async fn is_live(here: &Here, token: &Holding) -> bool {
    let bearer = Bearer::parse(BearerKind::RefreshToken, &token.value).unwrap();
    let Some(found) = here.app.store.find_refresh_token(&bearer).await.unwrap() else { return false };
    let Some(client) = here.app.store.client(&found.grant.client).await.unwrap() else { return false };
    found.token.replaced.is_none() && !found.token.superseded && found.is_live(&client, here.clock.now())
}

async fn whatever_the_order(file: bool) {
    let seed = dice::seed("HALLPASS_MODEL_SEED");
    for case in 0..dice::number("HALLPASS_MODEL_CASES", 6) {
        let told = format!("HALLPASS_MODEL_SEED={seed}, case {case}");
        let directory = tempfile::tempdir().unwrap();
        let here = Here::start(file.then(|| directory.path().join("hallpass.redb"))).await;
        let mut host = World::new(Place::Here(here.another()), "");
        for client in 0..REGISTRATIONS.len() {
            host.perform(&Act::CreateClient { client, secret: 0 }, 0).await;
        }
        for user in 0..USERS {
            host.perform(&Act::CreateUser { user, password: 0 }, 0).await;
        }
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let names = Arc::new(AtomicUsize::new(1));
        let mut guests = JoinSet::new();
        for task in 0..TASKS {
            let guest = Guest {
                world: World::new(Place::Here(here.another()), ""),
                dice: Dice::new(&format!("{seed}/{case}/{task}")),
                ledger: Arc::clone(&ledger),
                names: Arc::clone(&names),
            };
            guests.spawn(guest.work());
        }
        guests.join_all().await;
        let ledger = std::mem::take(&mut *ledger.lock().unwrap());
        assert_eq!(ledger.faults, Vec::<String>::new(), "{told}");
        assert!(ledger.redeemed.values().all(|times| *times == 1), "a code works once: {told}");

        let mut living = BTreeMap::<usize, Vec<&Holding>>::new();
        for token in &ledger.refresh {
            if is_live(&here, token).await {
                living.entry(token.family).or_default().push(token);
            }
        }
        for (family, tokens) in &living {
            assert_eq!(tokens.len(), 1, "one refresh token of a family lives, {family}: {told}");
        }
        for (name, token) in ledger.access.iter().enumerate() {
            host.access.insert(name, token.value.clone());
            let outcome = host.perform(&Act::Userinfo { token: name }, 0).await.unwrap();
            let is_dead = outcome == Outcome::Error(401, "invalid_token".into());
            // Once redeemed, its owner is refused only for using it twice.
            let reused = ledger.redeemed.contains_key(&token.family) && ledger.refused.contains_key(&token.family);
            if reused || ledger.voided.contains(&token.family) {
                assert!(is_dead, "{token:?} is of a family that has ended: {told}");
                assert!(!living.contains_key(&token.family), "{token:?} is of a family that has ended: {told}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_in_memory_get_nothing_twice_and_nothing_of_others() {
    whatever_the_order(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_in_a_file_get_nothing_twice_and_nothing_of_others() {
    whatever_the_order(true).await;
}

/// A store in which one write may wait has no room for twenty at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_is_answered_503_and_costs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let narrow = Options { queue: 1, batch: 1, ..Options::default() };
    let here = Here::start_with(Some(directory.path().join("hallpass.redb")), &narrow).await;
    let mut host = World::new(Place::Here(here.another()), "");
    host.perform(&Act::CreateClient { client: 0, secret: 0 }, 0).await;
    host.perform(&Act::CreateUser { user: 0, password: 0 }, 0).await;
    host.perform(&Act::LogIn { user: 0, password: 0, client: 0, held: None }, 0).await;
    let redeem = |code| Act::Redeem { code, client: 0, secret: 0, verifier: true, redirect: true };
    let busy = Outcome::Error(503, "temporarily_unavailable".into());
    let (mut name, mut refused) = (1, 0);
    while refused == 0 {
        let mut waiting = Vec::new();
        for _ in 0..20 {
            here.clock.advance(std::time::Duration::from_millis(1));
            host.perform(&Act::Agree { user: 0, client: 0, scope: 1, held: None }, name).await;
            waiting.push(name);
            name += 1;
        }
        while !waiting.is_empty() {
            let mut crowd = JoinSet::new();
            for code in std::mem::take(&mut waiting) {
                let mut guest = World::new(Place::Here(here.another()), "");
                guest.codes.insert(code, host.codes[&code].clone());
                crowd.spawn(async move { (code, guest.perform(&redeem(code), code).await.unwrap(), guest.access) });
            }
            for (code, outcome, access) in crowd.join_all().await {
                if outcome == busy {
                    refused += 1;
                    waiting.push(code);
                } else {
                    assert!(matches!(outcome, Outcome::Tokens { .. }), "not used so far: {outcome:?}");
                    host.access.extend(access);
                }
            }
        }
    }
    for code in 1..name {
        assert_eq!(host.perform(&Act::Userinfo { token: code }, 0).await, Some(Outcome::Claims));
        let again = host.perform(&redeem(code), 0).await;
        assert_eq!(again, Some(Outcome::Error(400, "invalid_grant".into())));
    }
}
