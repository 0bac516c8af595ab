/** The duty cycle: what runs in which order, when it runs again, and when the worker sleeps. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../src/shared/metrics/counter-table.ts";
import type { RingEndpoint } from "../../src/shared/ring/ring-endpoint.ts";
import { EventLoop } from "../../src/workers/event-loop.ts";
import type { Transport } from "../../src/workers/mqtt/transport.ts";

/** Behind everything that was scheduled by `setImmediate` so far. */
function nextCheckPhase(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A loop whose parts write down that they ran. */
class Setup {
  readonly steps: string[] = [];
  readonly counters = new Float64Array(64);
  readonly loop: EventLoop;
  /** Records that each of the next cycles finds. */
  readonly waiting: number[] = [];
  /** Whether each of the next attempts to park succeeds; afterwards all do. */
  readonly parks: boolean[] = [];
  onFlushTransport: ((transport: Transport) => void) | null = null;
  drainLimit = 0;

  constructor() {
    const endpoint: Partial<RingEndpoint> = {
      unpark: () => this.steps.push("unpark"),
      drain: (limit) => {
        this.drainLimit = limit;
        this.steps.push("drain");
        return this.waiting.shift() ?? 0;
      },
      flush: () => this.steps.push("bells"),
      tryPark: () => {
        this.steps.push("park");
        return this.parks.shift() ?? true;
      },
    };
    // The loop calls these four only.
    this.loop = new EventLoop(endpoint as RingEndpoint, this.counters, {
      nowMs: () => Date.now(),
      flushServices: () => this.steps.push("services"),
      flushTransports: (transports, count) => {
        for (const transport of transports.splice(0, count)) {
          this.steps.push(`output ${transport!.remoteAddress}`);
          this.onFlushTransport?.(transport!);
        }
      },
    });
  }

  get cycles(): number {
    return this.counters[Counter.LOOP_CYCLES] ?? 0;
  }

  takeSteps(): string[] {
    return this.steps.splice(0);
  }
}

function transport(name: string): Transport {
  return { remoteAddress: name } as Transport;
}

test("event loop: a cycle drains, sends what was gathered, flushes output, rings bells, parks", async () => {
  const setup = new Setup();
  setup.loop.markDirty(transport("a"));
  setup.loop.markDirty(transport("b"));
  assert.deepEqual(setup.takeSteps(), []);
  await nextCheckPhase();
  const cycle = ["unpark", "drain", "services", "output a", "output b", "bells", "park"];
  assert.deepEqual(setup.takeSteps(), cycle);
  await nextCheckPhase();
  assert.deepEqual(setup.takeSteps(), []);
  assert.ok(setup.drainLimit > 0 && Number.isFinite(setup.drainLimit));
});

test("event loop: however often it is woken, one cycle follows", async () => {
  const setup = new Setup();
  for (let count = 0; count < 5; count += 1) setup.loop.wake();
  await nextCheckPhase();
  await nextCheckPhase();
  assert.equal(setup.cycles, 1);
});

test("event loop: as long as records arrive it does not try to sleep", async () => {
  const setup = new Setup();
  setup.waiting.push(3, 512, 0);
  setup.loop.schedule();
  for (let turn = 0; turn < 5; turn += 1) await nextCheckPhase();
  assert.equal(setup.cycles, 3);
  assert.equal(setup.takeSteps().filter((step) => step === "park").length, 1);
});

test("event loop: something came while it parked: another cycle", async () => {
  const setup = new Setup();
  setup.parks.push(false, false, true);
  setup.loop.schedule();
  for (let turn = 0; turn < 5; turn += 1) await nextCheckPhase();
  assert.equal(setup.cycles, 3);
});

test("event loop: a connection dirtied by a flush waits for the next cycle", async () => {
  const setup = new Setup();
  setup.onFlushTransport = () => {
    setup.onFlushTransport = null;
    setup.loop.markDirty(transport("b"));
  };
  setup.loop.markDirty(transport("a"));
  await nextCheckPhase();
  const outputs = () => setup.takeSteps().filter((step) => step.startsWith("output"));
  assert.deepEqual(outputs(), ["output a"]);
  await nextCheckPhase();
  assert.deepEqual(outputs(), ["output b"]);
  await nextCheckPhase();
  assert.deepEqual(outputs(), []);
});

test("event loop: takes the time at each event and cycle, not in between", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1000 });
  const setup = new Setup();
  t.mock.timers.setTime(2000);
  assert.equal(setup.loop.nowMs, 1000);
  setup.loop.wake();
  assert.equal(setup.loop.nowMs, 2000);
  t.mock.timers.setTime(3000);
  assert.equal(setup.loop.nowMs, 2000);
  await nextCheckPhase();
  assert.equal(setup.loop.nowMs, 3000);
});

test("event loop: stopped, it runs no more", async () => {
  const setup = new Setup();
  setup.loop.schedule();
  setup.loop.stop();
  await nextCheckPhase();
  setup.loop.schedule();
  await nextCheckPhase();
  assert.equal(setup.cycles, 0);
});
