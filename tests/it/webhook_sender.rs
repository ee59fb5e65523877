//! Webhooks as they are sent: signed, bounded, and to nobody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hallpass::base::secret::Secret;
use hallpass::jose::webhook::WebhookSecret;
use hallpass::outbound::{CallError, Received, SendError, Trust, Webhook, WebhookConfig};
use hyper::body::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use crate::harness::START;
use crate::harness::receiver::{Receiver, SHORT, Say, WEBHOOK_SECRET};
use crate::harness::tls::file;

fn config(url: Url) -> WebhookConfig {
    let secret = WebhookSecret::parse(&Secret::new(WEBHOOK_SECRET)).unwrap();
    WebhookConfig { url, secret, timeout: Duration::from_secs(10), allow_private: true }
}

/// A sender that trusts the root of the tests.
fn sender(config: WebhookConfig) -> Webhook {
    Webhook::new(config, Trust::load(&[file("ca.pem")]).unwrap())
}

async fn send(webhook: &Webhook) -> Result<Received, SendError> {
    webhook.send("msg_1", START, Bytes::from_static(br#"{"a":1}"#)).await
}

#[tokio::test]
async fn standard_webhooks_the_receiver_can_tell_who_sent_it() {
    let receiver = Receiver::saying(Say::Json(json!({ "action": "continue" }))).await;
    let received = send(&sender(config(receiver.url()))).await.unwrap();
    assert_eq!(received.json().unwrap(), Some(json!({ "action": "continue" })));
    let [heard] = &receiver.take()[..] else { panic!("one message") };
    assert!(heard.is_signed());
    assert_eq!(
        ["content-type", "webhook-id", "webhook-timestamp"].map(|name| heard.header(name)),
        ["application/json", "msg_1", "1800000000"]
    );
    assert_eq!(heard.json(), json!({ "a": 1 }));
    // Anything else than what was signed is not.
    let mut forged = heard.clone();
    forged.body = Bytes::from_static(br#"{"a":2}"#);
    assert!(!forged.is_signed());
    let id = sender(config(receiver.url())).send("a\nb", START, Bytes::new()).await;
    assert!(matches!(id, Err(SendError::Id)) && receiver.heard().is_empty(), "{id:?}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_who_hangs_up_is_called_again() {
    let receiver = Receiver::saying(Say::Json(json!({}))).await;
    let webhook = sender(config(receiver.url()));
    for _ in 0..5 {
        send(&webhook).await.unwrap();
    }
    assert_eq!((receiver.connections(), receiver.heard().len()), (1, 5));
    let receiver = Receiver::encrypted("localhost", Say::Empty(204)).await;
    let webhook = sender(config(receiver.url_at("https://localhost")));
    for _ in 0..3 {
        send(&webhook).await.unwrap();
    }
    assert_eq!(receiver.connections(), 1, "TLS, too");
    let receiver = Receiver::saying(Say::HangUp).await;
    let webhook = sender(config(receiver.url()));
    for count in 1..=3 {
        assert_eq!(send(&webhook).await.unwrap().json().unwrap(), None);
        assert_eq!((receiver.connections(), receiver.heard().len()), (count, count));
    }
}

#[tokio::test]
async fn only_2xx_is_a_yes_and_a_redirect_leads_nowhere() {
    let target = Receiver::saying(Say::Empty(200)).await;
    for (say, status) in [
        (Say::Redirect(target.url().into()), 302),
        (Say::Empty(304), 304),
        (Say::Empty(404), 404),
        (Say::Text(500, "application/json", r#"{"action":"continue"}"#), 500),
    ] {
        let refused = send(&sender(config(Receiver::saying(say).await.url()))).await;
        assert!(matches!(refused, Err(SendError::Status(is)) if is == status), "{refused:?}");
        assert!(!refused.unwrap_err().is_taken());
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn an_answer_is_json_or_nothing() {
    for (say, expected) in [
        (Say::Empty(200), Some(None)),
        (Say::Empty(204), Some(None)),
        (Say::Text(202, "text/html", ""), Some(None)),
        (Say::Text(200, "application/json; charset=utf-8", "[1]"), Some(Some(json!([1])))),
        (Say::Text(201, "application/problem+json", "{}"), Some(Some(json!({})))),
        (Say::Text(200, "text/plain", "{}"), None),
        (Say::Text(200, "application/json", "{\"a\":"), None),
        (Say::Text(200, "application/json", "ok"), None),
    ] {
        let received = send(&sender(config(Receiver::saying(say.clone()).await.url()))).await.unwrap();
        let json = received.json();
        match expected {
            Some(expected) => assert_eq!(json.unwrap(), expected, "{say:?}"),
            None => assert!(matches!(json, Err(error @ SendError::NotJson(_)) if error.is_taken()), "{say:?}"),
        }
    }
    let deep: &'static str = Box::leak("[".repeat(60_000).into_boxed_str());
    let received = send(&sender(config(Receiver::saying(Say::Text(200, "application/json", deep)).await.url()))).await;
    assert!(matches!(received.unwrap().json(), Err(SendError::NotJson(_))));
}

#[tokio::test]
async fn a_gigabyte_is_cut_off_where_it_is_too_long() {
    for announced in [true, false] {
        let receiver = Receiver::saying(Say::Gigabyte(announced)).await;
        let webhook = sender(config(receiver.url()));
        let refused = send(&webhook).await;
        assert!(matches!(refused, Err(SendError::Call(CallError::TooLarge(65_536)))), "{refused:?}");
        assert!(refused.unwrap_err().is_taken());
        // What lies in the system's buffers on the way, and no more.
        assert!(receiver.poured.load(Ordering::SeqCst) < 50_000_000, "{}", receiver.poured.load(Ordering::SeqCst));
        send(&webhook).await.unwrap_err();
        assert_eq!(receiver.connections(), 2, "the first one was given up");
    }
}

#[tokio::test]
async fn what_is_private_is_called_only_where_that_is_allowed() {
    let receiver = Receiver::encrypted("localhost", Say::Empty(204)).await;
    // The second is a name that leads to this machine.
    for origin in ["https://127.0.0.1", "https://localhost", "https://[::ffff:127.0.0.1]"] {
        let refused = send(&sender(WebhookConfig { allow_private: false, ..config(receiver.url_at(origin)) })).await;
        assert!(matches!(refused, Err(SendError::Call(CallError::Private(_)))), "{origin}: {refused:?}");
    }
    let refused = send(&sender(WebhookConfig { allow_private: false, ..config(receiver.url()) })).await;
    assert!(matches!(refused, Err(SendError::Call(CallError::Insecure))), "{refused:?}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn who_is_dead_slow_or_somebody_else_has_not_taken_it() {
    let wrong = Receiver::encrypted("other", Say::Empty(204)).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [
        wrong.url_at("https://localhost"),
        Receiver::encrypted("localhost", Say::Empty(204)).await.url_at("https://127.0.0.1"),
        Url::parse(&format!("http://{closed}/")).unwrap(),
    ] {
        let refused = send(&sender(config(url))).await;
        assert!(matches!(refused, Err(SendError::Call(CallError::Unreachable(_)))), "{refused:?}");
    }
    assert!(wrong.heard().is_empty());
    let slow = Receiver::saying(Say::Nothing).await;
    let webhook = sender(WebhookConfig { timeout: SHORT, ..config(slow.url()) });
    let began = Instant::now();
    let late = send(&webhook).await;
    assert!(matches!(late, Err(SendError::Call(CallError::Late(SHORT)))), "{late:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn no_more_than_so_many_calls_are_under_way() {
    let slow = Receiver::saying(Say::Nothing).await;
    let webhook = Arc::new(sender(WebhookConfig { timeout: Duration::from_secs(600), ..config(slow.url()) }));
    let call = || {
        let webhook = Arc::clone(&webhook);
        tokio::spawn(async move { send(&webhook).await })
    };
    let calls: Vec<_> = (0..100).map(|_| call()).collect();
    while slow.heard().len() < 64 {
        tokio::task::yield_now().await;
    }
    // Others are served meanwhile, and none of those that wait comes through.
    let quick = Receiver::saying(Say::Empty(204)).await;
    let other = sender(config(quick.url()));
    for _ in 0..50 {
        send(&other).await.unwrap();
    }
    assert_eq!((slow.connections(), slow.heard().len()), (64, 64));
    // Who gives up makes room.
    calls[0].abort();
    while slow.heard().len() < 65 {
        tokio::task::yield_now().await;
    }
    calls.iter().for_each(|call| call.abort());
}
