/** What the tests have in common: some runs, the program that serves them, and a browser. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disk, run, serve } from "./program.mjs";
import { browse } from "./window.mjs";

/** The name of a class. */
export const MARKUP = "<img src=x onerror=window.hacked=1>";
export const SCREENSHOTS = process.env.SCREENSHOTS ?? "target/browser/screenshots";

/**
 * A network that trains in a moment.
 * @param {string} name
 * @param {string} [layer] in the middle of it
 */
const network = (name, layer = "") => `name = "${name}"
input = [32, 32, 3]
layers = [
  { conv = 8, kernel = 3, stride = 4 },
  ${layer}
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
`;

/** How each run is trained. */
const TRAININGS = {
  shapes: ["--epochs", "2", "--limit", "400"],
  tiny: ["--epochs", "2", "--limit", "400", "--model", "tiny.toml", "--seed", "7"],
  markup: ["--epochs", "1", "--data", "photos", "--model", "tiny.toml"],
  fractional: ["--epochs", "1", "--limit", "400", "--model", "fractional.toml"],
};

/**
 * Trains runs, serves them and opens a browser.
 * @param {...keyof typeof TRAININGS} runs
 */
export async function setUp(...runs) {
  const folder = await mkdtemp(join(tmpdir(), "allcnn-browser-"));
  await writeFile(join(folder, "tiny.toml"), network("tiny"));
  await writeFile(join(folder, "fractional.toml"), network("fractional", '{ pool = "max", fractional = 1.41, sequence = "random", overlapping = true },'));
  for (const kind of [MARKUP, "plain"]) {
    await mkdir(join(folder, "photos", kind), { recursive: true });
    for (let i = 0; i < 20; i++) await writeFile(join(folder, "photos", kind, `${i}.png`), disk(i + (kind === MARKUP ? 0 : 100)));
  }
  for (const name of runs) await run(folder, "train", ...TRAININGS[name], "--out", `runs/${name}`, "--quiet");
  await mkdir(join(folder, "none"));
  await mkdir(SCREENSHOTS, { recursive: true });
  const { base, stop } = await serve(folder, "runs");
  const browser = await browse();

  /**
   * The identifier by which the server knows a run.
   * @param {string} title
   */
  async function nameOf(title) {
    const { runs } = await (await fetch(`${base}api/runs`)).json();
    return runs.find((/** @type {{title: string}} */ one) => one.title === title)?.name;
  }

  return {
    folder,
    base,
    browser,
    nameOf,
    /**
     * The address of a page of a run.
     * @param {string} rest
     * @param {string} [title]
     */
    at: async (rest, title = runs[0]) => `${base}#/run/${await nameOf(title)}/${rest}`,
    close: async () => {
      await browser.close();
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
