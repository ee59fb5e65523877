// What a page of another site can do to a running `hallpass dev` whose user is logged in: nothing. And a name that its owner
// lets mean this machine (DNS rebinding) reaches nothing. TESTBED_DEV names a file with the ready line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, suite, test } from "node:test";
import { launch } from "./chromium.mjs";

const { issuer, port, admin_token: adminToken } = JSON.parse(readFileSync(process.env.TESTBED_DEV, "utf8"));
const slow = { timeout: 60_000 };

let browser;
let site; // a site that means no good
let evil; // its address
let arrived = []; // what came to it

before(async () => {
  browser = await launch(["--host-resolver-rules=MAP *.test 127.0.0.1"]);
  site = createServer((request, response) => {
    arrived.push(request.url);
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>evil</title>");
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  evil = `http://evil.test:${site.address().port}`;
});

after(async () => {
  await browser?.close();
  site?.close();
});

/** A browser in which Alice is logged in, with a page of the other site in front. */
async function victim() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const request = new URLSearchParams({
    client_id: "dev-app",
    response_type: "code",
    scope: "openid profile",
    redirect_uri: "http://localhost:1/callback",
  });
  await page.goto(`${issuer}/authorize?${request}`);
  await page.click("#persona-alice");
  await page.waitForSelector("#consent-deny");
  assert.ok(await session(context), "logged in");
  await page.goto(`${evil}/`);
  return { context, page };
}

const session = async (context) =>
  (await context.cookies(issuer)).find(({ name }) => name.includes("session"))?.value;

/** What the administration sees. */
async function clients() {
  const answer = await fetch(`${issuer}/api/admin/v1/clients`, { headers: { authorization: `Bearer ${adminToken}` } });
  assert.equal(answer.status, 200);
  return (await answer.json()).items;
}

suite("a page of another site", () => {
  test("its scripts read no answer that is not public", slow, async () => {
    const { context, page } = await victim();
    const read = (path, options) =>
      page.evaluate(
        ([url, init]) => fetch(url, init).then((answer) => answer.text()).then((text) => text.slice(0, 80), () => "refused"),
        [`${issuer}${path}`, options],
      );
    for (const path of ["/", "/login", "/playground", "/userinfo", "/api/admin/v1/clients", "/healthz", "/nothing"]) {
      for (const credentials of ["include", "omit"]) {
        assert.equal(await read(path, { credentials }), "refused", `${path} ${credentials}`);
      }
    }
    const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: "grant_type=x" };
    for (const path of ["/token", "/userinfo", "/login", "/playground"]) {
      assert.equal(await read(path, form), "refused", path);
    }
    const bearer = { headers: { authorization: `Bearer ${adminToken}` } };
    assert.equal(await read("/api/admin/v1/clients", bearer), "refused", "even knowing the token");
    // What is public may be read, but not together with who reads it.
    assert.match(await read("/.well-known/openid-configuration", { credentials: "omit" }), /issuer/);
    assert.equal(await read("/.well-known/openid-configuration", { credentials: "include" }), "refused");
    await context.close();
  });

  test("its forms change nothing", slow, async () => {
    const { context, page } = await victim();
    const before = [await session(context), await clients()];
    const forms = [
      ["/login", { persona: "bob", pending: "" }],
      ["/logout", { decision: "logout", csrf: "" }],
      ["/consent", { decision: "allow", pending: "" }],
      ["/playground", { client_id: "playground", as: "bob" }],
      ["/playground/callback", { code: "x", state: "x" }],
      ["/api/admin/v1/clients", { client_id: "evil" }],
    ];
    for (const [path, fields] of forms) {
      await page.goto(`${evil}/`);
      const [answer] = await Promise.all([
        page.waitForNavigation(),
        page.evaluate(
          ([action, values]) => {
            const form = Object.assign(document.createElement("form"), { method: "post", action });
            for (const [name, value] of Object.entries(values)) {
              form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
            }
            document.body.append(form);
            form.submit();
          },
          [`${issuer}${path}`, fields],
        ),
      ]);
      assert.ok(answer.status() >= 400 && answer.status() < 500, `${path}: ${answer.status()}`);
    }
    assert.deepEqual([await session(context), await clients()], before);
    await context.close();
  });

  test("its scripts change nothing either, read or not", slow, async () => {
    const { context, page } = await victim();
    const before = [await session(context), await clients()];
    await page.evaluate(async (url) => {
      const blind = { mode: "no-cors", credentials: "include", method: "POST" };
      await fetch(`${url}/login`, { ...blind, body: new URLSearchParams({ persona: "bob" }) }).catch(() => {});
      await fetch(`${url}/playground`, { ...blind, body: new URLSearchParams({ as: "bob" }) }).catch(() => {});
      await fetch(`${url}/api/admin/v1/clients`, { ...blind, body: '{"client_id":"evil"}' }).catch(() => {});
      await fetch(`${url}/logout`, { ...blind, body: new URLSearchParams({ decision: "logout" }) }).catch(() => {});
    }, issuer);
    assert.deepEqual([await session(context), await clients()], before);
    await context.close();
  });

  test("no code comes to it, in no frame and by no redirect", slow, async () => {
    const { context, page } = await victim();
    arrived = [];
    const request = new URLSearchParams({
      client_id: "playground", // asks for no consent
      response_type: "code",
      scope: "openid",
      redirect_uri: `${evil}/callback`,
      prompt: "none",
    });
    const answer = await page.goto(`${issuer}/authorize?${request}`);
    assert.equal(answer.status(), 400);
    assert.ok(await page.$("#error-page"));
    await page.goto(`${evil}/`);
    await page.evaluate(
      (src) =>
        new Promise((resolve) => {
          const frame = Object.assign(document.createElement("iframe"), { src, onload: resolve });
          document.body.append(frame);
        }),
      `${issuer}/authorize?${request}`,
    );
    request.set("redirect_uri", `${issuer}/playground/callback`);
    await page.evaluate(
      (src) =>
        new Promise((resolve) => {
          const frame = Object.assign(document.createElement("iframe"), { src, onload: resolve });
          document.body.append(frame);
        }),
      `${issuer}/authorize?${request}`,
    );
    const seen = await Promise.all(page.frames().slice(1).map((frame) => frame.evaluate(() => document.body.innerText)));
    assert.ok(seen.every((text) => !/Alice|verified/i.test(text)), seen.join("\n"));
    assert.deepEqual(arrived.filter((url) => url.includes("code=")), []);
    await context.close();
  });
});

suite("a name that its owner lets mean this machine", () => {
  test("reaches nothing", slow, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const rebound = `http://rebound.test:${port}`;
    for (const path of ["/", "/login", "/playground", "/.well-known/openid-configuration"]) {
      const answer = await page.goto(`${rebound}${path}`);
      assert.equal(answer.status(), 421, path);
      assert.deepEqual(await context.cookies(rebound), []);
    }
    // From there every address is of the same origin, so that the script could read what it gets.
    const statuses = await page.evaluate(async () => {
      const paths = ["/", "/token", "/userinfo", "/api/admin/v1/clients", "/playground", "/healthz"];
      return Promise.all(paths.map((path) => fetch(path, { method: "POST", body: "x" }).then(({ status }) => status)));
    });
    assert.deepEqual(new Set(statuses), new Set([421]));
    await context.close();
  });
});
