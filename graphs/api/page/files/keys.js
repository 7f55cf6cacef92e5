/** Keys and usage, for those whose key may see them. */

import { ask } from "./api.js";
import { el, fill, problem, table } from "./dom.js";

const NONE = "–";

/** @param {HTMLElement} view */
export function showKeys(view) {
  const keys = el("div", {}, el("p", { class: "muted" }, "Loading…"));
  const usage = el("div", {});
  fill(view, el("h1", {}, "Keys and usage"), el("h2", {}, "Keys"), keys, el("h2", {}, "Usage"), usage);
  show("admin/v1/keys", keys, "Keys", "This server has no keys: whoever reaches it may use it.");
  show("admin/v1/usage", usage, "Usage", "This server counts no usage by key.");
}

/** @param {string} path @param {Element} place @param {string} caption @param {string} none */
async function show(path, place, caption, none) {
  try {
    const rows = (await ask(path)).data;
    fill(place, rows.length ? rowsOf(caption, rows) : el("p", { class: "muted" }, "None yet."));
  } catch (error) {
    const failed = /** @type {any} */ (error);
    fill(place, failed.status === 404 ? el("p", { class: "muted" }, none) : problem(failed));
  }
}

/** @param {string} caption @param {any[]} rows */
function rowsOf(caption, rows) {
  // What no row has says nothing.
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => (
    name !== "object" && rows.some((row) => shown(name, row[name]) !== NONE)
  ));
  return table(caption, names.map((one) => one.replace(/^num_/, "").replaceAll("_", " ")), rows.map((row) => (
    names.map((name) => shown(name, row[name]))
  )));
}

/** @param {string} name @param {unknown} value */
function shown(name, value) {
  if (value === null || value === undefined || value === "") return NONE;
  if (/_(at|until)$/.test(name) && typeof value === "number") return new Date(value * 1000).toLocaleString();
  if (Array.isArray(value)) return value.join(", ") || NONE;
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([part, one]) => `${part}: ${one}`).join(", ") || NONE;
}
