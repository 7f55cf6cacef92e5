/** A document as the parser read it: whole, with the cited passage marked, and as it was cut. */

import { ask, call } from "./api.js";
import { button, dialog, el, fill, problem } from "./dom.js";

/**
 * @typedef {{text: string, chunk_id: string, title: string, char_start: number,
 *   char_end: number, page?: number}} Passage
 */

/**
 * Opens a document.
 * @param {{fileId: string, filename: string, stores: string[], chunkId?: string, claim?: string,
 *   cuts?: boolean}} what
 *   `stores` are those that may hold the file; `chunkId` and `claim` tell what is marked.
 */
export async function openDocument(what) {
  const place = el("p", { class: "muted" }, "Reading…");
  const body = el("div", { class: "paper", tabindex: "0" });
  const cuts = el("input", { type: "checkbox" });
  cuts.checked = Boolean(what.cuts);
  const box = dialog(
    what.filename, place,
    el("div", { class: "row" },
      el("label", { class: "check" }, cuts, "Show how it was cut"),
      button("Download the file", () => download(what, place), { class: "quiet" })),
    body,
  );
  box.classList.add("reader");
  try {
    const passages = await passagesOf(what.fileId, what.stores);
    const at = passages.findIndex((one) => one.chunk_id === what.chunkId);
    place.textContent = whereabouts(passages, at, what.chunkId);
    const draw = () => {
      fill(body, cuts.checked ? cutText(passages, at, what.claim) : flow(passages, at, what.claim));
      const marked = body.querySelector("mark.claim") || body.querySelector("mark");
      marked?.scrollIntoView({ block: "center" });
    };
    cuts.addEventListener("change", draw);
    draw();
  } catch (error) {
    fill(body, problem(/** @type {Error} */ (error)));
    place.textContent = "";
  }
}

/**
 * The passages of a file, from the first of the stores that has it.
 * @param {string} fileId
 * @param {string[]} stores
 * @returns {Promise<Passage[]>}
 */
export async function passagesOf(fileId, stores) {
  let last = new Error("No vector store that you may read holds this file any more.");
  for (const store of stores) {
    try {
      return (await ask(`v1/vector_stores/${store}/files/${fileId}/content`)).data;
    } catch (error) {
      if (/** @type {any} */ (error).status !== 404) last = /** @type {Error} */ (error);
    }
  }
  throw last;
}

/** @param {Passage[]} passages @param {number} at @param {string} [chunkId] */
function whereabouts(passages, at, chunkId) {
  const count = `${passages.length} passage${passages.length === 1 ? "" : "s"}`;
  if (at < 0) {
    return chunkId ? `${count}. The document has changed since: the cited passage is gone.` : count;
  }
  const page = passages[at].page ? `, page ${passages[at].page}` : "";
  return `Cited: passage ${at + 1} of ${passages.length}${page}`;
}

/** @param {Passage} passage */
export function bodyOf(passage) {
  const head = `${passage.title}\n`;
  return passage.text.startsWith(head) ? passage.text.slice(head.length) : passage.text;
}

/**
 * The document as one text: what two passages share is shown once.
 * @param {Passage[]} passages @param {number} cited @param {string} [claim]
 */
function flow(passages, cited, claim) {
  const nodes = [];
  let title = "";
  passages.forEach((one, at) => {
    if (one.title !== title && one.text.startsWith(`${one.title}\n`)) {
      nodes.push(el("h3", {}, one.title));
    }
    title = one.title;
    let signs = [...bodyOf(one)]; // characters as the server counts them, not halves of pairs
    if (at > 0 && at !== cited) {
      signs = signs.slice(Math.max(0, passages[at - 1].char_end - one.char_start));
    }
    const next = passages[at + 1];
    if (next && at + 1 === cited) {
      const shared = Math.max(0, one.char_end - next.char_start);
      signs = signs.slice(0, Math.max(0, signs.length - shared));
    }
    const text = signs.join("");
    if (text.trim()) nodes.push(el("p", {}, at === cited ? marked(text, claim) : text));
  });
  return nodes;
}

/**
 * Every passage by itself.
 * @param {Passage[]} passages @param {number} cited @param {string} [claim]
 */
function cutText(passages, cited, claim) {
  return [el("ol", { class: "cuts" }, passages.map((one, at) => el("li", {},
    el("p", { class: "muted" },
      `${one.title} · characters ${one.char_start} to ${one.char_end}`,
      one.page ? ` · page ${one.page}` : ""),
    el("p", {}, at === cited ? marked(bodyOf(one), claim) : bodyOf(one)))))];
}

/**
 * A cited passage; what the answer took of it word for word stands out.
 * @param {string} text @param {string} [claim]
 */
function marked(text, claim = "") {
  const span = claim ? spanOf(text, claim) : null;
  if (!span) return el("mark", {}, text);
  const [from, to] = span;
  return el("mark", {}, text.slice(0, from), el("mark", { class: "claim" }, text.slice(from, to)),
    text.slice(to));
}

/**
 * Where a text has these words, whatever stands between them.
 * @param {string} text @param {string} claim
 * @returns {[number, number] | null}
 */
function spanOf(text, claim) {
  const words = claim.match(/[\p{L}\p{N}]+/gu);
  if (!words || words.length < 2 || words.length > 200) return null;
  const found = new RegExp(words.join("[^\\p{L}\\p{N}]+"), "iu").exec(text);
  return found && [found.index, found.index + found[0].length];
}

/** @param {{fileId: string, filename: string}} what @param {HTMLElement} place */
async function download(what, place) {
  try {
    const data = await (await call(`v1/files/${what.fileId}/content`)).blob();
    const link = el("a", { href: URL.createObjectURL(data), download: what.filename });
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    fill(place, problem(/** @type {Error} */ (error)));
  }
}
