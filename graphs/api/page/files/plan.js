/** What `serve deploy` of a config would change. It is compared with what runs, and not deployed. */

import { ask } from "./api.js";
import { announce, button, el, field, fill, problem, table } from "./dom.js";

export function planForm() {
  const input = el("textarea", { rows: "6", spellcheck: "false", maxlength: "100000" });
  const file = el("input", { type: "file", accept: ".yaml,.yml", on: { change: read } });
  const told = el("div", {});

  async function read() {
    const [chosen] = /** @type {HTMLInputElement} */ (file).files || [];
    if (!chosen) return;
    /** @type {HTMLTextAreaElement} */ (input).value = await chosen.text();
    await compare();
  }

  async function compare() {
    const config = /** @type {HTMLTextAreaElement} */ (input).value;
    try {
      fill(told, result(await ask("admin/v1/system/plan", { json: { config } })));
    } catch (error) {
      fill(told, problem(/** @type {any} */ (error)));
    }
  }

  return el("details", { class: "plan" },
    el("summary", {}, "What would a deploy change?"),
    el("p", { class: "muted" }, "A Serve config is compared with what runs. Nothing is deployed."),
    el("div", { class: "stack" }, field("Config (YAML)", input), field("Or a file", file),
      el("div", { class: "row" }, button("Compare", compare, { class: "primary" }))),
    told);
}

/** @param {any} plan */
function result(plan) {
  if (plan.faults.length) {
    announce("The config would be refused.");
    return el("ul", { class: "faults", "aria-label": "Faults" },
      plan.faults.map((/** @type {string} */ one) => el("li", { class: "problem" }, one)));
  }
  announce(`${plan.changes.length} changes.`);
  if (!plan.changes.length) return el("p", {}, "Nothing: this config runs already.");
  return table("Changes", ["Where", "Key", "A deploy", "Meanwhile"],
    plan.changes.map((/** @type {any} */ one) => [
      one.where, el("code", {}, one.key),
      el("span", { class: `badge ${one.effect === "in place" ? "good" : "bad"}` }, one.effect),
      one.told || "–",
    ]));
}
