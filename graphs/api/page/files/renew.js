/**
 * What changes again and again, without taking away what stays: an element that is the same is
 * kept, so that the focus, a selection and how far somebody has scrolled outlive the change.
 */

import { nodesOf } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * Lets an element hold these. Those with `data-key` are kept by it, the others by their place.
 * What is kept keeps its listeners: where these know more than the key, the key has to tell that.
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function renew(parent, ...children) {
  const had = new Map([...parent.childNodes].map((node, at) => [keyOf(node, at), node]));
  const nodes = nodesOf(children).map((node, at) => {
    const before = had.get(keyOf(node, at));
    if (before?.nodeName !== node.nodeName) return node;
    had.delete(keyOf(node, at));
    become(before, node);
    return before;
  });
  // First what goes: to move a node would take its focus.
  const stay = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!stay.has(node)) node.remove();
  let place = parent.firstChild;
  for (const node of nodes) {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
}

/** @param {Node} node @param {number} at */
function keyOf(node, at) {
  return (node instanceof HTMLElement && node.dataset.key) || at;
}

/** @param {Node} before @param {Node} wanted */
function become(before, wanted) {
  if (before.isEqualNode(wanted)) return;
  if (!(before instanceof Element) || !(wanted instanceof Element)) {
    before.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...before.attributes]) {
    if (!wanted.hasAttribute(name)) before.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (before.getAttribute(name) !== value) before.setAttribute(name, value);
  }
  renew(before, ...wanted.childNodes);
}
