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
  const whole = Math.max(1, ...spans.map((one) => one.start + one.ms));
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
 * @typedef {{name: string, start: number, ms: number, depth: number, error?: string}} Span
 */

/**
 * The stages with their places in time, each below the one that it is part of; where only sums are
 * told, one after the other.
 * @param {any} rag
 * @returns {Span[]}
 */
function spansOf(rag) {
  if (rag.spans?.length) return flat(rag.spans, 0);
  let at = 0;
  return Object.entries(rag.timings || {}).map(([name, took]) => {
    const ms = Number(took);
    at += ms;
    return { name, start: at - ms, ms, depth: 0 };
  });
}

/** @param {any[]} spans @param {number} depth @returns {Span[]} */
function flat(spans, depth) {
  return spans.flatMap((one) => [
    { name: one.stage, start: one.start_ms, ms: one.latency_ms, depth, error: one.error },
    ...flat(one.below || [], depth + 1),
  ]);
}

/** @param {Span} one @param {number} whole ms */
function span(one, whole) {
  const bar = el("span", { class: one.error ? "bar bad" : "bar" });
  bar.style.setProperty("--from", String(one.start / whole));
  bar.style.setProperty("--share", String(one.ms / whole));
  const name = /** @type {Record<string, string>} */ (NAMES)[one.name] || one.name;
  const stage = el("span", { class: "stage" }, name, one.error && ` (${one.error})`);
  stage.style.setProperty("--depth", String(one.depth));
  return el("li", {}, stage, el("span", { class: "track" }, bar),
    el("span", { class: "ms" }, `${Math.round(one.ms)} ms`));
}
