/** Elements made from script. Text always arrives as text, so that a name with markup in it stays a name. */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes */

/**
 * Gives an element its attributes (functions listen to the event, true and false set or leave out) and children.
 * @param {Element} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
}

/**
 * Makes an element of HTML.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, attributes, children);
  return element;
}

/**
 * Makes an element of SVG.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  dress(element, attributes, children);
  return element;
}

/**
 * Replaces what is in an element. The control that has the focus keeps it, if one with its id comes back.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  const active = document.activeElement;
  const focused = active && active.id && element.contains(active) ? active.id : null;
  const kept = children.filter((child) => child != null && child !== false);
  element.replaceChildren(...kept.map((child) => (child instanceof Node ? child : String(child))));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * Scrolls a box, and nothing around it, so that something in it is seen.
 * @param {Element} box
 * @param {Element | null | undefined} item
 */
export function reveal(box, item) {
  if (!item) return;
  const [outer, inner] = [box.getBoundingClientRect(), item.getBoundingClientRect()];
  if (inner.left < outer.left || inner.right > outer.right) box.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}

let groups = 0;

/**
 * One of several, as radio buttons: a single stop of the Tab key, in which the arrow keys choose.
 * @param {{legend: string, shown?: boolean, look?: string, options: {value: string, content: Child[]}[], choose: (value: string) => void}} of
 * `shown`: the legend is seen, not only heard
 * @returns {{root: HTMLFieldSetElement, set: (value: string | null) => void}}
 */
export function radios({ legend, shown = false, look = "buttons", options, choose }) {
  const name = `choice-${++groups}`;
  /** @type {HTMLInputElement[]} */
  const inputs = [];
  const labels = options.map(({ value, content }) => {
    const input = h("input", { type: "radio", name, value, onchange: () => choose(value) });
    inputs.push(input);
    return h("label", {}, input, h("span", {}, ...content));
  });
  const root = h("fieldset", { class: `radios ${look}` }, h("legend", { class: shown ? null : "heard" }, legend), ...labels);
  return {
    root,
    set: (value) => inputs.forEach((input) => (input.checked = input.value === value)),
  };
}

/**
 * One of many, as a list that opens.
 * @param {string} label
 * @param {[value: string, text: string][]} options
 * @param {(value: string) => void} choose
 * @returns {{root: HTMLLabelElement, set: (value: string) => void}}
 */
export function select(label, options, choose) {
  const list = h("select", { onchange: () => choose(list.value) }, ...options.map(([value, text]) => h("option", { value }, text)));
  return { root: h("label", { class: "field" }, h("span", {}, label), list), set: (value) => void (list.value = value) };
}

/**
 * A slider from 0 to 100 %.
 * @param {string} label
 * @param {number} most in percent
 * @param {(percent: number) => void} move
 * @returns {{root: HTMLLabelElement, set: (percent: number) => void}}
 */
export function slider(label, most, move) {
  const said = h("b", {});
  const input = h("input", { type: "range", min: 0, max: most, step: 1, oninput: () => move(Number(input.value)) });
  return {
    root: h("label", { class: "field" }, h("span", {}, label, said), input),
    set: (percent) => {
      input.value = String(percent);
      said.textContent = `${percent} %`;
    },
  };
}

/**
 * A box to tick.
 * @param {string} label
 * @param {(on: boolean) => void} change
 * @returns {{root: HTMLLabelElement, set: (on: boolean) => void}}
 */
export function tick(label, change) {
  const input = h("input", { type: "checkbox", onchange: () => change(input.checked) });
  return { root: h("label", { class: "tick" }, input, label), set: (on) => void (input.checked = on) };
}

/**
 * Answers as bars that can be chosen.
 * @param {{name: string, share: number, said: string, chosen: boolean, choose: () => void}[]} rows `share` of the full width, 0 to 1
 * @returns {HTMLUListElement}
 */
export function bars(rows) {
  return h("ul", { class: "bars" }, ...rows.map(({ name, share, said, chosen, choose }) => {
    const bar = h("i", {});
    bar.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
    const button = h("button", { type: "button", id: `bar-${name}`, "aria-pressed": chosen ? "true" : "false", onclick: choose },
      bar, h("span", {}, name), h("b", {}, said));
    return h("li", {}, button);
  }));
}
