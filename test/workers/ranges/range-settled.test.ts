/** Reads that must see one's own writes: `whenSettled` of the range client. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { RangeRig, SERVICE } from "../../helpers/range-rig.ts";

function watch(rig: RangeRig, thread: number): { readonly applied: number | null } {
  const watched: { applied: number | null } = { applied: null };
  rig.worker(thread).client.whenSettled(SERVICE, () => {
    assert.equal(watched.applied, null, "called once");
    watched.applied = rig.acknowledged.length + rig.refused.length;
  });
  return watched;
}

test("ranges: with nothing under way everything is settled", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  await rig.serve();
  assert.equal(watch(rig, 1).applied, 0);
  rig.propose(1, 10, 1);
  await rig.settle();
  assert.equal(watch(rig, 1).applied, 1);
});

test("ranges: settled is what was written before, sent or not, and nothing later", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  const { client } = rig.worker(2);
  rig.propose(2, 10, 1);
  rig.turn(2);
  // To another range, not sent yet.
  rig.propose(2, 200, 1);
  const first = watch(rig, 2);
  assert.equal(first.applied, null);
  for (let round = 0; first.applied === null; round++) {
    assert.ok(round < 1000, "later commands hold up who does not wait for them");
    rig.turnAll();
    await new Promise((resolve) => setImmediate(resolve));
    for (const source of [0, 1, 2]) for (const at of [0, 1, 2]) rig.mesh.deliver(source, at);
    rig.propose(2, 10, round + 2);
  }
  assert.ok(first.applied >= 2);
  assert.ok(client.openCount > 0, "others are under way");
  const last = watch(rig, 2);
  await rig.settle();
  assert.equal(last.applied, rig.acknowledged.length);
});

test("ranges: the commands of one service hold up nobody who reads another's", async () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  await rig.serve();
  rig.propose(1, 10, 1);
  let isSettled = false;
  rig.worker(1).client.whenSettled(ServiceId.DIST, () => {
    isSettled = true;
  });
  assert.ok(isSettled);
});

test("ranges: commands that a split sends elsewhere are settled there", async () => {
  const rig = new RangeRig({ workers: 2, stores: 1 });
  await rig.serve();
  const change = rig.main.lifeCycle.split(2, Uint8Array.of(25));
  const watched: { readonly applied: number | null }[] = [];
  for (let number = 1; number < 8; number++) {
    for (const key of [10, 40]) rig.propose(2, key, number);
    watched.push(watch(rig, 2));
    rig.turnAll();
    rig.mesh.deliver(2, 0);
    rig.mesh.deliver(0, 1);
  }
  await rig.settle();
  await change;
  for (const [index, { applied }] of watched.entries()) {
    assert.ok(applied !== null && applied >= 2 * (index + 1), `${index}: ${applied}`);
  }
});

test("ranges: commands that are lost with their worker are settled", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2, holdsCommits: true });
  await rig.serve();
  rig.propose(2, 10, 1);
  const watched = watch(rig, 2);
  rig.turn(2);
  rig.mesh.deliver(2, 0);
  rig.turn(0);
  assert.equal(watched.applied, null);
  rig.restartWorker(1);
  await rig.serve();
  await rig.settle();
  assert.equal(watched.applied, 1);
  assert.equal(rig.refused.length + rig.acknowledged.length >= 1, true);
});

test("ranges: commands for keys that no range holds are settled with their refusal", () => {
  const rig = new RangeRig({ workers: 1, stores: 1 });
  // No directory has come yet.
  rig.propose(1, 10, 1);
  const watched = watch(rig, 1);
  assert.equal(watched.applied, null);
  rig.worker(1).client.flush();
  assert.equal(watched.applied, 1);
});
