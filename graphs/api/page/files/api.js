/** The server: its routes called with the key of this session, its errors, and its streams. */

const KEY = "ragfleet-key";

/** An error that the server told, with its HTTP status. */
export class ServerError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {{retryAfter?: number, param?: string}} [more] seconds, and the field at fault
   */
  constructor(status, message, { retryAfter, param } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.param = param;
  }
}

/**
 * Whether the same question may be answered a little later: a server restarts, or has too much to do.
 * @param {Error & {status?: number}} error
 */
export function isPassing({ status }) {
  return status !== undefined && (status === 0 || status === 429 || status >= 500);
}

/** The key is kept as long as the tab is open, and nowhere else. */
export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  /** @param {string} value */
  set: (value) => {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  },
};

/** @returns {Record<string, string>} */
export function authorization() {
  return key.get() ? { authorization: `Bearer ${key.get()}` } : {};
}

/**
 * Calls a route.
 * @param {string} path below the folder of the page, such as "v1/models"
 * @param {{method?: string, json?: unknown, body?: BodyInit, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 */
export async function call(path, { method, json, body, signal } = {}) {
  const headers = authorization();
  if (json !== undefined) headers["content-type"] = "application/json";
  const sent = json === undefined ? body : JSON.stringify(json);
  let reply;
  try {
    reply = await fetch(path, {
      method: method || (sent === undefined ? "GET" : "POST"), headers, body: sent, signal,
    });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ServerError(0, "The server cannot be reached. It may be restarting; try again.");
  }
  if (!reply.ok) throw await told(reply);
  return reply;
}

/**
 * Calls a route and reads its JSON.
 * @param {string} path
 * @param {Parameters<typeof call>[1]} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, options) {
  return (await call(path, options)).json();
}

/**
 * The first items of a paged list, and whether there are more.
 * @param {string} path
 * @param {number} most in hundreds
 * @returns {Promise<{items: any[], hasMore: boolean}>}
 */
export async function listed(path, most) {
  const items = [];
  let after = "";
  let hasMore = true;
  while (hasMore && items.length < most) {
    const page = await ask(`${path}?limit=100${after}`);
    items.push(...page.data);
    hasMore = Boolean(page.has_more && page.last_id);
    after = `&after=${encodeURIComponent(page.last_id)}`;
  }
  return { items, hasMore };
}

/** @param {Response} reply */
async function told(reply) {
  let message = `The server answered with status ${reply.status}.`;
  let param;
  try {
    const { error } = await reply.json();
    message = error.message || message;
    param = error.param || undefined;
  } catch { /* a proxy between may answer with a page */ }
  if (reply.status === 401) message += " Set a valid API key at the top of the page.";
  const wait = Number(reply.headers.get("retry-after"));
  return new ServerError(reply.status, message, { retryAfter: wait || undefined, param });
}

/**
 * The events of a stream as they come.
 * @param {Response} reply
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export async function* events(reply) {
  const reader = /** @type {ReadableStream} */ (reply.body)
    .pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  let event = { event: "message", data: "" };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (waiting + value).split("\n");
    waiting = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      if (line === "") {
        if (event.data) yield event;
        event = { event: "message", data: "" };
      } else if (line.startsWith("data:")) {
        event.data += line.slice(5).trimStart();
      } else if (line.startsWith("event:")) {
        event.event = line.slice(6).trim();
      }
    }
  }
}

/**
 * Uploads a file; `told` hears of the share that is sent. `fetch` tells no progress.
 * @param {File} file
 * @param {(share: number) => void} told
 * @returns {Promise<any>}
 */
export function upload(file, told) {
  const form = new FormData();
  form.append("purpose", "assistants");
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "v1/files");
    for (const [name, value] of Object.entries(authorization())) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (sent) => told(sent.loaded / (sent.total || 1)));
    request.addEventListener("error", () => {
      reject(new ServerError(0, "The upload broke off: the server cannot be reached."));
    });
    request.addEventListener("load", () => {
      /** @type {any} */
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch { /* told by the status */ }
      if (request.status < 300) resolve(body);
      else {
        const reason = body.error?.message || `The server answered with status ${request.status}.`;
        reject(new ServerError(request.status, reason));
      }
    });
    request.send(form);
  });
}
