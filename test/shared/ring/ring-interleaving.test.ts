/**
 * What the race test meets by luck, in every order: one thread runs an operation, and before or
 * after each of its atomic steps the other thread runs a whole operation of its own. Nobody may
 * then sleep on work without a bell on its way.
 */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { RING_FULL } from "../../../src/shared/ring/ring-endpoint.ts";
import { createRing } from "../../../src/shared/ring/ring-layout.ts";
import { RingPort } from "../../../src/shared/ring/ring-port.ts";
import { SpscConsumer } from "../../../src/shared/ring/spsc-consumer.ts";
import { SpscProducer } from "../../../src/shared/ring/spsc-producer.ts";

const TYPE = 1;
const CAPACITY = 256;

/**
 * Runs `intruder` once, just before atomic step number `step` of whatever runs next; counts the
 * steps.
 */
class StepIntruder {
  stepCount = 0;
  #step = -1;
  #intruder: (() => void) | null = null;

  constructor(context: TestContext) {
    for (const name of ["load", "store", "exchange"] as const) {
      const original = Atomics[name] as (...operands: unknown[]) => number;
      context.mock.method(Atomics, name, (...operands: unknown[]) => {
        this.#beforeStep();
        return original.apply(Atomics, operands);
      });
    }
  }

  /** Runs `operation`; `intruder` steps in before step `step`, or after the last one. */
  run(operation: () => void, step: number, intruder: () => void): void {
    this.stepCount = 0;
    this.#step = step;
    this.#intruder = intruder;
    operation();
    this.#intrude();
  }

  #beforeStep(): void {
    if (this.#intruder === null) return;
    if (this.stepCount === this.#step) this.#intrude();
    this.stepCount += 1;
  }

  #intrude(): void {
    const intruder = this.#intruder;
    this.#intruder = null;
    intruder?.();
  }
}

class Sleeper {
  readonly port: RingPort;
  isAsleep = false;
  /** A bell for this thread is on its way. */
  isRung = false;
  received = 0;

  constructor(
    threadIndex: number,
    inbound: readonly SharedArrayBuffer[],
    outbound: readonly SharedArrayBuffer[],
    ringBell: (target: number) => void,
  ) {
    this.port = new RingPort({ threadIndex, inbound, outbound, ringBell });
    this.port.setHandler(TYPE, () => {
      this.received += 1;
    });
    this.port.unpark();
  }

  tryPark(): void {
    this.isAsleep = this.port.tryPark();
  }

  /** What the event loop does when nobody is asleep on work. */
  assertAwakeOrRung(what: string): void {
    assert.ok(!this.isAsleep || this.isRung, what);
  }
}

function twoThreads(): [Sleeper, Sleeper] {
  const [self0, to1, to0, self1] = [0, 1, 2, 3].map(() => createRing(CAPACITY));
  const threads: Sleeper[] = [];
  const ringBell = (target: number): void => {
    threads[target]!.isRung = true;
  };
  threads.push(new Sleeper(0, [self0!, to0!], [self0!, to1!], ringBell));
  threads.push(new Sleeper(1, [to1!, self1!], [to0!, self1!], ringBell));
  return threads as [Sleeper, Sleeper];
}

function send(thread: Sleeper, target: number): void {
  thread.port.enqueue(target, TYPE, new Uint8Array(20), 0, 20);
  thread.port.flush();
}

/** Tries every step of `operation` for `intruder`, on fresh threads each time. */
function everyOrder(
  context: TestContext,
  prepare: () => { operation: () => void; intruder: () => void; check: (step: number) => void },
): number {
  const steps = new StepIntruder(context);
  let step = 0;
  for (;;) {
    const { operation, intruder, check } = prepare();
    steps.run(operation, step, intruder);
    check(step);
    if (step > steps.stepCount) return step;
    step += 1;
  }
}

test("parking: a record that comes at any moment of it is seen or rings", (context) => {
  const tried = everyOrder(context, () => {
    const [sender, sleeper] = twoThreads();
    return {
      operation: () => sleeper.tryPark(),
      intruder: () => send(sender, 1),
      check: (step) => sleeper.assertAwakeOrRung(`record before step ${step}`),
    };
  });
  assert.ok(tried >= 3);
});

test("parking: at any moment of a send, the record is seen or rings", (context) => {
  const tried = everyOrder(context, () => {
    const [sender, sleeper] = twoThreads();
    return {
      operation: () => send(sender, 1),
      intruder: () => sleeper.tryPark(),
      check: (step) => sleeper.assertAwakeOrRung(`parked before step ${step}`),
    };
  });
  assert.ok(tried >= 3);
});

/** The sender's ring is full and its queue is not empty. */
function withFullRing(): [Sleeper, Sleeper] {
  const [sender, receiver] = twoThreads();
  while (sender.port.queuedBytes(1) === 0) send(sender, 1);
  return [sender, receiver];
}

test("parking with a queue: room that comes at any moment of it is used or rings", (context) => {
  const tried = everyOrder(context, () => {
    const [sender, receiver] = withFullRing();
    return {
      operation: () => sender.tryPark(),
      intruder: () => {
        receiver.port.drain(100);
        receiver.port.flush();
      },
      check: (step) => sender.assertAwakeOrRung(`room before step ${step}`),
    };
  });
  assert.ok(tried >= 5);
});

test("parking with a queue: at any moment of a drain, room is used or rings", (context) => {
  const tried = everyOrder(context, () => {
    const [sender, receiver] = withFullRing();
    return {
      operation: () => {
        receiver.port.drain(100);
        receiver.port.flush();
      },
      intruder: () => sender.tryPark(),
      check: (step) => sender.assertAwakeOrRung(`parked before step ${step}`),
    };
  });
  assert.ok(tried >= 5);
});

test("ring: at any moment of a claim over the wrap, the consumer sees nothing of it", (context) => {
  const steps = new StepIntruder(context);
  for (let step = 0; step < 8; step += 1) {
    const ring = createRing(CAPACITY);
    const producer = new SpscProducer(ring);
    const consumer = new SpscConsumer(ring);
    const sizes: number[] = [];
    const look = (): void => {
      consumer.drain(10, (_type, _offset, length) => sizes.push(length));
    };
    // After 5 records of 40 bytes one of 64 must wrap, to where a stale length word lies.
    for (let sent = 0; sent < 5; sent += 1) {
      assert.notEqual(producer.tryClaim(TYPE, 32), RING_FULL);
      producer.commit();
      look();
    }
    sizes.length = 0;
    steps.run(() => assert.notEqual(producer.tryClaim(TYPE, 56), RING_FULL), step, look);
    look();
    assert.deepEqual(sizes, [], `before step ${step}`);
    steps.run(() => producer.commit(), step, look);
    look();
    assert.deepEqual(sizes, [56], `before step ${step}`);
  }
});
