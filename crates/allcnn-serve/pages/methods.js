/** The ways of sending the signal back, to choose from, each with its explanation. */

import { h, radios } from "./dom.js";

/** @typedef {import("./api.js").Method} Method */

/**
 * @param {Method[]} methods
 * @param {string | null} all what the choice of all of them says, where that is a choice
 * @param {(name: string) => void} choose
 * @returns {{root: HTMLElement, set: (name: string) => void}}
 */
export function methodChoice(methods, all, choose) {
  const offered = all === null ? methods : [...methods, { name: "all", says: all }];
  const says = h("p", { class: "note" });
  const buttons = radios({
    legend: "Method", choose, options: offered.map(({ name }) => ({ value: name, content: [name === "all" ? "all methods" : name] })),
  });
  return {
    root: h("div", { class: "methods" }, buttons.root, says),
    set: (name) => {
      buttons.set(name);
      says.textContent = offered.find((one) => one.name === name)?.says ?? "";
    },
  };
}

/**
 * The methods for a layer: maps of a class are there for classes alone.
 * @param {Method[]} methods
 * @param {import("./api.js").Layer} layer
 */
export function methodsOf(methods, layer) {
  return layer.of_classes ? methods : methods.filter((method) => !method.classes_only);
}
