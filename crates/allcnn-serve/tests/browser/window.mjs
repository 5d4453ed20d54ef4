/** The browser: windows in which every complaint counts as a failure. */

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { until } from "./program.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Opens Debian's Chromium, with a camera that shows a test picture. */
export function browse() {
  const args = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  // Chromium refuses to run as root in its sandbox, and in containers root is usual.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "chromium", args });
}

/**
 * Opens a window, hands it to `work`, and demands that nothing was said on the console and no rule of the CSP was broken.
 * @param {import("playwright-core").Browser} browser
 * @param {(page: Page) => Promise<void>} work
 * @param {RegExp} [expected] complaints that belong to the test
 */
export async function inWindow(browser, work, expected) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error.stack)));
  await page.exposeFunction("complain", (/** @type {string} */ text) => complaints.push(text));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) =>
    /** @type {any} */ (window).complain(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
  page.setDefaultTimeout(60_000);
  try {
    await work(page);
    assert.deepEqual(complaints.filter((text) => !expected?.test(text)), []);
  } finally {
    await page.close();
  }
}

/**
 * Drops or pastes a file into the page, as the browser would tell it.
 * @param {Page} page
 * @param {"drop" | "paste"} how
 * @param {Buffer} bytes
 * @param {string} name
 */
export async function give(page, how, bytes, name) {
  await page.locator(".source").waitFor();
  await page.evaluate(([how, base64, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type: "image/png" }));
    const event = how === "drop"
      ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
      : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
    document.querySelector(".source")?.dispatchEvent(event);
  }, [how, bytes.toString("base64"), name]);
}

/**
 * The picture in the nth map that is shown, once there is one and nothing is under way.
 * @param {Page} page
 * @param {string} [selector]
 * @returns {Promise<string>}
 */
export function shownMap(page, selector = ".maps .pair .stage:first-child img") {
  return until(`a map (${selector})`, async () =>
    (await page.locator('[aria-busy="true"]').count()) === 0 && (await page.locator(selector).count()) > 0 && (await page.locator(selector).first().getAttribute("src")));
}

/**
 * Presses Tab until what has the focus fits a selector: so someone without a mouse gets there.
 * @param {Page} page
 * @param {string} selector
 */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  assert.fail(`80 presses of Tab do not lead to ${selector}`);
}
