/** Keys and usage, for those whose key may see them: keys are made, rotated and revoked here. */

import { ask, key } from "./api.js";
import { button, el, fill, problem, table } from "./dom.js";
import { createKey, revokeKey, rotateKey } from "./key_forms.js";

/** @typedef {import("./dom.js").Child} Child */

const NONE = "–";
const CALLED = ["name", "id", "status"];

/** @param {HTMLElement} view */
export function showKeys(view) {
  const keys = el("div", {}, el("p", { class: "muted" }, "Loading…"));
  const usage = el("div", {});
  const make = button("Create a key", () => createKey(changed), { class: "primary" });
  const making = el("div", { class: "row making", hidden: true }, make,
    !key.get() && el("p", { class: "muted" }, "This server asks for no key. Those made here count ",
      "once its settings want keys."));

  async function draw() {
    making.hidden = !await show("admin/v1/keys", keys, (rows) => rowsOf("Keys", rows, changes),
      "This server has no keys: whoever reaches it may use it.");
  }

  /** @param {string} id */
  async function changed(id) {
    await draw();
    if (document.activeElement !== document.body) return;
    // The button that had the focus is gone with the table that it stood in.
    (keys.querySelector(`[data-key="${id}"]`) || make).focus();
  }

  /** @param {any} one */
  function changes(one) {
    if (one.status === "revoked") return NONE;
    const called = one.name || one.id;
    const isToken = one.id.startsWith("jwt-"); // its identity provider renews it
    return el("span", { class: "row" },
      !isToken && button("Rotate", () => rotateKey(one, changed), {
        class: "quiet", title: `Rotate ${called}`, "data-key": one.id }),
      button("Revoke", () => revokeKey(one, changed), {
        class: "quiet", title: `Revoke ${called}` }));
  }

  fill(view, el("h1", {}, "Keys and usage"), el("h2", {}, "Keys"), making, keys,
    el("h2", {}, "Usage"), usage);
  draw();
  show("admin/v1/usage", usage, (rows) => rowsOf("Usage", rows),
    "This server counts no usage by key.");
}

/**
 * Shows the rows of a route, and tells whether it gave them.
 * @param {string} path @param {Element} place @param {(rows: any[]) => Node} shape
 * @param {string} none
 */
async function show(path, place, shape, none) {
  try {
    const rows = (await ask(path)).data;
    fill(place, rows.length ? shape(rows) : el("p", { class: "muted" }, "None yet."));
    return true;
  } catch (error) {
    const failed = /** @type {any} */ (error);
    fill(place, failed.status === 404 ? el("p", { class: "muted" }, none) : problem(failed));
    return false;
  }
}

/**
 * @param {string} caption @param {any[]} rows
 * @param {(row: any) => Child} [changes] what can be done with a row, beside what it is called
 */
function rowsOf(caption, rows, changes) {
  // What no row has says nothing.
  const had = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => (
    name !== "object" && rows.some((row) => shown(name, row[name]) !== NONE)
  ));
  const first = changes ? CALLED.filter((name) => had.includes(name)) : [];
  const names = [...first, ...had.filter((name) => !first.includes(name))];
  const head = names.map((one) => one.replace(/^num_/, "").replaceAll("_", " "));
  /** @type {Child[][]} */
  const cells = rows.map((row) => names.map((name) => shown(name, row[name])));
  if (changes) {
    head.splice(first.length, 0, "Change");
    rows.forEach((row, at) => cells[at].splice(first.length, 0, changes(row)));
  }
  return table(caption, head, cells);
}

/** @param {string} name @param {unknown} value */
function shown(name, value) {
  if (value === null || value === undefined || value === "") return NONE;
  if (/_(at|until)$/.test(name) && typeof value === "number") return new Date(value * 1000).toLocaleString();
  if (Array.isArray(value)) return value.join(", ") || NONE;
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([part, one]) => `${part}: ${one}`).join(", ") || NONE;
}
