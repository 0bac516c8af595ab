/**
 * Deadline heap against a sorted array.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DeadlineHeap, type HeapItem } from "../../../src/shared/collections/deadline-heap.ts";

const NEVER = Number.POSITIVE_INFINITY;

interface Item extends HeapItem {
  readonly name: number;
}

function item(name: number): Item {
  return { name, heapIndex: -1, heapDeadlineMs: NEVER };
}

test("deadline heap: an empty heap is never due", () => {
  const heap = new DeadlineHeap<Item>();
  assert.equal(heap.nextDeadlineMs, NEVER);
  assert.equal(heap.pollDue(1e15), null);
  heap.cancel(item(1));
  assert.equal(heap.size, 0);
});

test("deadline heap: Infinity takes an item out", () => {
  const heap = new DeadlineHeap<Item>();
  const one = item(1);
  heap.schedule(one, 5);
  heap.schedule(one, NEVER);
  assert.equal(heap.size, 0);
  assert.equal(one.heapDeadlineMs, NEVER);
});

test("deadline heap: schedules, moves, cancels and polls like a sorted array", () => {
  const step = fc.record({
    name: fc.nat(15),
    deadlineMs: fc.oneof(fc.nat(100), fc.constant(NEVER)),
    action: fc.constantFrom("schedule" as const, "cancel" as const, "poll" as const),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new DeadlineHeap<Item>();
      const items = Array.from({ length: 16 }, (_, name) => item(name));
      const model = new Map<number, number>();
      for (const { name, deadlineMs, action } of steps) {
        if (action === "schedule") {
          heap.schedule(items[name]!, deadlineMs);
          if (deadlineMs === NEVER) model.delete(name);
          else model.set(name, deadlineMs);
        } else if (action === "cancel") {
          heap.cancel(items[name]!);
          model.delete(name);
        } else {
          const nowMs = deadlineMs === NEVER ? 50 : deadlineMs;
          const due = heap.pollDue(nowMs);
          const earliest = Math.min(...model.values(), NEVER);
          if (due === null) {
            assert.ok(earliest > nowMs);
          } else {
            assert.equal(model.get(due.name), earliest);
            model.delete(due.name);
          }
        }
        assert.equal(heap.size, model.size);
        assert.equal(heap.nextDeadlineMs, Math.min(...model.values(), NEVER));
      }
    }),
    { numRuns: 300 },
  );
});
