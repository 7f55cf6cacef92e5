/** Uploads: they go on, and tell what became of them, while other views of the page are shown. */

import { ask, isPassing, upload } from "./api.js";
import { announce, el, fill } from "./dom.js";

const POLL_MS = 700;
const MOST_WAIT_MS = 20_000;
const AT_ONCE = 3;

let kept = uploads();

/** Those of this tab; their files are kept by nobody but the server. */
export const uploadsOfTab = () => kept;

/** Another key may be another person's, who is not told what the one before has uploaded. */
export function forgetUploads() {
  kept = uploads();
}

function uploads() {
  const node = el("ul", { class: "uploads" });
  /** @type {(() => Promise<void>)[]} */
  const waiting = [];
  let numRunning = 0;
  const made = {
    node,
    /** Hears that one has ended. */
    heard: () => {},
    /** @param {File[]} files @param {string} store */
    take(files, store) {
      for (const file of files) waiting.push(() => send(file, store));
      while (numRunning < AT_ONCE && waiting.length) work();
    },
  };

  async function work() {
    numRunning += 1;
    for (let next = waiting.shift(); next; next = waiting.shift()) await next();
    numRunning -= 1;
  }

  /** @param {File} file @param {string} store */
  async function send(file, store) {
    const bar = el("progress", { max: "1", value: 0, "aria-label": `Upload of ${file.name}` });
    const state = el("span", { class: "muted" }, "Uploading");
    const row = el("li", {}, el("span", { class: "name" }, file.name), bar, state);
    node.prepend(row);
    try {
      const sent = await upload(file, (share) => { bar.value = share; });
      bar.removeAttribute("value");
      state.textContent = "Reading";
      const done = await indexed(store, sent.id, (failure) => {
        state.textContent = failure ? `Reading. ${failure.message} Trying again…` : "Reading";
      });
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
    made.heard();
  }

  return made;
}

/**
 * Waits until a file is indexed or has failed.
 * @param {string} store @param {string} file
 * @param {(failure: Error | null) => void} told how the last question went
 */
async function indexed(store, file, told) {
  const path = `v1/vector_stores/${store}/files`;
  let state = await patiently(() => ask(path, { json: { file_id: file } }), told);
  while (state.status === "in_progress") {
    await wait(POLL_MS);
    state = await patiently(() => ask(`${path}/${file}`), told);
  }
  return state;
}

/**
 * Asks again for as long as the server does not answer: the file is read meanwhile.
 * @param {() => Promise<any>} act what may be done twice
 * @param {(failure: Error | null) => void} told
 */
async function patiently(act, told) {
  for (let pause = POLL_MS; ; pause = Math.min(2 * pause, MOST_WAIT_MS)) {
    try {
      const reply = await act();
      told(null);
      return reply;
    } catch (error) {
      const failed = /** @type {any} */ (error);
      if (!isPassing(failed)) throw failed;
      told(failed);
      await wait(Math.min(1000 * failed.retryAfter || pause, MOST_WAIT_MS));
    }
  }
}

/** @param {number} ms */
const wait = (ms) => new Promise((wake) => { setTimeout(wake, ms); });

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
