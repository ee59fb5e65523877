//! The provider, its clients and users, and the log that it writes.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use hallpass::app::App;
use hallpass::app::reply::Reply;
use hallpass::app::request::Request;
use hallpass::base::clock::{FixedClock, Timestamp};
use hallpass::base::secret::Secret;
use hallpass::jose::alg::Algorithm;
use hallpass::model::client::{Client, ClientType, GrantType};
use hallpass::model::id::{ClientId, UserId};
use hallpass::model::scope::Scope;
use hallpass::model::user::User;
use hallpass::server::{Handler, Routes};
use hallpass_fuzz::{START, provider};
use tokio::runtime::Runtime;

use crate::script::Play;

/// A script begins with nobody logged in and nothing agreed to, so one provider serves many; its rows still pile up.
const SCRIPTS: usize = 200;

/// The users: name, password, and a text that only their own claims have.
pub const USERS: [(&str, &str, &str); 3] = [
    ("ada", "analytical engine", "ada-4711@people.example"),
    ("bob", "correct horse battery", "bob-0815@people.example"),
    ("carol", "nobody gets in", "carol-1234@people.example"),
];

/// The user who is disabled.
pub const DISABLED: usize = 2;

/// The secrets of the clients, by number; public ones have none.
pub const SECRETS: [&str; 5] = [
    "first secret of thirty-two bytes.",
    "",
    "third secret of thirty-two bytes.",
    "fourth secret, with % and + and &",
    "fifth secret of thirty-two bytes.",
];

/// The clients, by number.
pub static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| {
    let client = |number: usize, id: &str, uris: &[&str]| Client {
        secret: Some(SECRETS[number]).filter(|secret| !secret.is_empty()).map(Secret::new),
        kind: if SECRETS[number].is_empty() { ClientType::Public } else { ClientType::Confidential },
        redirect_uris: uris.iter().map(ToString::to_string).collect(),
        ..Client::new(ClientId::new(id), format!("The {id}"), 1, START)
    };
    let code_only = vec![GrantType::AuthorizationCode];
    let books = Scope::parse("read:books");
    vec![
        client(0, "web", &["https://app.example/callback"]),
        client(1, "native", &["http://127.0.0.1/callback", "com.example.app:/cb"]),
        Client {
            require_consent: false,
            id_token_algorithm: Algorithm::Hs256,
            ..client(2, "trusted", &["https://trusted.example/cb?x=1"])
        },
        Client {
            reuse_consent: false,
            rotate_refresh_tokens: false,
            scope: books,
            ..client(3, "forgetful", &["https://forgetful.example"])
        },
        Client { require_pkce: true, grant_types: code_only, ..client(4, "once", &["https://once.example/cb"]) },
    ]
});

/// A provider, and what it takes to speak with it.
pub struct World {
    runtime: Runtime,
    pub app: Arc<App>,
    provider: Routes,
    clock: FixedClock,
    pub users: Vec<UserId>,
    /// Whether to tell what happens, for whoever looks at a finding.
    pub trace: bool,
    scripts: usize,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let clock = FixedClock::new(START);
        let app = runtime.block_on(provider(clock.clone()));
        let users = runtime.block_on(async {
            for client in CLIENTS.iter() {
                app.store.create_client(client.clone()).await.expect("a client");
            }
            let mut users = Vec::new();
            for (number, (name, password, email)) in USERS.into_iter().enumerate() {
                let claims = serde_json::json!({
                    "name": format!("{name} the person"), "email": email, "email_verified": true,
                    "phone_number": format!("+49 {email}"), "birthdate": "1815-12-10",
                });
                let user = User {
                    id: UserId::mint(&app.random),
                    username: name.into(),
                    password_hash: Some(app.passwords.hash(Secret::new(password)).await.expect("a hash")),
                    admin: false,
                    enabled: number != DISABLED,
                    claims: claims.as_object().cloned().expect("an object"),
                    generation: 1,
                    created_at: START,
                    updated_at: START,
                    version: 0,
                };
                users.push(user.id.clone());
                app.store.create_user(user).await.expect("a user");
            }
            users
        });
        let app = Arc::new(app);
        Self {
            runtime,
            provider: Routes(Arc::clone(&app)),
            app,
            clock,
            users,
            trace: std::env::var_os("FUZZ_TRACE").is_some(),
            scripts: 0,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// The answer to a request, and what the log says meanwhile.
    pub fn handle(&self, request: Request) -> (Reply, String) {
        LOG.take();
        let reply = self.runtime.block_on(self.provider.handle(request));
        (reply, LOG.take())
    }

    /// A user takes back what a client was allowed. Whether there was anything.
    pub fn withdraw(&self, user: usize, client: usize) -> bool {
        let work = self.app.store.withdraw_consent(&self.users[user], &CLIENTS[client].id, self.now());
        self.runtime.block_on(work).expect("a store")
    }

    /// A user ends all sessions and grants, as a new password does.
    pub fn end_all(&self, user: usize) {
        self.runtime.block_on(async {
            let stored = self.app.store.user(&self.users[user]).await.expect("a store").expect("the user");
            let mut user = User::clone(&stored);
            user.end_all();
            self.app.store.update_user(user).await.expect("a store");
        });
    }
}

/// What happens once, before the first script.
pub fn begin() {
    Log::begin();
}

/// Plays one script.
pub fn run(data: &[u8]) {
    thread_local! {
        static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    }
    WORLD.with_borrow_mut(|kept| {
        let mut world = kept.take().filter(|world| world.scripts < SCRIPTS).unwrap_or_else(World::new);
        world.scripts += 1;
        let agreements = Play::new(&world).run(data);
        for (user, client) in agreements {
            world.withdraw(user, client);
        }
        *kept = Some(world);
    });
}

/// What the provider logs, in memory.
struct Log(Mutex<Vec<u8>>);

static LOG: Log = Log(Mutex::new(Vec::new()));

impl Log {
    fn begin() {
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG).with_writer(|| &LOG).init();
    }

    fn take(&self) -> String {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(lines).expect("a log is text")
    }
}

impl io::Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
