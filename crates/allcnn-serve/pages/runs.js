/** All runs of the folder, in any order, and some of them compared. */

import { address, go, link } from "./address.js";
import { ask, during, latest } from "./api.js";
import { sparkline } from "./chart.js";
import { comparison } from "./compare.js";
import { fill, h } from "./dom.js";
import { heads, orderOf, sorted } from "./sorting.js";
import { errorOf, intervalOf, stateOf } from "./words.js";

/** @typedef {import("./api.js").Listed} Listed */

/** @type {import("./sorting.js").Columns<Listed>} */
const COLUMNS = {
  name: { title: "Name", key: (run) => run.title, show: (run) => [h("a", { href: link(["run", run.name]), id: `run-${run.name}` }, run.title)] },
  model: { title: "Model", key: (run) => run.model, show: (run) => [run.model] },
  data: { title: "Data", key: (run) => run.data,
    show: (run) => [h("span", {}, run.data, h("small", {}, `${run.images} images, ${run.classes} classes`))] },
  state: { title: "State", key: (run) => run.state, show: (run) => [stateOf(run.state)] },
  epochs: { title: "Epochs", key: (run) => run.epoch, show: (run) => [run.epoch === run.epochs ? run.epoch : `${run.epoch} of ${run.epochs}`] },
  error: { title: "Error", key: (run) => run.error_pct,
    show: (run) => [h("span", {}, h("b", {}, errorOf(run.error_pct)), h("small", {}, intervalOf(run)))] },
  begun: { title: "Begun", key: (run) => run.begun, show: (run) => [run.begun ?? "–"] },
};

/**
 * @param {HTMLElement} main
 * @returns {import("./app.js").Page}
 */
export function openRuns(main) {
  const next = latest();
  const list = h("div", {});
  const compared = comparison();
  fill(main, h("header", { class: "head" }, h("h1", { tabindex: -1 }, "Runs")), list, compared.root);
  document.title = "Runs · allcnn";
  /** @type {import("./api.js").Listing | null} */
  let listing = null;
  let shown = "";

  /** Shows the runs as the address wants them. */
  function follow() {
    if (!listing) return;
    if (listing.runs.length === 0) {
      fill(list, h("p", { class: "advice" }, "There are no runs in ", h("b", {}, listing.folder), " yet. Train a network: ", h("code", {}, "allcnn train"),
        " (embedded pictures) or ", h("code", {}, "allcnn train --data FOLDER"), " (your own: one folder a class). It appears here."));
      return;
    }
    const order = orderOf(COLUMNS, "begun");
    const names = new Set(listing.runs.map((run) => run.name));
    const chosen = (address().query.get("compare") ?? "").split(",").filter((name) => names.has(name));

    const choose = (/** @type {string} */ name, /** @type {boolean} */ on) => {
      const rest = chosen.filter((one) => one !== name);
      const all = on ? [...rest, name] : rest;
      go({ compare: all.length ? all.join(",") : null }, "replace");
    };
    const rows = sorted(listing.runs, COLUMNS, order).map((run) => {
      const box = h("input", {
        type: "checkbox", id: `compare-${run.name}`, "aria-label": `compare ${run.title}`, onchange: () => choose(run.name, box.checked),
      });
      box.checked = chosen.includes(run.name);
      return h("tr", { role: "row", class: box.checked ? "chosen" : null }, h("td", { role: "cell", class: "box" }, h("label", {}, box)),
        ...Object.entries(COLUMNS).map(([id, { title, show }]) => h("td", { role: "cell", class: `of-${id}`, "data-name": title }, ...show(run))),
        h("td", { role: "cell", class: "of-curve", "data-name": "Curve" }, sparkline(run.curve)));
    });
    fill(list, h("table", { class: "runs", role: "table", "aria-label": "Runs" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
        h("th", { role: "columnheader", class: "heard-head" }, h("span", { class: "heard" }, "compare")), ...heads(COLUMNS, order), h("th", { role: "columnheader", class: "of-curve" }, "Curve"))),
      h("tbody", { role: "rowgroup" }, ...rows)));
    compared.show(chosen);
  }

  /** Has the runs told; while one is in training, again and again. */
  async function renew() {
    const answer = /** @type {import("./api.js").Listing} */ (await ask("/api/runs", signal));
    const text = JSON.stringify(answer);
    listing = answer;
    if (text !== shown) follow();
    shown = text;
  }

  const signal = next();
  during(list, signal, renew);
  const clock = setInterval(() => {
    if (!document.hidden && listing?.runs.every((run) => run.state !== "training") !== true) during(list, signal, renew);
  }, 5000);
  return {
    follow,
    close: () => {
      clearInterval(clock);
      next();
      compared.close();
    },
  };
}
