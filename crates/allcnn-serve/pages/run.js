/** One run: its head with the figures, and its pages. */

import { address, link } from "./address.js";
import { ask, during, latest, of } from "./api.js";
import { openCard } from "./card.js";
import { fill, h } from "./dom.js";
import { openMistakes } from "./mistakes.js";
import { openTraining } from "./training.js";
import { openTry } from "./try.js";
import { openUnits } from "./units.js";
import { errorOf, intervalOf, stateOf } from "./words.js";

/** @typedef {import("./api.js").Run} Run */
/** @typedef {{run: Run, renew: () => Promise<void>}} Context the run as last told, and the way to have it told again */

const PAGES = {
  try: { title: "Try", open: openTry, weights: true },
  units: { title: "Units", open: openUnits, weights: true },
  mistakes: { title: "Mistakes", open: openMistakes, weights: true },
  training: { title: "Training", open: openTraining, weights: false },
  card: { title: "Model card", open: openCard, weights: true },
};

/**
 * The head of a run: what it is and how good.
 * @param {Run} run
 */
function figures(run) {
  const best = run.error_pct === null ? [] : [h("b", {}, `${errorOf(run.error_pct)} error`), h("span", { class: "note" }, intervalOf(run))];
  return h("p", { class: "summary" }, stateOf(run.state), h("span", { class: "note" }, `epoch ${run.epoch} of ${run.epochs}`), ...best);
}

/**
 * @param {HTMLElement} main
 * @param {string} name
 * @returns {import("./app.js").Page}
 */
export function openRun(main, name) {
  const next = latest();
  const title = h("h1", { tabindex: -1 }, name);
  const about = h("div", {});
  const tabs = h("nav", { class: "tabs", "aria-label": "Pages of the run" });
  const body = h("div", {});
  fill(main, h("header", { class: "head" }, title, about), tabs, body);
  /** @type {Context | null} */
  let context = null;
  /** @type {{key: string, page: import("./app.js").Page} | null} */
  let open = null;

  /** Shows the page that the address names. */
  function follow() {
    if (!context) return;
    const { run } = context;
    const { parts, query } = address();
    const wanted = parts[2] ?? (run.usable ? "try" : "training");
    const tab = /** @type {keyof typeof PAGES} */ (wanted in PAGES ? wanted : "try");
    document.title = `${run.title} · ${PAGES[tab].title} · allcnn`;
    fill(tabs, ...Object.entries(PAGES).map(([key, page]) => h("a", {
      // The picture goes along, and the way of looking at it.
      href: link(["run", name, key], { picture: query.get("picture"), method: query.get("method") }),
      id: `tab-${key}`, "aria-current": key === tab ? "page" : null,
    }, page.title)));
    // A page without weights to look into is another page once the weights are there.
    const missing = PAGES[tab].weights && !run.usable;
    const key = `${tab} ${missing}`;
    if (open?.key !== key) {
      open?.page.close();
      fill(body);
      open = { key, page: missing ? openMissing(body, name, renew) : PAGES[tab].open(body, context) };
    }
    open.page.follow();
  }

  /** Has the run told, and shows it. */
  async function renew() {
    const run = /** @type {Run} */ (await ask(of(name), next()));
    if (context) context.run = run;
    else context = { run, renew };
    fill(title, run.title);
    fill(about, figures(run), h("p", { class: "note" },
      `${run.model}, ${run.classes.length} classes, pictures of ${run.input.height}×${run.input.width} pixels${run.begun ? `, begun ${run.begun} UTC` : ""}`));
    follow();
  }

  const signal = new AbortController();
  during(body, signal.signal, renew);
  return {
    follow,
    close: () => {
      signal.abort();
      next();
      open?.page.close();
    },
  };
}

/**
 * In place of a page that needs weights while there are none.
 * @param {HTMLElement} body
 * @param {string} name
 * @param {() => Promise<void>} renew
 * @returns {import("./app.js").Page}
 */
function openMissing(body, name, renew) {
  fill(body, h("p", { class: "advice" }, "This run has no weights yet; they come with its first epoch. ",
    h("a", { href: link(["run", name, "training"]) }, "Training"), " shows how far it is. ", h("button", { type: "button", onclick: renew }, "Look again")));
  return { follow: () => {}, close: () => {} };
}
