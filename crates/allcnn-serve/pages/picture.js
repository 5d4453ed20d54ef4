/** The picture in question: one for the whole app, so that Try and Units of every run look at the same. */

import { address, again, go } from "./address.js";
import { ask, of, Refused } from "./api.js";
import { fill, h } from "./dom.js";

/**
 * @typedef {{serial: number, id: string | null, bytes: Blob | null, name: string, answers: Map<string, import("./api.js").Answers>}} Picture
 * `id`: the server's name for it, once it has it; `bytes`: absent where only the address told the id
 */

/** @type {Picture | null} */
let current = null;
/** @type {Picture | null} what was there before, in case that the server cannot read the new one */
let before = null;
/** What went wrong with the picture that was chosen last. */
let refusal = "";
let serial = 0;
/** @type {Map<string, string>} the names of pictures that the server offered, by their ids */
const offered = new Map();

/**
 * Tells the name of a picture of the server's, in case that it is chosen.
 * @param {string} id
 * @param {string} name
 */
export function introduce(id, name) {
  offered.set(id, name);
}

/**
 * Takes a picture.
 * @param {Blob} bytes
 * @param {string} name
 */
function choose(bytes, name) {
  before = current;
  current = { serial: ++serial, id: null, bytes, name, answers: new Map() };
  refusal = "";
  if (!go({ picture: null })) again();
}

/**
 * Says why there is no new picture.
 * @param {string} why
 */
function refuse(why) {
  refusal = why;
  again();
}

/**
 * The picture that the address names, or else the one that was looked at last.
 * @returns {Picture | null}
 */
export function picture() {
  const id = address().query.get("picture");
  if (id !== null && id !== current?.id) current = { serial: ++serial, id, bytes: null, name: offered.get(id) ?? "picture", answers: new Map() };
  else if (id === null && current?.id) go({ picture: current.id }, "note");
  return current;
}

/**
 * Asks about the picture: by its id where the server has it, otherwise with its bytes.
 * @param {Picture} it
 * @param {string} run
 * @param {string} what
 * @param {Record<string, string | number | null>} query
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export async function askAbout(it, run, what, query, signal) {
  if (it.id !== null) {
    try {
      return await ask(of(run, what, { ...query, picture: it.id }), signal, new Blob());
    } catch (problem) {
      // The server keeps a picture only for a while.
      if (!(problem instanceof Refused && problem.status === 404 && it.bytes)) throw problem;
    }
  }
  try {
    const answer = await ask(of(run, what, query), signal, it.bytes ?? new Blob());
    it.id = answer.picture;
    if (it === current) go({ picture: it.id }, "note");
    return answer;
  } catch (problem) {
    if (it === current && it.id === null && problem instanceof Refused && [400, 413, 415].includes(problem.status)) {
      current = before;
      refuse(`${it.name}: ${problem.message}`);
    }
    throw problem;
  }
}

/**
 * What a run says is in the picture: all classes, the most probable first.
 * @param {Picture} it
 * @param {import("./api.js").Run} run
 * @param {AbortSignal} signal
 * @returns {Promise<import("./api.js").Answers>}
 */
export async function answersOf(it, run, signal) {
  // A run in training answers anew after each epoch.
  const key = `${run.name} ${run.epoch}`;
  const known = it.answers.get(key);
  if (known) return known;
  const answers = await askAbout(it, run.name, "predict", { top: run.classes.length }, signal);
  it.answers.set(key, answers);
  return answers;
}

/** Takes pictures that are dropped or pasted anywhere on a page that has a place for one. */
export function listen() {
  const wanted = () => document.querySelector(".source") !== null;
  /** @param {DataTransfer | null} data */
  const take = (data) => {
    const file = data?.files[0];
    if (file) choose(file, file.name);
    else refuse("That was not a file. Save the picture and drop or paste the file.");
  };
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", wanted());
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (wanted()) take(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    if (wanted()) take(event.clipboardData);
  });
}

/** Opens the camera in a dialog, in which a button takes the picture. */
async function camera() {
  if (!navigator.mediaDevices) {
    return refuse("No camera here: a browser gives it only to pages of this very machine (localhost) or that come by https.");
  }
  /** @type {MediaStream} */
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (problem) {
    const name = problem instanceof DOMException ? problem.name : "";
    if (name === "NotAllowedError") return refuse("The browser was not allowed to use the camera.");
    return refuse(name === "NotFoundError" ? "This machine has no camera." : "The camera cannot be used; perhaps another program has it.");
  }
  const video = h("video", { autoplay: true, playsinline: true });
  video.muted = true;
  video.srcObject = stream;
  const snapshot = () => {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && choose(blob, "snapshot"), "image/png");
    dialog.close();
  };
  const dialog = h("dialog", { "aria-label": "Camera", class: "camera" }, video,
    h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: snapshot }, "Take the picture"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => {
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * The place where a picture is chosen and shown: large and inviting while there is none.
 * @returns {{root: HTMLElement, show: (it: Picture | null, seen: string | null) => void}}
 */
export function source() {
  const file = h("input", { type: "file", accept: "image/*,.jxl,.ppm,.pgm,.pnm", class: "heard", id: "file", onchange: () => {
    const chosen = file.files?.[0];
    if (chosen) choose(chosen, chosen.name);
    file.value = "";
  } });
  const label = h("span", {});
  const image = h("div", { class: "original" });
  const invitation = h("div", { class: "invitation" });
  const said = h("p", { class: "wrong", role: "alert" });
  const root = h("section", { class: "source card", "aria-label": "Picture" }, image,
    h("div", { class: "choosing" }, invitation,
      h("div", { class: "row" }, h("label", { class: "button main" }, file, label), h("button", { type: "button", onclick: camera }, "Camera")),
      said));
  /** @type {string | null} */
  let url = null;
  let shown = 0;
  return {
    root,
    show: (it, seen) => {
      root.classList.toggle("empty", it === null);
      fill(invitation, it === null
        ? h("p", {}, h("b", {}, "Drop a picture here"), " or paste one (Ctrl+V).",
          h("span", { class: "note" }, "It stays on the machine that this page comes from."))
        : h("p", { class: "name" }, h("b", {}, it.name), h("span", { class: "note" }, "Drop or paste another, or")));
      label.textContent = it === null ? "Choose a picture" : "Choose";
      if (said.textContent !== refusal) said.textContent = refusal;
      if (shown === it?.serial && image.firstChild) return;
      shown = it?.serial ?? 0;
      if (url !== null) URL.revokeObjectURL(url);
      url = it?.bytes ? URL.createObjectURL(it.bytes) : null;
      const src = url ?? seen;
      const picture = src ? h("img", { src, alt: "" }) : null;
      // What the server reads a browser need not (JPEG XL); then what the network sees stands in.
      picture?.addEventListener("error", () => void (seen && picture.src !== seen ? (picture.src = seen) : picture.remove()));
      fill(image, picture);
    },
  };
}
