/** Rate limits that delay: bursts, debt, changes of rate. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TokenBucket } from "../../../src/shared/collections/token-bucket.ts";

test("token bucket: a second's worth passes at once, what is above waits in proportion", () => {
  const bucket = new TokenBucket(10, 1000);
  bucket.take(10, 1000);
  assert.equal(bucket.waitMs(1000), 0);
  bucket.take(1, 1000);
  assert.equal(bucket.waitMs(1000), 100);
  bucket.take(20, 1000);
  assert.equal(bucket.waitMs(1000), 2100);
  assert.equal(bucket.waitMs(2000), 1100, "debt is paid by time");
  assert.equal(bucket.waitMs(3100), 0);
});

test("token bucket: saves no more than a second's worth", () => {
  const bucket = new TokenBucket(10, 0);
  bucket.take(10, 3_600_000);
  assert.equal(bucket.waitMs(3_600_000), 0);
  bucket.take(1, 3_600_000);
  assert.equal(bucket.waitMs(3_600_000), 100);
});

test("token bucket: a new rate counts at once; what was saved is cut to it, debt stays", () => {
  const saved = new TokenBucket(1000, 0);
  saved.setRate(10, 0);
  saved.take(11, 0);
  assert.equal(saved.waitMs(0), 100);
  const inDebt = new TokenBucket(10, 0);
  inDebt.take(110, 0);
  assert.equal(inDebt.waitMs(0), 10_000);
  inDebt.setRate(1000, 0);
  assert.equal(inDebt.waitMs(0), 100);
});

test("token bucket: a clock set back gives nothing and takes nothing", () => {
  const bucket = new TokenBucket(10, 5000);
  bucket.take(15, 5000);
  assert.equal(bucket.waitMs(1000), 500);
  assert.equal(bucket.waitMs(1500), 0, "time goes on from there");
});

test("token bucket: whoever waits as told never exceeds the rate in the long run", () => {
  const amounts = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), amounts, (perSecond, wanted) => {
      const bucket = new TokenBucket(perSecond, 0);
      let nowMs = 0;
      let taken = 0;
      for (const amount of wanted) {
        nowMs += bucket.waitMs(nowMs);
        bucket.take(amount, nowMs);
        taken += amount;
      }
      nowMs += bucket.waitMs(nowMs);
      assert.ok(taken <= perSecond * (1 + nowMs / 1000) + 1e-6, `${taken} in ${nowMs} ms`);
    }),
  );
});
