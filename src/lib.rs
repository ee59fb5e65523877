//! hallpass: an OpenID Connect provider in one binary, and the library that it is made of.
//!
//! [`Provider`] is the way in for a program of one's own: it builds from settings, a store and [hooks](Hook), and hands out a
//! service to mount in an HTTP server, or runs the whole server. Everything else is public, too, for those who need more.
//!
//! # The house
//!
//! A room uses only rooms on the floors below its own, and seldom a neighbour. From the top:
//!
//! | floor | rooms |
//! | --- | --- |
//! | people at a terminal | [`cli`] |
//! | the face of the library | [`provider`] [`testing`] |
//! | the listener and the one table of addresses | [`server`] |
//! | the protocol's endpoints · pages an end user meets · administration · protected resources · development | [`oidc`] [`account`] [`admin`] [`gate`] [`dev`] |
//! | the running provider: state, request, reply, lanes, keys, minting, faults | [`app`] |
//! | the outside: settings, expressions, disk, pages, outgoing calls | [`settings`] [`expression`] [`store`] [`page`] [`outbound`] |
//! | the specifications as pure functions: parse, check, render | [`protocol`] |
//! | the nouns that are kept, and their pure decisions | [`model`] |
//! | signatures and keys | [`jose`] |
//! | clock, random, encodings, secrets, forms, URIs | [`base`] |
//!
//! These are the rooms that each one uses, and a test fails on any other edge (tests may use every lower room):
//!
//! ```text
//! base:
//! jose: base
//! model: base jose
//! protocol: base jose model
//! page: base
//! outbound: base jose
//! expression:
//! store: base jose model
//! settings: base jose model protocol expression
//! app: base jose model protocol expression outbound page store settings
//! admin: base jose model protocol store settings app
//! oidc: base model protocol page store app
//! account: base model protocol page store app oidc
//! dev: base jose model protocol page store app admin oidc
//! gate: base model protocol outbound app
//! server: base model protocol page store settings app oidc account admin gate dev
//! provider: base jose protocol store settings app admin gate server
//! testing: base jose model protocol store settings app dev server provider
//! cli: base jose model protocol outbound page store settings app admin dev server provider
//! ```
//!
//! `base` to `protocol` never await and never open a file; the time comes in as an argument named `now`.
//!
//! # Where a thing lives
//!
//! - A rule of a specification: [`protocol`], under its name in the specification.
//! - Something that is kept: [`model`] for what it is and what may become of it, [`store`] for how it stays.
//! - An endpoint: [`oidc`], one file each; grant types have files of their own in `oidc::token`.
//! - Something that is for development only: [`dev`]; what others have to know of it is in [`app::development`].
//! - Something that a person sees: [`account`] and [`page`] in a browser, [`cli`] in a terminal.
//! - Something that guards what belongs to others: [`gate`].
//! - A call to somebody else: [`outbound`].
//! - What every request can use: [`app`]. Codes and tokens are minted in [`app::issue`] and nowhere else; errors become bytes
//!   in [`app::fault`] and nowhere else; private keys are used in `jose::sign` and nowhere else.
//!
//! # The way of a login
//!
//! [`oidc::authorize`] proves the client and where answers go (`protocol::redirect::Target`: without it no redirect can be made),
//! reads the rest, and [resumes](oidc::authorize::resume): `protocol::interaction::next_step` names what has to happen next.
//! Pages carry the request along sealed ([`app::pending`]), so that it costs no row and can't be changed; each page ends in
//! `resume` again. When all is done the code, with what it grants, is one row in the store, which stays for a day after its
//! end to notice a second use. The token endpoint redeems it in one transaction, whose rule is
//! `model::grant::decide_redeem`: the grant becomes a row of its own.
//!
//! A grant is a family of access tokens and refresh tokens. Ending that one row ends all of it, and so does a change of
//! generation of the user, the client or the consent that it was made with.

pub mod account;
pub mod admin;
pub mod app;
pub mod base;
pub mod cli;
pub mod dev;
pub mod expression;
pub mod gate;
pub mod jose;
pub mod model;
pub mod oidc;
pub mod outbound;
pub mod page;
pub mod protocol;
pub mod provider;
pub mod server;
pub mod settings;
pub mod store;
pub mod testing;

pub use app::hook::Hook;
pub use gate::{Access, Guard, Introspection, Refusal};
pub use provider::Provider;
pub use server::{Mount, Peer};
