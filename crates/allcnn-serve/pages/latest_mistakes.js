/** What the newest epoch of a training gets wrong, renewed as it goes on. */

import { answered } from "./answer.js";
import { ask, latest, of } from "./api.js";
import { fill, h } from "./dom.js";

/**
 * @param {HTMLElement} root
 * @param {string} run
 * @returns {{renew: () => Promise<void>, close: () => void}}
 */
export function openLatestMistakes(root, run) {
  const next = latest();
  const signal = next();
  let asking = false;
  let again = false;

  async function show() {
    // Before the first checkpoint, or without the data, there is no answer: then what is shown stays.
    const told = await ask(of(run, "mistakes/latest"), signal).catch(() => null);
    if (!told || signal.aborted) return;
    const pictures = /** @type {import("./api.js").LatestMistake[]} */ (told.pictures);
    fill(root, pictures.length > 0 && h("h2", {}, `The surest mistakes after epoch ${pictures[0].epoch}`),
      h("div", { class: "gallery" }, ...pictures.map((one) => answered(run, one))));
  }

  return {
    /** Where epochs end faster than this is answered, some are skipped. */
    renew: async () => {
      again = true;
      if (asking) return;
      asking = true;
      while (again && !signal.aborted) {
        again = false;
        await show();
      }
      asking = false;
    },
    close: () => void next(),
  };
}
