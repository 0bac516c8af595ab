/** What ranges do when a store of theirs is gone: its folder, or the disk that it was on. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { listRanges } from "../../../src/main/ranges/list-ranges.ts";
import { RefusalReason } from "../../../src/shared/range/refusal-reason.ts";
import { MemoryDisk } from "../../../src/workers/store/memory-engine.ts";
import { until } from "../../helpers/deadline.ts";
import { RangeRig } from "../../helpers/range-rig.ts";
import { scratchFolder } from "../store/store-fixtures.ts";

async function resetNow(rig: RangeRig, id: number): Promise<void> {
  const reset = rig.main.resets.reset(id);
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  reset.then(over, over);
  while (!isOver) {
    await rig.settle();
    rig.main.tick(rig.nowMs);
  }
  await reset;
}

/** A node whose store is lost: its folder, or the disk that it was on. */
async function nodeWithout(rig: RangeRig, storeId: number): Promise<void> {
  await rig.serve();
  rig.propose(1, 10, 1);
  rig.propose(1, 200, 2);
  await rig.settle();
  rig.nowMs += 10_000;
  await rig.settle();
  assert.ok(rig.isBootstrapped);
  rig.disks[storeId - 1] = new MemoryDisk();
  rig.boot();
  await rig.serve();
}

function damagedIn(rig: RangeRig): number[] {
  const damaged = listRanges(rig.main.groups).filter(({ state }) => state === "damaged");
  return damaged.map(({ id }) => id).sort();
}

test("ranges: a store that is gone is missed, its ranges are named and made anew when told", async (t) => {
  const rig = new RangeRig({ workers: 2, stores: 2, folder: scratchFolder(t) });
  await nodeWithout(rig, 2);
  assert.deepEqual(damagedIn(rig), [3, 5]);
  assert.match(listRanges(rig.main.groups)[2]?.damage ?? "", /missing: store 2 has nothing of it/);
  rig.propose(2, 201, 3);
  rig.propose(2, 11, 4);
  await rig.settle();
  assert.deepEqual(
    rig.refused.map(({ command, reason }) => [command.number, reason]),
    [[3, RefusalReason.DAMAGED]],
  );
  for (const id of [3, 5]) await resetNow(rig, id);
  rig.propose(2, 201, 5);
  await rig.settle();
  for (let life = 0; life < 2; life++) {
    assert.deepEqual(damagedIn(rig), []);
    assert.deepEqual([...rig.lists().keys()].sort(), [10, 11, 201]);
    rig.boot();
    await rig.serve();
  }
});

test("ranges: without the store of the routes nothing is created, and routes do not count as whole", async (t) => {
  for (const isNoted of [true, false]) {
    const rig = new RangeRig({ workers: 2, stores: 2, folder: scratchFolder(t) });
    await nodeWithout(rig, 1);
    rig.isBootstrapped = isNoted;
    rig.boot();
    await rig.serve();
    assert.deepEqual(damagedIn(rig), [1, 2, 4]);
    assert.ok(!rig.main.groups.areRoutesWhole);
    await assert.rejects(rig.main.resets.reset(1), /reset 2 first/);
    await resetNow(rig, 2);
    await until(async () => {
      await rig.settle();
      rig.main.tick(rig.nowMs);
      return rig.main.groups.areRoutesWhole;
    }, "the routes");
    await resetNow(rig, 4);
    assert.deepEqual(damagedIn(rig), []);
    assert.deepEqual([...rig.lists().keys()], [200]);
  }
});

test("ranges: a store that goes with its worker, and comes back with the next, is missed as long", async () => {
  const rig = new RangeRig({ workers: 2, stores: 2 });
  await rig.serve();
  const disk = rig.disks[1]!;
  rig.disks[1] = new MemoryDisk();
  rig.restartWorker(2);
  await rig.serve();
  assert.deepEqual(damagedIn(rig), [3, 5]);
  rig.disks[1] = disk;
  rig.restartWorker(2);
  await rig.serve();
  assert.deepEqual(damagedIn(rig), []);
});
