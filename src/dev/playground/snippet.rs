//! Ready-made configuration for common libraries, filled in for one client.

use crate::base::uri::LoopbackUri;
use crate::model::client::Client;
use crate::page::Snippet;
use crate::protocol::issuer::Issuer;

/// What an application has to know.
struct Known<'a> {
    issuer: &'a str,
    client_id: &'a str,
    /// `None` for a public client.
    secret: Option<&'a str>,
    redirect_uri: &'a str,
    /// Over http a library has to be told that this is meant.
    plain_http: bool,
}

/// Configuration for every library that fits the client.
pub(super) fn all(issuer: &Issuer, client: &Client) -> Vec<Snippet> {
    let registered = client.redirect_uris.first().map_or("http://localhost/callback", String::as_str);
    // Any port of this machine will do; the one that stands for none is seldom an application's.
    let redirect_uri = match LoopbackUri::parse(registered) {
        Some(LoopbackUri { host, port: None, rest }) => format!("http://{host}:3000{rest}"),
        _ => registered.to_owned(),
    };
    let known = Known {
        issuer: issuer.as_str(),
        client_id: client.id.as_str(),
        secret: client.secret.as_ref().filter(|_| !client.is_public()).map(|secret| secret.expose()),
        redirect_uri: &redirect_uri,
        plain_http: !issuer.is_https(),
    };
    let everywhere = [
        ("environment", "Environment variables", ".env", environment(&known)),
        ("openid-client", "openid-client", "Node.js", openid_client(&known)),
        ("auth-js", "Auth.js", "Next.js: auth.ts", auth_js(&known)),
        ("authlib", "Authlib", "Python, Flask", authlib(&known)),
        ("spring", "Spring Boot", "application.yml", spring(&known)),
        ("aspnet", "ASP.NET Core", "Program.cs", aspnet(&known)),
        ("go-oidc", "go-oidc", "Go", go_oidc(&known)),
    ];
    let by_type = match known.secret {
        None => ("oidc-client-ts", "oidc-client-ts", "in the browser", oidc_client_ts(&known)),
        Some(secret) => ("oauth2-proxy", "OAuth2 Proxy", "oauth2-proxy.cfg", oauth2_proxy(&known, secret)),
    };
    let snippet = |(id, title, place, text)| Snippet { id, title, place, text };
    everywhere.into_iter().chain([by_type]).map(snippet).collect()
}

/// A text between double quotes, as JSON, JavaScript, Python, Go, C#, YAML and TOML all read it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The lines, without those that are `None`.
fn lines<const N: usize>(lines: [Option<String>; N]) -> String {
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn environment(known: &Known<'_>) -> String {
    // In single quotes nothing is expanded, by a shell or by a reader of such files.
    let assignment = |(name, value): (&str, &str)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+=,".contains(&byte);
        if value.bytes().all(plain) {
            format!("{name}={value}")
        } else {
            format!("{name}='{}'", value.replace('\'', "'\\''"))
        }
    };
    lines([
        Some(assignment(("OIDC_ISSUER", known.issuer))),
        Some(assignment(("OIDC_CLIENT_ID", known.client_id))),
        known.secret.map(|secret| assignment(("OIDC_CLIENT_SECRET", secret))),
        Some(assignment(("OIDC_REDIRECT_URI", known.redirect_uri))),
    ])
}

fn openid_client(known: &Known<'_>) -> String {
    let (issuer, id, redirect) = (quoted(known.issuer), quoted(known.client_id), quoted(known.redirect_uri));
    let authentication = match known.secret {
        Some(secret) => format!("client.ClientSecretBasic({})", quoted(secret)),
        None => "client.None()".to_owned(),
    };
    let options = if known.plain_http { ", {\n  execute: [client.allowInsecureRequests], // http\n}" } else { "" };
    format!(
        r#"import * as client from "openid-client"; // version 6

const config = await client.discovery(new URL({issuer}), {id}, undefined, {authentication}{options});

// To begin a login: keep both in the user's session.
const codeVerifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const address = client.buildAuthorizationUrl(config, {{
  redirect_uri: {redirect},
  scope: "openid profile email",
  state,
  code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: "S256",
}});

// At the redirect URI, with the address that was called:
const tokens = await client.authorizationCodeGrant(config, currentUrl, {{
  pkceCodeVerifier: codeVerifier,
  expectedState: state,
}});
const {{ sub }} = tokens.claims();
const user = await client.fetchUserInfo(config, tokens.access_token, sub);"#
    )
}

fn auth_js(known: &Known<'_>) -> String {
    let authentication = match known.secret {
        Some(secret) => format!("clientSecret: {},", quoted(secret)),
        None => r#"client: { token_endpoint_auth_method: "none" },"#.to_owned(),
    };
    format!(
        r#"import NextAuth from "next-auth"; // version 5

// Register the redirect URI <your application>/api/auth/callback/hallpass.
export const {{ handlers, auth, signIn, signOut }} = NextAuth({{
  providers: [
    {{
      id: "hallpass",
      name: "hallpass",
      type: "oidc",
      issuer: {issuer},
      clientId: {id},
      {authentication}
    }},
  ],
}});"#,
        issuer = quoted(known.issuer),
        id = quoted(known.client_id),
    )
}

fn authlib(known: &Known<'_>) -> String {
    let secret = known.secret.map(|secret| format!("\n    client_secret={},", quoted(secret))).unwrap_or_default();
    let method = if known.secret.is_none() { "\n        \"token_endpoint_auth_method\": \"none\"," } else { "" };
    format!(
        r#"from authlib.integrations.flask_client import OAuth

oauth = OAuth(app)
oauth.register(
    name="hallpass",
    server_metadata_url={metadata},
    client_id={id},{secret}
    client_kwargs={{
        "scope": "openid profile email",
        "code_challenge_method": "S256",{method}
    }},
)

# To begin a login:
#     return oauth.hallpass.authorize_redirect({redirect})
# At the redirect URI:
#     user = oauth.hallpass.authorize_access_token()["userinfo"]"#,
        metadata = quoted(&format!("{}/.well-known/openid-configuration", known.issuer)),
        id = quoted(known.client_id),
        redirect = quoted(known.redirect_uri),
    )
}

fn spring(known: &Known<'_>) -> String {
    let authentication = match known.secret {
        Some(secret) => format!("client-secret: {}", quoted(secret)),
        // Spring Security adds PKCE by itself then.
        None => "client-authentication-method: none".to_owned(),
    };
    format!(
        r#"spring:
  security:
    oauth2:
      client:
        registration:
          hallpass:
            client-id: {id}
            {authentication}
            authorization-grant-type: authorization_code
            redirect-uri: {redirect}
            scope: openid, profile, email
        provider:
          hallpass:
            issuer-uri: {issuer}"#,
        id = quoted(known.client_id),
        redirect = quoted(known.redirect_uri),
        issuer = quoted(known.issuer),
    )
}

fn aspnet(known: &Known<'_>) -> String {
    let path = known.redirect_uri.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let path =
        path.map_or_else(|| "/signin-oidc".to_owned(), |path| format!("/{}", path.split('?').next().unwrap_or(path)));
    let options = lines([
        Some(format!("        options.Authority = {};", quoted(known.issuer))),
        known.plain_http.then(|| "        options.RequireHttpsMetadata = false; // http".to_owned()),
        Some(format!("        options.ClientId = {};", quoted(known.client_id))),
        known.secret.map(|secret| format!("        options.ClientSecret = {};", quoted(secret))),
        Some("        options.ResponseType = OpenIdConnectResponseType.Code;".to_owned()),
        Some("        options.ResponseMode = OpenIdConnectResponseMode.Query;".to_owned()),
        Some(format!("        options.CallbackPath = {};", quoted(&path))),
        Some("        options.Scope.Add(\"email\");".to_owned()),
        Some("        options.GetClaimsFromUserInfoEndpoint = true;".to_owned()),
        Some("        options.MapInboundClaims = false;".to_owned()),
        Some("        options.SaveTokens = true;".to_owned()),
    ]);
    format!(
        r#"using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

builder.Services
    .AddAuthentication(options =>
    {{
        options.DefaultScheme = CookieAuthenticationDefaults.AuthenticationScheme;
        options.DefaultChallengeScheme = OpenIdConnectDefaults.AuthenticationScheme;
    }})
    .AddCookie()
    .AddOpenIdConnect(options =>
    {{
{options}
    }});"#
    )
}

fn go_oidc(known: &Known<'_>) -> String {
    let fields = lines([
        Some(format!("\tClientID:     {},", quoted(known.client_id))),
        known.secret.map(|secret| format!("\tClientSecret: {},", quoted(secret))),
        Some("\tEndpoint:     provider.Endpoint(),".to_owned()),
        Some(format!("\tRedirectURL:  {},", quoted(known.redirect_uri))),
        Some("\tScopes:       []string{oidc.ScopeOpenID, \"profile\", \"email\"},".to_owned()),
    ]);
    format!(
        r#"// github.com/coreos/go-oidc/v3/oidc and golang.org/x/oauth2
provider, err := oidc.NewProvider(ctx, {issuer})
if err != nil {{
	return err
}}
config := oauth2.Config{{
{fields}
}}
idTokens := provider.Verifier(&oidc.Config{{ClientID: config.ClientID}})

// To begin a login: keep both in the user's session.
verifier, state := oauth2.GenerateVerifier(), rand.Text() // crypto/rand
address := config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))

// At the redirect URI, once the state is compared:
token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
if err != nil {{
	return err
}}
raw, _ := token.Extra("id_token").(string)
idToken, err := idTokens.Verify(ctx, raw)"#,
        issuer = quoted(known.issuer),
    )
}

fn oidc_client_ts(known: &Known<'_>) -> String {
    format!(
        r#"import {{ UserManager }} from "oidc-client-ts"; // version 3

const users = new UserManager({{
  authority: {issuer},
  client_id: {id},
  redirect_uri: {redirect},
  scope: "openid profile email",
}});

// To begin a login; PKCE is always used:
await users.signinRedirect();

// At the redirect URI:
const user = await users.signinRedirectCallback();"#,
        issuer = quoted(known.issuer),
        id = quoted(known.client_id),
        redirect = quoted(known.redirect_uri),
    )
}

fn oauth2_proxy(known: &Known<'_>, secret: &str) -> String {
    lines([
        Some("provider = \"oidc\"".to_owned()),
        Some(format!("oidc_issuer_url = {}", quoted(known.issuer))),
        Some(format!("client_id = {}", quoted(known.client_id))),
        Some(format!("client_secret = {}", quoted(secret))),
        Some(format!("redirect_url = {}", quoted(known.redirect_uri))),
        Some("scope = \"openid profile email\"".to_owned()),
        Some("code_challenge_method = \"S256\"".to_owned()),
        Some("email_domains = [\"*\"]".to_owned()),
        Some("upstreams = [\"http://127.0.0.1:8080\"]".to_owned()),
        Some("cookie_secret = \"\" # openssl rand -base64 32 | tr -- '+/' '-_'".to_owned()),
        known.plain_http.then(|| "cookie_secure = false # http".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::secret::Secret;
    use crate::model::client::ClientType;
    use crate::model::id::ClientId;

    fn client(kind: ClientType, secret: &str) -> Client {
        let mut client = Client::new(ClientId::new("app"), "App".into(), 1, Timestamp::EPOCH);
        client.kind = kind;
        client.secret = (kind == ClientType::Confidential).then(|| Secret::new(secret));
        client.redirect_uris = vec!["https://app.example/auth/callback?x=1".into()];
        client
    }

    fn snippets(issuer: &str, client: &Client) -> Vec<Snippet> {
        all(&Issuer::parse(issuer).unwrap(), client)
    }

    #[test]
    fn every_library_is_given_the_issuer_the_client_and_its_secret() {
        for snippet in snippets("http://localhost:8000/idp", &client(ClientType::Confidential, "s3cret")) {
            for known in ["http://localhost:8000/idp", "app", "s3cret"] {
                assert!(snippet.text.contains(known), "{}: {known}", snippet.id);
            }
        }
        let public = snippets("http://localhost:8000", &client(ClientType::Public, ""));
        assert!(public.iter().any(|snippet| snippet.id == "oidc-client-ts"));
        for snippet in public {
            assert!(!snippet.text.to_lowercase().contains("secret"), "{}", snippet.text);
        }
    }

    #[test]
    fn http_has_to_be_meant_and_https_needs_no_word() {
        let client = client(ClientType::Confidential, "s3cret");
        let text = |issuer: &str| snippets(issuer, &client).into_iter().map(|snippet| snippet.text).collect::<String>();
        for word in ["allowInsecureRequests", "RequireHttpsMetadata = false", "cookie_secure = false"] {
            assert!(text("http://localhost:8000").contains(word), "{word}");
            assert!(!text("https://id.example").contains(word), "{word}");
        }
        assert!(text("https://id.example").contains("CallbackPath = \"/auth/callback\""));
    }

    #[test]
    fn what_is_quoted_stays_in_its_quotes() {
        let hostile = "a\"b'c\\d\ne $HOME";
        for snippet in snippets("https://id.example", &client(ClientType::Confidential, hostile)) {
            let wanted = if snippet.id == "environment" { r#"'a"b'\''c\d"# } else { r#""a\"b'c\\d\ne $HOME""# };
            assert!(snippet.text.contains(wanted), "{}: {}", snippet.id, snippet.text);
        }
    }
}
