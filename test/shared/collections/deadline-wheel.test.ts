/** Coarse deadlines: when they fire, moved and cancelled ones, and a model. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DeadlineWheel } from "../../../src/shared/collections/deadline-wheel.ts";

/** The resolution of the wheel: what is due fires at most this long after its deadline. */
const TICK_MS = 500;

class Item {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function due(wheel: DeadlineWheel<Item>, nowMs: number): string[] {
  const fired: string[] = [];
  wheel.poll(nowMs, (item) => fired.push(item.name));
  return fired;
}

test("deadline wheel: never before the deadline, and within a tick after it", () => {
  for (const deadlineMs of [10_000, 10_001, 10_499, 10_500]) {
    const wheel = new DeadlineWheel<Item>(9_000);
    wheel.schedule(new Item("a"), deadlineMs);
    for (let nowMs = 9_000; nowMs < deadlineMs; nowMs += 50) {
      assert.deepEqual(due(wheel, nowMs), [], `${deadlineMs} at ${nowMs}`);
    }
    assert.deepEqual(due(wheel, deadlineMs + TICK_MS), ["a"]);
    assert.equal(wheel.size, 0);
  }
});

test("deadline wheel: the last word counts, and a cancelled one never fires", () => {
  const wheel = new DeadlineWheel<Item>(0);
  const [moved, sooner, cancelled] = [new Item("moved"), new Item("sooner"), new Item("cancelled")];
  wheel.schedule(moved, 1000);
  wheel.schedule(moved, 5000);
  wheel.schedule(sooner, 9000);
  wheel.schedule(sooner, 2000);
  wheel.schedule(cancelled, 1000);
  wheel.cancel(cancelled);
  wheel.cancel(cancelled);
  assert.equal(wheel.size, 2);
  assert.deepEqual(due(wheel, 3000), ["sooner"]);
  assert.deepEqual(due(wheel, 60_000), ["moved"]);
  assert.deepEqual(due(wheel, 120_000), []);
});

test("deadline wheel: a deadline in the past fires with the next tick", () => {
  const wheel = new DeadlineWheel<Item>(10_000);
  wheel.schedule(new Item("late"), 1);
  assert.deepEqual(due(wheel, 10_000), []);
  assert.deepEqual(due(wheel, 10_000 + TICK_MS), ["late"]);
});

test("deadline wheel: who is scheduled again while due waits for its new deadline", () => {
  const wheel = new DeadlineWheel<Item>(0);
  const item = new Item("again");
  wheel.schedule(item, 1000);
  let count = 0;
  const poll = (nowMs: number) => {
    wheel.poll(nowMs, () => {
      count += 1;
      wheel.schedule(item, nowMs + 1000);
    });
  };
  poll(2000);
  poll(2400);
  assert.equal(count, 1);
  poll(4000);
  assert.equal(count, 2);
  assert.equal(wheel.size, 1);
});

test("deadline wheel: one that expires may cancel another of the same moment", () => {
  const wheel = new DeadlineWheel<Item>(0);
  const items = [new Item("a"), new Item("b")];
  for (const item of items) wheel.schedule(item, 1000);
  const fired: string[] = [];
  wheel.poll(5000, (item) => {
    fired.push(item.name);
    for (const other of items) wheel.cancel(other);
  });
  assert.deepEqual(fired, ["a"]);
  assert.equal(wheel.size, 0);
});

test("deadline wheel: behaves as a sorted list of deadlines", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("schedule"), item: fc.nat(9), ms: fc.integer({ max: 20_000 }) }),
    fc.record({ kind: fc.constant("cancel"), item: fc.nat(9), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant("poll"), item: fc.constant(0), ms: fc.nat(3000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const items = Array.from({ length: 10 }, (_, index) => new Item(`${index}`));
      const deadlines = new Map<string, number>();
      let nowMs = 0;
      const wheel = new DeadlineWheel<Item>(nowMs);
      for (const { kind, item, ms } of steps) {
        const one = items[item]!;
        if (kind === "schedule") {
          wheel.schedule(one, nowMs + ms);
          deadlines.set(one.name, nowMs + Math.max(0, ms));
        } else if (kind === "cancel") {
          wheel.cancel(one);
          deadlines.delete(one.name);
        } else {
          nowMs += ms;
          for (const name of due(wheel, nowMs)) {
            assert.ok((deadlines.get(name) ?? Number.POSITIVE_INFINITY) <= nowMs, "not too early");
            deadlines.delete(name);
          }
          for (const deadline of deadlines.values()) {
            assert.ok(deadline + 2 * TICK_MS > nowMs, "nobody is forgotten");
          }
        }
        assert.equal(wheel.size, deadlines.size);
      }
    }),
  );
});
