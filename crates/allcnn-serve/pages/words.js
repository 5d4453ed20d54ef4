/** Figures and states in words, the same on every page. */

import { h } from "./dom.js";

/** @typedef {import("./api.js").Brief} Brief */

/**
 * @param {number | null | undefined} value
 * @param {number} [digits] significant ones
 */
export function figure(value, digits = 3) {
  return value == null || !Number.isFinite(value) ? "–" : String(Number(value.toPrecision(digits)));
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** @param {number | null} pct */
export function errorOf(pct) {
  return pct === null ? "–" : `${pct.toFixed(2)} %`;
}

/**
 * The 95 % interval of a run's error and the images that it was measured on.
 * @param {Brief} run
 */
export function intervalOf(run) {
  const interval = run.interval95 && `95 %: ${run.interval95[0].toFixed(1)} to ${run.interval95[1].toFixed(1)}`;
  return [interval, run.error_on && `on ${run.error_on} images`].filter(Boolean).join(", ");
}

/**
 * How a run stands, as a mark with a word.
 * @param {import("./api.js").State} state
 */
export function stateOf(state) {
  return h("span", { class: `state ${state}` }, state);
}

/**
 * The settings of a run, as a list.
 * @param {import("./api.js").Run} run
 */
export function settingsOf(run) {
  return h("dl", { class: "settings" }, ...run.settings.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
