/** Curves by epoch, drawn as SVG at the size that they have on the page. */

import { fill, h, s } from "./dom.js";
import { figure } from "./words.js";

/** @typedef {{name: string, look: string, points: [epoch: number, value: number][]}} Series `look`: its class, color and dashes */

const LOOKS = ["a", "b", "c", "d"];
const HEIGHT = 230;
const EDGE = { top: 12, right: 12, bottom: 36, left: 50 };

/**
 * The look of the nth curve: four colors, then the same ones dashed.
 * @param {number} n
 */
export function look(n) {
  return LOOKS[n % 4] + (n % 8 >= 4 ? " dashed" : "");
}

/**
 * Points of what may be missing (null: not measured, or not finite).
 * @template {{epoch: number}} T
 * @param {T[]} rows
 * @param {(row: T) => number | null | undefined} value
 * @returns {[number, number][]}
 */
export function points(rows, value) {
  return rows.flatMap((row) => {
    const y = value(row);
    return y == null || !Number.isFinite(y) ? [] : [/** @type {[number, number]} */ ([row.epoch, y])];
  });
}

/**
 * Round values from 0 to at least `most`, about `count` of them.
 * @param {number} most
 * @param {number} count
 * @param {number} least smallest step
 */
function ticks(most, count, least = 0) {
  const raw = Math.max(most / count, least, 1e-9);
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * unit).find((candidate) => candidate >= raw * 0.999) ?? raw;
  return Array.from({ length: Math.ceil(most / step - 1e-6) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

/**
 * A chart with a legend that reads the values out, and the same figures as a table.
 * @param {string} title
 * @param {string} unit of the values, as " %"
 * @returns {{root: HTMLElement, draw: (series: Series[]) => void, close: () => void}}
 */
export function chart(title, unit) {
  /** @type {Series[]} */
  let all = [];
  /** @type {number | null} the epoch that is pointed at */
  let epoch = null;
  /** @type {(x: number) => number} */
  let epochAt = () => 0;
  const legend = h("p", { class: "legend" });
  const svg = s("svg", { tabindex: 0, role: "img", "aria-label": `${title} by epoch; arrow keys read single epochs, a table follows` });
  const pointer = s("g", {});
  const table = h("div", { class: "scroll" });
  const details = h("details", { ontoggle: () => tabulate() }, h("summary", {}, "as a table"), table);
  const root = h("figure", { class: "card chart" }, h("figcaption", {}, h("h3", {}, title), legend), svg, details);

  const epochs = () => [...new Set(all.flatMap((one) => one.points.map(([x]) => x)))].sort((x, y) => x - y);
  const scale = () => {
    const width = Math.max(240, svg.clientWidth || 600);
    const marks = ticks(Math.max(0, ...all.flatMap((one) => one.points.map(([, y]) => y))) || 1, 4);
    const steps = ticks(Math.max(1, ...epochs()), Math.min(8, width / 60), 1).filter(Number.isInteger);
    const [top, last] = [marks[marks.length - 1], Math.max(1, ...epochs())];
    return {
      width, marks, steps: steps.filter((x) => x <= last),
      x: (/** @type {number} */ at) => EDGE.left + (at / last) * (width - EDGE.left - EDGE.right),
      y: (/** @type {number} */ value) => HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom),
      back: (/** @type {number} */ x) => ((x - EDGE.left) / (width - EDGE.left - EDGE.right)) * last,
    };
  };

  /** Shows the values of the epoch that is pointed at, or of the last one. */
  function read() {
    const known = epochs();
    const at = epoch ?? known[known.length - 1];
    if (at === undefined) return fill(legend);
    const { x, y } = scale();
    const here = all.map((one) => ({ one, value: one.points.find(([e]) => e === at)?.[1] }));
    fill(legend, h("span", {}, `epoch ${at}`), ...here.map(({ one, value }) =>
      h("span", {}, h("i", { class: one.look }), `${one.name} `, h("b", {}, value === undefined ? "–" : `${figure(value)}${unit}`))));
    fill(pointer, ...(epoch === null ? [] : [
      s("line", { class: "grid strong", x1: x(at), x2: x(at), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      ...here.map(({ one, value }) => value !== undefined && s("circle", { class: `${one.look} dot`, cx: x(at), cy: y(value), r: 4 })),
    ]));
  }

  /** Lays out the table, once someone has opened it. */
  function tabulate() {
    if (!details.open) return;
    fill(table, h("table", { class: "list" }, h("caption", { class: "heard" }, title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "epoch"), ...all.map((one) => h("th", { scope: "col" }, one.name)))),
      h("tbody", {}, ...epochs().map((at) => h("tr", {}, h("th", { scope: "row" }, at),
        ...all.map((one) => h("td", {}, figure(one.points.find(([e]) => e === at)?.[1], 4))))))));
  }

  /** Draws everything at the present width. */
  function paint() {
    const { width, marks, steps, x, y, back } = scale();
    epochAt = back;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", String(HEIGHT));
    fill(svg,
      ...marks.flatMap((value) => [
        s("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
        s("text", { x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, `${value}${unit}`)]),
      ...steps.map((at) => s("text", { x: x(at), y: HEIGHT - EDGE.bottom + 16, "text-anchor": "middle" }, at)),
      s("text", { x: width - EDGE.right, y: HEIGHT - 4, "text-anchor": "end" }, "epoch"),
      ...all.map((one) => s("path", {
        class: `${one.look} curve`, d: one.points.map(([e, v], i) => `${i ? "L" : "M"}${x(e).toFixed(1)} ${y(v).toFixed(1)}`).join(""),
      })),
      // A single point makes no line.
      ...all.filter((one) => one.points.length === 1).map((one) =>
        s("circle", { class: `${one.look} dot`, cx: x(one.points[0][0]), cy: y(one.points[0][1]), r: 3 })),
      pointer);
    read();
  }

  const point = (/** @type {PointerEvent} */ event) => {
    const known = epochs();
    const wanted = epochAt(event.clientX - svg.getBoundingClientRect().left);
    epoch = known.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best), known[0] ?? 0);
    if (known.length > 0) read();
  };
  const leave = () => {
    epoch = null;
    read();
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const known = epochs();
    if (!step || known.length === 0) return;
    event.preventDefault();
    const from = epoch === null ? known.length - 1 - Math.min(0, step) : known.indexOf(epoch);
    epoch = known[Math.max(0, Math.min(known.length - 1, from + step))];
    read();
  });
  const watching = new ResizeObserver(paint);
  watching.observe(svg);
  return {
    root,
    draw: (series) => {
      all = series;
      paint();
      tabulate();
    },
    close: () => watching.disconnect(),
  };
}

/**
 * A curve in the size of a word.
 * @param {number[]} values
 */
export function sparkline(values) {
  const [width, height] = [96, 24];
  const most = Math.max(...values, 1e-9);
  const at = (/** @type {number} */ value, /** @type {number} */ i) =>
    `${i ? "L" : "M"}${(2 + (i * (width - 4)) / Math.max(1, values.length - 1)).toFixed(1)} ${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`;
  return s("svg", { class: "sparkline", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    values.length > 1 && s("path", { class: "a curve", d: values.filter(Number.isFinite).map(at).join("") }));
}
