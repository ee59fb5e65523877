//! The browser's login state, as scripts may see it (OpenID Connect Session Management 1.0 section 3.2): a cookie whose value
//! changes when somebody logs in or out, and tells nothing about who.

use hyper::Method;

use super::App;
use super::browser;
use super::cookie::{Cookie, Lifetime, SetCookie, Site};
use super::reply::Reply;
use super::request::Request;
use crate::base::encode::base64url;
use crate::jose::mac::MacKey;
use crate::jose::seal::ServerKey;
use crate::model::client::Client;
use crate::model::id::SessionId;
use crate::model::session::Session;
use crate::protocol::session_state;

/// Makes the value of the cookie.
pub struct BrowserState {
    cookie: Cookie,
    key: MacKey,
    /// The value where nobody is logged in.
    anonymous: String,
}

impl BrowserState {
    /// For the browsers of one site. `anonymous_key` has several servers of one name agree where nobody is logged in.
    pub(super) fn new(site: Site, server_key: &ServerKey, anonymous_key: Option<&str>) -> Self {
        let key = server_key.mac_key("browser state");
        let anonymous = anonymous_key.map_or_else(|| key.clone(), |text| MacKey::new(text.as_bytes()));
        Self {
            cookie: Cookie::for_frames(site, "op_browser_state"),
            // No session's: their ids have another length.
            anonymous: base64url(anonymous.tag(b"nobody")),
            key,
        }
    }

    /// The name of the cookie.
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }

    /// The value while this session is open, or none is. A code of its id: not even the id shows.
    fn value(&self, sid: Option<SessionId>) -> String {
        sid.map_or_else(|| self.anonymous.clone(), |sid| base64url(self.key.tag(sid.0.as_bytes())))
    }

    /// The cookie for a browser in which this session has just been opened, or none is open any more.
    pub(super) fn announce(&self, sid: Option<SessionId>) -> SetCookie {
        self.cookie.set(&self.value(sid), Lifetime::BrowserSession)
    }
}

/// Section 2: `session_state` of a response to a client, where session management is on and the client has pages that could
/// ask.
pub fn session_state(app: &App, client: &Client, redirect_uri: &str, session: &Session) -> Option<String> {
    let value = app.browser_state.as_ref()?.value(Some(session.sid()));
    session_state::session_state(&client.id, redirect_uri, &value, app.random.bytes())
}

/// The same answer with the cookie, where the browser has another one or none.
pub async fn keep(app: &App, request: &Request, reply: Reply) -> Reply {
    let Some(state) = &app.browser_state else { return reply };
    if reply.sets_cookie(state.cookie_name()) || !brings_its_cookies(request) {
        return reply;
    }
    // When the store can't be read now, the next answer will bring it.
    let Ok(login) = browser::live_session(app, request).await else { return reply };
    let sid = login.map(|login| login.session.sid());
    if request.cookie(state.cookie_name()) == Some(state.value(sid).as_str()) {
        return reply;
    }
    reply.cookie(state.announce(sid))
}

/// Whether a browser sends its `SameSite=Lax` cookies with such a request. It doesn't with those of frames and scripts on
/// pages of other sites, and with their forms: nobody seems to be logged in then, and the cookie must not say so. Browsers
/// that don't say where a request comes from take no such cookie on http anyway (Fetch Metadata Request Headers section 2).
fn brings_its_cookies(request: &Request) -> bool {
    let is_from_elsewhere = request.header("sec-fetch-site") == Some("cross-site");
    let is_navigation = request.header("sec-fetch-dest") == Some("document") && *request.method() != Method::POST;
    !is_from_elsewhere || is_navigation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::random::Random;
    use crate::model::id::Id;

    fn sid(seed: &str) -> SessionId {
        SessionId(Id::mint(Timestamp::from_secs(1), &Random::seeded(seed)))
    }

    fn state(anonymous_key: Option<&str>) -> BrowserState {
        let key = ServerKey::generate(&Random::seeded("server key"));
        BrowserState::new(Site::Https { port: 443 }, &key, anonymous_key)
    }

    #[test]
    fn django_the_browser_state_comes_from_the_session_or_from_a_key() {
        let (one, again) = (state(None), state(None));
        assert_eq!(one.value(None), again.value(None), "the same after a restart");
        assert_eq!(one.value(Some(sid("a"))), again.value(Some(sid("a"))));
        assert_ne!(one.value(Some(sid("a"))), one.value(Some(sid("b"))));
        assert_ne!(one.value(Some(sid("a"))), one.value(None));
        let keyed = state(Some("shared"));
        assert_ne!(keyed.value(None), one.value(None));
        assert_eq!(keyed.value(None), state(Some("shared")).value(None));
        assert_eq!(keyed.value(Some(sid("a"))), one.value(Some(sid("a"))), "sessions are of one store");
    }

    #[test]
    fn session_management_3_2_the_browser_state_tells_no_session() {
        let state = state(None);
        let value = state.value(Some(sid("a")));
        assert!(!value.contains(&sid("a").to_string()) && value.len() == 43, "{value}");
        let header = state.announce(Some(sid("a"))).into_header();
        let text = header.to_str().unwrap();
        assert_eq!(text, format!("__Host-op_browser_state={value}; Path=/; Secure; SameSite=None"));
    }
}
