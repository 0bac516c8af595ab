/** Slots in pages: ids, reuse, and pages that come and go. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  NO_SLOT,
  PAGE_MASK,
  PAGE_SHIFT,
  SLOTS_PER_PAGE,
  SlotPages,
} from "../../../src/shared/topic/slot-pages.ts";

const WORDS = 3;
const PAGE_BYTES = SLOTS_PER_PAGE * WORDS * 4;

function wordsOf(slots: SlotPages, id: number): Int32Array {
  const at = (id & PAGE_MASK) * WORDS;
  const page = slots.pages[id >>> PAGE_SHIFT];
  assert.ok(page !== undefined);
  return page.subarray(at, at + WORDS);
}

function acquireMany(slots: SlotPages, count: number): number[] {
  return Array.from({ length: count }, () => slots.acquire());
}

test("slot pages: nothing is allocated before the first slot", () => {
  const slots = new SlotPages(WORDS);
  assert.equal(slots.memoryBytes, 0);
  assert.equal(slots.capacity, 0);
});

test("slot pages: ids are distinct, never NO_SLOT, and below the capacity", () => {
  const slots = new SlotPages(WORDS);
  const ids = acquireMany(slots, 2 * SLOTS_PER_PAGE + 10);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(!ids.includes(NO_SLOT));
  assert.ok(Math.max(...ids.slice(-100)) < slots.capacity);
  assert.equal(slots.capacity, 3 * SLOTS_PER_PAGE);
  assert.equal(slots.liveSlots, ids.length);
});

test("slot pages: a slot comes with zeros, also when it was used before", () => {
  const slots = new SlotPages(WORDS);
  const id = slots.acquire();
  wordsOf(slots, id).fill(7);
  slots.release(id);
  const again = slots.acquire();
  assert.equal(again, id);
  assert.deepEqual([...wordsOf(slots, again)], [0, 0, 0]);
});

test("slot pages: growth leaves words and ids alone", () => {
  const slots = new SlotPages(WORDS);
  const first = slots.acquire();
  wordsOf(slots, first).set([1, 2, 3]);
  acquireMany(slots, 3 * SLOTS_PER_PAGE);
  assert.deepEqual([...wordsOf(slots, first)], [1, 2, 3]);
});

test("slot pages: the lowest page with room is used first, and the upper ones are dropped", () => {
  const slots = new SlotPages(WORDS);
  const ids = acquireMany(slots, 4 * SLOTS_PER_PAGE - 1);
  assert.equal(slots.memoryBytes, 4 * PAGE_BYTES);
  for (const id of ids.filter((each) => each % 2 === 0)) slots.release(id);
  const low = acquireMany(slots, SLOTS_PER_PAGE - 1);
  assert.ok(Math.max(...low) < 2 * SLOTS_PER_PAGE);
  for (const id of ids.filter((each) => each % 2 === 1 && each >= 2 * SLOTS_PER_PAGE)) {
    slots.release(id);
  }
  assert.equal(slots.memoryBytes, 3 * PAGE_BYTES, "two pages in use, one kept idle");
});

test("slot pages: emptied and filled again, it is as large as before", () => {
  const slots = new SlotPages(WORDS);
  for (let round = 0; round < 3; round++) {
    const ids = acquireMany(slots, 3 * SLOTS_PER_PAGE - 1);
    assert.equal(slots.memoryBytes, 3 * PAGE_BYTES);
    assert.equal(slots.capacity, 3 * SLOTS_PER_PAGE);
    for (const id of round % 2 === 0 ? ids : ids.reverse()) slots.release(id);
    assert.equal(slots.memoryBytes, PAGE_BYTES, "one idle page stays");
    assert.equal(slots.liveSlots, 0);
  }
});

test("slot pages: a slot is given back once", () => {
  const slots = new SlotPages(WORDS);
  assert.throws(() => slots.release(NO_SLOT), /live/);
  const id = slots.acquire();
  slots.release(id);
  assert.throws(() => slots.release(id), /live/);
});

test("slot pages: behave like a set of numbers under any order of taking and giving back", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 300 }), (steps) => {
      const slots = new SlotPages(WORDS);
      const live = new Map<number, number>();
      for (const step of steps) {
        const ids = [...live.keys()];
        const victim = ids[step % (ids.length + 1)];
        if (step % 3 === 0 && victim !== undefined) {
          slots.release(victim);
          live.delete(victim);
        } else {
          const id = slots.acquire();
          assert.ok(!live.has(id));
          wordsOf(slots, id).fill(step);
          live.set(id, step);
        }
      }
      for (const [id, step] of live)
        assert.deepEqual(
          [...wordsOf(slots, id)],
          [step, step, step].map((n) => n | 0),
        );
      assert.equal(slots.liveSlots, live.size);
    }),
  );
});
