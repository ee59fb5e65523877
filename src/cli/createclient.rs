//! `hallpass createclient`

use std::fs::File;
use std::io::{self, Read};

use argh::{ArgsInfo, FromArgs};
use serde_json::{Map, Value};

use super::administration::Administration;
use super::failure::Failure;
use super::{Invocation, output, prompt};
use crate::base::encode::base64url;
use crate::model::logo::MAX_LOGO;

/// Register a client: an application that logs its users in here
#[derive(FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "createclient",
    example = "hallpass createclient --name Wiki --redirect-uri https://wiki.example.com/callback",
    example = "hallpass createclient --name Phone --type public --redirect-uri com.example.phone:/callback",
    example = "hallpass createclient --name Backup --grant-type client_credentials --scope backups:write",
    example = "hallpass --json createclient --name CI --redirect-uri http://127.0.0.1/callback | jq -r .client_secret",
    note = "The secret is shown once, here. hallpass client rotate-secret makes another one."
)]
pub(super) struct CreateClient {
    /// what people see on the consent page
    #[argh(option, arg_name = "NAME")]
    name: String,
    /// where the browser may be sent back to (one at least, unless nobody logs in there); of http URIs on this machine any port will do
    #[argh(option, arg_name = "URI")]
    redirect_uri: Vec<String>,
    /// the client's id; drawn when it is not given
    #[argh(option, arg_name = "ID")]
    id: Option<String>,
    /// its secret; drawn when it is not given, which is better
    #[argh(option, arg_name = "SECRET")]
    secret: Option<String>,
    /// read its secret from standard input, where nobody else sees it
    #[argh(switch)]
    secret_stdin: bool,
    /// confidential (the default) or public: one that can't keep a secret, such as an app or a page
    #[argh(option, arg_name = "TYPE", long = "type")]
    kind: Option<String>,
    /// what it may ask for: code (the default)
    #[argh(option, arg_name = "TYPE")]
    response_type: Vec<String>,
    /// how it gets tokens: authorization_code and refresh_token (the default)
    #[argh(option, arg_name = "GRANT")]
    grant_type: Vec<String>,
    /// scopes of your own that it may be granted beside the standard ones, such as "books:read books:write"; with client_credentials and password all that it may be granted
    #[argh(option, arg_name = "SCOPES")]
    scope: Option<String>,
    /// how its ID tokens are signed: RS256 (the default), or HS256 with its secret
    #[argh(option, arg_name = "ALG")]
    jwt_alg: Option<String>,
    /// do not ask users for their consent (public clients that get codes always ask)
    #[argh(switch)]
    no_require_consent: bool,
    /// ask for consent every time
    #[argh(switch)]
    no_reuse_consent: bool,
    /// refuse requests without PKCE (public clients always need it)
    #[argh(switch)]
    require_pkce: bool,
    /// let refresh tokens be used again and again
    #[argh(switch)]
    no_rotate_refresh_tokens: bool,
    /// where the browser may be sent after a logout
    #[argh(option, arg_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// its home page
    #[argh(option, arg_name = "URI")]
    client_uri: Option<String>,
    /// its privacy policy
    #[argh(option, arg_name = "URI")]
    policy_uri: Option<String>,
    /// its terms of service
    #[argh(option, arg_name = "URI")]
    tos_uri: Option<String>,
    /// a claim that it is given, such as team=user.claims.team: an expression, as in [claims]
    #[argh(option, arg_name = "NAME=EXPRESSION")]
    claim: Vec<String>,
    /// who may go on to it, such as "'staff' in user.claims.groups": an expression
    #[argh(option, arg_name = "EXPRESSION")]
    allow_if: Option<String>,
    /// an e-mail address of its makers
    #[argh(option, arg_name = "EMAIL")]
    contact: Vec<String>,
    /// its logo: an http or https URI, or a PNG, JPEG or WebP file of 64 KiB at most, which is kept in the store
    #[argh(option, arg_name = "FILE|URI")]
    logo: Option<String>,
    /// the colour of the pages that are shown for it, such as #0b5c45; made darker or lighter where it can't be read
    #[argh(option, arg_name = "COLOR")]
    accent_color: Option<String>,
    /// the user who looks after it
    #[argh(option, arg_name = "USERNAME")]
    owner: Option<String>,
    /// how long its codes live, such as 90 or 5m; else as the settings say, also below
    #[argh(option, arg_name = "TIME")]
    code_lifetime: Option<String>,
    /// how long its access tokens live
    #[argh(option, arg_name = "TIME")]
    access_token_lifetime: Option<String>,
    /// how long its ID tokens live
    #[argh(option, arg_name = "TIME")]
    id_token_lifetime: Option<String>,
    /// how long a refresh token lives that it doesn't use
    #[argh(option, arg_name = "TIME")]
    refresh_token_idle_lifetime: Option<String>,
    /// how long a refresh token lives with all its successors
    #[argh(option, arg_name = "TIME")]
    refresh_token_lifetime: Option<String>,
    /// true puts the claims of the scope into its ID tokens, false leaves them to userinfo
    #[argh(option, arg_name = "BOOL")]
    include_claims: Option<bool>,
}

impl CreateClient {
    pub(super) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        let administration = Administration::reach_or_create(invocation)?;
        let client = administration.add("clients", self.body()?)?;
        if invocation.json {
            return output::json(&client.into());
        }
        output::result(&output::record(&client))?;
        if client.contains_key("client_secret") {
            output::note("The secret is shown only now.");
        }
        Ok(())
    }

    /// The call's body: what was not given is left to its default.
    fn body(self) -> Result<Value, Failure> {
        let secret = prompt::secret(self.secret, self.secret_stdin, &["createclient"])?;
        let (logo_uri, logo) = match self.logo {
            Some(uri) if uri.contains("://") => (Some(uri), None),
            Some(file) => (None, Some(read_image(&file)?)),
            None => (None, None),
        };
        let mut body = Map::new();
        for (name, value) in [
            ("client_name", Some(self.name)),
            ("client_id", self.id),
            ("client_secret", secret.map(|secret| secret.expose().to_owned())),
            ("client_type", self.kind),
            ("scope", self.scope),
            ("id_token_signed_response_alg", self.jwt_alg),
            ("client_uri", self.client_uri),
            ("policy_uri", self.policy_uri),
            ("tos_uri", self.tos_uri),
            ("logo_uri", logo_uri),
            ("logo", logo),
            ("accent_color", self.accent_color),
            ("owner", self.owner),
            ("code_lifetime", self.code_lifetime),
            ("access_token_lifetime", self.access_token_lifetime),
            ("id_token_lifetime", self.id_token_lifetime),
            ("refresh_token_idle_lifetime", self.refresh_token_idle_lifetime),
            ("refresh_token_lifetime", self.refresh_token_lifetime),
            ("allow_if", self.allow_if),
        ] {
            if let Some(value) = value {
                body.insert(name.into(), value.into());
            }
        }
        if !self.claim.is_empty() {
            let pair = |text: &String| {
                let (name, expression) = text.split_once('=')?;
                Some((name.to_owned(), Value::from(expression)))
            };
            let claims: Option<Map<String, Value>> = self.claim.iter().map(pair).collect();
            let wrong = || Failure::usage(&["createclient".to_owned()], "--claim needs NAME=EXPRESSION");
            body.insert("claims".into(), claims.ok_or_else(wrong)?.into());
        }
        for (name, values) in [
            ("redirect_uris", self.redirect_uri),
            ("post_logout_redirect_uris", self.post_logout_redirect_uri),
            ("response_types", self.response_type),
            ("grant_types", self.grant_type),
            ("contacts", self.contact),
        ] {
            if !values.is_empty() {
                body.insert(name.into(), values.into());
            }
        }
        for (name, given, value) in [
            ("require_consent", self.no_require_consent, false),
            ("reuse_consent", self.no_reuse_consent, false),
            ("require_pkce", self.require_pkce, true),
            ("rotate_refresh_tokens", self.no_rotate_refresh_tokens, false),
        ] {
            if given {
                body.insert(name.into(), value.into());
            }
        }
        if let Some(on) = self.include_claims {
            body.insert("include_claims".into(), on.into());
        }
        Ok(body.into())
    }
}

/// A file as base64, no more of it than a logo may have.
fn read_image(path: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::failed(format!("--logo {path}: {error}"));
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_LOGO).unwrap_or(u64::MAX) + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    // No bytes would be read as no logo.
    if bytes.is_empty() {
        return Err(failed(io::Error::other("the file is empty")));
    }
    Ok(base64url(bytes))
}
