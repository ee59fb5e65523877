// Every page in every language, as examples/pages.rs writes them: at 320 pixels and on a desktop, in light and dark. Nothing
// is cut off, nothing is left unsaid, and axe-core finds nothing that WCAG would mind. GALLERY names the directory.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { extname, join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { CONTRAST, NARROW, WIDE, launch } from "./chromium.mjs";
import { contrastComplaints } from "./contrast.mjs";
import { structureComplaints } from "./inspect.mjs";

const GALLERY = process.env.GALLERY;
const SCREENSHOTS = join(import.meta.dirname, "../../output/gallery");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
const index = JSON.parse(readFileSync(join(GALLERY, "index.json"), "utf8"));
const LANGUAGES = [...new Set(index.map(({ language }) => language))];

// Nobody sees it. Its script is tested by check_session.mjs.
const isForPeople = ({ name }) => !name.startsWith("check_session_iframe-");
// These are in English whatever the language; once is enough.
const isTranslated = ({ name }) => !name.startsWith("playground");
// Of each page the sample with the most on it is looked at by axe-core, in every language; of these there are pictures.
const RICHEST = [
  "login-personas", "login-throttled", "login-accent", "authorize-every_scope", "select_account-logo", "end_session_prompt-accent",
  "end_session_completed-client", "end_session_failed-client", "form_post-code", "error-hint", "home-development",
  "playground-problem", "playground_fragment-plain", "playground_result-verified",
];

let browser;
let origin;
let server;

before(async () => {
  rmSync(SCREENSHOTS, { recursive: true, force: true });
  mkdirSync(SCREENSHOTS, { recursive: true });
  const policies = new Map(index.map(({ file, policy }) => [`/${file}`, policy]));
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    try {
      const body = readFileSync(join(GALLERY, normalize(pathname)));
      const headers = { "content-type": TYPES[extname(pathname)] ?? "application/octet-stream" };
      if (policies.has(pathname)) headers["content-security-policy"] = policies.get(pathname);
      response.writeHead(200, headers).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** Inside the page: what axe-core has against it, in one line each. */
async function violations(rules) {
  const { violations } = await globalThis.axe.run(document, rules);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)} (${node.failureSummary})`));
}

/** Inside the page: what is wider than the page, or cut off within it. */
function overflow() {
  const found = [];
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} pixels wide on ${clientWidth}`);
  for (const each of document.querySelectorAll("body *")) {
    const { left, right } = each.getBoundingClientRect();
    const name = `<${each.localName} id=${each.id} class=${each.className}>`;
    if (each.checkVisibility() && (left < -1 || right > clientWidth + 1)) found.push(`${name} from ${left} to ${right}`);
    const isCut = each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline";
    if (isCut && !["SELECT", "INPUT"].includes(each.tagName)) found.push(`${name}: ${each.scrollWidth} pixels in ${each.clientWidth}`);
  }
  return found;
}

/** Inside the page: its words, and those that are for readers of screens only. */
function words() {
  const labels = [...document.querySelectorAll("[aria-label], [placeholder], [title], [alt]")].flatMap((each) =>
    ["aria-label", "placeholder", "title", "alt"].map((name) => each.getAttribute(name) ?? ""),
  );
  const empty = [...document.querySelectorAll("h1, h2, p, li, dt, dd, label, button, option, a")].filter(
    (each) => each.checkVisibility() && !each.textContent.trim() && !each.getAttribute("aria-label"),
  );
  return { text: [document.title, document.body.innerText, ...labels].join("\n"), empty: empty.map((each) => each.outerHTML) };
}

// Every sentence has a key such as login.title; none of them is something that a page says.
const KEYS = /(?<!\/\/)\b(?:client|login|consent|scope|select|logout|forward|error|home|language)\.[a-z_]+\b/;

async function inspect(page, darkroom, { name, language, file }) {
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.goto(`${origin}/${file}`, { waitUntil: "load" });
  if (RICHEST.includes(name)) await page.evaluate(AXE);
  const complaints = [];
  const note = (where, found) => complaints.push(...found.map((each) => `${name} in ${language}, ${where}: ${each}`));

  note("structure", await page.evaluate(structureComplaints));
  const { text, empty } = await page.evaluate(words);
  note("nothing said", empty);
  // The hostile ones say what templates must not take for their own; the playground shows JSON.
  if (!name.endsWith("-hostile") && isTranslated({ name })) note("left unsaid", text.match(/[{}]|\bundefined\b|\bnone\b/g) ?? []);
  note("left unsaid", text.match(KEYS) ?? []);
  const lang = await page.getAttribute("html", "lang");
  if (lang !== language) note("its language", [lang]);

  for (const [width, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
    await page.setViewportSize(viewport);
    note(width, await page.evaluate(overflow));
    if (!RICHEST.includes(name)) continue;
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // What isn't a matter of colours or room is the same each time.
      const first = width === "wide" && colorScheme === "light";
      const rules = first ? {} : { runOnly: { type: "rule", values: ["color-contrast", "target-size", "link-in-text-block"] } };
      note(`${width} and ${colorScheme}`, await page.evaluate(violations, rules));
      if (width === "narrow" && language === "en") note(`${width} and ${colorScheme}`, await contrastComplaints(page, darkroom, CONTRAST));
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-${language}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  return complaints;
}

for (const language of LANGUAGES) {
  test(`every page in ${language}`, { timeout: 240_000 }, async () => {
    const waiting = index.filter((page) => page.language === language && isForPeople(page) && (language === "en" || isTranslated(page)));
    assert.ok(waiting.length > 40, `${waiting.length} pages`);
    const complaints = [];
    const worker = async () => {
      // Elsewhere there is nothing, no logo for one. Whatever else is missing or blocked is written to the console.
      const context = await browser.newContext({ viewport: WIDE });
      await context.route((url) => url.origin !== origin, (route) => route.fulfill({ status: 204 }));
      // Whoever sees this page has scripts turned off: otherwise it is gone at once.
      await context.route("**/asset/form_post.js*", (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
      const [page, darkroom] = [await context.newPage(), await context.newPage()];
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
      });
      for (let next = waiting.shift(); next; next = waiting.shift()) complaints.push(...(await inspect(page, darkroom, next)));
      await context.close();
    };
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
    assert.deepEqual(complaints, []);
  });
}
