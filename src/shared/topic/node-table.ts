/**
 * The nodes of a topic trie, all tenants together: one slot per node, children found by hashing
 * (parent, symbol), so a node with a million children costs no more to descend from than one with
 * two. What else a node holds is its trie's affair: three words are left to it.
 *
 *   LINK | PARENT | SYMBOL | three words of the trie        24 bytes, plus 4 for its bucket
 *
 * Thread: worker. Allocates nothing except pages.
 */

import { HashChains } from "./hash-chains.ts";
import type { HashKey } from "./level-hash.ts";
import { LINK, NO_SLOT, PAGE_MASK, PAGE_SHIFT, SlotPages } from "./slot-pages.ts";

/** "No such node". */
export const NO_NODE = NO_SLOT;

export const NODE_WORDS = 6;
/** NO_NODE in a tenant's root. */
export const PARENT = 1;
/** Symbol of the node's level, or a number below zero that its trie gives a meaning. */
export const SYMBOL = 2;
/** The first of three words that the trie uses as it likes; zero in a new node. */
export const TRIE_WORD = 3;

export class NodeTable {
  /**
   * Node page by index; a word of a node is pages[node >>> PAGE_SHIFT][(node & PAGE_MASK) *
   * NODE_WORDS + word].
   */
  readonly pages: readonly Int32Array[];
  readonly #slots = new SlotPages(NODE_WORDS);
  readonly #chains: HashChains;
  readonly #parentFactor: number;
  readonly #symbolFactor: number;

  constructor(key: HashKey) {
    this.pages = this.#slots.pages;
    // Odd, so that they lose no bit; secret, so that nobody can choose levels that collide below a
    // node.
    this.#parentFactor = Math.imul(key.word0, 0x9e37_79b1) | 1;
    this.#symbolFactor = Math.imul(key.word1, 0x85eb_ca77) | 1;
    this.#chains = new HashChains(this.#slots, (node) =>
      this.#hash(this.word(node, PARENT), this.word(node, SYMBOL)),
    );
  }

  get count(): number {
    return this.#slots.liveSlots;
  }

  /** Node ids are below; grows, never shrinks. */
  get capacity(): number {
    return this.#slots.capacity;
  }

  get memoryBytes(): number {
    return this.#slots.memoryBytes + this.#chains.memoryBytes;
  }

  /** Child of `parent` under `symbol`, or NO_NODE. O(1). */
  child(parent: number, symbol: number): number {
    const pages = this.pages;
    let node = this.#chains.head(this.#hash(parent, symbol));
    while (node !== NO_NODE) {
      const page = pages[node >>> PAGE_SHIFT]!;
      const base = (node & PAGE_MASK) * NODE_WORDS;
      if (page[base + SYMBOL] === symbol && page[base + PARENT] === parent) return node;
      node = page[base + LINK]!;
    }
    return NO_NODE;
  }

  /** Adds a child that `child` finds. It must not exist yet. */
  add(parent: number, symbol: number): number {
    const node = this.addUnlisted(parent, symbol);
    this.list(node);
    return node;
  }

  /**
   * Adds a node that only its trie finds: a tenant's root (parent NO_NODE), a wildcard or an only
   * child.
   */
  addUnlisted(parent: number, symbol: number): number {
    const node = this.#slots.acquire();
    this.setWord(node, PARENT, parent);
    this.setWord(node, SYMBOL, symbol);
    return node;
  }

  /** Makes a node that `addUnlisted` made one that `child` finds. */
  list(node: number): void {
    this.#chains.insert(this.#hash(this.word(node, PARENT), this.word(node, SYMBOL)), node);
  }

  /** Removes a node that `child` finds. */
  remove(node: number): void {
    this.#chains.remove(this.#hash(this.word(node, PARENT), this.word(node, SYMBOL)), node);
    this.#slots.release(node);
  }

  /** Removes a node that `child` does not find. */
  removeUnlisted(node: number): void {
    this.#slots.release(node);
  }

  word(node: number, word: number): number {
    return this.pages[node >>> PAGE_SHIFT]![(node & PAGE_MASK) * NODE_WORDS + word]!;
  }

  setWord(node: number, word: number, value: number): void {
    this.pages[node >>> PAGE_SHIFT]![(node & PAGE_MASK) * NODE_WORDS + word] = value;
  }

  /**
   * Linear in both with secret factors, then mixed downwards, because a bucket is picked by the low
   * bits.
   */
  #hash(parent: number, symbol: number): number {
    let hash = (Math.imul(parent, this.#parentFactor) + Math.imul(symbol, this.#symbolFactor)) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb_352d);
    return hash ^ (hash >>> 15);
  }
}
