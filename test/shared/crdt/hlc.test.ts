import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareStamps, HLC_COUNTER_MAX, HybridClock } from "../../../src/shared/crdt/hlc.ts";

test("hlc: stamps of one clock only grow, whatever the wall clock does", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 2 }), (wallTimes) => {
      const clock = new HybridClock(1_000);
      const stamps = wallTimes.map((wallMs) => clock.next(wallMs));
      for (let i = 1; i < stamps.length; i++) {
        assert.ok(compareStamps(stamps[i]!, stamps[i - 1]!) > 0);
      }
    }),
  );
});

test("hlc: what is written after something was seen is later than that [HLC 2014, theorem 1]", () => {
  const drift = fc.nat(900);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), fc.nat(1_000), drift)), (steps) => {
      const clocks = [new HybridClock(1_000), new HybridClock(1_000)] as const;
      let last = { physicalMs: 0, counter: 0 };
      for (const [index, atMs, driftMs] of steps) {
        const wallMs = 1_000 + atMs + index * driftMs;
        assert.ok(clocks[index as 0 | 1].observe(last, wallMs + 1_000));
        const stamp = clocks[index as 0 | 1].next(wallMs);
        assert.ok(compareStamps(stamp, last) > 0);
        last = stamp;
      }
    }),
  );
});

test("hlc: stays near the wall clock", () => {
  const clock = new HybridClock(60_000);
  assert.deepEqual(clock.next(5_000.9), { physicalMs: 5_000, counter: 0 });
  assert.deepEqual(clock.next(5_000), { physicalMs: 5_000, counter: 1 });
  assert.deepEqual(clock.next(6_000), { physicalMs: 6_000, counter: 0 });
  assert.ok(clock.observe({ physicalMs: 7_000, counter: 4 }, 6_000));
  assert.deepEqual(clock.next(6_500), { physicalMs: 7_000, counter: 5 });
});

test("hlc: a stamp from a wrong clock is refused, and does not spread", () => {
  const clock = new HybridClock(60_000);
  clock.next(1_000);
  assert.equal(clock.observe({ physicalMs: 61_001, counter: 0 }, 1_000), false);
  assert.deepEqual(clock.next(1_001), { physicalMs: 1_001, counter: 0 });
});

test("hlc: more stamps in a millisecond than it can count borrow from the next", () => {
  const clock = new HybridClock(60_000);
  clock.observe({ physicalMs: 10, counter: HLC_COUNTER_MAX - 1 }, 10);
  assert.deepEqual(clock.next(10), { physicalMs: 10, counter: HLC_COUNTER_MAX });
  assert.deepEqual(clock.next(10), { physicalMs: 11, counter: 0 });
});
