//! Grants: one authorization, and the access and refresh tokens that came from it: a family. A grant is a record of its own
//! from the moment that its code is redeemed; until then, and where nothing but an access token comes from it, it stands in the record of
//! that code or token, and goes with it.
//!
//! Everything in a family is void as soon as its grant is: ended, or made by a user, a client or under a consent that has
//! moved on since.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::consent::Consent;
use super::id::{AccessTokenId, ClientId, CodeId, GrantId, RefreshTokenId, SessionId, UserId};
use super::scope::Scope;
use super::user::User;
use crate::base::clock::Timestamp;
use crate::base::encode::base64url;
use crate::base::secret::{Digest, equal};

/// What a user granted to a client in one authorization.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Grant {
    /// Names the family.
    #[n(0)]
    pub id: GrantId,
    /// Who may use it.
    #[n(1)]
    pub client: ClientId,
    /// The client's generation at that time.
    #[n(2)]
    pub client_generation: u32,
    /// Who granted it; nobody where a client asked for itself (RFC 6749 section 4.4).
    #[n(3)]
    pub user: Option<UserId>,
    /// The user's generation at that time.
    #[n(4)]
    pub user_generation: u32,
    /// The generation of the user's consent for the client, 0 where there is none.
    #[n(5)]
    pub consent_generation: u32,
    /// The session it was made in.
    #[n(6)]
    pub session: Option<SessionId>,
    /// What was granted.
    #[n(7)]
    pub scope: Scope,
    /// When the user had authenticated; the same in every ID token of the family. Without a user, when the client asked.
    #[n(8)]
    pub auth_time: Timestamp,
    /// How the user had authenticated (RFC 8176).
    #[n(9)]
    pub amr: Vec<String>,
    /// `nonce` of the request.
    #[n(10)]
    pub nonce: Option<String>,
    /// The `claims` parameter of the request (OpenID Connect Core 1.0 section 5.5), as JSON text, with no more in it than
    /// what can be given out.
    #[n(11)]
    pub claims: Option<String>,
    /// When it was made.
    #[n(12)]
    pub created_at: Timestamp,
    /// When the family ends at the latest.
    #[n(13)]
    pub ends_at: Timestamp,
    /// Set when it ended before that.
    #[n(14)]
    pub ended: Option<Ended>,
}

/// When and why a family ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ended {
    /// When.
    #[n(0)]
    pub at: Timestamp,
    /// Why.
    #[n(1)]
    pub reason: EndReason,
}

/// Why a family ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EndReason {
    /// Its code was used a second time.
    #[n(0)]
    CodeReuse,
    /// A refresh token that had been replaced was used again.
    #[n(1)]
    RefreshReuse,
    /// The client gave it back (RFC 7009).
    #[n(2)]
    Revoked,
}

/// An authorization code (RFC 6749 section 4.1.2).
#[derive(Clone, Debug, Encode, Decode)]
pub struct Code {
    /// Row key.
    #[n(0)]
    pub id: CodeId,
    /// Of the random part of the code.
    #[n(1)]
    pub digest: Digest,
    /// Who may redeem it.
    #[n(2)]
    pub client: ClientId,
    /// `redirect_uri` of the request.
    #[n(3)]
    pub redirect_uri: String,
    /// `code_challenge` of the request.
    #[n(4)]
    pub challenge: Option<Challenge>,
    /// The first moment at which it can't be redeemed any more.
    #[n(5)]
    pub expires_at: Timestamp,
    /// Which grant it is redeemed for.
    #[n(6)]
    pub grant: GrantId,
    /// That grant, until it becomes a record of its own.
    #[n(7)]
    pub granted: Option<Grant>,
    /// When it was redeemed.
    #[n(8)]
    pub spent_at: Option<Timestamp>,
}

impl Code {
    /// For how long after its end a code is remembered, so that it is noticed when it is used again.
    pub const REMEMBERED: Duration = Duration::from_secs(86_400);
}

/// How a code challenge was made from its verifier (RFC 7636 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ChallengeMethod {
    /// The verifier itself.
    #[n(0)]
    Plain,
    /// Base64url of its SHA-256 digest.
    #[n(1)]
    S256,
}

/// A code challenge (RFC 7636 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// How it was made.
    #[n(0)]
    pub method: ChallengeMethod,
    /// `code_challenge`.
    #[n(1)]
    pub value: String,
}

impl Challenge {
    /// RFC 7636 section 4.6: whether a verifier belongs to the challenge.
    pub fn matches(&self, verifier: &str) -> bool {
        match self.method {
            ChallengeMethod::Plain => equal(verifier.as_bytes(), self.value.as_bytes()),
            ChallengeMethod::S256 => {
                equal(base64url(Sha256::digest(verifier.as_bytes())).as_bytes(), self.value.as_bytes())
            }
        }
    }
}

/// An access token. Who bears it may use `scope` of its owner until it expires.
#[derive(Clone, Debug, Encode, Decode)]
pub struct AccessToken {
    /// Row key.
    #[n(0)]
    pub id: AccessTokenId,
    /// Of the random part of the token.
    #[n(1)]
    pub digest: Digest,
    /// The family.
    #[n(2)]
    pub grant: GrantId,
    /// What it may be used for: the grant's scope or less.
    #[n(3)]
    pub scope: Scope,
    /// When it was issued.
    #[n(4)]
    pub issued_at: Timestamp,
    /// The first moment at which it is invalid.
    #[n(5)]
    pub expires_at: Timestamp,
    /// The grant, where it was issued before that became a record of its own, or where it never does.
    #[n(6)]
    pub granted: Option<Box<Grant>>,
}

/// A refresh token (RFC 6749 section 1.5).
#[derive(Clone, Debug, Encode, Decode)]
pub struct RefreshToken {
    /// Row key.
    #[n(0)]
    pub id: RefreshTokenId,
    /// Of the random part of the token.
    #[n(1)]
    pub digest: Digest,
    /// The family.
    #[n(2)]
    pub grant: GrantId,
    /// When it was issued.
    #[n(3)]
    pub issued_at: Timestamp,
    /// The first moment at which it is invalid.
    #[n(4)]
    pub expires_at: Timestamp,
    /// Set when it was replaced.
    #[n(5)]
    pub replaced: Option<Replaced>,
    /// Set when a retry put another one in its place before it was used.
    #[n(6)]
    pub superseded: bool,
    /// The access token that was last given out with it.
    #[n(7)]
    pub access: Option<AccessTokenId>,
}

/// By what a refresh token was replaced.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub struct Replaced {
    /// When.
    #[n(0)]
    pub at: Timestamp,
    /// By this one.
    #[n(1)]
    pub refresh: RefreshTokenId,
    /// And this one came along.
    #[n(2)]
    pub access: AccessTokenId,
}

/// The tokens of one token response, as rows.
#[derive(Clone, Debug)]
pub struct NewTokens {
    /// Always there.
    pub access: AccessToken,
    /// Where the client may refresh.
    pub refresh: Option<RefreshToken>,
}

impl Grant {
    /// Whether anything of the family can still be used: the grant hasn't ended, and the user, the client and the consent
    /// are still those that it was made with.
    pub fn is_live(&self, user: Option<&User>, client: &Client, consent: Option<&Consent>, now: Timestamp) -> bool {
        self.voided_by(user, client, consent, now).is_none()
    }

    /// Why nothing of the family can be used any more; `None` while it lives.
    pub fn voided_by(
        &self,
        user: Option<&User>,
        client: &Client,
        consent: Option<&Consent>,
        now: Timestamp,
    ) -> Option<Void> {
        if let Some(ended) = self.ended {
            Some(Void::Ended(ended.reason))
        } else if now >= self.ends_at {
            Some(Void::Expired)
        } else if let Some(void) = self.voided_by_user(user) {
            Some(void)
        } else if self.client != client.id || self.client_generation != client.generation {
            Some(Void::Client)
        } else if consent.map_or(0, |consent| consent.generation) != self.consent_generation {
            Some(Void::Consent)
        } else {
            None
        }
    }

    fn voided_by_user(&self, user: Option<&User>) -> Option<Void> {
        match (&self.user, user) {
            (None, None) => None,
            (Some(id), Some(user)) if *id == user.id && user.stands_by(self.user_generation) => None,
            (_, Some(user)) if !user.enabled => Some(Void::UserDisabled),
            _ => Some(Void::User),
        }
    }
}

/// Why a family is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// It was ended.
    Ended(EndReason),
    /// It has reached its end.
    Expired,
    /// Its user has a new password, or had everything ended.
    User,
    /// Its user is disabled.
    UserDisabled,
    /// Its client was deleted and made again.
    Client,
    /// Its consent was withdrawn.
    Consent,
    /// Its user logged out of the session it was made in.
    SessionEnded,
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended(EndReason::CodeReuse) => "its family ended when the code was used again",
            Self::Ended(EndReason::RefreshReuse) => "its family ended when a refresh token was used again",
            Self::Ended(EndReason::Revoked) => "its family was revoked",
            Self::Expired => "its family has reached its end",
            Self::User => "its user has a new password, or had everything ended",
            Self::UserDisabled => "its user is disabled",
            Self::Client => "its client was deleted and made again",
            Self::Consent => "its consent was withdrawn",
            Self::SessionEnded => "its user has logged out",
        })
    }
}

/// What a client shows to redeem a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
#[derive(Clone, Debug)]
pub struct Redemption<'a> {
    /// Of the random part of the code.
    pub digest: Digest,
    /// Who asks.
    pub client: &'a ClientId,
    /// `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`.
    pub verifier: Option<&'a str>,
}

/// What becomes of an attempt to redeem a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// Tokens are due; the code is spent.
    Granted,
    /// It was redeemed before: nothing is due, and the family ends (RFC 6749 section 4.1.2, RFC 9700 section 4.5).
    Reused,
    /// Nothing is due, and the code stays as it is.
    Refused(RedeemRefusal),
}

/// Why a code isn't redeemed. All of them are `invalid_grant` to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeemRefusal {
    /// There is no such code.
    Unknown,
    /// It was issued to another client.
    ForeignClient,
    /// It is too old.
    Expired,
    /// `redirect_uri` is missing or isn't that of the request.
    RedirectUri,
    /// There was a challenge, and no verifier came.
    VerifierMissing,
    /// The verifier doesn't belong to the challenge.
    VerifierWrong,
    /// A verifier came, but the request had no challenge: somebody may have taken it out (RFC 9700 section 4.8.2).
    VerifierUnexpected,
    /// The user has logged out.
    SessionEnded,
}

impl fmt::Display for RedeemRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such code",
            Self::ForeignClient => "it was issued to another client",
            Self::Expired => "it has expired",
            Self::RedirectUri => "redirect_uri is not that of the request",
            Self::VerifierMissing => "code_verifier is missing",
            Self::VerifierWrong => "code_verifier does not belong to the challenge",
            Self::VerifierUnexpected => "code_verifier came for a request without a challenge",
            Self::SessionEnded => "the user has logged out",
        })
    }
}

/// RFC 6749 section 4.1.3: a code is bound to its client, redirect URI and challenge, and works once. A wrong verifier or a
/// foreign client doesn't burn it: it stays usable for its owner.
pub fn decide_redeem(code: &Code, redemption: &Redemption<'_>, now: Timestamp) -> Redeem {
    if !code.digest.matches(&redemption.digest) {
        return Redeem::Refused(RedeemRefusal::Unknown);
    }
    if code.client != *redemption.client {
        return Redeem::Refused(RedeemRefusal::ForeignClient);
    }
    if let Some(refusal) = refuse_binding(code, redemption) {
        return Redeem::Refused(refusal);
    }
    // Only now: whoever has seen a spent code, but not its verifier, must not be able to end the family with it.
    if code.spent_at.is_some() {
        // Whether its row has left already makes no difference.
        if now >= code.expires_at + Code::REMEMBERED {
            return Redeem::Refused(RedeemRefusal::Unknown);
        }
        Redeem::Reused
    } else if now >= code.expires_at {
        Redeem::Refused(RedeemRefusal::Expired)
    } else {
        Redeem::Granted
    }
}

/// RFC 6749 section 4.1.3 and RFC 7636 section 4.6: what a code is bound to beside its client.
fn refuse_binding(code: &Code, redemption: &Redemption<'_>) -> Option<RedeemRefusal> {
    if redemption.redirect_uri != Some(code.redirect_uri.as_str()) {
        return Some(RedeemRefusal::RedirectUri);
    }
    match (&code.challenge, redemption.verifier) {
        (None, None) => None,
        (None, Some(_)) => Some(RedeemRefusal::VerifierUnexpected),
        (Some(_), None) => Some(RedeemRefusal::VerifierMissing),
        (Some(challenge), Some(verifier)) if challenge.matches(verifier) => None,
        (Some(_), Some(_)) => Some(RedeemRefusal::VerifierWrong),
    }
}

/// What becomes of an attempt to use a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// New tokens are due, and this one is replaced by the new refresh token.
    Granted,
    /// The same, and what replaced it before, never used, dies with the access token that came along: the client didn't
    /// get the first answer and tries again.
    Retried {
        /// Supersede this one.
        refresh: RefreshTokenId,
        /// Delete this one.
        access: AccessTokenId,
    },
    /// Somebody else may have it: nothing is due, and the family ends (RFC 9700 section 4.14.2).
    Reused,
    /// Nothing is due, and everything stays as it is.
    Refused(RotateRefusal),
}

/// Why a refresh token isn't honoured. All of them are `invalid_grant` to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateRefusal {
    /// There is no such token.
    Unknown,
    /// It was issued to another client.
    ForeignClient,
    /// The family has ended.
    Ended,
    /// It is too old.
    Expired,
    /// Another request with the same token came at the same moment and won.
    Race,
}

impl fmt::Display for RotateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such refresh token",
            Self::ForeignClient => "it was issued to another client",
            Self::Ended => "its family has ended",
            Self::Expired => "it has expired",
            Self::Race => "another request with it came at the same moment and won",
        })
    }
}

/// RFC 6749 section 6 and RFC 9700 section 4.14.2: a refresh token is bound to its client and replaced at each use. A used
/// one is forgiven for the time of `grace` while its successor is unused: answers get lost. One that has expired opens nothing
/// and ends nothing.
///
/// `successor` is the row that `token.replaced` names.
pub fn decide_rotate(
    grant: &Grant,
    token: &RefreshToken,
    successor: Option<&RefreshToken>,
    shown: (&Digest, &ClientId),
    grace: Duration,
    now: Timestamp,
) -> Rotate {
    let (digest, client) = shown;
    if !token.digest.matches(digest) || token.grant != grant.id {
        return Rotate::Refused(RotateRefusal::Unknown);
    }
    if grant.client != *client {
        return Rotate::Refused(RotateRefusal::ForeignClient);
    }
    if grant.ended.is_some() || now >= grant.ends_at {
        return Rotate::Refused(RotateRefusal::Ended);
    }
    // Used or not: its row may leave from now on, and whether it has must make no difference.
    if now >= token.expires_at {
        return Rotate::Refused(RotateRefusal::Expired);
    }
    if token.superseded {
        return Rotate::Reused;
    }
    let Some(replaced) = token.replaced else { return Rotate::Granted };
    let unused = successor.is_some_and(|next| next.replaced.is_none() && !next.superseded);
    if !unused || now >= replaced.at + grace {
        return Rotate::Reused;
    }
    // A retry comes after the first attempt; what comes together with it is a race, and a race has one winner.
    if now <= replaced.at {
        return Rotate::Refused(RotateRefusal::Race);
    }
    Rotate::Retried { refresh: replaced.refresh, access: replaced.access }
}
