/** The running system: deployments, replicas, nodes, and what changes as it does. Read only. */

import { ask, call, events } from "./api.js";
import { el, fill, problem, table } from "./dom.js";
import { changes, leaving } from "./changes.js";
import { planForm } from "./plan.js";
import { renew } from "./renew.js";

const MOST_CHANGES = 100;

/** @param {HTMLElement} view */
export function showSystem(view) {
  const told = el("div", {});
  const state = el("p", { class: "muted" }, "Connecting…");
  const alarms = el("ul", { class: "alarms", "aria-label": "Alarms" });
  const graph = el("div", { class: "graph" });
  const nodes = el("div", {});
  const answers = el("div", {});
  const log = el("ol", { class: "changes" });
  // What was before this view is not read out.
  const live = el("div", { role: "log", "aria-live": "off", "aria-label": "What has changed",
    tabindex: "0" }, log);
  const stopped = new AbortController();
  /** @type {any} */
  let last = null;
  const toldMoves = new Set();

  /** @param {any} system */
  function take(system) {
    state.textContent = `As of ${time(system.created_at)}. ${system.running} request${
      system.running === 1 ? "" : "s"} at this Gateway, ${system.tokens_per_s.toFixed(1)} tokens/s of all.`;
    renew(alarms, system.alarms.map(alarm));
    renew(graph, system.deployments.map(card), !system.deployments.length
      && el("p", { class: "muted" }, "Serve tells nothing of its deployments yet."));
    renew(nodes, nodeTable(system));
    renew(answers, answerTable(system.answers));
    if (last) live.setAttribute("aria-live", "polite");
    for (const change of changes(last, system, toldMoves)) {
      log.prepend(el("li", { class: change.kind },
        el("time", {}, time(change.at ?? system.created_at)), " ", change.text));
    }
    while (log.children.length > MOST_CHANGES) log.lastElementChild?.remove();
    last = system;
  }

  async function follow() {
    while (!stopped.signal.aborted) {
      try {
        if (!last) take(await ask("admin/v1/system", { signal: stopped.signal }));
        const reply = await call("admin/v1/system/events", { signal: stopped.signal });
        fill(told);
        for await (const { data } of events(reply)) take(JSON.parse(data));
        continue; // a stream ends now and then, so that no Gateway waits for it
      } catch (error) {
        if (stopped.signal.aborted) return;
        const failed = /** @type {any} */ (error);
        fill(told, problem(failed));
        if ([401, 403, 404].includes(failed.status)) {
          state.textContent = "";
          return;
        }
      }
      state.textContent = "The connection broke off; trying again…";
      await new Promise((wake) => { setTimeout(wake, 2000); });
    }
  }

  fill(view, el("h1", {}, "System"), told, state, alarms,
    el("h2", { class: "unseen" }, "Deployments"), graph,
    el("h2", {}, "What has changed"), live,
    planForm(),
    el("h2", {}, "Nodes"), nodes,
    el("h2", {}, "Last answers and searches"), answers);
  follow();
  return () => stopped.abort();
}

/** @param {any} one */
function alarm(one) {
  return el("li", { class: one.severity === "page" ? "bad" : "" },
    el("strong", {}, one.where), `: ${one.says}`);
}

/** @param {any} one */
function queue(one) {
  const room = one.max_waiting ? ` of ${one.max_waiting}` : "";
  return `${one.working} call${one.working === 1 ? "" : "s"} in work (${one.slots} slots a replica), ${
    one.waiting}${room} waiting`;
}

/** @param {any} one */
function card(one) {
  const running = one.replicas.filter((/** @type {any} */ replica) => replica.state === "RUNNING");
  const isWell = one.status === "HEALTHY" && running.length >= 1;
  return el("section", { class: `card deployment ${isWell ? "" : "unwell"}`, "data-key": one.name },
    el("h3", {}, one.name, " ", el("span", { class: `badge ${isWell ? "good" : "bad"}` },
      one.status.toLowerCase().replaceAll("_", " "))),
    one.model && el("p", { class: "model" }, one.model, one.device && ` · ${one.device}`),
    el("p", { class: "muted" }, `${running.length} of ${one.target} replica${one.target === 1 ? "" : "s"}`,
      one.max_replicas > 0 && `, scaled ${one.min_replicas} to ${one.max_replicas}`,
      one.num_gpus > 0 && ` · ${one.num_gpus} GPU each`),
    one.waiting !== null && el("p", { class: "muted queue" }, queue(one)),
    el("ul", { class: "replicas" }, one.replicas.map((/** @type {any} */ replica) => el("li", {
      class: replica.state === "RUNNING" ? "good" : "bad", "data-key": replica.id,
    }, `${replica.id} · ${replica.state.toLowerCase()} · pid ${replica.pid ?? "–"} · ${
      replica.node_ip}`))),
    one.message && el("p", { class: "problem" }, one.message));
}

/** @param {any} system */
function nodeTable(system) {
  return table("Nodes", ["Node", "Kind", "State", "CPUs", "GPUs", "GPU shares used", "Replicas"],
    system.nodes.map((/** @type {any} */ node) => [
      `${node.ip} · ${node.id.slice(0, 8)}`, node.market || "–",
      stateOf(node),
      String(node.num_cpus), String(node.num_gpus), String(node.used_gpus), String(node.replicas),
    ]), system.nodes.map((/** @type {any} */ node) => node.id));
}

/** @param {any} node */
function stateOf(node) {
  if (!node.alive) return el("span", { class: "badge bad" }, "gone");
  if (node.leaves_at === null) return el("span", { class: "badge good" }, "alive");
  return el("span", { class: "badge" }, `leaving${leaving(node)}`);
}

/** @param {any[]} answers */
function answerTable(answers) {
  if (!answers.length) return el("p", { class: "muted" }, "None yet.");
  return table("Last answers and searches", ["When", "Outcome", "Took", "Tokens", "Passages", "Moved", "Request"],
    answers.map((one) => [
      time(one.ended_at), one.outcome + (one.degraded.length ? ` (without ${one.degraded})` : ""),
      `${Math.round(one.latency_ms)} ms`, String(one.tokens), String(one.passages),
      one.migrations ? el("span", { class: "badge" }, `${one.migrations} ×`) : "–",
      el("code", {}, one.request_id),
    ]), answers.map((one) => `${one.request_id} ${one.ended_at}`));
}

/** @param {number} seconds */
function time(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString();
}
