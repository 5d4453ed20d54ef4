/** The address says all that is shown: `#/run/NAME/try?method=guided`. It can be kept as a bookmark and loaded again. */

/** @type {string | null} what the history does not have yet */
let ahead = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let writing;
let pushing = false;

/** @returns {{parts: string[], query: URLSearchParams}} what the address says */
export function address() {
  const [path = "", query = ""] = (ahead ?? location.hash).replace(/^#/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

/**
 * An address within the app.
 * @param {string[]} parts
 * @param {Record<string, string | null> | URLSearchParams} [query] null leaves a name out
 * @returns {string}
 */
export function link(parts, query = {}) {
  const kept = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) for (const [name, value] of Object.entries(query)) if (value !== null) kept.set(name, value);
  const text = kept.toString().replaceAll("%2C", ",");
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Shows what the address says, though it did not change. */
export function again() {
  window.dispatchEvent(new Event("address"));
}

/**
 * Changes what the address says after the question mark; null takes a name out. What is shown follows at once, the history a little
 * later: a browser takes few changes a second, and a held key should leave one step to go back, not fifty.
 * @param {Record<string, string | null>} change
 * @param {"push" | "replace" | "note"} [how] whether one can go back to what was before; `note`: it is shown already
 * @returns {boolean} whether that was anything new
 */
export function go(change, how = "push") {
  const { parts, query } = address();
  for (const [name, value] of Object.entries(change)) value === null ? query.delete(name) : query.set(name, value);
  const hash = link(parts, query);
  if (hash === (ahead ?? location.hash)) return false;
  ahead = hash;
  pushing ||= how === "push";
  clearTimeout(writing);
  writing = setTimeout(write, 200);
  if (how !== "note") again();
  return true;
}

/** Writes into the history what it does not have yet. */
function write() {
  if (ahead !== null) history[pushing ? "pushState" : "replaceState"](null, "", ahead);
  ahead = null;
  pushing = false;
}

/**
 * Calls `show` now and whenever the address changes.
 * @param {() => void} show
 */
export function follow(show) {
  window.addEventListener("address", show);
  window.addEventListener("hashchange", () => {
    // Someone followed a link: what was not yet written belongs to the page that was left.
    clearTimeout(writing);
    ahead = null;
    pushing = false;
    show();
  });
  window.addEventListener("pagehide", write);
  show();
}
