//! The one table of addresses: what lives where, which methods it takes, who may read its answers, how its errors look.

use std::sync::Arc;

use hyper::header::{ALLOW, CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{Method, StatusCode};

use super::health;
use super::{Handler, Shortage};
use crate::account::{consent, language, login, logo, logout, select_account};
use crate::admin::http::{self as administration, Caller};
use crate::app::App;
use crate::app::browser_state;
use crate::app::cors::{Sharing, is_preflight};
use crate::app::development::PLAYGROUND_CALLBACK;
use crate::app::document;
use crate::app::errand;
use crate::app::fault::{Channel, Fault};
use crate::app::reply::Reply;
use crate::app::request::Request;
use crate::dev::playground;
use crate::gate::forward_auth;
use crate::oidc::{self, authorize, check_session, discovery, end_session, introspect, jwks, revoke, token, userinfo};
use crate::page::{ACCENT_PATH, Asset, HomePage, accent_sheet};
use crate::protocol::issuer::Endpoint;

/// Something that lives at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Home,
    Discovery,
    /// Also outside of the issuer's path.
    AuthorizationServer,
    Jwks,
    Authorize,
    /// Where users come back who were elsewhere.
    Resume,
    Token,
    Userinfo,
    Introspect,
    Revoke,
    EndSession,
    /// Only where session management is on.
    CheckSessionIframe,
    Login,
    Consent,
    SelectAccount,
    Logout,
    Asset(&'a str),
    Accent(&'a str),
    Language,
    ClientLogo(&'a str),
    Playground,
    PlaygroundCallback,
    PlaygroundRefresh,
    Healthz,
    Readyz,
    /// Only where `forward_auth.enabled` is set.
    ForwardAuth,
    /// Only where `admin.token` is set.
    Administration,
}

/// Which scripts may read what a place answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// All: it is public.
    Everybody,
    /// Those of the origins that clients have registered.
    Clients,
    /// Our own only.
    Nobody,
}

impl<'a> Place<'a> {
    /// What lives at a path below the issuer's.
    fn find(path: &'a str) -> Option<Self> {
        let endpoint = |endpoint: Endpoint| endpoint.path();
        Some(match path {
            "/" => Self::Home,
            _ if path == endpoint(Endpoint::Discovery) => Self::Discovery,
            _ if path == endpoint(Endpoint::AuthorizationServer) => Self::AuthorizationServer,
            _ if path == endpoint(Endpoint::Jwks) => Self::Jwks,
            _ if path == endpoint(Endpoint::Authorize) => Self::Authorize,
            _ if path == endpoint(Endpoint::Token) => Self::Token,
            _ if path == endpoint(Endpoint::Userinfo) => Self::Userinfo,
            _ if path == endpoint(Endpoint::Introspect) => Self::Introspect,
            _ if path == endpoint(Endpoint::Revoke) => Self::Revoke,
            _ if path == endpoint(Endpoint::EndSession) => Self::EndSession,
            _ if path == endpoint(Endpoint::CheckSessionIframe) => Self::CheckSessionIframe,
            errand::PATH => Self::Resume,
            "/login" => Self::Login,
            "/consent" => Self::Consent,
            "/select-account" => Self::SelectAccount,
            "/logout" => Self::Logout,
            "/language" => Self::Language,
            "/playground" => Self::Playground,
            PLAYGROUND_CALLBACK => Self::PlaygroundCallback,
            "/playground/refresh" => Self::PlaygroundRefresh,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            forward_auth::PATH => Self::ForwardAuth,
            _ if administration::is_address(path) => Self::Administration,
            _ => match (path.strip_prefix("/asset/"), path.strip_prefix(ACCENT_PATH)) {
                (Some(name), _) => Self::Asset(name),
                (None, Some(name)) => Self::Accent(name),
                (None, None) => Self::ClientLogo(path.strip_prefix(logo::PATH)?),
            },
        })
    }

    /// Whether this provider has it.
    fn exists(self, app: &App) -> bool {
        match self {
            Self::Playground | Self::PlaygroundCallback | Self::PlaygroundRefresh => app.development.is_some(),
            Self::ForwardAuth => app.settings.forward_auth.enabled,
            Self::Administration => app.settings.admin.token.is_some(),
            Self::CheckSessionIframe => app.browser_state.is_some(),
            _ => true,
        }
    }

    /// As `Allow` lists them.
    const fn methods(self) -> &'static str {
        match self {
            Self::Home
            | Self::Discovery
            | Self::AuthorizationServer
            | Self::Jwks
            | Self::CheckSessionIframe
            | Self::Asset(_)
            | Self::Accent(_)
            | Self::ClientLogo(_)
            | Self::Healthz
            | Self::Readyz => "GET, HEAD, OPTIONS",
            // HEAD would issue a code and drop it, redeem one, or log somebody out.
            Self::Authorize | Self::EndSession | Self::PlaygroundCallback => "GET, POST, OPTIONS",
            // HEAD would use up a handle.
            Self::Resume => "GET, OPTIONS",
            Self::Userinfo | Self::Login | Self::Consent | Self::SelectAccount | Self::Logout | Self::Playground => {
                "GET, HEAD, POST, OPTIONS"
            }
            Self::Token | Self::Introspect | Self::Revoke | Self::PlaygroundRefresh | Self::Language => "POST, OPTIONS",
            // Any success lets a request through: OPTIONS has none here.
            Self::ForwardAuth => "GET, HEAD",
            Self::Administration => administration::METHODS,
        }
    }

    fn takes(self, request: &Request) -> bool {
        let name = if request.is_head() { "HEAD" } else { request.method().as_str() };
        self.methods().split(", ").any(|method| method == name)
    }

    const fn readers(self) -> Readers {
        match self {
            Self::Discovery | Self::AuthorizationServer | Self::Jwks => Readers::Everybody,
            Self::Token | Self::Userinfo | Self::Revoke => Readers::Clients,
            _ => Readers::Nobody,
        }
    }

    /// Whether its answers say to the browser what scripts may see of the login state: those that are seen in a window.
    fn tells_browser_state(self) -> bool {
        let is_seen = !matches!(
            self,
            Self::CheckSessionIframe
                | Self::Asset(_)
                | Self::Accent(_)
                | Self::ClientLogo(_)
                | Self::Healthz
                | Self::Readyz
        );
        is_seen && self.channel() == Channel::Page
    }

    const fn channel(self) -> Channel {
        match self {
            Self::Userinfo | Self::ForwardAuth => Channel::Bearer,
            Self::Token
            | Self::Introspect
            | Self::Revoke
            | Self::Discovery
            | Self::AuthorizationServer
            | Self::Jwks
            | Self::Administration => Channel::Json,
            _ => Channel::Page,
        }
    }
}

/// The provider as the server sees it: what answers at every address.
pub struct Routes(pub Arc<App>);

impl Handler for Routes {
    async fn handle(&self, mut request: Request) -> Reply {
        let app = self.0.as_ref();
        let path = request.path().to_owned();
        let at_root = || app.issuer.has_metadata_at(request.full_path()).then_some(Place::AuthorizationServer);
        let Some(place) = Place::find(&path).or_else(at_root).filter(|place| place.exists(app)) else {
            return Fault::missing().answer(app, &request, Channel::Page);
        };
        let sharing = match place.readers() {
            Readers::Everybody => Some(Sharing::Everybody),
            Readers::Clients => {
                let known = match request.origin() {
                    Some(origin) => app.shares_with(origin).await,
                    None => false,
                };
                Some(Sharing::decide(&request, known))
            }
            Readers::Nobody => None,
        };
        let reply = match sharing {
            Some(sharing) if is_preflight(&request) => return sharing.preflight(place.methods()),
            _ if !place.takes(&request) => {
                // A method says nothing about a token, so there is no challenge.
                let channel = if place.channel() == Channel::Page { Channel::Page } else { Channel::Json };
                Fault::method().answer(app, &request, channel).header(ALLOW, allow(place))
            }
            _ if *request.method() == Method::OPTIONS => {
                Reply::empty(StatusCode::NO_CONTENT).header(ALLOW, allow(place))
            }
            _ => match go(app, place, &mut request).await {
                Ok(reply) => reply,
                Err(fault) => fault.answer(app, &request, place.channel()),
            },
        };
        match sharing {
            Some(sharing) => sharing.apply(reply),
            None if place.tells_browser_state() => browser_state::keep(app, &request, reply).await,
            None => reply,
        }
    }

    fn always_answers(&self, request: &Request) -> bool {
        // Whoever watches over us must not take us for dead because there is much to do.
        matches!(Place::find(request.path()), Some(Place::Healthz | Place::Readyz))
    }

    fn overloaded(&self, request: &Request, shortage: Shortage) -> Reply {
        let channel = Place::find(request.path()).map_or(Channel::Page, Place::channel);
        let fault = Fault::busy(match shortage {
            Shortage::Requests => "http.max_in_flight requests are being answered",
            Shortage::Bodies => "too many request bodies are on their way, in all or from this address",
        });
        // A page costs more to make than it tells whoever has to wait.
        fault.answer(&self.0, request, if channel == Channel::Page { Channel::Json } else { channel })
    }
}

fn allow(place: Place<'_>) -> HeaderValue {
    HeaderValue::from_static(place.methods())
}

/// A future is as large as the largest that it may hold, and is moved several times before it runs: so the large ones have
/// a place of their own, out of the way of the quick ones.
async fn go(app: &App, place: Place<'_>, request: &mut Request) -> Result<Reply, Fault> {
    let posted = *request.method() == Method::POST;
    match place {
        Place::Home => home(app, request),
        Place::Discovery | Place::AuthorizationServer => Ok(discovery::discovery(app, request)),
        Place::Jwks => jwks::jwks(app, request).await,
        Place::Authorize => Box::pin(authorize::authorize(app, request)).await,
        Place::Resume => Box::pin(oidc::errand::come_back(app, request)).await,
        Place::Token => Box::pin(token::token(app, request)).await,
        Place::Userinfo => userinfo::userinfo(app, request).await,
        Place::Introspect => Box::pin(introspect::introspect(app, request)).await,
        Place::Revoke => Box::pin(revoke::revoke(app, request)).await,
        Place::EndSession => Box::pin(end_session::end_session(app, request)).await,
        Place::CheckSessionIframe => check_session::check_session_iframe(app, request),
        Place::Login if posted => Box::pin(login::submit(app, request)).await,
        Place::Login => Box::pin(login::show(app, request)).await,
        Place::Consent if posted => Box::pin(consent::submit(app, request)).await,
        Place::Consent => Box::pin(consent::show(app, request)).await,
        Place::SelectAccount if posted => Box::pin(select_account::submit(app, request)).await,
        Place::SelectAccount => Box::pin(select_account::show(app, request)).await,
        Place::Logout if posted => Box::pin(logout::submit(app, request)).await,
        Place::Logout => Box::pin(logout::show(app, request)).await,
        Place::Playground if posted => Box::pin(playground::begin(app, request)).await,
        Place::Playground => Box::pin(playground::show(app, request)).await,
        Place::PlaygroundCallback => Box::pin(playground::callback(app, request)).await,
        Place::PlaygroundRefresh => Box::pin(playground::refresh(app, request)).await,
        Place::Language => Box::pin(language::choose(app, request)).await,
        Place::Asset(name) => asset(app, name, request),
        Place::Accent(name) => accent(name, request),
        Place::ClientLogo(id) => Box::pin(logo::show(app, request, id)).await,
        Place::Healthz => Ok(health::alive()),
        Place::Readyz => Ok(health::ready(app).await),
        Place::ForwardAuth => forward_auth::forward_auth(app, request).await,
        Place::Administration => Ok(Box::pin(administration::answer(app, request, Caller::Bearer)).await),
    }
}

/// The page at the issuer's own address, for whoever wonders what this is.
fn home(app: &App, request: &Request) -> Result<Reply, Fault> {
    let page = HomePage {
        issuer: app.issuer.to_string(),
        discovery: app.issuer.address(Endpoint::Discovery),
        playground: app.development.is_some(),
    };
    app.page(&page, &app.locale(None, request))
}

/// A style sheet, script or image of the pages.
fn asset(app: &App, name: &str, request: &Request) -> Result<Reply, Fault> {
    let pages = app.pages.in_any_case(request.now());
    file(pages.asset(name).ok_or_else(Fault::missing)?, request)
}

/// The style sheet for a colour.
fn accent(name: &str, request: &Request) -> Result<Reply, Fault> {
    file(&accent_sheet(name).ok_or_else(Fault::missing)?, request)
}

fn file(asset: &Asset, request: &Request) -> Result<Reply, Fault> {
    let etag = asset.etag();
    let query = request.query()?;
    let cache = HeaderValue::from_static(asset.cache_control(query.get("v")));
    let reply = if document::has(request, &etag) {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        Reply::bytes(HeaderValue::from_static(asset.content_type), asset.bytes.clone())
    };
    Ok(reply.header(CACHE_CONTROL, cache).text_header(ETAG, &etag))
}
