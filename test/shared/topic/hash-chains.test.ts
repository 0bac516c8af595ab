/**
 * Linear hashing: found after any order of insertions and removals, and no larger than its content
 * asks for.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HashChains } from "../../../src/shared/topic/hash-chains.ts";
import {
  LINK,
  NO_SLOT,
  PAGE_MASK,
  PAGE_SHIFT,
  SlotPages,
} from "../../../src/shared/topic/slot-pages.ts";

const WORDS = 2;
const HASH = 1;

class Table {
  readonly slots = new SlotPages(WORDS);
  readonly chains = new HashChains(this.slots, (id) => this.word(id, HASH));

  add(hash: number): number {
    const id = this.slots.acquire();
    const page = this.slots.pages[id >>> PAGE_SHIFT];
    assert.ok(page !== undefined);
    page[(id & PAGE_MASK) * WORDS + HASH] = hash;
    this.chains.insert(hash, id);
    return id;
  }

  remove(id: number): void {
    this.chains.remove(this.word(id, HASH), id);
    this.slots.release(id);
  }

  word(id: number, word: number): number {
    return this.slots.pages[id >>> PAGE_SHIFT]?.[(id & PAGE_MASK) * WORDS + word] ?? Number.NaN;
  }

  chainOf(hash: number): number[] {
    const ids: number[] = [];
    for (let id = this.chains.head(hash); id !== NO_SLOT; id = this.word(id, LINK)) ids.push(id);
    return ids;
  }
}

/** A bijection on 32-bit integers, so that numbered hashes spread. */
function mix(value: number): number {
  const hash = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  return hash ^ (hash >>> 15);
}

test("hash chains: every slot is in the chain of its hash, while growing and while shrinking", () => {
  const table = new Table();
  const ids = Array.from({ length: 5000 }, (_, index) => table.add(mix(index)));
  ids.forEach((id, index) => {
    assert.ok(table.chainOf(mix(index)).includes(id));
  });
  for (let index = 0; index < 4900; index++) table.remove(ids[index] ?? NO_SLOT);
  ids.forEach((id, index) => {
    assert.equal(table.chainOf(mix(index)).includes(id), index >= 4900);
  });
  assert.equal(table.chains.count, 100);
});

test("hash chains: chains stay short at any size", () => {
  const table = new Table();
  for (let index = 0; index < 40_000; index++) {
    table.add(mix(index));
    if (index % 1000 !== 999) continue;
    let visited = 0;
    for (let probe = 0; probe < 500; probe++) visited += table.chainOf(mix(-1 - probe)).length;
    // One slot per bucket, a little more where a bucket waits for its split.
    assert.ok(visited / 500 < 1.6, `${visited / 500} slots per miss at ${index + 1}`);
  }
});

test("hash chains: equal hashes share a chain and are told apart by their owner", () => {
  const table = new Table();
  const ids = Array.from({ length: 1000 }, () => table.add(42));
  assert.deepEqual(
    table.chainOf(42).sort((a, b) => a - b),
    ids,
  );
  for (const id of ids.filter((_, index) => index % 2 === 0)) table.remove(id);
  assert.deepEqual(
    table.chainOf(42).sort((a, b) => a - b),
    ids.filter((_, index) => index % 2 === 1),
  );
});

test("hash chains: memory returns when slots do", () => {
  const table = new Table();
  const empty = table.chains.memoryBytes;
  const ids = Array.from({ length: 100_000 }, (_, index) => table.add(mix(index)));
  assert.ok(table.chains.memoryBytes >= 400_000);
  for (const id of ids) table.remove(id);
  assert.ok(table.chains.memoryBytes <= 2 * empty);
  assert.equal(table.chains.count, 0);
});

test("hash chains: a slot that is not in its chain is a bug", () => {
  const table = new Table();
  table.add(1);
  const stranger = table.slots.acquire();
  assert.throws(() => table.chains.remove(1, stranger), /chain/);
});

test("hash chains: behave like a map of sets", () => {
  const step = fc.record({ hash: fc.integer({ min: -6, max: 6 }), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new Table();
      const model = new Map<number, number[]>();
      for (const { hash, remove } of steps) {
        const ids = model.get(hash) ?? [];
        const victim = remove ? ids.pop() : undefined;
        if (victim !== undefined) table.remove(victim);
        else ids.push(table.add(hash));
        model.set(hash, ids);
      }
      for (const [hash, ids] of model) {
        const chain = table.chainOf(hash).filter((id) => table.word(id, HASH) === hash);
        assert.deepEqual(
          chain.sort((a, b) => a - b),
          ids.sort((a, b) => a - b),
        );
      }
    }),
  );
});
