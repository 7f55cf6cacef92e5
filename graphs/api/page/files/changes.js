/** What has changed between two looks at the system, in words. */

/** @typedef {{kind: string, text: string, at?: number}} Change `at`: where it was before the look */

const ONE_BY_ONE = 3; // moves that are told so; a lost replica may have written many answers

/**
 * @param {any} before null at the first look
 * @param {any} after
 * @param {Set<string>} told ids of the moves that were told; takes those that are now
 * @returns {Change[]}
 */
export function changes(before, after, told) {
  if (!before) return [...moves(after, told)];
  return [...replicas(before, after), ...targets(before, after), ...nodes(before, after),
    ...alarms(before, after), ...moves(after, told)];
}

/** @param {any} system */
const replicasOf = (system) => new Map(system.deployments.flatMap((/** @type {any} */ one) => (
  one.replicas.map((/** @type {any} */ replica) => [replica.id, { ...replica, of: one.name }])
)));

/** @param {any} before @param {any} after */
function* replicas(before, after) {
  const [old, now] = [replicasOf(before), replicasOf(after)];
  for (const [id, one] of now) {
    const was = old.get(id)?.state;
    if (!was) yield change("", `${one.of}: replica ${id} is ${one.state.toLowerCase()}.`);
    else if (was !== one.state) {
      yield change(one.state === "RUNNING" ? "good" : "bad",
        `${one.of}: replica ${id} went from ${was.toLowerCase()} to ${one.state.toLowerCase()}.`);
    }
  }
  for (const [id, one] of old) {
    if (!now.has(id)) yield change("bad", `${one.of}: replica ${id} is gone.`);
  }
}

/** @param {any} before @param {any} after */
function* targets(before, after) {
  const old = new Map(before.deployments.map((/** @type {any} */ one) => [one.name, one]));
  for (const one of after.deployments) {
    const was = old.get(one.name);
    if (was && was.target !== one.target) {
      yield change("", `${one.name}: scaled from ${was.target} to ${one.target}.`);
    }
    if (was && was.status !== one.status) {
      yield change(one.status === "HEALTHY" ? "good" : "bad",
        `${one.name}: ${was.status.toLowerCase()}, now ${one.status.toLowerCase()}.`);
    }
  }
}

/** @param {any} before @param {any} after */
function* nodes(before, after) {
  const old = new Map(before.nodes.map((/** @type {any} */ one) => [one.id, one]));
  for (const one of after.nodes) {
    const was = old.get(one.id);
    if (!was) yield change("good", `Node ${one.ip} came.`);
    else if (was.alive && !one.alive) yield change("bad", `Node ${one.ip} left.`);
    else if (was.leaves_at === null && one.leaves_at !== null) {
      yield change("bad", `Node ${one.ip}${one.market && ` (${one.market})`} is to leave${leaving(one)}.`);
    }
  }
}

/** @param {any} before @param {any} after */
function* alarms(before, after) {
  const [old, now] = [before, after].map((system) => new Set(system.alarms.map(
    (/** @type {any} */ one) => `${one.where} (${one.severity})`,
  )));
  for (const one of now) if (!old.has(one)) yield change("bad", `Alarm: ${one}.`);
  for (const one of old) if (!now.has(one)) yield change("good", `Alarm is over: ${one}.`);
}

/** By when a node is to leave, where that is told. @param {{leaves_at: number | null}} node */
export function leaving({ leaves_at }) {
  return leaves_at ? ` by ${new Date(leaves_at * 1000).toLocaleTimeString()}` : "";
}

/** Those that are new, oldest first. @param {any} after @param {Set<string>} told */
function* moves(after, told) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const one of [...after.moves].reverse()) {
    if (told.has(one.id)) continue;
    told.add(one.id);
    const of = `${one.reason} ${Math.floor(one.at)}`;
    found.set(of, [...(found.get(of) || []), one]);
  }
  for (const together of found.values()) {
    const { reason, at } = together[0];
    const why = reason && ` (${reason.replaceAll("_", " ")})`;
    if (together.length > ONE_BY_ONE) {
      yield change("moved", `${together.length} answers went on at other replicas${why}.`, at);
    } else for (const one of together) {
      const which = one.request_id && `, request ${one.request_id}`;
      yield change("moved", `An answer went on at another replica after ${one.position} token${
        one.position === 1 ? "" : "s"}${why}${which}.`, one.at);
    }
  }
}

/** @param {string} kind @param {string} text @param {number} [at] @returns {Change} */
function change(kind, text, at) {
  return { kind, text, at };
}
