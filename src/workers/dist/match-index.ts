/**
 * Who wants what, for one worker: the trie of all topic filters of the node, and beside each filter
 * its receivers.
 *
 *     filter ──► workers   bit per worker with transient subscribers of this filter
 *                local     this worker's own transient subscriptions    ┐
 *                inboxes   persistent sessions, by client identifier    ├ FilterEntry, where needed
 *                shares    shared groups and their members              ┘
 *
 * Every worker holds the same filters; only `local` differs. Matching is therefore a local walk.
 * Most filters are wanted by sessions of other workers and by nobody else, so their bits stand in
 * plain arrays by trie node: no object per filter, nothing for the garbage collector to visit.
 * Flow: publish 4/8, between session and publisher. Thread: worker. Scope: one per worker.
 * Invariant: every filter in the trie has a worker bit or an entry.
 */

import { copyBytes } from "../../shared/bytes/copy-bytes.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { FilterTrie } from "../../shared/topic/filter-trie.ts";
import type { HashKey } from "../../shared/topic/level-hash.ts";
import { NodeEntries, NodeWords } from "./node-columns.ts";
import type { ShareGroup } from "./share-group.ts";
import type { Subscription } from "./subscription.ts";

/** A stored session that wants a filter. */
export interface InboxRoute {
  readonly clientId: string;
  /** Of the session that subscribed: a later one of that name has not. */
  readonly incarnation: number;
  /** Worker that has the route's range. */
  readonly source: number;
  /** That worker has died, and not told the route again. */
  isStale: boolean;
  readonly options: SubscriptionOptions;
}

/** Two words hold MAX_WORKERS (62) bits: bit 31 would make a word negative. */
export const WORKERS_PER_WORD = 31;

/** Receivers of one filter beyond the worker bits. Whoever empties it calls `MatchIndex.prune`. */
export class FilterEntry {
  /** Trie node, for the node methods of the index. */
  readonly node: number;
  /** One subscription is the common case and needs no array. */
  local: Subscription | Subscription[] | null = null;
  inboxes: Map<string, InboxRoute> | null = null;
  /** By `shareKey`. */
  shares: Map<string, ShareGroup> | null = null;
  /**
   * Sequence of the change that announced this worker's own bit; SUBACK waits until all have
   * applied it.
   */
  announcedSequence = 0;

  constructor(node: number) {
    this.node = node;
  }

  get isEmpty(): boolean {
    return this.local === null && this.inboxes === null && this.shares === null;
  }
}

/** What `nextFilter` returns after the last one. */
export const NO_FILTER = -1;

/** Longer topics are matched each time. */
const LAST_TOPIC_MAX = 256;
const NO_ROOT = -1;

const encoder = new TextEncoder();
/**
 * Scratch for filters on their way into the trie; callers are synchronous. 3 bytes per UTF-16 unit,
 * at most 65,535.
 */
const scratch = new Uint8Array(65_535 * 3);

export class MatchIndex {
  /**
   * The topic matched last: publishers send several messages to one topic in a row, and the trie
   * still holds what that found. Any change of filters forgets it.
   */
  readonly #lastTopic = new Uint8Array(LAST_TOPIC_MAX);
  #lastLength = 0;
  #lastRoot = NO_ROOT;
  #lastCount = 0;
  readonly #trie: FilterTrie;
  readonly #workersLow = new NodeWords();
  readonly #workersHigh = new NodeWords();
  readonly #entries = new NodeEntries<FilterEntry>();

  /** `hashKey`: random in production, so that clients cannot choose levels that collide. */
  constructor(hashKey: HashKey) {
    this.#trie = new FilterTrie(hashKey);
  }

  get filterCount(): number {
    return this.#trie.size;
  }

  /** The entry of a filter, made when missing. */
  ensure(tenantId: string, filter: string): FilterEntry {
    const node = this.#insert(tenantId, filter);
    const existing = this.#entries.get(node);
    if (existing !== null) return existing;
    const entry = new FilterEntry(node);
    this.#entries.set(node, entry);
    return entry;
  }

  /** The entry of a filter; null also where the filter has worker bits alone. */
  find(tenantId: string, filter: string): FilterEntry | null {
    const node = this.#findNode(tenantId, filter);
    return node < 0 ? null : this.#entries.get(node);
  }

  /** Worker `thread` has subscribers of this filter. */
  addWorker(tenantId: string, filter: string, thread: number): void {
    const node = this.#insert(tenantId, filter);
    const words = this.#wordsOf(thread);
    words.set(node, words.get(node) | bitOf(thread));
  }

  /** Worker `thread` has no subscribers of this filter any more. */
  removeWorker(tenantId: string, filter: string, thread: number): void {
    const node = this.#findNode(tenantId, filter);
    if (node >= 0) this.removeWorkerAt(node, thread);
  }

  /** As `removeWorker`, and prunes; `node` is a filter's. */
  removeWorkerAt(node: number, thread: number): void {
    const words = this.#wordsOf(thread);
    const bits = words.get(node);
    if ((bits & bitOf(thread)) !== 0) words.set(node, bits & ~bitOf(thread));
    this.#prune(node);
  }

  hasWorker(node: number, thread: number): boolean {
    return (this.#wordsOf(thread).get(node) & bitOf(thread)) !== 0;
  }

  /** True when a worker other than `thread` has subscribers of this filter. */
  hasOtherWorkers(node: number, thread: number): boolean {
    const own = this.#wordsOf(thread);
    const others = own === this.#workersLow ? this.#workersHigh : this.#workersLow;
    return (own.get(node) & ~bitOf(thread)) !== 0 || others.get(node) !== 0;
  }

  /** Forgets an entry that is empty, and the filter when nobody wants it any more. */
  prune(entry: FilterEntry): void {
    this.#prune(entry.node);
  }

  /**
   * Finds the filters that match bytes[offset, offset + length); returns how many. Read them with
   * the `matched…` methods before the next `match`. Cost: the number of levels and of matches, not
   * the number of filters.
   */
  match(tenantId: string, bytes: Uint8Array, offset: number, length: number): number {
    const root = this.#trie.findTenant(tenantId);
    if (root < 0) return 0;
    if (root === this.#lastRoot && this.#isLastTopic(bytes, offset, length)) return this.#lastCount;
    const count = this.#trie.match(root, bytes, offset, length);
    this.#lastRoot = length <= LAST_TOPIC_MAX ? root : NO_ROOT;
    if (this.#lastRoot === NO_ROOT) return count;
    copyBytes(this.#lastTopic, 0, bytes, offset, length);
    this.#lastLength = length;
    this.#lastCount = count;
    return count;
  }

  #isLastTopic(bytes: Uint8Array, offset: number, length: number): boolean {
    if (length !== this.#lastLength) return false;
    const last = this.#lastTopic;
    // From the end: topics differ there, and begin alike.
    for (let at = length - 1; at >= 0; at -= 1) {
      if (bytes[offset + at] !== last[at]) return false;
    }
    return true;
  }

  /** Receivers of a matched filter beyond the worker bits; null when there are none. */
  matched(index: number): FilterEntry | null {
    return this.#entries.get(this.#trie.matches[index]!);
  }

  /** Bits of workers 1..31 with subscribers of a matched filter. */
  matchedWorkersLow(index: number): number {
    return this.#workersLow.get(this.#trie.matches[index]!);
  }

  /** Bits of workers 32..62. */
  matchedWorkersHigh(index: number): number {
    return this.#workersHigh.get(this.#trie.matches[index]!);
  }

  /**
   * Node of the first filter at or above `from`, NO_FILTER after the last one: to walk all filters,
   * also in pieces, also while filters come and go. O(nodes skipped).
   */
  nextFilter(from: number): number {
    const end = this.#trie.capacity;
    for (let node = from; node < end; node += 1) {
      if (this.#hasReceivers(node)) return node;
    }
    return NO_FILTER;
  }

  entryAt(node: number): FilterEntry | null {
    return this.#entries.get(node);
  }

  /** Allocates: for announcing routes. */
  filterAt(node: number): string {
    return this.#trie.filterOf(node);
  }

  tenantAt(node: number): string {
    return this.#trie.tenantOf(node);
  }

  #insert(tenantId: string, filter: string): number {
    const length = encoder.encodeInto(filter, scratch).written;
    this.#lastRoot = NO_ROOT;
    return this.#trie.insert(this.#trie.tenantRoot(tenantId), scratch, 0, length);
  }

  #findNode(tenantId: string, filter: string): number {
    const root = this.#trie.findTenant(tenantId);
    if (root < 0) return root;
    const length = encoder.encodeInto(filter, scratch).written;
    return this.#trie.find(root, scratch, 0, length);
  }

  #prune(node: number): void {
    if (this.#entries.get(node)?.isEmpty) this.#entries.clear(node);
    if (this.#hasReceivers(node)) return;
    this.#lastRoot = NO_ROOT;
    this.#trie.remove(node);
  }

  #hasReceivers(node: number): boolean {
    if ((this.#workersLow.get(node) | this.#workersHigh.get(node)) !== 0) return true;
    return this.#entries.get(node) !== null;
  }

  #wordsOf(thread: number): NodeWords {
    return thread <= WORKERS_PER_WORD ? this.#workersLow : this.#workersHigh;
  }
}

function bitOf(thread: number): number {
  return 1 << ((thread - 1) % WORKERS_PER_WORD);
}
