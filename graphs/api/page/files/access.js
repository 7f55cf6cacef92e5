/** Who may see a file or a store: everyone of the tenant, or the users and groups of its list. */

import { ask, call } from "./api.js";
import { choice, dialog, el, field, formOf, linesOf } from "./dom.js";

/** @typedef {Record<string, string[]> | null | undefined} Access `users`, `groups`; null: everyone */

/** @param {Access} access */
export function accessOf(access) {
  if (!access) return el("span", { class: "muted" }, "everyone");
  const named = Object.entries(access).flatMap(([kind, names]) => names.map((name) => (
    el("span", { class: "tag" }, `${kind.slice(0, -1)}: ${name}`)
  )));
  return named.length ? named : el("span", { class: "tag" }, "nobody");
}

/**
 * Asks who may see something; its list is read anew, since another person may have changed it.
 * @param {{path: string, name: string, question: string}} what @param {() => void} changed
 */
export async function editAccess({ path, name, question }, changed) {
  const access = /** @type {Access} */ ((await ask(path)).access);
  const users = area(access?.users);
  const groups = area(access?.groups);
  const lists = el("div", { class: "stack" }, field("Users, one a line", users),
    field("Groups, one a line", groups),
    el("p", { class: "muted" }, "Where both are empty, only keys that see everything find it."));
  const who = choice([["all", "Everyone of the tenant"], ["named", "Only these users and groups"]],
    access ? "named" : "all", show);
  function show() {
    lists.hidden = who.value === "all";
  }
  show();
  const told = el("div", {});
  const box = dialog(`Access to ${name}`, formOf("Save", [
    field(question, who), lists,
  ], told, async () => {
    const sent = who.value === "all" ? null : {
      users: linesOf(users.value), groups: linesOf(groups.value),
    };
    await call(path, { json: { access: sent } });
    box.close();
    changed();
  }));
}

/** @param {string[] | undefined} names */
function area(names) {
  const text = el("textarea", { rows: "3", spellcheck: "false" });
  text.value = (names || []).join("\n");
  return text;
}
