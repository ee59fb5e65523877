//! Signing keys. Beside what has become of a key, its JSON says what will by itself, as far as it is known: when it
//! signs (`activates_at`), signs no more (`retires_at`), leaves the JWK Set (`leaves_at`) and is deleted (`expires_at`).

use serde_json::{Map, Value};

use super::member::Members;
use super::{Answer, Context, Problem};
use crate::app::development::KEY_ID;
use crate::app::lane::LaneError;
use crate::app::rotation;
use crate::jose::key::{KeyError, PrivateKey};
use crate::model::id::KeyId;
use crate::model::key::{KeyRefusal, Outlook, SigningKey, outlook};
use crate::store::{NewKey, Put};

/// The size of a key when nobody asks for another: what every relying party can verify, and quick to sign with.
const BITS: u64 = 2048;

/// `GET keys`: all of them, the oldest first.
pub(super) async fn list(context: &Context<'_>) -> Result<Answer, Problem> {
    let keys = keys(context).await?;
    Ok(Answer::list(keys.iter().map(|(key, outlook)| render(key, outlook).into()).collect(), None))
}

/// `GET keys/{kid}`.
pub(super) async fn show(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    let (key, outlook) = find(context, kid).await?;
    Ok(Answer::ok(render(&key, &outlook)))
}

/// `POST keys`: makes one of `bits`, or imports the private key in `pem`. The first one signs at once.
pub(super) async fn create(context: &Context<'_>, body: Value) -> Result<Answer, Problem> {
    let mut members = Members::of(body)?;
    let pem = members.secret("pem")?;
    let bits = members.number("bits")?;
    members.done()?;
    if pem.is_some() && bits.is_some() {
        return Err(Problem::invalid("bits", "bits is for a key that is made: an imported one has its own".into()));
    }
    let (field, made) = match pem {
        Some(pem) => ("pem", off_thread(move || PrivateKey::from_pem(pem.expose())).await?),
        None => {
            let bits = usize::try_from(bits.unwrap_or(BITS)).unwrap_or(usize::MAX);
            ("bits", off_thread(move || PrivateKey::generate(bits)).await?)
        }
    };
    let key = made.map_err(|error| Problem::invalid(field, error.to_string()))?;
    if key.kid() == KEY_ID && !context.store.is_development().await? {
        return Err(Problem::invalid(field, "this is the key of hallpass dev, which everybody has".into()));
    }
    match context.store.add_key(NewKey::of(&key, context.clock.now())).await? {
        Put::Done(key) => {
            let (key, outlook) = find(context, key.id.as_str()).await?;
            Ok(Answer::created(render(&key, &outlook)))
        }
        _ => Err(Problem::conflict(format!("key {} is there already", key.kid()))),
    }
}

/// `POST keys/{kid}/promote`: it signs from now on; the one that signed so far retires.
pub(super) async fn promote(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    let moved = context.store.promote_key(&KeyId::new(kid), context.clock.now()).await?;
    moved.map_err(|refusal| refused(kid, refusal))?;
    show(context, kid).await
}

/// `POST keys/{kid}/retire`: it will not sign; what it signed can still be verified.
pub(super) async fn retire(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    let moved = context.store.retire_key(&KeyId::new(kid), context.clock.now()).await?;
    moved.map_err(|refusal| refused(kid, refusal))?;
    show(context, kid).await
}

/// `DELETE keys/{kid}`: from then on nothing that it signed can be verified.
pub(super) async fn delete(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    context.store.delete_key(&KeyId::new(kid)).await?.map_err(|refusal| refused(kid, refusal))?;
    Ok(Answer::done())
}

/// `GET keys/{kid}/private`: the private key as PKCS#8 in PEM, for whoever sits at this machine.
pub(super) async fn export(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    if !context.local {
        return Err(Problem::forbidden(
            "private keys are exported by the local command alone: hallpass key export".into(),
        ));
    }
    let (key, _) = find(context, kid).await?;
    let der = context.store.private_key(&key.id).await?.ok_or_else(|| refused(kid, KeyRefusal::Withdrawn))?;
    let damaged = |error: KeyError| Problem::conflict(format!("key {kid} can't be read from the store: {error}"));
    let pem = PrivateKey::from_pkcs8(&der).and_then(|key| key.to_pem()).map_err(damaged)?;
    let mut body = Map::new();
    body.insert("kid".into(), kid.into());
    body.insert("pem".into(), pem.expose().into());
    Ok(Answer::ok(body))
}

/// Work that takes long enough to be felt by everybody else on this thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| LaneError::Failed)?)
}

/// All keys, each with what comes of it by itself. In development nothing does.
async fn keys(context: &Context<'_>) -> Result<Vec<(SigningKey, Outlook)>, Problem> {
    let keys = context.store.keys().await?;
    if context.store.is_development().await? {
        return Ok(keys.into_iter().map(|key| (key, Outlook::default())).collect());
    }
    let now = context.clock.now();
    let schedule = rotation::for_clients(context.schedule, context.store).await?;
    let outlooks: Vec<_> = keys.iter().map(|key| outlook(&keys, key, &schedule, now)).collect();
    Ok(keys.into_iter().zip(outlooks).collect())
}

async fn find(context: &Context<'_>, kid: &str) -> Result<(SigningKey, Outlook), Problem> {
    let keys = keys(context).await?;
    keys.into_iter().find(|(key, _)| key.id.as_str() == kid).ok_or_else(|| missing(kid))
}

fn missing(kid: &str) -> Problem {
    Problem::missing(format!("there is no key {kid}"))
}

fn refused(kid: &str, refusal: KeyRefusal) -> Problem {
    match refusal {
        KeyRefusal::Unknown => missing(kid),
        KeyRefusal::Active | KeyRefusal::Already(_) | KeyRefusal::Withdrawn => {
            Problem::conflict(format!("key {kid}: {refusal}"))
        }
    }
}

fn render(key: &SigningKey, outlook: &Outlook) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("kid".into(), key.id.as_str().into());
    body.insert("alg".into(), key.algorithm.name().into());
    body.insert("bits".into(), key.bits.into());
    body.insert("state".into(), key.state.name().into());
    body.insert("created_at".into(), key.created_at.as_secs().into());
    for (name, at) in [
        ("activated_at", key.activated_at),
        ("retired_at", key.retired_at),
        ("activates_at", outlook.activates_at),
        ("retires_at", outlook.retires_at),
        ("leaves_at", outlook.leaves_at),
        ("expires_at", outlook.expires_at),
    ] {
        if let Some(at) = at {
            body.insert(name.into(), at.as_secs().into());
        }
    }
    body
}
