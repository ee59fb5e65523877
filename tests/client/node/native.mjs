// examples/native, started as its README.md says, with a browser beside it.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, press, visit } from "./chromium.mjs";
import { develop, start } from "./program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SCREENSHOTS = here("../../output/screenshots");
const slow = { timeout: 60_000 };

let browser;
let provider;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
  provider = await develop();
});

after(async () => {
  await browser?.close();
  await provider?.stop();
});

/** The program, when it waits for its user, and the address that it wants opened. */
async function run(args = ["--no-browser"], env = {}) {
  const options = { cwd: here("../../../examples/native"), env, ready: /^http/ };
  const program = await start("python3", ["app.py", "--issuer", provider.issuer, ...args], options);
  return Object.assign(program, { address: new URL(program.ready) });
}

function person(what, steps) {
  test(`native: ${what}`, slow, async (context) => {
    const program = await run();
    try {
      await visit(browser, SCREENSHOTS, context, {}, (page) => steps(page, program));
    } finally {
      await program.stop();
    }
  });
}

/** As somebody who hasn't agreed to it before. */
async function logIn(page, program, username) {
  await page.goto(program.address.href);
  await press(page, `#persona-${username}`);
  await press(page, "#consent-allow");
}

/** Where the program waits, with an answer. */
function callback({ address }, answer) {
  return `${address.searchParams.get("redirect_uri")}?${new URLSearchParams(answer)}`;
}

person("logs its user in, says who it is, and refreshes", async (page, program) => {
  await logIn(page, program, "alice");
  assert.match(await page.innerText("h1"), /^Thank you\./);
  assert.equal(await program.end(), 0, program.output);
  assert.match(program.output, /^You are Alice Adams\.$/m);
  const claims = JSON.parse(program.output.match(/^\{.*^\}/ms)[0]);
  assert.equal(claims.email, "alice@example.com");
  assert.match(program.output, /^Refreshed: the access token is good for another 3600 seconds\.$/m);
});

person("says so when its user doesn't want to", async (page, program) => {
  await page.goto(program.address.href);
  await press(page, "#login-cancel");
  assert.match(await page.innerText("h1"), /^Thank you\./);
  assert.equal(await program.end(), 1);
  assert.match(program.output, /^Not logged in\. \S/m);
});

person("waits on when somebody guesses at an answer, or asks for something else", async (page, program) => {
  for (const guess of [{}, { code: "x" }, { code: "x", state: "y" }, { error: "access_denied", state: "" }]) {
    assert.equal((await page.goto(callback(program, guess))).status(), 404);
  }
  assert.equal((await page.goto(new URL("/", callback(program, {})).href)).status(), 404);
  await logIn(page, program, "bob");
  assert.equal(await program.end(), 0, program.output);
});

person("takes no answer from another provider", async (page, program) => {
  const state = program.address.searchParams.get("state");
  await page.goto(callback(program, { code: "x", state, iss: "https://evil.example" }));
  assert.equal(await program.end(), 1);
  assert.match(program.output, /^Not logged in\. The answer is not the provider's\.$/m);
});

person("tells of a code that the provider doesn't know in one line", async (page, program) => {
  const state = program.address.searchParams.get("state");
  await page.goto(callback(program, { code: "x", state, iss: provider.issuer }));
  assert.equal(await program.end(), 1);
  assert.match(program.output, /^Not logged in\. .+\n$/m);
  assert.doesNotMatch(program.output, /Traceback/);
});

test("native: asks for a code with PKCE, at a port of this machine, and opens the browser with that", slow, async () => {
  const program = await run([], { BROWSER: "echo %s" });
  const asked = Object.fromEntries(program.address.searchParams);
  assert.match(asked.redirect_uri, /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  assert.equal(asked.response_type, "code");
  assert.equal(asked.code_challenge_method, "S256");
  for (const random of [asked.state, asked.nonce, asked.code_challenge]) assert.equal(random.length, 43);
  await program.stop();
});
