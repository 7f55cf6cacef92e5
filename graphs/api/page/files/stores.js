/** The choice of a vector store. Of very many the newest are shown first, and that is said. */

import { listed } from "./api.js";
import { button, choice, el, field, fill, problem } from "./dom.js";

const AT_ONCE = 500;

/**
 * @param {{first?: [string, string], takes?: (store: any) => boolean, changed?: () => void}} options
 *   `first` stands before the stores; `changed` hears when another one is chosen.
 */
export function storeChoice({ first, takes = () => true, changed } = {}) {
  const always = first ? [first] : [];
  const select = choice(always, "", changed);
  const told = el("span", {});
  const cut = el("p", { class: "muted cut", hidden: true }, told, " ",
    button("Show more stores", more, { class: "link" }));
  let most = AT_ONCE;
  /** @type {any[]} */
  let known = [];

  async function load() {
    const { items, hasMore } = await listed("v1/vector_stores", most);
    const chosen = select.value;
    known = items.filter(takes);
    fill(select, always.concat(known.map((one) => [one.id, one.name || one.id]))
      .map(([value, label]) => el("option", { value }, label)));
    const isThere = known.some((one) => one.id === chosen);
    select.value = isThere ? chosen : (first || [known[0]?.id || ""])[0];
    fill(told, `The newest ${items.length} stores are listed.`);
    cut.hidden = !hasMore;
    return known;
  }

  async function more() {
    most += AT_ONCE;
    try {
      await load();
      if (cut.hidden) select.focus();
    } catch (error) {
      most -= AT_ONCE;
      fill(told, problem(/** @type {Error} */ (error)));
    }
  }

  return {
    node: el("div", { class: "stores" }, field("Vector store", select), cut),
    load,
    known: () => known,
    value: () => select.value,
    chosen: () => known.find((one) => one.id === select.value),
    /** @param {string} id */
    choose: (id) => { select.value = id; },
  };
}
