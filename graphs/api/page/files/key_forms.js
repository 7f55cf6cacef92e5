/** What an administrator does with keys: makes one, gives one another text, ends one. */

import { ask, call, key } from "./api.js";
import { button, choice, dialog, el, field, formOf, linesOf } from "./dom.js";
import { copying } from "./snippets.js";

const DAY_S = 86_400;
const PATH = "admin/v1/keys";
const SCOPES = {
  query: "ask and search", ingest: "put documents in", admin: "keys, usage, the system",
  metrics: "read the metrics",
};
const LIMITS = {
  requests_per_min: "Requests a minute", tokens_per_min: "Tokens a minute",
  tokens_per_month: "Tokens a month", max_concurrent: "Requests at once",
};
/** @type {[string, string][]} */
const CLASSES = [["default", "default"], ["priority", "priority: served first"],
  ["flex", "flex: served when there is room"]];
/** @type {[string, string][]} */
const OVERLAPS = [["0", "no time: it ends at once"], ["3600", "1 hour"], [`${DAY_S}`, "1 day"],
  [`${7 * DAY_S}`, "7 days"], [`${30 * DAY_S}`, "30 days"]];

/** @typedef {(id: string) => void} Changed hears the id of the key, when its dialog has closed */

/** @param {Changed} changed */
export function createKey(changed) {
  const form = formOf("Create", [
    named("Name", "name", { maxlength: "256", autofocus: true }),
    el("fieldset", { class: "choices" }, el("legend", {}, "What it may do"),
      Object.entries(SCOPES).map(([scope, meaning]) => el("label", { class: "check" },
        el("input", { type: "checkbox", name: "scopes", value: scope, checked: scope === "query" }),
        el("span", {}, scope, el("span", { class: "muted" }, ` ${meaning}`))))),
    several("Or single stores, one a line: read:vs_… or write:vs_…", "stores"),
    el("div", { class: "grid" }, named("As which user it sees files", "user", { maxlength: "128" }),
      several("As a member of which groups, one a line", "groups")),
    el("div", { class: "grid" }, chosen("Class", "service_class", CLASSES, "default"),
      named("Ends after so many days; empty: with your own key", "expires_in_s",
        { type: "number", min: "1", max: "3650" })),
    el("fieldset", {}, el("legend", {}, "Limits; empty: those of the server"),
      el("div", { class: "grid" }, Object.entries(LIMITS).map(([name, label]) => (
        named(label, `limits.${name}`, { type: "number", min: "1" })
      )))),
  ], el("div", {}), async () => {
    const made = await ask(PATH, { json: bodyOf(new FormData(form)) });
    box.close();
    showText(made, changed);
  });
  const box = dialog("Create a key of your tenant", form);
}

/** @param {FormData} form */
function bodyOf(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
  const limits = Object.keys(LIMITS).map((name) => [name, Number(text(`limits.${name}`))]);
  const days = Number(text("expires_in_s"));
  return {
    name: text("name"),
    scopes: [...form.getAll("scopes"), ...linesOf(text("stores"))],
    user: text("user") || null,
    groups: linesOf(text("groups")),
    service_class: text("service_class"),
    limits: Object.fromEntries(limits.filter(([, most]) => most)),
    expires_in_s: days ? days * DAY_S : null,
  };
}

/** @param {any} one @param {Changed} changed */
export function rotateKey(one, changed) {
  const form = formOf("Rotate", [
    el("p", {}, "It gets another text; its id and all that it may stay.",
      isOwn(one.id) && " This page goes on with the new one."),
    chosen("The text before is taken for", "overlap_s", OVERLAPS, "3600"),
  ], el("div", {}), async () => {
    const overlap_s = Number(new FormData(form).get("overlap_s"));
    const made = await ask(`${PATH}/${one.id}/rotate`, { json: { overlap_s } });
    if (isOwn(one.id)) key.set(made.key);
    box.close();
    showText(made, changed);
  });
  const box = dialog(`Rotate ${one.name || one.id}?`, form);
}

/** @param {any} one @param {Changed} changed */
export function revokeKey(one, changed) {
  const box = dialog(`Revoke ${one.name || one.id}?`, formOf("Revoke", [
    el("p", {}, "It ends for good, within seconds: who uses it is refused."),
    isOwn(one.id) && el("p", { class: "problem" }, "This page itself uses it."),
  ].filter((part) => part instanceof Node), el("div", {}), async () => {
    await call(`${PATH}/${one.id}`, { method: "DELETE" });
    box.close();
    changed(one.id);
  }));
}

/**
 * Shows the text of a key, once: it lies in this dialog, and in nothing that outlives it.
 * @param {{id: string, name: string, key: string}} made @param {Changed} changed
 */
function showText({ id, name, key: secret }, changed) {
  const text = el("textarea", { readonly: true, rows: "3", class: "secret", spellcheck: "false",
    autocomplete: "off", autofocus: true, value: secret, on: { focus: () => text.select() } });
  const box = dialog(`Key ${name || id}`,
    el("p", {}, "Copy it now. It is not shown again, and nobody can read it from the server."),
    field("Key", text),
    el("div", { class: "row" }, copying("Copy", "Copy the key", () => text.value),
      button("Done", () => box.close(), { class: "primary" })));
  box.dataset.stays = "";
  box.addEventListener("close", () => {
    text.value = "";
    changed(id);
  });
}

/** Whether it is the key of this page. @param {string} id */
function isOwn(id) {
  return key.get().split("_")[1] === id;
}

/** @param {string} label @param {string} name @param {Record<string, any>} props */
function named(label, name, props) {
  return field(label, el("input", { name, autocomplete: "off", ...props }));
}

/** @param {string} label @param {string} name */
function several(label, name) {
  return field(label, el("textarea", { name, rows: "2", spellcheck: "false" }));
}

/** @param {string} label @param {string} name @param {[string, string][]} options @param {string} value */
function chosen(label, name, options, value) {
  const select = choice(options, value);
  select.name = name;
  return field(label, select);
}
