//! The frame of session management.

use serde::Serialize;

use super::Page;
use super::shape::described;

described! {
    /// `check_session_iframe.html` (OpenID Connect Session Management 1.0 section 3.2): a frame that answers the pages of relying
    /// parties, wherever they are.
    #[derive(Clone, Debug, Serialize)]
    pub struct CheckSessionIframePage {
        /// The name of the cookie that its script reads.
        pub cookie: String,
    }
}

impl Page for CheckSessionIframePage {
    const TEMPLATE: &'static str = "check_session_iframe.html";
    const SCRIPTS: bool = true;

    fn samples() -> Vec<(&'static str, Self)> {
        vec![
            ("https", Self { cookie: "__Host-op_browser_state".to_owned() }),
            ("http", Self { cookie: "op_browser_state-8000".to_owned() }),
        ]
    }

    /// No `frame-ancestors`: every page may hold it.
    fn policy(&self) -> String {
        "default-src 'none'; script-src 'self'; form-action 'none'; base-uri 'none'".to_owned()
    }
}
