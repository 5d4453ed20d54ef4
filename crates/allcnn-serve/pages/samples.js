/** Pictures of the run's data to begin with, for those who have none at hand. */

import { go } from "./address.js";
import { ask, latest, of } from "./api.js";
import { fill, h } from "./dom.js";
import { introduce } from "./picture.js";
import { image } from "./stage.js";

/**
 * @param {import("./api.js").Run} run
 * @returns {{root: HTMLElement, show: () => void, close: () => void}} `show`: asks for them, unless they are there
 */
export function samples(run) {
  const next = latest();
  const root = h("section", { class: "samples", "aria-label": "Samples" });
  let asked = false;

  /** @param {import("./api.js").Sample} sample */
  function tile({ picture, image: name, class: label, seen }) {
    introduce(picture, name);
    return h("button", { type: "button", title: name, onclick: () => go({ picture }) }, image(seen, ""), h("span", {}, label ?? name));
  }

  return {
    root,
    show: () => {
      if (asked) return;
      asked = true;
      ask(of(run.name, "samples", { count: 8 }), next()).then((/** @type {{samples: import("./api.js").Sample[]}} */ told) => {
        if (told.samples.length) fill(root, h("p", { class: "note" }, "Or begin with a picture that the network has not been trained on:"), h("div", {}, ...told.samples.map(tile)));
        // Without the data there is nothing to offer, and the way in stays what it is.
      }, () => {});
    },
    close: () => void next(),
  };
}
