/**
 * Elements made of plain values. Texts become text nodes: nothing that a model, a document or a
 * person says is ever read as HTML.
 */

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any>} [props] attributes; `on` holds listeners; true sets an empty
 *   attribute, and false, null or undefined leaves it out.
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, listen] of Object.entries(value)) node.addEventListener(event, listen);
    } else if (name === "value") {
      /** @type {any} */ (node).value = value;
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  fill(node, ...children);
  return node;
}

/**
 * Puts these in the place of what an element holds.
 * @param {Element} node
 * @param {...(Child | Child[])} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...nodesOf(children));
}

/**
 * What children mean: a text is a text node, and what is not there is left out.
 * @param {(Child | Child[])[]} children
 */
export function nodesOf(children) {
  return children.flat().filter((one) => one || one === 0).map((one) => (
    one instanceof Node ? one : document.createTextNode(String(one))
  ));
}

/**
 * A button; `label` is what it shows, `props.title` what it is called where it shows a sign.
 * @param {string | Node} label
 * @param {() => void} act
 * @param {Record<string, any>} [props]
 */
export function button(label, act, props = {}) {
  const named = props.title ? { "aria-label": props.title } : {};
  return el("button", { type: "button", ...named, ...props, on: { click: act } }, label);
}

/**
 * A sign, drawn: not every machine has a letter for it.
 * @param {string} path of an icon of 24 by 24
 */
export function sign(path) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  for (const [name, value] of Object.entries({
    viewBox: "0 0 24 24", width: "18", height: "18", fill: "none", stroke: "currentColor",
    "stroke-width": "2", "stroke-linejoin": "round", "aria-hidden": "true",
  })) svg.setAttribute(name, value);
  const line = document.createElementNS(ns, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/**
 * A field with its label above it.
 * @param {string} label
 * @param {HTMLElement} control
 */
export function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

/**
 * A choice among values.
 * @param {[string, string][]} options value and label
 * @param {string} value
 * @param {() => void} [changed]
 */
export function choice(options, value, changed = () => {}) {
  const select = el("select", { on: { change: changed } });
  fill(select, options.map(([one, label]) => el("option", { value: one }, label)));
  select.value = value;
  return select;
}

/**
 * What stands in the lines of a text.
 * @param {string} text
 */
export function linesOf(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

/**
 * Tells people who do not see the page what has happened: whole events, never a word at a time.
 * What lies behind a dialog tells them nothing, so a dialog has a place of its own for it.
 * @param {string} text
 */
export function announce(text) {
  const status = document.querySelector("dialog[open] > [role=status]")
    || document.getElementById("status");
  if (status) status.textContent = text;
}

/**
 * Shows an error where it happened.
 * @param {Error} error
 */
export function problem(error) {
  announce(error.message);
  return el("p", { class: "problem" }, error.message);
}

let numDialogs = 0;

/**
 * A dialog over the page: the browser keeps the focus in it, closes it by Escape and gives the
 * focus back. A click that begins and ends beside it closes it, too, unless it has `data-stays`.
 * @param {string} title
 * @param {...Child} children
 * @returns {HTMLDialogElement}
 */
export function dialog(title, ...children) {
  numDialogs += 1;
  const id = `dialog-${numDialogs}`; // one may open before the one before it is gone
  const close = button("Close", () => box.close(), { class: "quiet" });
  const box = el(
    "dialog",
    { "aria-labelledby": id, on: { close: () => box.remove() } },
    el("div", { class: "dialog-head" }, el("h2", { id }, title), close),
    ...children,
    el("div", { class: "unseen", role: "status" }),
  );
  let isBeside = false; // a selection may begin in it and end beside it
  box.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    isBeside = isOutside(event, box);
  });
  box.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (isBeside && isOutside(event, box) && !("stays" in box.dataset)) box.close();
    isBeside = false;
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/**
 * Whether something happens beside a dialog. Its backdrop and its padding are the dialog itself;
 * a click by keyboard has no place, and is one on a control.
 * @param {MouseEvent} event @param {HTMLDialogElement} box
 */
function isOutside(event, box) {
  const { left, right, top, bottom } = box.getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return event.target === box && (x < left || x > right || y < top || y > bottom);
}

/**
 * A table.
 * @param {string} caption
 * @param {string[]} head
 * @param {Child[][]} rows
 * @param {string[]} [keys] of the rows, where some are to be kept while others change
 */
export function table(caption, head, rows, keys = []) {
  return el(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, head.map((one) => el("th", { scope: "col" }, one)))),
      el("tbody", {}, rows.map((row, at) => el("tr", { "data-key": keys[at] },
        row.map((one) => el("td", {}, one)))))),
  );
}

/**
 * A form; what its act throws is shown beside the field that the server names, whose control has
 * the field's name, else in `told`.
 * @param {string} label @param {Node[]} parts @param {Element} told
 * @param {() => Promise<void>} act
 */
export function formOf(label, parts, told, act) {
  let isBusy = false; // a second click must not do it twice
  const form = el("form", {
    class: "stack",
    on: {
      submit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        if (isBusy) return;
        isBusy = true;
        fill(told);
        unmark(form);
        try {
          await act();
        } catch (error) {
          tell(form, told, /** @type {any} */ (error));
        }
        isBusy = false;
      },
    },
  }, ...parts, told, el("div", {}, el("button", { type: "submit", class: "primary" }, label)));
  return form;
}

/** @param {HTMLFormElement} form @param {Element} told @param {Error & {param?: string}} error */
function tell(form, told, error) {
  const shown = problem(error);
  const control = controlOf(form, error.param || "");
  if (!control) return fill(told, shown);
  shown.id = "at-fault"; // one at a time: the server names one field
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", shown.id);
  (control.closest(".field, .choices") || control).after(shown);
  control.focus();
}

/**
 * The control of a field, such as that of `groups` for `groups[2]`.
 * @param {HTMLFormElement} form @param {string} param
 */
function controlOf(form, param) {
  const found = [param, param.replace(/[.[].*/, "")].map((name) => name && [...form.elements].find(
    (one) => one.getAttribute("name") === name,
  ));
  return /** @type {HTMLElement | undefined} */ (found.find(Boolean));
}

/** @param {HTMLFormElement} form */
function unmark(form) {
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    document.getElementById("at-fault")?.remove();
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
}
