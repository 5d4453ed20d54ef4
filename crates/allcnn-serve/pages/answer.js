/** An image with what a network answered. */

import { link } from "./address.js";
import { h } from "./dom.js";
import { introduce } from "./picture.js";
import { image } from "./stage.js";
import { percent } from "./words.js";

/**
 * An image with an answer, beside it what in it speaks for that, if known; it opens in Try, where a wrong answer is compared with
 * the right one.
 * @param {string} run
 * @param {import("./api.js").Answered} one
 */
export function answered(run, one) {
  introduce(one.picture, one.image);
  const wrong = one.true !== one.predicted;
  const said = wrong ? `${one.true} taken for ${one.predicted}` : one.true;
  const href = link(["run", run, "try"], { picture: one.picture, class: one.predicted, with: wrong ? one.true : null });
  const own = one.label_probability === undefined ? "" : ` (${percent(one.label_probability)})`;
  return h("figure", { class: "card patch" },
    h("a", { class: "together", href, "aria-label": `Try ${one.image}: ${said}` }, image(one.seen, ""), one.map && image(one.map, "")),
    h("figcaption", {}, h("span", {}, one.predicted), h("b", {}, percent(one.probability)), wrong && h("small", {}, `is ${one.true}${own}`), h("small", {}, one.image)));
}
