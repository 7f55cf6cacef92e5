/** The page: which view is shown, and the key of this session. */

import { key } from "./api.js";
import { showAsk } from "./ask.js";
import { showDocuments } from "./documents.js";
import { button, dialog, el, field, fill } from "./dom.js";
import { showKeys } from "./keys.js";
import { showSystem } from "./system.js";
import { forgetUploads } from "./uploads.js";

/** @type {Record<string, [string, (main: HTMLElement) => (() => void) | void]>} */
const VIEWS = {
  ask: ["Ask", showAsk],
  documents: ["Documents", showDocuments],
  system: ["System", showSystem],
  keys: ["Keys and usage", showKeys],
};

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {Map<string, HTMLElement>} views keep what is in them while another one is shown */
const shown = new Map();
let leave = () => {};

function show() {
  const hash = location.hash.slice(1);
  if (hash === "main") return main.focus();
  const name = hash in VIEWS ? hash : "ask";
  leave();
  leave = () => {};
  const [title, make] = VIEWS[name];
  document.title = `${title} · Ragfleet`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = shown.get(name) || el("section", { class: `view ${name}` });
  fill(main, view);
  if (name !== "ask" || !shown.has(name)) leave = make(view) || leave;
  shown.set(name, view);
}

function askForKey() {
  const input = el("input", {
    type: "password", value: key.get(), autocomplete: "off", spellcheck: "false",
  });
  const box = dialog(
    "API key",
    el("p", {}, "Requests of this page carry it. It is kept until this tab is closed, and ",
      "nowhere else. A server without keys needs none."),
    el("form", {
      class: "stack",
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          keep(input.value.trim());
        },
      },
    }, field("Key", input), el("div", { class: "row" },
      el("button", { type: "submit", class: "primary" }, "Use this key"),
      button("Forget it", () => keep("")))),
  );
  /** @param {string} value */
  function keep(value) {
    key.set(value);
    box.close();
    tellKey();
    shown.clear();
    forgetUploads();
    show();
  }
}

/** A file that is dropped beside its place would be opened instead of this page. @param {DragEvent} event */
function keepPage(event) {
  const over = /** @type {Element} */ (event.target);
  const isFile = event.dataTransfer?.types.includes("Files");
  if (!isFile || event.defaultPrevented || over.matches?.("input[type=file]")) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}

function tellKey() {
  const control = /** @type {HTMLElement} */ (document.getElementById("key-button"));
  control.textContent = key.get() ? "API key set" : "API key";
}

document.getElementById("key-button")?.addEventListener("click", askForKey);
for (const name of ["dragover", "drop"]) addEventListener(name, keepPage);
addEventListener("hashchange", show);
tellKey();
show();
