// The examples in Rust, each run as its first lines say. EXAMPLES names the directory that they were built into.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";
import { develop, freePort, start } from "./program.mjs";

const REDIRECT_URI = "http://127.0.0.1:49152/callback";
const SECRET = "a secret of more than thirty-two bytes";
const ADA = { username: "ada", password: "analytical engine" };
const slow = { timeout: 60_000 };

const example = (name, env) => start(`${process.env.EXAMPLES}/${name}`, [], { env, ready: /^Open / });

/** One whole login; gives the tokens, and the configuration that they came by. */
async function logIn(issuer, client, secret, user, scope) {
  const config = await oidc.discovery(new URL(issuer), client, {}, oidc.ClientSecretBasic(secret), { execute: [oidc.allowInsecureRequests] });
  const [verifier, state, nonce] = [oidc.randomPKCECodeVerifier(), oidc.randomState(), oidc.randomNonce()];
  const challenge = { code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" };
  const url = oidc.buildAuthorizationUrl(config, { redirect_uri: REDIRECT_URI, scope, state, nonce, ...challenge });
  const landed = await new Browser(REDIRECT_URI).agree(url, user);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
  return { config, tokens: await oidc.authorizationCodeGrant(config, landed, checks) };
}

test("embed: a login below a path of a program's own server, which has its own pages beside it", slow, async () => {
  const port = await freePort();
  const issuer = `http://localhost:${port}/id`;
  const program = await example("embed", { HALLPASS_ISSUER: issuer, HALLPASS_HTTP__LISTEN: `127.0.0.1:${port}` });
  try {
    const { config, tokens } = await logIn(issuer, "my-app", SECRET, ADA, "openid profile email");
    assert.equal(tokens.claims().iss, issuer);
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(userinfo.name, "Ada Lovelace");
    assert.match(await (await fetch(`http://localhost:${port}/hello`)).text(), /^Hello/);
    for (const path of ["/", "/idle", "/jwks", "/id/nothing"]) {
      assert.equal((await fetch(`http://localhost:${port}${path}`)).status, 404, path);
    }
  } finally {
    assert.equal(await program.stop(), 0, "how it ends on SIGTERM");
  }
});

test("hooks: claims from the program's own directory", slow, async () => {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const program = await example("hooks", { HALLPASS_ISSUER: issuer, HALLPASS_HTTP__LISTEN: `127.0.0.1:${port}` });
  try {
    await answering(`${issuer}/healthz`);
    const { config, tokens } = await logIn(issuer, "my-app", SECRET, ADA, "openid profile");
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(userinfo.department, "Engines");
    const other = await logIn(issuer, "my-app", SECRET, ADA, "openid");
    const less = await oidc.fetchUserInfo(other.config, other.tokens.access_token, other.tokens.claims().sub);
    assert.equal(less.department, undefined);
  } finally {
    assert.equal(await program.stop(), 0, "how it ends on SIGTERM");
  }
});

test("protected_api: an API asks the provider what tokens are worth", slow, async () => {
  const provider = await develop(["--port", "0"], { HALLPASS_INTROSPECTION__INCLUDE_SCOPE: "true" });
  const [, secret] = provider.output.match(/dev-service, secret (\S+)$/m);
  const port = await freePort();
  const api = await example("protected_api", { OIDC_ISSUER: provider.issuer, OIDC_CLIENT_SECRET: secret, PORT: String(port) });
  try {
    const call = (path, token, method = "GET") =>
      fetch(`http://127.0.0.1:${port}${path}`, { method, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    const nobody = await call("/me");
    assert.equal(nobody.status, 401);
    assert.equal(nobody.headers.get("www-authenticate"), `Bearer realm="${provider.issuer}", scope="profile"`);
    const alice = { username: "alice", password: "alice" };
    const { tokens } = await logIn(provider.issuer, provider.client, provider.secret, alice, "openid profile");
    const me = await call("/me", tokens.access_token);
    assert.equal(me.status, 200);
    assert.equal(await me.text(), "alice, by dev-app\n");
    const notes = await call("/notes", tokens.access_token, "POST");
    assert.equal(notes.status, 403);
    assert.match(notes.headers.get("www-authenticate"), /error="insufficient_scope".*scope="api:write"$/);
    assert.equal((await call("/me", `${tokens.access_token}x`)).status, 401);
    assert.equal((await call("/nothing")).status, 404);
  } finally {
    await api.stop();
    await provider.stop();
  }
});

async function answering(url) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if ((await fetch(url).catch(() => null))?.ok) return;
  }
  assert.fail(`${url} never answers`);
}
