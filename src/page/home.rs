//! The page at the issuer's own address.

use serde::Serialize;

use super::part::INJECTION;
use super::shape::described;
use super::{Page, Submits};

described! {
    /// `home.html`: tells whoever opens the issuer's address what lives there.
    #[derive(Clone, Debug, Serialize)]
    pub struct HomePage {
        /// The issuer identifier.
        pub issuer: String,
        /// Address of the discovery document (OpenID Connect Discovery section 4).
        pub discovery: String,
        /// Whether there is a playground: in development.
        pub playground: bool,
    }
}

impl Page for HomePage {
    const TEMPLATE: &'static str = "home.html";
    const SUBMITS: Submits = Submits::Here;
    const HERE: Option<&'static str> = Some("home");

    fn samples() -> Vec<(&'static str, Self)> {
        let page = |issuer: &str| Self {
            issuer: issuer.to_owned(),
            discovery: format!("{issuer}/.well-known/openid-configuration"),
            playground: false,
        };
        vec![
            ("plain", page("https://login.meadow.example")),
            ("development", Self { playground: true, ..page("http://localhost:8000") }),
            ("long", page("https://identity.procurement.north-west.intranet.example:8443/tenants/meadow/oidc")),
            ("hostile", page(&format!("https://login.example/{INJECTION}"))),
        ]
    }
}
