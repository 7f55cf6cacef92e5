/** What somebody thinks of an answer: a thumb, a comment, a better answer. */

import { ask } from "./api.js";
import { announce, button, el, field, fill, formOf, problem, sign } from "./dom.js";

const UP = "M7 21V10l4.4-7c1.7 0 2.6 1.2 2.4 2.8L13.2 10H19a2 2 0 0 1 2 2.4l-1.4 7A2 2 0 0 1 17.6 21zM7 10H3v11h4";
const DOWN = "M7 3v11l4.4 7c1.7 0 2.6-1.2 2.4-2.8L13.2 14H19a2 2 0 0 0 2-2.4l-1.4-7A2 2 0 0 0 17.6 3zM7 14H3V3h4";

/**
 * @param {import("./answer.js").Told} told
 * @param {{question: string, body: any}} asked
 */
export function feedbackControls(told, asked) {
  let rating = "";
  const up = button(sign(UP), () => rate("up"), { title: "Good answer", "aria-pressed": "false" });
  const down = button(sign(DOWN), () => rate("down"), { title: "Bad answer", "aria-pressed": "false" });
  const more = el("div", { class: "more" });

  /** @param {Record<string, unknown>} said */
  const say = (said) => ask("v1/feedback", {
    json: {
      response_id: told.id, question: asked.question, answer: told.text, model: asked.body.model,
      contexts: told.citations.map((one) => one.content), ...said,
    },
  });

  /** @param {string} value */
  async function rate(value) {
    const wanted = rating === value ? "" : value;
    try {
      await say({ rating: wanted || null });
      rating = wanted;
      up.setAttribute("aria-pressed", String(rating === "up"));
      down.setAttribute("aria-pressed", String(rating === "down"));
      announce(rating ? "Thank you, that was noted." : "Your thumb was taken back.");
      fill(more, rating && form());
    } catch (error) {
      fill(more, problem(/** @type {Error} */ (error)));
    }
  }

  function form() {
    const comment = el("textarea", { rows: "2", maxlength: "32768" });
    const corrected = el("textarea", { rows: "2", maxlength: "32768" });
    const said = el("div", { class: "muted" });
    return formOf("Send", [
      field("What was good or bad about it?", comment),
      field("What should have been answered?", corrected),
    ], said, async () => {
      await say({
        comment: comment.value.trim() || null, corrected_answer: corrected.value.trim() || null,
      });
      fill(said, "Noted, thank you.");
      announce("Noted, thank you.");
    });
  }

  return el("div", { class: "feedback", role: "group", "aria-label": "Feedback" }, up, down, more);
}
