/** What has changed between two looks at the system, in words. */

/**
 * @typedef {{kind: string, text: string}} Change
 */

/**
 * @param {any} before null at the first look
 * @param {any} after
 * @returns {Change[]}
 */
export function changes(before, after) {
  if (!before) return [];
  return [...replicas(before, after), ...targets(before, after), ...nodes(before, after),
    ...alarms(before, after), ...moves(before, after)];
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
  const old = new Map(before.nodes.map((/** @type {any} */ one) => [one.id, one.alive]));
  for (const one of after.nodes) {
    if (!old.has(one.id)) yield change("good", `Node ${one.ip} came.`);
    else if (old.get(one.id) && !one.alive) yield change("bad", `Node ${one.ip} left.`);
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

/** @param {any} before @param {any} after */
function* moves(before, after) {
  const known = new Set(before.answers.map((/** @type {any} */ one) => one.request_id));
  for (const one of after.answers) {
    if (one.migrations && !known.has(one.request_id)) {
      yield change("moved", `An answer moved to another replica (request ${one.request_id}).`);
    }
  }
}

/** @param {string} kind @param {string} text @returns {Change} */
function change(kind, text) {
  return { kind, text };
}
