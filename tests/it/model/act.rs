//! What can be done at a provider, by whom, and what can come of it.

/// Milliseconds.
pub type Time = u64;
pub const SECOND: Time = 1000;
pub const MINUTE: Time = 60 * SECOND;
pub const HOUR: Time = 60 * MINUTE;
pub const DAY: Time = 24 * HOUR;

/// What came of an act is named by the act's number.
pub type Name = usize;

/// A set of [`SCOPES`], one bit each.
pub type Scope = u8;
pub const SCOPES: [&str; 3] = ["openid", "email", "profile"];
pub const OPENID: Scope = 1;

/// How a client is registered.
pub struct Registration {
    pub id: &'static str,
    pub public: bool,
    pub refreshes: bool,
    pub rotates: bool,
}

pub const REGISTRATIONS: [Registration; 4] = [
    Registration { id: "web", public: false, refreshes: true, rotates: true },
    Registration { id: "native", public: true, refreshes: true, rotates: true },
    Registration { id: "classic", public: false, refreshes: true, rotates: false },
    Registration { id: "brief", public: false, refreshes: false, rotates: true },
];
pub const USERS: usize = 2;

/// One thing that somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A user types a password, in a browser that may hold a session.
    LogIn {
        user: usize,
        password: usize,
        client: usize,
        held: Option<Name>,
    },
    LogOut {
        user: usize,
        held: Option<Name>,
    },
    /// The user is asked and agrees.
    Agree {
        user: usize,
        client: usize,
        scope: Scope,
        held: Option<Name>,
    },
    /// `prompt=none`.
    Silent {
        user: usize,
        client: usize,
        scope: Scope,
        held: Option<Name>,
    },
    Redeem {
        code: Name,
        client: usize,
        secret: usize,
        verifier: bool,
        redirect: bool,
    },
    Refresh {
        token: Name,
        client: usize,
        secret: usize,
        scope: Option<Scope>,
    },
    Userinfo {
        token: Name,
    },
    SetPassword {
        user: usize,
        password: usize,
    },
    Enable {
        user: usize,
        on: bool,
    },
    DeleteUser {
        user: usize,
    },
    CreateUser {
        user: usize,
        password: usize,
    },
    RotateSecret {
        client: usize,
        secret: usize,
    },
    DeleteClient {
        client: usize,
    },
    CreateClient {
        client: usize,
        secret: usize,
    },
    Withdraw {
        user: usize,
        client: usize,
    },
    Pass {
        time: Time,
    },
    Sweep,
    Restart,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of administration, with its status.
    Status(u16),
    Done,
    LoggedIn,
    /// A page of the provider's, where it didn't go on.
    Page(&'static str),
    Code,
    /// `error` at the redirect URI.
    Refused(String),
    Tokens {
        scope: Scope,
        refresh: Renewal,
        id_token: bool,
        expires_in: u64,
    },
    /// `error` in JSON or in a challenge.
    Error(u16, String),
    Claims,
}

/// The refresh token of a token response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    None,
    New,
    /// The one that was used.
    Same,
}

/// Whether the code that an act of this name gets has a challenge.
pub fn has_challenge(code: Name, client: usize) -> bool {
    REGISTRATIONS[client].public || code.is_multiple_of(2)
}
