//! Hooks: what a program that embeds the provider decides for itself.

use std::future::ready;
use std::sync::{Arc, Mutex};

use hallpass::app::hook::{About, Admission, Answer, Arrival, Attempt, Claims, Ending, Hook, HookError, Verdict};
use hallpass::model::client::{Client, GrantType, ResponseType};
use hallpass::model::id::UserId;
use hallpass::model::user::User;
use serde_json::json;

use crate::harness::{self, ADA, BOB, CLIENT, OTHER, PASSWORD, Provider, Response, SECRET, request};

/// Adds its number to a list in ID tokens, and notes what it was asked about.
#[derive(Default)]
struct Stamp {
    number: u64,
    asked: Mutex<Vec<String>>,
}

impl Hook for Stamp {
    fn id_token<'a>(&'a self, mut claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        let (client, user) = (&about.client.id, &about.user.unwrap().username);
        self.asked.lock().unwrap().push(format!("{client} {user} {}", about.scope));
        let list = claims.entry("stamps").or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(self.number.into());
        for (name, value) in
            [("sub", json!("mallory")), ("aud", json!("other")), ("exp", json!(1)), ("nonce", json!("x"))]
        {
            claims.insert(name.into(), value);
        }
        Box::pin(ready(Ok(claims)))
    }
}

fn stamp(number: u64) -> Arc<Stamp> {
    Arc::new(Stamp { number, asked: Mutex::default() })
}

/// `sub` is the e-mail address.
struct Mail;

impl Hook for Mail {
    fn subject(&self, user: &User, client: &Client) -> Option<String> {
        user.claims.get("email").and_then(|mail| mail.as_str()).map(|mail| format!("{mail} at {}", client.id))
    }
}

/// Knows more than the user's record, and replaces what is there.
struct Staff;

impl Hook for Staff {
    fn claims<'a>(&'a self, mut claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        if about.scope.contains("staff") {
            claims.insert("department".into(), json!("engines"));
            claims.insert("given_name".into(), json!("Augusta"));
            claims.insert("sub".into(), json!("mallory"));
        }
        Box::pin(ready(Ok(claims)))
    }
}

/// Turns these users away from [`CLIENT`].
#[derive(Default)]
struct Doorman(Mutex<Vec<&'static str>>);

impl Hook for Doorman {
    fn admit<'a>(&'a self, arrival: Arrival<'a>) -> Answer<'a, Admission> {
        let unwanted = self.0.lock().unwrap().contains(&arrival.user.username.as_str());
        let goes_on = arrival.client.id.as_str() != CLIENT || !unwanted;
        Box::pin(ready(Ok(if goes_on { Admission::Continue } else { Admission::Deny(None) })))
    }
}

/// Knows users of its own under other names, and one who isn't there.
struct Directory;

impl Hook for Directory {
    fn authenticate<'a>(&'a self, attempt: Attempt<'a>) -> Answer<'a, Verdict> {
        assert!(attempt.address.is_loopback());
        let verdict = match attempt.username.strip_suffix("@directory") {
            None => Verdict::Pass,
            Some(name) if attempt.password.expose() == "of the directory" => {
                Verdict::User(UserId::new(format!("id-of-{name}")))
            }
            Some(_) => Verdict::Refuse,
        };
        Box::pin(ready(Ok(verdict)))
    }
}

/// Notes who logs out.
#[derive(Default)]
struct Porter(Mutex<Vec<String>>);

impl Hook for Porter {
    fn logout<'a>(&'a self, ending: Ending<'a>) -> Answer<'a, ()> {
        let client = ending.client.map_or("nobody", |client| client.id.as_str());
        let line = format!("{} by {client} to {}", ending.user.username, ending.next.unwrap_or("nowhere"));
        self.0.lock().unwrap().push(line);
        Box::pin(ready(Err(HookError::new("the porter is asleep"))))
    }
}

/// Tells more of tokens, and tries to tell something else of them.
struct Tier;

impl Hook for Tier {
    fn introspection<'a>(&'a self, mut more: Claims, about: About<'a>) -> Answer<'a, Claims> {
        more.insert("tier".into(), json!(format!("{} {}", about.client.id, about.scope)));
        more.insert("active".into(), json!(false));
        more.insert("sub".into(), json!("mallory"));
        Box::pin(ready(Ok(more)))
    }
}

struct Broken;

impl Hook for Broken {
    fn id_token<'a>(&'a self, _claims: Claims, _about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(ready(Err(HookError::new("the directory is down"))))
    }
}

async fn staffed(settings: &[(&str, &str)]) -> Provider {
    let provider = Provider::start_with_hooks(settings, vec![Arc::new(Staff)]).await;
    provider.change_client(CLIENT, |client| client.scope = hallpass::model::scope::Scope::parse("staff")).await;
    provider
}

#[tokio::test]
async fn id_token_hooks_run_in_order_and_each_sees_what_the_one_before_made() {
    for count in [1, 2] {
        let stamps: Vec<_> = (1..=count).map(stamp).collect();
        let hooks = stamps.iter().map(|stamp| Arc::clone(stamp) as Arc<dyn Hook>).collect();
        let provider = Provider::start_with_hooks(&[], hooks).await;
        let tokens = provider.tokens("openid email").await;
        let (_, claims) = provider.verify(tokens.id()).await;
        assert_eq!(claims["stamps"], json!((1..=count).collect::<Vec<_>>()));
        for stamp in stamps {
            assert_eq!(*stamp.asked.lock().unwrap(), [format!("{CLIENT} {ADA} openid email")]);
        }
    }
}

#[tokio::test]
async fn what_the_protocol_says_in_an_id_token_is_out_of_reach_of_hooks() {
    let provider = Provider::start_with_hooks(&[], vec![stamp(1)]).await;
    let code = provider.browser().code(ADA, &request(&[("nonce", "n")])).await;
    let tokens = provider.redeem(&code).await.tokens();
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((&claims["sub"], &claims["aud"], &claims["nonce"]), (&json!("id-of-ada"), &json!(CLIENT), &json!("n")));
    assert_eq!(claims["exp"], json!(provider.now() + 600));
}

#[tokio::test]
async fn rfc7662_2_2_a_hook_tells_more_of_a_token_and_nothing_else() {
    let provider = Provider::start_with_hooks(&[], vec![Arc::new(Tier), Arc::new(Mail)]).await;
    let introspect = async |token: &str| {
        let form = [("token", token), ("client_id", CLIENT), ("client_secret", SECRET)];
        provider.post("/introspect", &[], &form).await.json()
    };
    let tokens = provider.tokens("openid email").await;
    assert_eq!(introspect(&tokens.access_token).await, json!({ "active": false }), "hooks come after the right to ask");
    provider
        .change_client(CLIENT, |client| client.scope = hallpass::model::scope::Scope::parse("token_introspection"))
        .await;
    let told = introspect(&tokens.access_token).await;
    assert_eq!((&told["active"], &told["tier"]), (&json!(true), &json!("web openid email")));
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((&told["sub"], &told["sub"]), (&claims["sub"], &json!("ada@ada.example at web")));
}

#[tokio::test]
async fn hooks_see_the_narrower_scope_of_a_refresh() {
    let hook = stamp(1);
    let provider = Provider::start_with_hooks(&[], vec![Arc::clone(&hook) as Arc<dyn Hook>]).await;
    let tokens = provider.tokens("openid email profile").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid")];
    provider.token(CLIENT, SECRET, &form).await.tokens();
    let asked = hook.asked.lock().unwrap();
    assert_eq!(*asked, [format!("{CLIENT} {ADA} openid email profile"), format!("{CLIENT} {ADA} openid")]);
}

#[tokio::test]
async fn oidc_core_8_a_hook_may_name_the_subject_and_it_is_the_same_everywhere() {
    let provider = Provider::start_with_hooks(&[], vec![Arc::new(Mail)]).await;
    provider
        .change_client(CLIENT, |client| {
            client.response_types.push(ResponseType::CODE.with(ResponseType::ID_TOKEN));
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let expected = json!("ada@ada.example at web");
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["sub"], expected);
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["sub"], expected);
    let hybrid = request(&[("response_type", "code id_token"), ("nonce", "n"), ("prompt", "none")]);
    let answer = harness::Answer::of(&browser.authorize(&hybrid).await);
    assert_eq!(provider.verify(answer.get("id_token").unwrap()).await.1["sub"], expected);

    // A hint is compared with that subject, too, and so is the claims parameter.
    let hinted = request(&[("prompt", "none"), ("id_token_hint", tokens.id())]);
    assert_eq!(harness::Answer::of(&browser.authorize(&hinted).await).get("error"), None);
    // And so is the hint of a logout: the user isn't asked.
    let mut elsewhere = browser.clone();
    let page = elsewhere.get(&format!("/end-session?id_token_hint={}", tokens.id())).await;
    assert!(page.has_id("logout-done"), "{page:?}");
    let named = json!({ "id_token": { "sub": { "value": "id-of-ada" } } }).to_string();
    let named = request(&[("prompt", "none"), ("claims", &named)]);
    assert_eq!(harness::Answer::of(&browser.authorize(&named).await).error(), "login_required");
}

#[tokio::test]
async fn rp_initiated_2_a_hint_is_compared_with_the_subject_that_a_hook_names() {
    let provider = Provider::start_with_hooks(&[], vec![Arc::new(Mail)]).await;
    let of = async |browser: &mut harness::Browser, user: &str| {
        let code = browser.code(user, &request(&[])).await;
        provider.redeem(&code).await.tokens().id().to_owned()
    };
    let mut browser = provider.browser();
    let (hint, foreign) = (of(&mut browser, ADA).await, of(&mut provider.browser(), BOB).await);
    let asked = browser.get(&format!("/end-session?id_token_hint={foreign}")).await;
    assert!(asked.has_id("logout-confirm"), "it is about somebody else: {asked:?}");
    let done = browser.get(&format!("/end-session?id_token_hint={hint}")).await;
    assert!(done.has_id("logout-done") && browser.session().is_none(), "{done:?}");
}

#[tokio::test]
async fn oidc_core_2_what_is_no_subject_is_nobodys() {
    struct Named(String);
    impl Hook for Named {
        fn subject(&self, _user: &User, _client: &Client) -> Option<String> {
            Some(self.0.clone())
        }
    }
    for (named, holds) in
        [("x".repeat(255), true), ("x".repeat(256), false), (String::new(), false), ("é".into(), false)]
    {
        let provider = Provider::start_with_hooks(&[], vec![Arc::new(Named(named))]).await;
        let answer = harness::Answer::of(&provider.browser().complete(ADA, &request(&[])).await);
        assert_eq!(answer.get("error"), if holds { None } else { Some("server_error") });
    }
}

#[tokio::test]
async fn users_for_whom_no_hook_names_a_subject_have_their_id() {
    let provider = Provider::start_with_hooks(&[], vec![Arc::new(Mail)]).await;
    let code = provider.browser().code(BOB, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    assert_eq!(provider.verify(tokens.id()).await.1["sub"], "id-of-bob");
}

#[tokio::test]
async fn claims_of_a_scope_of_ones_own_are_at_userinfo() {
    let provider = staffed(&[]).await;
    let tokens = provider.tokens("openid profile staff").await;
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((&userinfo["department"], &userinfo["given_name"]), (&json!("engines"), &json!("Augusta")));
    assert_eq!((&userinfo["sub"], &userinfo["family_name"]), (&json!("id-of-ada"), &json!("Lovelace")));
    assert!(!provider.verify(tokens.id()).await.1.contains_key("department"));
    // Without the scope there is nothing of it.
    let tokens = provider.tokens("openid profile").await;
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((userinfo.get("department"), &userinfo["given_name"]), (None, &json!("Ada")));
}

#[tokio::test]
async fn id_token_include_claims_puts_standard_claims_and_ones_own_into_id_tokens() {
    let provider = staffed(&[("id_token.include_claims", "true")]).await;
    let (_, claims) = provider.verify(provider.tokens("openid email").await.id()).await;
    assert_eq!((&claims["email"], claims.get("name")), (&json!("ada@ada.example"), None));
    let tokens = provider.tokens("openid email staff").await;
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!((&claims["email"], &claims["department"]), (&json!("ada@ada.example"), &json!("engines")));
    assert_eq!(claims["sub"], "id-of-ada");
    // A refresh for less has less.
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid")];
    let (_, claims) = provider.verify(provider.token(CLIENT, SECRET, &form).await.tokens().id()).await;
    assert!(!claims.contains_key("email") && !claims.contains_key("department"), "{claims:?}");
}

#[tokio::test]
async fn a_hook_may_say_who_logs_in() {
    let provider = Provider::start_with_hooks(&[("grants.password", "true")], vec![Arc::new(Directory)]).await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.push(GrantType::Password);
            client.scope = hallpass::model::scope::Scope::parse("openid");
        })
        .await;
    for (username, password, expected) in [
        ("ada@directory", "of the directory", Some("id-of-ada")),
        ("ada@directory", "another", None),
        // Not the hook's business: the password that is kept counts.
        (BOB, PASSWORD, Some("id-of-bob")),
        (BOB, "of the directory", None),
        ("ghost@directory", "of the directory", None),
    ] {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        let answer = provider.token(CLIENT, SECRET, &form).await;
        match expected {
            Some(subject) => {
                assert_eq!(provider.verify(answer.tokens().id()).await.1["sub"], subject, "{username}");
            }
            None => assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_grant"), "{username}"),
        }
    }
    // On the login page likewise, but not for whoever is disabled.
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    let page = browser.log_in(&page, "ada@directory", "of the directory").await;
    assert!(page.has_id("consent-allow"), "{page:?}");
    provider.change_user(ADA, |user| user.enabled = false).await;
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    let page = browser.log_in(&page, "ada@directory", "of the directory").await;
    assert!(page.has_id("login-submit"), "{page:?}");
}

#[tokio::test]
async fn whom_a_hook_does_not_admit_finds_no_way_around_it() {
    let doorman = Arc::new(Doorman::default());
    let provider = Provider::start_with_hooks(&[], vec![Arc::clone(&doorman) as Arc<dyn Hook>]).await;
    let turn_away = |username: &'static str| doorman.0.lock().unwrap().push(username);
    let denied = |response: &Response| {
        let answer = harness::Answer::of(response);
        assert_eq!((answer.error(), answer.get("state")), ("access_denied", Some("the state")), "{answer:?}");
    };
    turn_away(BOB);
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    denied(&browser.log_in(&page, BOB, PASSWORD).await);
    for changes in [&[][..], &[("prompt", "consent")], &[("response_mode", "form_post")]] {
        denied(&browser.authorize(&request(changes)).await);
    }
    provider.change_client(CLIENT, |client| client.require_consent = false).await;
    for changes in [&[][..], &[("prompt", "none")]] {
        denied(&browser.authorize(&request(changes)).await);
    }
    // Another client is another matter, and so is another account.
    provider.pass(std::time::Duration::from_secs(1));
    assert!(browser.authorize(&request(&[("client_id", OTHER)])).await.has_id("consent-allow"));
    let page = browser.authorize(&request(&[("prompt", "select_account")])).await;
    assert!(page.has_id("select-continue"), "{page:?}");

    // The page that asks is open already.
    provider.change_client(CLIENT, |client| client.require_consent = true).await;
    let mut browser = provider.browser();
    let page = browser.authorize(&request(&[])).await;
    let page = browser.log_in(&page, ADA, PASSWORD).await;
    turn_away(ADA);
    denied(&browser.decide(&page, "allow").await);
}

#[tokio::test]
async fn who_logs_out_is_told_once_and_nobody_is_kept_from_leaving() {
    let porter = Arc::new(Porter::default());
    let provider = Provider::start_with_hooks(&[], vec![Arc::clone(&porter) as Arc<dyn Hook>]).await;
    let next = "https://app.example/bye";
    provider.change_client(CLIENT, |client| client.post_logout_redirect_uris = vec![next.into()]).await;
    let told = || std::mem::take(&mut *porter.0.lock().unwrap());

    // By a hint of the session at hand.
    let mut browser = provider.browser();
    let code = browser.code(ADA, &request(&[])).await;
    let hint = provider.redeem(&code).await.tokens().id().to_owned();
    let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", next)];
    let address = format!("/end-session?{}", hallpass::base::form::render(asked));
    let reply = browser.send("GET", &format!("{}{address}", provider.issuer), &[], None).await;
    assert_eq!((reply.status, reply.location()), (303, next));
    assert_eq!(told(), [format!("{ADA} by {CLIENT} to {next}")]);
    let again = browser.send("GET", &format!("{}{address}", provider.issuer), &[], None).await;
    assert_eq!((again.location(), told().len()), (next, 0), "nobody was there any more");

    // On the page, and only by who wants to leave.
    let mut browser = provider.logged_in(BOB).await;
    for (decision, expected) in [("cancel", vec![]), ("logout", vec![format!("{BOB} by nobody to nowhere")])] {
        let page = browser.get("/end-session").await;
        let fields =
            [("csrf", page.field("csrf")), ("pending", page.field("pending")), ("decision", decision.to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/logout", &fields).await;
        assert_eq!(told(), expected, "{decision}");
    }
}

#[tokio::test]
async fn a_hook_that_fails_fails_its_request_and_tells_the_client_nothing() {
    let provider = Provider::start_with_hooks(&[], vec![Arc::new(Broken)]).await;
    provider
        .change_client(CLIENT, |client| {
            client.response_types.push(ResponseType::ID_TOKEN);
            client.grant_types.push(GrantType::Implicit);
        })
        .await;
    let asked = request(&[("response_type", "id_token"), ("nonce", "n")]);
    let answer = harness::Answer::of(&provider.browser().complete(ADA, &asked).await);
    assert_eq!(answer.error(), "server_error");
    assert!(!answer.location.contains("directory"), "{answer:?}");
    // Whoever needs no ID token is served.
    let code = provider.browser().code(ADA, &request(&[("scope", "email")])).await;
    assert_eq!(provider.redeem(&code).await.status, 200);
}
