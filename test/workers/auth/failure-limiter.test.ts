import assert from "node:assert/strict";
import { test } from "node:test";
import { FailureLimiter } from "../../../src/workers/auth/failure-limiter.ts";

function exhaust(limiter: FailureLimiter, address: string, nowMs = 0): void {
  for (let failure = 0; failure < 20; failure++) limiter.recordFailure(address, nowMs);
}

test("failure limiter: an address without failures is never blocked", () => {
  const limiter = new FailureLimiter();
  assert.equal(limiter.isBlocked("192.0.2.1", 0), false);
  assert.equal(limiter.size, 0);
});

test("failure limiter: 20 failures block, and each second gives one back, up to 20", () => {
  const limiter = new FailureLimiter();
  exhaust(limiter, "192.0.2.1");
  assert.equal(limiter.isBlocked("192.0.2.1", 0), true);
  assert.equal(limiter.isBlocked("192.0.2.1", 999), true);
  assert.equal(limiter.isBlocked("192.0.2.1", 1000), false);
  limiter.recordFailure("192.0.2.1", 1000);
  assert.equal(limiter.isBlocked("192.0.2.1", 1000), true);
  const rested = 10_000_000;
  for (let failure = 0; failure < 19; failure++) limiter.recordFailure("192.0.2.1", rested);
  assert.equal(limiter.isBlocked("192.0.2.1", rested), false);
  limiter.recordFailure("192.0.2.1", rested);
  assert.equal(limiter.isBlocked("192.0.2.1", rested), true);
});

test("failure limiter: failures while blocked do not extend the block", () => {
  const limiter = new FailureLimiter();
  for (let round = 0; round < 10; round++) exhaust(limiter, "192.0.2.1");
  assert.equal(limiter.isBlocked("192.0.2.1", 1000), false);
});

const SAME: readonly [left: string, right: string, isSame: boolean][] = [
  ["192.0.2.1", "192.0.2.2", false],
  ["192.0.2.1", "::ffff:192.0.2.1", true],
  ["::FFFF:192.0.2.1", "::ffff:192.0.2.2", false],
  ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true],
  ["2001:db8:1:2::1", "2001:0DB8:0001:0002::99", true],
  ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
  ["2001:db8::1", "2001:db8:0:0:5::", true],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1::", true],
  ["::1", "::2", true],
  ["fe80::1%eth0", "fe80::2%eth0", true],
];

for (const [left, right, isSame] of SAME) {
  test(`failure limiter: ${left} and ${right} ${isSame ? "share a budget" : "are apart"}`, () => {
    const limiter = new FailureLimiter();
    exhaust(limiter, left);
    assert.equal(limiter.isBlocked(right, 0), isSame);
  });
}

test("failure limiter: memory is bounded, and the oldest failure is forgotten first", () => {
  const limiter = new FailureLimiter();
  exhaust(limiter, "first");
  exhaust(limiter, "second");
  limiter.recordFailure("first", 0);
  for (let index = 0; index < 9_999; index++)
    limiter.recordFailure(`10.0.${index >> 8}.${index}`, 0);
  assert.equal(limiter.size, 10_000);
  assert.equal(limiter.isBlocked("first", 0), true);
  assert.equal(limiter.isBlocked("second", 0), false);
});
