/**
 * Who wants what, for one worker: the trie of all topic filters of the node, and beside each filter its receivers.
 *
 *     filter ──► workers   bit per worker with transient subscribers of this filter
 *                local     this worker's own transient subscriptions
 *                inboxes   persistent sessions, by client identifier
 *                shares    shared groups and their members
 *
 * Every worker holds the same filters; only `local` differs. Matching is therefore a local walk.
 * Flow: publish 4/8, between session and publisher. Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { FilterTrie } from "../../shared/topic/filter-trie.ts";
import type { HashKey } from "../../shared/topic/level-hash.ts";
import type { DeliveryOptions } from "./dist-api.ts";
import type { ShareGroup } from "./share-group.ts";
import type { Subscription } from "./subscription.ts";

/** A persistent session that wants a filter; its inbox lives on worker `thread`. */
export interface InboxRoute {
  readonly clientId: string;
  readonly thread: number;
  readonly options: DeliveryOptions;
}

/** Two words hold MAX_WORKERS (62) bits: bit 31 would make a word negative. */
const BITS_PER_WORD = 31;

export class FilterEntry {
  readonly node: number;
  /** Bits of workers 1..31 and 32..62. */
  workersLow = 0;
  workersHigh = 0;
  /** One subscription is the common case and needs no array. */
  local: Subscription | Subscription[] | null = null;
  inboxes: Map<string, InboxRoute> | null = null;
  shares: ShareGroup[] | null = null;
  /** Sequence of the change that announced this worker's own bit; SUBACK waits until all have applied it. */
  announcedSequence = 0;

  constructor(node: number) {
    this.node = node;
  }

  hasWorker(thread: number): boolean {
    return thread <= BITS_PER_WORD
      ? (this.workersLow & (1 << (thread - 1))) !== 0
      : (this.workersHigh & (1 << (thread - 1 - BITS_PER_WORD))) !== 0;
  }

  addWorker(thread: number): void {
    if (thread <= BITS_PER_WORD) this.workersLow |= 1 << (thread - 1);
    else this.workersHigh |= 1 << (thread - 1 - BITS_PER_WORD);
  }

  removeWorker(thread: number): void {
    if (thread <= BITS_PER_WORD) this.workersLow &= ~(1 << (thread - 1));
    else this.workersHigh &= ~(1 << (thread - 1 - BITS_PER_WORD));
  }

  get isEmpty(): boolean {
    return (
      (this.workersLow | this.workersHigh) === 0 &&
      this.local === null &&
      this.inboxes === null &&
      this.shares === null
    );
  }
}

const encoder = new TextEncoder();
/** Scratch for filters on their way into the trie; callers are synchronous. 3 bytes per UTF-16 unit, at most 65,535. */
const scratch = new Uint8Array(65_535 * 3);

export class MatchIndex {
  readonly #trie: FilterTrie;
  /** By trie node; null for inner nodes. */
  #entries: (FilterEntry | null)[] = [];

  /** `hashKey`: random in production, so that clients cannot choose levels that collide. */
  constructor(hashKey: HashKey) {
    this.#trie = new FilterTrie(hashKey);
  }

  get filterCount(): number {
    return this.#trie.size;
  }

  /** The entry of a filter, made when missing. Whoever empties it calls `prune`. */
  ensure(tenantId: string, filter: string): FilterEntry {
    const length = encoder.encodeInto(filter, scratch).written;
    const root = this.#trie.tenantRoot(tenantId);
    const node = this.#trie.insert(root, scratch, 0, length);
    while (this.#entries.length <= node) this.#entries.push(null);
    const existing = this.#entries[node];
    if (existing !== null && existing !== undefined) return existing;
    const entry = new FilterEntry(node);
    this.#entries[node] = entry;
    return entry;
  }

  find(tenantId: string, filter: string): FilterEntry | null {
    const root = this.#trie.findTenant(tenantId);
    if (root < 0) return null;
    const length = encoder.encodeInto(filter, scratch).written;
    const node = this.#trie.find(root, scratch, 0, length);
    return node < 0 ? null : (this.#entries[node] ?? null);
  }

  /** Removes the filter when nobody wants it any more. */
  prune(entry: FilterEntry): void {
    if (!entry.isEmpty) return;
    assert(this.#entries[entry.node] === entry, "entry is in the index");
    this.#entries[entry.node] = null;
    this.#trie.remove(entry.node);
  }

  /**
   * Finds the entries whose filter matches bytes[offset, offset + length); returns how many. Read them with `matched`
   * before the next `match`. Cost: the number of levels and of matches, not the number of filters.
   */
  match(tenantId: string, bytes: Uint8Array, offset: number, length: number): number {
    const root = this.#trie.findTenant(tenantId);
    return root < 0 ? 0 : this.#trie.match(root, bytes, offset, length);
  }

  matched(index: number): FilterEntry {
    const entry = this.#entries[this.#trie.matches[index] ?? -1];
    assert(entry !== null && entry !== undefined, "matched filters have entries");
    return entry;
  }

  /** All filters, e.g. to tell a restarted worker or forget a dead one. Cold. The visitor may empty and prune entries. */
  forEach(visit: (entry: FilterEntry, tenantId: string, filter: string) => void): void {
    for (let node = 0; node < this.#entries.length; node += 1) {
      const entry = this.#entries[node];
      if (entry === null || entry === undefined) continue;
      visit(entry, this.#trie.tenantOf(node), this.#trie.filterOf(node));
    }
  }
}
