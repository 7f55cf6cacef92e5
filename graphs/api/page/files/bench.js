/** Search as a bench: one query, the same store, four ways side by side. */

import { ask } from "./api.js";
import { el, fill, problem } from "./dom.js";
import { filterRows } from "./filters.js";

const WAYS = [
  { name: "Meaning", told: "dense vectors", rag: { mode: "dense" }, ranker: "none" },
  { name: "Words", told: "BM25", rag: { mode: "lexical" }, ranker: "none" },
  { name: "Both", told: "fused ranks", rag: { mode: "hybrid" }, ranker: "none" },
  { name: "Reranked", told: "by the reranker", rag: { mode: "hybrid" }, ranker: "auto" },
];

/** @param {() => string} store */
export function bench(store) {
  const query = el("input", { type: "search", "aria-label": "Query", placeholder: "Search this store" });
  const filters = filterRows();
  let turn = 0;
  const columns = el("div", { class: "columns" });
  const form = el("form", {
    on: {
      submit: (/** @type {Event} */ event) => {
        event.preventDefault();
        if (query.value.trim() && store()) run(query.value.trim());
      },
    },
  }, el("div", { class: "row" }, query, el("button", { type: "submit" }, "Search")),
  el("details", { class: "options" }, el("summary", {}, "Filter"), filters.node));

  /** @param {string} text */
  async function run(text) {
    turn += 1;
    const [own, filter] = [turn, filters.value()];
    fill(columns, el("p", { class: "muted" }, "Searching…"));
    const found = await Promise.all(WAYS.map((way) => search(store(), text, way, filter)));
    if (own !== turn) return; // another search has begun since
    const best = found[3].hits?.map((/** @type {any} */ one) => one.chunk_id) || [];
    fill(columns, WAYS.map((way, at) => column(way, found[at], best)));
  }

  return el("section", { class: "bench", "aria-labelledby": "bench-title" },
    el("h2", { id: "bench-title" }, "Search bench"),
    el("p", { class: "muted" }, "The same query in four ways. The coloured number is the place ",
      "that the reranker gives the passage."), form, columns);
}

/** @param {string} store @param {string} query @param {typeof WAYS[number]} way @param {any} filters */
async function search(store, query, way, filters) {
  const began = performance.now();
  try {
    const page = await ask(`v1/vector_stores/${store}/search`, {
      json: {
        query, filters, max_num_results: 8, rag: way.rag, ranking_options: { ranker: way.ranker },
      },
    });
    return { hits: page.data, ms: performance.now() - began, degraded: page.degraded };
  } catch (error) {
    return { error: /** @type {Error} */ (error) };
  }
}

/** @param {typeof WAYS[number]} way @param {any} found @param {string[]} best */
function column(way, found, best) {
  const title = el("h3", {}, way.name, " ", el("span", { class: "muted" }, way.told));
  if (found.error) return el("div", {}, title, problem(found.error));
  return el("div", {}, title,
    el("p", { class: "muted" }, `${found.hits.length} hits, ${Math.round(found.ms)} ms`,
      found.degraded && ` · left out: ${found.degraded.join(", ")}`),
    el("ol", { class: "hits" }, found.hits.map((/** @type {any} */ hit) => {
      const place = best.indexOf(hit.chunk_id) + 1;
      return el("li", { class: "card" },
        el("p", { class: "muted" }, place > 0 && el("span", { class: `place p${Math.min(place, 4)}` },
          place), ` ${hit.score.toFixed(3)} · ${hit.filename}`),
        el("p", { class: "excerpt" }, hit.passage));
    })));
}
