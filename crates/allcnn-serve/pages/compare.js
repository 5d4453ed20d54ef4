/** Runs beside each other: their curves, and the settings in which they differ. */

import { ask, during, latest, of } from "./api.js";
import { chart, look, points } from "./chart.js";
import { fill, h } from "./dom.js";
import { errorOf } from "./words.js";

/** @typedef {import("./api.js").Run} Run */
/** @typedef {import("./api.js").Row} Row */

/**
 * The settings of a run by name. A name that repeats has all its values.
 * @param {Run} run
 */
function settingsOf(run) {
  /** @type {Map<string, string>} */
  const settings = new Map();
  for (const [name, value] of run.settings) settings.set(name, settings.has(name) ? `${settings.get(name)}, ${value}` : value);
  return settings;
}

/**
 * A table of the settings in which runs differ.
 * @param {Run[]} runs
 */
function differences(runs) {
  const settings = runs.map(settingsOf);
  const names = [...new Set(settings.flatMap((one) => [...one.keys()]))].filter((name) => new Set(settings.map((one) => one.get(name))).size > 1);
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, name), ...settings.map((one) => h("td", {}, one.get(name) ?? "–"))));
  return h("div", { class: "scroll card" }, h("table", { class: "list differences" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "setting"),
      ...runs.map((run, n) => h("th", { scope: "col" }, h("span", { class: "legend" }, h("i", { class: look(n) })), run.title)))),
    h("tbody", {}, ...rows, h("tr", {}, h("th", { scope: "row" }, "error"), ...runs.map((run) => h("td", {}, errorOf(run.error_pct)))))));
}

/** @returns {{root: HTMLElement, show: (names: string[]) => void, close: () => void}} */
export function comparison() {
  const next = latest();
  const error = chart("Error", " %");
  const loss = chart("Loss", "");
  const settings = h("div", {});
  const result = h("div", { hidden: true }, h("div", { class: "charts" }, error.root, loss.root),
    h("h2", {}, "Settings that differ"), settings);
  const hint = h("p", { class: "note" });
  const trouble = h("div", {});
  const root = h("section", { "aria-label": "Comparison" }, h("h2", {}, "Compare"), hint, trouble, result);
  /** @type {string | null} */
  let shown = null;

  return {
    root,
    show: (names) => {
      if (names.join() === shown) return;
      shown = names.join();
      const signal = next();
      fill(trouble);
      hint.textContent = names.length < 2 ? "Tick two or more runs to see their curves in one chart, and the settings in which they differ."
        : "On the images that the error in the list is measured on: of validation where there are such, of testing otherwise.";
      result.hidden = names.length < 2;
      if (names.length < 2) return;
      during(trouble, signal, async () => {
        const runs = /** @type {Run[]} */ (await Promise.all(names.map((name) => ask(of(name), signal))));
        /** @type {(what: "loss" | "error_pct") => import("./chart.js").Series[]} */
        const curves = (what) => runs.map((run, n) => ({
          name: run.title, look: look(n),
          points: points(run.metrics, (/** @type {Row} */ row) => (run.error_on === "validation" ? row[`validation_${what}`] : row[`test_${what}`])),
        }));
        error.draw(curves("error_pct"));
        loss.draw(curves("loss"));
        fill(settings, differences(runs));
      });
    },
    close: () => {
      next();
      error.close();
      loss.close();
    },
  };
}
