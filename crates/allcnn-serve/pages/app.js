/** The router: one page at a time, chosen by the address. A page stays while its path does, and follows the rest of the address. */

import { address, follow, link } from "./address.js";
import { ask } from "./api.js";
import { fill, h } from "./dom.js";
import { listen } from "./picture.js";
import { openRun } from "./run.js";
import { openRuns } from "./runs.js";

/** @typedef {{follow: () => void, close: () => void}} Page what is open: follows the address, and lets go of what it holds */

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {{key: string, page: Page} | null} */
let open = null;

/** Shows what the address says. */
function show() {
  const { parts } = address();
  const name = parts[0] === "run" ? parts[1] : undefined;
  const key = name === undefined ? "runs" : `run/${name}`;
  if (open?.key !== key) {
    const first = open === null;
    open?.page.close();
    fill(main);
    window.scrollTo(0, 0);
    open = { key, page: name === undefined ? openRuns(main) : openRun(main, name) };
    // Readers of the page begin at its head; at the very first it is there that they are.
    if (!first) main.querySelector("h1")?.focus({ preventScroll: true });
  }
  open.page.follow();
}

/** Begins: with one run at once at that run, otherwise with all of them. */
async function begin() {
  listen();
  try {
    const { folder, version, single } = /** @type {import("./api.js").Listing} */ (await ask("/api/runs", new AbortController().signal));
    fill(/** @type {HTMLElement} */ (document.getElementById("folder")), `${folder} · ${version}`);
    if (address().parts.length === 0) history.replaceState(null, "", link(single === null ? ["runs"] : ["run", single]));
    follow(show);
  } catch (problem) {
    fill(main, h("p", { class: "advice wrong", role: "alert" }, /** @type {Error} */ (problem).message));
  }
}

begin();
