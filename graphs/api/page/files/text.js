/** Answers as elements: paragraphs, lists, code, and a button for each marker of a source. */

import { el } from "./dom.js";

const INLINE = /\[(\d{1,3})\]|\*\*([^*\n]+)\*\*|`([^`\n]+)`/g;
const ITEM = /^\s*(?:[-*•]|\d{1,3}[.)])\s+/;
const NUMBERED = /^\s*\d/;

/**
 * @param {string} text
 * @param {(number: number, claim: string) => Node | null} marker makes what stands for `[n]`; null
 *   where there is no such source. `claim` is the text before it that it vouches for.
 * @returns {Node[]}
 */
export function answerNodes(text, marker) {
  const nodes = [];
  const parts = text.split(/^```.*$/m);
  parts.forEach((part, at) => {
    if (at % 2) nodes.push(el("pre", {}, el("code", {}, part.replace(/^\n|\n$/g, ""))));
    else nodes.push(...blocks(part, marker));
  });
  return nodes;
}

/** @param {string} text @param {Parameters<typeof answerNodes>[1]} marker */
function blocks(text, marker) {
  /** @type {any[]} */
  const nodes = [];
  /** @type {string[]} */
  let lines = [];
  /** @type {any} */
  let list = null;
  const flush = () => {
    if (lines.length) nodes.push(el("p", {}, inline(lines.join("\n"), marker)));
    lines = [];
  };
  for (const line of text.split("\n")) {
    if (ITEM.test(line)) {
      flush();
      const tag = NUMBERED.test(line) ? "ol" : "ul";
      if (list?.localName !== tag) nodes.push(list = el(tag, {}));
      list.append(el("li", {}, inline(line.replace(ITEM, ""), marker)));
    } else if (line.trim()) {
      list = null;
      lines.push(line.replace(/^#{1,6}\s+/, ""));
    } else {
      flush();
    }
  }
  flush();
  return nodes;
}

/** @param {string} text @param {Parameters<typeof answerNodes>[1]} marker */
function inline(text, marker) {
  const nodes = [];
  let from = 0;
  let claimed = 0;
  for (const found of text.matchAll(INLINE)) {
    // A marker stays on the line of its last word.
    const before = text.slice(from, found.index);
    nodes.push(found[1] ? before.replace(/ $/, "\u00a0") : before);
    from = found.index + found[0].length;
    if (found[1]) {
      const claim = text.slice(claimed, found.index).replace(INLINE, "").trim();
      nodes.push(marker(Number(found[1]), claim) || found[0]);
      // Markers side by side vouch for the same words.
      if (!/^\s*\[\d/.test(text.slice(from))) claimed = from;
    } else {
      nodes.push(found[2] ? el("strong", {}, found[2]) : el("code", {}, found[3]));
    }
  }
  return [...nodes, text.slice(from)];
}
