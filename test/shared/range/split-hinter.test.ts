import assert from "node:assert/strict";
import { test } from "node:test";
import type { RangeLoad } from "../../../src/shared/range/range-report.ts";
import { SplitHinter } from "../../../src/shared/range/split-hinter.ts";

function load(fields: Partial<RangeLoad> = {}): RangeLoad {
  return {
    id: 7,
    keys: 100,
    stateBytes: 1000,
    logEntries: 0,
    applied: 1,
    busyMicros: 0,
    ioMicros: 0,
    ...fields,
  };
}

test("split hinter: keys and bytes count at once, each against its own limit", () => {
  const hinter = new SplitHinter({ keys: 1000, bytes: 5000, busyPercent: 0 });
  assert.equal(hinter.note(load({ keys: 999, stateBytes: 4999 }), 0), null);
  assert.deepEqual(hinter.note(load({ keys: 1000 }), 0), { id: 7, reason: "keys" });
  assert.deepEqual(hinter.note(load({ stateBytes: 5000 }), 0), { id: 7, reason: "bytes" });
});

test("split hinter: a range must be busy for ten reports in a row", () => {
  const hinter = new SplitHinter({ keys: 0, bytes: 0, busyPercent: 50 });
  const busy = load({ busyMicros: 500_000 });
  for (let second = 0; second < 9; second++) assert.equal(hinter.note(busy, second * 1000), null);
  assert.equal(hinter.note(load({ busyMicros: 499_999 }), 9000), null);
  for (let second = 10; second < 19; second++) {
    assert.equal(hinter.note(busy, second * 1000), null);
  }
  assert.deepEqual(hinter.note(busy, 19_000), { id: 7, reason: "busy" });
});

test("split hinter: what a store writes for a range counts as its work does", () => {
  const hinter = new SplitHinter({ keys: 0, bytes: 0, busyPercent: 50 });
  const writing = load({ ioMicros: 500_000 });
  for (let second = 0; second < 9; second++) assert.equal(hinter.note(writing, second), null);
  assert.deepEqual(hinter.note(writing, 9), { id: 7, reason: "io" });
  hinter.tried(7, true, 10);
  for (let second = 0; second < 9; second++) hinter.note(writing, 70_000);
  assert.deepEqual(hinter.note(writing, 70_000), { id: 7, reason: "io" });
});

test("split hinter: who could not be cut is tried again later each time", () => {
  const hinter = new SplitHinter({ keys: 10, bytes: 0, busyPercent: 0 });
  let nowMs = 0;
  for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
    hinter.tried(7, false, nowMs);
    nowMs += minutes * 60_000;
    assert.equal(hinter.note(load(), nowMs - 1), null);
    assert.notEqual(hinter.note(load(), nowMs), null);
  }
});

test("split hinter: after a try there is a pause, for that range alone", () => {
  const hinter = new SplitHinter({ keys: 10, bytes: 0, busyPercent: 0 });
  hinter.tried(7, true, 1000);
  assert.equal(hinter.note(load(), 60_999), null);
  assert.notEqual(hinter.note(load({ id: 8 }), 2000), null);
  assert.notEqual(hinter.note(load(), 61_000), null);
});

test("split hinter: limits of 0 never count, and a single key is never cut", () => {
  const off = new SplitHinter({ keys: 0, bytes: 0, busyPercent: 0 });
  const large = { keys: 1e9, stateBytes: 1e12, busyMicros: 1e6 };
  for (let second = 0; second < 20; second++) assert.equal(off.note(load(large), second), null);
  const on = new SplitHinter({ keys: 1, bytes: 1, busyPercent: 1 });
  assert.equal(on.note(load({ keys: 1, stateBytes: 1e12 }), 0), null);
});

test("split hinter: a range that is gone is forgotten with its pause", () => {
  const hinter = new SplitHinter({ keys: 10, bytes: 0, busyPercent: 0 });
  hinter.tried(7, true, 0);
  hinter.forget(7);
  assert.notEqual(hinter.note(load(), 1), null);
});
