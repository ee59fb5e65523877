//! Authorization requests that wait for their user: sealed into the pages between, so that they cost no row, can't be
//! changed on the way, and go on only in the browser where they began.

use minicbor::{Decode, Encode};

use super::App;
use super::browser::Browser;
use super::errand::Detour;
use super::fault::Fault;
use crate::base::clock::Timestamp;
use crate::base::encode::{base64url, parse_base64url};
use crate::base::random::Random;
use crate::jose::seal::Sealer;
use crate::model::consent::Consent;
use crate::model::id::{SessionId, UserId};
use crate::protocol::authorize::AuthorizeRequest;

/// Longer sealed values are not ours, in characters.
const MAX_SEALED: usize = 20 * 1024;

/// An authorization request and how far it has come.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Pending {
    /// What the client asked for.
    #[n(0)]
    pub request: AuthorizeRequest,
    /// The session that the user chose to go on with (`prompt=select_account`).
    #[n(1)]
    pub chosen: Option<SessionId>,
    /// Whom the page asks for an account or for consent. Nobody else's answer counts.
    #[n(2)]
    pub asked: Option<UserId>,
    /// Who has agreed to this very request.
    #[n(3)]
    pub agreed: Option<Agreement>,
    /// Where users have been for this request because hooks had sent them.
    #[cbor(n(4), default)]
    pub detours: Vec<Detour>,
}

/// What a user has agreed to on the consent page for one request. It ends with the consent that was stored of it.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Agreement {
    /// Who.
    #[n(0)]
    pub user: UserId,
    /// The generation of the consent: another one means that it was withdrawn since.
    #[n(1)]
    pub consent_generation: u32,
}

impl Agreement {
    /// Whether a user has agreed, and hasn't taken back the consent that is stored now.
    pub fn stands(&self, user: &UserId, consent: Option<&Consent>) -> bool {
        self.user == *user && consent.is_some_and(|consent| consent.generation == self.consent_generation)
    }
}

/// A page of ours where a request waits for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The login page.
    Login,
    /// The choice of account.
    SelectAccount,
    /// The consent page.
    Consent,
}

impl Stop {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Login, Self::SelectAccount, Self::Consent];

    /// Where it is, below the issuer.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Login => "/login",
            Self::SelectAccount => "/select-account",
            Self::Consent => "/consent",
        }
    }
}

/// For whom a request is sealed.
#[derive(Clone, Copy)]
pub enum Bound<'a> {
    /// For one browser at one page: what another page was shown with answers nothing there.
    To(&'a Browser, Stop),
    /// For whoever follows the redirect: a cross-site POST brings no cookies along, so nothing is known of its browser.
    Nobody,
}

impl Bound<'_> {
    fn associated_data(&self) -> Vec<u8> {
        match self {
            Self::To(browser, stop) => [browser.as_bytes(), stop.path().as_bytes()].concat(),
            Self::Nobody => b"transit".to_vec(),
        }
    }
}

impl Pending {
    /// A request that has just come in.
    pub const fn new(request: AuthorizeRequest) -> Self {
        Self { request, chosen: None, asked: None, agreed: None, detours: Vec::new() }
    }

    /// As it stands in the parameter `pending`.
    pub fn seal(&self, app: &App, bound: Bound<'_>) -> Result<String, Fault> {
        seal(&app.pending, self, &bound.associated_data(), &app.random)
    }

    /// Opens the parameter `pending`.
    ///
    /// # Errors
    /// An expired page when it is missing, too old, from another browser or page, or not ours at all.
    pub fn open(app: &App, sealed: Option<&str>, bound: Bound<'_>, now: Timestamp) -> Result<Self, Fault> {
        let pending: Self = open(&app.pending, sealed, &bound.associated_data())?;
        if now >= pending.request.created_at + app.settings.lifetimes.pending {
            return Err(Fault::expired("the pending request is too old"));
        }
        Ok(pending)
    }
}

/// Something as it stands in the parameter `pending`, for whoever can say what it is bound to.
pub(super) fn seal(sealer: &Sealer, pending: &impl Encode<()>, bound: &[u8], random: &Random) -> Result<String, Fault> {
    let plain = minicbor::to_vec(pending).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(base64url(sealer.seal(&plain, bound, random)))
}

/// Opens the parameter `pending`.
pub(super) fn open<T: for<'b> Decode<'b, ()>>(sealer: &Sealer, sealed: Option<&str>, bound: &[u8]) -> Result<T, Fault> {
    let sealed = sealed.filter(|text| text.len() <= MAX_SEALED).and_then(parse_base64url);
    let sealed = sealed.ok_or_else(|| Fault::expired("there is no pending request"))?;
    let plain = sealer.open(&sealed, bound);
    let plain =
        plain.ok_or_else(|| Fault::expired("the pending request is of another browser or page, or was changed"))?;
    minicbor::decode(&plain).map_err(|error| Fault::expired(error.to_string()))
}
