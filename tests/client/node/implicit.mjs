// examples/implicit, served as its README.md says, in a browser with good and with forged answers.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, press, visit } from "./chromium.mjs";
import { develop, serve } from "./program.mjs";

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
  files = await serve(here("../../../examples/implicit"));
  ({ address } = files);
});

after(async () => {
  await browser?.close();
  await files?.stop();
  await provider?.stop();
});

function person(what, steps) {
  test(`implicit: ${what}`, slow, (context) => visit(browser, SCREENSHOTS, context, {}, steps));
}

/** Logs somebody in; consents are remembered from one test to the next. */
async function logIn(page, username = "alice") {
  await page.goto(`${address}?issuer=${provider.issuer}`);
  await logInAgain(page);
  await press(page, `#persona-${username}`);
  const allow = page.locator("#consent-allow");
  if (await allow.count()) await Promise.all([page.waitForEvent("load"), allow.click()]);
}

const logInAgain = async (page) => {
  await page.locator("#login:visible").waitFor();
  await press(page, "#login");
};

const table = (page, id) => {
  const rows = page.locator(`#${id} tr`);
  return rows.evaluateAll((rows) => Object.fromEntries(rows.map((row) => [...row.cells].map((cell) => cell.innerText))));
};

/** Stands between the provider and the page, and changes what comes back. */
async function tamper(page, change) {
  await page.route(`${provider.issuer}/authorize?*`, async (route) => {
    const response = await route.fetch({ maxRedirects: 0 });
    const location = new URL(response.headers().location);
    const answer = new URLSearchParams(location.hash.slice(1));
    change(answer);
    location.hash = answer;
    await route.fulfill({ response, headers: { ...response.headers(), location: location.href } });
  });
}

person("logs in, shows both answers, keeps no token in the address, and logs out at the provider, too", async (page) => {
  await logIn(page);
  await page.locator("#profile:visible").waitFor();
  assert.equal(page.url(), address);
  assert.equal(await page.innerText("#status"), "You are Alice Adams.");
  const [claims, userinfo] = [await table(page, "id-token"), await table(page, "userinfo")];
  assert.equal(claims.iss, provider.issuer);
  assert.ok(claims.at_hash && claims.nonce);
  assert.equal(userinfo.sub, claims.sub);
  assert.equal(userinfo.email, "alice@example.com");

  await press(page, "#logout");
  assert.equal(page.url(), address);
  await logInAgain(page);
  assert.equal(await page.locator("#persona-alice").count(), 1, "the provider still knows who it was");
});

person("says so when its user doesn't want to", async (page) => {
  await page.goto(`${address}?issuer=${provider.issuer}`);
  await logInAgain(page);
  await press(page, "#login-cancel");
  await page.locator("#login:visible").waitFor();
  await page.locator("#problem:not(:empty)").waitFor();
  assert.equal(await page.innerText("#status"), "You are not logged in.");
});

person("takes nothing that isn't the answer to its own request", async (page) => {
  await logIn(page);
  await page.locator("#profile:visible").waitFor();
  for (const [what, change, problem] of [
    ["state", (answer) => answer.set("state", "x"), /expired, or it was finished/],
    ["iss", (answer) => answer.set("iss", "https://evil.example"), /another provider's/],
    ["access token", (answer) => answer.set("access_token", "x"), /at_hash/],
    ["signature", (answer) => answer.set("id_token", answer.get("id_token").replace(/\.[^.]{8}(?=[^.]*$)/, ".AAAAAAAA")), /signature/],
    ["claims", (answer) => answer.set("id_token", answer.get("id_token").replace(/\.[^.]*\./, `.${btoa("{}")}.`)), /signature/],
    ["algorithm", (answer) => answer.set("id_token", `${btoa('{"alg":"none"}')}.e30.`), /signed by a key/],
  ]) {
    await tamper(page, change);
    await page.goto(address);
    await logInAgain(page);
    await page.locator("#problem:not(:empty)").waitFor();
    assert.match(await page.innerText("#problem"), problem, what);
    assert.ok(!(await page.isVisible("#profile")), what);
    await page.unroute(`${provider.issuer}/authorize?*`);
  }
});

person("takes no ID token of another request", async (page) => {
  await logIn(page);
  await page.locator("#profile:visible").waitFor();
  const request = /\/authorize\?/;
  await page.route(request, (route) => route.continue({ url: route.request().url().replace(/nonce=[^&]*/, "nonce=another") }));
  await page.goto(address);
  await logInAgain(page);
  await page.locator("#problem:not(:empty)").waitFor();
  assert.match(await page.innerText("#problem"), /nonce/);
});
