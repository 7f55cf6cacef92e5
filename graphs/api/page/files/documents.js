/** The documents: stores, uploads, what was read of each file, and search as a bench. */

import { accessOf, editAccess } from "./access.js";
import { ask, call, listed, upload } from "./api.js";
import { bench } from "./bench.js";
import { announce, button, choice, dialog, el, field, fill, formOf, problem, table } from "./dom.js";
import { typed, written } from "./filters.js";
import { openDocument } from "./reader.js";

const POLL_MS = 700;
const AT_ONCE = 3; // uploads

/** @param {HTMLElement} view */
export function showDocuments(view) {
  const store = choice([], "", () => draw());
  const files = el("div", {});
  const uploads = el("ul", { class: "uploads" });
  const told = el("div", {});
  const picker = el("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1",
    "aria-label": "Files" });
  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = "";
  });
  const drop = el("div", { class: "drop" },
    el("p", {}, el("strong", {}, "Drop files here"), " or ",
      button("choose some", () => picker.click(), { class: "link" })),
    el("p", { class: "muted" }, "PDF, Word, PowerPoint, Excel, HTML, Markdown, text, e-mail and more"),
    picker);
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take([...(event.dataTransfer?.files || [])]);
    });
  }
  let isShown = true;
  /** @type {(() => Promise<void>)[]} */
  const waiting = [];
  let numRunning = 0;

  /** @param {File[]} chosen */
  async function take(chosen) {
    await loading; // files that are dropped at once wait for the list of stores
    if (!store.value) {
      fill(told, problem(new Error("Create a store first.")));
      return;
    }
    const into = store.value;
    for (const file of chosen) waiting.push(() => send(file, into));
    while (numRunning < AT_ONCE && waiting.length) work();
  }

  async function work() {
    numRunning += 1;
    for (let next = waiting.shift(); next; next = waiting.shift()) await next();
    numRunning -= 1;
  }

  /** @param {File} file @param {string} into */
  async function send(file, into) {
    const bar = el("progress", { max: "1", value: 0, "aria-label": `Upload of ${file.name}` });
    const state = el("span", { class: "muted" }, "Uploading");
    const row = el("li", {}, el("span", { class: "name" }, file.name), bar, state);
    uploads.prepend(row);
    try {
      const sent = await upload(file, (share) => { bar.value = share; });
      bar.removeAttribute("value");
      state.textContent = "Reading";
      const done = await indexed(into, sent.id);
      bar.remove();
      if (done.status !== "completed") {
        throw new Error(done.last_error?.message || `It was ${done.status}.`);
      }
      row.classList.add("good");
      fill(state, `Ready, ${size(done.usage_bytes)}`);
      announce(`${file.name} is ready.`);
    } catch (error) {
      bar.remove();
      row.classList.add("bad");
      fill(state, /** @type {Error} */ (error).message);
      announce(`${file.name} failed: ${/** @type {Error} */ (error).message}`);
    }
    draw();
  }

  async function load() {
    const stores = await listed("v1/vector_stores");
    const chosen = store.value;
    fill(store, stores.map((one) => el("option", { value: one.id }, one.name || one.id)));
    if (stores.some((one) => one.id === chosen)) store.value = chosen;
    await draw();
  }

  let drawn = 0;
  async function draw() {
    const turn = ++drawn;
    const id = store.value;
    drop.hidden = !id;
    if (!id) return fill(files, el("p", { class: "muted" }, "There is no vector store yet."));
    try {
      const [found, uploaded] = await Promise.all([
        listed(`v1/vector_stores/${id}/files`), uploadedFiles(),
      ]);
      if (turn !== drawn || !isShown) return;
      fill(told);
      fill(files, list(id, found, uploaded));
      if (found.some((one) => one.status === "in_progress")) setTimeout(() => isShown && draw(), 2000);
    } catch (error) {
      fill(told, problem(/** @type {Error} */ (error)));
    }
  }

  /** @param {string} id @param {any[]} found @param {Map<string, any>} uploaded */
  function list(id, found, uploaded) {
    if (!found.length) return el("p", { class: "muted" }, "This store holds no files yet.");
    return table("Files of this store", ["File", "State", "Attributes", "Access", "Size", "Change"],
      found.map((file) => {
        const known = uploaded.get(file.id);
        const name = known?.filename || file.id;
        return [
          file.status === "completed" ? button(name, () => openDocument({
            fileId: file.id, filename: name, stores: [id], cuts: true,
          }), { class: "link" }) : name,
          stateOf(file), attributesOf(file.attributes), known && accessOf(known.access),
          el("span", { class: "size" }, size(file.usage_bytes)),
          el("span", { class: "row" },
            button("Attributes", () => editAttributes(id, file, name, draw), {
              class: "quiet", title: `Attributes of ${name}` }),
            button("Access", () => editAccess(file.id, name, draw).catch((error) => {
              fill(told, problem(error));
            }), { class: "quiet", title: `Access to ${name}` }),
            button("Remove", () => remove(id, file.id, name, draw), {
              class: "quiet", title: `Remove ${name}` })),
        ];
      }));
  }

  fill(view, el("h1", {}, "Documents"), told,
    el("div", { class: "row" }, field("Vector store", store),
      button("New store", () => newStore(async (id) => {
        await load();
        store.value = id;
        draw();
      }))),
    drop, uploads, files, bench(() => store.value));
  const loading = load().catch((error) => fill(told, problem(error)));
  return () => { isShown = false; };
}

/** @returns {Promise<Map<string, any>>} by their ids */
async function uploadedFiles() {
  return new Map((await listed("v1/files", 5000)).map((one) => [one.id, one]));
}

/**
 * Waits until a file is indexed or has failed.
 * @param {string} store @param {string} file
 */
async function indexed(store, file) {
  let state = await ask(`v1/vector_stores/${store}/files`, { json: { file_id: file } });
  while (state.status === "in_progress") {
    await new Promise((wake) => { setTimeout(wake, POLL_MS); });
    state = await ask(`v1/vector_stores/${store}/files/${file}`);
  }
  return state;
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

/** @param {number} bytes */
function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {(id: string) => void} made */
function newStore(made) {
  const name = el("input", { maxlength: "256", required: true });
  const told = el("div", {});
  const box = dialog("New vector store", formOf("Create", [field("Name", name)], told, async () => {
    const store = await ask("v1/vector_stores", { json: { name: name.value.trim() } });
    box.close();
    made(store.id);
  }));
}

/** @param {string} store @param {any} file @param {string} name @param {() => void} changed */
function editAttributes(store, file, name, changed) {
  const text = el("textarea", { rows: "5", spellcheck: "false" });
  text.value = Object.entries(file.attributes || {})
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
    await call(`v1/vector_stores/${store}/files/${file.id}`, { json: { attributes } });
    box.close();
    changed();
  }));
}

/** @param {string} store @param {string} file @param {string} name @param {() => void} changed */
function remove(store, file, name, changed) {
  const told = el("div", {});
  const box = dialog(`Remove ${name}?`, formOf("Remove", [
    el("p", {}, "Its passages are no longer found in this store. The uploaded file stays."),
  ], told, async () => {
    await call(`v1/vector_stores/${store}/files/${file}`, { method: "DELETE" });
    box.close();
    changed();
  }));
}
