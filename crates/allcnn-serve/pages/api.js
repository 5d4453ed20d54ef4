/** The server's answers, and the questions that are open. */

import { fill, h } from "./dom.js";

/** @typedef {"training" | "finished" | "stopped" | "diverged" | "imported"} State */
/**
 * @typedef {{name: string, title: string, model: string, state: State, begun: string | null, epoch: number, epochs: number,
 *   error_pct: number | null, interval95: [number, number] | null, error_on: "test" | "validation" | null, usable: boolean}} Brief
 * @typedef {Brief & {images: number, classes: number, data: string, curve: number[]}} Listed
 * @typedef {{folder: string, version: string, single: string | null, runs: Listed[]}} Listing
 * @typedef {{name: string, kind: string, height: number, width: number, channels: number, receptive_field: [number, number],
 *   stride: number, weights: boolean, of_classes: boolean, without_image: boolean}} Layer
 * @typedef {{name: string, says: string, classes_only: boolean}} Method
 * @typedef {{epoch: number, train_loss: number | null, train_error_pct: number | null, test_loss: number | null, test_error_pct: number | null,
 *   validation_loss: number | null, validation_error_pct: number | null, learning_rate: number, seconds: number, images_per_second: number}} Row
 * @typedef {Brief & {classes: string[], input: {height: number, width: number}, settings: [string, string][], layers: Layer[],
 *   methods: Method[], switches: boolean, metrics: Row[], warnings: string[]}} Run
 * @typedef {{file: string, predictions: {class: string, probability: number}[], picture: string, seen: string}} Answers
 * @typedef {{rows: [number, number], columns: [number, number]}} Region
 * @typedef {{method: string, layer: string, unit: number, row: number, column: number, activation: number, class: string | null,
 *   probability: number | null, switches: boolean, map: string, receptive_field: Region, values: string}} Explained
 * @typedef {{picture: string, seen: string, milliseconds: number, maps: Explained[]}} Explanation
 * @typedef {{picture: string, layer: string, height: number, width: number, channels: number, largest: number[], sheet: string,
 *   columns: number}} Activations
 * @typedef {{image: string, class: string | null, activation: number, picture: string, map: string}} Patch
 * @typedef {{layer: string, unit: number, images: number, patches: Patch[]}} Patches
 * @typedef {{image: string, class: string | null, picture: string, seen: string}} Sample
 * @typedef {{class: string, images: number, error_pct: number | null, precision: number | null, recall: number | null,
 *   f1: number | null}} ClassScore
 * @typedef {[true: number, predicted: number, count: number]} Pair
 * @typedef {{images: number, split: "test" | "validation", error_pct: number, interval95: [number, number] | null, classes: ClassScore[],
 *   confusion: number[][] | null, confusion_sparse: Pair[] | null}} Mistakes
 * @typedef {{image: string, true: string, predicted: string, probability: number, label_probability?: number, picture: string,
 *   seen: string, map?: string}} Answered
 * @typedef {{all: number, pictures: Answered[]}} Cell
 * @typedef {Answered & {epoch: number}} LatestMistake
 * @typedef {{image: string, split: string, class: string, picture: string, seen: string}} NearPicture
 * @typedef {{similarity: number, labels_differ: boolean, more: number, pictures: NearPicture[]}} NearGroup
 * @typedef {{images: number, left_out: number, test_images_near_train: number, validation_images_near_train: number,
 *   groups_across_splits: number, groups_within_split: number, groups_with_different_labels: number, groups: NearGroup[]}} Near
 */

/** What the server answers when it cannot do what was asked, in its words. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The address of a run, or of something of it.
 * @param {string} name
 * @param {string} [what]
 * @param {Record<string, string | number | null>} [query] null leaves a name out
 */
export function of(name, what, query = {}) {
  const kept = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== null) kept.set(key, String(value));
  return `/api/runs/${encodeURIComponent(name)}${what ? `/${what}` : ""}${kept.size ? `?${kept}` : ""}`;
}

/**
 * Sends a request; while the server is busy, a few times.
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {Blob} [body] with it the request is a POST
 * @param {number} [tries]
 * @returns {Promise<Response>} what was not refused
 */
async function send(path, signal, body, tries = 4) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { signal, ...(body && { method: "POST", body }) });
  } catch (problem) {
    if (signal.aborted) throw problem;
    throw new Refused(0, "The server does not answer. Is allcnn serve still running?");
  }
  if (response.status === 503 && tries > 1) {
    await pause(500, signal);
    return send(path, signal, body, tries - 1);
  }
  // The server's own page asks for the token.
  if (response.status === 401) location.reload();
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({ error: `The server answers ${response.status} ${response.statusText}.` }));
  throw new Refused(response.status, error);
}

/**
 * Asks the server.
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {Blob} [body] with it the question is a POST
 * @returns {Promise<any>}
 */
export async function ask(path, signal, body) {
  return (await send(path, signal, body)).json();
}

/**
 * Has the server make a file.
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<{bytes: Blob, name: string}>}
 */
export async function fetchFile(path, signal) {
  const response = await send(path, signal);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  return { bytes: await response.blob(), name: name ?? "allcnn" };
}

/**
 * Of one control only the newest question is open: each call of what this returns aborts the one before it.
 * @returns {() => AbortSignal}
 */
export function latest() {
  let open = new AbortController();
  return () => {
    open.abort();
    open = new AbortController();
    return open.signal;
  };
}

/**
 * Does work for a place on the page: the place is dimmed while it lasts (see the style sheet: not at once), and what went wrong
 * is said in it.
 * @param {Element} place
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} work
 */
export async function during(place, signal, work) {
  place.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (problem) {
    if (!signal.aborted) fill(place, h("p", { class: "advice wrong", role: "alert" }, problem instanceof Error ? problem.message : String(problem)));
  }
  if (!signal.aborted) place.removeAttribute("aria-busy");
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
async function pause(milliseconds, signal) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  signal.throwIfAborted();
}

/** When the last question was asked. */
let asked = -Infinity;

/**
 * Waits a little where questions follow each other quickly (a slider, a held key), so that only the last of them reaches the
 * server; the first goes at once.
 * @param {AbortSignal} signal
 */
export async function settled(signal) {
  const before = asked;
  asked = performance.now();
  if (asked - before < 200) await pause(40, signal);
}
