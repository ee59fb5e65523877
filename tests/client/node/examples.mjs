// The applications in examples/, started as their README.md files say, with nothing but what the screen of `hallpass dev`
// shows, and a browser in front of them. Each has a provider of its own.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, suite, test } from "node:test";
import { launch, press, visit } from "./chromium.mjs";
import { develop, freePort, start } from "./program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OUTPUT = here("../../output");
const SCREENSHOTS = `${OUTPUT}/screenshots`;
const HOSTILE_NAME = `</title><script>alert("1")</script> & <img src=x onerror='alert(1)'>`; // as in hostile.toml
const slow = { timeout: 60_000 };

const APPLICATIONS = {
  express: [process.execPath, ["app.mjs"]],
  flask: [here("../python/.venv/bin/python"), ["app.py"]],
};

let browser;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  browser = await launch();
});

after(() => browser?.close());

/** Where an application is, and the environment that makes it a client of a provider. */
function surroundings(name, { issuer, client, secret }) {
  return {
    cwd: here(`../../../examples/${name}`),
    env: { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: client, OIDC_CLIENT_SECRET: secret },
  };
}

/** An application with the values of a provider, on a port of its own. */
async function startApplication(name, provider) {
  const [command, args] = APPLICATIONS[name];
  const { cwd, env } = surroundings(name, provider);
  const program = await start(command, args, { cwd, env: { ...env, PORT: String(await freePort()) }, ready: /^Open / });
  return Object.assign(program, { address: program.ready.replace("Open ", ""), issuer: provider.issuer });
}

const logIn = (page) => press(page, "text='Log in'");

/** What every profile page shows. */
async function profileOf(page, { address }) {
  assert.equal(page.url(), `${address}/profile`);
  const claims = await page.locator("tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText)));
  return {
    title: await page.innerText("h1"),
    email: await page.innerText("#email"),
    claims: Object.fromEntries(claims),
    until: await page.getAttribute("time", "datetime"),
  };
}

/** A page for people: it says what is the matter and nothing about the program. */
async function assertFriendly(page, text) {
  assert.equal(await page.innerText("h1"), text);
  assert.doesNotMatch(await page.content(), /error|exception|traceback|node_modules|site-packages|\.py\b|\.m?js\b/i);
}

/** The first piece of README.md in a language. */
function piece(language) {
  return readFileSync(here("../../../README.md"), "utf8").match(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "ms"))[1];
}

const PIECES = {
  js: { name: "express", asked: "\nconsole.log(provider.serverMetadata().token_endpoint);", options: ["--input-type=module", "--eval"] },
  python: { name: "flask", asked: "\nprint(oidc.load_server_metadata()['token_endpoint'])", options: ["-c"] },
};
for (const [language, { name, asked, options }] of Object.entries(PIECES)) {
  test(`README.md: what it shows in ${language} finds the provider`, slow, async () => {
    const provider = await develop();
    try {
      const [command] = APPLICATIONS[name];
      const { ready } = await start(command, [...options, piece(language) + asked], { ...surroundings(name, provider), ready: /^http/ });
      assert.equal(ready, `${provider.issuer}/token`);
    } finally {
      await provider.stop();
    }
  });
}

for (const name of Object.keys(APPLICATIONS)) {
  suite(name, () => {
    let provider;
    let application;

    before(async () => {
      provider = await develop();
      application = await startApplication(name, provider);
    });

    after(async () => {
      await application?.stop();
      await provider?.stop();
      writeFileSync(`${OUTPUT}/example-${name}.log`, application?.output ?? "");
    });

    function person(what, steps) {
      test(`${name}: ${what}`, slow, (context) => visit(browser, SCREENSHOTS, context, {}, steps));
    }

    person("one click, one consent, and the application knows who it is; the next time nothing is asked", async (page) => {
      await page.goto(application.address);
      await logIn(page);
      assert.ok(page.url().startsWith(`${application.issuer}/`));
      await press(page, "#persona-alice");
      await press(page, "#consent-allow");
      const profile = await profileOf(page, application);
      assert.equal(profile.title, profile.claims.name);
      assert.equal(profile.email, profile.claims.email);
      assert.match(profile.email, /^alice@/);
      for (const claim of ["sub", "given_name", "family_name", "email_verified"]) assert.ok(profile.claims[claim], claim);

      await press(page, "#logout");
      assert.equal(page.url(), `${application.address}/`);
      await assertLoggedOut(page);
      await logIn(page);
      assert.deepEqual((await profileOf(page, application)).claims, profile.claims);
    });

    person("another account: denied first, then allowed", async (page) => {
      await page.goto(application.address);
      await press(page, "text='Log in with another account'");
      await press(page, "#persona-bob");
      await press(page, "#consent-deny");
      await assertFriendly(page, "You are not logged in: the log-in was cancelled.");
      await logIn(page);
      await press(page, "#consent-allow");
      assert.match((await profileOf(page, application)).title, /bob/i);

      await press(page, "#logout");
      await press(page, "text='Log in with another account'");
      await press(page, "#select-another");
      assert.equal(await page.locator("#persona-alice").count(), 1);
    });

    person("cancelled at the login page: told so, and let in later", async (page) => {
      await page.goto(application.address);
      await logIn(page);
      await press(page, "#login-cancel");
      await assertFriendly(page, "You are not logged in: the log-in was cancelled.");
      await assertLoggedOut(page);
      await logIn(page);
      assert.equal(await page.locator("#persona-alice").count(), 1);
    });

    async function assertLoggedOut(page) {
      await page.goto(`${application.address}/profile`);
      assert.equal(page.url(), `${application.address}/`, "the profile is for people who are logged in");
    }

    person("an answer that nobody waits for is refused", async (page) => {
      for (const answer of ["", "?code=x", "?code=x&state=y", "?state=y", "?code=x&state=y&state=z"]) {
        assert.equal((await page.goto(`${application.address}/callback${answer}`)).status(), 400, answer);
        await assertFriendly(page, "This log-in has expired, or it was finished already.");
      }
      assert.equal((await page.goto(`${application.address}/nothing-is-here`)).status(), 404);
    });
  });

  test(`${name}: a stale access token is refreshed, a provider that is away or has forgotten is survived, claims stay text`, slow, async (context) => {
    // Good for less than the minute that the applications want of one: each visit needs a new one.
    let provider = await develop(["--port", "0"], { HALLPASS_LIFETIMES__ACCESS_TOKEN: "30s" });
    const application = await startApplication(name, provider);
    try {
      await visit(browser, SCREENSHOTS, context, {}, async (page) => {
        await page.goto(application.address);
        await logIn(page);
        await press(page, "#persona-alice");
        await press(page, "#consent-allow");
        let { until } = await profileOf(page, application);
        const deadline = Date.now() + 20_000;
        for (let refreshes = 0; refreshes < 2; ) {
          assert.ok(Date.now() < deadline, "the access token is never refreshed");
          await page.reload();
          const now = await profileOf(page, application);
          assert.ok(now.until >= until);
          if (now.until !== until) refreshes += 1; // it is told in whole seconds
          until = now.until;
        }

        assert.equal(await provider.stop(), 0, "how hallpass dev ends on SIGTERM");
        assert.equal((await page.reload()).status(), 500);
        await assertFriendly(page, "Something went wrong. It is not your fault.");

        // A new one at the same address has the same client, and neither the grants nor the sessions of the old one.
        provider = await develop(["--port", new URL(provider.issuer).port, "--apply", here("hostile.toml")]);
        assert.equal((await page.reload()).status(), 401);
        await assertFriendly(page, "Your log-in has ended.");
        await logIn(page);
        await press(page, "#persona-mallory");
        await press(page, "#consent-allow");
        const { title, email, claims } = await profileOf(page, application);
        assert.equal(title, HOSTILE_NAME);
        assert.equal(email, claims.email);
        assert.equal(claims.name, HOSTILE_NAME);
        assert.equal(claims.nickname, "{{ 7 * 7 }}");
      });
    } finally {
      await application.stop();
      await provider.stop();
    }
  });
}
