import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sharedWordsSize } from "../../../src/shared/metrics/shared-words.ts";
import { SteadyClock } from "../../../src/shared/metrics/steady-clock.ts";

const WALL = 1_700_000_000_000;
const HOUR = 3_600_000;

/** Clocks of two threads of one process. */
function clocks() {
  const time = { monotonicMs: 5_000.25, wallMs: WALL };
  const words = new Int32Array(new SharedArrayBuffer(sharedWordsSize(1)));
  const originMs = time.wallMs - time.monotonicMs;
  const monotonicMs = () => time.monotonicMs;
  const main = new SteadyClock({ words, originMs, monotonicMs });
  const worker = new SteadyClock({ words, originMs, monotonicMs });
  const pass = (ms: number) => {
    time.monotonicMs += ms;
    time.wallMs += ms;
  };
  return { time, main, worker, pass };
}

test("steady clock: it begins at the wall clock and counts what passes, in every thread", () => {
  const { main, worker, pass } = clocks();
  assert.equal(worker.nowMs, WALL);
  pass(1234.5);
  assert.equal(main.follow(WALL + 1234), 0.5);
  assert.equal(worker.nowMs, WALL + 1234);
  assert.equal(main.nowMs, WALL + 1234);
});

test("steady clock: a wall clock that is set by hours moves nothing but one part in a hundred", () => {
  for (const jump of [6 * HOUR, -6 * HOUR]) {
    const { time, main, worker, pass } = clocks();
    time.wallMs += jump;
    for (let tick = 0; tick < 36_000; tick++) {
      pass(100);
      main.follow(time.wallMs);
    }
    const passed = worker.nowMs - WALL;
    const expected = HOUR * (jump > 0 ? 1.01 : 0.99);
    assert.ok(Math.abs(passed - expected) < 10, `${passed} ms for an hour`);
  }
});

test("steady clock: it comes to the wall clock in the end, and stays with it", () => {
  const { time, main, worker, pass } = clocks();
  time.wallMs += 5000;
  for (let tick = 0; tick < 5200; tick++) {
    pass(100);
    main.follow(time.wallMs);
  }
  assert.ok(Math.abs(worker.nowMs - time.wallMs) <= 2, `${worker.nowMs - time.wallMs} ms apart`);
});

test("steady clock: time does not fall behind what stored state has reached, whoever says so", () => {
  const { main, worker, pass } = clocks();
  worker.raise(WALL - HOUR);
  assert.equal(worker.nowMs, WALL);
  main.raise(WALL + HOUR);
  worker.raise(WALL + 2 * HOUR);
  main.raise(WALL + HOUR);
  for (const clock of [main, worker]) {
    assert.ok(clock.nowMs >= WALL + 2 * HOUR && clock.nowMs <= WALL + 2 * HOUR + 1000);
  }
  pass(1000);
  assert.ok(worker.nowMs >= WALL + 2 * HOUR + 1000);
  assert.ok(main.follow(WALL + 1000) >= 2 * HOUR, "it tells how far it is ahead");
});

test("steady clock: whatever the wall clock does, a second takes 0.99 to 1.01 seconds", () => {
  const step = fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: -HOUR, max: HOUR }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
      const { time, main, worker, pass } = clocks();
      let passed = 0;
      for (const [ms, jump] of steps) {
        pass(ms);
        passed += ms;
        time.wallMs += jump;
        main.follow(time.wallMs);
        const counted = worker.nowMs - WALL;
        assert.ok(Math.abs(counted - passed) <= passed * 0.01 + 2, `${counted} for ${passed} ms`);
      }
    }),
  );
});
