//! The contract as tests: what every engine has to do. A test is an async function of an empty store, and listed in
//! [`for_every_engine`] at the end of its file.

mod client;
mod consent;
pub(super) mod event;
mod grant;
mod issue;
mod key;
mod logout;
mod race;
mod refresh;
pub(super) mod sample;
mod session;
mod sweep;
mod user;

use tempfile::TempDir;

use super::{Options, Store};
use crate::base::random::Random;
use crate::jose::seal::ServerKey;

macro_rules! for_every_engine {
    ($($test:ident)*) => {
        mod embedded_in_a_file {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _directory) = super::super::embedded_in_a_file();
                super::$test(store).await;
            }
        )*}

        mod embedded_in_memory {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::super::embedded_in_memory()).await;
            }
        )*}
    };
}
use for_every_engine;

fn embedded_in_a_file() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("test.redb"), None, &Options::default()).unwrap();
    (store, directory)
}

fn embedded_in_memory() -> Store {
    Store::in_memory(ServerKey::generate(&Random::System), &Options::default()).unwrap()
}
