// examples/session, served as its README.md says: a page that notices a logout elsewhere.

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

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
  provider = await develop();
  files = await serve(here("../../../examples/session"));
});

after(async () => {
  await browser?.close();
  await files?.stop();
  await provider?.stop();
});

function person(what, steps) {
  test(`session: ${what}`, slow, (context) => visit(browser, SCREENSHOTS, context, {}, steps));
}

const becomes = (page, status) => page.locator("#status", { hasText: new RegExp(`^${status}$`) }).waitFor();

/** Opens the page, and logs in where the provider doesn't know who it is. */
async function logIn(page) {
  await page.goto(`${files.address}?issuer=${provider.issuer}`);
  await becomes(page, "signed out");
  await press(page, "#login");
  if (page.url().startsWith(provider.issuer)) await press(page, "#persona-alice");
  const allow = page.locator("#consent-allow");
  if (await allow.count()) await Promise.all([page.waitForEvent("load"), allow.click()]);
  await becomes(page, "signed in");
}

/** Waits for an answer of the provider's frame. */
const says = (page, answer) => page.locator("#answer", { hasText: new RegExp(`^${answer}$`) }).waitFor();

person("says so when its user logs out at the provider, in another tab", async (page) => {
  await logIn(page);
  await says(page, "unchanged");
  const tab = await page.context().newPage();
  await tab.goto(`${provider.issuer}/logout`);
  await press(tab, "#logout-confirm");
  await becomes(page, "signed out elsewhere");
  assert.equal(await page.innerText("#problem"), "");
  assert.ok(await page.isVisible("#login"));
});

person("says so when another application logs its user out", async (page) => {
  await logIn(page);
  const tab = await page.context().newPage();
  await logIn(tab);
  await says(page, "unchanged");
  await press(tab, "#logout");
  await becomes(tab, "signed out");
  await becomes(page, "signed out elsewhere");
});

/** Has somebody log in at the provider for another application, in another tab. */
async function logInElsewhere(page, prompt) {
  const tab = await page.context().newPage();
  const request = { client_id: "dev-app", redirect_uri: files.address, response_type: "code", scope: "openid", prompt };
  await tab.goto(`${provider.issuer}/authorize?${new URLSearchParams(request)}`);
  return tab;
}

/** Waits until the page has asked the provider's frame once more. */
const nextAnswer = (page) =>
  page.evaluate(() => new Promise((resolve) => addEventListener("message", ({ data }) => data.session && resolve(data.session))));

person("stays signed in while its user proves once more who they are", async (page) => {
  await logIn(page);
  const tab = await logInElsewhere(page, "login");
  await press(tab, "#persona-alice");
  assert.equal(await nextAnswer(page), "unchanged");
  assert.equal(await nextAnswer(page), "unchanged");
  await becomes(page, "signed in");
});

person("says so when somebody else logs in in the same browser", async (page) => {
  await logIn(page);
  const tab = await logInElsewhere(page, "select_account");
  await press(tab, "#select-another");
  await press(tab, "#persona-bob");
  await becomes(page, "signed out elsewhere");
});

person("has the provider's frame for itself: a frame of another origin beside it gets no answer", async (page) => {
  const address = "http://elsewhere.example/";
  const body = `<!doctype html><script>
    const heard = [];
    addEventListener("message", ({ data }) => heard.push(data));
    parent[0].postMessage("client hash.salt", "*");
  </script>`;
  await page.route(address, (route) => route.fulfill({ contentType: "text/html", body }));
  await logIn(page);
  await says(page, "unchanged");
  assert.ok(await page.evaluate(() => window[0] === window.frames.op));
  await page.evaluate((src) => {
    const frame = Object.assign(document.createElement("iframe"), { src });
    document.body.append(frame);
    return new Promise((resolve) => (frame.onload = resolve));
  }, address);
  // Its question came before this one.
  assert.equal(await nextAnswer(page), "unchanged");
  assert.deepEqual(await page.frame({ url: address }).evaluate(() => heard), []);
});
