/** Tables that can be sorted by any column; the address keeps the order. */

import { address, go } from "./address.js";
import { h } from "./dom.js";

/**
 * The columns of a table by their names in the address: a title, the value to sort by, and what a cell shows.
 * @template T
 * @typedef {Record<string, {title: string, key: (item: T) => string | number | null, show: (item: T) => import("./dom.js").Child[]}>} Columns
 */
/** @typedef {{column: string, down: boolean}} Order */

/**
 * The order that the address names, or else a column from the largest value down.
 * @param {Columns<any>} columns
 * @param {string} otherwise
 * @returns {Order}
 */
export function orderOf(columns, otherwise) {
  const { query } = address();
  const wanted = query.get("sort") ?? otherwise;
  return { column: wanted in columns ? wanted : otherwise, down: query.has("sort") ? query.has("down") : true };
}

/**
 * Items in an order; those without a value come last in either direction.
 * @template T
 * @param {T[]} items
 * @param {Columns<T>} columns
 * @param {Order} order
 */
export function sorted(items, columns, { column, down }) {
  const { key } = columns[column];
  return [...items].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return down ? -order : order;
  });
}

/**
 * The head of each column, with a button that sorts by it, and at the second press the other way round.
 * @param {Columns<any>} columns
 * @param {Order} order
 */
export function heads(columns, { column, down }) {
  return Object.entries(columns).map(([id, { title }]) =>
    h("th", { scope: "col", role: "columnheader", "aria-sort": id === column ? (down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", id: `sort-${id}`, onclick: () => go({ sort: id, down: id === column && !down ? "1" : null }, "replace") }, title)));
}
