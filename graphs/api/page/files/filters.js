/** Which files take part: rows of attribute, comparison and value. */

import { button, choice, el } from "./dom.js";

/** @type {[string, string][]} */
const COMPARISONS = [["eq", "is"], ["ne", "is not"], ["gt", ">"], ["gte", "≥"], ["lt", "<"], ["lte", "≤"]];

/** Rows that a person fills in; `value` gives the filter that they mean, or undefined. */
export function filterRows() {
  const rows = el("div", { class: "stack" });
  const node = el("fieldset", {}, el("legend", {}, "Only files whose attributes are"), rows,
    button("Add a condition", () => add(), { class: "quiet" }));

  function add() {
    const name = el("input", { placeholder: "attribute", "aria-label": "Attribute" });
    const comparison = choice(COMPARISONS, "eq");
    comparison.setAttribute("aria-label", "Comparison");
    const value = el("input", { placeholder: "value", "aria-label": "Value" });
    const row = el("div", { class: "row filter" }, name, comparison, value,
      button("×", () => row.remove(), { class: "quiet", title: "Remove this condition" }));
    rows.append(row);
    name.focus();
  }

  function value() {
    const filters = [...rows.children].map((row) => {
      const [name, comparison, text] = [...row.children].map((one) => /** @type {any} */ (one).value);
      return name.trim() && { type: comparison, key: name.trim(), value: typed(text.trim()) };
    }).filter(Boolean);
    if (!filters.length) return undefined;
    return filters.length === 1 ? filters[0] : { type: "and", filters };
  }

  return { node, value };
}

/**
 * The value of an attribute as it is meant: true, false, a number, or a text, which may be quoted.
 * @param {string} text
 */
export function typed(text) {
  if (text === "true" || text === "false") return text === "true";
  if (/^"(?:[^"\\]|\\.)*"$/.test(text)) {
    try { return JSON.parse(text); } catch { return text; }
  }
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/**
 * Writes a value so that `typed` reads the same.
 * @param {string | number | boolean} value
 */
export function written(value) {
  return typeof value === "string" && typed(value.trim()) !== value ? JSON.stringify(value) : `${value}`;
}
