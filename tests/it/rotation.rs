//! Signing keys that change by themselves, over months of a clock that the test moves.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass::admin::Method;
use hallpass::app::rotation::rotate;
use hallpass::base::clock::FixedClock;
use hallpass::model::id::{ClientId, KeyId};
use hallpass::model::key::KeyState;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a key stays in the set after it has signed last: an ID token's 10 minutes, an hour in caches, 5 minutes between
/// clocks.
const PUBLISHED_AFTER: Duration = Duration::from_secs(75 * 60);

impl Provider {
    /// Moves the clock, and does what the server's upkeep does then.
    async fn pass_and_rotate(&self, time: Duration) {
        self.pass(time);
        rotate(&self.app).await.unwrap();
    }

    async fn state(&self, kid: &str) -> Option<KeyState> {
        let keys = self.app.store.keys().await.unwrap();
        keys.into_iter().find(|key| key.id.as_str() == kid).map(|key| key.state)
    }

    async fn knows(&self, id_token: &str) -> bool {
        let client = self.app.store.client(&ClientId::new(CLIENT)).await.unwrap().unwrap();
        self.app.keys.verify(&self.app.store, &client, id_token).await.is_ok()
    }
}

fn set<const N: usize>(kids: [&String; N]) -> HashSet<String> {
    kids.into_iter().cloned().collect()
}

#[tokio::test]
async fn oidc_core_10_1_1_a_key_is_published_signs_retires_leaves_and_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path().join("hallpass.redb"), FixedClock::new(START));
    let provider = Provider::start_on(&path, clock.clone()).await;
    let first = provider.signs().await;

    provider.pass_and_rotate(88 * DAY - SECOND).await;
    assert_eq!(provider.published().await, set([&first]));
    provider.pass_and_rotate(SECOND).await;
    let published = provider.published().await;
    let second = published.iter().find(|kid| **kid != first).unwrap().clone();
    assert_eq!((published, provider.signs().await), (set([&first, &second]), first.clone()));

    provider.stop().await;
    let provider = Provider::start_on(&path, clock.clone()).await;
    provider.pass_and_rotate(2 * DAY - SECOND).await;
    assert_eq!((provider.published().await, provider.signs().await), (set([&first, &second]), first.clone()));
    let last = provider.tokens("openid").await.id_token.unwrap();

    provider.pass_and_rotate(SECOND).await;
    assert_eq!((provider.published().await, provider.signs().await), (set([&first, &second]), second.clone()));
    assert_eq!(provider.verify(&last).await.0["kid"], first.as_str());
    provider.pass_and_rotate(PUBLISHED_AFTER - SECOND).await;
    assert_eq!(provider.published().await, set([&first, &second]));
    provider.pass_and_rotate(SECOND).await;
    assert_eq!(provider.published().await, set([&second]));
    assert_eq!(provider.state(&first).await, Some(KeyState::Withdrawn));
    assert!(provider.app.store.private_key(&KeyId::new(first.as_str())).await.unwrap().is_none());
    assert!(provider.code_for_hint(&last).await.query("code").is_some(), "a hint may have expired");

    provider.stop().await;
    let provider = Provider::start_on(&path, clock.clone()).await;
    provider.pass_and_rotate(90 * DAY - PUBLISHED_AFTER - SECOND).await;
    assert!(provider.knows(&last).await && provider.state(&first).await.is_some());
    provider.pass_and_rotate(SECOND).await;
    assert_eq!(provider.state(&first).await, None);
    assert!(!provider.knows(&last).await, "no login can be that old");
    assert_eq!(provider.signs().await, second, "the third one is published, and its time comes later");
    assert_eq!(provider.published().await.len(), 2);
}

#[tokio::test]
async fn a_key_made_by_hand_is_the_next_one() {
    let provider = Provider::start().await;
    let first = provider.signs().await;
    let made = provider.administer(Method::Post, "keys", json!({ "pem": OTHER_RSA })).await;
    let second = made["kid"].as_str().unwrap().to_owned();
    assert_eq!(made["activates_at"], provider.now() + (90 * DAY).as_secs());
    provider.pass_and_rotate(90 * DAY - SECOND).await;
    assert_eq!((provider.published().await, provider.signs().await), (set([&first, &second]), first));
    provider.pass_and_rotate(SECOND).await;
    assert_eq!(provider.signs().await, second);
}

#[tokio::test]
async fn a_key_promoted_by_hand_signs_for_its_whole_time() {
    let provider = Provider::start().await;
    let (first, second) = (provider.signs().await, provider.add_key(OTHER_RSA).await);
    provider.pass_and_rotate(80 * DAY).await;
    provider.promote(&second).await;
    let promoted_at = provider.now();
    let [old, new] = [&first, &second].map(|kid| format!("keys/{kid}"));
    let old = provider.administer(Method::Get, &old, Value::Null).await;
    assert_eq!(old["leaves_at"], promoted_at + PUBLISHED_AFTER.as_secs());
    assert_eq!(old["expires_at"], promoted_at + (90 * DAY).as_secs());
    let new = provider.administer(Method::Get, &new, Value::Null).await;
    assert_eq!(new["retires_at"], promoted_at + (90 * DAY).as_secs());
    provider.promote(&first).await;
    provider.promote(&second).await;
    provider.pass_and_rotate(PUBLISHED_AFTER).await;
    assert_eq!(provider.published().await, set([&second]), "as long as a key was published it could come back");
    provider.pass_and_rotate(88 * DAY - PUBLISHED_AFTER - SECOND).await;
    assert_eq!(provider.published().await, set([&second]));
    provider.pass_and_rotate(SECOND).await;
    assert_eq!((provider.published().await.len(), provider.signs().await), (2, second));
}

#[tokio::test]
async fn of_many_steps_at_once_one_makes_the_next_key() {
    let provider = Provider::start().await;
    provider.pass(1000 * DAY);
    let app = &provider.app;
    let (a, b, c) = tokio::join!(rotate(app), rotate(app), rotate(app));
    assert_eq!([a, b, c].map(|due| due.unwrap().len()), [1, 0, 0]);
    assert_eq!(provider.published().await.len(), 2);
    let first = provider.signs().await;
    provider.pass_and_rotate(2 * DAY).await;
    assert_ne!(provider.signs().await, first, "late, but not before it had been published");
}

#[tokio::test]
async fn keys_stay_as_they_are_in_development_and_where_the_settings_say_so() {
    let development = Provider::start_for_development().await;
    development.app.store.mark_development().await.unwrap();
    let by_hand = Provider::start_with(&[("signing.rotate_every", "0")]).await;
    for provider in [development, by_hand] {
        let before = provider.published().await;
        provider.pass_and_rotate(1000 * DAY).await;
        provider.pass_and_rotate(1000 * DAY).await;
        assert_eq!(provider.published().await, before);
    }
}

/// An application that keeps the key set for as long as it was told, and never asks for it before that, whatever a token says.
struct RelyingParty {
    provider: Arc<Provider>,
    browser: Browser,
    tokens: Option<Tokens>,
    /// The set, and until when it is kept.
    keys: (Value, u64),
    fetched: usize,
    seen: HashSet<String>,
}

impl RelyingParty {
    fn new(provider: Arc<Provider>) -> Self {
        let browser = provider.browser();
        Self { provider, browser, tokens: None, keys: (Value::Null, 0), fetched: 0, seen: HashSet::new() }
    }

    /// Logs in, or refreshes its tokens, and verifies the ID token.
    async fn act(&mut self, turn: usize) {
        let tokens = match &self.tokens {
            Some(tokens) if !turn.is_multiple_of(5) => self.provider.refresh(tokens.refresh()).await.tokens(),
            _ => {
                let code = self.browser.code(ADA, &request(&[])).await;
                self.provider.redeem(&code).await.tokens()
            }
        };
        self.verify(tokens.id()).await;
        self.tokens = Some(tokens);
    }

    /// Fails where the key of the token isn't in the set that is kept.
    async fn verify(&mut self, id_token: &str) {
        let now = self.provider.now();
        if self.keys.1 <= now {
            let answer = self.provider.get("/jwks").await;
            let kept_for: u64 =
                answer.header("cache-control").unwrap().split_once("max-age=").unwrap().1.parse().unwrap();
            self.keys = (answer.json(), now + kept_for);
            self.fetched += 1;
        }
        let (header, claims) = token::verify(&self.keys.0, id_token);
        assert!(claims["exp"].as_u64().unwrap() > now, "{claims:?}");
        self.seen.insert(header["kid"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_core_10_1_1_keys_rotate_under_load_and_nobody_who_caches_them_notices() {
    const STEP: Duration = Duration::from_secs(5 * 60);
    const STEPS: u64 = 100;
    const PARTIES: usize = 3;
    // The shortest that is allowed: published for no longer than the set may be kept.
    let settings = [("signing.rotate_every", "2h"), ("signing.publish_ahead", "1h"), ("store.sweep_interval", "1d")];
    let provider = Arc::new(Provider::start_with(&settings).await);
    let step = Arc::new(AtomicU64::new(0));
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut parties = JoinSet::new();
    for party in 0..PARTIES {
        let (provider, step, report) = (Arc::clone(&provider), Arc::clone(&step), report.clone());
        parties.spawn(async move {
            let mut application = RelyingParty::new(provider);
            for turn in 0.. {
                let begun = step.load(Ordering::SeqCst);
                application.act(turn).await;
                report.send((party, begun)).unwrap();
                if begun == STEPS {
                    break;
                }
            }
            (application.fetched, application.seen.len())
        });
    }
    // Each one does something whole between two steps of the clock, so that none sees time leap under a code that it holds.
    for number in 1..=STEPS {
        provider.pass(STEP);
        step.store(number, Ordering::SeqCst);
        rotate(&provider.app).await.unwrap();
        let mut ready = HashSet::new();
        while ready.len() < PARTIES {
            tokio::select! {
                biased;
                Some(ended) = parties.join_next(), if number < STEPS => panic!("one has stopped: {ended:?}"),
                Some((party, begun)) = reports.recv() => {
                    if begun == number {
                        ready.insert(party);
                    }
                }
            }
        }
    }
    let hours = (STEPS * STEP.as_secs()) / (60 * MINUTE.as_secs());
    for (fetched, keys_seen) in parties.join_all().await {
        assert!(keys_seen >= 4, "{keys_seen} keys in {hours} hours");
        assert!(fetched as u64 <= hours + 1, "{fetched} times in {hours} hours");
    }
}
