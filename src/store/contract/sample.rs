//! Records to test with.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::model::client::Client;
use crate::model::consent::Given;
use crate::model::grant::{AccessToken, Code, Grant, NewTokens, RefreshToken};
use crate::model::id::{AccessTokenId, Bearer, ClientId, CodeId, GrantId, RefreshTokenId, SessionId, UserId};
use crate::model::scope::Scope;
use crate::model::session::Session;
use crate::model::user::User;
use crate::store::{Displaced, OwnedRedemption, Put, Rotation, Store};

/// When everything here happens.
pub(in crate::store) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(in crate::store) const REDIRECT_URI: &str = "https://app.example/cb";

pub(in crate::store) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(in crate::store) fn bearer(lifetime: Duration) -> Bearer {
    Bearer::mint(NOW + lifetime, &Random::System)
}

pub(in crate::store) fn client(id: &str) -> Client {
    let secret = Some(Secret::new(format!("the secret of {id}")));
    Client { secret, ..Client::new(ClientId::new(id), id.to_uppercase(), 7, NOW) }
}

pub(in crate::store) fn user(id: &str, username: &str) -> User {
    User {
        id: UserId::new(id),
        username: username.into(),
        password_hash: None,
        admin: false,
        enabled: true,
        claims: serde_json::Map::new(),
        generation: 3,
        created_at: NOW,
        updated_at: NOW,
        version: 0,
    }
}

pub(in crate::store) fn session(bearer: &Bearer, user: &User) -> Session {
    Session {
        id: SessionId(bearer.id()),
        digest: bearer.digest(),
        user: user.id.clone(),
        user_generation: user.generation,
        auth_time: NOW,
        amr: vec!["pwd".into()],
        seen_at: NOW,
        ends_at: bearer.id().gone_after(),
        user_agent: "a browser".into(),
        address: "192.0.2.1".into(),
        continues: None,
    }
}

pub(in crate::store) fn given(user: &str, client: &str, scope: &str) -> Given {
    Given {
        user: UserId::new(user),
        client: ClientId::new(client),
        client_generation: 7,
        scope: Scope::parse(scope),
        lifetime: secs(1000),
    }
}

/// Tokens with the values that are given out for them.
pub(in crate::store) struct Issue {
    pub(in crate::store) access: Bearer,
    pub(in crate::store) refresh: Bearer,
    pub(in crate::store) tokens: NewTokens,
}

/// A user who has let a client log them in: the client `app`, the user `u`, and a grant with its code.
pub(in crate::store) struct Family {
    pub(in crate::store) store: Store,
    pub(in crate::store) client: Client,
    pub(in crate::store) user: User,
    pub(in crate::store) code: Bearer,
    pub(in crate::store) id: GrantId,
    /// As it was when the code was issued.
    pub(in crate::store) granted: Grant,
}

impl Family {
    pub(in crate::store) const CODE_LIFETIME: Duration = Duration::from_secs(600);
    pub(in crate::store) const REFRESH_LIFETIME: Duration = Duration::from_secs(86_400);
    pub(in crate::store) const GRACE: Duration = Duration::from_secs(60);

    pub(in crate::store) async fn start(store: Store) -> Self {
        Self::start_in(store, None).await
    }

    /// One that began in a session.
    pub(in crate::store) async fn start_in(store: Store, session: Option<SessionId>) -> Self {
        let Put::Done(client) = store.create_client(client("app")).await.unwrap() else { panic!("a new client") };
        let Put::Done(user) = store.create_user(user("u", "Ada")).await.unwrap() else { panic!("a new user") };
        let code = bearer(secs(100_000));
        let id = GrantId(bearer(secs(100_000)).id());
        let grant = Grant {
            id,
            client: client.id.clone(),
            client_generation: client.generation,
            user: Some(user.id.clone()),
            user_generation: user.generation,
            consent_generation: 0,
            session,
            scope: Scope::parse("openid email"),
            auth_time: NOW,
            amr: Vec::new(),
            nonce: Some("n".into()),
            claims: None,
            created_at: NOW,
            ends_at: NOW + secs(90_000),
            ended: None,
        };
        store.put_code(Self::code_for(&code, grant.clone()), None, Displaced::default()).await.unwrap();
        Self { store, client, user, code, id, granted: grant }
    }

    /// A code for a grant.
    pub(in crate::store) fn code_for(bearer: &Bearer, grant: Grant) -> Code {
        Code {
            id: CodeId(bearer.id()),
            digest: bearer.digest(),
            client: grant.client.clone(),
            redirect_uri: REDIRECT_URI.into(),
            challenge: None,
            expires_at: NOW + Self::CODE_LIFETIME,
            grant: grant.id,
            granted: Some(grant),
            spent_at: None,
        }
    }

    pub(in crate::store) fn code_id(&self) -> CodeId {
        CodeId(self.code.id())
    }

    /// A family whose code was redeemed, with its first tokens.
    pub(in crate::store) async fn redeemed(store: Store) -> (Self, Issue) {
        Self::redeemed_in(store, None).await
    }

    /// The same, which began in a session.
    pub(in crate::store) async fn redeemed_in(store: Store, session: Option<SessionId>) -> (Self, Issue) {
        let family = Self::start_in(store, session).await;
        let issue = family.issue(NOW);
        let redeem = family.store.redeem_code(&family.code_id(), family.redemption(), issue.tokens.clone(), NOW).await;
        assert_eq!(redeem, Ok(crate::model::grant::Redeem::Granted));
        (family, issue)
    }

    pub(in crate::store) fn redemption(&self) -> OwnedRedemption {
        OwnedRedemption {
            digest: self.code.digest(),
            client: self.client.id.clone(),
            redirect_uri: Some(REDIRECT_URI.into()),
            verifier: None,
        }
    }

    pub(in crate::store) fn issue(&self, now: Timestamp) -> Issue {
        let (access, refresh) = (bearer(secs(100_000)), bearer(secs(100_000)));
        let tokens = NewTokens {
            access: AccessToken {
                id: AccessTokenId(access.id()),
                digest: access.digest(),
                grant: self.id,
                scope: Scope::parse("openid"),
                issued_at: now,
                expires_at: now + secs(3600),
                granted: None,
            },
            refresh: Some(RefreshToken {
                id: RefreshTokenId(refresh.id()),
                digest: refresh.digest(),
                grant: self.id,
                issued_at: now,
                expires_at: now + Self::REFRESH_LIFETIME,
                replaced: None,
                superseded: false,
                access: Some(AccessTokenId(access.id())),
            }),
        };
        Issue { access, refresh, tokens }
    }

    pub(in crate::store) fn rotation(&self, shown: &Bearer, next: &Issue) -> Rotation {
        Rotation {
            digest: shown.digest(),
            client: self.client.id.clone(),
            tokens: next.tokens.clone(),
            keep_until: None,
            grace: Self::GRACE,
            ends_access: false,
        }
    }

    pub(in crate::store) async fn rotate(
        &self,
        shown: &Bearer,
        next: &Issue,
        now: Timestamp,
    ) -> crate::model::grant::Rotate {
        let id = RefreshTokenId(shown.id());
        self.store.rotate_refresh(&id, self.rotation(shown, next), now).await.unwrap()
    }

    /// What the store says of the grant.
    pub(in crate::store) async fn grant(&self) -> Grant {
        self.store.grant(&self.id).await.unwrap().unwrap()
    }

    /// Whether an access token would open anything.
    pub(in crate::store) async fn opens(&self, access: &Bearer, now: Timestamp) -> bool {
        let (Some(context), Some(client)) =
            (self.store.find_access_token(access).await.unwrap(), self.store.client(&self.client.id).await.unwrap())
        else {
            return false;
        };
        now < context.token.expires_at && context.is_live(&client, now)
    }
}
