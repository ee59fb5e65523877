// Headless Chromium, and the people in front of it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { contrastComplaints } from "./contrast.mjs";
import { focusables, focused, structureComplaints } from "./inspect.mjs";

export const WIDE = { width: 1024, height: 768 };
export const NARROW = { width: 320, height: 640 };
export const CONTRAST = { text: 4.5, edge: 3 }; // WCAG 2.2 AA

export function launch(further = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...further,
    ],
  });
}

/**
 * A person with a browser of their own. At the end nothing may have been written to the console: neither a violated
 * content security policy nor a script's error nor something that was not found. A failure leaves a picture in `screenshots`.
 */
export async function visit(browser, screenshots, context, options, steps) {
  const own = await browser.newContext({ viewport: WIDE, ...options });
  own.setDefaultTimeout(10_000);
  const page = await own.newPage();
  const noise = [];
  page.on("console", (message) => {
    // Chromium notes a page's own status of 4xx in the same place.
    const ownStatus = /^Failed to load resource/.test(message.text()) && message.location().url === page.url();
    if (["error", "warning"].includes(message.type()) && !ownStatus) noise.push(message.text());
  });
  page.on("pageerror", (error) => noise.push(String(error)));
  try {
    await steps(page);
    assert.deepEqual(noise, [], "the console");
  } catch (error) {
    await page.screenshot({ path: join(screenshots, `failed-${context.name.replace(/\W+/g, "-")}.png`) }).catch(() => {});
    error.message += `\n    at ${page.url()}`;
    throw error;
  } finally {
    await own.close();
  }
}

/** Presses a button or a link and waits for the page it leads to. */
export async function press(page, selector) {
  await Promise.all([page.waitForEvent("load"), page.click(selector)]);
}

/** Looks at the page in every way that matters and takes its pictures. */
export async function look(page, darkroom, screenshots, name) {
  const picture = (kind) => page.screenshot({ path: join(screenshots, `${name}-${kind}.png`), fullPage: true });
  assert.deepEqual(await page.evaluate(structureComplaints), [], `structure of ${name}`);

  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const complaints = await contrastComplaints(page, darkroom, CONTRAST);
    assert.deepEqual(complaints, [], `contrast of ${name} in ${colorScheme}`);
    await picture(colorScheme);
  }
  await page.emulateMedia({ colorScheme: "light" });

  await page.setViewportSize(NARROW);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= NARROW.width, `${name} is ${width} pixels wide on a screen of ${NARROW.width}`);
  await picture(NARROW.width);
  await page.setViewportSize(WIDE);
}

/** Tab goes through everything in reading order, and one can always see where it is. */
export async function inspectFocusOrder(page, name) {
  const expected = await page.evaluate(focusables);
  await page.evaluate(() => document.activeElement?.blur());
  await page.mouse.click(1, 1); // the order starts at the top, not behind an autofocus
  const found = [];
  for (let press = 0; press < expected.length; press += 1) {
    await page.keyboard.press("Tab");
    const now = await page.evaluate(focused);
    assert.ok(now, `the focus left ${name} after ${found.join(", ")}`);
    assert.ok(now.showsFocus, `${now.name} on ${name} does not show its focus`);
    found.push(now.name);
  }
  assert.deepEqual(found, expected, `focus order of ${name}`);
}
