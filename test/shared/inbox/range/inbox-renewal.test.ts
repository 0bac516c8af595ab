import assert from "node:assert/strict";
import test from "node:test";
import {
  chunkKey,
  countersKey,
  headKey,
  idOfKey,
  makeId,
  takenKey,
} from "../../../../src/shared/inbox/range/inbox-key.ts";
import { InboxRenewal } from "../../../../src/shared/inbox/range/inbox-renewal.ts";

const START = new Uint8Array(0);
const counters = (number: number) => Uint8Array.of(number, 0, 0, 0, 0, 0, 0, 0);

function firstNumber(rows: readonly (readonly [Uint8Array, Uint8Array | null])[]): number {
  const renewal = new InboxRenewal({ start: START }, 0);
  for (const [key, value] of rows) renewal.see(key, value);
  const [row] = renewal.rows();
  assert.deepEqual(row?.key, countersKey(0));
  assert.ok(rows.every(([key]) => idOfKey(key) < renewal.lowestId || key[4] === 1));
  return Number(new DataView(row.value.buffer).getBigUint64(0, true));
}

test("inbox renewal: a new range numbers far above whatever can be read of the damaged one", () => {
  const far = 2 ** 32;
  assert.equal(firstNumber([]), far);
  assert.equal(firstNumber([[countersKey(0), counters(77)]]), far + 77);
  assert.equal(firstNumber([[countersKey(0), null]]), far, "damaged itself");
  const damaged = null;
  assert.equal(firstNumber([[headKey(makeId(90, 5)), damaged]]), far + 90);
  const rows = [
    [chunkKey(makeId(91, 5), 1000), damaged],
    [countersKey(0), counters(80)],
    [takenKey(0, makeId(2000, 9)), damaged],
  ] as const;
  assert.equal(firstNumber(rows), far + 91, "what other ranges have named does not count");
});

test("inbox renewal: of a range of which nothing is left, each is above what the one before could use", () => {
  const second = 1000;
  const years = (count: number) => count * 365 * 86_400 * second;
  const start = years(51);
  const lowest = (nowMs: number) => new InboxRenewal({ start: START }, nowMs).lowestId;
  assert.ok(lowest(start + second) > lowest(start));
  assert.ok(lowest(years(117)) <= makeId(2 ** 41 - 1, 0));
  const readable = new InboxRenewal({ start: START }, start);
  readable.see(headKey(makeId(90, 5)), null);
  assert.ok(readable.lowestId < lowest(start), "what is known is better than a guess");
});

test("inbox renewal: an attempt that ended midway has moved the rows away, and is not forgotten", () => {
  const first = new InboxRenewal({ start: START }, 0);
  first.see(headKey(makeId(2 ** 33, 5)), null);
  const second = new InboxRenewal({ start: START }, 0);
  second.startAbove(first.lowestId);
  assert.equal(second.lowestId, first.lowestId);
  assert.deepEqual(second.rows(), first.rows());
  second.see(headKey(makeId(2 ** 34, 5)), null);
  assert.ok(second.lowestId > first.lowestId);
});
