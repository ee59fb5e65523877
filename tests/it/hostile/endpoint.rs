//! The table: every address and method, with how it answers and every parameter that it reads.

use serde_json::{Value, json};

use super::verdict::Channel;
use crate::harness::*;

pub const ADMIN_TOKEN: &str = "an-admin-token-of-more-than-32-bytes";

/// A secret that administration is given, and shows once.
pub const NEW_SECRET: &str = "another-secret-of-more-than-32-bytes";

/// Where the parameters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Query,
    Form,
    Json,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The name of the place in the server's own table.
    pub place: &'static str,
    pub method: &'static str,
    /// With names in braces in it, as administration documents them.
    pub path: &'static str,
    pub channel: Channel,
    pub carrier: Carrier,
    pub good: Good,
    pub parameters: &'static [Parameter],
}

/// Something that an endpoint reads.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// Whether any value but a right one is refused.
    pub strict: bool,
}

/// What a request that is right has in it.
#[derive(Clone, Copy, Debug)]
pub enum Good {
    Nothing,
    Authorization,
    Transit,
    Errand,
    Login,
    Consent,
    SelectAccount,
    Logout,
    LogoutOfClient,
    Language,
    EndSession,
    EndSessionTransit,
    Code,
    CodeByHeader,
    Refresh,
    ClientCredentials,
    Password,
    TokenOfMachine,
    Header,
    Token,
    Members(fn(u64) -> Value),
    Page,
    Preview,
    Playground,
    Callback,
    Ticket,
    ForwardAuth,
}

const fn strict(name: &'static str) -> Parameter {
    Parameter { name, strict: true }
}

const fn free(name: &'static str) -> Parameter {
    Parameter { name, strict: false }
}

/// OpenID Connect Core 1.0 section 3.1.2.1 and its kin.
const AUTHORIZATION: &[Parameter] = &[
    strict("client_id"),
    strict("redirect_uri"),
    strict("response_type"),
    strict("response_mode"),
    free("scope"),
    free("state"),
    free("nonce"),
    free("prompt"),
    strict("max_age"),
    free("display"),
    free("ui_locales"),
    free("claims_locales"),
    free("acr_values"),
    free("login_hint"),
    strict("id_token_hint"),
    free("claims"),
    strict("code_challenge"),
    strict("code_challenge_method"),
    strict("request"),
    strict("request_uri"),
    strict("registration"),
    free("resource"),
    free("unheard_of"),
];

/// OpenID Connect RP-Initiated Logout 1.0 section 2.
const END_SESSION: &[Parameter] = &[
    strict("id_token_hint"),
    strict("client_id"),
    strict("post_logout_redirect_uri"),
    free("state"),
    free("logout_hint"),
    free("ui_locales"),
    free("unheard_of"),
];

/// The same, which goes on as a GET whatever is in it.
const END_SESSION_POSTED: &[Parameter] = &[
    free("id_token_hint"),
    free("client_id"),
    free("post_logout_redirect_uri"),
    free("state"),
    free("logout_hint"),
    free("ui_locales"),
    free("unheard_of"),
];

const CODE: &[Parameter] = &[
    strict("grant_type"),
    strict("code"),
    strict("redirect_uri"),
    strict("code_verifier"),
    strict("client_id"),
    strict("client_secret"),
    strict("client_assertion"),
    strict("client_assertion_type"),
    free("scope"),
    free("unheard_of"),
];

const REFRESH: &[Parameter] = &[
    strict("grant_type"),
    strict("refresh_token"),
    strict("scope"),
    strict("client_id"),
    strict("client_secret"),
    free("unheard_of"),
];

const CLIENT_CREDENTIALS: &[Parameter] =
    &[strict("grant_type"), strict("scope"), strict("client_id"), strict("client_secret"), free("unheard_of")];

const PASSWORD_GRANT: &[Parameter] = &[
    strict("grant_type"),
    strict("username"),
    strict("password"),
    strict("scope"),
    strict("client_id"),
    strict("client_secret"),
    free("unheard_of"),
];

/// RFC 7662 section 2.1 and RFC 7009 section 2.1. What is no token is answered like one that is no more.
const TOKEN: &[Parameter] =
    &[free("token"), free("token_type_hint"), strict("client_id"), strict("client_secret"), free("unheard_of")];

const CLIENT_MEMBERS: &[Parameter] = &[
    strict("client_name"),
    strict("client_id"),
    free("client_secret"),
    strict("redirect_uris"),
    strict("post_logout_redirect_uris"),
    strict("response_types"),
    strict("grant_types"),
    free("scope"),
    strict("id_token_signed_response_alg"),
    strict("require_consent"),
    strict("reuse_consent"),
    strict("require_pkce"),
    strict("rotate_refresh_tokens"),
    strict("client_uri"),
    strict("policy_uri"),
    strict("tos_uri"),
    strict("logo_uri"),
    strict("logo"),
    strict("accent_color"),
    strict("contacts"),
    strict("owner"),
    strict("metadata"),
    strict("claims"),
    strict("allow_if"),
    strict("client_type"),
    strict("token_endpoint_auth_method"),
    strict("unheard_of"),
];

const USER_MEMBERS: &[Parameter] = &[
    strict("username"),
    free("password"),
    strict("password_hash"),
    strict("admin"),
    strict("enabled"),
    strict("claims"),
    strict("unheard_of"),
];

const PLAYGROUND: &[Parameter] = &[
    free("client_id"),
    free("user"),
    free("scope"),
    free("prompt"),
    free("max_age"),
    free("response_type"),
    free("response_mode"),
    free("login_hint"),
    free("claims"),
    free("nonce"),
    free("pkce"),
];

const PENDING: &[Parameter] = &[strict("pending"), free("unheard_of")];

macro_rules! rows {
    ($($place:literal $method:literal $path:literal $channel:ident $carrier:ident $good:expr, $parameters:expr;)*) => {
        &[$(Endpoint {
            place: $place, method: $method, path: $path, channel: Channel::$channel, carrier: Carrier::$carrier,
            good: $good, parameters: $parameters,
        }),*]
    };
}

pub const TABLE: &[Endpoint] = rows! {
    "Home" "GET" "/" Page Query Good::Nothing, &[free("unheard_of")];
    "Discovery" "GET" "/.well-known/openid-configuration" Json Query Good::Nothing, &[free("unheard_of")];
    "AuthorizationServer" "GET" "/.well-known/oauth-authorization-server" Json Query Good::Nothing, &[free("unheard_of")];
    "Jwks" "GET" "/jwks" Json Query Good::Nothing, &[free("unheard_of")];
    "Authorize" "GET" "/authorize" Authorization Query Good::Authorization, AUTHORIZATION;
    "Authorize" "POST" "/authorize" Authorization Form Good::Authorization, AUTHORIZATION;
    "Authorize" "GET" "/authorize" Page Query Good::Transit, PENDING;
    "Resume" "GET" "/authorize/resume" Page Query Good::Errand, &[strict("handle"), free("unheard_of")];
    "Token" "POST" "/token" Json Form Good::Code, CODE;
    "Token" "POST" "/token" Json Form Good::CodeByHeader, CODE;
    "Token" "POST" "/token" Json Form Good::Refresh, REFRESH;
    "Token" "POST" "/token" Json Form Good::ClientCredentials, CLIENT_CREDENTIALS;
    "Token" "POST" "/token" Json Form Good::Password, PASSWORD_GRANT;
    "Introspect" "POST" "/introspect" Json Form Good::TokenOfMachine, TOKEN;
    "Revoke" "POST" "/revoke" Json Form Good::TokenOfMachine, TOKEN;
    "Userinfo" "GET" "/userinfo" Bearer Query Good::Token, &[strict("access_token"), free("unheard_of")];
    "Userinfo" "POST" "/userinfo" Bearer Form Good::Token, &[strict("access_token"), free("unheard_of")];
    "Userinfo" "POST" "/userinfo" Bearer Form Good::Header, &[strict("access_token"), free("unheard_of")];
    "EndSession" "GET" "/end-session" Page Query Good::EndSession, END_SESSION;
    "EndSession" "POST" "/end-session" Page Form Good::EndSession, END_SESSION_POSTED;
    "EndSession" "GET" "/end-session" Page Query Good::EndSessionTransit, PENDING;
    "CheckSessionIframe" "GET" "/check-session-iframe" Page Query Good::Nothing, &[free("unheard_of")];
    "Login" "GET" "/login" Page Query Good::Login, PENDING;
    "Login" "POST" "/login" Page Form Good::Login,
        &[strict("pending"), strict("username"), strict("password"), free("decision"), free("persona")];
    "Consent" "GET" "/consent" Page Query Good::Consent, PENDING;
    "Consent" "POST" "/consent" Page Form Good::Consent, &[strict("pending"), strict("csrf"), strict("decision")];
    "SelectAccount" "GET" "/select-account" Page Query Good::SelectAccount, PENDING;
    "SelectAccount" "POST" "/select-account" Page Form Good::SelectAccount, &[strict("pending"), free("decision")];
    "Logout" "GET" "/logout" Page Query Good::Nothing, &[free("unheard_of")];
    "Logout" "POST" "/logout" Page Form Good::Logout, &[strict("csrf"), free("decision")];
    "Logout" "GET" "/logout" Page Query Good::LogoutOfClient, PENDING;
    "Logout" "POST" "/logout" Page Form Good::LogoutOfClient, &[strict("csrf"), strict("pending"), free("decision")];
    "Language" "POST" "/language" Page Form Good::Language, &[strict("language"), strict("page"), free("pending")];
    "Asset" "GET" "/asset/hallpass.css" Page Query Good::Nothing, &[free("v")];
    "Accent" "GET" "/accent/0b5c45.css" Page Query Good::Nothing, &[free("v")];
    "ClientLogo" "GET" "/client-logo/web" Page Query Good::Nothing, &[free("v")];
    "Healthz" "GET" "/healthz" Page Query Good::Nothing, &[free("unheard_of")];
    "Readyz" "GET" "/readyz" Page Query Good::Nothing, &[free("unheard_of")];
    "ForwardAuth" "GET" "/forward-auth" Proxy Query Good::ForwardAuth, &[strict("scope"), free("unheard_of")];
    "Playground" "GET" "/playground" Page Query Good::Playground, PLAYGROUND;
    "Playground" "POST" "/playground" Page Form Good::Playground, PLAYGROUND;
    "PlaygroundCallback" "GET" "/playground/callback" Page Query Good::Callback,
        &[free("code"), free("state"), free("iss"), free("error"), free("error_description")];
    "PlaygroundCallback" "POST" "/playground/callback" Page Form Good::Callback,
        &[free("code"), free("state"), free("iss"), free("error"), free("fragment"), free("csrf")];
    "PlaygroundRefresh" "POST" "/playground/refresh" Page Form Good::Ticket, &[strict("csrf"), strict("ticket")];
    "Administration" "GET" "clients" Problem Query Good::Page, &[strict("limit"), free("after")];
    "Administration" "POST" "clients" Problem Json Good::Members(new_client), CLIENT_MEMBERS;
    "Administration" "GET" "clients/{client_id}" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "PATCH" "clients/{client_id}" Problem Json Good::Members(changed_client), CLIENT_MEMBERS;
    "Administration" "PUT" "clients/{client_id}" Problem Json Good::Members(changed_client), CLIENT_MEMBERS;
    "Administration" "DELETE" "clients/{client_id}" Problem Query Good::Nothing, &[];
    "Administration" "POST" "clients/{client_id}/secret" Problem Json Good::Members(|_| json!({ "client_secret": NEW_SECRET })),
        &[free("client_secret"), strict("unheard_of")];
    "Administration" "GET" "users" Problem Query Good::Page, &[strict("limit"), free("after")];
    "Administration" "POST" "users" Problem Json Good::Members(new_user), USER_MEMBERS;
    "Administration" "GET" "users/{username}" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "PATCH" "users/{username}" Problem Json Good::Members(changed_user), USER_MEMBERS;
    "Administration" "PUT" "users/{username}" Problem Json Good::Members(changed_user), USER_MEMBERS;
    "Administration" "DELETE" "users/{username}" Problem Query Good::Nothing, &[];
    "Administration" "PUT" "users/{username}/password" Problem Json Good::Members(|_| json!({ "password": PASSWORD })),
        &[free("password"), strict("unheard_of")];
    "Administration" "GET" "claims" Problem Query Good::Preview, &[free("user"), free("client"), free("scope")];
    "Administration" "GET" "keys" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "POST" "keys" Problem Json Good::Members(|_| json!({ "pem": "no PEM" })),
        &[free("pem"), free("bits"), free("unheard_of")];
    "Administration" "GET" "keys/{kid}" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "DELETE" "keys/{kid}" Problem Query Good::Nothing, &[];
    "Administration" "POST" "keys/{kid}/promote" Problem Json Good::Members(|_| json!({})), &[free("unheard_of")];
    "Administration" "POST" "keys/{kid}/retire" Problem Json Good::Members(|_| json!({})), &[free("unheard_of")];
    "Administration" "GET" "logins/{handle}" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "POST" "logins/{handle}" Problem Json Good::Members(|_| json!({ "username": ADA, "auth_time": 1, "amr": ["pwd"] })),
        &[free("user"), free("username"), free("auth_time"), free("amr"), free("refuse"), free("message"), free("unheard_of")];
    "Administration" "GET" "keys/{kid}/private" Problem Query Good::Nothing, &[free("unheard_of")];
    "Administration" "GET" "events" Problem Query Good::Page,
        &[strict("limit"), strict("after"), strict("kind"), free("user"), free("client"), strict("since")];
};

fn new_client(number: u64) -> Value {
    json!({ "client_id": format!("client-{number}"), "client_name": "New", "redirect_uris": [REDIRECT], "client_secret": NEW_SECRET })
}

fn changed_client(_: u64) -> Value {
    json!({ "client_name": "Changed" })
}

fn new_user(number: u64) -> Value {
    json!({ "username": format!("user-{number}"), "password": PASSWORD, "claims": { "name": "New" } })
}

fn changed_user(_: u64) -> Value {
    json!({ "claims": { "name": "Changed" } })
}
