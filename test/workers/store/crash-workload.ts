/**
 * What the crash test's process writes: commit n of a workload is a function of the seed, of n and
 * of what the commits before it made, so parent and child agree on what a store holds after any
 * number of commits without telling each other.
 */

import assert from "node:assert/strict";
import { Prng } from "../../../src/shared/base/prng.ts";
import type { Entry } from "../../../src/shared/raft/entry.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import type { LogStore, OpenedRange } from "../../../src/workers/store/log-store.ts";
import { entry, patterned, recordAt } from "./store-fixtures.ts";

const RANGES = [1, 2, 3];
const STATE_KEYS = 20;
/** Holds the number of the last commit. */
const NUMBER_KEY = new Uint8Array([255]);
const LARGE_BYTES = 60_000;
/** Applied entries that stay in the log, so that reopening has something to check. */
const KEPT_ENTRIES = 30;
const EVERYTHING = 1_000_000_000;

interface RangeModel {
  compacted: number;
  compactedTerm: number;
  applied: number;
  term: number;
  /** From compacted + 1 on. */
  log: Entry[];
}

/** What a store holds after `commits` commits, and how to make the next one. */
export class CrashWorkload {
  readonly #seed: number;
  readonly #ranges = new Map<number, RangeModel>();
  readonly #state = new Map<number, Uint8Array>();
  #commits = 0;

  constructor(seed: number) {
    this.#seed = seed;
    for (const id of RANGES) {
      this.#ranges.set(id, { compacted: 0, compactedTerm: 0, applied: 0, term: 1, log: [] });
    }
  }

  get commits(): number {
    return this.#commits;
  }

  /** Makes the next commit in the model, and gathers it in `store` if there is one. */
  step(store: LogStore | null): void {
    this.#commits += 1;
    const prng = new Prng(this.#seed * 1_000_003 + this.#commits);
    for (const [id, range] of this.#ranges) {
      if (this.#commits > 1 && prng.below(3) === 0) continue;
      this.#stepRange(id, range, prng, store);
    }
    const key = prng.below(STATE_KEYS);
    if (prng.below(4) === 0) {
      this.#state.delete(key);
      store?.state(ServiceId.INBOX).delete(new Uint8Array([key]));
    } else {
      const value = patterned(prng.below(3000), this.#commits);
      this.#state.set(key, value);
      store?.state(ServiceId.INBOX).put(new Uint8Array([key]), value);
    }
    store?.state(ServiceId.INBOX).put(NUMBER_KEY, numberValue(this.#commits));
  }

  #stepRange(id: number, range: RangeModel, prng: Prng, store: LogStore | null): void {
    const last = range.compacted + range.log.length;
    const from = prng.below(4) === 0 ? range.applied + 1 : last + 1;
    if (from <= last) range.term += 1;
    const added = Array.from({ length: 1 + prng.below(8) }, (_, at) => {
      const size = prng.below(40) === 0 ? LARGE_BYTES : prng.below(600);
      return entry(from + at, range.term, patterned(size, from + at + range.term));
    });
    range.log = [...range.log.slice(0, from - range.compacted - 1), ...added];
    const end = range.compacted + range.log.length;
    range.applied = Math.max(range.applied, end - prng.below(6));
    const compacted = Math.max(range.compacted, range.applied - KEPT_ENTRIES);
    range.compactedTerm = range.log[compacted - range.compacted - 1]?.term ?? range.compactedTerm;
    range.log = range.log.slice(compacted - range.compacted);
    range.compacted = compacted;
    if (store === null) return;
    // The record comes first when the range is new, and again with what the append made true.
    if (this.#commits === 1) store.putRecord(recordAt(id, {}));
    store.append(id, added);
    const { applied, term, compactedTerm } = range;
    const pointers = { commit: applied, applied, compacted, term };
    store.putRecord({ ...recordAt(id, pointers), compactedTerm });
    store.trim(id, compacted, 50);
  }

  /** Steps to the commit that `store` holds, then compares everything. */
  check(store: LogStore): void {
    const number = commitNumber(store);
    assert.ok(number >= this.#commits, `the store went back from ${this.#commits} to ${number}`);
    while (this.#commits < number) this.step(null);
    if (number === 0) {
      assert.deepEqual(store.opened, []);
      return;
    }
    assert.equal(store.opened.length, RANGES.length);
    for (const opened of store.opened) this.#checkRange(store, opened);
    const limits = { maxEntries: EVERYTHING, maxBytes: EVERYTHING };
    const rows = store.scan(ServiceId.INBOX, new Uint8Array(0), NUMBER_KEY, limits);
    const expected = [...this.#state].sort(([left], [right]) => left - right);
    assert.deepEqual(
      rows.map(({ key, value }) => [key[0], value]),
      expected,
    );
  }

  #checkRange(store: LogStore, opened: OpenedRange): void {
    const range = this.#ranges.get(opened.id)!;
    assert.equal(opened.damage, null);
    assert.equal(opened.record?.appliedIndex, range.applied);
    assert.equal(opened.record?.compactedIndex, range.compacted);
    assert.equal(opened.lastIndex, range.compacted + range.log.length);
    const first = range.compacted + 1;
    const log = store.readEntries(opened.id, first, first + EVERYTHING, EVERYTHING);
    assert.deepEqual(log, range.log);
  }
}

/** Of the last commit in the store. */
export function commitNumber(store: LogStore): number {
  const value = store.get(ServiceId.INBOX, NUMBER_KEY);
  return value === null ? 0 : new DataView(value.buffer, value.byteOffset).getFloat64(0);
}

function numberValue(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}
