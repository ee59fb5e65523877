// The pages in a real browser, as the person at it meets them: with and without scripts, by keyboard, in light and
// dark, on a narrow screen. Every page that is passed on the way is inspected and leaves its pictures in
// tests/output/screenshots.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CONTRAST, NARROW, inspectFocusOrder, launch, look, press, visit } from "./chromium.mjs";
import { contrastComplaints } from "./contrast.mjs";
import { focused } from "./inspect.mjs";
import { testbed } from "./testbed.mjs";

const { issuer, user, clients } = testbed;
const SCREENSHOTS = join(testbed.output, "screenshots");
const STATE = "a-state-of-128-characters-".padEnd(124, "x") + "-._~";
const slow = { timeout: 60_000 };

let browser;
let darkroom; // where contrast.mjs looks at pictures
let relyingParty; // { uri, next(): Promise<URLSearchParams> }

/** A relying party that only notes how it was called. */
async function startRelyingParty() {
  const arrivals = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.pathname === "/callback") {
      let body = "";
      for await (const piece of request) body += piece;
      arrivals.push({ method: request.method, parameters: request.method === "POST" ? new URLSearchParams(body) : url.searchParams });
    }
    response.writeHead(200, { "content-type": "text/html" });
    response.end('<!doctype html><html lang="en"><title>Relying party</title><link rel="icon" href="data:,"><h1 id="arrived">Hello</h1>');
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, uri: `${origin}/callback`, arrivals, close: () => server.close() };
}

before(async () => {
  rmSync(SCREENSHOTS, { recursive: true, force: true });
  mkdirSync(SCREENSHOTS, { recursive: true });
  relyingParty = await startRelyingParty();
  browser = await launch();
  darkroom = await browser.newPage();
});

after(async () => {
  await browser?.close();
  relyingParty?.close();
});

function authorizationUrl(extra = {}) {
  const url = new URL(`${issuer}/authorize`);
  const parameters = {
    client_id: clients.confidential.client_id,
    redirect_uri: relyingParty.uri,
    response_type: "code",
    scope: "openid profile email",
    state: STATE,
    ...extra,
  };
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(key, value);
  return url.href;
}

/** A test in which a person visits the provider. */
function person(name, steps, options = {}) {
  test(name, slow, (context) => visit(browser, SCREENSHOTS, context, options, steps));
}

const inspect = (page, name) => look(page, darkroom, SCREENSHOTS, name);

async function open(page, extra) {
  return page.goto(authorizationUrl(extra));
}

async function signIn(page, password = user.password) {
  await page.fill("#username", user.username);
  await page.fill("#password", password);
  await press(page, "#login-submit");
}

/** Signs in and allows, wherever the provider still asks. */
async function arrive(page, extra) {
  await open(page, extra);
  if (await page.locator("#login-submit").count()) await signIn(page);
  if (await page.locator("#consent-allow").count()) await press(page, "#consent-allow");
  return landed(page);
}

/** What the relying party was given, at the moment its page stands in the browser. */
async function landed(page) {
  await page.waitForSelector("#arrived");
  const { parameters } = relyingParty.arrivals.at(-1);
  assert.equal(parameters.get("state"), STATE);
  return parameters;
}

person("the contrast check finds faint letters on gradients, and fields that lack an edge on one side", async (page) => {
  const complaints = async (body) => {
    await page.setContent(`<!doctype html><body style="background: #fff; margin: 9px">${body}`);
    return contrastComplaints(page, darkroom, CONTRAST);
  };
  const dark = "color: #fff; background: linear-gradient(#000, #333)";
  assert.deepEqual(await complaints(`<p style="${dark}">On a dark gradient</p><input style="border: 1px solid #777">`), []);
  const half = "color: #fff; background: linear-gradient(90deg, #000 50%, #999 60%)";
  assert.match((await complaints(`<p style="${half}">${"half of it ".repeat(20)}</p>`)).join(), /^<p> "half of it .* contrast 2\.85$/);
  assert.match((await complaints('<p style="color: #0008">Half transparent</p>')).join(), /contrast 4\.48$/);
  for (const edge of ["border: 1px solid #aaa", "border: 1px solid #777; border-left-color: #ddd", "border: 0; background: #eee"]) {
    assert.match((await complaints(`<input id="name" style="${edge}">`)).join(), /^<input id=name> stands out by \d\.\d\d only$/, edge);
  }
});

person("login page: inspected, in focus order", async (page) => {
  const response = await open(page);
  assert.equal(response.status(), 200);
  assert.match(response.headers()["content-security-policy"] ?? "", /default-src/);
  assert.equal(await page.locator("#password").getAttribute("type"), "password");
  assert.equal(await page.locator("#username").getAttribute("autocomplete"), "username");
  assert.equal(await page.locator("#password").getAttribute("autocomplete"), "current-password");
  await inspect(page, "login");
  await inspectFocusOrder(page, "login");
});

person("a wrong password says so beside the form and keeps the name", async (page) => {
  await open(page);
  await signIn(page, "not the password");
  await page.waitForSelector("[role=alert]");
  assert.ok((await page.locator("[role=alert]").innerText()).trim());
  assert.equal(await page.inputValue("#username"), user.username);
  assert.equal(await page.inputValue("#password"), "");
  await inspect(page, "login-refused");
  await signIn(page);
  assert.equal(await page.locator("#login-submit").count(), 0, "the right password did not help");
});

person("login, consent, allow: the code arrives", async (page) => {
  await open(page, { prompt: "consent" });
  await signIn(page);
  await page.waitForSelector("#consent-allow");
  await inspect(page, "consent");
  await inspectFocusOrder(page, "consent");
  await press(page, "#consent-allow");
  assert.ok((await landed(page)).get("code"));
});

person("deny at the consent page: access_denied", async (page) => {
  await open(page, { prompt: "consent" });
  await signIn(page);
  await press(page, "#consent-deny");
  const parameters = await landed(page);
  assert.equal(parameters.get("error"), "access_denied");
  assert.equal(parameters.get("code"), null);
});

person("cancel at the login page: access_denied", async (page) => {
  await open(page);
  await press(page, "#login-cancel");
  assert.equal((await landed(page)).get("error"), "access_denied");
});

person("a remembered consent and a session: no page at all", async (page) => {
  await arrive(page);
  const seen = relyingParty.arrivals.length;
  await open(page);
  assert.ok((await landed(page)).get("code"));
  assert.equal(relyingParty.arrivals.length, seen + 1);
});

const BROKEN = {
  "error-unknown-client": { client_id: "nobody" },
  "error-redirect-uri": { redirect_uri: "http://127.0.0.1/elsewhere" },
  "error-no-redirect-uri": { redirect_uri: undefined },
};
for (const [name, extra] of Object.entries(BROKEN)) {
  person(`${name}: a page with status 400, and no redirect`, async (page) => {
    const response = await open(page, extra);
    assert.equal(response.status(), 400);
    assert.match(response.headers()["content-type"], /^text\/html/);
    assert.ok(page.url().startsWith(`${issuer}/`));
    for (const id of ["error-page", "error-code", "error-description"]) {
      assert.ok((await page.locator(`#${id}`).innerText()).trim(), id);
    }
    await inspect(page, name);
  });
}

person("the issuer's own address, and one where nothing is", async (page) => {
  assert.equal((await page.goto(`${issuer}/`)).status(), 200);
  await inspect(page, "home");
  assert.equal((await page.goto(`${issuer}/nothing-is-here`)).status(), 404);
  await inspect(page, "error-missing");
});

person("prompt=login: asked again in spite of the session", async (page) => {
  await arrive(page);
  await open(page, { prompt: "login" });
  await page.waitForSelector("#login-submit");
  await signIn(page);
  assert.ok((await landed(page)).get("code"));
});

person("prompt=select_account: the account that is signed in, another one, or none", async (page) => {
  await arrive(page);
  const choose = async (id) => {
    await open(page, { prompt: "select_account" });
    await page.waitForSelector("#select-continue");
    await press(page, id);
  };
  await open(page, { prompt: "select_account" });
  assert.ok((await page.locator("#select-continue").innerText()).includes(user.username));
  await inspect(page, "select-account");
  await inspectFocusOrder(page, "select-account");
  await choose("#select-continue");
  assert.ok((await landed(page)).get("code"));
  await choose("#select-cancel");
  assert.equal((await landed(page)).get("error"), "access_denied");
  await choose("#select-another");
  await signIn(page);
  assert.ok((await landed(page)).get("code"));
});

person("the consent page offers to go on as somebody else", async (page) => {
  await open(page, { prompt: "consent" });
  await signIn(page);
  await press(page, "#consent-switch");
  await page.waitForSelector("#login-submit");
});

person("the password can be looked at, and is sent as one", async (page) => {
  await open(page);
  await page.fill("#password", "seen");
  const button = page.locator("#password-reveal");
  const offer = await button.getAttribute("aria-label");
  await button.click();
  assert.equal(await page.getAttribute("#password", "type"), "text");
  assert.notEqual(await button.getAttribute("aria-label"), offer);
  await button.click();
  assert.equal(await page.getAttribute("#password", "type"), "password");
  assert.equal(await page.inputValue("#password"), "seen");
});

const LOCALES = readdirSync(new URL("../../../templates/locale", import.meta.url)).map((file) => file.replace(".toml", ""));
person(`every language fits a narrow screen: ${LOCALES.join(" ")}`, async (page) => {
  await page.setViewportSize(NARROW);
  for (const locale of LOCALES) {
    await open(page, { ui_locales: locale, prompt: "login consent" });
    for (const name of ["login", "consent"]) {
      assert.equal(await page.getAttribute("html", "lang"), locale);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= NARROW.width, `${name} in ${locale} is ${width} pixels wide`);
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-${locale}.png`), fullPage: true });
      if (name === "login") await signIn(page);
    }
  }
});

person("the browser's language is spoken where the client asks for none", async (page) => {
  await open(page);
  assert.equal(await page.getAttribute("html", "lang"), "fr");
}, { locale: "fr-CA" });

person("back from the relying party, and the same button again: nothing breaks", async (page) => {
  const statuses = [];
  page.on("response", (response) => statuses.push(response.status()));
  await open(page, { prompt: "consent" });
  await signIn(page);
  await press(page, "#consent-allow");
  await landed(page);
  await page.goBack();
  if (await page.locator("#consent-allow").count()) await press(page, "#consent-allow");
  await page.goBack();
  assert.deepEqual(statuses.filter((status) => status >= 500), []);
});

person("everything without scripts", async (page) => {
  await open(page, { prompt: "consent" });
  await signIn(page, "not the password");
  await page.waitForSelector("[role=alert]");
  await signIn(page);
  await press(page, "#consent-allow");
  assert.ok((await landed(page)).get("code"));
}, { javaScriptEnabled: false });

person("everything by keyboard", async (page) => {
  const to = async (id) => {
    for (let press = 0; press < 30; press += 1) {
      if ((await page.evaluate(focused))?.name === id) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab never comes to ${id}`);
  };
  await open(page, { prompt: "consent" });
  await to("username");
  await page.keyboard.type(user.username);
  await page.keyboard.press("Tab");
  assert.equal((await page.evaluate(focused)).name, "password", "what follows the name");
  await page.keyboard.type(user.password);
  await page.keyboard.press("Enter"); // the form's default action is to sign in, not to cancel
  await page.waitForSelector("#consent-allow");
  await to("consent-allow");
  await page.keyboard.press("Enter");
  assert.ok((await landed(page)).get("code"));
});

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "by itself" : "by its button, without scripts";
  person(`form_post: the form goes ${how}`, async (page) => {
    await open(page, { response_mode: "form_post", prompt: "consent" });
    await signIn(page);
    await press(page, "#consent-allow");
    if (!javaScriptEnabled) {
      await page.waitForSelector("#form-post", { state: "attached" }); // it has hidden fields only
      await inspect(page, "form-post");
      await press(page, "button[form=form-post]");
    }
    assert.ok((await landed(page)).get("code"));
    assert.equal(relyingParty.arrivals.at(-1).method, "POST");
  }, { javaScriptEnabled });
}

person("a client with a long name, a logo and links fits a narrow screen", async (page) => {
  await open(page, { client_id: clients.elaborate.client_id, prompt: "consent" });
  await page.waitForSelector("#client-logo");
  assert.ok(await page.locator("#client-logo").evaluate((image) => image.complete && image.naturalWidth > 0), "the logo");
  await inspect(page, "login-elaborate-client");
  await signIn(page);
  await page.waitForSelector("#consent-allow");
  for (const id of ["client-logo", "client-policy", "client-tos"]) assert.ok(await page.isVisible(`#${id}`), id);
  await inspect(page, "consent-elaborate-client");
});

person("logout: asks, can be called off, ends the session", async (page) => {
  await arrive(page);
  await page.goto(`${issuer}/logout`);
  await page.waitForSelector("#logout-confirm");
  await inspect(page, "logout");
  await inspectFocusOrder(page, "logout");
  await press(page, "#logout-cancel");
  await inspect(page, "logout-kept");
  assert.ok((await arrive(page, { prompt: "none" })).get("code"), "to stay signed in did not help");
  await page.goto(`${issuer}/logout`);
  await press(page, "#logout-confirm");
  await page.waitForSelector("#logout-done");
  await inspect(page, "logout-done");
  assert.equal((await arrive(page, { prompt: "none" })).get("error"), "login_required");
});
