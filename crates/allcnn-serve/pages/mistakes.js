/** What a run says of images that it has not seen: which classes it confuses, and the pictures of a confusion. */

import { address, go } from "./address.js";
import { answered } from "./answer.js";
import { ask, during, latest, of } from "./api.js";
import { confusion } from "./confusion.js";
import { fill, h } from "./dom.js";
import { findNear } from "./near.js";
import { heads, orderOf, sorted } from "./sorting.js";
import { errorOf } from "./words.js";

/** @typedef {import("./api.js").ClassScore} ClassScore */
/** @typedef {import("./api.js").Mistakes} Mistakes */

/** As many pictures are asked for at once. */
const COUNT = 24;

/** @param {number | null} score */
const scoreOf = (score) => (score === null ? "–" : score.toFixed(3));

/** @type {import("./sorting.js").Columns<ClassScore>} */
const COLUMNS = {
  class: { title: "Class", key: (one) => one.class, show: (one) => [one.class] },
  images: { title: "Images", key: (one) => one.images, show: (one) => [one.images] },
  error: { title: "Error", key: (one) => one.error_pct, show: (one) => [errorOf(one.error_pct)] },
  precision: { title: "Precision", key: (one) => one.precision, show: (one) => [scoreOf(one.precision)] },
  recall: { title: "Recall", key: (one) => one.recall, show: (one) => [scoreOf(one.recall)] },
  f1: { title: "F1", key: (one) => one.f1, show: (one) => [scoreOf(one.f1)] },
};

/** The cell of the matrix that the address names. */
function cellOf() {
  const { query } = address();
  const [label, predicted] = [query.get("true"), query.get("predicted")];
  return label === null || predicted === null ? null : /** @type {import("./confusion.js").Names} */ ([label, predicted]);
}

/** What is looked at instead of mistakes, by its name in the address. */
const OTHERS = /** @type {const} */ ({ doubtful: "Doubtful labels", near: "Nearly the same" });

/**
 * What the address asks for instead of mistakes.
 * @returns {keyof typeof OTHERS | null}
 */
function otherOf() {
  const { query } = address();
  if (cellOf() !== null) return null;
  return query.has("doubtful") ? "doubtful" : query.has("near") ? "near" : null;
}

/**
 * The table of classes, in the order that the address names.
 * @param {ClassScore[]} classes
 */
function scores(classes) {
  const order = orderOf(COLUMNS, "error");
  const rows = sorted(classes, COLUMNS, order).map((one) => h("tr", {}, ...Object.values(COLUMNS).map(({ show }, n) =>
    n === 0 ? h("th", { scope: "row" }, ...show(one)) : h("td", {}, ...show(one)))));
  return h("table", { class: "list sortable", "aria-label": "Classes" }, h("thead", {}, h("tr", {}, ...heads(COLUMNS, order))), h("tbody", {}, ...rows));
}

/**
 * @param {HTMLElement} body
 * @param {import("./run.js").Context} context
 * @returns {import("./app.js").Page}
 */
export function openMistakes(body, context) {
  const { run } = context;
  const [next, nextPictures] = [latest(), latest()];
  const page = h("div", {}, h("p", { class: "note", role: "status" },
    "The network answers the images that it has not been trained on. The first time this takes seconds to minutes …"));
  fill(body, page);
  const classes = h("div", { class: "scroll" });
  const pictures = h("section", { class: "card", "aria-label": "Pictures" });
  /** @type {import("./confusion.js").Confusion | null} */
  let confused = null;
  /** @type {Mistakes | null} */
  let told = null;
  let shown = "";
  let ordered = "";

  /** Shows the pictures of the cell that the address names, or the surest mistakes of all, or what is looked at instead. */
  function look() {
    const cell = cellOf();
    const other = otherOf();
    const signal = nextPictures();
    const title = other ? OTHERS[other] : cell === null ? "The surest mistakes" : cell[0] === cell[1] ? `${cell[0]}, answered rightly` : `${cell[0]} taken for ${cell[1]}`;
    const whole = Object.entries(OTHERS).map(([id, name]) => h("button", { type: "button", id, onclick: () => go({ [id]: "1" }) }, name));
    const back = h("button", { type: "button", id: "all", onclick: () => go({ true: null, predicted: null, doubtful: null, near: null }) }, "All mistakes");
    const place = h("div", {});
    fill(pictures, h("div", { class: "row between" }, h("h2", {}, title), cell || other ? back : h("div", { class: "row" }, ...whole)), place);
    if (other === "near") showNear(place, signal);
    else showAnswers(place, signal, { true: cell && cell[0], predicted: cell && cell[1], doubtful: other && "true" });
  }

  /**
   * Shows images of the data that are nearly the same.
   * @param {HTMLElement} place
   * @param {AbortSignal} signal
   */
  function showNear(place, signal) {
    fill(place, h("p", { class: "note", role: "status" }, "Comparing all images of the data with each other …"));
    during(place, signal, async () => {
      const { said, groups } = await findNear(run.name, signal);
      fill(place, h("p", { class: "note", role: "status" }, ...said), ...groups);
    });
  }

  /**
   * Shows images with their answers, some at a time.
   * @param {HTMLElement} place
   * @param {AbortSignal} signal
   * @param {Record<"true" | "predicted" | "doubtful", string | null>} which
   */
  function showAnswers(place, signal, which) {
    const gallery = h("div", { class: "gallery" });
    const count = h("p", { class: "note", role: "status" });
    const foot = h("div", { class: "foot" });
    fill(place, count, gallery, foot);

    /** Asks for those that follow. */
    const more = () => during(foot, signal, async () => {
      const offset = gallery.children.length;
      fill(foot, h("p", { class: "note" }, "Looking for them …"));
      const { all, pictures } = /** @type {import("./api.js").Cell} */ (await ask(of(run.name, "mistakes/pictures", { ...which, offset, count: COUNT }), signal));
      gallery.append(...pictures.map((one) => answered(run.name, one)));
      const order = which.doubtful ? "pictures, the one first whose label the network finds least probable: among the first are wrong labels" : "pictures, the surest answer first";
      fill(count, all === 0 ? "There are no such pictures." : `${all} ${all === 1 ? "picture" : order}; `,
        all > 0 && "each beside what in it speaks for the answer that was given. A click opens it in Try.");
      fill(foot, gallery.children.length < all && h("button", { type: "button", onclick: more }, `More (${gallery.children.length} of ${all})`));
      // The button was gone for a while; what it brought is where one goes on reading.
      if (offset > 0) gallery.children[offset]?.querySelector("a")?.focus({ preventScroll: true });
    });
    more();
  }

  /** Follows the address, once it is known what is wrong. */
  function follow() {
    if (!told) return;
    const order = JSON.stringify(orderOf(COLUMNS, "error"));
    if (order !== ordered) fill(classes, scores(told.classes));
    ordered = order;
    const key = JSON.stringify([cellOf(), otherOf()]);
    if (key === shown) return;
    shown = key;
    confused?.set(cellOf());
    look();
  }

  const signal = next();
  during(page, signal, async () => {
    told = /** @type {Mistakes} */ (await ask(of(run.name, "mistakes"), signal));
    const { images, split, error_pct, interval95 } = told;
    confused = confusion(run.classes, told, ([label, predicted]) => go({ true: label, predicted, doubtful: null, near: null }));
    const interval = interval95 ? ` (95 %: ${interval95[0].toFixed(1)} to ${interval95[1].toFixed(1)})` : "";
    fill(page, h("p", { class: "total" }, h("b", {}, errorOf(error_pct)), ` of ${images} ${split} images are answered wrongly${interval}.`),
      h("div", { class: `mistakes${confused.wide ? " wide" : ""}` },
        h("section", { class: "card", "aria-label": "Confusions" }, h("h2", {}, "What is taken for what"), confused.root), pictures,
        h("section", { class: "card of-classes", "aria-label": "Scores of the classes" }, h("h2", {}, "Classes"), classes)));
    follow();
  });
  return {
    follow,
    close: () => {
      next();
      nextPictures();
    },
  };
}
