/**
 * Observed-remove map of multi-value registers, as a delta-state CRDT (Almeida, Shoker, Baquero,
 * "Delta State Replicated Data Types", 2018, §7).
 *
 * A write gets a dot and takes the place of the values that its writer saw; a removal takes away
 * the values that its author saw, and no others. So concurrent writes to one key stand side by side
 * until somebody writes again, and a write wins over a concurrent removal. Readers take the value
 * with the highest stamp, or look at all.
 *
 * Each change answers with the dots that it touched. Whoever knows the touched dots can have the
 * delta about them at any later time (`deltaOf`), by then perhaps smaller, since values that were
 * overwritten meanwhile are only named as dead. So waiting deltas cost a few numbers, not copies.
 *
 * Laws (tested): merging is idempotent, commutative and associative; replicas that have merged the
 * same deltas are equal.
 * Thread: main. Scope: one per node, keys of all its users side by side under prefixes.
 */

import { assert } from "../base/assert.ts";
import { HASH_START, hashText, spread } from "../bytes/hash32.ts";
import { CausalContext, type Dot, type ReplicaId, type Run } from "./causal-context.ts";
import type { CrdtDigest, Delta, OrMapEntry, Summary } from "./delta.ts";
import { compareStamps, type HlcStamp } from "./hlc.ts";

const TWO_POW_32 = 0x1_0000_0000;

export const KEY_BYTES_MAX = 1_024;
export const VALUE_BYTES_MAX = 65_536;

/** What an entry costs in a message beside its key and value, roughly. */
const ENTRY_OVERHEAD_BYTES = 32;
const encoder = new TextEncoder();

/** What a merge did. */
export interface MergeResult {
  /** Keys whose values changed. */
  readonly keys: ReadonlySet<string>;
  /** Dots about which something new was learned, to be passed on; empty when all was known. */
  readonly touched: CausalContext;
}

/** A delta about part of what was asked, and the rest; null when that is all. */
export interface DeltaPart {
  readonly delta: Delta;
  readonly rest: CausalContext | null;
}

export class OrMap {
  readonly #replica: ReplicaId;
  readonly #byKey = new Map<string, OrMapEntry[]>();
  readonly #byReplica = new Map<ReplicaId, Map<number, OrMapEntry>>();
  readonly #seen = new CausalContext();
  #lastSequence = 0;
  #liveCount = 0;
  #sumA = 0;
  #sumB = 0;

  constructor(replica: ReplicaId) {
    this.#replica = replica;
  }

  get replica(): ReplicaId {
    return this.#replica;
  }

  /** Keys that have a value. */
  get size(): number {
    return this.#byKey.size;
  }

  get digest(): CrdtDigest {
    return { liveCount: this.#liveCount, sumA: this.#sumA, sumB: this.#sumB };
  }

  /** Runs of its causal history: what compaction keeps small. */
  get historySize(): number {
    return this.#seen.runCount;
  }

  /** The value with the highest stamp, borrowed; null when the key has none. */
  get(key: string): Uint8Array | null {
    return this.entries(key)[0]?.value ?? null;
  }

  /** All concurrent values, the latest first; the same order on every replica. */
  entries(key: string): readonly OrMapEntry[] {
    return this.#byKey.get(key) ?? [];
  }

  /** In no particular order. */
  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  /** Replicas of which something was seen. */
  replicas(): IterableIterator<ReplicaId> {
    return this.#seen.replicas();
  }

  /** Live values that `replica` wrote. */
  entriesBy(replica: ReplicaId): readonly OrMapEntry[] {
    return [...(this.#byReplica.get(replica)?.values() ?? [])];
  }

  /**
   * Writes; `key` has at most 1,024 bytes of UTF-8 without U+0000, `value`, taken over, at most
   * 65,536. The stamp should be fresh from this node's clock.
   */
  put(key: string, value: Uint8Array, stamp: HlcStamp): CausalContext {
    assert(isKey(key), "the key is text that every replica can read");
    assert(value.length <= VALUE_BYTES_MAX, "the value has its limit");
    const touched = this.remove(key);
    this.#write({ key, value, stamp }, touched);
    return touched;
  }

  /** Takes away all values of `key` that this replica knows. */
  remove(key: string): CausalContext {
    const touched = new CausalContext();
    for (const entry of [...this.entries(key)]) {
      this.#delete(entry);
      touched.add(entry.replica, entry.sequence);
    }
    return touched;
  }

  /**
   * Makes the values that `replica` wrote this replica's own, stamps unchanged, so that the other
   * one can be forgotten. Values that stand beside them stay. For the elected cleaner, when that
   * life has ended; doing it twice at once leaves equal values side by side.
   */
  adopt(replica: ReplicaId): CausalContext {
    const touched = new CausalContext();
    if (replica === this.#replica) return touched;
    for (const entry of this.entriesBy(replica)) {
      this.#delete(entry);
      touched.add(entry.replica, entry.sequence);
      this.#write(entry, touched);
    }
    return touched;
  }

  /** Join of this state with a delta. Never fails, whatever the delta says. */
  merge(delta: Delta): MergeResult {
    const keys = new Set<string>();
    const touched = delta.context.without(this.#seen);
    const alive = new CausalContext();
    for (const { replica, sequence } of delta.entries) alive.add(replica, sequence);
    for (const entry of this.#liveIn(delta.context)) {
      const { replica, sequence, key } = entry;
      if (alive.has(replica, sequence)) continue;
      this.#delete(entry);
      touched.add(replica, sequence);
      keys.add(key);
    }
    for (const entry of delta.entries) {
      const { replica, sequence, key } = entry;
      if (this.#seen.has(replica, sequence)) continue;
      this.#insert(entry);
      // One by one: a delta that names a dot twice must not put two values under it.
      this.#seen.add(replica, sequence);
      touched.add(replica, sequence);
      keys.add(key);
    }
    this.#seen.addAll(delta.context);
    return { keys, touched };
  }

  /**
   * What this replica has to say about `dots`, in parts of at most `entriesMax` values that have
   * together about `bytesMax` bytes; a larger one goes alone.
   */
  deltaOf(dots: CausalContext, entriesMax: number, bytesMax = Infinity): DeltaPart {
    const context = new CausalContext();
    const entries: OrMapEntry[] = [];
    const rest = new CausalContext();
    let bytes = 0;
    let isFull = false;
    for (const replica of dots.replicas()) {
      for (const run of dots.runsOf(replica)) {
        let to = isFull ? run.from - 1 : run.to;
        const live = isFull ? [] : this.#liveInRun(replica, run);
        for (const entry of live.sort((left, right) => left.sequence - right.sequence)) {
          bytes += entry.key.length + entry.value.length + ENTRY_OVERHEAD_BYTES;
          isFull = entries.length === entriesMax || (entries.length > 0 && bytes > bytesMax);
          if (isFull) {
            to = entry.sequence - 1;
            break;
          }
          entries.push(entry);
        }
        if (to >= run.from) context.addRun(replica, run.from, to);
        if (to < run.to) rest.addRun(replica, to + 1, run.to);
      }
    }
    return { delta: { entries, context }, rest: rest.isEmpty ? null : rest };
  }

  summary(): Summary {
    const seen = new CausalContext();
    seen.addAll(this.#seen);
    return { seen, live: this.#liveDots() };
  }

  /**
   * Dots of which the replica with `summary` should hear: what it has not seen, and what it holds
   * alive although it is dead. Of replicas for whom `isRetired` holds, dots that it has not seen
   * are left out where nothing is alive: else a forgotten replica would be talked back into memory.
   */
  unknownTo(summary: Summary, isRetired: (replica: ReplicaId) => boolean): CausalContext {
    const dots = this.#seen.without(summary.seen);
    for (const replica of [...dots.replicas()]) {
      const hasLive = (this.#byReplica.get(replica)?.size ?? 0) > 0;
      if (!hasLive && isRetired(replica)) dots.forget(replica);
    }
    // Alive there, seen here, and not alive here.
    const liveHere = this.#liveDots();
    const unseenHere = summary.live.without(this.#seen);
    dots.addAll(summary.live.without(liveHere).without(unseenHere));
    return dots;
  }

  /** True when the replica with `summary` has values or removals that this one lacks. */
  lacks(summary: Summary): boolean {
    if (!summary.live.without(this.#seen).isEmpty) return true;
    const aliveHereOnly = this.#liveDots().without(summary.live);
    // Of these, the ones that the other has seen are dead there.
    return !aliveHereOnly.without(aliveHereOnly.without(summary.seen)).isEmpty;
  }

  /** Forgets that a replica ever was, if nothing of it is alive; false otherwise. */
  forget(replica: ReplicaId): boolean {
    if (replica === this.#replica || this.#byReplica.has(replica)) return false;
    this.#seen.forget(replica);
    return true;
  }

  /** A value of this replica's own, under its next dot. */
  #write(content: Pick<OrMapEntry, "key" | "stamp" | "value">, touched: CausalContext): void {
    const { key, stamp, value } = content;
    const replica = this.#replica;
    const sequence = Math.max(this.#lastSequence, this.#seen.lastOf(replica)) + 1;
    this.#lastSequence = sequence;
    this.#insert({ replica, sequence, key, stamp, value });
    this.#seen.add(replica, sequence);
    touched.add(replica, sequence);
  }

  #liveDots(): CausalContext {
    const live = new CausalContext();
    for (const [replica, entries] of this.#byReplica) {
      // Ascending, so that each run grows at its end.
      const sequences = [...entries.keys()].sort((left, right) => left - right);
      for (const sequence of sequences) live.add(replica, sequence);
    }
    return live;
  }

  #liveIn(dots: CausalContext): OrMapEntry[] {
    const found: OrMapEntry[] = [];
    for (const replica of dots.replicas()) {
      for (const run of dots.runsOf(replica)) found.push(...this.#liveInRun(replica, run));
    }
    return found;
  }

  /** Walks the run or the live entries, whichever is shorter: runs may be as long as a history. */
  #liveInRun(replica: ReplicaId, run: Run): OrMapEntry[] {
    const entries = this.#byReplica.get(replica);
    if (entries === undefined) return [];
    if (run.to - run.from >= entries.size) {
      return [...entries.values()].filter(({ sequence }) => {
        return sequence >= run.from && sequence <= run.to;
      });
    }
    const found: OrMapEntry[] = [];
    for (let sequence = run.from; sequence <= run.to; sequence++) {
      const entry = entries.get(sequence);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  #insert(entry: OrMapEntry): void {
    const { replica, sequence, key } = entry;
    const siblings = [...this.entries(key), entry].sort(latestFirst);
    this.#byKey.set(key, siblings);
    let own = this.#byReplica.get(replica);
    if (own === undefined) {
      own = new Map();
      this.#byReplica.set(replica, own);
    }
    own.set(sequence, entry);
    this.#addToDigest(entry, 1);
  }

  #delete(entry: OrMapEntry): void {
    const { replica, sequence, key } = entry;
    const siblings = this.entries(key).filter((other) => other !== entry);
    if (siblings.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, siblings);
    const own = this.#byReplica.get(replica)!;
    own.delete(sequence);
    if (own.size === 0) this.#byReplica.delete(replica);
    this.#addToDigest(entry, -1);
  }

  /** Sums commute, so the order in which entries came does not matter. */
  #addToDigest(dot: Dot, sign: number): void {
    this.#liveCount += sign;
    const low = dot.sequence % TWO_POW_32;
    const high = Math.floor(dot.sequence / TWO_POW_32);
    const start = HASH_START ^ Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77);
    const hash = hashText(start, dot.replica);
    this.#sumA = (this.#sumA + sign * spread(hash, TWO_POW_32) + TWO_POW_32) % TWO_POW_32;
    const other = spread(Math.imul(hash, 0x27d4eb2f) ^ low, TWO_POW_32);
    this.#sumB = (this.#sumB + sign * other + TWO_POW_32) % TWO_POW_32;
  }
}

/** Text that comes out of the codec as it went in: a lone surrogate does not, U+0000 is refused. */
function isKey(key: string): boolean {
  if (key.includes("\u0000") || /\p{Surrogate}/u.test(key)) return false;
  return encoder.encode(key).length <= KEY_BYTES_MAX;
}

/** By stamp; equal stamps by dot, so that all replicas choose the same value. */
function latestFirst(left: OrMapEntry, right: OrMapEntry): number {
  const order = compareStamps(right.stamp, left.stamp);
  if (order !== 0) return order;
  if (left.replica !== right.replica) return left.replica < right.replica ? 1 : -1;
  return right.sequence - left.sequence;
}
