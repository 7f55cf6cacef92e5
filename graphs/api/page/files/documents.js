/** The documents: stores and who may see them, uploads, their files, and search as a bench. */

import { accessOf, editAccess } from "./access.js";
import { ask } from "./api.js";
import { bench } from "./bench.js";
import { button, dialog, el, field, fill, formOf, problem } from "./dom.js";
import { filesOf } from "./store_files.js";
import { storeChoice } from "./stores.js";
import { uploadsOfTab } from "./uploads.js";

const SOON_MS = 200;

/** @param {HTMLElement} view */
export function showDocuments(view) {
  const stores = storeChoice({ changed: show });
  const files = el("div", {});
  const told = el("div", {});
  const seen = el("p", { class: "muted seen" });
  const uploads = uploadsOfTab();
  const { drop, choose } = dropArea(take);
  const { draw, later, leave } = filesOf(() => stores.value(), files, told, choose);
  uploads.heard = () => later(SOON_MS);

  /** @param {File[]} chosen */
  async function take(chosen) {
    await loading; // files that are dropped at once wait for the list of stores
    if (stores.value()) uploads.take(chosen, stores.value());
    else fill(told, problem(new Error("Create a store first.")));
  }

  async function load() {
    await stores.load();
    await show();
  }

  function show() {
    const store = stores.chosen();
    drop.hidden = access.hidden = !store;
    fill(seen, store && "This store is seen by: ", store && accessOf(store.access));
    return draw();
  }

  const access = button("Access", () => {
    const { id, name } = stores.chosen();
    editAccess({
      path: `v1/vector_stores/${id}`, name: `the store ${name || id}`,
      question: "Who may see the store and search it",
    }, load).catch((error) => fill(told, problem(error)));
  }, { title: "Access to this store", hidden: true });

  fill(view, el("h1", {}, "Documents"), told,
    el("div", { class: "row top-row" }, stores.node, access,
      button("New store", () => newStore(async (id) => {
        await stores.load();
        stores.choose(id);
        await show();
      }))), seen,
    drop, uploads.node, files, bench(() => stores.value()));
  const loading = load().catch((error) => fill(told, problem(error)));
  return () => {
    uploads.heard = () => {};
    leave();
  };
}

/** Where files are dropped or chosen. @param {(files: File[]) => void} take */
function dropArea(take) {
  const picker = el("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1",
    "aria-label": "Files" });
  picker.addEventListener("change", () => {
    take([...picker.files]);
    picker.value = "";
  });
  const choose = button("choose some", () => picker.click(), { class: "link" });
  const drop = el("div", { class: "drop" },
    el("p", {}, el("strong", {}, "Drop files here"), " or ", choose),
    el("p", { class: "muted" }, "PDF, Word, PowerPoint, Excel, HTML, Markdown, text, e-mail and more"),
    picker);
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take([...(event.dataTransfer?.files || [])]);
    });
  }
  return { drop, choose };
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
