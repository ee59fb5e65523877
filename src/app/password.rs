//! Passwords: Argon2id (RFC 9106), in a lane of its own.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};

use super::lane::{Lane, LaneError};
use super::nobody::{self, Nobody};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::jose::mac::MacKey;
use crate::model::user::fold_username;
use crate::settings;
use crate::store::{Store, StoreError};

/// Longer passwords are not taken, in bytes of UTF-8.
pub const MAX_PASSWORD: usize = 1024;

/// Shorter passwords are taken with a warning, in characters (NIST SP 800-63B section 5.1.1.1).
pub const SHORT_PASSWORD: usize = 8;

/// How many hashes may wait for their turn: about a second of work for two slots.
const QUEUE: usize = 64;

/// Stored hashes that ask for more memory than this, in KiB, or for more than [`MAX_WORK`], are not computed, unless the
/// settings themselves ask for as much: a row must not be able to take the machine.
const MAX_MEMORY: u32 = 256 * 1024;

/// Memory in KiB times passes: about half a second.
const MAX_WORK: u64 = 1024 * 1024;

/// Users whose hashes are looked at to know what hashes cost: as many pages of as many users.
const SAMPLE_PAGES: usize = 20;
const SAMPLE_PAGE: usize = 100;

/// Bytes of a salt and of a hash (RFC 9106 section 4).
const SALT: usize = 16;
const HASH: usize = 32;

/// Makes and verifies password hashes. Clones share one lane.
#[derive(Clone)]
pub struct Passwords {
    params: Params,
    /// No password has this hash.
    closed: Arc<PasswordHash>,
    /// What it costs where there is no hash.
    nobody: Arc<Nobody>,
    /// A slot keeps its working memory, since the allocator would not give that much back.
    lane: Lane<Vec<Block>>,
    random: Random,
}

/// Whether a password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Right {
        /// The settings ask for another cost than this hash was made with: now, while the password is known, is the time
        /// to make a new one.
        outdated: bool,
    },
    /// It was not, or there is no such user, or no password opens the account.
    Wrong,
}

/// Why a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// There is nothing in it.
    Empty,
    /// Longer than [`MAX_PASSWORD`].
    TooLong,
}

impl fmt::Display for PasswordRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty"),
            Self::TooLong => write!(f, "the password is longer than {MAX_PASSWORD} bytes"),
        }
    }
}

impl std::error::Error for PasswordRefusal {}

/// Checks a password that somebody wants to have.
///
/// # Errors
/// [`PasswordRefusal`]. A short one is no error: see [`is_short`].
pub fn check_new(password: &Secret) -> Result<(), PasswordRefusal> {
    match password.expose().len() {
        0 => Err(PasswordRefusal::Empty),
        length if length > MAX_PASSWORD => Err(PasswordRefusal::TooLong),
        _ => Ok(()),
    }
}

/// Whether a password has less than [`SHORT_PASSWORD`] characters.
pub fn is_short(password: &Secret) -> bool {
    password.expose().chars().count() < SHORT_PASSWORD
}

impl Passwords {
    /// Hashes as the settings say.
    pub fn new(settings: &settings::Password, random: &Random) -> Self {
        let lane = Lane::new("password", settings.max_concurrent, QUEUE);
        let nobody = Nobody::new(MacKey::new(&random.bytes::<32>()));
        Self::in_lane(settings, random, lane, Arc::new(nobody))
    }

    /// The same; names that nobody has are told apart under this key, which is to be the same after a restart.
    #[must_use]
    pub fn keyed(self, key: MacKey) -> Self {
        Self { nobody: Arc::new(Nobody::new(key)), ..self }
    }

    /// The same lane with the cost of other settings.
    #[must_use]
    pub fn with(&self, settings: &settings::Password) -> Self {
        Self::in_lane(settings, &self.random, self.lane.clone(), Arc::clone(&self.nobody))
    }

    fn in_lane(settings: &settings::Password, random: &Random, lane: Lane<Vec<Block>>, nobody: Arc<Nobody>) -> Self {
        let lanes = settings.lanes.clamp(Params::MIN_P_COST, Params::MAX_P_COST);
        let memory = settings.memory_kib.max(lanes.saturating_mul(Params::MIN_M_COST));
        let passes = settings.iterations.max(Params::MIN_T_COST);
        // These are within the bounds of RFC 9106 section 3.1, so the default never comes to pass.
        let params = Params::new(memory, passes, lanes, Some(HASH)).unwrap_or_default();
        let closed = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).unwrap_or_default(),
            salt: Salt::new(&random.bytes::<SALT>()).ok(),
            hash: Output::new(&random.bytes::<HASH>()).ok(),
        };
        Self { params, closed: Arc::new(closed), nobody, lane, random: random.clone() }
    }

    /// Hashes a password, with a new salt, to the PHC string format.
    ///
    /// # Errors
    /// [`LaneError`] when too much work waits.
    pub async fn hash(&self, password: Secret) -> Result<String, LaneError> {
        let salt: [u8; SALT] = self.random.bytes();
        let params = self.params.clone();
        let keep = self.params.block_count();
        let hash = self.lane.run(move |memory| compute(&password, &salt, &params, memory, keep)).await?;
        let hash = PasswordHash { salt: Salt::new(&salt).ok(), hash, ..(*self.closed).clone() };
        // A hash that could not be computed or written must not be stored as one that nothing opens.
        if hash.salt.is_some() && hash.hash.is_some() { Ok(hash.to_string()) } else { Err(LaneError::Failed) }
    }

    /// Verifies the password of a user name against its stored hash. Without one (there is no such user, or no password opens
    /// the account), and with one that can't be used, it takes as long as some user's does, so that
    /// nobody learns which users there are.
    ///
    /// # Errors
    /// [`LaneError`] when too much work waits.
    pub async fn verify(&self, name: &str, password: Secret, stored: Option<&str>) -> Result<Verdict, LaneError> {
        let known = stored.and_then(|stored| {
            let usable = self.usable(stored);
            if usable.is_none() {
                tracing::warn!(
                    "a stored password hash is not Argon2id, or costs more than is sensible: it opens nothing"
                );
            }
            usable
        });
        let is_known = known.is_some();
        let (hash, params) = known.unwrap_or_else(|| ((*self.closed).clone(), self.cost_without_hash(name)));
        let outdated = self.is_outdated(&params);
        let keep = self.params.block_count();
        let right = self
            .lane
            .run(move |memory| {
                let computed = compute(&password, hash.salt.as_deref().unwrap_or_default(), &params, memory, keep);
                // `Output` compares in constant time.
                computed.is_some() && computed == hash.hash
            })
            .await?;
        Ok(if right && is_known { Verdict::Right { outdated } } else { Verdict::Wrong })
    }

    fn cost_without_hash(&self, name: &str) -> Params {
        self.nobody.cost_of(&fold_username(name)).unwrap_or_else(|| self.params.clone())
    }

    /// Looks at what the hashes of users cost, for the names that nobody has. Costs change with settings, imports and logins,
    /// so this is worth doing now and then.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn learn_costs(&self, store: &Store) -> Result<(), StoreError> {
        let (mut costs, mut after) = (Vec::new(), None);
        for _ in 0..SAMPLE_PAGES {
            let page = store.users(after.as_deref(), SAMPLE_PAGE).await?;
            let open = page.items.iter().filter(|user| user.enabled).filter_map(|user| user.password_hash.as_deref());
            costs.extend(open.filter_map(|stored| self.usable(stored)).filter_map(|(_, params)| {
                let (memory, passes, lanes) = nobody::cost(&params);
                Params::new(memory, passes, lanes, Some(HASH)).ok()
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.nobody.learn(costs);
        Ok(())
    }

    /// Whether a text is a hash that [`Self::verify`] can use.
    pub fn accepts(&self, stored: &str) -> bool {
        self.usable(stored).is_some()
    }

    /// Frees working memory that nobody has used for a while; see [`Lane::release_idle`].
    pub fn lane(&self) -> &Lane<Vec<Block>> {
        &self.lane
    }

    fn usable(&self, stored: &str) -> Option<(PasswordHash, Params)> {
        let hash = PasswordHash::new(stored).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        let argon2id = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(Version::V0x13.into());
        let memory = params.m_cost() <= MAX_MEMORY.max(self.params.m_cost());
        let bounded = memory && work(&params) <= MAX_WORK.max(work(&self.params));
        (complete && argon2id && bounded).then_some((hash, params))
    }

    fn is_outdated(&self, params: &Params) -> bool {
        nobody::cost(params) != nobody::cost(&self.params)
    }
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// Fills the slot's memory and reads the hash out of it; keeps no more than `keep` blocks for the next one.
fn compute(password: &Secret, salt: &[u8], params: &Params, memory: &mut Vec<Block>, keep: usize) -> Option<Output> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = vec![0; params.output_len().unwrap_or(HASH)];
    let filled =
        argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut out, memory.as_mut_slice());
    if blocks > keep {
        memory.truncate(keep);
        memory.shrink_to_fit();
    }
    filled.ok()?;
    Output::new(&out).ok()
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).field("lane", &self.lane).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::jose::seal::ServerKey;
    use crate::model::id::UserId;
    use crate::model::user::User;
    use crate::store::Options;

    fn settings(memory_kib: u32, iterations: u32) -> settings::Password {
        settings::Password { memory_kib, iterations, lanes: 1, max_concurrent: 1 }
    }

    fn passwords() -> Passwords {
        Passwords::new(&settings(64, 1), &Random::seeded("password"))
    }

    async fn verdict(passwords: &Passwords, password: &str, stored: Option<&str>) -> Verdict {
        passwords.verify("ada", Secret::new(password), stored).await.unwrap()
    }

    #[tokio::test]
    async fn a_password_opens_what_it_closed_and_nothing_else_does() {
        let passwords = passwords();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(passwords.hash(Secret::new("correct horse")).await.unwrap(), hash, "salted");
        assert_eq!(verdict(&passwords, "correct horse", Some(&hash)).await, Verdict::Right { outdated: false });
        for wrong in ["", "correct horse ", "Correct horse"] {
            assert_eq!(verdict(&passwords, wrong, Some(&hash)).await, Verdict::Wrong, "{wrong}");
        }
        assert_eq!(verdict(&passwords, "correct horse", None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn hashes_of_another_cost_are_verified_and_reported_outdated() {
        let old = passwords();
        let hash = old.hash(Secret::new("x")).await.unwrap();
        let new = old.with(&settings(128, 2));
        assert_eq!(verdict(&new, "x", Some(&hash)).await, Verdict::Right { outdated: true });
        assert_eq!(verdict(&new, "y", Some(&hash)).await, Verdict::Wrong);
        let rehashed = new.hash(Secret::new("x")).await.unwrap();
        assert_eq!(verdict(&new, "x", Some(&rehashed)).await, Verdict::Right { outdated: false });
        assert_eq!(verdict(&old, "x", Some(&rehashed)).await, Verdict::Right { outdated: true });
    }

    /// Made with the reference implementation's command:
    /// `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -e`.
    #[tokio::test]
    async fn rfc9106_hashes_of_other_programs_are_understood() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(verdict(&passwords(), "password", Some(hash)).await, Verdict::Right { outdated: true });
        assert_eq!(verdict(&passwords(), "passwort", Some(hash)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn what_is_no_sensible_argon2id_hash_opens_nothing() {
        let passwords = passwords();
        let salt_and_hash = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for stored in [
            "".to_owned(),
            "plain".to_owned(),
            "$argon2id$v=19$m=64,t=1,p=1".to_owned(),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".to_owned(),
            format!("$argon2i$v=19$m=64,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=16$m=64,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=65536,t=4294967295,p=1${salt_and_hash}"),
            format!("$pbkdf2-sha256$i=600000${salt_and_hash}"),
        ] {
            assert!(!passwords.accepts(&stored), "{stored}");
            assert_eq!(verdict(&passwords, "password", Some(&stored)).await, Verdict::Wrong, "{stored}");
        }
        // What the settings themselves ask for is always taken.
        let generous = passwords.with(&settings(MAX_MEMORY * 2, 4));
        assert!(generous.accepts(&format!("$argon2id$v=19$m=524288,t=4,p=1${salt_and_hash}")));
    }

    /// After `[password]` was changed, hashes cost what they did until their users log in.
    #[tokio::test]
    async fn an_unknown_name_costs_what_some_user_costs() {
        let passwords = passwords().with(&settings(128, 2));
        let cost = |name: &str| nobody::cost(&passwords.cost_without_hash(name));
        assert_eq!(cost("ada"), (128, 2, 1), "while there are no users");
        let store = Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap();
        for number in 0..250 {
            let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
            let user = User {
                id: UserId::new(format!("id{number}")),
                username: format!("user{number}"),
                password_hash: Some(hash.to_owned()),
                admin: false,
                enabled: true,
                claims: serde_json::Map::new(),
                generation: 0,
                created_at: Timestamp::EPOCH,
                updated_at: Timestamp::EPOCH,
                version: 0,
            };
            store.create_user(user).await.unwrap();
        }
        passwords.learn_costs(&store).await.unwrap();
        for name in ["ada", "nobody", "user7", ""] {
            assert_eq!(cost(name), (64, 1, 1), "{name}: what all users cost, not what new hashes will");
        }
        let mut renewed = User::clone(&*store.user_by_username("user249").await.unwrap().unwrap());
        renewed.password_hash = Some(passwords.hash(Secret::new("x")).await.unwrap());
        store.update_user(renewed).await.unwrap();
        passwords.learn_costs(&store).await.unwrap();
        let dear = (0..1000).filter(|number| cost(&format!("name{number}")) == (128, 2, 1)).count();
        assert!((1..20).contains(&dear), "{dear}: one in 250");
        assert_eq!(cost(" ADA "), cost("ada"), "names are compared like users' own");
        assert_eq!(verdict(&passwords, "x", None).await, Verdict::Wrong);
    }

    #[test]
    fn a_large_foreign_hash_leaves_no_large_buffer_behind() {
        let mut memory = Vec::new();
        let large = Params::new(256, 1, 1, Some(HASH)).unwrap();
        assert!(compute(&Secret::new("x"), &[1; SALT], &large, &mut memory, 64).is_some());
        assert_eq!(memory.len(), 64);
    }

    #[test]
    fn new_passwords_have_bounds() {
        assert_eq!(check_new(&Secret::new("")), Err(PasswordRefusal::Empty));
        assert_eq!(check_new(&Secret::new("x".repeat(MAX_PASSWORD + 1))), Err(PasswordRefusal::TooLong));
        assert_eq!(check_new(&Secret::new("x".repeat(MAX_PASSWORD))), Ok(()));
        assert!(is_short(&Secret::new("seven77")) && !is_short(&Secret::new("éight888")));
    }
}
