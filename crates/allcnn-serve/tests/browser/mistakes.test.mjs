/** In a browser, against the program itself: a run's mistakes, its card and its files, and pictures of its data. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "./program.mjs";
import { MARKUP, SCREENSHOTS, setUp } from "./setup.mjs";
import { inWindow, shownMap, tabTo } from "./window.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { base, browser, nameOf, at, close } = await setUp("tiny", "fractional", "markup");
after(close);

/**
 * What the server says of a run's mistakes.
 * @param {string} title
 */
const mistakesOf = async (title) => (await fetch(`${base}api/runs/${await nameOf(title)}/mistakes`)).json();

/**
 * The place of the confusion that occurs most.
 * @param {number[][]} confusion
 * @returns {{row: number, column: number, count: number}}
 */
function worst(confusion) {
  const cells = confusion.flatMap((counts, row) => counts.map((count, column) => ({ row, column, count })));
  return cells.filter(({ row, column }) => row !== column).sort((one, other) => other.count - one.count)[0];
}

/**
 * Waits until pictures are there and nothing is under way.
 * @param {Page} page
 */
const pictures = (page) => until("pictures", async () =>
  (await page.locator('[aria-busy="true"]').count()) === 0 && page.locator(".patch").count());

/**
 * Presses a button of the export, and reads the file that the browser saves.
 * @param {Page} page
 * @param {string} title
 */
async function exported(page, title) {
  const saved = page.waitForEvent("download");
  await page.locator(".export").getByRole("button", { name: title }).click();
  const download = await saved;
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

test("the matrix counts all images, the surest mistakes come first, and a cell opens its pictures", async () => {
  const told = await mistakesOf("tiny");
  const { row, column, count } = worst(told.confusion);
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes"));
    await pictures(page);
    const counts = (await page.locator(".confusion tbody td").allInnerTexts()).map(Number);
    assert.equal(counts.reduce((sum, one) => sum + one, 0), told.images);
    assert.match(await page.locator(".total").innerText(), new RegExp(`of ${told.images} test images`));
    const sure = (await page.locator(".patch b").allInnerTexts()).map(Number.parseFloat);
    assert.deepEqual(sure, [...sure].sort((one, other) => other - one));

    const cell = page.locator(`.confusion tbody tr:nth-child(${row + 1}) td`).nth(column);
    assert.equal(await cell.innerText(), String(count));
    await cell.click();
    const [label, predicted] = [told.classes[row].class, told.classes[column].class];
    await until("its pictures", async () => (await page.locator("h2").allInnerTexts()).includes(`${label} taken for ${predicted}`));
    assert.equal(await pictures(page), Math.min(count, 24));
    for (const caption of await page.locator(".patch figcaption").allInnerTexts()) {
      assert.ok(caption.startsWith(predicted) && caption.includes(`is ${label}`), caption);
    }
    assert.equal(await page.locator(".patch img").count(), 2 * Math.min(count, 24));
    assert.equal(await cell.getAttribute("aria-selected"), "true");
    for (let shown = 24; shown < count; shown += 24) {
      await page.getByRole("button", { name: "More" }).click();
      await until("more pictures", async () => (await pictures(page)) === Math.min(count, shown + 24));
    }
    assert.equal(await page.getByRole("button", { name: "More" }).count(), 0);

    await until("the cell in the address", () => page.url().includes(`true=${label}&predicted=${predicted}`));
    await page.reload();
    assert.equal(await pictures(page), Math.min(count, 24));
    await page.getByRole("button", { name: "All mistakes" }).click();
    await until("all mistakes", async () => (await page.locator("h2").allInnerTexts()).includes("The surest mistakes"));
  });
});

test("a picture of a mistake opens in Try, with what speaks for the wrong and for the right class", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes"));
    await pictures(page);
    const name = await page.locator(".patch").first().locator("small").last().innerText();
    const seen = await page.locator(".patch img").first().getAttribute("src");
    await page.locator(".patch a").first().click();
    await shownMap(page);
    assert.match(page.url(), /\/try\?picture=/);
    assert.equal(await page.locator(".maps .pair").count(), 2);
    assert.equal(await page.locator(".seen img").getAttribute("src"), seen);
    assert.equal(await page.locator(".source .name b").innerText(), name);
  });
});

test("the matrix is one stop of the Tab key; arrow keys move in it, and Enter opens a cell", async () => {
  const { classes } = await mistakesOf("tiny");
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes"));
    await pictures(page);
    await tabTo(page, ".confusion td");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    const title = `${classes[1].class} taken for ${classes[2].class}`;
    await until("that cell", async () => (await page.locator("h2").allInnerTexts()).includes(title));
    assert.match(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? ""), new RegExp(`^${title}: \\d+ of \\d+$`));
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.closest(".confusion")), null);
  });
});

test("doubtful labels begin with the least probable one", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes"));
    await pictures(page);
    await page.getByRole("button", { name: "Doubtful labels" }).click();
    await page.getByRole("heading", { name: "Doubtful labels" }).waitFor();
    await pictures(page);
    const said = await page.locator(".gallery figcaption small:first-of-type").allInnerTexts();
    const shares = said.map((text) => Number(text.match(/\(([\d.]+) %\)/)?.[1]));
    assert.deepEqual(shares, [...shares].sort((one, other) => one - other));
    await page.getByRole("button", { name: "All mistakes" }).click();
    await page.getByRole("heading", { name: "The surest mistakes" }).waitFor();
  });
});

test("images that are nearly the same are shown in groups, and open in Try", async () => {
  const { groups } = await (await fetch(`${base}api/runs/${await nameOf("markup")}/near`)).json();
  assert.ok(groups.length > 0);
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes", "markup"));
    await pictures(page);
    await page.getByRole("button", { name: "Nearly the same" }).click();
    await page.locator(".alike").first().waitFor();
    await until("its address", () => /near=1/.test(page.url()));
    assert.equal(await page.locator(".alike").count(), groups.length);
    const said = page.getByRole("region", { name: "Pictures" }).getByRole("status");
    assert.match(await said.innerText(), /^\d+ images were compared with each other.*[a-z]\.$/);
    assert.match(await page.locator(".alike").first().innerText(), /similarity [01]\.\d{3}/);
    await page.screenshot({ path: join(SCREENSHOTS, "near.png"), fullPage: true });
    await page.locator(".alike a").first().click();
    await until("Try", () => /try\?picture=/.test(page.url()));
    await shownMap(page);
  });
});

test("classes are sorted by their scores", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes"));
    await pictures(page);
    const column = async (/** @type {number} */ n) => page.locator(`.of-classes tbody tr > :nth-child(${n})`).allInnerTexts();
    const errors = (await column(3)).map(Number.parseFloat);
    assert.deepEqual(errors, [...errors].sort((one, other) => other - one));
    await page.getByRole("button", { name: "Class" }).click();
    const names = await until("the classes by name", async () => (await page.locator('[aria-sort="ascending"]').count()) === 1 && column(1));
    assert.deepEqual(names, [...names].sort());
  });
});

test("of many classes the pairs that are confused most are listed", async () => {
  await inWindow(browser, async (page) => {
    const count = 40;
    const classes = Array.from({ length: count }, (_, n) => `kind ${n}`);
    await page.route(/api\/runs\/[^/?]+$/, async (route) => {
      const run = await (await route.fetch()).json();
      await route.fulfill({ json: { ...run, classes } });
    });
    await page.route(/mistakes$/, (route) => route.fulfill({ json: {
      images: 400, split: "test", error_pct: 10, interval95: null, confusion: null,
      confusion_sparse: classes.map((_, n) => [n, (n + 1) % count, n + 1]),
      classes: classes.map((name) => ({ class: name, images: 10, error_pct: null, precision: null, recall: null, f1: null })),
    } }));
    await page.route(/mistakes\/pictures/, (route) => route.fulfill({ json: { all: 0, pictures: [] } }));
    await page.goto(await at("mistakes"));
    await until("the pairs", async () => (await page.locator(".bars button").count()) === 20);
    assert.match(await page.locator(".bars button").first().innerText(), /^kind 39 taken for kind 0\s+40$/);
    await page.getByRole("button", { name: "More pairs" }).click();
    await until("more pairs", async () => (await page.locator(".bars button").count()) === 40);
    await page.locator(".bars button").nth(1).click();
    await until("its pictures", async () => (await page.locator("h2").allInnerTexts()).includes("kind 38 taken for kind 39"));
    await until("words for none", async () => /no such pictures/.test(await page.locator("main").innerText()));
  });
});

test("what cannot be evaluated is said in words", async () => {
  await inWindow(browser, async (page) => {
    await page.route(/mistakes$/, (route) => route.fulfill({ status: 404, json: { error: "the folder photos is gone" } }));
    await page.goto(await at("mistakes"));
    assert.equal(await page.locator("[role=alert]").innerText(), "the folder photos is gone");
  }, /status of 404/);
});

test("the model card tells what the run is", async () => {
  const { text } = await (await fetch(`${base}api/runs/${await nameOf("tiny")}/card`)).json();
  await inWindow(browser, async (page) => {
    await page.goto(await at("card"));
    await page.locator(".text pre").first().waitFor();
    const shown = (await page.locator(".text").allTextContents()).join("").replace(/\s+/g, "");
    const words = text.replace(/```\w+|[`|#]/g, " ").split(/\s+/).filter((/** @type {string} */ word) => /\w/.test(word));
    for (const word of words) assert.ok(shown.includes(word), word);
    assert.match(await page.locator(".figures").innerText(), /Error\s+\d+\.\d\d %\s+95 %: \d/);
    assert.equal(await page.locator(".names li").count(), 10);
    const { name, bytes } = await exported(page, "Card");
    assert.match(name, /\.md$/);
    assert.equal(bytes.toString(), text);
  });
});

test("the run is saved for other programs", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("card"));
    const plain = await exported(page, "ONNX");
    assert.match(plain.name, /\.onnx$/);
    // Field 1, the version of the representation; field 2, the name of the producer.
    assert.deepEqual([...plain.bytes.subarray(0, 4)], [0x08, 0x08, 0x12, 0x06]);
    assert.equal(plain.bytes.subarray(4, 10).toString(), "allcnn");
    assert.ok(!plain.bytes.includes("explanation"));
    await until("what was saved", async () => /\.onnx, \d+ kB/.test(await page.locator(".way").first().innerText()));

    await page.getByLabel("With the map of what speaks for the class").selectOption("guided");
    assert.ok((await exported(page, "ONNX")).bytes.includes("explanation"));
    const weights = await exported(page, "Weights");
    assert.ok(weights.name.endsWith(".safetensors") && weights.bytes.includes("conv1.weight"));
    const html = await exported(page, "Web page");
    assert.ok(html.name.endsWith(".html") && html.bytes.subarray(0, 15).toString().toLowerCase() === "<!doctype html>");
  });
});

test("a run that a format cannot hold is refused in words, where it was asked for", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("card", "fractional"));
    await page.getByRole("button", { name: "ONNX" }).click();
    const way = page.locator(".way", { has: page.getByRole("button", { name: "ONNX" }) });
    assert.match(await way.locator("[role=alert]").innerText(), /fractional pooling/);
    assert.ok((await exported(page, "Weights")).bytes.length > 1000);
  }, /status of 400/);
});

test("a picture of the data is there to begin with, by click or by keys", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await page.locator(".samples button").first().waitFor();
    const [seen, name] = await Promise.all([page.locator(".samples img").nth(1).getAttribute("src"), page.locator(".samples button").nth(1).getAttribute("title")]);
    await page.locator(".samples button").nth(1).click();
    await shownMap(page);
    assert.ok((await page.locator(".bars button").count()) >= 5);
    assert.equal(await page.locator(".seen img").getAttribute("src"), seen);
    assert.equal(await page.locator(".source .name b").innerText(), name);
    assert.ok(await page.locator(".samples").isHidden());
  });
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await page.locator(".samples button").first().waitFor();
    await tabTo(page, ".samples button");
    await page.keyboard.press("Enter");
    await shownMap(page);
  });
  await inWindow(browser, async (page) => {
    await page.route(/samples\?/, (route) => route.fulfill({ status: 404, json: { error: "the folder photos is gone" } }));
    await page.goto(await at("try"));
    await page.waitForTimeout(300);
    assert.ok(await page.locator(".samples").isHidden());
    assert.equal(await page.locator(".source [role=alert]").innerText(), "");
  }, /status of 404/);
});

test("classes whose names are markup are text in the matrix and on the card", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("mistakes", "markup"));
    await pictures(page);
    assert.ok((await page.locator(".confusion tbody th").allInnerTexts()).includes(MARKUP));
    await page.locator(".confusion tbody tr td").first().click();
    await until("its pictures", () => /predicted=/.test(page.url()));
    await page.getByRole("link", { name: "Model card" }).click();
    await page.locator(".text pre").first().waitFor();
    assert.ok((await page.locator(".names li").allInnerTexts()).includes(MARKUP));
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).hacked), undefined);
    assert.equal(await page.locator('img[src="x"]').count(), 0);
  });
});
