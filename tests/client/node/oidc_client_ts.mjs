// A relying party in the browser, built on oidc-client-ts: the code flow with PKCE, silent renewal in a frame, a session that is
// watched through the provider's frame, and a logout that other tabs are told of.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, press, visit } from "./chromium.mjs";
import { develop } from "./program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SCREENSHOTS = here("../../output/screenshots");
const slow = { timeout: 60_000 };

let browser;
let provider;
let files; // the server of the page
let address; // of the page

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
  provider = await develop();
  const page = ["text/html", readFileSync(here("oidc_client_ts.html"))];
  const served = {
    "/": page,
    "/callback": page,
    "/silent": page,
    "/oidc-client-ts.js": ["text/javascript", readFileSync(here("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.js"))],
    "/settings.js": ["text/javascript", `const settings = ${JSON.stringify({ authority: provider.issuer, client_id: "dev-spa" })};`],
  };
  files = createServer((request, response) => {
    const [type, body] = served[request.url.split("?")[0]] ?? [];
    response.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain" }).end(body);
  });
  files.listen(0, "localhost");
  await once(files, "listening");
  address = `http://localhost:${files.address().port}/`;
});

after(async () => {
  await browser?.close();
  files?.close();
  await provider?.stop();
});

function person(what, steps) {
  test(`oidc-client-ts: ${what}`, slow, (context) => visit(browser, SCREENSHOTS, context, {}, steps));
}

/** Has the application send its user to the provider. */
async function ask(page) {
  await page.goto(address);
  await Promise.all([page.waitForEvent("load"), page.evaluate("void manager.signinRedirect()")]);
}

/** Logs Alice in; whether she has agreed in an earlier test makes no difference. */
async function logIn(page) {
  await ask(page);
  await press(page, "#persona-alice");
  const allow = page.locator("#consent-allow");
  if (await allow.count()) await Promise.all([page.waitForEvent("load"), allow.click()]);
  return whoIsIt(page);
}

const whoIsIt = (page) => page.evaluate("user");

/** Waits until the application has been told of something. */
const isTold = (page, event) => page.waitForFunction((event) => told.includes(event), event);

person("logs in, and renews by a refresh token", async (page) => {
  const user = await logIn(page);
  assert.equal(page.url(), address);
  assert.equal(user.profile.email, "alice@example.com");
  assert.equal(user.profile.iss, provider.issuer);
  const renewed = await page.evaluate("manager.signinSilent()");
  assert.notEqual(renewed.access_token, user.access_token);
  assert.notEqual(renewed.refresh_token, user.refresh_token);
  assert.equal(renewed.profile.sub, user.profile.sub);
});

/** Renews without a refresh token: in a frame, by the session at the provider. Gives the user, or the error's name. */
const renewInFrame = (page) =>
  page.evaluate(async () => {
    const user = await manager.getUser();
    delete user.refresh_token;
    await manager.storeUser(user);
    return manager.signinSilent().catch(({ error }) => error);
  });

person("renews in a frame by the session alone, and is told when there is none", async (page) => {
  const user = await logIn(page);
  const renewed = await renewInFrame(page);
  assert.notEqual(renewed.access_token, user.access_token);
  assert.equal(renewed.profile.sub, user.profile.sub);

  await page.context().clearCookies();
  assert.equal(await renewInFrame(page), "login_required");
});

person("another tab is told of a logout, and nobody is logged in at the provider", async (page) => {
  await logIn(page);
  const tab = await page.context().newPage();
  await ask(tab); // silently: the provider knows her
  const user = await whoIsIt(tab);
  assert.equal(user.profile.email, "alice@example.com");
  assert.ok(user.session_state);

  await Promise.all([tab.waitForEvent("load"), tab.evaluate("void manager.signoutRedirect()")]);
  assert.equal(new URL(tab.url()).origin, new URL(address).origin);
  assert.equal(await whoIsIt(tab), null);
  await isTold(page, "UserSignedOut");
  await ask(tab);
  assert.equal(await tab.locator("#persona-alice").count(), 1);
});

person("is told when its user leaves at the provider's own page", async (page) => {
  await logIn(page);
  const tab = await page.context().newPage();
  await tab.goto(`${provider.issuer}/logout`);
  assert.deepEqual(await page.evaluate("told"), ["UserLoaded"]);
  await press(tab, "#logout-confirm");
  await isTold(page, "UserSignedOut");
});

person("hears nothing while nothing happens, nor when its user proves once more who they are", async (page) => {
  await logIn(page);
  const hear = () =>
    page.evaluate(() => new Promise((resolve) => {
      const answers = [];
      addEventListener("message", ({ data }) => answers.push(data) === 3 && resolve(answers));
    }));
  assert.deepEqual(await hear(), Array(3).fill("unchanged"));

  const tab = await page.context().newPage();
  await tab.goto(address);
  await Promise.all([tab.waitForEvent("load"), tab.evaluate('void manager.signinRedirect({ prompt: "login" })')]);
  await press(tab, "#persona-alice");
  assert.ok(await whoIsIt(tab));
  assert.deepEqual(await hear(), Array(3).fill("unchanged"));
  assert.deepEqual(await page.evaluate("told"), ["UserLoaded"]);
});
