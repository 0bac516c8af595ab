/** The clock of an open loop: every tick once, none before its time, none a tick late. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { nowMicros } from "../../../bench/load/clock.ts";
import { Pacer } from "../../../bench/load/pacer.ts";

const PER_SECOND = 200;
const TICK_MICROS = 1e6 / PER_SECOND;
/** The clocks of two threads differ by less. */
const CLOCK_MICROS = 100;

test("pacer: publishes are one tick apart, each is asked for once and not before its time", async () => {
  const pacer = new Pacer(PER_SECOND);
  const startMicros = nowMicros();
  const intended: number[] = [];
  await new Promise<void>((resolve) => {
    pacer.start((micros, count) => {
      assert.ok(micros <= nowMicros() + CLOCK_MICROS, "before its time");
      for (let index = 0; index < count; index += 1) intended.push(micros);
      if (intended.length >= 20) resolve();
    });
  });
  pacer.stop();
  for (const [index, micros] of intended.entries()) {
    if (index === 0) continue;
    assert.ok(Math.abs(micros - intended[index - 1]! - TICK_MICROS) < 1, `gap before ${index}`);
  }
  const first = (intended[0] ?? 0) - startMicros;
  assert.ok(first >= TICK_MICROS, `the first one ${first} microseconds after the start`);
});

test("pacer: what is due when it stops is asked for, even if its thread has never run", () => {
  const pacer = new Pacer(1000);
  let publishes = 0;
  pacer.start((_micros, count) => {
    publishes += count;
  });
  const startMicros = nowMicros();
  // The event loop is not let go, so no wake-up of the thread can have been served.
  while (nowMicros() < startMicros + 5 * (1e6 / 1000));
  pacer.stop();
  assert.ok(publishes >= 5, `${publishes} publishes`);
});

test("pacer: what was missed is sent together, a part at a time, with sockets read in between", async () => {
  const pacer = new Pacer(1_000_000);
  const sent: number[] = [];
  let asked = 0;
  let readsBetween = 0;
  const startMicros = nowMicros();
  await new Promise<void>((resolve) => {
    pacer.start(
      (_micros, count) => {
        asked += count;
      },
      () => {
        sent.push(asked);
        if (sent.length === 3) resolve();
        setImmediate(() => {
          readsBetween += 1;
        });
      },
    );
    // The event loop is late by 20,000 publishes, 500 per tick.
    while (nowMicros() < startMicros + 20_000);
  });
  pacer.stop();
  const [first = 0, second = 0, third = 0] = sent;
  assert.ok(first >= 500 && first <= 4096, `${first} at once`);
  assert.ok(second - first <= 4096 && third - second <= 4096);
  assert.ok(readsBetween > 0);
});

test("pacer: a generator that is seconds behind leaves the rest, and says how much", (context) => {
  context.mock.method(performance, "now", () => frozenMs);
  let frozenMs = 1_000;
  const pacer = new Pacer(1000);
  let asked = 0;
  pacer.start((_micros, count) => {
    asked += count;
  });
  frozenMs += 5_000;
  assert.equal(pacer.stop(), 5_000);
  assert.equal(asked, 0);
});

test("clock: two threads read the same time", async () => {
  const url = new URL("../../../bench/load/clock.js", import.meta.url).href;
  const code = `import(${JSON.stringify(url)}).then(({ nowMicros }) => {
    const port = require("node:worker_threads").parentPort;
    port.on("message", () => port.postMessage(nowMicros()));
    port.postMessage(0);
  });`;
  const worker = new Worker(code, { eval: true });
  await once(worker, "message");
  // Each exchange bounds the difference of the clocks from both sides.
  for (let exchange = 0; exchange < 50; exchange += 1) {
    const before = nowMicros();
    worker.postMessage(0);
    const [there] = (await once(worker, "message")) as [number];
    const after = nowMicros();
    assert.ok(there > before - CLOCK_MICROS, `behind by ${before - there} microseconds`);
    assert.ok(there < after + CLOCK_MICROS, `ahead by ${there - after} microseconds`);
  }
  await worker.terminate();
});
