/** The files of a store: what was read of each, their attributes, who sees them; changed here. */

import { accessOf, editAccess } from "./access.js";
import { ask, call, isPassing, listed } from "./api.js";
import { button, dialog, el, field, fill, formOf, problem, table } from "./dom.js";
import { typed, written } from "./filters.js";
import { openDocument } from "./reader.js";
import { renew } from "./renew.js";
import { size } from "./uploads.js";

const PAGE = 100;
const POLL_MS = 2000;

/**
 * Draws the files of a store, now and while some of them are read: by one timer, whoever asks.
 * @param {() => string} store
 * @param {HTMLElement} files @param {HTMLElement} told places of the table and of errors
 * @param {HTMLElement} choose has the focus where the table has nothing left for it
 */
export function filesOf(store, files, told, choose) {
  let [shown, most, turn, timer, due] = ["", PAGE, 0, 0, Infinity];
  let isLeft = false;

  async function draw() {
    stop();
    if (isLeft) return;
    const [own, id] = [++turn, store()];
    if (id !== shown) [shown, most] = [id, PAGE];
    if (!id) return renew(files, el("p", { class: "muted" }, "There is no vector store yet."));
    try {
      const found = await listed(`v1/vector_stores/${id}/files`, most);
      if (own !== turn || isLeft) return;
      fill(told);
      put(id, found);
      if (found.items.some((one) => one.status === "in_progress")) later(POLL_MS);
    } catch (error) {
      if (own !== turn || isLeft) return;
      const failed = /** @type {Error} */ (error);
      if (told.textContent !== failed.message) fill(told, problem(failed));
      if (isPassing(failed)) later(POLL_MS);
    }
  }

  /** Draws so soon, or sooner where that is settled already. @param {number} ms */
  function later(ms) {
    const at = performance.now() + ms;
    if (at >= due) return;
    stop();
    due = at;
    timer = setTimeout(draw, ms);
  }

  function stop() {
    clearTimeout(timer);
    due = Infinity;
  }

  /** @param {string} id @param {{items: any[], hasMore: boolean}} found */
  function put(id, { items, hasMore }) {
    const row = document.activeElement?.closest("tr");
    const at = row && files.contains(row) ? row.sectionRowIndex : -1;
    const rest = el("p", { class: "muted cut" }, `The newest ${items.length} files are listed. `,
      button("Show more files", more, { class: "link" }));
    renew(files, items.length ? list(id, items, { draw, removed, told })
      : el("p", { class: "muted" }, "This store holds no files yet."), hasMore && rest);
    if (at >= 0) refocus(at);
  }

  async function more() {
    most += PAGE;
    const count = files.querySelectorAll("tbody tr").length;
    await draw();
    refocus(count); // where the button is gone
  }

  /** @param {number} at the row that was removed */
  async function removed(at) {
    await draw();
    refocus(at);
  }

  /** Gives a lost focus to what stands in that row now. @param {number} at */
  function refocus(at) {
    if (document.activeElement !== document.body) return;
    const rows = [...files.querySelectorAll("tbody tr")];
    const controls = rows[Math.min(at, rows.length - 1)]?.querySelectorAll("button");
    /** @type {HTMLElement} */ ([...controls || []].pop() || choose).focus();
  }

  const leave = () => {
    stop();
    isLeft = true;
  };
  return { draw, later, leave };
}

/**
 * @param {string} store @param {any[]} found
 * @param {{draw: () => void, removed: (at: number) => void, told: HTMLElement}} after
 */
function list(store, found, { draw, removed, told }) {
  const failed = (/** @type {Error} */ error) => fill(told, problem(error));
  return table("Files of this store", ["File", "State", "Attributes", "Access", "Size", "Change"],
    found.map((file) => {
      const { id, filename: name = id } = file;
      return [
        file.status === "completed" ? button(name, () => openDocument({
          fileId: id, filename: name, stores: [store], cuts: true,
        }), { class: "link" }) : name,
        stateOf(file), attributesOf(file.attributes), accessOf(file.access),
        el("span", { class: "size" }, size(file.usage_bytes)),
        el("span", { class: "row" },
          button("Attributes", () => editAttributes(store, id, name, draw).catch(failed), {
            class: "quiet", title: `Attributes of ${name}` }),
          button("Access", () => editAccess({
            path: `v1/files/${id}`, name, question: "Who may see it, in every store",
          }, draw).catch(failed), { class: "quiet", title: `Access to ${name}` }),
          button("Remove", () => remove(store, id, name, removed), {
            class: "quiet", title: `Remove ${name}` })),
      ];
    }), found.map(({ id, filename }) => `${store} ${id} ${filename}`));
}

/** @param {any} file */
function stateOf(file) {
  if (file.status === "completed") return el("span", { class: "badge good" }, "ready");
  if (file.status === "in_progress") return el("span", { class: "badge" }, "reading");
  return el("span", {}, el("span", { class: "badge bad" }, file.status), " ",
    el("span", { class: "reason" }, file.last_error?.message));
}

/** @param {Record<string, unknown> | null} attributes */
function attributesOf(attributes) {
  return Object.entries(attributes || {}).map(([name, value]) => el("span", { class: "tag" },
    `${name}: ${value}`));
}

/**
 * Asks for the attributes of a file; they are read anew, since another person may have changed them.
 * @param {string} store @param {string} id @param {string} name @param {() => void} changed
 */
async function editAttributes(store, id, name, changed) {
  const path = `v1/vector_stores/${store}/files/${id}`;
  const text = el("textarea", { rows: "5", spellcheck: "false" });
  text.value = Object.entries((await ask(path)).attributes || {})
    .map(([key, one]) => `${key}: ${written(one)}`).join("\n");
  const told = el("div", {});
  const box = dialog(`Attributes of ${name}`, formOf("Save", [
    field("One a line, such as “year: 2026” or “code: \"007\"”. Filters of questions ask for them.", text),
  ], told, async () => {
    const lines = text.value.split("\n").filter((/** @type {string} */ line) => line.trim());
    const attributes = Object.fromEntries(lines.map((/** @type {string} */ line) => {
      const at = [line.indexOf(": "), line.indexOf(":")].find((one) => one > 0) || 0;
      if (at < 1) throw new Error(`“${line.trim()}” has no colon between name and value.`);
      return [line.slice(0, at).trim(), typed(line.slice(at + 1).trim())];
    }));
    await call(path, { json: { attributes } });
    box.close();
    changed();
  }));
}

/** @param {string} store @param {string} file @param {string} name @param {(at: number) => void} removed */
function remove(store, file, name, removed) {
  const at = document.activeElement?.closest("tr")?.sectionRowIndex || 0;
  const told = el("div", {});
  const box = dialog(`Remove ${name}?`, formOf("Remove", [
    el("p", {}, "Its passages are no longer found in this store. The uploaded file stays."),
  ], told, async () => {
    await call(`v1/vector_stores/${store}/files/${file}`, { method: "DELETE" });
    box.close();
    removed(at);
  }));
}
