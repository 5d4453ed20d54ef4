/** What a run is and how good, as others need it to be told, and the run as a file for other programs. */

import { ask, during, fetchFile, latest, of } from "./api.js";
import { fill, h, select } from "./dom.js";
import { markdown } from "./markdown.js";
import { errorOf, intervalOf, settingsOf } from "./words.js";

/** @typedef {import("./api.js").Run} Run */
/** @typedef {{bytes: Blob, name: string}} File */

/** @type {[value: string, text: string][]} */
const EXPLANATIONS = [
  ["", "none"], ["guided", "guided backpropagation"], ["backprop", "backpropagation: the gradient"], ["deconvnet", "deconvnet"],
];

/**
 * Lets the browser save a file.
 * @param {File} file
 */
function save({ bytes, name }) {
  const url = URL.createObjectURL(bytes);
  h("a", { href: url, download: name }).click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {number} bytes */
function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * A button by which the run is saved as a file. What goes wrong is said beside it.
 * @param {string} title
 * @param {string} says
 * @param {HTMLElement | null} choice
 * @param {(signal: AbortSignal) => Promise<File>} make
 * @returns {{root: HTMLElement, close: () => void}}
 */
function way(title, says, choice, make) {
  const next = latest();
  const said = h("div", { class: "note", role: "status" });
  let working = false;
  const button = h("button", { type: "button", onclick: () => {
    if (working) return;
    working = true;
    button.setAttribute("aria-disabled", "true");
    fill(said, "working …");
    const signal = next();
    during(said, signal, async () => {
      const file = await make(signal);
      save(file);
      fill(said, `${file.name}, ${sizeOf(file.bytes.size)}`);
    }).finally(() => {
      working = false;
      button.removeAttribute("aria-disabled");
    });
  } }, title);
  return { root: h("div", { class: "way" }, button, h("div", {}, h("p", { class: "note" }, says), choice, said)), close: () => void next() };
}

/**
 * @param {HTMLElement} body
 * @param {import("./run.js").Context} context
 * @returns {import("./app.js").Page}
 */
export function openCard(body, context) {
  const { run } = context;
  const next = latest();
  const tile = (/** @type {string} */ name, /** @type {string | number} */ value, /** @type {string} */ detail) =>
    h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "detail" }, detail));
  const settings = new Map(run.settings);
  const images = [["training images", "for training"], ["validation images", "for validation"], ["test images", "for testing"]]
    .flatMap(([name, words]) => (settings.has(name) ? [`${settings.get(name)} ${words}`] : [])).join(", ");

  let explain = "";
  const explanation = select("With the map of what speaks for the class, by", EXPLANATIONS, (method) => void (explain = method));
  const told = async (/** @type {AbortSignal} */ signal) => /** @type {{text: string}} */ (await ask(of(run.name, "card"), signal)).text;
  const file = (/** @type {string} */ ending) => (/** @type {AbortSignal} */ signal) => fetchFile(of(run.name, `export/${ending}`), signal);
  const ways = [
    way("ONNX", "For onnxruntime and the like, with the preprocessing in it. It is checked before it is saved, which takes a moment.", explanation.root,
      (signal) => fetchFile(of(run.name, "export/onnx", { explain: explain || null }), signal)),
    way("Weights", "safetensors, with the names and the layout of PyTorch.", null, file("safetensors")),
    way("Web page", "One HTML file with the network in it, which classifies pictures in any browser.", null, file("html")),
    way("Card", "This text, as Markdown.", null,
      async (signal) => ({ bytes: new Blob([await told(signal)], { type: "text/markdown" }), name: `${run.name}.md` })),
  ];
  const card = h("section", { class: "card text", "aria-label": "Model card" });
  fill(body, h("dl", { class: "figures" },
    tile("Error", errorOf(run.error_pct), intervalOf(run)),
    tile("Network", run.model, `pictures of ${run.input.height}×${run.input.width} pixels`),
    tile("Data", settings.get("data") ?? "–", images)),
  h("div", { class: "model-card" }, card,
    h("section", { class: "card export", "aria-label": "Export" }, h("h2", {}, "Export"), ...ways.map(({ root }) => root)),
    h("div", { class: "rest" },
      h("section", { class: "card", "aria-label": "Classes" }, h("h2", {}, `${run.classes.length} classes`),
        h("ul", { class: "names", tabindex: 0 }, ...run.classes.map((name) => h("li", {}, name)))),
      h("section", { class: "card", "aria-label": "Settings" }, h("h2", {}, "Settings"), settingsOf(run)))));

  const signal = next();
  during(card, signal, async () => fill(card, ...markdown(await told(signal))));
  return {
    follow: () => {},
    close: () => {
      next();
      for (const { close } of ways) close();
    },
  };
}
