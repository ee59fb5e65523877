//! What is true of this engine alone: its files, its writer, and how it gets over errors.

mod event;
mod fault;
mod file;
mod writer;

use super::*;
use crate::base::random::Random;
use crate::store::Store;

fn key() -> ServerKey {
    ServerKey::generate(&Random::System)
}

fn engine(store: &Store) -> &Embedded {
    let Store::Embedded(engine) = store;
    engine
}
