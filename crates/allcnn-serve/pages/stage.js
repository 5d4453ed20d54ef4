/** Pictures and maps, enlarged, with places marked on them. */

import { h } from "./dom.js";

/** @typedef {{height: number, width: number}} Size in pixels of the network, or units of a layer */
/** @typedef {import("./api.js").Region} Region */

/**
 * The numbers of a map.
 * @param {string} base64
 */
export function numbers(base64) {
  return new Float32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * @param {string} src
 * @param {string} alt
 */
export function image(src, alt) {
  return h("img", { src, alt, draggable: "false" });
}

/**
 * Waits for all pictures below an element, so that it can take the place of another one without a blink.
 * @param {ParentNode} root
 */
export async function ready(root) {
  await Promise.all([...root.querySelectorAll("img")].map((one) => one.decode().catch(() => {})));
}

/**
 * A map to lay over the picture: warm where it speaks for the unit, blue where against it, and clear where it is zero.
 * @param {Float32Array} values
 * @param {Size} size
 * @param {string} coloring
 */
export function veil(values, { height, width }, coloring) {
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const pixels = context.createImageData(width, height);
  values.forEach((value, i) => {
    const v = coloring === "absolute" ? Math.abs(value) : coloring === "positive" ? Math.max(0, value) : value;
    const [near, far] = v < 0 ? [[120, 190, 255], [10, 50, 190]] : [[255, 215, 70], [190, 0, 30]];
    const strength = Math.abs(v);
    pixels.data.set(near.map((from, c) => from + (far[c] - from) * strength), 4 * i);
    // The power lifts small values, of which a map has most, into sight.
    pixels.data[4 * i + 3] = 255 * strength ** 0.7;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * A frame as wide as its place for pictures that lie on each other.
 * @param {string} label
 * @param {Size} size
 * @param {(Element | null)[]} media
 */
export function frame(label, size, ...media) {
  const root = h("div", { class: "stage", role: "group", "aria-label": label }, ...media);
  root.style.aspectRatio = `${size.width} / ${size.height}`;
  // From here on a pixel of the network is at most about two of the screen, and blocks would be a coarse lie.
  root.classList.toggle("smooth", size.width > 160);
  return root;
}

/**
 * An outline about a region.
 * @param {Size} size of what it lies on
 * @param {Region} region
 */
export function outline({ height, width }, { rows, columns }) {
  const box = h("i", { class: "outline" });
  box.style.top = `${(100 * rows[0]) / height}%`;
  box.style.height = `${(100 * (rows[1] - rows[0])) / height}%`;
  box.style.left = `${(100 * columns[0]) / width}%`;
  box.style.width = `${(100 * (columns[1] - columns[0])) / width}%`;
  return box;
}

/**
 * The row and column below the pointer.
 * @param {PointerEvent | MouseEvent} event
 * @param {Element} stage
 * @param {Size} size
 * @returns {[row: number, column: number]}
 */
function under(event, stage, { height, width }) {
  const box = stage.getBoundingClientRect();
  const within = (/** @type {number} */ share, /** @type {number} */ count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  return [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
}

/**
 * Where an arrow key leads, or null for any other key.
 * @param {KeyboardEvent} event
 * @param {[row: number, column: number]} from
 * @param {Size} size
 * @returns {[row: number, column: number] | null}
 */
export function moved(event, [row, column], { height, width }) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!step) return null;
  event.preventDefault();
  return [Math.max(0, Math.min(height - 1, row + step[0])), Math.max(0, Math.min(width - 1, column + step[1]))];
}

/** One mark at the same place of several pictures and maps. */
export class Marks {
  /**
   * @param {Size} size
   * @param {(text: string) => void} say where the mark is
   */
  constructor(size, say) {
    this.size = size;
    this.say = say;
    /** @type {[row: number, column: number] | null} */
    this.place = null;
    /** @type {{mark: HTMLElement, values: Float32Array | null, said: HTMLElement | null}[]} */
    this.stages = [];
  }

  /** Forgets all stages, but not the place. */
  clear() {
    this.stages = [];
  }

  /**
   * Puts the mark on a stage and lets pointer and arrow keys move it.
   * @param {HTMLElement} stage
   * @param {Float32Array | null} [values] of the map there
   * @param {HTMLElement | null} [said] where the value below the mark is shown
   * @returns {HTMLElement} the stage
   */
  on(stage, values = null, said = null) {
    const mark = h("div", { class: "mark", hidden: true }, h("i", {}), h("i", {}));
    stage.append(mark);
    // One stop of the Tab key for all of them: the first, which is the picture.
    if (this.stages.length === 0) stage.tabIndex = 0;
    this.stages.push({ mark, values, said });
    const follow = (/** @type {PointerEvent} */ event) => this.move(under(event, stage, this.size));
    stage.addEventListener("pointermove", follow);
    stage.addEventListener("pointerdown", follow);
    stage.addEventListener("pointerleave", (event) => {
      // A finger always leaves; what it pointed at stays.
      if (event.pointerType === "mouse") this.move(null);
    });
    stage.addEventListener("keydown", (event) => {
      const middle = /** @type {[number, number]} */ ([this.size.height >> 1, this.size.width >> 1]);
      const place = moved(event, this.place ?? middle, this.size);
      if (place) this.move(place);
    });
    this.draw();
    return stage;
  }

  /** @param {[row: number, column: number] | null} place */
  move(place) {
    this.place = place;
    this.draw();
  }

  /** Draws the mark where it is. */
  draw() {
    const { height, width } = this.size;
    for (const { mark, values, said } of this.stages) {
      mark.hidden = this.place === null;
      if (said) said.textContent = "";
      if (this.place === null) continue;
      const [row, column] = this.place;
      mark.style.top = `${(100 * row) / height}%`;
      mark.style.height = `${100 / height}%`;
      mark.style.left = `${(100 * column) / width}%`;
      mark.style.width = `${100 / width}%`;
      if (said && values) said.textContent = (values[row * width + column] ?? 0).toFixed(2).replace("-", "−");
    }
    this.say(this.place === null ? "" : `row ${this.place[0]}, column ${this.place[1]}`);
  }
}

/**
 * Lets a place of a stage be picked by a click, a touch or the arrow keys.
 * @param {HTMLElement} stage
 * @param {Size} size
 * @param {() => [row: number, column: number]} at where it is now
 * @param {(place: [row: number, column: number]) => void} pick
 */
export function picker(stage, size, at, pick) {
  stage.tabIndex = 0;
  stage.classList.add("picker");
  stage.addEventListener("click", (event) => pick(under(event, stage, size)));
  stage.addEventListener("keydown", (event) => {
    const place = moved(event, at(), size);
    if (place) pick(place);
  });
}
