/** What is in a picture, and what in the picture speaks for that. */

import { address, go } from "./address.js";
import { during, latest, settled } from "./api.js";
import { bars, fill, h, radios, select, slider, tick } from "./dom.js";
import { methodChoice } from "./methods.js";
import { answersOf, askAbout, picture, source } from "./picture.js";
import { samples } from "./samples.js";
import { frame, image, Marks, numbers, ready, veil } from "./stage.js";
import { figure, percent } from "./words.js";

/** @typedef {import("./api.js").Explained} Explained */
/** @typedef {Explained & {random: string | null}} Shown a map, and the layer from which up the weights were random for it */

const COLORINGS = {
  signed: "Grey is zero; lighter speaks for the class, darker against it. A color says which color channels matter.",
  absolute: "Black is zero; the brighter a pixel, the more it matters, for or against.",
  positive: "Only what speaks for the class, on black.",
};
/** As many answers are shown before all others go into the list of classes. */
const ANSWERS = 10;

/** What the address says about this page. */
function wishes() {
  const { query } = address();
  const number = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
    const value = Number(query.get(name) ?? otherwise);
    return Number.isFinite(value) ? value : otherwise;
  };
  const coloring = query.get("map") ?? "signed";
  return {
    method: query.get("method") ?? "guided",
    class: query.get("class"),
    other: query.get("with"),
    coloring: coloring in COLORINGS ? /** @type {keyof typeof COLORINGS} */ (coloring) : "signed",
    threshold: number("threshold", 0),
    opacity: number("opacity", 80),
    random: query.get("random"),
    switches: query.has("switches"),
  };
}

/**
 * @param {HTMLElement} body
 * @param {import("./run.js").Context} context
 * @returns {import("./app.js").Page}
 */
export function openTry(body, context) {
  const { run } = context;
  const next = latest();
  const from = source();
  const offer = samples(run);
  const answers = h("section", { class: "card answers", "aria-label": "Answers" });
  const seen = h("figure", { class: "tile seen" });
  const maps = h("div", { class: "maps" });
  const place = h("p", { class: "note place", role: "status" });
  const marks = new Marks(run.input, (text) => {
    place.textContent = text || "Point at a pixel, or move there with the arrow keys: the same place is marked everywhere.";
  });

  const method = methodChoice(run.methods, "all methods: every one that this network allows, side by side", (name) => go({ method: name }));
  const classes = run.classes.map((name) => /** @type {[string, string]} */ ([name, name]));
  const chosen = select("What speaks for", [["", "the most probable class"], ...classes], (name) => go({ class: name || null }));
  const other = select("Compared with", [["", "no other class"], ...classes], (name) => go({ with: name || null }));
  const coloring = radios({
    legend: "Colors", shown: true, choose: (name) => go({ map: name }), options: Object.keys(COLORINGS).map((name) => ({ value: name, content: [name] })),
  });
  const coloringSays = h("p", { class: "note" });
  const threshold = slider("Without values below", 90, (value) => go({ threshold: value ? String(value / 100) : null }, "replace"));
  const opacity = slider("Map over the picture", 100, (value) => go({ opacity: String(value) }, "replace"));
  const weighted = run.layers.filter((layer) => layer.weights);
  const fromLayers = weighted.map(({ name }) => /** @type {[string, string]} */ ([name, `${name} up`]));
  const random = select("Random weights from layer", [["", "none: the trained weights"], ...fromLayers],
    (name) => go({ random: name || null }));
  const switches = tick("pooling + switches", (on) => go({ switches: on ? "1" : null }));
  const reading = h("div", { class: "card reading" }, coloring.root, threshold.root, opacity.root, coloringSays);
  const checks = h("section", { class: "card checks", "aria-label": "Checks" }, h("h2", {}, "Checks"),
    h("div", {}, random.root, h("p", { class: "note" },
      "The sanity check: a map that stays the same with random weights says nothing about what the network has learned.")),
    run.switches && h("div", {}, switches.root, h("p", { class: "note" },
      "Also from the network in which convolutions of stride 2 have become stride 1 with a maximum behind it. ",
      "Deconvnet needs that; guided does not.")));
  const looked = h("div", { class: "looked" },
    h("div", { class: "card asked" }, method.root, h("div", { class: "row" }, chosen.root, other.root)), reading,
    h("div", { class: "pictures" }, seen, maps), place);
  const page = h("div", { class: "try" }, h("div", { class: "side" }, from.root, offer.root, answers), looked, checks);
  fill(body, page);
  let shown = "";

  /**
   * The answers as bars; the chosen one is there even where it is far from the top.
   * @param {import("./api.js").Answers} told
   * @param {string} name of the class whose map is shown
   */
  function answer(told, name) {
    const first = told.predictions.slice(0, ANSWERS);
    const rows = first.some((one) => one.class === name) ? first : [...first, ...told.predictions.filter((one) => one.class === name)];
    fill(answers, h("h2", {}, "Answers"), bars(rows.map((one) => ({
      name: one.class, share: one.probability, said: percent(one.probability), chosen: one.class === name, choose: () => go({ class: one.class }),
    }))), h("p", { class: "note" }, "Choose a class to see what speaks for it."));
  }

  /**
   * A map and the same map over the picture.
   * @param {Shown} map
   * @param {string} src of the picture as the network sees it
   */
  function tile(map, src) {
    const values = numbers(map.values);
    const said = h("output", {});
    const whose = map.class ?? `unit ${map.unit}`;
    const words = [map.random !== null && `random weights from ${map.random}`, map.switches && "with pooling + switches"].filter(Boolean).join(", ");
    const alone = frame(`${map.method} for ${whose}${words && `, ${words}`}`, run.input, image(map.map, ""));
    const above = frame(`the same map over the picture`, run.input, image(src, ""), veil(values, run.input, wishes().coloring));
    above.classList.add("veiled");
    return h("figure", { class: "tile pair" }, h("div", { class: "together" }, marks.on(alone, values, said), marks.on(above, values)),
      h("figcaption", {}, h("span", {}, h("b", {}, map.method), ` for ${whose}`, map.probability !== null && ` ${percent(map.probability)}`), said,
        h("small", {}, [`activation ${figure(map.activation, 4)}`, words].filter(Boolean).join(", "))));
  }

  /**
   * Asks for the maps that are wanted and shows them all at once.
   * @param {import("./picture.js").Picture} it
   * @param {AbortSignal} signal
   */
  async function look(it, signal) {
    const wish = wishes();
    await settled(signal);
    const told = await answersOf(it, run, signal);
    const name = wish.class ?? told.predictions[0].class;
    answer(told, name);
    from.show(it, told.seen);
    const method = wish.method === "all" ? run.methods.map((one) => one.name).join(",") : wish.method;
    const asked = [...new Set([name, wish.other ?? name])].flatMap((of) => [...new Set([null, wish.random])].map((random) => ({ of, random })));
    const explained = await Promise.all(asked.map(async ({ of, random }) => {
      const answer = /** @type {import("./api.js").Explanation} */ (await askAbout(it, run.name, "explain", {
        method, class: of, map: wish.coloring, threshold: wish.threshold || null, random_from: random,
        switches: wish.switches && run.switches ? "true" : null,
      }, signal));
      return { seen: answer.seen, maps: answer.maps.map((map) => ({ ...map, random })) };
    }));
    // What is to be compared stands beside each other: all maps of a method in a row.
    const order = method.split(",");
    const all = explained.flatMap((one) => one.maps).sort((one, other) => order.indexOf(one.method) - order.indexOf(other.method));
    marks.clear();
    const whole = h("div", {}, marks.on(frame("the picture as the network sees it", run.input, image(told.seen, ""))),
      h("figcaption", {}, "as the network sees it", h("small", {}, `${run.input.height}×${run.input.width} pixels`)));
    const pairs = h("div", {}, ...all.map((map) => tile(map, told.seen)));
    await Promise.all([ready(whole), ready(pairs)]);
    signal.throwIfAborted();
    fill(seen, ...whole.childNodes);
    fill(maps, ...pairs.childNodes);
  }

  /** Follows the address. */
  function follow() {
    const wish = wishes();
    const it = picture();
    method.set(wish.method);
    chosen.set(wish.class ?? "");
    other.set(wish.other ?? "");
    coloring.set(wish.coloring);
    coloringSays.textContent = COLORINGS[wish.coloring];
    threshold.set(Math.round(100 * wish.threshold));
    opacity.set(wish.opacity);
    random.set(wish.random ?? "");
    switches.set(wish.switches);
    looked.style.setProperty("--opacity", String(wish.opacity / 100));
    page.classList.toggle("without", it === null);
    if (it === null) offer.show();
    from.show(it, it?.answers.get(`${run.name} ${run.epoch}`)?.seen ?? null);
    const { opacity: _, ...asked } = wish;
    const key = JSON.stringify([it?.serial ?? null, asked]);
    if (key === shown) return;
    shown = key;
    const signal = next();
    if (it) during(maps, signal, () => look(it, signal));
  }

  return {
    follow,
    close: () => {
      next();
      offer.close();
    },
  };
}
