// The list of problems: only what is in sight is on the page, however many there are.

import { element, parts, words } from "./text.js";
import { GLYPHS, OUTCOMES } from "./views.js";

const HEIGHT = 76;
const PAGE = 50;
const MOST = 300_000; // Browsers end at heights of some 30 million pixels.

export class List {
  constructor(node, sizer, choose) {
    this.node = node;
    this.sizer = sizer;
    this.choose = choose;
    this.onfound = () => {};
    this.total = 0;
    this.selected = -1;
    this.id = "";
    this.pages = new Map();
    this.drawnRows = new Map();
    this.asked = 0;
    node.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(node);
    node.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.go(Number(row.dataset.at), "push");
    });
  }

  /** Ask for the problems that pass, and go on while the search does. */
  async ask(filters, id) {
    const turn = ++this.asked;
    this.filters = filters;
    const kept = this.node.scrollTop;
    for (let first = true; ; first = false) {
      const parameters = new URLSearchParams(filters);
      parameters.set("n", PAGE);
      parameters.set("from", 0);
      if (id) parameters.set("locate", id);
      const response = await fetch(`/api/problems?${parameters}`);
      if (turn !== this.asked) return;
      if (!response.ok) return this.onfound({ error: await response.text(), total: 0, searched: 1 });
      const page = await response.json();
      this.pages = new Map([[0, Promise.resolve(page.rows)]]);
      this.rows = new Map([[0, page.rows]]);
      this.total = Math.min(page.total, MOST);
      this.sizer.style.height = `${this.total * HEIGHT}px`;
      this.selected = page.located;
      this.id = id || "";
      this.onfound(page);
      if (first) this.node.scrollTop = page.located >= 0 ? kept : 0;
      this.draw(true);
      this.show();
      if (page.searched >= 1) return;
    }
  }

  /** The row at a place, if it was fetched. */
  row(at) {
    const found = this.rows?.get(Math.floor(at / PAGE))?.[at % PAGE];
    return found && { id: found[0] };
  }

  select(id) {
    if (id === this.id && this.selected >= 0) return this.mark();
    this.id = id;
    for (const [page, rows] of this.rows || []) {
      const at = rows.findIndex((row) => row[0] === id);
      if (at >= 0) this.selected = page * PAGE + at;
    }
    this.mark();
  }

  /** Go some rows on; from nowhere to the first. */
  move(by) {
    const to = Math.max(0, Math.min(this.total - 1, this.selected < 0 ? 0 : this.selected + by));
    if (this.total) this.go(to, "replace");
  }

  async go(at, how) {
    this.selected = at;
    this.show();
    const rows = await this.page(Math.floor(at / PAGE));
    if (this.selected !== at || !rows[at % PAGE]) return;
    this.id = rows[at % PAGE][0];
    this.mark();
    this.choose({ id: this.id }, how);
  }

  /** Scroll so that the selected row is in sight. */
  show() {
    if (this.selected < 0) return;
    const top = this.selected * HEIGHT;
    const { scrollTop, clientHeight } = this.node;
    if (top < scrollTop) this.node.scrollTop = top;
    else if (top + HEIGHT > scrollTop + clientHeight) this.node.scrollTop = top + HEIGHT - clientHeight;
  }

  page(number) {
    if (!this.pages.has(number)) {
      const parameters = new URLSearchParams(this.filters);
      parameters.set("from", number * PAGE);
      parameters.set("n", PAGE);
      const { rows, pages } = this;
      const asked = fetch(`/api/problems?${parameters}`).then(async (response) => {
        const found = response.ok ? (await response.json()).rows : [];
        rows.set(number, found);
        return found;
      });
      pages.set(number, asked);
    }
    return this.pages.get(number);
  }

  draw(anew = false) {
    if (anew) {
      this.sizer.replaceChildren();
      this.drawnRows.clear();
    }
    const first = Math.max(0, Math.floor(this.node.scrollTop / HEIGHT) - 3);
    const last = Math.min(this.total, Math.ceil((this.node.scrollTop + this.node.clientHeight) / HEIGHT) + 3);
    for (const [at, row] of this.drawnRows) {
      if (at < first || at >= last) {
        row.remove();
        this.drawnRows.delete(at);
      }
    }
    for (let at = first; at < last; at++) if (!this.drawnRows.has(at)) this.place(at);
  }

  async place(at) {
    const number = Math.floor(at / PAGE);
    const node = element("div", { className: "row", role: "option", data: { at } });
    node.style.top = `${at * HEIGHT}px`;
    this.drawnRows.set(at, node);
    this.sizer.append(node);
    const rows = this.rows.get(number) || (await this.page(number));
    const row = rows[at % PAGE];
    if (!row || this.drawnRows.get(at) !== node) return;
    const [id, question, level, counts] = row;
    node.append(
      element("div", { className: "head" }, words(id, "id"), level ? words(/^\d+$/.test(level) ? `level ${level}` : level, "level") : "", bar(counts), tally(counts)),
      parts([["", question]], element("div", { className: "question", dir: "auto" }), { inline: true }),
    );
    this.mark();
  }

  mark() {
    for (const [at, node] of this.drawnRows) node.setAttribute("aria-selected", String(at === this.selected));
  }
}

function tally(counts) {
  const node = element("span", { className: "tally" });
  for (const place of [1, 2, 3, 4, 0]) {
    if (!counts[place]) continue;
    const outcome = OUTCOMES[place];
    node.append(element("span", { className: `verdict ${outcome}`, title: `${counts[place]} ${outcome}` }, `${GLYPHS[outcome]}${counts[place]}`));
  }
  return node;
}

/** Verdicts as lengths; the tally above says the same in signs and figures. */
function bar(counts) {
  const node = element("div", { className: "shares", "aria-hidden": "true" });
  for (const place of [1, 2, 3, 4, 0]) {
    if (!counts[place]) continue;
    const share = element("i", { className: OUTCOMES[place] });
    share.style.flexGrow = counts[place];
    node.append(share);
  }
  return node;
}
