/** Images of a run's data that are nearly the same. */

import { link } from "./address.js";
import { ask, of } from "./api.js";
import { h } from "./dom.js";
import { introduce } from "./picture.js";
import { image } from "./stage.js";

/**
 * @param {number} count
 * @param {string} thing
 */
const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;

/**
 * What was found, in sentences.
 * @param {import("./api.js").Near} near
 */
function said(near) {
  const across = near.groups_across_splits;
  const also = [[near.test_images_near_train, "test image"], [near.validation_images_near_train, "validation image"]];
  return [
    `${counted(near.images, "image")} were compared with each other: ${counted(across, "group")} across splits, ${near.groups_within_split} within one, ${near.groups_with_different_labels} with different labels.`,
    ...also.map(([count, thing]) => Number(count) > 0 && ` ${counted(Number(count), String(thing))} ${count === 1 ? "is" : "are"} nearly the same as training images: what the network says of them is no test.`),
    near.left_out > 0 && ` ${counted(near.left_out, "image")} cannot be read and ${near.left_out === 1 ? "is" : "are"} left out.`,
    near.groups.length < across + near.groups_within_split && ` The first ${near.groups.length} groups are shown; allcnn data verify --near lists all.`,
  ];
}

/**
 * A group side by side; each image opens in Try.
 * @param {string} run
 * @param {import("./api.js").NearGroup} group
 */
function shown(run, group) {
  const tile = (/** @type {import("./api.js").NearPicture} */ one) => {
    introduce(one.picture, one.image);
    return h("figure", {},
      h("a", { href: link(["run", run, "try"], { picture: one.picture }), "aria-label": `Try ${one.image}` }, image(one.seen, "")),
      h("figcaption", {}, h("span", {}, `${one.split}, ${one.class}`), h("small", {}, one.image)));
  };
  return h("section", { class: "card alike", "aria-label": "Nearly the same" },
    h("div", { class: "row between" }, h("span", {}, `similarity ${group.similarity.toFixed(3)}`), group.labels_differ && h("b", {}, "different labels")),
    h("div", { class: "row" }, ...group.pictures.map(tile)),
    group.more > 0 && h("p", { class: "note" }, `and ${group.more} more`));
}

/**
 * Finds them; the first time this takes a while.
 * @param {string} run
 * @param {AbortSignal} signal
 * @returns {Promise<{said: import("./dom.js").Child[], groups: HTMLElement[]}>}
 */
export async function findNear(run, signal) {
  const near = /** @type {import("./api.js").Near} */ (await ask(of(run, "near"), signal));
  return { said: said(near), groups: near.groups.map((group) => shown(run, group)) };
}
