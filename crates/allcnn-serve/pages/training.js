/** The training of a run, live: its curves grow with each epoch. */

import { of } from "./api.js";
import { chart, points } from "./chart.js";
import { fill, h } from "./dom.js";
import { openLatestMistakes } from "./latest_mistakes.js";
import { duration, errorOf, figure, intervalOf, settingsOf, stateOf } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {{state: import("./api.js").State, epoch: number, epochs: number, eta_seconds: number | null}} Standing */

/**
 * The curves of what was measured: training in orange, the images that the network has not seen in blue, as in the report.
 * @param {Row[]} rows
 * @param {"loss" | "error_pct"} what
 * @returns {import("./chart.js").Series[]}
 */
function curves(rows, what) {
  return [
    { name: "train", look: "b", points: points(rows, (row) => row[`train_${what}`]) },
    { name: "validation", look: "c", points: points(rows, (row) => row[`validation_${what}`]) },
    { name: "test", look: "a", points: points(rows, (row) => row[`test_${what}`]) },
  ].filter((series) => series.points.length > 0);
}

/**
 * @param {HTMLElement} body
 * @param {import("./run.js").Context} context
 * @returns {import("./app.js").Page}
 */
export function openTraining(body, context) {
  const { run } = context;
  const rows = [...run.metrics];
  /** @type {Standing} */
  let standing = { state: run.state, epoch: run.epoch, epochs: run.epochs, eta_seconds: null };
  const figures = h("dl", { class: "figures" });
  const error = chart("Error", " %");
  const loss = chart("Loss", "");
  const warnings = h("div", {});
  const said = h("p", { class: "note", role: "status" });
  const wrong = h("section", { "aria-label": "The surest mistakes" });
  fill(body, figures, said, warnings, h("h2", { class: "heard" }, "Curves"),
    h("div", { class: "charts" }, error.root, loss.root), wrong, h("h2", {}, "Settings"), settingsOf(run));

  const mistakes = openLatestMistakes(wrong, run.name);
  /** Shows what has come of the run since. */
  const renew = () => context.renew().then(draw, () => {}).then(mistakes.renew);

  /** Shows what is known. */
  function draw() {
    const [before, last] = [rows[rows.length - 2], rows[rows.length - 1]];
    const { state, epoch, epochs, eta_seconds } = standing;
    const bar = h("progress", { max: epochs, value: epoch, "aria-label": "epochs done" });
    const tile = (/** @type {string} */ name, /** @type {import("./dom.js").Child} */ value, /** @type {import("./dom.js").Child} */ detail) =>
      h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value), detail ? h("dd", { class: "detail" }, detail) : null);
    fill(figures,
      tile("Epoch", h("span", { id: "epoch" }, `${epoch} of ${epochs}`), bar),
      tile("Error", errorOf(context.run.error_pct), intervalOf(context.run)),
      tile("Images a second", figure(last?.images_per_second, 4), last && `${duration(last.seconds - (before?.seconds ?? 0))} an epoch`),
      tile("Learning rate", figure(last?.learning_rate), null),
      state === "training" ? tile("Time left", eta_seconds === null ? "–" : duration(eta_seconds), null) : tile("State", stateOf(state), null));
    error.draw(curves(rows, "error_pct"));
    loss.draw(curves(rows, "loss"));
    fill(warnings, ...context.run.warnings.map((text) => h("p", { class: "advice wrong" }, text)));
  }

  /** @type {EventSource | null} */
  let events = null;
  if (run.state === "training") {
    events = new EventSource(of(run.name, "events", { after: rows.length ? rows[rows.length - 1].epoch : null }));
    events.addEventListener("epoch", (event) => {
      const row = /** @type {Row} */ (JSON.parse(event.data));
      // A connection that was lost begins where the first one began.
      if (rows.some((one) => one.epoch === row.epoch)) return;
      rows.push(row);
      standing.epoch = Math.max(standing.epoch, row.epoch);
      draw();
      renew();
    });
    events.addEventListener("state", (event) => {
      standing = JSON.parse(event.data);
      if (standing.state !== "training") {
        events?.close();
        renew();
      }
      draw();
    });
    events.addEventListener("error", () => void (said.textContent = "The server does not answer; trying again."));
    events.addEventListener("open", () => void (said.textContent = ""));
  }
  draw();
  mistakes.renew();
  return {
    follow: () => {},
    close: () => {
      events?.close();
      error.close();
      loss.close();
      mistakes.close();
    },
  };
}
