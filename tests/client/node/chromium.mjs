// Headless Chromium, and the people in front of it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const WIDE = { width: 1024, height: 768 };

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
