/**
 * The match index: all topic filters of one worker, as a trie of levels. A publish asks it which
 * filters match its topic, and the answer costs the levels of the topic and the filters found, not
 * the filters stored.
 *
 *   tenant ── "site" ── "7" ── + ── "temp"        node: parent, symbol of its level, how many plain children,
 *                         └─── #                        its `+` child, its `#` child, whether a filter ends here
 *
 * A node id stands for the filter that ends there. It stays the same until that filter is removed,
 * whatever else comes and goes, so callers keep what they know of a filter in arrays indexed by it.
 *
 * Flow: publish 4/8 (match), between authorization and fan-out. Thread: worker. Scope: one per
 * worker. Invariant: every node is a root, ends a filter, or has a child; so an empty trie has no
 * nodes and no symbols.
 */

import { assert } from "../base/assert.ts";
import { FIXED_HASH_KEY, type HashKey } from "./level-hash.ts";
import { NO_NODE, NODE_WORDS, NodeTable, PARENT, SYMBOL, TRIE_WORD } from "./node-table.ts";
import { PAGE_MASK, PAGE_SHIFT } from "./slot-pages.ts";
import { NO_SYMBOL, SymbolTable } from "./symbol-table.ts";
import { TenantRoots } from "./tenant-roots.ts";
import {
  HIDDEN_TOPIC_MARK,
  LEVEL_SEPARATOR,
  levelEnd,
  MULTI_LEVEL_WILDCARD,
  SINGLE_LEVEL_WILDCARD,
} from "./topic-name.ts";

/** What `find` and `findTenant` return for "not there". */
export const NOT_FOUND = -1;

/** The `+` child of a node, or NO_NODE. */
const PLUS_CHILD = TRIE_WORD;
/**
 * The `#` child of a node, or NO_NODE. It always ends a filter, because `#` is the last level
 * [MQTT-4.7.1-1].
 */
const HASH_CHILD = TRIE_WORD + 1;
/**
 * Flags in the two low bits; above them the id of the only plain child, or with HAS_LISTED how many
 * there are. Most nodes have one child or none: theirs needs neither a bucket nor, in a match, the
 * memory access to look into one.
 */
const STATE = TRIE_WORD + 2;
/** A filter ends at this node. */
const IS_FILTER = 1;
/**
 * The plain children are listed in the node table. Set by the second child, cleared with the last.
 */
const HAS_LISTED = 2;
const CHILDREN_SHIFT = 2;
const ONE_LISTED = 1 << CHILDREN_SHIFT;

/** Stand in the SYMBOL word of wildcard nodes: a wildcard is not text, so it needs no symbol. */
const PLUS_SYMBOL = -1;
const HASH_SYMBOL = -2;

/** 64: covers the usual match without growing; a power of two. */
const INITIAL_SCRATCH = 64;

/** `ignoreBOM` keeps a leading U+FEFF, which is a character like any other [MQTT-1.5.4-3]. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class FilterTrie {
  readonly #nodes: NodeTable;
  readonly #symbols: SymbolTable;
  readonly #roots: TenantRoots;
  #size = 0;
  /** Nodes that the topic's levels so far lead to, and those that one level more leads to. */
  #frontier = new Int32Array(INITIAL_SCRATCH);
  #nextFrontier = new Int32Array(INITIAL_SCRATCH);
  #matches = new Int32Array(INITIAL_SCRATCH);
  #matchCount = 0;

  /** `key`: random in production, so that clients cannot choose levels that collide. */
  constructor(key: HashKey = FIXED_HASH_KEY) {
    this.#nodes = new NodeTable(key);
    this.#symbols = new SymbolTable(key);
    this.#roots = new TenantRoots(this.#nodes);
  }

  /** Filters in the trie. */
  get size(): number {
    return this.#size;
  }

  /** All node ids are below. Grows in steps of 16,384, never shrinks. */
  get capacity(): number {
    return this.#nodes.capacity;
  }

  get nodeCount(): number {
    return this.#nodes.count;
  }

  get symbolCount(): number {
    return this.#symbols.count;
  }

  /** Bytes held in typed arrays, which is all but some hundred bytes per tenant. */
  get memoryBytes(): number {
    const scratch = 2 * this.#frontier.byteLength + this.#matches.byteLength;
    return this.#nodes.memoryBytes + this.#symbols.memoryBytes + scratch;
  }

  /**
   * Result of the last `match`: the first `count` entries. Borrowed until the next one; read it
   * anew each time.
   */
  get matches(): Int32Array {
    return this.#matches;
  }

  /**
   * The tenant's root, made when missing. Use it at once: a root ends with its last filter, and one
   * that never gets a filter stays.
   */
  tenantRoot(tenantId: string): number {
    return this.#roots.acquire(tenantId);
  }

  /** The tenant's root, or NOT_FOUND when it has no filter. */
  findTenant(tenantId: string): number {
    const root = this.#roots.find(tenantId);
    return root === NO_NODE ? NOT_FOUND : root;
  }

  /**
   * Adds the filter in bytes[offset, offset + length), without share prefix, and returns its node
   * id; the same id when it is there already. Counting its users is the caller's part. The caller
   * has checked the filter (`checkTopicFilter`). O(levels).
   */
  insert(root: number, filter: Uint8Array, offset: number, length: number): number {
    assert(length > 0, "a topic filter has at least one character");
    const end = offset + length;
    let node = root;
    for (let from = offset; from <= end; ) {
      const to = levelEnd(filter, from, end);
      const symbol = this.#symbolOf(filter, from, to);
      assert(symbol !== HASH_SYMBOL || to === end, "# is the last level of a filter");
      const child = this.#child(node, symbol);
      node = child === NO_NODE ? this.#addChild(node, symbol, filter, from, to) : child;
      from = to + 1;
    }
    const state = this.#nodes.word(node, STATE);
    if ((state & IS_FILTER) === 0) {
      this.#nodes.setWord(node, STATE, state | IS_FILTER);
      this.#size++;
    }
    return node;
  }

  /** Node id of exactly this filter, or NOT_FOUND. `root` may be NOT_FOUND. O(levels). */
  find(root: number, filter: Uint8Array, offset: number, length: number): number {
    if (root === NOT_FOUND) return NOT_FOUND;
    const end = offset + length;
    let node = root;
    for (let from = offset; from <= end && node !== NO_NODE; ) {
      const to = levelEnd(filter, from, end);
      node = this.#child(node, this.#symbolOf(filter, from, to));
      from = to + 1;
    }
    if (node === NO_NODE) return NOT_FOUND;
    return (this.#nodes.word(node, STATE) & IS_FILTER) === 0 ? NOT_FOUND : node;
  }

  /**
   * Removes the filter of this node id, with every node and symbol that nothing else needs.
   * O(levels).
   */
  remove(node: number): void {
    const state = this.#nodes.word(node, STATE);
    assert((state & IS_FILTER) !== 0, "a removed node ends a filter");
    this.#nodes.setWord(node, STATE, state & ~IS_FILTER);
    this.#size--;
    this.#prune(node);
  }

  /**
   * Finds all filters that match the topic name in topic[offset, offset + length): returns how
   * many, their node ids are in `matches`, each once, in no particular order. `root` may be
   * NOT_FOUND: no filter matches. Visits each node at most once, and at most 2^level of them at a
   * level. Allocates only when more filters match than ever before.
   */
  match(root: number, topic: Uint8Array, offset: number, length: number): number {
    this.#matchCount = 0;
    if (root === NOT_FOUND) return 0;
    const end = offset + length;
    // Only the root is asked without its wildcard children, and only for a `$` topic
    // [MQTT-4.7.2-1].
    let allowsWildcard = length === 0 || topic[offset] !== HIDDEN_TOPIC_MARK;
    let count = 1;
    this.#frontier[0] = root;
    for (let from = offset; from <= end && count > 0; ) {
      const to = levelEnd(topic, from, end);
      const symbol = this.#symbols.find(topic, from, to - from);
      count = this.#advance(count, symbol, allowsWildcard);
      allowsWildcard = true;
      from = to + 1;
    }
    this.#collect(count);
    return this.#matchCount;
  }

  /**
   * The filter of a node id. Allocates: for logs, for the administration, for building commands.
   */
  filterOf(node: number): string {
    const levels: number[] = [];
    let size = 0;
    for (let at = node; this.#nodes.word(at, PARENT) !== NO_NODE; ) {
      const symbol = this.#nodes.word(at, SYMBOL);
      levels.push(symbol);
      size += symbol < 0 ? 1 : this.#symbols.lengthOf(symbol);
      at = this.#nodes.word(at, PARENT);
    }
    const bytes = new Uint8Array(size + Math.max(0, levels.length - 1));
    let to = 0;
    for (let index = levels.length - 1; index >= 0; index--) {
      to = this.#writeLevel(levels[index]!, bytes, to);
      if (index > 0) bytes[to++] = LEVEL_SEPARATOR;
    }
    return decoder.decode(bytes);
  }

  /** The tenant that a node id belongs to. O(levels). */
  tenantOf(node: number): string {
    let root = node;
    for (let up = node; up !== NO_NODE; up = this.#nodes.word(up, PARENT)) root = up;
    return this.#roots.tenantOf(root);
  }

  #writeLevel(symbol: number, target: Uint8Array, at: number): number {
    if (symbol < 0) {
      target[at] = symbol === PLUS_SYMBOL ? SINGLE_LEVEL_WILDCARD : MULTI_LEVEL_WILDCARD;
      return at + 1;
    }
    this.#symbols.copyTo(symbol, target, at);
    return at + this.#symbols.lengthOf(symbol);
  }

  /**
   * Symbol of a filter's level, one of the two wildcard symbols, or NO_SYMBOL when no node uses the
   * level.
   */
  #symbolOf(filter: Uint8Array, from: number, to: number): number {
    if (to - from === 1) {
      if (filter[from] === SINGLE_LEVEL_WILDCARD) return PLUS_SYMBOL;
      if (filter[from] === MULTI_LEVEL_WILDCARD) return HASH_SYMBOL;
    }
    return this.#symbols.find(filter, from, to - from);
  }

  #child(node: number, symbol: number): number {
    if (symbol === NO_SYMBOL) return NO_NODE;
    if (symbol === PLUS_SYMBOL) return this.#nodes.word(node, PLUS_CHILD);
    if (symbol === HASH_SYMBOL) return this.#nodes.word(node, HASH_CHILD);
    return this.#plainChild(node, this.#nodes.word(node, STATE), symbol);
  }

  /** Child of a node whose STATE word is `state`. Inner part of `match`. */
  #plainChild(node: number, state: number, symbol: number): number {
    if ((state & HAS_LISTED) !== 0) return this.#nodes.child(node, symbol);
    const only = state >>> CHILDREN_SHIFT;
    if (only === NO_NODE) return NO_NODE;
    return this.#nodes.word(only, SYMBOL) === symbol ? only : NO_NODE;
  }

  #addChild(parent: number, symbol: number, filter: Uint8Array, from: number, to: number): number {
    const nodes = this.#nodes;
    if (symbol < 0) {
      const child = nodes.addUnlisted(parent, symbol);
      nodes.setWord(parent, symbol === PLUS_SYMBOL ? PLUS_CHILD : HASH_CHILD, child);
      return child;
    }
    return this.#addPlainChild(parent, this.#symbols.acquire(filter, from, to - from));
  }

  #addPlainChild(parent: number, symbol: number): number {
    const nodes = this.#nodes;
    const state = nodes.word(parent, STATE);
    if ((state & HAS_LISTED) !== 0) {
      nodes.setWord(parent, STATE, state + ONE_LISTED);
      return nodes.add(parent, symbol);
    }
    const flags = state & IS_FILTER;
    const only = state >>> CHILDREN_SHIFT;
    if (only === NO_NODE) {
      const child = nodes.addUnlisted(parent, symbol);
      nodes.setWord(parent, STATE, (child << CHILDREN_SHIFT) | flags);
      return child;
    }
    nodes.list(only);
    nodes.setWord(parent, STATE, (2 * ONE_LISTED) | HAS_LISTED | flags);
    return nodes.add(parent, symbol);
  }

  /** Removes `node` and its ancestors as far up as they have no child and end no filter. */
  #prune(node: number): void {
    const nodes = this.#nodes;
    let at = node;
    while (
      nodes.word(at, STATE) === 0 &&
      nodes.word(at, PLUS_CHILD) === NO_NODE &&
      nodes.word(at, HASH_CHILD) === NO_NODE
    ) {
      const parent = nodes.word(at, PARENT);
      if (parent === NO_NODE) {
        this.#roots.remove(at);
        return;
      }
      this.#removeChild(parent, at);
      at = parent;
    }
  }

  #removeChild(parent: number, child: number): void {
    const nodes = this.#nodes;
    const symbol = nodes.word(child, SYMBOL);
    if (symbol < 0) {
      nodes.setWord(parent, symbol === PLUS_SYMBOL ? PLUS_CHILD : HASH_CHILD, NO_NODE);
      nodes.removeUnlisted(child);
      return;
    }
    const state = nodes.word(parent, STATE);
    if ((state & HAS_LISTED) !== 0) {
      const left = state - ONE_LISTED;
      nodes.setWord(parent, STATE, left >>> CHILDREN_SHIFT === 0 ? left & IS_FILTER : left);
      nodes.remove(child);
    } else {
      nodes.setWord(parent, STATE, state & IS_FILTER);
      nodes.removeUnlisted(child);
    }
    this.#symbols.release(symbol);
  }

  /**
   * One level down: from the `count` nodes of the frontier to their children under `symbol` and
   * their `+` children. Their `#` children match whatever follows. Returns the size of the new
   * frontier.
   */
  #advance(count: number, symbol: number, allowsWildcard: boolean): number {
    this.#reserve(count);
    const pages = this.#nodes.pages;
    const frontier = this.#frontier;
    const next = this.#nextFrontier;
    let nextCount = 0;
    for (let index = 0; index < count; index++) {
      const node = frontier[index]!;
      const page = pages[node >>> PAGE_SHIFT]!;
      const base = (node & PAGE_MASK) * NODE_WORDS;
      if (allowsWildcard) {
        const hash = page[base + HASH_CHILD]!;
        if (hash !== NO_NODE) this.#matches[this.#matchCount++] = hash;
        const plus = page[base + PLUS_CHILD]!;
        if (plus !== NO_NODE) next[nextCount++] = plus;
      }
      if (symbol !== NO_SYMBOL) {
        const child = this.#plainChild(node, page[base + STATE]!, symbol);
        if (child !== NO_NODE) next[nextCount++] = child;
      }
    }
    this.#frontier = next;
    this.#nextFrontier = frontier;
    return nextCount;
  }

  /**
   * The topic is at its end: filters that end here match, and so do those with `/#` behind (MQTT5
   * §4.7.1.2).
   */
  #collect(count: number): void {
    this.#reserve(count);
    const pages = this.#nodes.pages;
    const frontier = this.#frontier;
    for (let index = 0; index < count; index++) {
      const node = frontier[index]!;
      const page = pages[node >>> PAGE_SHIFT]!;
      const base = (node & PAGE_MASK) * NODE_WORDS;
      if ((page[base + STATE]! & IS_FILTER) !== 0) this.#matches[this.#matchCount++] = node;
      const hash = page[base + HASH_CHILD]!;
      if (hash !== NO_NODE) this.#matches[this.#matchCount++] = hash;
    }
  }

  /**
   * Makes room for what `count` nodes can add: two nodes each to the next frontier, two matches
   * each.
   */
  #reserve(count: number): void {
    if (this.#nextFrontier.length < 2 * count) {
      this.#nextFrontier = new Int32Array(4 * count);
    }
    if (this.#matches.length < this.#matchCount + 2 * count) {
      const grown = new Int32Array(2 * (this.#matchCount + 2 * count));
      grown.set(this.#matches);
      this.#matches = grown;
    }
  }
}
