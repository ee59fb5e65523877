//! Signing keys.

use serde_json::{Map, Value};

use super::member::Members;
use super::{Answer, Context, Problem};
use crate::app::development::KEY_ID;
use crate::app::lane::LaneError;
use crate::jose::alg::Algorithm;
use crate::jose::key::{KeyError, PrivateKey};
use crate::model::id::KeyId;
use crate::model::key::{KeyRefusal, SigningKey};
use crate::store::{NewKey, Put};

/// The size of a key when nobody asks for another: what every relying party can verify, and quick to sign with.
const BITS: u64 = 2048;

/// `GET keys`: all of them, the oldest first.
pub(super) async fn list(context: &Context<'_>) -> Result<Answer, Problem> {
    let keys = context.store.keys().await?;
    Ok(Answer::list(keys.iter().map(|key| render(key).into()).collect(), None))
}

/// `GET keys/{kid}`.
pub(super) async fn show(context: &Context<'_>, kid: &str) -> Result<Answer, Problem> {
    Ok(Answer::ok(render(&find(context, kid).await?)))
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
    let new = NewKey {
        id: KeyId::new(key.kid()),
        algorithm: Algorithm::Rs256,
        bits: u32::try_from(key.public().bits()).unwrap_or(u32::MAX),
        created_at: context.clock.now(),
        pkcs8_der: key.to_pkcs8().to_vec().into(),
    };
    match context.store.add_key(new).await? {
        Put::Done(key) => Ok(Answer::created(render(&key))),
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
    let der = context.store.private_key(&KeyId::new(kid)).await?.ok_or_else(|| missing(kid))?;
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

async fn find(context: &Context<'_>, kid: &str) -> Result<SigningKey, Problem> {
    let keys = context.store.keys().await?;
    keys.into_iter().find(|key| key.id.as_str() == kid).ok_or_else(|| missing(kid))
}

fn missing(kid: &str) -> Problem {
    Problem::missing(format!("there is no key {kid}"))
}

fn refused(kid: &str, refusal: KeyRefusal) -> Problem {
    match refusal {
        KeyRefusal::Unknown => missing(kid),
        KeyRefusal::Active | KeyRefusal::Already(_) => Problem::conflict(format!("key {kid}: {refusal}")),
    }
}

fn render(key: &SigningKey) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("kid".into(), key.id.as_str().into());
    body.insert("alg".into(), key.algorithm.name().into());
    body.insert("bits".into(), key.bits.into());
    body.insert("state".into(), key.state.name().into());
    body.insert("created_at".into(), key.created_at.as_secs().into());
    for (name, at) in [("activated_at", key.activated_at), ("retired_at", key.retired_at)] {
        if let Some(at) = at {
            body.insert(name.into(), at.as_secs().into());
        }
    }
    body
}
