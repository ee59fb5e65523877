//! An answer for reverse proxies that ask before they let a request through: nginx `auth_request`, Traefik ForwardAuth, Caddy
//! `forward_auth`.
//!
//! The proxy's own configuration says what is needed, in the query of the address that it asks: `/forward-auth?scope=read`. A
//! client reaches this question with its headers alone, so no header but `Authorization` is looked at; and where a proxy lets
//! the client's query in, too, what the client adds can only come twice, and is refused.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::access::Access;
use super::refusal::Refusal;
use crate::app::App;
use crate::app::fault::Fault;
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::model::scope::{Scope, is_token};
use crate::protocol::bearer;
use crate::protocol::error::{ErrorCode, OAuthError};

/// Below the issuer.
pub const PATH: &str = "/forward-auth";

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const USERNAME: HeaderName = HeaderName::from_static("x-auth-username");
const CLIENT: HeaderName = HeaderName::from_static("x-auth-client");
const SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");

/// What stands percent-encoded in a header: what could end it or be taken for a list, and (always) what isn't ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'"').add(b',').add(b';').add(b'\\');

/// Whether a request may pass: 200, with headers that say whose it is, else 401 or 403 with a challenge. A proxy takes any
/// success for a yes, so there is no other one.
///
/// # Errors
/// What is wrong with us.
pub async fn forward_auth(app: &App, request: &Request) -> Result<Reply, Fault> {
    let needed = match demand(app, request) {
        Ok(needed) => needed,
        Err(why) => {
            let error =
                OAuthError::new(ErrorCode::InsufficientScope, "this request may not be asked about").detail(why);
            return Ok(Refusal::because(error, &app.issuer, &Scope::empty()).into_reply());
        }
    };
    // For the client behind the proxy everything that is wrong with its token is 401.
    let refuse = |error| Refusal::because(error, &app.issuer, &needed).into_reply();
    let presented = match request.authorization() {
        Ok(authorization) => bearer::parse_token(authorization, None, None),
        Err(error) => Err(bearer::invalid_token(error.to_string())),
    };
    let token = match presented {
        Ok(Some(token)) => token,
        Ok(None) => return Ok(Refusal::token_missing(&app.issuer, &needed).into_reply()),
        Err(error) => return Ok(refuse(bearer::invalid_token(error.description()))),
    };
    match Access::by(app, &token, &needed, request.now()).await {
        Ok(access) => Ok(admitted(&access)),
        Err(fault) if fault.is_ours() => Err(fault),
        Err(fault) => Ok(refuse(fault.into_error())),
    }
}

/// What the proxy demands. It is never nothing: a demand that got lost must not open anything.
///
/// # Errors
/// Why nobody is told anything, for the log.
fn demand(app: &App, request: &Request) -> Result<Scope, String> {
    let peer = request.peer();
    if !app.settings.http.trusted_proxies.iter().any(|network| network.contains(peer)) {
        return Err(format!("{peer} asks, which is not in http.trusted_proxies"));
    }
    let query = request.query().map_err(|error| error.to_string())?;
    if let Some(name) = query.repeated() {
        return Err(format!("the parameter {name} came more than once"));
    }
    let needed = Scope::parse(query.get("scope").unwrap_or_default());
    if needed.is_empty() || !needed.iter().all(is_token) {
        return Err("the proxy's address has no scope: /forward-auth?scope=… says what is needed".into());
    }
    Ok(needed)
}

/// 200. Every header is always there, if empty: what a client sends under its name has to be overwritten.
fn admitted(access: &Access) -> Reply {
    let text = |text: &Option<String>| encode(text.as_deref().unwrap_or_default());
    let scope: Vec<String> = access.scope.iter().map(encode).collect();
    [
        (SUBJECT, text(&access.subject)),
        (USERNAME, text(&access.username)),
        (CLIENT, encode(&access.client_id)),
        (SCOPE, scope.join(" ")),
    ]
    .into_iter()
    .fold(Reply::empty(StatusCode::OK), |reply, (name, value)| {
        // Visible ASCII is left.
        reply.header(name, HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("")))
    })
    .no_store()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    #[test]
    fn nothing_that_a_header_says_can_be_anything_else_than_its_value() {
        let access = Access {
            subject: Some("1\r\nX-Auth-Client: root".into()),
            username: None,
            client_id: "a,b;\"c\" é%".into(),
            scope: Scope::parse("read:books https://api.example/write"),
            expires_at: Timestamp::EPOCH,
        };
        let reply = admitted(&access);
        let headers = reply.headers();
        assert_eq!(headers[SUBJECT], "1%0D%0AX-Auth-Client:%20root");
        assert_eq!(headers[USERNAME], "", "it takes the place of what a client sends");
        assert_eq!(headers[CLIENT], "a%2Cb%3B%22c%22%20%C3%A9%25");
        assert_eq!(headers[SCOPE], "read:books https://api.example/write");
        assert_eq!(headers["cache-control"], "no-store");
    }
}
