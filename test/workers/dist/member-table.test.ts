/**
 * Slots of shared-group members: found while they are members, never mistaken for their successor.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  SHARE_SLOTS,
  sharedWordsSize,
  shareLoadWord,
} from "../../../src/shared/metrics/shared-words.ts";
import { MemberTable } from "../../../src/workers/dist/member-table.ts";
import type { Subscription } from "../../../src/workers/dist/subscription.ts";
import { FakeReceiver, subscriptionOf } from "./dist-workers.ts";

const THREAD = 2;

function makeTable() {
  const loads = new Int32Array(new SharedArrayBuffer(sharedWordsSize(THREAD)));
  return { loads, table: new MemberTable(loads, THREAD) };
}

function subscription(name = "c"): Subscription {
  return subscriptionOf(new FakeReceiver(name), "$oshare/g/a/+");
}

test("member table: a member is found by slot and generation until it leaves", () => {
  const { table } = makeTable();
  const member = subscription();
  const slot = table.join("t", member);
  const generation = table.generation(slot);
  assert.equal(table.find(slot, generation), member);
  assert.equal(table.find(slot, generation + 1), null);
  table.leave(slot);
  assert.equal(table.find(slot, generation), null);
});

test("member table: a late delivery learns its group until every worker has removed the member", () => {
  const { table } = makeTable();
  const slot = table.join("t", subscription());
  const generation = table.generation(slot);
  table.leave(slot);
  const route = { tenantId: "t", filter: "a/+", group: "g", ordered: true };
  assert.deepEqual(table.route(slot, generation), route);
  table.release(slot);
  assert.equal(table.route(slot, generation), null);
});

test("member table: a slot is not given out again before it is released", () => {
  const { table } = makeTable();
  const slot = table.join("t", subscription());
  table.leave(slot);
  assert.notEqual(table.join("t", subscription()), slot);
  table.release(slot);
  assert.equal(table.join("t", subscription()), slot);
  assert.equal(table.size, 2);
});

test("member table: the successor in a slot starts with load zero and is not its predecessor", () => {
  const { loads, table } = makeTable();
  const slot = table.join("t", subscription());
  const generation = table.generation(slot);
  Atomics.add(loads, shareLoadWord(THREAD, slot), 5);
  table.leave(slot);
  table.release(slot);
  const successor = subscription("d");
  assert.equal(table.join("t", successor), slot);
  assert.equal(Atomics.load(loads, shareLoadWord(THREAD, slot)), 0);
  assert.equal(table.find(slot, generation), null);
  assert.equal(table.find(slot, table.generation(slot)), successor);
});

test("member table: a load counts down to zero and no further", () => {
  const { loads, table } = makeTable();
  const slot = table.join("t", subscription());
  const word = shareLoadWord(THREAD, slot);
  Atomics.add(loads, word, 2);
  for (const left of [1, 0, 0]) {
    table.finish(slot);
    assert.equal(Atomics.load(loads, word), left);
  }
});

test("member table: finishing for a member that has left touches nobody", () => {
  const { loads, table } = makeTable();
  const member = subscription();
  const before = loads.slice();
  table.finish(member.memberSlot);
  assert.deepEqual(loads, before);
});

test("member table: slots beyond the shared words share them, and loads stay sound", () => {
  const { loads, table } = makeTable();
  const slots = Array.from({ length: SHARE_SLOTS + 1 }, () => table.join("t", null));
  const [first, last] = [slots[0]!, slots[SHARE_SLOTS]!];
  assert.equal(shareLoadWord(THREAD, first), shareLoadWord(THREAD, last));
  Atomics.add(loads, shareLoadWord(THREAD, first), 1);
  table.finish(first);
  table.finish(last);
  assert.equal(Atomics.load(loads, shareLoadWord(THREAD, first)), 0);
});

test("member table: a stored member's load is what its inbox says", () => {
  const { loads, table } = makeTable();
  const slot = table.join("t", null);
  Atomics.add(loads, shareLoadWord(THREAD, slot), 2);
  table.setLoad(shareLoadWord(THREAD, slot), 7);
  assert.equal(Atomics.load(loads, shareLoadWord(THREAD, slot)), 7);
});

test("member table: when a worker is gone, what it had counted is forgotten", () => {
  const { loads, table } = makeTable();
  const slots = [table.join("t", subscription()), table.join("t", null)];
  for (const slot of slots) Atomics.add(loads, shareLoadWord(THREAD, slot), 3);
  table.resetLoads();
  for (const slot of slots) assert.equal(Atomics.load(loads, shareLoadWord(THREAD, slot)), 0);
});

test("member table: any history finds the members that are there, and only those", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat()), { maxLength: 80 }), (steps) => {
      const { table } = makeTable();
      const live: { slot: number; generation: number; member: Subscription }[] = [];
      const left: { slot: number; generation: number }[] = [];
      const gone: { slot: number; generation: number }[] = [];
      for (const [action, pick] of steps) {
        if (action === 0) {
          const member = subscription();
          const slot = table.join("t", member);
          live.push({ slot, generation: table.generation(slot), member });
        } else if (action === 1 && live.length > 0) {
          const [one] = live.splice(pick % live.length, 1);
          table.leave(one!.slot);
          left.push(one!);
        } else if (action === 2 && left.length > 0) {
          const [one] = left.splice(pick % left.length, 1);
          table.release(one!.slot);
          gone.push(one!);
        }
      }
      for (const { slot, generation, member } of live) {
        assert.equal(table.find(slot, generation), member);
      }
      for (const { slot, generation } of left) {
        assert.equal(table.find(slot, generation), null);
        assert.equal(table.route(slot, generation)?.group, "g");
      }
      for (const { slot, generation } of gone) {
        assert.equal(table.find(slot, generation), null);
        assert.equal(table.route(slot, generation), null);
      }
    }),
  );
});
