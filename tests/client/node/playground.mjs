// The playground of `hallpass dev` in a real browser: one click, with and without scripts, by keyboard, in light and dark, on a
// narrow screen. TESTBED_DEV names a file with the line that dev says when it is ready. Pictures stay in tests/output/playground;
// `readme.png` among them is the one that the README shows.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspectFocusOrder, launch, look, press, visit } from "./chromium.mjs";
import { focused } from "./inspect.mjs";

const { issuer, users } = JSON.parse(readFileSync(process.env.TESTBED_DEV, "utf8"));
const [user] = users;
const SCREENSHOTS = fileURLToPath(new URL("../../output/playground", import.meta.url));

let browser;
let darkroom;

before(async () => {
  rmSync(SCREENSHOTS, { recursive: true, force: true });
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
  darkroom = await browser.newPage();
});

after(() => browser?.close());

/** A test in which a developer visits the playground. */
function developer(name, steps, options = {}) {
  test(name, { timeout: 60_000 }, (context) => visit(browser, SCREENSHOTS, context, options, steps));
}

const inspect = (page, name) => look(page, darkroom, SCREENSHOTS, name);

const open = (page, choices = {}) => page.goto(`${issuer}/playground?${new URLSearchParams(choices)}`);

/** What came of a run, and the names of the checks that failed. */
async function result(page) {
  await page.waitForSelector("#playground-result");
  const failed = await page.$$eval('[data-check][data-passed="false"]', (all) => all.map((each) => each.dataset.check));
  return { outcome: await page.getAttribute("#playground-result", "data-outcome"), failed };
}

const VERIFIED = { outcome: "verified", failed: [] };

async function run(page, choices) {
  await open(page, choices);
  await press(page, "#playground-run");
}

developer("home leads to the playground, and one click runs the whole flow", async (page) => {
  await page.goto(`${issuer}/`);
  await press(page, "#playground");
  assert.equal(page.url(), `${issuer}/playground`);
  await page.click("#playground-more summary");
  await inspect(page, "form");
  await inspectFocusOrder(page, "form");
  await press(page, "#playground-run");
  assert.deepEqual(await result(page), VERIFIED);
  for (const id of ["request", "response", "token-request", "token-response", "id-token", "checks", "userinfo", "configuration"]) {
    assert.ok(await page.isVisible(`#playground-${id}`), id);
  }
  assert.ok((await page.locator("#playground-checks li").count()) >= 13);
  for (const summary of await page.locator(".snippet summary").all()) await summary.click();
  await inspect(page, "verified");
  await inspectFocusOrder(page, "verified");
});

developer("the picture of the README", async (page) => {
  await run(page);
  assert.deepEqual(await result(page), VERIFIED);
  await page.screenshot({ path: join(SCREENSHOTS, "readme.png") });
}, { viewport: { width: 1200, height: 1000 } });

developer("everything without scripts, also an answer in a form or in a fragment", async (page) => {
  await run(page);
  assert.deepEqual(await result(page), VERIFIED);
  assert.equal(await page.locator("button[data-copy]:visible").count(), 0, "buttons that do nothing");
  await press(page, "#playground-refresh");
  assert.deepEqual(await result(page), VERIFIED);
  await press(page, "#playground-again");
  assert.deepEqual(await result(page), VERIFIED);

  await run(page, { response_mode: "form_post", user: user.username });
  await press(page, "button[form=form-post]");
  assert.deepEqual(await result(page), VERIFIED);

  await run(page, { response_mode: "fragment", user: user.username });
  await page.waitForSelector("#playground-fragment");
  await inspect(page, "fragment");
  await page.fill("#fragment", page.url());
  await press(page, "#playground-continue");
  assert.deepEqual(await result(page), VERIFIED);
}, { javaScriptEnabled: false });

developer("with scripts a form and a fragment go on by themselves", async (page) => {
  for (const response_mode of ["form_post", "fragment"]) {
    await run(page, { response_mode, user: user.username });
    assert.deepEqual(await result(page), VERIFIED, response_mode);
  }
});

developer("everything by keyboard, with the login page between", async (page) => {
  const to = async (id) => {
    for (let press = 0; press < 30; press += 1) {
      if ((await page.evaluate(focused))?.name === id) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab never comes to ${id}`);
  };
  await open(page, { user: "" });
  await to("playground-run");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#login-submit");
  await to(`persona-${user.username}`);
  await page.keyboard.press("Enter");
  assert.deepEqual(await result(page), VERIFIED);
});

developer("an error, a failed check and a reload are results", async (page) => {
  await run(page, { prompt: "none", user: "" });
  assert.equal((await result(page)).outcome, "error");
  assert.match(await page.innerText("#playground-error"), /login_required/);
  await inspect(page, "error");

  await run(page, { scope: "profile", user: user.username });
  assert.deepEqual(await result(page), { outcome: "failed", failed: ["id_token"] });
  await inspect(page, "failed");

  await page.reload();
  assert.equal((await result(page)).outcome, "error");
  await inspect(page, "reloaded");
  await press(page, "#playground-again");
  assert.deepEqual(await result(page), VERIFIED);
});

developer("a public client of one's own, as far as the user agrees", async (page) => {
  await run(page, { client_id: "dev-spa", user: user.username, prompt: "consent" });
  await press(page, "#consent-allow");
  assert.deepEqual(await result(page), VERIFIED);
  assert.match(await page.innerText("#playground-configuration"), /oidc-client-ts/);
});

developer("what is copied is what stands there", async (page) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: issuer });
  await run(page);
  await page.click('[data-copy="playground-userinfo-response-text"]');
  await page.waitForFunction(() => document.body.textContent.includes("Copied"));
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, (await page.textContent("#playground-userinfo-response-text")).trim());
});

developer("another name of this machine leads to the issuer's own", async (page) => {
  await page.goto(`${issuer.replace("localhost", "127.0.0.1")}/playground`);
  assert.equal(page.url(), `${issuer}/playground`);
  await press(page, "#playground-run");
  assert.deepEqual(await result(page), VERIFIED);
});
