/** One answer: its text, its sources beside it, and what one can do with it. */

import { announce, button, el, fill } from "./dom.js";
import { feedbackControls } from "./feedback.js";
import { openDocument } from "./reader.js";
import { copyControls } from "./snippets.js";
import { answerNodes } from "./text.js";
import { timeline } from "./why.js";

const PAUSE_MS = 2500;

/**
 * What is known of an answer, as its stream tells it.
 * @typedef {{id: string, text: string, thoughts: string, refusal: string, finish: string,
 *   citations: {content: string, title: string, filepath: string, url: string,
 *   chunk_id: string}[], scores: number[], degraded: string[], rag: any, moves: number,
 *   usage: any}} Told
 */

/** Shows an answer while it comes, and after. */
export class Answer {
  /**
   * @param {{question: string, body: any, stores: () => string[], retry: () => void}} asked
   */
  constructor(asked) {
    this.asked = asked;
    /** @type {Told} */
    this.told = {
      id: "", text: "", thoughts: "", refusal: "", finish: "", citations: [], scores: [],
      degraded: [], rag: null, moves: 0, usage: null,
    };
    this.text = el("div", { class: "text" }, el("p", { class: "muted waiting" }, "Searching…"));
    this.note = el("p", { class: "note", hidden: true });
    this.sources = el("aside", { class: "sources", "aria-label": "Sources", hidden: true });
    this.tools = el("div", { class: "tools", hidden: true });
    this.node = el("article", { class: "answer", "aria-label": "Answer", "aria-busy": "true" },
      el("div", { class: "said" }, this.text, this.note, this.tools), this.sources);
    this.isDrawn = true;
    this.pause = 0;
    this.began = performance.now();
  }

  /**
   * Takes a chunk of the stream.
   * @param {any} chunk
   */
  take(chunk) {
    if (chunk.error) throw new Error(chunk.error.message);
    const told = this.told;
    told.id = chunk.id || told.id;
    told.usage = chunk.usage || told.usage;
    const moves = told.moves;
    told.moves = chunk.rag?.num_migrations || moves;
    if (chunk.rag?.timings) told.rag = chunk.rag; // else it says that the answer moves just now
    if (chunk.degraded) told.degraded = chunk.degraded;
    if (chunk.search_results) {
      told.scores = chunk.search_results.map((/** @type {any} */ one) => one.score);
    }
    const [choice] = chunk.choices || [];
    if (choice) {
      const { content, context, refusal, reasoning_content: thoughts } = choice.delta;
      if (context) told.citations = context.citations;
      told.text += content || "";
      told.thoughts += thoughts || "";
      told.refusal += refusal || "";
      told.finish = choice.finish_reason || told.finish;
    }
    this.watch();
    if (told.moves > moves) this.tellMoves();
    this.draw();
  }

  /** Says so when nothing comes for a while. */
  watch() {
    clearTimeout(this.pause);
    if (this.note.classList.contains("paused")) this.tell("");
    this.pause = setTimeout(() => {
      this.tell(this.told.text
        ? "The answer pauses. If its replica was lost, it goes on at another one."
        : "Still working…", "paused");
    }, PAUSE_MS);
  }

  /** @param {string} text @param {string} [kind] */
  tell(text, kind = "") {
    this.note.hidden = !text;
    this.note.className = `note ${kind}`;
    this.note.textContent = text;
    if (text) announce(text);
  }

  tellMoves() {
    const { moves } = this.told;
    this.tell(`This answer moved to another replica${moves > 1 ? ` ${moves} times` : ""}.`, "moved");
  }

  /** Draws what is known, at most once a frame. */
  draw() {
    if (!this.isDrawn) return;
    this.isDrawn = false;
    requestAnimationFrame(() => {
      this.isDrawn = true;
      this.drawNow();
    });
  }

  drawNow() {
    const { told } = this;
    const nodes = answerNodes(told.text, (number, claim) => this.marker(number, claim));
    const thoughts = told.thoughts && el("details", { class: "thoughts" },
      el("summary", {}, "Thoughts of the model"), el("p", {}, told.thoughts));
    const refusal = told.refusal && el("p", { class: "problem" }, told.refusal);
    if (nodes.length || thoughts || refusal) fill(this.text, thoughts, nodes, refusal);
    else if (told.id) fill(this.text, el("p", { class: "muted waiting" }, "Writing…"));
  }

  /** @param {number} number @param {string} claim */
  marker(number, claim) {
    const cited = this.told.citations[number - 1];
    return cited ? button(String(number), () => this.open(number, claim), {
      class: "marker", title: `Source ${number}: ${cited.title}`,
    }) : null;
  }

  /** @param {number} number @param {string} claim */
  open(number, claim) {
    const cited = this.told.citations[number - 1];
    const [, fileId] = /\/files\/([^/]+)\//.exec(cited.url) || [];
    openDocument({
      fileId, filename: cited.filepath, chunkId: cited.chunk_id, claim,
      stores: this.asked.stores(),
    });
  }

  /** Shows that the answer is whole. */
  finish() {
    this.end();
    const { told } = this;
    if (told.moves) {
      this.tellMoves();
    } else if (told.degraded.length) {
      this.tell(`Left out, since it did not answer: ${told.degraded.join(", ")}.`, "paused");
    } else if (told.finish === "length") {
      this.tell("The answer was cut: it reached its greatest length.", "paused");
    } else if (!told.finish) {
      this.tell("The stream broke off before the answer was whole.", "paused");
    } else {
      this.tell("");
    }
    this.drawSources();
    const count = this.cited().length;
    if (!told.moves) announce(`Answer complete, ${count} source${count === 1 ? "" : "s"}.`);
  }

  /** @param {Error} error */
  fail(error) {
    this.end();
    if (error.name === "AbortError") this.tell("Stopped.", "paused");
    else this.tell(error.message, "problem");
    this.drawSources();
  }

  end() {
    clearTimeout(this.pause);
    this.node.removeAttribute("aria-busy");
    this.drawNow();
    this.text.querySelector(".waiting")?.remove();
    this.tools.hidden = false;
    const { told, asked } = this;
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    fill(this.tools,
      told.id && feedbackControls(told, asked),
      button("Retry", asked.retry, { class: "quiet" }),
      copyControls(told, asked.body),
      el("span", { class: "muted" }, `${seconds} s`),
      told.rag && timeline(told));
  }

  /** The numbers of the sources that the text cites. */
  cited() {
    const numbers = [...this.told.text.matchAll(/\[(\d{1,3})\]/g)].map((one) => Number(one[1]));
    return [...new Set(numbers)].filter((one) => this.told.citations[one - 1]);
  }

  drawSources() {
    const cited = this.cited();
    const others = this.told.citations.map((_, at) => at + 1).filter((one) => !cited.includes(one));
    this.sources.hidden = !this.told.citations.length;
    fill(this.sources,
      el("h2", {}, cited.length ? "Sources" : "No source was cited"),
      el("ol", {}, cited.map((one) => this.card(one))),
      others.length > 0 && el("details", {},
        el("summary", {}, `${others.length} ${cited.length ? "more " : ""}passage${others.length > 1 ? "s" : ""} read`),
        el("ol", {}, others.map((one) => this.card(one)))));
  }

  /** @param {number} number */
  card(number) {
    const { title, filepath, content } = this.told.citations[number - 1];
    const score = this.told.scores[number - 1];
    return el("li", { class: "card" },
      el("h3", {}, el("span", { class: "number" }, number), button(
        title, () => this.open(number, ""), { class: "link" },
      )),
      el("p", { class: "excerpt" }, content),
      el("p", { class: "muted" }, filepath,
        score !== undefined && ` · relevance ${score.toFixed(2)}`));
  }
}
