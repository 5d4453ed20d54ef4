/** The network as a strip of layers, a layer as its filters, a filter as what it responds to. */

import { address, go } from "./address.js";
import { during, latest, settled } from "./api.js";
import { fill, h, radios, reveal } from "./dom.js";
import { answersOf, askAbout, picture, source } from "./picture.js";
import { openUnit } from "./unit.js";
import { figure, percent } from "./words.js";

/** @typedef {import("./api.js").Layer} Layer */
/** @typedef {import("./api.js").Activations} Activations */

/**
 * Cuts the maps of single channels out of a sheet.
 * @param {Activations} told
 * @returns {Promise<(channel: number) => HTMLCanvasElement>}
 */
async function cutter(told) {
  const sheet = h("img", { src: told.sheet });
  await sheet.decode();
  const { height, width, columns } = told;
  return (channel) => {
    const canvas = h("canvas", { width, height });
    canvas.getContext("2d")?.drawImage(sheet, (channel % columns) * width, Math.floor(channel / columns) * height, width, height, 0, 0, width, height);
    return canvas;
  };
}

/**
 * A layer as a block: as high as its maps, as thick as it has channels, by their square roots.
 * @param {Layer} layer
 * @param {number} tallest
 */
function block(layer, tallest) {
  const shape = h("i", { class: "block" });
  shape.style.height = `${4 + 40 * Math.sqrt(layer.height / tallest)}px`;
  shape.style.width = `${4 + Math.min(48, 2 * Math.sqrt(layer.channels))}px`;
  return h("span", { class: "blocks" }, shape);
}

/**
 * @param {HTMLElement} body
 * @param {import("./run.js").Context} context
 * @returns {import("./app.js").Page}
 */
export function openUnits(body, context) {
  const { run } = context;
  const next = latest();
  const from = source();
  const answer = h("p", { class: "first" });
  from.root.append(answer);
  const tallest = Math.max(...run.layers.map((layer) => layer.height));
  const strip = radios({
    legend: "Layer", look: "strip", choose: (layer) => go({ layer, unit: null, row: null, column: null, patches: null }),
    options: run.layers.map((layer) => ({ value: layer.name, content: [
      block(layer, tallest), h("b", {}, layer.name), h("small", {}, layer.kind), h("small", {}, `${layer.height}×${layer.width}×${layer.channels}`),
      h("small", {}, `sees ${layer.receptive_field[0]}×${layer.receptive_field[1]}`)] })),
  });
  const layers = h("div", { class: "scroll" }, strip.root);
  const about = h("div", {});
  const order = radios({ legend: "Order", choose: (sort) => go({ sort: sort === "index" ? null : sort }, "replace"),
    options: [{ value: "index", content: ["by number"] }, { value: "largest", content: ["by largest activation"] }] });
  const filters = h("div", { class: "filters-box" });
  const detail = h("div", {});
  fill(body, from.root, h("h2", {}, "Layers"), layers,
    h("div", { class: "units" },
      h("section", { "aria-label": "Filters" }, h("div", { class: "row between" }, about, order.root), filters), detail));

  /** @type {{key: string, told: Activations | null, cut: ((channel: number) => HTMLCanvasElement) | null} | null} */
  let known = null;
  let drawn = "";
  /** @type {ReturnType<typeof radios> | null} */
  let choice = null;
  const unit = openUnit(detail, run);

  /** The layer that the address names: at first the last one with maps, which are those of the classes in most networks. */
  const layerOf = () => {
    const name = address().query.get("layer");
    const maps = run.layers.filter((layer) => layer.height > 1);
    return run.layers.find((layer) => layer.name === name) ?? maps[maps.length - 1] ?? run.layers[0];
  };

  /**
   * Lays out the filters of a layer.
   * @param {Layer} layer
   */
  function draw(layer) {
    const sort = address().query.get("sort") ?? "index";
    const key = `${known?.key} ${sort}`;
    if (key !== drawn) {
      drawn = key;
      const { told, cut } = known ?? { told: null, cut: null };
      const largest = told?.largest ?? [];
      const most = Math.max(...largest, 1e-9);
      const channels = Array.from({ length: layer.channels }, (_, channel) => channel);
      if (sort === "largest" && told) channels.sort((one, other) => largest[other] - largest[one]);
      const single = layer.height * layer.width === 1;
      const map = (/** @type {number} */ channel) => {
        if (!cut) return null;
        if (!single) return cut(channel);
        // A single value is no map: it is shown as a bar.
        const bar = h("i", { class: "level" });
        bar.style.height = `${Math.max(0, (100 * largest[channel]) / most)}%`;
        return bar;
      };
      choice = radios({
        legend: `Filters of ${layer.name}`, look: `filters${told ? "" : " bare"}${layer.of_classes ? " named" : ""}`,
        choose: (channel) => go({ unit: channel, row: null, column: null }),
        options: channels.map((channel) => ({ value: String(channel), content: [
          h("span", { class: "cut" }, map(channel)),
          h("span", { class: "name" }, layer.of_classes ? run.classes[channel] ?? channel : channel),
          told && h("small", {}, figure(largest[channel], 2))] })),
      });
      const focused = filters.contains(document.activeElement);
      fill(filters, choice.root);
      choice.set(address().query.get("unit"));
      reveal(filters, filters.querySelector("input:checked + span"));
      if (focused) filters.querySelector("input")?.focus({ preventScroll: true });
    }
    choice?.set(address().query.get("unit"));
  }

  /** Follows the address. */
  function follow() {
    const layer = layerOf();
    const it = picture();
    strip.set(layer.name);
    reveal(layers, layers.querySelector("input:checked + span"));
    order.set(address().query.get("sort") ?? "index");
    from.show(it, it?.answers.get(`${run.name} ${run.epoch}`)?.seen ?? null);
    const [high, wide] = layer.receptive_field;
    const neighbour = layer.height > 1 ? `; its neighbour sees those ${layer.stride} further` : "";
    fill(about, h("h2", {}, `${layer.name}: ${layer.channels} ${layer.of_classes ? "classes" : "filters"}`),
      h("p", { class: "note" }, `${layer.kind}. A unit sees ${high}×${wide} pixels of the picture${neighbour}. `,
        !it ? "With a picture each filter shows where it is active; choose one above."
          : layer.height > 1 ? "Each map is as bright as its own largest value, which stands below it." : "Bars and figures are the activations."));
    order.root.hidden = it === null;

    const key = JSON.stringify([it?.serial ?? null, layer.name]);
    if (known?.key !== key) {
      const signal = next();
      if (!it) known = { key, told: null, cut: null };
      else {
        during(filters, signal, async () => {
          await settled(signal);
          const told = await answersOf(it, run, signal);
          from.show(it, told.seen);
          const [first] = told.predictions;
          fill(answer, first && `${first.class} ${percent(first.probability)}`);
          const activations = /** @type {Activations} */ (await askAbout(it, run.name, "activations", { layer: layer.name }, signal));
          const cut = await cutter(activations);
          signal.throwIfAborted();
          known = { key, told: activations, cut };
          draw(layer);
          unit.show(layer, it, cut);
        });
      }
    }
    if (known?.key === key) {
      draw(layer);
      unit.show(layer, it, known.cut);
    }
  }

  return {
    follow,
    close: () => {
      next();
      unit.close();
    },
  };
}
