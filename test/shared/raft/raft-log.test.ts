import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type Entry, entriesBytes, UNLIMITED } from "../../../src/shared/raft/entry.ts";
import { APPEND_MISMATCH, RaftLog } from "../../../src/shared/raft/raft-log.ts";
import {
  COMPACTED,
  NOT_YET,
  TERM_COMPACTED,
  TERM_UNKNOWN,
} from "../../../src/shared/raft/storage.ts";
import { TermRuns } from "../../../src/shared/raft/term-runs.ts";
import { UnstableLog } from "../../../src/shared/raft/unstable-log.ts";
import { confOf, entryOf } from "../../helpers/raft-group.ts";
import { MemoryStorage } from "../../helpers/raft-memory-storage.ts";

function write(storage: MemoryStorage, entries: readonly Entry[]): void {
  storage.write({ hardState: null, entries, snapshot: null });
}

/** A log with entries 1..stored in storage and the rest of `terms` unstable. */
function logOf(terms: readonly number[], stored: number): { log: RaftLog; storage: MemoryStorage } {
  const storage = new MemoryStorage();
  const entries = terms.map((term, at) => entryOf(at + 1, term, "x"));
  write(storage, entries.slice(0, stored));
  const log = new RaftLog(storage, UNLIMITED, false);
  if (stored < terms.length) log.append(entries.slice(stored));
  return { log, storage };
}

/** Terms that never fall. */
const terms = fc
  .array(fc.nat(2), { minLength: 1, maxLength: 12 })
  .map((steps) => steps.map((_, at) => 1 + steps.slice(0, at + 1).reduce((a, b) => a + b, 0)));

test("log: stored and unstable entries read as one", () => {
  const property = fc.property(
    terms,
    fc.nat(12),
    fc.nat(12),
    fc.nat(200),
    (all, cut, from, bytes) => {
      const { log } = logOf(all, Math.min(cut, all.length));
      assert.deepEqual(
        all.map((_, at) => log.term(at + 1)),
        all,
      );
      assert.equal(log.term(all.length + 1), TERM_UNKNOWN);
      const low = Math.min(from, all.length - 1) + 1;
      const read = log.entriesFrom(low, bytes);
      assert.ok(read !== NOT_YET && read !== COMPACTED);
      assert.equal(read[0]?.index, low, "one at least [raft pitfall 45]");
      assert.ok(read.every((entry, at) => entry.index === low + at));
      assert.ok(read.length === 1 || entriesBytes(read) <= bytes);
      const isCut = low + read.length <= all.length;
      if (isCut) assert.ok(entriesBytes(read) + entriesBytes([read[0]!]) > bytes, "as many as fit");
    },
  );
  fc.assert(property);
});

test("log: taking over a leader's entries equals replacing what differs [raft pitfalls 33, 35]", () => {
  const property = fc.property(terms, terms, fc.nat(12), fc.nat(12), (mine, theirs, cut, at) => {
    const { log } = logOf(mine, Math.min(cut, mine.length));
    const prev = Math.min(at, theirs.length);
    const entries = theirs.slice(prev).map((term, i) => entryOf(prev + 1 + i, term, "x"));
    const prevTerm = theirs[prev - 1] ?? 0;
    const before = mine.map((term) => term);
    const result = log.tryAppend(prev, prevTerm, entries, UNLIMITED);
    const isAnchored = prev === 0 || mine[prev - 1] === prevTerm;
    assert.equal(result, isAnchored ? theirs.length : APPEND_MISMATCH);
    if (!isAnchored) return assert.equal(log.lastIndex, before.length);
    const differs = theirs.findIndex((term, i) => i >= prev && before[i] !== term);
    const expected = differs < 0 ? before : [...before.slice(0, differs), ...theirs.slice(differs)];
    const actual = expected.map((_, i) => log.term(i + 1));
    assert.deepEqual(actual, expected);
    assert.equal(log.lastIndex, expected.length);
    assert.equal(log.committed, theirs.length);
    return undefined;
  });
  fc.assert(property, { numRuns: 400 });
});

test("log: the last possible match is the highest index of at most that term [raft pitfall 38]", () => {
  const { log } = logOf([1, 3, 3, 4, 4, 5], 3);
  const cases = [
    [6, 5, 6],
    [6, 4, 5],
    [6, 3, 3],
    [6, 2, 1],
    [2, 9, 2],
    [6, 0, 0],
  ] as const;
  for (const [index, term, match] of cases) {
    assert.equal(log.lastPossibleMatch(index, term), match, `${index}/${term}`);
  }
});

test("log: below the snapshot entries are gone, its own term is known", () => {
  const storage = new MemoryStorage(confOf([1]), 10, 4);
  const log = new RaftLog(storage, UNLIMITED, false);
  assert.deepEqual([log.firstIndex, log.lastIndex, log.committed], [11, 10, 10]);
  assert.deepEqual([log.term(10), log.term(9)], [4, TERM_COMPACTED]);
  assert.deepEqual(log.entriesFrom(11, UNLIMITED), []);
  log.append([entryOf(11, 5)]);
  assert.equal(log.entriesFrom(10, UNLIMITED), COMPACTED);
});

test("unstable log: handed out once, kept until it is durable, dropped by exact report [raft pitfall 6]", () => {
  const log = new UnstableLog(5);
  log.truncateAndAppend([entryOf(5, 1), entryOf(6, 1)]);
  assert.equal(log.nextEntries().length, 2);
  log.acceptInProgress();
  assert.equal(log.nextEntries().length, 0);
  log.truncateAndAppend([entryOf(6, 2), entryOf(7, 2)]);
  assert.deepEqual(
    log.nextEntries().map(({ index }) => index),
    [6, 7],
    "the replaced one too",
  );
  log.stableTo(6, 1);
  assert.equal(log.offset, 5, "another entry has that index now");
  log.acceptInProgress();
  log.stableTo(6, 2);
  assert.deepEqual([log.offset, log.lastIndex, log.term(7)], [7, 7, 2]);
  log.stableTo(3, 1);
  assert.equal(log.offset, 7, "long durable");
  assert.throws(() => log.truncateAndAppend([entryOf(9, 3)]), /no gap/);
});

test("term runs: agree with the log they stand for, whatever is appended and compacted", () => {
  const append = fc.record({
    at: fc.nat(12),
    count: fc.integer({ min: 1, max: 4 }),
    up: fc.nat(2),
  });
  const property = fc.property(fc.array(append, { maxLength: 15 }), fc.nat(8), (appends, cut) => {
    const runs = new TermRuns(0, 0);
    let model: number[] = [];
    for (const { at, count, up } of appends) {
      const from = Math.min(at, model.length);
      const term = Math.max(1, (model[from - 1] ?? 1) + up);
      runs.append(Array.from({ length: count }, (_, i) => entryOf(from + 1 + i, term)));
      model = [...model.slice(0, from), ...new Array<number>(count).fill(term)];
    }
    const compacted = Math.min(cut, model.length);
    runs.compactTo(compacted);
    assert.deepEqual([runs.snapshotIndex, runs.lastIndex], [compacted, model.length]);
    for (let index = compacted; index <= model.length; index++) {
      assert.equal(runs.term(index), model[index - 1] ?? 0);
    }
    assert.equal(runs.term(model.length + 1), TERM_UNKNOWN);
    if (compacted > 0) assert.equal(runs.term(compacted - 1), TERM_COMPACTED);
  });
  fc.assert(property);
});
