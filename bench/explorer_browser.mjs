/**
 * How fast the explorer answers in a browser: from a dropped picture to answer and map, from a click on a unit's place to its map,
 * and what a page weighs.
 *
 * usage: scripts/browser.sh once (it installs playwright-core), then
 *        ALLCNN=target/release/allcnn CHROMIUM=$(command -v chromium) node bench/explorer_browser.mjs RUN [LAYER]
 *
 * Prints Markdown: medians and 95th percentiles of 40, in milliseconds, measured in the page from the event to the frame that shows it.
 */

import { cp } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";

const work = resolve("target/browser");
process.env.ALLCNN = resolve(process.env.ALLCNN ?? "target/release/allcnn");
await cp("crates/allcnn-serve/tests/browser/program.mjs", `${work}/program.mjs`);
await cp("crates/allcnn-serve/tests/browser/window.mjs", `${work}/window.mjs`);
const { disk, png, serve } = await import(`${work}/program.mjs`);
const { browse, give, shownMap } = await import(`${work}/window.mjs`);

const [given, layer = "conv3"] = process.argv.slice(2);
const ROUNDS = 40;

/** @param {number[]} times */
function row(name, times) {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
  console.log(`| ${name} | ${at(0.5)} | ${at(0.95)} |`);
}

/**
 * Notes the time of each change of the map's picture, once the browser has painted it.
 * @param {import("playwright-core").Page} page
 * @param {string} selector
 */
async function watch(page, selector) {
  await page.evaluate((selector) => {
    window.painted = { src: "", at: 0 };
    window.watching ??= 0;
    const mine = ++window.watching;
    const look = () => {
      const image = document.querySelector(selector);
      if (image?.complete && image.src !== window.painted.src) window.painted = { src: image.src, at: performance.now() };
      if (mine === window.watching) requestAnimationFrame(look);
    };
    look();
  }, selector);
}

/**
 * The milliseconds from `act`, which returns the page's time of its event, to another map than before.
 * @param {import("playwright-core").Page} page
 * @param {() => Promise<number>} act
 */
async function timed(page, act) {
  const before = await page.evaluate(() => window.painted.src);
  const begun = await act();
  await page.waitForFunction((before) => window.painted.src !== before, before, { polling: 5 });
  return (await page.evaluate(() => window.painted.at)) - begun;
}

const server = await serve(dirname(resolve(given)), basename(given));
const browser = await browse();
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  await page.goto(server.base);
  await page.locator(".source").waitFor();
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  const [files, bytes] = await page.evaluate(() => {
    const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const pages = loaded.filter(({ name }) => !name.includes("/api/"));
    return [pages.length, pages.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0)];
  });
  const run = await (await fetch(`${server.base}api/runs`)).json().then(({ single }) => single);
  const { input, layers, model } = await (await fetch(`${server.base}api/runs/${run}`)).json();
  console.log(`${model}, ${input.height}x${input.width}: pages of ${(bytes / 1024).toFixed(0)} KiB in ${files} files, first paint after ${paint.toFixed(0)} ms\n`);
  console.log("| from ... to the map on the screen | median ms | 95th percentile ms |\n|---|---|---|");
  const picture = (round) => (input.height > 64
    ? png(256, (x, y) => [(x * 3 + round * 7) % 256, (y * 5 + round) % 256, (x * y + round * 11) % 256])
    : disk(round));

  const maps = ".maps .pair .stage:first-child img";
  await give(page, "drop", picture(999), "first.png");
  await shownMap(page);
  await watch(page, maps);
  const drops = [];
  for (let round = 0; round < ROUNDS; round++) {
    await page.waitForTimeout(300); // as a hand does
    drops.push(await timed(page, async () => {
      const begun = await page.evaluate(() => performance.now());
      await give(page, "drop", picture(round), `${round}.png`);
      return begun;
    }));
  }
  row("a dropped picture", drops);

  const { height, width } = layers.find(({ name }) => name === layer);
  await page.goto(`${server.base}#/run/${run}/units?layer=${layer}&unit=1`);
  await shownMap(page, ".unit .tile:last-child .stage img");
  await page.waitForTimeout(1500);
  const clicks = [];
  for (let round = 0; round < ROUNDS; round++) {
    await page.waitForTimeout(300);
    const [line, column] = [(round * 5 + 1) % height, (round * 3 + 1) % width];
    clicks.push(await page.evaluate(async ({ line, column, height, width }) => {
      const place = document.querySelector(".unit .picker");
      const { left, top, width: wide, height: high } = place.getBoundingClientRect();
      const said = `row ${line}, column ${column}`;
      const there = () => document.querySelector(".unit figcaption")?.innerText.startsWith(said);
      const begun = performance.now();
      const shown = new Promise((resolve) => {
        const watch = new MutationObserver(() => there() && (watch.disconnect(), resolve()));
        watch.observe(document.body, { subtree: true, childList: true });
      });
      place.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX: left + ((column + 0.5) * wide) / width, clientY: top + ((line + 0.5) * high) / height }));
      await shown;
      // The frame that shows it is painted before the next message.
      return new Promise((resolve) => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(performance.now() - begun);
        port2.postMessage(null);
      }));
    }, { line, column, height, width }));
  }
  row(`a click on a place of a unit of ${layer}`, clicks);
} finally {
  await browser.close();
  await server.stop();
}
