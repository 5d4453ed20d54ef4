/** Which class is taken for which: a matrix, or for many classes the pairs that are taken for each other most. */

import { bars, fill, h } from "./dom.js";
import { moved } from "./stage.js";

/** @typedef {import("./api.js").Pair} Pair */
/** @typedef {[true: string, predicted: string]} Names the names of a cell's classes */
/**
 * @typedef {{root: HTMLElement, wide: boolean, set: (cell: Names | null) => void}} Confusion
 * `wide`: it needs all of the page's width; `set`: marks the cell whose pictures are shown
 */

/** With more classes a matrix is too fine to be read. */
const MATRIX = 30;
/** As many pairs are shown at first, and more by each press of the button. */
const PAIRS = 20;

/**
 * @param {string[]} classes
 * @param {import("./api.js").Mistakes} told
 * @param {(cell: Names) => void} open
 * @returns {Confusion}
 */
export function confusion(classes, told, open) {
  const rows = told.confusion;
  if (rows && classes.length <= MATRIX) return matrix(classes, rows, open);
  const all = rows ? rows.flatMap((row, label) => row.map((count, predicted) => /** @type {Pair} */ ([label, predicted, count])))
    : told.confusion_sparse ?? [];
  return pairs(classes, all.filter(([label, predicted, count]) => label !== predicted && count > 0), open);
}

/**
 * One stop of the Tab key, in which the arrow keys lead from cell to cell and Enter opens one.
 * @param {string[]} classes
 * @param {number[][]} counts
 * @param {(cell: Names) => void} open
 * @returns {Confusion}
 */
function matrix(classes, counts, open) {
  /** @type {[row: number, column: number]} where the keys are */
  let at = [0, 0];
  const size = { height: classes.length, width: classes.length };
  const cells = counts.map((row, label) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => {
      const said = label === predicted ? `${classes[label]} answered rightly: ${count} of ${all}`
        : `${classes[label]} taken for ${classes[predicted]}: ${count} of ${all}`;
      const cell = h("td", {
        class: `${label === predicted ? "right" : ""} ${count === 0 ? "none" : ""}`, tabindex: -1, "aria-label": said, title: said,
        onclick: () => choose([label, predicted]),
      }, count);
      // The root lifts single mistakes into sight.
      cell.style.setProperty("--share", `${all && Math.min(55, 80 * Math.sqrt(count / all))}%`);
      return cell;
    });
  });
  const grid = h("table", {
    class: "confusion", role: "grid", "aria-label": "Confusion matrix: true classes in rows, answers in columns",
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const place = moved(event, at, size);
      if (place) move(place).focus();
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(at);
    },
  }, h("thead", {}, h("tr", {}, h("td", {}), ...classes.map((name) => h("th", { scope: "col", title: name }, h("span", {}, name))))),
  h("tbody", {}, ...cells.map((row, label) => h("tr", {}, h("th", { scope: "row", title: classes[label] }, h("span", {}, classes[label])), ...row))));

  /** @param {[row: number, column: number]} place */
  function move(place) {
    cells[at[0]][at[1]].tabIndex = -1;
    at = place;
    const cell = cells[at[0]][at[1]];
    cell.tabIndex = 0;
    return cell;
  }

  /** @param {[row: number, column: number]} place */
  function choose(place) {
    move(place).focus();
    open([classes[place[0]], classes[place[1]]]);
  }

  move(at);
  return {
    root: h("div", {}, h("p", { class: "note" }, "Rows: what a picture shows. Columns: what is answered. A cell opens its pictures."),
      h("div", { class: "scroll" }, grid)),
    wide: classes.length > 14,
    set: (chosen) => {
      cells.forEach((row, label) => row.forEach((cell, predicted) =>
        cell.setAttribute("aria-selected", String(chosen !== null && classes[label] === chosen[0] && classes[predicted] === chosen[1]))));
    },
  };
}

/**
 * The pairs with the most images first.
 * @param {string[]} classes
 * @param {Pair[]} all
 * @param {(cell: Names) => void} open
 * @returns {Confusion}
 */
function pairs(classes, all, open) {
  const order = all.sort((one, other) => other[2] - one[2]);
  const root = h("div", {});
  let shown = PAIRS;
  /** @type {Names | null} */
  let chosen = null;
  const more = h("button", { type: "button", id: "more-pairs", onclick: () => {
    shown += PAIRS;
    draw();
  } }, "More pairs");

  /** Shows as many pairs as are wanted. */
  function draw() {
    const rows = order.slice(0, shown).map(([label, predicted, count]) => ({
      name: `${classes[label]} taken for ${classes[predicted]}`, share: count / order[0][2], said: String(count),
      chosen: chosen !== null && classes[label] === chosen[0] && classes[predicted] === chosen[1],
      choose: () => open([classes[label], classes[predicted]]),
    }));
    fill(root, h("p", { class: "note" }, order.length ? "The pairs that are confused most. A pair opens its pictures." : "No class is taken for another one."),
      bars(rows), shown < order.length && more);
  }

  return {
    root,
    wide: false,
    set: (cell) => {
      chosen = cell;
      draw();
    },
  };
}
