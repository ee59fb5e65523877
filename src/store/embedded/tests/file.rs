//! Files, the server key, and what is in them.

use std::fs;
use std::path::Path;

use redb::ReadableTable;
use zeroize::Zeroizing;

use super::super::codec;
use super::super::engine::FORMAT;
use super::super::tables::{
    ACCESS_TOKENS, CLIENTS, CONSENTS, CONSENTS_TO_CLIENTS, GRANTS, META_FORMAT, META_KEY_CHECK, SESSIONS_OF_USERS,
    USERNAMES,
};
use super::*;
use crate::jose::alg::Algorithm;
use crate::jose::jwk::PublicKey;
use crate::model::client::Client;
use crate::model::id::{BearerKind, ClientId, KeyId, SessionId};
use crate::store::contract::sample::{Family, NOW, bearer, client, given, secs, session};
use crate::store::{NewKey, Put};

fn options() -> Options {
    Options::default()
}

fn create(path: &Path) -> Store {
    Store::create(path, None, &options()).unwrap()
}

fn open(path: &Path) -> Store {
    Store::open(path, None, &options()).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

#[test]
fn both_files_are_their_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    drop(create(&path));
    assert_eq!(Store::key_path(&path), directory.path().join("a.redb.key"));
    assert_eq!((mode(&path), mode(&Store::key_path(&path))), (0o600, 0o600));
    let text = fs::read_to_string(Store::key_path(&path)).unwrap();
    assert!(ServerKey::parse(&text).is_ok());
}

#[test]
fn a_key_that_is_given_is_not_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let text = key().to_text();
    let given = || Some(ServerKey::parse(text.expose()).unwrap());
    drop(Store::create(&path, given(), &options()).unwrap());
    assert!(!Store::key_path(&path).exists());
    drop(Store::open(&path, given(), &options()).unwrap());
    assert!(matches!(Store::open(&path, Some(key()), &options()), Err(StoreError::WrongKey(_))));
    assert!(matches!(Store::open(&path, None, &options()), Err(StoreError::WrongKey(_))), "and none is made");
    assert!(!Store::key_path(&path).exists());
}

#[test]
fn a_key_file_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let text = key().to_text();
    fs::write(Store::key_path(&path), text.expose()).unwrap();
    drop(create(&path));
    assert_eq!(fs::read_to_string(Store::key_path(&path)).unwrap(), text.expose());

    let other = directory.path().join("b.redb");
    fs::write(Store::key_path(&other), "no key").unwrap();
    assert!(matches!(Store::create(&other, None, &options()), Err(StoreError::WrongKey(_))));
    assert_eq!(fs::read_to_string(Store::key_path(&other)).unwrap(), "no key");
    assert!(!other.exists());
}

#[test]
fn a_wrong_or_missing_key_file_refuses_to_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    drop(create(&path));
    let right = fs::read_to_string(Store::key_path(&path)).unwrap();
    fs::write(Store::key_path(&path), key().to_text().expose()).unwrap();
    assert!(matches!(Store::open(&path, None, &options()), Err(StoreError::WrongKey(_))));
    fs::remove_file(Store::key_path(&path)).unwrap();
    let missing = Store::open(&path, None, &options()).unwrap_err();
    assert!(missing.to_string().contains("a.redb.key"), "{missing}");
    assert!(matches!(Store::open_or_create(&path, None, &options()), Err(StoreError::WrongKey(_))));
    fs::write(Store::key_path(&path), right).unwrap();
    drop(open(&path));
}

#[test]
fn create_makes_and_open_finds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    assert_eq!(Store::open(&path, None, &options()).unwrap_err(), StoreError::Missing(path.clone()));
    assert!(!Store::key_path(&path).exists(), "a failed open leaves nothing behind");
    drop(Store::open_or_create(&path, None, &options()).unwrap());
    assert_eq!(Store::create(&path, None, &options()).unwrap_err(), StoreError::Exists(path.clone()));
    drop(Store::open_or_create(&path, None, &options()).unwrap());
    let nowhere = directory.path().join("no").join("a.redb");
    assert!(matches!(Store::create(&nowhere, None, &options()), Err(StoreError::Unavailable(_))));
}

#[test]
fn a_second_opener_is_told_that_the_store_is_locked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let store = create(&path);
    assert_eq!(Store::open(&path, None, &options()).unwrap_err(), StoreError::Locked);
    let other_handle = store.clone();
    drop(store);
    assert_eq!(Store::open(&path, None, &options()).unwrap_err(), StoreError::Locked);
    drop(other_handle);
    drop(open(&path));
}

#[test]
fn other_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    for content in [&b""[..], b"[http]\nlisten = 1\n", &[0; 100_000]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(Store::open(&path, Some(key()), &options()), Err(StoreError::Corrupt(_))));
        assert_eq!(fs::read(&path).unwrap(), content, "and left as they are");
    }
    fs::remove_file(&path).unwrap();
    drop(Database::create(&path).unwrap());
    assert!(matches!(Store::open(&path, Some(key()), &options()), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn other_formats_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let store = create(&path);
    let write = |name, row: Vec<u8>| {
        let engine = engine(&store).clone();
        async move {
            let work = move |change: &Change<'_>| {
                change.write(META)?.insert(name, row.as_slice())?;
                Ok(())
            };
            engine.write(work).await.unwrap();
        }
    };
    write(META_FORMAT, (FORMAT + 1).to_be_bytes().to_vec()).await;
    write(META_KEY_CHECK, b"sealed in another way".to_vec()).await;
    drop(store);
    assert_eq!(Store::open(&path, None, &options()).unwrap_err(), StoreError::NewerFormat);
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(META_FORMAT, (FORMAT - 1).to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(Store::open(&path, None, &options()).unwrap_err(), StoreError::OlderFormat);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let (family, issue) = Family::redeemed(create(&path)).await;
    let value = bearer(secs(60));
    family.store.start_session(session(&value, &family.user), None).await.unwrap();
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    family.store.mark_development().await.unwrap();
    let key = NewKey {
        id: KeyId::new("kid"),
        algorithm: Algorithm::Rs256,
        public: PublicKey::rsa(&[255; 256], &[1, 0, 1]).unwrap(),
        created_at: NOW,
        pkcs8_der: Zeroizing::new(b"der".to_vec()),
    };
    let Put::Done(signing_key) = family.store.add_key(key).await.unwrap() else { panic!("a new key") };
    drop(family.store);

    let store = open(&path);
    let family = Family { store: store.clone(), ..family };
    assert!(family.opens(&issue.access, NOW).await);
    assert!(store.find_code(&family.code).await.unwrap().unwrap().token.spent_at.is_some());
    assert!(store.find_refresh_token(&issue.refresh).await.unwrap().is_some());
    let secret = store.client(&family.client.id).await.unwrap().unwrap().secret.clone().unwrap();
    assert!(secret.matches("the secret of app"));
    assert_eq!(store.user_by_username("ada").await.unwrap().as_deref(), Some(&family.user));
    assert_eq!(store.find_session(&value).await.unwrap().unwrap().session.id, SessionId(value.id()));
    assert!(store.consent(&family.user.id, &family.client.id).await.unwrap().is_some());
    assert_eq!(store.is_development().await, Ok(true));
    assert_eq!(store.keys().await, Ok(vec![signing_key.clone()]));
    assert_eq!(store.private_key(&signing_key.id).await.unwrap().unwrap().as_slice(), b"der");
}

#[tokio::test]
async fn secrets_are_not_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    let (family, issue) = Family::redeemed(create(&path)).await;
    let value = bearer(secs(60));
    family.store.start_session(session(&value, &family.user), None).await.unwrap();
    let key = NewKey {
        id: KeyId::new("kid"),
        algorithm: Algorithm::Rs256,
        public: PublicKey::rsa(&[255; 256], &[1, 0, 1]).unwrap(),
        created_at: NOW,
        pkcs8_der: Zeroizing::new(b"the private part of kid".to_vec()),
    };
    assert!(matches!(family.store.add_key(key).await, Ok(Put::Done(_))));
    drop(family.store);

    let file = fs::read(&path).unwrap();
    let has = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"kid") && has(issue.access.id().as_bytes()), "this is where it would be");
    assert!(!has(b"the secret of app"));
    assert!(!has(b"the private part of kid"));
    for (kind, bearer) in [
        (BearerKind::Code, &family.code),
        (BearerKind::AccessToken, &issue.access),
        (BearerKind::RefreshToken, &issue.refresh),
        (BearerKind::Session, &value),
    ] {
        let text = bearer.render(kind);
        let bytes = crate::base::encode::parse_base64url(text.expose().get(4..).unwrap()).unwrap();
        assert!(!has(&bytes[16..]), "{kind:?}");
        assert!(!has(&text.expose().as_bytes()[30..]), "{kind:?}");
    }
}

#[tokio::test]
async fn a_secret_opens_in_its_own_row_only() {
    let store = Store::in_memory(key(), &options()).unwrap();
    store.create_client(client("a")).await.unwrap();
    store.create_client(Client { secret: None, ..client("b") }).await.unwrap();
    let moved = engine(&store).write(|change| {
        let definition = redb::TableDefinition::<&str, &[u8]>::new("client-secrets");
        let mut table = change.write(definition)?;
        let sealed = table.get("a")?.unwrap().value().to_vec();
        table.insert("b", sealed.as_slice())?;
        Ok(())
    });
    moved.await.unwrap();
    assert!(matches!(store.client(&ClientId::new("b")).await, Err(StoreError::Corrupt(_))));
    assert!(store.client(&ClientId::new("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn rows_of_a_later_release_are_read() {
    let store = Store::in_memory(key(), &options()).unwrap();
    let (family, issue) = Family::redeemed(store).await;
    let engine = engine(&family.store);
    let id = issue.access.id();
    let write = engine.write(move |change| {
        let token = ACCESS_TOKENS.get(change, id.as_bytes())?.unwrap();
        let mut row = codec::encode(&token)?;
        assert_eq!(row[1], 0x86, "an array of six");
        row[1] = 0x88;
        row.extend_from_slice(b"\xf6\x66future"); // null: what is the seventh today
        ACCESS_TOKENS.put_raw(change, id.as_bytes(), &row)
    });
    write.await.unwrap();
    assert!(family.opens(&issue.access, NOW).await);
}

#[tokio::test]
async fn indexes_follow_their_rows() {
    let store = Store::in_memory(key(), &options()).unwrap();
    let (family, _) = Family::redeemed(store).await;
    let engine = engine(&family.store);
    let counts = || {
        let counts = |snapshot: &Snapshot<'_>| {
            Ok([
                CLIENTS.count(snapshot)?,
                GRANTS.count(snapshot)?,
                SESSIONS_OF_USERS.count(snapshot)?,
                CONSENTS.count(snapshot)?,
                CONSENTS_TO_CLIENTS.count(snapshot)?,
                USERNAMES.count(snapshot)?,
            ])
        };
        engine.read(counts).unwrap()
    };
    family.store.start_session(session(&bearer(secs(60)), &family.user), None).await.unwrap();
    family.store.grant_consent(given("u", "app", "openid"), NOW).await.unwrap();
    assert_eq!(counts(), [1, 1, 1, 1, 1, 1]);
    family.store.sweep(NOW + secs(61), 10).await.unwrap();
    assert_eq!(counts(), [1, 1, 0, 1, 1, 1]);
    family.store.start_session(session(&bearer(secs(60)), &family.user), None).await.unwrap();
    family.store.delete_user(&family.user.id).await.unwrap();
    assert_eq!(counts(), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn who_opens_while_others_make_and_take_back_sees_a_whole_store_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.redb");
    std::thread::scope(|scope| {
        let maker = || {
            for _ in 0..40 {
                match Store::create(&path, None, &options()) {
                    Ok(store) => {
                        fs::remove_file(Store::key_path(&path)).unwrap();
                        fs::remove_file(&path).unwrap();
                        drop(store);
                    }
                    Err(StoreError::Exists(_) | StoreError::Locked) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        scope.spawn(maker);
        scope.spawn(maker);
        for _ in 0..400 {
            match Store::open(&path, None, &options()) {
                Ok(_) | Err(StoreError::Missing(_) | StoreError::Locked) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    let mut names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != "a.redb" && name != "a.redb.key");
    assert!(names.is_empty(), "{names:?}");
}
