//! The `Content-Security-Policy` of a page (CSP Level 3): everything is refused, then the little that it needs is let in.

use crate::base::uri;

/// Where the forms of a page may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submits {
    /// It has none.
    Nowhere,
    /// To hallpass itself, and the answer stays there.
    Here,
    /// To hallpass or beyond, where the answer to a submit may end at a relying party. Browsers hold `form-action`
    /// against the whole chain of redirects, so such a page cannot carry it.
    Beyond,
}

/// The header's value. `image` is the address of an image from elsewhere, of which the origin is let in; an address
/// without a scheme is one of our own and needs nothing.
pub fn content_security_policy(scripts: bool, submits: Submits, image: Option<&str>) -> String {
    let mut policy = String::from("default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'");
    if let Some(origin) = image.and_then(uri::origin).filter(|origin| is_source(origin)) {
        policy.push(' ');
        policy.push_str(&origin);
    }
    if scripts {
        policy.push_str("; script-src 'self'");
    }
    match submits {
        Submits::Nowhere => policy.push_str("; form-action 'none'"),
        Submits::Here => policy.push_str("; form-action 'self'"),
        Submits::Beyond => {}
    }
    policy.push_str("; base-uri 'none'; frame-ancestors 'none'");
    policy
}

/// Whether an origin can stand in a policy: URL parsers let `;` and `,` into host names, and here these end a directive
/// and a policy.
fn is_source(origin: &str) -> bool {
    origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csp3_a_page_lets_in_only_what_it_needs() {
        assert_eq!(
            content_security_policy(false, Submits::Nowhere, None),
            "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        assert_eq!(
            content_security_policy(true, Submits::Beyond, Some("https://CDN.example:8443/logo.png?x=1")),
            "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' https://cdn.example:8443; \
             script-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert!(content_security_policy(true, Submits::Here, None).contains("; form-action 'self';"));
    }

    #[test]
    fn csp3_a_logo_cannot_add_a_directive() {
        for logo in [
            "https://a;script-src *;.example/logo.png",
            "https://a,default-src *.example/logo.png",
            "https://a'unsafe-inline'.example/",
            "/media/logo.png",
            "data:image/png;base64,AAAA",
            "javascript:alert(1)",
        ] {
            let policy = content_security_policy(false, Submits::Nowhere, Some(logo));
            assert!(policy.contains("; img-src 'self'; form-action 'none';"), "{logo}: {policy}");
        }
    }
}
