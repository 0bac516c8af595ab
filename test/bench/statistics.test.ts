import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatTable,
  shortNumber,
  showMicros,
  showSpread,
  spreadOf,
} from "../../bench/statistics.ts";

test("statistics: median of odd and even counts", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, lowest: 1, highest: 3 });
  assert.equal(spreadOf([4, 1, 2, 3]).median, 2.5);
});

test("statistics: three digits, whatever the size", () => {
  const shown = [1_234_567, 999_600, 133_700, 10_240, 999.6, 100, 12.34, 1.234, 0].map(shortNumber);
  assert.deepEqual(shown, [
    "1.23 M",
    "1.00 M",
    "134 k",
    "10.2 k",
    "1.00 k",
    "100",
    "12.3",
    "1.23",
    "0.00",
  ]);
  assert.equal(shortNumber(Number.NaN), "-");
});

test("statistics: times with their unit", () => {
  const shown = [850, 1234, 12_345, 1_200_000].map(showMicros);
  assert.deepEqual(shown, ["850 us", "1.23 ms", "12.3 ms", "1.20 s"]);
});

test("statistics: a spread, and none", () => {
  assert.equal(showSpread(spreadOf([1, 2, 3])), "2.00 (1.00..3.00)");
  assert.equal(showSpread(spreadOf([7])), "7.00");
});

test("statistics: aligned tables", () => {
  const table = formatTable([
    ["", "b"],
    ["row", "1"],
  ]);
  assert.equal(table, "     b\n---  -\nrow  1\n");
});
