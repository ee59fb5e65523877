// A relying party built on openid-client, which checks every answer as strictly as the specifications ask:
// issuer, state, nonce, signatures, hashes, times and content types are its business; here stands what must come out.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as oidc from "openid-client";
import { Browser, Page } from "./browser.mjs";
import { testbed } from "./testbed.mjs";

// Registered without a port; RFC 8252 section 7.3 lets a loopback client choose one.
const REDIRECT_URI = "http://127.0.0.1:49152/callback";
const { issuer, user, clients } = testbed;

const WAYS_IN = {
  client_secret_basic: () => [clients.confidential, oidc.ClientSecretBasic(clients.confidential.client_secret)],
  client_secret_post: () => [clients.confidential, oidc.ClientSecretPost(clients.confidential.client_secret)],
  none: () => [clients.public, oidc.None()],
};
const service = () => discover(clients.service.client_id, oidc.ClientSecretBasic(clients.service.client_secret));

function relyingParty(way = "client_secret_basic") {
  const [client, authentication] = WAYS_IN[way]();
  return discover(client.client_id, authentication);
}

function discover(clientId, authentication) {
  return oidc.discovery(new URL(issuer), clientId, {}, authentication, { execute: [oidc.allowInsecureRequests] });
}

/** A fresh authorization request with everything a careful client sends. */
async function request(config, extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: REDIRECT_URI,
    scope: "openid profile email",
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...extra,
  };
  return {
    url: oidc.buildAuthorizationUrl(config, parameters),
    state: parameters.state,
    checks: { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce },
  };
}

/** One whole login; answers with the tokens and the browser, which is signed in from now on. */
async function signIn(config, { browser = new Browser(REDIRECT_URI), ...extra } = {}) {
  const { url, checks } = await request(config, extra);
  const landed = await browser.agree(url, user);
  return { browser, landed, tokens: await oidc.authorizationCodeGrant(config, landed, checks) };
}

/** Expects an OAuth error from the token endpoint (or in an authorization response) and gives it back. */
async function refused(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.error, code, `expected ${code}, got ${error.stack}`);
    return error;
  }
  return assert.fail(`expected ${code}, and it was accepted`);
}

const slow = { timeout: 30_000 };

test("discovery names the endpoints and what they can do", slow, async () => {
  const metadata = (await relyingParty()).serverMetadata();
  assert.equal(metadata.issuer, issuer);
  for (const endpoint of ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"]) {
    assert.ok(metadata[endpoint].startsWith(`${issuer}/`), `${endpoint} is ${metadata[endpoint]}`);
  }
  assert.ok(metadata.response_types_supported.includes("code"));
  assert.ok(metadata.code_challenge_methods_supported.includes("S256"));
  assert.ok(metadata.subject_types_supported.includes("public"));
  for (const way of Object.keys(WAYS_IN)) assert.ok(metadata.token_endpoint_auth_methods_supported.includes(way), way);
  for (const scope of ["openid", "profile", "email"]) assert.ok(metadata.scopes_supported.includes(scope), scope);
  for (const grant of ["authorization_code", "refresh_token"]) {
    assert.ok(metadata.grant_types_supported.includes(grant), grant);
  }
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
});

for (const way of Object.keys(WAYS_IN)) {
  test(`a code with PKCE, state and nonce becomes tokens and userinfo (${way})`, slow, async () => {
    const config = await relyingParty(way);
    const { landed, tokens } = await signIn(config);
    assert.equal(landed.searchParams.get("iss"), issuer, "RFC 9207 iss");
    assert.equal(tokens.token_type, "bearer");
    assert.ok(tokens.expires_in > 0);
    const claims = tokens.claims();
    assert.equal(claims.iss, issuer);
    assert.ok([claims.aud].flat().includes(config.clientMetadata().client_id));
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(userinfo.email, user.claims.email);
    assert.equal(userinfo.given_name, user.claims.given_name);
  });

  test(`a refresh token works twice in a row, each time with a new one (${way})`, slow, async () => {
    const config = await relyingParty(way);
    let { tokens } = await signIn(config);
    const { sub, auth_time: authTime } = tokens.claims();
    const seen = new Set([tokens.refresh_token]);
    for (const round of [1, 2]) {
      tokens = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      assert.ok(!seen.has(tokens.refresh_token), `round ${round} handed out a used refresh token`);
      seen.add(tokens.refresh_token);
      assert.equal(tokens.claims()?.sub ?? sub, sub);
      assert.equal(tokens.claims()?.auth_time ?? authTime, authTime, "a refresh is no authentication");
      assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub)).sub, sub);
    }
  });
}

test("a refresh token used again after its successor was used ends the family", slow, async () => {
  const config = await relyingParty();
  const { tokens: first } = await signIn(config);
  const second = await oidc.refreshTokenGrant(config, first.refresh_token);
  const third = await oidc.refreshTokenGrant(config, second.refresh_token);
  await refused(oidc.refreshTokenGrant(config, first.refresh_token), "invalid_grant");
  await refused(oidc.refreshTokenGrant(config, third.refresh_token), "invalid_grant");
});

test("a refresh token does nothing for another client", slow, async () => {
  const { tokens } = await signIn(await relyingParty());
  await refused(oidc.refreshTokenGrant(await relyingParty("none"), tokens.refresh_token), "invalid_grant");
});

test("an answer with a foreign state is refused, and costs the owner nothing", slow, async () => {
  const config = await relyingParty();
  const { url, checks } = await request(config);
  const landed = await new Browser(REDIRECT_URI).agree(url, user);
  const foreign = { ...checks, expectedState: oidc.randomState() };
  await assert.rejects(oidc.authorizationCodeGrant(config, landed, foreign), ({ cause }) => /state/.test(cause.message));
  assert.ok((await oidc.authorizationCodeGrant(config, landed, checks)).access_token);
});

test("a wrong verifier is refused; the right one still redeems the code", slow, async () => {
  const config = await relyingParty();
  const { url, checks } = await request(config);
  const landed = await new Browser(REDIRECT_URI).agree(url, user);
  const wrong = { ...checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
  await refused(oidc.authorizationCodeGrant(config, landed, wrong), "invalid_grant");
  assert.ok((await oidc.authorizationCodeGrant(config, landed, checks)).access_token);
});

test("a code used twice is refused and takes its tokens with it", slow, async () => {
  const config = await relyingParty();
  const { url, checks } = await request(config);
  const landed = await new Browser(REDIRECT_URI).agree(url, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, checks);
  await refused(oidc.authorizationCodeGrant(config, landed, checks), "invalid_grant");
  await refused(oidc.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
  await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub), { status: 401 });
});

test("a wrong secret is invalid_client, with a challenge where it came in the header", slow, async () => {
  const { client_id: id } = clients.confidential;
  const posted = await discover(id, oidc.ClientSecretPost("not the secret"));
  await refused(oidc.refreshTokenGrant(posted, "hpr_unknown"), "invalid_client");
  const inHeader = await discover(id, oidc.ClientSecretBasic("not the secret"));
  await assert.rejects(oidc.refreshTokenGrant(inHeader, "hpr_unknown"), ({ status, cause }) => {
    return status === 401 && cause.some(({ scheme }) => scheme === "basic");
  });
});

test("a scope not asked for shows no claims", slow, async () => {
  const config = await relyingParty();
  const { tokens } = await signIn(config, { scope: "openid" });
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.deepEqual(Object.keys(userinfo), ["sub"]);
});

test("max_age brings auth_time", slow, async () => {
  const config = await relyingParty();
  const { url, checks } = await request(config, { max_age: "3600" });
  const landed = await new Browser(REDIRECT_URI).agree(url, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { ...checks, maxAge: 3600 });
  assert.equal(typeof tokens.claims().auth_time, "number");
});

test("prompt=none without a session is login_required, with the state", slow, async () => {
  const config = await relyingParty();
  const { url, checks, state } = await request(config, { prompt: "none" });
  const landed = await new Browser(REDIRECT_URI).open(url);
  assert.ok(landed instanceof URL, "a page where only a redirect is allowed");
  assert.equal(landed.searchParams.get("state"), state);
  await refused(oidc.authorizationCodeGrant(config, landed, checks), "login_required");
});

test("prompt=none after a login is silent, for the same person and the same authentication", slow, async () => {
  for (const way of ["client_secret_basic", "none"]) {
    const config = await relyingParty(way);
    const { browser, tokens: before } = await signIn(config, { max_age: "3600" });
    const { url, checks } = await request(config, { prompt: "none", max_age: "3600" });
    const landed = await browser.open(url);
    assert.ok(landed instanceof URL, `a page where only a redirect is allowed (${way})`);
    const after = await oidc.authorizationCodeGrant(config, landed, checks);
    assert.equal(after.claims().sub, before.claims().sub);
    assert.equal(after.claims().auth_time, before.claims().auth_time);
  }
});

test("an id_token_hint of the signed-in person is accepted with prompt=none", slow, async () => {
  const config = await relyingParty();
  const { browser, tokens } = await signIn(config);
  const { url, checks } = await request(config, { prompt: "none", id_token_hint: tokens.id_token });
  const landed = await browser.open(url);
  assert.ok(landed instanceof URL, "a page where only a redirect is allowed");
  const again = await oidc.authorizationCodeGrant(config, landed, checks);
  assert.equal(again.claims().sub, tokens.claims().sub);
});

test("prompt=login asks a signed-in person again", slow, async () => {
  const config = await relyingParty();
  const { browser } = await signIn(config);
  const { url } = await request(config, { prompt: "login" });
  const page = await browser.open(url);
  assert.ok(page instanceof Page && page.has("password"), "no login page");
});

test("login_hint fills in the name", slow, async () => {
  const { url } = await request(await relyingParty(), { login_hint: user.username });
  const page = await new Browser(REDIRECT_URI).open(url);
  assert.equal(page.value("username"), user.username);
});

test("a wrong password is answered with the form again and no way in", slow, async () => {
  const { url } = await request(await relyingParty());
  const page = await new Browser(REDIRECT_URI).open(url);
  const again = await page.fill("username", user.username).fill("password", "wrong").press("login-submit");
  assert.ok(again instanceof Page, "led away from the login page");
  assert.ok(again.has("login-submit"));
});

test("cancel at the login page and deny at the consent page are access_denied", slow, async () => {
  const config = await relyingParty();
  const atLogin = await request(config);
  const cancelled = await (await new Browser(REDIRECT_URI).open(atLogin.url)).press("login-cancel");
  assert.ok(cancelled instanceof URL, "cancel stays at the provider");
  await refused(oidc.authorizationCodeGrant(config, cancelled, atLogin.checks), "access_denied");

  const atConsent = await request(config, { prompt: "consent" });
  const login = await new Browser(REDIRECT_URI).open(atConsent.url);
  const consent = await login.fill("username", user.username).fill("password", user.password).press("login-submit");
  const denied = await consent.press("consent-deny");
  assert.ok(denied instanceof URL, "deny stays at the provider");
  await refused(oidc.authorizationCodeGrant(config, denied, atConsent.checks), "access_denied");
});

test("an unregistered redirect URI is an error page and never a redirect", slow, async () => {
  const config = await relyingParty();
  for (const redirectUri of [`${REDIRECT_URI}/more`, "http://127.0.0.2/callback", "https://127.0.0.1/callback"]) {
    const { url } = await request(config, { redirect_uri: redirectUri });
    const page = await new Browser("http://nowhere.invalid/").open(url);
    assert.equal(page.status, 400, redirectUri);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.ok(page.has("error-page") && page.text("error-code") && page.text("error-description"));
  }
});

test("a service gets a token for itself, and takes it back", slow, async () => {
  const config = await service();
  const tokens = await oidc.clientCredentialsGrant(config, { scope: "reports:read" });
  assert.equal(tokens.scope, "reports:read");
  assert.equal(tokens.refresh_token, undefined);
  const facts = await oidc.tokenIntrospection(config, tokens.access_token);
  assert.equal(facts.active, true);
  assert.equal(facts.client_id, clients.service.client_id);
  await oidc.tokenRevocation(config, tokens.access_token);
  assert.deepEqual(await oidc.tokenIntrospection(config, tokens.access_token), { active: false });
});

test("a scope that the service doesn't have is refused", slow, async () => {
  await refused(oidc.clientCredentialsGrant(await service(), { scope: "reports:write" }), "invalid_scope");
});

for (const way of Object.keys(WAYS_IN)) {
  test(`a user's tokens are told of until they are taken back (${way})`, slow, async () => {
    const config = await relyingParty(way);
    const { tokens } = await signIn(config);
    const facts = await oidc.tokenIntrospection(await service(), tokens.access_token);
    assert.deepEqual([facts.active, facts.sub, facts.username], [true, tokens.claims().sub, user.username]);
    await oidc.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
    assert.deepEqual(await oidc.tokenIntrospection(await service(), tokens.access_token), { active: false });
    await refused(oidc.refreshTokenGrant(config, tokens.refresh_token), "invalid_grant");
  });
}
