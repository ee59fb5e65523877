// What comes through the browser beside or instead of a code, in the fragment and by form. openid-client 6 speaks two of these
// response types; its version 5 speaks all of them, and is what many applications still have. Both check state, iss,
// signature, nonce, at_hash and c_hash; here stands what must come out, and that what is not of one answer is noticed.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as oidc from "openid-client";
import { Issuer, TokenSet, generators } from "openid-client-5";
import { Browser } from "./browser.mjs";
import { testbed } from "./testbed.mjs";

const REDIRECT_URI = "http://127.0.0.1:49154/callback";
const { issuer, user, clients } = testbed;
const slow = { timeout: 30_000 };

const IMPLICIT = ["id_token", "id_token token", "token"];
const WITH_CODE = ["code", "code id_token", "code token", "code id_token token"];
const PARTS = { code: "code", id_token: "id_token", token: "access_token" }; // of a response type, and their parameters
const MODES = [undefined, "form_post"];

// --- version 5 -----------------------------------------------------------------------------------------------------------

async function relyingParty5({ client_id, client_secret }, responseType) {
  const provider = await Issuer.discover(issuer);
  return new provider.Client({
    client_id,
    client_secret,
    redirect_uris: [REDIRECT_URI],
    response_types: [responseType],
    token_endpoint_auth_method: client_secret ? "client_secret_basic" : "none",
  });
}

/** Sends somebody to the provider; answers with the parameters that come back, and with what the relying party has to check. */
async function ask5(client, responseType, { browser = new Browser(REDIRECT_URI), ...extra } = {}) {
  const verifier = generators.codeVerifier();
  const checks = { response_type: responseType, state: generators.state(), nonce: generators.nonce() };
  const { state, nonce } = checks;
  const parameters = { response_type: responseType, scope: "openid email", state, nonce, ...extra };
  if (responseType.includes("code")) {
    checks.code_verifier = verifier;
    Object.assign(parameters, { code_challenge: generators.codeChallenge(verifier), code_challenge_method: "S256" });
  }
  const landed = await browser.agree(client.authorizationUrl(parameters), user);
  return { browser, params: client.callbackParams(await posted(landed)), checks, mode: modeOf(landed) };
}

/** An answer as the request that its relying party's server sees. It never sees a fragment: the page there posts it. */
async function posted(landed) {
  if (landed instanceof Request) return { method: "POST", url: landed.url, body: await landed.text() };
  if (landed.hash) return { method: "POST", url: landed.pathname, body: landed.hash.slice(1) };
  return { method: "GET", url: landed.href };
}

function modeOf(landed) {
  if (landed instanceof Request) return "form_post";
  assert.ok(!(landed.search && landed.hash), "an answer in two places");
  return landed.hash ? "fragment" : "query";
}

for (const [kind, responseTypes] of [["hybrid", [...WITH_CODE, ...IMPLICIT]], ["front", IMPLICIT]]) {
  for (const responseType of responseTypes) {
    for (const mode of MODES) {
      test(`version 5: ${responseType}, ${mode ?? "by default"} (${kind})`, slow, async () => {
        const client = await relyingParty5(clients[kind], responseType);
        const answer = await ask5(client, responseType, { response_mode: mode });
        assert.equal(answer.mode, mode ?? (responseType === "code" ? "query" : "fragment"));
        assert.equal(answer.params.iss, issuer);
        for (const [part, name] of Object.entries(PARTS)) {
          assert.equal(name in answer.params, responseType.split(" ").includes(part), name);
        }

        if (responseType === "token") {
          const tokens = await client.oauthCallback(REDIRECT_URI, answer.params, answer.checks);
          assert.equal((await client.userinfo(tokens)).email, user.claims.email);
          return;
        }
        const tokens = await client.callback(REDIRECT_URI, answer.params, answer.checks);
        const { sub, email } = tokens.claims();
        for (const token of [answer.params.access_token, tokens.access_token].filter(Boolean)) {
          const userinfo = await client.userinfo(token);
          assert.deepEqual([userinfo.sub, userinfo.email], [sub, user.claims.email]);
        }
        if (answer.params.id_token) assert.equal(new TokenSet(answer.params).claims().sub, sub, "of one person, both");
        // Nothing but an ID token: there it has what userinfo would say.
        assert.equal(email, responseType === "id_token" ? user.claims.email : undefined);
        assert.equal(tokens.refresh_token !== undefined, responseType.includes("code"));
      });
    }
  }
}

for (const responseType of [...WITH_CODE, ...IMPLICIT.slice(0, 2)]) {
  test(`version 5 refuses what is not its own: ${responseType}`, slow, async () => {
    const client = await relyingParty5(clients.hybrid, responseType);
    const { params, checks, browser } = await ask5(client, responseType);
    const other = await ask5(client, responseType, { browser });
    if (params.id_token) {
      for (const [name, hash] of [["code", "c_hash"], ["access_token", "at_hash"]]) {
        if (!(name in params)) continue;
        const forged = { ...params, [name]: other.params[name] };
        await assert.rejects(client.callback(REDIRECT_URI, forged, checks), new RegExp(`${hash} mismatch`));
      }
    }
    const foreign = { ...checks, nonce: other.checks.nonce };
    await assert.rejects(client.callback(REDIRECT_URI, params, foreign), /nonce mismatch/);
  });
}

test("version 5: none says that somebody is there, and gives nothing", slow, async () => {
  const client = await relyingParty5(clients.hybrid, "none");
  for (const mode of MODES) {
    const answer = await ask5(client, "none", { response_mode: mode });
    assert.equal(answer.mode, mode ?? "query");
    assert.deepEqual(Object.keys(answer.params).sort(), ["iss", "state"]);
    await client.callback(REDIRECT_URI, answer.params, answer.checks);
  }
});

test("version 5: errors come where the answer would", slow, async () => {
  for (const [responseType, mode] of [["code", "query"], ["id_token token", "fragment"], ["code id_token", "fragment"]]) {
    const client = await relyingParty5(clients.hybrid, responseType);
    for (const response_mode of MODES) {
      const answer = await ask5(client, responseType, { response_mode, prompt: "none" });
      assert.equal(answer.mode, response_mode ?? mode);
      await assert.rejects(client.callback(REDIRECT_URI, answer.params, answer.checks), { error: "login_required" });
    }
    if (responseType === "code") continue;
    const answer = await ask5(client, responseType, { nonce: undefined });
    assert.equal(answer.mode, mode);
    await assert.rejects(client.callback(REDIRECT_URI, answer.params, answer.checks), { error: "invalid_request" });
  }
});

test("version 5: a response type that the client isn't registered for is refused", slow, async () => {
  const client = await relyingParty5(clients.front, "code id_token");
  const { params, checks } = await ask5(client, "code id_token");
  await assert.rejects(client.callback(REDIRECT_URI, params, checks), { error: "unauthorized_client" });
});

// --- version 6 -----------------------------------------------------------------------------------------------------------

async function relyingParty6({ client_id, client_secret }, ...execute) {
  const authentication = client_secret ? oidc.ClientSecretBasic(client_secret) : oidc.None();
  execute.push(oidc.allowInsecureRequests);
  return oidc.discovery(new URL(issuer), client_id, {}, authentication, { execute });
}

async function ask6(config, extra = {}) {
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
  const checks = { expectedState, expectedNonce, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: "openid email",
    state: expectedState,
    nonce: expectedNonce,
    ...(extra.response_type !== "id_token" && {
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: "S256",
    }),
    ...extra,
  });
  return { landed: await new Browser(REDIRECT_URI).agree(url, user), checks };
}

for (const mode of MODES) {
  const where = mode ?? "by default";

  test(`version 6: id_token, ${where}`, slow, async () => {
    const config = await relyingParty6(clients.front, oidc.useIdTokenResponseType);
    const { landed, checks } = await ask6(config, { response_type: "id_token", ...(mode && { response_mode: mode }) });
    const again = landed instanceof Request ? landed.clone() : landed;
    const { expectedNonce, expectedState } = checks;
    const claims = await oidc.implicitAuthentication(config, landed, expectedNonce, { expectedState });
    assert.equal(claims.email, user.claims.email);
    const foreign = oidc.implicitAuthentication(config, again, oidc.randomNonce(), { expectedState });
    await assert.rejects(foreign, ({ cause }) => /nonce/.test(cause.message));
  });

  test(`version 6: code id_token, ${where}`, slow, async () => {
    const config = await relyingParty6(clients.hybrid, oidc.useCodeIdTokenResponseType);
    const { landed, checks } = await ask6(config, { ...(mode && { response_mode: mode }) });
    const again = landed instanceof Request ? landed.clone() : landed;
    const foreign = { ...checks, expectedNonce: oidc.randomNonce() };
    await assert.rejects(oidc.authorizationCodeGrant(config, again, foreign), ({ cause }) => /nonce/.test(cause.message));
    const tokens = await oidc.authorizationCodeGrant(config, landed, checks);
    const { sub } = tokens.claims();
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, sub)).email, user.claims.email);
  });
}

test("version 6: code by form, and an error by form", slow, async () => {
  const config = await relyingParty6(clients.confidential);
  const { landed, checks } = await ask6(config, { response_mode: "form_post" });
  assert.ok(landed instanceof Request);
  assert.equal(new URL(landed.url).search, "");
  assert.ok((await oidc.authorizationCodeGrant(config, landed, checks)).claims().sub);

  const refused = await ask6(config, { response_mode: "form_post", prompt: "none" });
  assert.ok(refused.landed instanceof Request);
  await assert.rejects(oidc.authorizationCodeGrant(config, refused.landed, refused.checks), { error: "login_required" });
});
