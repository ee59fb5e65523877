// examples/webhook and examples/external-login, started as their README.md files say, with a browser in front.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, press, visit } from "./chromium.mjs";
import { develop, freePort, start } from "./program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SCREENSHOTS = here("../../output/screenshots");
const slow = { timeout: 60_000 };

let browser;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
});

after(() => browser?.close());

/** An authorization request of the provider's first client, which nobody listens for. */
function request({ issuer, client }, more = {}) {
  const parameters = { client_id: client, response_type: "code", redirect_uri: "http://127.0.0.1:1/callback", scope: "openid", state: "s", ...more };
  return `${issuer}/authorize?${new URLSearchParams(parameters)}`;
}

/** Where the browser was sent in the end, though nobody listens there. */
async function answer(page, step) {
  const [sent] = await Promise.all([page.waitForRequest((sent) => sent.url().startsWith("http://127.0.0.1:1/callback")), step()]);
  return new URL(sent.url()).searchParams;
}

test("webhook: the receiver turns bob away, lets alice on, and adds to her ID token", slow, async (context) => {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const env = { HALLPASS_HOOK_SECRET: secret };
  const options = { cwd: here("../../../examples/webhook"), env, ready: /^Receiving at / };
  const receiver = await start("python3", ["receiver.py", "--port", "0", "--deny", "bob"], options);
  const url = receiver.ready.replace("Receiving at ", "");
  const hook = { URL: url, ALLOW_PRIVATE: "true", SECRET: secret, POINTS: "after_login,id_token" };
  const settings = Object.entries(hook).map(([key, value]) => [`HALLPASS_HOOKS__RULES__${key}`, value]);
  const provider = await develop(["--port", "0"], Object.fromEntries(settings));
  try {
    await visit(browser, SCREENSHOTS, context, {}, async (page) => {
      await page.goto(request(provider));
      await press(page, "#persona-bob");
      assert.match(await page.innerText("#denied-message"), /no access to this application/);
      const denied = await answer(page, () => page.click("#denied-return").catch(() => {}));
      assert.equal(denied.get("error"), "access_denied");
      assert.equal(denied.get("state"), "s");
    });
    await visit(browser, SCREENSHOTS, context, {}, async (page) => {
      await page.goto(request(provider));
      await press(page, "#persona-alice");
      const code = (await answer(page, () => page.click("#consent-allow").catch(() => {}))).get("code");
      const form = { grant_type: "authorization_code", code, redirect_uri: "http://127.0.0.1:1/callback", client_id: provider.client, client_secret: provider.secret };
      const tokens = await (await fetch(`${provider.issuer}/token`, { method: "POST", body: new URLSearchParams(form) })).json();
      const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url"));
      assert.equal(claims.department, "engines");
    });
    // Whoever doesn't know the secret is told nothing.
    const forged = { "webhook-id": "msg_1", "webhook-timestamp": String(Math.floor(Date.now() / 1000)), "webhook-signature": "v1,AAAA" };
    assert.equal((await fetch(url, { method: "POST", headers: forged, body: "{}" })).status, 401);
    assert.equal((await fetch(url, { method: "POST", body: "{}" })).status, 401);
  } finally {
    await provider.stop();
    await receiver.stop();
  }
});

test("external login: the application logs its user in, and refuses", slow, async (context) => {
  const port = await freePort();
  const env = { HALLPASS_ADMIN_TOKEN: randomBytes(32).toString("hex") };
  const login = `http://127.0.0.1:${await freePort()}/`;
  const provider = await develop(["--port", String(port)], { ...env, HALLPASS_LOGIN__EXTERNAL_URL: login });
  const options = { cwd: here("../../../examples/external-login"), env, ready: /^Open / };
  const application = await start("python3", ["app.py", "--issuer", provider.issuer, "--port", new URL(login).port], options);
  try {
    await visit(browser, SCREENSHOTS, context, {}, async (page) => {
      await page.goto(request(provider, { login_hint: "alice" }));
      assert.ok(page.url().startsWith(login), page.url());
      assert.equal(await page.inputValue("#username"), "alice");
      await page.fill("#password", "wrong");
      await press(page, "#log-in");
      assert.equal(await page.innerText("[role=alert]"), "This is not right.");
      await page.fill("#password", "analytical engine");
      await press(page, "#log-in");
      const code = (await answer(page, () => page.click("#consent-allow").catch(() => {}))).get("code");
      const form = { grant_type: "authorization_code", code, redirect_uri: "http://127.0.0.1:1/callback", client_id: provider.client, client_secret: provider.secret };
      const tokens = await (await fetch(`${provider.issuer}/token`, { method: "POST", body: new URLSearchParams(form) })).json();
      const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url"));
      assert.deepEqual(claims.amr, ["pwd"]);
      assert.ok(Math.abs(claims.auth_time - Date.now() / 1000) < 60);
    });
    await visit(browser, SCREENSHOTS, context, {}, async (page) => {
      await page.goto(request(provider));
      const refused = await answer(page, () => page.click("#cancel").catch(() => {}));
      assert.equal(refused.get("error"), "access_denied");
    });
  } finally {
    await provider.stop();
    await application.stop();
  }
});
