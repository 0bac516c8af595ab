/**
 * A walk over all topics that a filter matches, in batches: a subscriber to `#` may match a million
 * retained messages, and takes them as fast as its connection does. Between two batches the scan
 * holds its path through the trie and nothing else, so its memory is bounded by the depth of the
 * topics, not by their number.
 *
 *   path      root ─ "site" ─ "7" ─ "door"      levels that the filter names: looked up
 *   filter           "site" ─  +  ─   #         levels with a wildcard: one sibling after the other
 *                               └ next: "8"
 *
 * What changes between two batches: a topic that has a value all the time is returned exactly once;
 * one that comes or goes meanwhile is returned once or not at all. Depth first, parents before
 * children, otherwise in no order.
 *
 * Flow: subscribe, retained messages. Thread: worker. Scope: one per subscription being served.
 */

import { NO_NODE } from "./node-table.ts";
import type { RetainedNodes } from "./retained-nodes.ts";
import { NO_SYMBOL } from "./symbol-table.ts";
import {
  HIDDEN_TOPIC_MARK,
  levelEnd,
  MULTI_LEVEL_WILDCARD,
  SINGLE_LEVEL_WILDCARD,
} from "./topic-name.ts";

/**
 * 4,096 nodes, a fraction of a millisecond: a filter that matches little of much must not hold up
 * the worker.
 */
const DEFAULT_MAX_VISITS = 4096;

/** In place of a level's symbol: every child qualifies. */
const ANY_SYMBOL = -1;

export class RetainedScan<T> {
  readonly #nodes: RetainedNodes<T>;
  readonly #filter: Uint8Array;
  /** Start of each level in #filter, up to its end or to the `#`. */
  readonly #levelStarts: number[] = [];
  /**
   * Symbol per level, looked up anew by each `next`: symbols come and go with the topics that use
   * them.
   */
  readonly #levelSymbols: number[] = [];
  readonly #endsWithHash: boolean;
  /** `$` topics stay hidden from such a filter. */
  readonly #startsWild: boolean;
  /**
   * Nodes from the root to the one to visit next; empty when the scan is over. Pinned between two
   * calls.
   */
  #path: number[] = [];
  /** Of the values that the last `next` appended, in their order. */
  readonly #found: number[] = [];

  constructor(nodes: RetainedNodes<T>, root: number, filter: Uint8Array) {
    this.#nodes = nodes;
    this.#filter = filter.slice();
    let endsWithHash = false;
    for (let from = 0; from <= filter.length && !endsWithHash; ) {
      const to = levelEnd(filter, from, filter.length);
      endsWithHash = to - from === 1 && filter[from] === MULTI_LEVEL_WILDCARD;
      if (!endsWithHash) this.#levelStarts.push(from);
      from = to + 1;
    }
    this.#endsWithHash = endsWithHash;
    this.#startsWild = this.#levelStarts.length === 0 || this.#isPlus(0);
    if (root === NO_NODE) return;
    this.#path.push(root);
    nodes.pin(root);
  }

  get isEnded(): boolean {
    return this.#path.length === 0;
  }

  /**
   * Appends up to `maxCount` (at least 1) values to `out` and returns true when the scan is over.
   * Looks at no more than `maxVisits` nodes: it may return false having found nothing, and the
   * caller goes on in a later duty cycle.
   */
  next(maxCount: number, out: T[], maxVisits: number = DEFAULT_MAX_VISITS): boolean {
    if (this.isEnded) return true;
    this.#found.length = 0;
    this.#lookUpSymbols();
    const pinned = this.#path.slice();
    const end = out.length + maxCount;
    for (let visits = 0; visits < maxVisits && out.length < end && !this.isEnded; visits++) {
      this.#visit(out);
      this.#advance();
    }
    // First the new pins, then the old ones' end: what stays on the path is never unpinned in
    // between.
    for (const node of this.#path) this.#nodes.pin(node);
    for (const node of pinned) this.#nodes.unpin(node);
    return this.isEnded;
  }

  /**
   * The topic of the value that the last `next` appended as its `index`-th, counted from 0. Ask
   * before anything changes in the trie.
   */
  topicOf(index: number): Uint8Array {
    return this.#nodes.topicOf(this.#found[index]!);
  }

  /**
   * Gives up the rest. Needed unless `next` has returned true; harmless then, and when repeated.
   */
  close(): void {
    const pinned = this.#path;
    this.#path = [];
    for (const node of pinned) this.#nodes.unpin(node);
  }

  #lookUpSymbols(): void {
    const filter = this.#filter;
    for (let level = 0; level < this.#levelStarts.length; level++) {
      const from = this.#levelStarts[level]!;
      const to = levelEnd(filter, from, filter.length);
      this.#levelSymbols[level] = this.#isPlus(level)
        ? ANY_SYMBOL
        : this.#nodes.symbols.find(filter, from, to - from);
    }
  }

  #isPlus(level: number): boolean {
    const from = this.#levelStarts[level]!;
    const to = levelEnd(this.#filter, from, this.#filter.length);
    return to - from === 1 && this.#filter[from] === SINGLE_LEVEL_WILDCARD;
  }

  /** Takes the value of the node at the end of the path, if the filter ends there. */
  #visit(out: T[]): void {
    const depth = this.#path.length - 1;
    if (this.#isHidden(this.#path[depth]!, depth)) return;
    const named = this.#levelStarts.length;
    // `#` stands for its parent level too (MQTT5 §4.7.1.2), hence >= and not >.
    if (this.#endsWithHash ? depth < named : depth !== named) return;
    const value = this.#nodes.valueOf(this.#path[depth]!);
    if (value === null) return;
    out.push(value);
    this.#found.push(this.#path[depth]!);
  }

  /** Moves the path to the next node in depth-first order, or empties it. */
  #advance(): void {
    const path = this.#path;
    let node = this.#firstChild(path[path.length - 1]!, path.length - 1);
    while (node === NO_NODE && path.length > 0) {
      const left = path.pop()!;
      // The root has no siblings; a level that the filter names has only one node.
      if (path.length > 0 && this.#symbolAt(path.length - 1) === ANY_SYMBOL) {
        node = this.#nodes.nextSibling(left);
      }
    }
    if (node !== NO_NODE) path.push(node);
  }

  /** First child that the filter allows below a node at this depth, or NO_NODE. */
  #firstChild(node: number, depth: number): number {
    if (this.#isHidden(node, depth)) return NO_NODE;
    const symbol = this.#symbolAt(depth);
    return symbol === ANY_SYMBOL ? this.#nodes.firstChild(node) : this.#nodes.child(node, symbol);
  }

  /**
   * What a child of a node at this depth must be: a symbol, ANY_SYMBOL, or NO_SYMBOL when none will
   * do.
   */
  #symbolAt(depth: number): number {
    if (depth < this.#levelStarts.length) return this.#levelSymbols[depth]!;
    return this.#endsWithHash ? ANY_SYMBOL : NO_SYMBOL;
  }

  /**
   * Hidden nodes are visited and passed over one by one, so that a million of them count as visits
   * too.
   */
  #isHidden(node: number, depth: number): boolean {
    if (depth !== 1 || !this.#startsWild) return false;
    const symbols = this.#nodes.symbols;
    return symbols.firstByteOf(this.#nodes.symbolOf(node)) === HIDDEN_TOPIC_MARK; // [MQTT-4.7.2-1]
  }
}
