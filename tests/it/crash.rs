//! The process ends without warning while it works: nothing that was acknowledged is lost, nothing that was spent lives again.

use std::sync::{Arc, Mutex};

use crate::harness::process::Process;
use crate::harness::*;

/// What a worker was told.
#[derive(Clone, Default)]
struct Acknowledged {
    /// Access tokens of redeemed codes.
    access_tokens: Vec<String>,
    /// Codes that were redeemed.
    spent_codes: Vec<String>,
    /// Refresh tokens that were used, and what came for them was used too.
    rotated: Vec<String>,
    /// Refresh tokens that are the last of their families.
    current: Vec<String>,
}

/// One login's worth of work: a code, its redemption, two rotations. `None` once the server is gone.
async fn work(process: &Process, browser: &mut Browser, told: &Mutex<Acknowledged>) -> Option<()> {
    let parameters = request(&[("scope", "openid")]);
    let target = format!("{}/authorize?{}", process.issuer, hallpass::base::form::render(parameters));
    let code = browser.try_get(&target).await?.query("code")?;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
    let tokens = process.try_token(&form).await?.tokens();
    told.lock().unwrap().spent_codes.push(code);
    told.lock().unwrap().access_tokens.push(tokens.access_token.clone());
    let refresh = |token: String| async move {
        process
            .try_token(&[("grant_type", "refresh_token"), ("refresh_token", &token)])
            .await
            .map(|reply| reply.tokens())
    };
    let second = refresh(tokens.refresh().to_owned()).await?;
    let third = refresh(second.refresh().to_owned()).await?;
    let mut told = told.lock().unwrap();
    told.rotated.push(tokens.refresh().to_owned());
    told.current.push(third.refresh().to_owned());
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start_new(directory.path()).await;
    let mut browser = process.browser();
    browser.code(ADA, &request(&[("scope", "openid")])).await;
    for round in 0..3 {
        let told = Arc::new(Mutex::new(Acknowledged::default()));
        let running = Arc::new(process);
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (running, told, mut browser) = (Arc::clone(&running), Arc::clone(&told), browser.clone());
                tokio::spawn(async move { while work(&running, &mut browser, &told).await.is_some() {} })
            })
            .collect();
        // In the middle of the work, not after it: some of it is done, and all workers go on.
        while told.lock().unwrap().access_tokens.len() < 20 + round * 7 {
            tokio::task::yield_now().await;
        }
        running.kill();
        for worker in workers {
            worker.await.unwrap();
        }
        process = Arc::into_inner(running).unwrap().restart().await;
        let told = told.lock().unwrap().clone();
        for token in &told.access_tokens {
            assert_eq!(process.userinfo(token).await.status, 200, "an access token that was given out");
        }
        for token in &told.current {
            let reply = process.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
            assert_eq!(reply.status, 200, "a refresh token that was given out");
        }
        for token in &told.rotated {
            let reply = process.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
            assert_eq!(reply.error(), "invalid_grant", "a refresh token whose successor was used");
        }
        for code in &told.spent_codes {
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
            assert_eq!(process.token(&form).await.error(), "invalid_grant", "a spent code");
        }
        assert!(
            browser.complete(ADA, &request(&[("prompt", "none")])).await.query("code").is_some(),
            "session and consent"
        );
    }
}
