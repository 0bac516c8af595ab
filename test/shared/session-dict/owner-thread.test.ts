/**
 * Spreading sessions over threads.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerThread } from "../../../src/shared/session-dict/owner-thread.ts";

const COUNT = 40_000;
const WORKERS = 8;

/** Each thread within 5 % of its share: five standard deviations of a fair spread are 3.5 %. */
function assertEven(name: string, threadOf: (index: number) => number): void {
  const counts = new Array<number>(WORKERS + 1).fill(0);
  for (let i = 0; i < COUNT; i++) counts[threadOf(i)]! += 1;
  assert.equal(counts[0], 0, "thread 0 is main");
  for (const count of counts.slice(1)) {
    const share = COUNT / WORKERS;
    assert.ok(Math.abs(count - share) < share * 0.05, `${name}: ${counts}`);
  }
}

test("owner thread: numbered clients of any tenant spread evenly", () => {
  assertEven("clients", (i) => ownerThread("t", `client-${i}`, WORKERS));
  assertEven("tenants", (i) => ownerThread(`tenant-${i}`, "client", WORKERS));
  assertEven("padded", (i) => ownerThread("t", `sensor-${`${i}`.padStart(8, "0")}`, WORKERS));
});

test("owner thread: one worker owns everything, and the tenant's end is part of the key", () => {
  assert.equal(ownerThread("t", "c", 1), 1);
  const differing = Array.from({ length: 32 }, (_, i) => i).filter(
    (i) => ownerThread("a", `b${i}`, 1000) !== ownerThread("ab", `${i}`, 1000),
  );
  assert.ok(differing.length > 28);
});
