//! Token families against a small reference model, step by step in random order, on every engine; and from many sides at once.
//!
//! `HALLPASS_MODEL_CASES` says how many sequences, `HALLPASS_MODEL_SEED` which. A failing sequence is shortened before it is shown.

pub mod act;
mod parallel;
pub mod reference;
pub mod step;
pub mod world;

use std::fmt::Write;

use self::act::{Act, Outcome, REGISTRATIONS, USERS};
use self::reference::{Lifetimes, Reference};
use self::step::{Reach, Step, choose};
use self::world::{Here, Place, World};
use crate::harness::dice::{self, Dice};

/// Steps of one sequence.
const LENGTH: usize = 150;

/// As often a failing sequence is tried again with less in it.
const ATTEMPTS: usize = 600;

#[derive(Clone, Copy, Debug)]
enum Engine {
    Memory,
    File,
}

/// A sequence under way: what was done, and what came of it.
struct Course {
    world: World,
    reference: Reference,
    names: usize,
    trace: String,
}

impl Course {
    /// One act. What the provider answers has to be what the reference says, and the same access tokens have to live.
    async fn take(&mut self, act: Act) {
        self.names += 1;
        if matches!(act, Act::LogIn { .. }) {
            // Who logs in at the moment of the request has just done it for it, and isn't asked.
            let _ = self.reference.apply(&Act::Pass { time: 1 }, 0);
            self.world.perform(&Act::Pass { time: 1 }, 0).await.unwrap();
        }
        let expected = self.reference.apply(&act, self.names);
        writeln!(self.trace, "{:>4} {act:?} => {expected:?}", self.names).unwrap();
        let observed = self.world.perform(&act, self.names).await.unwrap();
        assert_eq!(observed, expected, "after\n{}", self.trace);
        let tokens: Vec<_> = self.world.access.keys().copied().collect();
        for token in tokens {
            let look = Act::Userinfo { token };
            let expected = self.reference.apply(&look, 0);
            let observed = self.world.perform(&look, 0).await.unwrap();
            assert_eq!(observed, expected, "the access token {token} after\n{}", self.trace);
        }
    }
}

/// Takes the steps, and at the end shows every code and every refresh token once more.
async fn run(engine: Engine, steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let file = matches!(engine, Engine::File).then(|| directory.path().join("hallpass.redb"));
    let world = World::new(Place::Here(Here::start(file).await), "");
    let mut course = Course { world, reference: Reference::new(Lifetimes::default()), names: 0, trace: String::new() };
    for client in 0..REGISTRATIONS.len() {
        course.take(Act::CreateClient { client, secret: 0 }).await;
    }
    for user in 0..USERS {
        course.take(Act::CreateUser { user, password: 0 }).await;
        course.take(Act::LogIn { user, password: 0, client: 0, held: None }).await;
    }
    for step in steps {
        let act = choose(step, &course.world, &course.reference, Reach::Here, course.names);
        course.take(act).await;
    }
    let tokens: Vec<_> = course.world.refresh.keys().copied().collect();
    for token in tokens {
        let client = course.reference.owner_of_refresh(token).unwrap();
        let secret = course.reference.secret(client);
        course.take(Act::Refresh { token, client, secret, scope: None }).await;
    }
    let codes: Vec<_> = course.world.codes.keys().copied().collect();
    for code in codes {
        let client = course.reference.owner_of_code(code).unwrap();
        let secret = course.reference.secret(client);
        course.take(Act::Redeem { code, client, secret, verifier: true, redirect: true }).await;
    }
}

/// Why a sequence fails, if it does.
async fn failure(engine: Engine, steps: &[Step]) -> Option<String> {
    let error = tokio::spawn(run(engine, steps.to_vec())).await.err()?;
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

/// Leaves out ever smaller parts of a failing sequence for as long as what is left still fails.
async fn shorten(engine: Engine, mut steps: Vec<Step>, mut why: String) -> (Vec<Step>, String) {
    let (mut part, mut attempts) = (steps.len() / 2, 0);
    while part > 0 && attempts < ATTEMPTS {
        let mut start = 0;
        while start < steps.len() && attempts < ATTEMPTS {
            let end = (start + part).min(steps.len());
            let shorter = [&steps[..start], &steps[end..]].concat();
            attempts += 1;
            match failure(engine, &shorter).await {
                Some(still) => (steps, why) = (shorter, still),
                None => start = end,
            }
        }
        part /= 2;
    }
    (steps, why)
}

async fn families_do_as_the_model_says(engine: Engine, cases: usize) {
    let seed = dice::seed("HALLPASS_MODEL_SEED");
    for case in 0..dice::number("HALLPASS_MODEL_CASES", cases) {
        let mut dice = Dice::new(&format!("{seed}/{case}"));
        let steps: Vec<_> = (0..LENGTH).map(|_| Step::random(&mut dice)).collect();
        if let Some(why) = failure(engine, &steps).await {
            let (steps, why) = shorten(engine, steps, why).await;
            panic!("HALLPASS_MODEL_SEED={seed}, case {case}, in {engine:?}, shortened to {} steps: {why}", steps.len());
        }
    }
}

#[tokio::test]
async fn families_in_memory_do_as_the_model_says() {
    families_do_as_the_model_says(Engine::Memory, 40).await;
}

#[tokio::test]
async fn families_in_a_file_do_as_the_model_says() {
    families_do_as_the_model_says(Engine::File, 25).await;
}

/// The reference itself, where the documentation gives figures.
#[test]
fn rfc9700_4_14_2_the_model_forgives_a_retry_once_and_not_a_reuse() {
    let mut model = Reference::new(Lifetimes::default());
    let acts = [
        (Act::CreateClient { client: 0, secret: 0 }, Outcome::Status(201)),
        (Act::CreateUser { user: 0, password: 0 }, Outcome::Status(201)),
        (Act::LogIn { user: 0, password: 0, client: 0, held: None }, Outcome::LoggedIn),
        (Act::Agree { user: 0, client: 0, scope: 1, held: Some(2) }, Outcome::Code),
    ];
    for (name, (act, outcome)) in acts.iter().enumerate() {
        assert_eq!(model.apply(act, name), *outcome);
    }
    let succeeds = |outcome| matches!(outcome, Outcome::Tokens { .. });
    let refresh = |token| Act::Refresh { token, client: 0, secret: 0, scope: None };
    assert!(succeeds(model.apply(&Act::Redeem { code: 3, client: 0, secret: 0, verifier: true, redirect: true }, 4)));
    assert!(succeeds(model.apply(&refresh(4), 5)));
    model.now += 59_999;
    assert!(succeeds(model.apply(&refresh(4), 6)), "the retry");
    assert!(succeeds(model.apply(&refresh(6), 7)));
    assert_eq!(model.apply(&Act::Userinfo { token: 7 }, 0), Outcome::Claims);
    assert!(!succeeds(model.apply(&refresh(4), 8)), "its successor was used");
    assert_ne!(model.apply(&Act::Userinfo { token: 7 }, 0), Outcome::Claims);
}
