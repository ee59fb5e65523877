//! A relying party that somebody else wrote: the `openidconnect` crate.

use std::convert::Infallible;
use std::time::{Duration, UNIX_EPOCH};

use hallpass::model;
use hallpass::model::client::GrantType;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IntrospectionUrl, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RevocationUrl, Scope, TokenIntrospectionResponse, TokenResponse,
};

use crate::harness::*;

/// Its HTTP client. Tokens are taken back over https only; the provider of the tests speaks http.
async fn send(request: HttpRequest) -> Result<HttpResponse, Infallible> {
    let (parts, body) = request.into_parts();
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let url = parts.uri.to_string().replacen("https://", "http://", 1);
    let answer = exchange(parts.method.as_str(), &url, &headers, Some(body)).await;
    let mut response = hyper::Response::new(answer.body.into_bytes());
    *response.status_mut() = answer.status.try_into().unwrap();
    *response.headers_mut() = answer.headers;
    Ok(response)
}

#[tokio::test]
async fn relying_party_openidconnect_goes_all_the_way() {
    let provider = Provider::start().await;
    let issuer = IssuerUrl::new(provider.issuer.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
    assert_eq!(metadata.jwks().keys().len(), 1);
    let (id, secret) = (ClientId::new(CLIENT.to_owned()), ClientSecret::new(SECRET.to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, id, Some(secret))
        .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["email", "profile", "address", "phone"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let mut browser = provider.browser();
    let login = browser.send("GET", address.as_str(), &[], None).await;
    let login = browser.follow(login).await;
    let consent = browser.log_in(&login, ADA, PASSWORD).await;
    let answer = browser.decide(&consent, "allow").await;
    assert_eq!(answer.query("state").as_ref(), Some(state.secret()));
    let code = AuthorizationCode::new(answer.query("code").unwrap());

    // Another verifier is refused, and costs nothing (RFC 7636 section 4.6).
    let other = PkceCodeVerifier::new(VERIFIER.to_owned());
    let exchange = client.exchange_code(code.clone()).unwrap().set_pkce_verifier(other);
    assert!(exchange.request_async(&send).await.is_err());
    let exchange = client.exchange_code(code).unwrap().set_pkce_verifier(verifier);
    let tokens = exchange.request_async(&send).await.unwrap();

    let now = UNIX_EPOCH + Duration::from_secs(provider.now());
    let checks = client.id_token_verifier().set_time_fn(move || now.into());
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&checks, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), "id-of-ada");
    let (algorithm, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&checks).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    assert!(id_token.claims(&checks, &Nonce::new("another".to_owned())).is_err());

    let request = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
    let user: CoreUserInfoClaims = request.request_async(&send).await.unwrap();
    assert_eq!(user.email().unwrap().as_str(), "ada@ada.example");
    assert_eq!(user.name().unwrap().get(None).unwrap().as_str(), "Ada Lovelace");
    assert_eq!(user.address().unwrap().locality.as_ref().unwrap().as_str(), "London");

    let refresh = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
    let fresh = refresh.request_async(&send).await.unwrap();
    assert_ne!(fresh.access_token().secret(), tokens.access_token().secret());
    // OpenID Connect Core 1.0 section 12.2: an ID token of a refresh need not repeat the nonce.
    let claims = fresh.id_token().unwrap().claims(&checks, |_: Option<&Nonce>| Ok(())).unwrap();
    assert_eq!(claims.subject().as_str(), "id-of-ada");
}

#[tokio::test]
async fn relying_party_openidconnect_acts_for_itself_asks_about_tokens_and_takes_them_back() {
    let provider = Provider::start().await;
    provider
        .change_client(CLIENT, |client| {
            client.grant_types.push(GrantType::ClientCredentials);
            client.scope = model::scope::Scope::parse("token_introspection reports:read");
        })
        .await;
    let metadata = provider.get("/.well-known/openid-configuration").await.json();
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();
    let issuer = IssuerUrl::new(provider.issuer.clone()).unwrap();
    let (id, secret) = (ClientId::new(CLIENT.to_owned()), ClientSecret::new(SECRET.to_owned()));
    let discovered = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
    let revocation = endpoint("revocation_endpoint").replacen("http://", "https://", 1);
    let client = CoreClient::from_provider_metadata(discovered, id, Some(secret))
        .set_introspection_url(IntrospectionUrl::new(endpoint("introspection_endpoint")).unwrap())
        .set_revocation_url(RevocationUrl::new(revocation).unwrap());
    let active = async |token: &AccessToken| client.introspect(token).request_async(&send).await.unwrap().active();

    let wish = Scope::new("reports:read".to_owned());
    let own = client.exchange_client_credentials().unwrap().add_scope(wish.clone()).request_async(&send).await.unwrap();
    assert_eq!((own.scopes(), own.expires_in()), (Some(&vec![wish]), Some(Duration::from_secs(3600))));
    assert!(own.refresh_token().is_none() && own.id_token().is_none());
    let facts = client.introspect(own.access_token()).request_async(&send).await.unwrap();
    assert!(facts.active());
    assert_eq!(facts.client_id().unwrap().as_str(), CLIENT);
    assert_eq!(facts.exp().unwrap().timestamp() as u64, provider.now() + 3600);
    let end = client.revoke_token(own.access_token().clone().into()).unwrap();
    end.request_async(&send).await.unwrap();
    assert!(!active(own.access_token()).await);
    assert!(!active(&AccessToken::new("unknown".to_owned())).await);

    // With a refresh token, all that came from its code ends.
    let tokens = provider.tokens("openid").await;
    let access_token = AccessToken::new(tokens.access_token.clone());
    assert!(active(&access_token).await);
    let refresh_token = RefreshToken::new(tokens.refresh().to_owned());
    let end = client.revoke_token(refresh_token.clone().into()).unwrap();
    end.request_async(&send).await.unwrap();
    assert!(!active(&access_token).await);
    assert!(client.exchange_refresh_token(&refresh_token).unwrap().request_async(&send).await.is_err());
}
