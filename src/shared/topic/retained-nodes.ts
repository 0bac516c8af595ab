/**
 * The nodes behind the retained trie, as its two users share them: `RetainedTrie` walks by topic,
 * `RetainedScan` walks all topics of a filter and may pause in between.
 *
 *   parent ── FIRST_CHILD ──► child ◄─ NEXT / PREVIOUS ─► child ...      every child is also found by its symbol
 *
 * A paused scan pins the nodes it stands on. A pinned node stays in its list of siblings, even
 * without value and children, so the scan goes on from there whatever was removed around it. New
 * children go to the front of the list, behind every scan that is under way, so a scan cannot run
 * after its own tail.
 *
 * Thread: worker. Invariant: every node is pinned, has a value, or has a child.
 */

import type { HashKey } from "./level-hash.ts";
import { NO_NODE, NodeTable, PARENT, SYMBOL, TRIE_WORD } from "./node-table.ts";
import { NO_SYMBOL, SymbolTable } from "./symbol-table.ts";
import { TenantRoots } from "./tenant-roots.ts";
import { LEVEL_SEPARATOR } from "./topic-name.ts";

const FIRST_CHILD = TRIE_WORD;
const NEXT = TRIE_WORD + 1;
const PREVIOUS = TRIE_WORD + 2;

/** 1,024 values, 8 KiB: cheap enough to make and drop around an edge, large enough to need few. */
const PIECE_SHIFT = 10;
const PIECE_SIZE = 1 << PIECE_SHIFT;
const PIECE_MASK = PIECE_SIZE - 1;
/** Bytes of a reference in an array. */
const REFERENCE_SIZE = 8;

export class RetainedNodes<T> {
  readonly symbols: SymbolTable;
  readonly roots: TenantRoots;
  readonly #nodes: NodeTable;
  /**
   * Value by node id, in pieces, so that growing copies nothing; a piece without values is an empty
   * array.
   */
  readonly #values: (T | null)[][] = [];
  readonly #valuesInPiece: number[] = [];
  #pieceCount = 0;
  /** How many paused scans stand on a node. */
  readonly #pins = new Map<number, number>();

  constructor(key: HashKey) {
    this.symbols = new SymbolTable(key);
    this.#nodes = new NodeTable(key);
    this.roots = new TenantRoots(this.#nodes);
  }

  get count(): number {
    return this.#nodes.count;
  }

  get memoryBytes(): number {
    const values = this.#pieceCount * PIECE_SIZE * REFERENCE_SIZE;
    return this.#nodes.memoryBytes + this.symbols.memoryBytes + values;
  }

  valueOf(node: number): T | null {
    return this.#values[node >>> PIECE_SHIFT]?.[node & PIECE_MASK] ?? null;
  }

  /** Returns what was there, or null. */
  setValue(node: number, value: T): T | null {
    const piece = this.#pieceFor(node >>> PIECE_SHIFT);
    const previous = piece[node & PIECE_MASK] ?? null;
    piece[node & PIECE_MASK] = value;
    if (previous === null) this.#valuesInPiece[node >>> PIECE_SHIFT]!++;
    return previous;
  }

  /**
   * Takes the value away and returns it, or null when there was none; the caller prunes the node.
   */
  clearValue(node: number): T | null {
    const previous = this.valueOf(node);
    if (previous === null) return null;
    const index = node >>> PIECE_SHIFT;
    this.#values[index]![node & PIECE_MASK] = null;
    this.#valuesInPiece[index]!--;
    if (this.#valuesInPiece[index] === 0) {
      this.#values[index] = [];
      this.#pieceCount--;
    }
    return previous;
  }

  #pieceFor(index: number): (T | null)[] {
    while (this.#values.length <= index) {
      this.#values.push([]);
      this.#valuesInPiece.push(0);
    }
    const piece = this.#values[index]!;
    if (piece.length > 0) return piece;
    const fresh = new Array<T | null>(PIECE_SIZE).fill(null);
    this.#values[index] = fresh;
    this.#pieceCount++;
    return fresh;
  }

  /** The topic name that ends at `node`. O(levels); allocates. */
  topicOf(node: number): Uint8Array {
    const nodes = this.#nodes;
    let size = -1;
    for (let at = node; nodes.word(at, PARENT) !== NO_NODE; at = nodes.word(at, PARENT)) {
      size += this.symbols.lengthOf(nodes.word(at, SYMBOL)) + 1;
    }
    const topic = new Uint8Array(size);
    let end = size;
    for (let at = node; nodes.word(at, PARENT) !== NO_NODE; at = nodes.word(at, PARENT)) {
      const symbol = nodes.word(at, SYMBOL);
      end -= this.symbols.lengthOf(symbol);
      this.symbols.copyTo(symbol, topic, end);
      end -= 1;
      if (end >= 0) topic[end] = LEVEL_SEPARATOR;
    }
    return topic;
  }

  symbolOf(node: number): number {
    return this.#nodes.word(node, SYMBOL);
  }

  /** Child under `symbol`, or NO_NODE. */
  child(parent: number, symbol: number): number {
    return symbol === NO_SYMBOL ? NO_NODE : this.#nodes.child(parent, symbol);
  }

  firstChild(node: number): number {
    return this.#nodes.word(node, FIRST_CHILD);
  }

  nextSibling(node: number): number {
    return this.#nodes.word(node, NEXT);
  }

  /** Adds a child for the level bytes[from, to), which `parent` does not have yet. */
  addChild(parent: number, bytes: Uint8Array, from: number, to: number): number {
    const nodes = this.#nodes;
    const child = nodes.add(parent, this.symbols.acquire(bytes, from, to - from));
    const second = nodes.word(parent, FIRST_CHILD);
    nodes.setWord(child, NEXT, second);
    if (second !== NO_NODE) nodes.setWord(second, PREVIOUS, child);
    nodes.setWord(parent, FIRST_CHILD, child);
    return child;
  }

  pin(node: number): void {
    this.#pins.set(node, (this.#pins.get(node) ?? 0) + 1);
  }

  /** Undoes one `pin`, and removes the node if that was all that kept it. */
  unpin(node: number): void {
    const pins = this.#pins.get(node) ?? 0;
    if (pins > 1) {
      this.#pins.set(node, pins - 1);
      return;
    }
    this.#pins.delete(node);
    this.prune(node);
  }

  /** Removes `node` and its ancestors as far up as nothing keeps them. */
  prune(node: number): void {
    let at = node;
    while (
      this.#nodes.word(at, FIRST_CHILD) === NO_NODE &&
      this.valueOf(at) === null &&
      !this.#pins.has(at)
    ) {
      const parent = this.#nodes.word(at, PARENT);
      if (parent === NO_NODE) {
        this.roots.remove(at);
        return;
      }
      this.#remove(parent, at);
      at = parent;
    }
  }

  #remove(parent: number, node: number): void {
    const nodes = this.#nodes;
    const next = nodes.word(node, NEXT);
    const previous = nodes.word(node, PREVIOUS);
    if (previous === NO_NODE) nodes.setWord(parent, FIRST_CHILD, next);
    else nodes.setWord(previous, NEXT, next);
    if (next !== NO_NODE) nodes.setWord(next, PREVIOUS, previous);
    const symbol = nodes.word(node, SYMBOL);
    nodes.remove(node);
    this.symbols.release(symbol);
  }
}
