//! Hooks that ask a receiver of the operator's own, over HTTP.
//!
//! A message is `{"version": 1, "type", "id", "timestamp", "data"}`; what is in `data` depends on the type, which is the name of
//! the [point](HookPoint). An answer is nothing at all, with a status of 2xx, or one of these:
//!
//! | answer | where |
//! | --- | --- |
//! | `{"action": "continue"}` | everywhere: as nothing |
//! | `{"action": "deny", "message": …}` | `after_login`; the message is for the user, and may be missing |
//! | `{"action": "redirect", "url": …}` | `after_login` |
//! | `{"claims": {…}}` | `claims`, `id_token`, `introspection`: in place of those in the message |
//!
//! Anything else, and no answer in time, is a failure: of the request, or of no consequence, as `on_error` says.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::event::{EventHook, Receiver};
use super::hook::{About, Admission, Answer, Arrival, Claims, Ending, Hook, HookError};
use crate::base::clock::Clock;
use crate::base::encode::base64url;
use crate::base::random::Random;
use crate::base::uri::parse_address;
use crate::model::client::Client;
use crate::model::event::EventKinds;
use crate::model::user::User;
use crate::outbound::{Trust, TrustError, Webhook, WebhookConfig};
use crate::protocol::claims::clean;
use crate::settings::{HookPoint, HookSettings, OnError, Settings};

/// The version of messages. It changes when what there is changes its meaning; what is new doesn't change it.
const VERSION: u32 = 1;

/// The webhooks of `[hooks.NAME]`, in the order of their names.
///
/// # Errors
/// When there are some, and no roots that certificates can be verified with.
pub(super) fn of_settings(
    settings: &Settings,
    clock: &Clock,
    random: &Random,
) -> Result<Vec<Arc<dyn Hook>>, TrustError> {
    if settings.hooks.is_empty() {
        return Ok(Vec::new());
    }
    let trust = Trust::load(&settings.outbound.trusted_roots)?;
    let remote = |(name, hook): (&String, &HookSettings)| -> Arc<dyn Hook> {
        let config = config_of(hook);
        Arc::new(Remote {
            name: name.clone(),
            points: hook.points.clone(),
            on_error: hook.on_error,
            webhook: Webhook::new(config, trust.clone()),
            clock: clock.clone(),
            random: random.clone(),
        })
    };
    Ok(settings.hooks.iter().map(remote).collect())
}

/// Those of `[hooks.NAME]` that want events.
///
/// # Errors
/// As above.
pub(super) fn receivers_of_settings(settings: &Settings) -> Result<Vec<Arc<dyn Receiver>>, TrustError> {
    let mut wanting = settings.hooks.iter().filter(|(_, hook)| hook.events != EventKinds::NONE).peekable();
    if wanting.peek().is_none() {
        return Ok(Vec::new());
    }
    let trust = Trust::load(&settings.outbound.trusted_roots)?;
    let receiver = |(name, hook): (&String, &HookSettings)| -> Arc<dyn Receiver> {
        Arc::new(EventHook::new(name, hook.events, Webhook::new(config_of(hook), trust.clone())))
    };
    Ok(wanting.map(receiver).collect())
}

fn config_of(hook: &HookSettings) -> WebhookConfig {
    WebhookConfig {
        url: hook.url.clone(),
        secret: hook.secret.clone(),
        timeout: hook.timeout,
        allow_private: hook.allow_private,
    }
}

/// A webhook of `[hooks.NAME]`.
struct Remote {
    /// Its name in the settings.
    name: String,
    /// What it is asked.
    points: Vec<HookPoint>,
    /// What a failure means.
    on_error: OnError,
    /// The receiver.
    webhook: Webhook,
    /// When messages are sent.
    clock: Clock,
    /// Where their ids come from.
    random: Random,
}

impl Remote {
    /// Asks, if it is to be asked here, and reads the answer; `None` when it says nothing, or may be ignored.
    async fn ask<T>(
        &self,
        point: HookPoint,
        data: Value,
        read: impl Fn(&Map<String, Value>) -> Result<Option<T>, String> + Send,
    ) -> Result<Option<T>, HookError> {
        match self.exchange(point, data, read).await {
            Ok(said) => Ok(said),
            Err(error) => {
                let (hook, point) = (self.name.as_str(), point.name());
                if self.on_error == OnError::Deny {
                    return Err(HookError::new(format!("{hook} ({point}): {error}")));
                }
                tracing::warn!(hook, point, %error, "a hook failed, and is passed over");
                Ok(None)
            }
        }
    }

    async fn exchange<T>(
        &self,
        point: HookPoint,
        data: Value,
        read: impl Fn(&Map<String, Value>) -> Result<Option<T>, String>,
    ) -> Result<Option<T>, String> {
        let now = self.clock.now();
        let id = format!("msg_{}", base64url(self.random.bytes::<16>()));
        let timestamp = format!("{}Z", now.calendar('T'));
        let message =
            json!({ "version": VERSION, "type": point.name(), "id": id, "timestamp": timestamp, "data": data });
        let received =
            self.webhook.send(&id, now, message.to_string().into()).await.map_err(|error| error.to_string())?;
        match received.json().map_err(|error| error.to_string())? {
            None => Ok(None),
            Some(Value::Object(answer)) if answer.get("action").is_some_and(|action| action == "continue") => Ok(None),
            Some(Value::Object(answer)) => read(&answer),
            Some(_) => Err("the answer is no JSON object".to_owned()),
        }
    }

    /// Whether it is asked here.
    fn is_at(&self, point: HookPoint) -> bool {
        self.points.contains(&point)
    }

    /// The claims that it makes of these.
    async fn make_claims(&self, point: HookPoint, claims: Claims, about: About<'_>) -> Result<Claims, HookError> {
        if !self.is_at(point) {
            return Ok(claims);
        }
        let data = json!({
            "client": client(about.client), "user": about.user.map(user), "scope": about.scope.to_string(), "claims": claims,
        });
        Ok(self.ask(point, data, read_claims).await?.unwrap_or(claims))
    }
}

impl Hook for Remote {
    fn claims<'a>(&'a self, claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(self.make_claims(HookPoint::Claims, claims, about))
    }

    fn id_token<'a>(&'a self, claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(self.make_claims(HookPoint::IdToken, claims, about))
    }

    fn introspection<'a>(&'a self, more: Claims, about: About<'a>) -> Answer<'a, Claims> {
        Box::pin(self.make_claims(HookPoint::Introspection, more, about))
    }

    fn admit<'a>(&'a self, arrival: Arrival<'a>) -> Answer<'a, Admission> {
        Box::pin(async move {
            if !self.is_at(HookPoint::AfterLogin) {
                return Ok(Admission::Continue);
            }
            let Arrival { client: to, user: who, scope, returned } = arrival;
            let data = json!({
                "client": client(to), "user": user(who), "scope": scope.to_string(), "returned": returned,
            });
            let said = self.ask(HookPoint::AfterLogin, data, read_admission).await?;
            Ok(said.unwrap_or(Admission::Continue))
        })
    }

    fn logout<'a>(&'a self, ending: Ending<'a>) -> Answer<'a, ()> {
        Box::pin(async move {
            if !self.is_at(HookPoint::Logout) {
                return Ok(());
            }
            let data = json!({
                "client": ending.client.map(client), "user": user(ending.user), "sid": ending.sid.to_string(),
                "post_logout_redirect_uri": ending.next,
            });
            // Whatever it says: nobody is kept from leaving.
            self.ask(HookPoint::Logout, data, |_| Ok(Some(()))).await.map(|_| ())
        })
    }
}

/// What a message says of a client.
fn client(client: &Client) -> Value {
    json!({ "client_id": client.id.as_str(), "client_name": client.shown_name() })
}

/// What a message says of a user.
fn user(user: &User) -> Value {
    json!({ "id": user.id.as_str(), "username": user.username, "claims": user.claims })
}

fn read_claims(answer: &Map<String, Value>) -> Result<Option<Claims>, String> {
    match answer.get("claims").cloned() {
        Some(Value::Object(claims)) => {
            Ok(Some(claims.into_iter().filter_map(|(name, value)| Some((name, clean(value)?))).collect()))
        }
        _ => Err("the answer has neither claims nor the action continue".to_owned()),
    }
}

fn read_admission(answer: &Map<String, Value>) -> Result<Option<Admission>, String> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    match text("action") {
        Some("deny") => Ok(Some(Admission::Deny(text("message").map(ToOwned::to_owned)))),
        Some("redirect") => {
            let url = text("url").filter(|url| parse_address(url).is_some());
            let url = url.ok_or("the answer has no url with https, or with http on the user's own machine")?;
            Ok(Some(Admission::Detour(url.to_owned())))
        }
        _ => Err("the answer has no action that is known".to_owned()),
    }
}
