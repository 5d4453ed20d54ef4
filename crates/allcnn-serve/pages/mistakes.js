/** What a run says of images that it has not seen: which classes it confuses, and the pictures of a confusion. */

import { address, go, link } from "./address.js";
import { ask, during, latest, of } from "./api.js";
import { confusion } from "./confusion.js";
import { fill, h } from "./dom.js";
import { introduce } from "./picture.js";
import { heads, orderOf, sorted } from "./sorting.js";
import { image } from "./stage.js";
import { errorOf, percent } from "./words.js";

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

/** Whether the address asks for doubtful labels instead of mistakes. */
const isDoubtful = () => cellOf() === null && address().query.has("doubtful");

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

  /**
   * A picture beside what in it speaks for the answer; it opens in Try, where a wrong answer is compared with the right one.
   * @param {import("./api.js").Answered} one
   */
  function tile(one) {
    introduce(one.picture, one.image);
    const wrong = one.true !== one.predicted;
    const said = wrong ? `${one.true} taken for ${one.predicted}` : one.true;
    const href = link(["run", run.name, "try"], { picture: one.picture, class: one.predicted, with: wrong ? one.true : null });
    return h("figure", { class: "card patch" },
      h("a", { class: "together", href, "aria-label": `Try ${one.image}: ${said}` }, image(one.seen, ""), image(one.map, "")),
      h("figcaption", {}, h("span", {}, one.predicted), h("b", {}, percent(one.probability)), wrong && h("small", {}, `is ${one.true} (${percent(one.label_probability)})`), h("small", {}, one.image)));
  }

  /** Shows the pictures of the cell that the address names, or the surest mistakes of all, or the most doubtful labels. */
  function look() {
    const cell = cellOf();
    const doubtful = isDoubtful();
    const signal = nextPictures();
    const gallery = h("div", { class: "gallery" });
    const count = h("p", { class: "note", role: "status" });
    const foot = h("div", { class: "foot" });
    const title = doubtful ? "Doubtful labels" : cell === null ? "The surest mistakes" : cell[0] === cell[1] ? `${cell[0]}, answered rightly` : `${cell[0]} taken for ${cell[1]}`;
    fill(pictures, h("div", { class: "row between" }, h("h2", {}, title),
      cell || doubtful ? h("button", { type: "button", id: "all", onclick: () => go({ true: null, predicted: null, doubtful: null }) }, "All mistakes")
        : h("button", { type: "button", id: "doubtful", onclick: () => go({ doubtful: "1" }) }, "Doubtful labels")), count, gallery, foot);

    /** Asks for those that follow. */
    const more = () => during(foot, signal, async () => {
      const offset = gallery.children.length;
      fill(foot, h("p", { class: "note" }, "Looking for them …"));
      const query = { true: cell && cell[0], predicted: cell && cell[1], doubtful: doubtful ? "true" : null, offset, count: COUNT };
      const { all, pictures } = /** @type {import("./api.js").Cell} */ (await ask(of(run.name, "mistakes/pictures", query), signal));
      gallery.append(...pictures.map(tile));
      const order = doubtful ? "pictures, the one first whose label the network finds least probable: among the first are wrong labels" : "pictures, the surest answer first";
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
    const key = JSON.stringify([cellOf(), isDoubtful()]);
    if (key === shown) return;
    shown = key;
    confused?.set(cellOf());
    look();
  }

  const signal = next();
  during(page, signal, async () => {
    told = /** @type {Mistakes} */ (await ask(of(run.name, "mistakes"), signal));
    const { images, split, error_pct, interval95 } = told;
    confused = confusion(run.classes, told, ([label, predicted]) => go({ true: label, predicted, doubtful: null }));
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
