/** One unit: where it is active, what in the picture activates it there, and what does so in the data. */

import { address, go } from "./address.js";
import { ask, during, latest, of, settled } from "./api.js";
import { fill, h } from "./dom.js";
import { methodChoice, methodsOf } from "./methods.js";
import { answersOf, askAbout } from "./picture.js";
import { frame, image, Marks, numbers, outline, picker, ready } from "./stage.js";
import { figure } from "./words.js";

/** @typedef {import("./api.js").Layer} Layer */
/** @typedef {import("./api.js").Run} Run */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {(channel: number) => HTMLCanvasElement} Cut */

/**
 * A region in words, from the first row and column to the last.
 * @param {import("./api.js").Region} region
 */
function words({ rows, columns }) {
  return `rows ${rows[0]} to ${rows[1] - 1}, columns ${columns[0]} to ${columns[1] - 1}`;
}

/**
 * @param {HTMLElement} root
 * @param {Run} run
 * @returns {{show: (layer: Layer, it: Picture | null, cut: Cut | null) => void, close: () => void}}
 */
export function openUnit(root, run) {
  const [nextMap, nextPatches, nextDrawing] = [latest(), latest(), latest()];
  const [seen, found, drawn] = [h("div", {}), h("div", {}), h("div", {})];
  const marks = new Marks(run.input, () => {});
  const most = h("button", { type: "button", onclick: () => go({ row: null, column: null }, "replace") }, "most active place");
  let open = "";
  let asked = "";
  /** @type {[row: number, column: number] | null} where the map that is shown begins */
  let at = null;
  /** @type {ReturnType<typeof methodChoice> | null} */
  let method = null;

  /**
   * Shows the place of the unit from which the signal goes back, and what arrives.
   * @param {Layer} layer
   * @param {number} unit
   * @param {Picture} it
   * @param {Cut} cut
   */
  function look(layer, unit, it, cut) {
    const { query } = address();
    const how = { method: query.get("method") ?? "guided", row: query.get("row"), column: query.get("column") };
    if (!methodsOf(run.methods, layer).some(({ name }) => name === how.method)) how.method = "guided";
    method?.set(how.method);
    const key = JSON.stringify([it.serial, layer.name, unit, how]);
    if (key === asked) return;
    asked = key;
    const signal = nextMap();
    during(seen, signal, async () => {
      await settled(signal);
      const told = await answersOf(it, run, signal);
      const answer = /** @type {import("./api.js").Explanation} */ (await askAbout(it, run.name, "explain", { ...how, layer: layer.name, unit }, signal));
      const [map] = answer.maps;
      const single = layer.height * layer.width === 1;
      const whole = h("div", { class: "three" });
      const said = h("output", {});
      const where = frame(`where unit ${unit} is active; click or arrow keys choose the place`, layer,
        cut(unit), outline(layer, { rows: [map.row, map.row + 1], columns: [map.column, map.column + 1] }));
      picker(where, layer, () => at ?? [map.row, map.column], (place) => {
        at = place;
        go({ row: String(place[0]), column: String(place[1]) }, "replace");
      });
      marks.clear();
      const sees = () => (single ? null : outline(run.input, map.receptive_field));
      const picture = marks.on(frame("the picture, with what this unit sees", run.input, image(told.seen, ""), sees()));
      const back = marks.on(frame("what activates the unit there", run.input, image(map.map, ""), sees()), numbers(map.values), said);
      const cap = (/** @type {import("./dom.js").Child[]} */ ...text) => h("figcaption", {}, ...text);
      const activation = `activation ${figure(map.activation, 4)}`;
      fill(whole,
        !single && h("figure", { class: "tile" }, where, cap(h("span", {}, `row ${map.row}, column ${map.column}`), h("small", {}, activation))),
        h("figure", { class: "tile" }, picture, cap(h("span", {}, "the picture"),
          h("small", {}, single ? activation : `this place sees ${words(map.receptive_field)}`))),
        h("figure", { class: "tile" }, back, cap(h("span", {}, h("b", {}, map.method)), said,
          h("small", {}, map.activation === 0 ? "the unit is not active here" : "lighter raises the unit, darker lowers it"))));
      await ready(whole);
      signal.throwIfAborted();
      at = [map.row, map.column];
      const focused = seen.contains(document.activeElement) && document.activeElement?.classList.contains("picker");
      fill(seen, whole);
      if (focused) where.focus({ preventScroll: true });
    });
  }

  /**
   * Shows the pictures of the data that activate the unit most, or offers to.
   * @param {Layer} layer
   * @param {number} unit
   */
  function search(layer, unit) {
    const signal = nextPatches();
    if (!address().query.has("patches")) {
      found.removeAttribute("aria-busy");
      fill(found, h("button", { type: "button", id: "patches", onclick: () => {
        go({ patches: "1" }, "replace");
        search(layer, unit);
      } }, "Find the patches that activate it most"),
        h("p", { class: "note" }, "The first time in a layer this looks at the images of the data: seconds to minutes."));
      return;
    }
    fill(found, h("p", { class: "note", role: "status" }, `Looking through the data for ${layer.name} …`));
    during(found, signal, async () => {
      const told = /** @type {import("./api.js").Patches} */ (await ask(of(run.name, "patches", { layer: layer.name, unit }), signal));
      fill(found, h("p", { class: "note" }, `Of ${told.images} images; each beside what in it activates the unit.`), h("div", { class: "gallery" },
        ...told.patches.map((patch) => h("figure", { class: "card patch" },
          h("div", { class: "together" }, image(patch.picture, patch.image), image(patch.map, "its map")),
          h("figcaption", {}, h("span", {}, patch.class), h("b", {}, figure(patch.activation)), h("small", {}, patch.image))))));
    });
  }

  /**
   * Shows the filter without an image.
   * @param {Layer} layer
   * @param {number} unit
   */
  function sketch(layer, unit) {
    const signal = nextDrawing();
    fill(drawn);
    if (!layer.without_image) return;
    during(drawn, signal, async () => {
      const told = /** @type {{drawing: string}} */ (await ask(of(run.name, "drawing", { layer: layer.name, unit }), signal));
      fill(drawn, h("h3", {}, "Without an image"), h("p", { class: "note" }, "What the filter's weights alone send back."),
        h("div", { class: "drawing" }, image(told.drawing, "the filter, drawn from its weights")));
    });
  }

  return {
    show: (layer, it, cut) => {
      const wanted = address().query.get("unit");
      const unit = wanted === null ? -1 : Number(wanted);
      if (!(unit >= 0 && unit < layer.channels)) {
        open = "";
        fill(root, h("p", { class: "note hint" }, "Choose a filter to see what activates it."));
        return;
      }
      const key = `${layer.name} ${unit}`;
      if (key !== open) {
        const another = open.split(" ")[0] !== layer.name;
        open = key;
        if (another) {
          method = methodChoice(methodsOf(run.methods, layer), null, (name) => go({ method: name }));
          fill(seen);
        }
        asked = "";
        at = null;
        const name = layer.of_classes ? `${run.classes[unit] ?? ""} (unit ${unit})` : `unit ${unit}`;
        fill(root, h("section", { class: "card unit", "aria-label": "Unit" },
          h("div", { class: "row between" }, h("h2", {}, `${layer.name}, ${name}`),
            most),
          method && method.root, seen,
          h("h3", {}, "In the data"), found, drawn));
        search(layer, unit);
        sketch(layer, unit);
      }
      most.hidden = !it || layer.height * layer.width === 1;
      if (method) method.root.hidden = !it;
      if (it && cut) look(layer, unit, it, cut);
      else fill(seen, h("p", { class: "note" }, "Choose a picture above to see where in it this unit is active."));
    },
    close: () => [nextMap, nextPatches, nextDrawing].forEach((next) => next()),
  };
}
