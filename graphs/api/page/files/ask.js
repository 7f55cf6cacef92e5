/** The chat: questions, answers with their sources, and how is searched. */

import { Answer } from "./answer.js";
import { call, events } from "./api.js";
import { announce, button, choice, el, field, fill, problem } from "./dom.js";
import { filterRows } from "./filters.js";
import { storeChoice } from "./stores.js";

const HANDBOOK = [
  "How large may a file be?",
  "How often may an answer move?",
  "Which file types can be uploaded?",
];

/** @param {HTMLElement} view */
export function showAsk(view) {
  const turns = el("div", { class: "turns" });
  const input = el("textarea", {
    rows: "1", maxlength: "20000", placeholder: "Ask a question",
    "aria-label": "Question", enterkeyhint: "send",
  });
  const submit = el("button", { type: "submit", class: "primary" }, "Ask");
  const stop = button("Stop", () => running?.abort(), { hidden: true });
  const fresh = button("New chat", begin, { class: "quiet" });
  const options = optionsForm();
  /** @type {{question: string, answer: Answer}[]} */
  let chat = [];
  /** @type {AbortController | null} */
  let running = null;

  const form = el("form", {
    class: "composer",
    on: {
      submit: (/** @type {Event} */ event) => {
        event.preventDefault();
        const question = input.value.trim();
        if (question && !running) {
          input.value = "";
          grow();
          send(question);
        }
      },
    },
  }, el("div", { class: "row" }, input, submit, stop), el("div", { class: "row spread" },
    options.node, fresh));

  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  const grow = () => {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 200)}px`;
  };
  input.addEventListener("input", grow);

  /** @param {string} question */
  async function send(question) {
    const body = requestOf(question);
    const turn = el("div", { class: "turn" }, el("h2", { class: "question" }, question));
    const answer = new Answer({
      question, body, stores: options.stores,
      retry: () => {
        if (running) return;
        chat = chat.filter((one) => one.answer !== answer);
        turn.remove();
        send(question);
      },
    });
    turn.append(answer.node);
    if (!chat.length) fill(turns);
    turns.append(turn);
    // The question goes to the top once; from there on the reader scrolls, not we.
    turn.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
    announce("Asking…");
    chat.push({ question, answer });
    running = new AbortController();
    toggle();
    try {
      await stream(body, answer, running.signal);
      answer.finish();
    } catch (error) {
      answer.fail(/** @type {Error} */ (error));
    }
    running = null;
    toggle();
  }

  function toggle() {
    submit.hidden = Boolean(running);
    stop.hidden = !running;
    if (!running && document.activeElement === document.body) input.focus({ preventScroll: true });
  }

  /** @param {string} question */
  function requestOf(question) {
    const before = chat.filter((one) => one.answer.told.finish && one.answer.told.text)
      .flatMap((one) => [
        { role: "user", content: one.question },
        { role: "assistant", content: one.answer.told.text },
      ]);
    return {
      ...options.value(),
      messages: [...before, { role: "user", content: question }],
      stream: true, stream_options: { include_usage: true },
    };
  }

  async function begin() {
    running?.abort();
    chat = [];
    const start = el("div", { class: "start" }, el("h2", {}, "Ask your documents"),
      el("p", {}, "Answers come from the documents alone. Each claim has a number: it opens the ",
        "passage that it rests on."));
    fill(turns, start);
    try {
      const names = await options.load();
      if (names.includes("handbook")) {
        start.append(el("p", { class: "examples" }, HANDBOOK.map((one) => button(one, () => {
          if (!running) send(one);
        }))));
      } else if (!names.length) {
        start.append(el("p", {}, "There are none yet: ", el("a", { href: "#documents" },
          "upload some"), "."));
      }
    } catch (error) {
      start.append(problem(/** @type {Error} */ (error)));
    }
  }

  fill(view, el("h1", { class: "unseen" }, "Ask"), turns, form);
  begin();
  if (matchMedia("(hover: hover)").matches) input.focus();
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** @param {any} body @param {Answer} answer @param {AbortSignal} signal */
async function stream(body, answer, signal) {
  answer.watch();
  const reply = await call("v1/chat/completions", { json: body, signal });
  for await (const { data } of events(reply)) {
    if (data === "[DONE]") return;
    answer.take(JSON.parse(data));
  }
}

/** Where is searched, and how. */
function optionsForm() {
  const store = storeChoice({
    first: ["", "Default store"], takes: (one) => one.status !== "expired",
  });
  const mode = choice([["", "As configured"], ["hybrid", "Meaning and words"],
    ["dense", "Meaning"], ["lexical", "Words (BM25)"]], "");
  const rerank = choice([["", "As configured"], ["yes", "Yes"], ["no", "No"]], "");
  const most = el("input", { type: "number", min: "1", max: "50", placeholder: "As configured" });
  const filters = filterRows();
  const node = el("details", { class: "options" }, el("summary", {}, "Search options"),
    el("div", { class: "grid" }, store.node, field("Search by", mode),
      field("Rerank", rerank), field("Most passages", most)), filters.node);

  async function load() {
    return (await store.load()).map((one) => one.name);
  }

  function value() {
    /** @type {Record<string, unknown>} */
    const rag = { debug: true };
    if (mode.value) rag.mode = mode.value;
    if (rerank.value) rag.rerank = rerank.value === "yes";
    if (most.value) rag.top_k = Number(most.value);
    const filter = filters.value();
    if (filter) rag.filters = filter;
    return { model: store.value() ? `rag:${store.value()}` : "rag", rag };
  }

  // The chosen store first: where a citation leads is looked for there.
  const stores = () => [...new Set([store.value(), ...store.known().map((one) => one.id)])]
    .filter(Boolean);

  return { node, load, value, stores };
}
