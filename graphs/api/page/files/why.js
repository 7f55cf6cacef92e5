/** Why an answer is as it is: what was searched for, and the stages in time. */

import { el } from "./dom.js";

/** Names of stages for people; any other is shown as it is called. */
const NAMES = {
  check_question: "Safety of the question", condense: "Question made whole",
  retrieve: "Search", embed: "Embedding", search: "Search in the index", rerank: "Reranking",
  quote: "Choosing what is quoted", pack: "Packing the prompt", generate: "Writing",
  check_answer: "Safety of the answer", focus: "Choosing sentences", expand: "Other wordings", judge: "Judging",
};

/**
 * @param {import("./answer.js").Told} told
 */
export function timeline(told) {
  const { rag, usage, degraded } = told;
  const spans = spansOf(rag);
  const whole = Math.max(1, ...spans.map((one) => one.end));
  return el("details", { class: "why" },
    el("summary", {}, "Why this answer"),
    el("dl", {},
      fact("Searched for", rag.search_query || "nothing: the question needed no search"),
      fact("Passages read", String(told.citations.length)),
      usage && fact("Tokens", `${usage.prompt_tokens} read, ${usage.completion_tokens} written`),
      degraded.length > 0 && fact("Left out", degraded.join(", ")),
      rag.num_migrations > 0 && fact("Moved to another replica", `${rag.num_migrations} times`)),
    el("ol", { class: "spans" }, spans.map((one) => span(one, whole))));
}

/** @param {string} name @param {string} value */
function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

/**
 * The stages with their places in time; where only sums are told, one after the other.
 * @param {any} rag
 * @returns {{name: string, start: number, end: number}[]}
 */
function spansOf(rag) {
  if (Array.isArray(rag.spans)) {
    return rag.spans.map((/** @type {any} */ one) => (
      { name: one.stage, start: one.start_ms, end: one.end_ms }
    )).sort((/** @type {any} */ a, /** @type {any} */ b) => a.start - b.start);
  }
  let at = 0;
  return Object.entries(rag.timings || {}).map(([name, ms]) => (
    { name, start: at, end: at += Number(ms) }
  ));
}

/** @param {{name: string, start: number, end: number}} one @param {number} whole ms */
function span(one, whole) {
  const bar = el("span", { class: "bar" });
  bar.style.setProperty("--from", String(one.start / whole));
  bar.style.setProperty("--share", String((one.end - one.start) / whole));
  const name = /** @type {Record<string, string>} */ (NAMES)[one.name] || one.name;
  return el("li", {}, el("span", { class: "stage" }, name), el("span", { class: "track" }, bar),
    el("span", { class: "ms" }, `${Math.round(one.end - one.start)} ms`));
}
