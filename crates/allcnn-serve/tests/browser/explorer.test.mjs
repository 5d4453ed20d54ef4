/** The explorer in a browser, against the program itself. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { disk, serve, start, until } from "./program.mjs";
import { MARKUP, SCREENSHOTS, setUp } from "./setup.mjs";
import { give, inWindow, shownMap, tabTo } from "./window.mjs";

const { folder, base, browser, nameOf, at, close } = await setUp("shapes", "tiny", "markup");
after(close);

test("a picture that is dropped, pasted or picked is answered, with a map", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await give(page, "drop", disk(1), "first.png");
    const first = await shownMap(page);
    // The history has a picture a little after it is shown.
    let address = "";
    const kept = () => until("its address", () => /picture=/.test(page.url()) && page.url() !== address && (address = page.url()));
    await kept();
    assert.ok((await page.locator(".bars button").count()) >= 5);
    assert.match(await page.locator(".bars b").first().innerText(), /^\d+\.\d %$/);
    assert.match(await page.locator(".source").innerText(), /first\.png/);

    await give(page, "paste", disk(2), "second.png");
    const second = await until("the map of the pasted picture", async () => (await shownMap(page)) !== first && shownMap(page));
    await kept();
    await page.setInputFiles("#file", { name: "third.png", mimeType: "image/png", buffer: disk(3) });
    await until("the map of the picked picture", async () => (await shownMap(page)) !== second);
    await kept();

    // Back leads to the picture before.
    await page.goBack();
    await until("the pasted picture again", async () => (await shownMap(page)) === second);
  });
});

test("another class, another method and a threshold give another map; the address keeps them", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await give(page, "drop", disk(4), "disk.png");
    const first = await shownMap(page);
    const other = page.locator('.bars button[aria-pressed="false"]').first();
    const name = await other.locator("span").innerText();
    await other.click();
    const second = await until("the map of another class", async () => (await shownMap(page)) !== first && shownMap(page));
    assert.match(await page.locator(".maps figcaption").first().innerText(), new RegExp(`for ${name}`));

    await page.getByText("backprop", { exact: true }).click();
    const third = await until("the map of another method", async () => (await shownMap(page)) !== second && shownMap(page));
    await page.getByLabel("Without values below").fill("40");
    const fourth = await until("the map above a threshold", async () => (await shownMap(page)) !== third && shownMap(page));
    await until("all that in the address", () =>
      [/method=backprop/, /threshold=0.4/, /class=/, /picture=/].every((part) => part.test(page.url())));
    await page.reload();
    assert.equal(await shownMap(page), fourth);
    assert.equal(await page.locator('.bars [aria-pressed="true"] span').innerText(), name);

    await page.getByLabel("Compared with").selectOption({ index: 1 });
    await page.getByLabel("Random weights from layer").selectOption({ index: 1 });
    await until("two classes, each with trained and with random weights", async () => (await page.locator(".maps .pair").count()) >= 2);
    await page.getByText("all methods", { exact: true }).click();
    await until("maps of all methods", async () => (await page.locator(".maps .pair").count()) >= 6, 300);
  });
});

test("of quick choices the last one is shown, however late the others come", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await give(page, "drop", disk(5), "disk.png");
    await shownMap(page);
    await page.route(/explain.*method=backprop/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await route.continue().catch(() => {});
    });
    await page.getByText("backprop", { exact: true }).click();
    await page.waitForTimeout(200);
    await page.getByText("deconvnet", { exact: true }).click();
    await until("the last choice", async () => /^deconvnet/.test(await page.locator(".maps figcaption").first().innerText()));
    await page.waitForTimeout(1800);
    assert.match(await page.locator(".maps figcaption").first().innerText(), /^deconvnet/);
  });
});

test("the same place is marked in picture and maps, with the map's value", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await give(page, "drop", disk(6), "disk.png");
    await shownMap(page);
    const box = await page.locator(".seen .stage").boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + (box.width * 5.5) / 32, box.y + (box.height * 7.5) / 32);
    assert.equal(await page.locator(".place").innerText(), "row 7, column 5");
    assert.match(await page.locator(".maps output").first().innerText(), /^−?\d\.\d\d$/);
    assert.equal(await page.locator(".mark:visible").count(), 3);
  });
});

test("what is no picture is said in words, and the answer before stays", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await give(page, "drop", Buffer.from("no picture"), "letter.txt");
    await until("words", async () => /letter\.txt: \S+/.test(await page.locator(".source [role=alert]").innerText()));
    await give(page, "drop", disk(7), "disk.png");
    const map = await shownMap(page);
    assert.equal(await page.locator(".source [role=alert]").innerText(), "");
    await give(page, "drop", Buffer.from("no picture"), "letter.txt");
    await until("words", async () => /letter\.txt: \S+/.test(await page.locator(".source [role=alert]").innerText()));
    assert.equal(await shownMap(page), map);
  }, /status of 4(15|00)/);
});

test("the camera gives a picture, or words why not", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try"));
    await page.getByRole("button", { name: "Camera" }).click();
    await until("the camera's picture", () => page.locator("video").evaluate((video) => /** @type {HTMLVideoElement} */ (video).videoWidth > 0));
    await page.getByRole("button", { name: "Take the picture" }).click();
    await shownMap(page);
    assert.equal(await page.locator("dialog").count(), 0);
  });
  await inWindow(browser, async (page) => {
    await page.addInitScript(() => Object.defineProperty(navigator, "mediaDevices", { value: undefined }));
    await page.goto(await at("try"));
    await page.getByRole("button", { name: "Camera" }).click();
    await until("words", async () => /localhost/.test(await page.locator(".source [role=alert]").innerText()));
  });
});

test("a unit has a map, another place another one, and patches of the data", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("units?layer=conv3"));
    await give(page, "drop", disk(8), "disk.png");
    await page.locator(".filters canvas").first().waitFor();
    await page.getByText("by largest activation").click();
    await page.locator(".filters label").first().click();
    const map = ".unit .tile:last-child .stage img";
    const first = await shownMap(page, map);
    const place = page.locator(".unit .picker");
    const box = await place.boundingBox();
    assert.ok(box);
    const caption = page.locator(".unit figcaption").first();
    // At one of four places at least the same unit sees something else.
    for (const [x, y] of [[0.3, 0.3], [0.7, 0.7], [0.3, 0.7], [0.5, 0.5]]) {
      const before = await caption.innerText();
      await place.click({ position: { x: x * box.width, y: y * box.height } });
      await until("another place", async () => (await caption.innerText()) !== before);
    }
    assert.notEqual(await shownMap(page, map), first);

    await page.getByRole("button", { name: "Find the patches" }).click();
    await until("patches", async () => (await page.locator(".patch").count()) > 0, 300);
    assert.equal(await page.locator(".patch img").count(), 2 * (await page.locator(".patch").count()));
    assert.match(page.url(), /unit=\d+/);
  });
});

test("runs are compared: their curves, and the settings in which they differ", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(`${base}#/runs`);
    await page.getByLabel("compare shapes").check();
    await page.getByLabel("compare tiny").check();
    await until("two curves in each chart", async () => (await page.locator(".chart:first-child path.curve").count()) === 2);
    const told = await Promise.all(["shapes", "tiny"].map(async (title) => (await fetch(`${base}api/runs/${await nameOf(title)}`)).json()));
    const [one, other] = told.map(({ settings }) => new Map(settings));
    const rows = await page.locator(".differences tbody th").allInnerTexts();
    assert.ok(rows.length > 1);
    for (const row of rows.slice(0, -1)) assert.notEqual(one.get(row), other.get(row), row);
    await until("the runs in the address", () => /compare=\S+,\S+/.test(page.url()));
    await page.reload();
    await until("two curves after a reload", async () => (await page.locator(".chart:first-child path.curve").count()) === 2);
  });
});

test("runs are sorted by any column", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(`${base}#/runs`);
    const names = () => page.locator(".of-name a").allInnerTexts();
    await page.getByRole("button", { name: "Name" }).click();
    const up = await until("sorted names", async () => (await page.locator('th[aria-sort="ascending"]').count()) === 1 && names());
    assert.deepEqual(up, [...up].sort());
    await page.getByRole("button", { name: "Name" }).click();
    await until("the other way round", async () => (await page.locator('th[aria-sort="descending"]').count()) === 1);
    assert.deepEqual(await names(), up.reverse());
    for (const column of ["Model", "Data", "State", "Epochs", "Error", "Begun"]) {
      await page.getByRole("button", { name: column }).click();
      await until(column, async () => /Model|Data|State|Epochs|Error|Begun/.exec(await page.locator('th[aria-sort="ascending"]').innerText())?.[0] === column);
    }
  });
});

test("a class whose name is markup is text and nothing else", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(await at("try", "markup"));
    await give(page, "drop", disk(9), `${MARKUP}.png`);
    await shownMap(page);
    assert.ok((await page.locator(".bars span").allInnerTexts()).includes(MARKUP));
    await page.locator(".bars button", { hasText: "onerror" }).click();
    await until("its map", async () => (await page.locator(".maps figcaption").first().innerText()).includes(MARKUP));
    await page.getByRole("link", { name: "Units" }).click();
    await page.locator(".filters label", { hasText: "onerror" }).click();
    await until("its unit", async () => (await page.locator(".unit h2").innerText()).includes(MARKUP));
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).hacked), undefined);
    assert.equal(await page.locator('img[src="x"]').count(), 0);
  });
});

test("a training is watched live", async () => {
  const training = start(folder, "train", "--epochs", "5000", "--limit", "400", "--model", "tiny.toml", "--out", "runs/live", "--quiet");
  try {
    await until("the run in the list", () => nameOf("live"));
    await inWindow(browser, async (page) => {
      await page.goto(await at("training", "live"));
      const epoch = async () => Number.parseInt(await page.locator("#epoch").innerText(), 10);
      const first = await epoch();
      await until("more epochs", async () => (await epoch()) >= first + 2);
      assert.ok((await page.locator(".chart").first().locator("path.curve").count()) >= 1);
      const mistakes = page.getByRole("heading", { name: /surest mistakes after epoch/ });
      const noted = async () => Number.parseInt((await mistakes.innerText()).replace(/\D+/, ""), 10);
      const before = await noted();
      await until("the mistakes of a later epoch", async () => (await noted()) > before);
      assert.ok((await page.locator(".patch img").count()) >= 1);
      await training.stop();
      await until("the end of it", async () => !/training/.test(await page.locator(".summary .state").innerText()));
    });
  } finally {
    await training.stop();
  }
});

test("the time of an epoch is its own, not that of all before it", async () => {
  const { metrics: [first, second] } = await (await fetch(`${base}api/runs/${await nameOf("shapes")}`)).json();
  await inWindow(browser, async (page) => {
    await page.goto(await at("training", "shapes"));
    const said = await page.locator(".figures").getByText(/an epoch$/).innerText();
    assert.ok(Math.abs(Number.parseFloat(said) - (second.seconds - first.seconds)) <= 1, `${said}: ${first.seconds}, ${second.seconds}`);
  });
});

test("everything can be reached without a mouse", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(`${base}#/runs`);
    await page.locator(".runs").waitFor();
    await tabTo(page, `#run-${await nameOf("shapes")}`);
    await page.keyboard.press("Enter");
    await page.locator(".source").waitFor();
    await give(page, "paste", disk(10), "disk.png");
    const first = await shownMap(page);
    await tabTo(page, ".methods input");
    await page.keyboard.press("ArrowRight");
    await until("the next method", async () => (await shownMap(page)) !== first);
    await tabTo(page, ".seen .stage");
    await page.keyboard.press("ArrowDown");
    assert.match(await page.locator(".place").innerText(), /^row \d+, column \d+$/);

    await page.locator("#tab-try").focus();
    await tabTo(page, "#tab-units");
    await page.keyboard.press("Enter");
    await tabTo(page, ".strip input");
    const layer = await page.locator(".units h2").first().innerText();
    await page.keyboard.press("ArrowLeft");
    await until("another layer", async () => (await page.locator(".units h2").first().innerText()) !== layer);
    await page.locator(".filters canvas").first().waitFor();
    await tabTo(page, ".filters input");
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowRight");
    await until("the second filter", async () => /unit 1$/.test(await page.locator(".unit h2").innerText()));
    await shownMap(page, ".unit .tile:last-child .stage img");
    await tabTo(page, ".picker");
    const place = await page.locator(".unit figcaption").first().innerText();
    // Away from the edge, wherever the unit is most active.
    await page.keyboard.press(/row 0/.test(place) ? "ArrowDown" : "ArrowUp");
    await until("another place", async () => (await page.locator(".unit figcaption").first().innerText()) !== place);
    assert.ok(await page.evaluate(() => document.activeElement?.matches(".picker")));
  });
});

test("one run is opened at once; where there are none it is said what to do", async () => {
  const one = await serve(folder, "runs/shapes");
  const none = await serve(folder, "none");
  try {
    await inWindow(browser, async (page) => {
      await page.goto(one.base);
      await page.locator(".source.empty").waitFor();
      assert.match(page.url(), /#\/run\//);
      await page.getByRole("link", { name: "Runs" }).click();
      await page.locator(".runs").waitFor();
      await page.goto(none.base);
      await until("advice", async () => /allcnn train/.test(await page.locator("main").innerText()));
    });
  } finally {
    await one.stop();
    await none.stop();
  }
});

test("a run that is not there is said in words", async () => {
  await inWindow(browser, async (page) => {
    await page.goto(`${base}#/run/nothing/try`);
    await page.locator("[role=alert]").waitFor();
    assert.ok((await page.locator("[role=alert]").innerText()).length > 5);
  }, /status of 404/);
});

test("each page fits narrow and wide windows, in light and dark", async () => {
  const posted = await fetch(`${base}api/runs/${await nameOf("shapes")}/predict`, { method: "POST", body: disk(11) });
  const { picture } = await posted.json();
  const [shapes, tiny] = [await nameOf("shapes"), await nameOf("tiny")];
  /** Each with what is there once it is complete. */
  const pages = {
    runs: [`${base}#/runs`, ".runs"],
    compare: [`${base}#/runs?compare=${shapes},${tiny}`, ".differences"],
    empty: [await at("try"), ".samples button"],
    try: [await at(`try?picture=${picture}`), ".maps .pair"],
    methods: [await at(`try?picture=${picture}&method=all`), ".maps .pair"],
    units: [await at(`units?picture=${picture}&layer=conv3&unit=5&patches=1`), ".patch"],
    mistakes: [await at("mistakes"), ".mistakes .patch"],
    training: [await at("training"), "path.curve"],
    card: [await at("card"), ".model-card pre"],
  };
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const width of [400, 800, 1200, 1600]) {
      await inWindow(browser, async (page) => {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        for (const [name, [address, complete]] of Object.entries(pages)) {
          // Only the part after # differs; a new page is what a bookmark opens.
          await page.goto("about:blank");
          await page.goto(address);
          await page.locator(complete).first().waitFor();
          await until(`${name} at rest`, async () => (await page.locator('[aria-busy="true"]').count()) === 0);
          assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${width} pixels`);
          if (width === 400 || width === 1200) await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
      });
    }
  }
});
