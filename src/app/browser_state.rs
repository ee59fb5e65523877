//! The browser's login state, as scripts may see it (OpenID Connect Session Management 1.0 section 3.2): a cookie whose value
//! changes when somebody logs in or out, and tells nothing about who.

use hyper::Method;

use super::App;
use super::browser;
use super::cookie::{Cookie, Lifetime, SetCookie, Site};
use super::reply::Reply;
use super::request::Request;
use crate::base::encode::{base64url, parse_base64url_array};
use crate::base::random::Random;
use crate::base::secret::equal;
use crate::jose::mac::MacKey;
use crate::jose::seal::ServerKey;
use crate::model::client::Client;
use crate::model::id::SessionId;
use crate::model::session::Session;
use crate::protocol::session_state;

/// Makes the value of the cookie.
pub struct BrowserState {
    cookie: Cookie,
    /// Makes the values while a session is open.
    key: MacKey,
    /// Makes the values where nobody is logged in.
    anonymous_key: MacKey,
    random: Random,
}

impl BrowserState {
    /// For the browsers of one site. `anonymous_key` has several servers of one name accept each other's values where
    /// nobody is logged in.
    pub(super) fn new(site: Site, server_key: &ServerKey, anonymous_key: Option<&str>, random: Random) -> Self {
        let key = server_key.mac_key("browser state");
        Self {
            cookie: Cookie::for_frames(site, "op_browser_state"),
            anonymous_key: anonymous_key.map_or_else(|| key.clone(), |text| MacKey::new(text.as_bytes())),
            key,
            random,
        }
    }

    /// The name of the cookie.
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }

    /// The value while this session is open. A code of its id: not even the id shows.
    fn of_session(&self, sid: SessionId) -> String {
        base64url(self.key.tag(sid.0.as_bytes()))
    }

    /// A value for a browser in which nobody is logged in: a random one, with the code by which we know it again. Another
    /// browser has another. Were it the same everywhere, any site could fetch it, make a `session_state` of it, and have
    /// the frame tell it whether somebody is logged in.
    fn anonymous(&self) -> String {
        let own = self.random.bytes();
        format!("{}.{}", base64url(own), base64url(self.anonymous_key.tag(&nobody(own))))
    }

    fn is_anonymous(&self, value: &str) -> bool {
        let Some((own, code)) = value.split_once('.') else { return false };
        match (parse_base64url_array(own), parse_base64url_array::<32>(code)) {
            (Some(own), Some(code)) => self.anonymous_key.verify(&nobody(own), &code),
            _ => false,
        }
    }

    /// Whether it looks like a value of ours. Who doesn't know the session can't say more of the value of one.
    fn is_plausible(&self, value: &str) -> bool {
        parse_base64url_array::<32>(value).is_some() || self.is_anonymous(value)
    }

    /// Whether a browser has the right value while this session is open, or none is.
    fn fits(&self, value: &str, sid: Option<SessionId>) -> bool {
        match sid {
            Some(sid) => equal(value.as_bytes(), self.of_session(sid).as_bytes()),
            None => self.is_anonymous(value),
        }
    }

    /// The cookie for a browser in which this session has just been opened, or none is open any more.
    pub(super) fn announce(&self, sid: Option<SessionId>) -> SetCookie {
        let value = sid.map_or_else(|| self.anonymous(), |sid| self.of_session(sid));
        self.cookie.set(&value, Lifetime::BrowserSession)
    }
}

/// What the code of an anonymous value is made of. Of no session: their ids have another length.
fn nobody(own: [u8; 16]) -> Vec<u8> {
    [b"nobody".as_slice(), &own].concat()
}

/// Section 2: `session_state` of a response to a client, where session management is on and the client has pages that could
/// ask.
pub fn session_state(app: &App, client: &Client, redirect_uri: &str, session: &Session) -> Option<String> {
    let value = app.browser_state.as_ref()?.of_session(session.sid());
    session_state::session_state(&client.id, redirect_uri, &value, app.random.bytes())
}

/// The same answer with the cookie, where the browser has a wrong one or none.
pub async fn keep(app: &App, request: &Request, reply: Reply) -> Reply {
    let Some(state) = &app.browser_state else { return reply };
    if reply.sets_cookie(state.cookie_name()) || !brings_its_cookies(request) {
        return reply;
    }
    let held = request.cookie(state.cookie_name());
    // This cookie comes along where that of the session doesn't, as with images and frames of other sites, and not every
    // browser says that it is there: somebody may be logged in. Logins and logouts set it themselves.
    if !browser::brings_session(app, request) && held.is_some_and(|value| state.is_plausible(value)) {
        return reply;
    }
    // When the store can't be read now, the next answer will bring it.
    let Ok(login) = browser::live_session(app, request).await else { return reply };
    let sid = login.map(|login| login.session.sid());
    if held.is_some_and(|value| state.fits(value, sid)) {
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

    /// Of a provider with this key; what it draws is drawn from `seed`.
    fn state(anonymous_key: Option<&str>, server_key: &str, seed: &str) -> BrowserState {
        let key = ServerKey::generate(&Random::seeded(server_key));
        BrowserState::new(Site::Https { port: 443 }, &key, anonymous_key, Random::seeded(seed))
    }

    #[test]
    fn django_the_browser_state_comes_from_the_session_or_from_a_key() {
        let (one, again) = (state(None, "key", "before"), state(None, "key", "after a restart"));
        assert_eq!(one.of_session(sid("a")), again.of_session(sid("a")));
        assert_ne!(one.of_session(sid("a")), one.of_session(sid("b")));
        assert_ne!(one.of_session(sid("a")), state(None, "other key", "").of_session(sid("a")));
        assert!(again.fits(&one.of_session(sid("a")), Some(sid("a"))));
        assert!(!one.fits(&one.of_session(sid("a")), Some(sid("b"))) && !one.fits(&one.of_session(sid("a")), None));

        let anonymous = one.anonymous();
        assert!(one.fits(&anonymous, None) && again.fits(&anonymous, None) && !one.fits(&anonymous, Some(sid("a"))));
        assert!(!state(None, "other key", "").fits(&anonymous, None));
        // With a key that they share it is the same for all servers; sessions are still of one store.
        let (keyed, other) = (state(Some("shared"), "key", "keyed"), state(Some("shared"), "other key", "other"));
        assert!(other.fits(&keyed.anonymous(), None) && keyed.fits(&other.anonymous(), None));
        assert!(!keyed.fits(&anonymous, None) && !one.fits(&keyed.anonymous(), None));
        assert_eq!(keyed.of_session(sid("a")), one.of_session(sid("a")));
        assert_ne!(keyed.of_session(sid("a")), other.of_session(sid("a")));
    }

    #[test]
    fn session_management_3_2_an_anonymous_value_is_random_and_known_again() {
        let state = state(None, "key", "seed");
        let (one, other) = (state.anonymous(), state.anonymous());
        assert!(one != other && state.is_anonymous(&one) && state.is_anonymous(&other));
        let ((own, code), (others, _)) = (one.split_once('.').unwrap(), other.split_once('.').unwrap());
        let forged = [
            format!("{others}.{code}"),
            format!("{own}."),
            format!("{own}.{}", code.get(1..).unwrap()),
            format!("{one}."),
        ];
        for wrong in forged.iter().map(String::as_str).chain(["", ".", own, code, "stale"]) {
            assert!(!state.is_anonymous(wrong), "{wrong}");
            assert_eq!(state.is_plausible(wrong), wrong == code, "a session's could look like that: {wrong}");
        }
        assert!(!one.contains(' '), "the hash of the frame is made of parts with spaces between them");
    }

    #[test]
    fn session_management_3_2_the_browser_state_tells_no_session() {
        let state = state(None, "key", "seed");
        let value = state.of_session(sid("a"));
        assert!(!value.contains(&sid("a").to_string()) && value.len() == 43, "{value}");
        let header = state.announce(Some(sid("a"))).into_header();
        let text = header.to_str().unwrap();
        assert_eq!(text, format!("__Host-op_browser_state={value}; Path=/; Secure; SameSite=None"));
    }
}
