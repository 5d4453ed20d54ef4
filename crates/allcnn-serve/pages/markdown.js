/** A model card as elements: the few forms of Markdown that it has, each piece of text as text. */

import { h } from "./dom.js";

/**
 * Text in which words between backquotes are code.
 * @param {string} text
 */
function words(text) {
  return text.split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part));
}

/**
 * The cells of a line of a table.
 * @param {string} line
 */
function cells(line) {
  return line.split("|").slice(1, -1).map((cell) => cell.trim());
}

/**
 * A table of names and values; it has neither a head nor a line below it.
 * @param {string[]} lines
 */
function table(lines) {
  const rows = lines.map(cells).filter((row) => row.some((cell) => !/^-*$/.test(cell)));
  return h("table", { class: "list" }, h("tbody", {}, ...rows.map(([name, ...values]) =>
    h("tr", {}, h("th", { scope: "row" }, ...words(name)), ...values.map((value) => h("td", {}, ...words(value)))))));
}

/**
 * @param {string} text
 * @returns {HTMLElement[]} headings, one level below those of the text, paragraphs, tables, and code as it stands
 */
export function markdown(text) {
  const lines = text.split("\n");
  /** @type {HTMLElement[]} */
  const made = [];
  /** @type {HTMLElement | null} what only programs read */
  let fold = null;
  /** Takes lines from `from` on while they fit. */
  const take = (/** @type {number} */ from, /** @type {(line: string) => boolean} */ fits) => {
    let end = from;
    while (end < lines.length && fits(lines[end])) end++;
    return lines.slice(from, end);
  };
  for (let n = 0; n < lines.length; ) {
    const line = lines[n];
    const fence = line.startsWith("```") ? "```" : n === 0 && line === "---" ? "---" : null;
    if (fence !== null) {
      const code = take(n + 1, (one) => one !== fence);
      const box = h("pre", { tabindex: 0 }, code.join("\n"));
      if (fence === "---") fold = h("details", {}, h("summary", {}, "for a model hub"), box);
      else made.push(box);
      n += code.length + 2;
    } else if (line.startsWith("|")) {
      const rows = take(n, (one) => one.startsWith("|"));
      made.push(table(rows));
      n += rows.length;
    } else if (line.startsWith("#")) {
      made.push(h(line.startsWith("# ") ? "h2" : "h3", {}, ...words(line.replace(/^#+ */, ""))));
      n += 1;
    } else if (line.trim() === "") {
      n += 1;
    } else {
      const paragraph = take(n, (one) => one.trim() !== "" && !/^(```|\||#)/.test(one));
      made.push(h("p", {}, ...words(paragraph.join(" "))));
      n += paragraph.length;
    }
  }
  return fold ? [...made, fold] : made;
}
