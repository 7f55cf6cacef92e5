/** An answer, or the request that gave it, to be copied: as text, as curl, as Python. */

import { key } from "./api.js";
import { announce, button, el } from "./dom.js";

/**
 * @param {import("./answer.js").Told} told
 * @param {any} body of the request
 */
export function copyControls(told, body) {
  return el("span", { class: "copies", role: "group", "aria-label": "Copy" },
    copying("Copy", "Copy the answer", () => told.text),
    copying("curl", "Copy the request as a curl command", () => curl(body)),
    copying("Python", "Copy the request as Python", () => python(body)));
}

/**
 * A button that copies a text.
 * @param {string} label @param {string} title @param {() => string} text
 */
export function copying(label, title, text) {
  const control = button(label, async () => {
    try {
      await navigator.clipboard.writeText(text());
      announce("Copied.");
      control.textContent = "Copied";
    } catch {
      announce("The browser did not allow it.");
      control.textContent = "Not allowed";
    }
    setTimeout(() => { control.textContent = label; }, 1500);
  }, { class: "quiet", title });
  return control;
}

const base = () => new URL("v1", document.baseURI).href;

/** @param {any} body */
export function curl(body) {
  const { stream_options: _, ...plain } = { ...body, stream: false };
  const data = JSON.stringify(plain).replaceAll("'", "'\\''");
  const secret = key.get() ? ` \\\n  -H "Authorization: Bearer $OPENAI_API_KEY"` : "";
  return `curl -s ${base()}/chat/completions \\\n  -H 'Content-Type: application/json'${secret} \\\n  -d '${data}'`;
}

/** @param {any} body */
export function python(body) {
  const secret = key.get() ? 'os.environ["OPENAI_API_KEY"]' : '"none"';
  const imports = key.get() ? "import os\n\n" : "";
  return `${imports}from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(base())}, api_key=${secret})
answer = client.chat.completions.create(
    model=${JSON.stringify(body.model)},
    messages=${literal(body.messages)},
    extra_body={"rag": ${literal(body.rag)}},
)
print(answer.choices[0].message.content)
`;
}

/** JSON as Python writes it. @param {unknown} value @returns {string} */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null || value === undefined) return "None";
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, one]) => (
      `${JSON.stringify(name)}: ${literal(one)}`
    )).join(", ")}}`;
  }
  return JSON.stringify(value);
}
