//! The token endpoint: authorization codes.

use std::time::Duration;

use crate::harness::*;

#[tokio::test]
async fn oidc_core_3_1_3_3_a_code_gives_tokens() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[("nonce", "n-1"), ("scope", "openid email")])).await;
    let response = provider.redeem(&code).await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let tokens = response.tokens();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", 3600));
    assert_eq!(tokens.scope.as_deref(), Some("openid email"));
    let (header, claims) = provider.verify(tokens.id()).await;
    assert_eq!(header["alg"], "RS256");
    assert_eq!(claims["iss"], provider.issuer);
    assert_eq!(claims["aud"], CLIENT);
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["exp"], provider.now() + 600);
    assert_eq!(provider.userinfo(&tokens.access_token).await.json()["email"], "ada@ada.example");
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_used_twice_ends_its_family() {
    let provider = Provider::start().await;
    let code = provider.browser().code(ADA, &request(&[])).await;
    let tokens = provider.redeem(&code).await.tokens();
    provider.pass(Duration::from_secs(30));
    let again = provider.redeem(&code).await;
    assert_eq!((again.status, again.error().as_str()), (400, "invalid_grant"));
    assert_eq!(provider.userinfo(&tokens.access_token).await.status, 401);
    assert_eq!(provider.refresh(tokens.refresh()).await.error(), "invalid_grant");
}
