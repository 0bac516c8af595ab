/**
 * What the match index knows beside each trie node: columns indexed by node, in pages as large as
 * the trie's own. Growing adds a page and copies nothing; a page exists once something stands in
 * it, so a column that nobody uses costs nothing, and never goes: nodes are reused from below.
 * Thread: worker. Scope: owned by MatchIndex.
 */

import { PAGE_MASK, PAGE_SHIFT, SLOTS_PER_PAGE } from "../../shared/topic/slot-pages.ts";

/** One 32-bit word per node; 0 where never set. */
export class NodeWords {
  readonly #pages: (Int32Array | null)[] = [];

  get(node: number): number {
    const index = node >>> PAGE_SHIFT;
    if (index >= this.#pages.length) return 0;
    const page = this.#pages[index]!;
    return page === null ? 0 : page[node & PAGE_MASK]!;
  }

  set(node: number, word: number): void {
    const index = node >>> PAGE_SHIFT;
    while (this.#pages.length <= index) this.#pages.push(null);
    let page = this.#pages[index]!;
    if (page === null) {
      page = new Int32Array(SLOTS_PER_PAGE);
      this.#pages[index] = page;
    }
    page[node & PAGE_MASK] = word;
  }
}

/** One object per node; null where there is none. */
export class NodeEntries<Entry> {
  readonly #pages: ((Entry | null)[] | null)[] = [];

  get(node: number): Entry | null {
    const index = node >>> PAGE_SHIFT;
    if (index >= this.#pages.length) return null;
    const page = this.#pages[index]!;
    return page === null ? null : page[node & PAGE_MASK]!;
  }

  set(node: number, entry: Entry): void {
    const index = node >>> PAGE_SHIFT;
    while (this.#pages.length <= index) this.#pages.push(null);
    let page = this.#pages[index]!;
    if (page === null) {
      page = new Array<Entry | null>(SLOTS_PER_PAGE).fill(null);
      this.#pages[index] = page;
    }
    page[node & PAGE_MASK] = entry;
  }

  clear(node: number): void {
    const page = this.#pages[node >>> PAGE_SHIFT] ?? null;
    if (page !== null) page[node & PAGE_MASK] = null;
  }
}
